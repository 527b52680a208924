"""The list of what an application answers."""

from __future__ import annotations

from typing import Any

import pytest

from circuits.web import Controller, JSONController, Static, WebSocket, expose, routes
from tests.web.controller_support import Site


class Root(Controller):
    def index(self, *args: str) -> None: ...
    def page(self, number: int, part: str = "", *, key: str = "") -> None: ...
    @expose("robots.txt", "humans.txt")
    def texts(self) -> None: ...
    def _hidden(self) -> None: ...
    def told(self, event: Any, name: str) -> None: ...
    @expose.websocket
    async def chat(self, ws: WebSocket, room: str = "") -> None: ...


class Books(JSONController):
    channel = "/books"

    def GET(self, number: int | None = None) -> None: ...
    def DELETE(self, number: int) -> None: ...


def test_routes_have_verbs_paths_and_handlers() -> None:
    found = routes(Site(Root(), Books(), Static("/static")))
    assert {(",".join(r.methods), r.path) for r in found} == {
        ("GET", "/books[/{number}]"),
        ("DELETE", "/books/{number}"),
        ("GET", "/chat[/{room}]"),
        ("*", "/humans.txt"),
        ("*", "/page/{number}[/{part}]"),
        ("*", "/robots.txt"),
        ("GET,HEAD", "/static/{path...}"),
        ("*", "/told/{name}"),
        ("*", "/{args...}"),
    }
    assert [route.path for route in found] == sorted(route.path for route in found)
    page = next(route for route in found if route.path.startswith("/page"))
    assert isinstance(page.component, Root)
    assert page.handler.__name__ == "page"
    chat = next(route for route in found if route.path.startswith("/chat"))
    assert (chat.kind, page.kind) == ("websocket", "http")
    assert str(chat).split()[0] == "WEBSOCKET"
    assert str(page).split() == ["*", "/page/{number}[/{part}]", f"{__name__}.Root.page"]


def test_a_class_will_do_and_a_function_will_not() -> None:
    assert [route.path for route in routes(Books)] == ["/books/{number}", "/books[/{number}]"]
    with pytest.raises(TypeError, match="neither a component nor a class"):
        routes(len)
