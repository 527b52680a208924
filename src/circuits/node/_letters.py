"""Stored events: each is pulled, run, and acknowledged when all that it has caused is over.

A stream hands out a message, a letter here, again and again until it is told that it is done. So
whatever goes wrong with a letter, doing nothing is safe: it comes again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from circuits._wire import packet as wire
from circuits.core import _clock
from circuits.core._clock import NEVER
from circuits.core.events import BaseEvent, Event

from ._accept import answers
from ._foreign import failure_of, give_up
from ._hub import Hub
from ._streams import DUPLICATE_SECONDS, Streams
from .errors import text_of
from .events import DeadLetter

if TYPE_CHECKING:
    from nats.aio.msg import Msg

    from circuits.core.values import Value

    from ._nats_link import NatsLink
    from .nats import Nats

__all__ = ["Deliver", "Desk", "Letter", "NatsHub"]

_NANOSECONDS: Final = 1_000_000_000
#: Seconds that a server keeps a question for letters at most, and the part of ``ack_wait``: what a
#: node that hangs does not take must not be delivered to its open question a second time.
_PULL_SECONDS: Final = 20.0
_PULL_PART: Final = 0.8
#: What a letter that could not be buried has to wait, and a question that was refused.
_AGAIN_SECONDS: Final = 0.25
_BURY_SECONDS: Final = 5.0
#: How often progress is told within ``ack_wait``.
_PROGRESS_PARTS: Final = 3
#: How many ids are remembered at most.
_MOST_DONE: Final = 100_000
_ACK_TOKENS: Final = 9
#: The headers of a dead letter, without its id and the reason; and the longest reason.
_HEAD_BYTES: Final = 200
_REASON_BYTES: Final = 1000


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
        delay = json.dumps({"delay": round(seconds * _NANOSECONDS)}).encode()
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


class Desk:
    """Takes the letters of a group, over whatever connection there is.

    Args:
        nats: The component.

    Attributes:
        streams: What is at the servers.
        running: The letters that are not over, by id.
    """

    def __init__(self, nats: Nats) -> None:
        self.nats = nats
        self.streams = Streams(nats.options, nats.subjects)
        self.running: dict[str, Letter] = {}
        self._done: dict[str, float] = {}
        self._link: NatsLink | None = None
        self._number = 0
        self._question = ""
        self._asked_for = 0  # how many letters the question still waits for
        self._expiry = NEVER

    # -- what was done --

    def is_done(self, id: str) -> bool:
        """Whether a letter was completed here a short while ago."""
        moment = self._done.get(id)
        return moment is not None and _clock.now() - moment < DUPLICATE_SECONDS

    def done(self, id: str) -> None:
        """Remember that a letter is completed."""
        done, now = self._done, _clock.now()
        done.pop(id, None)
        done[id] = now
        while done:
            oldest = next(iter(done))
            if len(done) <= _MOST_DONE and now - done[oldest] < DUPLICATE_SECONDS:
                break
            del done[oldest]

    # -- asking for letters --

    def open(self, link: NatsLink) -> None:
        """Use a connection, over which all is ready."""
        self._link = link
        self._asked_for = 0
        self.pull()

    def close(self) -> None:
        """Ask for no more."""
        link, self._link = self._link, None
        self._asked_for = 0
        self._expiry.cancel()
        if link is not None:
            for letter in link.intake.hand_out_letters():
                letter._progress.cancel()
                letter.give_back()

    def pull(self) -> None:
        """Ask for as many letters as can be run, unless that is asked for already.

        One question at a time: letters come under their own subjects, and do not tell which
        one they answer. And the members of a group get the same share if each has one.
        """
        link, hub = self._link, self.nats._hub
        if link is None or link.is_closed or hub.is_ending or self._asked_for:
            return
        here = len(link.intake.letters)
        if self.nats.options.ordered:
            free = 1 - len(self.running) - here
        else:
            free = hub.options.concurrency - len(hub.foreign) - here
        if free <= 0:
            return
        self._number += 1
        end = self._question = f"p{self._number:x}"
        self._asked_for = free
        link.special[end] = lambda message: self._take_status(link, end, message)
        seconds = min(_PULL_SECONDS, self.nats.options.ack_wait * _PULL_PART)
        body = {"batch": free, "expires": round(seconds * _NANOSECONDS)}
        link.publish(self.streams.pull_subject(), json.dumps(body).encode(), f"{link.inbox}.{end}")
        # A server that dies within a cluster answers nothing.
        self._expiry = hub.engine.schedule.call_in(seconds + 2, self._answered)

    def _answered(self) -> None:
        """The question is answered, or will not be."""
        self._expiry.cancel()
        self._asked_for = 0
        if self._link is not None:
            self._link.special.pop(self._question, None)
        self.pull()

    def _take_status(self, link: NatsLink, end: str, message: Msg) -> None:
        """The server says why there are no more letters."""
        headers = message.headers or {}
        if link is not self._link or end != self._question:
            return
        status = headers.get("Status")
        if status == "408":  # the time of the question is over
            self._answered()
            return
        text = "there is no consumer, or it is not ready"
        if status != "503":  # nobody has heard the question
            text = str(headers.get("Description", status))
        self.nats._hub.log("%r: no letters: %s", link, text)
        self.nats._hub.engine.schedule.call_in(_AGAIN_SECONDS, self._prepare_again)

    def _prepare_again(self) -> None:
        link = self._link
        if link is not None and self._asked_for:
            self._expiry.cancel()
            self._asked_for = 0
            link.special.pop(self._question, None)
            self.nats.prepare_desk(link)  # somebody may have deleted the consumer

    def take(self, link: NatsLink, message: Msg) -> None:
        """A letter has come."""
        letter = Letter(self, link, message)
        if link is not self._link:  # the node stops
            letter.give_back()
            return
        letter.keep()  # it may have to wait for room
        link.intake.add(letter)
        self._asked_for -= 1
        if self._asked_for <= 0:
            self._answered()

    # -- burying --

    def bury(self, letter: Letter, reason: str) -> None:
        """Put a letter among the dead."""
        link, options = letter.wire_link, self.nats.options
        assert options.group is not None
        self._number += 1
        end = f"b{self._number:x}"
        # Headers count as well: a server ends the connection over a message that is too large.
        data = letter.message.data
        room = link.client.max_payload - len(data) - len(letter.event_id.encode()) - _HEAD_BYTES
        if room < 0:
            data, room = b"", _REASON_BYTES
        text = " ".join(reason.split()).encode("ascii", "backslashreplace").decode()
        headers = {
            "Nats-Msg-Id": letter.event_id,
            "Circuits-Reason": text[: min(room, _REASON_BYTES)],
            "Circuits-Deliveries": str(letter.deliveries),
        }

        def answered(message: Msg) -> None:
            if link.special.pop(end, None) is None:
                return
            timer.cancel()
            try:
                is_stored = "seq" in json.loads(message.data)
            except ValueError:
                is_stored = False
            if is_stored:
                letter.buried(reason)
            else:
                self.nats._hub.log("%r: cannot bury %r: %s", link, letter, message.data[:200])
                again()

        def again() -> None:
            link.special.pop(end, None)
            if link.is_closed or self.nats._hub.is_ending:
                letter.give_back()  # whoever has it next finds the same
                letter._end()
            else:
                schedule.call_in(_AGAIN_SECONDS, lambda: self.bury(letter, reason))

        schedule = self.nats._hub.engine.schedule
        timer = schedule.call_in(_BURY_SECONDS, again)
        link.special[end] = answered
        subject = self.nats.subjects.dead(options.group, letter.message.subject)
        link.publish(subject, data, f"{link.inbox}.{end}", headers)
