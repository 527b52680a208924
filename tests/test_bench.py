"""circuits.bench: the program, within this process."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from circuits import __version__
from circuits.bench import MODES, main

_RESULT = re.compile(r"Total Events: (\d+) \(\d+/s after \d+\.\d\ds\)")


@pytest.mark.parametrize("mode", MODES)
def test_it_stops_after_a_number_of_events(mode: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-e", "250", "-m", mode]) == 0
    first, last = capsys.readouterr().out.splitlines()
    assert first == f"Setting up mode {mode} ..."
    found = _RESULT.fullmatch(last)
    assert found is not None
    assert found[1] == "250"


@pytest.mark.parametrize("mode", MODES)
def test_quiet_prints_one_line(mode: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--events", "10", "--mode", mode, "--quiet", "--speed"]) == 0
    assert _RESULT.fullmatch(capsys.readouterr().out.rstrip("\n"))


def report(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main([*arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize(
    ("mode", "given", "concurrency"),
    [("speed", 0, 1), ("speed", 7, 7), ("concurrency", 0, 100), ("concurrency", 3, 3)],
)
def test_json_has_numbers(
    mode: str, given: int, concurrency: int, capsys: pytest.CaptureFixture[str]
) -> None:
    found = report(capsys, "-m", mode, "-e", "500", "-c", str(given))
    assert found["version"] == __version__
    assert (found["mode"], found["events"]) == (mode, 500)
    assert found["concurrency"] == concurrency
    assert found["events_per_second"] == pytest.approx(500 / found["seconds"])


def test_latencies_are_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    found = report(capsys, "-m", "latency", "-e", "500")["latency_us"]
    assert set(found) == {"mean", "p50", "p99", "max"}
    assert 0 < found["p50"] <= found["p99"] <= found["max"]
    assert 0 < found["mean"] <= found["max"]


@pytest.mark.parametrize("mode", ["speed", "latency", "concurrency"])
def test_it_stops_after_a_time(
    mode: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter(range(10**9))
    monkeypatch.setattr("circuits.core._clock.now", lambda: next(ticks) / 100)
    assert main(["-t", "2.5", "-m", mode]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert _RESULT.fullmatch(lines[-1])
    told = [line for line in lines if re.fullmatch(r"Latency: \d+\.\d{3} us", line)]
    assert len(told) == (2 if mode == "latency" else 0)


def test_debugging_prints_events(capsys: pytest.CaptureFixture[str]) -> None:
    main(["-e", "2", "-d"])
    assert "[bench.hello]" in capsys.readouterr().err


def test_profiling_prints_where_the_time_went(capsys: pytest.CaptureFixture[str]) -> None:
    main(["-e", "2", "-p"])
    seen = capsys.readouterr()
    assert "cumulative" in seen.err
    assert seen.out.endswith("s)\n")


@pytest.mark.parametrize(
    "arguments",
    [["-t", "-1"], ["-t", "nan"], ["-t", "inf"], ["-e", "x"], ["-e", "1.5"], ["-m", "fast"], ["x"]],
)
def test_a_wrong_command_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: circuits.bench" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"circuits.bench v{__version__}\n"


def test_the_man_page_tells_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    options = set(re.findall(r"--?[a-z]+", capsys.readouterr().out)) - {"-default"}
    page = Path(__file__).parent.parent / "docs" / "man" / "circuits.bench.1"
    text = page.read_text(encoding="utf-8").replace("\\-", "-")
    known = set(re.findall(r"--?[a-z]+", text))
    assert {option for option in options if option.startswith("--")} <= known
    assert {option for option in options if re.fullmatch(r"-[a-z]", option)} <= known
