"""Events, values, calls, timers and threads; the same text runs on circuits 3.2.5 and on this tree.

Event classes are lower case because 3.2.5 takes the class name as the event name, and here `ping`
uncamels to `ping`.
"""

from __future__ import annotations

import random
import statistics
import threading
import tracemalloc
from functools import partial
from time import perf_counter, process_time, sleep

from measure import check, main, once, rate

from circuits import Component, Event, Manager, Timer


class ping(Event):
    pass


class pong(Event):
    pass


def drain(app: Manager) -> None:
    while len(app):
        app.flush()


def settled(app: Manager) -> Manager:
    drain(app)
    return app


class Counter(Component):
    def init(self, channel: object = None) -> None:
        self.count = 0

    def ping(self) -> None:
        self.count += 1


# -- fire and dispatch --


def dispatch(handlers: int) -> float:
    app = Manager()
    counters = [Counter().register(app) for _ in range(handlers)]
    settled(app)

    def batch(number: int) -> None:
        for counter in counters:
            counter.count = 0
        left = number
        while left:
            now = min(left, 1000)
            for _ in range(now):
                app.fire(ping())
            drain(app)
            left -= now
        check(all(c.count == number for c in counters), "events were lost")

    return rate(batch)


def handlers(number_of_handlers: int) -> float:
    """Calls of handlers, not events."""
    return dispatch(number_of_handlers) * number_of_handlers


def depth(number_of_events: int) -> float:
    """Events of which so many are queued before the first one is dispatched."""
    app = Manager()
    counter = Counter().register(app)
    settled(app)

    def batch(number: int) -> None:
        counter.count = 0
        for _ in range(-(-number // number_of_events)):
            for _ in range(number_of_events):
                app.fire(ping())
            drain(app)
        check(counter.count >= number, "events were lost")

    return rate(batch)


def channels(number_of_channels: int) -> float:
    app = Manager()
    names = [f"channel{n}" for n in range(number_of_channels)]
    for name in names:
        Counter(channel=name).register(app)
    settled(app)

    def batch(number: int) -> None:
        # Batches of 700 to 1300 events. With equal ones, the collector of garbage would come at
        # the same place of each, and how much it finds there decide on the row.
        full = 0
        for n in range(number):
            app.fire(ping(), names[n % number_of_channels])
            if n == full:
                drain(app)
                full = n + 700 + n * 7919 % 601
        drain(app)

    return rate(batch)


def idle_components(number_of_components: int) -> float:
    """One component of many answers; the others are only there."""

    class Idle(Component):
        def pong(self) -> None:
            pass

    app = Manager()
    counter = Counter().register(app)
    for _ in range(number_of_components - 1):
        Idle().register(app)
    settled(app)

    def batch(number: int) -> None:
        left = number
        while left:
            now = min(left, 1000)
            for _ in range(now):
                app.fire(ping())
            drain(app)
            left -= now
        check(counter.count >= number, "events were lost")

    return rate(batch)


def build(number_of_components: int) -> float:
    """Components per CPU second that join a tree and are told so, in one tree after the other."""

    def trees(number: int) -> None:
        for _ in range(number):
            app = Manager()
            for _ in range(number_of_components):
                Counter().register(app)
            drain(app)

    return rate(trees) * number_of_components


# -- feedback --


class Answer(Component):
    def ping(self) -> int:
        return 42


def value_read() -> float:
    app = Manager()
    Answer().register(app)
    settled(app)

    def batch(number: int) -> None:
        left = number
        while left:
            now = min(left, 500)
            values = [app.fire(ping()) for _ in range(now)]
            drain(app)
            check(sum(value.value for value in values) == 42 * now, "wrong values")
            left -= now

    return rate(batch)


class asked(Event):
    success = True


class Observer(Component):
    def init(self) -> None:
        self.seen = 0

    def asked(self) -> int:
        return 42

    def asked_success(self, *args: object) -> None:
        self.seen += 1


def success_observed() -> float:
    app = Manager()
    observer = Observer().register(app)
    settled(app)

    def batch(number: int) -> None:
        observer.seen = 0
        left = number
        while left:
            now = min(left, 500)
            for _ in range(now):
                app.fire(asked())
            drain(app)
            left -= now
        check(observer.seen == number, f"{observer.seen} of {number} successes")

    return rate(batch)


class outer(Event):
    complete = True


class Nested(Component):
    def init(self) -> None:
        self.inner = self.seen = 0

    def outer(self) -> None:
        self.fire(pong())

    def pong(self) -> None:
        self.inner += 1

    def outer_complete(self, *args: object) -> None:
        self.seen += 1


def complete_nested() -> float:
    app = Manager()
    nested = Nested().register(app)
    settled(app)

    def batch(number: int) -> None:
        nested.seen = 0
        left = number
        while left:
            now = min(left, 500)
            for _ in range(now):
                app.fire(outer())
            drain(app)
            left -= now
        check(nested.seen == number, f"{nested.seen} of {number} completed")

    return rate(batch)


# -- under run() --


class step(Event):
    pass


class Chain(Component):
    def init(self, number: int) -> None:
        self.left = number

    def started(self, *args: object) -> None:
        self.fire(step())

    def step(self) -> None:
        self.left -= 1
        if self.left > 0:
            self.fire(step())
        else:
            self.stop()


def chain() -> float:
    return rate(lambda number: Chain(number).run())


class add(Event):
    pass


class Caller(Component):
    def init(self, number: int) -> None:
        self.number = number

    def started(self, *args: object):  # type: ignore[no-untyped-def]
        for n in range(self.number):
            value = yield self.call(add(n, 1))
            check(value.value == n + 1, "wrong answer")
        self.stop()

    def add(self, x: int, y: int) -> int:
        return x + y


def call() -> float:
    return rate(lambda number: Caller(number).run())


class AsyncCaller(Component):
    def init(self, number: int) -> None:
        self.number = number

    async def started(self, *args: object) -> None:
        for n in range(self.number):
            check(await self.call(add(n, 1)) == n + 1, "wrong answer")
        self.stop()

    def add(self, x: int, y: int) -> int:
        return x + y


def call_async() -> float:
    return rate(lambda number: AsyncCaller(number).run())


class Timed(Component):
    def init(self, number: int) -> None:
        self.left = number

    def started(self, *args: object) -> None:
        chosen = random.Random(1)
        for _ in range(self.left):
            Timer(chosen.uniform(0.05, 0.3), ping()).register(self)

    def ping(self) -> None:
        self.left -= 1
        if not self.left:
            self.stop()


def timers(number: int) -> float:
    return once(Timed(number).run, number)


# -- threads --


class Flood(Component):
    def init(self, number: int) -> None:
        self.left = number
        self.go = threading.Event()

    def started(self, *args: object) -> None:
        self.go.set()

    def ping(self) -> None:
        self.left -= 1
        if not self.left:
            self.stop()


def thread_fire() -> float:
    """Events per CPU second of the whole process, handed over and handled."""

    def batch(number: int) -> None:
        app = Flood(number)

        def work() -> None:
            app.go.wait()
            for _ in range(number):
                app.fire(ping())

        thread = threading.Thread(target=work)
        thread.start()
        app.run()
        thread.join()

    return rate(batch)


class Latency(Component):
    def init(self) -> None:
        self.go = threading.Event()
        self.arrived = 0.0
        self.done = threading.Semaphore(0)

    def started(self, *args: object) -> None:
        self.go.set()

    def ping(self) -> None:
        self.arrived = perf_counter()
        self.done.release()

    def pong(self) -> None:
        self.stop()


def thread_latency() -> float:
    """Median microseconds from `fire` in another thread to the handler, the loop being idle."""
    app = Latency()
    taken = []

    def work() -> None:
        app.go.wait()
        for _ in range(100):
            sleep(0.003)  # long enough for the loop to fall asleep
            begin = perf_counter()
            app.fire(ping())
            app.done.acquire()
            taken.append(app.arrived - begin)
        app.fire(pong())

    thread = threading.Thread(target=work)
    thread.start()
    app.run()
    thread.join()
    return statistics.median(taken) * 1e6


def idle_cpu() -> float:
    """CPU milliseconds that a second of doing nothing takes, with 100 components."""
    app = Latency()
    for _ in range(100):
        Counter().register(app)
    spent = []

    def work() -> None:
        app.go.wait()
        sleep(0.1)
        begin = process_time()
        sleep(1)
        spent.append(process_time() - begin)
        app.fire(pong())

    thread = threading.Thread(target=work)
    thread.start()
    app.run()
    thread.join()
    return spent[0] * 1e3


# -- memory --


def bytes_per_event() -> float:
    app = Manager()
    Counter().register(app)
    settled(app)
    number = 20_000
    for _ in range(number):  # the queue itself may keep its room
        app.fire(ping())
    drain(app)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(number):
        app.fire(ping())
    return (tracemalloc.get_traced_memory()[0] - before) / number


def bytes_per_component() -> float:
    app = Manager()
    Counter().register(app)
    settled(app)
    number = 2000
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(number):
        Counter().register(app)
    drain(app)
    return (tracemalloc.get_traced_memory()[0] - before) / number


main(
    {
        "one_handler": lambda: dispatch(1),
        "ten_handlers": lambda: dispatch(10),
        **{f"channels_{n}": partial(channels, n) for n in (10, 100, 1000, 10_000)},
        **{f"handlers_{n}": partial(handlers, n) for n in (1, 3, 10, 30, 100)},
        **{f"idle_{n}": partial(idle_components, n) for n in (1, 10, 100, 1000, 10_000)},
        **{f"depth_{n}": partial(depth, n) for n in (1, 10, 100, 1000, 10_000)},
        "build_1000": lambda: build(1000),
        "build_10000": lambda: build(10_000),
        "value_read": value_read,
        "success_observed": success_observed,
        "complete_nested": complete_nested,
        "chain": chain,
        "call": call,
        "call_async": call_async,
        "timers_1000": lambda: timers(1000),
        "timers_10000": lambda: timers(10_000),
        "thread_fire": thread_fire,
        "thread_latency": thread_latency,
        "idle_cpu": idle_cpu,
        "bytes_per_event": bytes_per_event,
        "bytes_per_component": bytes_per_component,
    }
)
