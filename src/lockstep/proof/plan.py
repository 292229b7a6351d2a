"""The plan of the demo's world: which patient is where, in which zone and program, by number."""

import random
from dataclasses import dataclass
from itertools import accumulate

ZONES = (
    "Europe/Amsterdam",
    "America/New_York",
    "Asia/Kolkata",
    "America/Los_Angeles",
    "Europe/London",
    "Asia/Tokyo",
    "America/Sao_Paulo",
    "Australia/Adelaide",
    "Africa/Nairobi",
    "Pacific/Auckland",
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where some share of the patients is; `protocols` are those of its program, the first is theirs."""

    organisation: str
    program: str
    title: str
    protocols: tuple[str, ...]
    condition: str
    percent: int


ORGANISATIONS = {
    "north-heart": "North Heart Centre",
    "lung-and-life": "Lung and Life Clinics",
    "county-care": "County Remote Care",
}
_HEART = ("heart-failure-stable", "heart-failure-titration")
_PRESSURE = ("blood-pressure-maintenance", "blood-pressure-diagnostic")
PLACES = (
    Place("north-heart", "heart-failure", "Heart failure", _HEART, "heart failure", 60),
    Place("north-heart", "blood-pressure", "Blood pressure", _PRESSURE, "hypertension", 10),
    Place("lung-and-life", "copd", "COPD", ("copd",), "copd", 10),
    Place("lung-and-life", "asthma", "Asthma", ("asthma-peak-flow",), "asthma", 5),
    Place("lung-and-life", "covid", "COVID at home", ("covid-oximetry",), "covid", 4),
    Place("county-care", "gestational-diabetes", "Gestational diabetes", ("gestational-diabetes",), "diabetes", 6),
    Place("county-care", "virtual-ward", "Virtual ward", ("virtual-ward-news2",), "recovering", 5),
)
SWITCHED = 0
"""The place whose protocol is switched: the largest."""
WARD = len(PLACES) - 1
"""The place whose patients are asked every minute; the last, so that its windows begin when all else is there."""
MOST_IN_WARD = 1000


@dataclass(frozen=True, slots=True)
class Plan:
    """A world of so many patients, numbered from 0; patients of one place have following numbers."""

    seed: int
    patients: int

    def begins(self) -> tuple[int, ...]:
        """The first number of each place, and one beyond the last."""
        counts = [max(1, self.patients * place.percent // 100) for place in PLACES]
        counts[WARD] = min(MOST_IN_WARD, max(4, counts[WARD]))
        counts[SWITCHED] += max(0, self.patients - sum(counts))
        return (0, *accumulate(counts))

    def numbers(self, place: int) -> range:
        """The numbers of a place's patients."""
        begins = self.begins()
        return range(begins[place], begins[place + 1])

    def zone(self, number: int) -> str:
        """Where the patient lives."""
        return ZONES[random.Random(f"zone {self.seed} {number}").randrange(len(ZONES))]  # noqa: S311

    def anchor_days_ago(self, number: int) -> int:
        """How long ago the patient's days began to be counted."""
        return number % 7


def identifier(number: int) -> str:
    """What other systems call the patient."""
    return f"p{number:07d}"
