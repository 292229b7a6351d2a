"""Named SQL: how it is read, and what every query of the store says about itself."""

import re
from importlib.resources import files

import pytest

from lockstep.store.queries import InvalidQueries, NamedQuery, parse

TEXT = """-- what the file is about

-- name: accept_switch
-- Puts a switch on its protocol's timeline.
-- Only a fresh one.
-- Locks: the protocol's control row, for update.
-- (nothing else)
select a
from b; -- in passing

-- name: other
-- Another.
-- Locks: none.
select 1
"""

STORE = [
    pytest.param(query, id=f"{file.name}:{query.name}")
    for file in sorted(files("lockstep.store").iterdir(), key=lambda file: file.name)
    if file.name.endswith(".sql")
    for query in parse(file.read_text(encoding="utf-8"), file=file.name)
]


def words_of(sql: str) -> str:
    """The SQL without its comments and without what stands in quotes."""
    return re.sub(r"--[^\n]*|'(?:[^']|'')*'|\"[^\"]*\"", " ", sql)


def test_a_query_has_a_name_a_purpose_its_locks_and_its_sql() -> None:
    first, second = parse(TEXT)
    assert first.name == "accept_switch"
    assert first.purpose == "Puts a switch on its protocol's timeline. Only a fresh one."
    assert first.locks == "the protocol's control row, for update. (nothing else)"
    assert first.sql == "select a\nfrom b; -- in passing"
    assert second == NamedQuery("other", "Another.", "none.", "select 1")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (TEXT + TEXT, "accept_switch is used twice"),
        ("-- name: a\n-- Does.\n-- Locks: none.\n", "a has no SQL"),
        ("-- name: a-b\nselect 1", "'a-b' is no name"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(text: str, says: str) -> None:
    with pytest.raises(InvalidQueries, match=says):
        parse(text, file="x.sql")


@pytest.mark.parametrize("query", STORE)
def test_every_query_of_the_store_keeps_the_rules(query: NamedQuery) -> None:
    assert query.purpose.endswith("."), "a sentence of purpose"
    assert query.locks, "a -- Locks: line"
    words = words_of(query.sql)
    assert words == words.lower(), "lower case"
    assert not re.search(r"select\s+(distinct\s+)?(\w+\.)?\*|returning\s+(\w+\.)?\*", words), "columns are listed"
