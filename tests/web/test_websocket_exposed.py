"""Exposed methods that speak WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from circuits import Component, sleep
from circuits.testing import VirtualClock, settle
from circuits.web import Controller, JSONController, WebSocket, expose
from circuits.web.websockets import ConnectionClosed, broadcast
from circuits.web.wsgi import Application
from tests.web.http_support import FakeSocket
from tests.web.websocket_support import HANDSHAKE, Peer, running


class Echo(Controller):
    @expose.websocket
    async def ws(self, websocket: WebSocket) -> None:
        async for message in websocket:
            await websocket.send(message)

    @expose.websocket("other", "third")
    def generated(self, websocket: WebSocket) -> Generator[Any, Any, None]:
        while True:
            message = yield websocket.receive()
            yield websocket.send(message)

    def index(self) -> str:
        return "a page"


@pytest.mark.parametrize("target", ["/ws", "/other", "/third"])
def test_an_echo(target: str) -> None:
    with running(Echo()) as server:
        peers = [Peer(server, target, early=["early"]), Peer(server, target)]
        assert [peer.received() for peer in peers] == [["early"], []]
        peers[0].send("a", b"b")
        peers[1].send("c", "")
        assert [peer.received() for peer in peers] == [["a", b"b"], ["c", ""]]
        peers[0].close(4000, "bye")
        assert peers[0].received() == [4000]
        assert peers[0].client.is_closed
        peers[1].client.leave()
        assert server.connect().get("/").body == b"a page"


def test_it_wants_a_handshake() -> None:
    with running(Echo()) as server:
        client = server.connect()
        assert client.get("/ws").code == 400
        assert server.connect().get("/generated").code == 404
        assert Peer(server, Sec_WebSocket_Version="7").head.code == 426
        assert Peer(server, Origin="http://elsewhere.example").head.code == 403


def test_segments_and_query_are_arguments() -> None:
    class Room(JSONController):
        channel = "/rooms"

        @expose.websocket
        async def enter(self, websocket: WebSocket, room: str, name: str = "nobody") -> None:
            await websocket.send(f"{name} in {room} at {self.request.path}")
            await asyncio.sleep(0)
            await websocket.send(self.request.qs)

    with running(Room()) as server:
        peer = Peer(server, "/rooms/enter/blue?name=Jo")
        assert peer.received() == ["Jo in blue at /rooms/enter/blue", "name=Jo", 1000]
        assert Peer(server, "/rooms/enter/red").received()[0].startswith("nobody in red")
        assert Peer(server, "/rooms/enter").head.code == 400  # a room is missing


def test_arguments_are_what_annotations_say_before_anybody_is_let_in() -> None:
    class Room(Controller):
        @expose.websocket
        async def enter(
            self, websocket: WebSocket, number: int, tags: list[int] | None = None
        ) -> None:
            await websocket.send(f"{number!r} {tags!r}")

    with running(Room()) as server:
        assert Peer(server, "/enter/5?tags=1&tags=2").received() == ["5 [1, 2]", 1000]
        assert Peer(server, "/enter?number=7").received() == ["7 None", 1000]
        for target in ("/enter/x", "/enter?number=x", "/enter/5?tags=x"):
            assert Peer(server, target).head.code == 400


def test_an_annotation_that_nothing_is_made_into_is_an_error_of_the_class() -> None:
    with pytest.raises(TypeError, match="parameter place"):

        class Room(Controller):
            @expose.websocket
            async def enter(self, websocket: WebSocket, place: Path) -> None: ...


def test_options() -> None:
    class Strict(Controller):
        @expose.websocket(
            origins="https://a.example", subprotocols=["x"], max_message_bytes=10, compression=False
        )
        async def ws(self, websocket: WebSocket) -> None:
            await websocket.send(str(websocket.subprotocol))
            async for _ in websocket:
                pass

    with running(Strict()) as server:
        offer: Any = {
            "Sec_WebSocket_Extensions": "permessage-deflate",
            "Sec_WebSocket_Protocol": "y, x",
        }
        peer = Peer(server, Origin="https://a.example", **offer)
        assert peer.head.headers["sec-websocket-protocol"] == "x"
        assert "sec-websocket-extensions" not in peer.head.headers
        assert peer.received() == ["x"]
        peer.send("x" * 11)
        assert peer.received() == [1009]
        assert Peer(server, Origin="http://test").head.code == 403
    with pytest.raises(TypeError):
        expose.websocket(no_such_option=1)  # type: ignore[call-overload]  # that is the test


@pytest.mark.parametrize("is_generator", [False, True])
def test_what_raises_closes_with_1011(is_generator: bool) -> None:
    class Fails(Controller):
        if is_generator:

            @expose.websocket
            def ws(self, websocket: WebSocket) -> Generator[Any, Any, None]:
                yield websocket.receive()
                raise RuntimeError("oops")

        else:

            @expose.websocket("ws")
            async def awaited(self, websocket: WebSocket) -> None:
                await websocket.receive()
                raise RuntimeError("oops")

        @expose.websocket
        def at_once(self, websocket: WebSocket) -> None:
            raise RuntimeError("at once")

    with running(Fails()) as server:
        peer = Peer(server)
        peer.send("x")
        assert peer.received() == [1011]
        assert Peer(server, "/at_once").received() == [1011]
        server.expected_errors = [  # type: ignore[attr-defined]  # see running
            "RuntimeError('oops')",
            "RuntimeError('at once')",
        ]


def test_what_returns_at_once_closes_with_1000() -> None:
    class Greets(Controller):
        @expose.websocket
        def ws(self, websocket: WebSocket) -> None:
            websocket.send("hello")

    with running(Greets()) as server:
        assert Peer(server).received() == ["hello", 1000]


def test_the_end_of_the_connection_is_seen() -> None:
    seen: list[Any] = []

    class Curious(Controller):
        @expose.websocket
        async def ws(self, websocket: WebSocket) -> None:
            assert websocket.is_open
            assert (websocket.close_code, websocket.close_reason) == (None, "")
            assert websocket.peer == ("192.0.2.1", websocket.sock.number)
            async for message in websocket:
                seen.append(message)
            seen.append((websocket.is_open, websocket.close_code, websocket.close_reason))
            with pytest.raises(ConnectionClosed) as caught:
                await websocket.receive()
            assert (caught.value.code, caught.value.reason) == seen[-1][1:]
            assert str(caught.value.code) in str(caught.value)
            with pytest.raises(ConnectionClosed):
                websocket.send("x")
            await websocket.close()
            assert websocket.peer is None or websocket.close_code != 1006

    with running(Curious()) as server:
        first, second = Peer(server), Peer(server)
        first.send("a")
        first.close(4001, "why not")
        assert seen == ["a", (False, 4001, "why not")]
        second.client.leave()
        assert seen[2:] == [(False, 1006, "")]


@pytest.mark.parametrize("is_generator", [False, True])
def test_sending_to_who_has_gone_is_no_error(
    virtual_clock: VirtualClock, is_generator: bool
) -> None:
    sent = 0

    class Ticks(Controller):
        if is_generator:

            @expose.websocket
            def ws(self, websocket: WebSocket) -> Generator[Any, Any, None]:
                nonlocal sent
                while True:
                    yield websocket.send("tick")
                    sent += 1
                    yield sleep(1)

        else:

            @expose.websocket("ws")
            async def awaited(self, websocket: WebSocket) -> None:
                nonlocal sent
                while True:
                    await websocket.send("tick")
                    sent += 1
                    await sleep(1)

    with running(Ticks()) as server:
        peer = Peer(server)
        settle(server, until=virtual_clock.now + 3.5)
        assert sent == 4
        peer.client.leave()
        settle(server, until=virtual_clock.now + 5)
        assert not list(server._tree_engine.tasks)
        assert sent == 4


@pytest.mark.parametrize("target", ["/ws", "/generated"])
def test_who_does_not_see_the_end_is_cancelled(virtual_clock: VirtualClock, target: str) -> None:
    ends: list[str] = []

    class Sleepy(Controller):
        @expose.websocket
        async def ws(self, websocket: WebSocket) -> None:
            try:
                await sleep(1000)
            finally:
                ends.append("cancelled")

        @expose.websocket
        def generated(self, websocket: WebSocket) -> Generator[Any, Any, None]:
            try:
                yield sleep(1000)
            finally:
                ends.append("cancelled")

    with running(Sleepy()) as server:
        peer = Peer(server, target)
        peer.client.leave()
        settle(server, until=virtual_clock.now + 9)
        assert ends == []
        settle(server, until=virtual_clock.now + 2)
        assert ends == ["cancelled"]


def test_a_controller_that_leaves_closes_its_connections() -> None:
    with running(echo := Echo()) as server:
        peers = [Peer(server), Peer(server, "/other")]
        echo.unregister()
        settle(server)
        assert [peer.received() for peer in peers] == [[1001], [1001]]


def test_a_stop_is_told() -> None:
    with running(Echo()) as server:
        peer = Peer(server)
        server.stop()
    assert peer.received()[0] == 1001


def test_we_close() -> None:
    done: list[Any] = []

    class Closes(Controller):
        @expose.websocket
        async def ws(self, websocket: WebSocket) -> None:
            await websocket.receive()
            done.append("closing")
            await websocket.close(4002, "enough")
            done.append(websocket.close_code)
            async for message in websocket:
                done.append(message)

    with running(Closes()) as server:
        peer = Peer(server)
        peer.send("x", "this is forgotten")
        assert peer.received() == [4002]
        assert done == ["closing"]
        peer.close(4002)
        assert done == ["closing", 4002]


def test_sending_waits_for_the_client() -> None:
    sent: list[int] = []

    class Source(Controller):
        @expose.websocket
        async def ws(self, websocket: WebSocket) -> None:
            for number in range(10):
                await websocket.send("x" * 600)
                sent.append(number)

        @expose.websocket
        def generated(self, websocket: WebSocket) -> Generator[Any, Any, None]:
            for number in range(10):
                yield websocket.send("x" * 600)
                sent.append(number)

    for target in ("/ws", "/generated"):
        sent.clear()
        with running(Source()) as server:
            server.server.high_water = 1000
            peer = Peer(server, target)
            assert len(sent) == 1
            server.server.take(peer.sock)
            settle(server)
            assert len(sent) == 3
            peer.client.leave()
            assert len(sent) == 3
            assert not list(server._tree_engine.tasks)


def test_receiving_is_for_one() -> None:
    problems: list[str] = []

    class Greedy(Controller):
        @expose.websocket
        async def ws(self, websocket: WebSocket) -> None:
            first = asyncio.ensure_future(_next(websocket))
            await asyncio.sleep(0)
            try:
                await websocket.receive()
            except RuntimeError as problem:
                problems.append(str(problem))
            await websocket.send(await first)

        @expose.websocket
        def generated(self, websocket: WebSocket) -> Generator[Any, Any, None]:
            waiting = websocket.receive()
            websocket._receiving = waiting  # as if another handler had it
            try:
                yield websocket.receive()
            except RuntimeError as problem:
                problems.append(str(problem))

    with running(Greedy()) as server:
        peer = Peer(server)
        peer.send("x")
        assert peer.received() == ["x", 1000]
        Peer(server, "/generated")
        assert problems == ["another handler is receiving from this WebSocket"] * 2


async def _next(websocket: WebSocket) -> Any:
    return await websocket.receive()


def test_a_receiver_that_is_cancelled_loses_nothing() -> None:
    class Impatient(Controller):
        @expose.websocket
        async def ws(self, websocket: WebSocket) -> None:
            task = asyncio.ensure_future(_next(websocket))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.sleep(0)
            await websocket.send(await websocket.receive())

    with running(Impatient()) as server:
        peer = Peer(server)
        peer.send("x")
        assert peer.received() == ["x", 1000]


def test_nothing_more_is_read_while_nobody_receives(virtual_clock: VirtualClock) -> None:
    got: list[Any] = []

    class Slow(Controller):
        @expose.websocket(ping_interval=None)
        async def ws(self, websocket: WebSocket) -> None:
            await sleep(10)
            async for message in websocket:
                got.append(message)
                if len(got) % 100 == 0:
                    await sleep(1)

    with running(Slow()) as server:
        peer = Peer(server)
        peer.send(*map(str, range(1000)))
        assert peer.sock in server.server.held
        settle(server, until=virtual_clock.now + 100)
        assert got == [str(number) for number in range(1000)]
        assert peer.sock not in server.server.held
        peer.send("more")
        assert got[-1] == "more"


def test_a_broadcast_among_them() -> None:
    class Chat(Controller):
        everybody: set[WebSocket] = set()

        @expose.websocket
        async def ws(self, websocket: WebSocket) -> None:
            self.everybody.add(websocket)
            try:
                async for message in websocket:
                    broadcast(self.everybody, message)
            finally:
                self.everybody.discard(websocket)

    with running(Chat()) as server:
        peers = [Peer(server) for _ in range(3)]
        peers[0].send("hello")
        assert [peer.received() for peer in peers] == [["hello"]] * 3
        peers[1].client.leave()
        assert len(Chat.everybody) == 2
        peers[0].send("still here")
        assert [peer.received() for peer in (peers[0], peers[2])] == [["still here"]] * 2


def test_in_a_component() -> None:
    class Everything(Component):
        channel = "web"

        @expose.websocket("request")
        async def talk(self, websocket: WebSocket) -> None:
            await websocket.send(websocket.request.path if websocket.request else "")

    with running(Everything()) as server:
        assert Peer(server, "/any/where").received() == ["/any/where", 1000]


def test_own_attributes_and_looks() -> None:
    shown: list[str] = []

    class Named(Controller):
        @expose.websocket
        async def ws(self, websocket: WebSocket) -> None:
            websocket.name = "Jo"  # type: ignore[attr-defined]  # of the application
            shown.append(repr(websocket))
            await websocket.close()
            shown.append(repr(websocket))

    with running(Named()) as server:
        peer = Peer(server)
        peer.received()
        peer.close()
        assert shown == [f"<WebSocket of {peer.sock!r}, {state}>" for state in ("open", "closed")]
        assert isinstance(peer.sock, FakeSocket)


def test_other_servers_have_no_connection_to_take_over() -> None:
    answers: list[str] = []
    application = Application() + Echo()
    environ = {
        "REQUEST_METHOD": "GET",
        "SERVER_NAME": "test",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "PATH_INFO": "/ws",
        "HTTP_HOST": "test",
        "wsgi.url_scheme": "http",
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in HANDSHAKE.items()},
    }
    try:
        application(environ, lambda status, fields: answers.append(status))
    finally:
        application.stop()
        application.join()
    assert answers == ["501 Not Implemented"]
