"""Senders of datagrams never say that they end: of many, little is kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from circuits import Component
from circuits.net.protocols.line import LP, MOST_SENDERS
from circuits.net.sockets import Read
from circuits.testing import settle


class Lines(Component):
    channel = "x"

    def __init__(self) -> None:
        super().__init__()
        self.log: list[Any] = []

    def line(self, *args: Any) -> None:
        self.log.append(args)


@pytest.fixture
def parts() -> Iterator[tuple[Component, Lines]]:
    app, lines = Component(), Lines()
    app += lines
    with app.running():
        yield app, lines


def test_senders_of_datagrams_leave_little_behind(parts: tuple[Component, Lines]) -> None:
    app, lines = parts
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


def test_sockets_are_not_forgotten_for_datagrams(parts: tuple[Component, Lines]) -> None:
    app, lines = parts
    LP(channel="x").register(app)
    settle(app)
    app.fire(Read("A", b"be"), "x")
    for number in range(2 * MOST_SENDERS):
        app.fire(Read(("10.0.0.1", number), b"part"), "x")
    settle(app)
    app.fire(Read("A", b"gun\n"), "x")
    settle(app)
    assert lines.log == [("A", "begun")]
