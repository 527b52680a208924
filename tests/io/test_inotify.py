"""The bytes of inotify, and the calls that fail."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path

import pytest

from circuits.io import _inotify
from circuits.io._inotify import Inotify, Raw

needs_inotify = pytest.mark.skipif(not _inotify.is_available(), reason="only Linux has inotify")


def raw(watch: int, mask: int, cookie: int, name: bytes) -> bytes:
    return struct.pack("iIII", watch, mask, cookie, len(name)) + name


def test_notifications_are_parsed() -> None:
    data = (
        raw(1, _inotify.IN_CREATE, 0, b"name\0\0\0\0")
        + raw(-1, _inotify.IN_Q_OVERFLOW, 0, b"")
        + raw(2, _inotify.IN_MOVED_TO, 7, b"\xff\0")
    )
    assert list(Inotify.parse(data)) == [
        Raw(1, _inotify.IN_CREATE, 0, "name"),
        Raw(-1, _inotify.IN_Q_OVERFLOW, 0, ""),
        Raw(2, _inotify.IN_MOVED_TO, 7, os.fsdecode(b"\xff")),
    ]


@needs_inotify
def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    inotify = Inotify()
    with pytest.raises(FileNotFoundError, match="missing"):
        inotify.add(str(tmp_path / "missing"), _inotify.IN_CREATE)
    os.close(inotify.number)


@needs_inotify
def test_it_neither_blocks_nor_is_inherited() -> None:
    inotify = Inotify()
    assert not os.get_blocking(inotify.number)
    assert not os.get_inheritable(inotify.number)
    os.close(inotify.number)


def test_too_many_watches_say_where_the_limit_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("circuits.io._inotify.ctypes.get_errno", lambda: errno.ENOSPC)
    with pytest.raises(OSError, match="max_user_watches"):
        Inotify._checked(-1, "path")


def test_elsewhere_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    _inotify._library.cache_clear()
    monkeypatch.setattr("sys.platform", "darwin")
    try:
        assert not _inotify.is_available()
    finally:
        _inotify._library.cache_clear()
