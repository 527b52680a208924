"""A wait that others end."""

from __future__ import annotations

import threading

import pytest

from circuits.core._latch import Latch


def test_a_latch_remembers_one_resume() -> None:
    latch = Latch()
    latch.resume()
    latch.resume()
    latch.block(60)  # ends at once
    latch.block(0)  # nothing is left, and no time to wait


@pytest.mark.parametrize("timeout", [-1, 60, 1e30])
def test_a_latch_is_resumed_from_another_thread(timeout: float) -> None:
    latch = Latch()
    thread = threading.Thread(target=latch.resume)
    thread.start()
    latch.block(timeout)
    thread.join()
