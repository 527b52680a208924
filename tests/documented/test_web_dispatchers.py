"""Dispatchers beside the one for controllers: what the manual says about them."""

from __future__ import annotations

import importlib
import inspect
import json
import xmlrpc.client
from typing import Any

import pytest

from circuits import BaseComponent, Component, Event
from circuits.web import JSONRPC, XMLRPC, Controller, VirtualHosts
from circuits.web.dispatchers import Dispatcher
from tests.web.http_support import get, post, serving


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("virtualhosts.VirtualHosts", {"domains": inspect.Parameter.empty}),
        ("xmlrpc.XMLRPC", {"path": None, "encoding": "utf-8", "rpc_channel": "*"}),
        ("jsonrpc.JSONRPC", {"path": None, "encoding": "utf-8", "rpc_channel": "*"}),
    ],
)
def test_a_component_takes_what_the_manual_says(name: str, parameters: dict[str, Any]) -> None:
    module, _, attribute = name.partition(".")
    component = getattr(importlib.import_module(f"circuits.web.dispatchers.{module}"), attribute)
    assert issubclass(component, BaseComponent)
    assert component.channel == "web"
    found = list(inspect.signature(component).parameters.values())
    assert {p.name: p.default for p in found[: len(parameters)]} == parameters
    for package in ("circuits.web", "circuits.web.dispatchers"):
        assert getattr(importlib.import_module(package), attribute) is component


def test_the_virtual_hosts_of_the_manual() -> None:
    class Place(Controller):
        def index(self) -> str:
            return str(self.channel)

    domains = {
        "www.domain.example": "/",
        "www.domain2.example": "/domain2",
        "www.domain2.example:443": "/secure",
    }
    places = [Place(channel=path) for path in domains.values()]
    with serving(Dispatcher(), VirtualHosts(domains), *places) as server:
        client = server.connect()
        for host, path in domains.items():
            request = get("/").replace(b"Host: test", f"Host: {host}".encode())
            assert client.ask(request).body.decode() == path


@pytest.mark.parametrize("module", ["xmlrpc", "jsonrpc"])
def test_both_have_the_rpc_event(module: str) -> None:
    found = importlib.import_module(f"circuits.web.dispatchers.{module}").RPC
    assert issubclass(found, Event)
    assert found("a").args == ["a"]


class Calculator(Component):
    channel = "calc"

    def add(self, a: int, b: int) -> int:
        return a + b


def test_calls_over_xml_become_events() -> None:
    with serving(Dispatcher(), XMLRPC("/rpc"), Calculator()) as server:
        for method in ("add", "calc.add"):
            body = xmlrpc.client.dumps((1, 2), method).encode()
            reply = server.connect().ask(post(body, target="/rpc"))
            assert xmlrpc.client.loads(reply.body) == ((3,), None)
            assert reply.headers["content-type"] == "text/xml"


def test_calls_over_json_become_events() -> None:
    with serving(Dispatcher(), JSONRPC("/rpc"), Calculator()) as server:
        for method in ("add", "calc.add"):
            body = json.dumps({"id": 7, "method": method, "params": [1, 2]}).encode()
            reply = server.connect().ask(post(body, target="/rpc"))
            expected = {"id": 7, "version": "1.1", "result": 3, "error": None}
            assert json.loads(reply.body) == expected
            assert reply.headers["content-type"] == "application/json"


def test_wsgi_both_ways() -> None:
    wsgi = importlib.import_module("circuits.web.wsgi")
    for name in ("Application", "Gateway"):
        assert issubclass(getattr(wsgi, name), BaseComponent)
        assert getattr(wsgi, name).channel == "web"
    assert next(iter(inspect.signature(wsgi.Gateway).parameters)) == "apps"
    parameters = list(inspect.signature(wsgi.Application.__call__).parameters)
    assert parameters == ["self", "environ", "start_response", "exc_info"]


def test_asgi_both_ways() -> None:
    asgi = importlib.import_module("circuits.web.asgi")
    for name in ("Application", "Gateway"):
        assert issubclass(getattr(asgi, name), BaseComponent)
        assert getattr(asgi, name).channel == "web"
    parameters = [*inspect.signature(asgi.Gateway).parameters.values()]
    assert [parameter.name for parameter in parameters[:2]] == ["apps", "threads"]
    assert parameters[1].default == 0
    parameters = [*inspect.signature(asgi.Application.__call__).parameters.values()]
    assert [parameter.name for parameter in parameters] == ["self", "scope", "receive", "send"]


def test_one_gateway_takes_both_kinds() -> None:
    asgi = importlib.import_module("circuits.web.asgi")

    def old(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"old"]

    async def new(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["root_path"].encode()})

    with serving(asgi.Gateway({"/old": old, "/new": new}, lifespan=False)) as server:
        assert server.connect().get("/old").body == b"old"
        assert server.connect().get("/new/x").body == b"/new"


def test_one_application_or_several() -> None:
    wsgi = importlib.import_module("circuits.web.wsgi")

    def app(environ: dict[str, Any], start_response: Any) -> list[str]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return ["Hello ", environ["SCRIPT_NAME"], environ["PATH_INFO"]]

    for apps, target in ((app, "/a/b"), ({"/": app}, "/a/b"), ({"/a": app}, "/a/b")):
        with serving(wsgi.Gateway(apps)) as server:
            assert server.connect().get(target).body == b"Hello /a/b"
