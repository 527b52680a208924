"""What is compared with what, and the ratios that we hold ourselves to."""

from __future__ import annotations

from typing import Any, Final

from benchmarks.harness import Bound, Contender, Row

_OLD: Final = "circuits 3.2.5"
_PER_SECOND: Final = "/CPU s"
_REQUESTS: Final = "requests/CPU s of the server"


def _here(program: str, name: str = "circuits") -> Contender:
    return Contender(name, "here", "kernel_circuits.py", (program,))


def _old(program: str) -> Contender:
    return Contender(_OLD, "old", "kernel_circuits.py", (program,))


def _asyncio(program: str) -> Contender:
    return Contender("asyncio", "plain", "kernel_asyncio.py", (program,))


def _pyee(program: str) -> Contender:
    return Contender("pyee", "peers", "kernel_pyee.py", (program,))


def _against_old(program: str, title: str, at_least: float, aim: float) -> Row:
    return Row(
        f"kernel.{program}",
        title,
        _PER_SECOND,
        (_here(program), _old(program)),
        (Bound(_OLD, at_least, aim),),
    )


_KERNEL: Final = (
    Row(
        "kernel.one_handler",
        "event to one handler",
        _PER_SECOND,
        (_here("one_handler"), _old("one_handler"), _pyee("one_handler")),
        (Bound(_OLD, 4.5, 6), Bound("pyee")),
    ),
    Row(
        "kernel.ten_handlers",
        "event to ten handlers",
        _PER_SECOND,
        (_here("ten_handlers"), _old("ten_handlers"), _pyee("ten_handlers")),
        (Bound(_OLD, 3, 5), Bound("pyee")),
    ),
    _against_old("channels_100", "events to 100 channels in turn", 3.5, 5),
    Row(
        "kernel.channels_flat",
        "the same with 1000 and 10 000 channels: no slower than with 100",
        _PER_SECOND,
        (
            _here("channels_10000", "10 000 channels"),
            _here("channels_1000", "1000 channels"),
            _here("channels_100", "100 channels"),
        ),
        (Bound("100 channels", 0.8, 1), Bound("1000 channels")),
    ),
    Row(
        "kernel.channels_1000",
        "events to 1000 channels in turn",
        _PER_SECOND,
        (_here("channels_1000"), _old("channels_1000")),
        (Bound(_OLD),),
    ),
    _against_old("value_read", "events whose values are read when all are handled", 4, 5),
    _against_old("success_observed", "event whose success is observed", 7, 10),
    _against_old("complete_nested", "complete of an event with a nested event", 5, 7),
    Row(
        "kernel.chain",
        "handler fires the next event, under run()",
        _PER_SECOND,
        (_here("chain"), _old("chain"), _asyncio("chain")),
        (Bound(_OLD, 5, 8), Bound("asyncio", 1.2, 1.8)),
    ),
    Row(
        "kernel.call",
        "round trip of call() from a generator handler; asyncio: a task created and awaited",
        _PER_SECOND,
        (_here("call"), _asyncio("call"), _old("call")),
        (Bound("asyncio", 1.2, 2.5), Bound(_OLD)),
    ),
    Row(
        "kernel.call_async",
        "round trip of await call() from a coroutine handler; asyncio: a task created and awaited",
        _PER_SECOND,
        (_here("call_async"), _asyncio("call")),
        (Bound("asyncio", 0.8, 1.2),),
    ),
    _against_old("timers_1000", "timers that end within 0.3 s, 1000 of them", 40, 70),
    Row(
        "kernel.timers_10000",
        "the same with 10 000 (3.2.5 does not end)",
        _PER_SECOND,
        (_here("timers_10000"), _asyncio("timers_10000")),
        (Bound("asyncio", 0.5, 1),),
    ),
    Row(
        "kernel.thread_fire",
        "fire from another thread",
        _PER_SECOND,
        (_here("thread_fire"), _old("thread_fire"), _asyncio("thread_fire")),
        (Bound(_OLD, 4, 6), Bound("asyncio")),
    ),
    Row(
        "kernel.thread_latency",
        "fire from another thread into an idle loop, until its handler runs",
        "us",
        (_here("thread_latency"), _asyncio("thread_latency"), _old("thread_latency")),
        (Bound("asyncio", 1.2, 1), Bound(_OLD)),
        less_is_better=True,
    ),
    Row(
        "kernel.idle_flat",
        "event to one handler among 1, 100 and 10 000 components",
        _PER_SECOND,
        (
            _here("idle_10000", "10 000 components"),
            _here("idle_100", "100 components"),
            _here("idle_1", "1 component"),
        ),
        (Bound("1 component", 0.9, 1), Bound("100 components")),
    ),
    Row(
        "kernel.build_linear",
        "components that join a tree of 10 000 and of 1000: as fast each",
        _PER_SECOND,
        (
            _here("build_10000", "10 000 components"),
            _here("build_1000", "1000 components"),
            _old("build_1000"),
        ),
        (Bound("1000 components", 0.7, 0.9), Bound(_OLD)),
    ),
    Row(
        "kernel.idle_cpu",
        "CPU time of an idle application with 100 components",
        "ms/s",
        (_here("idle_cpu"), _old("idle_cpu")),
        less_is_better=True,
    ),
)

_MEMORY: Final = (
    Row(
        "memory.event",
        "an event in the queue",
        "bytes",
        (_here("bytes_per_event"), _old("bytes_per_event")),
        (Bound(_OLD),),
        less_is_better=True,
        floor=300,
        goal=270,
    ),
    Row(
        "memory.component",
        "a component with one handler in the tree",
        "bytes",
        (_here("bytes_per_component"), _old("bytes_per_component")),
        (Bound(_OLD),),
        less_is_better=True,
        floor=2000,
        goal=1200,
    ),
)

_IMPORT: Final = (
    Row(
        "import.circuits",
        "import, CPU time above an empty interpreter",
        "ms",
        (
            Contender("circuits", "here", "import_cost.py", ("circuits",)),
            Contender("asyncio", "plain", "import_cost.py", ("asyncio",)),
            Contender(_OLD, "old", "import_cost.py", ("circuits",)),
        ),
        (Bound("asyncio", 0.3, 0.2), Bound(_OLD)),
        less_is_better=True,
    ),
)

_UVICORN: Final = "uvicorn (uvloop, httptools)"
_STARLETTE: Final = "starlette on uvicorn"


def _http(
    name: str,
    title: str,
    script: str,
    load: tuple[str, ...],
    *,
    uvicorn: tuple[float | None, float | None],
    starlette: tuple[float, float] | None = None,
    old: bool = False,
) -> Row:
    contenders = [
        Contender("circuits", "here", script, load=load),
        Contender(_UVICORN, "peers", "http_uvicorn.py", load=load),
    ]
    bounds = [Bound(_UVICORN, *uvicorn)]
    if starlette:
        contenders.append(Contender(_STARLETTE, "peers", "http_starlette.py", load=load))
        bounds.append(Bound(_STARLETTE, *starlette))
    if old:
        contenders.append(Contender(_OLD, "old", "http_old_controller.py", load=load))
        bounds.append(Bound(_OLD))
    return Row(f"http.{name}", title, _REQUESTS, tuple(contenders), tuple(bounds))


def _connections(number: int, *more: str) -> tuple[str, ...]:
    return ("--connections", str(number), *more)


_COOKIE: Final = ("--header", "Cookie: seen=yes")


def _beside(what: str, title: str, at_least: float = 0.95) -> Row:
    script, load = "http_circuits_controller.py", _connections(64)
    visitor = (*load, "--cookies", "/enter") if what == "sessions" else load
    return Row(
        f"http.beside_{what}",
        f"hello by a Controller, {title} in the tree that concerns no request",
        _REQUESTS,
        (
            Contender("beside it", "here", script, (what,), visitor),
            Contender("alone", "here", script, load=load),
        ),
        (Bound("alone", at_least, 1),),
    )


#: A spelling, what it is, what is asked of it against the bare function on uvicorn, what starlette
#: does beside it, and what its clients send.
_SPELLINGS: Final[tuple[tuple[Any, ...], ...]] = (
    ("header", "a Controller that sets a header", (1.0, 1.4), "header"),
    ("sets_cookie", "a Controller that sets a cookie", (0.75, 1.1), "sets_cookie"),
    ("sets_cookie_by_method", "the same by set_cookie()", (0.75, 1.1), "sets_cookie"),
    ("reads_cookie", "a Controller that reads a cookie", (0.75, 1.1), "reads_cookie", *_COOKIE),
    ("reads_cookie_as_text", "the same as text", (0.75, 1.1), "reads_cookie", *_COOKIE),
    ("json", "a JSONController", (0.85, 1.2), "json"),
    ("json_by_dict", "a Controller that returns a dict", (0.85, 1.2), "json"),
    ("vpath", "two segments of the path as arguments", (0.9, 1.2), "vpath", "--path", "/one/two"),
    ("query", "two arguments of the query", (0.9, 1.2), "query", "--path", "/?first=1&second=2"),
    ("async", "a Controller with a coroutine", (0.75, 1.0), "plain"),
    ("generator", "a Controller that yields", (None, None), "generator"),
    ("async_generator", "a Controller with an asynchronous generator", (None, None), "generator"),
    ("call", "a Controller that yields a call to another component", (0.65, 0.9), "plain"),
    ("call_async", "a Controller that awaits such a call", (0.55, 0.8), "plain"),
    ("fires", "a Controller that returns the value of an event", (None, None), "plain"),
    ("log", "a Controller and a Logger to a file", (0.7, 1.0), "log"),
    ("log_sets_cookie", "a cookie set, and a Logger to a file", (None, None), "log"),
    ("observed", "a Controller beside a Debugger that shows nothing", (0.35, 0.5), "plain"),
    ("seen", "a Controller beside a component that sees every event", (0.35, 0.5), "plain"),
    ("base_header", "a BaseServer with a header", (1.2, 1.6), "header"),
)  # fmt: skip


def _spelling(
    name: str, title: str, uvicorn: tuple[float | None, float | None], peer: str, *more: str
) -> Row:
    load = _connections(64, *more)
    return Row(
        f"http.{name}",
        f"hello: {title}",
        _REQUESTS,
        (
            Contender("circuits", "here", "http_circuits_spellings.py", (name,), load),
            Contender(_UVICORN, "peers", "http_uvicorn.py", load=load),
            Contender(_STARLETTE, "peers", "http_starlette.py", (peer,), load),
        ),
        (Bound(_UVICORN, *uvicorn), Bound(_STARLETTE)),
    )


_HTTP: Final = (
    _http(
        "controller",
        "hello by a Controller, 64 connections",
        "http_circuits_controller.py",
        _connections(64),
        uvicorn=(1.1, 1.5),
        starlette=(1.3, 1.8),
        old=True,
    ),
    _http(
        "controller_varied",
        "the same, no two request heads equal",
        "http_circuits_controller.py",
        _connections(64, "--vary"),
        uvicorn=(0.95, 1.2),
        starlette=(1.3, 1.8),
    ),
    _http(
        "base_64",
        "hello by a BaseServer, 64 connections",
        "http_circuits_base.py",
        _connections(64),
        uvicorn=(1.3, 1.8),
        starlette=(1.3, 1.8),
    ),
    _http(
        "base_varied",
        "the same, no two request heads equal",
        "http_circuits_base.py",
        _connections(64, "--vary"),
        uvicorn=(None, None),
    ),
    _http(
        "base_512",
        "hello by a BaseServer, 512 connections",
        "http_circuits_base.py",
        _connections(512),
        uvicorn=(1.2, 1.8),
    ),
    _http(
        "base_5000",
        "hello by a BaseServer, 5000 connections",
        "http_circuits_base.py",
        _connections(5000),
        uvicorn=(1.5, 2.5),
    ),
    _beside("waiter", "a suspended handler"),
    _beside("coroutine", "a coroutine handler"),
    _beside("coroutine_waiter", "a suspended coroutine handler"),
    _beside("timer", "a Timer"),
    _beside("static", "a Static"),
    _beside("inspector", "an Inspector without a page", 0.99),
    _beside("attach", "an Attach that nobody uses", 0.99),
    _beside("sessions", "Sessions, for visitors who come back,"),
    *(_spelling(*row) for row in _SPELLINGS),
    Row(
        "http.workers",
        "hello by a Controller, 64 connections to worker processes",
        _REQUESTS,
        tuple(
            # A client that does not sleep would take a processor that is meant for a worker.
            Contender(
                name, "here", "http_circuits_workers.py", (number,), _connections(64, "--sleeps")
            )
            for name, number in (("two workers", "2"), ("one", "1"))
        ),
        (Bound("one", 0.95, 1),),
    ),
    Row(
        "http.static",
        "a file of 1 MiB, 16 connections",
        _REQUESTS,
        tuple(
            Contender(name, where, script, load=_connections(16, "--path", "/file.bin"))
            for name, where, script in (
                ("circuits", "here", "http_circuits_static.py"),
                (_STARLETTE, "peers", "http_starlette_static.py"),
                (_UVICORN, "peers", "http_uvicorn_file.py"),
            )
        ),
        (Bound(_STARLETTE, 3, 10), Bound(_UVICORN, 1, 1.5)),
    ),
)


_WAITRESS: Final = "waitress, 4 threads"


def _wsgi(name: str, title: str, threads: int, at_least: float, aim: float) -> Row:
    load = _connections(64)
    return Row(
        f"wsgi.{name}",
        title,
        _REQUESTS,
        (
            Contender("circuits", "here", "wsgi_circuits.py", (str(threads),), load),
            Contender(_WAITRESS, "peers", "wsgi_waitress.py", load=load),
        ),
        (Bound(_WAITRESS, at_least, aim),),
    )


_WSGI: Final = (
    _wsgi("hello", "hello by a WSGI application, called in the loop", 0, 3, 5),
    _wsgi("threads", "the same, called in 4 threads", 4, 1, 2),
)


def _asgi(name: str, title: str, bounds: dict[tuple[str, str], tuple[float | None, float]]) -> Row:
    load = _connections(64)
    names = {kind: f"uvicorn ({', '.join(kind)})" for kind in bounds}
    return Row(
        f"asgi.{name}",
        title,
        _REQUESTS,
        (
            Contender("circuits", "here", "asgi_circuits.py", (name,), load),
            *(
                Contender(title, "peers", "asgi_uvicorn.py", (name, *kind), load)
                for kind, title in names.items()
            ),
        ),
        tuple(Bound(names[kind], *each) for kind, each in bounds.items()),
    )


_ASGI: Final = (
    _asgi(
        "starlette",
        "hello by a route of starlette",
        {
            ("asyncio", "httptools"): (1, 1.2),
            ("asyncio", "h11"): (1, 1.5),
            ("uvloop", "httptools"): (None, 1),
        },
    ),
    _asgi(
        "bare",
        "hello by a bare function",
        {("asyncio", "httptools"): (None, 1), ("uvloop", "httptools"): (None, 1)},
    ),
)


def _echo(
    transport: str,
    name: str,
    title: str,
    peer: str,
    load: tuple[str, ...],
    at_least: float | None = None,
    aim: float | None = None,
    spelling: tuple[str, ...] = (),
) -> Row:
    load = (*load, "--transport", transport)
    return Row(
        f"{transport}.{name}",
        title,
        "echoes/CPU s of the server",
        (
            Contender("circuits", "here", f"{transport}_circuits.py", spelling, load),
            Contender(peer, "plain", f"{transport}_asyncio.py", load=load),
        ),
        (Bound(peer, at_least, aim),),
    )


_PROTOCOL: Final = "asyncio Protocol"
_DATAGRAMS: Final = "asyncio DatagramProtocol"
_64: Final = ("--echo", "64")
_64K: Final = ("--echo", "65536")

_TCP: Final = (
    _echo(
        "tcp", "echo_50", "64 bytes, 50 connections", _PROTOCOL, _connections(50, *_64), 1.1, 1.3
    ),
    _echo(
        "tcp",
        "echo_1000",
        "64 bytes, 1000 connections",
        _PROTOCOL,
        _connections(1000, *_64),
        1.1,
        1.3,
    ),
    _echo("tcp", "echo_64k", "64 KiB, 50 connections", _PROTOCOL, _connections(50, *_64K), 1, 1.2),
    _echo(
        "tcp",
        "write_50",
        "64 bytes, 50 connections, self.fire(Write(sock, data))",
        _PROTOCOL,
        _connections(50, *_64),
        1,
        1.2,
        ("write",),
    ),
    _echo(
        "tcp",
        "write_64k",
        "64 KiB, 50 connections, self.fire(Write(sock, data))",
        _PROTOCOL,
        _connections(50, *_64K),
        0.9,
        1.1,
        ("write",),
    ),
    _echo(
        "tcp",
        "component_50",
        "64 bytes, 50 connections, the same in a component of its own",
        _PROTOCOL,
        _connections(50, *_64),
        1,
        1.2,
        ("component",),
    ),
)

_TLS: Final = (
    _echo(
        "tls",
        "echo_50",
        "64 bytes over TLS, 50 connections",
        _PROTOCOL,
        _connections(50, *_64),
        1.1,
        1.4,
    ),
    _echo(
        "tls",
        "echo_64k",
        "64 KiB over TLS, 50 connections",
        _PROTOCOL,
        _connections(50, *_64K),
        0.7,
        1,
    ),
)

_UDP: Final = (
    _echo("udp", "echo_50", "64 bytes from 50 peers", _DATAGRAMS, _connections(50, *_64), 2, 3),
    _echo(
        "udp",
        "echo_8k",
        "8 KiB from 50 peers",
        _DATAGRAMS,
        _connections(50, "--echo", "8192"),
        2,
        3,
    ),
)

_FUTURES: Final = "concurrent.futures"


def _work(
    program: str, title: str, against: str, at_most: float, aim: float, unit: str = "us"
) -> Row:
    return Row(
        f"work.{program}",
        title,
        unit,
        (
            Contender("circuits", "here", "work_circuits.py", (program,)),
            Contender(against, "plain", "work_plain.py", (program,)),
        ),
        (Bound(against, at_most, aim),),
        less_is_better=True,
    )


def _restart(kind: str, title: str) -> Row:
    return Row(
        f"work.restart_{kind}",
        title,
        "ms",
        (Contender("circuits", "here", "work_circuits.py", (f"restart_{kind}",)),),
        less_is_better=True,
        floor=50,
        goal=20,
    )


_WORK: Final = (
    _work("threads", "1000 short tasks for 4 threads, each", _FUTURES, 1.3, 1.1),
    _work("processes", "1000 short tasks for 2 processes, each", _FUTURES, 1.5, 1),
    _work("bridge", "round trip to another process", "socket pair, same frames", 3, 2.5),
    _restart("component", "restart of a component by its supervisor"),
    _restart("process", "restart of a killed process, until its bridge is ready"),
)


_STREAMS: Final = "asyncio streams by hand"


def _node(name: str, title: str, *options: str) -> Row:
    return Row(
        f"node.{name}",
        title,
        "round trips/CPU s of both ends",
        (
            Contender("circuits", "here", "node_circuits.py", ("round_trips", *options)),
            Contender(_STREAMS, "plain", "node_asyncio.py", ("round_trips",)),
        ),
        (Bound(_STREAMS, 0.7, 1),),
    )


_NODE: Final = (
    _node("tcp_64", "64 concurrent over TCP, version 2"),
    _node("tcp_64_json", "the same without msgspec", "json"),
    Row(
        "node.nats_64",
        "64 concurrent over NATS",
        "round trips/CPU s of both ends",
        (
            Contender("circuits", "here", "node_nats_circuits.py", ("round_trips",)),
            Contender("nats-py by hand", "plain", "node_nats_plain.py", ("round_trips",)),
        ),
        (Bound("nats-py by hand", 0.7, 1),),
    ),
)


def _websocket(
    name: str,
    title: str,
    load: tuple[str, ...],
    at_least: float | None,
    aim: float | None,
    *spelling: str,
) -> Row:
    load = (*load, "--transport", "websocket")
    return Row(
        f"websocket.{name}",
        title,
        "echoes/CPU s of the server",
        (
            Contender("circuits", "here", "websocket_circuits.py", spelling, load),
            Contender("websockets", "peers", "websocket_websockets.py", load=load),
        ),
        (Bound("websockets", at_least, aim),),
    )


_WS_64: Final = _connections(64, *_64)
_WS_512: Final = _connections(512, *_64)
_WS_64K: Final = _connections(16, *_64K)

_WEBSOCKET: Final = (
    _websocket("events_64", "64 bytes, 64 connections, by events", _WS_64, 1.5, 2, "events"),
    _websocket("events_512", "the same, 512 connections", _WS_512, 1.5, 2, "events"),
    _websocket("events_64k", "64 KiB, 16 connections, by events", _WS_64K, 0.7, 1, "events"),
    _websocket("async_64", "64 bytes, 64 connections, async for", _WS_64, 1.5, 2, "async"),
    _websocket("async_512", "the same, 512 connections", _WS_512, 1.5, 2, "async"),
    _websocket("async_64k", "64 KiB, 16 connections, async for", _WS_64K, 0.7, 1, "async"),
    _websocket(
        "compiled_64",
        "64 bytes, 64 connections, by events, with the extra",
        _WS_64,
        1.5,
        2,
        "events",
        "compiled",
    ),
    _websocket(
        "compiled_64k",
        "64 KiB, 16 connections, by events, with the extra",
        _WS_64K,
        1,
        1.2,
        "events",
        "compiled",
    ),
    _websocket("generator_64", "64 bytes, 64 connections, yield", _WS_64, None, None, "generator"),
)

_INSPECTOR: Final = (
    Row(
        "inspector.page",
        "a page of the inspector, at 50 000 events a second",
        "% of a core",
        (Contender("circuits", "here", "inspector_circuits.py", ("share",)),),
        less_is_better=True,
        floor=10,
        goal=5,
    ),
)

ROWS: Final = (
    *_KERNEL,
    *_MEMORY,
    *_IMPORT,
    *_HTTP,
    *_WSGI,
    *_ASGI,
    *_TCP,
    *_TLS,
    *_UDP,
    *_WEBSOCKET,
    *_WORK,
    *_NODE,
    *_INSPECTOR,
)

#: One of each kind, for a first look.
QUICK: Final = (
    "kernel.one_handler",
    "kernel.ten_handlers",
    "kernel.success_observed",
    "kernel.chain",
    "kernel.call",
    "tcp.echo_50",
    "tcp.write_50",
    "http.controller",
    "http.base_64",
)
