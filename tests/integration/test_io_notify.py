"""Watched folders under load, and by the library that is for other systems."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from circuits import BaseComponent, handler
from circuits.io import Notify, _inotify
from circuits.io.events import AddPath, RemovePath

from .net_support import Journal, eventually, running

needs_inotify = pytest.mark.skipif(not _inotify.is_available(), reason="only Linux has inotify")

COUNT = 10_000


class Counter(BaseComponent):
    """Keeps the names of what was created, and counts overflows."""

    channel = "notify"

    def init(self, *args: Any, **kwargs: Any) -> None:
        self.created: set[str] = set()
        self.overflows = 0

    @handler("created")
    def _on_created(self, name: str, path: str, pathname: str, is_dir: bool) -> None:
        assert pathname not in self.created
        self.created.add(pathname)

    @handler("overflow")
    def _on_overflow(self) -> None:
        self.overflows += 1


def make(folder: Path) -> None:
    for number in range(COUNT):
        os.close(os.open(folder / f"{number}", os.O_CREAT | os.O_WRONLY))


@needs_inotify
def test_ten_thousand_changes_are_told(tmp_path: Path) -> None:
    notify, counter = Notify(), Counter()
    notify.add_path(tmp_path)
    with running(notify, counter):
        writer = threading.Thread(target=make, args=(tmp_path,))
        writer.start()
        writer.join()
        eventually(lambda: len(counter.created) == COUNT or counter.overflows, "changes are lost")
    if counter.overflows:
        assert len(counter.created) < COUNT


@needs_inotify
def test_ten_thousand_changes_in_new_folders_are_told(tmp_path: Path) -> None:
    notify, counter = Notify(), Counter()
    notify.add_path(tmp_path, mask=_inotify.IN_CREATE, recursive=True, auto_add=True)

    def work() -> None:
        for number in range(COUNT // 10):
            folder = tmp_path / f"{number}"
            folder.mkdir()
            for entry in range(9):
                (folder / f"{entry}").touch()

    with running(notify, counter):
        writer = threading.Thread(target=work)
        writer.start()
        writer.join()
        eventually(lambda: len(counter.created) == COUNT or counter.overflows, "changes are lost")


@needs_inotify
def test_what_the_kernel_drops_is_told(tmp_path: Path) -> None:
    limit = Path("/proc/sys/fs/inotify/max_queued_events")
    most = int(limit.read_text())
    if most > 100_000:
        pytest.skip(f"the kernel keeps {most} notifications")
    notify, counter = Notify(), Counter()
    notify.add_path(tmp_path)
    with running(notify, counter) as program:
        # Nobody reads meanwhile: each file makes three notifications.
        def work() -> None:
            for _ in range(most // COUNT // 2 + 1):
                make(tmp_path)

        program.inside(work)
        eventually(lambda: counter.overflows, "nobody tells of the overflow")
        assert len(counter.created) <= COUNT


@needs_inotify
def test_requests_from_other_threads(tmp_path: Path) -> None:
    notify, journal = Notify(), Journal("notify")
    with running(notify, journal) as program:
        assert journal.expect("ready") == (notify,)
        program.app.fire(AddPath(str(tmp_path)), "notify")
        journal.expect("add_path")
        program.inside(lambda: None)
        (tmp_path / "file").touch()
        assert journal.expect("created") == ("file", str(tmp_path), str(tmp_path / "file"), False)
        program.app.fire(RemovePath(str(tmp_path)), "notify")
        program.inside(lambda: None)
        (tmp_path / "late").touch()
        program.inside(lambda: None)
    assert journal.names.count("created") == 1


def test_the_library_for_other_systems(tmp_path: Path) -> None:
    pytest.importorskip("watchfiles")
    (tmp_path / "sub").mkdir()
    notify, journal = Notify(backend="watchfiles"), Journal("notify")
    threads = threading.active_count()
    with running(notify, journal) as program:

        def notify_threads() -> int:
            return threading.active_count() - threads - 1

        program.inside(lambda: notify.add_path(tmp_path, recursive=True))
        program.inside(lambda: notify.add_path(tmp_path, recursive=True))  # takes its place
        file = tmp_path / "sub" / "file"
        expected = ("file", str(tmp_path / "sub"), str(file), False)
        file.touch()
        assert journal.expect("created") == expected
        file.write_text("data")
        eventually(lambda: expected in journal.of("modified"), "the change is not told")
        file.unlink()
        assert journal.expect("deleted") == expected
        program.app.fire(AddPath(str(tmp_path / "missing")), "notify")
        assert isinstance(journal.expect("io_error")[0], FileNotFoundError)
        program.inside(lambda: notify.remove_path(tmp_path))
        assert notify_threads() == 0
        program.inside(lambda: notify.add_path(tmp_path))
        assert notify_threads() == 1
        notify.unregister()
        eventually(lambda: notify_threads() == 0, "a thread is left")


def test_a_watched_file_by_the_library(tmp_path: Path) -> None:
    pytest.importorskip("watchfiles")
    file = tmp_path / "file"
    file.touch()
    notify, journal = Notify(backend="watchfiles"), Journal("notify")
    with running(notify, journal) as program:
        program.inside(lambda: notify.add_path(file))
        file.write_text("data")
        assert journal.expect("modified") == ("", str(file), str(file), False)
        program.inside(lambda: notify.unregister())


def test_a_failing_library_is_told(tmp_path: Path) -> None:
    pytest.importorskip("watchfiles")
    notify, journal = Notify(backend="watchfiles"), Journal("notify")
    with running(notify, journal) as program:
        program.inside(lambda: notify.add_path(tmp_path))
        problem = RuntimeError("broken")
        program.inside(lambda: notify._watchers[str(tmp_path)]._failed(problem))
        assert journal.expect("io_error") == (problem,)
        assert notify._watchers == {}
