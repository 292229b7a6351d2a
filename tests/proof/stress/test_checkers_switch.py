"""Checkers of switches: each passes where all is in order, and is seen to fail on what it is there for."""

from datetime import timedelta

import pytest
from tests.proof.stress.made import (
    BEGIN,
    HEART,
    ORG,
    SWITCHED_AT,
    accept,
    at,
    chain,
    document,
    enrolment,
    entries,
    evidence,
    item,
    lost,
    measure,
    op,
    read,
    refused,
    row_group,
    switch_row,
)

from lockstep.proof.stress.checkers import CHECKERS
from lockstep.proof.stress.digest import digest
from lockstep.proof.stress.evidence import Evidence, HeadRow, OperationRow, TableRow
from lockstep.proof.stress.finding import HELD, NOT_LOOKED_AT, VIOLATED


def require(checker: str, verdict: str, evidence: Evidence) -> None:
    finding = CHECKERS[checker](evidence)
    assert finding.verdict == verdict, (finding.looked_at, finding.examples)
    assert (finding.bound() is None) is (verdict != HELD)


LATER, SOON = at(99_000).isoformat(), at(5_000).isoformat()


@pytest.mark.parametrize(
    ("verdict", "seen"),
    [
        (HELD, [read(50, 1), read(200, 2)]),
        (HELD, [read(100.02, 1)]),  # under way, and nobody had been told
        (HELD, [read(100.02, 2)]),
        (VIOLATED, [read(200, 1)]),  # the former version after the acknowledgement
        (VIOLATED, [read(50, 2)]),  # before anybody switched
        (VIOLATED, [read(200, 2, coming=[[HEART, 2, SOON, SOON], [HEART, 1, LATER, LATER]])]),  # mixed
        (VIOLATED, [read(100.02, 1, coming=[[HEART, 2, SOON, LATER]])]),  # mixed while it was under way
        (NOT_LOOKED_AT, []),
    ],
)  # fmt: skip
def test_reads(verdict: str, seen: list[object]) -> None:
    require("reads", verdict, evidence(accept(), *seen))  # type: ignore[arg-type]


def test_a_switch_that_nobody_acknowledged_is_known_a_second_later() -> None:
    never_told = lost("accept", 100, sent=dict(accept().sent))
    require("reads", HELD, evidence(never_told, read(100.5, 1), read(100.5, 2), read(102, 2)))
    require("reads", VIOLATED, evidence(never_told, read(102, 1)))


def test_a_move_of_somebody_else_changes_nobody() -> None:
    move = switch_row(
        6, 3, kind="move", version_number=None, target_protocol_id=HEART + 5, selection_id=1, first_at=at(300)
    )
    world = {"switches": [switch_row(1, 1, first_at=BEGIN - timedelta(days=30)), switch_row(), move]}
    told = accept(300, 300.1, row=move)
    require("reads", HELD, evidence(accept(), told, read(400, 2), **world, members={1: frozenset({555})}))
    require("reads", VIOLATED, evidence(accept(), told, read(400, 2), **world, members={1: frozenset({100})}))


def test_agendas() -> None:
    require("agendas", HELD, evidence(accept()))
    require("agendas", VIOLATED, evidence(accept(), heads=[HeadRow(ORG, 100, HEART, 1, 2)]))
    require("agendas", VIOLATED, evidence(accept(), heads=[HeadRow(ORG, 100, HEART, 2, 1)]))
    require("agendas", VIOLATED, evidence(accept(), heads=[HeadRow(ORG, 100, HEART + 1, 2, 2)]))
    require("agendas", VIOLATED, evidence(accept(), switches=[switch_row(1, 1, first_at=BEGIN)]))
    wrong_day = row_group(on=row_group().on + timedelta(days=1))
    require("agendas", VIOLATED, evidence(accept(), rows=[wrong_day]))


def test_past() -> None:
    question = {"enrolment": 100, "at": at(10).isoformat(), "known_at": at(20).isoformat(), "from": "f", "until": "u"}

    def asked(second: float, answer: str) -> object:
        return op("past", second, sent=question, answer={"digest": answer})

    require("past", HELD, evidence(asked(30, "a"), asked(60, "a")))  # type: ignore[arg-type]
    require("past", VIOLATED, evidence(asked(30, "a"), asked(60, "b")))  # type: ignore[arg-type]
    # Less than a second ago it may still change.
    require("past", NOT_LOOKED_AT, evidence(asked(20.5, "a"), asked(60, "b")))  # type: ignore[arg-type]
    require("past", NOT_LOOKED_AT, evidence(asked(30, "a")))  # type: ignore[arg-type]


def test_requests() -> None:
    require("requests", HELD, evidence(accept(), accept(120, 120.1, repeated=True)))
    require("requests", VIOLATED, evidence(accept(), accept(120, 120.1, number=3)))
    twice = [switch_row(), switch_row(7, 3, client_key="key 5")]
    require("requests", VIOLATED, evidence(accept(), switches=twice))
    require("requests", VIOLATED, evidence(accept(), switches=[]))
    require("requests", HELD, evidence(measure(10, item()), measure(20, item(), outcome="duplicate")))
    require("requests", VIOLATED, evidence(measure(10, item()), measure(20, item())))


def test_versions() -> None:
    later = op("content", 500, sent={"protocol": HEART, "version": 2}, answer={"content": digest(document(2))})
    changed = op("content", 500, sent={"protocol": HEART, "version": 2}, answer={"content": digest(document(3))})
    require("versions", HELD, evidence(accept(), later))
    require("versions", VIOLATED, evidence(accept(), changed))
    require("versions", VIOLATED, evidence(accept(), contents={(HEART, 1): document(1), (HEART, 2): document(9)}))
    require("versions", NOT_LOOKED_AT, evidence())


def test_isolation() -> None:
    asked = {"about": "enrolment", "id": 900, "of": "other clinic"}
    unknown = {"code": "unknown-enrolment", "sentence": "There is no enrolment 900"}
    require("isolation", HELD, evidence(refused("foreign", 1, sent=asked, answer=unknown)))
    require("isolation", VIOLATED, evidence(op("foreign", 1, sent=asked, answer={"protocol": 3})))
    require("isolation", VIOLATED, evidence(refused("foreign", 1, sent=asked, answer={"code": "discharged"})))
    named = {**unknown, "sentence": "It belongs to other clinic"}
    require("isolation", VIOLATED, evidence(refused("foreign", 1, sent=asked, answer=named)))
    require("isolation", HELD, evidence(op("own", 1, answer={"organisations": {"1": 5}})))
    require("isolation", VIOLATED, evidence(op("own", 1, answer={"organisations": {"1": 5, "2": 1}})))
    require("isolation", VIOLATED, evidence(op("own", 1, organisation_id=None, answer={"organisations": {"1": 5}})))
    require("isolation", VIOLATED, evidence(tables=[TableRow("agenda", True, False)]))
    require("isolation", NOT_LOOKED_AT, evidence(tables=[]))


def test_fence() -> None:
    def heads(second: float, generation: int, computed: float, protocol_id: int = HEART) -> object:
        return op("heads", second, answer={"heads": [[100, protocol_id, generation, at(computed).isoformat()]]})

    require("fence", HELD, evidence(heads(1, 1, 0), heads(2, 2, 1)))  # type: ignore[arg-type]
    require("fence", VIOLATED, evidence(heads(1, 2, 0), heads(2, 1, 1)))  # type: ignore[arg-type]
    require("fence", VIOLATED, evidence(heads(1, 2, 5), heads(2, 2, 1)))  # type: ignore[arg-type]
    require("fence", VIOLATED, evidence(heads(1, 9, 0)))  # type: ignore[arg-type]
    require("fence", NOT_LOOKED_AT, evidence(heads(1, 9, 0, HEART + 1)))  # type: ignore[arg-type]


def test_audit() -> None:
    enrolled = op("enrol", 1, sent={"patients": ["p100"]}, answer={"enrolments": [100]})
    require("audit", HELD, evidence(accept(), enrolled))
    require("audit", HELD, evidence(accept(), accept(120, 120.1, repeated=True)))
    require("audit", VIOLATED, evidence(accept(), entries=entries()[:2], chains=chain(*entries()[:2])))
    doubled = [*entries(), entries()[2]]
    require("audit", VIOLATED, evidence(accept(), entries=doubled, chains=chain(*doubled)))
    # Without the decision: written outside its transaction, which was rolled back.
    alone = [*entries(), type(entries()[0])(ORG, "discharge", "enrolment 100")]
    require("audit", VIOLATED, evidence(entries=alone, chains=chain(*alone)))
    changed = chain(*entries())
    link = changed[ORG][1]
    assert link.entry is not None
    changed[ORG][1] = type(link)(
        link.seal, type(link.entry)(2, "2.000000", "nobody", "accept switch", "switch 1", "{}")
    )
    require("audit", VIOLATED, evidence(chains=changed))


def test_conserved() -> None:
    require("conserved", HELD, evidence(op("count", 1, answer={"on_protocols": 5, "enrolled": 5})))
    require("conserved", VIOLATED, evidence(op("count", 1, answer={"on_protocols": 4, "enrolled": 5})))
    require("conserved", VIOLATED, evidence(heads=[]))
    require("conserved", VIOLATED, evidence(enrolments=[enrolment(discharged_at=at(5))]))
    require("conserved", VIOLATED, evidence(op("enrol", 1, answer={"enrolments": [100, 101]})))
    require("conserved", VIOLATED, evidence(op("discharge", 1, sent={"enrolment": 100})))


def test_ended() -> None:
    require("ended", HELD, evidence(accept()))
    unfinished = OperationRow(ORG, 50, "recalculation", "running", 5, SWITCHED_AT, None)
    require("ended", VIOLATED, evidence(accept(), operations=[unfinished]))
    require("ended", VIOLATED, evidence(accept(), operations=[]))
