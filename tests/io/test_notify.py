"""Watched folders: every kind of change, renamed and new folders, what is dropped and refused."""

from __future__ import annotations

import errno
import gc
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from circuits import Manager
from circuits.io import Notify, _inotify
from circuits.io.events import AddPath, RemovePath
from circuits.testing import VirtualClock, settle

from .io_support import Seen

pytestmark = pytest.mark.skipif(not _inotify.is_available(), reason="only Linux has inotify")

_OWN = _inotify.IN_ALL_EVENTS & ~(
    _inotify.IN_OPEN | _inotify.IN_ACCESS | _inotify.IN_CLOSE_NOWRITE | _inotify.IN_CLOSE_WRITE
)


@pytest.fixture
def app(virtual_clock: VirtualClock, app_runner: Callable[[Manager], Manager]) -> Manager:
    return app_runner(Manager())


@pytest.fixture
def seen(app: Manager) -> Seen:
    return Seen("notify").register(app)


@pytest.fixture
def notify(app: Manager, seen: Seen) -> Notify:
    notify = Notify().register(app)
    settle(app)
    assert seen.entries == [("ready", notify)]
    seen.entries.clear()
    return notify


def changes(seen: Seen) -> list[tuple[Any, ...]]:
    """Event, entry and folder of what was seen."""
    return [entry[:3] for entry in seen.entries]


def test_each_kind_of_change(app: Manager, notify: Notify, seen: Seen, tmp_path: Path) -> None:
    notify.add_path(tmp_path)
    where = str(tmp_path)
    file = tmp_path / "file"
    with open(file, "w") as writing:
        writing.write("data")
    file.read_text()
    file.chmod(0o600)
    file.rename(tmp_path / "other")
    (tmp_path / "other").unlink()
    settle(app)
    assert changes(seen) == [
        ("created", "file", where),
        ("opened", "file", where),
        ("modified", "file", where),
        ("closed", "file", where),
        ("opened", "file", where),
        ("accessed", "file", where),
        ("closed", "file", where),
        ("modified", "file", where),
        ("moved", "file", where),
        ("moved", "other", where),
        ("deleted", "other", where),
    ]
    assert seen.entries[0] == ("created", "file", where, str(file), False)


def test_folders_are_told_apart(app: Manager, notify: Notify, seen: Seen, tmp_path: Path) -> None:
    notify.add_path(tmp_path, mask=_OWN)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder").rmdir()
    settle(app)
    assert [(entry[0], entry[4]) for entry in seen.entries] == [
        ("created", True),
        ("deleted", True),
    ]


def test_the_watched_path_itself(app: Manager, notify: Notify, seen: Seen, tmp_path: Path) -> None:
    folder, file = tmp_path / "folder", tmp_path / "file"
    folder.mkdir()
    file.touch()
    notify.add_path(folder, mask=_OWN)
    notify.add_path(file, mask=_inotify.IN_DELETE_SELF)
    folder.rename(tmp_path / "moved")
    (tmp_path / "moved").rmdir()
    file.unlink()
    settle(app)
    assert seen.entries == [
        ("moved", "", str(folder), str(folder), True),
        ("deleted", "", str(folder), str(folder), True),
        ("deleted", "", str(file), str(file), False),
    ]
    assert list(notify._watches.all()) == []


def test_a_mask_limits_what_is_told(
    app: Manager, notify: Notify, seen: Seen, tmp_path: Path
) -> None:
    (tmp_path / "sub").mkdir()
    app.fire(AddPath(str(tmp_path), _inotify.IN_DELETE, True), "notify")
    settle(app)
    seen.entries.clear()
    for folder in (tmp_path, tmp_path / "sub"):
        (folder / "file").touch()
        (folder / "file").unlink()
    settle(app)
    assert changes(seen) == [
        ("deleted", "file", str(tmp_path)),
        ("deleted", "file", str(tmp_path / "sub")),
    ]


def test_it_works_before_it_joins(app: Manager, seen: Seen, tmp_path: Path) -> None:
    notify = Notify()
    notify.add_path(tmp_path, mask=_OWN)
    (tmp_path / "file").touch()
    notify.register(app)
    settle(app)
    assert sorted(seen.names) == ["created", "ready"]


def test_nothing_is_told_after_removal(
    app: Manager, notify: Notify, seen: Seen, tmp_path: Path
) -> None:
    (tmp_path / "sub").mkdir()
    notify.add_path(tmp_path, recursive=True)
    (tmp_path / "early").touch()  # told by the kernel already, but read afterwards
    notify.remove_path(tmp_path)
    (tmp_path / "late").touch()
    settle(app)
    assert seen.entries == []
    (tmp_path / "sub" / "file").touch()
    settle(app)
    assert changes(seen)[0] == ("created", "file", str(tmp_path / "sub"))
    seen.entries.clear()
    app.fire(RemovePath(str(tmp_path), recursive=True), "notify")
    app.fire(RemovePath("/unknown"), "notify")
    settle(app)
    (tmp_path / "sub" / "more").touch()
    settle(app)
    assert seen.names == ["remove_path", "remove_path"]


def test_what_cannot_be_watched_is_told(
    app: Manager, notify: Notify, seen: Seen, tmp_path: Path
) -> None:
    app.fire(AddPath(str(tmp_path / "missing")), "notify")
    settle(app)
    assert isinstance(seen.problem, FileNotFoundError)


def test_folders_that_are_there_are_watched(
    app: Manager, notify: Notify, seen: Seen, tmp_path: Path
) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / "link").symlink_to("/")
    notify.add_path(tmp_path, recursive=True)
    settle(app)
    assert seen.entries == []  # looking around is not told
    (deep / "file").touch()
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "unseen").touch()
    settle(app)
    assert ("created", "file", str(deep)) in changes(seen)
    assert ("created", "unseen", str(tmp_path / "new")) not in changes(seen)


def test_folders_that_come_later_are_watched(
    app: Manager, notify: Notify, seen: Seen, tmp_path: Path
) -> None:
    notify.add_path(tmp_path, mask=_OWN, recursive=True, auto_add=True)
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "early").touch()
    settle(app)
    (tmp_path / "a" / "b" / "late").touch()
    settle(app)
    created = [entry[3] for entry in seen.entries if entry[0] == "created"]
    names = ["a", "a/b", "a/early", "a/b/late"]
    assert sorted(created) == sorted(str(tmp_path / name) for name in names)


def test_what_is_told_once_is_told_again_when_it_is_new(
    app: Manager, notify: Notify, seen: Seen, tmp_path: Path
) -> None:
    notify.add_path(tmp_path, mask=_OWN, recursive=True, auto_add=True)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").touch()
    settle(app)
    (tmp_path / "a" / "tmp").touch()
    (tmp_path / "a" / "tmp").rename(tmp_path / "a" / "file")
    (tmp_path / "a" / "file").unlink()
    (tmp_path / "a" / "file").touch()
    settle(app)
    told = [entry[0] for entry in seen.entries if entry[1] == "file" and entry[0] != "modified"]
    assert told == ["created", "moved", "deleted", "created"]


def test_a_folder_that_is_renamed_at_once_is_found(
    app: Manager, notify: Notify, seen: Seen, tmp_path: Path
) -> None:
    notify.add_path(tmp_path, mask=_OWN, recursive=True, auto_add=True)
    (tmp_path / "a").mkdir()
    (tmp_path / "a").rename(tmp_path / "b")
    (tmp_path / "b" / "file").touch()
    settle(app)
    assert ("created", "file", str(tmp_path / "b")) in changes(seen)


@pytest.mark.parametrize("auto_add", [False, True])
def test_a_renamed_folder_has_its_new_name(
    app: Manager, notify: Notify, seen: Seen, tmp_path: Path, auto_add: bool
) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    notify.add_path(tmp_path, mask=_OWN, recursive=True, auto_add=auto_add)
    (tmp_path / "a").rename(tmp_path / "x")
    (tmp_path / "x" / "b" / "file").touch()
    settle(app)
    assert ("created", "file", str(tmp_path / "x" / "b")) in changes(seen)


def test_a_folder_that_is_moved_away_is_not_watched_any_more(
    app: Manager, notify: Notify, seen: Seen, tmp_path: Path, virtual_clock: VirtualClock
) -> None:
    watched, away = tmp_path / "watched", tmp_path / "away"
    (watched / "a" / "b").mkdir(parents=True)
    away.mkdir()
    notify.add_path(watched, mask=_OWN, recursive=True, auto_add=True)
    (watched / "a").rename(away / "a")
    settle(app, until=virtual_clock.now + 1)
    (away / "a" / "b" / "file").touch()
    settle(app)
    assert [w.path for w in notify._watches.all()] == [str(watched)]
    assert ("moved", "a", str(watched)) in changes(seen)
    assert "created" not in seen.names
    (away / "a").rename(watched / "back")
    settle(app)
    (watched / "back" / "file").touch()
    settle(app)
    assert ("created", "file", str(watched / "back")) in changes(seen)


def test_a_folder_that_is_moved_to_where_nobody_follows(
    app: Manager, notify: Notify, seen: Seen, tmp_path: Path
) -> None:
    tree, flat = tmp_path / "tree", tmp_path / "flat"
    (tree / "a").mkdir(parents=True)
    flat.mkdir()
    notify.add_path(tree, mask=_OWN, recursive=True)
    notify.add_path(flat, mask=_OWN)
    (tree / "a").rename(flat / "a")
    settle(app)
    assert {w.path for w in notify._watches.all()} == {str(tree), str(flat)}


def test_a_folder_that_is_made_again_is_watched_again(
    app: Manager, notify: Notify, seen: Seen, tmp_path: Path
) -> None:
    notify.add_path(tmp_path, mask=_OWN, recursive=True, auto_add=True)
    for _ in range(3):
        (tmp_path / "a").mkdir()
        settle(app)
        (tmp_path / "a" / "file").touch()
        (tmp_path / "a" / "file").unlink()
        (tmp_path / "a").rmdir()
    settle(app)
    assert changes(seen).count(("created", "file", str(tmp_path / "a"))) == 3


def test_one_folder_under_two_names(
    app: Manager, notify: Notify, seen: Seen, tmp_path: Path
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to("a")
    notify.add_path(tmp_path / "a", mask=_inotify.IN_CREATE)
    notify.add_path(tmp_path / "link", mask=_inotify.IN_CREATE)
    (tmp_path / "a" / "file").touch()
    settle(app)
    assert [entry[2] for entry in seen.entries] == [str(tmp_path / "a"), str(tmp_path / "link")]


def test_an_overflow_is_told_and_new_folders_are_found(
    app: Manager, notify: Notify, seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notify.add_path(tmp_path, mask=_OWN, recursive=True, auto_add=True)
    settle(app)
    (tmp_path / "a").mkdir()
    ((descriptor),) = (notify._descriptors or {}).values()
    os.read(descriptor.file, 65536)  # as if the kernel had dropped it
    overflow = struct.pack("iIII", -1, _inotify.IN_Q_OVERFLOW, 0, 0)
    for raw in _inotify.Inotify.parse(overflow):
        notify._take(raw)
    settle(app)
    assert seen.of("overflow") == [()]
    (tmp_path / "a" / "file").touch()
    settle(app)
    assert ("created", "file", str(tmp_path / "a")) in changes(seen)


def test_after_an_overflow_nothing_is_told_under_a_name_that_is_gone(
    app: Manager, notify: Notify, seen: Seen, tmp_path: Path
) -> None:
    for name in ("a", "gone", "link", "new"):
        (tmp_path / name / "below").mkdir(parents=True)
    watched = os.path.join(tmp_path, "")
    notify.add_path(watched, mask=_OWN, recursive=True, auto_add=True)
    settle(app)
    (tmp_path / "a").rename(tmp_path / "b")
    (tmp_path / "link").rename(tmp_path / "c")
    (tmp_path / "link").symlink_to("c")
    (tmp_path / "gone" / "below").rmdir()
    (tmp_path / "gone").rmdir()
    (tmp_path / "new").rename(tmp_path / "old")
    (tmp_path / "new").mkdir()
    ((descriptor),) = (notify._descriptors or {}).values()
    os.read(descriptor.file, 65536)  # as if the kernel had dropped it
    notify._take(_inotify.Raw(-1, _inotify.IN_Q_OVERFLOW, 0, ""))
    settle(app)
    seen.entries.clear()
    files = ["b/below/file", "b/file", "c/file", "new/file", "old/below/file", "old/file"]
    for name in files:
        (tmp_path / name).touch()
    settle(app)
    told = [pathname for _, _, pathname, _ in seen.of("created")]
    assert sorted(told) == [str(tmp_path / name) for name in files]
    assert len(list(notify._watches.all())) == 8


def test_a_folder_below_that_may_not_be_watched_does_not_hide_the_others(
    app: Manager, notify: Notify, seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    add = _inotify.Inotify.add

    def refuse(self: Any, path: str, mask: int) -> int:
        if path.endswith(("a", "b")):
            raise PermissionError(errno.EACCES, "not yours", path)
        return add(self, path, mask)

    monkeypatch.setattr(_inotify.Inotify, "add", refuse)
    notify.add_path(tmp_path, mask=_OWN, recursive=True)
    (tmp_path / "c" / "file").touch()
    settle(app)
    assert sorted(problem.filename for (problem,) in seen.of("io_error")) == [
        str(tmp_path / "a"),
        str(tmp_path / "b"),
    ]
    assert ("created", "file", str(tmp_path / "c")) in changes(seen)


def test_an_overflow_that_nobody_handles_is_logged(
    app: Manager, caplog: pytest.LogCaptureFixture
) -> None:
    notify = Notify(channel="unheard").register(app)
    notify._take(_inotify.Raw(-1, _inotify.IN_Q_OVERFLOW, 0, ""))
    (record,) = caplog.records
    assert "not reported" in record.getMessage()


def test_one_that_never_joined_leaves_no_descriptor(tmp_path: Path) -> None:
    notify = Notify()
    notify.add_path(tmp_path)
    assert notify._inotify is not None
    number = notify._inotify.number
    target = os.readlink(f"/proc/self/fd/{number}")
    del notify
    gc.collect()
    try:
        assert os.readlink(f"/proc/self/fd/{number}") != target
    except FileNotFoundError:
        pass


def test_a_folder_that_may_not_be_watched_is_told(
    app: Manager, notify: Notify, seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notify.add_path(tmp_path, mask=_OWN, recursive=True, auto_add=True)
    settle(app)

    def refuse(*args: Any) -> int:
        raise PermissionError(13, "no")

    monkeypatch.setattr(notify._inotify, "add", refuse)
    (tmp_path / "a").mkdir()
    settle(app)
    assert isinstance(seen.problem, PermissionError)


def test_leaving_ends_all_watches(app: Manager, notify: Notify, seen: Seen, tmp_path: Path) -> None:
    notify.add_path(tmp_path)
    assert notify._inotify is not None
    number = notify._inotify.number
    notify.unregister()
    settle(app)
    with pytest.raises(OSError):
        os.fstat(number)
    (tmp_path / "file").touch()
    settle(app)
    assert seen.entries == []


def test_backends(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Notify().backend == "inotify"
    with pytest.raises(ValueError, match="backend"):
        Notify(backend="magic")
    monkeypatch.setattr(_inotify, "is_available", lambda: False)
    assert Notify().backend == "watchfiles"
    with pytest.raises(ImportError, match="no inotify"):
        Notify(backend="inotify")
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    with pytest.raises(ImportError, match=r"circuits\[notify\]"):
        Notify()


def test_channels() -> None:
    class Mine(Notify):
        channel = "mine"

    assert Mine().channel == "mine"
    assert Mine("other").channel == "other"
