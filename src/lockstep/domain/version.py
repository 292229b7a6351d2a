"""The content of a protocol, immutable once published."""

from dataclasses import dataclass, field
from datetime import datetime

from lockstep.domain.content import Content


@dataclass(frozen=True, slots=True)
class Version:
    """A version by number; `content` is None where only its existence was asked for."""

    number: int
    published_by: str
    published_at: datetime
    content_hash: str
    content: Content | None = field(default=None, repr=False)
