"""The names of circuits.web that the manual gives, at the places where it gives them."""

from __future__ import annotations

import importlib
import inspect

import pytest

_EXPORTS = {
    "Server": "circuits.web.servers",
    "BaseServer": "circuits.web.servers",
    "Controller": "circuits.web.controllers",
    "BaseController": "circuits.web.controllers",
    "JSONController": "circuits.web.controllers",
    "expose": "circuits.web.controllers",
    "exposeJSON": "circuits.web.controllers",
    "Request": "circuits.web.events",
    "Response": "circuits.web.events",
    "Stream": "circuits.web.events",
    "HTTPError": "circuits.web.errors",
    "Forbidden": "circuits.web.errors",
    "NotFound": "circuits.web.errors",
    "Redirect": "circuits.web.errors",
    "Logger": "circuits.web.loggers",
    "Sessions": "circuits.web.sessions",
    "CORS": "circuits.web.security",
    "CSRF": "circuits.web.csrf",
    "Health": "circuits.web.health",
    "RateLimit": "circuits.web.security",
    "SecurityHeaders": "circuits.web.security",
    "Static": "circuits.web.dispatchers.static",
    "WebSockets": "circuits.web.dispatchers.websockets",
    "url": "circuits.web.utils",
}


@pytest.mark.parametrize("name", _EXPORTS)
def test_the_package_offers_it(name: str) -> None:
    package = importlib.import_module("circuits.web")
    home = importlib.import_module(_EXPORTS[name])
    assert getattr(package, name) is getattr(home, name)


@pytest.mark.parametrize(
    ("place", "names"),
    [
        ("circuits.web.servers", ["BaseServer", "Server", "FakeSock", "StdinServer"]),
        ("circuits.web.http", ["HTTP"]),
        ("circuits.web.dispatchers", ["Dispatcher", "Static"]),
        ("circuits.web.wrappers", ["Body", "Host", "Request", "Response", "file_generator"]),
        ("circuits.web.main", ["main"]),
    ],
)
def test_the_module_has_it(place: str, names: list[str]) -> None:
    module = importlib.import_module(place)
    assert [name for name in names if not hasattr(module, name)] == []


@pytest.mark.parametrize(
    ("place", "parameters"),
    [
        (
            "circuits.web.servers.BaseServer",
            ["bind", "encoding", "secure", "certfile", "channel"],
        ),
        ("circuits.web.servers.Server", ["bind"]),
        ("circuits.web.servers.StdinServer", ["encoding", "channel"]),
        ("circuits.web.http.HTTP", ["encoding", "channel"]),
        ("circuits.web.wrappers.Request", ["sock", "method", "scheme", "path", "protocol", "qs"]),
        ("circuits.web.wrappers.Response", ["request", "encoding", "code", "message"]),
        ("circuits.web.wrappers.Host", ["ip", "port", "name"]),
        ("circuits.web.CORS", ["origins", "methods", "headers", "credentials", "max_age"]),
        ("circuits.web.CSRF", ["secret"]),
        ("circuits.web.Health", ["path", "ready"]),
        ("circuits.web.RateLimit", ["requests", "seconds", "key"]),
        (
            "circuits.web.SecurityHeaders",
            ["hsts", "frame", "content_type", "referrer", "csp"],
        ),
    ],
)
def test_it_takes_these_in_this_order(place: str, parameters: list[str]) -> None:
    module, _, name = place.rpartition(".")
    found = list(inspect.signature(getattr(importlib.import_module(module), name)).parameters)
    assert found[: len(parameters)] == parameters


@pytest.mark.parametrize(
    "name", ["_on_read", "_on_request_success", "_on_response", "_on_httperror"]
)
def test_http_has_the_documented_handlers(name: str) -> None:
    http = importlib.import_module("circuits.web.http")
    assert callable(getattr(http.HTTP, name))


def test_the_channel_is_web() -> None:
    http = importlib.import_module("circuits.web.http")
    servers = importlib.import_module("circuits.web.servers")
    assert http.HTTP.channel == servers.BaseServer.channel == "web"
