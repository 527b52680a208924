"""Run the Autobahn test suite against our server, both ways that it has, and our client.

    python -m tests.nightly.autobahn WSTEST [--all] [--jobs 2] [--reports FOLDER [--resume]]

WSTEST is the suite's program. Without ``--all``, its cases of compression (12 and 13) are left
out, which take most of the time. Each job is a run of the suite with a part of its cases, before
one of our three: the suite can do only one thing at a time. With ``--resume``, what is in the
folder already, of a run that was cut off, is not tried again. Ends with status 1 if a case fails, is
not strict, or was not run.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from circuits import Component, Event
from circuits.net.sockets import Write
from circuits.web import Controller, Server, WebSocket, WebSockets, expose
from circuits.web.websocket import WebSocketClient
from tests.support import unused_port

#: What is as it should be. Informational cases are about how, not whether, connections close.
_GOOD = {"OK", "INFORMATIONAL"}

_COMPRESSION = ["12.*", "13.*"]

#: Ours: a server with events, one with coroutines, and the client.
AGENTS = ("events", "async", "client")

#: How many cases the suite has, without those of compression and with them.
QUICK, ALL = 301, 517


@dataclass(frozen=True)
class Part:
    """What one run of the suite tries.

    Attributes:
        agent: One of ours.
        name: What the cases are called here.
        cases: Patterns of the cases.
        without: Patterns of cases that are left out.
    """

    agent: str
    name: str
    cases: tuple[str, ...]
    without: tuple[str, ...] = ()

    def folder(self, reports: Path) -> Path:
        """Where the suite writes its report."""
        return reports / f"{self.agent}-{self.name}"


def parts(everything: bool) -> list[Part]:
    """All that there is to do, the longest first."""
    found = []
    if everything:
        groups = [f"13.{n}" for n in range(1, 8)] + [f"12.{n}" for n in range(1, 6)]
        found = [Part(agent, group, (f"{group}.*",)) for group in groups for agent in AGENTS]
    return found + [Part(agent, "others", ("*",), tuple(_COMPRESSION)) for agent in AGENTS]


class Echo(Component):
    channel = "ws"

    def read(self, sock: Any, message: str | bytes) -> None:
        self.fire(Write(sock, message))


class Pages(Controller):
    @expose.websocket("async")
    async def awaiting(self, websocket: WebSocket) -> None:
        async for message in websocket:
            await websocket.send(message)


def make_server() -> Server:
    """A server that echoes: by events below ``/events``, and below ``/async``."""
    server = Server(("127.0.0.1", 0))
    WebSockets("/events").register(server)
    Echo().register(server)
    Pages().register(server)
    return server


class cases(Event):
    """Run all cases of a fuzzing server."""


class Cases(Component):
    """A client that a fuzzing server tests."""

    channel = "cases"

    def init(self, base: str) -> None:
        self.base = base
        self.problem: Exception | None = None

    async def _open(self, path: str) -> WebSocket:
        client = WebSocketClient(f"{self.base}/{path}", channel=path, wchannel=f"{path}-ws")
        client.register(self)
        self.client = client
        websocket: WebSocket = await client.open()
        return websocket

    async def cases(self) -> None:
        try:
            await self._run_all()
        except Exception as problem:  # the program ends with what failed
            self.problem = problem
        raise SystemExit(0)

    async def _run_all(self) -> None:
        websocket = await self._open("getCaseCount")
        count = int(await websocket.receive())
        await websocket.close()
        self.client.unregister()
        for case in range(1, count + 1):
            websocket = await self._open(f"runCase?case={case}&agent=client")
            async for message in websocket:
                if not websocket.is_open:
                    break
                await websocket.send(message)
            await websocket.close()
            self.client.unregister()
        websocket = await self._open("updateReports?agent=client")
        await websocket.close()


def _specification(folder: Path, part: Part, **more: Any) -> Path:
    path = folder / "specification.json"
    text: dict[str, Any] = {
        "outdir": str(folder),
        "cases": part.cases,
        "exclude-cases": part.without,
        "exclude-agent-cases": {},
        **more,
    }
    path.write_text(json.dumps(text))
    return path


def check_server(wstest: str, folder: Path, part: Part) -> None:
    server = make_server()
    thread, _ = server.start()
    try:
        base = server.base.replace("http", "ws")
        agents = [{"agent": part.agent, "url": f"{base}/{part.agent}"}]
        process = _start(wstest, "fuzzingclient", _specification(folder, part, servers=agents))
        process.wait()
    finally:
        server.stop()
        thread.join()


def check_client(wstest: str, folder: Path, part: Part) -> None:
    port = unused_port()
    url = f"ws://127.0.0.1:{port}"
    process = _start(wstest, "fuzzingserver", _specification(folder, part, url=url))
    try:
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:  # another's port: no event tells when it is open
                with suppress(subprocess.TimeoutExpired):
                    process.wait(0.1)
                    raise RuntimeError("the suite ended before it listened") from None
        else:
            raise RuntimeError("the suite did not listen within 30 s")
        app = Component()
        client = Cases(url).register(app)
        app.fire(cases(), "cases")
        app.run()
        if client.problem is not None:
            raise client.problem
    finally:
        process.terminate()
        process.wait()


def _start(wstest: str, mode: str, path: Path) -> subprocess.Popen[bytes]:
    # Without its own page, which would be at the same port for all that run at a time.
    command = [wstest, "--mode", mode, "--webport", "0", "--spec", str(path)]
    with open(path.parent / "output", "wb") as output:
        return subprocess.Popen(command, stdout=output, stderr=output)


def check(wstest: str, reports: Path, part: Part) -> tuple[float, dict[str, tuple[str, str]]]:
    """Run a part, in a process of its own.

    Returns:
        How long it took, and what :func:`read` gives.
    """
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():  # the signal has ended the part before alone
        raise SystemExit(1)
    begun = time.monotonic()
    folder = part.folder(reports)
    folder.mkdir(parents=True, exist_ok=True)
    (check_client if part.agent == "client" else check_server)(wstest, folder, part)
    return time.monotonic() - begun, read(reports, part)


def read(reports: Path, part: Part) -> dict[str, tuple[str, str]]:
    """What the suite says of each case of a part: of how it went and how it ended."""
    index = json.loads((part.folder(reports) / "index.json").read_text())
    return {
        case: (result["behavior"], result["behaviorClose"])
        for case, result in index.get(part.agent, {}).items()
    }


def judge(agent: str, verdicts: dict[str, tuple[str, str]], count: int) -> int:
    """Print what is not as it should be; the number of that."""
    wrong = {case: verdict for case, verdict in verdicts.items() if not set(verdict) <= _GOOD}
    print(f"{agent}: {len(verdicts) - len(wrong)} of {count} are as they should be")
    for case, verdict in sorted(wrong.items()):
        print(f"    {case}: {' / '.join(verdict)}")
    return len(wrong) + abs(count - len(verdicts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wstest")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--reports", type=Path)
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    folder = options.reports or Path(tempfile.mkdtemp(prefix="autobahn-"))
    verdicts: dict[str, dict[str, tuple[str, str]]] = {agent: {} for agent in AGENTS}
    todo = parts(options.all)
    if options.resume:
        done = [part for part in todo if (part.folder(folder) / "index.json").exists()]
        todo = [part for part in todo if part not in done]
        for part in done:
            found = read(folder, part)
            print(f"{part.agent}, {part.name}: {len(found)} cases, of a run before", flush=True)
            verdicts[part.agent].update(found)
    with ProcessPoolExecutor(options.jobs, multiprocessing.get_context("spawn")) as pool:
        runs = {pool.submit(check, options.wstest, folder, part): part for part in todo}
        for run in as_completed(runs):
            part = runs[run]
            seconds, found = run.result()
            print(f"{part.agent}, {part.name}: {len(found)} cases, {seconds:.0f} s", flush=True)
            verdicts[part.agent].update(found)
    count = ALL if options.all else QUICK
    bad = sum(judge(agent, verdicts[agent], count) for agent in AGENTS)
    print(f"reports: {folder}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
