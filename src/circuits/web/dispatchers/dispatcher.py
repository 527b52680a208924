"""Dispatcher: from the path of a request to a method of a controller.

The longest mounted path that a request's path begins with gives the controller; the rest gives
the method and its arguments. What a path leads to is remembered, in a table of limited size,
until a controller comes or goes.

The method is reached by an event on the controller's channel. Where that event could be seen by
nobody else, and nothing is waiting in the queue before it, the method is called at once.
"""

from __future__ import annotations

import warnings
from types import CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any

from circuits.core._direct import Direct
from circuits.core._routing import is_below
from circuits.core.components import BaseComponent
from circuits.core.errors import HandlerWarning
from circuits.core.events import literal_class
from circuits.core.handlers import handler
from circuits.core.utils import flatten
from circuits.web import errors, events, exceptions, wrappers
from circuits.web._exposed import call_page, event_name
from circuits.web._paths import unescape_segment
from circuits.web._request_body import BodyStream, gather
from circuits.web._results import error_of, to_error
from circuits.web.controllers import BaseController, JSONController
from circuits.web.utils import parse_body, parse_qs

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from circuits.core._engine import Engine
    from circuits.core.manager import Manager
    from circuits.core.values import Value
    from circuits.web._binding import Binding

__all__ = ["VERBS", "Dispatcher"]

#: How many paths are remembered, and up to what length: enough for the pages that most requests
#: ask for, and a bound for what strangers make up (below 1 MiB in all).
_CHOICES_LIMIT = 1024
_CHOICE_LENGTH_LIMIT = 256
#: The same for what a path and a query make of the arguments of a method (below 2 MiB in all).
_BOUND_LIMIT = 256
_BOUND_LENGTH_LIMIT = 128

#: Handlers with these names answer to the method of a request, and not to a path segment: a link
#: to ``/DELETE/1`` must not delete anything.
# fmt: off
VERBS = frozenset((
    "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND",
    "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH", "PURGE", "LINK",
    "UNLINK",
))
# fmt: on


class _Choice:
    """What a method and a path lead to.

    Attributes:
        name: Name of the event; ``None`` if the verb is not among ``allowed``.
        segments: The path segments that are arguments.
        index: For ``request.index``.
        channels: Where the event goes.
        bindings: What the functions take.
        takes_peer_cert: Whether one of them wants the client's certificate.
        stream: Whether one of them wants the body as it arrives.
        is_simple: Whether nothing but the path and the query need be looked at.
        may_keep: Whether what the functions are called with depends on the query alone.
        allowed: The verbs of the controller, if they matter.
        door: The way to the handlers of the event.
    """

    __slots__ = (
        "allowed",
        "bindings",
        "channels",
        "door",
        "index",
        "is_simple",
        "may_keep",
        "name",
        "segments",
        "stream",
        "takes_peer_cert",
    )

    def __init__(
        self,
        name: str | None,
        segments: tuple[str, ...],
        index: bool | None,
        channels: tuple[Any, ...],
        bindings: tuple[Binding, ...],
        allowed: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.segments = segments
        self.index = index
        self.channels = channels
        self.bindings = bindings
        self.allowed = allowed
        self.takes_peer_cert = any(binding.takes_peer_cert for binding in bindings)
        self.stream = any(binding.stream for binding in bindings)
        self.is_simple = (
            all(binding.fits(len(segments)) and not binding.makes for binding in bindings)
            and not self.takes_peer_cert
            and not self.stream
        )
        self.may_keep = (
            all(binding.may_keep for binding in bindings)
            and not self.takes_peer_cert
            and not self.stream
        )
        self.door: Direct | None = None


class Dispatcher(BaseComponent):
    """Has the methods of controllers answer requests.

    Handles ``request`` and ``httperror`` (filters with priority 0.1) and ``request_value_changed``,
    everywhere ``registered`` and ``unregistered``. Fires the events of exposed methods on the
    channels of their controllers, ``httperror`` and ``response``.

    Attributes:
        paths: The controllers by path. Of several on one path it is the one that came first.
    """

    channel = "web"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        #: path -> its controllers, in the order of their registration.
        self._mounts: dict[str, list[BaseController]] = {}
        self.paths: dict[Any, BaseController] = {}
        self._deepest = 0
        self._tables: dict[int, dict[str, tuple[Binding, ...]]] = {}
        self._choices: dict[tuple[str, str], _Choice] = {}
        #: What the functions of a choice are called with, for a query.
        self._bound: dict[tuple[_Choice, str], tuple[tuple[Any, ...], dict[str, Any]]] = {}
        super().__init__(*args, **kwargs)

    # -- which controllers there are ------------------------------------------------------------

    @handler("registered", channel="*")
    def _on_registered(self, component: Manager, manager: Manager) -> None:
        # When this dispatcher comes into a tree, alone or within something bigger, there may be
        # controllers whose arrival was announced before.
        top = self.root if is_below(self, component) else component
        for node in flatten(top):
            if isinstance(node, BaseController):
                self._mount(node)

    @handler("unregistered", channel="*")
    def _on_unregistered(self, component: Manager, manager: Manager) -> None:
        gone = {id(node) for node in flatten(component)}
        if id(self) in gone:
            here = {id(node) for node in flatten(self.root)}
            gone = {id(n) for mounted in self._mounts.values() for n in mounted} - here
        for path, mounted in list(self._mounts.items()):
            left = [node for node in mounted if id(node) not in gone]
            if len(left) == len(mounted):
                continue
            for node in mounted:
                if id(node) in gone:
                    for channel in [c for c, known in self.paths.items() if known is node]:
                        del self.paths[channel]
            if left:
                self._mounts[path] = left
                self.paths.setdefault(left[0].channel, left[0])
            else:
                del self._mounts[path]
        self._forget_choices()

    def _tree_joined(self) -> None:
        self._forget_choices()  # another tree counts its own versions

    def _tree_left(self, engine: Engine) -> None:
        self._forget_choices()

    def _mount(self, controller: BaseController) -> None:
        channel: object = controller.channel
        if not isinstance(channel, str) or not channel.startswith("/"):
            return
        mounted = self._mounts.setdefault(_joined(_segments(channel)), [])
        if not any(node is controller for node in mounted):
            mounted.append(controller)
            self.paths.setdefault(channel, controller)
            self._forget_choices()
            if len(mounted) > 1:
                warnings.warn(
                    f"{controller!r} answers no request: {mounted[0]!r} is on {channel} already; "
                    "give one of them another channel",
                    HandlerWarning,
                    stacklevel=2,
                )

    def _forget_choices(self) -> None:
        self._deepest = max((len(_segments(path)) for path in self._mounts), default=0)
        # New objects, as another thread may be the one that has changed something.
        self._tables = {}
        self._choices = {}
        self._bound = {}

    # -- what a request leads to ------------------------------------------------------------------

    def wants_stream(self, request: wrappers.Request) -> bool | None:
        """Whether the method for a request is to be called before its body is there.

        The HTTP component asks this of every component with a handler of ``request``, in their
        order, until one knows.

        Returns:
            ``None`` if the request leads to no method.

        .. versionadded:: 2.1
        """
        choice = self._choices.get((request.method, request.path))
        if choice is None:
            choice = self._choose(request.method, request.path)
        return None if choice is None else choice.stream

    def _choose(self, method: str, path: str) -> _Choice | None:
        if path == "*":
            return None  # the server as a whole, which is no controller's
        choices = self._choices
        segments = _segments(path)
        for length in range(min(len(segments), self._deepest), -1, -1):
            mounted = self._mounts.get(_joined(segments[:length]))
            if mounted:
                choice = self._choose_in(mounted, method, segments[length:])
                if choice is not None:
                    if len(path) <= _CHOICE_LENGTH_LIMIT:
                        if len(choices) >= _CHOICES_LIMIT:
                            choices.clear()
                        choices[method, path] = choice
                    return choice
        return None

    def _choose_in(
        self, mounted: list[BaseController], method: str, rest: list[str]
    ) -> _Choice | None:
        controller = mounted[0]
        table = self._tables.get(id(controller))
        if table is None:
            table = controller._bindings()
            for bindings in table.values():
                for binding in bindings:
                    binding.complete()
            self._tables[id(controller)] = table
        # Several on one path would all hear the event there: address the first one only.
        channels = (controller,) if len(mounted) > 1 else (controller.channel,)
        arguments = tuple([unescape_segment(segment) for segment in rest])
        for verb in (method, "GET") if method == "HEAD" else (method,):
            if verb in table and verb.isupper():
                return _Choice(verb, arguments, None, channels, table[verb])
        if rest and arguments[0] in table and arguments[0] not in VERBS:
            bindings = table[arguments[0]]
            if _accept(bindings, len(rest) - 1):
                name = event_name(arguments[0])
                return _Choice(name, arguments[1:], False, channels, bindings)
        if "index" in table and _accept(table["index"], len(rest)):
            return _Choice("index", arguments, True, channels, table["index"])
        allowed = [v for v in table if v in VERBS and _accept(table[v], len(rest))]
        if not allowed:
            return None
        if "GET" in allowed and "HEAD" not in allowed:
            allowed.append("HEAD")
        if "OPTIONS" not in allowed:
            allowed.append("OPTIONS")
        return _Choice(None, arguments, None, channels, (), tuple(allowed))

    # -- answering ----------------------------------------------------------------------------------

    @handler("request", filter=True, priority=0.1)
    def _on_request(
        self,
        request: wrappers.Request,
        response: wrappers.Response,
        peer_cert: dict[str, Any] | None = None,
    ) -> Any:
        if peer_cert is not None:
            request.peer_cert = peer_cert
        choice = self._choices.get((request.method, request.path))
        if choice is None:
            choice = self._choose(request.method, request.path)
            if choice is None:
                self._tell_in_json(request)
                return self._answer_asterisk(request, response)
        if choice.name is None:
            self._tell_in_json(request)
            return self._refuse_verb(choice, request, response)

        segments: tuple[Any, ...] = choice.segments
        kwargs: dict[str, Any] = {}
        if request.qs or request._body or not choice.is_simple:
            body = request._body
            bound = self._bound.get((choice, request.qs)) if body is None else None
            if bound is None:
                if choice.stream:
                    if not isinstance(body, BodyStream):
                        request.body = BodyStream.of(request.body.read())
                elif isinstance(body, BodyStream):
                    return self._gathered(request, response)
                try:
                    bound = self._bind(choice, request, response)
                except exceptions.HTTPException as problem:
                    self._tell_in_json(request)
                    error: Any = (type(problem), problem, [])
                    self.fire(errors.HTTPError(request, response, problem.code, error=error))
                    return True
                if bound is None:
                    self._tell_in_json(request)
                    return None
                if choice.may_keep and body is None:
                    self._keep(choice, request, bound)
            segments, kwargs = bound
        request.index = choice.index

        door = choice.door
        if door is None:
            door = choice.door = self._door_to(choice)
        methods = door.methods()
        if not methods:
            event = events.Request.create(choice.name, request, response, *segments)
            if kwargs:
                event.kwargs = kwargs.copy()
            return self.fire(event, *choice.channels)
        for method in methods:
            try:
                if segments or kwargs:
                    result = method(request, response, *segments, **kwargs)
                else:
                    result = method(request, response)
                kind = result.__class__
                if kind is GeneratorType or kind is CoroutineType:
                    result = door.begin(method, result, request, response, *segments, **kwargs)
                    if result is None:  # and no other handler is asked
                        return door.event(request, response, *segments, **kwargs).value
            except BaseException as problem:
                failed = door.event(request, response, *segments, **kwargs)
                door.failed(failed, method, problem)
                return failed.value
            if result is not None:
                return result
        return None

    def _door_to(self, choice: _Choice) -> Direct:
        assert choice.name is not None
        event_class = literal_class(events.Request, choice.name)
        return Direct(self, event_class, choice.channels)

    def _gathered(
        self, request: wrappers.Request, response: wrappers.Response
    ) -> Generator[Any, Any, Any]:
        """Answer when the body is there that another handler of requests wanted piecemeal."""
        yield from gather(request)
        return self._on_request(request, response)

    def _bind(
        self, choice: _Choice, request: wrappers.Request, response: wrappers.Response
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """What the method is called with: segments and parameters; ``None`` if it is none for them.

        Raises:
            HTTPException: They are there, but not such as the method takes.
        """
        segments: tuple[Any, ...] = choice.segments
        kwargs = self._parameters(choice, request, response)
        for binding in choice.bindings:
            misfit = binding.misfit(len(segments), kwargs)
            if misfit is not None:
                code, description = misfit
                if code == 404:
                    return None
                raise exceptions.BadRequest(description)
            kwargs = binding.chosen(len(segments), kwargs)
            if binding.converts:
                segments, kwargs = binding.convert(segments, kwargs, request)
        return segments, kwargs

    def _keep(
        self,
        choice: _Choice,
        request: wrappers.Request,
        bound: tuple[tuple[Any, ...], dict[str, Any]],
    ) -> None:
        """Remember what the functions of a choice are called with, for the next such request."""
        known, qs = self._bound, request.qs
        if len(qs) <= _BOUND_LENGTH_LIMIT and len(request.path) <= _CHOICE_LENGTH_LIMIT:
            if len(known) >= _BOUND_LIMIT:
                known.clear()
            known[choice, qs] = bound

    def _parameters(
        self, choice: _Choice, request: wrappers.Request, response: wrappers.Response
    ) -> dict[str, Any]:
        kwargs = parse_qs(request.qs) if request.qs else {}
        if request._body and not choice.stream:
            parse_body(request, response, kwargs)
        if choice.takes_peer_cert:
            kwargs["peer_cert"] = request.peer_cert  # never what the client claims
        return kwargs

    def _tell_in_json(self, request: wrappers.Request) -> None:
        """Have errors told in JSON below a controller that speaks it."""
        for mounted in self._mounted_above(request.path):
            request._problem = isinstance(mounted[0], JSONController)
            return

    def _refuse_verb(
        self, choice: _Choice, request: wrappers.Request, response: wrappers.Response
    ) -> Any:
        response.headers["Allow"] = ", ".join(choice.allowed)
        if request.method == "OPTIONS":
            response.code = 204
            return response
        self.fire(errors.HTTPError(request, response, 405))
        return True

    def _answer_asterisk(self, request: wrappers.Request, response: wrappers.Response) -> Any:
        if request.path == "*" and request.method == "OPTIONS":
            response.code = 204
            return response
        return None

    # -- errors ---------------------------------------------------------------------------------------

    @handler("httperror", filter=True, priority=0.1)
    def _on_httperror(
        self,
        event: Any,
        request: wrappers.Request,
        response: wrappers.Response,
        *args: Any,
        **_: Any,
    ) -> Any:
        """Have the controllers above the path make the page, the nearest first."""
        for mounted in self._mounted_above(request.path):
            pages = mounted[0]._error_pages()
            make = pages.get(event.code) or pages.get(None)
            if make is not None:
                page = call_page(make, mounted[0], request, response, event)
                if page is not None:
                    return page
        if not request._problem:  # who has refused may not know the controllers
            self._tell_in_json(request)
        return None

    def _mounted_above(self, path: str) -> Iterator[list[BaseController]]:
        segments = _segments(path)
        for length in range(min(len(segments), self._deepest), -1, -1):
            mounted = self._mounts.get(_joined(segments[:length]))
            if mounted:
                yield mounted

    @handler("request_value_changed")
    def _on_request_value_changed(self, value: Value) -> None:
        """Answer a request whose value has come late, for those who asked to be notified."""
        event = value.event
        if value.handled or (event is not None and event.waitingHandlers):
            return
        source: Value | None = value
        while source is not None and not isinstance(source.event, events.Request):
            source = source._parent
        if source is None:
            return
        value.handled = True
        request, response = source.event.args[:2]  # type: ignore[union-attr]
        result = value.value
        if value.errors:
            try:
                error = to_error(request, response, error_of(value))
            except Exception as problem:  # it cannot be told: a redirect to nowhere
                self._tree_engine.report(problem, None, None)
                error = errors.HTTPError(request, response, 500)
            self.fire(error)
        elif isinstance(result, wrappers.Response):
            self.fire(events.Response(result))
        elif result is not None and not isinstance(result, bool):
            response.body = result
            self.fire(events.Response(response))


def _accept(bindings: tuple[Binding, ...], count: int) -> bool:
    return all(binding.accepts(count) for binding in bindings)


def _segments(path: str) -> list[str]:
    return [segment for segment in path.split("/") if segment]


def _joined(segments: list[str]) -> str:
    return "/" + "/".join(segments)
