"""What clients send is plain, and drawn from the seed; protocols of the run are protocols."""

from datetime import UTC, datetime

from lockstep.domain.measurement import Measurement
from lockstep.domain.protocol import parse, to_document
from lockstep.domain.refusal import InvalidMeasurement
from lockstep.proof.stress.checkers.windows import activities, every_days
from lockstep.proof.stress.clients.measuring import made, measures
from lockstep.proof.stress.protocols import at_home, in_ward

AT = datetime(2026, 3, 1, tzinfo=UTC)


def test_most_measure_in_a_minute_and_the_same_again() -> None:
    drawn = [measures(1, "1 ward", position, "10:00") for position in range(500)]
    assert drawn == [measures(1, "1 ward", position, "10:00") for position in range(500)]
    assert 300 < sum(drawn) < 400


def test_the_history_tells_what_is_sent() -> None:
    item = made("a", "p1", "29463-7", "80.5", "kg", AT, flagged=True)
    assert isinstance(item.sent, Measurement)
    assert (item.document["value"], item.document["flagged"]) == (str(item.sent.value), item.sent.clock_flagged)
    broken = made("b", "p1", "29463-7", "80.5", "kg", AT, broken=True)
    assert isinstance(broken.sent, InvalidMeasurement)


def test_the_protocols_of_a_run_read_as_checkers_read_them() -> None:
    for days in (1, 6):
        document = to_document(parse(at_home("heart", days)))
        assert every_days(activities(document)["weight"]) == days
    ward = to_document(parse(in_ward("unit", ["10:00", "10:01", "10:02", "10:03"], lasts=2)))
    assert [each["label"] for each in activities(ward)["spo2"]["schedule"]["times"]] == ["10:00", "10:02"]
