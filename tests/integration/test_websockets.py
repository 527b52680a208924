"""WebSockets over real sockets, with other people's programs at the other end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import selectors
import socket
import ssl
import subprocess
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import websocket as websocket_client
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection, serve

from circuits import Component
from circuits.net.sockets import Close, Write
from circuits.web import Controller, Server, WebSocket, WebSockets, expose
from circuits.web.client import Connect
from circuits.web.websocket import WebSocketClient
from tests._wire.websocket_support import frame
from tests.certificates import Certificates
from tests.integration.example_support import EXAMPLES
from tests.integration.net_support import (
    SECONDS,
    Journal,
    descriptors,
    dial,
    eventually,
    read_all,
    running,
)
from tests.integration.web_support import running as running_program
from tests.support import require_program
from tests.web.websocket_support import handshake

pytestmark = pytest.mark.integration

MESSAGES: list[str | bytes] = [
    "",
    "hello",
    b"",
    b"\0\xff",
    "ü" * 70,
    b"x" * 126,
    "y" * 65536,
    bytes(700_000),
]


class Echo(Component):
    channel = "ws"

    def read(self, sock: Any, message: str | bytes) -> None:
        if message == "close":
            self.fire(Close(sock, 4000, "as you wish"))
        else:
            self.fire(Write(sock, message))


class Pages(Controller):
    @expose.websocket
    async def chat(self, websocket: WebSocket) -> None:
        async for message in websocket:
            if message == "close":
                await websocket.close(4000, "as you wish")
            else:
                await websocket.send(message)

    @expose.websocket
    def generated(self, websocket: WebSocket) -> Generator[Any, Any, None]:
        while True:
            message = yield websocket.receive()
            if message == "close":
                yield websocket.close(4000, "as you wish")
            yield websocket.send(message)

    @expose.websocket(ping_interval=0.2, ping_timeout=0.2)
    async def flood(self, websocket: WebSocket) -> None:
        while True:
            await websocket.send(b"x" * 65536)


WAYS = ["/ws", "/chat", "/generated"]


class Site:
    """A server with all of them, in a thread."""

    def __init__(self, **options: Any) -> None:
        self.server = Server(("127.0.0.1", 0), **options)
        self.websockets = WebSockets("/ws").register(self.server)
        Echo().register(self.server)
        Pages().register(self.server)
        self.url = self.server.base.replace("http", "ws").replace("127.0.0.1", "localhost")

    @property
    def port(self) -> int:
        port = self.server.port
        assert port is not None
        return port

    def is_quiet(self) -> bool:
        """Whether nothing is left of any connection."""
        return (
            not self.server.http._connections
            and not self.server.server._clients
            and not self.websockets.websockets
            and not list(self.server._tree_engine.tasks)
        )

    @contextlib.contextmanager
    def rest(self) -> Iterator[None]:
        """Whatever happens in the block, nothing of it may be left."""
        before = descriptors()
        yield
        eventually(self.is_quiet, "something is left of a connection")
        assert descriptors() <= before
        assert self.websockets._policy.held_bytes == 0


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    with running(site.server):
        with connect(site.url + "/chat"):
            pass  # the first coroutine opens descriptors for all
        eventually(site.is_quiet, "something is left of the first connection")
        yield site


# -- our server ------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("compression", [None, "deflate"])
def test_the_library_websockets(site: Site, way: str, compression: Any) -> None:
    with site.rest(), connect(site.url + way, compression=compression, max_size=None) as wire:
        for message in MESSAGES:
            wire.send(message)
        wire.send(["in ", "", "parts"])
        assert [wire.recv(SECONDS) for _ in MESSAGES] == MESSAGES
        assert wire.recv(SECONDS) == "in parts"
        assert wire.ping(b"?").wait(SECONDS)
        wire.send("close")
        with pytest.raises(ConnectionClosedError) as caught:
            wire.recv(SECONDS)
        assert caught.value.rcvd is not None
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4000, "as you wish")


@pytest.mark.parametrize("way", WAYS)
def test_the_library_websocket_client(site: Site, way: str) -> None:
    with site.rest():
        wire = websocket_client.create_connection(
            f"ws://127.0.0.1:{site.port}{way}", timeout=SECONDS, header=["X-Test: 1"]
        )
        for message in MESSAGES:
            if isinstance(message, str):
                wire.send(message)
            else:
                wire.send_binary(message)
            opcode, data = wire.recv_data()
            assert data == (message.encode() if isinstance(message, str) else message)
            assert opcode == (1 if isinstance(message, str) else 2)
        wire.ping("?")
        wire.send("close")
        assert wire.recv_data_frame(True)[1].data == b"?"
        frame_ = wire.recv_data_frame(True)[1]
        assert frame_.data == (4000).to_bytes(2) + b"as you wish"
        wire.shutdown()  # type: ignore[no-untyped-call]


def test_what_is_refused(site: Site) -> None:
    with site.rest():
        with pytest.raises(InvalidStatus) as caught, connect(site.url + "/nothing"):
            pass
        assert caught.value.response.status_code == 404
        with pytest.raises(InvalidStatus) as caught:
            connect(site.url + "/ws", origin="https://elsewhere.example").__enter__()  # type: ignore[call-overload]  # a NewType of str
        assert caught.value.response.status_code == 403


def test_many_at_once_never_see_each_other(site: Site) -> None:
    def talk(number: int) -> None:
        chosen = random.Random(number)
        try:
            with connect(site.url + WAYS[number % 3], max_size=None) as wire:
                for _ in range(30):
                    sent = [
                        chosen.randbytes(chosen.choice([1, 10, 1000, 70_000])) for _ in range(5)
                    ]
                    for message in sent:
                        wire.send(message)
                    if [wire.recv(SECONDS) for _ in sent] != sent:
                        wrong.append(number)
        except Exception as problem:
            wrong.append(problem)

    wrong: list[Any] = []
    with site.rest():
        threads = [threading.Thread(target=talk, args=(number,)) for number in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS)
        assert wrong == []


def test_a_broadcast(site: Site) -> None:
    with site.rest(), contextlib.ExitStack() as stack:
        wires = [stack.enter_context(connect(site.url + "/ws")) for _ in range(5)]
        eventually(lambda: len(site.websockets.websockets) == 5, "not all are there")
        site.server.fire(_call(lambda: site.websockets.broadcast("all " * 100)), "hooks")
        assert [wire.recv(SECONDS) for wire in wires] == ["all " * 100] * 5


def _call(function: Any) -> Any:
    from tests.integration.net_support import do

    return do(function)


def test_a_stop_is_told() -> None:
    site = Site()
    wires: list[ClientConnection] = []
    with contextlib.ExitStack() as stack:
        with running(site.server):
            for way in WAYS:
                wires.append(stack.enter_context(connect(site.url + way)))
                wires[-1].send("x")
                assert wires[-1].recv(SECONDS) == "x"
        for wire in wires:
            with pytest.raises(ConnectionClosed) as caught:
                wire.recv(SECONDS)
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1001


def test_over_tls(certificates: Certificates) -> None:
    site = Site(secure=True, certfile=str(certificates.server))
    trusting = ssl.create_default_context(cafile=certificates.authority)
    answers = Journal("ours")
    client = WebSocketClient(
        site.url.replace("https", "wss") + "/chat", "c", "ours", context=trusting
    )
    with running(site.server, client, answers):
        with connect(site.url.replace("https", "wss") + "/ws", ssl=trusting, max_size=None) as wire:
            for message in MESSAGES:
                wire.send(message)
            assert [wire.recv(SECONDS) for _ in MESSAGES] == MESSAGES
        client.fire(Connect(), "c")
        for message in MESSAGES:
            client.fire(Write(message), "ours")
        answers.expect("read", len(MESSAGES))
        assert [args[0] for args in answers.of("read")] == MESSAGES


# -- our client ------------------------------------------------------------------------------------


@contextlib.contextmanager
def their_server(**options: Any) -> Iterator[str]:
    def talk(wire: ServerConnection) -> None:
        for message in wire:
            if message == "close":
                wire.close(4000, "as you wish")
            elif message == "vanish":
                wire.socket.shutdown(socket.SHUT_RDWR)
            else:
                wire.send(message)

    with serve(talk, "127.0.0.1", 0, max_size=None, **options) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/path?a=b"
        finally:
            server.shutdown()
            thread.join(SECONDS)


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_our_client(compression: Any) -> None:
    with their_server(compression=compression, subprotocols=["b"]) as url:
        client = WebSocketClient(url, subprotocols=["a", "b"])
        messages, below = Journal("ws"), Journal("wsclient")
        with running(client, messages, below):
            client.fire(Connect(), "wsclient")
            for message in MESSAGES:
                client.fire(Write(message), "ws")
            messages.expect("read", len(MESSAGES))
            assert [args[0] for args in messages.of("read")] == MESSAGES
            assert client.websocket is not None
            assert client.websocket.subprotocol == "b"
            client.fire(Write("close"), "ws")
            messages.expect("disconnected")
            assert "close" in messages.names
            client.fire(Connect(), "wsclient")
            messages.expect("connected", 2)
            client.fire(Write("vanish"), "ws")
            messages.expect("disconnected", 2)
            client.fire(Connect(), "wsclient")
            messages.expect("connected", 3)
            client.fire(Close(), "ws")
            messages.expect("disconnected", 3)
            assert below.names.count("not_connected") == 0


def test_our_client_refused() -> None:
    with their_server(origins=["https://a.example"]) as url:
        client, below = WebSocketClient(url), Journal("wsclient")
        with running(client, below):
            client.fire(Connect(), "wsclient")
            (reason,) = below.expect("not_connected")
            assert "403" in str(reason)


# -- hostile peers ---------------------------------------------------------------------------------


def _raw(site: Site, way: str = "/ws") -> socket.socket:
    sock = dial(site.port)
    sock.sendall(handshake(way))
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += sock.recv(1)
    assert head.startswith(b"HTTP/1.1 101 ")
    return sock


def _reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("end", [_reset, socket.socket.close], ids=["reset", "close"])
@pytest.mark.parametrize("part", [b"", frame(1, b"x" * 1000)[:500], frame(2, bytes(70_000))[:-1]])
def test_peers_that_vanish_leave_nothing(site: Site, way: str, end: Any, part: bytes) -> None:
    with site.rest():
        for _ in range(20):
            sock = _raw(site, way)
            sock.sendall(part)
            end(sock)


def test_a_peer_that_stops_writing(site: Site) -> None:
    with site.rest():
        sock = _raw(site)
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b""
        sock.close()


_FLOODS = [
    frame(1, b"x") * 5000,
    frame(9, b"ping") * 5000,
    frame(1, b"x", final=False) + frame(0, final=False) * 5000,
    frame(2, bytes(60_000)),
]


@contextlib.contextmanager
def _flooding(socks: list[socket.socket], reads: bool) -> Iterator[None]:
    """Send without an end over all of them.

    One thread does it: many would have to share the interpreter with the server, which would be
    what keeps others waiting.

    Args:
        socks: The connections; each gets one kind of flood.
        reads: Whether the answers are read.
    """

    def flood() -> None:
        while not stop.is_set():
            for key, ready in selector.select(0.05):
                left = key.data
                with contextlib.suppress(BlockingIOError):
                    if ready & selectors.EVENT_WRITE:
                        del left[: key.fileobj.send(left)]  # type: ignore[union-attr]  # a socket
                        left += b"" if left else floods[key.fd]
                    if ready & selectors.EVENT_READ:
                        key.fileobj.recv(65536)  # type: ignore[union-attr]  # likewise

    stop = threading.Event()
    selector = selectors.DefaultSelector()
    floods = {sock.fileno(): _FLOODS[number % 4] for number, sock in enumerate(socks)}
    for sock in socks:
        sock.setblocking(False)
        events = selectors.EVENT_WRITE | (selectors.EVENT_READ if reads else 0)
        selector.register(sock, events, bytearray(floods[sock.fileno()]))
    thread = threading.Thread(target=flood)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(SECONDS)
        selector.close()


def _rss() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
def test_floods_keep_nobody_waiting_and_take_no_memory(site: Site) -> None:
    with site.rest():
        socks = [_raw(site, way) for way in WAYS for _ in _FLOODS]
        before = _rss()
        with _flooding(socks, reads=False), connect(site.url + "/ws") as wire:
            for number in range(50):
                wire.send(str(number))
                assert wire.recv(SECONDS) == str(number)
        assert _rss() - before < 128 * 1024 * 1024
        for sock in socks:
            _reset(sock)


def test_floods_that_go_on_for_ever_keep_nobody_waiting(site: Site) -> None:
    """They read what they get, so nothing but turns keeps them from having all of the time."""
    with site.rest():
        socks = [_raw(site, way) for way in WAYS for _ in _FLOODS for _ in range(3)]
        with _flooding(socks, reads=True):
            for number in range(10):
                with connect(site.url + WAYS[number % 3]) as wire:
                    wire.send(str(number))
                    assert wire.recv(SECONDS) == str(number)
        for sock in socks:
            _reset(sock)


def test_who_does_not_read_is_given_up(site: Site) -> None:
    site.server.server.write_timeout = 0.5
    with site.rest():
        sock = _raw(site, "/flood")
        eventually(
            lambda: any(c.is_congested for c in list(site.server.server._connections.values())),
            "the peer keeps up",
        )
        eventually(site.is_quiet, "the peer was not given up")
        sock.close()


def test_who_does_not_answer_pings_is_given_up(site: Site) -> None:
    with site.rest():
        sock = _raw(site, "/flood")
        with contextlib.suppress(ConnectionResetError):
            assert read_all(sock)  # reads, but answers nothing
        sock.close()


# -- a browser -------------------------------------------------------------------------------------

_PAGE = """<!DOCTYPE html><title>starting</title><body><script>
const log = [];
function note(text) { log.push(text); document.title = log.join("|"); }
const socket = new WebSocket("ws://" + location.host + "/socket/room", ["a", "b"]);
socket.binaryType = "arraybuffer";
socket.onopen = () => { note("open " + socket.protocol); socket.send("hello".repeat(100)); };
socket.onmessage = (event) => {
    if (typeof event.data === "string") {
        note("text " + event.data.length);
        socket.send(new Uint8Array(70000));
    } else {
        note("bytes " + event.data.byteLength);
        socket.send("close");
    }
};
socket.onclose = (event) => {
    note("closed " + event.code + " " + event.reason);
    fetch("/done");
};
</script>
<img src="/until_done">"""


class Browsed(Controller):
    def __init__(self) -> None:
        super().__init__()
        self.is_done = asyncio.Event()

    def index(self) -> str:
        return _PAGE

    def done(self) -> str:
        self.is_done.set()
        return ""

    async def until_done(self) -> str:  # the page is loaded when this is
        await self.is_done.wait()
        return ""

    @expose.websocket(subprotocols=["b"])
    async def socket(self, websocket: WebSocket, room: str) -> None:
        async for message in websocket:
            if message == "close":
                await websocket.close(4000, f"bye from {room}")
            else:
                await websocket.send(message)


def _dump(url: str, folder: Path) -> str:
    chromium = require_program("chromium")
    done = subprocess.run(
        [
            chromium,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            f"--user-data-dir={folder / 'profile'}",
            "--dump-dom",
            url,
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=90,
        env={**os.environ, "HOME": str(folder)},
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_a_browser(tmp_path: Path) -> None:
    server = Server(("127.0.0.1", 0))
    Browsed().register(server)
    with running(server):
        page = _dump(f"{server.base}/", tmp_path)
    assert "open b|text 500|bytes 70000|closed 4000 bye from room" in page


# -- the example -----------------------------------------------------------------------------------


def test_the_chat() -> None:
    with running_program(EXAMPLES / "web" / "chat.py", "-b", "127.0.0.1:0") as program:
        url = program.base.replace("http", "ws") + "/talk"
        assert b"new WebSocket" in program.get("/").body
        with connect(url + "/tea") as ann, connect(url + "/coffee") as carl:
            assert '"is here"' in str(ann.recv(SECONDS))
            with connect(url + "/tea") as bob:
                assert "visitor 3" in str(ann.recv(SECONDS))
                bob.recv(SECONDS)
                ann.send("hello <Bob>")
                assert bob.recv(SECONDS) == '{"name": "visitor 1", "text": "hello <Bob>"}'
                assert "hello" in str(ann.recv(SECONDS))
            assert "has left" in str(ann.recv(SECONDS))
            assert "visitor 2" in str(carl.recv(SECONDS))
            with pytest.raises(TimeoutError):
                carl.recv(0)
