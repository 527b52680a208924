from __future__ import annotations

import time

import pytest

from circuits.core import _clock
from circuits.testing import VirtualClock
from circuits.testing.clock import installed_clock


def test_it_moves_only_when_told() -> None:
    clock = VirtualClock(5)
    assert clock.now == clock() == 5
    assert clock.advance(1.5) == 6.5
    assert clock.now == 6.5


def test_installed_it_is_the_time_of_the_kernel_and_afterwards_it_is_not() -> None:
    before = _clock.now
    with VirtualClock(5) as clock:
        assert _clock.now() == 5
        clock.advance(2)
        assert _clock.now() == 7
        assert installed_clock() is clock
    assert _clock.now is before
    assert installed_clock() is None


def test_one_within_another_gives_way_to_it_again() -> None:
    with VirtualClock(5) as outer, VirtualClock(50):
        assert _clock.now() == 50
        outer.advance(1)
        assert _clock.now() == 50
    assert _clock.now is time.monotonic


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_time_never_goes_back(seconds: float) -> None:
    clock = VirtualClock(5)
    with pytest.raises(ValueError, match="cannot advance"):
        clock.advance(seconds)
    clock.advance_to(3)
    assert clock.now == 5


def test_installing_twice_is_refused() -> None:
    with VirtualClock() as clock, pytest.raises(RuntimeError, match="installed already"):
        clock.install()


def test_uninstalling_twice_does_nothing() -> None:
    clock = VirtualClock().install()
    clock.uninstall()
    clock.uninstall()
    assert _clock.now is time.monotonic
    assert repr(clock) == "<VirtualClock at 1000 s>"
