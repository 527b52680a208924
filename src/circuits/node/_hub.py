"""What the connections of one node share: limits, and the events of others that run here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuits._wire import packet as wire
from circuits.core import _clock
from circuits.core.events import BaseEvent, Event, LiteralEvent
from circuits.core.utils import uncamel

from ._asked import DEFAULT_SECONDS
from ._foreign import Foreign
from ._known import Known
from .errors import text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from circuits.core._engine import Engine

    from ._asked import Asked
    from ._link import Link
    from ._options import Options
    from ._party import Party

__all__ = ["Hub", "Pulse"]

#: How many names of nodes that have gone are remembered.
_GONE = 10_000
#: Seconds between two lines in the log about what peers do wrong.
_LOG_SECONDS = 1.0


class Pulse(Event):
    """There is something to do when what is queued now is done: fired by a hub at its owner."""

    name = "_pulse"


class Hub:
    """What the connections of one node share.

    Args:
        owner: The component that fires what comes in.
        options: What it was told.

    Attributes:
        known: The types that both sides know.
        links: The connections that are not closed.
        named: The nodes that have connected to us, by the name that they gave.
        foreign: The events of others that are not over.
        asked: Our events that wait for an answer.
        is_holding: Whether nothing is read, as too many events of others are suspended.
        is_ending: Whether nothing new is taken, as the application or the node ends.
        is_leaving: Whether the node leaves its tree, and closes the connections when it is idle.
        features: What is offered beyond JSON, with the functions for it.
    """

    def __init__(self, owner: Party, options: Options) -> None:
        self.owner = owner
        self.options = options
        self.known = Known(options.types)
        self.features = _features()
        self.links: dict[Link, None] = {}
        self.named: dict[str, Link] = {}
        self._gone: dict[str, None] = {}
        self.foreign: dict[Foreign, None] = {}
        self.asked: dict[Asked, None] = {}
        self.is_holding = self.is_ending = self.is_leaving = False
        self._dirty: list[Link] = []
        self._waiting: dict[Link, None] = {}
        self._is_pulsing = False
        self._classes: dict[str, type[BaseEvent]] = {}  # of events that have handlers
        self._classes_versions = (-1, -1)
        self._logged_at = float("-inf")
        self._unlogged = 0

    @property
    def engine(self) -> Engine:
        """That of the tree."""
        return self.owner._tree_engine

    def log(self, text: str, *args: Any) -> None:
        """Log what a peer has done wrong, once a second at most."""
        now = _clock.now()
        if now - self._logged_at < _LOG_SECONDS:
            self._unlogged += 1
            return
        import logging  # expensive, and needed for faults only

        if self._unlogged:
            text, args = f"{text} (and %d times more of the kind)", (*args, self._unlogged)
        self._logged_at, self._unlogged = now, 0
        logging.getLogger("circuits").warning("node: %s", text % args)

    def begin(self) -> None:
        """The application runs, perhaps again; what it has left behind is gone."""
        self.is_ending = self._is_pulsing = False

    # -- turns --

    @property
    def is_full(self) -> bool:
        """Whether no more events of others are taken for the moment."""
        return len(self.foreign) >= self.options.concurrency

    def flush_later(self, link: Link) -> None:
        """Have a link write what it has collected, at the end of this turn."""
        self._dirty.append(link)
        self._pulse_later()

    def wait(self, link: Link) -> None:
        """Have a link go on when there is room again."""
        self._waiting[link] = None
        self._pulse_later()

    def _pulse_later(self) -> None:
        if not self._is_pulsing:
            self._is_pulsing = True
            self.owner.fire(Pulse(), self.owner)

    def pulse(self) -> None:
        """All is done that was queued when something was put off."""
        self._is_pulsing = False
        dirty, self._dirty = self._dirty, []
        for link in dirty:
            link.flush()
        if not self._waiting:
            return
        if self.is_full:  # by events that are suspended: those that ended at once do not count
            self._hold(True)
            return
        self._hold(False)
        waiting, self._waiting = self._waiting, {}
        for link in waiting:
            link.process()

    def _hold(self, is_holding: bool) -> None:
        if self.is_holding is not is_holding:
            self.is_holding = is_holding
            for link in self.links:
                if is_holding or link.is_sated:
                    link.heed_hold()
                else:
                    link.transport.hold_reading(False)

    # -- links --

    def opened(self, link: Link) -> None:
        """A link has agreed with its peer on how to speak."""
        name = link.name
        if name is not None and not link.is_client:
            older = self.named.get(name)
            self.named[name] = link
            self._gone.pop(name, None)
            if older is not None:
                older.replace()
        link.heed_hold()
        self.owner._link_opened(link)

    def closed(self, link: Link) -> None:
        """A link has ended."""
        self.links.pop(link, None)
        self._waiting.pop(link, None)
        name = link.name
        if name is not None and self.named.get(name) is link:
            del self.named[name]
            self._gone[name] = None
            if len(self._gone) > _GONE:
                del self._gone[next(iter(self._gone))]
        if link.was_open:
            self.owner._link_closed(link)
        self.check_end()

    def was_here(self, name: str) -> bool:
        """Whether a node of this name has connected once, and is gone."""
        return name in self._gone

    def replaced(self, link: Link) -> None:
        """The peer has another connection under our name."""
        link.lost("replaced")
        link.transport.close()

    # -- events of others --

    def take_request(self, link: Link, request: wire.Request) -> None:
        """Fire an event of another node, or refuse it."""
        version, id, timeout = request.version, request.id, request.timeout
        if timeout is not None and timeout <= 0:
            return  # nobody waits for it any more
        if self.is_ending:
            self.answer_failure(link, version, id, "Unreachable", "the node is stopping")
            return
        if not self.options.accept.takes(request.name):
            self._refuse(link, request)
            return
        try:
            make, is_plain = self.known.make, version == 1
            args = wire.lift(request.args, make, is_plain=is_plain) if request.args else []
            kwargs = wire.lift(request.kwargs, make, is_plain=is_plain) if request.kwargs else {}
            event = self._make_event(request, args, kwargs)
        except wire.UnreadableError as problem:
            self.answer_failure(link, version, id, problem.type_name, str(problem))
            return
        except Exception as problem:  # fields that do not fit; or the class itself refuses them
            self.answer_failure(link, version, id, type(problem).__name__, text_of(problem))
            return
        if request.success:
            event.success = True
        if request.failure:
            event.failure = True
        if request.notify:
            event.notify = True
        event.remote = True
        event.channels = request.channels
        if request.traceparent is not None:
            event.traceparent = request.traceparent  # type: ignore[attr-defined]
        wall = self.options.receive
        if wall is not None and not self._passes(wall, event, link.name):
            self._refuse(link, request)
            return
        self._run(link, request, event)

    def _run(self, link: Link, request: wire.Request, event: BaseEvent) -> None:
        """Fire an event of another node, which is to be answered when it is over."""
        version, id, timeout = request.version, request.id, request.timeout
        name = event._event_name
        if not (self.engine.routes.is_known(name) or request.success or request.failure):
            # Nobody can tell whether it is fired, and nothing remembers a name made up by a peer.
            if id is not None:
                self.answer(link, version, id, None)
            return
        foreign = Foreign(self, link, version, id, event)
        foreign.expire_in(DEFAULT_SECONDS if timeout is None else timeout)
        self.foreign[foreign] = None
        link.serving += 1
        event._when_over(foreign)
        self.owner.fire(event, *request.channels)

    def _passes(
        self, wall: Callable[[BaseEvent, str | None], object], event: BaseEvent, name: Any
    ) -> bool:
        try:
            return bool(wall(event, name))
        except Exception as problem:
            self.engine.report(problem, wall, event)
            return False

    def may_send(self, event: BaseEvent, name: str | None) -> bool:
        """Whether an event may leave."""
        wall = self.options.send
        return wall is None or self._passes(wall, event, name)

    def _refuse(self, link: Link, request: wire.Request) -> None:
        name = request.name
        self.log("%s: refused the event %r", link, name[:100])
        text = f"the event {name!r} is not accepted"
        self.answer_failure(link, request.version, request.id, "Refused", text)

    def _make_event(
        self, request: wire.Request, args: list[Any], kwargs: dict[str, Any]
    ) -> BaseEvent:
        """Make an event by name. A class is made for it only if there is a handler for it."""
        name = request.name
        engine, known = self.engine, self.known
        versions = (engine.routes.version, known.version)
        if versions != self._classes_versions:
            self._classes = {}
            self._classes_versions = versions
        cls = self._classes.get(name)
        if cls is None:
            spoken = uncamel(name)
            typed = known.event_class(spoken) or known.event_class(name)
            if typed is not None:
                return known.make_event(typed, args, kwargs)
            channels = request.channels or self.owner._tree_channels
            if spoken != name and self._is_handled(name, channels):
                cls = self._classes[name] = type(LiteralEvent.create(Event, name))
            elif self._is_handled(spoken, channels):
                cls = self._classes[name] = type(Event.create(name))
            else:
                event = Event(*args)
                event.name = spoken  # type: ignore[misc]  # of this one alone
                if kwargs:
                    event.kwargs = kwargs
                return event
        made = cls(*args)
        if kwargs:
            made.kwargs = kwargs
        return made

    def _is_handled(self, name: str, channels: tuple[Any, ...]) -> bool:
        """Whether there are handlers of this very name."""
        engine = self.engine
        if name in engine.routes.awaited:
            return True
        if not engine.routes.is_known(name):
            return False
        return any(name in getattr(route[0], "names", ()) for route in engine.route(name, channels))

    def over(self, foreign: Foreign) -> None:
        """An event of another node is over, and about to be answered."""
        self.foreign.pop(foreign, None)
        foreign.link.serving -= 1
        if self._waiting and not self.is_full:
            self._pulse_later()
        if self.is_ending:
            self._pulse_later()  # when the answer is on its way

    # -- answers --

    def answer(self, link: Link, version: int, id: Any, result: Any) -> None:
        """Answer a request with a result."""
        try:
            link.send_reply(id, result, False, version)
        except (TypeError, ValueError) as problem:
            name = "TypeError" if isinstance(problem, TypeError) else "ValueError"
            self.answer_failure(link, version, id, name, str(problem))

    def answer_failure(
        self, link: Link, version: int, id: Any, name: str, message: str, lines: Any = ()
    ) -> None:
        """Answer a request with a failure; not at all if no answer is wanted."""
        if id is None:
            return
        message = message.encode("utf-8", "replace").decode()
        lines = [line.encode("utf-8", "replace").decode() for line in lines]
        try:
            link.send_reply(id, [name, message, lines], True, version)
        except (TypeError, ValueError):  # of few bytes, or an id that fills the packet
            try:
                link.send_reply(id, [name[:100], message[:100], []], True, version)
            except (TypeError, ValueError):
                self.log("%s: an answer does not fit into a packet", link)

    def check_end(self) -> None:
        """Something is over: is it all that the end waits for?"""
        if self.is_ending:
            self._pulse_later()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        sent = any(link.outstanding for link in self.links)
        return not (self.foreign or sent or self._dirty)


def _features() -> dict[str, tuple[Any, Any]]:
    """What can be agreed on beyond JSON."""
    try:
        import msgspec
    except ImportError:
        return {}
    decode = msgspec.msgpack.decode

    def unpack(data: bytes) -> Any:
        try:
            return decode(data)
        except msgspec.MsgspecError as problem:
            raise ValueError(str(problem)) from None

    return {"msgpack": (msgspec.msgpack.encode, unpack)}
