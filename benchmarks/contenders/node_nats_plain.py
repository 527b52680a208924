"""The same with plain nats-py: an envelope in JSON, a request with a time limit, a task for each."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from typing import Any

import nats
from measure import check, main, rate
from nats.aio.msg import Msg
from node_nats_server import server

CONCURRENT = 64


class Server:
    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[None]] = set()

    async def ask(self, number: int) -> int:
        return number + 1

    async def arrived(self, message: Msg) -> None:
        task = asyncio.create_task(self.answer(message))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def answer(self, message: Msg) -> None:
        handlers = {"ask": self.ask}
        request: dict[str, Any] = json.loads(message.data)
        value: Any
        try:
            async with asyncio.timeout(request["timeout"]):
                name = message.subject.rpartition(".")[2]
                value, errors = await handlers[name](*request["args"]), False
        except Exception as problem:
            value, errors = [type(problem).__name__, str(problem), []], True
        body = {"v": 2, "id": request["id"], "value": value, "errors": errors}
        await message.respond(json.dumps(body).encode())


def serve(url: str, ready: threading.Event, over: list[Any]) -> None:
    async def run() -> None:
        client = await nats.connect(url)
        await client.subscribe("circuits.far.*.*", cb=Server().arrived)
        await client.flush()
        end = asyncio.Event()
        over.append((asyncio.get_running_loop(), end))
        ready.set()
        await end.wait()
        await client.close()

    asyncio.run(run())


def round_trips() -> float:
    loop = asyncio.new_event_loop()
    ids = itertools.count()
    ready = threading.Event()
    over: list[Any] = []

    async def ask(client: nats.aio.client.Client, *args: Any) -> Any:
        body = {"v": 2, "id": f"{next(ids):032x}", "args": args, "timeout": 30}
        data = json.dumps(body).encode()
        reply = json.loads((await client.request("circuits.far.far.ask", data, timeout=30)).data)
        if reply["errors"]:
            raise RuntimeError(reply["value"])
        return reply["value"]

    async def work(client: nats.aio.client.Client, number: int) -> None:
        left, total = number, 0

        async def worker() -> None:
            nonlocal left, total
            while left > 0:
                left -= 1
                answer = await ask(client, 1)
                total += answer

        await asyncio.gather(*(worker() for _ in range(CONCURRENT)))
        check(total == 2 * number, "wrong answers")

    with server() as url:
        other = threading.Thread(target=serve, args=(url, ready, over))
        other.start()
        ready.wait()
        client = loop.run_until_complete(nats.connect(url))
        found = rate(lambda number: loop.run_until_complete(work(client, number)))
        loop.run_until_complete(client.close())
        far_loop, end = over[0]
        far_loop.call_soon_threadsafe(end.set)
        other.join()
    return found


main({"round_trips": round_trips})
