"""ASGI 3, both ways.

:class:`Gateway` has ASGI applications answer the requests of a server of ours, with their WebSockets
and their lifespan. :class:`Application` is an ASGI application itself, made of components, for the
server of others.

.. versionadded:: 2.1
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from circuits._wire.websocket import HandshakeError, check_request
from circuits.core._direct import Direct
from circuits.core._tasks import CoroutineTask
from circuits.core.errors import EXIT_EXCEPTIONS
from circuits.core.events import Event
from circuits.core.handlers import handler

from . import exceptions, wrappers
from ._asgi_application import ASGIConnection, ASGIExchange
from ._asgi_application_body import take_body, take_rest
from ._asgi_application_request import make_request
from ._asgi_application_websocket import ASGISocket, take_messages
from ._asgi_hosting import HTTPCall, is_asgi
from ._asgi_hosting_lifespan import Lifespan
from ._asgi_hosting_scope import make_scope, scope_headers, turn_to_websocket
from ._asgi_hosting_websocket import SocketCall
from ._hosted_tree import HostedTree
from ._websocket_accepting import Policy, refuse
from .wsgi import Gateway as _WSGIGateway

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from circuits.core._clock import Appointment
    from circuits.core._engine import Engine
    from circuits.core.manager import Manager

    from ._asgi_hosting import App, Call, Message, Receive, Send
    from ._exchange import Exchange

__all__ = ["Application", "Gateway"]

_log = logging.getLogger("circuits.web")

#: How much of its time to stop an application has for its lifespan, behind the last requests.
_SHUTDOWN_SECONDS = 2.0


class _Task(Event):
    """A coroutine of ours runs; made when it begins, and never queued."""

    name = "_task"

    def __init__(self, coroutine: Any) -> None:
        super().__init__(coroutine)


# -- applications of others in our server ---------------------------------------------------------


class Gateway(_WSGIGateway):
    """Has ASGI applications answer requests, and WSGI ones, too.

    Handles ``request`` as a filter with priority 0.2, which is before the controllers. A request
    below none of the prefixes is left to others. Each is one call of an application, as a task.

    Bodies go both ways as they come: who does not keep up is waited for. An application that
    raises before it has sent anything is answered with 500 by ``httperror``; in the middle of its
    response, the connection is cut; with a WebSocket, that is closed with 1011. When its client has
    gone, it has ten seconds to end by itself before it is cancelled.

    Requests wait until the lifespan of their application has started. One that reports that it
    cannot start stops ours, with status 1. When ours stops, the lifespan ends behind the last
    requests, within the ``stop_timeout``.

    Args:
        apps: One application, or several by the prefix of their paths, of which the longest one
            that matches in whole segments counts: ``{"/": site, "/blog": blog}``.
        threads: As for :class:`circuits.web.wsgi.Gateway`, and for WSGI applications only.
        processes: Likewise.
        lifespan: Whether to tell applications of start and end.
        websockets: Options of WebSockets, such as ``max_message_bytes``, as for
            :class:`~circuits.web.dispatchers.websockets.WebSockets`. By default scripts of all sites
            may connect, as applications see to that themselves.
        **kwargs: For the component, such as ``channel``.

    Raises:
        TypeError: One of ``apps`` cannot be called.

    .. versionadded:: 2.1
    """

    channel = "web"

    def __init__(
        self,
        apps: Mapping[str, Callable[..., Any]] | Callable[..., Any],
        threads: int = 0,
        *,
        processes: bool = False,
        lifespan: bool = True,
        websockets: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(apps, threads, processes=processes, **kwargs)
        self._asgi = {prefix for prefix, app in self.apps.items() if is_asgi(app)}
        self._policy = Policy(**{"origins": "*", **(websockets or {})})
        self._has_lifespan = lifespan
        self._lifespans: dict[int, Lifespan] = {}  # by the ids of the applications
        self._calls: set[Call] = set()
        self._idle: asyncio.Event | None = None  # there are no calls; when that is waited for
        self._is_stopping = False
        self._task_door = Direct(self, _Task, (self,))

    def wants_stream(self, request: wrappers.Request) -> bool | None:
        """Have the HTTP component give the bodies of our requests as they come."""
        prefix = self._mount_of(request)
        return None if prefix is None else prefix in self._asgi

    @handler("request", filter=True, priority=0.2, override=True)
    def _on_request(
        self, request: wrappers.Request, response: wrappers.Response, peer_cert: Any = None
    ) -> Any:
        prefix = self._mount_of(request)
        if prefix not in self._asgi:
            return super()._on_request(request, response, peer_cert)
        app = self.apps[prefix]
        exchange = request._exchange_of(response)
        # The application makes URLs, which have to be those that the client knows.
        root_path = request.script_name + prefix.removeprefix(request.virtual_prefix or "")
        headers, may_upgrade = scope_headers(request)
        scope = make_scope(request, root_path, request.path[len(prefix) :], headers)
        call: Call
        if may_upgrade and _wants_websocket(request):
            turn_to_websocket(scope)
            try:
                asked = check_request(request.method, request.protocol, request.headers.items())
            except HandshakeError as problem:
                return refuse(request, response, problem)
            scope["subprotocols"] = [*asked.subprotocols]
            call = SocketCall(self, app, scope, response, exchange, self._policy)
        else:
            call = HTTPCall(self, app, scope, response, exchange)
            if exchange is not None and self._start_at_once(app, call, exchange):
                return True
        self._calls.add(call)
        self._spawn(self._run(app, call))
        return True

    def _start_at_once(self, app: App, call: Call, exchange: Exchange) -> bool:
        """Call the application here and now, as far as it goes without waiting.

        Most answer that far, and need no turn of asyncio for it. Who observes requests is to see
        all of them before that, as always.

        Returns:
            Whether that is done.
        """
        owner = exchange.connection.owner
        engine = owner._tree_live
        host = engine.loop.host
        if host is None or owner.request_door.methods() is None:
            return False
        if self._has_lifespan:
            lifespan = self._lifespans.get(id(app))
            if lifespan is None or not lifespan.has_started:
                return False
            call.scope["state"] = lifespan.state.copy()
        coroutine = call.run()
        try:
            task = host.start_task(coroutine)
        except EXIT_EXCEPTIONS as problem:
            engine.stop(problem.code if isinstance(problem, SystemExit) else None)
            return True
        if task is None:
            coroutine.close()
            return False
        if not task.done():
            call.task = task
            if call.is_gone:  # already; now there is something to be cancelled
                call._go()
            self._calls.add(call)
            task.add_done_callback(lambda _: self._forget(call))
            event = self._task_door.event(coroutine)
            suspended = CoroutineTask(engine, event, coroutine, self._on_task)
            engine.tasks.add(suspended)
            suspended.follow(task)
        return True

    async def _run(self, app: App, call: Call) -> None:
        call.task = asyncio.current_task()
        try:
            if self._has_lifespan:
                lifespan = self._lifespan_of(app)
                if await lifespan.start() is not None:
                    self._refuse(call.response, exceptions.ServiceUnavailable())
                    return
                call.scope["state"] = lifespan.state.copy()
            await call.run()
        finally:
            self._forget(call)

    def _forget(self, call: Call) -> None:
        self._calls.discard(call)
        if self._idle is not None and not self._calls:
            self._idle.set()

    def _spawn(self, coroutine: Any) -> None:
        """Have a coroutine run, as if a handler of ours had returned it."""
        door = self._task_door
        event, engine = door.event(coroutine), self._tree_engine
        if engine.loop.host is None:
            door.take(event, self._on_task, coroutine)
        else:
            # asyncio's turn comes anyway. A task that is ready here would turn all that others
            # send in this turn into events, for the sake of an order that nobody sees.
            task = CoroutineTask(engine, event, coroutine, self._on_task)
            engine.tasks.add(task)
            task.step()

    @handler("_task")
    def _on_task(self, coroutine: Any) -> Any:
        return coroutine

    # -- for calls --

    def _report(self, problem: BaseException) -> None:
        """Fire the ``error`` event of an exception."""
        if not isinstance(problem, EXIT_EXCEPTIONS):  # which are no fault
            self._tree_engine.report(problem, None, None)

    def _call_in(self, seconds: float, call: Callable[[], object]) -> Appointment:
        """Have something done later."""
        return self._tree_engine.schedule.call_in(seconds, call)

    # -- lifespan --

    def _lifespan_of(self, app: App) -> Lifespan:
        lifespan = self._lifespans.get(id(app))
        if lifespan is None:
            lifespan = self._lifespans[id(app)] = Lifespan(app, self._report)
            self._spawn(lifespan.run())
            self._spawn(self._watch(lifespan))
        return lifespan

    async def _watch(self, lifespan: Lifespan) -> None:
        failure = await lifespan.start()
        if failure is not None:
            _log.error("an application cannot start: %s", failure)
            self._tree_engine.stop(1)

    def _start(self) -> None:
        self._is_stopping = False
        if self._has_lifespan:
            for prefix in self._asgi:
                self._lifespan_of(self.apps[prefix])

    def _stop(self) -> None:
        if not self._is_stopping and self._lifespans:
            self._is_stopping = True
            self._tree_engine.hold(self)
            self._spawn(self._shut_down(self._tree_engine, self.root.stop_timeout))

    async def _shut_down(self, engine: Engine, seconds: float) -> None:
        """End the lifespans when all calls are over, or their time is."""
        try:
            self._idle = asyncio.Event()
            if self._calls:
                try:
                    async with asyncio.timeout(max(seconds - _SHUTDOWN_SECONDS, seconds / 2)):
                        await self._idle.wait()
                except TimeoutError:
                    for call in [*self._calls]:
                        call.cancel()
            lifespans, self._lifespans = self._lifespans, {}
            await asyncio.gather(*[lifespan.stop() for lifespan in lifespans.values()])
        finally:
            self._idle = None
            engine.release(self)

    @handler("started", channel="*")
    def _on_started(self, component: Manager) -> None:
        if component is self.root:
            self._start()

    @handler("registered", channel="*")
    def _on_registered(self, component: Manager, parent: Manager) -> None:
        if component is self and self.root.running:
            self._start()

    @handler("stopped", channel="*", override=True)
    def _on_stopped(self, component: Manager) -> None:
        super()._on_stopped(component)
        if component is self.root:
            self._stop()

    @handler("prepare_unregister", channel="*")
    def _on_prepare_unregister(self, event: Any, component: Manager) -> Any:
        if event.in_subtree(self) and self._lifespans:
            return self._leave()
        return None

    async def _leave(self) -> None:
        seconds = self.root.stop_timeout
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._shut_down(self._tree_engine, seconds)


def _wants_websocket(request: wrappers.Request) -> bool:
    upgrade = request.headers.get("Upgrade")
    return upgrade is not None and "websocket" in upgrade.lower()


# -- our components in the server of others ---------------------------------------------------------


class Application(HostedTree):
    """An ASGI 3 application that is made of components: ``application = Application() + Root()``.

    It has an HTTP component and a dispatcher, so controllers, ``request`` handlers, tools and
    WebSockets work as in a server. Requests have no server, but ``asgi_scope``.

    The tree runs in the asyncio loop of the server, from the start of its lifespan to the end of
    it; where the server has no lifespan, from the first request. A component that stops the tree
    while it starts keeps the server from starting.

    Args:
        encoding: How text in responses is encoded.
        **kwargs: For the component, such as ``channel``, and limits as for
            :class:`~circuits.web.Server`. Those of bodies and forms count; the server has the rest.

    Attributes:
        http: The protocol component.

    .. versionadded:: 2.1
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lines: set[ASGIConnection] = set()
        self._tree_task: asyncio.Task[None] | None = None
        self._started = asyncio.Event()
        self._failure: BaseException | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or live; as ASGI 3 has it."""
        kind = scope["type"]
        if kind == "lifespan":
            await self._live(receive, send)
        elif kind == "http" or kind == "websocket":
            await self._begin_tree()
            await self._answer(scope, receive, send)
        else:
            raise ValueError(f"there is no protocol {kind!r:.80} here")

    # -- the life of the tree --

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            if (await receive())["type"] == "lifespan.startup":
                try:
                    await self._begin_tree()
                except Exception as problem:
                    await send({"type": "lifespan.startup.failed", "message": str(problem)})
                    return
                await send({"type": "lifespan.startup.complete"})
            else:
                if self._tree_task is not None:
                    self._tree_engine.stop()
                    await self._tree_task
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _begin_tree(self) -> None:
        """See to it that the tree runs, and has started.

        Raises:
            RuntimeError: It cannot, or it runs elsewhere.
        """
        if self._tree_task is None or self._tree_task.done():
            if self.root.running:
                raise RuntimeError(f"{self.root!r} runs already, and not in this server")
            self._failure = None
            self._started = asyncio.Event()  # loops come and go
            self._tree_task = asyncio.create_task(self._run_root())
        await self._started.wait()
        if self._failure is not None:
            raise RuntimeError(f"the application has stopped: {self._failure}") from self._failure

    async def _run_root(self) -> None:
        started = self._started
        try:
            await self.root.run_async()
            if not started.is_set():
                self._failure = RuntimeError("a component did not let it start")
        except SystemExit as problem:  # the server is not ours to end
            self._failure = problem
        except Exception as problem:
            self._failure = problem
        finally:
            started.set()

    @handler("started", channel="*", priority=-1000)
    def _on_started(self, component: Manager) -> None:
        if component is self.root:
            # Behind what components fire when they start, which may be that they cannot.
            self.http.later(self._has_started)

    def _has_started(self) -> None:
        if self.root.running:
            self._started.set()

    @handler("stopped", channel="*", priority=-1000)
    def _on_stopped(self, component: Manager) -> None:
        if component is self.root:
            for line in [*self._lines]:
                line.stop()

    # -- requests --

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        peer = (client[0], client[1]) if client else None
        line: ASGIConnection
        if scope["type"] == "websocket":
            can_deny = "websocket.http.response" in (scope.get("extensions") or {})
            line = ASGISocket(self.http, peer, can_deny=can_deny)
        else:
            line = ASGIConnection(self.http, peer)
        request, refusal, redirect = make_request(scope, line)
        response = wrappers.Response(request, self.encoding)
        exchange = ASGIExchange(line, request, response)
        self._lines.add(line)
        rest: asyncio.Task[None] | None = None
        try:
            message = await receive()
            if isinstance(line, ASGISocket):
                rest = asyncio.create_task(take_messages(line, receive))
            else:
                stream, refusal = await take_body(self.http, message, request, receive, refusal)
                rest = asyncio.create_task(
                    take_rest(line, stream, receive, len(message.get("body", b"")))
                )
            line.exchange = self.http.exchanges[request] = exchange
            self.http.later(self._begin, exchange, refusal, redirect)
            async for message in line:
                await send(message)
        finally:
            if rest is not None:
                rest.cancel()
            self._lines.discard(line)
            self.http.later(self._release, line, request)

    def _release(self, line: ASGIConnection, request: wrappers.Request) -> None:
        line.lost()
        self.http.exchanges.pop(request, None)
