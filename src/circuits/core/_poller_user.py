"""Components that have a poller watch something: how each finds one, and follows when it changes."""

from __future__ import annotations

from ._grace import Graceful
from ._loop import PollerFollower, is_poller
from ._routing import is_below, is_leaving
from .handlers import handler
from .pollers import BasePoller, Poller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._engine import Engine
    from .manager import Manager

__all__ = ["PollerUser"]


class PollerUser(PollerFollower, Graceful):
    """A component that uses the poller of its tree, or makes one if there is none.

    It looks when it has joined a tree, when the tree changes, and when the application starts.
    """

    _poller: BasePoller | None = None
    _is_unwatched = False  # it has left its poller behind, and may come back to it

    # -- what a subclass provides, beside what a follower does --

    def _poller_found(self) -> None:
        """There is a poller, for the first time since the component joined."""

    def _poller_failed(self, problem: OSError) -> None:
        """None could be made: the system has no descriptors left."""
        raise problem

    # -- the tree --

    def _tree_left(self, engine: Engine) -> None:
        super()._tree_left(engine)
        # Who comes back, or goes elsewhere, has its descriptors watched there. Those that the old
        # tree went on watching would be ready in each of its turns, and nobody would read them.
        poller = self._poller
        if poller is not None and poller.root is not self.root:
            self._is_unwatched = True
            self._leave_poller(poller)

    # -- looking --

    @handler("registered", channel="*")
    def _on_registered(self, component: Manager, manager: Manager) -> None:
        # Without a poller, who comes elsewhere in the tree is no occasion: if none could be made, the
        # next attempt would fail, too.
        if self._poller is not None or is_below(self, component) or is_poller(component):
            self._find_poller()

    @handler("unregistered", channel="*")
    def _on_unregistered(self, component: Manager, manager: Manager) -> None:
        if component is not self:
            self._find_poller()

    def _application_started(self) -> None:
        self._find_poller()

    def _find_poller(self) -> None:
        before = self._poller
        if is_leaving(self):
            return
        found = self._tree_engine.loop.find_poller()
        is_unwatched, self._is_unwatched = self._is_unwatched, False
        if before is not None and not is_unwatched:
            if found is before or (found is None and before.root is self.root):
                return
        if found is None:
            try:
                found = Poller()
                found._maker = self
                found.register(self)
            except OSError as problem:
                self._poller_failed(problem)
                return
        if found is before:
            self._join_poller(found)
        else:
            self._use_poller(found)
        if before is None:
            self._poller_found()
