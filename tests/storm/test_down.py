"""The service is down while windows close: what was missed is found afterwards, unless nobody could measure either."""

from datetime import datetime, time, timedelta

from tests.storm.field import Field
from tests.storm.invariants import require_calm
from tests.worker.processes import until

UTC_GIRTHS = """
    select
        coalesce(
            (
                select k.state from occurrence_correction k
                where (k.enrolment_id, k.activity_key, k.on_date, k.slot)
                    = (o.enrolment_id, o.activity_key, o.on_date, o.slot)
                order by k.number desc
                limit 1
            ),
            o.state
        ) as state,
        exists (
            select from measurement m
            where m.patient_id = e.patient_id
                and m.code = 'girth'
                and m.judged_for_at >= %(opens_at)s
                and m.judged_for_at < %(judge_at)s
        ) as measured
    from enrolment e
    join agenda_head h using (enrolment_id)
    join cohort c on c.cohort_id = h.cohort_id and c.zone = 'UTC'
    left join occurrence o
        on o.enrolment_id = e.enrolment_id
        and o.activity_key = 'girth'
        and o.on_date = %(on)s
"""
OVERDUE = "select count(*) from agenda where judge_at < lockstep_now() - interval '4 seconds'"


def the_morning(field: Field, hour: int, minute: int) -> datetime:
    """The next day's time of day in UTC, where the girth is asked from 8 to 10 and judged at 11."""
    return datetime.combine(field.now() + timedelta(days=1), time(hour, minute), field.now().tzinfo)


def girths(field: Field, opens_at: datetime, judge_at: datetime) -> list[tuple[str | None, bool]]:
    """Of every patient in UTC how the girth of that day was decided, and whether one was measured in time."""
    with field.admin() as admin:
        found = admin.execute(
            UTC_GIRTHS.encode(), {"opens_at": opens_at, "judge_at": judge_at, "on": opens_at.date()}
        ).fetchall()
    return [(row[0], row[1]) for row in found]


def require_decided(found: list[tuple[str | None, bool]]) -> None:
    """Everybody's was decided, and missed where none was measured, not elsewhere."""
    wrong = [each for each in found if each[0] is None or (each[0] == "missed") is each[1]]
    assert not wrong, f"{len(wrong)} of {len(found)}, such as {wrong[:3]}"
    assert {measured for _, measured in found} == {True, False}, "some measured, some did not"


def test_workers_are_down_while_windows_close(field: Field) -> None:
    opens_at, judge_at = the_morning(field, 8, 0), the_morning(field, 11, 0)
    # Whoever measures now measures in the grace of the morning's window.
    begin_at = judge_at - timedelta(minutes=2)
    ahead = begin_at - field.now()
    field.set_clock(begin_at)
    field.work(2)
    measuring = field.measure(ahead=ahead)
    until(lambda: field.one(OVERDUE) == 0, what="what had been missed before is decided")
    for worker in field.workers:
        worker.kill()
        worker.wait()
    switch = field.publish(2)
    field.advance_clock(judge_at + timedelta(seconds=30), alive=True)
    count = len(measuring.history())
    until(lambda: len(measuring.history()) > count, what="measurements come in while nobody judges")
    assert field.behind(switch.accepted) > 1_000, "nobody is brought in step but who measures"
    before = girths(field, opens_at, judge_at)
    assert [each for each in before if each[0] is None], "many are undecided"
    assert not [each for each in before if each[0] == "missed"]
    field.work(2)
    took = until(lambda: field.one(OVERDUE) == 0, what="what was missed meanwhile is decided")
    assert took < 20
    history = field.stop_measuring()
    field.until_in_step(switch.accepted)
    field.until_all_ended()
    require_decided(girths(field, opens_at, judge_at))
    assert field.one("select count(*) from outage") == 0, "ingestion was alive"
    require_calm(field, history)


def test_everything_is_down_while_windows_close(own_ground: object, field: Field) -> None:
    opens_at, judge_at = the_morning(field, 8, 0), the_morning(field, 11, 0)
    down_at, up_at = the_morning(field, 9, 30), the_morning(field, 11, 30)
    field.set_clock(down_at)
    field.work(2)
    until(lambda: field.one("select count(*) from ingestion_heartbeat") > 0, what="ingestion was seen alive")
    until(lambda: field.one(OVERDUE) == 0, what="what had been missed before is decided")
    for worker in field.workers:
        worker.kill()
        worker.wait()
    field.ground.stop()
    field.ground.start()
    field.set_clock(up_at)
    field.work(2)
    until(lambda: field.one("select count(*) from outage") == 1, what="the outage is known")
    until(lambda: field.one(OVERDUE) == 0, what="what is due was looked at")
    assert {state for state, _ in girths(field, opens_at, judge_at)} == {None}, "nobody could measure"
    # Two hours of the window's were lost, so it is judged two hours later; until then measurements count.
    up_again = field.now() - datetime.now(up_at.tzinfo)
    measuring = field.measure(ahead=up_again)
    until(lambda: len(measuring.history()) > 300, what="some measure in the time given back")
    history = field.stop_measuring()
    late_at = judge_at + (up_at - down_at)
    field.advance_clock(late_at + timedelta(minutes=1), alive=True)
    until(lambda: field.one(OVERDUE) == 0, what="what was missed in the time given back is decided")
    found = girths(field, opens_at, late_at + timedelta(minutes=1))
    require_decided(found)
    assert field.one("select count(*) from outage") == 1, "there was no other"
    field.until_all_ended()
    require_calm(field, history)
