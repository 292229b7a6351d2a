"""Two managers at once: one order, one winner, and the same request in parallel has one effect."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg
from tests.engine.switch_world import World, activity, content, found

from lockstep.domain.acceptance import Accepted
from lockstep.domain.preview import Preview
from lockstep.domain.refusal import Refusal, StalePreview, SwitchLoop
from lockstep.store.database import Database


def at_once(world: World, *requests: tuple[Preview, str]) -> list[Accepted | Refusal]:
    """What each request got when all were sent at the same moment, each by a thread of its own."""
    start = Barrier(len(requests))

    def send(request: tuple[Preview, str]) -> Accepted | Refusal:
        preview, key = request
        start.wait()
        try:
            return world.accept(preview, key=key)
        except Refusal as refusal:
            return refusal

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(send, requests))


def test_of_two_previews_accepted_at_once_one_wins_and_the_other_is_told(database: Database) -> None:
    world = found(database)
    protocol = world.protocol("p")
    for number in range(5):
        previews = [
            world.preview("publish", protocol, content=content(activity(opens=f"0{number}:{minute}")))
            for minute in ("00", "30")
        ]
        answers = at_once(world, *((preview, f"{number} {preview.switch_id}") for preview in previews))
        (winner,) = [answer for answer in answers if isinstance(answer, Accepted)]
        (loser,) = [answer for answer in answers if isinstance(answer, Refusal)]
        assert (winner.number, winner.version_number) == (number + 1, number + 1)
        assert isinstance(loser, StalePreview)
        assert not loser.same_effect
        assert f"Version {number + 1} published for everyone by m.anager" in loser.difference[0]


def test_one_request_in_parallel_is_accepted_once(database: Database, admin: psycopg.Connection) -> None:
    world = found(database)
    preview = world.preview("publish", world.protocol("p"), content=content(activity()))
    answers = at_once(world, *[(preview, "one")] * 6)
    accepted = [answer for answer in answers if isinstance(answer, Accepted)]
    assert len(accepted) == 6
    assert sum(not answer.repeated for answer in accepted) == 1
    assert len({(answer.number, answer.accepted_at, answer.operation_id) for answer in accepted}) == 1
    assert admin.execute("select count(*) from switch_acceptance").fetchone() == (1,)


def test_four_moves_at_once_never_close_a_circle(database: Database) -> None:
    world = found(database)
    protocols = [world.protocol(key) for key in "abcd"]
    for protocol in protocols:
        world.publish(protocol, activity())
        world.enrol(protocol, [f"patient {protocol}"])
    previews = [
        world.preview(
            "move", protocol, target_protocol_id=protocols[(index + 1) % 4], effective="next day", reason="round"
        )
        for index, protocol in enumerate(protocols)
    ]
    answers = at_once(world, *((preview, str(preview.switch_id)) for preview in previews))
    refused = [answer for answer in answers if isinstance(answer, Refusal)]
    # The target of a move counts as seen, so most of the others may be stale; none may close the circle.
    assert refused
    assert all(isinstance(answer, SwitchLoop | StalePreview) for answer in refused)
    assert any(isinstance(answer, Accepted) for answer in answers)
