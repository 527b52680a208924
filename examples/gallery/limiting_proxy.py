#!/usr/bin/env python
"""A proxy before a web server: each client may ask so often, and is told when it asks too much.

    python examples/gallery/limiting_proxy.py [-b ADDRESS:PORT] [-r N] [-s SECONDS] URL

Answers are passed on piece by piece, as fast as the client takes them.
"""

from __future__ import annotations

import argparse

from circuits import Component
from circuits.web import BaseServer, RateLimit
from circuits.web.client import Client, ClientError, ClientTimeout

#: What is said between two neighbours, and is not passed on (RFC 9110, 7.6.1).
HOP_BY_HOP = {
    *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"),
    *("te", "trailer", "transfer-encoding", "upgrade", "content-length", "host", "expect"),
    *("date", "server"),  # which this proxy says itself
}


def passed_on(headers):
    """The headers for the next one, as pairs."""
    named = {word.strip().lower() for word in (headers.get("Connection") or "").split(",")}
    names = [name for name in headers if name.lower() not in HOP_BY_HOP | named]
    return [(name, value) for name in dict.fromkeys(names) for value in headers.get_all(name)]


class Proxy(Component):
    channel = "web"

    def init(self, upstream):
        self.upstream = upstream.rstrip("/")
        self.client = Client(timeout=20, max_connections=100).register(self)

    async def request(self, request, response):
        url = self.upstream + request.raw_path + (f"?{request.qs}" if request.qs else "")
        headers = dict(passed_on(request.headers))
        headers["X-Forwarded-For"] = request.client[0]
        headers["X-Forwarded-Host"] = request.headers.get("Host", "")
        headers["Accept-Encoding"] = "identity"  # it shall come as it is passed on
        body = request.body.read() or None
        try:
            stream = self.client.stream(request.method, url, headers=headers, content=body)
            answer = await stream
        except ClientError as problem:
            print(f"{url}: {problem}", flush=True)
            response.code = 504 if isinstance(problem, ClientTimeout) else 502
            return "The server behind this proxy does not answer.\n"
        response.code = answer.status
        for name, value in passed_on(answer.headers):
            response.headers.append(name, value)
        response.stream = True
        response.body = self._pieces(answer)
        return response

    async def _pieces(self, answer):
        async with answer:  # which is over, too, when the client has left
            async for piece in answer:
                yield piece


def main():
    parser = argparse.ArgumentParser(description="A proxy with a limit of requests.")
    parser.add_argument("url", metavar="URL", help="of the server behind it")
    parser.add_argument("-b", "--bind", default="127.0.0.1:8080", metavar="ADDRESS:PORT")
    parser.add_argument("-r", "--requests", type=int, default=20, help="so many (%(default)s) ...")
    parser.add_argument("-s", "--seconds", type=float, default=10, help="... in (%(default)s)")
    options = parser.parse_args()
    app = BaseServer(options.bind, access_log="-", connections=1000)
    app += RateLimit(options.requests, options.seconds)
    app += Proxy(options.url)
    print(f"Serving {app.base}/", flush=True)
    app.run()


if __name__ == "__main__":
    main()
