"""Remote calls, whatever their format: which handlers clients may reach, and what these return.

A call becomes an event whose name is that of the method. On most channels there are handlers that
no client must reach - ``close`` of a server, ``started`` of everything -, and the channel may be
every channel. So methods are looked up among the handlers that the application itself has written,
and the event goes to nobody else. A name without a handler leaves nothing behind: no class of
events, no route.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from circuits.core import events as core_events
from circuits.core._routing import listens
from circuits.core.components import BaseComponent
from circuits.core.events import BaseEvent, Event, literal_class
from circuits.core.handlers import handler
from circuits.core.values import Value
from circuits.net import events as net_events
from circuits.web import errors, events
from circuits.web._request_body import BodyStream, gather

if TYPE_CHECKING:
    from collections.abc import Collection, Generator

    from circuits.core.handlers import HandlerSpec
    from circuits.core.manager import Manager
    from circuits.web.wrappers import Request, Response

__all__ = ["RPC", "Misfit", "Remote", "Unknown", "describe"]

#: What the framework tells its components; a client could lie to them.
_RESERVED = frozenset(
    value.name
    for module in (core_events, net_events, events, errors)
    for value in vars(module).values()
    if isinstance(value, type) and issubclass(value, BaseEvent)
)
_FEEDBACK = ("_success", "_failure", "_complete", "_done", "_value_changed")


class RPC(Event[Any]):
    """A client calls a method.

    Fired by a dispatcher on the channel that the client has named, or on its ``rpc_channel``; of
    a class that has the name of the method, exactly as it came. What a handler returns, or raises,
    is the answer; of several results, their list.

    Args:
        *args: Positional arguments of the call.
        **kwargs: Keyword arguments of the call.
    """

    def __init__(self, /, *args: Any, **kwargs: Any) -> None:
        # Not through the base class: its "self" would clash with a keyword of that name.
        self.args = list(args)
        self.kwargs = kwargs

    @classmethod
    def create(cls, name: str, /, *args: Any, **kwargs: Any) -> RPC:  # type: ignore[override]  # a keyword may be called "name"
        """Make a call of the method ``name``.

        Args:
            name: Name of the class and of the event; it is not changed.
            *args: Positional arguments of the call.
            **kwargs: Keyword arguments of the call.
        """
        made: type[RPC] = literal_class(cls, name)
        return made(*args, **kwargs)


class Unknown(LookupError):
    """No such method, or none that clients may call."""


class Misfit(TypeError):
    """The arguments do not fit the method."""


def describe(problem: BaseException) -> str:
    """What a client is told of an exception."""
    name = type(problem).__name__
    return f"{_SHOWN_AS.get(name, name)}: {problem}"


#: What our own are to their clients.
_SHOWN_AS = {"Unknown": "LookupError", "Misfit": "TypeError"}


class Remote(BaseComponent):
    """Base of the dispatchers for remote calls.

    Args:
        path: Where it answers; ``None`` is everywhere.
        encoding: The encoding of requests and responses.
        rpc_channel: Where methods are called whose name has no channel before a dot.
        methods: Names that clients may call, with their channels as clients write them. ``None``
            is every handler of the application.
        **kwargs: For the component, such as ``channel``.
    """

    _fires_by_name = True  # what others send
    channel = "web"

    def __init__(
        self,
        path: str | None = None,
        encoding: str = "utf-8",
        rpc_channel: Any = "*",
        *,
        methods: Collection[str] | None = None,
        **kwargs: Any,
    ) -> None:
        if isinstance(methods, str):
            raise TypeError(f"methods must be a collection of names, not {methods!r}")
        super().__init__(**kwargs)
        self.path = path
        self.encoding = encoding
        self.rpc_channel = rpc_channel
        self.methods = None if methods is None else frozenset(methods)

    # -- requests --

    def wants_stream(self, request: Request) -> bool | None:
        """Have the HTTP component gather the bodies of our requests."""
        return False if self._is_ours(request) else None

    def _is_ours(self, request: Request) -> bool:
        return self.path is None or request.path.strip("/") == self.path.strip("/")

    @handler("request", filter=True, priority=0.2)
    def _on_request(self, request: Request, response: Response, peer_cert: Any = None) -> Any:
        if not self._is_ours(request):
            return None
        if request.method != "POST":
            response.headers["Allow"] = "POST"
            return errors.HTTPError(request, response, 405)
        return self._respond(request, response)

    def _respond(self, request: Request, response: Response) -> Generator[Any, Any, Any]:
        if isinstance(request.body, BodyStream):
            yield from gather(request)
        return (yield from self._answer(request.body.read(), response))

    def _answer(self, data: bytes, response: Response) -> Generator[Any, Any, Any]:
        """Make the calls of a request, and give what answers it."""
        raise NotImplementedError

    # -- calls --

    def _begin(self, method: str, args: list[Any], kwargs: dict[str, Any]) -> Value:
        """Fire the event of a call.

        Raises:
            Unknown: There is no such method.
            Misfit: It does not take these arguments.
        """
        channel, dot, name = method.rpartition(".")
        handlers, channels = self._find(method, name, channel if dot else self.rpc_channel)
        for component, spec in handlers:
            bound: Any = spec.bound_to(component)
            given = [bound.__self__, *[None] * spec.wants_event, *args]
            try:
                inspect.signature(bound.__func__).bind(*given, **kwargs)
            except TypeError as problem:
                raise Misfit(f"{method}: {problem}") from None
        return self.fire(RPC.create(name, *args, **kwargs), *channels)

    def _find(
        self, method: str, name: str, channel: Any
    ) -> tuple[list[tuple[Manager, HandlerSpec]], tuple[Any, ...]]:
        """The handlers of a method, and where to fire its event so that only they see it."""
        own: list[tuple[Manager, HandlerSpec]] = []
        all_are_own = True
        if self._is_open(method, name):
            for node in self._tree_engine.routes.handling(name):
                specs = [s for s in node._tree_specs if name in s.names]
                specs = [spec for spec in specs if listens(spec, node, channel)]
                if any(_is_foreign(spec) for spec in specs):
                    all_are_own = False
                else:
                    own += [(node, spec) for spec in specs]
        if not own:
            raise Unknown(f"there is no method {method[:200]!r}")
        if all_are_own:
            return own, (channel,)
        return own, tuple({id(node): node for node, _ in own}.values())

    def _is_open(self, method: str, name: str) -> bool:
        if self.methods is not None:
            return method in self.methods
        return not (name[:1] in "_*" or name in _RESERVED or name.endswith(_FEEDBACK))

    def _finish(self, value: Value) -> Generator[Any, Any, Any]:
        """Wait until a call is over, and give its result.

        Raises:
            BaseException: What a handler raised.
        """
        yield from self._over(value)
        for problem in value.exceptions:
            raise problem
        found = value.value
        if value.is_list:
            return [item.value if isinstance(item, Value) else item for item in found]
        return found

    def _over(self, value: Value) -> Generator[Any, Any, None]:
        event = value.event
        if event is not None and (event.waitingHandlers or event in self._tree_engine.queue):
            yield self.wait(event)
        # A handler may have returned the values of events that it has fired.
        for part in value._value if value.is_list else (value._value,):
            if isinstance(part, Value):
                yield from self._over(part)


def _is_foreign(spec: HandlerSpec) -> bool:
    """Whether a handler is the framework's, or a method of a controller, which wants a request."""
    function: Any = getattr(spec.function, "__func__", spec.function)
    return hasattr(function, "binding") or function.__module__.partition(".")[0] == "circuits"
