"""Connections of a server against a model: which bytes arrive, what is told, and when they end.

The model counts bytes. How many of them the kernel holds is asked of the kernel, so that what
the server keeps is known exactly: with that, pausing and resuming are no matter of luck.
"""

from __future__ import annotations

import array
import errno
import fcntl
import itertools
import random
import socket
import termios
from contextlib import ExitStack
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from circuits import BaseComponent, Manager, handler
from circuits.core import pollers
from circuits.net._connection import State
from circuits.testing import MemoryConnection, Recorder, VirtualClock, memory_pair, settle
from tests.net.net_fakes import FakeServer, failure
from tests.support import examples

_HIGH, _LOW, _MAX = 6000, 2000, 20_000
_SIZES = st.one_of(st.sampled_from([1, 700, 60_000]), st.integers(1, 20_000))
_WHICH = st.integers(0, 6)
_UNREAD = ("held", "blocked", "congested")  # why nothing is read

_LATER = (errno.EAGAIN, errno.EINTR, errno.ENOBUFS)
_FATAL = (errno.ECONNRESET, errno.EPIPE, errno.ETIMEDOUT, errno.ENOMEM)

_BLOCK = random.Random(1).randbytes(1 << 18)
_offsets = itertools.count(0, 997)


def _data(size: int) -> bytes:
    """Bytes that show where they are from."""
    start = next(_offsets) % (len(_BLOCK) - size)
    return _BLOCK[start : start + size]


class Line:
    """One connection as the model has it."""

    def __init__(self, sock: Any, peer: MemoryConnection, echoes: bool) -> None:
        self.sock, self.peer, self.echoes = sock, peer, echoes
        self.told: list[Any] = ["connect"]
        self.levels: list[tuple[str, int]] = []  # what was pending when it was told
        self.delivered = b""
        self.sent = b""  # by the peer
        self.written = b""  # by the application
        self.taken = b""  # by the peer
        self.is_congested = self.is_held = False
        self.has_ended = False  # the peer has written all that it will
        self.peer_is_gone = False
        self.is_closing = False  # so has the application
        self.is_lost = False  # failed, or reset
        self.is_over = False  # and so it was told

    @property
    def reads(self) -> bool:
        return not (self.is_congested or self.is_held or self.is_closing or self.is_over)

    @property
    def in_kernel(self) -> int:
        """What the peer can read and has not read."""
        if self.peer_is_gone:
            return 0
        count = array.array("i", [0])
        fcntl.ioctl(self.peer.fileno(), termios.FIONREAD, count)
        return count[0]

    @property
    def kept(self) -> int:
        """What must be pending."""
        return len(self.written) - len(self.taken) - self.in_kernel

    def take(self, size: int) -> bool:
        """The peer reads; whether there was anything."""
        try:
            data = self.peer.recv(size)
        except (BlockingIOError, ConnectionResetError):  # the latter behind all data
            return False
        self.taken += data
        return bool(data)


class App(BaseComponent):
    """Notes what it is told, and sends back what some connections send."""

    channel = "server"

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[Any, Line] = {}
        self.next: Any = None
        self.server: Any = None

    @handler("connect")
    def _on_connect(self, sock: Any, *peer: Any) -> None:
        peer_end, echoes = self.next
        self.lines[sock] = Line(sock, peer_end, echoes)

    @handler("read")
    def _on_read(self, sock: Any, data: bytes) -> bytes | None:
        line = self.lines[sock]
        line.delivered += data
        if line.echoes:
            line.written += data
            return data
        return None

    @handler("pause", "resume", "disconnect")
    def _on_told(self, event: Any, sock: Any) -> None:
        line = self.lines[sock]
        line.told.append(event.name)
        line.levels.append((event.name, self.server.pending_bytes(sock)))

    @handler("socket_error")
    def _on_socket_error(self, sock: Any, problem: OSError) -> None:
        self.lines[sock].told.append(problem.errno)


class Connections(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.stack.enter_context(VirtualClock())

    @initialize(
        poller=st.sampled_from(["Select", "Poll", "EPoll"]),
        is_watched=st.booleans(),
        echoes=st.booleans(),
        ending=st.sampled_from(_UNREAD),
    )
    def begin(self, poller: str, is_watched: bool, echoes: bool, ending: str) -> None:
        self.ending = ending
        self.is_deaf = poller == "Select"  # which knows no end, only that something can be done
        self.tree = Manager()
        self.tree.stop_timeout = 0  # time stands still, and some do not read
        getattr(pollers, poller, pollers.Select)().register(self.tree)
        self.server = FakeServer(high_water=_HIGH, low_water=_LOW, max_pending=_MAX, bufsize=256)
        self.server.register(self.tree)
        self.app = App().register(self.tree)
        self.app.server = self.server
        if is_watched:
            Recorder().register(self.tree)
        self.stack.enter_context(self.tree.running())
        settle(self.tree)
        self.connect(echoes)

    def teardown(self) -> None:
        lines = self.lines if hasattr(self, "app") else []
        try:
            self.end_rarely(lines)
        finally:
            self.stack.close()
            for line in lines:
                line.peer.close()
                line.sock.close()
        for line in lines:
            assert line.told.count("disconnect") == 1, line.told
            assert line.told[-1] == "disconnect"

    def end_rarely(self, lines: list[Line]) -> None:
        for line in lines:  # in whatever state it is: what is rare among random steps
            self.drain(line, 100)
            self.hang_up_unread(line, 1000, self.ending)

    @property
    def lines(self) -> list[Line]:
        return list(self.app.lines.values())

    def pick(self, which: int) -> Line:
        """The one that is not over, mostly."""
        lines = self.lines
        alive = [line for line in lines if not line.is_over] or lines
        return alive[-1] if which < 5 else alive[0] if which < 6 else lines[0]

    def check(self) -> None:
        settle(self.tree)
        for line in self.lines:
            self.check_line(line)

    def check_line(self, line: Line) -> None:
        assert line.sent.startswith(line.delivered)
        if line.is_over:
            assert line.told == ["disconnect"], "nothing follows the end"
            return
        told, line.told = line.told, []
        connection = self.server._connections.get(line.sock)
        if connection is not None:
            # All that can be read has been read, and all that was written is somewhere.
            if not line.peer_is_gone:
                assert self.server.pending_bytes(line.sock) == line.kept
            kept = self.server.pending_bytes(line.sock)
            # Both may be told in one step, where the kernel takes little at a time.
            names = [entry for entry in told if entry != "connect"]
            for name in names:
                assert name == ("resume" if line.is_congested else "pause")
                line.is_congested = name == "pause"
            if names[-1:] == ["resume"] and not line.echoes:
                assert kept < _LOW
            if line.is_closing:
                line.is_congested = kept >= _LOW  # who closes is not told to go on
            assert kept >= _LOW if line.is_congested else kept <= _HIGH
            if line.reads:
                assert line.delivered == line.sent
                assert not line.peer_is_gone
            if line.has_ended and (line.reads or connection.state is State.DRAINING):
                # What was read was answered; then it is closed as if that were asked for.
                assert line.is_closing or line.delivered == line.sent
                line.is_closing = True
            if line.is_closing:
                assert kept, "nothing is left to be written"
            assert not line.is_lost
        else:
            assert told[-1] == "disconnect"
            assert told.count("disconnect") == 1
            line.is_over = True
            line.told = ["disconnect"]
            problems = [entry for entry in told if isinstance(entry, int)]
            assert len(problems) <= 1
            assert bool(problems) <= (line.is_lost or line.peer_is_gone)
            assert line.is_lost or line.peer_is_gone or line.is_closing or line.has_ended
            if not (line.is_lost or line.peer_is_gone):
                if not line.is_closing:
                    assert line.delivered == line.sent
                assert line.kept == 0, "written, and lost"

    # -- what peers do --

    @precondition(lambda self: sum(not line.is_over for line in self.lines) < 2)
    @rule(echoes=st.booleans())
    def connect(self, echoes: bool) -> None:
        here, there = memory_pair()
        for end in (here, there):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4608)
        self.app.next = (there, echoes)
        self.server.listener.dial(here)
        self.check()

    @rule(which=_WHICH, size=_SIZES)
    def send(self, which: int, size: int) -> None:
        """In as many pieces as the kernel takes."""
        self.send_on(self.pick(which), size)

    def send_on(self, line: Line, size: int) -> None:
        data = _data(size)
        while data and not (line.has_ended or line.peer_is_gone):
            try:
                count = line.peer.send(data)
            except (BlockingIOError, BrokenPipeError):
                break
            line.sent += data[:count]
            data = data[count:]
            settle(self.tree)
        self.check()

    @rule(which=_WHICH, size=_SIZES)
    def take(self, which: int, size: int) -> None:
        line = self.pick(which)
        if line.peer_is_gone:
            return
        line.take(size)
        assert line.written.startswith(line.taken)
        self.check()

    @rule(which=_WHICH, size=st.integers(1, 1500), count=st.integers(2, 5))
    def write_small_pieces(self, which: int, size: int, count: int) -> None:
        line = self.pick(which)
        self.write_to(line, _data(15_000))
        for _ in range(count):
            self.write_to(line, _data(size))
        self.check()

    @rule(which=_WHICH, size=_SIZES, how=st.sampled_from(_UNREAD))
    def end_while_not_read(self, which: int, size: int, how: str) -> None:
        self.hang_up_unread(self.pick(which), size, how)

    def hang_up_unread(self, line: Line, size: int, how: str) -> None:
        """A peer goes while nothing is read from it, though it has sent something.

        Held, that can be read later; so it is kept where something was to be written and the
        poller has told of the end. Where we do not read because it does not, nothing is left.
        """
        if not line.reads or line.has_ended or line.peer_is_gone or line.in_kernel:
            return
        if self.server.pending_bytes(line.sock) or (self.is_deaf and how != "held"):
            return
        self.hold_line(line, how != "congested")
        if how != "congested":
            self.send_on(line, size)
        if how != "held":  # the kernel takes nothing, but who polls sees the end first
            line.sock.send_limit = 0
            self.server.write(line.sock, bytes(10 if how == "blocked" else _HIGH + 1))
        line.peer_is_gone = True
        line.peer.close()
        self.check()
        if how == "congested":
            assert line.is_over, "nobody is there any more"
            return
        assert not line.is_over, "there is something left to be read"
        line.sock.send_limit = None
        self.hold_line(line, False)
        if how == "held" and not line.echoes:  # else to write fails, perhaps before all is read
            assert line.delivered == line.sent
        assert line.is_over, "nobody is there any more"

    @rule(which=_WHICH, step=st.sampled_from([10, 100, 500]))
    def drain_slowly(self, which: int, step: int) -> None:
        self.drain(self.pick(which), step)

    def drain(self, line: Line, step: int) -> None:
        """Above the high-water mark, and down in small steps: what is told at each mark."""
        line.sock.send_limit = step
        while not (line.is_congested or line.is_closing or line.is_over or line.peer_is_gone):
            self.write_to(line, _data(3000))
            self.check()
        line.levels.clear()
        while not line.peer_is_gone and line.take(1 << 20):
            self.check()
        if not (line.is_over or line.is_closing or line.peer_is_gone):
            assert not line.is_congested, "it was never told to go on"
            name, level = line.levels[0]
            assert (name, level // step) == ("resume", (_LOW - 1) // step)

    @rule(which=_WHICH)
    def take_all(self, which: int) -> None:
        """Who reads on gets everything, and the end after it."""
        line = self.pick(which)
        if line.peer_is_gone:
            return
        line.sock.send_limit = None  # ten bytes at a time would take longer than anybody waits
        for _ in range(200):
            if not line.take(1 << 20) and not line.kept:
                break
            settle(self.tree)
        if not line.is_lost:
            assert line.taken == line.written
        self.check()
        if line.is_over and not line.is_lost:
            assert line.peer.at_end or line.sent != line.delivered  # that is reset

    @rule(which=_WHICH)
    def end(self, which: int) -> None:
        line = self.pick(which)
        if line.has_ended or line.peer_is_gone:
            return
        line.has_ended = True
        try:
            line.peer.shutdown(socket.SHUT_WR)
        except OSError:
            assert line.is_over
        self.check()

    @rule(which=_WHICH, how=st.sampled_from(["wait", "wait", "peer", "abort"]))
    def cut(self, which: int, how: str) -> None:
        line = self.pick(which)
        if how == "abort":
            line.is_lost = True
            self.server.abort(line.sock)
            self.check()
        if how != "peer":
            return
        line.peer_is_gone = True
        line.peer.close()
        self.check()

    # -- what the application does --

    @rule(which=_WHICH, size=_SIZES)
    def write(self, which: int, size: int) -> None:
        line = self.pick(which)
        self.write_to(line, _data(size))
        self.check()

    def write_to(self, line: Line, data: bytes) -> None:
        is_taken = not (line.is_over or line.is_closing)
        if is_taken and not line.peer_is_gone and self.server.pending_bytes(line.sock) > _MAX:
            line.is_lost = True  # with so much pending nothing more is kept
        elif is_taken:
            line.written += data
        self.server.write(line.sock, data)

    @rule(which=_WHICH, number=st.sampled_from(_LATER * 3 + _FATAL))
    def write_in_trouble(self, which: int, number: int) -> None:
        line = self.pick(which)
        if line.is_over or line.is_closing or self.server.pending_bytes(line.sock):
            return
        line.sock.send_error = failure(number)
        line.is_lost = number in _FATAL
        self.write_to(line, _data(10))
        self.check()

    @rule(which=_WHICH, number=st.sampled_from(_LATER * 3 + _FATAL))
    def read_in_trouble(self, which: int, number: int) -> None:
        line = self.pick(which)
        if not line.reads or line.has_ended or line.peer_is_gone:
            return
        line.sock.receive_error = failure(number)
        line.is_lost = number in _FATAL
        data = _data(10)
        line.peer.send(data)
        line.sent += data
        self.check()

    @rule(which=_WHICH, limit=st.sampled_from([1, 100, None]))
    def narrow(self, which: int, limit: int | None) -> None:
        """The kernel takes and gives little at once."""
        line = self.pick(which)
        line.sock.receive_limit = limit and limit * 10
        line.sock.send_limit = limit and limit * 100

    @rule(which=_WHICH, is_held=st.booleans())
    def hold(self, which: int, is_held: bool) -> None:
        self.hold_line(self.pick(which), is_held)

    def hold_line(self, line: Line, is_held: bool) -> None:
        line.is_held = is_held
        if is_held:
            self.server.pause_reading(line.sock)
        else:
            self.server.resume_reading(line.sock)
        self.check()

    @rule(which=_WHICH)
    def close(self, which: int) -> None:
        line = self.pick(which)
        line.is_closing = True
        self.server.close(line.sock)
        self.check()

    @invariant()
    def no_more_is_kept_than_must(self) -> None:
        if hasattr(self, "app"):
            known = {line.sock for line in self.lines if not line.is_over}
            assert set(self.server._connections) == known


TestConnections = Connections.TestCase
TestConnections.settings = examples(40)
