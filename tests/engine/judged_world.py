"""What the tests of judging share: a measured world in which ingestion is alive, judged up to the present."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from lockstep.engine.judgement import Judged, Memory, judge_due

from .measured_world import Measured

FIRST_ON = "2026-03-03"
OPENS_AT = datetime.fromisoformat("2026-03-03T07:00Z")  # 08:00 in Amsterdam
CLOSES_AT = OPENS_AT + timedelta(hours=2)
JUDGED_AT = CLOSES_AT + timedelta(hours=2)
DAY = timedelta(days=1)


class Judging(Measured):
    """A world of weights whose occurrences are judged when the test says so."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.memory = Memory()

    def judge(self, at: datetime, *, horizon_at: datetime | None = None, size: int = 2000) -> Judged:
        """Everything due at the horizon (default: just then) is judged at the instant."""
        self.set_clock(at)
        judged = self.judge_once(horizon_at or at, size=size)
        while judged.more:
            judged = replace(judged, more=False) + self.judge_once(horizon_at or at, size=size)
        return judged

    def judge_once(self, horizon_at: datetime, *, size: int = 2000) -> Judged:
        """One round."""
        return judge_due(
            self.database,
            organisation_id=self.organisation_id,
            horizon_at=horizon_at,
            size=size,
            memory=self.memory,
        )

    def alerts(self) -> list[tuple[str, str, int, bool]]:
        """Alerts of missed occurrences: rule, state, occurrences counted, late."""
        return self.ask("select rule_key, state, occurrences, late from alert where kind = 'missed' order by alert_id")

    def samples(self) -> list[tuple[str, str]]:
        """Date and slot of the missed occurrences that alerts list."""
        return self.ask(
            "select on_date::text, slot from alert_sample where measurement_id is null order by at, alert_id"
        )
