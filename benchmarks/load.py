"""Keep a server busy from many connections and count what it answers per CPU second of its own.

One request is in flight on each connection; connections stay open. The client is a bare epoll loop on raw sockets, so it
takes less CPU than what it measures; since the server's CPU time counts and not the wall clock, a server that waits
for the client now and then is not worse off. Nor is one that the client waits for: it does not sleep, as
waking it up takes time of the server that answers, on a virtual machine as much as half of a request.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import select
import socket
import ssl
import struct
import sys
from time import clock_gettime, perf_counter


def server_cpu(pid: int) -> float:
    """CPU seconds that all threads of a process and of its children have used (Linux)."""
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        pids = [pid, *map(int, children.read().split())]
    # What clock_getcpuclockid(3) makes of a pid; /proc counts in hundredths of a second only.
    return sum(clock_gettime((~each << 3) | 2) for each in pids)


def plain_request(host: str, path: str = "/", fields: tuple[str, ...] = ()) -> bytes:
    more = "".join(f"{field}\r\n" for field in fields)
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: load/1.0\r\nAccept: */*\r\n"
        f"Accept-Encoding: gzip, deflate\r\n{more}\r\n"
    ).encode()


def with_cookies(request: bytes, first: bytes, port: int) -> bytes:
    """The same request by who has been there before: with the cookies that the first one got."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
        sock.sendall(first)
        head = b""
        while b"\r\n\r\n" not in head:
            data = sock.recv(65536)
            if not data:
                sys.exit(f"load: no answer: {head!r}")
            head += data
    fields = (line.partition(b":") for line in head.partition(b"\r\n\r\n")[0].split(b"\r\n"))
    cookies = [
        text.partition(b";")[0].strip() for name, _, text in fields if name.lower() == b"set-cookie"
    ]
    if not cookies:
        sys.exit(f"load: a response without a cookie: {head!r}")
    return request[:-2] + b"Cookie: " + b"; ".join(cookies) + b"\r\n\r\n"


def varied_requests(host: str, number: int = 20_000) -> list[bytes]:
    """Heads as a crowd of browsers sends them; no two are equal, so no memo of whole heads helps."""
    chosen = random.Random(1)
    requests = []
    for n in range(number):
        version = chosen.randrange(90, 140)
        headers = [
            f"Host: {host}",
            f"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:{version}.0) Firefox/{version}.0",
            "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            f"Accept-Language: {chosen.choice(['en', 'de', 'fr', 'pt', 'ja'])};q=0.{chosen.randrange(1, 10)}",
            "Accept-Encoding: gzip, deflate, br",
            f"Cookie: id={n:x}; seen={chosen.getrandbits(64):x}",
        ]
        if chosen.random() < 0.5:
            headers.append(f"Referer: http://{host}/page/{chosen.randrange(10_000)}")
        if chosen.random() < 0.3:
            headers.append(f"X-Request-Id: {chosen.getrandbits(128):032x}")
        head, tail = headers[:1], headers[1:]
        chosen.shuffle(tail)
        requests.append("\r\n".join(["GET / HTTP/1.1", *head, *tail, "", ""]).encode())
    return requests


def http_length(data: bytes) -> int:
    """Length of the first response in ``data``, or -1 while its head is not complete."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return -1
    if not data.startswith(b"HTTP/1.1 200 "):
        sys.exit(f"load: not what was asked for: {data[:200]!r}")
    for line in data[:end].split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return end + 4 + int(value)
        if name.lower() == b"transfer-encoding":
            last = data.find(b"\r\n0\r\n\r\n", end)
            return last + 7 if last >= 0 else -1
    sys.exit(f"load: a response without a length: {data[:end]!r}")


def websocket_frame(payload: bytes, key: bytes) -> bytes:
    """A binary message; masked if there is a key."""
    size, bit = len(payload), 0x80 if key else 0
    if size < 126:
        head = bytes([0x82, bit | size])
    elif size < 65536:
        head = struct.pack("!BBH", 0x82, bit | 126, size)
    else:
        head = struct.pack("!BBQ", 0x82, bit | 127, size)
    mask = key * (size // 4 + 1)
    return (
        head + key + bytes(a ^ b for a, b in zip(payload, mask, strict=False))
        if key
        else (head + payload)
    )


def websocket_handshake(sock: socket.socket, port: int) -> None:
    """Become a WebSocket, without compression."""
    sock.sendall(
        f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        data = sock.recv(1)
        if not data:
            sys.exit(f"load: no WebSocket: {answer!r}")
        answer += data
    if not answer.startswith(b"HTTP/1.1 101 "):
        sys.exit(f"load: no WebSocket: {answer!r}")


class Load:
    """Connections that send a request each and the next one when the answer is complete."""

    def __init__(
        self, port: int, connections: int, requests: list[bytes], echo: bool, transport: str
    ) -> None:
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.requests = requests
        self.next = 0
        self.answered = 0
        # Every answer to a benchmark is as long as the first one; -1 until that is known.
        self.expected = len(requests[0]) if echo else -1
        if transport == "websocket":
            self.expected = len(websocket_frame(requests[0], b""))
            self.requests = [websocket_frame(requests[0], b"\x37\xfa\x21\x3d")]
        self.echo = echo
        self.longest_wait = 0.0
        self.partial: dict[int, bytes] = {}
        self.lengths: dict[int, int] = {}
        self.poll = select.epoll()
        self.sockets: dict[int, socket.socket] = {}
        self.is_tls = transport == "tls"
        for _ in range(connections):
            sock = self.connect(port, transport)
            self.sockets[sock.fileno()] = sock
            self.poll.register(sock, select.EPOLLIN)
        for sock in self.sockets.values():
            self.send(sock)
        for sock in self.sockets.values():
            sock.setblocking(False)

    @staticmethod
    def connect(port: int, transport: str) -> socket.socket:
        if transport == "udp":
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.connect(("127.0.0.1", port))
            return sock
        sock = socket.create_connection(("127.0.0.1", port), timeout=30)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if transport == "tls":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            sock = context.wrap_socket(sock)
        if transport == "websocket":
            websocket_handshake(sock, port)
        return sock

    def send(self, sock: socket.socket) -> None:
        request = self.requests[self.next]
        self.next = (self.next + 1) % len(self.requests)
        if self.is_tls:
            sock.setblocking(True)
            sock.sendall(request)
            sock.setblocking(False)
            return
        sent = sock.send(request)
        if sent != len(request):
            # Only echo of large messages gets here: the peer reads at its pace, so wait for it.
            sock.setblocking(True)
            sock.sendall(request[sent:])
            sock.setblocking(False)

    def run(self, seconds: float) -> None:
        """Send and receive for a time."""
        until = perf_counter() + seconds
        poll, sockets, expected, send = self.poll.poll, self.sockets, self.expected, self.send
        partial, size = self.partial, max(65536, self.expected)
        while perf_counter() < until:
            for descriptor, _ in poll(self.longest_wait):
                sock = sockets[descriptor]
                try:
                    data = sock.recv(size)
                except (BlockingIOError, ssl.SSLWantReadError):
                    continue
                if isinstance(sock, ssl.SSLSocket):
                    while sock.pending():  # what is decrypted already wakes nobody
                        data += sock.recv(size)
                if not data:
                    sys.exit("load: the server closed a connection")
                if len(data) != expected or descriptor in partial:
                    data = partial.pop(descriptor, b"") + data
                    length = expected if self.echo else http_length(data)
                    if length < 0 or len(data) < length:
                        partial[descriptor] = data
                        continue
                    if len(data) > length:
                        sys.exit(f"load: more than one answer: {data[:200]!r}")
                    expected = self.expected = length
                self.answered += 1
                send(sock)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pid", type=int, required=True, help="process whose CPU time counts")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--vary", action="store_true", help="no two request heads are equal")
    parser.add_argument("--path", default="/", help="what to ask for, without --vary")
    parser.add_argument("--header", action="append", default=[], help="a header to send, too")
    parser.add_argument("--cookies", metavar="PATH", help="bring the cookies that are given there")
    parser.add_argument("--sleeps", action="store_true", help="leave processors to the server")
    parser.add_argument("--echo", type=int, metavar="BYTES", help="send bytes, expect them back")
    parser.add_argument("--transport", choices=["tcp", "tls", "udp", "websocket"], default="tcp")
    options = parser.parse_args()

    host = f"127.0.0.1:{options.port}"
    if options.echo:
        requests = [random.Random(1).randbytes(options.echo)]
    elif options.vary:
        requests = varied_requests(host)
    else:
        requests = [plain_request(host, options.path, tuple(options.header))]
        if options.cookies:
            requests = [
                with_cookies(requests[0], plain_request(host, options.cookies), options.port)
            ]
    echo = bool(options.echo)
    load = Load(options.port, options.connections, requests, echo, options.transport)
    load.longest_wait = float(options.sleeps)
    load.run(options.seconds / 4)  # the server warms up
    answered, cpu, begin = load.answered, server_cpu(options.pid), perf_counter()
    load.run(options.seconds)
    elapsed = perf_counter() - begin
    cpu = server_cpu(options.pid) - cpu
    answered = load.answered - answered
    if not answered or not cpu:
        sys.exit("load: the server answered nothing")
    print(json.dumps({"figure": answered / cpu, "per_second": answered / elapsed}))


if __name__ == "__main__":
    main()
