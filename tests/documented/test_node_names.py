"""The documented names of circuits.node: where they are, and how they may be called."""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest

import circuits.node
from circuits import BaseComponent, Event, Value
from circuits.core.errors import CircuitsError, RemoteError
from circuits.node import client, events, node, server, utils


@pytest.mark.parametrize(
    ("module", "name", "base"),
    [
        (client, "Client", BaseComponent),
        (server, "Server", BaseComponent),
        (node, "Node", BaseComponent),
        (events, "Packet", Event),
        (events, "Remote", Event),
    ],
)
def test_classes(module: Any, name: str, base: type) -> None:
    cls = getattr(module, name)
    assert issubclass(cls, base)
    assert cls.__module__ == module.__name__
    assert getattr(circuits.node, name) is cls


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("dump_event", ["e", "id"]),
        ("dump_value", ["v"]),
        ("load_event", ["s"]),
        ("load_value", ["v"]),
    ],
)
def test_functions(name: str, arguments: list[str]) -> None:
    assert list(inspect.signature(getattr(utils, name)).parameters) == arguments


@pytest.mark.parametrize(
    ("cls", "parameters"),
    [
        (node.Node, {"bind": None, "channel": "node"}),
        (client.Client, {"host": inspect.Parameter.empty, "port": inspect.Parameter.empty, "channel": "node"}),
        (server.Server, {"bind": inspect.Parameter.empty, "channel": "node"}),
    ],
)  # fmt: skip
def test_what_the_constructors_take(cls: Any, parameters: dict[str, Any]) -> None:
    found = {
        parameter.name: parameter.default
        for parameter in inspect.signature(cls.init).parameters.values()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and parameter.name != "self"
    }
    assert found == parameters


def test_remote() -> None:
    event = Event.create("Foo", 1)
    remote = circuits.node.Remote(event, "other", channel="there")
    assert remote.name == "remote"
    assert remote.args == [event, "other"]
    assert remote.kwargs == {"channel": "there"}
    assert circuits.node.Remote(event, "other", "there").kwargs == {"channel": "there"}
    assert circuits.node.Remote(event, "other").kwargs == {"channel": None}
    with pytest.raises(TypeError):
        circuits.node.Remote("foo", "other")  # type: ignore[arg-type]


def test_packet() -> None:
    packet = circuits.node.Packet("anything", at="all")
    assert (packet.name, packet.args, packet.kwargs) == ("packet", ["anything"], {"at": "all"})


def test_components_listen_on_the_channel_node() -> None:
    class Cluster(circuits.node.Node):
        channel = "cluster"

    assert circuits.node.Node().channel == "node"
    assert circuits.node.Node(None, "other").channel == "other"
    assert circuits.node.Node(channel="other").channel == "other"
    assert Cluster().channel == "cluster"
    assert Cluster(channel="other").channel == "other"


def test_names_of_our_own() -> None:
    assert issubclass(circuits.node.Unreachable, CircuitsError)
    assert issubclass(circuits.node.Unreachable, ConnectionError)
    assert issubclass(circuits.node.Refused, RemoteError)
    made: list[Event] = [
        circuits.node.ConnectedTo("a", "host", 1),
        circuits.node.DisconnectedFrom("a", "host", 1, "closed"),
        circuits.node.DeadLetter(Event.create("x"), "why", 5),
    ]
    names = ["connected_to", "disconnected_from", "dead_letter"]
    assert [event.name for event in made] == names
    error = RemoteError("text", "KeyError", ["line"])
    assert (error.message, error.type_name, error.lines) == ("text", "KeyError", ["line"])
    assert (RemoteError("text").message, str(RemoteError("text"))) == ("text", "text")


# -- packets as text ---------------------------------------------------------------------------


def test_an_event_as_text_and_back() -> None:
    event = Event.create("foo_bar", 1, "ü", x=[None])
    event.channels = ("a", "b")
    event.success = True
    text = utils.dump_event(event, 7)
    assert json.loads(text) == {
        "id": 7, "name": "foo_bar", "args": [1, "ü"], "kwargs": {"x": [None]}, "success": True,
        "failure": False, "notify": False, "channels": ["a", "b"],
    }  # fmt: skip
    loaded, id = utils.load_event(text)
    assert id == 7
    assert (loaded.name, loaded.args, loaded.kwargs) == ("foo_bar", [1, "ü"], {"x": [None]})
    assert loaded.channels == ("a", "b")
    assert (loaded.success, loaded.failure, loaded.notify) == (True, False, False)


def test_a_value_as_text_and_back() -> None:
    value = Value()
    value.value = {"a": (1, 2)}
    value.node_trn = 5  # type: ignore[attr-defined]
    text = utils.dump_value(value)
    assert json.loads(text) == {"id": 5, "errors": False, "value": {"a": [1, 2]}}
    assert utils.load_value(text) == ({"a": [1, 2]}, 5, False)


def test_a_failure_as_text_and_back() -> None:
    value = Value()
    value.fail((KeyError, KeyError("x"), ["line\n"]))
    value.node_trn = 5  # type: ignore[attr-defined]
    loaded, id, errors = utils.load_value(utils.dump_value(value))
    assert (loaded, id, errors) == (["KeyError", "'x'", ["line\n"]], 5, True)


def test_nested_values_are_unwrapped() -> None:
    value, inner = Value(), Value()
    inner.value = 1
    value.value = inner
    value.value = 2
    assert utils.load_value(utils.dump_value(value)) == ([1, 2], None, False)


@pytest.mark.parametrize("text", ["", "5", "{", '{"id": 1}', '{"name": 5, "id": 1}', "[]"])
def test_texts_that_are_no_packets(text: str) -> None:
    with pytest.raises(ValueError):
        utils.load_event(text)
    with pytest.raises(ValueError):
        utils.load_value(text)


def test_what_does_not_travel() -> None:
    with pytest.raises(TypeError, match=r"args\[0\]"):
        utils.dump_event(Event.create("x", object()), 1)
    value = Value()
    value.value = {1, 2}
    with pytest.raises(TypeError, match="value"):
        utils.dump_value(value)
