"""ASGI both ways, with the applications and the servers of others."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from circuits.web import BaseServer, events
from circuits.web.asgi import Gateway
from tests.integration.web_support import CHECKOUT, SECONDS, Program, Wire, running
from tests.support import require_package

EXAMPLES = CHECKOUT / "examples/web"

_STARLETTE = """
import asyncio
from contextlib import asynccontextmanager
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute

done = []

@asynccontextmanager
async def lifespan(app):
    print("app starts", flush=True)
    yield {"name": "state"}
    print("app ends", flush=True)

async def page(request):
    return PlainTextResponse(f"{request.state.name} {request.url.path} {request.query_params}")

async def echo(request):
    form = await request.body()
    task = BackgroundTask(note, len(form))
    return PlainTextResponse(str(len(form)), background=task)

async def note(size):
    done.append(size)

async def background(request):
    return PlainTextResponse(str(done))

async def stream(request):
    async def give():
        for number in range(100):
            yield f"{number}," * 1000
            await asyncio.sleep(0)
    return StreamingResponse(give())

async def file(request):
    return FileResponse(__file__)

async def boom(request):
    raise ZeroDivisionError

async def chat(websocket):
    await websocket.accept(subprotocol="a")
    async for message in websocket.iter_text():
        await websocket.send_text(message.upper())

async def closed(websocket):
    await websocket.close(4000)

app = Starlette(lifespan=lifespan, routes=[
    Route("/", page), Route("/echo", echo, methods=["POST"]), Route("/stream", stream),
    Route("/background", background), Route("/file", file), Route("/boom", boom),
    WebSocketRoute("/chat", chat), WebSocketRoute("/closed", closed),
])
"""

_FASTAPI = """
from fastapi import FastAPI, WebSocket

app = FastAPI()

@app.get("/items/{number}")
def item(number: int):
    return {"number": number}

@app.websocket("/chat")
async def chat(websocket: WebSocket):
    await websocket.accept()
    await websocket.send_json({"hello": await websocket.receive_text()})
    await websocket.close(4001)
"""


def chats(program: Program, path: str, subprotocols: list[str] | None = None) -> None:
    client = require_package("websockets.sync.client")
    with client.connect(f"ws://127.0.0.1:{program.port}{path}", subprotocols=subprotocols) as ws:
        assert ws.subprotocol == (subprotocols[0] if subprotocols else None)
        for message in ("a", "b" * 100_000, ""):
            ws.send(message)
            assert ws.recv(10).lower() == message


# -- applications of others ------------------------------------------------------------------------


@pytest.fixture
def starlette(tmp_path: Path) -> Iterator[Program]:
    require_package("starlette")
    (tmp_path / "pages.py").write_text(_STARLETTE)
    with running("-m", "circuits.web", "-b", "127.0.0.1:0", "pages:app", cwd=tmp_path) as program:
        yield program
    assert "app starts" in program.output
    assert "app ends" in program.output


def test_starlette_answers(starlette: Program, tmp_path: Path) -> None:
    assert starlette.get("/?a=b").body == b"state / a=b"
    numbers = "".join(f"{number}," * 1000 for number in range(100))
    assert starlette.get("/stream").body == numbers.encode()
    assert starlette.get("/file").body == (tmp_path / "pages.py").read_bytes()
    assert starlette.get("/boom").code == 500
    assert starlette.get("/nowhere").code == 404


def test_starlette_receives_and_goes_on_behind_its_answer(starlette: Program) -> None:
    with starlette.connect() as wire:
        wire.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n")
        wire.send(bytes(2_000_000))
        assert wire.answer().body == b"2000000"
        assert wire.get("/background").body == b"[2000000]"


def test_starlette_speaks_websocket(starlette: Program) -> None:
    chats(starlette, "/chat", ["a"])
    client = require_package("websockets.sync.client")
    refused = require_package("websockets.exceptions").InvalidStatus
    with pytest.raises(refused) as raised:
        client.connect(f"ws://127.0.0.1:{starlette.port}/closed")
    assert raised.value.response.status_code == 403


def test_fastapi_answers(tmp_path: Path) -> None:
    require_package("fastapi")
    client = require_package("websockets.sync.client")
    (tmp_path / "items.py").write_text(_FASTAPI)
    with running("-m", "circuits.web", "-b", "127.0.0.1:0", "items:app", cwd=tmp_path) as program:
        assert program.get("/items/7").body == b'{"number":7}'
        assert program.get("/items/x").code == 422
        assert program.get("/openapi.json").code == 200
        with client.connect(f"ws://127.0.0.1:{program.port}/chat") as ws:
            ws.send("you")
            assert ws.recv(10) == '{"hello":"you"}'


def test_a_start_that_fails_ends_the_program(tmp_path: Path) -> None:
    (tmp_path / "failing.py").write_text(
        "async def app(scope, receive, send):\n"
        "    await receive()\n"
        "    await send({'type': 'lifespan.startup.failed', 'message': 'no database'})\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "circuits.web", "-b", "127.0.0.1:0", "failing:app"],
        capture_output=True,
        text=True,
        timeout=20,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 1
    assert "an application cannot start: no database" in done.stderr


def test_a_wsgi_application_is_told_from_others(tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text(
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [str(environ['wsgi.multithread']).encode()]\n"
    )
    program = ("-m", "circuits.web", "-b", "127.0.0.1:0", "plain:app")
    with running(*program, cwd=tmp_path) as served:
        assert served.get("/").body == b"True"
    with running(*program, "--interface", "wsgi", "--threads", "0", cwd=tmp_path) as served:
        assert served.get("/").body == b"False"


def test_the_gateway_of_the_examples() -> None:
    with running(EXAMPLES / "asgi_gateway.py", "-b", "127.0.0.1:0") as program:
        assert program.get("/").body == b"Look at /hello\n"
        assert program.get("/hello/you").body == b"Hello from /hello, asked for /hello/you\n"
        chats(program, "/hello")


# -- many at once ----------------------------------------------------------------------------------


def test_what_comes_in_one_turn_makes_no_events(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    make = events.Request.__init__

    def count(self: Any, *args: Any) -> None:
        made.append(args)
        make(self, *args)

    monkeypatch.setattr(events.Request, "__init__", count)
    is_blocked, go_on = threading.Event(), threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/block":
            is_blocked.set()
            assert go_on.wait(SECONDS)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    server = BaseServer(("127.0.0.1", 0))
    Gateway(app, lifespan=False).register(server)
    server.start()
    try:
        with contextlib.ExitStack() as stack:
            wires = [stack.enter_context(Wire(server.port or 0)) for _ in range(20)]
            for wire in wires:
                assert wire.get("/").body == b"/"
            wires[0].send(b"GET /block HTTP/1.1\r\nHost: a\r\n\r\n")
            assert is_blocked.wait(SECONDS)
            before = len(made)
            for number, wire in enumerate(wires[1:]):
                wire.send(f"GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            go_on.set()
            assert wires[0].answer().body == b"/block"
            for number, wire in enumerate(wires[1:]):
                assert wire.answer().body == f"/{number}".encode()
            assert len(made) == before
    finally:
        server.stop()
        server.join()


# -- servers of others -----------------------------------------------------------------------------

_HYPERCORN = """
import asyncio, socket
from hypercorn.asyncio import serve
from hypercorn.config import Config
from asgi_application import application

with socket.socket() as sock:
    sock.bind(("127.0.0.1", 0))
    port = sock.getsockname()[1]
config = Config()
config.bind = [f"127.0.0.1:{port}"]
print(f"http://127.0.0.1:{port}/", flush=True)
asyncio.run(serve(application, config))
"""

_UVICORN = """
import socket
import uvicorn
from asgi_application import application

with socket.create_server(("127.0.0.1", 0)) as sock:
    print(f"http://127.0.0.1:{sock.getsockname()[1]}/", flush=True)
    server = uvicorn.Server(uvicorn.Config(application, ws="websockets-sansio"))
    server.run(sockets=[sock])
"""


@pytest.fixture(params=["uvicorn", "hypercorn"])
def hosted(request: pytest.FixtureRequest) -> Iterator[Program]:
    """The application of the examples, in a server of others."""
    require_package(request.param)
    source = {"uvicorn": _UVICORN, "hypercorn": _HYPERCORN}[request.param]
    with running("-W", "default", "-c", source, cwd=EXAMPLES, status=None) as program:
        for _ in range(1000):  # hypercorn does not say when it listens
            try:
                program.connect().__exit__(None, None, None)
            except ConnectionRefusedError:
                continue
            break
        yield program
    assert "Traceback" not in program.output


def test_other_servers_host_components(hosted: Program) -> None:
    assert hosted.get("/").body == b"Hello World!\n"
    assert hosted.get("/slow").body == b"Here I am\n"
    assert hosted.get("/numbers").body == b"0\n1\n2\n"
    assert hosted.get("/nowhere").code == 404
    chats(hosted, "/echo")
