"""Running a tree in a process of its own: ``start(process=True)``.

The child is forked, so that components need not be picklable, and goes on with a copy of the tree.
What stands for objects of the kernel is made anew there (see _forking). Its end comes when it is
stopped, when it is told to by SIGTERM, and when its parent ends.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
import sys
import time
import warnings
import weakref

from circuits.core._routing import TREE_LOCK
from circuits.core._session import leave_runs_of_parent, tell_components_of_fork
from circuits.core.bridge import Bridge
from circuits.core.errors import UnregistrableError
from circuits.core.handlers import handler
from circuits.core.manager import Manager

from .pools import end_with_parent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["start_process", "stop_process"]

#: Seconds that a process has beyond the ``stop_timeout`` of its root before it is killed.
_GRACE = 1.0

#: What tells a process to end.
_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]

#: How often a child that has lost its parent looks whether it has ended, in seconds.
_LOOK_INTERVAL = 0.05

#: Our ends of the pipes to other processes. A forked child must not keep copies: the process at
#: the other end would never see that we have closed ours.
_private_ends: weakref.WeakSet[socket.socket] = weakref.WeakSet()


def start_process(
    manager: Manager, method: str, link: Manager | None, implicit: bool = True
) -> tuple[Any, Bridge | None]:
    """Start a child that runs a tree.

    Args:
        manager: The root of the tree, which is not running.
        method: ``"fork"``; ``"spawn"`` or ``"forkserver"`` if the tree can be pickled.
        link: Where to register the bridge to it.
        implicit: Whether events cross without being wrapped.

    Returns:
        The process, and the bridge if there is one.
    """
    if manager.parent is not manager or manager._tree_engine.runner is not None:
        raise UnregistrableError(
            f"{manager!r} cannot be started as a process: it is part of a tree, or it runs"
        )
    if method not in multiprocessing.get_all_start_methods():
        raise OSError(
            f"this system cannot {method} processes: it has "
            f"{', '.join(multiprocessing.get_all_start_methods())}"
        )
    context: Any = multiprocessing.get_context(method)
    if method != "fork" and type(manager).__reduce__ is object.__reduce__:
        raise TypeError(
            f"{manager!r} cannot be sent to a process that is {method}ed: its class needs a "
            "__reduce__ that says how to make it there; a forked one gets a copy"
        )
    near, far = socket.socketpair() if link is not None else (None, None)
    if near is not None:
        _private_ends.add(near)
    try:
        process = context.Process(
            target=_run_child if method == "fork" else _run_sent,
            args=(manager, far),
            name=manager.name,
            daemon=True,
        )
        _start(process, method)
    except BaseException:
        if near is not None:
            near.close()
        raise
    finally:
        if far is not None:
            far.close()
    bridge = None
    if near is not None and link is not None:
        bridge = Bridge(near, channel=f"bridge-{process.pid}", forward=implicit)
        bridge.process = process
        bridge.register(link)
    return process, bridge


def _start(process: Any, method: str) -> None:
    if method != "fork":
        process.start()
        return
    with warnings.catch_warnings():
        # Python warns of threads, which may hold locks that nobody releases in the child. The
        # lock of ours is held here; those of the standard library take care of themselves.
        warnings.filterwarnings("ignore", ".*fork", DeprecationWarning)
        # A signal must not find the child with the handlers of its parent.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            with TREE_LOCK:
                process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def stop_process(process: Any, seconds: float) -> None:
    """Tell a child to stop, wait for its orderly end, and kill it when it takes too long."""
    if process.is_alive():
        process.terminate()
        process.join(seconds + _GRACE)
        if process.is_alive():
            process.kill()
    process.join()


# -- in the child ----------------------------------------------------------------------------------


def _run_child(manager: Manager, far: socket.socket | None) -> None:
    """Run the copy of the tree that the fork has made."""
    with contextlib.suppress(RuntimeError):
        while True:
            TREE_LOCK.release()  # acquired by the thread of the parent that we are a copy of
    leave_runs_of_parent()
    for end in list(_private_ends):
        end.close()
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None:
        asyncio._set_running_loop(None)
    signal.set_wakeup_fd(-1)
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    tell_components_of_fork(manager)
    manager._run_child_pid = manager._run_process = None
    if type(manager).run is Manager.run:
        # What has come meanwhile is for the run, once it has handlers for it.
        manager._run_entered = _Unblock()  # type: ignore[assignment]
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _too_late)  # what the run finds, and leaves behind
    else:
        _Unblock().set()
    _run_sent(manager, far)


class _Unblock:
    """Takes the place of the event that tells a thread's starter that the tree runs."""

    def set(self) -> None:
        """The tree runs, and its signal handlers are installed."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


def _too_late(number: int, frame: Any) -> None:
    """A signal comes when the tree has ended, and the process is about to."""


def _run_sent(manager: Manager, far: socket.socket | None) -> None:
    """Run a tree until it is stopped, or the parent ends."""
    end_with_parent(lambda: _end(manager))
    try:
        _run(manager, far)
    except KeyboardInterrupt:
        return  # told twice: ^C at a terminal, and then its parent


def _run(manager: Manager, far: socket.socket | None) -> None:
    if far is None:
        manager.run()
        return

    @handler("bridge_lost", channel="*")
    def _on_parent_lost(self: Manager, bridge: Bridge, reason: Any = None) -> None:
        if bridge._descriptor is not None and bridge._descriptor.file is far:
            _stop(self)

    manager.addHandler(_on_parent_lost)
    manager.run(far)


def _stop(manager: Manager) -> None:
    """Stop what runs: a class whose ``run`` does something else has a ``stop`` for that."""
    if type(manager).run is Manager.run:
        Manager.stop(manager)  # whatever ``stop`` is in its class
    else:
        manager.stop()


def _end(manager: Manager) -> None:
    """The parent has ended: stop, or exit. In a thread that nobody waits for."""
    deadline = time.monotonic() + manager.stop_timeout + _GRACE
    while time.monotonic() < deadline:
        _stop(manager)  # once more if it was just about to begin
        time.sleep(_LOOK_INTERVAL)
    os._exit(1)
