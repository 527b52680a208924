"""A job queue: jobs are stored by a server of NATS until a worker has done them.

    jobs.py work URL NAME                a worker; start as many as you like
    jobs.py add URL JOB...               store jobs
    jobs.py watch URL                    jobs that were given up: list them

URL is that of a server with JetStream, such as nats://127.0.0.1:4222 of `nats-server -js`. A job
whose text contains "bad" fails: it is tried three times, and then is among the dead letters.
"""

from __future__ import annotations

import asyncio
import sys

from circuits import Component, Event, handler
from circuits.node import Node, Remote


class Job(Event):
    text: str


class Worker(Component):
    """Does jobs. One that was delivered before, to somebody who crashed, has the same id."""

    channel = "jobs"

    async def job(self, event, text):
        await asyncio.sleep(0.01)  # something useful
        if "bad" in text:
            raise ValueError(f"cannot do {text}")
        print(f"done: {text}", flush=True)

    @handler("error", channel="*")
    def _on_error(self, kind, problem, *args):
        print(f"failed: {problem}", flush=True)

    def dead_letter(self, letter, reason, deliveries):
        print(f"given up after {deliveries} times: {letter.args[0]}", flush=True)


class Adder(Component):
    """Stores jobs. A job counts when the server has it, and not before."""

    async def started(self, component):
        for text in sys.argv[3:]:
            number = await self.call(Remote(Job(text), "workers", "jobs", durable=True))
            print(f"stored as {number}: {text}", flush=True)
        self.root.stop()


async def watch(url):
    """Dead letters are messages of a stream, which any client can read."""
    import nats

    client = await nats.connect(url)
    stream = client.jetstream()
    letters = await stream.pull_subscribe(
        "circuits._dead.workers.>", stream="circuits-dead-circuits-workers"
    )
    try:
        while True:
            for letter in await letters.fetch(10, timeout=1):
                print(f"{letter.headers['Circuits-Reason']}: {letter.data.decode()}", flush=True)
                await letter.ack()
    except nats.errors.TimeoutError:
        await client.close()


def main():
    role, url = sys.argv[1:3]
    if role == "watch":
        asyncio.run(watch(url))
        return
    app = Component()
    if role == "work":
        name = sys.argv[3]
        worker = Worker()
        node = Node(
            url, "jobs", name=name, group="workers", durable=True, max_deliver=3, backoff=(0.1, 0.5)
        )
        app + worker + node
        print(f"{name} works", flush=True)
    else:
        app + Node(url) + Adder()
    app.run()


if __name__ == "__main__":
    main()
