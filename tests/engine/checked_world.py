"""What the tests of checks share: a judged world in which things are made wrong by hand."""

from datetime import datetime, timedelta
from typing import Any

from lockstep.domain.drift import Drift
from lockstep.engine.check import (
    Certificate,
    check_enrolments,
    check_slice,
    finish,
    list_drifts,
    start_check,
)
from lockstep.engine.repair import Repaired, repair

from .judged_world import JUDGED_AT, Judging

LATER = timedelta(minutes=1)
"""Long enough for what was due to be judged."""
RULES = ({"key": "silent", "kind": "missed", "in_a_row": 2},)


class Checked(Judging):
    """A world of weights in which ingestion is alive, and of which checks can be made."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **{"patients": ("anna", "bram", "carl"), "rules": RULES, **more})
        self.anna, self.bram, self.carl = (self.world.enrolment_of[name] for name in ("anna", "bram", "carl"))

    @property
    def of(self) -> dict[str, Any]:
        """The organisation, as every function of the engine wants it."""
        return {"organisation_id": self.organisation_id}

    def pass_until(self, at: datetime) -> None:
        """It is later, ingestion was alive all the time, and everything due was judged."""
        self.judge(at)
        self.set_clock(at + LATER)
        self.show_alive(at + LATER)

    def show_alive(self, at: datetime) -> None:
        """Ingestion was seen alive, written directly: a gap since the last time would be an outage."""
        self.admin.execute(
            "insert into ingestion_heartbeat values (%s, 'test', %s)"
            " on conflict (organisation_id, source) do update set seen_at = excluded.seen_at",
            [self.organisation_id, at],
        )

    def wrong(self, statement: str, *values: Any) -> None:
        """Something is made wrong, past every trigger that forbids it."""
        self.admin.execute("set session_replication_role = replica")
        self.admin.execute(statement, list(values))
        self.admin.execute("set session_replication_role = origin")

    def check(self, *, size: int = 1000, scope: str = "organisation", scope_id: int | None = None) -> Certificate:
        """A whole check."""
        check_id = start_check(
            self.database, organisation_id=self.organisation_id, scope=scope, scope_id=scope_id, actor="t"
        )
        while not check_slice(self.database, organisation_id=self.organisation_id, check_id=check_id, size=size).done:
            pass
        return finish(self.database, organisation_id=self.organisation_id, check_id=check_id, actor="t")

    def drifts(self, certificate: Certificate) -> list[Drift]:
        """What a check found."""
        found = list_drifts(self.database, organisation_id=self.organisation_id, check_id=certificate.check_id)
        return [each.drift for each in found]

    def now_drifting(self) -> list[Drift]:
        """What differs, since everything began."""
        return check_enrolments(
            self.database,
            organisation_id=self.organisation_id,
            enrolment_ids=list(self.world.enrolment_of.values()),
        )

    def find(self, kind: str, enrolment_id: int) -> Drift:
        """A check finds this kind of drift in this enrolment, and nothing else."""
        drifts = self.drifts(self.check())
        assert {(each.kind.value, each.enrolment_id) for each in drifts} == {(kind, enrolment_id)}
        return drifts[0]

    def repair(self, certificate: Certificate) -> Repaired:
        """What the check found is repaired."""
        return repair(self.database, organisation_id=self.organisation_id, check_id=certificate.check_id, actor="t")

    def find_and_repair(self, kind: str, enrolment_id: int) -> Drift:
        """A check finds this drift alone, it is repaired and judged, and the next check is clean."""
        first = self.check()
        drifts = self.drifts(first)
        assert {(each.kind.value, each.enrolment_id) for each in drifts} == {(kind, enrolment_id)}
        repaired = self.repair(first)
        assert (repaired.enrolments, repaired.drifts, repaired.left) == (1, len(drifts), 0)
        assert self.ask("select count(*) from drift where repaired_at is null") == [(0,)]
        (now,) = self.ask("select lockstep_now()")[0]
        self.judge(now)
        second = self.check()
        assert self.drifts(second) == []
        assert second.drifted == 0
        assert self.now_drifting() == []
        return drifts[0]


__all__ = ["JUDGED_AT", "LATER", "Checked"]
