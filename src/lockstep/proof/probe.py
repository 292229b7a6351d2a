"""Probes: processes that read patients again and again, and note which version each answer named for which instant."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from lockstep.domain.answer import AgendaAnswer
from lockstep.engine.timeline import answer_agenda
from lockstep.proof.clients import Clients, Orders
from lockstep.store.database import Database, is_transient

TELL_SECONDS = 0.25
AHEAD = timedelta(hours=36)
MOST_KEPT = 2_000_000


@dataclass(frozen=True, slots=True)
class Order:
    """What one process reads, and how often at most."""

    url: str
    organisation_id: int
    enrolment_ids: tuple[int, ...]
    per_second: float
    seed: int


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: when asked and answered (monotonic), for which instant, by which version, whether it mixed two."""

    asked: float
    answered: float
    at: datetime
    version_number: int
    mixed: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the answers showed about a switch. `overtaken`: asked before the acknowledgement, answered by the former
    version for an instant after E, because the commit was under way; nobody had been told of the switch then.
    """

    before: int
    during: int
    after: int
    former: int
    overtaken: int
    mixed: int


def is_mixed(answer: AgendaAnswer) -> bool:
    """Whether what is still to come belongs to another version than the one the answer names as in force."""
    assert answer.in_force is not None
    number = answer.in_force.version_number
    return any(each.version_number != number for each in answer.occurrences if each.opens_at > answer.at)


def judge(
    answers: Sequence[Answer], *, version_number: int, accepted_at: datetime, called: float, told: float
) -> Verdict:
    """The answers about a switch to a version, in force since `accepted_at`, called for and acknowledged (monotonic).

    Former is an answer asked after the acknowledgement, or for an instant after E and asked after it was told, that
    names an earlier version.
    """
    old = [each for each in answers if each.version_number < version_number]
    return Verdict(
        before=sum(each.answered < called for each in answers),
        during=sum(each.answered >= called and each.asked < told for each in answers),
        after=sum(each.asked >= told for each in answers),
        former=sum(each.asked >= told for each in old),
        overtaken=sum(each.asked < told and each.at >= accepted_at for each in old),
        mixed=sum(each.mixed for each in answers),
    )


def read_patients(order: Order, orders: Orders, tell: Callable[[list[Answer]], None]) -> None:
    """Reads until told to stop; the work of a probing process."""
    chance = random.Random(f"probe {order.seed}")  # noqa: S311 (chooses patients, protects nothing)
    answers: list[Answer] = []
    told_at = due_at = time.monotonic()
    with Database(order.url, pool_max=1, name="lockstep demo probe") as database:
        while orders.go_on():
            due_at = max(due_at + 1 / order.per_second, time.monotonic() - 0.1)
            orders.rest(due_at - time.monotonic())
            try:
                answers.append(_ask(database, order.organisation_id, chance.choice(order.enrolment_ids)))
            except Exception as error:
                if not is_transient(error):
                    raise
            if time.monotonic() - told_at > TELL_SECONDS:
                tell(answers)
                answers, told_at = [], time.monotonic()
    tell(answers)


def _ask(database: Database, organisation_id: int, enrolment_id: int) -> Answer:
    from_at = datetime.now(UTC)  # somebody who looks has a clock of their own
    asked = time.monotonic()
    answer = answer_agenda(
        database,
        organisation_id=organisation_id,
        enrolment_id=enrolment_id,
        from_at=from_at,
        until_at=from_at + AHEAD,
    )
    answered = time.monotonic()
    assert answer.in_force is not None
    assert answer.in_force.version_number is not None
    return Answer(asked, answered, answer.at, answer.in_force.version_number, is_mixed(answer))


@dataclass(slots=True)
class Kept:
    """The answers heard so far."""

    answers: list[Answer] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Probes:
    """All probing processes together."""

    def __init__(self, orders: Sequence[Order]) -> None:
        self._kept = Kept()
        self._clients: Clients[Order, list[Answer]] = Clients(read_patients, orders, self._hear)

    def _hear(self, answers: list[Answer]) -> None:
        with self._kept.lock:
            self._kept.answers += answers[: MOST_KEPT - len(self._kept.answers)]

    def answers(self) -> list[Answer]:
        """Every answer until now."""
        with self._kept.lock:
            return list(self._kept.answers)

    def stop(self) -> None:
        """Nobody reads any more, and every answer was heard."""
        self._clients.stop()

    def kill(self) -> None:
        """Nobody reads any more."""
        self._clients.kill()
