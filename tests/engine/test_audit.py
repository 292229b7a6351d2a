"""The audit: entries written with decisions, sealed in order, and every tampering of a superuser found."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from psycopg import errors

from lockstep.domain.audit import (
    Entry,
    Tampering,
    Verification,
    canonical,
    chain_hash,
    entry_hash,
    epoch_text,
    genesis,
)
from lockstep.domain.refusal import InvalidCheckpoint, InvalidName
from lockstep.engine.audit import checkpoint, record_entry, seal, verify
from lockstep.store import audit as store
from lockstep.store.database import Connection, Database

FACTS = ("audit_entry", "audit_seal")


@pytest.fixture
def organisations(admin: psycopg.Connection) -> tuple[int, int]:
    """Two organisations."""
    rows = admin.execute(
        "insert into organisation (key, title) values ('north', 'North'), ('south', 'South') returning organisation_id"
    ).fetchall()
    return rows[0][0], rows[1][0]


@pytest.fixture
def north(organisations: tuple[int, int]) -> int:
    return organisations[0]


@pytest.fixture
def chain(database: Database, north: int) -> int:
    """An organisation with ten sealed entries, numbered 1 to 10 at positions 1 to 10."""
    for number in range(1, 11):
        write(database, north, f"decision {number}")
    assert seal(database, north) == 10
    return north


def write(database: Database, organisation_id: int, subject: str = "switch 1", actor: str = "p.manager") -> None:
    with database.transaction(organisation_id) as connection:
        record_entry(
            connection,
            organisation_id=organisation_id,
            actor=actor,
            action="accept switch",
            subject=subject,
            detail={"reason": "too often", "patients": 4312},
        )


@contextmanager
def deciding(database: Database, organisation_id: int, actor: str) -> Iterator[None]:
    """A decision that is written down and not yet committed."""
    with database.transaction(organisation_id) as connection:
        record_entry(connection, organisation_id=organisation_id, actor=actor, action="a", subject="s", detail={})
        yield


@contextmanager
def tampering(admin: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """As a superuser with the triggers and constraints of the audit out of the way."""
    for table in FACTS:
        admin.execute(f"alter table {table} disable trigger user".encode())
    with admin.transaction():
        yield admin
    for table in FACTS:
        admin.execute(f"alter table {table} enable trigger user".encode())


def found(verification: Verification) -> set[tuple[Tampering, int | None]]:
    return {(fault.tampering, fault.position) for fault in verification.faults}


class TestEntries:
    def test_an_entry_exists_exactly_when_its_decision_does(
        self, database: Database, admin: psycopg.Connection, north: int
    ) -> None:
        write(database, north)
        with pytest.raises(ZeroDivisionError), deciding(database, north, "nobody"):
            raise ZeroDivisionError
        rows = admin.execute("select organisation_id, actor, action, subject, detail from audit_entry").fetchall()
        assert rows == [(north, "p.manager", "accept switch", "switch 1", {"reason": "too often", "patients": 4312})]

    def test_the_detail_takes_instants_dates_and_decimals(
        self, database: Database, admin: psycopg.Connection, north: int
    ) -> None:
        at = datetime(2026, 11, 23, 10, 44, 5, tzinfo=UTC)
        with database.transaction(north) as connection:
            record_entry(
                connection,
                organisation_id=north,
                actor="p.manager",
                action="a",
                subject="s",
                detail={"at": at, "on": date(2026, 11, 23), "limit": Decimal("1.50"), "ids": frozenset({2, 1})},
            )
        row = admin.execute("select detail from audit_entry").fetchone()
        assert row == ({"at": "2026-11-23T10:44:05+00:00", "on": "2026-11-23", "limit": "1.50", "ids": [1, 2]},)

    def test_an_entry_without_an_actor_is_a_mistake_of_the_caller(self, database: Database, north: int) -> None:
        with pytest.raises(InvalidName, match="actor"):
            write(database, north, actor="")

    def test_the_application_can_neither_change_nor_remove_entries_and_seals(
        self, database: Database, chain: int
    ) -> None:
        for statement in (
            "update audit_entry set actor = 'x'",
            "delete from audit_entry",
            "update audit_seal set entry_hash = 'x'",
            "delete from audit_seal",
            "truncate audit_seal",
        ):
            with pytest.raises(errors.InsufficientPrivilege), database.transaction(chain) as connection:
                connection.execute(statement.encode())

    def test_the_database_writes_what_is_hashed_as_the_domain_does(
        self, database: Database, admin: psycopg.Connection, north: int
    ) -> None:
        """The canonical form rests on two texts of PostgreSQL, which every release must write alike."""
        admin.execute(
            "insert into audit_entry (organisation_id, at, actor, action, subject, detail)"
            " values (%s, '2026-11-23 10:44:05.000120+01', 'ä', 'a', 's',"
            ' \'{"bb":1.50, "a":{"y":[1e3,null], "x":"é\\n"}, "a":{"x": true}}\')',
            [north],
        )
        with database.transaction(north) as connection:
            entries = store.list_entries_to_seal(connection, organisation_id=north, after=0, until=9, size=9)
        at = datetime(2026, 11, 23, 9, 44, 5, 120, tzinfo=UTC)
        assert entries == [Entry(1, epoch_text(at), "ä", "a", "s", '{"a": {"x": true}, "bb": 1.50}')]
        assert canonical(north, entries[0]).startswith(f'["entry",{north},"1795427045.000120","\\u00e4"')


class TestSealing:
    def test_entries_are_sealed_once_in_order_of_their_numbers(
        self, database: Database, admin: psycopg.Connection, chain: int
    ) -> None:
        assert seal(database, chain) == 0
        write(database, chain)
        assert seal(database, chain) == 1
        rows = admin.execute("select position, audit_entry_id from audit_seal order by position").fetchall()
        assert rows == [(number, number) for number in range(1, 12)]
        verification = verify(database, chain)
        assert verification.holds
        assert (verification.sealed, verification.waiting) == (11, 0)

    def test_an_organisation_without_entries_has_nothing_to_seal(self, database: Database, north: int) -> None:
        assert seal(database, north) == 0
        assert verify(database, north).holds

    def test_each_organisation_has_a_chain_of_its_own(self, database: Database, organisations: tuple[int, int]) -> None:
        north, south = organisations
        for organisation_id in (north, south, north):
            write(database, organisation_id)
        assert (seal(database, north), seal(database, south)) == (2, 1)
        assert (verify(database, north).sealed, verify(database, south).sealed) == (2, 1)
        assert verify(database, north).holds
        assert verify(database, south).holds

    def test_nothing_is_sealed_while_a_smaller_number_may_still_come(
        self, database: Database, admin: psycopg.Connection, north: int
    ) -> None:
        with deciding(database, north, "slow"):
            write(database, north, actor="quick")
            assert seal(database, north, patience_ms=5) == 0
            assert verify(database, north).holds
        assert seal(database, north) == 2
        rows = admin.execute(
            "select e.actor from audit_seal s join audit_entry e using (audit_entry_id) order by s.position"
        ).fetchall()
        assert rows == [("slow",), ("quick",)]

    def test_sealing_does_not_wait_for_those_who_began_to_write_later(
        self, database: Database, north: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Decisions that overlap without end must not keep the chain from growing."""
        list_writers = store.list_writers
        with ExitStack() as early, ExitStack() as late:

            def look(connection: Connection) -> frozenset[str]:
                found = list_writers(connection)
                if begun:
                    # After the sealer has seen the early writer the late one begins, then the early one ends.
                    late.enter_context(deciding(database, north, begun.pop()))
                    early.close()
                return found

            begun = ["late"]
            early.enter_context(deciding(database, north, "early"))
            write(database, north)
            monkeypatch.setattr(store, "list_writers", look)
            assert seal(database, north, patience_ms=10_000) == 2
        assert seal(database, north) == 1
        assert verify(database, north).holds

    def test_what_comes_while_a_sealer_looks_is_left_to_the_next_call(
        self, database: Database, north: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Else a quick decision would be sealed before a slow one with a smaller number, which then could not be."""
        list_writers = store.list_writers
        with ExitStack() as slow:

            def look(connection: Connection) -> frozenset[str]:
                found = list_writers(connection)
                monkeypatch.undo()
                slow.enter_context(deciding(database, north, "slow"))
                write(database, north, actor="quick")
                return found

            write(database, north)
            monkeypatch.setattr(store, "list_writers", look)
            assert seal(database, north) == 1
        assert seal(database, north) == 2
        assert verify(database, north).holds

    def test_a_long_transaction_that_writes_no_entry_delays_nothing(self, database: Database, north: int) -> None:
        with database.transaction(north) as other:
            other.execute("insert into program (organisation_id, key, title) values (%s, 'hf', 'Heart')", [north])
            write(database, north)
            assert seal(database, north, patience_ms=0) == 1

    def test_a_number_lost_by_a_rollback_leaves_no_gap_in_the_chain(self, database: Database, north: int) -> None:
        write(database, north)
        with pytest.raises(ZeroDivisionError), deciding(database, north, "nobody"):
            raise ZeroDivisionError
        write(database, north)
        assert seal(database, north) == 2
        assert verify(database, north).holds

    def test_one_seals_while_the_other_goes_away(self, database: Database, north: int) -> None:
        write(database, north)
        with database.transaction(north) as rival:
            assert store.claim_chain(rival, organisation_id=north)
            assert seal(database, north) == 0
        assert seal(database, north) == 1

    def test_what_is_too_much_for_one_transaction_is_sealed_by_the_next(
        self, database: Database, north: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("lockstep.engine.audit.SEALED_AT_ONCE", 3)
        for _ in range(7):
            write(database, north)
        assert [seal(database, north) for _ in range(4)] == [3, 3, 1, 0]
        assert verify(database, north).holds

    def test_rivals_seal_everything_once_while_decisions_are_made(
        self, database: Database, admin: psycopg.Connection, north: int
    ) -> None:
        writing = threading.Event()
        writing.set()

        def decide() -> None:
            for _ in range(40):
                write(database, north)

        def keep_sealing() -> None:
            while writing.is_set():
                seal(database, north)

        writers = [threading.Thread(target=decide) for _ in range(3)]
        sealers = [threading.Thread(target=keep_sealing) for _ in range(2)]
        for thread in writers + sealers:
            thread.start()
        for thread in writers:
            thread.join()
        writing.clear()
        for thread in sealers:
            thread.join()
        seal(database, north)
        verification = verify(database, north)
        assert verification.faults == ()
        assert (verification.sealed, verification.waiting) == (120, 0)
        row = admin.execute(
            "select bool_and(ordered) from (select audit_entry_id > lag(audit_entry_id) over (order by position)"
            " as ordered from audit_seal) s"
        ).fetchone()
        assert row == (True,)


class TestTampering:
    def test_a_changed_detail(self, database: Database, admin: psycopg.Connection, chain: int) -> None:
        with tampering(admin):
            admin.execute(
                "update audit_entry set detail = jsonb_set(detail, '{patients}', '4311') where audit_entry_id = 4"
            )
        assert found(verify(database, chain)) == {(Tampering.ALTERED_ENTRY, 4)}

    @pytest.mark.parametrize(
        "change",
        [
            "actor = 'somebody'",
            "action = 'preview switch'",
            "subject = 'decision 44'",
            "at = at + interval '1 microsecond'",
            "at = '-infinity'",
            "at = at - interval '4000 years'",
            'detail = \'{"patients": 4312.0, "reason": "too often"}\'',
        ],
    )
    def test_any_other_change_of_an_entry(
        self, database: Database, admin: psycopg.Connection, chain: int, change: str
    ) -> None:
        with tampering(admin):
            admin.execute(f"update audit_entry set {change} where audit_entry_id = 4".encode())
        assert found(verify(database, chain)) == {(Tampering.ALTERED_ENTRY, 4)}

    def test_a_deleted_entry(self, database: Database, admin: psycopg.Connection, chain: int) -> None:
        with tampering(admin):
            admin.execute("delete from audit_entry where audit_entry_id = 4")
        assert found(verify(database, chain)) == {(Tampering.MISSING_ENTRY, 4)}

    def test_an_entry_given_to_another_organisation(
        self, database: Database, admin: psycopg.Connection, chain: int, organisations: tuple[int, int]
    ) -> None:
        write(database, organisations[1])
        seal(database, organisations[1])
        with tampering(admin):
            admin.execute("update audit_entry set organisation_id = %s where audit_entry_id = 4", [organisations[1]])
        assert found(verify(database, chain)) == {(Tampering.MISSING_ENTRY, 4)}
        assert found(verify(database, organisations[1])) == {(Tampering.EXTRA_ENTRY, None)}

    def test_a_deleted_entry_with_its_seal(self, database: Database, admin: psycopg.Connection, chain: int) -> None:
        with tampering(admin):
            admin.execute("delete from audit_entry where audit_entry_id in (4, 5)")
            admin.execute("delete from audit_seal where audit_entry_id in (4, 5)")
        verification = verify(database, chain)
        assert found(verification) == {(Tampering.MISSING_SEAL, 4)}
        assert "4 to 5" in verification.faults[0].sentence

    def test_a_deleted_entry_with_its_seal_and_the_gap_closed(
        self, database: Database, admin: psycopg.Connection, chain: int
    ) -> None:
        with tampering(admin):
            admin.execute("delete from audit_entry where audit_entry_id = 4")
            admin.execute("delete from audit_seal where audit_entry_id = 4")
            for position in range(5, 11):
                admin.execute("update audit_seal set position = position - 1 where position = %s", [position])
        assert found(verify(database, chain)) == {(Tampering.ALTERED_SEAL, 4)}

    def test_the_beginning_cut_off(self, database: Database, admin: psycopg.Connection, chain: int) -> None:
        with tampering(admin):
            admin.execute("delete from audit_entry where audit_entry_id < 4")
            admin.execute("delete from audit_seal where audit_entry_id < 4")
        assert found(verify(database, chain)) == {(Tampering.MISSING_SEAL, 1)}

    def test_a_deleted_seal(self, database: Database, admin: psycopg.Connection, chain: int) -> None:
        with tampering(admin):
            admin.execute("delete from audit_seal where position = 4")
        assert found(verify(database, chain)) == {(Tampering.MISSING_SEAL, 4), (Tampering.EXTRA_ENTRY, None)}

    def test_two_entries_that_changed_places(self, database: Database, admin: psycopg.Connection, chain: int) -> None:
        with tampering(admin):
            for before, after in ((4, -1), (7, 4), (-1, 7)):
                admin.execute("update audit_entry set audit_entry_id = %s where audit_entry_id = %s", [after, before])
        assert found(verify(database, chain)) == {(Tampering.REORDERED, 4), (Tampering.REORDERED, 7)}

    @pytest.mark.parametrize(("one", "other"), [(4, 5), (4, 7), (9, 10), (1, 2), (1, 10)])
    def test_two_seals_that_changed_places(
        self, database: Database, admin: psycopg.Connection, chain: int, one: int, other: int
    ) -> None:
        with tampering(admin):
            for before, after in ((one, -1), (other, one), (-1, other)):
                admin.execute("update audit_seal set position = %s where position = %s", [after, before])
        verification = verify(database, chain)
        assert {(Tampering.REORDERED, one), (Tampering.REORDERED, other)} <= found(verification)
        assert {fault.tampering for fault in verification.faults} == {Tampering.REORDERED}

    def test_an_entry_forged_among_old_ones(self, database: Database, admin: psycopg.Connection, north: int) -> None:
        for _ in range(3):
            write(database, north)
        with pytest.raises(ZeroDivisionError), deciding(database, north, "nobody"):
            raise ZeroDivisionError
        write(database, north)
        seal(database, north)
        with tampering(admin):
            admin.execute(
                "insert into audit_entry (organisation_id, audit_entry_id, at, actor, action, subject, detail)"
                " select organisation_id, 4, at, 'forger', action, subject, detail from audit_entry"
                " where audit_entry_id = 3"
            )
        assert found(verify(database, north)) == {(Tampering.EXTRA_ENTRY, None)}
        # The duty does not seal it in, however often it runs.
        write(database, north)
        assert seal(database, north) == 1
        assert seal(database, north) == 0
        verification = verify(database, north)
        assert [fault.audit_entry_id for fault in verification.faults] == [4]

    def test_an_entry_forged_with_a_seal(self, database: Database, admin: psycopg.Connection, chain: int) -> None:
        with tampering(admin):
            for position in range(10, 4, -1):
                admin.execute("update audit_seal set position = position + 1 where position = %s", [position])
            admin.execute(
                "insert into audit_entry (organisation_id, audit_entry_id, actor, action, subject, detail)"
                " values (%s, 99, 'forger', 'a', 's', '{}')",
                [chain],
            )
            admin.execute(
                "insert into audit_seal (organisation_id, position, audit_entry_id, entry_hash, chain_hash, sealed_at)"
                " select organisation_id, 5, 99, entry_hash, chain_hash, sealed_at from audit_seal where position = 4"
            )
        kinds = found(verify(database, chain))
        assert (Tampering.ALTERED_SEAL, 5) in kinds
        assert (Tampering.ALTERED_ENTRY, 5) in kinds

    @pytest.mark.parametrize("position", [1, 4, 10])
    @pytest.mark.parametrize(
        ("change", "also"),
        [
            ("chain_hash = repeat('0', 64)", None),
            ("sealed_at = sealed_at + interval '1 microsecond'", None),
            ("sealed_at = 'infinity'", None),
            ("entry_hash = repeat('0', 64)", Tampering.ALTERED_ENTRY),
            ("audit_entry_id = 999", Tampering.MISSING_ENTRY),
        ],
    )
    def test_an_altered_seal(
        self,
        database: Database,
        admin: psycopg.Connection,
        chain: int,
        position: int,
        change: str,
        also: Tampering | None,
    ) -> None:
        with tampering(admin):
            admin.execute(f"update audit_seal set {change} where position = {position}".encode())
        kinds = {fault.tampering for fault in verify(database, chain).faults if fault.position == position}
        assert kinds == {Tampering.ALTERED_SEAL} | ({also} if also else set())

    def test_an_entry_altered_with_its_seal_made_to_fit(
        self, database: Database, admin: psycopg.Connection, chain: int
    ) -> None:
        with tampering(admin):
            admin.execute("update audit_entry set actor = 'x' where audit_entry_id = 4")
            rebuild(database, admin, chain, from_position=4, until_position=4)
        assert found(verify(database, chain)) == {(Tampering.ALTERED_SEAL, 5)}


class TestCheckpoints:
    def test_a_checkpoint_notes_each_chain_that_grew(
        self, database: Database, chain: int, organisations: tuple[int, int], tmp_path: Path
    ) -> None:
        path = tmp_path / "checkpoints.jsonl"
        assert checkpoint(database, path) == 1
        assert checkpoint(database, path) == 0
        for organisation_id in organisations:
            write(database, organisation_id)
            seal(database, organisation_id)
        assert checkpoint(database, path) == 2
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        assert [(line["organisation_id"], line["position"]) for line in lines] == [
            (chain, 10),
            (chain, 11),
            (organisations[1], 1),
        ]
        verification = verify(database, chain, path)
        assert verification.holds
        assert verification.checkpoints == 2
        assert verification.chain_hash == lines[1]["chain_hash"]

    def test_a_tail_that_was_cut_off(
        self, database: Database, admin: psycopg.Connection, chain: int, tmp_path: Path
    ) -> None:
        path = tmp_path / "checkpoints.jsonl"
        checkpoint(database, path)
        with tampering(admin):
            admin.execute("delete from audit_entry where audit_entry_id > 7")
            admin.execute("delete from audit_seal where position > 7")
        assert verify(database, chain).holds
        assert found(verify(database, chain, path)) == {(Tampering.CUT_OFF, 10)}
        # Also when new decisions have grown over the cut.
        for _ in range(5):
            write(database, chain)
        seal(database, chain)
        checkpoint(database, path)
        assert found(verify(database, chain, path)) == {(Tampering.REBUILT, 10)}

    def test_a_chain_that_was_taken_away_whole(
        self, database: Database, admin: psycopg.Connection, chain: int, tmp_path: Path
    ) -> None:
        path = tmp_path / "checkpoints.jsonl"
        checkpoint(database, path)
        with tampering(admin):
            admin.execute("delete from audit_entry")
            admin.execute("delete from audit_seal")
        assert checkpoint(database, path) == 0
        assert found(verify(database, chain, path)) == {(Tampering.CUT_OFF, 10)}

    def test_a_chain_that_was_built_anew(
        self, database: Database, admin: psycopg.Connection, chain: int, tmp_path: Path
    ) -> None:
        path = tmp_path / "checkpoints.jsonl"
        checkpoint(database, path)
        with tampering(admin):
            admin.execute("update audit_entry set actor = 'x' where audit_entry_id = 4")
            rebuild(database, admin, chain, from_position=1, until_position=10)
        assert verify(database, chain).holds
        assert found(verify(database, chain, path)) == {(Tampering.REBUILT, 10)}

    @pytest.mark.parametrize(
        ("line", "says"),
        [
            ("{", "not JSON"),
            ("[" * 100_000, "not JSON"),
            ('{"position": 1}', "no checkpoint"),
            ('{"organisation_id": 1, "position": "x", "chain_hash": "", "at": ""}', "no checkpoint"),
        ],
    )
    def test_a_file_that_cannot_be_read_is_refused_with_its_line(
        self, database: Database, chain: int, tmp_path: Path, line: str, says: str
    ) -> None:
        path = tmp_path / "checkpoints.jsonl"
        checkpoint(database, path)
        with path.open("a") as file:
            file.write(line + "\n")
        with pytest.raises(InvalidCheckpoint, match=says) as refusal:
            verify(database, chain, path)
        assert refusal.value.where == f"{path}:2"
        with pytest.raises(InvalidCheckpoint):
            checkpoint(database, path)

    def test_a_missing_file_is_refused(self, database: Database, chain: int, tmp_path: Path) -> None:
        with pytest.raises(InvalidCheckpoint, match="does not exist"):
            verify(database, chain, tmp_path / "checkpoints.jsonl")


def rebuild(
    database: Database,
    admin: psycopg.Connection,
    organisation_id: int,
    *,
    from_position: int,
    until_position: int,
) -> None:
    """Seals a part of the chain again, as somebody who has read the source can."""
    rows = admin.execute(
        "select s.position, s.audit_entry_id, s.entry_hash, s.chain_hash, extract(epoch from s.sealed_at)::text,"
        " e.audit_entry_id, extract(epoch from e.at)::text, e.actor, e.action, e.subject, e.detail::text"
        " from audit_seal s join audit_entry e using (organisation_id, audit_entry_id)"
        " where s.organisation_id = %s order by s.position",
        [organisation_id],
    ).fetchall()
    previous = genesis(organisation_id)
    for row in rows:
        position, audit_entry_id, _, chained, sealed_at = row[:5]
        if from_position <= position <= until_position:
            content = entry_hash(organisation_id, Entry(*row[5:]))
            chained = chain_hash(previous, audit_entry_id=audit_entry_id, entry_hash=content, sealed_at=sealed_at)
            admin.execute(
                "update audit_seal set entry_hash = %s, chain_hash = %s where position = %s",
                [content, chained, position],
            )
        previous = chained
