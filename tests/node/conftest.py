"""What the tests of nodes share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from circuits.testing import VirtualClock
from tests.node.node_support import World


@pytest.fixture
def world() -> Iterator[World]:
    with VirtualClock() as clock, ExitStack() as stack:
        made = World(stack, clock)
        stack.callback(made.close)
        yield made
        made.stop()
