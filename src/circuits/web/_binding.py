"""What exposed functions take: looked at once, so that a request needs no introspection."""

from __future__ import annotations

import inspect
from types import FunctionType
from typing import TYPE_CHECKING, Any

from circuits.core.handlers import wants_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Binding"]


class Binding:
    """What an exposed function takes beside request and response.

    Attributes:
        required: Number of path segments it cannot do without.
        limit: Number of path segments it takes at most; ``None`` is any number.
        takes_peer_cert: Whether it names a parameter for the client's certificate.
        stream: Whether it wants to be called before the body of the request is there.
    """

    __slots__ = (
        "_any_name",
        "_names",
        "_needed",
        "_positional",
        "limit",
        "required",
        "stream",
        "takes_peer_cert",
    )

    def __init__(self, function: Callable[..., Any], skip: int, stream: bool = False) -> None:
        """Look at a function.

        Args:
            function: The function.
            skip: How many of its leading parameters are none of the client's business.
            stream: As the attribute.
        """
        # Not through __wrapped__: a decorator may pass on other arguments than it gets.
        parameters = list(inspect.signature(function, follow_wrapped=False).parameters.values())
        own = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        positional = own[skip:]
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
        given = self._positional[:count]
        for name in names:
            allowed = self._names.get(name, self._any_name)
            if not allowed or (name in given and self._names.get(name)):
                return 400, f"Unexpected parameter: {name:.80}"
        missing = self._needed.difference(given, [n for n in names if self._names.get(n)])
        if missing:
            return 400, f"Missing parameter: {', '.join(sorted(missing))}"
        return None


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
