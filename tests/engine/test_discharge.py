"""Discharge (S5a): what is open is waived; what closed before is still decided, and nobody counts the patient."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from lockstep.domain.drift import Drift
from lockstep.domain.protocol import parse
from lockstep.domain.refusal import NothingToSwitch
from lockstep.engine.acceptance import accept_switch
from lockstep.engine.enrolment import discharge, get_enrolment
from lockstep.engine.patient import change_zone
from lockstep.engine.patient_event import record_event
from lockstep.engine.preview import preview_switch
from lockstep.engine.recalculation import begin, list_work, recalculate_chunk, sweep
from lockstep.engine.timeline import answer_behind
from lockstep.proof.small_world import weighed, weights
from lockstep.store.database import Database

from .checked_world import Checked
from .judged_world import CLOSES_AT, DAY, JUDGED_AT, OPENS_AT

if TYPE_CHECKING:
    from tests.conftest import Clock

IN_GRACE = CLOSES_AT + timedelta(minutes=30)
AFTER = timedelta(minutes=10)
KEPT = [("2026-03-03", "morning", 0, 0)]


@pytest.fixture
def world(database: Database, clock: "Clock", admin: psycopg.Connection) -> Checked:
    world = Checked(database, admin, clock.set, patients=("anna", "bram", "carl"))
    world.show_alive(JUDGED_AT + DAY)
    return world


def end(world: Checked, at: datetime, who: str = "anna") -> int:
    world.set_clock(at)
    enrolment_id = world.world.enrolment_of[who]
    discharge(
        world.database, organisation_id=world.organisation_id, enrolment_id=enrolment_id, reason="well", actor="t"
    )
    return enrolment_id


def rows_of(world: Checked, enrolment_id: int) -> list[tuple[str, str, int, int]]:
    return world.ask(
        f"select on_date::text, slot, taken, missed_in_a_row from agenda where enrolment_id = {enrolment_id}"
    )


def decided_of(world: Checked, enrolment_id: int) -> list[tuple[str, str]]:
    return world.ask(f"select on_date::text, state from occurrence where enrolment_id = {enrolment_id}")


def is_gone(world: Checked, enrolment_id: int) -> bool:
    return not rows_of(world, enrolment_id) and not world.ask(
        f"select from agenda_head where enrolment_id = {enrolment_id}"
    )


def drifting(world: Checked) -> list[Drift]:
    return world.now_drifting()


def test_one_in_its_grace_is_missed_when_the_grace_is_over(world: Checked) -> None:
    anna = end(world, IN_GRACE)
    assert rows_of(world, anna) == KEPT
    assert drifting(world) == []
    world.judge(JUDGED_AT - AFTER)
    assert decided_of(world, anna) == []
    world.judge(JUDGED_AT + AFTER)
    assert decided_of(world, anna) == [("2026-03-03", "missed")]
    assert world.ask(f"select state, occurrences from alert where enrolment_id = {anna}") == [("open", 1)]
    assert is_gone(world, anna)
    world.show_alive(JUDGED_AT + AFTER)
    assert drifting(world) == []


def test_one_in_its_grace_is_fulfilled_late_by_a_measurement(world: Checked) -> None:
    anna = end(world, IN_GRACE)
    world.record(weighed("anna", "1", IN_GRACE + AFTER), at=IN_GRACE + AFTER)
    assert decided_of(world, anna) == [("2026-03-03", "fulfilled late")]
    assert is_gone(world, anna)
    assert drifting(world) == []


def test_a_measurement_taken_before_its_close_fulfils_it(world: Checked) -> None:
    anna = end(world, IN_GRACE)
    world.record(weighed("anna", "1", OPENS_AT + AFTER), at=IN_GRACE + AFTER)
    assert decided_of(world, anna) == [("2026-03-03", "fulfilled")]
    assert is_gone(world, anna)


def test_one_due_that_the_duty_had_not_come_to_is_still_missed(world: Checked) -> None:
    anna = end(world, JUDGED_AT + AFTER)
    assert rows_of(world, anna) == KEPT
    world.judge(JUDGED_AT + 2 * AFTER)
    assert decided_of(world, anna) == [("2026-03-03", "missed")]
    assert is_gone(world, anna)


def test_everything_that_closed_during_a_silence_is_missed(world: Checked) -> None:
    anna = end(world, JUDGED_AT + 2 * DAY)
    world.judge(JUDGED_AT + 2 * DAY + AFTER)
    assert decided_of(world, anna) == [(f"2026-03-0{day}", "missed") for day in (3, 4, 5)]
    assert is_gone(world, anna)


def test_what_is_open_is_waived_and_nothing_after_exists(world: Checked) -> None:
    anna = end(world, CLOSES_AT - timedelta(microseconds=1))
    assert is_gone(world, anna)
    bram = end(world, CLOSES_AT, "bram")
    assert rows_of(world, bram) == KEPT
    world.judge(JUDGED_AT + DAY)
    assert (decided_of(world, anna), decided_of(world, bram)) == ([], [("2026-03-03", "missed")])


def test_a_switch_after_it_neither_touches_nor_counts_it(world: Checked) -> None:
    world.judge(CLOSES_AT)
    anna = end(world, IN_GRACE)
    written = world.ask(
        f"select h.xmin, a.xmin from agenda_head h join agenda a using (enrolment_id) where enrolment_id = {anna}"
    )
    world.set_clock(IN_GRACE + AFTER)
    content = parse(weights(times=[("noon", "12:00", "15:00")]))
    of = world.of
    ask: dict[str, Any] = {"kind": "publish", "protocol_id": world.protocol_id, "reason": "t", "actor": "t"}
    preview = preview_switch(world.database, **of, **ask, content=content)
    assert preview.figures.patients == 2
    with pytest.raises(NothingToSwitch):
        preview_switch(world.database, **of, **ask, content=content, scope="selection", enrolment_ids=[anna])
    accept_switch(world.database, **of, switch_id=preview.switch_id, client_key="k", actor="t")
    (operation,) = list_work(world.database, **of)
    begin(world.database, **of, operation=operation)
    chunk = recalculate_chunk(world.database, **of, operation=operation, size=10, memory=world.memory.chunk)
    assert chunk is not None
    assert (chunk.done, chunk.range_finished) == (2, True)
    assert world.ask("select total from operation where kind = 'recalculation'") == [(2,)]
    assert world.ask("select enrolments, behind from duty_behind") == [(2, 0)]
    assert sweep(world.database, **of, cursor_id=0, size=10, memory=world.memory.chunk)[0] == 0
    again = "select h.xmin, a.xmin from agenda_head h join agenda a using (enrolment_id)"
    assert world.ask(f"{again} where enrolment_id = {anna}") == written
    world.judge(JUDGED_AT + AFTER)
    assert world.ask(f"select state, version_number from occurrence where enrolment_id = {anna}") == [("missed", 1)]
    assert is_gone(world, anna)


def test_a_switch_from_before_it_that_it_could_not_see_yet_is_caught_up_with(world: Checked) -> None:
    world.judge(CLOSES_AT - AFTER)
    anna = end(world, CLOSES_AT + timedelta(milliseconds=10))
    assert rows_of(world, anna) == KEPT
    # Accepted while the morning was open, committed when the discharge had read what is in force.
    world.set_clock(CLOSES_AT - timedelta(milliseconds=10))
    world.world.publish(world.protocol_id, weights(times=[("noon", "12:00", "15:00")]))
    world.set_clock(CLOSES_AT + timedelta(minutes=1))
    assert drifting(world) == []
    world.judge(JUDGED_AT + AFTER)
    assert decided_of(world, anna) == [], "it was superseded, not missed"
    assert is_gone(world, anna)


def test_one_that_an_outage_kept_open_is_waived_after_all(world: Checked) -> None:
    world.judge(CLOSES_AT - timedelta(minutes=30))
    anna = end(world, CLOSES_AT + AFTER)
    world.set_clock(CLOSES_AT + 2 * AFTER)
    world.admin.execute(
        "insert into outage (organisation_id, number, from_at, until_at) values (%s, 1, %s, %s)",
        [world.organisation_id, CLOSES_AT - timedelta(minutes=30), CLOSES_AT + AFTER],
    )
    # The row learns of the outage when it is due, not before.
    assert drifting(world) == []
    world.judge(JUDGED_AT + DAY)
    assert decided_of(world, anna) == []
    assert is_gone(world, anna)


def test_a_change_of_zone_after_it_changes_nothing(world: Checked) -> None:
    anna = end(world, IN_GRACE)
    patient_id = get_enrolment(world.database, **world.of, enrolment_id=anna).patient_id
    world.set_clock(IN_GRACE + AFTER)
    change_zone(world.database, **world.of, patient_id=patient_id, zone="Asia/Tokyo", actor="t")
    assert drifting(world) == []
    world.judge(JUDGED_AT + AFTER)
    assert decided_of(world, anna) == [("2026-03-03", "missed")]


def test_it_is_in_step_as_long_as_anything_is_left(world: Checked) -> None:
    anna = end(world, IN_GRACE)
    assert answer_behind(world.database, **world.of, enrolment_id=anna).in_step
    world.judge(JUDGED_AT + AFTER)
    assert answer_behind(world.database, **world.of, enrolment_id=anna).in_step


def test_a_check_finds_and_a_repair_brings_back_what_was_lost(world: Checked) -> None:
    world.judge(CLOSES_AT)
    anna = end(world, IN_GRACE)
    world.wrong("delete from agenda where enrolment_id = %s", anna)
    world.wrong("delete from agenda_head where enrolment_id = %s", anna)
    world.find_and_repair("stale agenda", anna)
    assert rows_of(world, anna) == KEPT


def test_a_head_that_wrongly_says_that_the_enrolment_ended_is_found(world: Checked) -> None:
    world.judge(CLOSES_AT)
    world.wrong("update agenda_head set ended_at = lockstep_now() where enrolment_id = %s", world.bram)
    world.find_and_repair("stale agenda", world.bram)


def test_an_event_told_after_it_asks_what_had_closed_before(
    database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    after = {"after": {"event": "meal", "delay": "10m", "lasts": "1h"}}
    world = Checked(database, admin, clock.set, schedule=after)
    meal, ended_at = OPENS_AT, OPENS_AT + timedelta(hours=2)
    anna = end(world, ended_at)
    assert is_gone(world, anna)
    world.set_clock(ended_at + AFTER)
    patient_id = get_enrolment(database, **world.of, enrolment_id=anna).patient_id
    told: dict[str, Any] = {"patient_id": patient_id, "event": "meal", "source": "app"}
    record_event(database, **world.of, **told, at=meal, identifier="1")
    record_event(database, **world.of, **told, at=ended_at - AFTER, identifier="2")
    record_event(database, **world.of, **told, at=ended_at + timedelta(minutes=1), identifier="3")
    assert len(rows_of(world, anna)) == 1
    assert drifting(world) == []
    world.judge(JUDGED_AT + AFTER)
    assert [state for _, state in decided_of(world, anna)] == ["missed"]
    assert is_gone(world, anna)
