"""Operations: the states of work done in the background, the steps between them, and what their log says."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from lockstep.domain.refusal import ImpossibleStep, InvalidWait

LONGEST_WAIT = timedelta(hours=1)
"""An operation that is paused longer than this would be forgotten, and worklists with it."""


class OperationKind(StrEnum):
    """What is done. A recalculation is owed to patients: it is never cancelled and never fails."""

    RECALCULATION = "recalculation"
    CHECK = "check"
    IMPORT = "import"


class OperationState(StrEnum):
    """Where an operation stands. Pausing and cancelling are wishes, paused and cancelled are facts."""

    ACCEPTED = "accepted"
    QUEUED = "queued"
    RUNNING = "running"
    VERIFYING = "verifying"
    SUCCEEDED = "succeeded"
    SUCCEEDED_WITH_EXCEPTIONS = "succeeded with exceptions"
    SUPERSEDED = "superseded"
    FAILED = "failed"
    PAUSING = "pausing"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


S = OperationState
_RECALCULATION = frozenset({OperationKind.RECALCULATION})
_OTHERS = frozenset({OperationKind.CHECK, OperationKind.IMPORT})
_ALL = _RECALCULATION | _OTHERS

ENDED = frozenset({S.SUCCEEDED, S.SUCCEEDED_WITH_EXCEPTIONS, S.SUPERSEDED, S.FAILED, S.CANCELLED})
"""States from which no step leads on."""

_NEVER_OF_RECALCULATIONS = frozenset({S.CANCELLING, S.CANCELLED, S.FAILED})

FULFILLED_WISHES = frozenset({S.PAUSED, S.CANCELLED})
"""Facts that somebody wished for: the reason given with the wish stays."""


@dataclass(frozen=True, slots=True)
class Edge:
    """An allowed step, for these kinds, and why it is made."""

    before: OperationState
    after: OperationState
    sentence: str
    kinds: frozenset[OperationKind] = _ALL


EDGES = (
    Edge(S.ACCEPTED, S.QUEUED, "Its instant has come, and it waits for a worker."),
    Edge(
        S.ACCEPTED,
        S.SUPERSEDED,
        "It was withdrawn before its instant, or a later switch takes its place.",
        _RECALCULATION,
    ),
    Edge(S.ACCEPTED, S.CANCELLED, "It is called off before anybody began.", _OTHERS),
    Edge(S.QUEUED, S.RUNNING, "A worker took it up."),
    Edge(S.QUEUED, S.SUPERSEDED, "A later switch does its work as well.", _RECALCULATION),
    Edge(S.QUEUED, S.PAUSING, "Somebody wishes it to wait for a limited time."),
    Edge(S.QUEUED, S.CANCELLED, "It is called off before anybody began.", _OTHERS),
    Edge(
        S.RUNNING,
        S.VERIFYING,
        "Nothing is left to do; that is looked at again once every older transaction ended.",
        _RECALCULATION,
    ),
    Edge(S.RUNNING, S.SUCCEEDED, "All of it is done.", _OTHERS),
    Edge(
        S.RUNNING,
        S.SUCCEEDED_WITH_EXCEPTIONS,
        "It is done but for single items, set aside with their reasons.",
        _OTHERS,
    ),
    Edge(S.RUNNING, S.SUPERSEDED, "A later switch does its work as well.", _RECALCULATION),
    Edge(S.RUNNING, S.QUEUED, "Its workers are gone, and it waits for another."),
    Edge(S.RUNNING, S.PAUSING, "Somebody wishes it to wait for a limited time."),
    Edge(S.RUNNING, S.CANCELLING, "Somebody wishes it to stop.", _OTHERS),
    Edge(S.RUNNING, S.FAILED, "It cannot be done; the reason says why.", _OTHERS),
    Edge(
        S.VERIFYING,
        S.RUNNING,
        "Something was still behind, or the check found drift, and the work goes on.",
        _RECALCULATION,
    ),
    Edge(S.VERIFYING, S.SUCCEEDED, "Nobody is behind, and the check agrees.", _RECALCULATION),
    Edge(
        S.VERIFYING,
        S.SUCCEEDED_WITH_EXCEPTIONS,
        "Nobody is behind but for single patients, set aside with their reasons.",
        _RECALCULATION,
    ),
    Edge(S.VERIFYING, S.SUPERSEDED, "A later switch does its work as well.", _RECALCULATION),
    Edge(S.PAUSING, S.PAUSED, "Its workers let go of it."),
    Edge(S.PAUSING, S.QUEUED, "The wish was taken back, or its time is over."),
    Edge(S.PAUSING, S.VERIFYING, "The work was finished before a worker saw the wish.", _RECALCULATION),
    Edge(S.PAUSING, S.SUPERSEDED, "A later switch does its work as well.", _RECALCULATION),
    Edge(S.PAUSING, S.SUCCEEDED, "It was finished before a worker saw the wish.", _OTHERS),
    Edge(
        S.PAUSING,
        S.SUCCEEDED_WITH_EXCEPTIONS,
        "It was finished, with items set aside, before a worker saw the wish.",
        _OTHERS,
    ),
    Edge(S.PAUSING, S.CANCELLING, "Somebody wishes it to stop instead.", _OTHERS),
    Edge(S.PAUSING, S.FAILED, "It could not be done, which a worker found before it saw the wish.", _OTHERS),
    Edge(S.PAUSED, S.QUEUED, "Somebody resumed it, or its time is over."),
    Edge(S.PAUSED, S.SUPERSEDED, "A later switch does its work as well.", _RECALCULATION),
    Edge(S.PAUSED, S.CANCELLED, "It is called off while nobody works on it.", _OTHERS),
    Edge(S.CANCELLING, S.CANCELLED, "Its workers let go of it.", _OTHERS),
    Edge(S.CANCELLING, S.SUCCEEDED, "It was finished before a worker saw the wish.", _OTHERS),
    Edge(
        S.CANCELLING,
        S.SUCCEEDED_WITH_EXCEPTIONS,
        "It was finished, with items set aside, before a worker saw the wish.",
        _OTHERS,
    ),
    Edge(S.CANCELLING, S.FAILED, "It could not be done, which a worker found before it saw the wish.", _OTHERS),
)

_STEPS = {(kind, edge.before, edge.after) for edge in EDGES for kind in edge.kinds}


@dataclass(frozen=True, slots=True)
class Operation:
    """What people see of work done in the background.

    `done` and `total` count enrolments or rows; None where nobody has counted. `reason` says why it waits, failed
    or has exceptions. `overdue` is a flag, never stored: once its instant has come for everybody, nothing of it has
    moved for 60 seconds although it is not paused.
    """

    operation_id: int
    kind: OperationKind
    state: OperationState
    sentence: str
    protocol_id: int | None
    switch_id: int | None
    selection_id: int | None
    generation: int | None
    starts_at: datetime
    done: int | None
    total: int | None
    reason: str | None
    paused_until: datetime | None
    started_by: str
    started_at: datetime
    ended_at: datetime | None
    overdue: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """One line of an operation's log: a step, or (see `EventType`) something that changes no state."""

    event_id: int
    at: datetime
    type: str
    state: OperationState
    actor: str
    data: Mapping[str, object]


class EventType(StrEnum):
    """The types of events that are no steps; a step's type is named by the state it leads to."""

    ATTEMPTED = "operation.attempted"
    EXPLAINED = "operation.explained"


class BrokenLog(ValueError):
    """An operation's events do not follow from one another."""


def type_of(state: OperationState) -> str:
    """The type of the event that leads to a state, such as 'operation.succeeded-with-exceptions'."""
    return f"operation.{state.replace(' ', '-')}"


def is_allowed(kind: OperationKind, before: OperationState, after: OperationState) -> bool:
    """Whether an operation of this kind may make the step."""
    return (kind, before, after) in _STEPS


def next_states(kind: OperationKind, state: OperationState) -> tuple[OperationState, ...]:
    """Where an operation of this kind may go from here, in the order of the table."""
    return tuple(edge.after for edge in EDGES if edge.before is state and kind in edge.kinds)


def require_step(kind: OperationKind, before: OperationState, after: OperationState) -> None:
    """The step is allowed; raises ImpossibleStep, which says where the operation may go instead."""
    if is_allowed(kind, before, after):
        return
    if kind is OperationKind.RECALCULATION and after in _NEVER_OF_RECALCULATIONS:
        why = "; what an accepted switch owes to patients is done, however long it takes"
        mend = "Pause it for a limited time, or switch forward."
    else:
        why = ""
        following = next_states(kind, before)
        mend = f"It may become {', '.join(following)}." if following else "It has ended."
    raise ImpossibleStep(f"A {kind} that is {before} cannot become {after}{why}", where="state", mend=mend)


def require_wait(until_at: datetime, now: datetime) -> None:
    """The wait ends in the future and within LONGEST_WAIT; raises InvalidWait."""
    minutes = int(LONGEST_WAIT.total_seconds() // 60)
    if not now < until_at <= now + LONGEST_WAIT:
        mend = f"Name an instant within the next {minutes} minutes; afterwards it can be paused again."
        raise InvalidWait(f"An operation cannot wait until {until_at.isoformat()}", where="until_at", mend=mend)


def rebuild(events: Iterable[Event]) -> OperationState:
    """The state an operation is in, from its log alone, in order of the events' numbers.

    Raises BrokenLog when the log does not begin with the acceptance, or a step in it was not allowed.
    """
    kind: OperationKind | None = None
    state: OperationState | None = None
    for event in sorted(events, key=lambda event: event.event_id):
        if event.type in tuple(EventType):
            # An attempt names the state its worker saw, which another's step may have overtaken.
            continue
        if event.type != type_of(event.state):
            raise BrokenLog(f"event {event.event_id} is of type {event.type} but leads to {event.state}")
        if kind is None or state is None:
            kind, state = _begin(event)
        elif is_allowed(kind, state, event.state):
            state = event.state
        else:
            raise BrokenLog(f"event {event.event_id} leads from {state} to {event.state}")
    if state is None:
        raise BrokenLog("the log is empty")
    return state


def _begin(event: Event) -> tuple[OperationKind, OperationState]:
    if event.state is not S.ACCEPTED:
        raise BrokenLog(f"the log begins with {event.state}")
    try:
        return OperationKind(str(event.data.get("kind"))), event.state
    except ValueError:
        raise BrokenLog("the first event does not name the kind of the operation") from None


def to_cloud_event(event: Event, *, organisation_id: int, operation_id: int) -> dict[str, object]:
    """The event in the JSON form of CloudEvents 1.0."""
    return {
        "specversion": "1.0",
        "id": f"{operation_id}.{event.event_id}",
        "type": f"lockstep.{event.type}",
        "source": f"/organisations/{organisation_id}",
        "subject": f"operations/{operation_id}",
        "time": event.at.isoformat(),
        "datacontenttype": "application/json",
        "data": {"state": event.state, "actor": event.actor, **event.data},
    }
