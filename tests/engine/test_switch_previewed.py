"""A preview changes nothing and counts exactly: who, how often, what is open at E, what to check."""

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest
from tests.engine.switch_world import World, activity, content, every, found

from lockstep.domain.preview import Preview
from lockstep.domain.refusal import PersonalChangesInConflict
from lockstep.engine.enrolment import assign
from lockstep.engine.personal_change import set_personal_change
from lockstep.engine.switch import approve_switch, show_switch
from lockstep.store.database import Database

if TYPE_CHECKING:
    from tests.conftest import Clock

MORNING = datetime(2026, 3, 3, 8, 0, tzinfo=UTC)  # 09:00 in Amsterdam, in the window 08:00 to 10:00


def world_of(database: Database, clock: "Clock", **more: object) -> tuple[World, int]:
    """Anna and Bram in Amsterdam, Mele in Tonga (21:00), all enrolled a week before, on weights every morning."""
    clock.set(MORNING - timedelta(days=7) + timedelta(hours=6))
    world = found(database)
    protocol = world.protocol("p")
    world.publish(protocol, activity(**more))  # type: ignore[arg-type]
    world.enrol(protocol, ["anna", "bram"])
    world.enrol(protocol, ["mele"], zone="Pacific/Tongatapu")
    clock.set(MORNING)
    with database.transaction(world.organisation_id) as connection:
        # What was due until now has been decided.
        connection.execute(
            "update agenda set on_date = on_date + 6, opens_at = opens_at + interval '6 days',"
            " closes_at = closes_at + interval '6 days', judge_at = judge_at + interval '6 days'"
        )
    return world, protocol


def codes(preview: Preview) -> dict[str, int | None]:
    return {caution.code: caution.patients for caution in preview.cautions}


def test_it_changes_nothing(database: Database, clock: "Clock", admin: psycopg.Connection) -> None:
    world, protocol = world_of(database, clock)
    preview = world.preview("publish", protocol, content=content(activity(schedule=every(2))))
    assert world.in_force(world.enrolments["anna"]) == (protocol, 1)
    assert admin.execute("select count(*) from switch_acceptance").fetchone() == (1,)
    shown = show_switch(database, organisation_id=world.organisation_id, switch_id=preview.switch_id)
    assert shown.figures["patients"] == 3
    assert shown.figures["open_now"] == preview.figures.open_now()
    assert shown.accepted is None


def test_occurrences_a_week_now_and_after(database: Database, clock: "Clock") -> None:
    world, protocol = world_of(database, clock)
    twice = every(1, ("morning", "08:00", "10:00"), ("evening", "20:00", "22:00"))
    added = activity("pulse", schedule=every(7))
    preview = world.preview("publish", protocol, content=content(activity(schedule=twice), added))
    assert (preview.figures.per_week_now, preview.figures.per_week_after) == (21, 45)
    assert [(each.key, each.change, each.per_week_now, each.per_week_after) for each in preview.figures.activities] == [
        ("weight", "changed", 21, 42),
        ("pulse", "added", 0, 3),
    ]


def test_open_occurrences_go_on_where_the_timing_stays(database: Database, clock: "Clock") -> None:
    world, protocol = world_of(database, clock)
    preview = world.preview("publish", protocol, content=content(activity(title="Weight, again")))
    assert preview.figures.open_now() == {"go_on": 2, "superseded": 0, "asked_at_once": 0, "waived": 0}
    assert [(each.zone, each.go_on) for each in preview.figures.fates] == [("Europe/Amsterdam", 2)]


def test_open_occurrences_of_another_timing_are_superseded_and_asked_at_once(
    database: Database, clock: "Clock"
) -> None:
    world, protocol = world_of(database, clock)
    preview = world.preview("publish", protocol, content=content(activity(closes="11:00")))
    # 09:00 in a window from 08:00 to 11:00: two of three hours remain.
    assert preview.figures.open_now() == {"go_on": 0, "superseded": 2, "asked_at_once": 2, "waived": 0}


def test_where_less_than_half_remains_it_is_waived(database: Database, clock: "Clock") -> None:
    world, protocol = world_of(database, clock)
    preview = world.preview("publish", protocol, content=content(activity(closes="09:30")))
    assert preview.figures.open_now() == {"go_on": 0, "superseded": 2, "asked_at_once": 0, "waived": 2}


def test_what_is_fulfilled_is_not_superseded(database: Database, clock: "Clock") -> None:
    world, protocol = world_of(database, clock)
    with database.transaction(world.organisation_id) as connection:
        connection.execute(
            "update agenda set on_date = on_date + 1, opens_at = opens_at + interval '1 day',"
            " closes_at = closes_at + interval '1 day', judge_at = judge_at + interval '1 day' where enrolment_id = %s",
            [world.enrolments["anna"]],
        )
    preview = world.preview("publish", protocol, content=content(activity(opens="07:00")))
    assert preview.figures.open_now()["superseded"] == 1


def test_the_counts_are_those_of_the_recalculation(
    database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    world, protocol = world_of(database, clock)
    preview = world.preview("publish", protocol, content=content(activity(closes="11:00")))
    world.accept(preview)
    world.bring_in_step()
    asked = admin.execute("select count(*) from agenda where version_number = 2 and opens_at = %s", [MORNING])
    assert asked.fetchone() == (preview.figures.open_now()["asked_at_once"],)


def test_rule_10_a_longer_silence_than_both_versions_know_is_told(database: Database, clock: "Clock") -> None:
    # Every second day from the anchor: the patients' last was yesterday or today, and the new phase begins anew.
    clock.set(MORNING - timedelta(days=8))
    world = found(database)
    protocol = world.protocol("p")
    world.publish(protocol, activity(schedule=every(2)))
    world.enrol(protocol, ["anna"], anchor_on=date(2026, 2, 23))  # due on 1 and 3 March
    world.enrol(protocol, ["bram"], anchor_on=date(2026, 2, 24))  # due on 2 and 4 March
    clock.set(MORNING.replace(hour=6))
    offset = {**every(2), "offset_days": 1}
    preview = world.preview("publish", protocol, content=content(activity(schedule=offset)))
    (caution,) = [caution for caution in preview.cautions if caution.code == "coverage-gap"]
    # Anna: 1 March, then 4 March. Bram: 2 March, then today, sooner than before.
    assert caution.patients == 1
    assert "3 d across the switch; in both versions it is at most 2 d" in caution.sentence


def test_no_gap_no_caution(database: Database, clock: "Clock") -> None:
    world, protocol = world_of(database, clock)
    preview = world.preview("publish", protocol, content=content(activity(grace="2h")))
    assert preview.cautions == ()


def test_removed_activities_with_open_alerts_and_rules_not_judged_are_told(
    database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    world, protocol = world_of(database, clock)
    admin.execute(
        "insert into alert (organisation_id, enrolment_id, activity_key, rule_key, kind, severity, protocol_id,"
        " version_number, about_at, raised_at, updated_at) values (%s, %s, 'weight', 'high', 'limit', 'red', %s, 1,"
        " now(), now(), now())",
        [world.organisation_id, world.enrolments["bram"], protocol],
    )
    other = activity("pulse", rules=[{"key": "jump", "kind": "change", "over": "1 day", "above": 3}])
    preview = world.preview("publish", protocol, content=content(other))
    assert codes(preview) == {"looser": 3, "open-alerts-of-removed": 1, "not-judged": None}
    assert [caution.code for caution in preview.cautions] == ["looser", "open-alerts-of-removed", "not-judged"]


@pytest.mark.parametrize("after", [activity("pulse"), activity(personal={"grace": "locked"})])
def test_live_personal_changes_in_conflict_refuse_acceptance_until_signed(
    database: Database, clock: "Clock", after: dict[str, object]
) -> None:
    world, protocol = world_of(database, clock)
    set_personal_change(
        database,
        organisation_id=world.organisation_id,
        enrolment_id=world.enrolments["anna"],
        activity_key="weight",
        field="grace_minutes",
        value=180,
        reason="slow",
        actor="c.linician",
    )
    unchanged = world.preview("publish", protocol, content=content(activity(title="w")))
    assert unchanged.figures.conflicts == ()
    preview = world.preview("publish", protocol, content=content(after))
    (conflict,) = preview.figures.conflicts
    assert (conflict.activity_key, conflict.field, conflict.enrolments) == ("weight", "grace_minutes", 1)
    assert conflict.examples == (world.enrolments["anna"],)
    assert codes(preview)["personal-changes-in-conflict"] == 1
    if preview.needs_approval:
        approve_switch(database, organisation_id=world.organisation_id, switch_id=preview.switch_id, actor="s.econd")
    with pytest.raises(PersonalChangesInConflict):
        world.accept(preview)
    assert world.accept(preview, signed_conflicts_by="c.linician").version_number == 2


def test_patients_with_facts_of_their_own_are_counted_by_them(database: Database, clock: "Clock") -> None:
    world, protocol = world_of(database, clock)
    set_personal_change(
        database,
        organisation_id=world.organisation_id,
        enrolment_id=world.enrolments["anna"],
        activity_key="weight",
        field="schedule",
        value=every(7),
        reason="stable",
        actor="c.linician",
    )
    preview = world.preview("publish", protocol, content=content(activity(schedule=every(2))))
    # Anna keeps once a week; the others go from 7 to 3 or 4 (from the anchor on).
    assert preview.figures.patients == 3
    assert preview.figures.per_week_now == 15
    assert preview.figures.per_week_after - 1 in (6, 7, 8)


def test_somebody_who_came_from_another_protocol_is_counted(database: Database, clock: "Clock") -> None:
    world, protocol = world_of(database, clock)
    other = world.protocol("other")
    world.publish(other, activity())
    assign(
        database,
        organisation_id=world.organisation_id,
        enrolment_id=world.enrolments["anna"],
        protocol_id=other,
        actor="t.ester",
    )
    assert world.preview("publish", other, content=content(activity(schedule=every(2)))).figures.patients == 1
    assert world.preview("publish", protocol, content=content(activity(schedule=every(2)))).figures.patients == 2


def test_somebody_who_is_planned_to_come_is_counted(database: Database, clock: "Clock") -> None:
    world, protocol = world_of(database, clock)
    other = world.protocol("other")
    world.publish(other, activity())
    hours = timedelta(hours=1)
    assign(
        database,
        organisation_id=world.organisation_id,
        enrolment_id=world.enrolments["anna"],
        protocol_id=other,
        from_at=MORNING + 40 * hours,
        actor="t.ester",
    )
    changed = content(activity(schedule=every(2)))
    for at, on_it, on_other in ((39, 3, 0), (41, 2, 1)):
        when = {"effective": "instant", "effective_at": MORNING + at * hours}
        assert world.preview("publish", protocol, content=changed, **when).figures.patients == on_it
        assert world.preview("publish", other, content=changed, **when).figures.patients == on_other
