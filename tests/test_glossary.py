"""Every name of a module in domain, store and engine is a word of the glossary, or made of such words."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WORDS = {
    word.lower()
    for line in (ROOT / "docs" / "glossary.md").read_text().splitlines()
    if line.startswith(("|", "Parts of"))
    for word in re.findall(r"\*\*([^*]+)\*\*", line)
}
MODULES = sorted(
    (path.relative_to(ROOT / "src" / "lockstep").as_posix(), path.stem)
    for stratum in ("domain", "store", "engine")
    for path in (ROOT / "src" / "lockstep" / stratum).iterdir()
    if path.suffix in (".py", ".sql") and path.stem != "__init__"
)


@pytest.mark.parametrize(("path", "name"), MODULES, ids=[path for path, _ in MODULES])
def test_a_module_is_named_by_words_of_the_glossary(path: str, name: str) -> None:
    words = name.split("_")
    assert " ".join(words) in WORDS or all(word in WORDS for word in words), (
        f"{path}: enter '{name}' in docs/glossary.md"
    )


def test_the_glossary_names_no_word_twice() -> None:
    lines = (ROOT / "docs" / "glossary.md").read_text().splitlines()
    named = [
        word for line in lines if line.startswith("|") for word in re.findall(r"\*\*([^*]+)\*\*", line.split("|")[1])
    ]
    assert sorted(named) == sorted(set(named))
    assert len(named) > 80
