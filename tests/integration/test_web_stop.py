"""The end of a server that is busy with everything: who is answered, who is told, and how long it takes."""

from __future__ import annotations

import contextlib
import signal
import time
from pathlib import Path

import pytest

from tests._wire.websocket_support import frame
from tests.integration.hostile import SERVICES
from tests.integration.web_support import SECONDS, Program, Wire, running

pytestmark = pytest.mark.integration

#: How long the application may take.
STOP_SECONDS = 5.0

_SITE = f"""
import asyncio
from circuits import sleep
from circuits.web import Controller, EventStream, Server, expose

class Root(Controller):
    waiting = 0

    def index(self):
        return str(self.waiting)

    def slow(self):
        self.waiting += 1
        yield sleep(1)
        yield "slow"

    async def waits(self):
        self.waiting += 1
        await asyncio.sleep(1)
        return "waited"

    def ticks(self):
        return EventStream(self._tick())

    async def _tick(self):
        while True:
            yield {{"data": "x"}}
            await asyncio.sleep(0.05)

    async def endless(self):
        while True:
            yield b"x" * 1024
            await asyncio.sleep(0.05)

    @expose.websocket("ws")
    async def ws(self, websocket):
        async for message in websocket:
            await websocket.send(message)

app = Server(("127.0.0.1", 0)) + Root()
app.stop_timeout = {STOP_SECONDS}
print(app.base + "/", flush=True)
app.run()
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site_of_test.py"
    path.write_text(_SITE)
    return path


def _begin(wire: Wire, target: str) -> None:
    wire.send(f"GET /{target} HTTP/1.1\r\nHost: t\r\n\r\n".encode())


def _wait_for(program: Program, count: int) -> None:
    with program.connect() as wire:
        while int(wire.get("/").body) < count:
            pass


@pytest.mark.parametrize("stream", ["ticks", "endless"])
def test_a_stop_answers_or_tells_everybody_in_time(site: Path, stream: str) -> None:
    with running(site) as program, contextlib.ExitStack() as stack:

        def connect(count: int) -> list[Wire]:
            return [stack.enter_context(program.connect()) for _ in range(count)]

        idle, sockets, (endless,), slow = connect(50), connect(20), connect(1), connect(50)
        for wire in idle:
            assert wire.get("/").code == 200
        for wire in sockets:
            wire.send(SERVICES["websocket"].greeting).until(b"\r\n\r\n")
        _begin(endless, stream)
        endless.until(b"x")
        for number, wire in enumerate(slow):
            _begin(wire, "slow" if number % 2 else "waits")
        _wait_for(program, len(slow))
        program.process.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        assert sorted(wire.answer().body for wire in slow) == [b"slow"] * 25 + [b"waited"] * 25
        assert all(wire.is_closed() for wire in idle)
        for wire in sockets:
            head = wire.exactly(2)
            assert head[0] == 0x88
            assert wire.exactly(head[1])[:2] == b"\x03\xe9"  # 1001: going away
            wire.send(frame(8, b"\x03\xe9"))
        rest = endless.rest()
        assert program.process.wait(SECONDS) == 0
        taken = time.monotonic() - begun
        if stream == "ticks":  # ends by itself, and its client can tell
            assert rest.endswith(b"\r\n0\r\n\r\n")
            assert taken < STOP_SECONDS * 0.7
        else:  # is cut, and its client can tell
            assert not rest.endswith(b"\r\n0\r\n\r\n")
            assert taken < STOP_SECONDS
