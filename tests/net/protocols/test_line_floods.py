"""Many lines at once, and many senders: neither fills a queue nor a table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from circuits import BaseComponent, Component, Event, handler
from circuits.io import File
from circuits.net.protocols.irc import IRC
from circuits.net.protocols.line import LINES_PER_TURN, LP, MOST_SENDERS
from circuits.net.sockets import Disconnect, Read
from circuits.testing import settle


class Source(BaseComponent):
    """What reads for the protocol."""

    channel = "x"

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[Any, list[bool]] = {}

    def _hold_reading(self, is_held: bool, sock: Any = None) -> None:
        self.held.setdefault(sock, []).append(is_held)


class Lines(Component):
    channel = "x"

    def __init__(self) -> None:
        super().__init__()
        self.log: list[Any] = []
        self.most = 0

    def line(self, *args: Any) -> None:
        self.most = max(self.most, len(self.root))
        self.log.append(args)


@pytest.fixture
def parts() -> Iterator[tuple[Component, Source, Lines]]:
    app, source, lines = Component(), Source(), Lines()
    app += source + lines
    with app.running():
        yield app, source, lines


@pytest.mark.parametrize("cls", [LP, IRC])
@pytest.mark.parametrize("sock", [(), ("A",)])
def test_some_are_fired_in_a_turn_and_nothing_is_read_meanwhile(
    parts: tuple[Component, Source, Lines], cls: Any, sock: Any
) -> None:
    app, source, lines = parts
    cls(channel="x").register(app)
    settle(app)
    count = 20 * LINES_PER_TURN + 3
    app.fire(Read(*sock, b"a\n" * count), "x")
    settle(app)
    assert [args[-1] for args in lines.log] == ["a"] * count
    assert lines.most <= LINES_PER_TURN
    assert source.held == {(sock or (None,))[0]: [True, False]}


@pytest.mark.parametrize("count", [0, 1, LINES_PER_TURN - 1, LINES_PER_TURN])
def test_few_are_told_at_once(parts: tuple[Component, Source, Lines], count: int) -> None:
    app, source, lines = parts
    LP(channel="x").register(app)
    app.fire(Read("A", b"a\n" * count + b"b"), "x")
    settle(app)
    assert len(lines.log) == count
    assert source.held == {}


def test_their_order_stays_when_more_comes_meanwhile(
    parts: tuple[Component, Source, Lines],
) -> None:
    app, _, lines = parts
    LP(channel="x").register(app)
    settle(app)
    numbers = [b"%d\n" % number for number in range(10 * LINES_PER_TURN)]
    for part in range(0, len(numbers), LINES_PER_TURN * 2):
        app.fire(Read("A", b"".join(numbers[part : part + LINES_PER_TURN * 2])), "x")
        app.tick(0)
    settle(app)
    assert [args[-1] for args in lines.log] == [str(n) for n in range(10 * LINES_PER_TURN)]


def test_others_have_their_lines_before_the_rest(parts: tuple[Component, Source, Lines]) -> None:
    app, _, lines = parts
    LP(channel="x").register(app)
    settle(app)
    app.fire(Read("flood", b"\n" * 65536), "x")
    app.fire(Read("B", b"please\n"), "x")
    settle(app)
    assert lines.log.index(("B", "please")) <= 2 * LINES_PER_TURN
    assert len(lines.log) == 65537


def test_what_is_left_of_an_ended_connection_is_dropped(
    parts: tuple[Component, Source, Lines],
) -> None:
    app, _, lines = parts
    lp = LP(channel="x").register(app)
    settle(app)
    app.fire(Read("A", b"\n" * 65536), "x")
    app.fire(Disconnect("A"), "x")
    settle(app)
    assert len(lines.log) == LINES_PER_TURN
    assert not lp._decoders
    assert not lp._busy


def test_senders_of_datagrams_leave_little_behind(parts: tuple[Component, Source, Lines]) -> None:
    app, _, lines = parts
    lp = LP(channel="x").register(app)
    settle(app)
    for number in range(4 * MOST_SENDERS):
        app.fire(Read(("10.0.0.1", number), b"whole\npart"), "x")
        app.fire(Read(("10.0.0.2", number), b"whole\n"), "x")
        settle(app)
    assert len(lp._decoders) == MOST_SENDERS
    assert len(lines.log) == 8 * MOST_SENDERS
    last = ("10.0.0.1", 4 * MOST_SENDERS - 1)
    app.fire(Read(last, b" of it\n"), "x")
    app.fire(Read(("10.0.0.1", 0), b" of it\n"), "x")
    settle(app)
    assert lines.log[-2:] == [(last, "part of it"), (("10.0.0.1", 0), " of it")]


def test_sockets_are_not_forgotten_for_datagrams(parts: tuple[Component, Source, Lines]) -> None:
    app, _, lines = parts
    LP(channel="x").register(app)
    settle(app)
    app.fire(Read("A", b"be"), "x")
    for number in range(2 * MOST_SENDERS):
        app.fire(Read(("10.0.0.1", number), b"part"), "x")
    settle(app)
    app.fire(Read("A", b"gun\n"), "x")
    settle(app)
    assert lines.log == [("A", "begun")]


@pytest.mark.parametrize("paused", [False, True])
def test_a_file_is_read_no_faster_and_a_pause_of_the_application_stays(
    tmp_path: Path, paused: bool
) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"a\n" * 50_000)

    class App(Component):
        channel = "file"

        def __init__(self) -> None:
            super().__init__()
            self.count = self.most = 0

        file: File

        def line(self, text: str) -> None:
            self.count += 1
            self.most = max(self.most, len(self.root))
            if paused and self.count == 1000:
                self.file.pause_reading()
                self.fire(Event.create("later"))

        @handler("later")
        def _on_later(self) -> None:
            self.paused_at = self.count
            self.file.resume_reading()

        def eof(self) -> None:
            self.at_end = True

    app = App()
    app.file = File(str(path), "r", channel="file").register(app)
    LP(channel="file").register(app)
    with app.running():
        while app.count < 50_000:
            app.tick(0.1)
    assert app.most < 4 * LINES_PER_TURN
