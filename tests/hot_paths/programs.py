"""The hottest paths, written as applications write them."""

from __future__ import annotations

import io
import itertools
import os
import re
import socket
from collections.abc import Callable, Generator, Iterable
from typing import Any, Final
from unittest.mock import patch

from circuits import BaseComponent, Component, Debugger, Event, Manager, Timer, handler
from circuits._wire.http1 import RequestDecoder
from circuits._wire.websocket import mask
from circuits.net.sockets import UNIXServer, Write
from circuits.testing import VirtualClock
from circuits.web import (
    BaseServer,
    Controller,
    JSONController,
    Logger,
    Server,
    Sessions,
    Static,
    WebSocket,
    WebSockets,
    _websocket_options,
    expose,
)
from circuits.web._forms import parse_form
from circuits.web.asgi import Gateway as ASGIGateway
from circuits.web.sessions import MemoryStore
from circuits.web.wsgi import Gateway

from .counting import Counter, Program


class Ping(Event):
    """Something happened."""


class Asked(Event):
    """Something happened, and somebody wants to know how it ended."""

    success = True


class Add(Event):
    """Add two numbers."""


# -- events --


class Listener(Component):
    def ping(self) -> None:
        pass


def _fire(counter: Counter, handlers: int) -> None:
    app = Manager()
    for _ in range(handlers):
        Listener().register(app)
    while len(app):
        app.flush()
    while counter.mark():
        app.fire(Ping())
        app.flush()


def one_handler(counter: Counter) -> None:
    _fire(counter, 1)


def ten_handlers(counter: Counter) -> None:
    _fire(counter, 10)


class _Marked(Component):
    """Fires an event when the program begins, and another one in each cycle."""

    def __init__(self, counter: Counter) -> None:
        super().__init__()
        self.counter = counter

    def go_on(self, event: Event) -> None:
        if self.counter.mark():
            self.fire(event)
        else:
            self.stop()


def chain(counter: Counter) -> None:
    class App(_Marked):
        def started(self, component: Manager) -> None:
            self.fire(Ping())

        def ping(self) -> None:
            self.go_on(Ping())

    App(counter).run()


def success_observed(counter: Counter) -> None:
    class App(_Marked):
        def started(self, component: Manager) -> None:
            self.fire(Asked())

        def asked(self) -> int:
            return 42

        def asked_success(self, *args: object) -> None:
            self.go_on(Asked())

    App(counter).run()


class Adder(Component):
    channel = "adder"

    def add(self, x: int, y: int) -> int:
        return x + y


def call_generator(counter: Counter) -> None:
    class App(Component):
        def started(self, component: Manager) -> Generator[Any, Any, None]:
            while counter.mark():
                value = yield self.call(Add(1, 2), "adder")
                assert value.value == 3
            self.stop()

    app = App()
    Adder().register(app)
    app.run()


def call_coroutine(counter: Counter) -> None:
    class App(Component):
        async def started(self, component: Manager) -> None:
            while counter.mark():
                assert await self.call(Add(1, 2), "adder") == 3
            self.stop()

    app = App()
    Adder().register(app)
    app.run()


def timer_persistent(counter: Counter) -> None:
    class App(Component):
        def started(self, component: Manager) -> None:
            Timer(1, Ping(), persist=True).register(self)
            clock.advance(1)

        def ping(self) -> None:
            clock.advance(1)
            if not counter.mark():
                self.stop()

    with VirtualClock() as clock:
        App().run()


def timer_once(counter: Counter) -> None:
    class App(Component):
        def started(self, component: Manager) -> None:
            Timer(0, Ping()).register(self)

        def ping(self) -> None:
            if counter.mark():
                Timer(0, Ping()).register(self)
            else:
                self.stop()

    with VirtualClock():
        App().run()


# -- servers: a client has one request in flight --

#: An abstract name of Linux: neither a file nor a port.
_ADDRESS: Final = f"\0circuits-hot-paths-{os.getpid()}"
_DATA: Final = bytes(range(64))
_REQUEST: Final = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: load/1.0\r\nAccept: */*\r\n"
    b"Accept-Encoding: gzip, deflate\r\n\r\n"
)


def _is_echo(reply: bytes) -> bool:
    assert _DATA.startswith(reply), reply
    return reply == _DATA


def _is_answer(reply: bytes) -> bool:
    head, end, body = reply.partition(b"\r\n\r\n")
    if not end:
        return False
    length = re.search(rb"\r\nContent-Length: (\d+)", head)
    assert head.startswith(b"HTTP/1.1 200 "), reply
    assert length, reply
    return len(body) == int(length[1])


class _Client:
    """Sends one request after the other is answered, while the server looks for events."""

    def __init__(self, requests: Iterable[bytes], is_whole: Callable[[bytes], bool]) -> None:
        self.requests = iter(requests)
        self.is_whole = is_whole
        self.reply = b""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(_ADDRESS)
        self.sock.setblocking(False)
        self.sock.send(next(self.requests))

    def go_on(self) -> None:
        try:
            self.reply += self.sock.recv(65536)
        except BlockingIOError:
            return
        if self.is_whole(self.reply):
            self.reply = b""
            self.sock.send(next(self.requests))


def _serve(
    counter: Counter,
    server: Manager,
    requests: Iterable[bytes],
    is_whole: Callable[[bytes], bool],
) -> None:
    client = _Client(requests, is_whole)
    counter.before_poll = client.go_on
    server.start_timeout = 0  # what waits beside it does so for ever
    with client.sock, VirtualClock():  # no timeout is due, however slow this machine is
        server.run()


def tcp_return(counter: Counter) -> None:
    class Echo(UNIXServer):
        @handler("read")
        def _on_echo(self, sock: Any, data: bytes) -> bytes:
            if not counter.mark():
                self.stop()
            return data

    _serve(counter, Echo(_ADDRESS), itertools.repeat(_DATA), _is_echo)


def tcp_write(counter: Counter) -> None:
    class Echo(UNIXServer):
        @handler("read")
        def _on_echo(self, sock: Any, data: bytes) -> None:
            if not counter.mark():
                self.stop()
            self.fire(Write(sock, data))

    _serve(counter, Echo(_ADDRESS), itertools.repeat(_DATA), _is_echo)


def tcp_component(counter: Counter) -> None:
    class Echo(Component):
        channel = "server"

        def read(self, sock: Any, data: bytes) -> None:
            if not counter.mark():
                server.stop()
            self.fire(Write(sock, data))

    server = UNIXServer(_ADDRESS)
    Echo().register(server)
    _serve(counter, server, itertools.repeat(_DATA), _is_echo)


def _web(
    counter: Counter,
    server: BaseServer,
    *parts: BaseComponent,
    requests: Iterable[bytes] = itertools.repeat(_REQUEST),
) -> None:
    for part in parts:
        part.register(server)
    _serve(counter, server, requests, _is_answer)


def _base_server() -> BaseServer:
    return BaseServer(_ADDRESS, display_banner=False)


def _server() -> Server:
    return Server(_ADDRESS, display_banner=False)


def http_base(counter: Counter) -> None:
    class Root(Component):
        channel = "web"

        def request(self, request: Any, response: Any) -> str:
            if not counter.mark():
                self.root.stop()
            return "Hello World!"

    _web(counter, _base_server(), Root())


def http_base_header(counter: Counter) -> None:
    class Root(Component):
        channel = "web"

        def request(self, request: Any, response: Any) -> str:
            if not counter.mark():
                self.root.stop()
            response.headers["Cache-Control"] = "no-store"
            return "Hello World!"

    _web(counter, _base_server(), Root())


def _controller(counter: Counter) -> Controller:
    class Root(Controller):
        def index(self) -> str:
            if not counter.mark():
                self.root.stop()
            return "Hello World!"

    return Root()


def http_controller(counter: Counter) -> None:
    _web(counter, _server(), _controller(counter))


def http_controller_header(counter: Counter) -> None:
    class Root(Controller):
        def index(self) -> str:
            if not counter.mark():
                self.root.stop()
            self.response.headers["Cache-Control"] = "no-store"
            return "Hello World!"

    _web(counter, _server(), Root())


def http_json(counter: Counter) -> None:
    class Root(JSONController):
        def index(self) -> dict[str, str]:
            if not counter.mark():
                self.root.stop()
            return {"message": "Hello World!"}

    _web(counter, _server(), Root())


def http_dict(counter: Counter) -> None:
    class Root(Controller):
        def index(self) -> dict[str, str]:
            if not counter.mark():
                self.root.stop()
            return {"message": "Hello World!"}

    _web(counter, _server(), Root())


class _Search(Controller):
    counter: Counter

    def index(self, first: str = "", second: str = "") -> str:
        if not self.counter.mark():
            self.root.stop()
        assert first == "one"
        return f"Hello {second}!"


def http_query(counter: Counter) -> None:
    root = _Search()
    root.counter = counter
    request = _REQUEST.replace(b"/", b"/?first=one&second=two", 1)
    _web(counter, _server(), root, requests=itertools.repeat(request))


def http_varied(counter: Counter) -> None:
    heads = (b"Cookie: id=%06d\r\nDNT: 1\r\n\r\n" % number for number in itertools.count())
    requests = (_REQUEST[:-2] + head for head in heads)
    _web(counter, _server(), _controller(counter), requests=requests)


def http_query_varied(counter: Counter) -> None:
    root = _Search()
    root.counter = counter
    queries = (b"/?first=one&second=%04d" % number for number in itertools.count())
    _web(
        counter,
        _server(),
        root,
        requests=(_REQUEST.replace(b"/", query, 1) for query in queries),
    )


def http_cookie_set(counter: Counter) -> None:
    class Root(Controller):
        def index(self) -> str:
            if not counter.mark():
                self.root.stop()
            self.cookie["seen"] = "yes"
            return "Hello World!"

    _web(counter, _server(), Root())


def http_cookie_set_by_method(counter: Counter) -> None:
    class Root(Controller):
        def index(self) -> str:
            if not counter.mark():
                self.root.stop()
            self.response.set_cookie("seen", "yes")
            return "Hello World!"

    _web(counter, _server(), Root())


def http_cookie_read(counter: Counter) -> None:
    class Root(Controller):
        def index(self) -> str:
            if not counter.mark():
                self.root.stop()
            assert self.request.cookie["seen"].value == "yes"
            return "Hello World!"

    request = _REQUEST[:-2] + b"Cookie: seen=yes\r\n\r\n"
    _web(counter, _server(), Root(), requests=itertools.repeat(request))


def http_log_file(counter: Counter) -> None:
    _web(counter, _server(), _controller(counter), Logger(os.devnull))


def http_wsgi(counter: Counter) -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        if not counter.mark():
            server.stop()
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "12")])
        return [b"Hello World!"]

    server = _base_server()
    _web(counter, server, Gateway(application))


def http_asgi(counter: Counter) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        if not counter.mark():
            server.stop()
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"12")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"Hello World!"})

    server = _base_server()
    _web(counter, server, ASGIGateway(application, lifespan=False))


def http_logger(counter: Counter) -> None:
    class Sink:
        def write(self, text: str) -> None:
            pass

    _web(counter, _server(), _controller(counter), Logger(Sink()))


def http_generator(counter: Counter) -> None:
    class Root(Controller):
        def index(self) -> Generator[Any, Any, None]:
            if not counter.mark():
                self.root.stop()
            yield "Hello World!"

    _web(counter, _server(), Root())


def http_coroutine(counter: Counter) -> None:
    class Root(Controller):
        async def index(self) -> str:
            if not counter.mark():
                self.root.stop()
            return "Hello World!"

    _web(counter, _server(), Root())


# -- WebSockets --

_OPENING: Final = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_KEY: Final = b"\x37\xfa\x21\x3d"
_MESSAGE: Final = b"\x82\xc0" + _KEY + mask(_DATA, _KEY)


def _is_opened_or_echo(reply: bytes) -> bool:
    if reply.startswith(b"HTTP/1.1 101 "):
        return reply.endswith(b"\r\n\r\n")
    return _is_echo(reply[2:])


def _websocket(counter: Counter, server: Server, *parts: BaseComponent) -> None:
    for part in parts:
        part.register(server)
    server.stop_timeout = 0  # the client does not answer that it is closed
    messages = itertools.chain([_OPENING], itertools.repeat(_MESSAGE))
    with patch.object(_websocket_options, "fastest_mask", lambda: mask):  # compiled or not
        _serve(counter, server, messages, _is_opened_or_echo)


def websocket_events(counter: Counter) -> None:
    class Echo(Component):
        channel = "ws"

        def read(self, sock: Any, message: bytes) -> None:
            if not counter.mark():
                self.root.stop()
            self.fire(Write(sock, message))

    _websocket(counter, _server(), WebSockets("/ws"), Echo())


def websocket_coroutine(counter: Counter) -> None:
    class Root(Controller):
        @expose.websocket
        async def ws(self, websocket: WebSocket) -> None:
            async for message in websocket:
                if not counter.mark():
                    self.root.stop()
                await websocket.send(message)

    _websocket(counter, _server(), Root())


def websocket_generator(counter: Counter) -> None:
    class Root(Controller):
        @expose.websocket
        def ws(self, websocket: WebSocket) -> Generator[Any, Any, None]:
            while True:
                message = yield websocket.receive()
                if not counter.mark():
                    self.root.stop()
                yield websocket.send(message)

    _websocket(counter, _server(), Root())


class Hello(Event):
    pass


class Greeter(Component):
    channel = "greeter"

    def hello(self) -> str:
        return "Hello World!"


def http_call(counter: Counter) -> None:
    class Root(Controller):
        def index(self) -> Generator[Any, Any, None]:
            if not counter.mark():
                self.root.stop()
            value = yield self.call(Hello(), "greeter")
            yield value.value

    _web(counter, _server(), Root(), Greeter())


def http_call_coroutine(counter: Counter) -> None:
    class Root(Controller):
        async def index(self) -> Any:
            if not counter.mark():
                self.root.stop()
            return await self.call(Hello(), "greeter")

    _web(counter, _server(), Root(), Greeter())


class Observer(Component):
    @handler(channel="*", priority=101)
    def _on_any(self, event: Event, *args: Any) -> None:
        pass


def http_observed(counter: Counter) -> None:
    _web(counter, _server(), _controller(counter), Observer())


# -- with something in the tree that concerns no request --


class Waiter(Component):
    channel = "beside"
    is_waiting = False

    @handler("started", channel="*")
    def _on_started(self, component: Manager) -> Generator[Any, Any, None]:
        self.is_waiting = True
        yield self.wait("never")


class Coroutine(Component):
    channel = "beside"

    async def never(self) -> None:
        pass


class CoroutineWaiter(Component):
    channel = "beside"
    is_waiting = False

    @handler("started", channel="*")
    async def _on_started(self, component: Manager) -> None:
        self.is_waiting = True
        await self.wait("never")


def http_beside_waiter(counter: Counter) -> None:
    waiter = Waiter()
    _web(counter, _server(), _controller(counter), waiter)
    assert waiter.is_waiting


def http_beside_coroutine(counter: Counter) -> None:
    _web(counter, _server(), _controller(counter), Coroutine())


def http_beside_coroutine_waiter(counter: Counter) -> None:
    waiter = CoroutineWaiter()
    _web(counter, _server(), _controller(counter), waiter)
    assert waiter.is_waiting


def http_beside_debugger(counter: Counter) -> None:
    _web(counter, _server(), _controller(counter), Debugger(events=False))


def http_beside_static(counter: Counter) -> None:
    _web(counter, _server(), _controller(counter), Static("/static"))


def http_beside_sessions(counter: Counter) -> None:
    store = MemoryStore()
    with VirtualClock():  # as when it is served, or it is old by then
        store.save("visitor", {"name": "somebody"})
    request = _REQUEST[:-2] + b"Cookie: circuits.session=visitor\r\n\r\n"
    beside = Sessions(store=store)
    _web(counter, _server(), _controller(counter), beside, requests=itertools.repeat(request))


def http_beside_timer(counter: Counter) -> None:
    _web(counter, _server(), _controller(counter), Timer(1, Ping(), "beside", persist=True))


# -- what a client may send much of in one request --


_PARTS = b"".join(
    b'--b\r\nContent-Disposition: form-data; name="a%d"%s\r\n\r\n\r\n'
    % (number, b'; filename="f"' * (number % 2))
    for number in range(50)
)


def body_form_of_parts(counter: Counter) -> None:
    body = io.BytesIO(_PARTS + b"--b--")
    while counter.mark():
        parse_form("multipart/form-data; boundary=b", body)


def body_tiny_chunks(counter: Counter) -> None:
    data = b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 300 + b"0\r\n\r\n"
    decoder = RequestDecoder()
    while counter.mark():
        decoder.receive_data(b"POST / HTTP/1.1\r\nHost: a\r\n" + data)
        while decoder.next_message() is not None:
            pass


PATHS: Final[dict[str, Program]] = {
    "event.one_handler": one_handler,
    "event.ten_handlers": ten_handlers,
    "event.chain": chain,
    "event.success_observed": success_observed,
    "call.generator": call_generator,
    "call.coroutine": call_coroutine,
    "timer.persistent": timer_persistent,
    "timer.once": timer_once,
    "tcp.return": tcp_return,
    "tcp.write": tcp_write,
    "tcp.component": tcp_component,
    "http.base": http_base,
    "http.base_header": http_base_header,
    "http.controller": http_controller,
    "http.controller_header": http_controller_header,
    "http.json": http_json,
    "http.dict": http_dict,
    "http.query": http_query,
    "http.query_varied": http_query_varied,
    "http.varied": http_varied,
    "http.cookie_set": http_cookie_set,
    "http.cookie_set_by_method": http_cookie_set_by_method,
    "http.cookie_read": http_cookie_read,
    "http.logger": http_logger,
    "http.generator": http_generator,
    "http.coroutine": http_coroutine,
    "http.call": http_call,
    "http.call_coroutine": http_call_coroutine,
    "http.observed": http_observed,
    "http.log_file": http_log_file,
    "http.wsgi": http_wsgi,
    "http.asgi": http_asgi,
    "http.beside_waiter": http_beside_waiter,
    "http.beside_coroutine": http_beside_coroutine,
    "http.beside_coroutine_waiter": http_beside_coroutine_waiter,
    "http.beside_debugger": http_beside_debugger,
    "http.beside_static": http_beside_static,
    "http.beside_sessions": http_beside_sessions,
    "http.beside_timer": http_beside_timer,
    "websocket.events": websocket_events,
    "websocket.coroutine": websocket_coroutine,
    "websocket.generator": websocket_generator,
    "body.form_of_parts": body_form_of_parts,
    "body.tiny_chunks": body_tiny_chunks,
}
