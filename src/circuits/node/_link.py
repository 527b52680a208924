"""One connection between two nodes: what they agree on, and what is under way over it.

A link neither reads nor writes: it is told what has arrived, and has its transport write. What is
written within a turn goes out together at the end of it, but for version 1: the 2.1.0 release
takes one packet of each read, so each is a write of its own, and one event is outstanding.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from circuits._wire import packet as wire
from circuits._wire.packet import Control, Malformed, Offer, Reply, Request
from circuits.core import _clock
from circuits.core._routing import is_leaving
from circuits.core._turns import LEAST

from ._asked import DEFAULT_SECONDS
from ._handshake import Handshake, State
from ._heartbeat import Heartbeat
from .errors import Unreachable, made_from

if TYPE_CHECKING:
    from ._asked import Asked
    from ._hub import Hub

__all__ = ["Link", "State", "Transport"]

#: With so much collected, nothing waits for the end of the turn.
_OUT_BYTES = 65536


_OPEN = State.OPEN


class Transport(Protocol):
    """What carries the bytes of a link."""

    @property
    def is_blocked(self) -> bool:
        """Whether something that was written waits for the kernel to take it."""

    def write(self, data: bytes) -> None: ...
    def hold_reading(self, is_held: bool) -> None: ...
    def close(self) -> None: ...  # when all is written
    def abort(self) -> None: ...


class Link:
    """One connection.

    Args:
        hub: What the links of a node share.
        transport: What carries its bytes.
        host, port: Where the peer is.
        is_client: Whether this side has connected.
        expected: The name by which we know the peer, if we have connected.
        version: 1: do not even offer version 2.

    Attributes:
        name: Of the peer: as we know it, or as it has said; or ``None``.
        version: What is spoken.
        state: Where it is in its life.
        handshake, heartbeat: Its parts: how it begins, and the signs of life.
        outstanding: What was asked and is not answered, by its id.
        serving: How many requests of the peer are not answered.
        reason: Why it ended.
        at_end: Whether the peer has finished writing.
        is_sated: Whether others get their turn before what is left of the last read: it was much.
    """

    __slots__ = (
        "_aside", "_aside_bytes", "_early", "_number", "_out", "_out_bytes", "_pack", "_prefix", "at_end", "decoder",
        "handshake", "heartbeat", "host", "hub", "is_client", "is_dirty", "is_sated", "name", "on_drain",
        "outstanding", "port", "reason", "serving", "state", "transport", "version", "was_open",
        "whenever_closed",
    )  # fmt: skip

    def __init__(
        self,
        hub: Hub,
        transport: Transport,
        host: Any,
        port: Any,
        *,
        is_client: bool,
        expected: str | None = None,
        version: int = 2,
    ) -> None:
        self.hub = hub
        self.transport = transport
        self.host, self.port = host, port
        self.is_client = is_client
        self.name = expected
        self.version = 1
        self.state = State.NEW
        self.outstanding: dict[Any, Asked] = {}
        self.serving = 0
        self.reason = "closed"
        self.was_open = self.is_dirty = self.at_end = self.is_sated = False
        self.decoder = wire.PacketDecoder(hub.options.packet_limit_bytes)
        #: Called when more can be sent, and when the link has ended.
        self.on_drain: Any = None
        self.whenever_closed: Any = None
        self._pack: Any = None
        self._aside: deque[tuple[Request, float]] = deque()  # and since when
        self._aside_bytes = 0
        self._early: Any = None  # a packet that came before the answer to our offer
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._number = 0
        self._prefix = ""
        self.handshake = Handshake(self, version)
        self.heartbeat = Heartbeat(self)

    def __repr__(self) -> str:
        name = "a node" if self.name is None else repr(self.name)
        return f"{name} at {self.host}:{self.port}"

    # -- beginning --

    def start(self) -> None:
        """The connection stands."""
        self.hub.links[self] = None
        self._prefix = _clock.random_bytes(8).hex()
        self.heartbeat.heard()
        self.handshake.start()

    def opened(self) -> None:
        """Both know how to speak, perhaps better than before."""
        if self.state is not State.OPEN:
            self.state = State.OPEN
            self.was_open = True
            self.hub.opened(self)
        if self.version == 2:
            self.heartbeat.begin()
        self.drained()

    def agree_on_messagepack(self) -> None:
        """Both have it."""
        self._pack, self.decoder.unpack = self.hub.features["msgpack"]

    # -- receiving --

    def receive(self, data: bytes) -> None:
        """The peer has sent something."""
        self.heartbeat.heard()
        self.decoder.receive_data(data)
        self.process()
        if self.state is not _OPEN:
            self.handshake.count(len(data))

    def process(self) -> None:
        """Handle the packets that are complete, as many as the hub takes."""
        hub, decoder, aside = self.hub, self.decoder, self._aside
        if self.is_sated:
            return  # it goes on in its turn
        turns = hub.engine.turns
        left = turns.left if turns.left > LEAST else LEAST
        while self.state is not State.CLOSED:
            is_full = hub.is_full
            if is_full:
                if aside or decoder.pending_bytes or self._early is not None:
                    hub.wait(self)
                if not self._reads_on:
                    return
            elif aside:
                self._take_aside()
                continue
            before = decoder.pending_bytes
            message, self._early = self._early, None
            if message is None:
                try:
                    message = decoder.next_message()
                except wire.RemoteProtocolError as problem:
                    self.fail(str(problem))
                    return
                if message is None:
                    return
                turns.left -= 1
                left -= 1
            if is_full and message.__class__ is Request:
                self._set_aside(message, before - decoder.pending_bytes)
            elif self.state is _OPEN:
                self._take(message)
            elif not self.handshake.take(message):
                self._early = message
                if self.state is not _OPEN:
                    return  # nothing may be written now
            if left <= 0 and decoder.pending_bytes:
                self.is_sated = True
                self.heed_hold()
                turns.add(self._end_turn)
                return
        aside.clear()

    def _end_turn(self) -> None:
        """Others had their turn."""
        self.is_sated = False
        self.process()
        if self.is_sated or self.state is State.CLOSED or is_leaving(self.hub.owner):
            return
        if not self.hub.is_holding:
            self.transport.hold_reading(False)
        self.heed_hold()

    @property
    def _reads_on(self) -> bool:
        """Whether to read although no more events are taken.

        Handlers that are suspended may wait for answers of this very peer, which come behind
        its events. So those are set aside, up to a limit.
        """
        return bool(self.outstanding) and self._aside_bytes < self.hub.options.packet_limit_bytes

    def _set_aside(self, request: Request, size: int) -> None:
        self._aside.append((request, _clock.now()))
        # Small ones cost more than their bytes: as many as may wait elsewhere fill it, too.
        options = self.hub.options
        self._aside_bytes += max(size, -(-options.packet_limit_bytes // options.limit))
        self.hub.wait(self)
        self.heed_hold()

    def _take_aside(self) -> None:
        request, since = self._aside.popleft()
        if not self._aside:
            self._aside_bytes = 0
        seconds = DEFAULT_SECONDS if request.timeout is None else request.timeout
        request.timeout = seconds - (_clock.now() - since)
        self.hub.take_request(self, request)

    def heed_hold(self) -> None:
        """Read, or not, as the hub and what is under way would have it."""
        if self.hub.is_holding or self.is_sated:
            self.transport.hold_reading(self.is_sated or not self._reads_on)

    def _take(self, message: wire.Message) -> None:
        kind = message.__class__
        if kind is Request:
            self.hub.take_request(self, message)  # type: ignore[arg-type]
        elif kind is Reply:
            self._take_reply(message)  # type: ignore[arg-type]
        elif kind is Control:
            self._take_control(message.kind, message.content)  # type: ignore[union-attr]
        elif kind is Offer:
            self.handshake.take_late(message)  # type: ignore[arg-type]
        else:
            self._take_malformed(message)  # type: ignore[arg-type]

    def _take_reply(self, reply: Reply) -> None:
        if reply.id.__class__ not in (str, int):  # 1 and True are the same to a dict
            return
        asked = self.outstanding.pop(reply.id, None)
        if asked is None:
            return
        value, problem = reply.value, None
        try:
            value = wire.lift(value, self.hub.known.make, is_plain=reply.version == 1)
        except wire.UnreadableError as unreadable:
            value, problem = None, made_from([unreadable.type_name, str(unreadable), []])
        if reply.errors and problem is None:
            value, problem = None, made_from(value)
        asked.arrive(value, problem)
        if self.hub.is_holding:
            self.heed_hold()
        self._made_room()

    def _take_control(self, kind: str, content: Any) -> None:
        if kind == "ping":
            if content.__class__ in (int, float, str) and len(str(content)) < 100:
                self.send_control("pong", content)
        elif kind == "replaced" and self.is_client and content is True:
            self.hub.replaced(self)

    def _take_malformed(self, message: Malformed) -> None:
        self.hub.log("%s: passed over %s", self, message.reason)
        if message.id is not None:
            self.hub.answer_failure(self, message.version, message.id, "ValueError", message.reason)

    # -- sending --

    @property
    def can_send(self) -> bool:
        """Whether another event may be sent now."""
        if self.state is not _OPEN or self.transport.is_blocked:
            return False
        return len(self.outstanding) < self._most

    @property
    def _most(self) -> int:
        """How many events may be on their way."""
        return self.hub.options.outstanding if self.version == 2 else 1

    def _made_room(self) -> None:
        if len(self.outstanding) + 1 >= self._most:
            self.drained()

    def send_request(self, asked: Asked) -> None:
        """Send an event; see ``can_send``.

        Raises:
            UnsendableError: Something in it does not travel.
            ValueError: It is too large.
        """
        self._number += 1
        version = self.version
        id: Any = f"{self._prefix}{self._number:016x}" if version == 2 else self._number - 1
        body = asked.body(id, version)
        data = wire.encode(body, version, self.hub.options.packet_limit_bytes, self._pack)
        self.outstanding[id] = asked
        asked.sent(self, id)
        if self.hub.is_holding:
            self.heed_hold()
        self.send(data, version)

    def send_reply(self, id: Any, value: Any, errors: bool, version: int) -> None:
        """Answer a request, in its kind.

        Raises:
            UnsendableError: The value does not travel.
            ValueError: It is too large.
        """
        hub = self.hub
        lowered = wire.lower(value, "value", hub.known.describe, is_plain=version == 1)
        body = wire.reply_body(id, lowered, errors, version)
        pack = self._pack if version == 2 else None
        self.send(wire.encode(body, version, hub.options.packet_limit_bytes, pack), version)

    def send_control(self, kind: str, content: Any) -> None:
        """Send something that is not for programs."""
        self.send(wire.encode({kind: content}, 2), 2)

    def send(self, data: bytes, version: int) -> None:
        """Send a packet: at once, or with others at the end of this turn."""
        if self.state is State.CLOSED:
            return
        if version == 1:
            self.flush()
            self.transport.write(data)
            return
        self._out.append(data)
        self._out_bytes += len(data)
        if self._out_bytes >= _OUT_BYTES:
            self.flush()
        elif not self.is_dirty:
            self.is_dirty = True
            self.hub.flush_later(self)

    def flush(self) -> None:
        """Write what was collected."""
        self.is_dirty = False
        out = self._out
        if out and self.state is not State.CLOSED:
            self._out, self._out_bytes = [], 0
            self.transport.write(out[0] if len(out) == 1 else b"".join(out))

    def drained(self) -> None:
        """More can be sent."""
        if self.on_drain is not None and self.state is _OPEN:
            self.on_drain()

    def answered(self) -> None:
        """A request of the peer is over, and its answer was sent."""
        if self.at_end and not self.serving:
            self.finish()

    def forget(self, id: Any) -> None:
        """Nobody waits for an answer any more."""
        if self.outstanding.pop(id, None) is not None:
            self._made_room()

    # -- ending --

    def end_of_input(self) -> bool:
        """The peer has finished writing.

        Returns:
            Whether the connection stays open, for the answers that it still wants.
        """
        self.at_end = True
        return bool(self.serving) and self.state is _OPEN

    def fail(self, reason: str) -> None:
        """Close, because of something that the peer has done."""
        self.hub.log("%s: closed, %s", self, reason)
        self.finish(reason)

    def replace(self) -> None:
        """The peer has connected again: tell it over this connection, which ends."""
        if self.version == 2:
            self.send_control("replaced", True)
        self.finish("replaced")

    def finish(self, reason: str = "closed") -> None:
        """Close when all is written."""
        if self.state is State.CLOSED:
            return
        self.flush()
        self.lost(reason)
        self.transport.close()

    def lost(self, reason: str) -> None:
        """The connection has ended, or is about to; whoever waits for an answer is told."""
        if self.state is State.CLOSED:
            return
        self.state = State.CLOSED
        self.reason = reason
        self.handshake.end()
        self.heartbeat.end()
        self._out.clear()
        self.hub.closed(self)
        outstanding, self.outstanding = self.outstanding, {}
        for asked in outstanding.values():
            asked.arrive(None, Unreachable(f"the connection to {self} was lost: {reason}"))
        if self.whenever_closed is not None:
            self.whenever_closed(reason)
