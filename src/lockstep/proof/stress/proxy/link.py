"""One connection through the proxy: a client's side and the database's, with the state its messages tell."""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any

from lockstep.proof.stress.proxy import wire

COMMIT = b"commit"


class Link:
    """A client's connection and the database's; `armed` says whether the reply to a commit of it shall be lost."""

    def __init__(self, number: int, armed: Callable[["Link"], bool], told: Callable[[str, "Link"], None]) -> None:
        self.number = number
        self.name = ""
        self._armed, self._told = armed, told
        self._first = bytearray()
        self.client: asyncio.Transport | None = None
        self.server: asyncio.Transport | None = None
        self._requests = wire.Messages(b"Q")
        self._replies = wire.Messages(b"CZE")
        self.state = "I"
        self.under_way = 0
        self.writes = False
        self._commits = False
        self.closed = False
        self._delay = 0.0
        self._hole = False
        self.held = 0
        self._last = {True: 0.0, False: 0.0}
        self._waiting: list[bytes] = []

    @property
    def busy(self) -> bool:
        """Whether a statement or a transaction is under way."""
        return self.state in ("T", "E") or self.under_way > 0

    # -- what passes

    def from_client(self, data: bytes) -> None:
        """Bytes that the client sent go to the database."""
        if self._first is not None and not self._begin(data):
            return
        data = bytes(self._first) if self._first else data
        self._first = bytearray()
        if self.name:
            for message in self._requests.feed(data):
                self.under_way += 1
                self._commits = message.body[:6].lower() == COMMIT
        self._pass(data, to_server=True)

    def _begin(self, data: bytes) -> bool:
        """Whether the first message is there, and is to be passed on."""
        if self.name:
            return True
        self._first += data
        found = wire.startup(bytes(self._first))
        if found is None:
            return False
        code, parameters = found
        if code in (wire.SSL_REQUEST, wire.GSS_REQUEST):
            assert self.client is not None
            self.client.write(b"N")
            self._first = self._first[8:]
            return False
        if code != wire.CANCEL_REQUEST:
            self.name = parameters.get("application_name", "?") or "?"
            # Startup has no type byte: it is passed on unparsed.
            self._pass(bytes(self._first), to_server=True)
            self._first = bytearray()
            return False
        return True

    def from_server(self, data: bytes) -> None:
        """Bytes that the database sent go to the client, unless the reply to a commit is to be lost."""
        for message in self._replies.feed(data):
            if message.type == b"Z":
                self.state, self.under_way = message.body[:1].decode(), 0
                if self.state == "I":
                    self.writes = False
            elif message.type == b"E":
                self._told(wire.error_code(message.body), self)
            elif wire.rows_written(message.body):
                self.writes = True
            elif message.body[:6].lower() == COMMIT and self._commits and self.writes and self._armed(self):
                self._told("lost", self)
                self.reset()
                return
        self._pass(data, to_server=False)

    def _pass(self, data: bytes, *, to_server: bool) -> None:
        loop = asyncio.get_running_loop()
        if self._hole:
            self.held += len(data)
            return
        now = loop.time()
        due = max(now + self._delay, self._last[to_server])
        if self._delay:
            self.held += len(data)
        if due <= now:
            self._write(data, to_server)
        else:
            self._last[to_server] = due
            loop.call_at(due, self._write, data, to_server)

    def _write(self, data: bytes, to_server: bool) -> None:
        if to_server and self.server is None:
            self._waiting.append(data)
            return
        transport = self.server if to_server else self.client
        if transport is not None and not transport.is_closing():
            transport.write(data)

    def connected(self, server: asyncio.Transport) -> None:
        """The database took the connection."""
        self.server = server
        for data in self._waiting:
            server.write(data)
        self._waiting.clear()

    # -- what is done to it

    def slow_down(self, seconds: float) -> None:
        """Every message from now on arrives so much later; 0 ends that."""
        self._delay, self.held = seconds, 0

    def fall_silent(self) -> None:
        """Nothing passes any more, and nobody is told."""
        self._hole, self.held = True, 0

    def reset(self) -> None:
        """Both sides are closed; the client is told by a TCP reset."""
        self.closed = True
        for transport in (self.client, self.server):
            if transport is None:
                continue
            sock: Any = transport.get_extra_info("socket")
            if sock is not None and sock.family == socket.AF_INET:
                # Without lingering, close sends RST instead of FIN.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()

    def end(self) -> None:
        """One side has closed: so does the other, after what is still to be written."""
        self.closed = True
        for transport in (self.client, self.server):
            if transport is not None and not transport.is_closing():
                transport.close()
