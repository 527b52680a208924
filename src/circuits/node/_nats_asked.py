"""Events of ours that go to a server of NATS: to one node, to all, or to be stored."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from circuits._wire import packet as wire
from circuits.core import _clock
from circuits.core._clock import NEVER

from ._asked import Asked
from .errors import Unreachable, made_from

if TYPE_CHECKING:
    from collections.abc import Callable

    from circuits.core.events import BaseEvent
    from circuits.core.manager import Manager

    from ._hub import Hub
    from ._subjects import Subjects

__all__ = ["ALL", "Broadcast", "NatsAsked", "Stored", "encoded"]

#: The name that means every node.
ALL = "*"
#: JetStream answers so where sending the same again is no use: the request itself is wrong.
_BAD_REQUEST = 400


def encoded(body: dict[str, Any], limit: int) -> bytes:
    """The bytes of a message, which needs no length before it.

    Raises:
        UnsendableError: A text is no UTF-8, or a number is too long.
        ValueError: It is larger than the limit.
    """
    return wire.encode(body, 2, limit)[4:]


class NatsAsked(Asked):
    """An event that waits for the answer of a node, or of one of a group.

    Attributes:
        subject: Where it is published.
        headers: What goes with it, or ``None``.
    """

    __slots__ = ("headers", "subject")

    wants_answer = True
    is_stored = has_headers = False

    def __init__(
        self,
        owner: Manager,
        event: BaseEvent,
        hub: Hub,
        sent: BaseEvent,
        channel: Any,
        node: str,
        timeout: float | None,
        subjects: Subjects,
    ) -> None:
        super().__init__(owner, event, hub, sent, channel, node, timeout)
        self.headers: dict[str, str] | None = None
        self.subject = self._make_subject(subjects)

    def _make_subject(self, subjects: Subjects) -> str:
        return subjects.event(self.node, self._channels, self.sent_event.name)

    def body(self, id: Any, version: int) -> dict[str, Any]:
        # The subject says what it is and where it goes.
        body = super().body(id, version)
        del body["name"]
        if self._channels:
            del body["channels"]
        return body

    def data(self, id: Any, limit: int) -> bytes:
        """What is published; see :func:`encoded`."""
        return encoded(self.body(id, 2), limit)

    def take_answer(self, data: bytes) -> None:
        """The answer has come."""
        try:
            reply = wire.parse(wire.read_json(data), 2)
        except wire.UnreadableError:
            reply = wire.Malformed(2, "")
        if reply.__class__ is not wire.Reply:
            text = f"the answer of {self.node!r} cannot be read"
            self.arrive(None, made_from(["ValueError", text, []]))
            return
        value, problem = reply.value, None
        try:
            value = wire.lift(value, self._hub.known.make)
        except wire.UnreadableError as unreadable:
            value, problem = None, made_from([unreadable.type_name, str(unreadable), []])
        if reply.errors and problem is None:
            value, problem = None, made_from(value)
        self.arrive(value, problem)

    def nobody_listens(self) -> None:
        """The server says that nobody has subscribed."""
        self.arrive(None, Unreachable(f"nobody listens as {self.node!r}"))


class Broadcast(NatsAsked):
    """An event for all: over as soon as it is sent."""

    __slots__ = ()

    wants_answer = False
    has_headers = True

    def _make_subject(self, subjects: Subjects) -> str:
        return subjects.broadcast(self._channels, self.sent_event.name)


class Stored(NatsAsked):
    """An event that is over when a stream has it.

    Its id stays with the ``Remote`` until then, so that it is stored once however often it is
    published.
    """

    __slots__ = ("_again", "_data", "_trouble", "message_id")

    is_stored = has_headers = True

    def __init__(self, *args: Any) -> None:
        self._data: bytes | None = None
        self._trouble = "the stream has not acknowledged it"
        self._again = NEVER
        super().__init__(*args)
        remote: Any = self.event
        if getattr(remote, "_durable_id", None) is None:
            remote._durable_id = _clock.random_bytes(16).hex()
        self.message_id: str = remote._durable_id
        self.headers = {"Nats-Msg-Id": self.message_id}

    def _make_subject(self, subjects: Subjects) -> str:
        if self.node == ALL:
            raise ValueError("a durable event is for one group, not for all")
        return subjects.durable(self.node, self._channels, self.sent_event.name)

    def body(self, id: Any, version: int) -> dict[str, Any]:
        body = super().body(self.message_id, version)
        del body["timeout"]  # that is for storing it
        return body

    def data(self, id: Any, limit: int) -> bytes:
        if self._data is None:
            self._data = super().data(id, limit)
        elif len(self._data) > limit:
            raise ValueError(f"a message of {len(self._data)} bytes, at most {limit} are allowed")
        return self._data

    def again_in(self, seconds: float, publish: Callable[[], None]) -> None:
        """Have it published once more, if nothing is heard by then."""
        self._again.cancel()
        self._again = self.engine.schedule.call_in(seconds, publish)

    def _settle(self) -> None:
        self._again.cancel()
        super()._settle()

    def put_back(self) -> None:
        """The connection was lost before the stream has acknowledged it."""
        self._link = None
        self._again.cancel()

    def take_answer(self, data: bytes) -> None:
        try:
            answer = json.loads(data)
            error = answer.get("error")
            if error is None:
                self._stored(int(answer["seq"]))
                return
            self._trouble = str(error.get("description", error))[:200]
            if error.get("code") == _BAD_REQUEST:
                self.fail(Unreachable(f"{self.node!r} cannot store it: {self._trouble}"))
                return
        except (ValueError, TypeError, KeyError, AttributeError):
            self._trouble = "an acknowledgement that cannot be read"
        self._publish_later()

    def _stored(self, sequence: int) -> None:
        remote: Any = self.event
        if remote._durable_id == self.message_id:
            remote._durable_id = None
        if self._link is not None:
            self._link.outstanding.pop(self._id, None)
        self.arrive(sequence, None)

    def nobody_listens(self) -> None:
        # Perhaps a server that has just started has not found its streams yet.
        self._trouble = "there is no such stream, or it is not ready"
        self._publish_later()

    def _publish_later(self) -> None:
        if self._link is not None:
            self._link.publish_again(self, self._id)  # type: ignore[attr-defined]

    def _expire(self) -> None:
        if self._is_callers:
            super()._expire()
            return
        text = f"not stored for {self.node!r} within {self._seconds:g} s: {self._trouble}"
        self.fail(Unreachable(text))
