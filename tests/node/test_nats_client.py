"""What is used of nats-py beyond its documented interface: a release without it fails here."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import socket
import threading
from typing import Any

import pytest
from nats.aio.client import Client
from nats.aio.subscription import Subscription
from nats.aio.transport import TcpTransport
from nats.errors import Error

from circuits.node._nats_client import (
    SturdyClient,
    abandon,
    arrive,
    denial_in,
    server_name,
    when_deaf,
)
from circuits.node._nats_writer import Writer

INFO = {"server_id": "NA", "version": "2.15.0", "headers": True, "max_payload": 1 << 20}


class StalledServer:
    """Says hello, answers the first ping, and reads no more."""

    def __init__(self, **info: object) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.info = {**INFO, **info}
        self.peer: socket.socket | None = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        self.peer, _ = self.listener.accept()
        self.peer.sendall(b"INFO " + json.dumps(self.info).encode() + b"\r\n")
        received = b""
        while b"PING\r\n" not in received:
            received += self.peer.recv(4096)
        self.peer.sendall(b"PONG\r\n")

    def is_closed(self) -> bool:
        assert self.peer is not None
        self.peer.settimeout(10)
        try:
            while self.peer.recv(1 << 20):
                pass
        except ConnectionResetError:
            pass
        return True

    def close(self) -> None:
        self.thread.join(10)
        self.listener.close()
        if self.peer is not None:
            self.peer.close()


def test_the_client_has_the_names_that_are_used_of_it() -> None:
    client = Client()
    assert isinstance(client._server_info, dict)
    assert hasattr(client, "_transport")
    assert hasattr(TcpTransport(), "_io_writer")  # type: ignore[no-untyped-call]
    parameters = ["sid", "subject", "reply", "data", "headers"]
    assert [*inspect.signature(client._process_msg).parameters] == parameters
    assert inspect.iscoroutinefunction(client._process_msg)
    assert client._reading_task is None
    # Documented, and meant to hand out what has come already before it ends.
    assert inspect.iscoroutinefunction(Subscription.drain)


@pytest.mark.integration
@pytest.mark.parametrize(("info", "name"), [({"server_name": "one"}, "one"), ({}, "NA")])
def test_the_name_of_the_server(info: dict[str, str], name: str) -> None:
    server = StalledServer(**info)

    async def body() -> None:
        client = Client()
        await client.connect(f"nats://127.0.0.1:{server.port}", allow_reconnect=False)
        assert server_name(client) == name
        await abandon(client)

    try:
        asyncio.run(body())
    finally:
        server.close()


@pytest.mark.integration
@pytest.mark.parametrize("is_cancelled", [False, True])
def test_a_client_that_nobody_reads_from_is_ended(is_cancelled: bool) -> None:
    server = StalledServer()

    async def body() -> None:
        client = Client()
        await client.connect(
            f"nats://127.0.0.1:{server.port}",
            allow_reconnect=False,
            pending_size=1 << 30,
        )

        async def take(message: object) -> None: ...

        waiting = (await client.subscribe("news", cb=take))._wait_for_msgs_task
        assert waiting is not None
        for _ in range(64):
            await client.publish("much", bytes(1 << 20))
        abandoning = asyncio.create_task(abandon(client))
        if is_cancelled:  # the application ends before the server has been waited for
            await asyncio.sleep(0)
            abandoning.cancel()
        done, _ = await asyncio.wait([abandoning, waiting], timeout=5)
        assert done == {abandoning, waiting}

    try:
        asyncio.run(body())
        assert server.is_closed()
    finally:
        server.close()


@pytest.mark.parametrize("messages", [1, 3])
def test_a_writer_that_is_cancelled_ends_although_the_client_goes_on(messages: int) -> None:
    """nats-py takes a cancellation while it writes for its own, and returns."""

    class Stalled:
        is_connected = True
        pending_data_size = 0
        published = 0

        async def publish(self, *args: object) -> None:
            self.published += 1
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    async def run() -> None:
        client: Any = Stalled()
        writer = Writer(client, lambda: None, lambda problem: None)
        for _ in range(messages):
            writer.publish("a", b"", "", None)
        await asyncio.sleep(0.01)
        writer.cancel()
        done, _ = await asyncio.wait([writer._task], timeout=2)
        while not writer._task.done():
            writer._task.cancel()
            await asyncio.sleep(0)
        assert done
        assert client.published == 1

    asyncio.run(run())


@pytest.mark.parametrize(
    ("text", "denial"),
    [
        ('nats: permissions violation for publish to "a.b.c"', (True, "a.b.c")),
        ("nats: 'Permissions Violation for Publish to \"A.b\"'", (True, "a.b")),
        ('nats: permissions violation for subscription to "a.>"', (False, "a.>")),
        (
            'nats: permissions violation for subscription to "a.>" using queue "b"',
            (False, "a.>"),
        ),
        ("nats: authorization violation", None),
        ("", None),
    ],
)
def test_what_the_server_does_not_let_us_do(text: str, denial: object) -> None:
    assert denial_in(Error(text)) == denial


def test_what_was_sent_has_arrived() -> None:
    """One flush is answered although what is pending has not been written yet."""

    async def run() -> bytes:
        received = bytearray()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"INFO " + json.dumps(INFO).encode() + b"\r\n")
            while data := await reader.read(65536):
                received.extend(data)
                writer.write(b"PONG\r\n" * data.count(b"PING\r\n"))
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            client = Client()
            await client.connect(f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            try:
                await client.subscribe("news")
                await arrive(client, 5)
                return bytes(received)
            finally:
                await client.close()

    received = asyncio.run(run())
    assert received.index(b"SUB news") < received.rindex(b"PING\r\n")


def test_a_client_that_reads_no_more_is_noticed() -> None:
    async def run() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"INFO " + json.dumps(INFO).encode() + b"\r\n")
            while data := await reader.read(65536):
                writer.write(b"PONG\r\n" * data.count(b"PING\r\n"))
                if b"SUB" in data:
                    writer.write(b"-ERR \r\n")  # which nats-py does not expect
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            client, deaf = SturdyClient(), asyncio.Event()
            url = f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            await client.connect(url, allow_reconnect=False)
            try:
                when_deaf(client, deaf.set)
                await asyncio.sleep(0)
                assert not deaf.is_set()
                await client.subscribe("news")
                await asyncio.wait_for(deaf.wait(), 5)
                assert client.is_connected  # as far as it knows
            finally:
                await client.close()

    asyncio.run(run())
