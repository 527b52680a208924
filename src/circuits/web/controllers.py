"""Controllers: classes whose methods answer requests (manual: circuits.web.controllers).

An exposed method is a handler of the event of its name on the controller's channel, which is
also the path that the controller is mounted at. The dispatcher chooses the method and fires that
event with ``(request, response, *segments, **parameters)``.

A function that is exposed is wrapped: the wrapper keeps request and response apart from the other
arguments and makes them available as ``self.request`` and ``self.response``. They live in a
context variable, never on the controller, since one controller serves many requests at a time:

- around a plain function the variable is set and reset;
- around a generator it is set and reset at each of its steps (``_resumed``), as the tasks of
  other requests run in between;
- a coroutine runs in an asyncio task, which has a context of its own.

What a function takes is looked at once, when it is exposed (:class:`Binding`), so that routing
and checking a request's parameters need no introspection.
"""

from __future__ import annotations

import json
import warnings
from contextvars import ContextVar
from functools import update_wrapper
from types import CoroutineType, FunctionType, GeneratorType
from typing import TYPE_CHECKING, Any

from circuits.core import sleep
from circuits.core._tasks import CallValue, Suspension
from circuits.core.components import BaseComponent
from circuits.core.errors import HandlerWarning
from circuits.core.handlers import SELF, handler, wants_event
from circuits.core.utils import flatten

from . import errors, tools
from ._binding import Binding
from ._websocket_exposed import with_websocket
from .wrappers import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from urllib.parse import SplitResult

    from circuits.core.handlers import HandlerSpec

    from ._cookies import CookieJar

    Decorator = Callable[[Callable[..., Any]], Any]

__all__ = [
    "BaseController",
    "Binding",
    "Controller",
    "JSONController",
    "expose",
    "exposeJSON",
]

#: Request and response of the method that is being run.
_current: ContextVar[tuple[Request, Response]] = ContextVar("circuits.web.current")

_MISSING: Any = object()


# -- exposing ---------------------------------------------------------------------------------


@with_websocket(lambda *request: _call(*request))  # noqa: PLW0108 - it is defined below
def expose(*channels: str, **config: Any) -> Decorator:
    """Let requests reach a method; ``@expose.websocket`` does so for WebSockets.

    Args:
        *channels: The names, which need not be identifiers (``"test.txt"``). Without any, the
            name of the function; with some, that name is not exposed.
        **config: For :func:`circuits.core.handlers.handler`. Other than there, ``override`` is
            on: a method that a subclass defines again replaces the inherited one.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        return _expose(function, channels, config, _call)

    return decorate


def exposeJSON(*channels: str, **config: Any) -> Decorator:  # documented name
    """Let requests reach a method whose result is sent as JSON.

    The content type is set before the method is called, so that errors are described in JSON, too.
    ``HTTPError`` events and the response object are sent as they are. Of a generator, the last
    value that it yields or returns is sent.

    Args:
        *channels: As for :func:`expose`.
        **config: As for :func:`expose`.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        return _expose(function, channels, config, _call_json)

    return decorate


def _expose(
    function: Callable[..., Any],
    channels: tuple[str, ...],
    config: dict[str, Any],
    call: Callable[..., Any],
) -> Any:
    names = channels or (function.__name__,)
    if hasattr(function, "binding"):  # decorated twice: more names for the same
        names = (*names, *(name for name in function.names if name not in names))  # type: ignore[attr-defined]
        function, call = function.binding_of, function.binding_call  # type: ignore[attr-defined]
    wants = bool(getattr(function, "event", False)) or wants_event(function)

    if wants:

        def exposed(
            self: Any,
            event: Any = _MISSING,
            request: Any = _MISSING,
            response: Any = _MISSING,
            /,
            *args: Any,
            **kwargs: Any,
        ) -> Any:
            if not isinstance(response, Response):
                given = [a for a in (event, request, response) if a is not _MISSING]
                return function(self, *given, *args, **kwargs)
            request.args, request.kwargs = args, kwargs
            return call(function, self, request, response, (event, *args), kwargs)

    elif call is _call:

        def exposed(
            self: Any,
            request: Any = _MISSING,
            response: Any = _MISSING,
            /,
            *args: Any,
            **kwargs: Any,
        ) -> Any:
            if not isinstance(response, Response):
                # Called by another exposed method, with its own arguments only.
                given = [a for a in (request, response) if a is not _MISSING]
                return function(self, *given, *args, **kwargs)
            # The same as _call, which would be one more call for every request.
            request.args, request.kwargs = args, kwargs
            current = (request, response)
            token = _current.set(current)
            try:
                result = function(self, *args, **kwargs)
            finally:
                _current.reset(token)
            if result.__class__ is str:
                return result
            return _kept(result, current)

    else:

        def exposed(
            self: Any,
            request: Any = _MISSING,
            response: Any = _MISSING,
            /,
            *args: Any,
            **kwargs: Any,
        ) -> Any:
            if not isinstance(response, Response):
                given = [a for a in (request, response) if a is not _MISSING]
                return function(self, *given, *args, **kwargs)
            request.args, request.kwargs = args, kwargs
            return call(function, self, request, response, args, kwargs)

    wrapper: Any = update_wrapper(exposed, function)
    wrapper.event = wants
    wrapper.binding = Binding(function, 1 + wants, bool(config.get("stream")))
    wrapper.binding_of = function
    wrapper.binding_call = call
    return handler(*names, **{"override": True, **config})(wrapper)


def _call(
    function: Callable[..., Any],
    controller: Any,
    request: Request,
    response: Response,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    current = (request, response)
    token = _current.set(current)
    try:
        result = function(controller, *args, **kwargs)
    finally:
        _current.reset(token)
    return _kept(result, current)


def _kept(result: Any, current: tuple[Request, Response]) -> Any:
    """Have what runs on after the call do so with the request at hand."""
    kind = result.__class__
    if kind is GeneratorType:
        return _resumed(current, result)
    if kind is CoroutineType:
        return _awaited(current, result)
    if result is current[1] and result.body.__class__ is GeneratorType:
        result.body = _resumed(current, result.body)
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
        token = _current.set(current)
        try:
            if problem is not None:
                yielded = generator.throw(problem)
            else:
                yielded = generator.send(sent)
        except StopIteration as end:
            return end.value
        finally:
            _current.reset(token)
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
    token = _current.set(current)
    try:
        generator.close()
    finally:
        _current.reset(token)


async def _awaited(current: tuple[Request, Response], coroutine: Any) -> Any:
    _current.set(current)  # of the task, and so gone with it
    return await coroutine


# -- JSON -------------------------------------------------------------------------------------


def _call_json(
    function: Callable[..., Any],
    controller: Any,
    request: Request,
    response: Response,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    response.headers["Content-Type"] = "application/json"
    result = _call(function, controller, request, response, args, kwargs)
    kind = result.__class__
    if kind is GeneratorType:
        return _generated_json((request, response), result)
    if kind is CoroutineType:
        return _awaited_json(response, result)
    return _json(result, response)


def _json(result: Any, response: Response) -> Any:
    if isinstance(result, errors.HTTPError) or result is response:
        return result
    return json.dumps(result)


def _generated_json(
    current: tuple[Request, Response], generator: Generator[Any, Any, Any]
) -> Generator[Any, Any, Any]:
    last: list[Any] = []
    result = yield from _resumed(current, generator, last)
    if result is None and last:
        result = last[0]
    return _json(result, current[1])


async def _awaited_json(response: Response, coroutine: Any) -> Any:
    return _json(await coroutine, response)


# -- controllers ------------------------------------------------------------------------------


class BaseController(BaseComponent):
    """Answers requests below the path that is its channel.

    Methods are exposed by :func:`expose` only. A handler of an event on the controller's own
    channel whose first parameters are named ``request`` and ``response`` is reached, too.

    Attributes:
        channel: Where it is mounted, such as ``"/news"``.
    """

    channel = "/"

    @property
    def request(self) -> Request:
        """The request that is being answered.

        Raises:
            AttributeError: No exposed method of this request is running.
        """
        return self._at_hand("request")[0]

    @property
    def response(self) -> Response:
        """Its response. Raises ``AttributeError`` as ``request`` does."""
        return self._at_hand("response")[1]

    @property
    def cookie(self) -> CookieJar:
        """The cookies of the request. Raises ``AttributeError`` as ``request`` does."""
        return self._at_hand("cookie")[0].cookie

    @property
    def session(self) -> Any:
        """The session. Raises ``AttributeError`` as ``request`` does, and without ``Sessions``."""
        request = self._at_hand("session")[0]
        try:
            return request.session
        except AttributeError:
            raise AttributeError(
                f"{self.name}.session needs a Sessions component beside the server"
            ) from None

    @property
    def uri(self) -> SplitResult:
        """The URL of the request, taken apart. Raises ``AttributeError`` as ``request`` does."""
        return self._at_hand("uri")[0].uri

    def _at_hand(self, attribute: str) -> tuple[Request, Response]:
        try:
            return _current.get()
        except LookupError:
            raise AttributeError(
                f"{self.name}.{attribute} exists only while an exposed method answers a request"
            ) from None

    # -- for exposed methods ------------------------------------------------------------------

    def url(self, *args: Any, **kwargs: Any) -> str:
        """Make a URL, as :func:`circuits.web.utils.url`; without arguments the current one."""
        return self.request.url(*args, **kwargs)

    def redirect(self, urls: str | list[str], code: int | None = None) -> errors.Redirect:
        """Make the event that sends the client elsewhere; to be returned."""
        return errors.Redirect(self.request, self.response, urls, code)

    def forbidden(self, description: str | None = None) -> errors.Forbidden:
        """Make the event that refuses the request with 403; to be returned."""
        return errors.Forbidden(self.request, self.response, description=description)

    def notfound(self, description: str | None = None) -> errors.NotFound:
        """Make the event that answers 404; to be returned."""
        return errors.NotFound(self.request, self.response, description=description)

    def serve_file(
        self,
        path: str,
        type: str | None = None,  # documented name
        disposition: str | None = None,
        name: str | None = None,
    ) -> Any:
        """Answer with a file; see :func:`circuits.web.tools.serve_file`. To be returned."""
        return tools.serve_file(self.request, self.response, path, type, disposition, name)

    def serve_download(self, path: str, name: str | None = None) -> Any:
        """Answer with a file to be saved; see :func:`circuits.web.tools.serve_download`."""
        return tools.serve_download(self.request, self.response, path, name)

    def expires(self, secs: Any = 0, force: bool = False) -> None:
        """Say how long the response may be cached; see :func:`circuits.web.tools.expires`."""
        tools.expires(self.request, self.response, secs, force)

    # -- handlers that come and go at run time ------------------------------------------------

    def addHandler(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """As in any component; requests find the handler at once."""
        method = super().addHandler(function)
        self._tell_dispatchers()
        return method

    def removeHandler(self, method: Callable[..., Any], event: str | None = None) -> None:
        """As in any component; requests do not find it any more."""
        super().removeHandler(method, event)
        self._tell_dispatchers()

    def _tell_dispatchers(self) -> None:
        for node in flatten(self.root):
            forget = getattr(node, "_forget_choices", None)
            if forget is not None:
                forget()

    def _bindings(self) -> dict[str, tuple[Binding, ...]]:
        """The names that requests may reach, with what the handlers behind each take."""
        table: dict[str, tuple[Binding, ...]] = {}
        for spec in self._tree_specs:
            if spec.channel is not None and spec.channel != self.channel:
                continue
            binding = _binding_of(spec)
            if binding is not None:
                for name in spec.names:
                    if name != "*":
                        table[name] = (*table.get(name, ()), binding)
        return table


def _binding_of(spec: HandlerSpec) -> Binding | None:
    function = getattr(spec.function, "__func__", spec.function)
    binding: Binding | None = getattr(function, "binding", None)
    if binding is None and spec.channel is not SELF and isinstance(function, FunctionType):
        # A handler that was not exposed must show that it is meant for requests: any other on
        # this channel could be called by a URL with arguments that it does not expect.
        code = function.__code__
        names = code.co_varnames[: code.co_argcount]
        skip = 1 + spec.wants_event
        if names[skip : skip + 2] == ("request", "response"):
            binding = Binding(function, skip + 2, bool(getattr(function, "stream", False)))
    return binding


def _expose_all(cls: type[BaseController], decorator: Callable[..., Decorator]) -> None:
    for attribute, value in list(vars(cls).items()):
        if (
            not isinstance(value, FunctionType)
            or attribute.startswith("_")
            or attribute == "init"  # called by the constructor, with its arguments
            or hasattr(value, "handler")
        ):
            continue
        if hasattr(BaseController, attribute):
            owner = next(base for base in BaseController.__mro__ if attribute in vars(base))
            warnings.warn(
                f"{cls.__name__}.{attribute} is exposed and hides {owner.__name__}.{attribute}, "
                f'which the framework needs; give it another name and @expose("{attribute}")',
                HandlerWarning,
                stacklevel=3,
            )
        setattr(cls, attribute, decorator(attribute)(value))


class Controller(BaseController):
    """A controller whose public methods are all exposed under their names.

    Functions of the class body whose name begins with an underscore, ``init``, and those that are
    handlers already are left alone, and so is everything else than functions.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _expose_all(cls, expose)


class JSONController(BaseController):
    """A controller whose public methods are all exposed, and their results sent as JSON."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _expose_all(cls, exposeJSON)
