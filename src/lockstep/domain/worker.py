"""A process that does by itself what must happen, and when it was last seen alive."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker by its sign of life; `doing` tells by duty how often it ran and failed. No organisation's data."""

    worker_id: str
    host: str
    pid: int
    started_at: datetime
    seen_at: datetime
    doing: Mapping[str, Any]
