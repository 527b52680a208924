"""The client of the web: names and signatures of the manual."""

from __future__ import annotations

import inspect

import circuits.web.client
from circuits import BaseComponent, Event
from circuits._wire.http1 import ResponseHead
from circuits.web._client_request import ClientRequest
from circuits.web.client import Client, ClientResponse, Request, parse_url


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


def test_what_can_be_awaited() -> None:
    client = Client("http://example.org/", timeout=(1, 2, 3, 4), follow_redirects=True)
    for name in ("get", "post", "put", "patch", "delete", "head", "options", "request", "stream"):
        assert callable(getattr(client, name))
    names = ["status", "reason", "headers", "text", "content", "cookies", "url", "history"]
    names += ["json", "raise_for_status", "__aiter__", "iter_bytes", "iter_lines", "iter_text"]
    head = ResponseHead(200, "OK", (1, 1), (), True, 0, False, False, False)
    response = ClientResponse(head, ClientRequest("GET", "http://example.org/"))
    assert [name for name in names if not hasattr(response, name)] == []


def test_errors_have_one_base() -> None:
    for name in [
        "ConnectError",
        "ClientTimeout",
        "ProtocolError",
        "TooManyRedirects",
        "StatusError",
    ]:
        assert issubclass(getattr(circuits.web.client, name), circuits.web.client.ClientError)
    assert issubclass(circuits.web.client.NotConnected, circuits.web.client.HTTPException)
