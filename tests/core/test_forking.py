"""What a poller does in a forked child."""

from __future__ import annotations

import os
import select
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
