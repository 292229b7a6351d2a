"""Faults of connections: cut by the server, reset, slow, silent, without the reply to a commit, or with none free."""

import time

from lockstep.proof.stress.clients.client import NAME
from lockstep.proof.stress.faults.fault import Lane, Result, aim
from lockstep.store import rival

WORKERS = "lockstep worker"
WRITERS = (f"{NAME} measuring", f"{NAME} measuring", f"{NAME} managing", f"{NAME} office", WORKERS)
EVERYBODY = (*WRITERS, f"{NAME} reading")
REFUSED = "53300"
MOST_SLOTS = 500


def cut_backend(lane: Lane) -> Result:
    """The server ends a session in the middle of something."""
    names = lane.chance.choice(((WORKERS,), (NAME,)))
    with rival.rival(lane.shared.url, autocommit=True) as connection:
        name = aim(lambda: rival.cut_one(connection, names))
    return Result(name is not None, "it was active or in a transaction when it was ended", _told(name))


def reset(lane: Lane) -> Result:
    """Connections in the middle of something are cut by a TCP reset."""
    name, count = lane.chance.choice(EVERYBODY), lane.chance.randint(1, 3)
    names = aim(lambda: lane.shared.proxy.tell("reset", name=name, count=count)["names"])
    return Result(bool(names), "a transaction or statement was under way when it was reset", _told(*(names or ())))


def lose_reply(lane: Lane) -> Result:
    """A commit is carried out, and its reply never arrives."""
    proxy = lane.shared.proxy
    with lane.shared.one_loss:
        name = lane.chance.choice(WRITERS)
        before = proxy.tell("lose", name=name)["lost"]
        hit = aim(lambda: proxy.tell("lost")["lost"] > before, 3)
        proxy.tell("lose", name="")
        last = proxy.tell("lost")["last"]
    return Result(bool(hit), "the proxy saw the reply to a commit that wrote rows", _told(last if hit else None))


def delay(lane: Lane) -> Result:
    """What some send and are sent arrives late."""
    proxy, name = lane.shared.proxy, lane.chance.choice(EVERYBODY)
    found = proxy.tell("delay", name=name, count=2, busy=False, seconds=lane.chance.uniform(0.02, 0.3))
    time.sleep(lane.chance.uniform(0.5, 1.5))
    held = proxy.tell("heal", links=found["links"])["held"]
    return Result(held > 0, "bytes were delayed", {"bytes": held, **_told(*found["names"])})


def black_hole(lane: Lane) -> Result:
    """What some send arrives nowhere, and nobody says so; in the end the connection is reset."""
    proxy, name = lane.shared.proxy, lane.chance.choice(EVERYBODY)
    found = proxy.tell("hole", name=name, count=lane.chance.randint(1, 2), busy=False)
    time.sleep(lane.chance.uniform(0.5, 2.5))
    held = proxy.tell("heal", links=found["links"], reset=True)["held"]
    return Result(held > 0, "bytes were lost", {"bytes": held, **_told(*found["names"])})


def exhaust(lane: Lane) -> Result:
    """Others take every connection that the server allows, while some must connect again."""
    proxy = lane.shared.proxy
    before = proxy.tell("errors")["errors"].get(REFUSED, 0)
    with rival.all_slots(lane.shared.url, MOST_SLOTS):
        names = proxy.tell("reset", name="lockstep", count=4, busy=False)["names"]
        # Some more, because those that were cut off gave up slots of their own.
        with rival.all_slots(lane.shared.url, MOST_SLOTS):
            time.sleep(lane.chance.uniform(0.5, 1.5))
    refused = proxy.tell("errors")["errors"].get(REFUSED, 0) - before
    return Result(refused > 0, "somebody was refused for too many connections", {"refused": refused, **_told(*names)})


def _told(*names: str | None) -> dict[str, list[str]]:
    """The clients that were cut off, as their histories call them."""
    return {"clients": [name.removeprefix(f"{NAME} ") for name in names if name]}
