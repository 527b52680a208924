"""The same by hand, with the streams of asyncio: an envelope in JSON, an id, a deadline, a task each."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

from measure import check, main, rate

CONCURRENT = 64


async def read_packet(reader: asyncio.StreamReader) -> Any:
    size = int.from_bytes(await reader.readexactly(4), "big")
    return json.loads(await reader.readexactly(size))


def write_packet(writer: asyncio.StreamWriter, body: Any) -> None:
    data = json.dumps(body).encode()
    writer.write(len(data).to_bytes(4, "big") + data)


class Server:
    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[None]] = set()

    async def ask(self, number: int) -> int:
        return number + 1

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                task = asyncio.create_task(self.answer(await read_packet(reader), writer))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)
        except asyncio.IncompleteReadError:
            writer.close()

    async def answer(self, request: Any, writer: asyncio.StreamWriter) -> None:
        handlers = {"ask": self.ask}
        try:
            async with asyncio.timeout(request["timeout"]):
                value, errors = await handlers[request["name"]](*request["args"]), False
        except Exception as problem:
            value, errors = [type(problem).__name__, str(problem), []], True  # type: ignore[assignment]
        write_packet(writer, {"v": 2, "id": request["id"], "value": value, "errors": errors})
        await writer.drain()


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.ids = itertools.count()
        self.waiting: dict[str, asyncio.Future[Any]] = {}

    async def receive(self) -> None:
        while True:
            reply = await read_packet(self.reader)
            future = self.waiting.pop(reply["id"], None)
            if future is not None and not future.done():
                future.set_result(reply)

    async def ask(self, name: str, *args: Any) -> Any:
        id = f"{next(self.ids):032x}"
        future = self.waiting[id] = asyncio.get_running_loop().create_future()
        body = {
            "v": 2, "id": id, "name": name, "args": args, "kwargs": {}, "channels": ["far"],
            "timeout": 30,
        }  # fmt: skip
        write_packet(self.writer, body)
        await self.writer.drain()
        async with asyncio.timeout(30):
            reply = await future
        if reply["errors"]:
            raise RuntimeError(reply["value"])
        return reply["value"]


def round_trips() -> float:
    loop = asyncio.new_event_loop()

    async def start() -> Client:
        server = await asyncio.start_server(Server().connected, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        client = Client(*await asyncio.open_connection("127.0.0.1", port))
        keep.append((server, asyncio.create_task(client.receive())))
        return client

    keep: list[Any] = []
    client = loop.run_until_complete(start())

    async def work(number: int) -> None:
        left, total = number, 0

        async def worker() -> None:
            nonlocal left, total
            while left > 0:
                left -= 1
                answer = await client.ask("ask", 1)
                total += answer

        await asyncio.gather(*(worker() for _ in range(CONCURRENT)))
        check(total == 2 * number, "wrong answers")

    return rate(lambda number: loop.run_until_complete(work(number)))


main({"round_trips": round_trips})
