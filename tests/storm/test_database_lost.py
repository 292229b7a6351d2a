"""The database stops, or cuts everybody off: all go on by themselves, and nothing acknowledged is lost."""

import time

from tests.storm.field import Field
from tests.storm.ground import Ground
from tests.storm.invariants import require_calm
from tests.storm.rival import cut_off
from tests.worker.processes import until

RESUMES_WITHIN_SECONDS = 5.0


def test_everybody_goes_on_after_a_restart(own_ground: Ground, field: Field) -> None:
    field.slow_down()
    field.work(2)
    measuring = field.measure()
    probes = field.read(1)
    switch = field.publish(2)
    accepted = switch.accepted
    field.until_in_the_middle(accepted)
    own_ground.stop()
    acknowledged = len(measuring.history())
    assert acknowledged
    back = own_ground.start()
    left = field.behind(accepted)
    assert left > 0, "it hit a recalculation that went on"
    until(lambda: len(measuring.answered(answered_after=back)) == 2, what="both clients are answered again")
    for client in measuring.clients:
        first = min(each.answered for each in measuring.history() if each.client == client and each.answered > back)
        assert first - back < RESUMES_WITHIN_SECONDS, f"client {client} resumed after {first - back:.1f} s"
    until(lambda: field.behind(accepted) < left, what="the recalculation goes on")
    assert time.monotonic() - back < 2 * RESUMES_WITHIN_SECONDS
    assert [worker.poll() for worker in field.workers] == [None, None], "no worker ended"
    field.speed_up()
    field.until_in_step(accepted)
    field.until_all_ended()
    until(lambda: any(each.asked > back for each in probes.answers()), what="the probe reads again")
    verdict = field.judge_answers(switch)
    assert (verdict.former, verdict.mixed) == (0, 0)
    require_calm(field, field.stop_measuring())


def test_a_switch_accepted_just_before_a_crash_is_kept(own_ground: Ground, field: Field) -> None:
    accepted, _, _ = field.publish(2)
    own_ground.stop()
    own_ground.start()
    assert field.one("select count(*) from switch_acceptance where switch_id = %s", [accepted.switch_id]) == 1
    field.work(1)
    field.until_in_step(accepted)
    field.until_all_ended()
    require_calm(field)


def test_everybody_goes_on_when_all_connections_are_cut(field: Field) -> None:
    field.slow_down()
    field.work(2)
    measuring = field.measure()
    accepted, _, _ = field.publish(2)
    for _ in range(4):
        field.until_in_the_middle(accepted)
        left = field.behind(accepted)
        assert cut_off(field.url) >= 3, "workers and clients were connected"
        cut = time.monotonic()
        until(lambda left=left: field.behind(accepted) < left, what="the recalculation goes on")  # type: ignore[misc]
        assert time.monotonic() - cut < RESUMES_WITHIN_SECONDS
        until(lambda cut=cut: len(measuring.answered(asked_after=cut)) == 2, what="both clients are answered")  # type: ignore[misc]
    field.speed_up()
    field.until_in_step(accepted)
    field.until_all_ended()
    require_calm(field, field.stop_measuring())
