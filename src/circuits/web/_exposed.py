"""Exposed methods: wrappers that keep the request at hand, and make results what they stand for.

The wrapper keeps request and response apart from the other arguments and makes them available as
``self.request`` and ``self.response``. They live in a context variable, never on the controller,
since one controller serves many requests at a time:

- around a plain function the variable is set and reset;
- around a generator it is set and reset at each of its steps (``_resumed``), as the tasks of
  other requests run in between;
- a coroutine runs in an asyncio task, which has a context of its own.
"""

from __future__ import annotations

from functools import update_wrapper
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any, Final

from circuits.core import sleep
from circuits.core._suspension import Suspension
from circuits.core._tasks import CallValue
from circuits.core.handlers import handler, wants_event

from . import errors
from ._at_hand import at_hand
from ._binding import Binding, returns_data
from ._json import encode as _json_text
from ._json import is_record
from .eventstream import EventStream
from .wrappers import Response

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from .wrappers import Request

__all__ = [
    "call_json",
    "call_page",
    "call_plain",
    "event_name",
    "make_exposed",
    "mark",
    "page_name",
]

#: Events that the framework fires or hears everywhere. A page may have such a name: its own event
#: has another one then, so that neither is taken for the other.
_EVERYWHERE = frozenset((
    "bridge_lost", "complete", "done", "draining", "error", "failure", "generate_events", "hang_up", "ipc",
    "load_success", "prepare_unregister", "prepare_unregister_complete", "ready", "registered", "remote",
    "signal", "started", "stopped", "success", "unregister", "unregistered",
))  # fmt: skip
_PREFIX = "page:"


def event_name(page: str) -> str:
    """The name of the event of a page: the same, unless the framework has an event of that name."""
    return _PREFIX + page if page in _EVERYWHERE else page


def page_name(event: str) -> str | None:
    """The page that an event is for; ``None`` for an event of the framework."""
    if event in _EVERYWHERE:
        return None
    page = event.removeprefix(_PREFIX)
    return page if page in _EVERYWHERE else event


# Python 3.13 calls methods of what was imported in a longer way.
_at_hand = at_hand

_MISSING: Any = object()


def make_exposed(
    function: Callable[..., Any],
    channels: tuple[str, ...],
    config: dict[str, Any],
    call: Callable[..., Any],
) -> Any:
    """Make a handler of a method that answers requests.

    Args:
        function: The method, or one that was exposed already and gets more names.
        channels: The names of its pages; its own if there are none.
        config: Options of ``expose``, and of :func:`~circuits.core.handlers.handler`.
        call: Calls it, as :func:`call_plain` or :func:`call_json`.
    """
    names = channels or (function.__name__,)
    config = dict(config)
    strict = bool(config.pop("strict", False))
    if hasattr(function, "binding"):  # decorated twice: more names for the same
        names = (*names, *(name for name in function.names if name not in names))  # type: ignore[attr-defined]
        function, call = function.exposed_function, function.exposed_call  # type: ignore[attr-defined]
    wants = bool(getattr(function, "event", False)) or wants_event(function)
    if call is call_plain and returns_data(function):
        call = _call_for_list

    exposed: Callable[..., Any]
    if wants:
        exposed = _taking_event(function, call)
    elif call is call_plain:
        exposed = _plain(function)
    else:
        exposed = _called_by(function, call)
    binding = Binding(function, 1 + wants, bool(config.get("stream")), strict, annotated=True)
    wrapper = mark(exposed, function, binding, call, wants)
    return handler(*map(event_name, names), **{"override": True, **config})(wrapper)


def _taking_event(function: Callable[..., Any], call: Callable[..., Any]) -> Callable[..., Any]:
    """The handler of a method that takes the event as well."""

    def exposed(self: Any, /, *given: Any, **kwargs: Any) -> Any:
        if len(given) < 3 or not isinstance(given[2], Response):
            return function(self, *given, **kwargs)
        event, request, response, *args = given
        request.args, request.kwargs = tuple(args), kwargs
        return call(function, self, request, response, (event, *args), kwargs)

    return exposed


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """The handler of a method that is called as by :func:`call_plain`."""

    def exposed(
        self: Any,
        request: Any = _MISSING,
        response: Any = _MISSING,
        /,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        if not isinstance(response, Response):
            return _called_inside(function, self, request, response, args, kwargs)
        # The same as call_plain, which would be one more call for every request.
        request.args, request.kwargs = args, kwargs
        current = (request, response)
        token = _at_hand.set(current)
        try:
            # Nothing is passed on as such, as most often there is nothing, and that is faster.
            result = function(self, *args, **kwargs) if args or kwargs else function(self)
        finally:
            _at_hand.reset(token)
        if result.__class__ is str:
            return result
        return _kept(result, current)

    return exposed


def _called_by(function: Callable[..., Any], call: Callable[..., Any]) -> Callable[..., Any]:
    """The handler of a method that is called in another way."""

    def exposed(
        self: Any,
        request: Any = _MISSING,
        response: Any = _MISSING,
        /,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        if not isinstance(response, Response):
            return _called_inside(function, self, request, response, args, kwargs)
        request.args, request.kwargs = args, kwargs
        return call(function, self, request, response, args, kwargs)

    return exposed


def mark(
    exposed: Any,
    function: Callable[..., Any],
    binding: Binding,
    call: Callable[..., Any],
    wants: bool = False,
) -> Any:
    """Have a function look like the one that it calls, and tell what that takes."""
    wrapper: Any = update_wrapper(exposed, function)
    wrapper.event = wants
    wrapper.binding = binding
    wrapper.exposed_function = function
    wrapper.exposed_call = call
    return wrapper


def _called_inside(
    function: Callable[..., Any],
    controller: Any,
    first: Any,
    second: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Call a method for another exposed one, with the arguments of that only."""
    given = [argument for argument in (first, second) if argument is not _MISSING]
    return function(controller, *given, *args, **kwargs)


def call_plain(
    function: Callable[..., Any],
    controller: Any,
    request: Request,
    response: Response,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Call a method with the request at hand, also for what it does later."""
    current = (request, response)
    token = _at_hand.set(current)
    try:
        result = function(controller, *args, **kwargs)
    finally:
        _at_hand.reset(token)
    return _kept(result, current)


def _kept(result: Any, current: tuple[Request, Response]) -> Any:
    """Have what runs on after the call do so with the request at hand."""
    kind = result.__class__
    current[1]._is_data = True
    if kind is GeneratorType:
        return _resumed(current, result)
    if kind is CoroutineType:
        return _awaited(current, result)
    if kind is AsyncGeneratorType:
        response = current[1]
        response.stream = True
        response.body = _streamed(current, result)
        return response
    if result is current[1]:
        body = result.body
        if body.__class__ is GeneratorType:
            result.body = _resumed(current, body)
        elif body.__class__ is AsyncGeneratorType:
            result.body = _streamed(current, body)
    elif kind is EventStream:
        source = result.source
        if source.__class__ is AsyncGeneratorType:
            result.source = _streamed(current, source)
        elif source.__class__ is GeneratorType:
            result.source = _resumed(current, source)
    return result


def _resumed(
    current: tuple[Request, Response],
    generator: Generator[Any, Any, Any],
    last: list[Any] | None = None,
) -> Generator[Any, Any, Any]:
    """Run a generator, with the request at hand whenever it runs.

    Args:
        current: Request and response.
        generator: What the method returned.
        last: Gets the latest value that is neither ``None`` nor something to wait for; such
            values are not yielded then.
    """
    sent: Any = None
    problem: BaseException | None = None
    while True:
        token = _at_hand.set(current)
        try:
            if problem is not None:
                yielded = generator.throw(problem)
            else:
                yielded = generator.send(sent)
        except StopIteration as end:
            return end.value
        finally:
            _at_hand.reset(token)
        sent = problem = None
        if isinstance(yielded, GeneratorType):
            yielded = _resumed(current, yielded, last)
        elif last is not None and yielded is not None and not isinstance(yielded, Suspension):
            if isinstance(yielded, CallValue):
                _close(current, generator)
                return yielded.value
            last[:] = [yielded]
            yielded = sleep(0)
        try:
            sent = yield yielded
        except GeneratorExit:
            _close(current, generator)
            raise
        except BaseException as thrown:
            problem = thrown


def _close(current: tuple[Request, Response], generator: Generator[Any, Any, Any]) -> None:
    token = _at_hand.set(current)
    try:
        generator.close()
    finally:
        _at_hand.reset(token)


async def _awaited(current: tuple[Request, Response], coroutine: Any) -> Any:
    _at_hand.set(current)  # of the task, and so gone with it
    return _kept(await coroutine, current)


async def _streamed(current: tuple[Request, Response], generator: Any) -> AsyncGenerator[Any, None]:
    _at_hand.set(current)  # of the one task that takes the pieces
    try:
        async for piece in generator:
            yield piece
    finally:
        await generator.aclose()


async def _then(make: Callable[[Any, Response], Any], coroutine: Any, response: Response) -> Any:
    return make(await coroutine, response)


# -- lists that are data ----------------------------------------------------------------------


def _call_for_list(
    function: Callable[..., Any],
    controller: Any,
    request: Request,
    response: Response,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    result = call_plain(function, controller, request, response, args, kwargs)
    if result.__class__ is CoroutineType:
        return _then(_marked, result, response)
    return _marked(result, response)


def _marked(result: Any, response: Response) -> Any:
    if isinstance(result, list | tuple):
        result = response._listed = list(result)
        if "Content-Type" not in response.headers:
            response.headers["Content-Type"] = "application/json"
    return result


# -- JSON -------------------------------------------------------------------------------------


_JSON: Final = (("Content-Type", "application/json"),)


def call_json(
    function: Callable[..., Any],
    controller: Any,
    request: Request,
    response: Response,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """As :func:`call_plain`, and write as JSON what the method returns."""
    response._take_fields(_JSON)
    request._problem = True
    result = call_plain(function, controller, request, response, args, kwargs)
    kind = result.__class__
    if kind is GeneratorType:
        return _generated_json((request, response), result)
    if kind is CoroutineType:
        return _then(_json, result, response)
    return _json(result, response)


def _json(result: Any, response: Response) -> Any:
    if isinstance(result, errors.HTTPError) or result is response:
        return result
    return _json_text(result)


def _generated_json(
    current: tuple[Request, Response], generator: Generator[Any, Any, Any]
) -> Generator[Any, Any, Any]:
    last: list[Any] = []
    result = yield from _resumed(current, generator, last)
    if result is None and last:
        result = last[0]
    return _json(result, current[1])


# -- pages of errors --------------------------------------------------------------------------


def call_page(
    function: Callable[..., Any],
    controller: Any,
    request: Request,
    response: Response,
    error: errors.HTTPError,
) -> Any:
    """Have a method of a controller make the page of an error."""
    result = call_plain(function, controller, request, response, (error,), {})
    kind = result.__class__
    if kind is CoroutineType:
        return _then(_page, result, response)
    return _page(result, response)


def _page(result: Any, response: Response) -> Any:
    if isinstance(result, dict | list) or is_record(type(result)):
        response.headers["Content-Type"] = "application/json"
        return _json_text(result)
    # The page is the method's own; what was said of the content before is not about it.
    if isinstance(result, str | bytes) and "json" in (response.headers["Content-Type"] or ""):
        del response.headers["Content-Type"]
    return result
