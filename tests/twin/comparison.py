"""What PostgreSQL holds and answers, compared with what the twin computes."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from tests.twin.engine import Engine

from lockstep.domain.answer import AnsweredOccurrence
from lockstep.engine.timeline import answer_agenda

_BEFORE, _AFTER = timedelta(days=2), timedelta(days=1)


def compare(engine: Engine) -> None:
    """Whoever is in step has the twin's rows; if all are, every decision and open alert is the twin's."""
    behind = engine.behind()
    actual: dict[int, dict[str, tuple[Any, ...]]] = {each: {} for each in engine.everyone}
    found = engine.clock.connection.execute(
        "select enrolment_id, activity_key, on_date, slot, opens_at, closes_at, judge_at, taken, missed_in_a_row"
        " from agenda"
    )
    for enrolment_id, key, *row in found:
        actual[enrolment_id][key] = tuple(row)
    for enrolment_id in engine.everyone:
        if enrolment_id not in behind:
            _compare_rows(engine, enrolment_id, actual[enrolment_id])
    assert not list(engine.clock.connection.execute("select * from recalculation_exception"))
    _compare_ended(engine, {each for each, rows in actual.items() if rows})
    if not behind:
        _compare_decisions(engine)
        _compare_alerts(engine)


def _compare_ended(engine: Engine, waiting: set[int]) -> None:
    """Whoever goes on has a head; whoever has ended has one as long as a row is left, and it says so."""
    found = engine.clock.connection.execute("select enrolment_id, ended_at from agenda_head")
    wanted = {
        each: facts.discharged_at
        for each, facts in engine.twin.enrolments.items()
        if facts.discharged_at is None or each in waiting
    }
    assert {row[0]: row[1] for row in found} == wanted


def _compare_rows(engine: Engine, enrolment_id: int, actual: dict[str, tuple[Any, ...]]) -> None:
    wanted = engine.twin.rows(enrolment_id, engine.now)
    for known in range(len(engine.twin.outages)):
        # A row learns of an outage when it is due, so until then it may stand as before.
        earlier = replace(engine.twin, outages=engine.twin.outages[:known], _asked={}, _courses={})
        for key, row in earlier.rows(enrolment_id, engine.now).items():
            if actual.get(key) == row:
                wanted[key] = row
    assert actual == wanted, f"enrolment {enrolment_id}"


def _compare_decisions(engine: Engine) -> None:
    found = engine.clock.connection.execute(
        "select o.enrolment_id, o.activity_key, o.on_date, o.slot, o.opens_at,"
        " coalesce((select c.state from occurrence_correction c"
        "  where (c.enrolment_id, c.activity_key, c.on_date, c.slot)"
        "   = (o.enrolment_id, o.activity_key, o.on_date, o.slot) order by c.number desc limit 1), o.state)"
        " from occurrence o"
    )
    actual = {(row[0], row[1], (row[2], row[3])): (row[4], row[5]) for row in found}
    assert actual == {name: (each.opens_at, each.state.value) for name, each in engine.twin.decided.items()}


def _compare_alerts(engine: Engine) -> None:
    found = engine.clock.connection.execute(
        "select enrolment_id, activity_key, rule_key, occurrences from alert where state = 'open' and kind = 'missed'"
    )
    # A corrected miss takes occurrences out of an alert of a run, in an order that is not the twin's concern.
    left_out = {(*pair, "silent") for pair in engine.twin.corrected}
    actual = {(row[0], row[1], row[2]): row[3] for row in found}
    wanted = engine.twin.alerts()
    assert {name: count for name, count in actual.items() if name not in left_out} == {
        name: count for name, count in wanted.items() if name not in left_out
    }


def compare_answers(engine: Engine) -> None:
    """The answers about everybody are the twin's, whether in step or not."""
    at = engine.now
    for enrolment_id in engine.everyone:
        wanted = engine.twin.answer(enrolment_id, at - _BEFORE, at + _AFTER, at)
        assert list(_plain(wanted)) == list(_plain(ask(engine, enrolment_id, at, at))), f"enrolment {enrolment_id}"


def ask(engine: Engine, enrolment_id: int, at: datetime, known_at: datetime) -> tuple[AnsweredOccurrence, ...]:
    """The engine's answer about the days around an instant."""
    return answer_agenda(
        engine.database,
        **engine.of,
        enrolment_id=enrolment_id,
        from_at=at - _BEFORE,
        until_at=at + _AFTER,
        at=at,
        known_at=known_at,
    ).occurrences


def _plain(answer: tuple[AnsweredOccurrence, ...]) -> Iterator[tuple[Any, ...]]:
    # The version is left out: of those that ask the same window, a row keeps the one it was made by.
    for each in answer:
        yield (each.activity_key, each.on, each.slot, each.opens_at, each.state.value)
