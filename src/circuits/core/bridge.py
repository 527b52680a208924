"""Bridge: events of one process in another one, and their results back (manual: core.bridge).

Theory of operation. Two bridges hold the two ends of one stream. Each tells the other the names of
the events that its tree has handlers for. What is dispatched in a tree and has handlers over
there is sent, the handler of the bridge waits until the answer is there, and so success,
completion and callers wait for the other process as they would for any other handler.

What arrives is fired by the bridge that received it, with ``remote`` set, which keeps it from
being sent on. When its handlers are done, their results and failures are sent back.
"""

from __future__ import annotations

from ._descriptor import Descriptor, DescriptorOwner
from ._process import messages
from ._process.frames import LIMIT_BYTES, Frames, are_plain, pack, sendable, unpack
from ._routing import is_leaving
from .errors import NotSendableError, PeerLostError, RemoteError
from .events import BaseEvent, DerivedEvent, Event
from .handlers import handler
from .manager import Manager
from .utils import flatten
from .values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._engine import Engine

__all__ = ["Bridge", "BridgeLost", "Ipc", "Ready", "ipc"]


class Ready(Event):
    """The other end of a bridge answers. Fired by the bridge on its channel, once.

    Args:
        component: The bridge.
    """

    def __init__(self, component: Manager) -> None:
        super().__init__(component)


class BridgeLost(Event):
    """The process at the other end is gone. Fired by the bridge on its channel, once.

    The bridge then leaves its tree.

    Args:
        bridge: The bridge.
        reason: What went wrong, or ``None`` if the other end was closed.
    """

    def __init__(self, bridge: Bridge, reason: Exception | None = None) -> None:
        super().__init__(bridge, reason)


class Ipc(Event):
    """Fire an event in the process at the other end of a bridge, and only there.

    Fired by anyone. On the channel of a bridge it goes over that one, on any other over all.
    Its value is that of the event over there.

    .. versionadded:: 2.1
       From the 3.x line.

    Args:
        event: What to fire there.
        channel: Where; by default on the channels of the event, or everywhere if it has none.
    """

    def __init__(self, event: BaseEvent, channel: Any = None) -> None:
        if not isinstance(event, BaseEvent):
            raise TypeError(f"an event is needed, not {event!r}")
        super().__init__(event, channel)


#: The name of the 3.x line.
ipc = Ipc


#: While the application stops, how often to look whether others are still at work, and whether
#: the child has ended, in seconds.
_LOOK_INTERVAL = 0.005

#: What is known of the routes of no tree.
_NEVER = -1


def _stays(bridge: Bridge, name: str, channel: Any) -> bool:
    """Whether events of a name are nothing that a bridge has to see."""
    return name[0] == "_" or name in {"generate_events", "error", "exception"}


class Bridge(DescriptorOwner):
    """Joins the tree to that of another process, over a private stream.

    Every event that is dispatched here, and that the other tree has handlers for, is dispatched
    there too, and the other way round. Exceptions are: the names in :attr:`ignore`, the
    feedback about other events, what is fired at a component itself, and what came over a
    bridge. What the handlers over there return and raise is part of the event's value here,
    and callers wait for it.

    Messages are pickled: this is for the processes of one application, never for a network.
    An event whose arguments cannot be pickled fails with
    :class:`~circuits.core.errors.NotSendableError`. Events that wait for their answer when the
    other process ends fail with :class:`~circuits.core.errors.PeerLostError`.

    Fires ``ready`` and ``bridge_lost`` on its channel.

    Args:
        socket: One end: a connected stream socket, which now belongs to the bridge, or a
            socket component such as half of a ``Pipe``, which is registered to it.
        channel: Channel of the bridge.
        forward: ``False``: nothing crosses but what is wrapped in :class:`Ipc`, either way. So it
            is, too, once such an event was fired.
        limit_bytes: The largest message, pickled.

    Attributes:
        ignore: Names of events that stay where they are. A set or a list, of the class or of
            the instance.
        is_connected: Whether the other end is there, as far as is known.
        process: The child process at the other end, if ``start(process=True)`` made it.
    """

    _fires_by_name = True  # what others send
    channel = "bridge"

    ignore: Any = frozenset(
        {
            "bridge_lost", "close", "connect", "connected", "crashed", "disconnect",
            "disconnected", "error", "gave_up", "generate_events", "ipc", "prepare_unregister",
            "read", "ready", "registered", "restarted", "signal", "started", "stopped", "task",
            "unregister", "unregistered", "value_changed", "write", "_read", "_write",
        }
    )  # fmt: skip

    def init(
        self,
        socket: Any,
        channel: Any = "bridge",
        *,
        forward: bool = True,
        limit_bytes: int = LIMIT_BYTES,
    ) -> None:
        """Take the arguments of the constructor."""
        if channel != "bridge":  # given by its place
            self.channel = channel
        self.forward = forward
        self.process: Any = None
        self.is_connected = True
        self._limit_bytes = limit_bytes
        self._frames = Frames(limit_bytes)
        self._number = 0
        self._asked: dict[int, messages.Answer] = {}
        #: What was asked before it is known whether the other end wants it.
        self._early: dict[int, tuple[BaseEvent, tuple[Any, ...]]] = {}
        self._late: dict[int, Value] = {}  # what the other end has promised, by number
        #: The names that the other tree has handlers for; ``None`` until it has told.
        self._wanted: frozenset[str] | None = None
        self._told_version = _NEVER
        self._told: frozenset[str] | None = None
        self._descriptor: Descriptor | None = None
        self._socket: Any = None
        if isinstance(socket, Manager):
            self._use_component(socket)
        else:
            self._descriptor = Descriptor(self, socket, max_pending=limit_bytes + 4)
            self._adopt(self._descriptor)

    def _use_component(self, socket: Any) -> None:
        @handler("read", channel=socket.channel)
        def _on_socket_read(self: Bridge, data: bytes) -> None:
            self._receive(data)

        @handler("disconnected", channel=socket.channel)
        def _on_socket_disconnected(self: Bridge) -> None:
            self._lose(None)

        self._socket = socket
        self.addHandler(_on_socket_read)
        self.addHandler(_on_socket_disconnected)
        if socket.parent is not self:
            socket.register(self)

    # -- sending --

    @handler(channel="*", priority=100)
    def _on_event(self, event: BaseEvent, *args: Any, **kwargs: Any) -> None:
        if not self.is_connected:
            return
        if self._told_version != self._tree_live.routes.version:
            self._tell_names()
        name = event.name
        wanted = self._wanted
        if wanted is not None and name not in wanted and "*" not in wanted:
            return  # nobody there could tell
        if not self.forward or event.remote or name in self.ignore:
            return
        if isinstance(event, DerivedEvent) or getattr(event, "_stays_here", False):
            return
        channels = event.channels
        for channel in channels:
            if isinstance(channel, Manager):
                channels = tuple(c for c in channels if not isinstance(c, Manager))
                if not channels:
                    return
                break
        self._ask(event, event, channels)

    # A loop that has nothing to do is no event to the other end, nor are descriptors. Errors are
    # not for us either: where we are the only one to see one, it is to be logged.
    _on_event.forwards = True  # type: ignore[attr-defined]
    _on_event.skips = _stays  # type: ignore[attr-defined]

    @handler("ipc", channel="*")
    def _on_ipc(self, event: Event, wrapped: BaseEvent, channel: Any = None) -> None:
        if not self._is_meant(event):
            return
        if not self.is_connected:
            raise PeerLostError(f"{self!r} has lost its other end: {wrapped!r} cannot be sent")
        if channel is not None:
            channels: tuple[Any, ...] = (channel,)
        else:
            channels = tuple(c for c in wrapped.channels or () if not isinstance(c, Manager))
        if self.forward:  # whoever wraps what is to cross does not expect anything else to
            self.forward = False
            self._tell_names()
        self._ask(event, wrapped, channels or ("*",))

    def _is_meant(self, event: BaseEvent) -> bool:
        """Whether an ``ipc`` event was fired at this bridge, or at none of those there are."""

        def is_target(bridge: Bridge) -> bool:
            return any(c is bridge or c == bridge.channel for c in event.channels)

        if is_target(self):
            return True
        bridges = (node for node in flatten(self.root) if isinstance(node, Bridge))
        return not any(is_target(bridge) for bridge in bridges)

    def _ask(self, event: BaseEvent, sent: BaseEvent, channels: tuple[Any, ...]) -> None:
        self._number = number = self._number + 1
        # What nobody there wants need not be something that can be sent.
        is_early = self._wanted is None and sent is event
        frame = b"" if is_early else self._packed(sent, channels, number)
        answer = messages.Answer(self, number, event)
        answer.suspend()
        self._asked[number] = answer
        if self._is_stopping:
            self._hold_end()
        if is_early:
            self._early[number] = (sent, channels)
        else:
            self._send(frame)

    def _packed(self, event: BaseEvent, channels: tuple[Any, ...], number: int) -> bytes:
        return messages.pack_event(event, channels, number, self._limit_bytes)

    def _send_early(self, wanted: frozenset[str]) -> None:
        early, self._early = self._early, {}
        for number, (event, channels) in early.items():
            if number not in self._asked:
                continue  # it has been cancelled
            try:
                if event.name in wanted or "*" in wanted:
                    self._send(self._packed(event, channels, number))
                else:
                    self._asked.pop(number).arrive([])
            except NotSendableError as problem:
                self._asked.pop(number).arrive(problem)

    def _take_results(self, event: BaseEvent, results: Any) -> None:
        for kind, content in results:
            if kind == messages.ERROR:
                messages.take_error(self._tree_engine, event, self._on_event, *content)
            elif kind == messages.PENDING:
                self._late[content] = late = Value(None, self)
                event.value.setValue(late)
            else:
                event.value.setValue(content)

    def _send(self, frame: bytes) -> None:
        if self._descriptor is not None:
            self._descriptor.write(frame)
        elif self._socket is not None:
            self.fire(messages.Write(frame), self._socket)

    def _tell_names(self) -> None:
        """Tell the other end what this tree has handlers for, if that has changed."""
        routes = self._tree_engine.routes
        self._told_version = routes.version
        names = frozenset(messages.names_wanted(routes, Bridge) if self.forward else ())
        if names != self._told:
            self._told = names
            self._send(pack(names, "names", head=messages.HEAD.pack(messages.NAMES, 0)))

    # -- receiving --

    def _poller_found(self) -> None:
        self._tell_names()

    def _descriptor_readable(self, descriptor: Descriptor) -> None:
        data = descriptor.read()
        if data:
            self._receive(data)
        elif data is not None:
            descriptor.finish()

    def _receive(self, data: bytes) -> None:
        try:
            payloads = self._frames.receive(data)
        except ValueError as problem:
            self._lose(problem)
            return
        for payload in payloads:
            if len(payload) < messages.HEAD.size:
                self._lose(ValueError(f"a message of {len(payload)} bytes has no head"))
                return
            kind, number = messages.HEAD.unpack_from(payload)
            try:
                body = unpack(memoryview(payload)[messages.HEAD.size :])
            except Exception as reason:
                refusal = RemoteError(f"what came over {self!r} cannot be read here: {reason!r}")
                if kind == messages.EVENT:
                    self._reply(messages.ANSWER, number, [(messages.ERROR, (refusal, []))])
                    continue
                body = [(messages.ERROR, (refusal, []))]
            if not messages.is_sound(kind, body):
                self._lose(ValueError(f"a message of kind {kind} makes no sense: {body!r:.200}"))
                return
            self._handle(kind, number, body)

    def _handle(self, kind: int, number: int, body: Any) -> None:
        if kind == messages.EVENT:
            self._execute(number, body)
        elif kind == messages.ANSWER:
            answer = self._asked.pop(number, None)
            if answer is not None:
                answer.arrive(body)
                if self._is_stopping:
                    self._check_end()
        elif kind == messages.LATE:
            late = self._late.pop(number, None)
            if late is not None:
                for sort, content in body:
                    if sort == messages.ERROR:
                        late.fail((type(content[0]), *content))
                    else:
                        late.setValue(content)
        else:
            is_first = self._wanted is None
            self._wanted = body
            if is_first:
                self._send_early(body)
                self.fire(Ready(self))

    def _execute(self, number: int, body: Any) -> None:
        event, channels = messages.unpack_event(body)
        if self._told_version != self._tree_engine.routes.version:
            self._tell_names()
        event.remote = True
        if event.notify:
            event.notify = False  # whoever fired it is told over there
        event._when_over(messages.Asked(self, number))
        self.fire(event, *channels)

    # -- answering --

    def _answer(self, number: int, event: BaseEvent) -> None:
        value = event.value
        if not (value.is_empty or value.is_list) and are_plain((value._value,)):
            self._reply(messages.ANSWER, number, [(messages.VALUE, value._value)], True)
        else:
            self._reply(
                messages.ANSWER,
                number,
                [self._encode(item, value) for item in messages.items(value)],
            )

    def _encode(self, item: Any, value: Value) -> tuple[int, Any]:
        if isinstance(item, Value):
            if not item.result:
                # A handler has returned the value of an event that is still to be handled.
                self._number = number = self._number + 1
                messages.Promised(self, number, item, value)
                return (messages.PENDING, number)
            item = item.value
        if messages.is_error(item, value):
            return (messages.ERROR, (sendable(item[1]), item[2]))
        return (messages.VALUE, item)

    @handler("_changed")
    def _on_changed(self, number: int, value: Value) -> None:
        if value.event is None or not value.event.waitingHandlers:
            self._reply(
                messages.LATE, number, [self._encode(item, value) for item in messages.items(value)]
            )

    def _reply(self, kind: int, number: int, results: Any, is_plain: bool = False) -> None:
        if not self.is_connected:
            return
        head = messages.HEAD.pack(kind, number)
        try:
            frame = pack(results, "what a handler returned", self._limit_bytes, head, is_plain)
        except NotSendableError as problem:
            frame = pack([(messages.ERROR, (problem, []))], "the refusal", head=head)
        self._send(frame)

    # -- the end --

    def _descriptor_failed(self, descriptor: Descriptor, problem: OSError) -> None:
        self._lose(problem)

    def _descriptor_closed(self, descriptor: Descriptor) -> None:
        self._lose(None)

    def _lose(self, reason: Exception | None) -> None:
        """There is nobody at the other end any more, or nobody who could be understood."""
        if not self.is_connected:
            return
        self.is_connected = False
        asked, self._asked = self._asked, {}
        for answer in asked.values():
            answer.arrive(self._lost(answer.event))
        late, self._late = self._late, {}
        for value in late.values():
            problem = self._lost(value)
            value.fail((type(problem), problem, []))
        self._check_end()
        if self._descriptor is not None:
            self._descriptor.finish()
        elif self._socket is not None and reason is not None:
            self.fire(Event.create("close"), self._socket)
        if not (self._is_stopping or is_leaving(self)):
            self.fire(BridgeLost(self, reason))
            self.unregister()
        if self.process is not None and not self._is_stopping:
            _reap(self._tree_engine, self.process)

    def _lost(self, thing: object) -> PeerLostError:
        return PeerLostError(f"the process at the other end of {self!r} is gone: no {thing!r}")

    def _application_stopped(self) -> None:
        if self.is_connected:
            self._hold_end()
            self._check_end()

    def _check_end(self) -> None:
        """While the application stops: is there still something to wait for?

        Whatever else the end waits for may need the other process, so a bridge goes last. The
        child that sees its bridge closed ends, and is waited for.
        """
        if not self._is_stopping or self._asked:
            return
        engine = self._tree_engine
        descriptor = self._descriptor
        is_closed = descriptor is None or descriptor.is_closed
        if is_closed and (self.process is None or not self.process.is_alive()):
            self._release_end()
            return
        if descriptor is not None and not is_closed:
            if all(isinstance(holder, Bridge) for holder in engine.loop.holds.values()):
                descriptor.close()  # when all is written
        engine.schedule.call_in(_LOOK_INTERVAL, self._check_end)

    def _grace_over(self) -> None:
        self._lose(None)
        if self.process is not None and self.process.is_alive():
            self.process.kill()
            self.process.join()

    def _leave(self) -> None:
        self._lose(None)
        super()._leave()


def _reap(engine: Engine, process: Any, wait: float = 0.01) -> None:
    """Reap a process that is about to end, without waiting for it here."""
    if process.is_alive():
        engine.schedule.call_in(wait, lambda: _reap(engine, process, min(2 * wait, 1.0)))
