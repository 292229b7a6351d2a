"""A span in which nothing is asked of a patient; it has an end or a review date."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from lockstep.domain.refusal import AlreadyPaused, NoSuchPause, NotAtThisTime


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause with its own end, or that of the resumption; without one it lasts until somebody resumes."""

    number: int
    from_at: datetime
    until_at: datetime | None
    review_on: date | None
    reason: str


def require_pause(pause: Pause, known: Sequence[Pause], *, enrolled_at: datetime) -> Pause:
    """The pause, which lies inside the enrolment, has an end or a review date, and meets no other.

    It may lie in the past: entered afterwards. Raises NotAtThisTime, AlreadyPaused.
    """
    if pause.from_at < enrolled_at:
        raise NotAtThisTime("The pause begins before the enrolment", where="from_at")
    if pause.until_at is not None and pause.until_at <= pause.from_at:
        raise NotAtThisTime("The pause ends before it begins", where="until_at")
    if pause.until_at is None and pause.review_on is None:
        raise NotAtThisTime("A pause has an end or a date of review", where="review_on", mend="Give one of them.")
    for other in known:
        if _meet(pause, other):
            what = f"Pause {other.number} from {other.from_at.isoformat()} lies in that time"
            raise AlreadyPaused(what, where="from_at", mend="Resume first, or pause for another time.")
    return pause


def pause_to_end(known: Sequence[Pause], at: datetime, number: int | None = None) -> tuple[Pause, datetime]:
    """The pause that holds the instant, or the one with that number, with the instant at which it then ends.

    A planned pause ends where it would begin: it never was. Only its number takes it back, so that ending a pause
    twice, because the first answer was lost, does not take back the next one. Raises NoSuchPause.
    """
    standing = [
        pause for pause in known if pause.until_at is None or (pause.until_at > at and pause.until_at > pause.from_at)
    ]
    for pause in standing:
        if pause.number == number or (number is None and pause.from_at <= at):
            return pause, max(at, pause.from_at)
    planned = ", ".join(f"{pause.number} from {pause.from_at.isoformat()}" for pause in standing)
    mend = f"Planned: {planned}. Name the number of the one to take back." if planned else ""
    raise NoSuchPause(where="enrolment_id" if number is None else "number", mend=mend)


def _meet(one: Pause, other: Pause) -> bool:
    if other.until_at is not None and other.until_at <= other.from_at:
        return False
    one_goes_on = one.until_at is None or other.from_at < one.until_at
    other_goes_on = other.until_at is None or one.from_at < other.until_at
    return one_goes_on and other_goes_on
