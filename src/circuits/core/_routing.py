"""Which handlers an event reaches.

The root keeps an index of the components that handle a name on a channel. What a name reaches
on a tuple of channels is worked out once and cached as a tuple of routes, until a component
that handles the name comes, goes or changes: the rest of the cache stays.

The tree and the index are written under ``TREE_LOCK``, from any thread; readers take whole
copies of what they need, so they never wait for long.
"""

from __future__ import annotations

import _thread
from itertools import count

from ._written import names_written, written_names
from .handlers import SELF, passed_over, warn_of_passed_over
from .utils import flatten

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from ._queue import EventQueue
    from .handlers import HandlerSpec
    from .manager import Manager

#: Protects every tree and every index of the process. One lock, because joining two trees
#: would need both of theirs, and because changes are rare and short.
TREE_LOCK = _thread.RLock()

#: How many different tuples of channels are remembered for one name. More than the 10 000
#: channels that we promise to be flat up to; a bound for channels made per connection.
CHANNELS_LIMIT = 16384

#: How many names are remembered, of those that a component is fired at, too: a program may make
#: them of what comes in.
NAMES_LIMIT = 16384

#: On every channel: where a component is that names none.
EVERYWHERE = ("*",)

#: What every component handles.
_UNREGISTER = "unregister"

#: What is fired of a component that leaves; all others do not reach it any more.
FAREWELL = ("prepare_unregister", "prepare_unregister_complete", "unregistered")

#: What dispatch needs of one handler: method, whether it wants the event, whether it is a filter.
if TYPE_CHECKING:
    Route = tuple[Callable[..., Any], bool, bool]


#: Channels that are nothing but values.
_PLAIN = frozenset({str, int, float, bytes, bool, type(None)})

NO_ROUTES: dict[tuple[Any, ...], tuple[Route, ...]] = {}
_versions = count(1)


class Routes:
    """Index and cache of the handlers of one tree."""

    __slots__ = (
        "_asked", "_by_name", "_queue", "_root", "awaited", "bare_are_routed", "bare_moves", "cache",
        "plain", "version", "watch_unheard",
    )  # fmt: skip

    def __init__(self, root: Manager, queue: EventQueue) -> None:
        self._root = root
        self._queue = queue  # whose epoch ends with every change
        # name -> channel -> id of the component -> component; ids, since a component may
        # define an equality of its own. Those are left out that are bare, and handle nothing but
        # ``unregister``: timers, of which there may be many, that come and go. They are looked for
        # in the tree when somebody asks.
        self._by_name: dict[str, dict[Any, dict[int, Manager]]] = {}
        #: Whether routes of ``unregister`` have been worked out since one of these came or went.
        self.bare_are_routed = False
        #: What ``knows`` has answered, as long as no name comes or goes.
        self._asked: dict[tuple[str, ...], bool] = {}
        #: name -> channels -> routes; read without lock.
        self.cache: dict[str, dict[tuple[Any, ...], tuple[Route, ...]]] = {}
        #: name -> channels -> the methods alone, if none wants the event or is a filter.
        self.plain: dict[str, dict[tuple[Any, ...], tuple[Callable[..., Any], ...] | None]] = {}
        #: Names that a suspended handler waits for: they have no plain routes.
        self.awaited: set[str] = set()
        #: Another number after every change, in no two trees the same; whoever derives something
        #: from routes compares it.
        self.version = next(_versions)
        #: How often a bare component came or went. That alone is no change of the routes, unless
        #: somebody has asked for those of ``unregister``.
        self.bare_moves = 0
        #: For diagnosis: told of an event whose routes were not known, when its turn has come.
        self.watch_unheard: Callable[[Any], object] | None = None

    # -- changing; the caller holds TREE_LOCK --

    def add(self, component: Manager) -> None:
        """Add all handlers of a component."""
        if component._tree_is_bare:
            self._change_bare()
        else:
            self.add_specs(component, component._tree_specs)

    def add_specs(self, component: Manager, specs: Iterable[HandlerSpec]) -> None:
        """Add some handlers of a component."""
        by_name = self._by_name
        for spec in specs:
            if spec.channel is SELF:  # found through the component itself
                continue
            channel = component._tree_channels[0] if spec.channel is None else spec.channel
            for name in spec.keys:
                try:
                    by_name[name][channel][id(component)] = component
                except KeyError:
                    if name not in by_name:
                        by_name[name] = {}
                        self._asked.clear()
                    by_name[name].setdefault(channel, {})[id(component)] = component
                self._drop(name)
        self.renew()

    def remove(self, component: Manager) -> None:
        """Remove all handlers of a component."""
        if component._tree_is_bare:
            self._change_bare()
        else:
            self.remove_specs(component, component._tree_specs)
        if component._tree_targeted is not None:
            self._forget_targeted(component)

    def _change_bare(self) -> None:
        self.bare_moves += 1
        if self.bare_are_routed:
            self.bare_are_routed = False
            self.forget(_UNREGISTER)

    def _bare(self) -> dict[int, Manager]:
        return {id(node): node for node in flatten(self._root) if node._tree_is_bare}

    def _forget_targeted(self, component: Manager) -> None:
        for name in component._tree_targeted or ():
            self.cache.pop(name, None)
            self.plain.pop(name, None)
        component._tree_targeted = None
        self.renew()

    def remove_specs(
        self, component: Manager, specs: Iterable[HandlerSpec], kept: Iterable[HandlerSpec] = ()
    ) -> None:
        """Remove some handlers of a component, of which others may stay."""
        stay = {(n, ChannelKey(_effective(s, component))) for s in kept for n in s.keys}
        by_name = self._by_name
        for spec in specs:
            if spec.channel is SELF:
                continue
            channel = component._tree_channels[0] if spec.channel is None else spec.channel
            for name in spec.keys:
                self._drop(name)
                if stay and (name, ChannelKey(channel)) in stay:
                    continue
                try:
                    channels = by_name[name]
                    components = channels[channel]
                except KeyError:
                    continue
                components.pop(id(component), None)
                if not components:
                    del channels[channel]
                    if not channels:
                        del by_name[name]
                        self._asked.clear()
        self.renew()

    def renew(self) -> None:
        """Invalidate everything that was derived from the routes."""
        self.version = next(_versions)
        self._queue.epoch += 1

    def forget(self, name: str) -> None:
        """Drop what is known of a name; for ``"*"``, everything."""
        self._drop(name)
        self.renew()

    def _drop(self, name: str) -> None:
        if name == "*":
            self.cache.clear()
            self.plain.clear()
        else:
            self.cache.pop(name, None)
            self.plain.pop(name, None)
            for known in names_written(name):
                self.cache.pop(known, None)
                self.plain.pop(known, None)

    def set_awaited(self, name: str, awaited: bool) -> None:
        """Set whether waits for a name must be looked at before its events are dispatched."""
        if awaited:
            self.awaited.add(name)
        else:
            self.awaited.discard(name)
        self.plain.pop(name, None)
        self._queue.epoch += 1

    # -- asking --

    def knows(self, *names: str) -> bool:
        """Whether any component handles one of these names, when not fired at itself.

        To be asked for few different names only, as the answers are kept.
        """
        known = self._asked.get(names)
        if known is None:
            # Under the lock, so that no name comes or goes between the look and the note.
            with TREE_LOCK:
                known = self._asked[names] = any(map(self._is_handled, names))
        return known

    def _is_handled(self, name: str) -> bool:
        known = self._by_name
        if name in known or "*" in known:
            return True
        names = (name, *written_names(name))
        return not known.keys().isdisjoint(names) or (_UNREGISTER in names and bool(self._bare()))

    def handling(self, name: str) -> list[Manager]:
        """The components with a handler of this very name, whatever its channel."""
        found: dict[int, Manager] = {}
        with TREE_LOCK:
            for components in self._by_name.get(name, {}).values():
                found.update(components)
            if name == _UNREGISTER:
                found.update(self._bare())
        return list(found.values())

    def is_known(self, name: str) -> bool:
        """Whether anything handles events of a name, on some channel, or events of any name.

        Unlike looking for routes, this remembers nothing of what was asked.
        """
        return name in self.awaited or self._is_handled(name)

    def resolve(self, name: str, channels: tuple[Any, ...]) -> tuple[Route, ...]:
        """Work out the routes of an event and remember them."""
        with TREE_LOCK:
            found = []
            seen = set()
            for rank, channel in enumerate(channels):
                for component, spec, position in self._matches(name, channel):
                    if (id(component), id(spec)) not in seen:
                        seen.add((id(component), id(spec)))
                        key = (-spec.priority, not spec.filter, rank, position)
                        found.append((key, component, spec))
            if not found and name in passed_over:
                warn_of_passed_over(name)
            found.sort(key=lambda entry: entry[0])
            routes = tuple(
                (spec.bound_to(component), spec.wants_event, spec.filter)
                for _, component, spec in found
            )
            for channel in channels:
                if _is_component(channel):
                    # The key would keep the component alive: it knows where to be taken out.
                    if channel._tree_targeted is None:
                        channel._tree_targeted = set()
                    elif len(channel._tree_targeted) >= NAMES_LIMIT:
                        channel._tree_engine.routes._forget_targeted(channel)
                        channel._tree_targeted = set()
                    channel._tree_targeted.add(name)
            if len(self.cache) >= NAMES_LIMIT and name not in self.cache:
                self.cache.clear()
                self.plain.clear()
            known = self.cache.setdefault(name, {})
            if len(known) >= CHANNELS_LIMIT:
                known.clear()
                self.plain.pop(name, None)
            if all(self._may_keep(channel, name) for channel in channels):
                known[channels] = routes
            return routes

    def _may_keep(self, channel: Any, name: str) -> bool:
        """Whether a channel may be remembered: not where that alone would keep an object alive."""
        if channel.__class__ in _PLAIN:
            return True
        if _is_component(channel):
            return _in_tree_of(channel, self)
        if channel.__class__ is tuple:
            return all(part.__class__ in _PLAIN for part in channel)
        # Else it has to be somebody's, and is forgotten with that.
        return any(
            channel in channels for key in (name, "*") if (channels := self._by_name.get(key))
        )

    def resolve_plain(
        self, name: str, channels: tuple[Any, ...]
    ) -> tuple[Callable[..., Any], ...] | None:
        """The methods alone of the routes of an event, where they need nothing but arguments.

        Returns:
            ``None`` where one wants the event or is a filter, or an error finds no handler.
        """
        with TREE_LOCK:
            routes = self.cache.get(name, NO_ROUTES).get(channels)
            if routes is None:
                routes = self.resolve(name, channels)
            methods = None
            if name not in self.awaited and not any(
                wants_event or is_filter for _, wants_event, is_filter in routes
            ):
                if routes or name != "error":
                    methods = tuple(method for method, _, _ in routes)
            if channels in self.cache[name]:
                self.plain.setdefault(name, {})[channels] = methods
            return methods

    def _matches(
        self, name: str, channel: Any
    ) -> Iterator[tuple[Manager, HandlerSpec, tuple[Any, ...]]]:
        target = channel if _is_component(channel) else None
        written = {*written_names(name)}
        for component in self._candidates(name, channel):
            place = _place(component)
            if place is None:
                continue
            path, pending, sealed = place
            for number, spec in enumerate(component._tree_specs):
                names = spec.names
                if names and name not in names and "*" not in names:
                    if not written or written.isdisjoint(names):
                        continue
                if spec.skips is not None and spec.skips(component, name, channel):
                    continue
                if not listens(spec, component, channel):
                    continue
                if not (spec.is_global or component is target):
                    if sealed or (pending and name not in FAREWELL):
                        continue
                yield component, spec, (path, number)

    def _candidates(self, name: str, channel: Any) -> Iterable[Manager]:
        found: dict[int, Manager] = {}
        if _is_component(channel) and _in_tree_of(channel, self):
            found[id(channel)] = channel
        for key in (name,) if name == "*" else (name, *written_names(name), "*"):
            if key == _UNREGISTER:
                self.bare_are_routed = True
                found.update(self._bare())
            channels = self._by_name.get(key)
            if channels is None:
                continue
            if _is_star(channel):
                for components in channels.values():
                    found.update(components)
            else:
                found.update(channels.get(channel, ()))
                found.update(channels.get("*", ()))
        return found.values()


def is_unheard(routes: Sequence[Route]) -> bool:
    """Whether nobody handles what goes these ways: those who see all that there is only look on.

    But for those who take it elsewhere, and say so by ``forwards``.
    """
    for method, _, _ in reversed(routes):  # those who look on come first
        # The names first: most handlers have some, and to look for what they have not costs more.
        if getattr(method, "names", True) or getattr(method, "channel", None) != "*":
            return False
        if getattr(method, "forwards", False):
            return False
    return True


class ChannelKey:
    """A channel as part of a set: compared like a key of a dictionary, whatever it is."""

    __slots__ = ("channel",)

    def __init__(self, channel: Any) -> None:
        self.channel = channel

    def __hash__(self) -> int:
        return hash(self.channel)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ChannelKey) and same_channel(self.channel, other.channel)


def same_channel(one: Any, other: Any) -> bool:
    """Whether two channels are the same; one whose comparison raises equals only itself."""
    if one is other:
        return True
    try:
        return bool(one == other)
    except Exception:
        return False


def as_channels(channels: Any) -> tuple[Any, ...]:
    """Several channels, or the name of one, as they are kept."""
    return (channels,) if isinstance(channels, str) else tuple(channels)


def listens(spec: HandlerSpec, component: Manager, channel: Any) -> bool:
    """Whether a handler hears what is fired on one channel."""
    if _is_star(channel) or channel is component:
        return True
    effective = _effective(spec, component)
    return _is_star(effective) or same_channel(effective, channel)


def names_channel(method: Any, channels: Iterable[Any]) -> bool:
    """Whether a handler names one of these channels, and not just all that there are."""
    component = method.__self__
    own = getattr(method.__func__, "channel", None)
    own = component.channel if own is None else own
    return any(channel is component or same_channel(own, channel) for channel in channels)


def _effective(spec: HandlerSpec, component: Manager) -> Any:
    if spec.channel is SELF:
        return component
    return component._tree_channels[0] if spec.channel is None else spec.channel


def _is_star(channel: Any) -> bool:
    return isinstance(channel, str) and channel == "*"


def _is_component(channel: Any) -> bool:
    return hasattr(type(channel), "_tree_specs")


def _in_tree_of(component: Manager, routes: Routes) -> bool:
    engine = getattr(component, "_tree_live", None)
    return engine is not None and engine.routes is routes


def is_below(component: Manager, top: Manager) -> bool:
    """Whether a component is another one, or below it."""
    node = component
    while node is not top:
        if node.parent is node:
            return False
        node = node.parent
    return True


def is_leaving(component: Manager) -> bool:
    """Whether a component, or one above it, is about to leave."""
    node = component
    while not node._tree_leaving:
        if node.parent is node:
            return False
        node = node.parent
    return True


def _place(component: Manager) -> tuple[tuple[int, ...], bool, bool] | None:
    """Where a component stands: its path from the root, whether it or one above it is about
    to leave, and whether one above it does not let events pass.
    """
    path = []
    pending = sealed = False
    node = component
    while True:
        pending = pending or node._tree_leaving
        parent = node.parent
        if parent is node:
            break
        path.append(node._tree_birth)
        sealed = sealed or not parent.traverse_children_handlers
        node = parent
    path.reverse()
    return tuple(path), pending, sealed


def handlers_of(
    top: Manager, name: str, channel: Any, exclude_globals: bool
) -> set[Callable[..., Any]]:
    """The handlers of a component and all below that match a name on one channel."""
    found = set()
    for node in flatten(top):
        for spec in node._tree_specs:
            if spec.names and "*" not in spec.names and name not in spec.names:
                if not {*written_names(name)}.intersection(spec.names):
                    continue
            if spec.is_global:
                if not exclude_globals:
                    found.add(spec.bound_to(node))
            elif listens(spec, node, channel):
                found.add(spec.bound_to(node))
    return found
