"""For development: a program that begins anew when a file of its modules has changed."""

from __future__ import annotations

import os
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any, NoReturn

from circuits.core._sleep import sleep
from circuits.core.components import BaseComponent
from circuits.core.handlers import handler

from ._program import say

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from circuits.core.manager import Manager

__all__ = ["Ages", "Reloader", "begin_anew", "wait_for_repair"]

#: Seconds between two looks at the files.
_INTERVAL = 0.3

#: For so many seconds nothing may change before it is loaded: what is half written yet would be
#: half of a program, and that the rest has come meanwhile could go unnoticed.
_QUIET = 0.1


class Ages:
    """How old the files of the modules are that are loaded.

    Args:
        others: More files to look at.
    """

    def __init__(self, others: Iterable[str] = ()) -> None:
        self._known: dict[str, int] = {}
        self._others = tuple(others)
        self.changed()

    def changed(self) -> str | None:
        """A file that has changed, or gone, since it was looked at first."""
        files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
        for path in files.union(self._others, self._known):
            if isinstance(path, str):
                try:
                    age = os.stat(path).st_mtime_ns
                except OSError:
                    age = 0
                if self._known.setdefault(path, age) != age:
                    return path
        return None

    def settle(self) -> bool:
        """Take note of what has changed since it was looked at last; whether anything has."""
        before = self._known
        self._known = {}
        self._others = tuple({*before, *self._others})
        self.changed()
        return any(self._known[path] != age for path, age in before.items())


class Reloader(BaseComponent):
    """Stops the application when a file has changed.

    Attributes:
        has_changed: Whether it has.
    """

    channel = "reloader"

    def init(self) -> None:
        self.has_changed = False
        self._ages = Ages()

    def look(self) -> None:
        """Take note of what has been loaded, before anybody knows and changes it."""
        self._ages.changed()

    @handler("started", channel="*")
    def _on_started(self, component: Manager) -> Generator[Any, Any, None]:
        while component is self.root:
            yield sleep(_INTERVAL)
            changed = self._ages.changed()
            if changed is not None:
                while self._ages.settle():
                    yield sleep(_QUIET)
                say(f"{changed} has changed")
                self.has_changed = True
                self._tree_engine.stop()
                return


def wait_for_repair(problem: BaseException) -> None:
    """Show what the application cannot be loaded for, until a file that has to do with it changes."""
    files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(problem.__traceback__)]
    if isinstance(problem, SyntaxError) and problem.filename:
        files.append(problem.filename)
    ages = Ages(files)  # before anybody reads what is wrong, and mends it
    traceback.print_exception(problem)
    while ages.changed() is None:
        time.sleep(_INTERVAL)
    while ages.settle():
        time.sleep(_QUIET)


def begin_anew() -> NoReturn:
    """Replace the process by one that has been started in the same way."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
