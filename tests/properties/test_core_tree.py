"""Any sequence of changes to a tree against a router that looks at every handler each time.

What is waited for by name comes and goes, too.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from circuits import BaseComponent, Event, handler
from circuits.testing import settle

_CHANNELS = ["*", "a", "b", ("c", 1)]
_NAMES = ["one", "two"]
_LOG: list[tuple[int, int]] = []


def _noted(serial: int) -> Any:
    def method(self: Node, *args: Any) -> None:
        _LOG.append((self.number, serial))

    return method


class Node(BaseComponent):
    """A component whose handlers are made by the test."""

    _count = 0

    def __init__(self, channel: Any) -> None:
        super().__init__(channel=channel)
        Node._count += 1
        self.number = Node._count
        # (serial, names, channel, priority, filter, method), in the order they were added
        self.declared: list[tuple[int, tuple[str, ...], Any, float, bool, Any]] = []


def _nodes(top: Node) -> list[Node]:
    found = [top]
    for child in top.components:
        found += _nodes(child)  # type: ignore[arg-type]
    return found


def _expected(root: Node, name: str, channels: tuple[Any, ...]) -> list[tuple[int, int]]:
    """Who hears an event, straight from the rules."""
    found = []
    for place, node in enumerate(_nodes(root)):
        for position, declared in enumerate(node.declared):
            serial, names, own, priority, is_filter, _ = declared
            if names and name not in names and "*" not in names:
                continue
            listens = node.channel if own is None else own
            for rank, channel in enumerate(channels):
                if channel == "*" or channel is node or listens in ("*", channel):
                    key = (-priority, not is_filter, rank, place, position)
                    found.append((key, (node.number, serial)))
                    break
    return [who for _, who in sorted(found)]


def _matches(node: Node, mine: tuple[Any, ...], channels: tuple[Any, ...]) -> bool:
    """Whether a wait is for an event, straight from the rules."""
    return "*" in mine or any(c == "*" or c is node or c in mine for c in channels)


class Tree(RuleBasedStateMachine):
    """The root, the components below it, and those that have left."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Node("*")
        self.known = [self.root]
        self.serial = 0
        # (node, name, channels, wait), of those in the tree of the root
        self.waits: list[tuple[Node, str, tuple[Any, ...], Any]] = []

    def end_waits(self, top: Node) -> None:
        """What leaves waits no more."""
        nodes = _nodes(top)
        for waiting in [w for w in self.waits if w[0] in nodes]:
            waiting[3].close()
            self.waits.remove(waiting)

    def pick(self, index: int) -> Node:
        return self.known[index % len(self.known)]

    @rule(parent=st.integers(0, 50), channel=st.sampled_from(_CHANNELS))
    def make(self, parent: int, channel: Any) -> None:
        node = Node(channel)
        node.register(self.pick(parent))
        self.known.append(node)

    @rule(which=st.integers(0, 50), parent=st.integers(0, 50))
    def move(self, which: int, parent: int) -> None:
        node, target = self.pick(which), self.pick(parent)
        if node is self.root or target in _nodes(node) or node.parent is target:
            return
        self.end_waits(node)
        node.register(target)

    @rule(which=st.integers(0, 50))
    def leave(self, which: int) -> None:
        node = self.pick(which)
        settle(node)
        if node.parent is not node:
            self.end_waits(node)
        node.unregister()
        settle(node)

    @rule(which=st.integers(0, 50))
    def cut_off(self, which: int) -> None:
        node = self.pick(which)
        if node.parent is not node:
            self.end_waits(node)
        node.register(node)

    @rule(which=st.integers(0, 50), channel=st.sampled_from(_CHANNELS))
    def change_channel(self, which: int, channel: Any) -> None:
        self.pick(which).channel = channel

    @rule(
        which=st.integers(0, 50),
        names=st.sampled_from([("one",), ("two",), ("one", "two"), ("*",), ()]),
        channel=st.sampled_from([None, None, *_CHANNELS]),
        priority=st.sampled_from([0, 0, 1, -1]),
        is_filter=st.booleans(),
    )
    def add_handler(
        self, which: int, names: Any, channel: Any, priority: int, is_filter: bool
    ) -> None:
        node = self.pick(which)
        self.serial += 1
        function = _noted(self.serial)
        function.__name__ = f"handler{self.serial}"
        mark = handler(*names, channel=channel, priority=priority, filter=is_filter)
        method = node.addHandler(mark(function))
        node.declared.append((self.serial, names, channel, priority, is_filter, method))

    @precondition(lambda self: any(node.declared for node in self.known))
    @rule(which=st.integers(0, 50))
    def remove_handler(self, which: int) -> None:
        nodes = [node for node in self.known if node.declared]
        node = nodes[which % len(nodes)]
        node.removeHandler(node.declared.pop(which % len(node.declared))[5])

    @rule(
        which=st.integers(0, 50),
        name=st.sampled_from(_NAMES),
        channels=st.lists(st.sampled_from(_CHANNELS), max_size=2),
    )
    def wait(self, which: int, name: str, channels: list[Any]) -> None:
        node = self.pick(which)
        if node.root is self.root:
            wait = node.wait(name, *channels)
            assert next(wait) is None
            self.waits.append((node, name, tuple(channels) or (node.channel,), wait))

    @precondition(lambda self: self.waits)
    @rule(which=st.integers(0, 50))
    def give_up(self, which: int) -> None:
        self.waits.pop(which % len(self.waits))[3].close()

    @rule(
        name=st.sampled_from(_NAMES),
        channels=st.lists(st.sampled_from([*_CHANNELS, "nobody"]), min_size=1, max_size=3),
    )
    def fire(self, name: str, channels: list[Any]) -> None:
        self._check(name, tuple(channels))

    @rule(name=st.sampled_from(_NAMES), which=st.integers(0, 50))
    def fire_at(self, name: str, which: int) -> None:
        node = self.pick(which)
        self._check(name, (node,), node.root)

    def _check(self, name: str, channels: tuple[Any, ...], root: Any = None) -> None:
        root = self.root if root is None else root
        settle(root)
        _LOG.clear()
        root.fire(Event.create(name), *channels)
        root.flush()
        assert _expected(root, name, channels) == _LOG
        for waiting in list(self.waits):
            node, awaited, mine, wait = waiting
            if root is self.root and name == awaited and _matches(node, mine, channels):
                self.waits.remove(waiting)
                with pytest.raises(StopIteration):
                    next(wait)
            else:
                assert next(wait) is None

    @invariant()
    def only_names_that_somebody_waits_for_are_looked_at(self) -> None:
        assert self.root._tree_engine.routes.awaited == {name for _, name, _, _ in self.waits}

    @invariant()
    def every_component_knows_its_root(self) -> None:
        for node in self.known:
            top: Any = node
            while top.parent is not top:
                assert top in top.parent.components
                top = top.parent
            assert node.root is top


TestTree = Tree.TestCase
TestTree.settings = settings(stateful_step_count=40)
