"""Events of ours that run elsewhere: each waits for its answer, and what cannot be sent yet waits too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuits._wire import packet as wire
from circuits.core import _clock
from circuits.core._clock import NEVER
from circuits.core._flags import FAILURE, NOTIFY, SUCCESS
from circuits.core._tasks import OutsideTask
from circuits.core.errors import TimeoutError

from .errors import Unreachable

if TYPE_CHECKING:
    from circuits.core.events import BaseEvent
    from circuits.core.manager import Manager

    from ._hub import Hub
    from ._link import Link

__all__ = ["Asked", "Outbox", "deadline_of", "end_in_silence"]

#: Seconds after which an event without a time limit of its own counts as not answered.
DEFAULT_SECONDS = 30.0


_FLAGS = ((SUCCESS, "success"), (FAILURE, "failure"), (NOTIFY, "notify"))
_ANY_FLAG = SUCCESS | FAILURE | NOTIFY


class Asked(OutsideTask):
    """An event that waits for the answer of another node.

    Args:
        owner: The component whose handler it is.
        event: The event that is suspended.
        hub: What the links of the node share.
        sent: The event that is sent.
        channel: Where it is to be fired; ``None``: on its own channels.
        node: The name of the other node.
        timeout: The limit of the event itself, in seconds.
    """

    __slots__ = (
        "_appointment", "_channels", "_deadline", "_hub", "_id", "_is_callers", "_link", "_outbox",
        "_seconds", "lowered", "node", "problem", "result", "sent_event",
    )  # fmt: skip

    def __init__(
        self,
        owner: Manager,
        event: BaseEvent,
        hub: Hub,
        sent: BaseEvent,
        channel: Any,
        node: str,
        timeout: float | None = None,
    ) -> None:
        super().__init__(owner, event)
        self._hub = hub
        self.sent_event = sent
        self.node = node
        self._channels = _channels(sent.channels if channel is None else (channel,))
        self.lowered: Any = None
        self.result: Any = None
        self.problem: BaseException | None = None
        self._link: Link | None = None
        self._outbox: Outbox | None = None
        self._id: Any = None
        self._seconds = DEFAULT_SECONDS if timeout is None else timeout
        self._deadline, self._is_callers = deadline_of(event, self._seconds)
        self._appointment = NEVER

    @property
    def seconds_left(self) -> float:
        """Until the answer must have come."""
        return max(0.0, self._deadline - _clock.now())

    def wait(self) -> None:
        """Suspend the event until the answer comes, or its time is over."""
        if self.is_over:  # the connection broke while it was sent
            if self.problem is not None:
                raise self.problem
            return
        self.suspend()
        self._hub.asked[self] = None
        self._appointment = self.engine.schedule.call_at(self._deadline, self._expire)

    def refuse(self, problem: BaseException) -> None:
        """It cannot be sent at all."""
        self.suspend()
        self.arrive(None, problem)

    def body(self, id: Any, version: int) -> dict[str, Any]:
        """What is to be sent."""
        event = self.sent_event
        if version == 1 or self.lowered is None:
            self._lower(is_plain=version == 1)
        args, kwargs = self.lowered
        trace = getattr(self.event, "traceparent", None) or getattr(event, "traceparent", None)
        bits = event._event_flags | event._event_class_flags
        flags = [flag for bit, flag in _FLAGS if bits & bit] if bits & _ANY_FLAG else ()
        return wire.request_body(
            version, id, event._event_name, args, kwargs, self._channels, flags,
            round(self.seconds_left, 3), trace,
        )  # fmt: skip

    def _lower(self, is_plain: bool = False) -> None:
        event = self.sent_event
        describe = self._hub.known.describe
        most = self._hub.options.packet_limit_bytes // 2
        args = event._event_args
        if args:
            args = wire.lower([*args], "args", describe, is_plain=is_plain, most=most)
        kwargs = event._event_kwargs
        if kwargs:
            kwargs = {
                key: wire.lower(item, f"kwargs[{key!r}]", describe, is_plain=is_plain, most=most)
                for key, item in kwargs.items()
            }
        self.lowered = (args or [], kwargs)

    def keep(self, outbox: Outbox) -> None:
        """It cannot be sent now: keep what it consists of, as it is at this moment.

        Raises:
            UnsendableError: Something in it does not travel.
            ValueError: It is too large.
        """
        self._lower()
        wire.encode(self.body("0" * 32, 2), 2, self._hub.options.packet_limit_bytes)
        self._outbox = outbox

    def sent(self, link: Link, id: Any) -> None:
        """It is on its way."""
        self._link, self._id = link, id
        self._outbox = self.lowered = None

    # -- ending --

    def arrive(self, result: Any, problem: BaseException | None) -> None:
        """The answer, or the exception that says why there will be none."""
        self.result, self.problem = result, problem
        self._link = self._outbox = None
        self._settle()
        self.resume()
        self._hub.check_end()

    def fail(self, problem: BaseException) -> None:
        """There will be no answer, whatever comes."""
        self._withdraw()
        self.arrive(None, problem)

    def _expire(self) -> None:
        if self._is_callers:
            end_in_silence(self, self.node)
            return
        self.fail(Unreachable(f"no answer within {self._seconds:g} s from {self.node!r}"))

    def finish(self) -> None:
        lines = getattr(self.problem, "lines", None)
        self.engine.tasks.end(self, self.result, self.problem, lines)

    def given_up(self) -> None:
        self._withdraw()
        self._settle()
        self._hub.check_end()

    def _withdraw(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.forget(self._id)
        outbox, self._outbox = self._outbox, None
        if outbox is not None:
            outbox.held.pop(self, None)

    def _settle(self) -> None:
        self._appointment.cancel()
        self._hub.asked.pop(self, None)


def deadline_of(event: BaseEvent, seconds: float) -> tuple[float, bool]:
    """When an event is to be answered, and whether that is the limit of whoever has called it."""
    deadline, is_callers = _clock.now() + seconds, False
    for waiter in event._event_waiters or ():
        limit = getattr(waiter, "deadline", None)
        if limit is not None and limit < deadline:
            deadline, is_callers = limit, True
    return deadline, is_callers


def end_in_silence(task: OutsideTask, node: str) -> None:
    """Whoever has called has been told by now; the value tells others who look at it."""
    problem = TimeoutError(f"no answer in time from {node!r}")
    task.firing._event_value.fail((TimeoutError, problem, []))
    task.engine.tasks.cancel(task)


def _channels(channels: tuple[Any, ...]) -> tuple[str, ...]:
    """Channels as text; a component of ours is none over there.

    Raises:
        TypeError: One is no text.
    """
    for channel in channels:
        if not isinstance(channel, str):
            raise TypeError(f"a channel at another node is a text, not {channel!r}")
    return channels


class Outbox:
    """The events for one node: sent at once, or held while they cannot be.

    Args:
        limit: How many are held.
        name: Of the node.

    Attributes:
        link: The connection, or ``None`` while there is none.
        held: What waits, in order.
        closed: Why nothing can be sent any more, or ``None``.
    """

    __slots__ = ("_limit", "_name", "closed", "held", "link")

    def __init__(self, limit: int, name: str) -> None:
        self._limit = limit
        self._name = name
        self.link: Link | None = None
        self.held: dict[Asked, None] = {}
        self.closed: str | None = None

    def attach(self, link: Link) -> None:
        """Use a connection from now on, as soon as it is open."""
        self.link = link
        link.on_drain = self.drain

    def detach(self) -> None:
        """There is no connection any more; what is held goes over the next one."""
        self.link = None

    def ask(self, asked: Asked) -> None:
        """Send an event, or hold it.

        Raises:
            Unreachable: Too many are held, or nothing can be sent any more.
            UnsendableError: Something in it does not travel.
            ValueError: It is too large.
        """
        if self.closed is not None:
            raise Unreachable(f"{self._name!r} cannot be asked: {self.closed}")
        link = self.link
        if link is not None and not self.held and link.can_send:
            link.send_request(asked)
            return
        if len(self.held) >= self._limit:
            text = f"queue full: {self._limit} events wait for {self._name!r}"
            if link is not None and len(link.outstanding) >= asked._hub.options.outstanding:
                text += f", and {len(link.outstanding)} are not answered"
            raise Unreachable(text)
        asked.keep(self)
        self.held[asked] = None

    def drain(self) -> None:
        """Send what is held, as far as that goes."""
        link, held = self.link, self.held
        while held and link is not None and link.can_send:
            asked = next(iter(held))
            del held[asked]
            if not asked.seconds_left:
                continue  # its own end is next; nobody would answer it
            try:
                link.send_request(asked)
            except (TypeError, ValueError) as problem:  # version 1 cannot say it
                asked.arrive(None, problem)

    def close(self, reason: str) -> None:
        """Send nothing more."""
        self.closed = reason
        held, self.held = self.held, {}
        for asked in held:
            asked.arrive(None, Unreachable(f"{self._name!r} cannot be asked: {reason}"))
