#!/usr/bin/env python
"""Downloads a file piece by piece, or sends one, and says how it goes.

    python examples/web/fetch.py URL FILE
    python examples/web/fetch.py --put FILE URL

It goes through the proxies that ``http_proxy`` and ``https_proxy`` name, follows redirects, and
takes no more memory for a large file than for a small one.
"""

from __future__ import annotations

import argparse
import sys

from circuits import Component
from circuits.web.client import Client, ClientError, Timeout


class Fetch(Component):
    def init(self, url, path, put):
        self.url, self.path, self.put = url, path, put
        self.status = 0
        times = Timeout(connect=10, read=30, total=3600)
        self.client = Client(timeout=times, follow_redirects=True).register(self)

    def started(self, *args):
        try:
            if self.put:
                yield self.upload()
            else:
                yield self.download()
        except (ClientError, OSError, ValueError) as problem:
            print(f"it did not work: {problem}", file=sys.stderr)
            self.status = 1
        self.root.stop()

    def download(self):
        with (yield self.client.stream("GET", self.url)) as response:
            response.raise_for_status()
            total = int(response.headers.get("Content-Length", 0))
            done = 0
            with open(self.path, "wb") as file:
                while piece := (yield response.receive()):
                    file.write(piece)
                    done += len(piece)
                    if total and sys.stdout.isatty():
                        print(f"\r{done:>12} of {total} bytes", end="", flush=True)
            print(f"{done} bytes from {response.url}")

    def upload(self):
        with open(self.path, "rb") as file:
            response = yield self.client.put(self.url, content=file)
        response.raise_for_status()
        print(f"{response.status} {response.reason}")


def main():
    parser = argparse.ArgumentParser(description="Downloads a file, or sends one.")
    parser.add_argument("--put", metavar="FILE", help="send this file")
    parser.add_argument("url", metavar="URL")
    parser.add_argument("file", metavar="FILE", nargs="?")
    options = parser.parse_args()
    if (options.put is None) == (options.file is None):
        parser.error("name the file to write, or the one to --put")
    fetch = Fetch(options.url, options.put or options.file, options.put is not None)
    fetch.run()
    sys.exit(fetch.status)


if __name__ == "__main__":
    main()
