"""One connection to a server of NATS: what is published over it, and what comes in.

Theory of operation. Handlers only append to what is to be published; a task of the asyncio loop,
the writer, hands that to the client of nats-py. What the client receives is put aside and taken
in a turn of the engine, by an event that nothing else has caused, so that what is fired then
counts for nobody. A connection is used once: when it is lost, so is what nats-py has kept of it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from circuits._wire import packet as wire
from circuits.core import _clock
from circuits.core.events import Event

from ._nats_asked import Stored, encoded
from ._subjects import decode_token, encode_token
from .errors import Unreachable

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

    from ._hub import Hub
    from ._nats_asked import NatsAsked
    from .nats import Nats

__all__ = ["Arrived", "Caller", "NatsLink", "Settled"]

#: With so many bytes on their way to the server nothing else is sent: it is slow.
_OUT_BYTES = 4 * 1024 * 1024
#: Headers count for the server's limit of a message.
_HEADER_BYTES = 1024
#: Seconds until something is published again that JetStream has refused, or has not answered.
_AGAIN_SECONDS = 0.25
_NO_ANSWER_SECONDS = 3.0
#: Seconds between two looks whether a slow server has caught up.
_LOOK_SECONDS = 0.02
_KEYS = ("args", "kwargs", "success", "failure", "notify", "timeout", "traceparent", "id")
_NO_RESPONDERS = "503"


class Arrived(Event):
    """Something has come in. Fired from outside of all turns, so it counts for no event."""

    name = "_arrived"


class Settled(Event):
    """What had come in was fired, and those events that end at once have ended."""

    name = "_settled"


class Caller:
    """Who has sent one message: what a link is to its peer, for this message alone.

    Attributes:
        serving: 1 while the event runs.
    """

    __slots__ = ("_id", "_link", "_reply", "serving")

    def __init__(self, link: NatsLink, reply: str, id: Any) -> None:
        self._link = link
        self._reply = reply
        self._id = id
        self.serving = 0

    @property
    def name(self) -> str | None:
        """Of the node, which its inbox carries; or ``None``."""
        parts = self._reply.split(".")
        if len(parts) != 5 or parts[1] != "circuits":
            return None
        try:
            return decode_token(parts[2]) or None
        except ValueError:
            return None

    def __repr__(self) -> str:
        return f"{self.name or 'a client'} of {self._link!r}"

    def send_reply(self, id: Any, value: Any, errors: bool, version: int) -> None:
        """Answer the message; see ``Link.send_reply``."""
        self._link.send_answer(self._reply, self._id, value, errors)

    def answered(self) -> None:
        """The event is over."""
        self._link.go_on()


class NatsLink:
    """One connection. To the hub it is what ``Link`` is over TCP.

    Args:
        nats: The component.
        client: The client of nats-py, connected.

    Attributes:
        name, host, port: Of the server.
        outstanding: What was published and is not answered, by the end of its inbox.
        inbox: Where answers are sent.
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
        info: Any = client._server_info
        url = client.connected_url
        self.name: str | None = info.get("server_name") or info.get("server_id")
        self.host = None if url is None else url.hostname
        self.port = None if url is None else url.port
        self.outstanding: dict[Any, NatsAsked] = {}
        most = self.hub.options.packet_limit_bytes
        self.limit_bytes = min(most, client.max_payload)
        self.reason = "closed"
        self.is_open = self.was_open = self.is_closed = False
        self.is_slow = False
        self.on_drain: Any = None
        me = encode_token(nats.options.name or "")
        self.inbox = f"_INBOX.circuits.{me}.{_clock.random_bytes(11).hex()}"
        self._number = 0
        self._out: list[tuple[str, bytes, str, dict[str, str] | None]] = []
        self._out_bytes = 0
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._answers: deque[Msg] = deque()
        self.requests: deque[Any] = deque()
        self._is_noticed = self._is_waiting = False
        self.special: dict[str, Any] = {}  # who takes what comes to an end of the inbox
        self._subscriptions: list[Any] = []
        self.writer = self._loop.create_task(self._write())

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
        await self.client.flush(5)

    def stop_listening(self) -> None:
        """Take nothing new."""
        subscriptions, self._subscriptions = self._subscriptions, []
        if subscriptions and not self.is_closed:
            self.nats.spawn(self._unsubscribe(subscriptions))

    async def _unsubscribe(self, subscriptions: list[Any]) -> None:
        for subscription in subscriptions:
            if not self.client.is_closed:
                await self.client._send_unsubscribe(subscription._id)

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
        self.requests.append(message)
        self._notice()

    def _notice(self) -> None:
        if not self._is_noticed and not self.is_closed:
            self._is_noticed = True
            self.nats.fire(Arrived(self), self.nats)

    def go_on(self) -> None:
        """There may be room for what has had to wait."""
        if self.requests and not self._is_waiting:
            self._loop.call_soon(self._notice)

    def process(self) -> None:
        """Take what has come in. Called within a turn, on behalf of no event."""
        self._is_noticed = False
        answers = self._answers
        while answers and not self.is_closed:
            self._take_answer(answers.popleft())
        self._take_requests()
        if self.on_drain is not None and self.is_open:
            self.on_drain()

    def _take_requests(self) -> None:
        requests, hub = self.requests, self.hub
        while requests and not self.is_closed:
            if hub.is_full:
                if not self._is_waiting:
                    self._is_waiting = True
                    self.nats.fire(Settled(self), self.nats)
                return
            message = requests.popleft()
            if hasattr(message, "take"):
                message.take()
            else:
                self._take_request(message)

    def settled(self) -> None:
        """Those who are still running are suspended: no more can be taken, and nobody slowed."""
        self._is_waiting = False
        if self.hub.is_full:
            letters = [message for message in self.requests if hasattr(message, "take")]
            for message in self.requests:
                if not hasattr(message, "take"):
                    caller, request = self._understand(message)
                    if caller is not None and request is not None:
                        self._refuse_busy(caller, request)
            self.requests = deque(letters)
        else:
            self._take_requests()

    def _refuse_busy(self, caller: Caller, request: wire.Message) -> None:
        id = getattr(request, "id", None)
        number = self.hub.options.concurrency
        self._answer_failure(caller, id, "Unreachable", f"busy: {number} events are suspended")

    def _answer_failure(self, caller: Caller, id: Any, name: str, text: str) -> None:
        self.hub.answer_failure(caller, 2, id, name, text)  # type: ignore[arg-type]

    def _understand(self, message: Msg) -> tuple[Caller | None, wire.Message | None]:
        """Who asks, and what: the subject says where to, whatever the body does."""
        headers = message.headers
        if headers and headers.get("Circuits-Instance") == self.nats.instance:
            if not self.nats.options.echo:
                return None, None
        caller = Caller(self, message.reply, None)
        try:
            request = self.read_request(message.subject, message.data)
        except (ValueError, wire.UnreadableError) as problem:
            request = wire.Malformed(2, str(problem))
        caller._id = request.id  # type: ignore[union-attr]
        request.id = True if message.reply else None  # type: ignore[union-attr]
        return caller, request

    def read_request(self, subject: str, data: bytes) -> wire.Message:
        """What a message asks for.

        Raises:
            ValueError, UnreadableError: It cannot be read.
        """
        limit = self.hub.options.packet_limit_bytes
        if len(data) > limit:
            raise ValueError(f"a message of {len(data)} bytes, at most {limit} are allowed")
        channels, name = self.nats.subjects.address(subject)
        body = wire.read_json(data) if data else {}
        if body.__class__ is not dict:
            raise ValueError("a message that is no object")
        found = {key: body[key] for key in _KEYS if key in body}
        return wire.parse({**found, "name": name, "channels": list(channels)}, 2)

    def _take_request(self, message: Msg) -> None:
        caller, request = self._understand(message)
        if caller is None:
            return
        if request.__class__ is wire.Request:
            self.hub.take_request(caller, request)  # type: ignore[arg-type]
        else:
            reason = request.reason  # type: ignore[union-attr]
            self.hub.log("%s: passed over %s", caller, reason)
            id = request.id  # type: ignore[union-attr]
            self._answer_failure(caller, id, "ValueError", reason)

    def _take_answer(self, message: Msg) -> None:
        end = message.subject.rpartition(".")[2]
        asked = self.outstanding.get(end)
        if asked is None:
            taker = self.special.get(end)
            desk = self.nats.desk
            if taker is not None:
                taker(message)
            elif desk is not None and message.reply.startswith("$JS.ACK."):
                desk.take(self, message)
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
        if not self.is_open:
            return False
        self.is_slow = self._out_bytes + self.client.pending_data_size > _OUT_BYTES
        if self.is_slow:
            self._wake.set()  # the writer looks when that is over
        return not self.is_slow

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
        if self.is_closed:
            return
        self._out.append((subject, data, reply, headers))
        self._out_bytes += len(data) + len(subject)
        self._wake.set()

    async def _write(self) -> None:
        client, wake = self.client, self._wake
        while True:
            await wake.wait()
            wake.clear()
            while self._out:
                out, self._out, self._out_bytes = self._out, [], 0
                for subject, data, reply, headers in out:
                    try:
                        await client.publish(subject, data, reply, headers)
                    except Exception as problem:  # whatever it thinks of a subject, or is closed
                        self.hub.log("%r: %s", self, problem)
            while self.is_slow and client.is_connected:
                await asyncio.sleep(_LOOK_SECONDS)
                if self.can_send:
                    self._notice()

    def flush(self) -> None:
        """Nothing to be done: see ``publish``."""

    def hold_reading(self, is_held: bool) -> None:
        """A server cannot be slowed: see ``settled``."""

    def heed_hold(self) -> None:
        """Likewise."""

    def drained(self) -> None:
        """More can be sent."""
        if self.on_drain is not None and self.is_open:
            self.on_drain()

    def forget(self, id: Any) -> None:
        """Nobody waits for an answer any more."""
        self.outstanding.pop(id, None)

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
        self.requests.clear()
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
