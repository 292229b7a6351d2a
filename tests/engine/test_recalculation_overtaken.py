"""A switch that is overtaken by the next one before it was recalculated leaves what it would have left in time (S9)."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from tests.engine.recalculated_world import Recalculated

from lockstep.domain.measurement import Measurement
from lockstep.engine import measurement
from lockstep.engine.check import check_enrolments
from lockstep.engine.measurement import record_measurement
from lockstep.engine.personal_change import set_personal_change
from lockstep.engine.timeline import answer_agenda
from lockstep.store.database import Database

if TYPE_CHECKING:
    from tests.conftest import Clock

TUESDAY = datetime(2026, 3, 3, tzinfo=UTC)  # Amsterdam is an hour ahead
MEASURED_AT = TUESDAY.replace(hour=6, minute=30)  # 07:30, no window is open
FIRST_AT = TUESDAY.replace(hour=6, minute=40)
SECOND_AT = TUESDAY.replace(hour=6, minute=45)


class Overtaken(Recalculated):
    """Patients of whom the first measures at 07:30; two switches follow, each asks for the morning under way."""

    def __init__(self, database: Database, clock: "Clock", monkeypatch: pytest.MonkeyPatch, *, apart: bool) -> None:
        # A sign of life after a jump of the clock would be the end of an outage.
        monkeypatch.setattr(measurement, "BEAT_SECONDS", float("inf"))
        super().__init__(database, clock, names=("anna", "bert", "cora"))
        if apart:
            for enrolment_id in self.enrolments:
                set_personal_change(
                    database,
                    **self.of,
                    enrolment_id=enrolment_id,
                    activity_key="pulse",
                    field="grace_minutes",
                    value=120,
                    reason="t",
                    actor="t",
                )

    def measure(self, at: datetime, *, received_at: datetime | None = None) -> None:
        self.clock.set(received_at or at)
        record_measurement(
            self.database,
            **self.of,
            measurement=Measurement(
                source="t",
                identifier=str(at),
                patient="anna",
                code="weight",
                value=Decimal(70),
                finding=None,
                unit="kg",
                taken_at=at,
            ),
        )

    def switch(self, at: datetime, opens: str, *, recalculated: bool) -> None:
        self.clock.set(at)
        self.publish(opens)
        if recalculated:
            self.finish()

    def outcome(self) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        """Decisions and rows of the weights."""
        decided = self.clock.connection.execute(
            "select enrolment_id, on_date::text, slot, state, version_number, opens_at, closes_at from occurrence"
            " where activity_key = 'weight' order by 1, 2"
        )
        rows = self.clock.connection.execute(
            "select enrolment_id, on_date::text, opens_at, closes_at, taken from agenda"
            " where activity_key = 'weight' order by 1"
        )
        return list(decided), list(rows)

    def answer(self, at: datetime, known_at: datetime) -> Any:
        return answer_agenda(
            self.database,
            organisation_id=self.of["organisation_id"],
            enrolment_id=self.enrolments[0],
            from_at=TUESDAY,
            until_at=TUESDAY + timedelta(days=1),
            at=at,
            known_at=known_at,
        ).occurrences


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("opens", ["06:30", "07:35"])
@pytest.mark.parametrize("recalculated", [True, False])
def test_what_the_first_found_fulfilled(
    database: Database,
    clock: "Clock",
    monkeypatch: pytest.MonkeyPatch,
    recalculated: bool,
    opens: str,
    apart: bool,
) -> None:
    patients = Overtaken(database, clock, monkeypatch, apart=apart)
    anna, bert, cora = patients.enrolments
    patients.measure(MEASURED_AT)
    patients.switch(FIRST_AT, "07:00", recalculated=recalculated)
    patients.switch(SECOND_AT, opens, recalculated=False)
    before = patients.answer(SECOND_AT, SECOND_AT)
    clock.set(SECOND_AT + timedelta(minutes=1))
    patients.finish()
    decided, rows = patients.outcome()
    closes_at = TUESDAY.replace(hour=9)
    assert decided == [(anna, "2026-03-03", "morning", "fulfilled", 2, FIRST_AT, closes_at)]
    assert [(row[0], row[1]) for row in rows] == [(anna, "2026-03-04"), (bert, "2026-03-03"), (cora, "2026-03-03")]
    assert {row[2] for row in rows[1:]} == {SECOND_AT}
    assert patients.answer(SECOND_AT, SECOND_AT) == before
    assert {each.state.value for each in before if each.activity_key == "weight"} == {"fulfilled"}
    assert check_enrolments(database, **patients.of, enrolment_ids=patients.enrolments) == []


@pytest.mark.parametrize("recalculated", [True, False])
def test_what_arrived_after_the_second_counts_for_it(
    database: Database, clock: "Clock", monkeypatch: pytest.MonkeyPatch, recalculated: bool
) -> None:
    patients = Overtaken(database, clock, monkeypatch, apart=False)
    anna = patients.enrolments[0]
    patients.switch(FIRST_AT, "07:00", recalculated=recalculated)
    patients.switch(SECOND_AT, "06:30", recalculated=recalculated)
    patients.measure(MEASURED_AT, received_at=SECOND_AT + timedelta(minutes=1))
    patients.finish()
    decided, _ = patients.outcome()
    assert decided == [(anna, "2026-03-03", "morning", "fulfilled", 3, SECOND_AT, TUESDAY.replace(hour=9))]
    assert patients.answer(SECOND_AT, SECOND_AT)[0].state.value == "open"
