"""A description of an application that programs read: OpenAPI 3.1."""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin
from uuid import UUID

from circuits.core.components import BaseComponent
from circuits.core.handlers import handler

from ._conversion import plain, resolve
from ._json import encode, is_record
from ._routes import Route, routes
from ._upload import Upload
from .controllers import JSONController

if TYPE_CHECKING:
    from .wrappers import Request, Response

__all__ = ["OpenAPI"]

_SCALARS: dict[Any, dict[str, Any]] = {
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    str: {"type": "string"},
    bytes: {"type": "string", "format": "binary"},
    Upload: {"type": "string", "format": "binary"},
    Decimal: {"type": "string", "format": "decimal"},
    UUID: {"type": "string", "format": "uuid"},
    date: {"type": "string", "format": "date"},
    datetime: {"type": "string", "format": "date-time"},
    type(None): {"type": "null"},
    dict: {"type": "object"},
    list: {"type": "array"},
}


class OpenAPI(BaseComponent):
    """Answers ``path`` with what the controllers of the tree answer, made of their methods.

    Annotations say what parameters are, docstrings what methods do. Segments that a method cannot
    do without are in the path, all other parameters in the query. A method of any verb is listed
    as ``get``, or as ``post`` if it takes a body.

    Args:
        path: Where the description is.
        title: Name of the application.
        version: Its version.
        channel: Channel of the server.

    .. versionadded:: 2.1
    """

    channel = "web"

    def __init__(
        self,
        path: str = "/openapi.json",
        title: str = "Application",
        version: str = "1",
        channel: str = "web",
    ) -> None:
        super().__init__(channel=channel)
        self.path = path
        self.title = title
        self.version = version

    @handler("request", filter=True, priority=0.15)
    def _on_request(self, request: Request, response: Response, peer_cert: Any = None) -> Any:
        if request.path != self.path or request.method not in ("GET", "HEAD"):
            return None
        response.headers["Content-Type"] = "application/json"
        return encode(self.describe())

    def describe(self) -> dict[str, Any]:
        """The description, as a dictionary."""
        schemas: dict[str, Any] = {}
        paths: dict[str, dict[str, Any]] = {}
        for route in routes(self.root):
            _add(paths, route, schemas)
        description: dict[str, Any] = {
            "openapi": "3.1.0",
            "info": {"title": self.title, "version": self.version},
            "paths": paths,
        }
        if schemas:
            description["components"] = {"schemas": schemas}
        return description


def _add(paths: dict[str, dict[str, Any]], route: Route, schemas: dict[str, Any]) -> None:
    function, binding = route.handler, route._binding
    if binding is None or binding.is_websocket:
        return
    path = re.sub(r"\[.*\]", "", route.path).replace("...}", "}") or "/"
    in_path = set(re.findall(r"\{(\w+)\}", path))
    listed: list[dict[str, Any]] = []
    content: dict[str, Any] = {}
    for parameter in binding.parameters:
        annotation = _looked_up(parameter.annotation, function)
        schema = _schema(annotation, schemas)
        kinds = [plain(kind) for kind in get_args(annotation) or (annotation,)]
        if any(isinstance(kind, type) and is_record(kind) for kind in kinds):
            content["application/json"] = {"schema": schema}
            in_path.discard(parameter.name)
            path = path.replace(f"/{{{parameter.name}}}", "") or "/"
        elif Upload in kinds:
            form = content.setdefault("multipart/form-data", {"schema": {"type": "object"}})
            form["schema"].setdefault("properties", {})[parameter.name] = schema
            path = path.replace(f"/{{{parameter.name}}}", "") or "/"
        elif parameter.kind is not parameter.VAR_KEYWORD:
            place = "path" if parameter.name in in_path else "query"
            required = place == "path" or parameter.default is parameter.empty
            listed.append(
                {"name": parameter.name, "in": place, "required": required, "schema": schema}
            )
    summary, _, rest = (inspect.getdoc(function) or "").partition("\n")
    operation: dict[str, Any] = {"responses": _responses(route, schemas, bool(listed or content))}
    for key, value in (
        ("summary", summary),
        ("description", rest.strip()),
        ("parameters", listed),
        ("requestBody", content and {"required": True, "content": content}),
    ):
        if value:
            operation[key] = value
    methods = ("POST" if content else "GET",) if route.methods == ("*",) else route.methods
    for method in methods:
        paths.setdefault(path, {})[method.lower()] = operation


def _looked_up(annotation: Any, function: Any) -> Any:
    try:
        found = plain(resolve(annotation, function, with_frames=False))
    except Exception:  # a name that is not defined; the method says so when it is called
        return inspect.Parameter.empty
    return type(None) if found is None else found


def _responses(route: Route, schemas: dict[str, Any], takes_anything: bool) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": "The answer."}
    annotations = getattr(route.handler, "__annotations__", {})
    returned = _looked_up(annotations.get("return", inspect.Parameter.empty), route.handler)
    kind = get_origin(returned) or returned
    is_data = kind in (dict, list) or (isinstance(kind, type) and is_record(kind))
    if is_data or isinstance(route.component, JSONController):
        answer["content"] = {"application/json": {"schema": _schema(returned, schemas)}}
    refused = {"400": {"description": "A parameter does not fit."}} if takes_anything else {}
    return {"200": answer, **refused}


def _schema(annotation: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    """What values of a type look like; records are put into ``schemas``."""
    annotation = plain(annotation)
    if annotation in _SCALARS:
        return dict(_SCALARS[annotation])
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is list:
        return {"type": "array", "items": _schema(arguments[0], schemas)}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(arguments[1], schemas)}
    if arguments and type(None) in arguments:
        return {"anyOf": [_schema(argument, schemas) for argument in arguments]}
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return {"enum": [member.value for member in annotation]}
    if isinstance(annotation, type) and is_record(annotation):
        name = annotation.__name__
        if name not in schemas:
            schemas[name] = {}  # it may refer to itself
            schemas[name] = _record(annotation, schemas)
        return {"$ref": f"#/components/schemas/{name}"}
    return {}


def _record(kind: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    if dataclasses.is_dataclass(kind):
        missing = dataclasses.MISSING
        required = [
            field.name
            for field in dataclasses.fields(kind)
            if field.default is missing and field.default_factory is missing
        ]
        names = [field.name for field in dataclasses.fields(kind)]
    else:  # a Struct
        names = list(kind.__struct_fields__)
        required = names[: len(names) - len(kind.__struct_defaults__)]
    properties = {name: _schema(hints[name], schemas) for name in names}
    return {"type": "object", "properties": properties, "required": required}
