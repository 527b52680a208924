"""Recording what enters an application, so that it can be replayed as a test.

See :class:`Recording`; :func:`circuits.testing.replay` replays a file.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import platform
import sys
from typing import TYPE_CHECKING, Any, Final, Protocol

from circuits._version import __version__
from circuits.core import _clock
from circuits.core._poller_user import PollerUser
from circuits.core.events import Event
from circuits.core.handlers import handler
from circuits.core.utils import flatten

from ._recorder import Recorder
from ._recording_file import RecordingError, RecordingFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from circuits.core._engine import Engine
    from circuits.core.manager import Manager

__all__ = ["DEFAULT_LIMIT", "Recording", "RecordingEnded", "RecordingError", "nothing_recorded"]

_LOG = logging.getLogger("circuits.app.recording")

#: How large a recording becomes, in bytes, unless told otherwise: some hours of a small service.
DEFAULT_LIMIT: Final = 64 * 1024 * 1024

#: Less than this holds nothing of use.
_SMALLEST_LIMIT: Final = 4096


class RecordingEnded(Event):
    """A recording has ended while the application goes on.

    Fired by :class:`Recording` on its channel.

    Args:
        why: ``"the limit is reached"``, or what the system says of the file.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)


class Side(Protocol):
    """What observes a tree for a :class:`Recording`, or acts for one."""

    def attach(self, component: Any, poller: Any) -> None: ...
    def leave_poller(self) -> None: ...
    def joined(self, component: Any) -> None: ...
    def started(self, application: str) -> None: ...
    def end(self, why: str) -> None: ...
    def abandon(self) -> None: ...


#: In a replay, gives what takes the place of the recorder: nothing is recorded then.
_replays: Callable[[], Side] | None = None


def install_replay(replays: Callable[[], Side] | None) -> None:
    """Have recordings that are made from now on take part in a replay; ``None`` ends that."""
    global _replays
    _replays = replays


class _Nothing(Side):
    """What records nothing, and replays nothing."""


@contextlib.contextmanager
def nothing_recorded() -> Iterator[None]:
    """For making an application that is not run: its recordings leave the files of before alone."""
    before = _replays
    install_replay(before or _Nothing)
    try:
        yield
    finally:
        install_replay(before)


class Recording(PollerUser):
    """Writes what enters the application to a file, from which it can be run again.

    That is what sockets give, connections that come and are made, the results of workers and of
    look-ups of names, events that other threads fire, signals, each reading of the clock, random
    bytes and ids. :func:`circuits.testing.replay` gives all that to the same components again, as
    often as one likes; ``circuits replay FILE --test`` makes a test of it.

    **The file holds secrets**: everything that peers have sent, passwords included, and in plain text
    even where they used TLS; and the random bytes that session ids and keys are made of. It is made
    with mode 0600.

    What cannot be replayed is named in it, once each: foreign asyncio I/O, files, processes and devices, results of other types than those that recordings know.

    Make it before the rest of the application, so that it knows the random bytes and times of
    constructors, too. A process has one recording at a time. When the application ends, so does the
    recording.

    Args:
        path: The file. One that is there is kept, as ``path.1``, and so on.
        limit: How large it becomes, in bytes; then the recording ends, and says so in its last
            record.
        keep: How many files of before are kept.
        application: What makes the application, as ``"module:name"``; by default the class of its
            root. Only ``circuits replay`` needs it.
        channel: Channel of the component.

    Attributes:
        path: As above.
        ended: Why the recording has ended, or ``None``.
        records: How many records there are.
        written: How many bytes are in the file.
        lost: How many bytes could not be written.

    Fires :class:`RecordingEnded` if it ends before the application does: the limit is reached, or
    the disk is full. That is logged, once; the application goes on.

    Raises:
        OSError: The file cannot be made.
        RuntimeError: Another recording is going on.
        ValueError: ``limit`` is less than 4096.

    .. versionadded:: 2.1
    """

    channel = "recording"
    _active: Recording | None = None

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        limit: int = DEFAULT_LIMIT,
        keep: int = 3,
        application: str | None = None,
        channel: Any = "recording",
    ) -> None:
        super().__init__(channel=channel)
        self.path = os.fspath(path)
        self.ended: str | None = None
        self._side: Side
        self._file: RecordingFile | None = None
        if _replays is not None:
            self._side = _replays()
            return
        if limit < _SMALLEST_LIMIT:
            raise ValueError(f"limit must be at least {_SMALLEST_LIMIT} bytes, not {limit}")
        if Recording._active is not None:
            raise RuntimeError(
                f"{Recording._active.path} is being recorded: a process has one recording at a time"
            )
        about = {
            "circuits": __version__,
            "python": platform.python_version(),
            "pid": os.getpid(),
            "wall": _clock.wall(),
            "now": _clock.now(),
            "seed": _clock.random_bytes(16).hex(),
            "application": application,
        }
        self._file = RecordingFile(self.path, limit, keep, about)
        self._side = Recorder(self._file, self._over, self._runs_in)
        Recording._active = self
        atexit.register(self.close)

    @property
    def records(self) -> int:
        """How many records there are."""
        return 0 if self._file is None else self._file.records

    @property
    def written(self) -> int:
        """How many bytes are in the file."""
        return 0 if self._file is None else self._file.written

    @property
    def lost(self) -> int:
        """How many bytes could not be written."""
        return 0 if self._file is None else self._file.lost

    def close(self) -> None:
        """End the recording; the application goes on."""
        self._side.end("it was closed")

    def _runs_in(self) -> int | None:
        return self._tree_engine.loop.thread

    def _over(self, why: str, is_early: bool) -> None:
        self.ended = why
        Recording._active = None
        atexit.unregister(self.close)
        if is_early:
            text = "%s ends, the application goes on: %s (%d bytes lost)"
            _LOG.warning(text, self.path, why, self.lost)
            self.fire(RecordingEnded(why))

    # -- the tree --

    def _join_poller(self, poller: Any) -> None:
        for component in flatten(self.root):
            self._side.joined(component)
        self._side.attach(self, poller)

    def _leave_poller(self, poller: Any) -> None:
        self._side.leave_poller()

    @handler("registered", channel="*")
    def _on_component(self, component: Manager, manager: Manager) -> None:
        for node in flatten(component):
            self._side.joined(node)

    def _application_started(self) -> None:
        super()._application_started()
        self._side.started(application_of(self.root))

    def _leave(self) -> Any:
        self._side.end("it has left the application")
        self._poller = None

    def _tree_left(self, engine: Engine) -> None:
        super()._tree_left(engine)
        self._poller = None

    def _tree_forked(self) -> None:
        """In a child: the file is the parent's, and the child is not recorded."""
        self._side.abandon()


def application_of(root: Any) -> str:
    """Where the class of a root is found: ``module:Class``."""
    kind = type(root)
    module = kind.__module__
    if module == "__main__":
        main: Any = sys.modules["__main__"]
        spec = getattr(main, "__spec__", None)
        file = getattr(main, "__file__", None)
        if spec is not None:
            module = spec.name
        elif file is not None:
            module = os.path.splitext(os.path.basename(file))[0]
    return f"{module}:{kind.__qualname__}"
