"""Whoever reads patients during a switch sees the former version or the new one, never the former one after it."""

from tests.storm.field import Field
from tests.storm.invariants import require_calm
from tests.worker.processes import until


def test_no_answer_names_the_former_version_after_the_acknowledgement(field: Field) -> None:
    field.slow_down(0.3)
    field.work(2)
    field.measure()
    probes = field.read(2, per_second=200)
    switch = field.publish(2)
    field.until_in_the_middle(switch.accepted)
    before = len(probes.answers())
    until(lambda: len(probes.answers()) > before + 200, what="answers while agendas are behind")
    assert field.behind(switch.accepted) > 0, "many were asked while most agendas were behind"
    field.speed_up()
    field.until_in_step(switch.accepted)
    field.until_all_ended()
    verdict = field.judge_answers(switch)
    assert verdict.before > 0
    assert verdict.after > 200
    assert (verdict.former, verdict.mixed) == (0, 0)
    require_calm(field, field.stop_measuring())


def test_many_switches_one_after_another(field: Field) -> None:
    field.work(2)
    field.measure()
    field.read(2, per_second=100)
    switches = [field.publish(days) for days in (2, 3, 4, 5, 2, 3)]
    field.until_in_step(*[each.accepted for each in switches])
    field.until_all_ended()
    for switch in switches:
        verdict = field.judge_answers(switch)
        assert (verdict.former, verdict.mixed) == (0, 0), switch.accepted
    require_calm(field, field.stop_measuring())
