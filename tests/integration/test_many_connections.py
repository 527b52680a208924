"""Thousands of idle connections to one process."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from typing import Any

import pytest

_SERVER = """
import resource
from circuits import handler
from circuits.net.sockets import TCPServer

class Echo(TCPServer):
    problems = 0
    @handler("read")
    def _on_read(self, sock, data):
        if data == b"?":
            return b"%d %d %d\\n" % (len(self._clients), memory(), self.problems)
        return data
    @handler("socket_error", "error")
    def _on_problem(self, *args, **kwargs):
        self.problems += 1

def memory():
    with open("/proc/self/statm") as pages:
        return int(pages.read().split()[1]) * resource.getpagesize()

hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
server = Echo(("127.0.0.1", 0))
print(server.port, flush=True)
server.run()
"""

_CLIENT = """
import json, resource, select, socket, sys, time

port, number = int(sys.argv[1]), int(sys.argv[2])
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

def dial():
    return socket.create_connection(("127.0.0.1", port), 30)

def ask(wire):
    wire.sendall(b"?")
    return list(map(int, wire.recv(100).split()))

def round_of_echoes(wires):
    begin = time.monotonic()
    poll = select.poll()
    for wire in wires:
        wire.sendall(b"hello")
        poll.register(wire, select.POLLIN)
    by_number = {wire.fileno(): wire for wire in wires}
    while by_number:
        for ready, _ in poll.poll(30_000):
            assert by_number.pop(ready).recv(100) == b"hello"
            poll.unregister(ready)
    return time.monotonic() - begin

first = dial()
round_of_echoes([first])
_, before, _ = ask(first)
wires = [dial() for _ in range(number)]
round_of_echoes(wires[:1])
while ask(first)[0] <= number:
    pass
_, after, _ = ask(first)
seconds = round_of_echoes(wires)
count, _, problems = ask(first)
print(json.dumps({"count": count, "each": (after - before) / number, "seconds": seconds, "problems": problems}))
"""


def test_idle_connections_are_cheap_and_all_answer() -> None:
    number = 9000
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < number + 100:
        pytest.skip(f"needs {number + 100} descriptors per process; the limit is {hard}")
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        done = subprocess.run(
            [sys.executable, "-c", _CLIENT, port, str(number)],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        seen: dict[str, Any] = json.loads(done.stdout)
    finally:
        server.terminate()
        _, errors = server.communicate(timeout=30)
    assert errors == ""
    assert (seen["count"], seen["problems"]) == (number + 1, 0)
    assert seen["each"] <= 8192
    assert seen["seconds"] < 3
