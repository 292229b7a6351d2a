"""The proxy's process: takes connections, forwards them, and follows orders that come through a pipe."""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from lockstep.proof.stress.proxy.link import Link

Order = dict[str, Any]


class Forwarding:
    """All links, and what is done to them; every order is answered by a document."""

    def __init__(self, socket_path: str) -> None:
        self._socket_path = socket_path
        self.links: dict[int, Link] = {}
        self._number = 0
        self._loses = ""
        self.lost: list[str] = []
        self.errors: Counter[str] = Counter()
        self._chance = random.Random()  # noqa: S311 (chooses victims, protects nothing)

    # -- connections

    def take(self) -> "ClientSide":
        """A new link for a client."""
        self._number += 1
        link = Link(self._number, self._is_to_lose, self._heard)
        self.links[link.number] = link
        return ClientSide(self, link)

    async def connect(self, link: Link) -> None:
        """The database's side of the link is there, or the client is told that it is not."""
        loop = asyncio.get_running_loop()
        try:
            await loop.create_unix_connection(lambda: ServerSide(self, link), self._socket_path)
        except OSError:
            link.reset()
            self.forget(link)

    def forget(self, link: Link) -> None:
        """The link has ended."""
        self.links.pop(link.number, None)

    def _is_to_lose(self, link: Link) -> bool:
        return bool(self._loses) and link.name.startswith(self._loses)

    def _heard(self, what: str, link: Link) -> None:
        if what == "lost":
            self.lost.append(link.name)
            self._loses = ""
            self.forget(link)
        else:
            self.errors[what] += 1

    # -- orders

    def follow(self, order: Order) -> Order:
        """The order is carried out."""
        act: Callable[[Order], Order] = getattr(self, f"do_{order['do']}")
        return act(order)

    def _chosen(self, order: Order) -> list[Link]:
        """Some links of this name that live, and are busy where that is wanted."""
        prefix, busy = order.get("name", ""), order.get("busy", True)
        fitting = [
            link
            for link in self.links.values()
            if link.name.startswith(prefix) and not link.closed and (link.busy or not busy)
        ]
        self._chance.shuffle(fitting)
        return fitting[: order.get("count", 1)]

    def do_list(self, order: Order) -> Order:
        """The names of all that are connected, and how many are busy."""
        del order
        return {"names": [link.name for link in self.links.values()], "busy": sum(x.busy for x in self.links.values())}

    def do_reset(self, order: Order) -> Order:
        """Some are cut off by a TCP reset."""
        chosen = self._chosen(order)
        for link in chosen:
            link.reset()
            self.forget(link)
        return {"names": [link.name for link in chosen]}

    def do_lose(self, order: Order) -> Order:
        """The next reply to a commit that wrote something is lost; `name` empty ends that."""
        self._loses = order["name"]
        return {"lost": len(self.lost)}

    def do_lost(self, order: Order) -> Order:
        """How many replies were lost so far, and whose was the last."""
        del order
        return {"lost": len(self.lost), "last": self.lost[-1] if self.lost else ""}

    def do_delay(self, order: Order) -> Order:
        """Messages of some arrive later from now on."""
        chosen = self._chosen(order)
        for link in chosen:
            link.slow_down(order["seconds"])
        return {"links": [link.number for link in chosen], "names": [link.name for link in chosen]}

    def do_hole(self, order: Order) -> Order:
        """Nothing of some passes any more."""
        chosen = self._chosen(order)
        for link in chosen:
            link.fall_silent()
        return {"links": [link.number for link in chosen], "names": [link.name for link in chosen]}

    def do_heal(self, order: Order) -> Order:
        """Those links are as before, or cut off if nothing passed; `held` is how many bytes were delayed or lost."""
        held = 0
        for number in order["links"]:
            link = self.links.get(number)
            if link is None:
                continue
            held += link.held
            link.slow_down(0)
            if order.get("reset"):
                link.reset()
                self.forget(link)
        return {"held": held}

    def do_errors(self, order: Order) -> Order:
        """How many errors of each code the database sent so far."""
        del order
        return {"errors": dict(self.errors)}


class ClientSide(asyncio.Protocol):
    """The side of the client."""

    def __init__(self, forwarding: Forwarding, link: Link) -> None:
        self._forwarding, self._link = forwarding, link
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._link.client = transport
        self._task = asyncio.get_running_loop().create_task(self._forwarding.connect(self._link))

    def data_received(self, data: bytes) -> None:
        self._link.from_client(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._link.end()
        self._forwarding.forget(self._link)


class ServerSide(asyncio.Protocol):
    """The side of the database."""

    def __init__(self, forwarding: Forwarding, link: Link) -> None:
        self._forwarding, self._link = forwarding, link

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if self._link.closed:
            transport.abort()
        else:
            self._link.connected(transport)

    def data_received(self, data: bytes) -> None:
        self._link.from_server(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._link.end()
        self._forwarding.forget(self._link)


def forward(socket_path: str, pipe: Connection) -> None:
    """Forwards until the pipe is closed; tells its port first. The work of the proxy's process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(_forward(socket_path, pipe))


async def _forward(socket_path: str, pipe: Connection) -> None:
    loop = asyncio.get_running_loop()
    forwarding = Forwarding(socket_path)
    server = await loop.create_server(forwarding.take, "127.0.0.1", 0, backlog=512)
    ended = loop.create_future()

    def hear() -> None:
        try:
            pipe.send(forwarding.follow(pipe.recv()))
        except (EOFError, OSError):
            loop.remove_reader(pipe.fileno())
            if not ended.done():
                ended.set_result(None)

    loop.add_reader(pipe.fileno(), hear)
    pipe.send({"port": server.sockets[0].getsockname()[1]})
    await ended
    server.close()
