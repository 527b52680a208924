"""Whoever looks at a server: its peers see what they would see if nobody did.

Where nobody looks, the steps between a descriptor and an answer are calls, not events. Handlers,
priorities and waiters are random, and so are those who look.
"""

from __future__ import annotations

import ssl
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits import Component, Manager
from circuits.testing import VirtualClock, settle
from tests.net.net_fakes import FakeServer, Listener
from tests.net.test_tls import Side, anonymous

from .direct_support import SUSPENDING, Begin, Observer, Program, observers, programs, waiters

_HANDLED = ["read", "read", "read", "step", "write", "read_value_changed", "connect"]
_NAMES = [
    "_read", "_write", "read", "read_value_changed", "write", "close", "disconnect", "step",
    "_end_of_input", "_disconnect",
]  # fmt: skip
_CHATTER = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from(["send", "send", "more", "begin", "end"])),
    min_size=1,
    max_size=6,
)


_HOSTED = st.sampled_from([False, False, False, True])


def _sock_of(args: Any) -> Any:
    first = args[0]
    if hasattr(first, "getValue"):  # a value has changed
        first = first.event.args[0]
    return None if isinstance(first, Listener) else first


class Peer:
    """The other end of a connection."""

    def __init__(self, end: Any, secure: bool) -> None:
        self.end = end
        self.side = Side(end, is_server=False) if secure else None
        self.received = b""
        self.at_end = False
        self.has_ended = False

    def begin(self, app: Any) -> None:
        if self.side is not None:
            try:
                self.side.stream.begin()
                while not self.side.stream.is_open:
                    settle(app)
                    self.side.receive()
            except OSError:  # we were sent away
                self.has_ended = True

    def send(self, data: bytes) -> None:
        if self.has_ended:
            return
        try:
            if self.side is None:
                self.end.send(data)
            else:
                self.side.stream.send(data)
        except OSError:  # we were sent away
            self.has_ended = True

    def finish(self) -> None:
        if self.has_ended:
            return
        self.has_ended = True
        try:
            if self.side is None:
                self.end.shutdown(1)
            else:
                self.side.stream.end_output()
        except OSError:
            return

    def look(self) -> None:
        if self.at_end:
            return
        try:
            if self.side is None:
                self.received += self.end.received()
                self.at_end = self.end.at_end
            else:
                data = self.side.receive()
                self.received += data or b""
                self.at_end = self.side.stream.at_eof
        except OSError:
            self.at_end = True


def _play(
    handlers: list[Any],
    waiting: list[str],
    chatter: list[Any],
    watching: list[Any],
    hosted: bool,
    secure: bool,
    *more: Component,
) -> Any:
    app = Component(channel="app")
    app.start_timeout = 0  # observers wait from the start on, and for ever
    if secure:
        server = FakeServer(secure=anonymous(ssl.PROTOCOL_TLS_SERVER))
    else:
        server = FakeServer()
    server.register(app)
    depth = 2
    if any(what == "end" for _, what in chatter):
        # The end of input waits for ``read`` alone, and for short chains of events.
        depth = 1
        handlers = [one for one in handlers if one[0] == "read" or one[5] not in SUSPENDING]
        if hosted:
            waiting = []  # asyncio resumes who has waited, later than any chain of events
    program = Program(handlers, waiting, "server", _sock_of, depth).register(app)
    for observer in [("coroutine",)] * hosted + watching:
        Observer(*observer).register(app)
    for component in more:
        component.register(app)
    peers: list[Peer] = []
    with app.running():
        app.stop_timeout = 0
        settle(app)
        for _ in range(2):
            (end,) = server.listener.dial()
            peers.append(Peer(end, secure))
            peers[-1].begin(app)
            settle(app)
        for number, (which, what) in enumerate(chatter):
            peer = peers[which]
            if what in ("send", "more"):
                peer.send(b"%d" % number)
            elif what == "end":  # with what is sent before: in one piece
                peer.send(b"%d" % number)
                peer.finish()
            elif what == "begin":
                app.fire(Begin())
            if what != "more":
                settle(app)
                for peer in peers:
                    peer.look()
    for peer in peers:
        peer.look()
        peer.end.close()
    assert not program.faults
    return [(peer.received, peer.at_end) for peer in peers]


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_peers_see_the_same(secure: bool) -> None:
    @settings(max_examples=settings().max_examples * (1 if secure else 3))
    @given(programs(_HANDLED), waiters(_NAMES), _CHATTER, observers(_NAMES), _HOSTED)
    def check(
        handlers: list[Any],
        waiting: list[str],
        chatter: list[Any],
        watching: list[Any],
        hosted: bool,
    ) -> None:
        with VirtualClock():  # what is due at once is due in both, however busy the machine is
            seen = _play(handlers, waiting, chatter, watching, hosted, secure)
            assert seen == _play(handlers, waiting, chatter, [], hosted, secure)

    check()


@pytest.mark.parametrize("hosted", [False, True], ids=["plain loop", "asyncio"])
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_where_nobody_looks_steps_are_calls(secure: bool, hosted: bool) -> None:
    """Or the property would compare events with events."""
    steps: list[str] = []

    class Tap(Component):
        def started(self, component: Manager) -> None:
            engine = component._tree_engine
            engine.set_tap(lambda door: steps.append(door._event_class.name))

    echo: list[Any] = [("read", 0, False, False, [], "return", True)]
    _play(echo, [], [(0, "send"), (0, "send")], [], hosted, secure, Tap())
    answers = steps.index("read")
    assert steps[answers - 1 :].count("_read") >= 2
    assert steps[answers:].count("read") == steps[answers:].count("write") == 2
