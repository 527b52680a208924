"""UDP components, over a socket that never leaves the process."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from circuits import Component, Event, Manager
from circuits.net import sockets
from circuits.net.events import broadcast
from circuits.net.sockets import Close, UDP6Client, UDP6Server, UDPClient, UDPServer, Write
from circuits.testing import Recorder, VirtualClock, settle

from .net_fakes import failure

ADDRESS = ("192.0.2.1", 53)
PEER = ("192.0.2.9", 4711)

Run = Callable[[Manager], Manager]


class FakeDatagrams:
    """A datagram socket: what is put in can be received, and what is sent is kept.

    Attributes:
        sent: Address and data of each datagram that has left.
        problems: Raised by the next calls of ``sendto``, in turn.
        error: What the system says about the socket when asked.
    """

    def __init__(self) -> None:
        self._here, self._there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._here.setblocking(False)
        self.arrived: list[tuple[Any, bytes | Exception]] = []
        self.sent: list[tuple[Any, bytes]] = []
        self.problems: list[Exception] = []
        self.error = 0
        self.sizes: set[int] = set()

    def put(self, data: bytes | Exception, address: Any = PEER) -> None:
        self.arrived.append((address, data))
        self._there.send(b"!")

    def recvfrom(self, size: int) -> tuple[bytes, Any]:
        self.sizes.add(size)
        self._here.recv(1)
        address, data = self.arrived.pop(0)
        if isinstance(data, Exception):
            raise data
        return data[:size], address

    def sendto(self, data: bytes, address: Any) -> int:
        if self.problems:
            raise self.problems.pop(0)
        self.sent.append((address, data))
        return len(data)

    def getsockname(self) -> Any:
        if self.fileno() < 0:
            raise OSError("closed")
        return ADDRESS

    def getsockopt(self, *option: int) -> int:
        return self.error

    def fileno(self) -> int:
        return self._here.fileno()

    def shutdown(self, how: int) -> None:
        raise OSError(errno.ENOTCONN, "not connected")

    def close(self) -> None:
        self._here.close()
        self._there.close()


class FakeServer(UDPServer):
    def _create_socket(self) -> Any:
        self.wire = FakeDatagrams()
        return self.wire


class Application(Manager):
    def __init__(self, *others: Any, **options: Any) -> None:
        super().__init__()
        self.server = FakeServer(ADDRESS, **options).register(self)
        self.wire = self.server.wire
        self.recorder = Recorder(
            "ready", "read", "socket_error", "pause", "resume", "closed", "disconnect", "error"
        ).register(self)
        for other in others:
            other.register(self)

    def told(self) -> list[tuple[Any, ...]]:
        settle(self)
        told = [(r.name, *r.args) for r in self.recorder.records]
        self.recorder.records.clear()
        return told


@pytest.fixture
def serving(app_runner: Run) -> Callable[..., Application]:
    def serve(*others: Any, **options: Any) -> Application:
        app = Application(*others, **options)
        app_runner(app)
        assert app.told() == [("ready", app.server, ADDRESS)]
        return app

    return serve


Serving = Callable[..., Application]


def test_datagrams_come_whole_and_with_their_sender(serving: Serving) -> None:
    app = serving()
    for data in (b"one", b"", bytes(65507)):
        app.wire.put(data)
    assert app.told() == [("read", PEER, data) for data in (b"one", b"", bytes(65507))]


@pytest.mark.parametrize(("given", "size"), [({}, 65535), ({"bufsize": 4096}, 4096)])
def test_only_a_size_that_was_asked_for_cuts(
    serving: Serving, given: dict[str, Any], size: int
) -> None:
    app = serving(**given)
    app.wire.put(bytes(5000))
    ((_, _, data),) = app.told()
    assert len(data) == min(size, 5000)
    assert app.wire.sizes == {size}


def test_what_is_returned_goes_back_to_the_sender(serving: Serving) -> None:
    class Echo(Component):
        channel = "server"

        def read(self, address: Any, data: bytes) -> bytes:
            return data.upper()

    app = serving(Echo())
    app.wire.put(b"one")
    app.wire.put(b"two", ("192.0.2.8", 1))
    settle(app)
    assert app.wire.sent == [(PEER, b"ONE"), (("192.0.2.8", 1), b"TWO")]


def test_each_write_is_one_datagram(serving: Serving) -> None:
    app = serving()
    app.fire(Write(PEER, b"one"), "server")
    settle(app)
    app.server.write(PEER, bytearray(b"two"))
    app.server.write(PEER, b"")
    assert app.wire.sent == [(PEER, b"one"), (PEER, b"two"), (PEER, b"")]
    with pytest.raises(TypeError, match="encode"):
        app.server.write(PEER, "text")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        app.server.write(None, b"x")


def test_a_write_to_a_connection_of_another_server_is_left_to_that(serving: Serving) -> None:
    app = serving()
    with socket.socket() as other:
        app.fire(Write(other, b"x"), "server")
        app.fire(Close(other), "server")
        assert app.told() == []
    assert app.wire.sent == []


def test_broadcast(serving: Serving) -> None:
    app = serving()
    app.fire(broadcast(b"one", 9), "server")
    app.fire(Event.create("Broadcast", b"two", 9), "server")
    settle(app)
    assert app.wire.sent == [(("<broadcast>", 9), b"one"), (("<broadcast>", 9), b"two")]


def test_what_cannot_be_sent_now_is_sent_later_in_order(serving: Serving) -> None:
    app = serving()
    app.wire.problems = [failure(errno.EAGAIN), failure(errno.ENOBUFS)]
    for data in (b"1", b"2", b"3"):
        app.server.write(PEER, data)
    assert app.wire.sent == []
    assert app.told() == []
    assert [data for _, data in app.wire.sent] == [b"1", b"2", b"3"]
    assert not app.server._poller.isWriting(app.wire)  # type: ignore[union-attr]


@pytest.mark.parametrize("number", [errno.ECONNREFUSED, errno.EMSGSIZE, errno.ENETUNREACH])
def test_an_error_of_one_datagram_costs_only_that(serving: Serving, number: int) -> None:
    app = serving()
    app.wire.problems = [problem := failure(number)]
    app.server.write(PEER, b"lost")
    app.server.write(PEER, b"next")
    app.wire.put(late := failure(number))
    app.wire.put(b"still here")
    assert app.told() == [
        ("socket_error", app.wire, problem),
        ("socket_error", app.wire, late),
        ("read", PEER, b"still here"),
    ]
    assert app.wire.sent == [(PEER, b"next")]


def test_a_datagram_for_which_there_is_no_memory_is_lost_alone(serving: Serving) -> None:
    app = serving()
    app.wire.problems = [MemoryError()]
    app.server.write(PEER, b"lost")
    app.server.write(PEER, b"next")
    app.wire.put(MemoryError())
    app.wire.put(b"still here")
    one, two, read = app.told()
    assert [problem.errno for *_, problem in (one, two)] == [errno.ENOMEM] * 2
    assert read == ("read", PEER, b"still here")
    assert app.wire.sent == [(PEER, b"next")]


def test_an_error_that_the_poller_finds_is_told_and_survived(serving: Serving) -> None:
    app = serving()
    app.wire.error = errno.ECONNREFUSED
    app.server._poller.discard(app.wire)  # type: ignore[union-attr]
    app.server._on_hung_up(app.wire)
    ((name, sock, problem),) = app.told()
    assert (name, sock, problem.errno) == ("socket_error", app.wire, errno.ECONNREFUSED)
    app.wire.put(b"on")
    assert app.told() == [("read", PEER, b"on")]


def test_a_socket_that_is_none_any_more_is_given_up(serving: Serving) -> None:
    app = serving()
    app.wire.put(failure(errno.EBADF))
    assert [entry[0] for entry in app.told()] == ["socket_error", "closed", "disconnect"]


def test_pause_resume_and_dropping(serving: Serving) -> None:
    app = serving(high_water=10, low_water=5, max_pending=20)
    app.wire.problems = [failure(errno.EAGAIN)]
    app.server.write(PEER, bytes(8))
    app.server.write(PEER, bytes(8))
    for _ in range(2):
        app.server.write(PEER, bytes(8))  # too much
    pause, dropped, resume = app.told()
    assert pause == ("pause", app.wire)
    assert (dropped[0], dropped[2].errno) == ("socket_error", errno.ENOBUFS)
    assert resume == ("resume", app.wire)
    assert len(app.wire.sent) == 2


def test_closing_once(serving: Serving) -> None:
    app = serving()
    app.fire(Close(), "server")
    app.fire(Close(), "server")
    assert app.told() == [("closed",), ("disconnect", app.wire)]
    assert (app.server.host, app.server.port) == (None, None)
    app.server.write(PEER, b"late")
    app.server._abort()
    assert app.told() == []


def test_closing_waits_for_what_is_pending(serving: Serving) -> None:
    app = serving()
    app.wire.problems = [failure(errno.EAGAIN)]
    app.server.write(PEER, b"rest")
    app.server.close()
    app.server.write(PEER, b"too late")
    app.wire.put(b"unheard")
    assert app.wire.sent == []
    assert app.told() == [("closed",), ("disconnect", app.wire)]
    assert app.wire.sent == [(PEER, b"rest")]


def test_stopping_sends_what_is_pending() -> None:
    app = Application()
    with app.running():
        settle(app)
        app.wire.problems = [failure(errno.EAGAIN)]
        app.server.write(PEER, b"rest")
    assert app.wire.sent == [(PEER, b"rest")]
    assert app.wire.fileno() == -1


def test_leaving_the_tree_closes(serving: Serving) -> None:
    app = serving()
    app.server.unregister()
    assert app.told() == [("closed",), ("disconnect", app.wire)]


# -- names --


class Lookups:
    """Look-ups that answer when they are told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *found: Any) -> None:
        self.asked: list[Any] = []
        self.threads: list[Callable[[], object]] = []

        def getaddrinfo(host: str, *rest: Any) -> Any:
            self.asked.append(host)
            if not found:
                raise socket.gaierror(socket.EAI_NONAME, "unknown")
            return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", (host, 0)) for host in found]

        class Thread:
            def __init__(thread, target: Any, args: Any, **options: Any) -> None:
                thread.start = lambda: self.threads.append(lambda: target(*args))

        monkeypatch.setattr(sockets, "getaddrinfo", getaddrinfo)
        monkeypatch.setattr(threading, "Thread", Thread)

    def answer(self) -> None:
        for work in self.threads:
            work()
        self.threads.clear()


def test_a_name_is_looked_up_once_and_keeps_the_order(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, virtual_clock: VirtualClock
) -> None:
    app, lookups = serving(), Lookups(monkeypatch, "192.0.2.5")
    app.server.write(("example.org", 1), b"one")
    app.server.write(("example.org", 2), b"two")
    app.server.write(PEER, b"other")
    assert app.wire.sent == [(PEER, b"other")]
    lookups.answer()
    settle(app)
    app.server.write(("example.org", 3), b"three")
    assert app.wire.sent[1:] == [
        (("192.0.2.5", 1), b"one"), (("192.0.2.5", 2), b"two"), (("192.0.2.5", 3), b"three"),
    ]  # fmt: skip
    assert lookups.asked == ["example.org"]
    virtual_clock.advance(61)
    app.server.write(("example.org", 4), b"four")
    lookups.answer()
    assert lookups.asked == ["example.org"] * 2


def test_an_unknown_name_is_told(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    app, lookups = serving(), Lookups(monkeypatch)
    app.server.write(("nowhere.example", 1), b"one")
    lookups.answer()
    ((name, sock, problem),) = app.told()
    assert (name, sock, problem.errno) == ("socket_error", app.wire, socket.EAI_NONAME)


def test_closing_waits_for_names(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    app, lookups = serving(), Lookups(monkeypatch, "192.0.2.5")
    app.server.write(("example.org", 1), b"last")
    app.server.close()
    assert app.told() == [("closed",)]
    lookups.answer()
    assert app.told() == [("disconnect", app.wire)]
    assert app.wire.sent == [(("192.0.2.5", 1), b"last")]


# -- what constructors accept --


def test_there_is_no_tls() -> None:
    with pytest.raises(ValueError, match="TLS"):
        FakeServer(ADDRESS, secure=True)
    with pytest.raises(TypeError, match="no option colour"):
        FakeServer(ADDRESS, colour="red")


def test_clients_are_servers() -> None:
    assert UDPClient is UDPServer
    assert UDP6Client is UDP6Server
    assert FakeServer(ADDRESS).channel == "server"


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is set at sockets, instead of setting it."""
    made: list[Any] = []

    class Socket:
        def __init__(self, family: int, kind: int, protocol: int) -> None:
            made.append((family, kind))

        def setsockopt(self, *option: Any) -> None:
            made.append(option)

        def bind(self, address: Any) -> None:
            made.append(("bind", address))

        def setblocking(self, flag: bool) -> None:
            pass

        def close(self) -> None:
            pass

    monkeypatch.setattr("circuits.net._datagrams.socket.socket", Socket)
    return made


def test_options_are_set_before_binding(options: list[Any]) -> None:
    server = UDPServer(
        ADDRESS,
        reuse_port=True,
        multicast_ttl=4,
        multicast_loop=False,
        multicast_interface="127.0.0.1",
        socket_options=[(1, 2, 3)],
    )
    assert options[0] == (socket.AF_INET, socket.SOCK_DGRAM)
    assert options[-1] == ("bind", ADDRESS)
    for option in (
        (socket.SOL_SOCKET, socket.SO_REUSEADDR, 1),
        (socket.SOL_SOCKET, socket.SO_REUSEPORT, 1),
        (socket.SOL_SOCKET, socket.SO_BROADCAST, 1),
        (socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 4),
        (socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, False),
        (socket.IPPROTO_IP, socket.IP_MULTICAST_IF, b"\x7f\0\0\1"),
        (1, 2, 3),
    ):
        assert option in options
    server.join_group("224.0.0.251")
    server.leave_group("224.0.0.251", "127.0.0.1")
    assert options[-2:] == [
        (socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, b"\xe0\0\0\xfb\0\0\0\0"),
        (socket.IPPROTO_IP, socket.IP_DROP_MEMBERSHIP, b"\xe0\0\0\xfb\x7f\0\0\1"),
    ]


def test_options_of_ipv6(options: list[Any]) -> None:
    server = UDP6Server(("::", 0), multicast_ttl=4, multicast_loop=True, multicast_interface=1)
    six = socket.IPPROTO_IPV6
    assert options[0] == (socket.AF_INET6, socket.SOCK_DGRAM)
    for option in (
        (six, socket.IPV6_MULTICAST_HOPS, 4),
        (six, socket.IPV6_MULTICAST_LOOP, True),
        (six, socket.IPV6_MULTICAST_IF, 1),
    ):
        assert option in options
    server.join_group("ff02::fb")
    server.leave_group("ff02::fb", 1)
    group = socket.inet_pton(socket.AF_INET6, "ff02::fb")
    assert options[-2:] == [
        (six, socket.IPV6_JOIN_GROUP, group + bytes(4)),
        (six, socket.IPV6_LEAVE_GROUP, group + (1).to_bytes(4, "little")),
    ]


def test_without_an_address_nothing_is_bound(options: list[Any]) -> None:
    UDPClient(None)
    assert not [option for option in options if option[0] == "bind"]
