#!/usr/bin/env python
"""A page that gives jobs to workers on any number of machines, by a server of NATS.

    python examples/gallery/job_queue.py work URL NAME               as many of them as you like
    python examples/gallery/job_queue.py page URL [ADDRESS:PORT]

URL is that of a server with JetStream, such as nats://127.0.0.1:4222 of `nats-server -js`. It keeps
a job until a worker has done it, also while there is none; a worker that dies leaves it to another.
Needs nats-py: pip install 'circuits[node]'.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections import deque

from circuits import Component, Event, handler
from circuits.node import Node, Remote, Unreachable
from circuits.web import Controller, Server, broadcast, expose

PAGE = """<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Jobs</title>
<form><label>Hash this text <input maxlength="200" required></label></form><pre></pre>
<script>
const socket = new WebSocket(location.href.replace(/^http/, "ws") + "live");
socket.onmessage = ({data}) => document.querySelector("pre").prepend(data ? data + "\\n" : "");
document.querySelector("form").onsubmit = (event) => {
    event.preventDefault();
    socket.send(document.querySelector("input").value);
    event.target.reset();
};
</script>"""


class Job(Event):
    """Something to do, stored until it is done: ``(text)``."""


class Hashed(Event):
    """A worker has done it; told to every page: ``(text, result, worker)``."""


class Worker(Component):
    channel = "jobs"

    def init(self, name):
        self.who = name

    async def job(self, text):
        await asyncio.sleep(0.1)  # it takes its time; others go on
        result = hashlib.sha256(text.encode()).hexdigest()[:16]
        self.fire(Remote(Hashed(text, result, self.who), "*", "pages"))
        print(f"done: {text}", flush=True)


class Jobs(Controller):
    def init(self):
        self.pages, self.lines = set(), deque(maxlen=50)

    def index(self):
        return PAGE

    @expose.websocket(max_message_bytes=1000)
    async def live(self, websocket):
        self.pages.add(websocket)
        broadcast([websocket], "\n".join(reversed(self.lines)))
        try:
            async for text in websocket:
                try:
                    job = Remote(Job(text), "workers", "jobs", durable=True, timeout=3)
                    number = await self.call(job)
                    self._tell(f"{text}: stored as job {number}")
                except Unreachable:
                    self._tell(f"{text}: not stored; was there ever a worker?")
        finally:
            self.pages.discard(websocket)

    @handler("hashed", channel="pages")
    def _on_hashed(self, text, result, worker):
        self._tell(f"{text}: {result}, says {worker}")

    def _tell(self, line):
        self.lines.append(line)
        broadcast(self.pages, line)


if __name__ == "__main__":
    role, url, *rest = sys.argv[1:]
    if role == "work":
        (name,) = rest
        app = Component() + Worker(name)
        app += Node(url, "jobs", name=name, group="workers", durable=True)
        print(f"{name} works", flush=True)
    else:
        app = Server(*rest or ["127.0.0.1:8000"], connections=200) + Jobs() + Node(url)
        print(f"Serving {app.base}/", flush=True)
    app.run()
