"""What it costs to be looked at: processor time with a page of the inspector and without."""

from __future__ import annotations

import json
from time import process_time

from measure import SECONDS, check, main

from circuits import Component, Event, Manager
from circuits.core.inspection import Inspection
from circuits.testing import VirtualClock

#: Events that go by between two looks, which are a second apart.
A_SECOND = 50_000
BATCH = 500


class ping(Event):
    pass


class Counter(Component):
    def init(self) -> None:
        self.count = 0

    def ping(self) -> None:
        self.count += 1


class Pinged:
    """A tree that fires, and perhaps somebody who looks."""

    def __init__(self, is_seen: bool) -> None:
        self.app = Manager()
        self.counter = Counter().register(self.app)
        while len(self.app):
            self.app.flush()
        self.inspection = Inspection() if is_seen else None
        if self.inspection is not None:
            self.inspection.open(self.app)

    def a_second(self, clock: VirtualClock) -> float:
        begin = process_time()
        for _ in range(A_SECOND // BATCH):
            for _ in range(BATCH):
                self.app.fire(ping())
            self.app.flush()
            clock.advance(BATCH / A_SECOND)
        if self.inspection is not None:
            for message in self.inspection.news():
                json.dumps(message)
        return process_time() - begin


def share() -> float:
    """How much of a core the page takes, in percent: the median of what alternate seconds differ by."""
    seen, alone = Pinged(True), Pinged(False)
    differences = []
    rounds = max(5, int(SECONDS * 10))
    with VirtualClock() as clock:  # so that sampling takes these for seconds
        for _ in range(rounds):
            differences.append(seen.a_second(clock) - alone.a_second(clock))
    check(seen.counter.count == alone.counter.count == rounds * A_SECOND, "events were lost")
    return sorted(differences)[rounds // 2] * 100


main({"share": share})
