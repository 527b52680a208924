"""What the manual says about controllers and the dispatcher."""

from __future__ import annotations

import inspect
from typing import Any

from circuits.core.components import BaseComponent
from circuits.web.controllers import (
    BaseController,
    Controller,
    JSONController,
    expose,
    exposeJSON,
)
from circuits.web.dispatchers import Dispatcher
from circuits.web.dispatchers.dispatcher import Dispatcher as DispatcherOfModule
from tests.web.controller_support import Site


def test_classes_derive_from_what_the_manual_says() -> None:
    assert Controller.__bases__ == (BaseController,)
    assert JSONController.__bases__ == (BaseController,)
    assert issubclass(BaseController, BaseComponent)
    assert Dispatcher is DispatcherOfModule
    assert Dispatcher.__bases__ == (BaseComponent,)


def test_decorators_take_channels_and_config() -> None:
    for decorator in (expose, exposeJSON):
        kinds = [(p.name, p.kind.name) for p in inspect.signature(decorator).parameters.values()]
        assert kinds == [("channels", "VAR_POSITIONAL"), ("config", "VAR_KEYWORD")]


def test_hello_world() -> None:
    class Root(Controller):
        def index(self) -> str:
            return "Hello World!"

    assert Site(Root()).ask("/").result == "Hello World!"


def test_channels() -> None:
    assert BaseController().channel == "/"
    assert Dispatcher().channel == "web"
    assert Dispatcher(channel="other").channel == "other"


def test_a_controller_is_named_by_its_channel() -> None:
    class News(Controller):
        channel = "/foo/bar"

        def index(self, *args: Any) -> str:
            return "|".join(args)

    site = Site(News())
    assert site.ask("/foo/bar/2026/11").result == "2026|11"
    assert list(site.dispatcher.paths) == ["/foo/bar"]
