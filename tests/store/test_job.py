"""Wake-ups are enqueued by the deciding transaction itself, by the application's role."""

import psycopg

from lockstep.store import job
from lockstep.store.database import Database


def jobs(admin: psycopg.Connection) -> list[tuple[str, str, dict[str, int]]]:
    found = admin.execute("select queue_name, task_name, args from procrastinate.procrastinate_jobs order by id")
    return found.fetchall()


def test_a_wake_up_commits_with_the_decision(database: Database, admin: psycopg.Connection) -> None:
    with database.transaction(7) as connection:
        job.wake(connection, 7)
        assert jobs(admin) == []
    assert jobs(admin) == [(job.QUEUE, job.TASK, {"organisation_id": 7})]


def test_a_wake_up_is_rolled_back_with_the_decision(database: Database, admin: psycopg.Connection) -> None:
    with database.transaction(7) as connection:
        job.wake(connection, 7)
        connection.rollback()
    assert jobs(admin) == []


def test_the_application_enqueues_as_itself(database: Database) -> None:
    with database.transaction(7) as connection:
        assert connection.execute("select current_user").fetchone() == ("lockstep_app",)
        job.wake(connection, 7)


def test_what_dead_workers_left_is_cleared_and_what_waits_is_kept(
    database: Database, admin: psycopg.Connection
) -> None:
    with database.transaction(7) as connection:
        for organisation_id in (1, 2, 3):
            job.wake(connection, organisation_id)
    admin.execute("set search_path to procrastinate, public")
    dead, living = (
        admin.execute(
            "insert into procrastinate.procrastinate_workers (last_heartbeat)"
            " values (clock_timestamp() - make_interval(mins => %s)) returning id",
            [minutes],
        ).fetchone()
        for minutes in (5, 0)
    )
    for worker, organisation_id in ((dead, 1), (living, 2)):
        assert worker is not None
        admin.execute(
            "update procrastinate.procrastinate_jobs set status = 'doing', worker_id = %s"
            " where args ->> 'organisation_id' = %s",
            [worker[0], str(organisation_id)],
        )
    with database.transaction(None) as connection:
        assert job.clear_stale(connection) == 1
    assert [args["organisation_id"] for _, _, args in jobs(admin)] == [2, 3]
