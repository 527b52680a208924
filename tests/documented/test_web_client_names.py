"""The client of the web: names and signatures of the manual."""

from __future__ import annotations

import inspect

import circuits.web.client
from circuits import BaseComponent, Event
from circuits.web.client import Client, Request, parse_url


def test_names() -> None:
    names = [
        "Client",
        "Request",
        "Connect",
        "Write",
        "Close",
        "HTTPException",
        "NotConnected",
        "parse_url",
    ]
    assert [name for name in names if not hasattr(circuits.web.client, name)] == []


def test_the_event() -> None:
    event = Request("GET", "/")
    assert issubclass(Request, Event)
    assert event.name == "request"
    assert list(event.args[:2]) == ["GET", "/"]


def test_the_component() -> None:
    assert issubclass(Client, BaseComponent)
    client = Client("http://example.org/")
    assert client.channel == "client"
    assert Client("http://example.org/", channel="other").channel == "other"
    assert not client.connected
    assert client.response is None
    for name, first in [
        ("connect", ["host", "port", "secure"]),
        ("write", ["data"]),
        ("close", []),
        ("request", ["method", "path", "body", "headers"]),
    ]:
        parameters = list(inspect.signature(getattr(client, name)).parameters)
        assert parameters[: len(first)] == first


def test_urls() -> None:
    assert parse_url("https://example.org/a?b") == ("example.org", 443, "/a?b", True)
