"""What governs whom, computed from the rows of facts by the words of the design and by nothing of the engine."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from lockstep.proof.stress.evidence import AssignmentRow, Final, SwitchRow

PUBLISH = "publish"


@dataclass(frozen=True, slots=True)
class Standing:
    """The protocol and version that govern an enrolment at an instant."""

    protocol_id: int
    version_number: int | None


class Model:
    """Assignments, moves and publications; a switch has one E for everybody, or the instant is called unclear."""

    def __init__(self, final: Final) -> None:
        self._members = final.members
        self._assignments: dict[int, list[AssignmentRow]] = defaultdict(list)
        for each in final.assignments:
            self._assignments[each.enrolment_id].append(each)
        for assigned in self._assignments.values():
            assigned.sort(key=lambda each: each.number)
        self._switches: dict[int, list[SwitchRow]] = defaultdict(list)
        for switch in final.switches:
            self._switches[switch.protocol_id].append(switch)
        for switches in self._switches.values():
            switches.sort(key=lambda each: each.number)
        self._moves = {
            key: [each for each in switches if each.kind != PUBLISH] for key, switches in self._switches.items()
        }
        self._publications = {
            key: [each for each in switches if each.kind == PUBLISH] for key, switches in self._switches.items()
        }

    def switches(self, protocol_ids: Iterable[int] = ()) -> list[SwitchRow]:
        """The accepted switches of these protocols (of all by default), each protocol's in order."""
        return [each for key in (protocol_ids or self._switches) for each in self._switches.get(key, ())]

    def reachable(self, enrolment_id: int) -> set[int]:
        """Every protocol on which the enrolment may ever have been."""
        found = {each.protocol_id for each in self._assignments[enrolment_id]}
        todo = list(found)
        while todo:
            for switch in self._moves.get(todo.pop(), ()):
                target = switch.target_protocol_id
                if target is not None and target not in found:
                    found.add(target)
                    todo.append(target)
        return found

    def standing(self, enrolment_id: int, at: datetime, known: frozenset[int]) -> Standing | None:
        """What governs the enrolment at `at` when the switches of these numbers are known; None when nothing does."""
        assigned = [each for each in self._assignments[enrolment_id] if each.from_at <= at]
        if not assigned:
            return None
        last = max(assigned, key=lambda each: each.number)
        protocol_id, since = last.protocol_id, last.from_at
        while (move := self._next_move(enrolment_id, protocol_id, since, at, known)) is not None:
            assert move.target_protocol_id is not None
            protocol_id, since = move.target_protocol_id, move.first_at
        return Standing(protocol_id, self._version(enrolment_id, protocol_id, at, known))

    def _next_move(
        self, enrolment_id: int, protocol_id: int, since: datetime, at: datetime, known: frozenset[int]
    ) -> SwitchRow | None:
        moves = [
            each
            for each in self._moves.get(protocol_id, ())
            if since < each.first_at <= at and self._counts(each, enrolment_id, known)
        ]
        return min(moves, key=lambda each: (each.first_at, each.number), default=None)

    def _version(self, enrolment_id: int, protocol_id: int, at: datetime, known: frozenset[int]) -> int | None:
        for each in reversed(self._publications.get(protocol_id, ())):
            if each.first_at <= at and self._counts(each, enrolment_id, known):
                return each.version_number
        return None

    def versions_alike(self, enrolment_id: int, standing: Standing, at: datetime, known: frozenset[int]) -> set[int]:
        """The versions whose schedules are those of the one in force: it, and those before it up to a generation."""
        found: set[int] = set()
        for each in reversed(self._publications.get(standing.protocol_id, ())):
            if each.first_at <= at and self._counts(each, enrolment_id, known):
                found.add(each.version_number or 0)
                if each.generation is not None:
                    break
        return found

    def _counts(self, switch: SwitchRow, enrolment_id: int, known: frozenset[int]) -> bool:
        return switch.switch_id in known and self.holds(switch, enrolment_id)

    def holds(self, switch: SwitchRow, enrolment_id: int) -> bool:
        """Whether the switch's scope holds the enrolment."""
        return switch.selection_id is None or enrolment_id in self._members.get(switch.selection_id, frozenset())

    def is_unclear(self, protocol_ids: Iterable[int], instants: Sequence[datetime]) -> bool:
        """Whether some E differs between zones and one of the instants lies in between."""
        return any(
            each.first_at != each.last_at and any(each.first_at <= at <= each.last_at for at in instants)
            for each in self.switches(protocol_ids)
        )
