"""Every decision, cut at every point: it is done as a whole or not at all, and a retry has the one effect."""

import ast
import dataclasses
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Clock
from tests.storm import decisions_of_duties, decisions_of_people, decisions_of_switches  # noqa: F401 (they fill the list)
from tests.storm.cutting import Cut, Side, cutting
from tests.storm.kept import Drawn, Held, Kept, difference, differing
from tests.storm.scene import DECISIONS, THE_SAME, Act, Decision, Process, scenes

from lockstep.engine import measurement
from lockstep.store import worker as store
from lockstep.store.database import Database, is_transient

GUARANTEES = Path(__file__).parents[2] / "docs" / "reference" / "guarantees.md"
# What only reads; a checkpoint writes a file, but nothing into the database.
READ_ONLY = {
    "audit.checkpoint", "audit.verify", "check.check_enrolments", "check.get_check", "check.list_certificates",
    "check.list_checks", "check.list_drifts", "check.list_missed_days", "clock.current_instant", "course.memory_of",
    "duty.is_close_near", "duty.is_ingesting", "duty.list_waiting", "duty.round_trip_ms", "enrolment.get_enrolment",
    "enrolment.list_enrolments", "judgement.list_horizons", "operation.get_operation", "operation.list_events",
    "operation.list_operations", "operation.rebuild_state", "organisation.list_organisations",
    "organisation.resolve_organisation", "outage.find_silence", "outage.list_outages", "patient.find_patients",
    "program.get_program", "program.list_programs", "protocol.get_protocol", "protocol.list_protocols",
    "recalculation.list_protocols_of_selection", "recalculation.list_work", "switch.list_switches",
    "switch.show_switch", "timeline.answer_agenda", "timeline.answer_behind", "timeline.answer_in_force",
    "timeline.answer_state",
    "version.get_content", "version.list_versions", "watch.find_wrong", "worker.list_workers",
}  # fmt: skip
# Decisions of this list one after another, with an entry of how they began: each is cut by itself.
COMPOSED = {"measurement_file.import_measurements", "recalculation.recalculate_patient"}
_WRITING = re.compile(r"database\.transaction\((?![^)]*read_only=True)|database\.duty\([^)]*read_only=False")


@dataclass(frozen=True)
class Undisturbed:
    """What the decision does when nothing happens: the answer, and what is held after each commit, from before on."""

    answer: Any
    held: list[Held]
    drawn: list[Drawn]


@pytest.fixture(autouse=True)
def _always_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurement, "BEAT_SECONDS", 0)


def test_every_writing_function_of_the_engine_is_on_the_list() -> None:
    decided = {decision.function for decision in DECISIONS}
    assert not decided & READ_ONLY
    assert decided | READ_ONLY | COMPOSED == _functions().keys(), (
        "a new function decides something, or only reads: say which"
    )


def test_what_only_reads_opens_no_writing_transaction() -> None:
    functions = _functions()
    assert [name for name in READ_ONLY if _WRITING.search(functions[name])] == []


def _functions() -> dict[str, str]:
    """Every public function of the engine that is given a database, with its text. Others are parts of these."""
    found = {}
    for file in files("lockstep.engine").iterdir():
        if not file.name.endswith(".py"):
            continue
        text = file.read_text(encoding="utf-8")
        for node in ast.parse(text).body:
            if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
                continue
            if [each.arg for each in node.args.args[:1]] == ["database"]:
                found[f"{file.name.removesuffix('.py')}.{node.name}"] = ast.get_source_segment(text, node) or ""
    return found


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda each: each.name)
def test_a_decision_is_done_as_a_whole_or_not_at_all(decision: Decision, database_url: str) -> None:
    with scenes(database_url) as scene:
        act = decision.arrange(scene)
        scene.database.close()
        kept = Kept(scene.admin)
        stage = Stage(decision, act, kept, database_url, scene.clock)
        points = sum(1 for _ in stage.cut_everywhere())
    assert points >= 4, "a decision begins, says something and commits"


@dataclass
class Stage:
    """One decision on a database of its own, which is put back after every cut."""

    decision: Decision
    act: Act
    kept: Kept
    url: str
    clock: Clock

    def cut_everywhere(self) -> Iterator[str]:
        """Every point there is, each cut and found right."""
        (self.now,) = self.kept.admin.execute("select instant from test_clock").fetchone() or ()
        self.undisturbed = self.run_undisturbed()
        for number in itertools.count(1):
            for side in ("before", "after"):
                cut = self.cut_once(number, side)
                if not cut.hit:
                    return
                yield cut.what

    def run_undisturbed(self) -> Undisturbed:
        held, drawn = [self.kept.before], [self.kept.drawn]

        def on_commit() -> None:
            held.append(self.kept.held())
            drawn.append(self.kept.numbers())

        with Database(self.url) as database, cutting(Cut(self.kept.admin, on_commit=on_commit)):
            answer = self.act(Process(database))
        assert differing(held[0], held[-1]), "the situation gives it nothing to do"
        commits = sum(1 for one, next_one in pairwise(held) if one != next_one)
        assert commits == self.decision.commits, "what belongs together is committed together"
        drawn_before, drawn_after = (sum(each["public.generation_seq"]) for each in (drawn[0], drawn[-1]))
        assert drawn_after - drawn_before == (self.decision.function == "acceptance.accept_switch"), "generations"
        audited = held[-1]["audit_entry"].count("\n") - held[0]["audit_entry"].count("\n")
        assert audited == self.decision.audited, difference(held[-1], held[0])
        self.kept.put_back(held[-1])
        return Undisturbed(answer, held, drawn)

    def cut_once(self, number: int, side: Side) -> Cut:
        plain = self.undisturbed
        cut = Cut(self.kept.admin, number, side, on_cut=lambda commits: self.kept.draw_from(plain.drawn[commits]))
        with Database(self.url) as database:
            who = Process(database)
            answer, raised = None, False
            with cutting(cut):
                try:
                    answer = self.act(who)
                except Exception as error:
                    if not is_transient(error):
                        raise
                    raised = True
            where = f"{self.decision.name}, cut {side} {number}: {cut.what}"
            held = self.kept.held()
            if not raised and not (self.decision.silent and held == plain.held[0]):
                self._require_same(answer, held, where, told=cut.what != "commit" or side == "before")
            else:
                assert held in plain.held, f"{where}\nhalf done:\n{difference(held, plain.held[0])}"
                # Without a commit the next point, before the statement that follows, finds the same and tries again.
                if side == "before" or cut.what == "commit":
                    held = self._again(who, held, where)
        self.kept.put_back(held)
        return cut

    def _require_same(self, answer: Any, held: Held, where: str, *, told: bool = True) -> None:
        """All is done, and the answer is that; one not `told` at once may say that it was done before."""
        may_differ = () if told else self.decision.differing
        assert not differing(held, self.undisturbed.held[-1], but=may_differ), (
            f"{where}\n{difference(held, self.undisturbed.held[-1])}"
        )
        if told or self.decision.again == THE_SAME:
            assert _plain(answer) == _plain(self.undisturbed.answer), where

    def _again(self, who: Process, held: Held, where: str) -> Held:
        """The same process tries again."""
        plain = self.undisturbed
        if held != plain.held[-1]:
            if nothing_done := held == plain.held[0]:
                self.kept.draw_from(plain.drawn[0])
            answer = self.act(who)
            held = self.kept.held()
            if nothing_done:
                self._require_same(answer, held, where)
            assert not differing(held, plain.held[-1], but=self.decision.differing), (
                f"{where}\n{difference(held, plain.held[-1])}"
            )
            return held
        # The reply was lost. Whoever tries again does so later.
        self.clock.set(self.now + timedelta(seconds=1))
        again = self.decision.again
        if not isinstance(again, str):
            with pytest.raises(again):
                self.act(who)
        else:
            answer = self.act(who)
            assert again != THE_SAME or _plain(answer) == _plain(plain.answer), where
        self.clock.set(self.now)
        held = self.kept.held()
        assert not differing(held, plain.held[-1], but=self.decision.differing), (
            f"{where}\n{difference(held, plain.held[-1])}"
        )
        return held


def _plain(answer: Any) -> Any:
    """The answer without the word that it was given before."""
    if dataclasses.is_dataclass(answer) and not isinstance(answer, type) and hasattr(answer, "repeated"):
        return dataclasses.replace(answer, repeated=False)
    return answer


def _in_two_transactions(who: Process) -> None:
    with who.database.transaction(None) as connection:
        store.sign(connection, worker_id="one", host="h", pid=1, doing={})
    with who.database.transaction(None) as connection:
        store.sign(connection, worker_id="two", host="h", pid=1, doing={})


def _with_another_effect_each_time(who: Process) -> None:
    with who.database.transaction(None) as connection:
        known = len(store.list_workers(connection))
        store.sign(connection, worker_id=f"number {known}", host="h", pid=1, doing={})


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (_in_two_transactions, "committed together"),
        (_with_another_effect_each_time, r"cut after 4: commit\s+worker \+"),
    ],
)
def test_what_is_wrong_is_found(act: Act, told: str, database_url: str) -> None:
    wrong = Decision("worker.sign", "", lambda _: act, THE_SAME, 0, 1, (), silent=False)
    with scenes(database_url) as scene:
        scene.database.close()
        stage = Stage(wrong, act, Kept(scene.admin), database_url, scene.clock)
        with pytest.raises(AssertionError, match=told):
            list(stage.cut_everywhere())


def test_the_guarantees_tell_what_each_retry_does() -> None:
    told = dict(re.findall(r"^\| `([\w.]+)` \| (.+) \|$", GUARANTEES.read_text(encoding="utf-8"), re.MULTILINE))
    assert told.keys() == {decision.function for decision in DECISIONS}
    for decision in DECISIONS:
        again = decision.again if isinstance(decision.again, str) else f"refused: `{decision.again.__name__}`"
        assert told[decision.function].startswith(again), decision.name
