"""Frames of the private pipe: cut anywhere, too long, and what cannot be sent."""

from __future__ import annotations

import threading

import pytest

from circuits import Component, Event
from circuits.core._process.frames import Frames, pack, unpack
from circuits.core.errors import NotSendableError


def test_a_message_arrives_as_it_was() -> None:
    message = ("text", {"a": [1, 2.5, None]}, b"\0" * 1000)
    (frame,) = Frames().receive(pack(message, "it"))
    assert unpack(frame) == message


def test_frames_are_put_together_from_single_bytes() -> None:
    data = pack("one", "it") + pack("", "it") + pack("three", "it")
    frames = Frames()
    got = [unpack(f) for n in range(len(data)) for f in frames.receive(data[n : n + 1])]
    assert got == ["one", "", "three"]


@pytest.mark.parametrize("cut", range(1, 30))
def test_frames_may_be_cut_anywhere(cut: int) -> None:
    data = pack("a", "it") + pack("b", "it")
    frames = Frames()
    got = [*frames.receive(data[:cut]), *frames.receive(data[cut:])]
    assert [unpack(f) for f in got] == ["a", "b"]


def test_a_length_beyond_the_limit_is_refused_before_it_is_there() -> None:
    with pytest.raises(ValueError, match="1000000 bytes, at most 100"):
        Frames(limit=100).receive((1_000_000).to_bytes(4, "big"))


def test_a_message_beyond_the_limit_is_not_sent() -> None:
    with pytest.raises(NotSendableError, match=r"result of f .* bytes, at most 100"):
        pack(b"x" * 1000, "result of f", limit=100)


def test_what_cannot_be_pickled_is_refused_by_name() -> None:
    with pytest.raises(NotSendableError, match=r"the answer cannot be sent .*lock"):
        pack([threading.Lock()], "the answer")


def test_an_object_may_raise_anything_when_it_is_pickled() -> None:
    class Odd:
        def __reduce__(self) -> str:
            raise ZeroDivisionError

    with pytest.raises(NotSendableError, match="ZeroDivisionError"):
        pack(Odd(), "it")


def test_live_components_stay_where_they_are() -> None:
    with pytest.raises(NotSendableError, match="live component"):
        pack(Event(Component()), "the event")
