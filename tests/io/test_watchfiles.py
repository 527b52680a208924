"""The library that watches where there is no inotify: missing, or failing."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from circuits.io import _watchfiles
from circuits.io._watchfiles import Watcher


class Fake:
    """In place of the library: answers once, then raises."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.closed = False
        self._answers: list[Any] = ["timeout", {(2, "/b"), (1, "/a"), (3, "/c")}]

    def watch(self, *arguments: Any) -> Any:
        if not self._answers:
            raise RuntimeError("broken")
        return self._answers.pop(0)

    def close(self) -> None:
        self.closed = True


def test_who_lacks_it_is_told_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    with pytest.raises(ImportError, match=r"pip install 'circuits\[notify\]'"):
        _watchfiles.load()


def test_changes_and_failures_are_passed_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    library = SimpleNamespace(
        _rust_notify=SimpleNamespace(RustNotify=Fake),
        Change=SimpleNamespace(added=1, modified=2, deleted=3),
    )
    monkeypatch.setattr(_watchfiles, "load", lambda: library)
    told: list[Any] = []
    over = threading.Event()

    def failed(problem: Exception) -> None:
        told.append(str(problem))
        over.set()

    watcher = Watcher(str(tmp_path), True, lambda *change: told.append(change), failed)
    assert over.wait(20)
    watcher.stop()
    assert told == [("created", "/a"), ("modified", "/b"), ("deleted", "/c"), "broken"]
    assert watcher._watched.closed


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Watcher(str(tmp_path / "missing"), False, print, print)
