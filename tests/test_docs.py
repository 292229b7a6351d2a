"""What the documentation says of files, dependencies and documents is so."""

import re
import tomllib
from pathlib import Path

import pytest

from lockstep.domain.protocol import read_text

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=[path.relative_to(ROOT).as_posix() for path in PAGES])
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    broken = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert broken == []


def test_every_decision_is_listed() -> None:
    index = (ROOT / "docs" / "decisions" / "README.md").read_text()
    for path in (ROOT / "docs" / "decisions").glob("[0-9]*.md"):
        number, title = re.match(r"# (\d{4})\W+(.+)", path.read_text()).groups()  # type: ignore[union-attr]
        assert path.name.startswith(number)
        assert f"| [{number}]({path.name}) | {title} |" in index


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = re.findall(r"`([\w-]+)`", (ROOT / "docs" / "decisions" / "0010-dependencies.md").read_text())
    extras = project["optional-dependencies"].values()
    for wanted in (*project["dependencies"], *(each for extra in extras for each in extra)):
        assert re.match(r"[\w-]+", wanted)[0] in named, wanted  # type: ignore[index]


def test_the_example_of_the_format_is_a_protocol() -> None:
    page = (ROOT / "docs" / "reference" / "protocol-format.md").read_text()
    smallest, personal, on_switch = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert read_text(smallest, format="yaml").activities[0].grace_minutes == 120
    content = read_text(f"{smallest}{personal}{on_switch}", format="yaml")
    assert [field for field, _ in content.activities[0].policies] == ["rules", "schedule"]
    for words in re.findall(r"^\| (.*) \|.*\|$", page.split("## When")[1].split("`times`")[0], re.MULTILINE)[2:]:
        fields = re.findall(r"`([^`]+)`", words)
        document = "\n".join(f"      {field}" for field in fields)
        times = "" if fields[0].startswith("after") else "\n      times: [{opens: '06:00', lasts: 1h}]"
        made = re.sub(r"      every: 1 day\n      times:.*", lambda _, new=document + times: new, smallest)  # type: ignore[misc]
        assert read_text(made, format="yaml").activities[0].schedule, fields
    for rule in re.findall(r"^\| `(\{.*?\})` \|", page, re.MULTILINE):
        unit = (
            smallest.replace("unit: kg ", "unit: mg/dL ").replace("29463-7", "41653-7") if "mmol" in rule else smallest
        )
        made = re.sub(r"- \{key: heavy.*\n.*", f"- {rule}", unit)
        assert len(read_text(made, format="yaml").activities[0].rules) == 1, rule


def test_the_map_of_nouns_is_that_of_the_files() -> None:
    page = (ROOT / "README.md").read_text()
    strata = ("domain", "store", "engine", "worker", "cli")
    table = page.split("| noun |")[1].split("\n\n")[0]
    rows = re.findall(r"^\| ([a-z ]+) \|(.*)\|$", table, re.MULTILINE)
    assert len(rows) > 20
    for noun, cells in rows:
        shown = [cell.strip() == "●" for cell in cells.split("|")]
        name = noun.replace(" ", "_")
        assert shown == [(ROOT / "src" / "lockstep" / each / f"{name}.py").exists() for each in strata], noun
