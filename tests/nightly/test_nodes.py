"""The figures of nodes that take minutes; the suite has a short form of each."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

from circuits import sleep
from circuits.node import Node, Unreachable
from tests.integration import process_support
from tests.integration.fault_proxy import FaultProxy
from tests.integration.test_nodes import (  # noqa: F401 - a fixture
    SECONDS,
    Start,
    far,
    flood_a_stopped_peer,
    run,
    send_garbage,
    start,
)

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.integration,
    pytest.mark.skipif(
        os.environ.get("HYPOTHESIS_PROFILE") != "nightly",
        reason="takes minutes: part of `make nightly`",
    ),
]


def test_few_of_a_hundred_thousand_events_wait_for_a_stopped_peer(start: Start) -> None:  # noqa: F811
    flood_a_stopped_peer(start(bind=0), 100_000)


def test_a_million_random_packets_take_no_memory(start: Start) -> None:  # noqa: F811
    send_garbage(start(bind=0), 1_000_000)


def test_a_partition_of_thirty_seconds_is_seen_within_three_heartbeats(
    start: Start,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process_support, "SECONDS", 120.0)
    program = start(bind=0)
    with FaultProxy(program.port) as proxy:

        async def body(script: Any, node: Node) -> None:
            node.add("far", "127.0.0.1", proxy.port)
            await script.call(far("greet"))
            proxy.partition()
            begun = time.monotonic()
            value = script.fire(far("greet", timeout=60))
            await script.wait("disconnected_from", "*", timeout=SECONDS)
            assert time.monotonic() - begun < 15.5
            await sleep(0.1)
            assert value.value[0] is Unreachable
            await sleep(30 - (time.monotonic() - begun))
            proxy.heal()
            assert await script.call(far("greet", timeout=30)) == "hello you"

        run(body)
