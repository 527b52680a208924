"""The description of an application for programs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal
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
    async def chat(self, websocket: WebSocket) -> None: ...


class Api(JSONController):
    channel = "/api"

    def GET(self, key: UUID, tags: list[str] | None = None) -> list[Part]:
        return []

    def DELETE(self, key: UUID) -> None: ...


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
