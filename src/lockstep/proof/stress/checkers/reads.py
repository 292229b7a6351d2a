"""S1, S3: no answer names a former version after the acknowledgement, none mixes two, none is somebody else's."""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import product

from lockstep.proof.stress.checkers.model import Model, Standing
from lockstep.proof.stress.evidence import Evidence, SwitchRow
from lockstep.proof.stress.finding import Finding, Looking
from lockstep.proof.stress.history import Operation, instant

SETTLED = timedelta(seconds=1)
"""An instant that old, nobody can still commit a switch for (the acceptance refuses after 250 ms)."""


def check_reads(evidence: Evidence) -> Finding:
    """Every answer names what was in force, by switches that had been acknowledged, or that were under way then."""
    looking = Looking("reads", "S1", "S3")
    reader = _Reader(evidence)
    looking.figures = {"around a switch": 0, "unclear": 0}
    for read in evidence.history.of("read"):
        if not read.ok:
            continue
        if reader.is_unclear(read):
            looking.figures["unclear"] += 1
            continue
        choices = list(reader.choices(read))
        looking.figures["around a switch"] += len(choices) > 1
        fits = any(reader.fits(read, known) for known in choices)
        looking.look(fits, "{}", "" if fits else reader.tell(read, choices))
    return looking.finding()


class _Reader:
    def __init__(self, evidence: Evidence) -> None:
        self.model = Model(evidence.final)
        self._enrolled = {each.enrolment_id: each for each in evidence.final.enrolments}
        self._told: dict[int, float] = {}
        for each in evidence.history.of("accept"):
            if each.ok:
                switch = each.sent["switch"]
                self._told[switch] = min(each.told, self._told.get(switch, float("inf")))
        self._reachable: dict[int, set[int]] = {}
        self._ordered: dict[frozenset[int], tuple[list[SwitchRow], list[datetime]]] = {}
        self._settled: dict[tuple[frozenset[int], int], frozenset[int]] = {}

    def protocols(self, enrolment_id: int) -> set[int]:
        if enrolment_id not in self._reachable:
            self._reachable[enrolment_id] = self.model.reachable(enrolment_id)
        return self._reachable[enrolment_id]

    def is_unclear(self, read: Operation) -> bool:
        """Whether facts of the enrolment itself changed about then, so that either answer would be right."""
        enrolment_id = read.sent["enrolment"]
        at = instant(read.answer["at"])
        row = self._enrolled.get(enrolment_id)
        if row is None or at <= row.enrolled_at + SETTLED:
            return True
        if row.discharged_at is not None and at >= row.discharged_at - SETTLED:
            return True
        return self.model.is_unclear(self.protocols(enrolment_id), [at, *self._instants(read)])

    def choices(self, read: Operation) -> Iterator[frozenset[int]]:
        """The sets of switches that the answer may know: all that it must, and the next ones or not."""
        known_at = instant(read.answer["known_at"])
        protocols = frozenset(self.protocols(read.sent["enrolment"]))
        switches, instants = self._in_order(protocols)
        settled = bisect_right(instants, known_at - SETTLED)
        must = self._first(protocols, settled)
        may: dict[int, list[int]] = {}
        for each in switches[settled : bisect_right(instants, known_at)]:
            if self._told.get(each.switch_id, float("inf")) <= read.asked:
                must |= {each.switch_id}
            else:
                may.setdefault(each.protocol_id, []).append(each.switch_id)
        prefixes = [[ids[:count] for count in range(len(ids) + 1)] for ids in may.values()]
        for chosen in product(*prefixes):
            yield must.union(*chosen)

    def _in_order(self, protocols: frozenset[int]) -> tuple[list[SwitchRow], list[datetime]]:
        if protocols not in self._ordered:
            found = [each for each in self.model.switches(protocols) if each.withdrawn_at is None]
            found.sort(key=lambda each: (each.accepted_at, each.number))
            self._ordered[protocols] = (found, [each.accepted_at for each in found])
        return self._ordered[protocols]

    def _first(self, protocols: frozenset[int], count: int) -> frozenset[int]:
        if (protocols, count) not in self._settled:
            switches, _ = self._in_order(protocols)
            self._settled[protocols, count] = frozenset(each.switch_id for each in switches[:count])
        return self._settled[protocols, count]

    def fits(self, read: Operation, known: frozenset[int]) -> bool:
        """Whether the answer is right when these switches are known."""
        enrolment_id = read.sent["enrolment"]
        named = Standing(read.answer["protocol"], read.answer["version"])
        if self.model.standing(enrolment_id, instant(read.answer["at"]), known) != named:
            return False
        return all(
            self.model.standing(enrolment_id, instant(at), known) == Standing(protocol_id, version_number)
            for protocol_id, version_number, *instants in read.answer["coming"]
            for at in instants
        )

    def _instants(self, read: Operation) -> list[datetime]:
        return [instant(at) for _, _, *instants in read.answer["coming"] for at in instants]

    def tell(self, read: Operation, choices: list[frozenset[int]]) -> str:
        enrolment_id = read.sent["enrolment"]
        at = instant(read.answer["at"])
        right = {str(self.model.standing(enrolment_id, at, known)) for known in choices}
        named = f"protocol {read.answer['protocol']} version {read.answer['version']}"
        coming = [each[:2] for each in read.answer["coming"]]
        return f"{read.client} #{read.number}: enrolment {enrolment_id} at {at}: {named}, then {coming}; right: {right}"
