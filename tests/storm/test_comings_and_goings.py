"""Patients come and go while they are switched: each ends where the facts put it, nobody is lost in any snapshot."""

import threading
from dataclasses import replace

from tests.storm.field import ZONES, Field
from tests.storm.invariants import require_calm, require_conserved

from lockstep.engine.enrolment import discharge
from lockstep.store.database import Database, run_again

BATCHES = 12
BATCH = 25


def test_enrolments_and_discharges_during_a_switch(field: Field) -> None:
    field.slow_down(0.4)
    field.work(2)
    field.measure()
    switch = field.publish(2)
    field.until_in_the_middle(switch.accepted)
    errors = _together(field, _enrol, _discharge, _count)
    assert not errors
    assert field.behind(switch.accepted) > 0, "they came and went while others were behind"
    field.speed_up()
    field.until_in_step(switch.accepted)
    field.until_all_ended()
    assert field.one("select count(*) from discharge") == BATCHES * 5
    assert field.one("select count(*) from enrolment") == 3_000 + BATCHES * BATCH
    require_calm(field, field.stop_measuring())


def test_enrolments_around_a_move(field: Field) -> None:
    """Who was assigned at E has moved, who came later stays; whoever comes at the same time is one or the other."""
    field.slow_down(0.4)
    field.work(2)
    field.measure()
    preview = field.world.preview("move", field.heart, target_protocol_id=field.lungs)
    moved: list[object] = []
    errors = _together(field, _enrol, lambda own, stop: moved.append(own.accept(preview).accepted), _count)
    assert not errors
    assert len(moved) == 1
    field.speed_up()
    field.until_all_ended()
    assert len(field.members(field.lungs)) >= 3_000, "everybody who was there has moved"
    require_calm(field, field.stop_measuring())


def _together(field: Field, *works: object) -> list[BaseException]:
    """Each work has been done in a thread of its own; what they raised."""
    errors: list[BaseException] = []
    stop = threading.Event()

    def do(work: object) -> None:
        try:
            with Database(field.url, pool_max=2, name="lockstep storm office") as database:
                work(replace(field, world=replace(field.world, database=database)), stop)  # type: ignore[operator]
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=do, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads[:-1]:
        thread.join(60)
    stop.set()
    threads[-1].join(10)
    assert not any(thread.is_alive() for thread in threads)
    return errors


def _enrol(field: Field, stop: threading.Event) -> None:
    for batch in range(BATCHES):
        names = [f"new-{batch}-{number}" for number in range(BATCH)]
        field.world.enrol(field.heart, names, zone=ZONES[batch % len(ZONES)])


def _discharge(field: Field, stop: threading.Event) -> None:
    world = field.world
    for enrolment_id in field.members(field.heart)[: BATCHES * 50 : 10]:

        def go(enrolment_id: int = enrolment_id) -> None:
            discharge(
                world.database,
                organisation_id=world.organisation_id,
                enrolment_id=enrolment_id,
                reason="moved away",
                actor="n.urse",
            )

        # Somebody who is busy with this patient just now is waited for, as a person would.
        run_again(go, attempts=30)


def _count(field: Field, stop: threading.Event) -> None:
    """S14, in snapshot after snapshot."""
    while not stop.is_set():
        require_conserved(field)
        stop.wait(0.02)
