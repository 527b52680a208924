"""Changes of files and folders (manual: circuits.io.notify).

Theory of operation. On Linux the kernel keeps a queue of what happened to each watched inode
(inotify), which the poller watches like any descriptor. A watch is about one folder, so watching
recursively means one for each folder below. What happens in a folder before its watch is there is
found by reading it, and told as created; what the kernel tells, too, is left out then.

Elsewhere the library watchfiles is asked, in a thread for each path. It knows of created,
modified and deleted only.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from circuits.core._clock import NEVER
from circuits.core._descriptor import Descriptor, DescriptorOwner
from circuits.core.events import Event
from circuits.core.handlers import handler

from . import _inotify
from ._inotify import Inotify, Raw
from ._watches import Watch, Watches
from .events import (
    Accessed,
    AddPath,
    Closed,
    Created,
    Deleted,
    Modified,
    Moved,
    Opened,
    Overflow,
    Ready,
    RemovePath,
    Unmounted,
    report,
)

if TYPE_CHECKING:
    from ._watchfiles import Watcher

__all__ = [
    "Accessed",
    "AddPath",
    "Closed",
    "Created",
    "Deleted",
    "Modified",
    "Moved",
    "Notify",
    "Opened",
    "Overflow",
    "Ready",
    "RemovePath",
    "Unmounted",
]

#: Every cause, and the class of its event.
_EVENTS: tuple[tuple[int, type[Event]], ...] = (
    (_inotify.IN_CREATE, Created),
    (_inotify.IN_DELETE | _inotify.IN_DELETE_SELF, Deleted),
    (_inotify.IN_MOVED_FROM | _inotify.IN_MOVED_TO | _inotify.IN_MOVE_SELF, Moved),
    (_inotify.IN_OPEN, Opened),
    (_inotify.IN_CLOSE_WRITE | _inotify.IN_CLOSE_NOWRITE, Closed),
    (_inotify.IN_ACCESS, Accessed),
    (_inotify.IN_MODIFY | _inotify.IN_ATTRIB, Modified),
    (_inotify.IN_UNMOUNT, Unmounted),
)

#: What has to be known to follow a tree of folders, whatever else was asked for.
_STRUCTURE = _inotify.IN_CREATE | _inotify.IN_MOVED_FROM | _inotify.IN_MOVED_TO | _inotify.IN_DELETE

#: How long the second half of a renaming may take to come, in seconds.
_RENAME_SECONDS = 0.1

#: How often to read in one turn: together as much as the kernel keeps for us by default.
_READS = 8

_BY_WATCHFILES = {"created": Created, "modified": Modified, "deleted": Deleted}


class _Found(Event):
    """What a thread of watchfiles has seen: fired by it at its component."""

    name = "_found"


class Notify(DescriptorOwner):
    """Watches files and folders, and fires what happens to them.

    Fires ``created``, ``deleted``, ``moved``, ``opened``, ``closed``, ``accessed``, ``modified`` and
    ``unmounted``, each with ``(name, path, pathname, is_dir)``, in the order of the kernel;
    ``overflow()`` when the kernel had to drop some; ``ready(notify)`` when it has joined; and
    ``error(exception)`` and ``io_error(exception)`` for a path that cannot be watched. Handles
    ``add_path`` and ``remove_path``. Leaving the tree ends all watches.

    Args:
        channel: Where to listen and to fire.
        backend: ``"inotify"`` or ``"watchfiles"``; by default inotify where the system has it.

            .. versionadded:: 2.1

    Raises:
        ImportError: The system has no inotify, and watchfiles is not installed.
        ValueError: There is no such backend.
    """

    channel = "notify"

    def __init__(self, channel: Any = "notify", *, backend: str | None = None) -> None:
        if backend not in (None, "inotify", "watchfiles"):
            raise ValueError(f"backend is 'inotify' or 'watchfiles', not {backend!r}")
        if backend is None:
            backend = "inotify" if _inotify.is_available() else "watchfiles"
        if backend == "watchfiles":
            from ._watchfiles import load

            load()  # who lacks it is told here and now
        elif not _inotify.is_available():
            raise ImportError("this system has no inotify: leave the backend out")
        self.backend = backend
        self._inotify: Inotify | None = None
        self._watches = Watches()
        self._watchers: dict[str, Watcher] = {}
        self._renaming: tuple[int, str] | None = None
        self._patience = NEVER
        super().__init__(channel=channel)

    def _poller_found(self) -> None:
        self.fire(Ready(self))

    # -- what is watched --

    @handler("add_path")
    def _on_add_path(self, *args: Any, **kwargs: Any) -> None:
        self.add_path(*args, **kwargs)

    def add_path(
        self, path: Any, mask: int | None = None, recursive: bool = False, auto_add: bool = False
    ) -> None:
        """Watch a path; also before the component has joined a tree.

        Args:
            path: A file or folder.
            mask: What to tell, as ``IN_...`` numbers of inotify(7); everything by default.
            recursive: Whether to watch the folders below, too, that are there now.
            auto_add: With ``recursive``: also those that come later.
        """
        path = os.fsdecode(path)
        try:
            if self.backend == "watchfiles":
                self._add_watcher(path, recursive)
            else:
                wanted = _inotify.IN_ALL_EVENTS if mask is None else mask
                self._add_watch(path, wanted, recursive, recursive and auto_add)
        except OSError as problem:
            report(self, problem)

    @handler("remove_path")
    def _on_remove_path(self, *args: Any, **kwargs: Any) -> None:
        self.remove_path(*args, **kwargs)

    def remove_path(self, path: Any, recursive: bool = False) -> None:
        """Watch a path no more; nothing else is told of it from now on.

        Args:
            path: As it was given to :meth:`add_path`; an unknown one is ignored.
            recursive: Whether to give up what is below, too.
        """
        path = os.fsdecode(path)
        watcher = self._watchers.pop(path, None)
        if watcher is not None:
            watcher.stop()
        for number in self._watches.remove(path, recursive):
            if self._inotify is not None:
                self._inotify.remove(number)

    def _add_watch(self, path: str, mask: int, recursive: bool, auto_add: bool) -> None:
        if self._inotify is None:
            self._inotify = Inotify()
            self._adopt(Descriptor(self, self._inotify.number))
        # Read first: reading a folder that is watched already would be told, too.
        below = _folders_below(path) if recursive else []
        self._enter_watch(Watch(path, mask, os.path.isdir(path), recursive, auto_add))
        for folder in below:
            try:
                self._enter_watch(Watch(folder, mask, True, recursive, auto_add))
            except (FileNotFoundError, NotADirectoryError):
                continue  # gone meanwhile
            except PermissionError as problem:  # of this one alone
                report(self, problem)
        if auto_add:
            self._look_again()

    def _enter_watch(self, watch: Watch) -> bool:
        """Watch a path.

        Returns:
            Whether it was not yet watched.
        """
        inotify = self._inotify
        assert inotify is not None
        mask = watch.mask | _STRUCTURE if watch.recursive else watch.mask
        number = inotify.add(watch.path, mask)
        before = self._watches.number(watch.path)
        for ended in self._watches.add(number, watch):
            inotify.remove(ended)
        return before != number

    # -- inotify --

    def _descriptor_readable(self, descriptor: Descriptor) -> None:
        for _ in range(_READS):  # the sooner its queue is empty, the less the kernel drops
            data = descriptor.read()
            if not data:
                break
            for raw in Inotify.parse(data):
                self._take(raw)
        if self._renaming is not None and not self._patience.is_pending:
            schedule = self._tree_engine.schedule
            self._patience = schedule.call_in(_RENAME_SECONDS, self._moved_away)

    def _descriptor_failed(self, descriptor: Descriptor, problem: OSError) -> None:
        report(self, problem)

    def _descriptor_closed(self, descriptor: Descriptor) -> None:
        self._inotify = None
        self._watches.clear()

    def _take(self, raw: Raw) -> None:
        mask = raw.mask
        if mask & _inotify.IN_Q_OVERFLOW:
            self._settle_renaming(None)
            if not self._tree_engine.route("overflow", (self.channel,)):
                logging.getLogger("circuits").warning("%r: some changes were not reported", self)
            self.fire(Overflow())
            self._forget_gone()
            self._look_again()
            return
        self._settle_renaming(raw)
        for watch in self._watches.of(raw.watch):
            pathname = os.path.join(watch.path, raw.name) if raw.name else watch.path
            is_dir = bool(mask & _inotify.IN_ISDIR) if raw.name else watch.is_dir
            if not self._was_told(watch, raw):
                self._tell(watch, raw, pathname, is_dir)
            if is_dir and raw.name and watch.recursive:
                self._follow(watch, raw, pathname)
        if mask & _inotify.IN_IGNORED:
            self._watches.end(raw.watch)

    def _tell(self, watch: Watch, raw: Raw, pathname: str, is_dir: bool) -> None:
        if not raw.mask & (watch.mask | _inotify.IN_UNMOUNT):
            return
        for bits, event in _EVENTS:
            if raw.mask & bits:
                self.fire(event(raw.name, watch.path, pathname, is_dir))

    def _was_told(self, watch: Watch, raw: Raw) -> bool:
        """Whether the making of this entry was told already, when the folder was read."""
        known = watch.known
        if not known or raw.name not in known:
            return False
        if raw.mask & (_inotify.IN_DELETE | _inotify.IN_MOVED_FROM):
            known.discard(raw.name)
        elif raw.mask & _inotify.IN_CREATE:
            known.discard(raw.name)
            return True
        return False

    # -- folders that come, go and change their names --

    def _follow(self, watch: Watch, raw: Raw, pathname: str) -> None:
        if raw.mask & _inotify.IN_MOVED_FROM:
            self._renaming = (raw.cookie, pathname)
        elif raw.mask & _inotify.IN_MOVED_TO and self._renaming is not None:
            old = self._renaming[1]  # of this cookie, or it would have been settled
            self._renaming = None
            self._watches.rename(old, pathname)
        if raw.mask & (_inotify.IN_CREATE | _inotify.IN_MOVED_TO) and watch.auto_add:
            self._enter(watch, pathname)  # one that was renamed at once was not found before

    def _enter(self, watch: Watch, path: str) -> None:
        """Watch a folder that has come, and tell what is in it already."""
        if self._inotify is None:
            return
        inner = Watch(path, watch.mask, True, True, True)
        try:
            if not self._enter_watch(inner):
                return
            with os.scandir(path) as entries:
                found = sorted((entry.name, _is_folder(entry)) for entry in entries)
        except (FileNotFoundError, NotADirectoryError):
            return  # gone again, which is told by itself
        except OSError as problem:
            report(self, problem)
            return
        for name, is_dir in found:
            inner.known.add(name)
            pathname = os.path.join(path, name)
            if watch.mask & _inotify.IN_CREATE:
                self.fire(Created(name, path, pathname, is_dir))
            if is_dir:
                self._enter(inner, pathname)

    def _settle_renaming(self, raw: Raw | None) -> None:
        """What is moved away without a new name among ours is not watched any more."""
        if self._renaming is None:
            return
        if raw is not None and raw.mask & _inotify.IN_MOVED_TO and raw.cookie == self._renaming[0]:
            self._patience.cancel()
            if not any(watch.recursive for watch in self._watches.of(raw.watch)):
                self._moved_away()  # to where nobody follows it
            return
        self._moved_away()

    def _moved_away(self) -> None:
        self._patience.cancel()
        if self._renaming is not None:
            path = self._renaming[1]
            self._renaming = None
            self.remove_path(path, recursive=True)

    def _forget_gone(self) -> None:
        """After an overflow: folders may have gone, or changed their names, and nobody has told of it.

        Under its old name one that is found by its new name would be told of twice.
        """
        gone: dict[str, None] = {}
        for path in sorted(watch.path for watch in self._watches.all() if watch.auto_add):
            if not self._watches.has_above(path):
                continue  # the kernel itself follows it, whatever it is called
            if os.path.dirname(path) in gone or os.path.islink(path) or not os.path.isdir(path):
                gone[path] = None
        for path in gone:
            self.remove_path(path)

    def _look_again(self) -> None:
        """Folders may have come that nobody has told of."""
        for watch in self._watches.all():
            if watch.auto_add:
                for path in _folders_in(watch.path):
                    self._enter(watch, path)

    # -- watchfiles --

    def _add_watcher(self, path: str, recursive: bool) -> None:
        from ._watchfiles import Watcher

        if path in self._watchers:
            self._watchers.pop(path).stop()

        def tell(kind: str, pathname: str) -> None:
            self.fire(_Found(path, kind, pathname), self)

        def failed(problem: Exception) -> None:
            self.fire(_Found(path, "failed", problem), self)

        self._watchers[path] = Watcher(path, recursive, tell, failed)

    @handler("_found")
    def _on_found(self, path: str, kind: str, found: Any) -> None:
        if path not in self._watchers:
            return  # given up meanwhile
        if kind == "failed":
            self._watchers.pop(path).stop()
            report(self, found)
            return
        is_dir = os.path.isdir(found)
        if os.path.abspath(found) == os.path.abspath(path):
            self.fire(_BY_WATCHFILES[kind]("", path, path, is_dir))
        else:
            folder, name = os.path.split(found)
            self.fire(_BY_WATCHFILES[kind](name, folder, found, is_dir))

    def _leave(self) -> Any:
        super()._leave()
        self._patience.cancel()
        self._renaming = None
        watchers, self._watchers = self._watchers, {}
        for watcher in watchers.values():
            watcher.stop()


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _folders_below(path: str) -> list[str]:
    return [
        os.path.join(top, name)
        for top, folders, _ in os.walk(path)
        for name in folders
        if not os.path.islink(os.path.join(top, name))
    ]


def _folders_in(path: str) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return sorted(entry.path for entry in entries if _is_folder(entry))
    except OSError:
        return []  # gone, or not ours to read: what can be watched is
