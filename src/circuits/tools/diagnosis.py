"""What helps to find mistakes while an application runs: only logs are changed.

With ``CIRCUITS_DEBUG=1`` in the environment, or ``python -X dev``, each run is accompanied by a
thread that looks at the loop from outside, so that dispatch is as it always is: a handler that keeps
the loop for longer than :data:`SLOW_SECONDS` is told by its name, with its stack, while it does so.
Events that nobody handles are told once for each name and channels, and at the start
:func:`~circuits.tools.checks.check` looks through the sources. Everything goes to the logger
``circuits.debug``.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any

from circuits.core._reports import is_diagnosis_asked_for, unheard_text
from circuits.core._routing import is_unheard
from circuits.core._shown import brief_repr, describe, safe_repr
from circuits.core.components import BaseComponent
from circuits.core.events import Event, LiteralEvent
from circuits.core.utils import flatten

from .checks import check, handlers_of_applications, sources_are_there

if TYPE_CHECKING:
    from types import FrameType

    from circuits.core._engine import Engine
    from circuits.core.events import BaseEvent
    from circuits.core.manager import Manager

__all__ = ["SLOW_SECONDS", "Diagnosis"]

#: A handler that keeps the loop for longer than this is told of, in seconds: with
#: ``CIRCUITS_DEBUG``, and with ``-X dev`` alone, which is not only for us.
SLOW_SECONDS = 0.1
SLOW_SECONDS_OF_DEVELOPMENT = 0.5

#: How often the loop is looked at, in seconds.
_INTERVAL = 0.05

#: How long the end of a run waits for it, which may be in a log, in seconds.
_JOIN_SECONDS = 1.0

#: How many names with channels are remembered, so as to tell of each once.
_MOST_TOLD = 1024

#: Events of ours that an application fires to have something done. ``connect`` is none of them: it
#: is what a server tells of, too.
_COMMANDS = frozenset({"close", "load", "save", "task", "write"})

#: Code that calls handlers: ours, and that of asyncio.
_CALLERS = (
    __file__[: -len("tools/diagnosis.py")],
    os.path.dirname(logging.__file__)[:-7] + "asyncio",
)

#: Of the standard library; what imports is part of the interpreter itself.
_STANDARD = (os.path.dirname(os.__file__) + os.sep, "<frozen ")

_logger = logging.getLogger("circuits.debug")


class Diagnosis:
    """Accompanies one run.

    Args:
        manager: Who runs.

    .. versionadded:: 2.1
    """

    def __init__(self, manager: Manager) -> None:
        self._manager = manager
        self._thread_of_loop = threading.get_ident()
        self._told: set[tuple[str, tuple[Any, ...]]] = set()
        self._loose: set[int] = set()
        self._slow_seconds = (
            SLOW_SECONDS if is_diagnosis_asked_for() else SLOW_SECONDS_OF_DEVELOPMENT
        )
        self._over = threading.Event()
        self._watch = self._make_thread()
        # Who runs it may be a handler of another tree, or, in a forked child, of another run.
        self._base = sys._getframe(1).f_back

    def _make_thread(self) -> threading.Thread:
        return threading.Thread(target=self._look_on, name="circuits-debug", daemon=True)

    def begin(self) -> None:
        """The run begins, in this thread."""
        try:
            findings = check(self._manager) if sources_are_there(self._manager) else []
        except Exception as problem:  # a source may have changed since, and be none any more
            _logger.warning("the sources cannot be looked through: %r", problem)
            findings = []
        for finding in findings:
            if finding.kind == "unfired":  # what is fired may find its handler later
                _logger.warning("%s", finding)
        self._look_who_runs()
        self._tell_of_loose_parts()
        self._follow()
        self._watch.start()

    def go_on(self) -> None:
        """In a forked child, which has only the thread that forked."""
        self._over = threading.Event()
        self._watch = self._make_thread()
        self._watch.start()

    def end(self) -> None:
        """The run is over."""
        self._over.set()
        self._base = None
        self._manager._tree_engine.routes.watch_unheard = None
        self._watch.join(_JOIN_SECONDS)
        self._tell_of_loose_parts()

    def _tell_of_loose_parts(self) -> None:
        """Components that others have, and that are in no tree: so they hear nothing."""
        root = self._manager.root
        for node in flatten(root):
            for name, part in list(vars(node).items()):
                if not isinstance(part, BaseComponent) or part is root or part.running:
                    continue
                if part.parent is not part:
                    continue
                if part._tree_birth or not part._tree_specs or id(part) in self._loose:
                    continue  # it was in one; or nobody asks it
                self._loose.add(id(part))
                _logger.warning(
                    "%s.%s is a component that was never registered, and hears nothing: write "
                    "%s(...).register(self)",
                    *(type(node).__name__, name, type(part).__name__),
                )

    def _look_who_runs(self) -> None:
        """Tell of what a run by this manager means that its writer may not have meant."""
        manager = self._manager
        if manager.root is not manager:
            _logger.warning("%r runs, which is a part of %r: run the root", manager, manager.root)
        channels = manager._tree_channels
        where = ", ".join(map(safe_repr, channels))
        for name in ("started", "stopped"):
            hearing = [method for method, _, _ in manager._tree_engine.route(name, channels)]
            for handler in handlers_of_applications(manager, name):
                if handler not in hearing:
                    _logger.warning(
                        "%s never hears %r, which goes to %s, the channel of what runs: mark it "
                        'with @handler(%r, channel="*")',
                        *(describe(handler), name, where, name),
                    )

    # -- events that nobody handles --

    def _follow(self) -> Engine:
        engine = self._manager._tree_engine  # another one after trees were joined
        engine.routes.watch_unheard = self._on_dispatch
        return engine

    def _on_dispatch(self, event: BaseEvent) -> None:
        kind = type(event)
        if event.parent is not None:
            return
        if "_recipe" in vars(kind) and kind.__bases__[0] in (Event, LiteralEvent):
            pass  # the application has made it by its name
        elif kind.__module__.startswith("circuits.") and event._event_name not in _COMMANDS:
            return  # ours are told whether anybody listens or not
        engine = self._manager._tree_engine
        if event._event_name in engine.routes.awaited:
            return  # one who waits for it is heard, too
        if not is_unheard(engine.route(event._event_name, event.channels)):
            return
        key = (event._event_name, tuple(map(str, event.channels)))
        if key not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add(key)
            _logger.warning("%s: %s", unheard_text(engine.routes, event), brief_repr(event))

    # -- handlers that keep the loop --

    def _look_on(self) -> None:
        seen: FrameType | None = None
        since = 0.0
        is_told = is_end_told = False
        while not self._over.wait(_INTERVAL):
            engine = self._follow()
            frame = _handler_frame(sys._current_frames().get(self._thread_of_loop), self._base)
            now = time.monotonic()
            if frame is None or frame is not seen:
                seen, since, is_told = frame, now, False
                continue
            if engine.loop.is_stopping and not is_end_told:
                is_end_told = True
                _logger.warning("stopping when %s ends; a second signal ends at once", _name(frame))
            if not is_told and now - since >= self._slow_seconds:
                is_told = True
                _tell(frame, now - since, sys._current_frames().get(self._thread_of_loop))
            frame = None  # it holds what the handler holds


def _handler_frame(frame: FrameType | None, base: FrameType | None) -> FrameType | None:
    """The frame of the handler that the loop is in: of the outermost function that we have called.

    ``base`` is the frame that runs the loop.
    """
    found = None
    while frame is not None and frame is not base:
        above = frame.f_back
        if above is not None and not _calls_handlers(frame) and _calls_handlers(above):
            found = frame
        frame = above
    # Of the standard library, it is something that a component of ours does.
    return None if found is None or found.f_code.co_filename.startswith(_STANDARD) else found


def _calls_handlers(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(_CALLERS)


def _tell(frame: FrameType, seconds: float, innermost: FrameType | None) -> None:
    stack: list[Any] = []
    for inner, line in traceback.walk_stack(innermost):
        stack.append((inner, line))
        if inner is frame:
            break
    lines = traceback.StackSummary.extract(reversed(stack)).format()
    _logger.warning(
        "%s keeps the loop for more than %.2f s; now it is here:\n%s",
        _name(frame),
        seconds,
        "".join(lines).rstrip(),
    )


def _name(frame: FrameType) -> str:
    code = frame.f_code
    return f"{code.co_qualname} ({code.co_filename}:{code.co_firstlineno})"
