"""The data dictionary is complete, and the published page is that of the schema."""

import re
from pathlib import Path

from lockstep.store.dictionary import dictionary

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "tables.md"


def test_the_published_page_is_that_of_the_schema(database_url: str) -> None:
    assert dictionary(database_url) == PAGE.read_text(), "write it anew: lockstep migrate --dictionary > " + str(PAGE)


def test_every_table_and_column_says_what_it_means(database_url: str) -> None:
    text = dictionary(database_url)
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| (.*) \|$", text, re.MULTILINE)
    assert len(rows) > 300
    assert [name for name, _, meaning in rows if not meaning.strip()] == []
    for section in text.split("\n## ")[1:]:
        name, _, purpose, *_ = section.splitlines()
        assert re.match(r"[A-Z].+\.", purpose), name
