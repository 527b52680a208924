"""A wait that others end."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest

from circuits.core._latch import Latch, WakeUp
from circuits.core._signal_pipe import SignalPipe


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


def test_who_calls_while_it_is_closed_writes_into_nothing_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wake_up = WakeUp()
    wake_up.open()
    number = wake_up.number
    write = os.write
    found: list[int] = []

    def closed_just_before(where: int, data: bytes) -> int:
        wake_up.close()
        reader, writer = os.pipe()  # would get the number, were it free
        found.extend((reader, writer))
        return write(where, data)

    monkeypatch.setattr(os, "write", closed_just_before)
    wake_up.call()
    assert number not in found
    with pytest.raises(OSError):
        os.fstat(number)  # now it is closed
    wake_up.call()
    for descriptor in found:
        os.close(descriptor)


def test_a_wake_up_that_is_opened_again_has_another_descriptor() -> None:
    wake_up: Any = WakeUp()
    wake_up.close()
    wake_up.open()
    wake_up.call()
    wake_up.drain()
    wake_up.close()
    assert wake_up.number == -1
    wake_up.call()


def test_a_loop_reads_what_has_ended_its_wait_before_the_next_one() -> None:
    pipe = SignalPipe()
    pipe._open_pipe()
    pipe.call()
    pipe.block(-1)
    assert pipe.is_full
    pipe.drain()
    assert not pipe.is_full
    with pytest.raises(BlockingIOError):
        os.read(pipe.number, 1)
    pipe.close()


def test_what_comes_while_a_wait_begins_that_reads_first_ends_it() -> None:
    pipe = SignalPipe()
    pipe._open_pipe()
    pipe.call()
    pipe.block(-1)
    pipe.call()
    pipe.block(-1)  # it reads both, and nobody would end it
    assert not pipe.is_full
    pipe.close()


def test_what_counts_calls_need_not_be_drained_and_a_pipe_must() -> None:
    counter, pipe = WakeUp(), WakeUp()
    counter.open()
    pipe._open_pipe()
    assert not pipe.stay_full()
    if hasattr(os, "eventfd"):
        assert counter.stay_full()
        counter.call()
        counter.drain()
        assert os.eventfd_read(counter.number) == 1
    counter.close()
    pipe.close()
