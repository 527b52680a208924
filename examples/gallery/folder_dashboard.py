#!/usr/bin/env python
"""A folder on a page: what is in it, and what happens to it, as it happens.

python examples/gallery/folder_dashboard.py [-b ADDRESS:PORT] FOLDER
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import deque
from pathlib import Path

from circuits import handler, sleep
from circuits.io import Notify
from circuits.web import Controller, Server, broadcast, expose

PAGE = Path(__file__).with_suffix(".html")


class Dashboard(Controller):
    def init(self, folder):
        self.folder = folder
        self.pages, self.recent = set(), deque(maxlen=20)
        self.is_due = False
        notify = Notify().register(self)
        notify.add_path(folder, recursive=True, auto_add=True)

    def index(self):
        return PAGE.read_text(encoding="utf-8")

    @expose.websocket
    async def live(self, websocket):
        self.pages.add(websocket)
        broadcast([websocket], json.dumps(self._status()))
        try:
            async for _ in websocket:
                pass
        finally:
            self.pages.discard(websocket)

    @handler("created", "deleted", "modified", "moved", channel="notify")
    def _on_change(self, event, name, path, pathname, is_dir):
        place = os.path.relpath(pathname, self.folder)
        self.recent.appendleft((time.strftime("%X"), event.name, place))
        if self.is_due:
            return  # whatever happens, the pages are told five times a second at most
        self.is_due = True
        yield sleep(0.2)
        self.is_due = False
        broadcast(self.pages, json.dumps(self._status()))

    def _status(self):
        count = size = 0
        for folder, _, names in os.walk(self.folder):
            for name in names:
                try:
                    size += os.lstat(os.path.join(folder, name)).st_size
                except FileNotFoundError:
                    continue
                count += 1
        return {"files": count, "bytes": size, "recent": list(self.recent)}


def main():
    parser = argparse.ArgumentParser(description="A folder on a page.")
    parser.add_argument("folder", metavar="FOLDER")
    parser.add_argument("-b", "--bind", default="127.0.0.1:8000", metavar="ADDRESS:PORT")
    options = parser.parse_args()
    app = Server(options.bind, connections=200) + Dashboard(options.folder)
    print(f"Serving {app.base}/", flush=True)
    app.run()


if __name__ == "__main__":
    main()
