"""Masking by compiled code."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

from circuits._wire.websocket import mask
from circuits.net.protocols._websocket_masking import fastest_mask


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    fastest_mask.cache_clear()
    yield
    fastest_mask.cache_clear()


def test_it_does_what_ours_does() -> None:
    pytest.importorskip("websockets.speedups")
    fastest = fastest_mask()
    assert fastest is not mask
    for size in (*range(20), 125, 126, 299, 300, 301, 65_536, 65_543):
        data, key = os.urandom(size + 3), os.urandom(4)
        for part in (data[3:], memoryview(data)[3:]):
            masked = fastest(part, key)
            assert masked == mask(part, key)
            assert type(masked) is bytes


def test_ours_is_there_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "websockets.speedups", None)
    assert fastest_mask() is mask
