"""The sentences "In force: …" and "Pending: …", the same on every page, in every answer and on the command line."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lockstep.domain.civil import instant_of, local_of
from lockstep.domain.switch import Effective


@dataclass(frozen=True, slots=True)
class InForce:
    """What governs: titles of program and protocol, the version, since when, decided by whom.

    `zone` is that in which people read the instants; `personal_changes` counts those that apply. While the patient is
    `paused` nothing is asked, until an instant or, without one, until somebody resumes.
    """

    program: str
    protocol: str
    version: int
    since_at: datetime
    zone: str
    by: str
    personal_changes: int = 0
    paused: bool = False
    paused_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class NothingInForce:
    """Nothing governs; why, such as 'discharged' (no full stop), or empty."""

    why: str = ""


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A switch accepted for later. `target` is 'version 4' or the title of a protocol.

    When: at an instant (`at`, read in `zone`), at a civil time of each patient (`local`), or, with neither, on each
    patient's next day.
    """

    target: str
    by: str
    at: datetime | None = None
    zone: str | None = None
    local: datetime | None = None


@dataclass(frozen=True, slots=True)
class Behind:
    """This patient's agenda does not follow what is in force yet; readers see the new schedule already."""


@dataclass(frozen=True, slots=True)
class Recalculating:
    """Agendas are being brought in step: how many of how many (None: not counted yet), and why it waits if it does."""

    done: int
    total: int | None
    waits: str | None = None


@dataclass(frozen=True, slots=True)
class Paused:
    """A recalculation rests until an instant at the latest."""

    until_at: datetime
    zone: str
    reason: str
    by: str | None = None


@dataclass(frozen=True, slots=True)
class PausedLater:
    """A pause of the patient that has not begun; without an end it lasts until somebody resumes."""

    from_at: datetime
    zone: str
    until_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SetAside:
    """This patient's agenda cannot be computed, so nothing of it is judged: a person must watch."""


@dataclass(frozen=True, slots=True)
class NewerVersion:
    """A version that was accepted for a selection only, to which this patient does not belong."""

    version: int


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """The patient's app has not said yet that it shows the schedule in force."""


Pending = Scheduled | Behind | Recalculating | Paused | PausedLater | SetAside | NewerVersion | Unconfirmed


@dataclass(frozen=True, slots=True)
class StateWords:
    """The two lines that stand wherever a patient or a protocol is shown."""

    in_force: str
    pending: str


NOTHING_PENDING = "Nothing pending"


def state_words(in_force: InForce | NothingInForce, pending: Sequence[Pending] = ()) -> StateWords:
    """Both lines, without a full stop; what is pending stands in the order given, parted by semicolons."""
    return StateWords(_in_force(in_force), pending_words(pending))


def pending_words(pending: Sequence[Pending]) -> str:
    """What is pending, in the order given, parted by semicolons; without a full stop."""
    return "; ".join(map(_pending, pending)) or NOTHING_PENDING


def effect_words(effective: Effective, local: datetime | None, first_at: datetime, last_at: datetime) -> str:
    """From when an accepted switch is in force, as a person decided it: 'from each patient's next midnight (…)'.

    Where that is another instant in each zone, the first and the last are told as what they are.
    """
    between = f" (between {first_at:%Y-%m-%d %H:%M} and {last_at:%Y-%m-%d %H:%M} UTC, whatever the zone)"
    match effective:
        case Effective.NEXT_DAY:
            return f"from each patient's next midnight{between}"
        case Effective.CIVIL if local is not None:
            return f"from {local:%Y-%m-%d %H:%M} in each patient's zone{between}"
        case _:
            return f"from {first_at:%Y-%m-%d %H:%M:%S} UTC"


def instant_words(at: datetime, zone: str) -> str:
    """An instant as people read it, to the second that has begun: '2026-11-23 10:44:05 Europe/Amsterdam'."""
    at = at.replace(microsecond=0)
    local = local_of(at, zone)
    again = ", the second time" if instant_of(local, zone) != at else ""
    return f"{local:%Y-%m-%d %H:%M:%S} {zone}{again}"


def percent_done(done: int, total: int) -> int:
    """Whole percent, rounded down, so that 100 is said only when all is done; never more than 100."""
    return 100 if done >= total else 100 * done // total


def _in_force(fact: InForce | NothingInForce) -> str:
    match fact:
        case NothingInForce(why):
            return f"Nothing in force ({why})" if why else "Nothing in force"
        case InForce():
            return (
                f"In force: {fact.program} › {fact.protocol}, version {fact.version}, "
                f"since {instant_words(fact.since_at, fact.zone)}, by {fact.by}, {_changes(fact.personal_changes)}"
                f"{'; paused' + _until(fact.paused_until, fact.zone) if fact.paused else ''}"
            )


def _until(until_at: datetime | None, zone: str) -> str:
    return f" until {instant_words(until_at, zone)}" if until_at else " until somebody resumes"


def _changes(count: int) -> str:
    match count:
        case 0:
            return "no personal changes"
        case 1:
            return "1 personal change"
        case _:
            return f"{count} personal changes"


def _pending(fact: Pending) -> str:
    match fact:
        case Scheduled():
            return f"Scheduled for {_when(fact)}: {fact.target}, by {fact.by}"
        case Behind():
            return "This patient's agenda is being brought up to date"
        case Recalculating(done, total, waits):
            share = f" {percent_done(done, total)} %" if total is not None else ""
            return f"Recalculating{share}" + (f", waiting: {waits.rstrip('.')}" if waits else "")
        case Paused(until_at, zone, reason, by):
            who = f", by {by}" if by else ""
            return f"Recalculation paused until {instant_words(until_at, zone)}{who}: {reason.rstrip('.')}"
        case PausedLater(from_at, zone, until_at):
            return f"Paused from {instant_words(from_at, zone)}{_until(until_at, zone)}"
        case SetAside():
            return "Not watched: this patient's agenda cannot be computed and stands aside"
        case NewerVersion(version):
            return f"A newer version exists: version {version}"
        case Unconfirmed():
            return "The app has not yet confirmed"


def _when(fact: Scheduled) -> str:
    if fact.at is not None:
        return instant_words(fact.at, fact.zone or "UTC")
    if fact.local is not None:
        return f"{fact.local:%Y-%m-%d %H:%M:%S} in each patient's zone"
    return "each patient's next day"
