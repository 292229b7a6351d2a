"""Civil time: every local date-time of every zone means one instant."""

# ruff: noqa: DTZ001 - local times have no zone

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.domain.civil import (
    day_exists,
    instant_of,
    is_skipped,
    local_of,
    next_midnight,
    require_zone,
    zone_data_version,
    zone_names,
)
from lockstep.domain.refusal import UnknownZone

# Zones with hard changes, so that random zones do not dilute them.
HARD = [
    "Africa/Cairo",
    "Africa/Casablanca",
    "America/Havana",
    "America/Sao_Paulo",
    "America/Scoresbysund",
    "America/St_Johns",
    "America/Toronto",
    "Antarctica/Troll",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "Europe/Amsterdam",
    "Europe/Dublin",
    "Pacific/Apia",
    "Pacific/Kwajalein",
]
zones = st.one_of(st.sampled_from(HARD), st.sampled_from(sorted(zone_names())))
locals_ = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)).map(lambda at: at.replace(second=0))
instants = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))


def meanings(local: datetime, zone: str) -> list[datetime]:
    """Every instant at which clocks show `local`, found by trying each offset seen around it."""
    naive = local.replace(tzinfo=UTC)
    around = [naive + timedelta(hours=hours) for hours in range(-60, 61, 1)]
    offsets = {local_of(at, zone) - at.replace(tzinfo=None) for at in around}
    return sorted(naive - offset for offset in offsets if local_of(naive - offset, zone) == local)


@given(locals_, zones)
def test_a_local_time_means_the_first_instant_at_which_clocks_show_it(local: datetime, zone: str) -> None:
    found = meanings(local, zone)
    if found:
        assert instant_of(local, zone) == found[0]
        assert not is_skipped(local, zone)
    else:
        assert is_skipped(local, zone)


@given(instants, zones)
def test_local_and_instant_are_inverse_where_a_time_occurs_once(instant: datetime, zone: str) -> None:
    local = local_of(instant, zone)
    back = instant_of(local, zone)
    assert local_of(back, zone) == local
    assert back <= instant


@pytest.mark.parametrize(
    ("zone", "local", "expected"),
    [
        ("Europe/Amsterdam", datetime(2026, 3, 29, 2, 30), datetime(2026, 3, 29, 1, 30)),  # shown as 03:30
        ("Europe/Amsterdam", datetime(2026, 10, 25, 2, 30), datetime(2026, 10, 25, 0, 30)),  # the summer one
        ("Australia/Lord_Howe", datetime(2026, 10, 4, 2, 15), datetime(2026, 10, 3, 15, 45)),  # gap of 30 min
        ("America/Sao_Paulo", datetime(2018, 11, 4, 0, 0), datetime(2018, 11, 4, 3, 0)),  # no midnight
        ("Pacific/Apia", datetime(2011, 12, 30, 8, 0), datetime(2011, 12, 30, 18, 0)),  # no such date
    ],
)
def test_named_changes(zone: str, local: datetime, expected: datetime) -> None:
    assert instant_of(local, zone) == expected.replace(tzinfo=UTC)


def test_a_gap_moves_a_time_forward_by_the_gap() -> None:
    at = instant_of(datetime(2026, 3, 29, 2, 30), "Europe/Amsterdam")
    assert local_of(at, "Europe/Amsterdam") == datetime(2026, 3, 29, 3, 30)


def test_the_fold_of_a_given_local_time_is_disregarded() -> None:
    local = datetime(2026, 10, 25, 2, 30)
    assert instant_of(local.replace(fold=1), "Europe/Berlin") == instant_of(local, "Europe/Berlin")


@pytest.mark.parametrize(
    ("zone", "on", "exists"),
    [
        ("Pacific/Apia", date(2011, 12, 29), True),
        ("Pacific/Apia", date(2011, 12, 30), False),
        ("Pacific/Apia", date(2011, 12, 31), True),
        ("Pacific/Kwajalein", date(1993, 8, 21), False),
        ("Pacific/Kiritimati", date(1994, 12, 31), False),
        ("America/Sao_Paulo", date(2018, 11, 4), True),
        ("America/Toronto", date(1919, 3, 31), True),  # a gap from 23:30 to 00:30
    ],
)
def test_a_date_exists_unless_it_was_skipped_whole(zone: str, on: date, exists: bool) -> None:
    assert day_exists(on, zone) is exists


@given(instants, zones)
def test_next_midnight_is_the_first_instant_of_a_later_date(instant: datetime, zone: str) -> None:
    midnight = next_midnight(instant, zone)
    today = local_of(instant, zone).date()
    assert midnight.tzinfo is UTC
    assert midnight > instant
    assert local_of(midnight, zone).date() > today
    assert local_of(midnight - timedelta(microseconds=1), zone).date() <= today


@pytest.mark.parametrize(
    ("zone", "instant", "expected"),
    [
        ("America/Sao_Paulo", datetime(2018, 11, 3, 12), datetime(2018, 11, 4, 3)),
        ("Pacific/Apia", datetime(2011, 12, 29, 20), datetime(2011, 12, 30, 10)),
        ("America/Toronto", datetime(1919, 3, 30, 20), datetime(1919, 3, 31, 4, 30)),
        ("Europe/Amsterdam", datetime(2026, 10, 25, 0, 30), datetime(2026, 10, 25, 23)),
        # Clocks go from 00:01 back to 23:01: midnight comes twice.
        ("America/St_Johns", datetime(2006, 10, 29, 2), datetime(2006, 10, 29, 2, 30)),
        ("America/St_Johns", datetime(2006, 10, 29, 3), datetime(2006, 10, 29, 3, 30)),
    ],
)
def test_next_midnight_at_hard_midnights(zone: str, instant: datetime, expected: datetime) -> None:
    assert next_midnight(instant.replace(tzinfo=UTC), zone) == expected.replace(tzinfo=UTC)


@pytest.mark.parametrize("zone", ["Europe/Amsterdam", "UTC", "Asia/Calcutta"])
def test_names_of_the_database_are_zones(zone: str) -> None:
    assert require_zone(zone) == zone


@pytest.mark.parametrize(
    "zone",
    [
        "localtime",
        "",
        "Factory",
        "europe/amsterdam",
        "../../etc/passwd",
        "posixrules",
        "Europe",
        "\0",
        "CEST-2",
    ],
)
def test_other_names_are_refused(zone: str) -> None:
    with pytest.raises(UnknownZone):
        require_zone(zone)
    with pytest.raises(UnknownZone):
        instant_of(datetime(2026, 1, 1), zone)


def test_a_misspelt_zone_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(UnknownZone, match="Europe/Amsterdam"):
        require_zone("Europe/Amsterdm")


def test_every_zone_of_the_database_loads() -> None:
    for zone in zone_names():
        assert local_of(instant_of(datetime(2026, 6, 1, 8), zone), zone) == datetime(2026, 6, 1, 8)


def test_the_zone_data_names_its_release() -> None:
    assert zone_data_version()[:4].isdecimal()
    assert zone_data_version()[4:].isalpha()


def test_an_instant_without_offset_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="offset"):
        local_of(datetime.combine(date(2026, 1, 1), time()), "UTC")
