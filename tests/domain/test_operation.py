"""The states of operations, the table of steps, and rebuilding a state from a log."""

import re
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.domain.operation import (
    EDGES,
    ENDED,
    LONGEST_WAIT,
    BrokenLog,
    Event,
    EventType,
    OperationKind,
    OperationState,
    is_allowed,
    next_states,
    rebuild,
    require_step,
    require_wait,
    to_cloud_event,
    type_of,
)
from lockstep.domain.operation_reference import reference
from lockstep.domain.refusal import ImpossibleStep, InvalidWait

S = OperationState
R = OperationKind.RECALCULATION
AT = datetime(2026, 11, 23, 10, 44, 5, tzinfo=UTC)


def test_states_and_kinds_are_those_of_the_table() -> None:
    schema = (files("lockstep.store") / "migrations" / "0001_core.pre.sql").read_text(encoding="utf-8")
    table = schema.split("create table operation (")[1].split(");\ncreate")[0]
    for column, enum in (("kind", OperationKind), ("state", OperationState)):
        check = re.search(rf"{column} text not null check \({column} in \((.*?)\)\)", table, re.DOTALL)
        assert check is not None
        assert set(re.findall(r"'([^']+)'", check[1])) == set(enum)


def test_the_published_page_is_made_from_the_table() -> None:
    published = Path(__file__).parents[2] / "docs" / "reference" / "operations.md"
    assert published.read_text(encoding="utf-8") == reference(), (
        "python -m lockstep.domain.operation_reference > docs/reference/operations.md"
    )


class TestTable:
    def test_every_edge_stands_once_with_a_sentence(self) -> None:
        steps = [(kind, edge.before, edge.after) for edge in EDGES for kind in edge.kinds]
        assert len(steps) == len(set(steps))
        assert all(re.fullmatch(r"[A-Z].*\.", edge.sentence) for edge in EDGES)
        assert all(edge.before is not edge.after for edge in EDGES)

    @pytest.mark.parametrize("kind", OperationKind)
    def test_every_state_can_be_reached_and_left_for_an_end(self, kind: OperationKind) -> None:
        reached = {S.ACCEPTED}
        while ahead := {after for state in reached for after in next_states(kind, state)} - reached:
            reached |= ahead
        unreached = {S.SUPERSEDED, S.VERIFYING} if kind is not R else {S.FAILED, S.CANCELLING, S.CANCELLED}
        assert reached == set(S) - unreached
        for state in reached:
            assert (state in ENDED) == (next_states(kind, state) == ())

    def test_from_everywhere_a_recalculation_can_succeed(self) -> None:
        good = {S.SUCCEEDED}
        while behind := {edge.before for edge in EDGES if R in edge.kinds and edge.after in good} - good:
            good |= behind
        assert good >= {S.ACCEPTED, S.QUEUED, S.RUNNING, S.VERIFYING, S.PAUSING, S.PAUSED}

    def test_a_recalculation_succeeds_only_after_verifying(self) -> None:
        before = {
            edge.before
            for edge in EDGES
            if R in edge.kinds and edge.after in (S.SUCCEEDED, S.SUCCEEDED_WITH_EXCEPTIONS)
        }
        assert before == {S.VERIFYING}

    def test_a_refused_step_says_where_to_go_instead(self) -> None:
        require_step(R, S.QUEUED, S.RUNNING)
        with pytest.raises(ImpossibleStep, match=r"A check that is accepted cannot become running.*queued, cancelled"):
            require_step(OperationKind.CHECK, S.ACCEPTED, S.RUNNING)
        with pytest.raises(ImpossibleStep, match="It has ended"):
            require_step(R, S.SUCCEEDED, S.RUNNING)
        with pytest.raises(ImpossibleStep, match="Pause it for a limited time"):
            require_step(R, S.RUNNING, S.CANCELLING)


@pytest.mark.parametrize(
    ("wait", "fits"),
    [
        (timedelta(0), False),
        (timedelta(microseconds=1), True),
        (LONGEST_WAIT, True),
        (LONGEST_WAIT + timedelta(microseconds=1), False),
    ],
)
def test_a_wait_ends_in_the_future_and_is_limited(wait: timedelta, fits: bool) -> None:
    if fits:
        require_wait(AT + wait, AT)
        return
    with pytest.raises(InvalidWait):
        require_wait(AT + wait, AT)


def event(number: int, state: OperationState, other: EventType | None = None, **data: object) -> Event:
    return Event(number, AT, other or type_of(state), state, "worker 1", data)


def first(kind: OperationKind = R) -> Event:
    return Event(1, AT, type_of(S.ACCEPTED), S.ACCEPTED, "p.manager", {"kind": kind.value})


class TestRebuild:
    @given(st.data())
    def test_any_walk_is_rebuilt_whatever_attempts_lie_between(self, data: st.DataObject) -> None:
        kind = data.draw(st.sampled_from(OperationKind))
        state = S.ACCEPTED
        events = [first(kind)]
        while ahead := next_states(kind, state):
            if data.draw(st.booleans()):
                # An attempt may name a state that was overtaken.
                events.append(event(len(events) + 1, data.draw(st.sampled_from(S)), EventType.ATTEMPTED))
            if len(events) > 20 or data.draw(st.integers(0, 9)) == 0:
                break
            state = data.draw(st.sampled_from(ahead))
            events.append(event(len(events) + 1, state))
        assert rebuild(data.draw(st.permutations(events))) is state

    @given(st.sampled_from(OperationKind), st.sampled_from(S))
    def test_a_step_that_was_not_allowed_breaks_the_log(self, kind: OperationKind, state: OperationState) -> None:
        events = [first(kind), event(2, state)]
        if is_allowed(kind, S.ACCEPTED, state):
            assert rebuild(events) is state
        else:
            with pytest.raises(BrokenLog, match=f"event 2 leads from accepted to {state}"):
                rebuild(events)

    @pytest.mark.parametrize(
        ("events", "says"),
        [
            ([], "empty"),
            ([event(1, S.RUNNING, EventType.ATTEMPTED)], "empty"),
            ([event(1, S.QUEUED)], "begins with queued"),
            ([event(1, S.ACCEPTED)], "kind"),
            ([first(), Event(2, AT, "operation.running", S.QUEUED, "w", {})], "type operation.running"),
        ],
    )
    def test_a_log_that_is_none(self, events: list[Event], says: str) -> None:
        with pytest.raises(BrokenLog, match=says):
            rebuild(events)


def test_an_event_has_the_form_of_cloud_events() -> None:
    ended = event(12, S.SUCCEEDED_WITH_EXCEPTIONS, reason="2 set aside")
    assert to_cloud_event(ended, organisation_id=3, operation_id=7) == {
        "specversion": "1.0",
        "id": "7.12",
        "type": "lockstep.operation.succeeded-with-exceptions",
        "source": "/organisations/3",
        "subject": "operations/7",
        "time": "2026-11-23T10:44:05+00:00",
        "datacontenttype": "application/json",
        "data": {"state": "succeeded with exceptions", "actor": "worker 1", "reason": "2 set aside"},
    }
