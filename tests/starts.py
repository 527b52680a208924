"""Fails a test that starts a process without a mark that says so: what is fast has no time for it."""

from __future__ import annotations

import functools
import sys
from collections.abc import Generator

import pytest

_EVENTS = {
    "_winapi.CreateProcess",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.system",
    "subprocess.Popen",
}
_started: list[str] = []


def _note(event: str, _arguments: object) -> None:
    if event in _EVENTS:
        _started.append(event)


@functools.cache
def _listen() -> None:
    sys.addaudithook(_note)  # nobody can take it back


class Starts:
    """Looks at what a test and its fixtures have started."""

    def __init__(self) -> None:
        _listen()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        _started.clear()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        yield
        if _started and item.get_closest_marker("integration") is None:
            pytest.fail(
                f"starts a process ({_started[0]}): mark it by pytest.mark.process", pytrace=False
            )
