"""Whoever looks at a web server: its clients see what they would see if nobody did.

As for sockets (``tests/properties``): random handlers, priorities and waiters beside a
controller, and random observers.
"""

from __future__ import annotations

import contextlib
import re
import socket
import tempfile
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits import BaseEvent, Component, Manager
from circuits.testing import settle
from circuits.web import Server
from tests.properties.direct_support import (
    SUSPENDING,
    Begin,
    Observer,
    Program,
    observers,
    programs,
    waiters,
)
from tests.web.http_support import get
from tests.web.test_observers import _PATHS, Root, Worker

#: Handlers of a program come before the dispatcher.
_HANDLED = ["request", "step", "write", "response"]
_NAMES = [
    "_read", "read", "read_value_changed", "request", "request_success", "request_failure",
    "request_complete", "request_value_changed", "response", "response_success",
    "response_complete", "stream", "stream_success", "httperror", "write", "close", "disconnect",
    "text", "coroutine", "work", "step",
]  # fmt: skip
#: Methods that fire steps of their own beside the answer that they return: these take their turns
#: next to each other, and a call takes none.
_BESIDE = {"pushed", "owed", "fired_error"}
_TARGETS = [path for path in _PATHS if path not in _BESIDE]
#: Methods that are resumed by the clock, which goes before the handlers that have a step in each turn.
_SLEEPING = {"coroutine", "refusing"}
_STEPPED = {"look", "call"}
_CHATTER = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.one_of(st.sampled_from(_TARGETS), st.sampled_from(["", "", "text", "pieces"])),
        st.sampled_from(["", "", "more", "end"]),
    ),
    min_size=1,
    max_size=4,
)
_HOSTED = st.sampled_from([False, False, False, True])
#: What handlers and waiters of a program write, some of it in two pieces.
_MARKS = re.compile(rb"[\[!]=?[\d.]*( late)?|\]|\(\w+\)")


def _sock_of(args: Any) -> Any:
    first = args[0]
    if hasattr(first, "getValue"):  # a value has changed
        first = first.event
    if isinstance(first, BaseEvent):  # an event has succeeded
        first = first.args[0]
    if hasattr(first, "request"):
        first = first.request
    return getattr(first, "sock", first)


def _play(
    handlers: list[Any],
    waiting: list[str],
    chatter: list[Any],
    watching: list[Any],
    hosted: bool,
    *more: Component,
) -> Any:
    # Those of ``request`` come before the dispatcher; one of ``write`` has its say at once, or it
    # would take turns beside what is fired together with what it hears of. What one of ``response``
    # fires comes behind the answer, which is no event that a priority could go before.
    first = {"request": 1}
    handlers = [
        (
            name,
            first.get(name, priority),
            wants,
            is_filter and name != "write",
            [(action, 0) for action, _ in actions] if name == "response" else actions,
            "nothing" if name == "write" and end in SUSPENDING else end,
            is_first,
        )
        for name, priority, wants, is_filter, actions, end, is_first in handlers
    ]
    if hosted and any(how == "end" for _, _, how in chatter):
        waiting = []  # asyncio resumes who has waited, later than the end of input waits for events
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = str(Path(folder) / "listener")
        listener.bind(path)
        listener.listen()
        server = Server(listener)
        app: Any = Component(channel="app")
        app.start_timeout = 0  # observers wait from the start on, and for ever
        server.register(app)
        Root().register(server)
        Worker().register(server)
        program = Program(handlers, waiting, "web", _sock_of).register(server)
        for observer in [("coroutine",)] * hosted + watching:
            Observer(*observer).register(app)
        for component in more:
            component.register(app)
        peers = [socket.socket(socket.AF_UNIX) for _ in range(2)]
        received = [b"", b""]
        ended = set()
        with app.running():
            app.stop_timeout = 0
            settle(app)
            for peer in peers:
                peer.connect(path)
                peer.setblocking(False)
                settle(app)
            for which, target, how in chatter:
                peer = peers[which]
                if not target:
                    app.fire(Begin())
                with contextlib.suppress(OSError):  # it was sent away
                    if target:
                        peer.send(get(f"/{target}"))
                    if how == "end":
                        ended.add(which)
                        peer.shutdown(socket.SHUT_WR)
                if how != "more":
                    settle(app)
                for number, peer in enumerate(peers):
                    received[number] += _all(peer)
        for number, peer in enumerate(peers):
            received[number] += _all(peer)
            peer.close()
    assert not program.faults
    # A client that has ended is sent nothing behind its answer, if its end is read before that; and when
    # it is read compared to the turns of a handler, is nothing that the order of events says. Nor whose
    # turn is first among handlers of several requests, or of a handler and a page that both go on later: how
    # many events each takes until something is written decides.
    ends = {end for *_, end, _ in handlers}
    is_racing = any(how == "more" for _, _, how in chatter) and bool(
        waiting or ends.intersection(SUSPENDING)
    )
    if ends & _STEPPED and any(target in _SLEEPING for _, target, _ in chatter):
        is_racing = True
    for which, data in enumerate(received):
        if which in ended or is_racing:
            received[which] = _MARKS.sub(b"", data)
        if which not in ended and is_racing:
            received[which] += b"".join(sorted(mark[0] for mark in _MARKS.finditer(data)))
    return [re.sub(rb"Date: [^\r]*", b"", data) for data in received]


def _all(peer: socket.socket) -> bytes:
    parts = []
    try:
        while data := peer.recv(1 << 20):
            parts.append(data)
        parts.append(b"<end>")
    except BlockingIOError:
        pass
    except ConnectionResetError:
        parts.append(b"<reset>")
    return b"".join(parts)


@settings(max_examples=settings().max_examples // 2)
@given(programs(_HANDLED), waiters(_NAMES), _CHATTER, observers(_NAMES), _HOSTED)
def test_clients_see_the_same(
    handlers: list[Any], waiting: list[str], chatter: list[Any], watching: list[Any], hosted: bool
) -> None:
    seen = _play(handlers, waiting, chatter, watching, hosted)
    assert seen == _play(handlers, waiting, chatter, [], hosted)


def test_what_a_later_handler_fires_may_go_before_the_answer() -> None:
    """By its priority: so the answer is an event, too."""
    handlers: Any = [("response", 0, False, False, [("write", -1)], "nothing", True)]
    chatter = [(0, "text", "")]
    assert _play(handlers, [], chatter, [("all", 1000)], False) == _play(
        handlers, [], chatter, [], False
    )


def test_where_nobody_looks_steps_are_calls() -> None:
    """Or the property would compare events with events."""
    steps: list[str] = []

    class Tap(Component):
        def started(self, component: Manager) -> None:
            engine = component._tree_engine
            engine.set_tap(lambda door: steps.append(door._event_class.name))

    _play([], [], [(0, "text", ""), (0, "text", "")], [], False, Tap())
    chain = ["_read", "read", "request", "text", "response", "write"]
    # Some look into the door twice.
    made = [step for step, _ in groupby(steps[steps.index("read") - 1 :])]
    assert made[: 2 * len(chain)] == chain * 2


def test_an_error_of_a_client_that_has_finished_writing_is_answered() -> None:
    """Hosted, somebody waits for _read; the end comes while the answer is queued."""
    handlers: Any = [("request", 1, False, False, [], "return", True)]
    seen = _play(handlers, [], [(0, "number", "end")], [("waiting", "_read")], True)
    assert seen[0].startswith(b"HTTP/1.1 500")


@pytest.mark.parametrize("kind", ["look", "sleep", "call"])
@pytest.mark.parametrize("watching", [[], [("all", 1000)], [("all", -1000)], [("tap",)]])
@pytest.mark.parametrize("hosted", [False, True])
def test_a_client_that_has_finished_writing_gets_all_its_answers(
    watching: list[Any], kind: str, hosted: bool
) -> None:
    """The end may come while the last one is queued."""
    handlers: Any = [("request", 1, False, True, [], kind, True)]
    for count in (1, 2, 3, 5):
        chatter = [(0, "text", "more")] * (count - 1) + [(0, "text", "end")]
        seen = _play(handlers, [], chatter, watching, hosted)
        assert seen[0].count(b"HTTP/1.1 ") == count
