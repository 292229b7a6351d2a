"""The protocols of a stress run: a weight every so many days, and wards that are asked every minute."""

from collections.abc import Sequence
from typing import Any

WEIGHT, GIRTH, SATURATION = "29463-7", "8280-0", "59408-5"


def at_home(key: str, days: int, above: int = 100) -> dict[str, Any]:
    """A weight every so many days, nearly all day long, with one limit in kilograms, and a girth every morning."""
    return {
        "key": key,
        "title": f"At home, {key}",
        "activities": [
            {
                "key": "weight",
                "title": "Weight",
                "code": WEIGHT,
                "unit": "kg",
                "schedule": {
                    "every": f"{days} days" if days > 1 else "1 day",
                    "times": [{"label": "day", "opens": "00:00", "closes": "23:59"}],
                },
                "rules": [{"key": "high", "above": above, "severity": "red"}],
            },
            {
                "key": "girth",
                "title": "Girth",
                "code": GIRTH,
                "unit": "cm",
                "schedule": {"every": "1 day", "times": [{"label": "morning", "opens": "08:00", "closes": "10:00"}]},
                "grace": "1h",
                "rules": [{"key": "missed", "kind": "missed", "in_a_row": 1, "severity": "grey"}],
            },
        ],
    }


def in_ward(key: str, labels: Sequence[str], *, low: int = 91, lasts: int = 1) -> dict[str, Any]:
    """The oxygen saturation in windows that begin at these civil times, every minute; one missed is an alert."""
    return {
        "key": key,
        "title": f"Ward, {key}",
        "on_switch": {"ask_at_once": 0},
        "activities": [
            {
                "key": "spo2",
                "title": "Oxygen saturation",
                "code": SATURATION,
                "unit": "%",
                "schedule": {
                    "every": "1 day",
                    "times": [
                        {"label": label, "opens": label, "lasts": f"{lasts} min"} for label in labels[:: max(1, lasts)]
                    ],
                },
                "rules": [
                    {"key": "low", "at_or_below": low, "severity": "red"},
                    {"key": "missed", "kind": "missed", "in_a_row": 1, "severity": "grey"},
                ],
            }
        ],
    }
