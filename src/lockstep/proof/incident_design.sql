-- name: create_tables
-- The shape of the design that led to the incident: schedules stored per patient, one row each, due instants ahead.
-- Locks: new tables.
create table incident.protocol (
    protocol_id integer primary key,
    every_days integer not null
);
create table incident.patient (
    patient_id integer primary key,
    protocol_id integer not null references incident.protocol,
    every_days integer not null,
    next_due_at timestamptz not null,
    last_measured_at timestamptz
) with (fillfactor = 80);
create table incident.measurement (
    measurement_id bigint generated always as identity primary key,
    patient_id integer not null references incident.patient,
    value numeric not null,
    taken_at timestamptz not null
);
insert into incident.protocol values (1, 2);
insert into incident.patient (patient_id, protocol_id, every_days, next_due_at)
select n, 1, 2, date_trunc('day', lockstep_now()) + interval '2 days'
from generate_series(0, %(last)s) n;

-- name: change_protocol
-- The program asks every day from now on; nothing of a patient has changed by this.
-- Locks: the protocol's row.
update incident.protocol set every_days = 1
where protocol_id = 1;

-- name: list_patients
-- The patients of the program whose schedules must be computed anew.
-- Locks: none.
select patient_id
from incident.patient
where protocol_id = 1
order by patient_id;

-- name: recalculate_patient
-- The patient's schedule follows the protocol.
-- Locks: the patient's row, until the whole program is done.
update incident.patient p set
    every_days = d.every_days,
    next_due_at = date_trunc('day', lockstep_now()) + d.every_days * interval '1 day'
from incident.protocol d
where p.patient_id = %(patient_id)s
    and d.protocol_id = p.protocol_id;

-- name: store_measurement
-- A measurement is stored and moves on what is due next for its patient.
-- Locks: the patient's row.
with stored as (
    insert into incident.measurement (patient_id, value, taken_at)
    values (%(patient_id)s, %(value)s, lockstep_now())
)
update incident.patient set
    last_measured_at = lockstep_now(),
    next_due_at = date_trunc('day', lockstep_now()) + every_days * interval '1 day'
where patient_id = %(patient_id)s;

-- name: count_patients
-- Patients of the program by whether their schedule follows it.
-- Locks: none.
select
    count(*) filter (where p.every_days = d.every_days),
    count(*) filter (where p.every_days <> d.every_days)
from incident.patient p
join incident.protocol d on d.protocol_id = p.protocol_id;
