"""One run of a tree: from ``run`` to its end, with the signals."""

from __future__ import annotations

import os
import sys

from . import _clock
from ._reports import is_diagnosed, log_diagnosis
from ._routing import TREE_LOCK
from ._starting import Starting
from .events import Started, Stopped
from .utils import flatten

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Self

    from ._engine import Engine
    from ._signal_pipe import SignalPipe
    from ._signals import Signals
    from .manager import Manager

__all__ = [
    "Running", "Session", "after_fork", "leave_runs_of_parent", "run", "stop",
    "tell_components_of_fork", "tick",
]  # fmt: skip

#: Turns that are still made when the loop has ended, for what the last events fired.
_LAST_TURNS = 3

#: Turns that are granted after ``stop_timeout`` while events are queued, and seconds for them: who
#: answers each event with another one must end, too, and who answers it with two.
_LATE_TURNS = 1000
_LATE_SECONDS = 1.0

#: Seconds beyond the ``stop_timeout`` that the end of the process waits for a run in a thread.
_EXIT_GRACE = 2.0


#: What accompanies a run with ``CIRCUITS_DEBUG=1`` or ``python -X dev``. It is above us, so it is
#: found by its name, and only then.
_DIAGNOSIS = "circuits.tools.diagnosis"

#: The runs of this process, of which a forked child goes on with the one whose thread it has.
_sessions: set[Session] = set()


class _Forks:
    """Prepares forked children to go on, from the first run of this process on."""

    is_watched = False
    is_behind_asyncio = False

    @classmethod
    def watch(cls) -> None:
        if not cls.is_watched and hasattr(os, "register_at_fork"):
            cls.is_watched = True
            os.register_at_fork(
                before=cls.prepare,
                after_in_parent=TREE_LOCK.release,
                after_in_child=cls.renew,
            )

    @classmethod
    def prepare(cls) -> None:
        # Locked, so that no thread holds it that the child does not have.
        TREE_LOCK.acquire()
        if not cls.is_behind_asyncio and "asyncio.events" in sys.modules:
            # From Python 3.12 on asyncio forgets its loop in a child, and who is woken by signals,
            # after us if it was loaded after the first run began.
            cls.is_behind_asyncio = True
            os.register_at_fork(after_in_child=cls.restore)

    @staticmethod
    def restore() -> None:
        for session in _sessions:
            _restore_loop(session._manager.root._tree_engine)
            if session.pipe is not None:
                session.pipe.restore()

    @staticmethod
    def renew() -> None:
        TREE_LOCK.release()
        for session in list(_sessions):
            engine = session._manager._tree_engine
            if engine.thread_is_ours():
                after_fork(session._manager)
            else:
                _sessions.discard(session)


def after_fork(manager: Manager) -> None:
    """In a forked child: make ready to go on what a tree has copies of."""
    engine = manager.root._tree_engine
    loop = engine.loop
    _restore_loop(engine)
    if loop.session is not None and loop.session.pipe is not None:
        loop.session.pipe.reopen()
        loop.forget_signalled()
    if loop.session is not None and loop.session._diagnosis is not None:
        loop.session._diagnosis.go_on()
    tell_components_of_fork(engine.root)


def _restore_loop(engine: Engine) -> None:
    host = engine.loop.host
    if host is not None and host.loop.is_running():
        asyncio = sys.modules["asyncio"]
        asyncio._set_running_loop(host.loop)  # forgotten when the process id changes


def tell_components_of_fork(root: Manager) -> None:
    """In a forked child: have the components of a tree make what they cannot share."""
    for node in flatten(root):
        forked = getattr(node, "_tree_forked", None)
        if forked is not None:
            forked()


def leave_runs_of_parent() -> None:
    """In a forked child that runs something else: what the parent runs does not go on here."""
    for session in list(_sessions):
        if session._diagnosis is not None:
            session._diagnosis.end()
    _sessions.clear()


class Running(int):
    """The value of ``manager.running``: a truth value, and callable for ``with``.

    ``with app.running():`` makes ``app`` a running application whose loop is written by the
    caller with ``app.tick(timeout)``. No signal handler is installed.
    """

    _manager: Manager

    def __new__(cls, manager: Manager) -> Self:
        self = super().__new__(cls, manager._running)
        self._manager = manager
        return self

    def __call__(self) -> Session:
        return Session(self._manager)

    def __repr__(self) -> str:
        return repr(bool(self))

    __str__ = __repr__


class Session:
    """One run of a manager: what it installs, and removes again.

    Attributes:
        pipe: What signals write to, if it listens to them. Each wait of the loop looks at it.
        starting: What is put off until the handlers of ``started`` have ended; there when it runs.
    """

    starting: Starting

    def __init__(self, manager: Manager, signals: bool = False) -> None:
        import threading  # brings functools and collections; most who run have it

        self._manager = manager
        self._takes_signals = signals
        self._signals: Signals | None = None  # while they are ours
        self.pipe: SignalPipe | None = None
        self._force_quit = False
        self._hosts = False  # whether the loop is ours, and may become that of asyncio
        self._thread = threading.current_thread()
        self._diagnosis: Any = None

    def __enter__(self) -> Manager:
        manager = self._manager
        engine = manager._tree_engine
        if engine.runner is not None:
            raise RuntimeError(f"{engine.runner!r} is already running")
        import atexit
        import threading

        atexit.register(self._end_with_process)
        if self._takes_signals and threading.current_thread() is threading.main_thread():
            self._install_signals()
        _Forks.watch()
        _sessions.add(self)
        manager._running = True
        manager._run_exit_code = None
        started = Started(manager)
        self.starting = Starting(manager, started)
        started._when_over(self.starting)
        engine.loop.enter(self, manager)
        if is_diagnosed():
            import importlib

            self._diagnosis = importlib.import_module(_DIAGNOSIS).Diagnosis(manager)
            self._diagnosis.begin()
        manager.fire(started)
        entered, manager._run_entered = manager._run_entered, None
        if entered is not None:
            entered.set()
        return manager

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        manager = self._manager
        try:
            stop(manager, None)
            try:
                self._wind_down()
            except KeyboardInterrupt:  # a second signal: nothing is waited for any more
                self._quit_now()
                self._wind_down()
        finally:
            loop = manager._tree_engine.loop
            host, loop.host = loop.host, None
            if hasattr(host, "close"):
                try:
                    host.close()
                except KeyboardInterrupt:
                    pass  # a second signal: not even that is waited for
            loop.leave()
            if self._diagnosis is not None:
                self._diagnosis.end()
            _sessions.discard(self)
            manager._running = False
            self._restore_signals()
            import atexit

            atexit.unregister(self._end_with_process)
        code = manager._run_exit_code
        if problem is None and isinstance(code, BaseException):
            raise code
        if problem is None and code is not None and code != 0:
            raise SystemExit(code)

    def stop(self, code: Any = None) -> None:
        """End the run: not by a method of the manager, which may be anything there."""
        stop(self._manager, code)

    def _end_with_process(self) -> None:
        """The process ends: so does the run, and a thread of its own is waited for.

        Such a thread is a daemon, which the interpreter would cut off.
        """
        import threading

        manager = self._manager
        stop(manager, None)
        thread = self._thread
        if thread is not threading.current_thread() and thread.daemon:
            thread.join(min(manager.stop_timeout + _EXIT_GRACE, threading.TIMEOUT_MAX))

    def loop(self) -> None:
        """Turn until the manager is stopped."""
        manager = self._manager
        self._hosts = True
        manager._tree_engine.loop.turning = True
        while manager._running:
            engine = manager._tree_engine
            loop = engine.loop
            # Until the run moves to the loop of another tree.
            while manager._running and not loop.wants_host and loop.runner is manager:
                loop.turn(-1.0, True)
            if loop.wants_host and loop.runner is manager:
                engine.ensure_host(manager).run()

    def _wind_down(self) -> None:
        """Deliver what is queued, wait for what holds the end up, cancel what is suspended.

        Suspended handlers of ``stopped``, and of components that leave, hold it up. Others that are
        due go on; a bare ``yield`` is looked at a few times more.
        """
        manager = self._manager
        deadline = _clock.now() + manager.stop_timeout
        engine = manager._tree_engine
        late_turns = looks = 0
        while not self._force_quit:
            engine = manager._tree_engine
            if self._hosts and engine.loop.wants_host and engine.loop.host is None:
                # The first coroutine came in the same turn as the stop; it is in flight, too.
                engine.ensure_host(manager)
            left = deadline - _clock.now()
            if left > 0 and (engine.loop.holds or engine.tasks.are_ending()):
                self._turn(min(0.1, left))
            elif (
                (engine.queue or engine.tasks.ready)
                and late_turns < _LATE_TURNS
                and left > -_LATE_SECONDS
            ):
                late_turns += left <= 0 or not engine.queue
                self._turn(0)
            elif engine.tasks.polled and looks < _LAST_TURNS:
                looks += 1
                self._turn(0)
            else:
                break
        engine = manager._tree_engine
        engine.tasks.cancel_all()
        engine.loop.holds.clear()
        for _ in range(_LAST_TURNS):
            self._turn(0)
        deadline = max(deadline, _clock.now()) + _LATE_SECONDS
        while engine.queue and late_turns < _LATE_TURNS and not self._force_quit:
            if _clock.now() > deadline:
                break
            self._turn(0)
            late_turns += 1

    def _turn(self, timeout: float) -> None:
        try:
            self._manager._tree_engine.loop.turn(timeout)
        except Exception:
            # What ended the run may still be broken; the end must come all the same.
            self._force_quit = True
            _print_fault()

    # -- signals --

    def _install_signals(self) -> None:
        from ._signals import Signals  # expensive, and needed here only

        self._signals = Signals(self._manager, self.stop, self._quit_now)
        self._signals.install()
        self.pipe = self._signals.pipe

    def _restore_signals(self) -> None:
        signals, self._signals, self.pipe = self._signals, None, None
        if signals is not None:
            signals.restore()

    def heed_hang_up(self) -> None:
        """Whether a component handles SIGHUP may have changed."""
        if self._signals is not None:
            self._signals.heed_hang_up()

    def _quit_now(self) -> None:
        self._force_quit = True
        self._manager._tree_engine.queue.clear()  # however much it is: the turn ends


def run(manager: Manager) -> None:
    """Run a manager; see :meth:`circuits.core.manager.Manager.run`."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None and asyncio._get_running_loop() is not None:
        raise RuntimeError(
            f"{type(manager).__name__}.run() would block the asyncio loop that runs in this thread: "
            "write 'await app.run_async()', or run it in a thread by start()"
        )
    session = Session(manager, signals=True)
    with session:
        try:
            session.loop()
        except KeyboardInterrupt:
            pass
        except Exception:
            _print_fault()


def _print_fault() -> None:
    import traceback  # a fault of ours or of the system, never of a handler

    traceback.print_exc(file=sys.stderr)


def tick(manager: Manager, timeout: float) -> None:
    """One turn; see :meth:`circuits.core.manager.Manager.tick`."""
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise TypeError(f"timeout must be a number of seconds, not {timeout!r}")
    engine = manager._tree_engine
    loop = engine.loop
    if loop.wants_host and loop.host is None and loop.runner is not None:
        engine.ensure_host(manager)
    is_nested, loop.turning = loop.turning, True
    engine.queue.add_reasons(is_nested)
    try:
        loop.turn(timeout)
    finally:
        loop.turning = is_nested
        engine.queue.add_reasons(-is_nested)


def stop(manager: Manager, code: Any) -> None:
    """Stop a manager; see :meth:`circuits.core.manager.Manager.stop`."""
    if not manager._running:
        runner = manager._tree_engine.runner
        if runner is not None and runner is not manager and runner._running:
            is_root = runner is manager._tree_engine.root
            log_diagnosis(
                f"{manager!r} was told to stop, and does not run: {runner!r} does, and goes on; "
                + ("write self.root.stop() to end it" if is_root else "run the root in its place")
            )
        # A handler of the end may have a reason to end otherwise than well.
        if not manager._run_exit_code and manager._tree_engine.loop.session is not None:
            manager._run_exit_code = code
        return
    manager._running = False
    manager._tree_engine.loop.is_stopping = True
    manager._run_exit_code = code
    manager.fire(Stopped(manager))
    engine = manager._tree_engine
    if engine.loop.thread is None:
        for _ in range(_LAST_TURNS):
            engine.loop.turn(0)
