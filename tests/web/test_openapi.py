"""The description of an application for programs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Any, Literal, NewType
from uuid import UUID

from circuits.web import Controller, JSONController, OpenAPI, WebSocket, expose
from circuits.web.dispatchers import Dispatcher
from tests.web.http_support import serving


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Part:
    name: str
    size: int = 1
    parts: list[Part] = field(default_factory=list)


Key = NewType("Key", UUID)


class Root(Controller):
    def index(self) -> str:
        """The start.

        With more of it.
        """
        return "index"

    def item(self, number: int, colour: Colour = Colour.RED, *, sort: Literal["up", "down"]) -> str:
        return "item"

    def add(self, part: Part) -> dict[str, int]:
        return {"size": part.size}

    @expose.websocket
    async def chat(self, ws: WebSocket, room: str) -> None: ...


class Api(JSONController):
    channel = "/api"

    def GET(self, key: UUID, tags: list[str] | None = None) -> list[Part]:
        return []

    def DELETE(self, key: UUID) -> None: ...


class Told(Controller):
    channel = "/told"

    def index(self, event: Any, name: str = "") -> str:
        return name

    def page(self, websocket: str) -> str:
        return websocket

    def put(self, name: str, part: Part, note: str) -> str:
        return name

    def typed(
        self, key: Key, size: Annotated[int, "in bytes"], keys: list[Annotated[Key, "many"]]
    ) -> str:
        return str(key)


def _describe() -> Any:
    with serving(Dispatcher(), Root(), Api(), OpenAPI(title="Parts", version="2")) as server:
        client = server.connect()
        reply = client.get("/openapi.json")
        assert client.get("/").body == b"index"
    assert reply.headers["content-type"] == "application/json"
    return json.loads(reply.body)


def test_the_description() -> None:
    found = _describe()
    assert found["openapi"] == "3.1.0"
    assert found["info"] == {"title": "Parts", "version": "2"}
    assert set(found["paths"]) == {"/", "/item/{number}", "/add", "/api/{key}"}
    start = found["paths"]["/"]["get"]
    assert (start["summary"], start["description"]) == ("The start.", "With more of it.")
    assert "parameters" not in start
    assert {p["name"]: p for p in found["paths"]["/item/{number}"]["get"]["parameters"]} == {
        "number": {
            "name": "number", "in": "path", "required": True, "schema": {"type": "integer"},
        },
        "colour": {
            "name": "colour", "in": "query", "required": False, "schema": {"enum": ["red", "blue"]},
        },
        "sort": {
            "name": "sort", "in": "query", "required": True, "schema": {"enum": ["up", "down"]},
        },
    }  # fmt: skip
    assert set(found["paths"]["/api/{key}"]) == {"get", "delete"}
    nothing = found["paths"]["/api/{key}"]["delete"]["responses"]["200"]["content"]
    assert nothing == {"application/json": {"schema": {"type": "null"}}}
    key, tags = found["paths"]["/api/{key}"]["get"]["parameters"]
    assert key["schema"] == {"type": "string", "format": "uuid"}
    assert (tags["in"], tags["required"]) == ("query", False)


def test_records_are_described_once() -> None:
    found = _describe()
    reference = {"$ref": "#/components/schemas/Part"}
    body = found["paths"]["/add"]["post"]["requestBody"]
    assert body["content"] == {"application/json": {"schema": reference}}
    assert found["components"]["schemas"]["Part"] == {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "size": {"type": "integer"},
            "parts": {"type": "array", "items": reference},
        },
        "required": ["name"],
    }
    answer = found["paths"]["/api/{key}"]["get"]["responses"]["200"]["content"]
    assert answer == {"application/json": {"schema": {"type": "array", "items": reference}}}


def test_what_is_described_is_what_a_client_gives() -> None:
    with serving(Dispatcher(), Told(), OpenAPI()) as server:
        paths = json.loads(server.connect().get("/openapi.json").body)["paths"]
    assert set(paths) == {
        "/told", "/told/page/{websocket}", "/told/put/{name}", "/told/typed/{key}/{size}/{keys}",
    }  # fmt: skip
    put = paths["/told/put/{name}"]["post"]["parameters"]
    assert [(p["name"], p["in"]) for p in put] == [("name", "path"), ("note", "query")]
    assert [p["name"] for p in paths["/told"]["get"]["parameters"]] == ["name"]
    uuid = {"type": "string", "format": "uuid"}
    typed = paths["/told/typed/{key}/{size}/{keys}"]["get"]["parameters"]
    assert [p["schema"] for p in typed] == [
        uuid, {"type": "integer"}, {"type": "array", "items": uuid},
    ]  # fmt: skip
