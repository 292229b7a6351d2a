"""Lengths of time as people write them: 2h, 90 min, 1 day 12h."""

import re

MINUTES = {
    "min": 1,
    "minute": 1,
    "minutes": 1,
    "m": 1,
    "h": 60,
    "hour": 60,
    "hours": 60,
    "d": 1440,
    "day": 1440,
    "days": 1440,
    "w": 10080,
    "week": 10080,
    "weeks": 10080,
}
PART = r"[0-9]{1,7} ?(?:" + "|".join(sorted(MINUTES, key=len, reverse=True)) + ")"
PATTERN = rf"^{PART}(?: {PART})*$"


def minutes_of(text: str) -> int | None:
    """The minutes a length of time says ("2h", "90 min", "1 day 12h"), or None when it is not one."""
    if not re.fullmatch(PATTERN, text):
        return None
    parts = re.findall(r"([0-9]{1,7}) ?([a-z]+)", text)
    return sum(int(number) * MINUTES[unit] for number, unit in parts)


def in_words(minutes: int) -> str:
    """The same length as text that `minutes_of` reads back: days, hours and minutes that are not zero."""
    days, rest = divmod(minutes, 1440)
    hours, left = divmod(rest, 60)
    parts = []
    if days:
        parts.append(f"{days} day" if days == 1 else f"{days} days")
    if hours:
        parts.append(f"{hours}h")
    if left or not parts:
        parts.append(f"{left} min")
    return " ".join(parts)
