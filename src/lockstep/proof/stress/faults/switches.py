"""Faults of managers: two who decide on the same protocol at once, each by what both have seen."""

import threading

from lockstep.domain.acceptance import Accepted
from lockstep.domain.protocol import parse, to_document
from lockstep.engine.preview import preview_switch
from lockstep.proof.stress.clients.managing import Managing
from lockstep.proof.stress.digest import digest
from lockstep.proof.stress.faults.fault import Lane, Result
from lockstep.proof.stress.protocols import at_home
from lockstep.proof.stress.world import SOUTH


def rival_switches(lane: Lane) -> Result:
    """Both have previewed the same state; both accept at the same moment."""
    group = lane.shared.world.group(SOUTH, "heart")
    accepted: list[Accepted] = []
    meeting = threading.Barrier(2)

    def decide(manager: Managing, days: int, above: int) -> None:
        content = parse(at_home("heart", days, above))
        preview = manager.insist(
            "preview",
            group.organisation_id,
            lambda: preview_switch(
                manager.database,
                organisation_id=group.organisation_id,
                kind="publish",
                protocol_id=group.protocol_id,
                content=content,
                reason="Rivals",
                actor=manager.order.name,
            ),
            lambda made: {"switch": made.switch_id},
            protocol=group.protocol_id,
        )
        try:
            meeting.wait(3)
        except threading.BrokenBarrierError:
            return
        if preview is not None:
            told = manager.accept(preview, group, digest(to_document(content)), None)
            if told is not None:
                accepted.append(told)

    days = lane.chance.sample(range(1, 7), 2)
    rivals = [
        threading.Thread(target=decide, args=(manager, day, 106 + lane.chance.randint(0, 50)))
        for manager, day in zip((lane.managing, lane.rival_managing), days, strict=True)
    ]
    for thread in rivals:
        thread.start()
    for thread in rivals:
        thread.join()
    return Result(len(accepted) == 1, "both had previewed, and one was accepted", {"accepted": len(accepted)})
