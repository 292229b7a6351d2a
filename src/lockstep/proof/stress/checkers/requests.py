"""S6: the same request sent any number of times has one effect and one answer."""

from collections import Counter, defaultdict

from lockstep.proof.stress.checkers.measurements import collect
from lockstep.proof.stress.evidence import Evidence, SwitchRow
from lockstep.proof.stress.finding import Finding, Looking
from lockstep.proof.stress.history import Operation

ANSWER = ("number", "version", "generation", "operation", "accepted_at", "first_at", "last_at")


def check_requests(evidence: Evidence) -> Finding:
    """Switches accepted under one key stand once with one answer; items sent again were stored once."""
    looking = Looking("requests", "S6")
    _look_at_switches(evidence, looking)
    _look_at_items(evidence, looking)
    return looking.finding()


def _look_at_switches(evidence: Evidence, looking: Looking) -> None:
    by_key: dict[tuple[int | None, str], list[Operation]] = defaultdict(list)
    for operation in evidence.history.of("accept"):
        by_key[operation.organisation_id, operation.sent["key"]].append(operation)
    rows: Counter[tuple[int | None, str]] = Counter(
        (row.organisation_id, row.client_key) for row in evidence.final.switches
    )
    numbers = Counter((row.protocol_id, row.number) for row in evidence.final.switches)
    stands: dict[tuple[int | None, str], SwitchRow] = {
        (row.organisation_id, row.client_key): row for row in evidence.final.switches
    }
    for key, operations in by_key.items():
        answered = [each for each in operations if each.ok]
        if not answered:
            continue
        answers = {tuple(str(each.answer.get(name)) for name in ANSWER) for each in answered}
        looking.look(len(answers) == 1, "{}: {} different answers: {}", key, len(answers), sorted(answers)[:2])
        looking.look(rows[key] == 1, "{} was accepted and stands {} times", key, rows[key])
        if rows[key] == 1:
            row, told = stands[key], answered[0].answer
            same = (row.number, row.version_number, row.operation_id) == tuple(
                told[name] for name in ("number", "version", "operation")
            )
            looking.look(same, "{} was told {}, and stands as {}", key, told, row)
    for place, count in numbers.items():
        if count > 1:
            looking.look(False, f"{count} switches of protocol {place[0]} have the number {place[1]}")
    looking.figures["keys sent again"] = sum(len(each) > 1 for each in by_key.values())


def _look_at_items(evidence: Evidence, looking: Looking) -> None:
    items, answers = collect(evidence)
    again = 0
    for name, sent in items.items():
        if len(sent) < 2:
            continue
        again += 1
        stored = answers[name].count("stored")
        looking.look(stored <= 1, "{} was told to be stored {} times", name, stored)
    looking.figures["items sent again"] = again
