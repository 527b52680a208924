"""The inspector seen by a browser, and a process looked into from outside."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.browser_support import Browser

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform == "win32", reason="UNIX sockets"),
]

_APPLICATION = """
import sys
from circuits import Component, Event, Timer
from circuits.app import Attach
from circuits.web import Controller, Server
from circuits.web.apps.inspector import Inspector

class Root(Controller):
    def index(self):
        return "index"

class Ping(Event):
    pass

class App(Component):
    channel = "app"

    def init(self):
        Timer(0.05, Ping("<b id=bad>x</b>"), "app", persist=True).register(self)

    def ping(self, what):
        self.fire(Event.create("pong", 1))

    def pong(self, number):
        raise ValueError("<i id=bad>wrong</i>")

    def error(self, *args):
        pass

    def ready(self, server, *bind):
        if hasattr(server, "port") and server.port:
            print("port", server.port, flush=True)

App.ready.__dict__["channel"] = "*"
app = Server(("127.0.0.1", 0), display_banner=False)
app += Root()
app += App()
app += Inspector()
app += Attach(sys.argv[1])
app.run()
"""


@contextmanager
def application(folder: Path) -> Iterator[tuple[int, str, subprocess.Popen[str]]]:
    """An application that can be looked into: its port, its socket, the process."""
    (folder / "application.py").write_text(_APPLICATION, encoding="utf-8")
    path = str(folder / "app.sock")
    with subprocess.Popen(
        [sys.executable, "application.py", path],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        try:
            assert program.stdout is not None
            yield int(program.stdout.readline().split()[1]), path, program
        finally:
            if program.poll() is None:
                program.terminate()
            assert program.wait(30) == 0


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with ExitStack() as stack:
        yield Browser(tmp_path, stack)


_CHOOSE = """
[...document.querySelectorAll("#events button")]
    .find((one) => one.querySelector("b").textContent === "pong").click()
"""


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page(browser: Browser, tmp_path: Path, width: int, scheme: str) -> None:
    with application(tmp_path) as (port, _, _):
        browser.show(f"http://127.0.0.1:{port}/inspector", width, scheme)
        browser.wait_for("!!document.querySelector('#events .failed')")
        assert browser.run("document.querySelector('#link')?.dataset.state") == "live"
        assert browser.run("document.querySelector('#title').textContent") == "Server/web"
        browser.run(_CHOOSE)
        detail = browser.run("document.querySelector('#detail').innerText")
        assert "ValueError: <i id=bad>wrong</i>" in detail
        nodes = "[...document.querySelectorAll('.trace .node b')].map((one) => one.textContent)"
        browser.wait_for(f"{nodes}.includes('error')")
        assert browser.run(nodes)[:2] == ["ping", "pong"]
        # By keyboard: the tabs are one stop, and arrows go from one to the next.
        browser.run("document.querySelector('#tab-events').focus()")
        for name in ("rates", "handlers", "tree", "tasks", "connections", "errors"):
            browser.press("ArrowRight")
            assert browser.run("document.activeElement.id") == f"tab-{name}"
            assert browser.run(f"document.querySelector('#view-{name}').checkVisibility()")
            wide = "document.documentElement.scrollWidth <= innerWidth"
            assert browser.run(wide), f"{name} is wider than {width} pixels"
        assert "ValueError" in browser.run("document.querySelector('#errors').innerText")
        assert browser.run("document.querySelector('#rates').textContent").count("ping") == 1
        # What comes from the application has become text, and nothing else.
        assert browser.run("document.querySelector('#bad')") is None
        assert browser.problems == []
        background = browser.run("getComputedStyle(document.body).backgroundColor")
        level = sum(map(int, re.findall(r"\d+", background)[:3]))
        assert (level < 200) == (scheme == "dark")


def test_the_page_comes_back(browser: Browser, tmp_path: Path) -> None:
    with application(tmp_path) as (port, _, _):
        browser.show(f"http://127.0.0.1:{port}/inspector", 1280, "light")
        browser.wait_for("document.querySelector('#link')?.dataset.state === 'live'")
    browser.wait_for("document.querySelector('#link')?.dataset.state === 'gone'")


def run_cli(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "circuits", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


def test_sniffing(tmp_path: Path) -> None:
    with application(tmp_path) as (_, path, _):
        done = run_cli("sniff", path, "--json", "-n", "ping", "--count", "3")
        assert (done.returncode, done.stderr) == (0, "")
        events = [json.loads(line) for line in done.stdout.splitlines()]
        assert [event["name"] for event in events] == ["ping"] * 3
        assert events[0]["args"] == "'<b id=bad>x</b>'"
        rate = run_cli("sniff", path, "--rate", "--count", "1")
        assert "events/s" in rate.stdout
        assert "ping[app]" in rate.stdout


def test_sniffing_ends_with_the_process(tmp_path: Path) -> None:
    with application(tmp_path) as (_, path, program):
        with subprocess.Popen(
            [sys.executable, "-m", "circuits", "sniff", path, "-n", "ping"],
            stdout=subprocess.PIPE,
            text=True,
        ) as sniffing:
            assert sniffing.stdout is not None
            assert "ping[app]" in sniffing.stdout.readline()
            program.terminate()
            assert program.wait(30) == 0
            sniffing.communicate(timeout=30)
            assert sniffing.returncode == 0
    assert not os.path.exists(path)


def test_the_page_of_another_process(browser: Browser, tmp_path: Path) -> None:
    with application(tmp_path) as (_, path, _):
        with subprocess.Popen(
            [sys.executable, "-m", "circuits", "inspect", path, "--port", "0"],
            stdout=subprocess.PIPE,
            text=True,
        ) as relay:
            try:
                assert relay.stdout is not None
                found = re.search(r"http://\S+", relay.stdout.readline())
                assert found is not None
                browser.show(found[0], 1280, "light")
                browser.wait_for("!!document.querySelector('#events .failed')")
                assert browser.run("document.querySelector('#title').textContent") == "Server/web"
            finally:
                relay.send_signal(signal.SIGINT)
                assert relay.wait(30) == 0


def test_who_looks_and_leaves_leaves_nothing_behind(tmp_path: Path) -> None:
    """Who looks and leaves, again and again, costs the application no memory."""
    import socket

    with application(tmp_path) as (_, path, program):
        size = []
        for number in range(60):
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(path)
                sock.sendall(b'{"seconds": 0.1}\n')
                assert sock.recv(10)
            if number in (19, 59):
                pages = Path(f"/proc/{program.pid}/statm")
                if not pages.exists():
                    pytest.skip("there is no /proc")
                size.append(int(pages.read_text().split()[1]) * 4096)
        assert size[1] - size[0] < 4 << 20
