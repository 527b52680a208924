"""Runs contenders in turns and compares their figures.

Each contender is a process of its own in an environment of its own. A round runs every contender of a row once (A B C, then C B A),
because a shared machine changes its speed while it is measured: neighbours in time are compared with each other, none is always the
first, and only ratios are reported. Where their median may lie tells how far to trust it.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
ENVIRONMENTS: Final = ROOT / ".venv-bench"
_CONTENDERS: Final = ROOT / "benchmarks" / "contenders"
_SERVER_START_SECONDS: Final = 20
_RUN_SECONDS: Final = 300
#: Environments that are there without any other package.
_OURS: Final = ("here", "plain")


@dataclass(frozen=True)
class Contender:
    """A program to measure.

    Attributes:
        name: What the table calls it.
        env: Environment: ``here`` (this tree), ``plain`` (the same, of which only Python is needed),
            ``old`` (circuits 3.2.5), ``peers``, or one that :mod:`benchmarks.base` makes.
        script: File below ``contenders``.
        arguments: Passed to the script.
        load: Options of ``load.py`` if the script is a server.
    """

    name: str
    env: str
    script: str
    arguments: tuple[str, ...] = ()
    load: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Bound:
    """What the first contender's figure, divided by another's, is held to.

    Attributes:
        against: Name of the other contender.
        at_least: On the wrong side of this something is wrong; ``None`` if there is no such figure.
        aim: Where we want to be.
    """

    against: str
    at_least: float | None = None
    aim: float | None = None


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        name: Its name, ``group.work``.
        title: What is done.
        unit: Unit of the figures.
        contenders: Ours is the first.
        bounds: The ratios to report.
        less_is_better: Whether the figures are costs.
        floor: What our figure itself is held to, where no ratio makes sense.
        goal: Where we want that figure to be.
    """

    name: str
    title: str
    unit: str
    contenders: tuple[Contender, ...]
    bounds: tuple[Bound, ...] = ()
    less_is_better: bool = False
    floor: float | None = None
    goal: float | None = None


class Failed(Exception):
    """A contender did not give a figure."""


def python_of(env: str) -> Path:
    """The interpreter of an environment."""
    if env in _OURS:
        return Path(sys.executable)
    return ENVIRONMENTS / env / "bin" / "python"


def measure(contender: Contender, seconds: float) -> float:
    """Run a contender once and return its figure.

    Raises:
        Failed: It ended with an error, or took too long.
    """
    if contender.load is not None:
        return _measure_server(contender, seconds)
    command = [
        python_of(contender.env),
        _CONTENDERS / contender.script,
        *contender.arguments,
    ]
    return _figure(command, os.environ | {"BENCH_SECONDS": str(seconds)})


def _figure(command: list[Any], environment: dict[str, str] | None = None) -> float:
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_RUN_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"no figure within {_RUN_SECONDS} seconds") from None
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        raise Failed((done.stderr or done.stdout).strip()[-600:] or f"exit {done.returncode}")
    return float(json.loads(lines[-1])["figure"])


def _measure_server(contender: Contender, seconds: float) -> float:
    assert contender.load is not None
    with tempfile.TemporaryFile("w+") as complaints:
        server = subprocess.Popen(
            [python_of(contender.env), _CONTENDERS / contender.script, *contender.arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
        )
        try:
            port = _announced_port(server, probes="udp" not in contender.load)
            load = ROOT / "benchmarks" / "load.py"
            options = ["--port", port, "--pid", server.pid, "--seconds", seconds, *contender.load]
            return _figure([sys.executable, load, *map(str, options)])
        except Failed as failed:
            complaints.seek(0)
            raise Failed(f"{failed}\n{complaints.read(600)}".strip()) from None
        finally:
            server.terminate()
            try:
                server.wait(15)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
            assert server.stdout is not None
            server.stdout.close()


def _announced_port(server: subprocess.Popen[str], *, probes: bool) -> int:
    output: IO[str] | None = server.stdout
    assert output is not None
    line = output.readline()
    if not line.strip().isdigit():
        raise Failed(f"the server did not start: {line!r}")
    port = int(line)
    if not probes:
        return port
    # The old line announces before it listens.
    deadline = time.monotonic() + _SERVER_START_SECONDS
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return port
    raise Failed("the server does not listen")


def run_row(row: Row, rounds: int, seconds: float) -> dict[str, Any]:
    """Measure a row in turns; a contender that fails once is left out of what follows."""
    figures: dict[str, list[float]] = {contender.name: [] for contender in row.contenders}
    failures: dict[str, str] = {}
    for number in range(rounds):
        for contender in row.contenders[:: -1 if number % 2 else 1]:
            if contender.name in failures:
                continue
            if sys.stderr.isatty():
                print(
                    f"\r\033[K{row.name}: {contender.name} ({number + 1}/{rounds})",
                    end="",
                    file=sys.stderr,
                )
            try:
                figures[contender.name].append(measure(contender, seconds))
            except Failed as failed:
                failures[contender.name] = str(failed)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    return {
        "name": row.name,
        "title": row.title,
        "unit": row.unit,
        "less_is_better": row.less_is_better,
        "figures": figures,
        "failures": failures,
        "ratios": [_ratio(row, bound, figures, failures) for bound in row.bounds],
        "floor": row.floor,
        "goal": row.goal,
    }


def _ratio(
    row: Row, bound: Bound, figures: dict[str, list[float]], failures: dict[str, str]
) -> dict[str, Any]:
    ours = row.contenders[0].name
    result: dict[str, Any] = {
        "against": bound.against,
        "at_least": bound.at_least,
        "aim": bound.aim,
    }
    if not {ours, bound.against} & failures.keys():
        # Neighbours in time only: a median over all rounds would mix fast and slow minutes.
        each = [a / b for a, b in zip(figures[ours], figures[bound.against], strict=True)]
        low, high = _where_the_median_is(each)
        result |= {"median": statistics.median(each), "low": low, "high": high}
        result["verdict"] = _verdict(
            result["median"], bound.at_least, bound.aim, less_is_better=row.less_is_better
        )
    return result


def _where_the_median_is(each: list[float]) -> tuple[float, float]:
    """Bounds that hold the true median at odds of 19 to 1; below 8 values, their lowest and highest."""
    ordered = sorted(each)
    # The number of values below the median is binomial, so cut off two standard deviations.
    cut = max(0, int((len(ordered) - 2 * len(ordered) ** 0.5) / 2))
    return ordered[cut], ordered[-1 - cut]


def _verdict(
    median: float, at_least: float | None, aim: float | None, *, less_is_better: bool
) -> str:
    def reached(bound: float) -> bool:
        return median <= bound if less_is_better else median >= bound

    if at_least is not None and not reached(at_least):
        return "BELOW"
    if aim is not None and reached(aim):
        return "aim"
    return "ok" if at_least is not None else ""


def report(result: dict[str, Any]) -> str:
    """The lines that a person reads about one row."""
    lines = [f"{result['name']}: {result['title']}"]
    for name, figures in result["figures"].items():
        if name in result["failures"]:
            lines.append(f"    {name:28} FAILED: {result['failures'][name]}")
        elif figures:
            spread = f"{min(figures):,.6g} - {max(figures):,.6g}"
            lines.append(
                f"    {name:28} {statistics.median(figures):12,.6g} {result['unit']}  ({spread})"
            )
    first = next(iter(result["figures"].values()))
    if result["floor"] is not None and first:
        verdict = _verdict(
            statistics.median(first),
            result["floor"],
            result["goal"],
            less_is_better=result["less_is_better"],
        )
        word = "at most" if result["less_is_better"] else "at least"
        aim = "" if result["goal"] is None else f", aim {result['goal']:,g}"
        lines.append(f"    held to {word} {result['floor']:,g}{aim}: {verdict}")
    for ratio in result["ratios"]:
        if "median" not in ratio:
            continue
        bounds = ""
        if ratio["at_least"] is not None:
            word = "at most" if result["less_is_better"] else "at least"
            aim = "" if ratio["aim"] is None else f", aim {ratio['aim']:g}"
            bounds = f"  {word} {ratio['at_least']:.3g}{aim}: {ratio['verdict']}"
        lines.append(
            f"    / {ratio['against']:26} {ratio['median']:12.3f}"
            f"  ({ratio['low']:.3f} - {ratio['high']:.3f}){bounds}"
        )
    return "\n".join(lines)


def summary(results: list[dict[str, Any]]) -> str:
    """The first ratio of each row again, a line each."""
    lines = []
    for result in results:
        ratio = result["ratios"][0]
        figures = "FAILED"
        if "median" in ratio:
            figures = "{median:5.3f}  ({low:.3f} - {high:.3f})  {verdict}".format(**ratio)
        lines.append(f"{result['name']:40} {figures}")
    return "\n".join(["", *lines])


def only_ours(row: Row) -> Row:
    """The row without what needs other environments."""
    ours = tuple(c for c in row.contenders if c.env in _OURS)
    names = {c.name for c in ours}
    bounds = tuple(bound for bound in row.bounds if bound.against in names)
    return replace(row, contenders=ours, bounds=bounds)
