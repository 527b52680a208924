"""The demonstration as a program: its people come by browser, by telnet and by IRC at once."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from circuits.net.protocols import irc
from circuits.net.sockets import Connect, TCPClient
from tests.integration import net_support
from tests.integration.browser_support import Browser
from tests.integration.web_support import CHECKOUT, SECONDS, Program, running

PNG = b"\x89PNG\r\n\x1a\n and the rest"
PORTS = ("--port", "0", "--telnet", "0", "--irc", "0")


@pytest.fixture(scope="module")
def demo() -> Iterator[Program]:
    with running("-m", "examples.demo", *PORTS, cwd=CHECKOUT) as program:
        yield program
    # What it printed beside the greeting is the access log, and nothing else.
    log = program.output.removeprefix(program.greeting).splitlines()
    assert [line for line in log if not re.match(r'127\.0\.0\.1 - - \[.*"[A-Z]+ /', line)] == []


def port_of(demo: Program, door: str) -> int:
    found = re.search(rf"by {door} .*127\.0\.0\.1 (\d+)", demo.greeting)
    assert found is not None
    return int(found[1])


class Lines:
    """A client of lines, such as telnet."""

    def __init__(self, port: int, stack: ExitStack) -> None:
        self._sock = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        stack.callback(self._sock.close)
        self._seen = ""

    def says(self, *lines: str) -> None:
        self._sock.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def hears(self, text: str) -> str:
        """What it was told up to some text."""
        while text not in self._seen:
            data = self._sock.recv(65536)
            assert data, f"{text!r} was not said, but {self._seen!r}"
            self._seen += data.decode()
        found, _, self._seen = self._seen.partition(text)
        return found + text

    def hears_the_end(self) -> None:
        while self._sock.recv(65536):
            pass


class Visitor:
    """A browser of few words: keeps its cookie, and sends the token of the page."""

    def __init__(self, demo: Program) -> None:
        self._port = demo.port
        self.cookie = ""
        self._token = ""
        self.page = self.asks("GET", "/")[1]

    def asks(self, method: str, path: str, body: bytes = b"", kind: str = "") -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=SECONDS)
        headers = {"Cookie": self.cookie, "X-CSRF-Token": self._token, "Content-Type": kind}
        try:
            connection.request(method, path, body, {k: v for k, v in headers.items() if v})
            answer = connection.getresponse()
            text = answer.read().decode("latin-1")
            if cookie := answer.getheader("Set-Cookie"):
                self.cookie = cookie.partition(";")[0]
            if found := re.search('data-token="([^"]*)"', text):
                self._token = found[1]
            return answer.status, text
        finally:
            connection.close()

    def comes_in(self, name: str) -> None:
        form = "application/x-www-form-urlencoded"
        assert self.asks("POST", "/login", f"name={name}".encode(), form)[0] == 303
        self.page = self.asks("GET", "/")[1]

    def shows(self, data: bytes) -> int:
        body = b"--x\r\nContent-Disposition: form-data; name=picture; filename=a.png\r\n\r\n"
        return self.asks(
            "POST", "/pictures", body + data + b"\r\n--x--\r\n", "multipart/form-data; boundary=x"
        )[0]

    def opens(self, stack: ExitStack) -> Any:
        url = f"ws://127.0.0.1:{self._port}/talk"
        return stack.enter_context(connect(url, additional_headers={"Cookie": self.cookie}))


def hears(websocket: Any, **expected: Any) -> dict[str, Any]:
    while True:
        message: dict[str, Any] = json.loads(websocket.recv(SECONDS))
        if expected.items() <= message.items():
            return message


def test_everybody_hears_everybody(demo: Program) -> None:
    with ExitStack() as stack:
        telnet = Lines(port_of(demo, "telnet"), stack)
        telnet.hears("What is your name?")
        telnet.says("ann")

        journal = net_support.Journal("bob")
        components = [TCPClient(channel="bob"), irc.IRC(channel="bob"), journal]
        program = stack.enter_context(net_support.running(*components))

        def bob(*events: Any) -> None:
            for event in events:
                program.app.fire(event, "bob")

        bob(Connect("127.0.0.1", port_of(demo, "IRC")))
        journal.expect("connected")
        bob(irc.NICK("bob"), irc.USER("bob", "host", "server", "Bob"))
        assert journal.expect("numeric")[2] == irc.RPL_WELCOME
        bob(irc.JOIN("#circuits"))
        assert journal.expect("join")[0][0] == "bob"
        telnet.hears("* bob has come in (IRC)")

        carol = Visitor(demo)
        carol.comes_in("carol")
        websocket = carol.opens(stack)
        hears(websocket, kind="hello", you="carol")
        telnet.hears("* carol has come in (web)")
        assert journal.expect("join", 2) == (("carol", "web", "demo.circuits"), "#circuits")

        telnet.says("<b>hello</b> from telnet")
        hears(websocket, kind="said", name="ann", text="<b>hello</b> from telnet")
        assert journal.expect("message")[1:] == ("#circuits", "<b>hello</b> from telnet")
        bob(irc.PRIVMSG("#circuits", "grüße from IRC"))
        hears(websocket, kind="said", name="bob", door="IRC", text="grüße from IRC")
        telnet.hears("<bob> grüße from IRC")
        websocket.send("hello from a browser")
        telnet.hears("<carol> hello from a browser")
        assert journal.expect("message", 2)[2] == "hello from a browser"

        count = len(journal.of("numeric"))
        bob(irc.NAMES("#circuits"))
        assert journal.expect("numeric", count + 1)[4] == "#circuits :ann bob carol robot"
        bob(irc.NICK("rob"))
        telnet.hears("* bob is called rob now")
        bob(irc.QUIT("bye"))
        journal.expect("disconnected")
        telnet.hears("* rob has left")
        hears(websocket, kind="left", name="rob")
        websocket.close()
        telnet.hears("* carol has left")
        telnet.says("/quit")
        telnet.hears_the_end()


def test_the_robot_is_asked_crashes_and_comes_back(demo: Program) -> None:
    with ExitStack() as stack:
        telnet = Lines(port_of(demo, "telnet"), stack)
        feed = stack.enter_context(demo.connect())
        feed.send(b"GET /feed HTTP/1.1\r\nHost: t\r\n\r\n")
        telnet.says("dora", "robot 600851475143")
        told = telnet.hears("says process ") + telnet.hears(".")
        assert "600851475143 = 71 × 839 × 1471 × 6857" in told
        before = int(told.rpartition(" ")[2].rstrip("."))
        assert f'"pid": {before}'.encode() in feed.until(b'"news"')

        status, text = Visitor(demo).asks("POST", "/crash")
        assert (status, text) == (200, "It is dead.")
        feed.until(b"crashed: process robot ended with exit status -9")
        feed.until(b"restarted as process ")
        after = int(feed.until(b'"')[:-1])
        assert after != before

        telnet.says("robot 15")
        telnet.hears(f"dora: 15 = 3 × 5, says process {after}.")
        telnet.says("/quit")
        telnet.hears_the_end()  # which the robot's copy of the descriptor does not hold up


def test_a_session_and_a_picture(demo: Program) -> None:
    visitor = Visitor(demo)
    assert 'data-state="nameless"' in visitor.page
    before = visitor.cookie
    visitor.comes_in("emma")
    assert 'data-name="emma"' in visitor.page
    assert visitor.cookie != before
    assert visitor.shows(PNG) == 403
    with ExitStack() as stack:
        websocket = visitor.opens(stack)
        hears(websocket, kind="hello", you="emma")
        assert visitor.shows(PNG) == 303
        path = hears(websocket, kind="said", name="emma")["picture"]
        assert visitor.asks("GET", path) == (200, PNG.decode("latin-1"))
        assert visitor.shows(b"<script>") == 415


def test_what_is_not_there(demo: Program) -> None:
    answer = demo.get("/nowhere", "Accept: text/html")
    assert answer.code == 404
    assert b"nobody did at this address" in answer.body
    assert b"Back to the chat" in answer.body


def test_every_link_of_the_page_works_except_that_one(demo: Program) -> None:
    front = demo.get("/").body.decode()
    links = {unescape(link) for link in re.findall(r'(?:href|src)="(/[^"]*)"', front)}
    assert {"/inspector", "/static/chat.js"} <= links
    for link in links - {"/nowhere"}:
        with demo.connect() as wire:
            wire.send(f"GET {link} HTTP/1.1\r\nHost: 127.0.0.1:{demo.port}\r\n\r\n".encode())
            assert wire.answer().code == 200, link


def test_it_ends_at_once_and_well() -> None:
    with running("-m", "examples.demo", *PORTS, cwd=CHECKOUT) as program, ExitStack() as stack:
        telnet = Lines(port_of(program, "telnet"), stack)
        telnet.hears("What is your name?")
        feed = stack.enter_context(program.connect())
        feed.send(b"GET /feed HTTP/1.1\r\nHost: t\r\n\r\n").until(b"event: robot")
        visitor = Visitor(program)
        visitor.comes_in("ann")
        hears(visitor.opens(stack), kind="hello", you="ann")
        began = time.monotonic()
        program.process.send_signal(signal.SIGTERM)
        assert program.terminate() == 0
        # Well below the ten seconds that requests in flight are given.
        assert time.monotonic() - began < 8
        telnet.hears_the_end()
    assert '"GET / HTTP/1.1" 200 ' in program.output
    assert "Traceback" not in program.output


def test_taken_ports_are_replaced_with_a_notice() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        arguments = ("--port", port, "--telnet", port, "--irc", port)
        with running("-m", "examples.demo", *arguments, cwd=CHECKOUT) as program:
            assert program.get("/").code == 200
        assert program.output.count(f"Port {port} is not free") == 3


_SHOWN = "[...document.querySelectorAll('#log p')].map((one) => one.innerText).join('\\n')"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page(tmp_path: Path, width: int, scheme: str) -> None:
    with ExitStack() as stack:
        # One of its own, since a robot that was crashed just now is given time to recover.
        demo = stack.enter_context(running("-m", "examples.demo", *PORTS, cwd=CHECKOUT))
        telnet = Lines(port_of(demo, "telnet"), stack)
        telnet.says(f"tel{width}", "<img id=bad src=x> from telnet")
        telnet.hears(" has come in (telnet)")
        browser = Browser(tmp_path, stack)
        browser.show(f"http://127.0.0.1:{demo.port}/", width, scheme)
        browser.wait_for("document.querySelector('#link')?.dataset.state === 'good'")
        browser.wait_for(f"{_SHOWN}.includes('<img id=bad src=x> from telnet')")

        # All by keyboard.
        browser.run("document.querySelector('#name').focus()")
        browser.ask("Input.insertText", text=f"web{width}")
        browser.ask("Input.dispatchKeyEvent", type="char", text="\r")
        browser.wait_for(f"document.body?.dataset.name === 'web{width}'")
        browser.wait_for("document.querySelector('#link')?.dataset.state === 'good'")
        telnet.hears(f"* web{width} has come in (web)")
        browser.run("document.querySelector('#text').focus()")
        browser.ask("Input.insertText", text="hello from chromium")
        browser.ask("Input.dispatchKeyEvent", type="char", text="\r")
        telnet.hears(f"<web{width}> hello from chromium")

        browser.wait_for("document.querySelector('#robot').dataset.state === 'good'")
        before = browser.run("document.querySelector('#robot').textContent")
        browser.run("document.querySelector('#crash').focus()")
        browser.ask("Input.dispatchKeyEvent", type="char", text="\r")
        browser.wait_for("document.querySelectorAll('#news li').length >= 2")
        browser.wait_for(
            "document.querySelector('#robot').dataset.state === 'good'"
            f" && document.querySelector('#robot').textContent !== '{before}'"
        )
        browser.wait_for("!!document.querySelector('#pulse path')")

        assert browser.run("document.querySelector('#bad')") is None
        assert browser.run("document.documentElement.scrollWidth <= innerWidth")
        unnamed = "[...document.querySelectorAll('input:not([type=hidden]), button')].filter("
        unnamed += "(one) => !(one.labels?.length || one.ariaLabel || one.textContent)).length"
        assert browser.run(unnamed) == 0
        background = browser.run("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", background)[:3])) < 200) == (scheme == "dark")
        assert browser.problems == []
