#!/usr/bin/env python
"""A log on a page: what is appended to a file comes as server-sent events.

    python examples/gallery/log_tail.py [-b ADDRESS:PORT] FILE

A page that was away comes back with the number of the line that it saw last, and misses none of
the last thousand. Also for programs: curl -N http://127.0.0.1:8000/lines
"""

from __future__ import annotations

import argparse
from collections import deque
from pathlib import Path

from circuits import handler
from circuits.io import File
from circuits.net.protocols.line import LP
from circuits.web import Controller, EventStream, Server

PAGE = Path(__file__).with_suffix(".html")


class Log(Controller):
    def init(self, path):
        self.count = 0  # of all lines
        self.last = deque(maxlen=1000)
        File(path, follow=True, channel="log").register(self)
        LP(channel="log", max_line=10_000).register(self)

    def index(self):
        return PAGE.read_text(encoding="utf-8")

    def lines(self):
        seen = self.request.last_event_id or ""
        return EventStream(self._lines(int(seen) if seen.isdecimal() else 0))

    async def _lines(self, seen):
        while True:
            while (behind := self.count - seen) > 0:
                behind = min(behind, len(self.last))  # those before are gone
                seen = self.count - behind + 1
                yield {"id": seen, "data": self.last[-behind]}
            seen = self.count  # whatever number the page has told
            await self.wait("line", "log")

    @handler("line", channel="log", priority=1)  # before those who wait for it look
    def _on_line(self, line):
        self.count += 1
        self.last.append(line)


def main():
    parser = argparse.ArgumentParser(description="A log on a page.")
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("-b", "--bind", default="127.0.0.1:8000", metavar="ADDRESS:PORT")
    options = parser.parse_args()
    app = Server(options.bind, connections=200) + Log(options.file)
    print(f"Serving {app.base}/", flush=True)
    app.run()


if __name__ == "__main__":
    main()
