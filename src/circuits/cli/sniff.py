"""``circuits sniff``: the events of a running process, in a terminal."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

from circuits._version import __version__

from ._attached import NotThereError, add_target, find, open_socket, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["main", "make_parser", "run", "sniff"]

_PROG = "circuits sniff"


def make_parser(prog: str = _PROG) -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Watch the events of a running process, which has circuits.app.Attach in its tree.",
        epilog="Patterns are those of a shell: 'user_*'. It goes on until Ctrl-C, or the process ends.",
    )
    add = parser.add_argument
    add_target(parser)
    for letter, name, what in (
        ("n", "name", "events of this name"),
        ("c", "channel", "events on this channel"),
        ("C", "component", "events that a component of this class handles"),
    ):
        add(
            f"-{letter}",
            f"--{name}",
            action="append",
            default=[],
            metavar="PATTERN",
            help=f"only {what}; may be given again",
        )
    add("-r", "--rate", action="store_true", help="show how often what happens, instead of events")
    add("--json", action="store_true", help="print JSON, a line for each event, error or interval")
    add(
        "-l",
        "--limit",
        type=_whole,
        default=1000,
        metavar="N",
        help="at most so many events a second, a sample where there are more; 0 is all (default: 1000)",
    )
    add(
        "-i",
        "--interval",
        type=float,
        default=None,
        metavar="SECONDS",
        help="how often there is news (default: 0.25, with --rate 1)",
    )
    add("-e", "--errors", action="store_true", help="show only what handlers raise")
    add("--no-payloads", action="store_true", help="do not show the arguments of events")
    add(
        "--count", type=_whole, default=0, metavar="N", help="end after so many events or intervals"
    )
    add("--version", action="version", version=f"{prog} {__version__}")
    return parser


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise argparse.ArgumentTypeError(f"not a number of 0 or more: {text!r}")
    return int(text)


def main(argv: Sequence[str] | None = None, prog: str = _PROG) -> int:
    """Run the program; the exit status is 1 if there is no such process, or it does not answer."""
    options = make_parser(prog).parse_args(argv)
    try:
        path = find(options.target)
        with open_socket(path) as sock, sock.makefile("rwb") as stream:
            stream.write(json.dumps(_request(options)).encode() + b"\n")
            stream.flush()
            return run(stream, options, sys.stdout)
    except NotThereError as problem:
        print(f"{prog}: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:  # whoever reads what is printed has seen enough
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def sniff() -> int:
    """The program ``circuits.sniff``, which is the command by another name."""
    return main(prog="circuits.sniff")


def _request(options: argparse.Namespace) -> dict[str, Any]:
    seconds = options.interval
    return {
        "names": options.name,
        "channels": options.channel,
        "components": options.component,
        "limit": 1 if options.rate or options.errors else options.limit or None,
        "seconds": (1.0 if options.rate else 0.25) if seconds is None else seconds,
        "payloads": not options.no_payloads,
        "state": False,
    }


def run(lines: Iterable[bytes], options: argparse.Namespace, out: TextIO) -> int:
    """Print what is told until that ends.

    Args:
        lines: What the process tells.
        options: Of the command line.
        out: Where to print.

    Returns:
        The exit status.

    Raises:
        NotThereError: The process refuses what was asked for.
    """
    printer = _Json(options, out) if options.json else _Text(options, out)
    for line in lines:
        message = json.loads(line)
        if message["type"] == "refused":
            raise NotThereError(f"refused: {message['reason']}")
        if message["type"] == "tick":
            printer.tick(message)
            out.flush()
            if options.count and printer.count >= options.count:
                break
    return 0


class _Printer:
    """Prints, and counts what it has printed."""

    def __init__(self, options: argparse.Namespace, out: TextIO) -> None:
        self.count = 0
        self._options = options
        self._out = out

    def tick(self, tick: dict[str, Any]) -> None:
        """Print what has happened in an interval."""
        if self._options.rate:
            self.rate(tick)
            self.count += 1
            return
        for error in tick["errors"]:
            found = {"name": error["event"], "channels": error["channels"]}
            if self._is_wanted({**found, "handlers": [[error["handler"], 0.0]]}):
                self.error(error)
                self.count += self._options.errors
        for trace in () if self._options.errors else tick["traces"]:
            if self._is_wanted(trace) and not self._is_spent():
                self.event(trace)
                self.count += 1
        if tick["dropped"]:
            self.dropped(tick["dropped"])

    def _is_spent(self) -> bool:
        return bool(self._options.count and self.count >= self._options.count)

    def _is_wanted(self, trace: dict[str, Any]) -> bool:
        """Whether it is one that was asked for, and not only caused by one."""
        from fnmatch import fnmatchcase

        def is_like(texts: Iterable[str], patterns: list[str]) -> bool:
            return not patterns or any(fnmatchcase(t, p) for t in texts for p in patterns)

        options = self._options
        owners = [label.partition(".")[0] for label, _ in trace["handlers"]]
        return (
            is_like([trace["name"]], options.name)
            and is_like(trace["channels"], options.channel)
            and is_like(owners, options.component)
        )

    def event(self, trace: dict[str, Any]) -> None:
        """Print an event."""

    def error(self, error: dict[str, Any]) -> None:
        """Print what a handler has raised."""

    def rate(self, tick: dict[str, Any]) -> None:
        """Print how often what happened."""

    def dropped(self, number: int) -> None:
        """Print that there was more than could be kept."""


class _Json(_Printer):
    """A line of JSON for each."""

    def _print(self, kind: str, thing: dict[str, Any]) -> None:
        print(json.dumps({"type": kind, **thing}), file=self._out)

    def event(self, trace: dict[str, Any]) -> None:
        self._print("event", trace)

    def error(self, error: dict[str, Any]) -> None:
        self._print("error", error)

    def rate(self, tick: dict[str, Any]) -> None:
        self._print("rate", {key: tick[key] for key in tick.keys() - {"traces", "errors", "type"}})

    def dropped(self, number: int) -> None:
        self._print("dropped", {"number": number})


class _Text(_Printer):
    """For people; in colour where that is a terminal."""

    def __init__(self, options: argparse.Namespace, out: TextIO) -> None:
        super().__init__(options, out)
        self._is_terminal = out.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._has_colour = self._is_terminal and not os.environ.get("NO_COLOR")

    def _colour(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._has_colour else text

    def _dim(self, text: str) -> str:
        return self._colour("2", text)

    def event(self, trace: dict[str, Any]) -> None:
        where = ",".join(map(printable, trace["channels"])) or "*"
        name = self._colour("31;1" if trace["errors"] else "1", printable(trace["name"]))
        cause = trace["cause"] or trace["origin"]
        took = "suspended" if trace["took"] is None else _time(trace["took"])
        parts = [
            self._dim(_clock(trace["at"])),
            f"{name}[{where}]({printable(trace['args'] or '')})",
            self._dim(f"{took}{'' if cause is None else f' <- {printable(cause)}'}"),
        ]
        print(" ".join(parts), file=self._out)
        for problem in trace["errors"]:
            print(f"    {self._colour('31', printable(problem))}", file=self._out)

    def error(self, error: dict[str, Any]) -> None:
        text = f"{error['exception']}: {error['text']} in {error['handler']} of {error['event']}"
        print(_clock(error["at"]), self._colour("31;1", printable(text)), file=self._out)
        for line in error["traceback"].splitlines():
            print(f"    {self._dim(printable(line))}", file=self._out)

    def dropped(self, number: int) -> None:
        print(self._dim(f"... {number} more were not kept"), file=self._out)

    def rate(self, tick: dict[str, Any]) -> None:
        seconds = max(tick["seconds"], 1e-6)
        size = shutil.get_terminal_size((100, 40))
        wide = max(30, size.columns - 46) if self._is_terminal else 54
        rows = max(3, (size.lines - 6) // 2) if self._is_terminal else 10
        head = (
            f"{tick['events'] / seconds:.0f} events/s, {tick['calls'] / seconds:.0f} calls/s, "
            f"longest queue {tick['deepest']}, suspended {tick['suspended']}, "
            f"processor {tick['cpu'] * 100:.0f} %"
        )
        lines = [head]
        lines.append(self._dim(f"{'event':<{wide}} {'events/s':>10} {'calls/s':>10}"))
        for name, channels, events, calls in [
            kind for kind in tick["kinds"] if self._is_kind(kind)
        ][:rows]:
            text = printable(f"{name}[{','.join(channels)}]")[:wide]
            lines.append(f"{text:<{wide}} {events / seconds:>10.1f} {calls / seconds:>10.1f}")
        lines.append(self._dim(f"{'handler':<{wide}} {'runs/s':>10} {'p50':>10} {'p99':>10}"))
        for label, runs, p50, p99, _, samples in tick["handlers"][:rows]:
            times = f"{_time(p50):>10} {_time(p99):>10}" if samples else f"{'-':>10} {'-':>10}"
            lines.append(f"{printable(label)[:wide]:<{wide}} {runs / seconds:>10.1f} {times}")
        clear = "\x1b[H\x1b[2J" if self._is_terminal else ""
        print(clear + "\n".join(lines), file=self._out)

    def _is_kind(self, kind: list[Any]) -> bool:
        name, channels = kind[:2]
        return self._is_wanted({"name": name, "channels": channels, "handlers": []}) or bool(
            self._options.component
        )


def _time(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.2f}s"
    return f"{seconds * 1e3:.1f}ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f}us"


def _clock(at: float) -> str:
    return f"{time.strftime('%H:%M:%S', time.localtime(at))}.{int(at % 1 * 1000):03}"
