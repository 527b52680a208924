"""The paths of the 3.x line that are other names for the same things, and lines of bytes."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

import circuits.protocols
from circuits import Manager
from circuits.net.protocols import http, stomp, websocket
from circuits.net.sockets import Read
from circuits.protocols.line import Line
from circuits.testing import Recorder, settle


@pytest.mark.parametrize(
    ("path", "name", "thing"),
    [
        ("http", "HTTP", http.HTTP),
        ("http", "ResponseObject", http.ResponseObject),
        ("http", "request", http.Request),
        ("http", "response", http.Response),
        ("websocket", "WebSocketCodec", websocket.WebSocketCodec),
        ("stomp", "StompClient", stomp.StompClient),
        ("stomp.client", "StompClient", stomp.StompClient),
        ("stomp.client", "ACK_MODES", stomp.ACK_MODES),
        ("stomp.events", "subscribe", stomp.subscribe),
        ("stomp.events", "on_stomp_error", stomp.on_stomp_error),
    ],
)
def test_other_names(path: str, name: str, thing: Any) -> None:
    assert getattr(importlib.import_module(f"circuits.protocols.{path}"), name) is thing


def test_the_package() -> None:
    assert set(circuits.protocols.__all__) == {"HTTP", "IRC", "Line", "WebSocketCodec"}


@pytest.mark.parametrize(("options", "line"), [({}, b"gr\xc3\xbc"), ({"encoding": "utf-8"}, "grü")])
def test_lines_are_bytes_unless_an_encoding_is_given(options: Any, line: object) -> None:
    app = Manager()
    Line(channel="x", **options).register(app)
    recorder = Recorder("line").register(app)
    app.fire(Read(b"gr\xc3\xbc\r\n"), "x")
    settle(app)
    assert [record.args for record in recorder] == [(line,)]
