"""Two managers switch the same protocol at once: each switch is decided on what was seen, and the last one holds."""

import threading
from collections import Counter
from dataclasses import replace

from tests.storm.field import Field
from tests.storm.invariants import require_calm

from lockstep.domain.acceptance import Accepted
from lockstep.domain.refusal import NothingToSwitch, StalePreview
from lockstep.store.database import Database

ROUNDS = 8


def test_rivals_never_accept_what_they_did_not_see(field: Field) -> None:
    field.work(2)
    field.measure()
    accepted: list[Accepted] = []
    refused: Counter[str] = Counter()
    start = threading.Barrier(2)

    def decide(manager: int) -> None:
        with Database(field.url, name="lockstep storm manager") as database:
            own = replace(field, world=replace(field.world, database=database, keys=10_000 * (manager + 1)))
            for number in range(ROUNDS):
                start.wait(30)
                try:
                    preview = own.preview(2 + (2 * number + manager) % 5)
                    start.wait(30)  # both have previewed the same state
                    accepted.append(own.accept(preview).accepted)
                except (StalePreview, NothingToSwitch) as refusal:
                    refused[refusal.code] += 1
                    if isinstance(refusal, NothingToSwitch):
                        start.wait(30)

    threads = [threading.Thread(target=decide, args=(manager,)) for manager in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert not any(thread.is_alive() for thread in threads)
    assert len(accepted) + sum(refused.values()) == 2 * ROUNDS
    assert len(accepted) >= ROUNDS - 1, "in each round one is accepted"
    assert refused["stale-preview"] > 0, "they really were rivals"
    stored = field.all(
        "select number, version_number, switch_id from switch_acceptance where protocol_id = %s order by number",
        [field.heart],
    )
    assert [row[0] for row in stored] == list(range(1, len(accepted) + 2)), "numbers have no gap"
    assert {row[2] for row in stored[1:]} == {each.switch_id for each in accepted}, "each acknowledged one, no other"
    instants = [each.accepted_at for each in sorted(accepted, key=lambda each: each.number)]
    assert instants == sorted(instants), "in the order of their numbers"
    field.until_in_step(*accepted)
    field.until_all_ended()
    require_calm(field, field.stop_measuring())


def test_the_same_request_sent_by_many_at_once_has_one_effect(field: Field) -> None:
    field.work(1)
    preview = field.preview(2)
    answers: list[Accepted] = []
    start = threading.Barrier(6)

    def send() -> None:
        with Database(field.url, pool_max=1, name="lockstep storm manager") as database:
            world = replace(field.world, database=database)
            start.wait(30)
            answers.append(world.accept(preview, key="one click"))

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(answers) == 6
    assert len({replace(each, repeated=False) for each in answers}) == 1
    assert Counter(each.repeated for each in answers) == {False: 1, True: 5}
    field.until_in_step(answers[0])
    field.until_all_ended()
    require_calm(field)
