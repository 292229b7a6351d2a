"""What must be is computed from facts alone, and compared in bulk with what is stored."""

import ast
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

import lockstep
from lockstep.domain.check import PATIENCE, Demand, Period, demand
from lockstep.domain.check_comparison import Findings, Group, compare
from lockstep.domain.check_head import Heading, compare_head
from lockstep.domain.check_stored import Decided, Held, Stored
from lockstep.domain.drift import DriftKind
from lockstep.domain.occurrence import Occurrence
from lockstep.domain.protocol import parse
from lockstep.domain.switch import AcceptedSwitch, Effective, Scope, SwitchKind, ZoneSpan
from lockstep.domain.timeline import Assigned, EnrolmentFacts, ProtocolFacts, World

ENROLLED = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOW = datetime(2026, 3, 5, 12, 30, tzinfo=UTC)
ANNA, BRAM, CARL = 1, 2, 3
ALL = frozenset({ANNA, BRAM, CARL})
COHORT = 7


def version(opens: str = "08:00", closes: str = "10:00") -> dict[str, object]:
    """A weight every morning, with an alert at each miss and at three in a row."""
    times = [{"label": "morning", "opens": opens, "closes": closes}]
    rules = [{"key": "missed", "kind": "missed"}, {"key": "silent", "kind": "missed", "in_a_row": 3}]
    weight = {"key": "weight", "title": "W", "code": "w", "unit": "kg", "grace": "2h", "rules": rules}
    return {"key": "p", "title": "P", "activities": [{**weight, "schedule": {"every": "1 day", "times": times}}]}


def publish(number: int, at: datetime, *, generation: int | None = None) -> AcceptedSwitch:
    """A version for everyone from an instant on."""
    return AcceptedSwitch(
        protocol_id=1,
        number=number,
        kind=SwitchKind.PUBLISH,
        version_number=number,
        target_protocol_id=None,
        scope=Scope.EVERYONE,
        selection_id=None,
        effective=Effective.NOW,
        effective_local=None,
        effective_at=None,
        accepted_at=at,
        generation=number if generation is None else generation,
        first_at=at,
    )


def world(*versions: tuple[datetime, dict[str, object]]) -> World:
    """One protocol with its versions, each from an instant on."""
    given = versions or ((ENROLLED - timedelta(days=9), version()),)
    switches = tuple(publish(number, at) for number, (at, _) in enumerate(given, 1))
    return {1: ProtocolFacts(1, switches, {number: parse(each) for number, (_, each) in enumerate(given, 1)})}


FACTS = EnrolmentFacts(
    patient_id=0,
    anchor_on=date(2026, 3, 2),
    enrolled_at=ENROLLED,
    zones=(ZoneSpan(ENROLLED, "Europe/Amsterdam"),),
    assignments=(Assigned(ENROLLED, 1),),
)
PERIOD = Period(None, NOW, NOW - PATIENCE)


def asked(of: Demand) -> list[Occurrence]:
    """The occurrences asked of the weight, the next ones to come included."""
    return of.activities["weight"].asked


def row(occurrence: Occurrence) -> Held:
    """The row that holds it."""
    return Held(
        "weight", occurrence.on, occurrence.slot, occurrence.opens_at, occurrence.closes_at, occurrence.judge_at,
        occurrence.protocol_id, occurrence.version_number, COHORT,
    )  # fmt: skip


def decided(occurrence: Occurrence, state: str = "missed") -> Decided:
    """It was decided in time, by a measurement if fulfilled."""
    at = occurrence.judge_at if state == "missed" else occurrence.opens_at
    return Decided(
        "weight", occurrence.on, occurrence.slot, occurrence.opens_at, occurrence.closes_at, occurrence.judge_at,
        state, state, None if state == "missed" else "w", None, at, at,
    )  # fmt: skip


def stored(of: Demand, *, until: int = 3, holding: int = 3, ids: Iterable[int] = ALL) -> Stored:
    """All missed the first three, were told of it, and wait for the fourth."""
    found = Stored()
    chosen = set(ids)
    found.rows["weight"] = [(row(asked(of)[holding]), set(chosen))]
    found.decided["weight"] = [(decided(each), set(chosen)) for each in asked(of)[:until]]
    for number, each in enumerate(asked(of)[:until], 1):
        for rule in ("missed", "silent") if number >= 3 else ("missed",):
            found.listed["weight", rule, each.on, each.slot] = set(chosen)
            found.open_alerts["weight", rule] = set(chosen)
    return found


def found_in(of: Demand, given: Stored, *, behind: frozenset[int] = frozenset(), period: Period = PERIOD) -> Findings:
    return compare(of, world(), Group(ALL, behind, COHORT), given, period)


def kinds(findings: Findings) -> set[tuple[str, int]]:
    return {(drift.kind.value, drift.enrolment_id) for drift in findings.drifts}


@pytest.fixture
def of() -> Demand:
    """What must be on the fourth day at noon."""
    return demand(FACTS, world(), (), PERIOD)


def test_what_must_be(of: Demand) -> None:
    # In some zone it is the 6th already: only the 7th can have been decided by nobody.
    assert [each.on.day for each in asked(of)] == [3, 4, 5, 6, 7]
    assert of.now is not None
    assert (of.now.protocol_id, of.now.version_number) == (1, 1)
    assert of.change_at is None
    # Until the next window opens nothing else must be.
    assert of.valid_until_at == asked(of)[3].opens_at


def test_as_it_must_be_nothing_is_found(of: Demand) -> None:
    findings = found_in(of, stored(of))
    assert (findings.drifts, findings.pending, findings.unsure, findings.runs, findings.alerts) == (
        [],
        set(),
        [],
        [],
        [],
    )
    # Whether somebody measured in a window that was missed is asked of the measurements.
    assert [(each.missed, each.enrolment_ids) for each in findings.questions] == [(True, (1, 2, 3))] * 3


def test_a_check_that_goes_on_compares_what_was_judged_since(of: Demand) -> None:
    since = replace(PERIOD, since_at=asked(of)[1].judge_at)
    later = demand(FACTS, world(), (), since)
    assert [each.on.day for each in asked(later)] == [5, 6, 7]
    given = stored(of)
    findings = found_in(later, given, period=since)
    assert findings.drifts == []
    # The third in a row: the first two were judged before, so somebody must look.
    given.listed.pop(("weight", "silent", asked(of)[2].on, "morning"))
    assert [each.counts for each in found_in(later, given, period=since).runs] == [((1, 1), (2, 1), (3, 1))]


def test_some_lag_behind_in_deciding(of: Demand) -> None:
    given = stored(of)
    given.decided["weight"][1][1].discard(BRAM)
    findings = found_in(of, given)
    # His row may wait for it, or have gone on without it: either way that one thing is amiss.
    assert kinds(findings) == {("missing occurrence", BRAM)}
    given.rows["weight"] = [(row(asked(of)[3]), {ANNA, CARL}), (row(asked(of)[1]), {BRAM})]
    assert kinds(found_in(of, given)) == {("missing occurrence", BRAM)}
    given.rows["weight"] = [(row(asked(of)[3]), {ANNA, CARL}), (row(asked(of)[0]), {BRAM})]
    assert kinds(found_in(of, given)) == {("missing occurrence", BRAM), ("stale agenda", BRAM)}


@pytest.mark.parametrize("horizon_at", [None, NOW - timedelta(hours=2)])
def test_nothing_is_missing_beyond_the_horizon(of: Demand, horizon_at: datetime | None) -> None:
    given = stored(of, until=2, holding=2)
    given.listed = {key: ids for key, ids in given.listed.items() if key[1] == "missed"}
    findings = found_in(of, given, period=replace(PERIOD, horizon_at=horizon_at))
    assert (findings.drifts, findings.pending) == ([], set(ALL))


def test_rows_of_those_behind_are_not_compared(of: Demand) -> None:
    given = stored(of, holding=0)
    assert kinds(found_in(of, given)) == {("stale agenda", each) for each in ALL}
    assert kinds(found_in(of, given, behind=frozenset({ANNA}))) == {("stale agenda", BRAM), ("stale agenda", CARL)}


def test_alerts_are_listed_once_each(of: Demand) -> None:
    given = stored(of)
    third = asked(of)[2]
    given.listed["weight", "missed", third.on, third.slot].discard(CARL)
    given.listed["weight", "silent", third.on, third.slot].discard(BRAM)
    found = {(drift.enrolment_id, drift.expected["rule"]) for drift in found_in(of, given).drifts if drift.expected}
    assert found == {(CARL, "missed"), (BRAM, "silent")}


def test_a_fulfilled_one_ends_the_run(of: Demand) -> None:
    given = stored(of)
    second = asked(of)[1]
    given.decided["weight"][1] = (decided(second), {ANNA, CARL})
    given.decided["weight"].append((decided(second, "fulfilled"), {BRAM}))
    findings = found_in(of, given)
    # Nothing is missing: it is the alert of the run that lost its reason, unless it has another.
    assert findings.drifts == []
    assert [(each.rule_key, each.enrolment_ids) for each in findings.alerts] == [("silent", (BRAM,))]


def test_fulfilled_needs_a_measurement_of_the_right_time(of: Demand) -> None:
    first = asked(of)[0]
    good = decided(first, "fulfilled")
    for changed, wrong in (
        (good, False),
        (replace(good, code=None), True),
        (replace(good, code="pulse"), True),
        (replace(good, odd_at=first.judge_at), True),
        (replace(good, state="fulfilled late", odd_at=first.closes_at), False),
    ):
        given = stored(of)
        given.decided["weight"][0] = (changed, set(ALL))
        extra = {drift for drift, _ in kinds(found_in(of, given))} == {DriftKind.EXTRA_OCCURRENCE}
        assert extra is wrong


def test_what_no_timeline_has_is_looked_at_as_known_then(of: Demand) -> None:
    given = stored(of)
    given.decided["weight"].append((replace(decided(asked(of)[0]), slot="midnight"), {CARL}))
    assert [(each.decided.slot, each.enrolment_ids) for each in found_in(of, given).unsure] == [("midnight", (CARL,))]


def test_a_row_may_keep_the_number_of_a_version_that_asks_for_the_same_window(of: Demand) -> None:
    switched = world((ENROLLED - timedelta(days=9), version()), (NOW, version()))
    switched_demand = demand(FACTS, switched, (), replace(PERIOD, now=NOW + timedelta(minutes=1)))
    given = stored(of)
    findings = compare(switched_demand, switched, Group(ALL, frozenset(), COHORT), given, PERIOD)
    assert findings.drifts == []
    unknown = replace(row(asked(of)[3]), version_number=9)
    given.rows["weight"] = [(unknown, set(ALL))]
    findings = compare(switched_demand, switched, Group(ALL, frozenset(), COHORT), given, PERIOD)
    assert {drift.kind for drift in findings.drifts} == {DriftKind.WRONG_VERSION}


def test_heads(of: Demand) -> None:
    right = Heading(1, 1, 1, COHORT, None)
    everything = world()

    def verdict(heading: Heading | None, **more: object) -> tuple[bool, bool, DriftKind | None]:
        found = compare_head(of, everything, heading, cohort_id=COHORT, unfinished=frozenset(), now=NOW, waiting=False)
        return found.behind, found.excused, found.kind

    assert verdict(right) == (False, False, None)
    assert verdict(None) == (False, False, DriftKind.STALE_AGENDA)
    assert verdict(replace(right, cohort_id=8)) == (False, False, DriftKind.STALE_AGENDA)
    assert verdict(replace(right, generation=2)) == (False, False, DriftKind.WRONG_VERSION)
    assert verdict(replace(right, version_number=9)) == (False, False, DriftKind.WRONG_VERSION)
    # Behind for days, and no operation would mend it; a change that came just now is excused.
    assert verdict(replace(right, generation=0)) == (True, False, DriftKind.WRONG_VERSION)
    assert verdict(replace(right, next_change_at=NOW - timedelta(hours=1))) == (True, False, DriftKind.STALE_AGENDA)
    assert verdict(replace(right, next_change_at=NOW - timedelta(seconds=9))) == (True, True, None)
    excused = compare_head(
        of,
        everything,
        replace(right, generation=0),
        cohort_id=COHORT,
        unfinished=frozenset({1}),
        now=NOW,
        waiting=False,
    )
    assert (excused.behind, excused.excused) == (True, True)


def test_it_shares_nothing_with_the_way_agendas_are_kept() -> None:
    """A check that used the cohorts' or the rows' arithmetic would find its own mistakes right."""
    package = Path(lockstep.__file__).parent
    for file in [*package.glob("domain/check*.py"), *package.glob("engine/check_*.py")]:
        imported = {
            f"{node.module}.{name.name}"
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.ImportFrom)
            for name in node.names
        }
        for forbidden in ("domain.cohort", "engine.agenda", "engine.cohort", "engine.chunk", "engine.recalculation"):
            assert not any(name.startswith(f"lockstep.{forbidden}") for name in imported), file.name
        assert "lockstep.domain.agenda.earliest_undecided" not in imported
