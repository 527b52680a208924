"""nginx in front of the program, as docs/howto/nginx.md and docs/howto/websockets.md say it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import ssl
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.certificates import Certificates
from tests.integration.process_support import eventually
from tests.integration.web_support import CHECKOUT, SECONDS, Program, Wire, running
from tests.support import require_package, require_program, unused_port

_SITE = """
import os
from circuits.web import Controller, EventStream, expose
from circuits import sleep

class Root(Controller):
    def index(self):
        request = self.request
        if request.sock not in known:
            known.append(request.sock)
        return {
            "client": request.client[0], "scheme": request.scheme, "url": request.url,
            "protocol": ".".join(map(str, request.protocol)),
            "peer": f"{os.getpid()} {known.index(request.sock)}",
        }

    @expose(stream=True)
    async def measure(self):
        import hashlib
        digest, size = hashlib.sha256(), 0
        async for piece in self.request.body:
            digest.update(piece)
            size += len(piece)
        return {"size": size, "digest": digest.hexdigest()}

    async def download(self, pieces: int):
        for _ in range(pieces):
            yield PIECE

    def away(self):
        return self.redirect("/")

    def ticks(self):
        return EventStream(self._ticks())

    async def _ticks(self):
        yield "first"
        while not os.path.exists("seen"):
            await sleep(0.01)
        yield "second"

    async def cut(self):
        yield PIECE
        raise RuntimeError("as was asked for")

    @expose.websocket
    async def echo(self, websocket):
        async for message in websocket:
            await websocket.send(message)

PIECE = bytes(range(256)) * 256
known = []
"""


def _configuration(page: str, heading: str) -> str:
    """The block of a page's section that is no listing, without the places that are of one machine."""
    text = (CHECKOUT / "docs" / "howto" / page).read_text(encoding="utf-8")
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    section = re.sub(r"^```.*?^```$", "", section, flags=re.MULTILINE | re.DOTALL)
    block = re.search(r"(?:^    .*\n|^\n(?=    ))+", section, re.MULTILINE)
    assert block is not None, f"{page} has no configuration below {heading}"
    return re.sub("^    ", "", block[0], flags=re.MULTILINE)


def _site(path: Path, certificates: Certificates, listen: str) -> str:
    """The configuration of the page for this machine."""
    text = _configuration("nginx.md", "The configuration")
    for there, here in {
        "/run/site/web.sock": str(path),
        "listen 443 ssl;": f"listen {listen};",
        "/etc/ssl/shop.pem": str(certificates.server),
        "/etc/ssl/private/shop.key": str(certificates.server),
        "client_max_body_size 16m;": "client_max_body_size 64m;",
    }.items():
        assert there in text
        text = text.replace(there, here)
    return text


class Proxy:
    """nginx, on a port of ours."""

    def __init__(self, folder: Path, servers: str) -> None:
        self.folder = folder
        self._servers = servers
        self._nginx = require_program("nginx")
        self.port = 0
        self.protocol = ""

    def __enter__(self) -> Proxy:
        # It cannot take a free port by itself, so somebody may be quicker.
        for attempt in range(10):
            self.port = unused_port()
            try:
                self._run("-t")
                self._run()
            except subprocess.CalledProcessError as problem:
                if attempt == 9 or b"Address already in use" not in problem.stdout:
                    raise AssertionError(problem.stdout.decode()) from None
            else:
                return self
        raise AssertionError("there is no free port")

    def _run(self, *more: str) -> None:
        configuration = self.folder / "nginx.conf"
        servers = self._servers.replace("PORT", f"127.0.0.1:{self.port}")
        configuration.write_text(
            f"""
            {"user root;" if os.getuid() == 0 else ""}
            worker_processes 1;
            pid nginx.pid;
            error_log error.log;
            events {{ worker_connections 512; }}
            http {{
                access_log off;
                client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
                uwsgi_temp_path uwsgi; scgi_temp_path scgi;
                {servers}
            }}
            """
        )
        subprocess.run(
            [self._nginx, "-p", self.folder, "-e", "error.log", "-c", configuration, *more],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
            check=True,
        )

    def __exit__(self, *problem: object) -> None:
        pid = self.folder / "nginx.pid"
        self._run("-s", "stop")
        eventually(lambda: not pid.exists(), "the end of nginx")


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, Path]]:
    """Two workers at a UNIX socket, started as the page says."""
    folder = tmp_path_factory.mktemp("u")
    (folder / "pages.py").write_text(_SITE)
    path = folder / "web.sock"
    command = re.search(r"circuits\.web (--workers 4 .*)", _configuration("deploy.md", "Workers"))
    assert command is not None
    options = command[1].replace("/run/site/web.sock", str(path)).replace("4", "2", 1).split()
    # Nobody reads what it prints, and a pipe that is full would hold it up.
    options.insert(0, "--no-access-log")
    with running(
        "-m", "circuits.web", *options, cwd=folder, greeting=re.compile(rb"2 workers")
    ) as program:
        yield program, path


@pytest.fixture(params=["1.1", "1.0"])
def proxy(
    request: pytest.FixtureRequest,
    upstream: tuple[Program, Path],
    tmp_path: Path,
    certificates: Certificates,
) -> Iterator[Proxy]:
    """The configuration of the page; and the same with what nginx speaks by default."""
    servers = _site(upstream[1], certificates, "PORT")
    if request.param == "1.0":
        servers = servers.replace("proxy_http_version 1.1;", "proxy_http_version 1.0;")
    with Proxy(tmp_path, servers) as made:
        made.protocol = request.param
        yield made
    said = (tmp_path / "error.log").read_text()
    assert not re.search(r"\[(alert|crit|emerg)\]", said), said


def test_the_socket_has_its_mode(upstream: tuple[Program, Path]) -> None:
    assert stat.S_IMODE(upstream[1].stat().st_mode) == 0o660


def test_it_tells_who_asked_and_for_what(proxy: Proxy) -> None:
    with Wire(proxy.port) as wire:
        for _ in range(3):  # on one connection
            wire.send(
                b"GET /?a=b HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n"
            )
            answer = wire.answer()
            seen = json.loads(answer.body)
            # What the client has said itself is not believed: the proxy's own word is the last.
            assert (seen["client"], seen["scheme"]) == ("127.0.0.1", "http")
            assert seen["url"] == "http://shop.example/?a=b"
            assert seen["protocol"] == proxy.protocol
        wire.send(b"GET /away HTTP/1.1\r\nHost: shop.example\r\n\r\n")
        assert wire.answer()["Location"] == "http://shop.example/"
        wire.send(b"GET /?a=b HTTP/1.0\r\n\r\n")
        assert wire.answer().code == 200


def test_it_keeps_its_connections(upstream: tuple[Program, Path], proxy: Proxy) -> None:
    def look() -> int:
        with Wire(proxy.port) as wire:
            answers = [json.loads(wire.get("/").body) for _ in range(40)]
        return len({answer["peer"] for answer in answers})

    assert look() == (1 if proxy.protocol == "1.1" else 40)


def test_large_bodies_both_ways(proxy: Proxy) -> None:
    piece = bytes(range(256)) * 256
    with Wire(proxy.port) as wire:
        wire.send(
            b"POST /measure HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (len(piece) * 400)
        )
        digest = hashlib.sha256()
        for _ in range(400):
            wire.send(piece)
            digest.update(piece)
        assert json.loads(wire.answer().body) == {
            "size": len(piece) * 400,
            "digest": digest.hexdigest(),
        }
        wire.send(b"POST /measure HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(20):
            wire.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        wire.send(b"0\r\n\r\n")
        assert json.loads(wire.answer().body)["size"] == len(piece) * 20
    with Wire(proxy.port) as wire:
        assert wire.get("/download?pieces=400").body == piece * 400
    with Wire(proxy.port) as wire:  # leaves in the middle, and nobody minds
        wire.send(b"GET /download?pieces=4000 HTTP/1.1\r\nHost: a\r\n\r\n").until(b"\r\n\r\n")
        wire.exactly(1_000_000)
    with Wire(proxy.port) as wire:
        assert wire.get("/").code == 200


def test_what_is_cut_upstream_is_cut_for_the_client(proxy: Proxy) -> None:
    if proxy.protocol == "1.0":
        return  # there the end of the connection is the end of the body, whatever it means
    with Wire(proxy.port) as wire:
        wire.send(b"GET /cut HTTP/1.1\r\nHost: a\r\n\r\n")
        with pytest.raises((EOFError, ConnectionResetError)):
            wire.answer()


def test_many_at_once(proxy: Proxy) -> None:
    httpx = require_package("httpx")

    async def ask() -> list[int]:
        async with httpx.AsyncClient(timeout=SECONDS, trust_env=False) as client:
            url = f"http://127.0.0.1:{proxy.port}/"
            answers = await asyncio.gather(*(client.get(url) for _ in range(300)))
            return [answer.status_code for answer in answers]

    assert asyncio.run(ask()) == [200] * 300


def test_websockets_pass_as_the_page_says(upstream: tuple[Program, Path], tmp_path: Path) -> None:
    client = require_package("websockets.sync.client")
    servers = _configuration("websockets.md", "Behind nginx")
    servers = servers.replace("proxy_pass http://site", f"proxy_pass http://unix:{upstream[1]}")
    servers = f"server {{ listen PORT; {servers} }}"
    with Proxy(tmp_path, servers) as proxy:
        address = f"ws://127.0.0.1:{proxy.port}/echo"
        origin = f"http://127.0.0.1:{proxy.port}"
        with client.connect(address, origin=origin) as ws:
            for message in ("a", b"b" * 300_000, "ä" * 1000):
                ws.send(message)
                assert ws.recv(SECONDS) == message
        refused = require_package("websockets.exceptions").InvalidStatus
        with pytest.raises(refused) as raised:
            client.connect(address, origin="http://elsewhere.example")
        assert raised.value.response.status_code == 403


def test_events_come_at_once(upstream: tuple[Program, Path], proxy: Proxy) -> None:
    seen = upstream[1].with_name("seen")
    seen.unlink(missing_ok=True)
    with Wire(proxy.port) as wire:
        wire.send(b"GET /ticks HTTP/1.1\r\nHost: a\r\n\r\n").until(b"data: first")
        seen.touch()
        wire.until(b"data: second")


def test_tls_ends_at_nginx(
    upstream: tuple[Program, Path], tmp_path: Path, certificates: Certificates
) -> None:
    httpx = require_package("httpx")
    context = ssl.create_default_context(cafile=certificates.authority)
    with Proxy(tmp_path, _site(upstream[1], certificates, "PORT ssl")) as proxy:
        url = f"https://127.0.0.1:{proxy.port}/"
        host = {"Host": "shop.example"}
        seen = httpx.get(url, headers=host, verify=context, trust_env=False).json()
        assert (seen["scheme"], seen["url"]) == ("https", "https://shop.example/")
