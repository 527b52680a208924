"""What a node over NATS can be told. Nothing connects here."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from circuits.node import Node
from circuits.node._letters import NatsHub
from circuits.node._nats_options import NatsOptions
from circuits.node._streams import Streams, differences
from circuits.node._subjects import Subjects

URL = "nats://127.0.0.1:4222"


def test_it_needs_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nats", None)
    monkeypatch.delitem(sys.modules, "nats.aio", raising=False)
    monkeypatch.delitem(sys.modules, "nats.aio.client", raising=False)
    with pytest.raises(ImportError, match=r"circuits\[node\]"):
        Node(URL)


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"group": "x", "name": "x"}, ValueError, "same name"),
        ({"durable": True}, ValueError, "group= is needed"),
        ({"ordered": True, "group": "x"}, ValueError, "durable=True is needed"),
        ({"name": "*"}, ValueError, "which means all"),
        ({"group": ""}, ValueError, "1 to 255"),
        ({"prefix": ""}, ValueError, "1 to 255"),
        ({"ack_wait": 0}, ValueError, "ack_wait"),
        ({"max_deliver": 0}, ValueError, "max_deliver"),
        ({"replicas": True}, ValueError, "replicas"),
        ({"backoff": (-1,)}, ValueError, "backoff"),
        ({"tls": {"certfile": "x"}}, TypeError, "tls"),
        ({"secret": "x"}, ValueError, "over TCP"),
        ({"bogus": 1}, TypeError, "bogus"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], kind: Any, text: str) -> None:
    with pytest.raises(kind, match=text):
        Node(URL, **options)


@pytest.mark.parametrize("url", ["nats://", "http://host", "nats://host,ftp://other"])
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(ValueError, match="bind must be nats://"):
        Node(url)


def test_several_servers_and_one_name() -> None:
    options = NatsOptions("nats://ann:p%40ss@one:4222,two:4223")
    assert options.servers == ["nats://ann:p%40ss@one:4222", "nats://two:4223"]
    assert options.for_client(options.servers[0]) == {}
    assert options.for_client("nats://two:4223") == {"user": "ann", "password": "p@ss"}
    assert "p%40ss" not in options.without_secrets("cannot log in with p%40ss")


def test_delays_go_on_with_the_last() -> None:
    options = NatsOptions(URL, backoff=(1, 5))
    assert [options.delay_after(n) for n in (1, 2, 3, 9)] == [1, 5, 5, 5]
    assert NatsOptions(URL, backoff=()).delay_after(3) == 0


def test_a_node_has_the_hub_of_its_kind() -> None:
    node = Node(URL, name="one", group="some")
    assert isinstance(node._hub, NatsHub)
    assert (node.host, node.port) == (None, None)


def test_settings_that_differ_are_named() -> None:
    assert differences({"a": 1, "b": None}, {"a": 2}) == ["a is 2 and should be 1"]


def test_the_streams_of_two_groups() -> None:
    options = NatsOptions(URL, group="a-b", prefix="p")
    streams = Streams(options, Subjects("p"))
    assert streams.pull_subject().endswith("circuits-durable-p-a%2Db.a%2Db")
