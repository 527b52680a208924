"""Applications that work with processes: run in this thread, watched, and checked for leaks."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from circuits import BaseComponent, Component, Manager, Timer, handler
from circuits.core.events import Event

#: Nothing in these tests takes long; this only bounds what goes wrong.
SECONDS = 20.0

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


class _TakesTooLong(Event): ...


class _Script(BaseComponent):
    """Runs the body of a test as a coroutine handler, then stops the application."""

    channel = "script"

    def init(self, body: Callable[[Any], Awaitable[None]]) -> None:
        self.body = body
        self.problem: BaseException | None = None
        self.is_over = False

    @handler("started", channel="*")
    async def _run(self, component: Manager) -> None:
        if component is not self.root:
            return
        try:
            await self.body(self)
        except BaseException as problem:
            self.problem = problem
        self.is_over = True
        self.root.stop()

    @handler("_takes_too_long")
    def _give_up(self) -> None:
        self.root.stop()


def perform(app: Manager, body: Callable[[Any], Awaitable[None]]) -> None:
    """Run an application while a coroutine function does something with it.

    The function gets the component that it runs as, for ``call`` and ``wait``.
    """
    script = _Script(body).register(app)
    timer = Timer(SECONDS, _TakesTooLong(), "script").register(app)
    app.run()
    for helper in (timer, script):
        helper.unregister()
    for _ in range(4):
        app.tick()
    if script.problem is not None:
        raise script.problem
    assert script.is_over, f"not over after {SECONDS} s"


class Quiet(BaseComponent):
    """Handles ``error``, so that nothing is logged, and keeps the exceptions."""

    def init(self) -> None:
        self.problems: list[BaseException] = []

    @handler("error", channel="*")
    def _on_error(self, kind: Any, problem: BaseException, lines: Any, method: Any) -> None:
        self.problems.append(problem)


def eventually(condition: Callable[[], object], what: str = "it", seconds: float = SECONDS) -> None:
    """Wait for something that no event tells of."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.005)


def resident() -> int:
    """The memory of this process, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def is_alive(pid: int) -> bool:
    """Whether a process exists that is more than a zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):  # before it was opened, or before it was read
        return False
    except OSError:  # pragma: no cover - not on Linux
        os.kill(pid, 0)
        return True
    return status.rpartition(")")[2].split()[0] not in "ZX"


def send_signal(process: subprocess.Popen[Any], number: int) -> None:
    """Send a signal; when it is SIGSTOP, return when all threads of the process stand still."""
    process.send_signal(number)
    if number != signal.SIGSTOP or not Path("/proc/self/task").is_dir():
        return

    def stands() -> bool:
        tasks = Path(f"/proc/{process.pid}/task").glob("*/stat")
        return all(path.read_text().rpartition(")")[2].split()[0] in "Tt" for path in tasks)

    eventually(stands, "the stop of a process")


def children() -> list[str]:
    """The children of this process, zombies included, helpers of multiprocessing left out."""
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[1]) == os.getpid():
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if "forkserver" not in command and "resource_tracker" not in command:
                    found.append(f"{folder.name} {fields[0]} {command}")
    return found


def open_files() -> list[str]:
    """What this process has open."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found.append(os.readlink(f"/proc/self/fd/{name}").split(":")[0])
    return sorted(found)


@pytest.fixture
def no_leaks() -> Iterator[None]:
    """No thread, descriptor or process is left over."""
    if not Path("/proc/self/fd").is_dir():  # pragma: no cover - not on Linux
        yield
        return
    _warm_up()
    gc.collect()  # what earlier tests have left to the collector is not ours
    before = open_files()
    yield
    gc.collect()
    eventually(lambda: threading.active_count() == 1, f"end of {threading.enumerate()}")
    eventually(lambda: not children(), f"end of {children()}")
    gc.collect()
    after = open_files()
    assert after == before, f"{before} became {after}"


def _warm_up() -> None:
    # The server that forks worker processes stays for the life of this process.
    context = multiprocessing.get_context("forkserver")
    process = context.Process(target=int)
    process.start()
    process.join()
    process.close()


class Program:
    """A program of its own, with its output, that is gone at the end."""

    def __init__(self, text: str, folder: Path) -> None:
        path = folder / "program.py"
        path.write_text(text)
        self.process = subprocess.Popen(
            [sys.executable, "-X", "dev", "-W", "error", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def line(self) -> str:
        """The next line of its output; nothing when it is late, for then it is killed."""
        assert self.process.stdout is not None
        watch = threading.Timer(SECONDS, self.process.kill)
        watch.start()
        try:
            return self.process.stdout.readline().strip()
        finally:
            watch.cancel()
            watch.join()

    def rest(self) -> tuple[str, str, int]:
        """What else it writes, its errors, and its exit status."""
        out, err = self.process.communicate(timeout=SECONDS)
        return out, err, self.process.returncode

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *problem: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


class Idle(Component):
    """Does nothing."""

    channel = "idle"
