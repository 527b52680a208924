"""A WebSocket client in memory, which speaks through the codec and shows what it was told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from circuits import BaseComponent, Manager, handler
from circuits._wire.websocket import Close, Codec, Deflate
from circuits.net.sockets import Disconnect
from circuits.testing import VirtualClock, settle
from circuits.testing.clock import installed_clock
from circuits.web.dispatchers.dispatcher import Dispatcher
from tests.web.http_support import Client, Errors, MemoryServer, Reply, get

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


def handshake(target: str = "/ws", method: str = "GET", version: str = "1.1", **more: Any) -> bytes:
    fields = {**HANDSHAKE, **{name.replace("_", "-"): value for name, value in more.items()}}
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return get(target, *lines, method=method, version=version)


class Peer:
    """A client of a :class:`MemoryServer`, after its handshake.

    Attributes:
        client: The connection.
        head: The answer to the handshake.
        codec: Of its side.
    """

    def __init__(
        self,
        server: MemoryServer,
        target: str = "/ws",
        early: Any = (),
        deflate: Deflate | None = None,
        **more: Any,
    ) -> None:
        self.client: Client = server.connect()
        self.codec = Codec(True, deflate)
        self._seen = 0
        data = b"".join(self.codec.send(message) for message in early)
        self.client.feed(handshake(target, **more) + data)
        head, mark, _ = self.client.received.partition(b"\r\n\r\n")
        self.head = Reply(head)
        self._seen = len(head) + len(mark)

    @property
    def sock(self) -> Any:
        return self.client.sock

    def send(self, *messages: Any) -> None:
        self.client.feed(b"".join(self.codec.send(message) for message in messages))

    def raw(self, data: bytes) -> None:
        self.client.feed(data)

    def close(self, code: int | None = 1000, reason: str = "") -> None:
        self.client.feed(self.codec.send_close(code, reason))

    def received(self) -> list[Any]:
        """What has come since this was asked last; a close frame as its code."""
        received = self.client.received
        data, self._seen = received[self._seen :], len(received)
        self.codec.receive_data(data)
        found = []
        while (message := self.codec.next_message()) is not None:
            found.append(message.code if isinstance(message, Close) else message)
        return found


class Journal(BaseComponent):
    """Notes the events of a channel, and does what a test says with each."""

    def __init__(self, channel: str = "ws", act: Any = None) -> None:
        super().__init__(channel=channel)
        self.seen: list[tuple[Any, ...]] = []
        self.noted: list[Any] = []
        self._act = act

    def _note(self, name: str, event: Any, args: tuple[Any, ...]) -> Any:
        self.seen.append((name, *args))
        self.noted.append(event)
        return self._act(self, name, *args) if self._act is not None else None

    @handler("connect")
    def _on_connect(self, event: Any, *args: Any) -> Any:
        return self._note("connect", event, args)

    @handler("connected")
    def _on_connected(self, event: Any, *args: Any) -> Any:
        return self._note("connected", event, args)

    @handler("read")
    def _on_read(self, event: Any, *args: Any) -> Any:
        return self._note("read", event, args)

    @handler("close", priority=1)
    def _on_close(self, event: Any, *args: Any) -> Any:
        return self._note("close", event, args)

    @handler("socket_error")
    def _on_socket_error(self, event: Any, *args: Any) -> Any:
        return self._note("socket_error", event, args)

    @handler("pause")
    def _on_pause(self, event: Any, *args: Any) -> Any:
        return self._note("pause", event, args)

    @handler("resume")
    def _on_resume(self, event: Any, *args: Any) -> Any:
        return self._note("resume", event, args)

    @handler("disconnect")
    def _on_disconnect(self, event: Any, *args: Any) -> Any:
        return self._note("disconnect", event, args)

    @handler("disconnected")
    def _on_disconnected(self, event: Any, *args: Any) -> Any:
        return self._note("disconnected", event, args)

    @handler("not_connected")
    def _on_not_connected(self, event: Any, *args: Any) -> Any:
        return self._note("not_connected", event, args)

    def names(self) -> list[str]:
        return [name for name, *_ in self.seen]


@contextmanager
def running(*parts: Manager, **options: Any) -> Iterator[MemoryServer]:
    """A server in memory with a dispatcher; nothing may be left when it ends.

    Time passes only where the test lets it: with the real clock, pings come in between where the machine is
    busy for long.
    """
    time = nullcontext() if installed_clock() else VirtualClock()
    server = MemoryServer(*parts, **options)
    Dispatcher().register(server)
    errors = Errors().register(server)
    with time, server.running():
        settle(server)
        yield server
        for sock in list(server.http._connections):
            server.fire(Disconnect(sock))
        settle(server)
        problems = [repr(problem) for problem in errors.seen]
        expected = getattr(server, "expected_errors", [])
        assert problems == expected
    assert not server.http._connections
    assert not list(server._tree_engine.tasks)
