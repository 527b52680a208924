"""The figures of nodes over NATS that take minutes; the suite has a short form of each."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration import process_support
from tests.integration import test_node_nats as plain
from tests.integration import test_node_nats_durable as durable
from tests.integration.nats_support import Broker, broker

__all__ = ["broker"]

start = plain.start
start_worker = durable.start

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.integration,
    pytest.mark.skipif(
        os.environ.get("HYPOTHESIS_PROFILE") != "nightly",
        reason="takes minutes: part of `make nightly`",
    ),
]


@pytest.fixture(autouse=True)
def more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_support, "SECONDS", 400.0)


def test_three_members_of_a_group_share_3000_events(broker: Broker, start: plain.Start) -> None:
    plain.share_among_a_group(broker, start, 3000, 0.1)


@pytest.mark.parametrize("kind", ["stopped", "slow"])
def test_a_hundred_thousand_events_to_a_slow_peer_take_no_memory(broker: Broker, kind: str) -> None:
    plain.flood_a_slow_peer(broker, 100_000, kind)


def test_a_slow_member_takes_what_it_has_room_for_of_a_hundred_thousand(
    broker: Broker, start_worker: durable.Start
) -> None:
    durable.store_for_a_slow_member(broker, start_worker, 100_000, 60)


def test_five_thousand_stored_events_survive_crashes(broker: Broker, tmp_path: Path) -> None:
    durable.store_through_crashes(broker, tmp_path / "done", 5000)


def test_a_partition_of_thirty_seconds_loses_nothing_stored(
    broker: Broker, start_worker: durable.Start
) -> None:
    durable.be_cut_off(broker, start_worker().ready(), 30)
