"""Array literals come back from the database as what went in, whatever the texts hold."""

from datetime import UTC, date, datetime
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lockstep.store import array
from lockstep.store.database import Database

TEXTS = st.lists(st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12))
ODD = ["", "null", "NULL", '"', "\\", ",", "{}", "a b", "'", None, '","', '\\"', "\n\t"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=TEXTS | st.permutations(ODD))
def test_texts(database: Database, values: list[str | None]) -> None:
    with database.transaction(None) as connection:
        row = connection.execute("select %s::text[]", [array.texts(values)]).fetchone()
    assert row == (values,)


def test_the_others(database: Database) -> None:
    instants = [datetime(2026, 3, 29, 1, 0, 0, 1, tzinfo=UTC), None, datetime(1900, 1, 1, tzinfo=UTC)]
    with database.transaction(None) as connection:
        row = connection.execute(
            "select %s::bigint[], %s::numeric[], %s::boolean[], %s::timestamptz[], %s::date[], %s::bytea[], %s::text[]",
            [
                array.numbers([1, -(2**62), None]),
                array.numbers([Decimal("80.10"), Decimal("0.000000000001"), None]),
                array.flags([True, False, None]),
                array.instants(instants),
                array.dates([date(2026, 1, 2), None]),
                array.digests([b"", b"\x00\\\xff"]),
                array.texts([]),
            ],
        ).fetchone()
    assert row is not None
    assert row[0] == [1, -(2**62), None]
    assert row[1] == [Decimal("80.10"), Decimal("0.000000000001"), None]
    assert str(row[1][0]) == "80.10"
    assert row[2:] == ([True, False, None], instants, [date(2026, 1, 2), None], [b"", b"\x00\\\xff"], [])
