"""The HTTP client with real servers and proxies, over sockets and TLS."""

from __future__ import annotations

import hashlib
import http.server
import io
import socket
import ssl
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from circuits import Component
from circuits.web import Controller, Server, tools
from circuits.web.client import Client, ClientTimeout, ConnectError, DigestAuth, Timeout
from tests.certificates import Certificates
from tests.integration.example_support import EXAMPLES

pytestmark = pytest.mark.integration

MIB = 1024 * 1024
PIECE = bytes(64 * 1024)


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


class Root(Controller):
    def index(self) -> str:
        return "It works"

    def secret(self) -> Any:
        # The second argument of the tool are the users.
        return tools.digest_auth(self.request, self.response, "r", {"me": "pw"}) or "let in"

    def large(self, mib: str = "1") -> Iterator[bytes]:
        self.response.body = (PIECE for _ in range(int(mib) * 16))
        return self.response  # type: ignore[return-value]

    def upload(self, **fields: Any) -> Any:
        if fields:
            files = {name: getattr(each, "value", each) for name, each in fields.items()}
            return ", ".join(f"{name}={len(value)}" for name, value in sorted(files.items()))
        body = self.request.body.read()
        return f"{len(body)} {hashlib.sha256(body).hexdigest()}"


def wait(pending: Any, app: Any, turns: int = 20_000) -> Any:
    for _ in range(turns):
        if pending.is_done:
            return pending.take()
        app.tick(0.01)
    raise AssertionError("no answer")


def test_tls_is_spoken_and_checked(certificates: Certificates) -> None:
    server = Server(("127.0.0.1", 0), secure=True, certfile=str(certificates.server))
    app = server + Root()
    context = ssl.create_default_context(cafile=str(certificates.authority))
    trusting = Client(server.base, channel="trusting", tls=context).register(app)
    careful = Client(server.base, channel="careful").register(app)
    with app.running():
        for _ in range(2):
            assert wait(trusting.get("/"), app).text == "It works"
        with pytest.raises(ConnectError, match="certificate"):
            wait(careful.get("/"), app)


def test_digest_with_a_server_of_ours() -> None:
    server = Server(("127.0.0.1", 0))
    app = server + Root()
    client = Client(server.base, auth=DigestAuth("me", "pw")).register(app)
    with app.running():
        assert [wait(client.get("/secret"), app).text for _ in range(3)] == ["let in"] * 3
        assert wait(client.get("/secret", auth=DigestAuth("me", "no")), app).status == 401


def test_bodies_with_a_server_of_ours(tmp_path: Path) -> None:
    server = Server(("127.0.0.1", 0))
    app = server + Root()
    client = Client(server.base).register(app)
    data = bytes(range(256)) * 20_000
    expected = f"{len(data)} {hashlib.sha256(data).hexdigest()}"
    path = tmp_path / "data"
    path.write_bytes(data)
    with app.running(), path.open("rb") as file:
        for content in (data, io.BytesIO(data), [data[:99], data[99:]], iter([data]), file):
            assert wait(client.post("/upload", content=content), app).text == expected
        file.seek(0)
        answer = wait(client.post("/upload", files={"f": file, "g": "text"}, data={"h": 1}), app)
        assert answer.text == f"f={len(data)}, g=4, h=1"


def test_much_in_both_directions_needs_little_memory(tmp_path: Path) -> None:
    """Beside a server of Python, so that nothing but the client is measured."""
    seen: dict[str, int] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(128 * MIB))
            self.end_headers()
            for _ in range(128 * 16):
                self.wfile.write(PIECE)

        def do_PUT(self) -> None:
            left = int(self.headers["Content-Length"])
            while left:
                left -= len(self.rfile.read(min(left, len(PIECE))))
            seen["put"] = int(self.headers["Content-Length"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    found: dict[str, Any] = {}

    class Asker(Component):
        async def started(self, *args: Any) -> None:
            try:
                size = 0
                async with client.stream("GET", "/") as response:
                    async for piece in response.iter_bytes():
                        size += len(piece)
                found["down"] = size
                headers = {"Content-Length": str(128 * MIB)}
                answer = await client.put("/", content=self.pieces(), headers=headers)
                found["up"] = answer.status
            finally:
                found["peak"] = tracemalloc.get_traced_memory()[1]
                self.root.stop()

        async def pieces(self) -> AsyncIterator[bytes]:
            for _ in range(128 * 16):
                yield PIECE

    with _serving(Handler) as port:
        app = Asker()
        client = Client(f"http://127.0.0.1:{port}").register(app)
        tracemalloc.start()
        try:
            app.run()
        finally:
            tracemalloc.stop()
    assert (found["down"], found["up"], seen["put"]) == (128 * MIB, 204, 128 * MIB)
    assert found["peak"] < 16 * MIB


@contextmanager
def _serving(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_files_of_the_server_of_the_standard_library(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It speaks HTTP/1.0: each body ends with its connection."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a b.txt").write_text("text")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(tmp_path))

    app = Component()
    with _serving(Handler) as port, app.running():
        client = Client(f"http://127.0.0.1:{port}", follow_redirects=True).register(app)
        assert wait(client.get("/folder/a%20b.txt"), app).text == "text"
        listing = wait(client.get("/folder"), app)
        assert (listing.status, [each.status for each in listing.history]) == (200, [301])
        assert wait(client.head("/none"), app).status == 404


class Proxy:
    """A proxy of a few lines, in threads: it lets who knows the password through.

    Attributes:
        heads: The heads that it has seen.
    """

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://me:pw@127.0.0.1:{self.listener.getsockname()[1]}"
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(sock,))
            self.threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        with closing(sock):
            data = b""
            while b"\r\n\r\n" not in data:
                data += sock.recv(65536)
            self.heads.append(data.decode("latin-1"))
            method, target, _ = self.heads[-1].split("\r\n")[0].split()
            if "Proxy-Authorization: Basic bWU6cHc=" not in self.heads[-1]:
                sock.sendall(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")
                return
            host = target if method == "CONNECT" else target.split("/")[2]
            name, _, port = host.rpartition(":")
            with socket.create_connection((name, int(port))) as other:
                if method == "CONNECT":
                    sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                else:
                    other.sendall(data)
                back = threading.Thread(target=self._copy, args=(other, sock))
                back.start()
                self._copy(sock, other)
                back.join()

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(10)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with closing(Proxy()) as proxy:
        yield proxy


def test_a_proxy_for_http(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", proxy.url)
    server = Server(("127.0.0.1", 0))
    app = server + Root()
    base = server.base
    client = Client(base).register(app)
    with app.running():
        assert wait(client.get("/"), app).text == "It works"
        assert wait(client.get("/large?mib=3"), app).content == bytes(3 * MIB)
    assert len(proxy.heads) == 1
    assert proxy.heads[0].startswith(f"GET {base}/ HTTP/1.1\r\n")


def test_a_tunnel_through_a_proxy(proxy: Proxy, certificates: Certificates) -> None:
    context = ssl.create_default_context(cafile=str(certificates.authority))
    server = Server(("127.0.0.1", 0), secure=True, certfile=str(certificates.server))
    app = server + Root()
    client = Client(server.base, tls=context, proxy=proxy.url, auth=("user", "secret"))
    client.register(app)
    stranger = Client(server.base, channel="stranger", proxy=proxy.url).register(app)
    unknown = Client(
        server.base, channel="unknown", tls=context, proxy=proxy.url.replace("pw", "no")
    ).register(app)
    with app.running():
        assert wait(client.get("/"), app).text == "It works"
        assert wait(client.get("/large?mib=3"), app).content == bytes(3 * MIB)
        with pytest.raises(ConnectError, match="certificate"):
            wait(stranger.get("/"), app)
        with pytest.raises(ConnectError, match="407 Who are you"):
            wait(unknown.get("/"), app)
    assert [head.split()[0] for head in proxy.heads] == ["CONNECT"] * 3
    assert not any("\r\nAuthorization" in head or "secret" in head for head in proxy.heads)


def test_a_tunnel_leads_to_whom_it_should(proxy: Proxy, certificates: Certificates) -> None:
    """A proxy that connects to somebody else is found out."""
    context = ssl.create_default_context(cafile=str(certificates.authority))
    server = Server(("127.0.0.1", 0), secure=True, certfile=str(certificates.elsewhere))
    app = server + Root()
    client = Client(server.base, tls=context, proxy=proxy.url).register(app)
    with app.running(), pytest.raises(ConnectError, match="certificate"):
        wait(client.get("/"), app)


def test_a_port_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    app = Component()
    client = Client(f"http://127.0.0.1:{port}").register(app)
    with app.running(), pytest.raises(ConnectError, match="refused"):
        wait(client.get("/"), app)


def test_a_port_where_nobody_answers() -> None:
    app = Component()
    with socket.create_server(("127.0.0.1", 0)) as listener, app.running():
        port = listener.getsockname()[1]
        client = Client(f"http://127.0.0.1:{port}", timeout=Timeout(read=0.05)).register(app)
        with pytest.raises(ClientTimeout, match="read timeout"):
            wait(client.get("/"), app)
        client = Client(f"https://127.0.0.1:{port}", channel="tls", timeout=Timeout(connect=0.05))
        client.register(app)
        with pytest.raises(ClientTimeout, match="connect"):
            wait(client.get("/"), app)


def test_the_example_fetches_and_puts(tmp_path: Path) -> None:
    seen: list[bytes] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/moved":
                self.send_response(302)
                self.send_header("Location", "/data")
            else:
                self.send_response(200 if self.path == "/data" else 404)
            self.end_headers()
            if self.path == "/data":
                self.wfile.write(PIECE * 3)

        def do_PUT(self) -> None:
            seen.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(201)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(EXAMPLES / "web" / "fetch.py"), *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    with _serving(Handler) as port:
        base = f"http://127.0.0.1:{port}"
        done = run(f"{base}/moved", "got")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"{3 * len(PIECE)} bytes from {base}/data\n"
        assert (tmp_path / "got").read_bytes() == PIECE * 3
        done = run("--put", "got", base)
        assert (done.stdout, seen) == ("201 Created\n", [PIECE * 3])
        done = run(f"{base}/none", "nothing")
        assert (done.returncode, done.stderr) == (
            1,
            f"it did not work: 404 Not Found for {base}/none\n",
        )
        assert not (tmp_path / "nothing").exists()
