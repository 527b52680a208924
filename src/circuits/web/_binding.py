"""What exposed functions take: looked at once, so that a request needs no introspection."""

from __future__ import annotations

import inspect
from types import FunctionType
from typing import TYPE_CHECKING, Any, get_args, get_origin

from circuits.core.handlers import wants_event

from . import _json
from ._conversion import BodyType, make_converter, resolve
from ._upload import Upload
from .exceptions import BadRequest, HTTPException, UnsupportedMediaType
from .utils import form_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ._conversion import Converter
    from ._request import Request

__all__ = ["Binding", "returns_data"]


class Binding:
    """What an exposed function takes beside request and response.

    Attributes:
        required: Number of path segments it cannot do without.
        limit: Number of path segments it takes at most; ``None`` is any number.
        takes_peer_cert: Whether it names a parameter for the client's certificate.
        stream: Whether it wants to be called before the body of the request is there.
        strict: Whether parameters that it does not take are refused, and not left out.
        converts: Whether annotations say what parameters are.
        makes: Whether they make them something else than text.
        parameters: What clients give, in the order of the signature.
        is_websocket: Whether the function is called with a WebSocket, and not for an answer.
    """

    __slots__ = (
        "_annotations",
        "_any_name",
        "_body",
        "_converters",
        "_names",
        "_needed",
        "_positional",
        "_rest",
        "converts",
        "is_websocket",
        "limit",
        "makes",
        "parameters",
        "required",
        "stream",
        "strict",
        "takes_peer_cert",
    )

    def __init__(
        self,
        function: Callable[..., Any],
        skip: int,
        stream: bool = False,
        strict: bool = False,
        annotated: bool = False,
        is_websocket: bool = False,
    ) -> None:
        """Look at a function.

        Args:
            function: The function.
            skip: How many of its leading parameters are none of the client's business.
            stream: As the attribute.
            strict: As the attribute.
            annotated: Whether its annotations say what parameters are made into.
            is_websocket: As the attribute.

        Raises:
            TypeError: Nothing can be made into what an annotation says.
        """
        # Not through __wrapped__: a decorator may pass on other arguments than it gets.
        parameters = list(inspect.signature(function, follow_wrapped=False).parameters.values())
        own = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        positional = own[skip:]
        self.parameters = tuple(
            p for p in parameters if p not in own[:skip] and p.name != "peer_cert"
        )
        self._positional = tuple(p.name for p in positional)
        self._needed = frozenset(
            p.name
            for p in parameters
            if p.default is p.empty and (p in positional or p.kind is p.KEYWORD_ONLY)
        )
        self._any_name = any(p.kind is p.VAR_KEYWORD for p in parameters)
        # Whether a name may be given; those that are not here are up to ``_any_name``, and a
        # name that counts by position only is free for use as a key there.
        self._names: dict[str, bool] = {}
        for p in parameters:
            if p in own or p.kind is p.KEYWORD_ONLY:
                by_name = p.kind is not p.POSITIONAL_ONLY
                if by_name or not self._any_name:
                    self._names[p.name] = by_name and p not in own[:skip]
        self.required = sum(p.default is p.empty for p in positional)
        self.limit: int | None = len(positional)
        if any(p.kind is p.VAR_POSITIONAL for p in parameters):
            self.limit = _limit_behind(function) if len(own) <= skip else None
        self.takes_peer_cert = self._names.get("peer_cert", False)
        self.stream = stream
        self.strict = strict
        self.is_websocket = is_websocket
        #: Name -> how to make it; what is made of segments that are not named, and of the body.
        self._converters: dict[str, Converter] = {}
        self._rest: Converter | None = None
        self._body: tuple[str, BodyType] | None = None
        #: What is left to be looked up, with the function that it is for.
        self._annotations: dict[str, tuple[Any, Any]] = {}
        if annotated:
            self._annotations = {
                p.name: (p.annotation, function)
                for p in self.parameters
                if p.annotation is not p.empty and p.annotation is not Any
            }
            rest = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), None)
            self._study(rest, with_frames=True)
        makers = [*self._converters.values(), *([self._rest] if self._rest else [])]
        self.makes = bool(
            self._annotations
            or self._body is not None
            or any(converter.what != "str" for converter in makers)
        )
        self.converts = self.makes or bool(makers)

    def complete(self) -> None:
        """Look up what was not defined when the class was made; before the first request.

        Raises:
            TypeError: It is not defined yet, or nothing can be made into it.
        """
        if self._annotations:
            self._study()

    def _study(self, rest: str | None = None, *, with_frames: bool = False) -> None:
        """Look annotations up; what is not defined yet is left for later."""
        for name, (annotation, function) in list(self._annotations.items()):
            try:
                found = resolve(annotation, function, with_frames=with_frames)
            except NameError as problem:
                if with_frames:
                    continue
                raise TypeError(
                    f"parameter {name} of {function.__qualname__} is annotated {annotation!r}, "
                    f"but {problem}: it must be imported at run time, too"
                ) from None
            try:
                converter = make_converter(found)
            except TypeError as problem:
                raise TypeError(f"parameter {name} of {function.__qualname__}: {problem}") from None
            del self._annotations[name]
            if isinstance(converter, BodyType):
                self._take_body(name, converter, function)
            elif converter is not None and name == rest:
                self._rest = converter
            elif converter is not None:
                self._converters[name] = converter

    def _take_body(self, name: str, kind: BodyType, function: Any) -> None:
        if self._body is not None:
            raise TypeError(
                f"{function.__qualname__} takes the body of a request twice: "
                f"as {self._body[0]} and as {name}"
            )
        if self.stream:
            raise TypeError(f"{function.__qualname__} has stream=True, so {name} is not there yet")
        self._body = (name, kind)
        if name in self._positional:  # it counts by its name only
            count = self._positional.index(name)
            self.required = min(self.required, count)
            self.limit = count if self.limit is not None else None
        self._names[name] = False

    @property
    def may_keep(self) -> bool:
        """Whether the same path and query always make the same, and what nobody can change."""
        makers = (*self._converters.values(), self._rest)
        return self._body is None and not any(maker and maker.wants_list for maker in makers)

    def accepts(self, count: int) -> bool:
        """Whether a path with so many further segments may lead here."""
        if count == 0 or self.limit is None:
            return True
        return self.required <= count <= self.limit

    def fits(self, count: int) -> bool:
        """Whether so many segments, and no parameters, are all that is needed."""
        return (self.limit is None or count <= self.limit) and not (
            self._needed.difference(self._positional[:count])
        )

    def misfit(self, count: int, names: Iterable[str]) -> tuple[int, str] | None:
        """Say why a call would fail.

        Args:
            count: Number of path segments.
            names: Names of the parameters in the query and the form.

        Returns:
            Status code and description, or ``None`` if nothing is wrong.
        """
        if self.limit is not None and count > self.limit:
            return 404, "The path has too many segments."
        if self.strict:
            for name in names:
                if not self._takes(name, count):
                    return 400, f"Unexpected parameter: {name:.80}"
        if not self._needed:
            return None
        missing = self._needed.difference(
            self._positional[:count], [n for n in names if self._names.get(n)]
        )
        if missing and self._body is not None:
            missing = missing.difference((self._body[0],))
        if missing:
            return 400, f"Missing parameter: {', '.join(sorted(missing))}"
        return None

    def _takes(self, name: str, count: int) -> bool:
        """Whether a parameter may be given by its name, beside so many segments."""
        return self._names.get(name, self._any_name) and not (
            name in self._positional[:count] and self._names.get(name)
        )

    def chosen(self, count: int, kwargs: dict[str, Any]) -> dict[str, Any]:
        """The parameters that the function takes; links gain others on their way."""
        if all(self._takes(name, count) for name in kwargs):
            return kwargs
        return {name: value for name, value in kwargs.items() if self._takes(name, count)}

    def convert(
        self, segments: tuple[str, ...], kwargs: dict[str, Any], request: Request
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Make the parameters what the annotations say.

        Args:
            segments: The path segments that are arguments.
            kwargs: The parameters of query and form.
            request: The request.

        Raises:
            HTTPException: One does not fit; it says which, and why.
            TypeError: An annotation cannot be used.
        """
        converters, positional = self._converters, self._positional
        made: list[Any] = []
        for index, segment in enumerate(segments):
            is_rest = index >= len(positional)
            name = f"number {index + 1}" if is_rest else positional[index]
            converter = self._rest if is_rest else converters.get(name)
            made.append(segment if converter is None else _converted(name, converter, segment))
        named = dict(kwargs)
        for name, value in kwargs.items():
            converter = converters.get(name)
            if converter is not None and not (converter.keeps_text and value.__class__ is str):
                if converter.wants_list:
                    value = _all_values(name, request)
                named[name] = _converted(name, converter, value)
        if self._body is not None:
            name, kind = self._body
            named.pop(name, None)
            found = _made_of_body(kind, request, name not in self._needed)
            if found is not _ABSENT:
                named[name] = found
        return tuple(made), named


class _Unprocessable(HTTPException):
    """The content is well-formed, and means nothing here."""

    code = 422


_ABSENT: Any = object()


def _converted(name: str, converter: Converter, value: Any) -> Any:
    try:
        return converter(value)
    except ValueError as problem:
        raise BadRequest(f"Parameter {name} must be {converter.what}, not {problem}.") from None


def _all_values(name: str, request: Request) -> list[Any]:
    """All values of a parameter; those of a form count, if there are any."""
    fields = () if request._body is None else form_fields(request)
    return [value for key, value in fields if key == name] or request.query.getall(name)


def _made_of_body(kind: BodyType, request: Request, is_optional: bool) -> Any:
    """Make what is annotated with a class of the body."""
    if not request._body or not (data := request.body.read()):
        if is_optional:
            return _ABSENT
        if kind.is_optional:
            return None
        raise BadRequest(f"The request has no body, which must be {kind.what}.")
    request.body.seek(0)
    try:
        if _json.is_json(request.headers["Content-Type"]):
            return kind.from_json(data)
        fields: dict[str, list[Any]] = {}
        for name, value in form_fields(request):
            if not isinstance(value, Upload):
                fields.setdefault(name, []).append(value)
        if not fields:
            raise UnsupportedMediaType(f"The body must be {kind.what} as JSON, or a form.")
        return kind.from_fields(fields)
    except LookupError as problem:
        raise _Unprocessable(f"The body is no {kind.what}: {problem}.") from None
    except ValueError as problem:
        raise BadRequest(f"The body is no JSON: {problem}.") from None


def returns_data(function: Callable[..., Any]) -> bool:
    """Whether a function says that it returns a list of something, which is no list of pieces."""
    annotation = getattr(function, "__annotations__", {}).get("return")
    if isinstance(annotation, str):
        if not annotation.startswith(("list[", "tuple[")):
            return False
        try:
            annotation = resolve(annotation, function, with_frames=True)
        except NameError:
            return True
    if get_origin(annotation) not in (list, tuple):
        return False
    return get_args(annotation)[0] not in (Any, object, bytes)


def _limit_behind(function: Callable[..., Any]) -> int | None:
    """How many segments the function behind a decorator takes that passes everything on."""
    inner = inspect.unwrap(function)
    if inner is function or not isinstance(inner, FunctionType):
        return None
    parameters = inspect.signature(inner).parameters.values()
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return None
    count = sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
    return count - 1 - wants_event(inner)
