# Everything a newcomer types. `make setup` is a prerequisite of the rest, so no target needs another first.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.lockstep-setup
ARGS ?=
WORKERS ?= auto

.PHONY: help setup demo test check lock clean

help:
	@echo "make demo [ARGS='--patients 1000 --exit']   the story, on this machine, with an embedded PostgreSQL"
	@echo "make test [ARGS='tests/domain -x']          every test, or those named; WORKERS=0 for one process"
	@echo "make check                                  style, types, strata, migrations, dependencies"
	@echo "make lock                                   resolve the dependencies anew into requirements.lock"
	@echo "make clean                                  remove what these commands made"

setup: $(STAMP)

# Made anew only when the dependencies or the package's own description changed.
$(STAMP): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "Lockstep needs Python 3.11 or newer with its venv module; name another with PYTHON=..."; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

demo: $(STAMP)
	$(BIN)/lockstep demo $(ARGS)

test: $(STAMP)
	$(BIN)/pytest -n $(WORKERS) $(ARGS)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m lockstep.store.migrate --ours > $(VENV)/migrations.sql
	$(BIN)/squawk $(VENV)/migrations.sql
	$(BIN)/deptry src

lock: $(STAMP)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
