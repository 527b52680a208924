"""What goes on in a forked child."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from typing import Any

import pytest

from circuits import Component
from circuits.core import pollers
from circuits.core._process.forking import fork


@pytest.mark.parametrize(
    "kind",
    [
        getattr(pollers, name)
        for name, primitive in (("Select", "select"), ("Poll", "poll"), ("EPoll", "epoll"))
        if hasattr(select, primitive)
    ],
)
def test_a_poller_goes_on_with_objects_of_its_own(kind: type[pollers.BasePoller]) -> None:
    app = Component()
    poller = kind().register(app)
    reader, writer = os.pipe()
    # What the parent would still have after a fork.
    theirs = os.dup(poller._wake_up.number)
    try:
        poller.addReader(app, reader)
        poller._tree_forked()
        os.set_blocking(theirs, False)
        poller.resume()
        with pytest.raises(BlockingIOError):
            os.read(theirs, 8)
        os.write(writer, b"x")
        assert sorted(number for number, _ in poller.block(0)) == sorted(
            [reader, poller._wake_up.number]
        )
    finally:
        for number in (reader, writer, theirs):
            os.close(number)


def test_a_failed_fork_leaves_the_tree_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Any:
        raise BlockingIOError("no room")

    monkeypatch.setattr(os, "fork", refuse)
    app = Component()
    with pytest.raises(BlockingIOError):
        fork(app)
    child = Component().register(app)
    assert child.root is app


_LATE_ASYNCIO = """
import os, signal, sys
from circuits import Component, Event

class Go(Event): ...
class Ask(Event): ...

assert "asyncio" not in sys.modules  # the run begins first, and its coroutines load it

class App(Component):
    channel = "app"

    def started(self, component):
        child = os.fork()
        if child:
            os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        self.fire(Go())

    async def go(self):
        try:
            print(await self.call(Ask()))
            print("woken by signals:", signal.set_wakeup_fd(-1) >= 0)
        finally:
            self.stop()

    def ask(self):
        return "answer"

App().run()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.process
def test_asyncio_that_was_loaded_by_the_run_goes_on_in_a_child() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LATE_ASYNCIO],
        capture_output=True,
        check=False,
        text=True,
        timeout=30,
    )
    assert (done.stdout, done.stderr) == ("answer\nwoken by signals: True\n", "")
