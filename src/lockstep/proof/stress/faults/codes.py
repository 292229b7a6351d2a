"""Faults by code: statements of the product fail in the server as by serialisation, dead-lock, or cancelling."""

from lockstep.proof.stress.faults.fault import Lane, Result, aim
from lockstep.store import rival

STATES = ("40001", "40P01", "57014")


def fail_by_code(lane: Lane) -> Result:
    """The next few statements that write heads, measurements or occurrences fail."""
    state, times = lane.chance.choice(STATES), lane.chance.randint(1, 4)
    with lane.shared.one_fuse, rival.rival(lane.shared.url, autocommit=True) as connection:
        rival.light_fuse(connection, state=state, times=times)
        aim(lambda: rival.burnt(connection) >= times)
        burnt = rival.burnt(connection)
        rival.light_fuse(connection, state=state, times=0)
    return Result(burnt > 0, "the server counted the statements that failed", {"state": state, "failed": burnt})
