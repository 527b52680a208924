"""Stored events: each is pulled, run, and acknowledged when all that it has caused is over.

A stream hands out a message, a letter here, again and again until it is told that it is done. So
whatever goes wrong with a letter, doing nothing is safe: it comes again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from circuits._wire import packet as wire
from circuits.core._clock import NEVER
from circuits.core.events import BaseEvent, Event

from ._accept import answers
from ._foreign import failure_of, give_up
from ._hub import Hub
from .errors import text_of
from .events import DeadLetter

if TYPE_CHECKING:
    from nats.aio.msg import Msg

    from circuits.core.values import Value

    from ._desk import Desk
    from ._nats_link import NatsLink

__all__ = ["NANOSECONDS", "Deliver", "Letter", "NatsHub"]

#: In a second: what servers count times in.
NANOSECONDS: Final = 1_000_000_000
#: How often progress is told within ``ack_wait``.
_PROGRESS_PARTS: Final = 3
_ACK_TOKENS: Final = 9


class Deliver(Event):
    """A letter is opened: all that its event causes counts for this one.

    Fired by :meth:`Letter.run` at the connection, with the letter. Its ``complete`` is when that is over.
    """

    name = "_deliver"
    complete = True


class NatsHub(Hub):
    """The hub of a node over NATS: letters have no time limit, and are over when complete."""

    def _run(self, link: Any, request: wire.Request, event: BaseEvent) -> None:
        if isinstance(link, Letter):
            link.run(event, request.channels)
        else:
            super()._run(link, request, event)


class Letter:
    """One message of the stream, from when it is here. To the hub it is who has sent the event,
    and the event that runs.

    Attributes:
        id: That of the message; ``None`` to the hub, as there is no answer.
        deliveries: How often it was delivered, this time included.
    """

    __slots__ = (
        "_channels", "_copies", "_is_heard", "_problem", "_progress", "_value", "deliveries", "desk", "event",
        "event_id", "hub", "is_over", "link", "message", "name", "sequence", "serving",
        "version", "wire_link",
    )  # fmt: skip

    id = None
    is_awaited = False

    def __init__(self, desk: Desk, link: NatsLink, message: Msg) -> None:
        self.desk = desk
        self.hub = desk.nats._hub
        self.wire_link = link
        self.message = message
        self.link = self
        self.version = 2
        self.serving = 0
        self.name: str | None = None
        parts = message.reply.split(".")
        # The longer form has a domain and an account before the name of the stream.
        first = 2 if len(parts) == _ACK_TOKENS else 4
        self.deliveries, self.sequence = int(parts[first + 2]), int(parts[first + 3])
        self.event_id = (message.headers or {}).get("Nats-Msg-Id") or ""
        self.event: BaseEvent | None = None
        self.is_over = False
        self._channels: tuple[str, ...] = ()
        self._value: Value | None = None
        self._problem: str | None = None
        self._is_heard = False
        self._progress = NEVER
        #: Where each message of this id is answered, by its number in the stream.
        self._copies = {self.sequence: (link, message.reply)}

    def __repr__(self) -> str:
        return f"{self.event_id or 'a message'} of {self.wire_link!r}"

    # -- telling the server --

    def _say(self, text: bytes) -> None:
        for link, subject in self._copies.values():
            link.publish(subject, text)

    def _join(self, other: Letter) -> None:
        """A message with the id of this one, or the same again: it is answered as this one is.

        More of them than a node runs at once are not remembered; they come again.
        """
        if other.sequence == self.sequence:
            self.message, self.wire_link = other.message, other.wire_link
        most = self.hub.options.concurrency
        if other.sequence in self._copies or len(self._copies) < most:
            self._copies.update(other._copies)
        self.keep()

    def acknowledge(self) -> None:
        """It is done."""
        self._say(b"+ACK")

    def give_back(self, seconds: float = 0.0) -> None:
        """It is to be delivered again, after some time."""
        delay = json.dumps({"delay": round(seconds * NANOSECONDS)}).encode()
        self._say(b"-NAK " + delay if seconds else b"-NAK")

    def keep(self) -> None:
        """It is being worked on, from now on until it is over."""
        seconds = self.desk.nats.options.ack_wait / _PROGRESS_PARTS
        schedule = self.hub.engine.schedule
        self._progress.cancel()
        self._progress = schedule.call_in(seconds, self._tell_progress)

    def _tell_progress(self) -> None:
        if not self.is_over:
            self._say(b"+WPI")
            self.keep()

    # -- running --

    def take(self) -> None:
        """Open it, if that is to be done."""
        self._progress.cancel()
        desk, message = self.desk, self.message
        body: Any = None
        request: wire.Message
        try:
            request = self.wire_link.intake.read(message.subject, message.data)
            body = request.id if isinstance(request, wire.Request) else None
        except (ValueError, wire.UnreadableError) as problem:
            request = wire.Malformed(2, str(problem))
        if not self.event_id:
            stream = desk.streams.stream
            self.event_id = str(body) if body is not None else f"{stream}:{self.sequence}"
        if desk.is_done(self.event_id):
            self.acknowledge()
            desk.pull()
            return
        running = desk.running.get(self.event_id)
        if running is not None:  # it has come again meanwhile: one of them is enough
            running._join(self)
            desk.pull()
            return
        if not isinstance(request, wire.Request):
            self._bury(f"ValueError: {getattr(request, 'reason', 'it cannot be read')}")
            return
        most = desk.nats.options.max_deliver
        if self.deliveries > most:
            self._bury(f"delivered {self.deliveries} times, {most} at most are tried")
            return
        request.id, request.timeout = True, None
        self.hub.take_request(self, request)  # type: ignore[arg-type]

    def send_reply(self, id: Any, value: Any, errors: bool, version: int) -> None:
        """The hub does not take it, and says why."""
        if self.hub.is_ending:
            self.give_back()
        else:
            self._bury(f"{value[0]}: {value[1]}")

    def answered(self) -> None:
        """To the hub: it is over."""

    def run(self, event: BaseEvent, channels: tuple[str, ...]) -> None:
        """Fire its event, on behalf of another one that is complete when all is."""
        self._mark(event)
        self.event, self._channels = event, channels
        self._begin()
        event._when_over(self)
        nats = self.desk.nats
        deliver = Deliver(self)
        deliver.complete_channels = (nats,)
        nats.fire(deliver, nats)

    def _begin(self) -> None:
        self.hub.foreign[self] = None  # type: ignore[index]
        self.serving += 1
        self.desk.running[self.event_id] = self
        self.keep()

    def deliver(self) -> None:
        """The event that is complete when all is over has its turn."""
        if self.event is not None and not self.is_over:
            self.hub.owner.fire(self.event, *self._channels)
            self._is_heard = self._has_handlers(self.event)

    def resolve(self, event: BaseEvent, value: Value) -> None:
        """The engine tells that its handlers are done."""
        if self._value is None:
            self._value = value
        self._is_heard = self._is_heard or self._has_handlers(event)

    def _has_handlers(self, event: BaseEvent) -> bool:
        """Whether there is anyone for its event, beside those who only look on."""
        engine, name = self.hub.engine, event.name
        if name in engine.routes.awaited:
            return True
        return any(answers(route[0], name) for route in engine.route(name, event.channels))

    def effect_failed(self, problem: BaseException) -> None:
        """Something has failed that it has caused, and that nobody else is told of."""
        if self._problem is None:
            self._problem = f"{type(problem).__name__}: {text_of(problem)}"

    def completed(self) -> None:
        """All that it has caused is over."""
        if self.is_over:
            return
        value = self._value
        if value is not None and value.errors and value.exceptions:
            name, message, _lines = failure_of(value)
            self._problem = f"{name}: {message}"
        elif value is not None and value.cut and not value.result:
            self._problem = self._problem or "a handler was cancelled"
        elif not (self._is_heard or (value is not None and value.result)):
            # Members of a group need not be of one version: another one may have the handler.
            self._problem = "nobody handles it"
        desk = self.desk
        if self._problem is None:
            desk.done(self.event_id)
            self.acknowledge()
        elif self.deliveries >= desk.nats.options.max_deliver:
            self._bury(self._problem)
            return
        else:
            self.give_back(desk.nats.options.delay_after(self.deliveries))
        self._end()

    def _end(self) -> None:
        if self.is_over:
            return
        self.is_over = True
        self._progress.cancel()
        if self.desk.running.get(self.event_id) is self:
            del self.desk.running[self.event_id]
        self.hub.over(self)  # type: ignore[arg-type]
        self.desk.pull()
        self.wire_link.go_on()

    def abandon(self) -> None:
        """The node stops, and cannot wait for it: somebody else is to have it."""
        if self.is_over:
            return
        event = self.event
        self.give_back()
        self._end()
        if event is not None:
            give_up(self.hub.engine, event)

    # -- giving up --

    def _bury(self, reason: str) -> None:
        """Publish it among the dead; once it is there, tell the stream that there is no hope."""
        if self.event is None or not self.serving:
            self._begin()
        self.desk.bury(self, reason)

    def buried(self, reason: str) -> None:
        """It is among the dead."""
        self._say(b"+TERM")
        event = self.event
        if event is None:
            event = self._unread_event()
        nats = self.desk.nats
        nats.hub_owner.fire(DeadLetter(event, reason, self.deliveries))
        self.desk.done(self.event_id)
        self._end()

    def _unread_event(self) -> BaseEvent:
        """An event that shows what was not taken, as far as that can be told."""
        event = Event()
        try:
            address = self.desk.nats.subjects.address(self.message.subject)
            event.name = address.name  # type: ignore[misc]
            event.channels = address.channels
            request = self.wire_link.intake.read(self.message.subject, self.message.data)
            if isinstance(request, wire.Request):
                event.args = request.args
                event.kwargs = request.kwargs
        except (ValueError, wire.UnreadableError):
            pass
        self._mark(event)
        return event

    def _mark(self, event: BaseEvent) -> None:
        """Say how often it was delivered, unless fields of the event have these names."""
        fields = [name for name, _ in event._event_fields]
        for name, value in (("delivery", self.deliveries), ("id", self.event_id)):
            if name not in fields:
                setattr(event, name, value)
