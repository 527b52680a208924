"""One connection to a server of NATS: what is published over it, and what comes in.

Theory of operation. Handlers publish by the writer, a task of the asyncio loop. What the client
of nats-py receives is put aside and taken in a turn of the engine, by an event that nothing else
has caused, so that what is fired then counts for nobody. A connection is used once: when it is
lost, so is what nats-py has kept of it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from circuits._wire import packet as wire
from circuits.core import _clock
from circuits.core.events import Event

from ._nats_asked import Stored, encoded
from ._nats_client import arrive, server_name
from ._nats_intake import Intake
from ._nats_writer import Writer
from ._subjects import encode_token
from .errors import Unreachable

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

    from ._hub import Hub
    from ._nats_asked import NatsAsked
    from .nats import Nats

__all__ = ["Arrived", "NatsLink"]

#: Headers count for the server's limit of a message.
_HEADER_BYTES = 1024
#: Seconds until something is published again that JetStream has refused, or has not answered.
_AGAIN_SECONDS = 0.25
_NO_ANSWER_SECONDS = 3.0
_NO_RESPONDERS = "503"


class Arrived(Event):
    """Something has come in. Fired from outside of all turns, so it counts for no event."""

    name = "_arrived"


class NatsLink:
    """One connection. To the hub it is what ``Link`` is over TCP.

    Args:
        nats: The component.
        client: The client of nats-py, connected.

    Attributes:
        name, host, port: Of the server.
        outstanding: What was published and is not answered, by the end of its inbox.
        inbox: Where answers are sent.
        special: Who takes what comes to an end of the inbox, if that is no answer.
        intake: What others ask.
        limit_bytes: The largest message.
        reason: Why it has ended.
    """

    is_client = True
    is_blocked = False
    serving = 0

    def __init__(self, nats: Nats, client: Client) -> None:
        self.nats = nats
        self.hub: Hub = nats._hub
        self.client = client
        self.transport = self
        url = client.connected_url
        self.name = server_name(client)
        self.host = None if url is None else url.hostname
        self.port = None if url is None else url.port
        self.outstanding: dict[Any, NatsAsked] = {}
        most = self.hub.options.packet_limit_bytes
        self.limit_bytes = min(most, client.max_payload)
        self.reason = "closed"
        self.is_open = self.was_open = self.is_closed = False
        self.on_drain: Any = None
        me = encode_token(nats.options.name or "")
        self.inbox = f"_INBOX.circuits.{me}.{_clock.random_bytes(11).hex()}"
        self._number = 0
        self._loop = asyncio.get_running_loop()
        self._answers: deque[Msg] = deque()
        self._is_noticed = False
        self._no_answers: str | None = None  # why we cannot get any
        self.special: dict[str, Any] = {}
        self._subscriptions: list[Any] = []
        self.intake = Intake(self)
        self.writer = Writer(
            client, self._notice, lambda problem: self.hub.log("%r: %s", self, problem)
        )

    def __repr__(self) -> str:
        return f"{self.name} at {self.host}:{self.port}"

    # -- subscribing --

    async def listen_for_answers(self) -> None:
        """Subscribe to the inbox."""
        await self.client.subscribe(f"{self.inbox}.*", cb=self._on_answer)

    async def listen(self) -> None:
        """Subscribe to what is for this node, for its group, and for all."""
        options, subjects = self.nats.options, self.nats.subjects
        wanted = [(subjects.for_all(), "")]
        if options.name is not None:
            wanted.append((subjects.for_node(options.name), ""))
        if options.group is not None:
            wanted.append((subjects.for_node(options.group), encode_token(options.group)))
        for subject, queue in wanted:
            found = await self.client.subscribe(subject, queue=queue, cb=self._on_request)
            self._subscriptions.append(found)
        await arrive(self.client, 5)

    def stop_listening(self) -> None:
        """Take nothing new."""
        subscriptions, self._subscriptions = self._subscriptions, []
        if subscriptions and not self.is_closed:
            self.nats.spawn(self._unsubscribe(subscriptions))

    async def _unsubscribe(self, subscriptions: list[Any]) -> None:
        # What has come already is still taken. The connection may be lost meanwhile.
        drains = (subscription.drain() for subscription in subscriptions)
        await asyncio.gather(*drains, return_exceptions=True)

    def open(self) -> None:
        """It can be used."""
        self.is_open = self.was_open = True
        self.hub.links[self] = None  # type: ignore[index]
        self.hub.opened(self)  # type: ignore[arg-type]
        self.drained()

    # -- receiving --

    async def _on_answer(self, message: Msg) -> None:
        self._answers.append(message)
        self._notice()

    async def _on_request(self, message: Msg) -> None:
        self.intake.add(message)
        self._notice()

    def _notice(self) -> None:
        if not self._is_noticed and not self.is_closed:
            self._is_noticed = True
            self.nats.fire(Arrived(self), self.nats)

    def go_on(self) -> None:
        """There may be room for what has had to wait."""
        if self.intake.is_waiting:
            self._loop.call_soon(self._notice)

    def process(self) -> None:
        """Take what has come in. Called within a turn, on behalf of no event."""
        self._is_noticed = False
        answers = self._answers
        while answers and not self.is_closed:
            self._take_answer(answers.popleft())
        self.intake.take()
        if self.on_drain is not None and self.is_open:
            self.on_drain()

    def _take_answer(self, message: Msg) -> None:
        inbox, _, end = message.subject.rpartition(".")
        if (
            inbox != self.inbox
        ):  # a letter comes under its own subject, whatever its event is called
            desk = self.nats.desk
            if desk is not None and message.reply.startswith("$JS.ACK."):
                desk.take(self, message)
            return
        asked = self.outstanding.get(end)
        if asked is None:
            taker = self.special.get(end)
            if taker is not None:
                taker(message)
            return
        if not asked.is_stored:
            del self.outstanding[end]
        headers = message.headers
        if headers and not message.data and headers.get("Status") == _NO_RESPONDERS:
            asked.nobody_listens()
        else:
            asked.take_answer(message.data)

    # -- sending --

    @property
    def can_send(self) -> bool:
        """Whether another event may be sent now."""
        is_full = len(self.outstanding) >= self.hub.options.outstanding
        return self.is_open and not is_full and not self.writer.is_slow()

    def send_request(self, asked: NatsAsked) -> None:
        """Publish an event; see ``can_send``.

        Raises:
            UnsendableError: Something in it does not travel.
            ValueError: It is too large.
        """
        self._number += 1
        end = f"{self._number:x}"
        limit = self.limit_bytes
        if asked.has_headers:
            limit = max(1, limit - _HEADER_BYTES)
        data = asked.data(f"{self._number:032x}", limit)
        if not asked.wants_answer:
            self.publish(asked.subject, data, "", {"Circuits-Instance": self.nats.instance})
            asked.arrive(None, None)
            return
        if self._no_answers is not None:
            asked.arrive(None, Unreachable(self._no_answers))
            return
        self.outstanding[end] = asked
        asked.sent(self, end)  # type: ignore[arg-type]
        self.publish(asked.subject, data, f"{self.inbox}.{end}", asked.headers)
        if asked.is_stored:
            self.publish_again(asked, end, _NO_ANSWER_SECONDS)

    def publish_again(self, asked: NatsAsked, end: Any, seconds: float = _AGAIN_SECONDS) -> None:
        """Publish something again later, unless it is over by then; the stream knows its id."""

        def publish() -> None:
            if self.is_open and self.outstanding.get(end) is asked:
                data = asked.data(end, self.limit_bytes)
                self.publish(asked.subject, data, f"{self.inbox}.{end}", asked.headers)
                self.publish_again(asked, end, _NO_ANSWER_SECONDS)

        asked.again_in(seconds, publish)  # type: ignore[attr-defined]

    def send_answer(self, reply: str, id: Any, value: Any, errors: bool) -> None:
        """Answer a message.

        Raises:
            UnsendableError: The value does not travel.
            ValueError: It is too large.
        """
        lowered = wire.lower(value, "value", self.hub.known.describe)
        data = encoded(wire.reply_body(id, lowered, errors, 2), self.limit_bytes)
        link = self.nats.link if self.is_closed else self
        if link is not None:
            link.publish(reply, data)

    def publish(
        self, subject: str, data: bytes, reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """Have a message published, at the end of this turn."""
        if not self.is_closed:
            self.writer.publish(subject, data, reply, headers)

    def denied(self, is_publication: bool, subject: str) -> None:
        """The server does not let us publish or subscribe; it tells the subject in lower case."""
        what = "publish" if is_publication else "subscribe"
        text = f"the server does not let us {what} to {subject}"
        if is_publication:
            refused = [a for a in self.outstanding.values() if a.subject.lower() == subject]
        elif subject == f"{self.inbox}.*".lower():
            self._no_answers = text = f"no answers can be had: {text}"
            refused = [*self.outstanding.values()]
        else:
            self.nats._tree_engine.report(PermissionError(text), None)
            return
        for asked in refused:
            asked.fail(Unreachable(f"{asked.node!r} cannot be asked: {text}"))

    def flush(self) -> None:
        """Nothing to be done: see ``publish``."""

    is_sated = False

    def hold_reading(self, is_held: bool) -> None:
        """A server cannot be slowed: see ``Intake.settled``."""

    def heed_hold(self) -> None:
        """Likewise."""

    def drained(self) -> None:
        """More can be sent."""
        if self.on_drain is not None and self.is_open:
            self.on_drain()

    def forget(self, id: Any) -> None:
        """Nobody waits for an answer any more."""
        self.outstanding.pop(id, None)
        if len(self.outstanding) + 1 >= self.hub.options.outstanding:
            self.drained()

    def answered(self) -> None:
        """A request is over."""
        self.go_on()

    # -- ending --

    def finish(self, reason: str = "closed") -> None:
        """Close when all is written."""
        if not self.is_closed:
            self.nats.close_link(self, reason)

    def lost(self, reason: str) -> None:
        """The connection has ended, or is about to; whoever waits for an answer is told."""
        if self.is_closed:
            return
        self.is_open, self.is_closed, self.reason = False, True, reason
        self.intake.clear()
        self._answers.clear()
        outstanding, self.outstanding = self.outstanding, {}
        stored = []
        for asked in outstanding.values():
            if isinstance(asked, Stored):
                asked.put_back()
                stored.append(asked)
        self.nats.link_lost(self, stored)
        for asked in outstanding.values():
            if not asked.is_stored:
                asked.arrive(None, Unreachable(f"the connection to {self!r} was lost: {reason}"))
        self.hub.closed(self)  # type: ignore[arg-type]
