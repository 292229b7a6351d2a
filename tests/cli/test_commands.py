"""Every command as a person types it: what it answers, in words and in JSON, and how it ends."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tests.cli.conftest import Lockstep, answer
from typer.testing import Result

Settle = Callable[[], None]


def test_organisations_programs_protocols_and_patients_are_made_and_listed(lockstep: Lockstep, clinic: Path) -> None:
    assert answer(lockstep("organisation", "list", "--json"))[0]["key"] == "clinic"
    assert answer(lockstep("program", "list", "--json"))[0]["title"] == "Heart failure"
    assert answer(lockstep("protocol", "list", "--json"))[0]["version_number"] == 1
    assert answer(lockstep("patient", "show", "p1", "--json"))["zone"] == "Europe/Amsterdam"
    assert len(answer(lockstep("enrolment", "list", "--json"))) == 1
    assert lockstep("protocol", "list").stdout.split("\t")[2:] == ["stable", "Stable", "1", "\n"]


def test_a_patient_lives_elsewhere_and_is_discharged(lockstep: Lockstep, clinic: Path) -> None:
    lockstep("patient", "zone", "p1", "--zone", "Asia/Tokyo")
    assert "Asia/Tokyo" in lockstep("patient", "show", "p1").stdout
    lockstep("enrolment", "discharge", "p1", "-r", "well")
    assert (
        "discharged" in lockstep("agenda", "show", "p1").stdout or "Nothing" in lockstep("agenda", "show", "p1").stdout
    )


def test_the_agenda_names_its_version_and_its_occurrences(lockstep: Lockstep, clinic: Path) -> None:
    told = answer(lockstep("agenda", "show", "p1", "--days", 3, "--json"))
    assert told["version"] == 1
    assert {occurrence["activity_key"] for occurrence in told["occurrences"]} == {"weight"}
    said = lockstep("agenda", "show", "p1").stdout
    assert said.startswith("In force: Heart failure › Stable, version 1")
    assert "Nothing pending" in said


def test_a_switch_is_previewed_accepted_followed_and_shown(lockstep: Lockstep, clinic: Path, settle: Settle) -> None:
    settle()
    preview = answer(
        lockstep("switch", "preview", "stable", "--publish", clinic / "longer.yaml", "-r", "why", "--json")
    )
    number = preview["switch_id"]
    accepted = answer(lockstep("switch", "accept", number, "--key", "k", "--json"))["accepted"]
    again = answer(lockstep("switch", "accept", number, "--key", "k", "--json"))["accepted"]
    assert again == {**accepted, "repeated": True}
    operation = accepted["operation_id"]
    assert "accepted" in lockstep("operation", "watch", operation, "--seconds", 0, code=6).stdout
    settle()
    assert "succeeded" in lockstep("operation", "watch", operation).stdout
    assert (
        answer(lockstep("operation", "show", operation, "--json"))["events"][0]["type"] == "lockstep.operation.accepted"
    )
    assert "Accepted by o.perator" in lockstep("switch", "show", number).stdout
    assert answer(lockstep("switch", "list", "--json"))[0]["switch_id"] == number


def test_a_stale_preview_ends_with_3_and_tells_the_difference(lockstep: Lockstep, clinic: Path) -> None:
    words = ("switch", "preview", "stable", "--publish", clinic / "longer.yaml", "-r", "why", "--json")
    first, second = (answer(lockstep(*words))["switch_id"] for _ in range(2))
    lockstep("switch", "accept", first)
    assert "Refused: Since the preview" in lockstep("switch", "accept", second, code=3).stderr
    assert answer(lockstep("switch", "accept", second, "--json", code=3))["refusal"]["code"] == "stale-preview"


def test_a_scheduled_switch_is_withdrawn_and_one_in_force_reverted(lockstep: Lockstep, clinic: Path) -> None:
    words = ("switch", "preview", "stable", "--publish", clinic / "longer.yaml", "-r", "why", "--json")
    scheduled = answer(lockstep(*words, "--at", "2099-01-01T08:00"))["switch_id"]
    lockstep("switch", "accept", scheduled)
    assert "never comes into force" in lockstep("switch", "withdraw", scheduled, "-r", "changed my mind").stdout
    now = answer(lockstep(*words))["switch_id"]
    lockstep("switch", "accept", now)
    lockstep("switch", "withdraw", now, "-r", "too late", code=4)
    reverted = answer(lockstep("switch", "revert", now, "-r", "back", "--json"))["switch_id"]
    lockstep("switch", "accept", reverted)
    lockstep("protocol", "compare", "stable@1", clinic / "stable.yaml")


def test_a_second_person_approves(lockstep: Lockstep, clinic: Path) -> None:
    words = ("switch", "preview", "stable", "--publish", clinic / "longer.yaml", "-r", "why", "--json")
    number = answer(lockstep(*words))["switch_id"]
    assert "same-person" in lockstep("switch", "approve", number, "--json", code=4).stdout
    assert "s.econd" in lockstep("switch", "approve", number, "--actor", "s.econd").stdout


def test_one_patient_is_moved_and_another_assigned(lockstep: Lockstep, clinic: Path, settle: Settle) -> None:
    document = {**yaml.safe_load((clinic / "stable.yaml").read_text()), "key": "intensive", "title": "Intensive"}
    (clinic / "intensive.yaml").write_text(yaml.safe_dump(document))
    imported = answer(lockstep("protocol", "import", clinic / "intensive.yaml", "-p", "heart", "--json"))
    lockstep("switch", "accept", imported["files"][0]["preview"]["switch_id"])
    enrolment = answer(lockstep("enrolment", "list", "--json"))[0]["enrolment_id"]
    moved = answer(
        lockstep("switch", "preview", "stable", "--move-to", "intensive", "-e", enrolment, "-r", "worse", "--json")
    )
    lockstep("switch", "accept", moved["switch_id"])
    assert "› Intensive" in lockstep("agenda", "show", f"#{enrolment}").stdout
    selection = moved["selection"]["selection_id"]
    settle()
    lockstep("recalculate", "selection", selection)
    lockstep("enrolment", "assign", "p1", "--protocol", "stable")
    assert "› Stable" in lockstep("agenda", "show", "p1").stdout


def test_documents_are_exported_compared_and_read_again(lockstep: Lockstep, clinic: Path) -> None:
    exported = clinic / "exported.yaml"
    exported.write_text(lockstep("protocol", "export", "heart/stable", "--version", 1).stdout)
    assert answer(lockstep("protocol", "compare", exported, clinic / "stable.yaml", "--json"))["changes"] == []
    assert "11:00" in lockstep("protocol", "compare", "stable", clinic / "longer.yaml").stdout
    assert len(answer(lockstep("protocol", "versions", "stable", "--json"))) == 1


def test_importing_the_same_content_again_is_a_no_op_that_says_so(lockstep: Lockstep, clinic: Path) -> None:
    result = lockstep("protocol", "import", clinic / "stable.yaml", "-p", "heart", code=4)
    assert "would change nothing" in result.stderr or "already" in result.stderr


def test_files_without_a_program_are_only_read(lockstep: Lockstep, clinic: Path) -> None:
    bad = clinic / "bad.yaml"
    bad.write_text("key: x\ntitle: X\nactivities:\n  - key: a\n")
    said = lockstep("protocol", "import", clinic / "stable.yaml", bad, code=5)
    assert "weight: every day" in said.stdout
    assert "activities[0]" in said.stderr
    lockstep("protocol", "import", bad, code=4)


def test_recalculations_are_asked_for_and_followed(lockstep: Lockstep, clinic: Path, settle: Settle) -> None:
    assert "1 of 1 agendas are in step" in lockstep("recalculate", "patient", "p1").stdout
    lockstep("recalculate", "program", "heart", "--wait", "--seconds", 0, code=6)
    started = answer(lockstep("recalculate", "protocol", "stable", "--json"))["operations"][0]["operation_id"]
    settle()
    assert answer(lockstep("operation", "show", started, "--json"))["operation"]["state"] == "succeeded"
    assert answer(lockstep("operation", "list", "--unfinished", "--json")) == []
    lockstep("recalculate", "selection", 99, code=4)


def test_an_operation_rests_and_is_taken_up_again(lockstep: Lockstep, clinic: Path, settle: Settle) -> None:
    started = answer(lockstep("recalculate", "protocol", "stable", "--json"))["operations"][0]["operation_id"]
    lockstep("operation", "pause", started, "-r", "look first", code=4)  # it waits for nobody yet
    lockstep("operation", "resume", started, code=4)
    settle()
    assert "has ended" in lockstep("operation", "pause", started, "-r", "too late", code=4).stderr


def test_measurements_are_imported_once(lockstep: Lockstep, clinic: Path) -> None:
    mapping = clinic / "mapping.yaml"
    mapping.write_text(MAPPING)
    file = clinic / "p1.csv"
    file.write_text("2026-11-20,08:30,weight,81\n2026-11-21,08:30,weight,82\n")
    words = ("measurement", "import", file, "--mapping", mapping, "--zone", "Europe/Amsterdam", "--json")
    first = answer(lockstep(*words))
    assert (first["rows"], first["stored"]) == (2, 2)
    assert answer(lockstep(*words))["duplicate"] == 2
    unknown = clinic / "nobody.csv"
    unknown.write_text("2026-11-20,08:30,weight,81\n")
    assert answer(lockstep(*words[:2], unknown, *words[3:], code=5))["set aside"] == 1
    assert answer(lockstep(*words[:2], unknown, *words[3:], "--create-patients-in", "UTC", code=5))["rows"] == 1


MAPPING = """\
source: test
columns: [date, time, code, value]
header: "no"
delimiter: comma
patient: "{file}"
taken: {date: date, date_format: "%Y-%m-%d", time: time, time_format: "%H:%M"}
identifier: "{file}-{row}"
code: code
value: value
codes:
  weight: {code: weight, unit: kg}
"""


def test_the_audit_is_sealed_verified_and_noted_outside(lockstep: Lockstep, clinic: Path) -> None:
    assert answer(lockstep("audit", "seal", "--json"))["sealed"] > 0
    checkpoints = clinic / "checkpoints"
    lockstep("audit", "checkpoint", checkpoints)
    told = answer(lockstep("audit", "verify", "--checkpoint", checkpoints, "--json"))
    assert told["holds"]
    assert told["checkpoints"] == 1
    assert "No trace of tampering" in lockstep("audit", "verify").stdout


def test_the_schema_is_migrated_once(lockstep: Lockstep) -> None:
    assert answer(lockstep("migrate", "--json"))["applied"] == []
    assert answer(lockstep("migrate", "--dry-run", "--json"))["pending"] == []
    assert "create table" in lockstep("migrate", "--sql").stdout


def test_workers_are_listed(lockstep: Lockstep) -> None:
    assert answer(lockstep("worker", "--list", "--json")) == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["program", "add", ""], 4, "is not a name"),
        (["organisation", "add", "clinic"], 4, "already"),
        (["protocol", "list", "-p", "kidney"], 4, "There are: heart"),
        (["program", "list", "-o", "nowhere"], 4, "There are: clinic"),
        (["patient", "add", "p2", "--zone", "Europe/Amsterdm"], 4, "Europe/Amsterdam"),
        (["patient", "show", "nobody"], 4, "There is no patient 'nobody'"),
        (["enrol", "p1", "--protocol", "heart/stable"], 4, "already"),
        (["enrol", "p1", "--protocol", "heart/none"], 4, "There are: stable"),
        (["agenda", "show", "p1", "--at", "yesterday"], 4, "is no instant"),
        (["agenda", "show", "#999"], 4, "no enrolment 999"),
        (["switch", "show", "999"], 4, "no switch 999"),
        (["switch", "accept", "999"], 4, "no switch 999"),
        (["switch", "accept", "many"], 2, "integer"),
        (["switch", "preview", "stable", "-r", "why"], 4, "either publishes or moves"),
        (["switch", "preview", "stable", "-r", "why", "--publish", "/no/such.yaml"], 2, "cannot be read"),
        (["switch", "preview", "stable", "-r", "why", "--move-to", "stable"], 4, "already"),
        (["operation", "watch", "999"], 4, "no operation 999"),
        (["audit", "verify", "--checkpoint", "/no/such"], 4, "checkpoint"),
        (["protocol", "export", "stable", "--version", "7"], 4, "no version 7"),
        (["protocol", "compare", "stable@x", "stable"], 4, "no file"),
        (["no-such-command"], 2, "No such command"),
        (["enrol"], 2, "Missing"),
    ],
)
def test_bad_input_is_refused_in_words_without_a_traceback(
    lockstep: Lockstep, clinic: Path, words: list[str], code: int, said: str
) -> None:
    result: Result = lockstep(*words, code=code)
    assert said.lower() in " ".join(result.stderr.lower().split())
    assert "Traceback" not in result.output


def test_a_database_without_the_schema_says_what_to_do(
    server_url: str, lockstep: Lockstep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCKSTEP_DATABASE_URL", f"{server_url}")
    assert "lockstep migrate" in lockstep("organisation", "list", code=4).stderr


def test_an_absent_database_is_said_in_words(lockstep: Lockstep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCKSTEP_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none?connect_timeout=1")
    assert "does not answer" in lockstep("organisation", "list", code=7).stderr
