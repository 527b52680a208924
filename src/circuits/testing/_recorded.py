"""A recording, in memory: what entered the application, in the order in which it did."""

from __future__ import annotations

import struct
from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from circuits.app._recording_file import RecordingError, read_recording, take_number
from circuits.app._recording_values import Codec, UnrecordableError
from circuits.app._records import DOUBLE, Form, Kind, LookFlag

if TYPE_CHECKING:
    import os

#: Addresses and texts have nothing of the application in them.
_PLAIN: Final = Codec(lambda value: None)

__all__ = ["Entrance", "Look", "Recorded", "Result", "SocketInfo"]


class Result(NamedTuple):
    """What a socket has given: in which look, an errno or 0, and what."""

    look: int
    errno: int
    content: Any


class Entrance(NamedTuple):
    """What came in from beside the descriptors: its kind, and what there is of it."""

    kind: int
    parts: tuple[Any, ...]


class Look:
    """One look at the descriptors, and what was asked until the next one.

    Attributes:
        is_idle: Whether the loop had nothing else to do, and waited.
        woken: Whether it was woken up.
        empties: How many times it looked in vain before, since the look before.
        ready: Pairs of the number of a socket and bits: readable, writable, gone.
        now: The clock when it ended.
        entrances: What was brought in then.
        readings, dates, random, ids: What was asked of the clock, and so on, in this order.
    """

    __slots__ = (
        "dates", "empties", "entrances", "ids", "is_idle", "now", "random", "readings", "ready", "woken",
    )  # fmt: skip

    def __init__(self, payload: bytes | None = None) -> None:
        self.is_idle = self.woken = False
        self.now: float | None = None
        self.empties = 0
        self.ready: list[tuple[int, int]] = []
        self.entrances: list[Entrance] = []
        self.readings: deque[float] = deque()
        self.dates: deque[float] = deque()
        self.random: deque[bytes] = deque()
        self.ids: deque[int] = deque()
        if payload is not None:
            self.is_idle = bool(payload[0] & LookFlag.IDLE)
            self.woken = bool(payload[0] & LookFlag.WOKEN)
            self.now = DOUBLE.unpack_from(payload, 1)[0]
            self.empties, at = take_number(payload, 9)
            count, at = take_number(payload, at)
            for _ in range(count):
                number, at = take_number(payload, at)
                self.ready.append((number, payload[at]))
                at += 1


class SocketInfo:
    """What is known of one socket.

    Attributes:
        names: Its address and that of its peer.
        listens, kind: Whether it accepts connections, and its type.
        received, sent, accepted, asked: What it has given, in order.
        answers: What TLS has answered, by what it was asked.
        target: Where it was connected to, with the result.
    """

    __slots__ = (
        "accepted", "answers", "asked", "kind", "listens", "names", "received", "sent", "target",
    )  # fmt: skip

    def __init__(self) -> None:
        self.names: dict[str, Any] = {}
        self.listens = False
        self.kind = 0
        self.answers: dict[str, deque[Result]] = {}
        self.received: deque[Result] = deque()
        self.sent: deque[Result] = deque()
        self.accepted: deque[Result] = deque()
        self.asked: deque[Result] = deque()
        self.target: tuple[Any, int] | None = None


class Recorded:
    """A recording.

    Args:
        path: The file.
        partial: Take one that is cut, too.

    Raises:
        OSError: The file cannot be read.
        RecordingError: It is no recording that can be replayed.

    Attributes:
        about: What it says of itself.
        why: Why it ends.
        looks: What happened when. The first one is the time before it was in a tree.
        sockets: By their numbers.
        notes: What cannot be replayed.
        errors: What handlers have raised: event, handler, type and text.
        application: What makes the root, as ``module:name``, or ``None``.
    """

    def __init__(self, path: str | os.PathLike[str], *, partial: bool = False) -> None:
        self.about, records, self.why = read_recording(path, partial=partial)
        self.looks: list[Look] = [Look()]
        self.sockets: dict[int, SocketInfo] = {}
        self.notes: list[str] = []
        self.errors: list[tuple[str, ...]] = []
        self.application: str | None = self.about.get("application")
        try:
            for kind, payload in records:
                self._take(kind, payload)
        except (
            IndexError,
            ValueError,
            KeyError,
            TypeError,
            struct.error,
            UnrecordableError,
        ) as problem:
            raise RecordingError(
                path, f"it is damaged: a record says nothing of use ({problem})"
            ) from None

    def socket(self, number: int) -> SocketInfo:
        """What is known of a socket."""
        return self.sockets.setdefault(number, SocketInfo())

    def _take(self, kind: int, payload: bytes) -> None:
        look = self.looks[-1]
        if kind == Kind.LOOK:
            self.looks.append(Look(payload))
        elif kind == Kind.NOW:
            look.readings.append(DOUBLE.unpack(payload)[0])
        elif kind == Kind.WALL:
            look.dates.append(DOUBLE.unpack(payload)[0])
        elif kind == Kind.RANDOM:
            look.random.append(payload)
        elif kind == Kind.ID:
            look.ids.append(take_number(payload, 0)[0])
        elif kind in (Kind.FIRE, Kind.STOP):
            look.entrances.append(Entrance(kind, (payload,)))
        elif kind == Kind.SIGNAL:
            look.entrances.append(Entrance(kind, (take_number(payload, 0)[0],)))
        elif kind == Kind.FOUND:
            number, at = take_number(payload, 0)
            look.entrances.append(Entrance(kind, (number, payload[at:])))
        elif kind == Kind.JOB:
            size, at = take_number(payload, 0)
            path = payload[at : at + size].decode()
            number, at = take_number(payload, at + size)
            look.entrances.append(Entrance(kind, (path, number, payload[at:])))
        elif kind == Kind.NOTE:
            self.notes.append(payload.decode("utf-8", "replace"))
        elif kind == Kind.APPLICATION:
            self.application = self.application or payload.decode()
        elif kind == Kind.ERROR:
            event, where, name, text = _PLAIN.load(payload)
            self.errors.append((event, where, name, text))
        else:
            self._take_of_socket(kind, payload)

    def _take_of_socket(self, kind: int, payload: bytes) -> None:
        number, at = take_number(payload, 0)
        info, look = self.socket(number), len(self.looks) - 1
        if kind == Kind.RECEIVED:
            info.received.append(_received(look, payload, at))
        elif kind == Kind.SENT:
            info.sent.append(_sent(look, payload, at))
        elif kind == Kind.ACCEPTED:
            info.accepted.append(self._accepted(look, payload, at))
        elif kind == Kind.CONNECTED:
            code, at = take_number(payload, at)
            address, info.names = _PLAIN.load(payload[at:])
            info.target = address, code
        elif kind == Kind.ASKED:
            info.asked.append(Result(look, 0, take_number(payload, at)[0]))
        elif kind == Kind.SOCKET:
            info.names = _PLAIN.load(payload[at:])
            info.listens, info.kind = info.names["listens"], info.names["kind"]
        elif kind == Kind.ANSWERED:
            question, result = _answered(look, payload, at)
            info.answers.setdefault(question, deque()).append(result)
        else:
            raise ValueError(f"kind {kind}")

    def _accepted(self, look: int, payload: bytes, at: int) -> Result:
        first, after = take_number(payload, at + 1)
        if payload[at] == Form.FAILED:
            return Result(look, first, None)
        address, self.socket(first).names = _PLAIN.load(payload[after:])
        return Result(look, 0, (first, address))


def _received(look: int, payload: bytes, at: int) -> Result:
    form, at = payload[at], at + 1
    if form == Form.FAILED:
        return Result(look, take_number(payload, at)[0], b"")
    if form == Form.LENGTH:
        return Result(look, 0, bytes(take_number(payload, at)[0]))
    if form == Form.WITH_ADDRESS:
        size, at = take_number(payload, at)
        address = _PLAIN.load(payload[at : at + size])
        return Result(look, 0, (payload[at + size :], address))
    return Result(look, 0, payload[at:])


def _sent(look: int, payload: bytes, at: int) -> Result:
    first, after = take_number(payload, at + 1)
    if payload[at] == Form.FAILED:
        return Result(look, first, b"")
    return Result(look, 0, (first, take_number(payload, after)[0]))


def _answered(look: int, payload: bytes, at: int) -> tuple[str, Result]:
    size, at = take_number(payload, at)
    question = payload[at : at + size].decode()
    pending, at = take_number(payload, at + size)
    produced, at = take_number(payload, at)
    content = payload[at + 1 :]
    answer = _PLAIN.load(content) if payload[at] == Form.VALUE else content
    return question, Result(look, 0, (answer, pending, produced))
