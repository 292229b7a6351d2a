"""What came in while a switch was being accepted, and the alerts that list it."""

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from psycopg import Connection

from lockstep.domain.rule import Severity
from lockstep.store import array
from lockstep.store.queries import load

_SQL = load("acceptance_overlap.sql")


class Received(NamedTuple):
    """A measurement at the instant it belongs to."""

    measurement_id: int
    patient_id: int
    code: str
    at: datetime
    value: Decimal | None
    unit: str
    finding: str | None


class Listed(NamedTuple):
    """An alert that lists a measurement; `occurrences` is how many it lists in all."""

    alert_id: int
    enrolment_id: int
    activity_key: str
    rule_key: str
    kind: str
    severity: Severity
    measurement_id: int
    open: bool
    occurrences: int

    @property
    def name(self) -> tuple[int, str, str, str, int]:
        """What it is about: enrolment, activity, rule, its kind, measurement."""
        return (self.enrolment_id, self.activity_key, self.rule_key, self.kind, self.measurement_id)


def find_accepted_at(connection: Connection[Any], *, organisation_id: int, operation_id: int) -> datetime | None:
    """When the operation's switch was accepted; None where no switch asked for it. Locks: none."""
    values = {"organisation_id": organisation_id, "operation_id": operation_id}
    row = connection.execute(_SQL["find_accepted_at"], values).fetchone()
    return row[0] if row else None


def list_received(
    connection: Connection[Any],
    *,
    organisation_id: int,
    from_at: datetime,
    until_at: datetime,
    after: tuple[int, int],
    most: int,
) -> list[Received]:
    """At most so many received in [from, until], after (patient, measurement), in that order. Locks: none."""
    values = {
        "organisation_id": organisation_id,
        "from_at": from_at,
        "until_at": until_at,
        "after_patient_id": after[0],
        "after_measurement_id": after[1],
        "most": most,
    }
    return [Received(*row) for row in connection.execute(_SQL["list_received"], values)]


def list_enrolments_of(connection: Connection[Any], *, organisation_id: int, patient_ids: Collection[int]) -> list[int]:
    """The enrolments of the patients, in order. Locks: none."""
    values = {"organisation_id": organisation_id, "patient_ids": array.numbers(sorted(patient_ids))}
    return [row[0] for row in connection.execute(_SQL["list_enrolments_of"], values)]


def list_limit_samples(
    connection: Connection[Any],
    *,
    organisation_id: int,
    enrolment_ids: Collection[int],
    measurement_ids: Collection[int],
    from_at: datetime,
) -> list[Listed]:
    """The alerts of limits that list these measurements, recorded from the instant on. Locks: none."""
    values = {
        "organisation_id": organisation_id,
        "enrolment_ids": array.numbers(sorted(enrolment_ids)),
        "measurement_ids": array.numbers(sorted(measurement_ids)),
        "from_at": from_at,
    }
    return [Listed(*row) for row in connection.execute(_SQL["list_limit_samples"], values)]
