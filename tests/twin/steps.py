"""What may happen in a history: each step is a name and values, drawn by Hypothesis."""

from typing import Any

from hypothesis import strategies as st

from lockstep.domain.content import Content
from lockstep.domain.protocol import parse

ZONES = ("Europe/Amsterdam", "America/New_York", "Asia/Tokyo")
PATIENTS = 6
RULES = [
    {"key": "missed", "kind": "missed"},
    {"key": "silent", "kind": "missed", "in_a_row": 2},
]


def content_of(
    days: int = 1,
    opens: str = "07:00",
    closes: str = "10:00",
    quantity: int = 1,
    second: bool = True,
    grace: str = "1h",
    recheck: bool = True,
    share: str = "0.5",
    personal: str = "keep",
) -> Content:
    """Weights in the morning; with `second` also in the evening, and a pulse; with `recheck` one after each meal."""
    times = [{"label": "morning", "opens": opens, "closes": closes}]
    if second:
        times.append({"label": "evening", "opens": "18:00", "closes": "21:00"})
    schedule = {"every": f"{days} days" if days > 1 else "1 day", "times": times}
    weight = {
        "key": "weight",
        "title": "Weight",
        "code": "w",
        "unit": "kg",
        "schedule": schedule,
        "grace": grace,
        "rules": RULES,
    }
    activities: list[dict[str, Any]] = [{**weight, "quantity": quantity, "personal": {"schedule": personal}}]
    if second:
        pulse = {**weight, "key": "pulse", "title": "Pulse", "code": "p", "unit": "/min"}
        activities.append({**pulse, "schedule": {**schedule, "every": "1 day"}})
    if recheck:
        after = {"after": {"event": "meal", "delay": "1h", "lasts": "2h"}}
        activities.append({**weight, "key": "recheck", "title": "Recheck", "code": "r", "schedule": after})
    return parse({"key": "p", "title": "P", "on_switch": {"ask_at_once": share}, "activities": activities})


# Plain values, so that a history that fails can be read and written down: days, opens, closes, quantity, second, grace,
# recheck, share, personal.
contents = st.tuples(
    st.sampled_from([1, 2, 3]),
    st.sampled_from(["07:00", "06:00", "08:30"]),
    st.sampled_from(["10:00", "12:00", "16:00"]),
    st.sampled_from([1, 1, 2]),
    st.booleans(),
    st.sampled_from(["1h", "0 minutes"]),
    st.booleans(),
    st.sampled_from(["0.5", "0.5", "0.1"]),
    st.sampled_from(["keep", "follow"]),
)
patients = st.integers(0, PATIENTS - 1)
protocols = st.integers(0, 1)
members = st.sets(patients, min_size=1, max_size=3)
sizes = st.integers(1, 6)
hours = st.integers(1, 30)
codes = st.sampled_from(["w", "w", "p", "r"])
effective = st.sampled_from(["now", "now", "next day", "civil", "instant"])

STEPS: dict[str, tuple[st.SearchStrategy[Any], ...]] = {
    "pass": (hours,),
    "wait": (st.integers(1, 6),),
    "measure": (patients, codes),
    "measure late": (patients, codes, st.integers(1, 40)),
    "publish": (protocols, contents, effective, hours),
    "publish to": (protocols, contents, members, effective, hours),
    "move": (protocols, effective, hours),
    "move some": (protocols, members, effective, hours),
    "withdraw": (),
    "recalculate": (st.integers(1, 4), sizes),
    "recalculate all": (protocols,),
    "sweep": (sizes,),
    "crash": (st.sampled_from(["recalculate", "change", "sweep", "judge", "measure"]), st.integers(0, 25), patients),
    "pause": (patients, st.integers(0, 10), st.integers(2, 40)),
    "resume": (patients,),
    "zone": (patients, st.sampled_from(ZONES), st.sampled_from([0, 0, 5])),
    "personal": (patients, st.sampled_from(["05:00", "09:00"])),
    "give back": (patients,),
    "assign": (patients, protocols, st.sampled_from([0, 0, 7])),
    "discharge": (patients,),
    "enrol": (patients, protocols),
    "event": (patients, st.integers(0, 8)),
    "outage": (st.integers(1, 9),),
    "judge": (),
}
step = st.one_of(*(st.tuples(st.just(name), *values) for name, values in STEPS.items()))
often = st.one_of(
    *(st.tuples(st.just(name), *STEPS[name]) for name in ("pass", "wait", "measure", "publish", "recalculate"))
)
histories = st.lists(st.one_of(step, step, often), min_size=6, max_size=30)

_DAILY = (1, "06:00", "12:00", 2, True, "1h", True, "0.5", "keep")
EVERY: list[tuple[Any, ...]] = [
    ("measure", 0, "w"),
    ("event", 1, 3),
    ("personal", 2, "05:00"),
    ("publish to", 0, _DAILY, {0, 2}, "now", 1),
    ("recalculate", 1, 3),
    ("zone", 3, "Asia/Tokyo", 0),
    ("pause", 4, 0, 5),
    ("wait", 2),
    ("resume", 4),
    ("measure late", 1, "r", 1),
    ("move some", 1, {1, 3}, "next day", 1),
    ("withdraw",),
    ("move some", 1, {1, 3}, "civil", 20),
    ("pass", 16),
    ("crash", "recalculate", 6, 0),
    ("give back", 2),
    ("outage", 3),
    ("sweep", 4),
    ("assign", 5, 0, 7),
    ("publish", 0, _DAILY, "instant", 5),
    ("pass", 20),
    ("judge",),
    ("discharge", 0),
    ("enrol", 0, 1),
    ("enrol", 1, 0),
    ("move", 1, "now", 1),
    ("recalculate all", 0),
    ("recalculate", 2, 2),
    ("crash", "measure", 9, 2),
    ("pass", 30),
]
"""A history in which everything happens, so that a run proves something about every step."""
