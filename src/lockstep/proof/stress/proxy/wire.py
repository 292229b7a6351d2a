"""Just enough of PostgreSQL's wire protocol: where messages begin, and what the few that matter say."""

from collections.abc import Iterator
from dataclasses import dataclass

SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102
_KEPT = 4096


@dataclass(frozen=True, slots=True)
class Message:
    """A message that ended: its type, the beginning of its body, and where it began in the bytes fed last.

    `begins` is negative when part of it came with earlier bytes.
    """

    type: bytes
    body: bytes
    begins: int


class Messages:
    """Cuts a stream of bytes into messages; bodies of unwanted types are passed over without being kept."""

    def __init__(self, wanted: bytes) -> None:
        self._wanted = wanted
        self._head = bytearray()
        self._body = bytearray()
        self._left = 0
        self._seen = 0

    def feed(self, data: bytes) -> Iterator[Message]:
        """The wanted messages that end in these bytes."""
        place, end = 0, len(data)
        while place < end:
            if self._left == 0 and len(self._head) < 5:
                take = min(5 - len(self._head), end - place)
                self._head += data[place : place + take]
                place, self._seen = place + take, self._seen + take
                if len(self._head) < 5:
                    return
                self._left = int.from_bytes(self._head[1:5], "big") - 4
            take = min(self._left, end - place)
            if self._head[0] in self._wanted and len(self._body) < _KEPT:
                self._body += data[place : place + take]
            place, self._seen, self._left = place + take, self._seen + take, self._left - take
            if self._left == 0:
                if self._head[0] in self._wanted:
                    yield Message(bytes(self._head[:1]), bytes(self._body), place - self._seen)
                self._head.clear()
                self._body.clear()
                self._seen = 0


def startup(data: bytes) -> tuple[int, dict[str, str]] | None:
    """The code of the first message of a connection and its parameters; None while it is not all there."""
    if len(data) < 8 or len(data) < (length := int.from_bytes(data[:4], "big")):
        return None
    code = int.from_bytes(data[4:8], "big")
    words = data[8:length].split(b"\0") if code not in (SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST) else []
    named = [word.decode(errors="replace") for word in words]
    return code, dict(zip(named[::2], named[1::2], strict=False))


def error_code(body: bytes) -> str:
    """The SQLSTATE of an ErrorResponse."""
    for field in body.split(b"\0"):
        if field[:1] == b"C":
            return field[1:].decode(errors="replace")
    return ""


def rows_written(tag: bytes) -> bool:
    """Whether a CommandComplete tells of rows inserted, updated or deleted."""
    words = tag.rstrip(b"\0").split()
    return bool(words) and words[0] in (b"INSERT", b"UPDATE", b"DELETE", b"MERGE") and words[-1] != b"0"
