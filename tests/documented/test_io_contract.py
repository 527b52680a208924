"""Files and processes as programs of 2.1 and of the 3.x line use them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import circuits.io
from circuits import Component, Event, Manager, handler
from circuits.io import File, Process, events
from circuits.testing import settle

Run = Callable[[Manager], Manager]


class Seen(Component):
    """Keeps what happens on one channel, without the housekeeping of the tree."""

    def init(self, where: str) -> None:
        self.told: list[tuple[Any, ...]] = []

        @handler(channel=where, priority=10)
        def _on_event(self: Seen, event: Event, *args: Any) -> None:
            if event.name[0] != "_" and event.name not in (
                "registered",
                "unregistered",
                "generate_events",
            ):
                self.told.append((event.name, *args))

        self.addHandler(_on_event)

    @property
    def names(self) -> list[str]:
        return [name for name, *_ in self.told]


@pytest.fixture
def seen(app_runner: Run) -> Seen:
    seen = Seen("file")
    app_runner(seen)
    seen.told.clear()
    return seen


def test_the_life_of_a_file_that_is_read(seen: Seen, tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"z" * 10_000)
    file = File(str(path)).register(seen)
    settle(seen)
    assert seen.names[:3] == ["ready", "open", "opened"]
    assert seen.names[3:] == ["read", "read", "read", "eof", "closed"]
    assert seen.told[2] == ("opened", str(path), "r")
    assert [len(data) for name, *rest in seen.told if name == "read" for data in rest] == [
        4096,
        4096,
        1808,
    ]
    assert file.closed


def test_a_second_close_is_silent(seen: Seen, tmp_path: Path) -> None:
    file = File(str(tmp_path / "data"), "w").register(seen)
    seen.fire(events.write(b"abc"), file)
    for _ in range(3):
        seen.fire(events.close(), "file")
    settle(seen)
    seen.fire(events.close(), "file")
    settle(seen)
    assert seen.names.count("closed") == 1
    assert (tmp_path / "data").read_bytes() == b"abc"


def test_what_cannot_be_opened_is_told_once(seen: Seen, tmp_path: Path) -> None:
    File(str(tmp_path / "missing")).register(seen)
    settle(seen)
    told = [args for name, *args in seen.told if name == "error"]
    assert [[type(problem) for problem in args] for args in told] == [[FileNotFoundError]]
    assert "io_error" in seen.names
    assert "opened" not in seen.names


def test_descriptors_of_others_keep_their_flags(seen: Seen) -> None:
    fcntl = pytest.importorskip("fcntl", reason="needs flags of descriptors")
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb", buffering=0) as stream:
        before = fcntl.fcntl(writer, fcntl.F_GETFL)
        file = File(stream, "w").register(seen)
        seen.fire(events.write("text"), file)
        settle(seen)
        assert fcntl.fcntl(writer, fcntl.F_GETFL) == before
        assert os.read(reader, 100) == b"text"
        file.unregister()
        settle(seen)
    os.close(reader)


def test_names_of_the_3x_line() -> None:
    for name in ("close", "open", "seek", "write"):
        assert getattr(circuits.io, name) is getattr(events, name)
    for name in ("started", "stopped", "terminated", "eof", "closed", "moved", "created"):
        assert getattr(events, name).name == name


def test_nothing_that_hides_a_builtin_is_exported() -> None:
    assert "open" not in circuits.io.__all__


@pytest.mark.process
@pytest.mark.parametrize(
    "prelude",
    [
        "import sys; sys.stdin = sys.stdout = sys.stderr = None",
        "import os; [os.close(number) for number in (0, 1, 2)]",
        "import io, sys; sys.stdin = io.StringIO(); sys.stdout = io.StringIO()",
    ],
)
def test_the_package_is_imported_without_standard_streams(prelude: str) -> None:
    code = f"{prelude}; import circuits.io; circuits.io.stdin; circuits.io.stdout"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], timeout=30, check=False)
    assert done.returncode == 0


@pytest.mark.process
def test_a_process_from_start_to_end(app_runner: Run) -> None:
    class App(Component):
        channel = "process"

        def init(self) -> None:
            self.told: list[str] = []
            self.process: Any = Process(["cat"]).register(self)

        @handler("started")
        def _on_started(self, process: Any) -> None:
            if process is self.process:
                self.told.append("started")
                self.fire(events.write("typed"), process)
                self.fire(events.close(), f"{process.p.pid}.stdin")

        def stopped(self, process: Any) -> None:
            if process is self.process:
                self.told.append("stopped")

        def terminated(self, process: Any) -> None:
            self.told.append("terminated")

    app = App()
    app_runner(app)
    assert app.process.status is None
    for _ in range(2):  # it may be started again
        app.told.clear()
        app.process.start()
        for _ in range(500):
            if "terminated" in app.told:
                break
            app.tick(0.1)
        assert app.told == ["started", "stopped", "terminated"]
        assert app.process.stdout.getvalue() == b"typed"
        assert app.process.status == 0
    app.process.stop()
    app.process.kill()
    app.process.signal(15)
    settle(app)
    assert app.process.status == 0
