"""The calendar clock jumps: by an hour, by years, back to 1970. Requests are answered, timers keep."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from circuits import Component, Event, Timer, handler
from circuits.testing import VirtualClock, settle
from circuits.web.compression import Compression
from circuits.web.loggers import Logger
from circuits.web.sessions import CookieStore, MemoryStore, Sessions, SQLiteStore, Store
from tests.web.session_support import SECRET, Root, WallClock, site, sources

_HOUR, _YEAR = 3600.0, 365.25 * 86400.0

JUMPS = [
    _HOUR, -_HOUR, _YEAR, -_YEAR, 100 * _YEAR, 7000 * _YEAR,
    -1_700_000_000.0,  # a clock without battery
    0.4, -0.4,
]  # fmt: skip


class Late(Component):
    channel = "late"

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    @handler("ring")
    def _on_ring(self) -> None:
        self.count += 1


class Pages(Root):
    def long(self) -> str:
        return "long " * 1000


def _stores(tmp_path: Path) -> list[Store]:
    return [MemoryStore(), SQLiteStore(tmp_path / "sessions"), CookieStore(SECRET)]


@pytest.mark.parametrize("number", range(3), ids=["memory", "file", "cookie"])
@pytest.mark.parametrize("jump", JUMPS)
def test_every_request_is_answered(
    jump: float, number: int, tmp_path: Path, virtual_clock: VirtualClock
) -> None:
    wall, log, late = WallClock(), io.StringIO(), Late()
    sessions = Sessions(store=_stores(tmp_path)[number], max_age=10 * _HOUR)
    parts: list[Any] = [sessions, Compression(), Logger(file=log), late]
    with sources(wall=wall), site(*parts, root=Pages()) as place:
        Timer(10, Event.create("ring"), "late", persist=True).register(place.server)
        browser = place.browser()
        assert browser.text("/put/a/1") == "put"
        settle(place.server, until=virtual_clock.now + 15)
        for _ in range(2):  # there, and back again
            wall.time += jump
            before = late.count
            assert browser.get("/long").code == 200
            assert browser.text("/show") in ("[]", "[('a', '1')]")
            assert browser.text("/put/a/1") == "put"
            assert browser.text("/show") == "[('a', '1')]"
            settle(place.server, until=virtual_clock.now + 20)
            assert late.count == before + 2, "timers have a clock of their own"
            jump = -jump
        assert not place.server._tasks
    lines = log.getvalue().splitlines()
    assert len(lines) == 9
    assert all('HTTP/1.1" 200' in line for line in lines)
