"""A mixed load for a long time, before one process that has everything in it: `make nightly-soak`.

    python -m tests.nightly.soak [--seconds 1800]

The time is three thirds. The first one warms up. The memory of the last one may be 4 MiB above that
of the second one at most. After each sixth the load rests: the objects of each type, descriptors,
threads, tasks, components and processes that are left then must be as many at the end as after the
first third. Ends with status 1 if something has grown, or was not answered as it should be.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests._wire.websocket_support import frame
from tests.certificates import Certificates
from tests.integration.hostile import SERVICES, reset
from tests.integration.net_support import dial, read_exactly
from tests.integration.web_support import Wire
from tests.nightly.verdicts import report

WAIT_SECONDS = 60.0
MEMORY_BYTES = 4 * 1024 * 1024
#: Objects of one type more than before that are no growth: caches that fill late, and what the
#: rest catches in passing. What grows with the load grows by thousands.
OBJECTS = 50
PARTS = 6


# -- the load, in a process of its own -------------------------------------------------------------


def _expect(found: object, wanted: object) -> None:
    if found != wanted:
        raise AssertionError(f"{str(found)[:200]!r} instead of {str(wanted)[:200]!r}")


class Load:
    """What the clients do, each in a thread of its own, until they are to rest.

    A generator is one client: it asks, yields, and asks again; what it has open is closed when it
    is closed.
    """

    def __init__(self, ports: dict[str, int]) -> None:
        self.ports = ports
        self.chance = random.Random(1)
        self.done: Counter[str] = Counter()
        self.problems: list[str] = []

    def run(self, resting: threading.Event) -> None:
        """Have all of them at work until they are to rest, and are gone."""
        threads = [threading.Thread(target=self._work, args=(it, resting)) for it in clients()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _work(self, client: Callable[[Load], Iterator[None]], resting: threading.Event) -> None:
        name = client.__name__.removeprefix("_as_")
        while not resting.is_set():
            with contextlib.closing(client(self)) as steps:  # type: ignore[type-var]
                try:
                    for _ in steps:
                        self.done[name] += 1
                        if resting.is_set():
                            break
                except Exception as problem:
                    self.problems.append(f"{name}: {type(problem).__name__} {problem}"[:400])
                    time.sleep(0.1)  # a server that is gone is not asked a million times

    def _as_tcp(self) -> Iterator[None]:
        with dial(self.ports["tcp"]) as sock:
            for size in (1, 1000, 60_000, 5):
                sock.sendall(bytes(size))
                _expect(read_exactly(sock, size), bytes(size))
                yield
            if self.chance.random() < 0.3:
                sock.sendall(b"and nobody reads this")
                reset(sock)

    def _as_tls(self) -> Iterator[None]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with dial(self.ports["tls"]) as plain, context.wrap_socket(plain) as sock:
            for size in (1, 40_000, 5):
                sock.sendall(bytes(size))
                left = size
                while left:
                    data = sock.recv(left)
                    assert data, f"{left} bytes are missing"
                    left -= len(data)
                yield

    def _ask(self, pages: dict[str, bytes | int], turns: int = 20) -> Iterator[None]:
        with Wire(self.ports["web"]) as wire:
            for _ in range(turns):
                for page, wanted in pages.items():
                    answer = wire.get(f"/{page}")
                    if isinstance(wanted, int):
                        _expect(answer.code, wanted)
                    else:
                        _expect(answer.body, wanted)
                    yield

    def _as_http(self) -> Iterator[None]:
        yield from self._ask({"page": b"page", "nowhere": 404, "form?a=1&b=2": b"2"})
        yield from self._ask({"boom": 500}, 1)

    def _as_http_large(self) -> Iterator[None]:
        yield from self._ask({"large": 200, "pieces": 200}, 3)
        with Wire(self.ports["web"]) as wire:
            wire.send(b"GET /pieces HTTP/1.1\r\nHost: t\r\n\r\n")
            wire.exactly(1000)  # and gone

    def _as_http_short(self) -> Iterator[None]:
        yield from self._ask({"page": b"page"}, 1)

    def _as_sse(self) -> Iterator[None]:
        with Wire(self.ports["web"]) as wire:
            wire.send(b"GET /ticks HTTP/1.1\r\nHost: t\r\n\r\n")
            for _ in range(5):
                wire.until(b"data: xxx")
                yield

    def _as_websocket(self) -> Iterator[None]:
        service = SERVICES["websocket"]
        with Wire(self.ports["web"]) as wire:
            wire.send(service.greeting).until(b"\r\n\r\n")
            for size in (4, 1000, 0, 70_000, 100):
                message = frame(2, bytes(size))
                head = {4: 2, 1000: 4, 0: 2, 70_000: 10, 100: 2}[size]
                wire.send(message)
                _expect(wire.exactly(head + size)[head:], bytes(size))
                yield
            if self.chance.random() < 0.7:
                wire.send(frame(8, b"\x03\xe8"))
                _expect(wire.exactly(4), b"\x88\x02\x03\xe8")

    def _as_upload(self) -> Iterator[None]:
        part = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
        body = part + bytes(1_000_000) + b"\r\n--b--\r\n"
        kind = b"Content-Type: multipart/form-data; boundary=b\r\n"
        head = b"POST /%b HTTP/1.1\r\nHost: t\r\n%bContent-Length: %d\r\n\r\n"
        with Wire(self.ports["web"]) as wire:
            wire.send(head % (b"form", kind, len(body)) + body)
            _expect(wire.answer().body, b"1")
            yield
            wire.send(b"POST /taken HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(10):
                wire.send(b"4000\r\n" + bytes(0x4000) + b"\r\n")
            wire.send(b"0\r\n\r\n")
            _expect(wire.answer().body, b"%d" % (10 * 0x4000))
            yield
            wire.send(head % (b"form", kind, len(body)) + body[:600_000])  # and gone

    def _as_kernel(self) -> Iterator[None]:
        yield from self._ask({"kernel": b"15"})

    def _as_worker(self) -> Iterator[None]:
        yield from self._ask({"thread": b"6", "process": b"6", "failing_thread": b"failed"})

    def _as_node(self) -> Iterator[None]:
        service = SERVICES["node"]
        with Wire(self.ports["node"]) as wire:
            for _ in range(5):
                wire.send(service.request).until(service.answer)
                yield
        yield from self._ask({"remote": b"hello you"})

    def _as_child(self) -> Iterator[None]:
        yield from self._ask({"child": b"a child\n"}, 5)

    def _as_client(self) -> Iterator[None]:
        yield from self._ask({"fetch": b"page"})


def clients() -> list[Callable[[Load], Iterator[None]]]:
    """The kinds of clients."""
    return [value for name, value in vars(Load).items() if name.startswith("_as_")]


def _load(ports: dict[str, int], pipe: Any) -> None:
    """Work from each "work" that comes through the pipe to each "rest"; ends with it."""
    with contextlib.suppress(EOFError):
        pipe.send("here")
        while pipe.recv() == "work":
            load, resting = Load(ports), threading.Event()
            thread = threading.Thread(target=load.run, args=(resting,))
            thread.start()
            pipe.recv()
            resting.set()
            thread.join()
            pipe.send((dict(load.done), load.problems))


# -- what is seen of the server --------------------------------------------------------------------


@dataclass
class Soak:
    """A server in a process, and what has become of it.

    Attributes:
        pid: Its process.
        ports: Where its parts are.
        memory: What it and its children had at a time since the beginning, in bytes.
        states: What was left when the load rested.
        done: How often each kind of client was answered.
        problems: What went wrong with them.
    """

    pid: int
    ports: dict[str, int]
    memory: list[tuple[float, int]] = field(default_factory=list)
    states: list[dict[str, Any]] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def endure(self, seconds: float, parts: int = PARTS) -> None:
        """Be under load for some time, with a rest after each part of it."""
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=_load, args=(self.ports, there))
        process.start()
        there.close()
        try:
            assert here.poll(WAIT_SECONDS), "the load does not begin"
            here.recv()
            begun = time.monotonic()
            for part in range(1, parts + 1):
                here.send("work")
                while (now := time.monotonic() - begun) < seconds * part / parts:
                    self.memory.append((now / seconds, self._resident()))
                    time.sleep(min(1.0, seconds / 100))
                here.send("rest")
                assert here.poll(2 * WAIT_SECONDS), "the load does not come to rest"
                done, problems = here.recv()
                self.done.update(done)
                self.problems.extend(problems)
                self.states.append(self._state())
        finally:
            here.close()
            process.join(WAIT_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()

    def _resident(self) -> int:
        with open(f"/proc/{self.pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def _state(self) -> dict[str, Any]:
        """What is left when the last connection had time to go: the same twice."""
        before: dict[str, Any] = {}
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            with Wire(self.ports["web"]) as wire:
                state: dict[str, Any] = json.loads(wire.get("/state", "Connection: close").body)
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
            state["processes"] = len(children)
            if {**state, "types": 0} == {**before, "types": 0} or time.monotonic() > deadline:
                return state
            before = state
            time.sleep(0.5)

    def memory_of(self, begin: float, end: float) -> float:
        """The median of a span, which is a part of the whole time."""
        return statistics.median([size for when, size in self.memory if begin <= when < end])

    def figures(self) -> Iterator[tuple[str, bool]]:
        """Lines, and whether each is as it should be."""
        for kind, count in sorted(self.done.items()):
            yield f"{kind:12} {count:9,} answers", count > 0
        yield f"{len(self.problems)} were not answered as they should be", not self.problems
        for problem in self.problems[:10]:
            yield f"    {problem}", False
        for part in range(PARTS):
            median = self.memory_of(part / PARTS, (part + 1) / PARTS)
            yield f"memory of part {part + 1} of {PARTS}: {median / 1e6:.1f} MB", True
        grown = self.memory_of(2 / 3, 2) - self.memory_of(1 / 3, 2 / 3)
        yield f"the last third above the second: {grown / 2**20:+.2f} MiB", grown <= MEMORY_BYTES
        early, last = self.states[: PARTS // 3], self.states[-1]
        first = early[-1]
        # Caches are dropped whenever the tree changes, so what they hold at a rest varies.
        most = Counter[str]()
        for state in early:
            most |= Counter(state["types"])
        for name in sorted(last.keys() - {"types"}):
            counts = [state[name] for state in self.states]
            yield f"{name:12} {' '.join(map(str, counts))}", last[name] <= first[name]
        totals = [sum(state["types"].values()) for state in self.states]
        yield f"objects      {' '.join(map(str, totals))}", True
        for kind, count in sorted(last["types"].items()):
            if count > most[kind] + OBJECTS:
                counts = [state["types"].get(kind, 0) for state in self.states]
                yield f"    {kind} {' '.join(map(str, counts))}", False


@contextlib.contextmanager
def soaked(folder: Path) -> Iterator[Soak]:
    """Start the server; in the end it must stop by itself, and have nothing to complain about."""
    log = folder / "soak.log"
    certificate = str(Certificates(folder).server)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.nightly.soak_program", str(log), certificate],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield Soak(process.pid, json.loads(process.stdout.readline()))
        process.terminate()
        assert process.wait(WAIT_SECONDS) == 0, process.returncode
    finally:
        process.kill()
        process.wait(WAIT_SECONDS)
        if process.stdout is not None:
            process.stdout.close()
    assert not log.read_text(), log.read_text()[:2000]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.nightly.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1800.0)
    seconds = parser.parse_args().seconds
    print(f"{seconds:g} s, {time.strftime('%F %T')}", flush=True)
    with tempfile.TemporaryDirectory() as folder, soaked(Path(folder)) as soak:
        soak.endure(seconds)
        return report(soak.figures())


if __name__ == "__main__":
    sys.exit(main())
