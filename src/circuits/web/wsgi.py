"""WSGI, both ways (manual: circuits.web.wsgi).

:class:`Gateway` has WSGI applications answer the requests of a server of ours.
:class:`Application` is a WSGI application itself, made of components, for the server of others.

An application of components runs a loop. It does so in a thread of its own, which is started by
the first call; the threads of the WSGI server wait there for their responses. So requests are
served at the same time as far as their handlers let it, timers and suspended handlers go on
between two requests, and an idle loop sleeps.
"""

from __future__ import annotations

import threading
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from circuits.core.components import BaseComponent
from circuits.core.handlers import handler

from . import _results as results
from . import events, wrappers
from ._exchange import Exchange, State
from ._exchange_errors import start_over
from ._hosted_tree import HostedTree
from ._later import Later
from ._paths import mount
from ._request_body import BodyStream, gather
from ._threads import Threads
from ._wsgi_application import WSGIBody, WSGIConnection, WSGIExchange
from ._wsgi_application_request import make_request
from ._wsgi_hosting import Call, ThreadedCall
from ._wsgi_hosting_environ import make_environ
from ._wsgi_hosting_files import FileWrapper

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from circuits.core.manager import Manager

__all__ = ["Application", "FileWrapper", "Gateway"]

_HANDLING = State.HANDLING


# -- applications of others in our server ---------------------------------------------------------


class Gateway(BaseComponent):
    """Has WSGI applications answer requests.

    Handles ``request`` as a filter with priority 0.2, which is before the controllers. A request
    below none of the prefixes is left to others.

    An application that raises is answered with 500 by ``httperror``, and its traceback written to
    ``wsgi.errors``. If that happens in the middle of its response, the connection is cut. When a
    client goes, the iterator of its response is closed.

    Args:
        apps: One application, or several by the prefix of their paths, of which the longest one
            that matches in whole segments counts: ``{"/": site, "/blog": blog}``.
        threads: In how many threads applications are called at the same time. 0 calls them in the
            loop, one after the other, where nothing else happens before they return.
        processes: Whether other processes serve the same applications; ``wsgi.multiprocess``.
        **kwargs: For the component, such as ``channel``.

    Raises:
        TypeError: One of ``apps`` cannot be called.

    .. versionchanged:: 2.1
       ``threads`` and ``processes`` are new.
    """

    channel = "web"

    def __init__(
        self,
        apps: Mapping[str, Callable[..., Any]] | Callable[..., Any],
        threads: int = 0,
        *,
        processes: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        given: Any = {"/": apps} if callable(apps) else apps
        for path, app in given.items():
            if not callable(app):
                raise TypeError(f"{app!r} for {path!r} is no WSGI application: it is not callable")
        #: prefix without a slash at its end -> application; the longest one first.
        mounts = {mount(path): app for path, app in given.items()}
        self.apps = dict(sorted(mounts.items(), key=lambda item: -len(item[0])))
        self.processes = processes
        self._threads = Threads(threads, "wsgi") if threads else None
        self._waiting: deque[Callable[[], object]] = deque()  # what threads want done in the loop
        self._is_called = False  # there is an event for that

    def wants_stream(self, request: wrappers.Request) -> bool | None:
        """Have the HTTP component gather the bodies of our requests."""
        return None if self._mount_of(request) is None else False

    def _mount_of(self, request: wrappers.Request) -> str | None:
        path = request.path
        for prefix in self.apps:  # is_below, without the call
            if path.startswith(f"{prefix}/") or path == prefix:
                return prefix
        return None

    @handler("request", filter=True, priority=0.2)
    def _on_request(
        self, request: wrappers.Request, response: wrappers.Response, peer_cert: Any = None
    ) -> Any:
        prefix = self._mount_of(request)
        if prefix is None:
            return None
        if isinstance(request._body, BodyStream):
            return self._gathered(request, response)
        # The application makes URLs, which have to be those that the client knows.
        script_name = request.script_name + prefix.removeprefix(request.virtual_prefix or "")
        threads = self._threads
        environ = make_environ(
            request,
            script_name,
            request.path[len(prefix) :],
            threads=threads is not None,
            processes=self.processes,
        )
        if threads is None:
            return self._call(Call(self.apps[prefix], environ, response))
        call = ThreadedCall(self.apps[prefix], environ, response, self._answer, self._in_loop)
        threads.submit(call.work)
        return True

    def _gathered(
        self, request: wrappers.Request, response: wrappers.Response
    ) -> Generator[Any, Any, Any]:
        yield from gather(request)
        return self._on_request(request, response)

    def _call(self, call: Call) -> Any:
        try:
            body = call.run()
            call.apply(call if body is None else body)
        except BaseException as problem:
            call.close()
            if not isinstance(problem, Exception):
                raise
            call.log(problem)
            self._refuse(call.response, problem)
            return True
        return call.response

    def _refuse(self, response: wrappers.Response, problem: BaseException) -> None:
        """Answer with an error in place of a response."""
        error = (type(problem), problem, problem.__traceback__)
        exchange = response.request._exchange_of(response)
        if exchange is not None and exchange.state is _HANDLING:
            exchange.fail(error)  # also where the gateway has left the tree meanwhile
        else:
            self.fire(results.to_error(response.request, response, error))

    # -- threads --

    def _in_loop(self, call: Callable[[], object]) -> None:
        # One event for all that has come until it is handled: each may wake the loop.
        self._waiting.append(call)
        if not self._is_called:
            self._is_called = True
            self.fire(Later(self._do_waiting), self)

    def _do_waiting(self) -> None:
        self._is_called = False  # before it is looked: what comes now calls again
        try:
            for _ in range(len(self._waiting)):
                self._waiting.popleft()()
        finally:
            if self._waiting and not self._is_called:
                self._is_called = True
                self.fire(Later(self._do_waiting), self)

    @handler("_later")
    def _on_later(self, call: Callable[[], object]) -> None:
        call()

    def _answer(self, call: ThreadedCall, outcome: Any) -> None:
        """Take what a thread has got from an application, or will get."""
        if isinstance(outcome, BaseException):
            self._refuse(call.response, outcome)
            return
        call.apply(outcome)
        response = call.response
        self._respond(response, response.request._exchange_of(response))

    def _respond(self, response: wrappers.Response, exchange: Exchange | None) -> None:
        """Send a response, if it is still waited for."""
        if exchange is None:
            self.fire(events.Response(response))
        elif exchange.state is _HANDLING:
            exchange.respond(response)
        else:
            response.release()

    @handler("stopped", channel="*")
    def _on_stopped(self, component: Manager) -> None:
        if component is self.root and self._threads is not None:
            self._threads.close()

    @handler("unregistered", channel="*")
    def _on_unregistered(self, component: Manager, parent: Manager) -> None:
        if component is self and self._threads is not None:
            self._threads.close()


# -- our components in the server of others ---------------------------------------------------------


class Application(HostedTree):
    """A WSGI application that is made of components: ``application = Application() + Root()``.

    It has an HTTP component and a dispatcher, so controllers, ``request`` handlers and tools work
    as in a server. Requests have no socket and no server, but ``wsgi_environ``.

    It may be called by several threads at a time. The tree runs in a thread that the first call
    starts, unless it runs already. A handler that calls its own application is served, too.

    Args:
        encoding: How text in responses is encoded.
        **kwargs: For the component, such as ``channel``, and limits as for
            :class:`~circuits.web.Server`. Those of bodies and forms count; the server has the rest.

    Attributes:
        http: The protocol component.

    .. versionchanged:: 2.1
       Limits are new.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._starting = threading.Lock()

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any], exc_info: Any = None
    ) -> Any:
        """Answer a request; as PEP 3333 has it."""
        caller = WSGIConnection(self.http)
        request, refusal, redirect = make_request(environ, self.http)
        exchange = WSGIExchange(caller, request, wrappers.Response(request, self.encoding))
        caller.exchange = exchange
        self.http.exchanges[request] = exchange
        try:
            self._run(caller, partial(self._begin, exchange, refusal, redirect))
            body = self._body_of(exchange)
        except BaseException:
            self._release(exchange)
            raise
        assert caller.head is not None
        try:
            start_response(*caller.head, *([exc_info] if exc_info else []))
        except BaseException:
            if isinstance(body, WSGIBody):
                body.close()
            raise
        return body

    def _body_of(self, exchange: WSGIExchange) -> Any:
        """The body of the response; of one that could not begin, that of the error."""
        caller = exchange.connection
        while not isinstance(caller.body, bytes):
            body = WSGIBody(caller.body, exchange, self._release)
            try:
                body.begin()
            except Exception as problem:
                caller.expect_another()
                self._run(caller, partial(start_over, exchange, problem))
            else:
                return body
        self._release(exchange)
        return [caller.body] if caller.body else []

    # -- the loop --

    def _run(self, caller: WSGIConnection, call: Callable[[], object]) -> None:
        """Have something done in the loop, which is started if there is none; wait for a response."""
        root = self.root
        with self._starting:
            if not root.running:
                root.join()  # a run that is about to end
                root.start()
        self.fire(Later(call), self)
        loop = self._tree_engine.loop
        if loop.thread == threading.get_ident():
            while not caller.is_ready.is_set():
                root.tick(0.05)
        caller.is_ready.wait()

    @handler("_later")
    def _on_later(self, call: Callable[[], object]) -> None:
        call()

    @handler("stopped", channel="*", priority=-1000)
    def _on_stopped(self, component: Manager) -> None:
        if component is self.root:
            for exchange in list(self.http.exchanges.values()):
                exchange.connection.give_up("503 Service Unavailable")

    def _release(self, exchange: WSGIExchange) -> None:
        self.http.exchanges.pop(exchange.request, None)
        exchange.response.done = True
        exchange.drop()
