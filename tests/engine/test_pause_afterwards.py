"""A pause entered afterwards appends waivers: what was missed in it counts in no run and in no alert any more."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from lockstep.domain.answer import AnsweredOccurrence
from lockstep.engine.pause import pause, resume
from lockstep.engine.timeline import answer_agenda
from lockstep.proof.small_world import weighed
from lockstep.store.database import Database

from .checked_world import Checked
from .judged_world import DAY, JUDGED_AT, OPENS_AT
from .measured_world import MORNING

if TYPE_CHECKING:
    from tests.conftest import Clock

TOLD = timedelta(hours=2)
WORDS = "What was missed lies in a pause that was entered afterwards."


@pytest.fixture
def world(database: Database, clock: "Clock", admin: psycopg.Connection) -> Checked:
    """Anna measures nothing; the rule *silent* wants two missed in a row."""
    world = Checked(database, admin, clock.set)
    world.show_alive(JUDGED_AT + 30 * DAY)
    return world


def tell(world: Checked, at: datetime, since: datetime, until: datetime) -> None:
    """Somebody says that Anna was in hospital."""
    world.set_clock(at)
    pause(
        world.database, **world.of, enrolment_id=world.anna, from_at=since, until_at=until, reason="hospital", actor="t"
    )


def of_day(number: int) -> datetime:
    """Before the window of the so-manyeth day opens."""
    return OPENS_AT + (number - 1) * DAY - timedelta(hours=1)


def alerts(world: Checked) -> list[tuple[str, str, int, str | None]]:
    return world.ask(
        f"select rule_key, state, occurrences, resolution from alert where enrolment_id = {world.anna}"
        " order by alert_id"
    )


def run_of(world: Checked) -> int:
    ((missed_in_a_row,),) = world.ask(f"select missed_in_a_row from agenda where enrolment_id = {world.anna}")
    assert isinstance(missed_in_a_row, int)
    return missed_in_a_row


def corrections(world: Checked) -> list[tuple[str, int, str]]:
    return world.ask(
        "select on_date::text, number, state from occurrence_correction"
        f" where enrolment_id = {world.anna} order by on_date, number"
    )


def states(world: Checked, *, at: datetime | None = None, known_at: datetime | None = None) -> list[str]:
    return [each.state.value for each in asked(world, at, known_at)]


def asked(world: Checked, at: datetime | None, known_at: datetime | None) -> tuple[AnsweredOccurrence, ...]:
    return answer_agenda(
        world.database,
        **world.of,
        enrolment_id=world.anna,
        from_at=OPENS_AT,
        until_at=OPENS_AT + 4 * DAY,
        at=at,
        known_at=known_at,
    ).occurrences


def test_it_takes_what_it_waives_out_of_runs_and_alerts(world: Checked) -> None:
    world.pass_until(JUDGED_AT + 3 * DAY)
    assert alerts(world) == [("missed", "open", 4, None), ("silent", "open", 4, None)]
    tell(world, JUDGED_AT + 3 * DAY + TOLD, of_day(2), of_day(4))
    assert corrections(world) == [("2026-03-04", 1, "waived"), ("2026-03-05", 1, "waived")]
    assert world.decided()[0][2] == "missed", "the first judgement stays"
    assert run_of(world) == 2
    # The first and the last are a run of two still: what was waived does not break it.
    assert alerts(world) == [("missed", "open", 2, None), ("silent", "open", 2, None)]
    assert world.now_drifting() == []
    entry = world.ask("select detail->>'waived' from audit_entry where action = 'pause'")
    assert entry == [("2",)]


def test_alerts_that_are_left_with_nothing_are_resolved(world: Checked) -> None:
    world.pass_until(JUDGED_AT + 2 * DAY)
    tell(world, JUDGED_AT + 2 * DAY + TOLD, of_day(2), JUDGED_AT + 2 * DAY)
    assert alerts(world) == [("missed", "open", 1, None), ("silent", "resolved", 0, WORDS)]
    assert run_of(world) == 1
    assert world.now_drifting() == []
    world.pass_until(JUDGED_AT + 3 * DAY)
    assert alerts(world)[2:] == [("silent", "open", 2, None)]
    listed = world.ask(
        "select on_date::text from alert_sample s join alert a using (alert_id)"
        f" where a.enrolment_id = {world.anna} and a.state = 'open' and a.rule_key = 'silent' order by 1"
    )
    assert listed == [("2026-03-03",), ("2026-03-06",)], "what was waived is not listed by a new alert"
    assert world.now_drifting() == []


def test_all_of_it_in_the_pause(world: Checked) -> None:
    world.pass_until(JUDGED_AT + DAY)
    tell(world, JUDGED_AT + DAY + TOLD, of_day(1), of_day(9))
    assert [each[1:3] for each in alerts(world)] == [("resolved", 0), ("resolved", 0)]
    assert world.now_drifting() == []
    world.set_clock(JUDGED_AT + 2 * DAY)
    resume(world.database, **world.of, enrolment_id=world.anna, actor="t")
    assert run_of(world) == 0
    world.pass_until(JUDGED_AT + 3 * DAY)
    assert run_of(world) == 1
    assert world.now_drifting() == []


def test_two_halves_of_runs_that_are_left_are_no_run(world: Checked) -> None:
    for day in range(5):
        if day == 2:
            world.record(weighed("anna", "1", MORNING + 2 * DAY), at=MORNING + 2 * DAY)
        world.pass_until(JUDGED_AT + day * DAY)
    assert alerts(world)[1] == ("silent", "open", 4, None)
    tell(world, JUDGED_AT + 4 * DAY + TOLD, of_day(2), of_day(5))
    assert [each[0] for each in corrections(world)] == ["2026-03-04", "2026-03-06"]
    assert alerts(world) == [("missed", "open", 2, None), ("silent", "resolved", 0, WORDS)]
    assert world.now_drifting() == []


def test_what_is_asked_on_resumption_stays_missed(world: Checked) -> None:
    world.pass_until(JUDGED_AT + DAY)
    tell(world, JUDGED_AT + DAY + TOLD, of_day(1), OPENS_AT + DAY + timedelta(minutes=30))
    assert corrections(world) == [("2026-03-03", 1, "waived")]
    assert states(world)[:2] == ["waived", "missed"]
    assert world.now_drifting() == []


def test_what_was_fulfilled_stays(world: Checked) -> None:
    world.record(weighed("anna", "1", MORNING), at=MORNING)
    world.pass_until(JUDGED_AT + DAY)
    world.record(weighed("anna", "2", MORNING + DAY), at=JUDGED_AT + DAY + timedelta(hours=1))
    tell(world, JUDGED_AT + DAY + TOLD, of_day(1), of_day(3))
    assert corrections(world) == [("2026-03-04", 1, "fulfilled")]
    assert states(world)[:2] == ["fulfilled", "fulfilled"]
    assert world.now_drifting() == []


def test_a_measurement_that_comes_later_still_finds_it_waived(world: Checked) -> None:
    world.pass_until(JUDGED_AT + DAY)
    tell(world, JUDGED_AT + DAY + TOLD, of_day(1), of_day(3))
    world.record(weighed("anna", "1", MORNING), at=JUDGED_AT + DAY + 2 * TOLD)
    assert corrections(world) == [("2026-03-03", 1, "waived"), ("2026-03-04", 1, "waived")]
    assert world.now_drifting() == []


def test_what_was_known_before_is_answered_as_before(world: Checked) -> None:
    world.pass_until(JUDGED_AT + DAY)
    in_the_second, before = OPENS_AT + DAY + timedelta(hours=1), JUDGED_AT + DAY + timedelta(hours=1)
    world.set_clock(before)
    then = [(at, asked(world, at, before)) for at in (MORNING, in_the_second, before)]
    since = in_the_second + timedelta(minutes=30)
    tell(world, JUDGED_AT + DAY + TOLD, since, of_day(9))
    assert [(at, asked(world, at, before)) for at, _ in then] == then
    assert states(world, at=before)[:2] == ["missed", "waived"]
    # In the window, before the pause began, it was open: a waiver does not reach back.
    assert states(world, at=in_the_second)[:2] == ["missed", "open"]


def test_a_miss_in_a_pause_that_was_not_waived_is_found_and_repaired(world: Checked) -> None:
    world.pass_until(JUDGED_AT + 2 * DAY)
    tell(world, JUDGED_AT + 2 * DAY + TOLD, of_day(3), of_day(4))
    world.wrong("delete from occurrence_correction")
    drifts = world.now_drifting()
    assert {(each.kind.value, each.enrolment_id) for each in drifts} == {("extra occurrence", world.anna)}
    world.find_and_repair("extra occurrence", world.anna)
    assert corrections(world) == [("2026-03-05", 1, "waived")]


def test_a_waiver_of_what_lies_in_no_pause_is_found(world: Checked) -> None:
    world.pass_until(JUDGED_AT + DAY)
    world.wrong(
        "insert into occurrence_correction (organisation_id, enrolment_id, activity_key, on_date, slot, number, state)"
        " select organisation_id, enrolment_id, activity_key, on_date, slot, 1, 'waived' from occurrence"
        " where enrolment_id = %s and on_date = '2026-03-03'",
        world.anna,
    )
    kinds = {(each.kind.value, each.enrolment_id) for each in world.now_drifting()}
    assert ("extra occurrence", world.anna) in kinds
