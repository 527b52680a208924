"""What an application answers, as a list."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from circuits.core.manager import Manager
from circuits.core.utils import flatten

from ._exposed import page_name
from .controllers import BaseController
from .dispatchers.dispatcher import VERBS
from .dispatchers.static import Static

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._binding import Binding

__all__ = ["Route", "routes"]


@dataclass(frozen=True, slots=True)
class Route:
    """What leads to a method.

    Attributes:
        methods: The verbs; ``("*",)`` is any.
        path: The path, with ``{name}`` for a segment that is an argument, ``[...]`` around what may
            be left out, and ``{name...}`` for any number.
        handler: The method, or the component that answers by itself.
        component: The controller, or that component.
        kind: ``"http"``, or ``"websocket"`` for a method of ``@expose.websocket``.

    .. versionadded:: 2.1
    """

    methods: tuple[str, ...]
    path: str
    handler: Callable[..., Any]
    component: Any
    kind: str = "http"
    _binding: Binding | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        kind = type(self.component)
        name = getattr(self.handler, "__name__", "")
        where = f"{kind.__module__}.{kind.__qualname__}" + (f".{name}" if name else "")
        methods = "WEBSOCKET" if self.kind == "websocket" else ",".join(self.methods)
        return f"{methods:16} {self.path:40} {where}"


def routes(app: Any) -> list[Route]:
    """The routes of an application, sorted by path.

    Args:
        app: A component, with what is registered in it, or a class of components.

    .. versionadded:: 2.1
    """
    if isinstance(app, type):
        app = app()
    if not isinstance(app, Manager):
        raise TypeError(f"{app!r} is neither a component nor a class of components")
    found: list[Route] = []
    seen: set[str] = set()
    for node in flatten(app):
        if isinstance(node, Static):
            path = (node.path or "").rstrip("/") + "/{path...}"
            found.append(Route(("GET", "HEAD"), path, node._on_request, node))
        elif isinstance(node, BaseController) and str(node.channel).startswith("/"):
            mount = node.channel.rstrip("/")
            if mount not in seen:  # the first one answers
                seen.add(mount)
                found += _routes_of(node, mount)
    return sorted(found, key=lambda route: (route.path, route.methods))


def _routes_of(controller: BaseController, mount: str) -> list[Route]:
    found = []
    for spec in controller._tree_specs:
        function = getattr(spec.function, "__func__", spec.function)
        binding = getattr(function, "binding", None)
        if binding is None:
            continue
        arguments = _arguments(binding)
        kind = "websocket" if binding.is_websocket else "http"
        for name in map(page_name, spec.names):
            if name is None:
                continue
            if name in VERBS:
                methods, path = (name,), mount
            else:
                methods = ("GET",) if binding.is_websocket else ("*",)
                path = mount if name == "index" else f"{mount}/{name}"
            path = (path + arguments) or "/"
            found.append(Route(methods, path, function.exposed_function, controller, kind, binding))
    return found


def _arguments(binding: Binding) -> str:
    text = end = ""
    for parameter in binding.parameters[: binding.limit]:
        if parameter.kind is parameter.VAR_POSITIONAL:
            return f"{text}/{{{parameter.name}...}}{end}"
        if parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            continue
        if parameter.default is parameter.empty:
            text += f"/{{{parameter.name}}}"
        else:
            text += f"[/{{{parameter.name}}}"
            end += "]"
    return text + end
