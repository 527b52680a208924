"""Threads for calls that block: as many as are needed."""

from __future__ import annotations

import threading

from circuits.web._threads import Threads


def test_threads_are_as_many_as_are_needed() -> None:
    threads = Threads(2, "few")
    done = threading.Semaphore(0)
    go = threading.Event()
    names: set[str] = set()

    def job() -> None:
        names.add(threading.current_thread().name)
        go.wait(10)
        done.release()

    threads.submit(job)
    threads.submit(job)
    threads.submit(job)
    go.set()
    for _ in range(3):
        assert done.acquire(timeout=10)
    assert names <= {"few-1", "few-2"}
    mine = [thread for thread in threading.enumerate() if thread.name in names]
    threads.close()
    for thread in mine:
        thread.join(10)
    assert not any(thread.is_alive() for thread in mine)
    threads.submit(job)  # and there are new ones
    assert done.acquire(timeout=10)
    threads.close()
