"""A tree goes on in a forked child, whatever it waits in."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys

import pytest

_PROGRAM = """
import os, sys, threading
from circuits import Component, Event, Timer, handler, sleep
from circuits.core import pollers
from circuits.core._process.forking import fork
from circuits.net.sockets import TCPServer, Write

class Go(Event): ...

class App(Component):
    channel = "app"
    ticks = 0

    def started(self, component):
        {begin}
        self.fire(Go())

    def go(self):
        if fork(self):
            os.waitpid(-1, 0)
            os._exit(0)
        Timer(0.01, Event.create("beat"), "app", persist=True).register(self)

    def beat(self):
        self.ticks += 1
        if self.ticks == 3:
            print(server.port, flush=True)

    @handler("read", channel="server")
    def _on_read(self, sock, data):
        return data.upper()

    @handler("disconnect", channel="server")
    def _on_disconnect(self, sock):
        self.stop()

    {more}

app = App()
pollers.{poller}().register(app)
server = TCPServer(("127.0.0.1", 0)).register(app)
app.run()
print("over", flush=True)
"""

_POLLERS = [
    name
    for name, primitive in (("Select", "select"), ("Poll", "poll"), ("EPoll", "epoll"))
    if hasattr(select, primitive)
]


def check(program: str) -> None:
    # Not in development mode, which tells of handlers that keep the loop: that of the parent does.
    process = subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-W", "error", "-c", program],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if line:
            with socket.create_connection(("127.0.0.1", int(line)), timeout=20) as sock:
                sock.sendall(b"hello")
                assert sock.recv(100) == b"HELLO"
        out, err = process.communicate(timeout=20)
        assert err.decode() == ""
        assert out == b"over\n"
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize("poller", _POLLERS)
def test_timers_and_sockets_go_on(poller: str) -> None:
    check(_PROGRAM.format(poller=poller, begin="pass", more=""))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_coroutines_go_on() -> None:
    more = """
    @handler("started", channel="*")
    async def _before(self, component):
        await sleep(0.05)
        self.fire(Event.create("beat"))
        await sleep(0.05)
        self.fire(Event.create("beat"))

    @handler("go")
    async def _on_go(self):
        import asyncio
        await asyncio.sleep(0)
        async with asyncio.timeout(20):
            await asyncio.sleep(0.01)
        self.fire(Event.create("beat"))
    """
    check(_PROGRAM.format(poller="Poller", begin="yield sleep(0.01)", more=more))
