"""Operations: guarded steps with their events, limited pauses, and a log that tells the state."""

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import errors

from lockstep.domain.operation import (
    LONGEST_WAIT,
    EventType,
    Operation,
    OperationKind,
    OperationState,
    next_states,
)
from lockstep.domain.refusal import ImpossibleStep, InvalidWait, MissingReason, UnknownOperation
from lockstep.engine import operation as engine
from lockstep.store import operation as store
from lockstep.store.database import Database

if TYPE_CHECKING:
    from tests.conftest import Clock

S = OperationState
NOW = datetime(2026, 11, 23, 10, 44, 5, tzinfo=UTC)


@pytest.fixture
def north(admin: psycopg.Connection) -> int:
    """An organisation."""
    row = admin.execute("insert into organisation (key, title) values ('n', 'N') returning organisation_id").fetchone()
    assert row is not None
    return int(row[0])


def begin(
    database: Database,
    organisation_id: int,
    *steps: OperationState,
    kind: OperationKind = OperationKind.RECALCULATION,
) -> int:
    with database.transaction(organisation_id) as connection:
        operation_id = engine.start(
            connection,
            organisation_id=organisation_id,
            kind=kind,
            sentence="Switch 4,312 patients to Stable version 8",
            actor="p.manager",
            generation=7,
        )
    for step in steps:
        advance(database, organisation_id, operation_id, step)
    return operation_id


def advance(
    database: Database, organisation_id: int, operation_id: int, to: OperationState, reason: str | None = None
) -> bool:
    with database.transaction(organisation_id) as connection:
        return engine.advance(
            connection,
            organisation_id=organisation_id,
            operation_id=operation_id,
            to=to,
            actor="worker 1",
            reason=reason,
        )


def get(database: Database, organisation_id: int, operation_id: int) -> Operation:
    return engine.get_operation(database, organisation_id=organisation_id, operation_id=operation_id)


def log(database: Database, organisation_id: int, operation_id: int) -> list[tuple[str, str, str]]:
    events = engine.list_events(database, organisation_id=organisation_id, operation_id=operation_id)
    return [(event.type, event.state, event.actor) for event in events]


class TestStart:
    def test_an_operation_is_accepted_with_the_first_event_of_its_log(
        self, database: Database, clock: "Clock", north: int
    ) -> None:
        clock.set(NOW)
        operation_id = begin(database, north)
        assert get(database, north, operation_id) == Operation(
            operation_id=operation_id,
            kind=OperationKind.RECALCULATION,
            state=S.ACCEPTED,
            sentence="Switch 4,312 patients to Stable version 8",
            protocol_id=None,
            switch_id=None,
            selection_id=None,
            generation=7,
            starts_at=NOW,
            done=None,
            total=None,
            reason=None,
            paused_until=None,
            started_by="p.manager",
            started_at=NOW,
            ended_at=None,
        )
        assert log(database, north, operation_id) == [("operation.accepted", "accepted", "p.manager")]

    def test_the_instants_of_the_decision_and_of_the_beginning_may_be_given(
        self, database: Database, clock: "Clock", north: int
    ) -> None:
        clock.set(NOW)
        later = NOW + timedelta(days=7)
        with database.transaction(north) as connection:
            operation_id = engine.start(
                connection,
                organisation_id=north,
                kind=OperationKind.CHECK,
                sentence="Check everybody",
                actor="p.manager",
                at=NOW - timedelta(milliseconds=3),
                starts_at=later,
                total=12,
                data={"scope": "organisation"},
            )
        operation = get(database, north, operation_id)
        assert (operation.started_at, operation.starts_at) == (NOW - timedelta(milliseconds=3), later)
        assert operation.total == 12
        event = engine.list_events(database, organisation_id=north, operation_id=operation_id)[0]
        assert event.at == operation.started_at
        assert event.data == {"kind": "check", "sentence": "Check everybody", "scope": "organisation"}

    def test_nothing_starts_when_the_decision_is_rolled_back(
        self, database: Database, admin: psycopg.Connection, north: int
    ) -> None:
        def decide() -> None:
            with database.transaction(north) as connection:
                engine.start(connection, organisation_id=north, kind=OperationKind.IMPORT, sentence="s", actor="a")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            decide()
        assert engine.list_operations(database, organisation_id=north) == []
        assert admin.execute("select count(*) from operation_event").fetchone() == (0,)


class TestAdvance:
    @pytest.mark.parametrize("kind", OperationKind)
    def test_every_way_through_the_table_is_walked_and_rebuilt_from_its_log(
        self, database: Database, north: int, kind: OperationKind
    ) -> None:
        paths: list[tuple[OperationState, ...]] = [()]
        walked: set[tuple[OperationState, OperationState]] = set()
        ends = set()
        while paths:
            path = paths.pop()
            at = path[-1] if path else S.ACCEPTED
            ahead = [state for state in next_states(kind, at) if (at, state) not in walked]
            walked |= {(at, state) for state in ahead}
            paths += [(*path, state) for state in ahead]
            if ahead:
                continue
            operation_id = begin(database, north, *path, kind=kind)
            assert get(database, north, operation_id).state is at
            assert engine.rebuild_state(database, organisation_id=north, operation_id=operation_id) is at
            ends.add(at)
        assert {S.SUCCEEDED, S.SUCCEEDED_WITH_EXCEPTIONS} <= ends

    def test_a_step_that_is_not_in_the_table_is_refused_and_leaves_no_trace(
        self, database: Database, north: int
    ) -> None:
        operation_id = begin(database, north, S.QUEUED)
        with pytest.raises(ImpossibleStep, match=r"queued cannot become succeeded.*running, superseded, pausing"):
            advance(database, north, operation_id, S.SUCCEEDED)
        assert get(database, north, operation_id).state is S.QUEUED
        assert len(log(database, north, operation_id)) == 2

    @pytest.mark.parametrize("to", [S.CANCELLING, S.CANCELLED, S.FAILED])
    @pytest.mark.parametrize("path", [(), (S.QUEUED,), (S.QUEUED, S.RUNNING), (S.QUEUED, S.PAUSING, S.PAUSED)])
    def test_a_recalculation_can_neither_be_cancelled_nor_fail(
        self, database: Database, north: int, path: tuple[OperationState, ...], to: OperationState
    ) -> None:
        operation_id = begin(database, north, *path)
        with pytest.raises(ImpossibleStep, match="owes to patients"):
            advance(database, north, operation_id, to)

    def test_a_step_made_already_is_not_made_again(self, database: Database, north: int) -> None:
        operation_id = begin(database, north, S.QUEUED)
        assert advance(database, north, operation_id, S.RUNNING) is True
        assert advance(database, north, operation_id, S.RUNNING) is False
        assert len(log(database, north, operation_id)) == 3

    def test_of_rivals_exactly_one_makes_the_step(self, database: Database, north: int) -> None:
        operation_id = begin(database, north, S.QUEUED)
        together = threading.Barrier(4)
        made: list[bool] = []

        def compete() -> None:
            together.wait()
            made.append(advance(database, north, operation_id, S.RUNNING))

        threads = [threading.Thread(target=compete) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(made) == [False, False, False, True]
        assert len(log(database, north, operation_id)) == 3

    def test_who_lost_the_race_decides_again_on_what_is_true_now(
        self, database: Database, north: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        operation_id = begin(database, north, S.QUEUED, S.RUNNING)
        find_standing = store.find_standing

        def overtaken(*args: Any, **kwargs: Any) -> object:
            found = find_standing(*args, **kwargs)
            monkeypatch.undo()
            advance(database, north, operation_id, S.SUPERSEDED)
            return found

        monkeypatch.setattr(store, "find_standing", overtaken)
        with pytest.raises(ImpossibleStep, match=r"superseded cannot become verifying.*It has ended"):
            advance(database, north, operation_id, S.VERIFYING)
        assert get(database, north, operation_id).state is S.SUPERSEDED

    def test_the_end_has_its_instant_and_its_reason(self, database: Database, clock: "Clock", north: int) -> None:
        clock.set(NOW)
        operation_id = begin(database, north, S.QUEUED, S.RUNNING, kind=OperationKind.IMPORT)
        advance(database, north, operation_id, S.FAILED, reason="The file cannot be read.")
        operation = get(database, north, operation_id)
        assert (operation.ended_at, operation.reason) == (NOW, "The file cannot be read.")
        events = engine.list_events(database, organisation_id=north, operation_id=operation_id)
        assert events[-1].data == {"reason": "The file cannot be read."}

    def test_an_operation_of_another_organisation_does_not_exist(
        self, database: Database, admin: psycopg.Connection, north: int
    ) -> None:
        row = admin.execute(
            "insert into organisation (key, title) values ('s', 'S') returning organisation_id"
        ).fetchone()
        assert row is not None
        operation_id = begin(database, row[0])
        for act in (
            lambda: advance(database, north, operation_id, S.QUEUED),
            lambda: get(database, north, operation_id),
            lambda: log(database, north, operation_id),
        ):
            with pytest.raises(UnknownOperation, match=f"no operation {operation_id}"):
                act()

    def test_the_log_cannot_be_changed(self, database: Database, admin: psycopg.Connection, north: int) -> None:
        begin(database, north)
        with pytest.raises(errors.InsufficientPrivilege), database.transaction(north) as connection:
            connection.execute("update operation_event set actor = 'x'")
        with pytest.raises(psycopg.Error, match="never changed"):
            admin.execute("delete from operation_event")


class TestAttempts:
    def test_an_attempt_is_told_and_changes_nothing(self, database: Database, north: int) -> None:
        operation_id = begin(database, north, S.QUEUED, S.RUNNING)
        before = get(database, north, operation_id)
        with database.transaction(north) as connection:
            engine.record_attempt(
                connection,
                organisation_id=north,
                operation_id=operation_id,
                actor="worker 2",
                numbers={"done": 1000, "seconds": 0.012},
                reason="A rival held a lock.",
                sqlstate="55P03",
            )
        assert get(database, north, operation_id) == before
        event = engine.list_events(database, organisation_id=north, operation_id=operation_id)[-1]
        assert (event.type, event.state, event.actor) == (EventType.ATTEMPTED, S.RUNNING, "worker 2")
        assert event.data == {
            "done": 1000,
            "seconds": 0.012,
            "reason": "A rival held a lock.",
            "sqlstate": "55P03",
        }
        assert engine.rebuild_state(database, organisation_id=north, operation_id=operation_id) is S.RUNNING

    def test_an_attempt_at_nothing_is_refused(self, database: Database, north: int) -> None:
        with pytest.raises(UnknownOperation), database.transaction(north) as connection:
            engine.record_attempt(connection, organisation_id=north, operation_id=9, actor="worker 2")

    def test_an_attempt_waits_for_no_lock(self, database: Database, north: int) -> None:
        operation_id = begin(database, north)
        with database.transaction(north) as rival, database.transaction(north) as connection:
            rival.execute("select 1 from operation for update")
            engine.record_attempt(connection, organisation_id=north, operation_id=operation_id, actor="worker 2")
        assert len(log(database, north, operation_id)) == 2

    def test_the_reason_of_waiting_is_shown_and_told_once(self, database: Database, north: int) -> None:
        operation_id = begin(database, north, S.QUEUED, S.RUNNING)

        def explain(reason: str | None) -> bool:
            with database.transaction(north) as connection:
                return engine.explain(
                    connection, organisation_id=north, operation_id=operation_id, reason=reason, actor="w"
                )

        assert [explain("Measurements come first."), explain("Measurements come first.")] == [True, False]
        assert get(database, north, operation_id).reason == "Measurements come first."
        assert [explain(None), explain(None)] == [True, False]
        assert get(database, north, operation_id).reason is None
        told = [event for event in log(database, north, operation_id) if event[0] == EventType.EXPLAINED]
        assert len(told) == 2
        advance(database, north, operation_id, S.SUPERSEDED)
        assert explain("Too late.") is False


class TestPause:
    def pause(
        self, database: Database, organisation_id: int, operation_id: int, until_at: datetime, reason: str = "Deploying"
    ) -> Operation:
        return engine.pause(
            database,
            organisation_id=organisation_id,
            operation_id=operation_id,
            until_at=until_at,
            reason=reason,
            actor="o.perator",
        )

    def test_a_pause_is_first_a_wish_then_a_fact_then_over(
        self, database: Database, admin: psycopg.Connection, clock: "Clock", north: int
    ) -> None:
        clock.set(NOW)
        until_at = NOW + timedelta(minutes=20)
        operation_id = begin(database, north, S.QUEUED, S.RUNNING)
        wished = self.pause(database, north, operation_id, until_at)
        assert (wished.state, wished.paused_until, wished.reason) == (S.PAUSING, until_at, "Deploying")
        advance(database, north, operation_id, S.PAUSED)
        paused = get(database, north, operation_id)
        assert (paused.state, paused.paused_until, paused.reason) == (S.PAUSED, until_at, "Deploying")
        resumed = engine.resume(database, organisation_id=north, operation_id=operation_id, actor="o.perator")
        assert (resumed.state, resumed.paused_until, resumed.reason) == (S.QUEUED, None, None)
        entries = admin.execute("select actor, action, subject from audit_entry order by audit_entry_id").fetchall()
        subject = f"operation {operation_id}"
        assert entries == [
            ("o.perator", "pause operation", subject),
            ("o.perator", "resume operation", subject),
        ]

    @pytest.mark.parametrize("wait", [timedelta(0), -timedelta(minutes=1), LONGEST_WAIT + timedelta(microseconds=1)])
    def test_a_pause_is_limited_and_ends_in_the_future(
        self, database: Database, clock: "Clock", north: int, wait: timedelta
    ) -> None:
        clock.set(NOW)
        operation_id = begin(database, north, S.QUEUED, S.RUNNING)
        with pytest.raises(InvalidWait, match="within the next 60 minutes"):
            self.pause(database, north, operation_id, NOW + wait)
        self.pause(database, north, operation_id, NOW + LONGEST_WAIT)

    def test_a_pause_needs_a_reason(self, database: Database, clock: "Clock", north: int) -> None:
        clock.set(NOW)
        operation_id = begin(database, north, S.QUEUED)
        with pytest.raises(MissingReason):
            self.pause(database, north, operation_id, NOW + timedelta(minutes=1), reason=" ")

    def test_a_second_pause_is_refused_rather_than_ignored(
        self, database: Database, admin: psycopg.Connection, clock: "Clock", north: int
    ) -> None:
        clock.set(NOW)
        operation_id = begin(database, north, S.QUEUED)
        self.pause(database, north, operation_id, NOW + timedelta(minutes=1))
        with pytest.raises(ImpossibleStep, match="pausing already"):
            self.pause(database, north, operation_id, NOW + timedelta(minutes=2))
        assert admin.execute("select count(*) from audit_entry").fetchone() == (1,)

    @pytest.mark.parametrize("path", [(), (S.QUEUED, S.RUNNING), (S.QUEUED, S.RUNNING, S.VERIFYING), (S.SUPERSEDED,)])
    def test_what_is_not_paused_cannot_be_resumed(
        self, database: Database, north: int, path: tuple[OperationState, ...]
    ) -> None:
        """Although a step from accepted or running to queued exists, which is not for people."""
        operation_id = begin(database, north, *path)
        before = get(database, north, operation_id)
        with pytest.raises(ImpossibleStep):
            engine.resume(database, organisation_id=north, operation_id=operation_id, actor="o.perator")
        assert get(database, north, operation_id) == before

    def test_a_pause_whose_time_is_over_ends_by_itself(self, database: Database, clock: "Clock", north: int) -> None:
        clock.set(NOW)
        wished, paused, longer = (begin(database, north, S.QUEUED) for _ in range(3))
        for operation_id, minutes in ((wished, 5), (paused, 5), (longer, 10)):
            self.pause(database, north, operation_id, NOW + timedelta(minutes=minutes))
        advance(database, north, paused, S.PAUSED)
        clock.set(NOW + timedelta(minutes=5) - timedelta(microseconds=1))
        assert engine.resume_rested(database, organisation_id=north, actor="duty") == []
        clock.set(NOW + timedelta(minutes=5))
        assert engine.resume_rested(database, organisation_id=north, actor="duty") == [wished, paused]
        assert engine.resume_rested(database, organisation_id=north, actor="duty") == []
        assert get(database, north, longer).state is S.PAUSING
        assert get(database, north, paused).paused_until is None


class TestAnswers:
    def test_operations_are_listed_newest_first_page_by_page(self, database: Database, north: int) -> None:
        ids = [begin(database, north, S.QUEUED) for _ in range(4)]
        advance(database, north, ids[1], S.SUPERSEDED)

        def listed(**wanted: int) -> list[int]:
            found = engine.list_operations(database, organisation_id=north, **wanted)  # type: ignore[arg-type]
            return [operation.operation_id for operation in found]

        assert listed() == ids[::-1]
        assert listed(limit=2) == [ids[3], ids[2]]
        assert listed(before_id=ids[2]) == [ids[1], ids[0]]
        assert listed(unfinished=True) == [ids[3], ids[2], ids[0]]

    def test_progress_is_the_sum_of_the_ranges(self, database: Database, admin: psycopg.Connection, north: int) -> None:
        operation_id = begin(database, north)
        admin.execute(
            "insert into recalculation_range (organisation_id, operation_id, number, after_enrolment_id,"
            " until_enrolment_id, cursor_enrolment_id, done)"
            " values (%(o)s, %(i)s, 1, 0, 100, 40, 40), (%(o)s, %(i)s, 2, 100, 200, 121, 21)",
            {"o": north, "i": operation_id},
        )
        assert get(database, north, operation_id).done == 61

    def test_the_log_is_read_page_by_page(self, database: Database, north: int) -> None:
        operation_id = begin(database, north, S.QUEUED, S.RUNNING)

        def page(after_id: int) -> list[int]:
            events = engine.list_events(
                database, organisation_id=north, operation_id=operation_id, after_id=after_id, limit=2
            )
            return [event.event_id for event in events]

        first = page(0)
        second = page(first[-1])
        assert (len(first), len(second)) == (2, 1)
        assert sorted(first + second) == first + second
