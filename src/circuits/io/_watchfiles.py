"""Changes of files where there is no inotify: the library watchfiles, in a thread for each path.

The only place that imports it. It tells what was created, modified and deleted, in short rounds,
and in no particular order within one.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["Watcher", "load"]

#: How long to wait for more changes after one, in milliseconds; the library's default is 1600.
_DEBOUNCE_MS = 50
_STEP_MS = 10

#: How long the end of a thread is waited for, in seconds.
_JOIN_SECONDS = 5.0


def load() -> Any:
    """The library.

    Raises:
        ImportError: It is not installed.
    """
    try:
        import watchfiles
        import watchfiles._rust_notify  # documented, for those who want it without generators
    except ImportError as problem:
        text = "Notify needs inotify, which this system lacks, or watchfiles"
        raise ImportError(f"{text}: pip install 'circuits[notify]'") from problem
    return watchfiles


class Watcher:
    """Watches one path in a thread of its own.

    Args:
        path: What to watch.
        recursive: Whether all below is watched, too.
        tell: Called in that thread with what happened - ``"created"``, ``"modified"`` or
            ``"deleted"`` - and the path of the file.
        failed: Called in that thread with what ended it, if it was not :meth:`stop`.

    Raises:
        FileNotFoundError: There is no such path.
    """

    def __init__(
        self,
        path: str,
        recursive: bool,
        tell: Callable[[str, str], object],
        failed: Callable[[Exception], object],
    ) -> None:
        os.stat(path)
        self._path = path
        self._tell = tell
        self._failed = failed
        self._stop = threading.Event()
        library = load()
        self._watched = library._rust_notify.RustNotify([path], False, False, 0, recursive, False)
        self._names = {
            int(library.Change.added): "created",
            int(library.Change.modified): "modified",
            int(library.Change.deleted): "deleted",
        }
        self._thread = threading.Thread(target=self._run, name=f"watch {path}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                changes = self._watched.watch(_DEBOUNCE_MS, _STEP_MS, 0, self._stop)
                if not isinstance(changes, set):  # "stop", "signal" or "timeout"
                    continue
                for change, path in sorted(changes, key=lambda entry: entry[1]):
                    self._tell(self._names[change], path)
        except Exception as problem:
            self._failed(problem)

    def stop(self) -> None:
        """End it, and wait for the thread."""
        self._stop.set()
        if self._thread is not threading.current_thread():
            self._thread.join(_JOIN_SECONDS)
        self._watched.close()
