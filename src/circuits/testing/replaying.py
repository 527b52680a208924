"""Replaying what :class:`circuits.app.Recording` has recorded."""

from __future__ import annotations

import traceback
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from circuits.app import recording
from circuits.app._recording_file import RecordingError
from circuits.core import _clock, _reports
from circuits.core._session import Session
from circuits.core.manager import Manager
from circuits.core.utils import findtype
from circuits.net import _outside

from ._player import LostResultError, Player, ReplayError
from ._recorded import Recorded
from ._replay_trace import ReplayTrace

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

__all__ = ["LostResultError", "RecordingError", "ReplayError", "Replayed", "replay"]


@dataclass
class Replayed:
    """What came of a replay.

    Attributes:
        trace: What happened, a line for each event, each step that was a call, and all that was
            sent; the same text each time.
        errors: What handlers have raised.
        sent: What was sent over each connection, by its number in the trace.
        lost: What could not be replayed, in words.
        recorded_errors: What handlers raised when it was recorded: event, handler, type, text.
        diverged_at: At which second, and on which connection, something else was sent than when it
            was recorded; ``None`` if nothing was.
        ended: Why the recording ends.
        app: The application, which has been stopped.
    """

    trace: str
    errors: list[Exception]
    sent: dict[int, bytes]
    lost: list[str]
    recorded_errors: list[tuple[str, ...]]
    diverged_at: tuple[float, int] | None
    ended: str
    app: Manager = field(repr=False)

    def report(self) -> str:
        """What to read when it went wrong: the errors with their tracebacks, what was lost, the end
        of the trace.
        """
        parts = ["".join(traceback.format_exception(problem)) for problem in self.errors]
        parts += [f"not replayed: {text}" for text in self.lost]
        if self.diverged_at is not None:
            seconds, number = self.diverged_at
            parts.append(
                f"from {seconds:.3f} s on it is not what was recorded: #{number} was sent something else"
            )
        return "\n".join([*parts, "the end of the trace:", *self.trace.splitlines()[-20:]])


def replay(
    path: str | os.PathLike[str], make: Callable[[], Manager], *, partial: bool = False
) -> Replayed:
    """Run an application again, with all that entered it when it was recorded.

    Its components are the real ones; its sockets, its clock, its random bytes, its workers and all
    other threads are those of the recording. Nothing is waited for, no port is bound, and no
    function of a worker is called. Files and processes that it opens are real.

    Args:
        path: The recording.
        make: Makes the application: its class, or a function. It is called when the clock and
            all the rest are in place, and may make a :class:`~circuits.app.Recording` as usual,
            which records nothing.
        partial: Replay a recording that is cut, too, as far as it goes.

    Returns:
        What came of it.

    Raises:
        OSError: The file cannot be read.
        RecordingError: It is no recording, is cut, damaged, or of another version.
        ReplayError: The application is of another kind than the one that was recorded.
        RuntimeError: Something is being recorded in this process.

    .. versionadded:: 2.1
    """
    recorded = Recorded(path, partial=partial)
    if recording.Recording._active is not None:
        raise RuntimeError("this process is being recorded: replay in another one")
    trace = ReplayTrace()
    player = Player(recorded, trace)
    trace.begin(player.timeline.elapsed, player.network.number_of)
    with _in_place(player):
        app: Any = make()
        if not isinstance(app, Manager):
            raise ReplayError(f"make() must return a component, not {app!r}")
        app = app.root
        if findtype(app, recording.Recording) is None:
            recording.Recording("").register(app)
        player.begin(app)
        _run(app)
    return Replayed(
        trace="\n".join([*trace.lines, ""]),
        errors=[_as_exception(problem) for _, _, problem in player.errors],
        sent={number: bytes(data) for number, data in player.network.sent.items()},
        lost=player.lost,
        recorded_errors=recorded.errors,
        diverged_at=player.diverged_at,
        ended=recorded.why,
        app=app,
    )


@contextmanager
def _in_place(player: Player) -> Iterator[None]:
    """Have a player in the place of the clock, the network and whoever is told of failures."""
    timeline, network = player.timeline, player.network
    outside = _outside.install(
        open_socket=network.open,
        wrap_tls=network.wrap_tls,
        look_up=player.look_up,
        sends_files=False,
        has_paths=False,
    )
    sources = _clock.install(
        now=timeline.clock,
        wall=timeline.wall,
        random_bytes=timeline.random_bytes,
        new_id=timeline.new_id,
    )
    recording.install_replay(lambda: player)
    # What handlers raise is in the result: nobody else has to be told that nobody took it.
    watchers = _reports.failure_watchers[:]
    _reports.failure_watchers.clear()
    try:
        yield
    finally:
        _reports.failure_watchers[:] = watchers
        recording.install_replay(None)
        _clock.install(**sources)
        _outside.install(**outside)
        network.close_all()


def _run(app: Manager) -> None:
    session = Session(app)
    try:
        with session:
            session.loop()
    except SystemExit:
        pass  # the exit status of then


def _as_exception(problem: BaseException) -> Exception:
    if isinstance(problem, Exception):
        return problem
    return RuntimeError(repr(problem))
