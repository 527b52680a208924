"""Dispatchers beside the one for controllers: what the manual says about them."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import pytest

from circuits import BaseComponent
from circuits.web import Controller, VirtualHosts
from circuits.web.dispatchers import Dispatcher
from tests.web.http_support import get, serving


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("virtualhosts.VirtualHosts", {"domains": inspect.Parameter.empty}),
    ],
)
def test_a_component_takes_what_the_manual_says(name: str, parameters: dict[str, Any]) -> None:
    module, _, attribute = name.partition(".")
    component = getattr(importlib.import_module(f"circuits.web.dispatchers.{module}"), attribute)
    assert component.__bases__ == (BaseComponent,) or issubclass(component, BaseComponent)
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
