"""What others ask of a node over one connection to NATS, until it is taken or refused."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from circuits._wire import packet as wire
from circuits.core.events import Event

from ._letters import Letter
from ._subjects import decode_token

if TYPE_CHECKING:
    from nats.aio.msg import Msg

    from ._hub import Hub
    from ._nats_link import NatsLink

__all__ = ["Caller", "Intake", "Settled"]

_KEYS = ("args", "kwargs", "success", "failure", "notify", "timeout", "traceparent", "id")


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


class Intake:
    """Messages and letters in the order in which they came; they wait while the node is full.

    Args:
        link: The connection.
    """

    def __init__(self, link: NatsLink) -> None:
        self._link = link
        self._hub: Hub = link.hub
        self._waiting: deque[Msg | Letter] = deque()
        self._is_settling = False

    @property
    def is_waiting(self) -> bool:
        """Whether there is something that may be taken."""
        return bool(self._waiting) and not self._is_settling

    def add(self, message: Msg | Letter) -> None:
        """Something has come."""
        self._waiting.append(message)

    def clear(self) -> None:
        """Forget all: nobody can be answered any more."""
        self._waiting.clear()

    @property
    def letters(self) -> list[Letter]:
        """The letters that wait."""
        return [message for message in self._waiting if isinstance(message, Letter)]

    def hand_out_letters(self) -> list[Letter]:
        """The letters that wait, which do so no longer."""
        letters = self.letters
        self._waiting = deque(m for m in self._waiting if not isinstance(m, Letter))
        return letters

    def take(self) -> None:
        """Take what there is, as far as there is room."""
        while self._waiting and not self._link.is_closed:
            if self._hub.is_full:
                if not self._is_settling:
                    self._is_settling = True
                    nats = self._link.nats
                    nats.fire(Settled(self), nats)
                return
            message = self._waiting.popleft()
            if isinstance(message, Letter):
                message.take()
            else:
                self._take_request(message)

    def settled(self) -> None:
        """Those who are still running are suspended: no more can be taken, and nobody slowed."""
        self._is_settling = False
        if not self._hub.is_full:
            self.take()
            return
        letters: deque[Msg | Letter] = deque(self.letters)
        for message in self._waiting:
            if not isinstance(message, Letter):
                caller, request = self._understand(message)
                if caller is not None and request is not None:
                    self._refuse_busy(caller, request)
        self._waiting = letters

    def _refuse_busy(self, caller: Caller, request: wire.Message) -> None:
        id = getattr(request, "id", None)
        number = self._hub.options.concurrency
        self._answer_failure(caller, id, "Unreachable", f"busy: {number} events are suspended")

    def _answer_failure(self, caller: Caller, id: Any, name: str, text: str) -> None:
        self._hub.answer_failure(caller, 2, id, name, text)  # type: ignore[arg-type]

    def _understand(self, message: Msg) -> tuple[Caller | None, wire.Message | None]:
        """Who asks, and what: the subject says where to, whatever the body does."""
        nats, headers = self._link.nats, message.headers
        if headers and headers.get("Circuits-Instance") == nats.instance and not nats.options.echo:
            return None, None
        caller = Caller(self._link, message.reply, None)
        try:
            request = self.read(message.subject, message.data)
        except (ValueError, wire.UnreadableError) as problem:
            request = wire.Malformed(2, str(problem))
        caller._id = request.id  # type: ignore[union-attr]
        request.id = True if message.reply else None  # type: ignore[union-attr]
        return caller, request

    def read(self, subject: str, data: bytes) -> wire.Message:
        """What a message asks for.

        Raises:
            ValueError, UnreadableError: It cannot be read.
        """
        limit = self._hub.options.packet_limit_bytes
        if len(data) > limit:
            raise ValueError(f"a message of {len(data)} bytes, at most {limit} are allowed")
        channels, name = self._link.nats.subjects.address(subject)
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
            self._hub.take_request(caller, request)  # type: ignore[arg-type]
        else:
            reason = request.reason  # type: ignore[union-attr]
            self._hub.log("%s: passed over %s", caller, reason)
            id = request.id  # type: ignore[union-attr]
            self._answer_failure(caller, id, "ValueError", reason)
