"""pyee calls its listeners at once, without a queue: a floor for dispatch, not an equal."""

from __future__ import annotations

from measure import check, main, rate
from pyee.base import EventEmitter


def dispatch(handlers: int) -> float:
    emitter = EventEmitter()
    counts = [0] * handlers

    for n in range(handlers):

        def listener(n: int = n) -> None:
            counts[n] += 1

        emitter.add_listener("ping", listener)

    def batch(number: int) -> None:
        counts[:] = [0] * handlers
        for _ in range(number):
            emitter.emit("ping")
        check(counts == [number] * handlers, "events were lost")

    return rate(batch)


main({"one_handler": lambda: dispatch(1), "ten_handlers": lambda: dispatch(10)})
