"""The nearest thing that plain asyncio has to each kernel program."""

from __future__ import annotations

import asyncio
import random
import statistics
import threading
from time import perf_counter, sleep

from measure import check, main, once, rate


def chain() -> float:
    def batch(number: int) -> None:
        loop = asyncio.new_event_loop()
        left = number

        def step() -> None:
            nonlocal left
            left -= 1
            if left > 0:
                loop.call_soon(step)
            else:
                loop.stop()

        loop.call_soon(step)
        loop.run_forever()
        loop.close()

    return rate(batch)


def call() -> float:
    async def add(x: int, y: int) -> int:
        return x + y

    async def caller(number: int) -> None:
        for n in range(number):
            check(await asyncio.create_task(add(n, 1)) == n + 1, "wrong answer")

    return rate(lambda number: asyncio.run(caller(number)))


def timers(number: int) -> float:
    def work() -> None:
        loop = asyncio.new_event_loop()
        left = number

        def ping() -> None:
            nonlocal left
            left -= 1
            if not left:
                loop.stop()

        def start() -> None:
            chosen = random.Random(1)
            for _ in range(number):
                loop.call_later(chosen.uniform(0.05, 0.3), ping)

        loop.call_soon(start)
        loop.run_forever()
        loop.close()

    return once(work, number)


def thread_fire() -> float:
    def batch(number: int) -> None:
        loop = asyncio.new_event_loop()
        left = number

        def ping() -> None:
            nonlocal left
            left -= 1
            if not left:
                loop.stop()

        def work() -> None:
            for _ in range(number):
                loop.call_soon_threadsafe(ping)

        thread = threading.Thread(target=work)
        loop.call_soon(thread.start)
        loop.run_forever()
        thread.join()
        loop.close()

    return rate(batch)


def thread_latency() -> float:
    loop = asyncio.new_event_loop()
    done = threading.Semaphore(0)
    arrived = 0.0
    taken = []

    def ping() -> None:
        nonlocal arrived
        arrived = perf_counter()
        done.release()

    def work() -> None:
        for _ in range(100):
            sleep(0.003)
            begin = perf_counter()
            loop.call_soon_threadsafe(ping)
            done.acquire()
            taken.append(arrived - begin)
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=work)
    loop.call_soon(thread.start)
    loop.run_forever()
    thread.join()
    loop.close()
    return statistics.median(taken) * 1e6


main(
    {
        "chain": chain,
        "call": call,
        "timers_1000": lambda: timers(1000),
        "timers_10000": lambda: timers(10_000),
        "thread_fire": thread_fire,
        "thread_latency": thread_latency,
    }
)
