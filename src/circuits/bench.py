"""The program ``circuits.bench``: how many events the framework passes here, and how fast.

It measures the framework by itself: no sockets, no disks. ``python -m circuits.bench`` is the same.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import signal
import sys
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from circuits._version import __version__
from circuits.core.components import BaseComponent
from circuits.core.debugger import Debugger
from circuits.core.events import Event
from circuits.core.handlers import handler
from circuits.core.timers import Timer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from circuits.core.manager import Manager

__all__ = ["main", "make_parser"]

MODES = ("sync", "speed", "latency", "concurrency")

#: How many latencies are kept, the latest ones.
_SAMPLES = 100_000

#: How many handlers are suspended at once, if nobody says.
_CONCURRENCY = 100


class _Hello(Event):
    name = "hello"


class _Received(Event):
    name = "received"


class _Tell(Event):
    """A second is over."""

    name = "tell"


class _End(Event):
    """The time is over."""

    name = "end"


class _Bench(BaseComponent):
    """What all modes share: counting, and the end."""

    channel = "bench"

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__()
        self.options = options
        self.limit = options.events or math.inf
        self.count = 0
        self.is_over = False
        self.seconds = 0.0
        self._began = 0.0

    def begin(self) -> None:
        """Fire the first events."""

    def details(self) -> dict[str, Any]:
        """What a mode measures beside the number of events."""
        return {}

    @handler("started", channel="*", priority=-1)
    def _on_started(self, component: Manager) -> None:
        if self.options.time:
            Timer(self.options.time, _End(), "bench").register(self)
        self._began = time.perf_counter()
        self.begin()

    def count_one(self) -> bool:
        """Count an event; whether to go on."""
        if self.is_over:
            return False
        self.count += 1
        if self.count >= self.limit:
            self.finish()
            return False
        return True

    @handler("end")
    def finish(self) -> None:
        """Take the time, and stop."""
        if not self.is_over:
            self.is_over = True
            self.seconds = time.perf_counter() - self._began
            self.root.stop()

    @handler("stopped", channel="*", priority=1)
    def _on_stopped(self, component: Manager) -> None:
        self.finish()  # by Ctrl-C

    def measure(self) -> None:
        """Run until the end."""
        self.root.run()


class _Speed(_Bench):
    """Two handlers that fire for each other, with as many balls as is asked for."""

    def begin(self) -> None:
        for _ in range(self.options.concurrency or 1):
            self.fire(_Hello())

    @handler("hello")
    def _on_hello(self) -> None:
        if self.count_one():
            self.fire(_Received())

    @handler("received")
    def _on_received(self) -> None:
        if self.count_one():
            self.fire(_Hello())


class _Latency(_Bench):
    """One event at a time, and how long it takes from ``fire`` to its handler."""

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        self.samples: deque[int] = deque(maxlen=_SAMPLES)
        self._sum = self._number = 0  # of this second

    def begin(self) -> None:
        if not (self.options.quiet or self.options.json):
            Timer(1, _Tell(), "bench", persist=True).register(self)
        self.fire(_Hello(time.perf_counter_ns()))

    @handler("hello")
    def _on_hello(self, fired: int) -> None:
        elapsed = time.perf_counter_ns() - fired
        self.samples.append(elapsed)
        self._sum += elapsed
        self._number += 1
        if self.count_one():
            self.fire(_Hello(time.perf_counter_ns()))

    @handler("tell")
    def _on_tell(self) -> None:
        if self._number:
            print(f"Latency: {self._sum / self._number / 1000:.3f} us", flush=True)
        self._sum = self._number = 0

    def details(self) -> dict[str, Any]:
        samples = sorted(self.samples)
        if not samples:
            return {}

        def at(share: float) -> float:
            return samples[min(len(samples) - 1, int(len(samples) * share))] / 1000

        mean = sum(samples) / len(samples) / 1000
        return {"latency_us": {"mean": mean, "p50": at(0.5), "p99": at(0.99), "max": at(1.0)}}


class _Concurrency(_Bench):
    """Many suspended handlers, each of which calls another one again and again."""

    def begin(self) -> None:
        for _ in range(self.options.concurrency or _CONCURRENCY):
            self.fire(_Received())

    @handler("received")
    def _on_received(self) -> Generator[Any, Any, None]:
        while not self.is_over:
            yield self.call(_Hello())

    @handler("hello")
    def _on_hello(self) -> None:
        self.count_one()


class _Sync(_Bench):
    """Fire and flush, one event after the other, without a loop."""

    def measure(self) -> None:
        # An interrupt that hits a handler would be taken for its failure.
        before = signal.signal(signal.SIGINT, self._on_interrupt)
        try:
            self._fire_and_flush()
        finally:
            signal.signal(signal.SIGINT, before)

    def _on_interrupt(self, *_: object) -> None:
        self.is_over = True

    def _fire_and_flush(self) -> None:
        deadline = self.options.time or math.inf
        fire, flush, clock = self.fire, self.flush, time.perf_counter
        self._began = clock()
        while self.count < self.limit and not self.is_over:
            for _ in range(int(min(1000, self.limit - self.count))):
                fire(_Hello())
                flush()
            if clock() - self._began >= deadline:
                break
        self.seconds = clock() - self._began

    @handler("hello")
    def _on_hello(self) -> None:
        self.count += 1


_BENCHES: dict[str, type[_Bench]] = {
    "sync": _Sync,
    "speed": _Speed,
    "latency": _Latency,
    "concurrency": _Concurrency,
}


def _number(convert: Callable[[str], Any]) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            number = convert(text)
        except ValueError:
            number = -1
        if not 0 <= number < math.inf:
            raise argparse.ArgumentTypeError(f"not a number of 0 or more: {text!r}")
        return number

    return parse


def make_parser(prog: str = "circuits.bench") -> argparse.ArgumentParser:
    """The options, of the program or of a command that does the same."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Measure how many events the framework passes, and how fast.",
        epilog="Without a limit it goes on until Ctrl-C.",
    )
    add = parser.add_argument

    def add_number(*names: str, type: Callable[[str], Any], metavar: str, help: str) -> None:
        add(*names, type=_number(type), default=0, metavar=metavar, help=help)

    limit = "; 0 (the default) is no limit"
    add_number("-t", "--time", type=float, metavar="SECONDS", help=f"stop after this time{limit}")
    add_number(
        "-e", "--events", type=int, metavar="N", help=f"stop after this number of events{limit}"
    )
    add(
        "-m",
        "--mode",
        choices=MODES,
        default="speed",
        help="speed: two handlers fire for each other; latency: time from firing to handling; "
        "concurrency: suspended handlers that call others; sync: fire and flush without the loop "
        "(default: speed)",
    )
    add_number(
        "-c",
        "--concurrency",
        type=int,
        metavar="N",
        help="events under way at once in mode speed (default: 1), or suspended handlers in mode "
        f"concurrency (default: {_CONCURRENCY})",
    )
    add("-p", "--profile", action="store_true", help="print a profile at the end")
    add("-d", "--debug", action="store_true", help="print every event on standard error")
    add("-s", "--speed", action="store_true", help="accepted and ignored")
    add("-q", "--quiet", action="store_true", help="print only the result")
    add("--json", action="store_true", help="print only the result, as JSON")
    add("--version", action="version", version=f"{prog} v{__version__}")
    return parser


def main(argv: Sequence[str] | None = None, prog: str = "circuits.bench") -> int:
    """Run the program.

    Args:
        argv: The arguments; ``None`` takes those of the process.
        prog: How it was called.

    Returns:
        The exit status.
    """
    options = make_parser(prog).parse_args(argv)
    app = BaseComponent()
    bench = _BENCHES[options.mode](options).register(app)
    if options.debug:
        Debugger().register(app)
    if not (options.quiet or options.json):
        print(f"Setting up mode {options.mode} ...", flush=True)
    app.flush()
    if options.profile:
        _profile(bench.measure)
    else:
        bench.measure()
    rate = bench.count / bench.seconds if bench.seconds else 0.0
    if options.json:
        print(json.dumps(_report(options, bench, rate), indent=2))
    else:
        print(f"Total Events: {bench.count} ({rate:.0f}/s after {bench.seconds:.2f}s)")
    return 0


def _report(options: argparse.Namespace, bench: _Bench, rate: float) -> dict[str, Any]:
    return {
        "version": __version__,
        "python": platform.python_version(),
        "mode": options.mode,
        "concurrency": options.concurrency
        or (_CONCURRENCY if options.mode == "concurrency" else 1),
        "events": bench.count,
        "seconds": bench.seconds,
        "events_per_second": rate,
        **bench.details(),
    }


def _profile(function: Callable[[], None]) -> None:
    import cProfile
    import pstats

    profiler = cProfile.Profile()
    profiler.runcall(function)
    pstats.Stats(profiler, stream=sys.stderr).sort_stats("cumulative").print_stats(40)


if __name__ == "__main__":
    sys.exit(main())
