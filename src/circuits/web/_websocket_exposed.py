"""Exposed methods that speak WebSocket: ``@expose.websocket``."""

from __future__ import annotations

from functools import partial
from types import CoroutineType, GeneratorType, MethodType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast, overload

from circuits._wire.websocket import GOING_AWAY, INTERNAL_ERROR, NORMAL
from circuits.core._direct import Direct
from circuits.core.events import Event
from circuits.core.handlers import handler
from circuits.net.protocols._websocket_conversation import CLOSE_TIMEOUT
from circuits.net.protocols.websocket import MAX_SIZE, Deflate

from ._binding import Binding
from ._exposed import event_name, mark
from ._websocket import ConnectionClosed
from ._websocket_accepting import Policy, accept
from ._websocket_link import GRACE_SECONDS, Listener
from ._websocket_options import BUFFERED_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from circuits.core._clock import Appointment
    from circuits.core._engine import Engine
    from circuits.core.events import BaseEvent
    from circuits.core.values import Value

    from ._websocket import WebSocket
    from .wrappers import Request, Response

    #: Calls an exposed function, with its request at hand: also while it is suspended.
    Call = Callable[
        [Callable[..., Any], Any, Request, Response, tuple[Any, ...], dict[str, Any]], Any
    ]

F = TypeVar("F", bound="Callable[..., Any]")

__all__ = ["Exposing", "with_websocket"]


class Exposing(Protocol):
    """The decorator ``expose``."""

    def __call__(self, *channels: str, **config: Any) -> Callable[[Callable[..., Any]], Any]:
        """Let requests reach a method."""

    @overload
    @staticmethod
    def websocket(function: F, /) -> F: ...

    @overload
    @staticmethod
    def websocket(
        *names: str,
        origins: str | Iterable[str] | None = None,
        subprotocols: Iterable[str] = (),
        max_message_bytes: int | None = MAX_SIZE,
        buffered_bytes: int = BUFFERED_BYTES,
        ping_interval: float | None = 20.0,
        ping_timeout: float | None = 20.0,
        close_timeout: float | None = CLOSE_TIMEOUT,
        compression: bool | Deflate = True,
    ) -> Callable[[F], F]: ...

    @staticmethod
    def websocket(*names: Any, **options: Any) -> Any:
        """Let WebSockets reach a method, which is called with one: ``chat(self, websocket)``.

        The method is a coroutine or a generator. When it returns, the connection is closed with
        1000; when it raises, with 1011. When the client has gone, receiving ends; a method that
        goes on for ten seconds after that is cancelled. Segments of the path and the query are
        arguments, converted as for other methods; a misfit is answered with 400.

        Args:
            *names: As for ``expose``. The decorator may also be used without any call.
            **options: ``origins``, ``subprotocols``, ``max_message_bytes``, ``buffered_bytes``,
                ``ping_interval``, ``ping_timeout``, ``close_timeout`` and ``compression``, as for
                :class:`~circuits.web.dispatchers.websockets.WebSockets`.

        .. versionadded:: 2.1
        """


def with_websocket(call: Call) -> Callable[[Callable[..., Any]], Exposing]:
    """Give ``expose`` its ``websocket``.

    Args:
        call: Calls an exposed function.
    """

    def decorate(expose: Any) -> Exposing:
        expose.websocket = partial(_expose_websocket, call)
        return cast(Exposing, expose)

    return decorate


def _expose_websocket(call: Call, *names: Any, **options: Any) -> Any:
    if names and callable(names[0]):
        return _exposed(call, names[0], (), Policy(**options))
    policy = Policy(**options)
    return lambda function: _exposed(call, function, names, policy)


def _exposed(call: Call, function: Any, names: tuple[str, ...], policy: Policy) -> Any:
    def exposed(
        self: Any, request: Request, response: Response, /, *args: Any, **kwargs: Any
    ) -> Any:
        request.args, request.kwargs = args, kwargs
        method = partial(call, function, self, request, response)
        run = partial(_run, method, MethodType(function, self), args, kwargs)
        return accept(request, response, policy, _Talk(run))

    binding = Binding(function, 2, annotated=True, is_websocket=True)
    wrapper = mark(exposed, function, binding, call)
    return handler(*map(event_name, names or (function.__name__,)), override=True)(wrapper)


class _Serve(Event):
    """A method has got a WebSocket; made when it is called, and never queued."""

    name = "websocket"


class _Talk(Listener):
    """Listens to the connection of one call."""

    def __init__(self, run: Callable[[WebSocket], BaseEvent]) -> None:
        self._run: Callable[[WebSocket], BaseEvent] | None = run
        self._event: BaseEvent | None = None
        self._grace: Appointment | None = None

    def opened(self, websocket: WebSocket) -> None:
        """Call the method."""
        run, self._run = self._run, None
        assert run is not None
        event = self._event = run(websocket)
        if event.waitingHandlers:
            event._when_over(_Over(websocket, self))

    def closed(self, websocket: WebSocket) -> None:
        """Give the method some time to find out."""
        event, self._event = self._event, None
        if event is not None and event.waitingHandlers:
            engine = websocket._tree_engine
            self._grace = engine.schedule.call_in(GRACE_SECONDS, partial(_cancel, engine, event))


def _run(
    method: Callable[..., Any],
    bound: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    websocket: WebSocket,
) -> BaseEvent:
    """Call a method with its WebSocket, as the handler of an event that nobody else gets."""
    door = Direct(bound.__self__, _Serve, (bound.__self__,))
    event = door.event(websocket)
    try:
        result = method((websocket, *args), kwargs)
    except ConnectionClosed:
        result = None
    except BaseException as problem:  # as the engine catches it, with what stops it
        door.failed(event, bound, problem)
        websocket._shut(INTERNAL_ERROR)
        return event
    if isinstance(result, CoroutineType):
        result = _until_closed(websocket, result)
    elif isinstance(result, GeneratorType):
        result = _while_open(websocket, result)
    else:
        websocket._shut()
        return event
    door.take(event, bound, result)
    return event


async def _until_closed(websocket: WebSocket, coroutine: Any) -> None:
    """A connection that is closed ends the method, and is no failure of it."""
    try:
        await coroutine
    except ConnectionClosed:
        if websocket.is_open:
            raise


def _while_open(
    websocket: WebSocket, generator: Generator[Any, Any, Any]
) -> Generator[Any, Any, None]:
    try:
        yield from generator
    except ConnectionClosed:
        if websocket.is_open:
            raise


class _Over:
    """Gets to know when a method is done."""

    __slots__ = ("_talk", "_websocket")

    is_awaited = False

    def __init__(self, websocket: WebSocket, talk: _Talk) -> None:
        self._websocket = websocket
        self._talk = talk

    def resolve(self, event: Any, value: Value) -> None:
        """The engine tells."""
        if self._talk._grace is not None:
            self._talk._grace.cancel()
        if value.errors:
            self._websocket._shut(INTERNAL_ERROR)
        else:
            self._websocket._shut(GOING_AWAY if value.cut else NORMAL)


def _cancel(engine: Engine, event: BaseEvent) -> None:
    for task in [task for task in engine.tasks if task.event is event]:
        engine.tasks.cancel(task)
