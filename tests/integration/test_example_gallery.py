"""The gallery of examples: each program in use, with those it is for."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from tests.integration.example_support import EXAMPLES, SECONDS, Script, example
from tests.integration.irc_support import ngircd
from tests.integration.nats_support import Broker, broker
from tests.integration.process_support import eventually
from tests.integration.web_support import Program, Wire, running
from tests.support import require_package, unused_port

__all__ = ["broker"]

GALLERY = EXAMPLES / "gallery"
PROGRAMS = sorted(path.name for path in GALLERY.glob("*.py"))


def serving(
    name: str, *arguments: str | os.PathLike[str]
) -> contextlib.AbstractContextManager[Program]:
    """Run one with a page, on a free port; it must end well when it is asked to."""
    return running(GALLERY / name, "-b", "127.0.0.1:0", *arguments)


def live(program: Program, path: str) -> Any:
    return connect(f"ws://127.0.0.1:{program.port}{path}")


def hears(websocket: Any, text: str) -> str:
    while True:
        message: str = websocket.recv(SECONDS)
        if text in message:
            return message


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_has_less_than_100_lines_and_a_line_in_the_docs(name: str) -> None:
    assert len((GALLERY / name).read_text(encoding="utf-8").splitlines()) < 100
    for page in (EXAMPLES / "README.md", EXAMPLES.parent / "docs" / "howto" / "gallery.md"):
        assert f"gallery/{name}" in page.read_text(encoding="utf-8"), page


# -- IRC to web ------------------------------------------------------------------------------------


class Ann:
    """Somebody at an IRC server, by hand."""

    def __init__(self, port: int) -> None:
        self._sock = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        self._seen = b""
        self.says("NICK ann", "USER ann 0 * :Ann", "JOIN #room")
        self.hears(" 366 ann #room ")

    def says(self, *lines: str) -> None:
        self._sock.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def hears(self, text: str) -> None:
        while text.encode() not in self._seen:
            data = self._sock.recv(65536)
            assert data, self._seen
            self._seen += data
        self._seen = self._seen.partition(text.encode())[2]

    def close(self) -> None:
        self._sock.close()


def test_irc_to_web(tmp_path: Path) -> None:
    with ngircd(tmp_path) as port, contextlib.closing(Ann(port)) as ann:
        with serving("irc_to_web.py", "127.0.0.1", str(port), "#room", "bridge") as program:
            assert b"new WebSocket" in program.get("/").body
            ann.hears(":bridge!")
            ann.says("PRIVMSG #room :<b>hello</b> grüße")
            with live(program, "/talk") as one, live(program, "/talk") as two:
                hears(one, "<ann> <b>hello</b> grüße")
                two.send("first\r\nQUIT :second " + "ä" * 300)
                ann.hears("PRIVMSG #room :first QUIT :second ä")
                hears(one, "<bridge> first QUIT :second ä")
                one.send("still here")
                ann.hears("PRIVMSG #room :still here")
        assert "Traceback" not in program.output


# -- a folder --------------------------------------------------------------------------------------


def test_folder_dashboard(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "old").write_bytes(b"12345")
    with serving("folder_dashboard.py", folder) as program:
        assert b"A folder" in program.get("/").body
        with live(program, "/live") as page:
            assert json.loads(page.recv(SECONDS)) == {"files": 1, "bytes": 5, "recent": []}
            (folder / "<b>new").write_bytes(b"678")
            (folder / "below").mkdir()
            status = json.loads(page.recv(SECONDS))
            while status["files"] != 2:
                status = json.loads(page.recv(SECONDS))
            assert status["bytes"] == 8
            assert ["created", "<b>new"] in [change[1:] for change in status["recent"]]
            (folder / "old").unlink()
            hears(page, '"deleted", "old"')
            for number in range(100):  # in bursts, not one by one
                (folder / "below" / str(number)).touch()
            told = 1
            while json.loads(page.recv(SECONDS))["files"] != 101:
                told += 1
            assert told < 50


# -- a serial port ---------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo terminals")
def test_serial_logger(tmp_path: Path) -> None:
    require_package("serial")
    log = tmp_path / "log"
    ours, theirs = pty.openpty()
    try:
        with example("gallery/serial_logger.py", os.ttyname(theirs), log) as script:
            script.hear("Writing what")
            eventually(lambda: log.exists() and "is open" in log.read_text(), "an open port")
            os.write(ours, b"21.5 C\r\n\xff\x1b[2J\r\nun")
            os.write(ours, b"finished\r\n")
            eventually(lambda: "unfinished" in log.read_text(), "the last line")
            assert script.interrupt() == 0
            assert script.output.endswith("3 lines\n")
    finally:
        os.close(ours)
        os.close(theirs)
    lines = [line.partition(" ") for line in log.read_text(encoding="utf-8").splitlines()]
    assert [text for _, _, text in lines[1:4]] == ["21.5 C", "\ufffd?[2J", "unfinished"]
    for when, _, _ in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d", when)


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo terminals")
def test_serial_logger_waits_for_the_device(tmp_path: Path) -> None:
    require_package("serial")
    log, port = tmp_path / "log", tmp_path / "port"
    with example("gallery/serial_logger.py", port, log) as script:
        script.hear("serial_logger: ")
        ours, theirs = pty.openpty()
        try:
            port.symlink_to(os.ttyname(theirs))
            eventually(lambda: log.exists() and "is open" in log.read_text(), "an open port")
            os.write(ours, b"hello\n")
            eventually(lambda: "hello" in log.read_text(), "a line")
            port.unlink()
        finally:
            os.close(ours)
            os.close(theirs)
        eventually(lambda: "is closed" in log.read_text(), "the end of the port")
        script.hear("serial_logger: ", after=len(script.output))
        assert script.interrupt() == 0


# -- a proxy ---------------------------------------------------------------------------------------

_BEHIND = """
import asyncio
from circuits.web import Controller, Server

class Root(Controller):
    def index(self):
        return "behind"

    def echo(self, *path, **fields):
        headers = self.request.headers
        self.response.headers.append("Set-Cookie", "a=1")
        self.response.headers.append("Set-Cookie", "b=2")
        return {
            "method": self.request.method, "fields": fields, "path": self.request.raw_path,
            "for": headers["X-Forwarded-For"], "host": headers["X-Forwarded-Host"],
            "hop": headers["X-Hop"],
        }

    async def slow(self):
        for number in range(3):
            yield f"{number}\\n"
            await asyncio.sleep(0.05)

app = Server(("127.0.0.1", 0))
print(f"{app.base}/", flush=True)
(app + Root()).run()
"""


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[Program]:
    path = tmp_path / "behind.py"
    path.write_text(_BEHIND, encoding="utf-8")
    with running(path) as program:
        yield program


def test_limiting_proxy(behind: Program) -> None:
    options = ("-r", "1000", behind.base)
    with serving("limiting_proxy.py", *options) as program, program.connect() as wire:
        assert wire.get("/").body == b"behind"
        body = b"x=5&y=%20"
        wire.send(
            b"POST /echo/a%2Fb?a=1&b=%C3%A4 HTTP/1.1\r\nHost: proxy\r\nX-Hop: 1\r\n"
            b"Connection: keep-alive, X-Hop\r\nAccept-Encoding: gzip\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\n" + body
        )
        answer = wire.answer()
        assert json.loads(answer.body) == {
            "method": "POST",
            "fields": {"a": "1", "b": "ä", "x": "5", "y": " "},
            "path": "/echo/a%2Fb",
            "for": "127.0.0.1",
            "host": "proxy",
            "hop": None,
        }
        assert [text for name, text in answer.fields if name == "set-cookie"] == ["a=1", "b=2"]
        assert len([name for name, _ in answer.fields if name in ("date", "server")]) == 2
        assert wire.get("/slow").body == b"0\n1\n2\n"
        assert wire.get("/nowhere").code == 404
        assert wire.get("/", method="HEAD").code == 200
        behind.terminate()
        assert wire.get("/").code == 502


def test_the_proxy_has_a_limit(behind: Program) -> None:
    with serving("limiting_proxy.py", "-r", "3", "-s", "1000", behind.base) as program:
        codes = [program.get("/").code for _ in range(5)]
        assert codes == [200, 200, 200, 429, 429]
        assert int(program.get("/")["Retry-After"] or "") > 100


# -- a log -----------------------------------------------------------------------------------------


def _lines(wire: Wire, number: int, *headers: str) -> None:
    fields = "".join(f"{header}\r\n" for header in headers)
    wire.send(f"GET /lines HTTP/1.1\r\nHost: t\r\n{fields}\r\n".encode())
    wire.until(f"id: {number}\n".encode())


def test_log_tail(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("first\n<b>second</b>\n", encoding="utf-8")
    with serving("log_tail.py", path) as program:
        assert b"new EventSource" in program.get("/").body
        with program.connect() as wire, program.connect() as other:
            _lines(wire, 1)
            wire.until(b"id: 2\ndata: <b>second</b>\n\n")
            with path.open("a", encoding="utf-8") as log:
                log.write("third\nfou")
            wire.until(b"id: 3\ndata: third\n\n")
            _lines(other, 3, "Last-Event-ID: 2")  # and none of those before
            with path.open("a", encoding="utf-8") as log:
                log.write("rth\n" + "".join(f"{number}\n" for number in range(5, 3001)))
            for one in (wire, other):
                one.until(b"data: fourth\n\n")
                one.until(b"id: 3000\ndata: 3000\n\n")
        with program.connect() as late, program.connect() as odd:
            _lines(late, 2001)  # the last thousand
            _lines(odd, 3000, "Last-Event-ID: 2999")
            path.rename(tmp_path / "log.1")
            path.write_text("after the rotation\n", encoding="utf-8")
            odd.until(b"id: 3001\ndata: after the rotation\n\n")
        with program.connect() as ahead:  # of another run of the program
            ahead.send(b"GET /lines HTTP/1.1\r\nHost: t\r\nLast-Event-ID: 99999\r\n\r\n")
            ahead.until(b"\r\n\r\n")
            with path.open("a", encoding="utf-8") as log:
                log.write("more\n")
            ahead.until(b"id: 3002\ndata: more\n\n")
            began = time.monotonic()
            program.terminate()
            assert time.monotonic() - began < 8  # and not the ten seconds of other requests


# -- a door ----------------------------------------------------------------------------------------


def knock(*ports: int) -> None:
    for port in ports:
        with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as sock:
            assert sock.recv(1) == b""


def test_port_knocker() -> None:
    door, *knocks = (unused_port() for _ in range(4))
    first, second, third = knocks
    with example("gallery/port_knocker.py", "--open", "1", door, *knocks) as script:
        script.hear("Listening")
        eventually(lambda: _is_open(third), "the last port")
        knock(first, third, second)  # in the wrong order
        knock(second, third)
        assert not _is_open(door)
        assert "open for" not in script.output
        knock(first, first, second, third)
        script.hear("open for 127.0.0.1\n")
        with socket.create_connection(("127.0.0.1", door), timeout=SECONDS) as sock:
            sock.sendall(b"hello")
            heard = b""
            while not heard.endswith(b"HELLO"):
                heard += sock.recv(100)
            assert heard == b"Come in!\nHELLO"
            script.hear("shut\n")
            assert sock.recv(1) == b""
        assert not _is_open(door)
        knock(first, second, third)
        script.hear("open for", after=script.output.index("shut"))
        assert script.interrupt() == 0


def _is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=SECONDS).close()
    except ConnectionRefusedError:
        return False
    return True


# -- Tk --------------------------------------------------------------------------------------------

# What the program needs of Tk, for machines without a display. Like Tk it calls what is due; when
# there were two visits it presses the button, and closes the window when that has shown.
_TK = """
import time

class Widget(dict):
    def __init__(self, tk, **options):
        super().__init__(options)
        tk.widgets.append(self)

    def pack(self, **options):
        pass

Label = Button = Widget

class Tk:
    def __init__(self):
        self.widgets, self.due, self.is_over = [], [], False

    def title(self, text):
        print(text, flush=True)

    def protocol(self, name, call):
        assert name == "WM_DELETE_WINDOW"
        self.close = call

    def after(self, milliseconds, call):
        self.due.append((time.monotonic() + milliseconds / 1000, call))

    def quit(self):
        self.is_over = True

    def mainloop(self):
        _, number, path, button = self.widgets
        shown = []
        while not self.is_over:
            when, call = self.due.pop(0)
            time.sleep(max(0, when - time.monotonic()))
            call()
            if shown[-1:] != [(number["text"], path["text"])]:
                shown.append((number["text"], path["text"]))
                print(*shown[-1], flush=True)
                if shown[-1][0] == 2:
                    button["command"]()
                elif shown[-1] == (0, "-"):
                    self.close()
"""


def test_tk_window_without_a_display(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tkinter.py").write_text(_TK, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    with serving("tk_window.py") as program:
        assert program.get("/a?b=1").body == b"You are visitor 1.\n"
        assert program.get("/" + "x" * 100).body == b"You are visitor 2.\n"
        program.process.wait(SECONDS)
    lines = program.output.splitlines()
    assert "circuits in Tk" in lines
    assert lines[-2:] == [f"2 /{'x' * 59}", "0 -"]


def test_tk_window_on_a_display() -> None:
    pytest.importorskip("tkinter")
    command = [sys.executable, "-W", "error", str(GALLERY / "tk_window.py"), "-b", "127.0.0.1:0"]
    if not os.environ.get("DISPLAY"):
        xvfb = shutil.which("xvfb-run")
        if xvfb is None:
            pytest.skip("needs a display, or xvfb-run")
        command[:0] = [xvfb, "-a"]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    script = Script(process)
    try:
        script.hear("Serving ")
        found = re.search(r"http://127\.0\.0\.1:(\d+)/\n", script.hear("/\n"))
        assert found is not None
        with Wire(int(found[1])) as wire:
            for number in (1, 2, 3):
                assert wire.get("/").body == f"You are visitor {number}.\n".encode()
    finally:
        os.killpg(process.pid, signal.SIGTERM)  # the display, too
        process.communicate(timeout=SECONDS)
    assert "Traceback" not in script.output


# -- jobs ------------------------------------------------------------------------------------------


def test_job_queue(broker: Broker) -> None:
    program = GALLERY / "job_queue.py"
    with running(program, "page", broker.url, "127.0.0.1:0") as site:
        assert b"Hash this text" in site.get("/").body
        with live(site, "/live") as page:
            page.send("too early")
            hears(page, "too early: not stored")
            with example("gallery/job_queue.py", "work", broker.url, "one") as worker:
                worker.hear("one works")
                page.send("<b>hello</b>")
                hears(page, "<b>hello</b>: stored as job 1")
                digest = hashlib.sha256(b"<b>hello</b>").hexdigest()[:16]
                hears(page, f"<b>hello</b>: {digest}, says one")
                assert worker.interrupt() == 0
            page.send("later")  # while there is nobody who could do it
            hears(page, "later: stored as job 2")
            with example("gallery/job_queue.py", "work", broker.url, "two") as worker:
                hears(page, "says two")
                worker.hear("done: later")
                assert worker.interrupt() == 0
