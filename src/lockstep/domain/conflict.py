"""Personal changes that a switch would take away: each is resolved, or a clinician signs for it (rule 8)."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from lockstep.domain.content import Activity, Content, Policy
from lockstep.domain.effect import Forecast
from lockstep.domain.personal_change import applies, fits, value_of
from lockstep.domain.preview import Conflict
from lockstep.domain.refusal import UnknownField
from lockstep.domain.switch import SwitchKind
from lockstep.domain.timeline import (
    EnrolmentFacts,
    PersonalChange,
    World,
    assignments,
    personal_changes_in_force,
    segments,
    version_in_force,
)

_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Lost:
    """A personal change that holds before an instant and has no place after it, and why."""

    change: PersonalChange
    why: str


def why_lost(after: Content, activity_key: str, field: str, *, moved: bool = False) -> str:
    """Why a personal change of the field has no place under the content, in words; empty when it has.

    What follows the protocol ends by itself within one; a move carries only what is kept.
    """
    activity = after.activity(activity_key)
    if activity is None:
        return "the activity is removed"
    if activity.policy(field) is Policy.LOCKED:
        return "the field is locked"
    try:
        value_of(after, activity_key, field)
    except UnknownField:
        return "the field is removed"
    if moved and activity.policy(field) is Policy.FOLLOW:
        return "the field follows the protocol moved to"
    return ""


def lost_at(facts: EnrolmentFacts, seen: Forecast) -> list[Lost]:
    """The enrolment's changes that hold until its E and would be lost with the switch; none when it is not concerned.

    Pure; each enrolment by its own version before and after, whatever most of the others have.
    """
    switch = seen.switch
    at = switch.effective_for(facts.zones)
    if not switch.holds(facts.selections) or (facts.discharged_at is not None and facts.discharged_at <= at):
        return []
    governed = [span.protocol_id for span in assignments(facts, seen.without) if span.from_at <= at]
    if governed[-1:] != [switch.protocol_id]:
        return []
    before, after = _content(facts, seen.without, at), _content(facts, seen.with_it, at)
    if before is None or after is None:
        return []
    live = personal_changes_in_force(facts, seen.without, assignments(facts, seen.without), at)
    found = []
    for (key, field), change in sorted(live.items()):
        if applies(before, key, field, change.replaced) and fits(before, key, field, change.value):
            why = why_lost(after, key, field, moved=switch.kind is SwitchKind.MOVE)
            if not why and not fits(after, key, field, change.value):
                why = "its value does not fit the activity any more"
            if why:
                found.append(Lost(change, why))
    return found


def lost_later(facts: EnrolmentFacts, world: World, change: PersonalChange) -> tuple[datetime, str] | None:
    """When and why the change, part of the facts already, loses its place by what is scheduled; None if it does not."""
    governed = assignments(facts, world)
    protocol_id = [span.protocol_id for span in governed if span.from_at <= change.from_at][-1]
    for segment in segments(facts, world):
        if segment.from_at <= change.from_at or segment.version_number is None:
            continue
        content = world[segment.protocol_id].versions[segment.version_number]
        moved = segment.protocol_id != protocol_id
        why = why_lost(content, change.activity_key, change.field, moved=moved)
        if why:
            named = f"on protocol {segment.protocol_id}" if moved else f"in version {segment.version_number}"
            return segment.from_at, f"{why} {named}"
    return None


class Conflicts:
    """Adds up the lost changes of many enrolments by activity, field and reason."""

    def __init__(self, content: Content | None) -> None:
        """`content` is that of a publication, None for a move: what can be lost is looked at first, and once."""
        self._content = content
        self._possible: dict[tuple[str, str], bool] = {}
        self._found: dict[tuple[str, str, str], list[int]] = defaultdict(list)

    def add(self, enrolment_id: int, facts: EnrolmentFacts, seen: Forecast) -> None:
        """The enrolment is looked at too."""
        if not any(self._is_possible(each.activity_key, each.field, seen) for each in facts.personal_changes):
            return
        for lost in lost_at(facts, seen):
            self._found[lost.change.activity_key, lost.change.field, lost.why].append(enrolment_id)

    def all(self) -> tuple[Conflict, ...]:
        """What was found, with some of those concerned named."""
        return tuple(
            Conflict(key, field, why, len(members), tuple(sorted(members)[:_EXAMPLES]))
            for (key, field, why), members in sorted(self._found.items())
        )

    def _is_possible(self, key: str, field: str, seen: Forecast) -> bool:
        if self._content is None:
            return True
        if (key, field) not in self._possible:
            after = self._content.activity(key)
            befores = [content.activity(key) for content in seen.without[seen.switch.protocol_id].versions.values()]
            self._possible[key, field] = bool(why_lost(self._content, key, field)) or any(
                before is not None and after is not None and _measures(before) != _measures(after) for before in befores
            )
        return self._possible[key, field]


def _measures(activity: Activity) -> tuple[object, ...]:
    return activity.code, activity.unit


def _content(facts: EnrolmentFacts, world: World, at: datetime) -> Content | None:
    protocol = world[[span.protocol_id for span in assignments(facts, world) if span.from_at <= at][-1]]
    number = version_in_force(protocol, facts, at)
    return None if number is None else protocol.versions[number]
