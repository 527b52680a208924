"""The same work by concurrent.futures, and by a bare pair of sockets."""

from __future__ import annotations

import os
import pickle
import socket
import statistics
import struct
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from time import perf_counter

from measure import SECONDS, check, main

TASKS = 1000


def short(number: int) -> int:
    """A task that is over soon."""
    return sum(range(number % 100))


def tasks(executor: Executor) -> float:
    taken = []
    with executor:
        for _ in range(max(4, int(SECONDS * 12))):
            begin = perf_counter()
            futures = [executor.submit(short, n) for n in range(TASKS)]
            results = [future.result() for future in futures]
            taken.append(perf_counter() - begin)
            check(results == [short(n) for n in range(TASKS)], "wrong results")
    return statistics.median(taken[1:]) / TASKS * 1e6


class Message:
    """About what an event is."""

    def __init__(self, number: int) -> None:
        self.args = [number]
        self.channels = ("answering",)


_LENGTH = struct.Struct("!I")


def send(sock: socket.socket, message: object) -> None:
    payload = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    sock.sendall(_LENGTH.pack(len(payload)) + payload)


def receive(sock: socket.socket) -> object:
    data = sock.recv(65536)
    if not data:
        return None
    (size,) = _LENGTH.unpack_from(data)
    while len(data) < size + 4:
        data += sock.recv(65536)
    return pickle.loads(memoryview(data)[4:])


def bridge() -> float:
    near, far = socket.socketpair()
    if not os.fork():
        near.close()
        while message := receive(far):
            send(far, [(0, message.args[0] + 1)])
        os._exit(0)
    far.close()
    number = max(1000, int(SECONDS * 4000))
    taken = 0.0
    for measured in (number // 10, number):
        begin = perf_counter()
        for n in range(measured):
            send(near, Message(n))
            check(receive(near) == [(0, n + 1)], "wrong answer")
        taken = (perf_counter() - begin) / measured
    near.close()
    os.wait()
    return taken * 1e6


if __name__ == "__main__":
    main(
        {
            "threads": lambda: tasks(ThreadPoolExecutor(4)),
            "processes": lambda: tasks(
                ProcessPoolExecutor(2, mp_context=get_context("forkserver"))
            ),
            "bridge": bridge,
        }
    )
