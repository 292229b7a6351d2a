"""The end of the story: every sum made, and each claim held against what must be."""

from dataclasses import dataclass
from typing import Any

from lockstep.domain.operation import OperationState
from lockstep.proof import figures
from lockstep.proof.claim import Claim
from lockstep.proof.inspection import Inspected
from lockstep.proof.silence import Silence
from lockstep.proof.stage import Stage
from lockstep.proof.switching import Switched
from lockstep.proof.world import World
from lockstep.store import trial

OUTCOMES = ("stored", "duplicate", "set aside", "refused")


@dataclass(frozen=True, slots=True)
class LockTimeOuts:
    """How often somebody did not have a lock in time, from each side; the log is None where it cannot be read."""

    clients: int
    decisions: int
    workers: int
    server_log: int | None
    deadlocks: int

    def total(self) -> int:
        """Each once: the server's log has those that clients and workers saw, from the other side."""
        return max(self.clients + self.decisions + self.workers, self.server_log or 0) + self.deadlocks


@dataclass(frozen=True, slots=True)
class Sums:
    """Measurements as the senders counted them, and as the tables have them."""

    sent: int
    outcomes: dict[str, int]
    unanswered: int
    stored_rows: int
    set_aside_rows: int


def count_lock_time_outs(stage: Stage, switched: Switched) -> LockTimeOuts:
    """Of the whole story so far."""
    scene = stage.scene
    return LockTimeOuts(
        clients=stage.stream.lock_time_outs(),
        decisions=scene.database.lock_time_outs(),
        workers=switched.worker_lock_time_outs,
        server_log=None if scene.server_log is None else scene.server_log.count_lock_time_outs(),
        deadlocks=trial.count_deadlocks(scene.url),
    )


def count_measurements(stage: Stage, world: World) -> Sums:
    """The sums of a stream that has ended."""
    stored, aside = figures.count_measurements(stage.scene.database, list(world.organisations.values()))
    stream = stage.stream
    return Sums(stream.sent(), {name: stream.outcomes[name] for name in OUTCOMES}, stream.unanswered, stored, aside)


def claims_of(
    world: World, switched: Switched, silence: Silence, inspected: Inspected, sums: Sums, lock: LockTimeOuts, alive: int
) -> list[Claim]:
    """What the story claims, in its order."""
    seen = switched.seen
    return [
        Claim("acknowledged", "Switch acknowledged in", f"{switched.acknowledged_ms:.1f} ms"),
        Claim(
            "former",
            f"Readers who saw the former schedule, of {seen.after:,} who asked afterwards",
            str(seen.former),
            "0",
            seen.former == 0 and seen.after > 0 and seen.before > 0,
        ),
        Claim("mixed", "Answers that mixed the two versions", str(seen.mixed), "0", seen.mixed == 0),
        Claim(
            "in_step",
            f"Agendas in step, after {switched.in_step_seconds:.1f} s",
            f"{switched.total:,}",
            f"{len(world.switched):,}",
            switched.state is OperationState.SUCCEEDED and switched.total == len(world.switched),
        ),
        Claim("workers", "Workers alive, after one was killed", str(alive), "2", alive == 2),
        *_claims_of_measurements(sums),
        Claim("lock_time_outs", "Lock time-outs, whoever's", str(lock.total()), "0", lock.total() == 0),
        Claim(
            "missed",
            f"Missed measurements found, within {silence.found_within_seconds:.1f} s",
            f"{silence.found:,}",
            f"{silence.silent:,}",
            silence.is_right(),
        ),
        Claim(
            "alerts",
            "Patients with an alert about a missed one",
            f"{silence.alerted_patients:,}",
            f"≥ {silence.silent_patients:,}",
            silence.alerted_patients >= silence.silent_patients,
        ),
        Claim(
            "drift",
            f"Drift, of {inspected.checked:,} patients checked",
            str(inspected.drifted),
            "0",
            inspected.drifted == 0 and inspected.checked == world.plan.begins()[-1],
        ),
    ]


def _claims_of_measurements(sums: Sums) -> list[Claim]:
    answered = sum(sums.outcomes.values())
    parts = " + ".join(f"{count:,} {name}" for name, count in sums.outcomes.items())
    stored = sums.outcomes["stored"]
    return [
        Claim("sums", f"Measurements: {parts}", f"{answered:,}", f"{sums.sent:,}", answered == sums.sent > 0),
        Claim(
            "stored", "Measurements in the tables", f"{sums.stored_rows:,}", f"{stored:,}", sums.stored_rows == stored
        ),
    ]


def document(sums: Sums, lock: LockTimeOuts) -> dict[str, Any]:
    """The sums in plain JSON values."""
    return {
        "measurements": {
            "sent": sums.sent,
            **sums.outcomes,
            "unanswered": sums.unanswered,
            "stored_rows": sums.stored_rows,
            "set_aside_rows": sums.set_aside_rows,
        },
        "lock_time_outs": {
            "clients": lock.clients,
            "decisions": lock.decisions,
            "workers": lock.workers,
            "server_log": lock.server_log,
            "deadlocks": lock.deadlocks,
        },
    }
