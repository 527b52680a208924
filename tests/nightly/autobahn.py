"""Run the Autobahn test suite against our server, both ways that it has, and our client.

    python -m tests.nightly.autobahn WSTEST [--all] [--reports FOLDER]

WSTEST is the suite's program. Without ``--all``, its cases of compression (12 and 13) are left
out, which take an hour. Ends with status 1 if a case fails or is not strict.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
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

    async def _open(self, path: str) -> WebSocket:
        client = WebSocketClient(f"{self.base}/{path}", channel=path, wchannel=f"{path}-ws")
        client.register(self)
        self.client = client
        websocket: WebSocket = await client.open()
        return websocket

    async def cases(self) -> None:
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
        raise SystemExit(0)


def _specification(folder: Path, everything: bool, **more: Any) -> Path:
    path = folder / "specification.json"
    text: dict[str, Any] = {
        "outdir": str(folder),
        "cases": ["*"],
        "exclude-cases": [] if everything else _COMPRESSION,
        "exclude-agent-cases": {},
        **more,
    }
    path.write_text(json.dumps(text))
    return path


def check_server(wstest: str, folder: Path, everything: bool) -> None:
    server = make_server()
    thread, _ = server.start()
    try:
        base = server.base.replace("http", "ws")
        agents = [{"agent": name, "url": f"{base}/{name}"} for name in ("events", "async")]
        path = _specification(folder, everything, servers=agents)
        _run(wstest, "fuzzingclient", path)
    finally:
        server.stop()
        thread.join()


def check_client(wstest: str, folder: Path, everything: bool) -> None:
    port = unused_port()
    url = f"ws://127.0.0.1:{port}"
    path = _specification(folder, everything, url=url)
    suite = threading.Thread(target=_run, args=(wstest, "fuzzingserver", path))
    suite.daemon = True
    suite.start()
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except ConnectionRefusedError:  # another program's port: no event tells when it is open
            time.sleep(0.1)
    else:
        raise SystemExit("the suite did not listen within 20 s")
    app = Component()
    Cases(url).register(app)
    app.fire(cases(), "cases")
    app.run()


_processes: list[subprocess.Popen[bytes]] = []


def _run(wstest: str, mode: str, path: Path) -> None:
    with open(path.parent / "output", "wb") as output:
        process = subprocess.Popen([wstest, "-m", mode, "-s", path], stdout=output, stderr=output)
        _processes.append(process)
        process.wait()


def judge(folder: Path) -> int:
    """Print what is not as it should be; the number of that."""
    index = json.loads((folder / "index.json").read_text())
    bad = 0
    for agent, results in index.items():
        wrong = {
            case: (result["behavior"], result["behaviorClose"])
            for case, result in results.items()
            if not {result["behavior"], result["behaviorClose"]} <= _GOOD
        }
        bad += len(wrong)
        print(f"{agent}: {len(results) - len(wrong)} of {len(results)} are as they should be")
        for case, verdict in sorted(wrong.items()):
            print(f"    {case}: {' / '.join(verdict)}")
    return bad if index else 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wstest")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--reports", type=Path)
    options = parser.parse_args()
    folder = options.reports or Path(tempfile.mkdtemp(prefix="autobahn-"))
    bad = 0
    try:
        for name, check in (("servers", check_server), ("clients", check_client)):
            where = folder / name
            where.mkdir(parents=True, exist_ok=True)
            check(options.wstest, where, options.all)
            bad += judge(where)
    finally:
        for process in _processes:
            if process.poll() is None:
                process.terminate()
                process.wait()
    print(f"reports: {folder}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
