"""Servers: what they bind, what they know of themselves, what they are made of."""

from __future__ import annotations

import io
import logging
import os
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from circuits import BaseComponent
from circuits.core.pollers import BasePoller, Select
from circuits.core.utils import findtype
from circuits.net.sockets import TCP6Server, TCPServer, UNIXServer
from circuits.testing import Recorder, settle
from circuits.web import BaseServer, Controller, Server
from circuits.web.constants import SERVER_VERSION
from circuits.web.dispatchers.dispatcher import Dispatcher
from circuits.web.http import HTTP
from circuits.web.servers import FakeSock, StdinServer
from tests.web.http_support import get, parse

Make = Callable[..., Any]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes servers, and closes them in the end."""
    made: list[BaseServer] = []

    def start(
        kind: type[BaseServer] = BaseServer, bind: Any = ("127.0.0.1", 0), **extra: Any
    ) -> Any:
        made.append(kind(bind, **extra))
        return made[-1]

    yield start
    for server in made:
        server.server.close()
        settle(server)


def _kinds(server: BaseComponent) -> set[type]:
    return {type(component) for component in server.components}


# -- bind ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bind", [("127.0.0.1", 0), ["127.0.0.1", 0], "127.0.0.1:0"])
def test_it_listens_as_soon_as_it_is_made(make: Make, bind: Any) -> None:
    server = make(bind=bind)
    assert type(server.server) is TCPServer
    assert server.host == "127.0.0.1"
    assert server.port > 0
    assert server.base == f"http://127.0.0.1:{server.port}"
    socket.create_connection((server.host, server.port)).close()


@pytest.mark.parametrize("bind", [0, ":0"])
def test_a_port_alone_is_for_all_interfaces(make: Make, bind: Any) -> None:
    server = make(bind=bind)
    assert server.host == "0.0.0.0"
    assert server.base == f"http://127.0.0.1:{server.port}"  # where a client here finds it


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
@pytest.mark.parametrize("bind", [("::1", 0), "[::1]:0"])
def test_ipv6(make: Make, bind: Any) -> None:
    try:
        server = make(bind=bind)
    except OSError:
        pytest.skip("needs IPv6 on the loopback interface")
    assert type(server.server) is TCP6Server
    assert server.host == "::1"
    assert server.base == f"http://[::1]:{server.port}"


def test_other_text_is_the_path_of_a_unix_socket(make: Make, tmp_path: Path) -> None:
    path = str(tmp_path / "sock")
    server = make(bind=path)
    assert type(server.server) is UNIXServer
    assert os.path.exists(path)
    assert server.port is None
    assert server.base.startswith("http://")


def test_an_address_in_use_is_told_at_once(make: Make) -> None:
    taken = make()
    with pytest.raises(OSError, match="in use"):
        make(bind=("127.0.0.1", taken.port))


@pytest.mark.parametrize(
    ("family", "address", "kind"),
    [
        ("AF_INET", ("127.0.0.1", 0), TCPServer),
        ("AF_INET6", ("::1", 0), TCP6Server),
        ("AF_UNIX", "sock", UNIXServer),
    ],
)
def test_a_socket_that_listens_already(
    make: Make, tmp_path: Path, family: str, address: Any, kind: type
) -> None:
    if not hasattr(socket, family):
        pytest.skip(f"needs {family}")
    listener = socket.socket(getattr(socket, family))
    try:
        listener.bind(str(tmp_path / address) if isinstance(address, str) else address)
    except OSError:
        listener.close()
        pytest.skip("needs IPv6 on the loopback interface")
    listener.listen()
    server = make(bind=listener)
    assert type(server.server) is kind
    assert server.host in (listener.getsockname()[0], listener.getsockname())
    assert not listener.getblocking()


@pytest.mark.parametrize(
    ("bind", "problem"),
    [
        (None, TypeError),
        (1.5, TypeError),
        (True, TypeError),
        ("localhost:http", ValueError),
        ("localhost:", ValueError),
        ("host:\u0663", ValueError),
        ((), TypeError),
        (("127.0.0.1",), TypeError),
    ],
)
def test_what_is_no_address(bind: Any, problem: type[Exception]) -> None:
    with pytest.raises(problem):
        BaseServer(bind)


# -- what it is --------------------------------------------------------------------------------------


def test_a_base_server_has_a_transport_and_http(make: Make) -> None:
    server = make()
    settle(server)
    assert _kinds(server) == {TCPServer, HTTP}
    assert server.http.web_server is server
    assert server.channel == server.server.channel == server.http.channel == "web"


def test_a_server_has_a_dispatcher_on_its_channel(make: Make) -> None:
    server = make(Server, channel="other")
    (dispatcher,) = [c for c in server.components if isinstance(c, Dispatcher)]
    assert dispatcher.channel == server.server.channel == "other"


def test_it_tells_about_itself(make: Make) -> None:
    server = make()
    assert (server.scheme, server.secure, server.version) == ("http", False, SERVER_VERSION)
    for name in ("host", "port", "secure", "scheme", "version", "base"):
        with pytest.raises(AttributeError):
            setattr(server, name, None)


@pytest.mark.parametrize(
    ("secure", "port", "base"),
    [
        (False, 80, "http://127.0.0.1"),
        (True, 443, "https://127.0.0.1"),
        (False, 443, "http://127.0.0.1:443"),
        (True, 80, "https://127.0.0.1:80"),
    ],
)
def test_the_usual_port_is_left_out(
    make: Make, monkeypatch: pytest.MonkeyPatch, secure: bool, port: int, base: str
) -> None:
    server = make()
    server._secure = secure
    monkeypatch.setattr(type(server.server), "port", port)
    assert server.base == base


def test_options_reach_those_who_want_them(make: Make) -> None:
    server = make(
        encoding="utf-16be",
        debug=True,
        display_banner=False,
        request_line_bytes=1,
        header_block_bytes=2,
        header_count=3,
        body_bytes=None,
        memory_body_bytes=4,
        stream_buffer_bytes=10,
        header_timeout=5,
        body_timeout=6,
        idle_timeout=7,
        bufsize=8,
        backlog=9,
    )
    http = server.http
    limits = http.limits
    assert (server.debug, server.display_banner, http.encoding) == (True, False, "utf-16be")
    assert (limits.request_line_bytes, limits.header_block_bytes) == (1, 2)
    assert (limits.header_count, limits.body_bytes) == (3, None)
    assert (limits.memory_body_bytes, limits.stream_buffer_bytes) == (4, 10)
    assert (limits.header_timeout, limits.body_timeout, limits.idle_timeout) == (5, 6, 7)


def test_every_limit_is_finite_by_default(make: Make) -> None:
    http = make().http
    limits = http.limits
    assert (limits.request_line_bytes, limits.header_block_bytes) == (8 * 1024, 64 * 1024)
    assert (limits.header_count, limits.body_bytes) == (100, 16 * 1024 * 1024)
    assert (limits.memory_body_bytes, limits.stream_buffer_bytes) == (1024 * 1024, 256 * 1024)
    assert (limits.header_timeout, limits.body_timeout, limits.idle_timeout) == (30, 60, 75)


@pytest.mark.parametrize("is_taken_over", [False, True])
def test_the_file_of_a_socket_is_removed_unless_another_server_has_it(
    tmp_path: Path, is_taken_over: bool
) -> None:
    path = tmp_path / "socket"
    server = BaseServer(str(path), mode=0o660)
    with server.running():
        settle(server)
        assert path.stat().st_mode & 0o777 == 0o660
        others = [BaseServer(str(path))] if is_taken_over else []
    assert path.exists() is is_taken_over
    for other in others:
        other.server.close()
    assert not path.exists()


def test_tls_takes_a_context() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server = BaseServer(("127.0.0.1", 0), tls=context)
    assert (server.secure, server.scheme) == (True, "https")
    server.server.close()
    for options in (
        {"tls": True},
        {"tls": context, "secure": True},
        {"tls": context, "certfile": "x"},
    ):
        with pytest.raises(TypeError, match="tls"):
            BaseServer(("127.0.0.1", 0), **options)


def test_an_unknown_option_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="header_timout"):
        BaseServer(("127.0.0.1", 0), header_timout=5)


def test_ready_is_fired_on_its_channel(make: Make) -> None:
    server = make(channel="other")
    recorder = Recorder("ready").register(server)
    with server.running():
        settle(server)
    record = recorder.expect("ready", on="other")
    assert record.args[0] is server.server


class Screen(io.StringIO):
    """A terminal, or not."""

    def __init__(self, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


@pytest.mark.parametrize(
    ("is_terminal", "is_logged", "options", "is_told"),
    [
        (True, False, {}, True),
        (False, False, {}, False),
        (True, True, {}, False),
        (True, False, {"display_banner": False}, False),
    ],
)
def test_a_terminal_is_told_where_it_listens_unless_there_is_logging(
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    is_terminal: bool,
    is_logged: bool,
    options: dict[str, Any],
    is_told: bool,
) -> None:
    server = make(**options)
    where = server.base
    screen = Screen(is_terminal)
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr(logging.getLogger("circuits"), "propagate", is_logged)
    caplog.set_level(logging.INFO, "circuits.web")
    with server.running():
        settle(server)
    told = screen.getvalue()
    assert told == (f"Serving on {where} (Ctrl-C stops)\n" if is_told else "")
    assert any(" serves on http://127.0.0.1:" in text for text in caplog.messages) == is_logged


def test_leaving_the_tree_closes_the_listener(make: Make) -> None:
    root = BaseComponent()
    server = make()
    server.register(root)
    settle(root)
    server.unregister()
    settle(root)
    assert server.port is None


def test_servers_on_different_channels_do_not_meet(make: Make) -> None:
    one, other = make(channel="one"), make(channel="other")
    assert one.http.web_server is one
    assert other.http.web_server is other
    assert one.base != other.base


def test_the_socket_that_is_none() -> None:
    assert FakeSock().getpeername() == (None, None)


# -- standard input ------------------------------------------------------------------------------------


class Root(Controller):
    def index(self) -> str:
        return "index"

    def late(self) -> Any:
        yield None
        yield "late"

    def peer(self) -> str:
        return str(self.request.remote.ip)


class _Output:
    def __init__(self) -> None:
        self.buffer = io.BytesIO()


@pytest.fixture
def converse(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[bytes, str], bytes]:
    """Gives something to standard input, and returns what came out until the end."""

    def start(data: bytes, kind: str) -> bytes:
        if kind == "file":
            path = tmp_path / "requests"
            path.write_bytes(data)
            number = os.open(path, os.O_RDONLY)
        else:
            number, end = os.pipe()
            os.write(end, data)
            os.close(end)
        output = _Output()
        with os.fdopen(number) as source:
            monkeypatch.setattr(sys, "stdin", source)
            monkeypatch.setattr(sys, "stdout", output)
            server = StdinServer()
            Root().register(server)
            with server.running():
                settle(server, lambda: not server.running)
        return output.buffer.getvalue()

    return start


@pytest.mark.parametrize("kind", ["file", "pipe"])
def test_standard_input_is_answered_on_standard_output(
    converse: Callable[[bytes, str], bytes], kind: str
) -> None:
    output = converse(get("/") + get("/late") + get("/missing") + get("/peer"), kind)
    replies = parse(output)
    assert [reply.code for reply in replies] == [200, 200, 404, 200]
    assert [replies[i].body for i in (0, 1, 3)] == [b"index", b"late", b"None"]


@pytest.mark.parametrize("kind", ["file", "pipe"])
def test_a_client_may_end_the_conversation(
    converse: Callable[[bytes, str], bytes], kind: str
) -> None:
    (reply,) = parse(converse(get("/", "Connection: close") + get("/"), kind))
    assert reply.headers["connection"] == "close"


@pytest.mark.parametrize("kind", ["file", "pipe"])
@pytest.mark.parametrize(("data", "codes"), [(b"", []), (get("/")[:-2], [400])])
def test_input_that_ends_too_early(
    converse: Callable[[bytes, str], bytes], kind: str, data: bytes, codes: list[int]
) -> None:
    assert [reply.code for reply in parse(converse(data, kind))] == codes


def test_standard_input_is_read_at_the_poller_of_the_application(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    number, end = os.pipe()
    os.close(end)
    with os.fdopen(number) as source:
        monkeypatch.setattr(sys, "stdin", source)
        monkeypatch.setattr(sys, "stdout", _Output())
        server = StdinServer()
        poller = Select().register(server)
        with server.running():
            settle(server, lambda: not server.running)
        assert findtype(server, BasePoller, all=True) == [poller]


def test_the_server_of_standard_input_tells_about_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull) as source:
        monkeypatch.setattr(sys, "stdin", source)
        monkeypatch.setattr(sys, "stdout", _Output())
        server = StdinServer("latin-1", "other")
    assert (server.port, server.secure, server.channel) == (0, False, "other")
    assert server.base.startswith("http://")
    assert server.host
    assert server.http.encoding == "latin-1"
    assert not [c for c in server.components if isinstance(c, BasePoller)]


@pytest.mark.parametrize("mode", ["660", -1, 0o10660, 6.6])
def test_a_mode_that_is_none_is_refused_before_there_is_a_file(tmp_path: Path, mode: Any) -> None:
    path = tmp_path / "socket"
    with pytest.raises(ValueError, match=r"mode must be a number such as 0o660, not"):
        BaseServer(str(path), mode=mode)
    assert not path.exists()
