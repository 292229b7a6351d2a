"""Who decided stands in the audit: each function of the engine that writes is a decision, or known not to be one."""

import ast
from collections.abc import Iterator
from pathlib import Path

import psycopg
from tests.engine.switch_world import activity, found

import lockstep.engine
from lockstep.engine.patient import find_patients
from lockstep.engine.recalculation import recalculate_patient, request_recalculation
from lockstep.store.database import Database

RECORDING = {"record_entry", "save_acceptance"}
"""What writes the entry: by itself, or in the one statement that accepts a switch."""

NO_DECISIONS = {
    "acceptance_overlap.judge_overlap": "judged by rules that somebody decided",
    "audit.seal": "seals entries",
    "check.check_slice": "a part of a check that was asked for",
    "duty.clear_jobs": "housekeeping",
    "duty.ensure_partitions": "housekeeping",
    "judgement.judge_due": "judged by rules that somebody decided",
    "measurement.record_measurement": "a fact that was sent, kept with its source",
    "measurement.record_measurements": "a fact that was sent, kept with its source",
    "operation.fulfil_pause": "fulfils a wish whose entry exists; stands in the operation's log",
    "operation.give_reason": "an explanation; stands in the operation's log",
    "operation.resume_rested": "the end of a pause as it was decided; stands in the operation's log",
    "operation.tell_attempt": "an attempt; stands in the operation's log",
    "patient_event.record_event": "a fact that was sent, kept with its source",
    "preview.preview_switch": "changes nothing until somebody accepts it, who is recorded with whoever previewed",
    "recalculation.begin": "the work of an operation, in its log",
    "recalculation.conclude": "the work of an operation, in its log",
    "recalculation.recalculate_chunk": "the work of an operation, in its log",
    "recalculation.recalculate_enrolment": "a projection of facts; who asked for it is recorded by recalculate_patient",
    "recalculation.retry_exceptions": "a projection of facts",
    "recalculation.set_aside": "a projection of facts",
    "recalculation.step_changes": "a projection of facts",
    "recalculation.step_singly": "a projection of facts",
    "recalculation.sweep": "a projection of facts",
    "recalculation.sweep_singly": "a projection of facts",
    "recalculation.verify": "the work of an operation, in its log",
    "removal.close_alerts_of_removed": "part of a switch that somebody accepted",
    "worker.leave": "a worker's sign of life",
    "worker.sign": "a worker's sign of life",
}


def calls(function: ast.FunctionDef) -> Iterator[str]:
    """The names that it calls, as written last."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            named = node.func
            yield named.attr if isinstance(named, ast.Attribute) else getattr(named, "id", "")


def writes(function: ast.FunctionDef) -> bool:
    """Whether it begins a transaction that may write."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "transaction":
            given = {each.arg: each.value for each in node.keywords}
            if not isinstance(given.get("read_only"), ast.Constant):
                return True
    return False


def reached(name: str, functions: dict[str, ast.FunctionDef]) -> set[str]:
    """The functions of the same file that it calls, itself included, at whatever remove."""
    found, waiting = {name}, [name]
    while waiting:
        for each in calls(functions[waiting.pop()]):
            if each in functions and each not in found:
                found.add(each)
                waiting.append(each)
    return found


def writing() -> dict[str, bool]:
    """Each public function of the engine that writes: whether it records an entry."""
    told: dict[str, bool] = {}
    for path in sorted(Path(lockstep.engine.__file__).parent.glob("*.py")):
        tree = ast.parse(path.read_text())
        functions = {
            node.name: node
            for top in tree.body
            for node in (top.body if isinstance(top, ast.ClassDef) else [top])
            if isinstance(node, ast.FunctionDef)
        }
        for name in functions:
            parts = [functions[each] for each in reached(name, functions)]
            if not name.startswith("_") and any(map(writes, parts)):
                told[f"{path.stem}.{name}"] = any(RECORDING & set(calls(part)) for part in parts)
    return told


def test_every_function_that_writes_records_who_decided_or_decides_nothing() -> None:
    assert {name for name, records in writing().items() if not records} == set(NO_DECISIONS)


def test_a_recalculation_that_somebody_asked_for_is_recorded(database: Database, admin: psycopg.Connection) -> None:
    world = found(database)
    protocol_id = world.protocol("p")
    world.publish(protocol_id, activity())
    (enrolment_id,) = world.enrol(protocol_id, ["a"])
    patient = find_patients(database, organisation_id=world.organisation_id, identifiers=["a"])["a"]
    request_recalculation(
        database,
        organisation_id=world.organisation_id,
        protocol_id=protocol_id,
        selection_id=None,
        actor="o.perator",
        sentence="Recalculate p",
    )
    failed = recalculate_patient(
        database,
        organisation_id=world.organisation_id,
        patient_id=patient.patient_id,
        enrolment_ids=[enrolment_id],
        actor="n.urse",
    )
    assert failed == []
    entries = admin.execute("select actor, action from audit_entry order by audit_entry_id desc limit 2").fetchall()
    assert entries == [("n.urse", "recalculate patient"), ("o.perator", "request recalculation")]
