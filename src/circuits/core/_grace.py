"""The end, for components that have something to finish: of the application, and of being in a tree.

When the application stops, a component may hold it up. It gets most of the root's ``stop_timeout``,
then it has to give up, so that the events about that are still delivered before the rest is over.
"""

from __future__ import annotations

from . import _clock
from .components import BaseComponent, PrepareUnregister
from .events import Event, Started, Stopped
from .handlers import handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._engine import Engine
    from .manager import Manager

__all__ = ["GRACE_PART", "Graceful"]

#: Which part of the root's ``stop_timeout`` a component may hold the application up.
GRACE_PART = 0.9


class Graceful(BaseComponent):
    """A component that hears of the stop of the application, and of its own leaving, once each."""

    _is_stopping = False  # the application stops
    _grace_ends = 0.0
    _grace_timer = _clock.NEVER

    # -- what a subclass provides --

    def _application_started(self) -> None:
        """The application runs, perhaps again."""

    def _application_stopped(self) -> Any:
        """The application stops: finish, and :meth:`_hold_end` for as long as that takes.

        Returns:
            ``None``, or the generator of a handler.
        """

    def _grace_over(self) -> None:
        """The grace is over, and the application is still held up."""

    def _leave(self) -> Any:
        """The component leaves its tree, alone or below another one.

        Returns:
            ``None``, or the generator of a handler, which the leaving waits for.
        """

    # -- the application --

    @handler("started", channel="*")
    def _on_application_started(self, event: Event, *args: Any) -> None:
        if isinstance(event, Started) and args[0] is self.root:
            self._is_stopping = False
            self._application_started()

    @handler("stopped", channel="*")
    def _on_application_stopped(self, event: Event, *args: Any) -> Any:
        # Processes have events of that name, too.
        if not isinstance(event, Stopped) or args[0] is not self.root or self._is_stopping:
            return None
        self._is_stopping = True
        self._grace_ends = _clock.now() + self.root.stop_timeout * GRACE_PART
        return self._application_stopped()

    def _hold_end(self) -> None:
        """Keep the stopping application alive until released, or until the grace is over."""
        engine = self._tree_engine
        engine.hold(self)
        if not self._grace_timer.is_pending:
            self._grace_timer = engine.schedule.call_at(self._grace_ends, self._grace_over)

    def _release_end(self) -> None:
        """The application need not wait any more; without effect if it does not."""
        self._drop_hold(self._tree_engine)

    def _drop_hold(self, engine: Engine) -> None:
        engine.release(self)
        self._grace_timer.cancel()

    # -- the tree --

    @handler("prepare_unregister", channel="*")
    def _on_prepare_unregister(self, event: PrepareUnregister, component: Manager) -> Any:
        return self._leave() if event.in_subtree(self) else None

    def _tree_left(self, engine: Engine) -> None:
        super()._tree_left(engine)
        self._drop_hold(engine)
        self._is_stopping = False
