"""Runs a program as a user would, and presses ^C once it has nothing left to do.

No component and no event is added that the program could show.
"""

from __future__ import annotations

import runpy
import signal
import sys
from typing import Any

from circuits import Manager, handler

_QUIET_TURNS = 5


def _watch() -> Any:
    quiet = 0

    @handler("generate_events", channel="*", priority=1000)
    def press_ctrl_c(self: Manager, event: Any) -> None:
        nonlocal quiet
        quiet = 0 if len(self) else quiet + 1
        event.reduce_time_left(0)
        if quiet == _QUIET_TURNS:
            signal.raise_signal(signal.SIGINT)

    return press_ctrl_c


def _main(program: str) -> None:
    original = Manager.run

    def run(self: Manager, socket: Any = None) -> None:
        self.addHandler(_watch())
        original(self, socket)

    Manager.run = run  # type: ignore[method-assign]
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    _main(sys.argv[1])
