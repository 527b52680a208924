"""The applications and the clients of others, unchanged: Django, Flask, FastAPI, Starlette; httpx, requests."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import Certificates
from tests.integration.example_support import EXAMPLES
from tests.integration.web_support import SECONDS, Program, running
from tests.support import require_package

# -- hosted by us ----------------------------------------------------------------------------------

_FLASK = """
import threading
from flask import Flask, abort, jsonify, redirect, request, session, stream_with_context

app = Flask(__name__)
app.secret_key = "not so secret"

@app.route("/")
def index():
    return f"{request.url} by {session.get('user', 'nobody')}"

@app.route("/login", methods=["POST"])
def login():
    session["user"] = request.form["user"]
    return redirect("/")

@app.route("/upload", methods=["POST"])
def upload():
    file = request.files["file"]
    return jsonify(name=file.filename, size=len(file.read()), note=request.form["note"])

@app.route("/numbers")
def numbers():
    @stream_with_context
    def give():
        for number in range(100):
            yield f"{request.args['sign']}{number}" * 1000
    return give()

@app.route("/missing")
def missing():
    abort(410)

@app.route("/boom")
def boom():
    raise ZeroDivisionError
"""

_DJANGO = """
import os
from django.conf import settings

settings.configure(
    SECRET_KEY="not so secret", ALLOWED_HOSTS=["127.0.0.1"], ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware",
                "django.contrib.sessions.middleware.SessionMiddleware",
                "django.middleware.csrf.CsrfViewMiddleware"],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    USE_TZ=True,
)

from django.http import JsonResponse, HttpResponse, FileResponse, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

def index(request):
    return HttpResponse(f"{request.build_absolute_uri()} by {request.session.get('user', 'nobody')}")

def form(request):
    if request.method == "POST":
        request.session["user"] = request.POST["user"]
        return redirect("/")
    return HttpResponse(get_token(request))

def upload(request):
    file = request.FILES["file"]
    return JsonResponse({"name": file.name, "size": len(file.read()), "note": request.POST["note"]})

def file(request):
    return FileResponse(open(__file__, "rb"))

def boom(request):
    raise ZeroDivisionError

async def waits(request):
    import asyncio
    await asyncio.sleep(0.01)
    return HttpResponse("waited")

urlpatterns = [
    path("", index), path("login/", form), path("upload", csrf_exempt(upload)), path("file", file),
    path("boom", boom), path("waits", waits),
]

from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application

wsgi = get_wsgi_application()
asgi = get_asgi_application()
"""

_FASTAPI = """
import asyncio
from contextlib import asynccontextmanager
from typing import Annotated
from fastapi import BackgroundTasks, Depends, FastAPI, Form, HTTPException, UploadFile, WebSocket
from fastapi.responses import StreamingResponse
from fastapi.websockets import WebSocketDisconnect
from pydantic import BaseModel

done, left = [], []

@asynccontextmanager
async def lifespan(app):
    print("lifespan begins", flush=True)
    yield
    print("lifespan ends", flush=True)

app = FastAPI(lifespan=lifespan)

class Item(BaseModel):
    name: str
    price: float

def page(limit: int = 10):
    return limit

@app.post("/items")
async def create(item: Item, limit: Annotated[int, Depends(page)]):
    return {"item": item, "limit": limit}

@app.post("/upload")
async def upload(file: UploadFile, note: Annotated[str, Form()]):
    return {"name": file.filename, "size": len(await file.read()), "note": note}

def note(text):
    done.append(text)

@app.post("/later")
def later(tasks: BackgroundTasks):
    tasks.add_task(note, "in a thread")
    return "sent"

@app.get("/done")
async def what_is_done():
    return {"done": done, "left": left}

@app.get("/missing")
async def missing():
    raise HTTPException(410, {"gone": True}, {"X-Reason": "age"})

@app.get("/stream")
async def stream():
    async def give():
        for number in range(100):
            yield f"{number};" * 1000
            await asyncio.sleep(0)
    return StreamingResponse(give(), media_type="text/plain")

@app.websocket("/room")
async def room(websocket: WebSocket):
    await websocket.accept()
    try:
        while True:
            await websocket.send_bytes((await websocket.receive_bytes())[::-1])
    except WebSocketDisconnect as problem:
        left.append(problem.code)
"""

_UPLOAD = bytes(range(256)) * 12_000


def hosting(folder: Path, name: str, source: str, *options: str) -> AbstractContextManager[Program]:
    (folder / "others.py").write_text(source)
    return running(
        *("-W", "default", "-m", "circuits.web", "-b", "127.0.0.1:0", "--no-access-log", *options),
        f"others:{name}",
        cwd=folder,
    )


def test_flask(tmp_path: Path) -> None:
    require_package("flask")
    httpx = require_package("httpx")
    with hosting(tmp_path, "app", _FLASK) as program, httpx.Client(base_url=program.base) as client:
        assert client.get("/").text == f"{program.base}/ by nobody"
        answer = client.post("/login", data={"user": "ann & bob"}, follow_redirects=True)
        assert answer.text == f"{program.base}/ by ann & bob"
        answer = client.post("/upload", data={"note": "ä"}, files={"file": ("a.bin", _UPLOAD)})
        assert answer.json() == {"name": "a.bin", "size": len(_UPLOAD), "note": "ä"}
        numbers = client.get("/numbers", params={"sign": "+"}).text
        assert numbers == "".join(f"+{number}" * 1000 for number in range(100))
        assert [client.get(path).status_code for path in ("/missing", "/boom", "/no")] == [
            *(410, 500, 404)
        ]
        assert client.head("/").headers["Content-Length"] == str(len(client.get("/").content))


@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_django(kind: str, tmp_path: Path) -> None:
    require_package("django")
    httpx = require_package("httpx")
    with hosting(tmp_path, kind, _DJANGO) as program:
        with httpx.Client(base_url=program.base, follow_redirects=True) as client:
            assert client.get("/").text == f"{program.base}/ by nobody"
            assert client.post("/login/", data={"user": "ann"}).status_code == 403
            token = client.get("/login").text  # with the slash that was missing
            answer = client.post("/login/", data={"user": "ann", "csrfmiddlewaretoken": token})
            assert answer.text == f"{program.base}/ by ann"
            answer = client.post("/upload", data={"note": "ä"}, files={"file": ("a", _UPLOAD)})
            assert answer.json() == {"name": "a", "size": len(_UPLOAD), "note": "ä"}
            assert client.get("/file").content == (tmp_path / "others.py").read_bytes()
            assert client.get("/waits").text == "waited"
            assert [client.get(path).status_code for path in ("/boom", "/no")] == [500, 404]


def test_fastapi(tmp_path: Path) -> None:
    require_package("fastapi")
    require_package("python_multipart")
    httpx = require_package("httpx")
    websockets = require_package("websockets.sync.client")
    with hosting(tmp_path, "app", _FASTAPI) as program:
        with httpx.Client(base_url=program.base) as client:
            item = {"name": "tea", "price": 2.5}
            answer = client.post("/items?limit=3", json=item)
            assert answer.json() == {"item": item, "limit": 3}
            answer = client.post("/items", json={"name": "tea", "price": "dear"})
            assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (
                *(422, ["body", "price"]),
            )
            answer = client.post("/upload", data={"note": "ä"}, files={"file": ("a", _UPLOAD)})
            assert answer.json() == {"name": "a", "size": len(_UPLOAD), "note": "ä"}
            assert client.post("/later").json() == "sent"
            eventually_is(lambda: client.get("/done").json()["done"], ["in a thread"])
            gone = client.get("/missing")
            assert (gone.status_code, gone.headers["X-Reason"]) == (410, "age")
            assert client.get("/stream").text == "".join(f"{n};" * 1000 for n in range(100))
            with websockets.connect(f"ws://127.0.0.1:{program.port}/room") as ws:
                ws.send(b"abc")
                assert ws.recv(SECONDS) == b"cba"
                ws.close(4321)
            eventually_is(lambda: client.get("/done").json()["left"], [4321])
            with websockets.connect(f"ws://127.0.0.1:{program.port}/room") as ws:
                assert program.terminate() == 0
                with pytest.raises(require_package("websockets.exceptions").ConnectionClosed):
                    ws.recv(SECONDS)
                assert ws.close_code == 1001
    assert "lifespan ends" in program.output


def eventually_is(look: Callable[[], Any], expected: Any) -> None:
    """Ask, and ask again: each question is a request that the server answers."""
    for _ in range(1000):
        if look() == expected:
            return
    assert look() == expected


# -- hosting us -------------------------------------------------------------------------------------

_WAITRESS = """
import socket
import waitress
from wsgiref.validate import validator
from wsgi_application import application

listener = socket.create_server(("127.0.0.1", 0))
print(f"http://127.0.0.1:{listener.getsockname()[1]}/", flush=True)
waitress.serve(validator(application), sockets=[listener], threads=8, _quiet=True)
"""


def test_waitress_hosts_components() -> None:
    require_package("waitress")
    with running("-c", _WAITRESS, cwd=EXAMPLES / "web", status=None) as program:
        answers: list[bytes] = []
        asking = [
            threading.Thread(target=lambda: answers.append(program.get("/slow").body))
            for _ in range(4)
        ]
        for thread in asking:
            thread.start()
        assert program.get("/").body == b"Hello World!\n"
        assert program.get("/nowhere").code == 404
        for thread in asking:
            thread.join(SECONDS)
        assert answers == [b"Here I am\n"] * 4
    assert "Traceback" not in program.output


# -- who asks us -----------------------------------------------------------------------------------

_SITE = """
from circuits import sleep
from circuits.web import Compression, Controller, Sessions, expose
from circuits.web.tools import basic_auth, digest_auth

class Root(Controller):
    def __init__(self):
        super().__init__()
        Sessions().register(self)
        Compression().register(self)

    def index(self, *path, **query):
        return {"path": path, "query": query, "method": self.request.method}

    def count(self):
        self.session["count"] = self.session.get("count", 0) + 1
        return str(self.session["count"])

    def upload(self, file, note):
        return {"name": file.filename, "size": file.size, "note": note}

    @expose(stream=True)
    async def measure(self):
        size = 0
        async for piece in self.request.body:
            size += len(piece)
        return {"size": size, "chunked": "Transfer-Encoding" in self.request.headers}

    async def stream(self):
        for number in range(200):
            yield f"line {number}\\n" * 100

    async def dribble(self):
        for number in range(3):
            yield f"{number}\\n"
            await sleep(0.01)

    def away(self):
        return self.redirect("/count")

    def private(self):
        return basic_auth(self.request, self.response, "here", {"ann": "secret"}, str) or "basic"

    def secret(self):
        return digest_auth(self.request, self.response, "here", {"ann": "secret"}) or "digest"

    def cut(self):
        def body():
            yield "x" * 100_000
            raise RuntimeError
        self.response.stream = True
        self.response.body = body()
        return self.response
"""


@pytest.fixture(scope="module", params=["plain", "tls"])
def site(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    certificates: Certificates,
) -> Iterator[Program]:
    folder = tmp_path_factory.mktemp("site")
    secure = ("--certfile", str(certificates.server)) if request.param == "tls" else ()
    with hosting(folder, "Root", _SITE, *secure) as program:
        if secure:
            program.base = program.base.replace("http:", "https:")
        yield program


def _streaming(number: int) -> Iterator[bytes]:
    for _ in range(number):
        yield b"x" * 10_000


def test_httpx(site: Program, certificates: Certificates) -> None:
    httpx = require_package("httpx")
    context = ssl.create_default_context(cafile=certificates.authority)
    with httpx.Client(base_url=site.base, verify=context, timeout=SECONDS) as client:
        answer = client.get("/a/b", params={"x": ["1", "ä b"]})
        assert answer.json() == {"path": ["a", "b"], "query": {"x": "1"}, "method": "GET"}
        assert [client.get("/count").text for _ in range(3)] == ["1", "2", "3"]
        assert client.get("/away", follow_redirects=True).text == "4"
        answer = client.post("/upload", data={"note": "ä"}, files={"file": ("a.b", _UPLOAD)})
        assert answer.json() == {"name": "a.b", "size": len(_UPLOAD), "note": "ä"}
        assert client.post("/measure", content=_streaming(100)).json() == {
            "size": 1_000_000,
            "chunked": True,
        }
        assert client.get("/private").status_code == 401
        assert client.get("/private", auth=("ann", "secret")).text == "basic"
        assert client.get("/secret", auth=httpx.DigestAuth("ann", "secret")).text == "digest"
        assert client.get("/secret", auth=httpx.DigestAuth("ann", "secrets")).status_code == 401
        answer = client.get("/stream")
        assert answer.headers["Content-Encoding"] in ("zstd", "br", "gzip")
        assert answer.text == "".join(f"line {number}\n" * 100 for number in range(200))
        with client.stream("GET", "/dribble") as answer:
            assert list(answer.iter_lines()) == ["0", "1", "2"]
        with pytest.raises(httpx.RemoteProtocolError):
            client.get("/cut")
        with client.stream("GET", "/stream") as answer:
            next(answer.iter_bytes())  # and leave
        assert client.get("/count").text == "5"


def test_httpx_asks_for_much_at_once(site: Program, certificates: Certificates) -> None:
    httpx = require_package("httpx")
    context = ssl.create_default_context(cafile=certificates.authority)

    async def ask() -> list[Any]:
        async with httpx.AsyncClient(base_url=site.base, verify=context, timeout=SECONDS) as client:
            return await asyncio.gather(*(client.get(f"/{number}") for number in range(200)))

    answers = asyncio.run(ask())
    assert [answer.json()["path"] for answer in answers] == [[str(n)] for n in range(200)]


def test_requests(site: Program, certificates: Certificates) -> None:
    requests = require_package("requests")
    with requests.Session() as client:
        client.trust_env = False  # else REQUESTS_CA_BUNDLE takes precedence
        client.verify = str(certificates.authority)
        answer = client.get(f"{site.base}/a", params={"x": "ä b"}, timeout=SECONDS)
        assert answer.json() == {"path": ["a"], "query": {"x": "ä b"}, "method": "GET"}
        assert [client.get(f"{site.base}/count").text for _ in range(3)] == ["1", "2", "3"]
        assert client.get(f"{site.base}/away").text == "4"
        assert client.get(f"{site.base}/away").history[0].status_code == 303
        answer = client.post(f"{site.base}/upload", {"note": "ä"}, files={"file": ("ä.b", _UPLOAD)})
        assert answer.json() == {"name": "ä.b", "size": len(_UPLOAD), "note": "ä"}
        answer = client.put(f"{site.base}/measure", _streaming(100))
        assert answer.json() == {"size": 1_000_000, "chunked": True}
        assert client.get(f"{site.base}/private").status_code == 401
        assert client.get(f"{site.base}/private", auth=("ann", "secret")).text == "basic"
        digest = requests.auth.HTTPDigestAuth("ann", "secret")
        assert [client.get(f"{site.base}/secret", auth=digest).text for _ in range(2)] == [
            "digest",
            "digest",
        ]
        lines = client.get(f"{site.base}/stream", stream=True).iter_lines(decode_unicode=True)
        assert sum(line.startswith("line ") for line in lines) == 20_000
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            client.get(f"{site.base}/cut")
        assert client.options(f"{site.base}/count").status_code in (200, 204)
        assert client.head(f"{site.base}/a").headers["Content-Type"] == "application/json"
