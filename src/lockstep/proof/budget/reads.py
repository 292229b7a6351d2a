"""Whether readers are shown the former schedule, or two mixed, after the acknowledgement of a switch."""

import time
from collections.abc import Sequence

from lockstep.proof.budget.finding import Finding, in_ms
from lockstep.proof.budget.stage import Stage
from lockstep.proof.budget.steps import wait_until_in_step
from lockstep.proof.probe import Answer, Order, Probes

PART = "reads"
READERS = 4
SAMPLE = 20_000
MOST_PER_SECOND = 10_000.0


def measure(stage: Stage) -> list[Finding]:
    """Several processes read without a pause while everybody is switched, again until there are enough answers."""
    group = stage.everybody()
    step = max(1, group.count // SAMPLE)
    sample = tuple(range(group.first_id, group.last_id + 1, step))
    told: list[tuple[float, int]] = []
    probes = Probes(
        [
            Order(stage.database.url, group.organisation_id, sample, MOST_PER_SECOND, seed)
            for seed in range(READERS)
        ]
    )  # fmt: skip
    try:
        with stage.workers():
            while not told or _count_since(probes.answers(), told[0][0]) < stage.options.probes:
                accepted = stage.switch(group)
                assert accepted.version_number is not None
                told.append((time.monotonic(), accepted.version_number))
                wait_until_in_step(stage, group, accepted)
        probes.stop()
    finally:
        probes.kill()
    answers = [each for each in probes.answers() if each.asked >= told[0][0]]
    former, mixed = count_former(answers, told), sum(each.mixed for each in answers)
    numbers = in_ms([(each.answered - each.asked) * 1000 for each in answers])
    return [
        Finding(
            PART,
            f"{len(answers):,} reads after {len(told)} acknowledgements, by {READERS} processes",
            "0 former, 0 mixed",
            f"{former} former, {mixed} mixed; p50 {numbers['p50_ms']:.1f} ms",
            former == 0 and mixed == 0 and len(answers) >= stage.options.probes,
            {**numbers, "former": former, "mixed": mixed, "switches": len(told)},
        )
    ]


def count_former(answers: Sequence[Answer], told: Sequence[tuple[float, int]]) -> int:
    """Answers to questions asked after a version was acknowledged (instant, number) that name an earlier one."""
    former = 0
    for answer in answers:
        known = [version for at, version in told if at <= answer.asked]
        former += bool(known) and answer.version_number < known[-1]
    return former


def _count_since(answers: Sequence[Answer], at: float) -> int:
    return sum(each.asked >= at for each in answers)
