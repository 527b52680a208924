"""``circuits replay``: an application once more, with what entered it when it was recorded."""

from __future__ import annotations

import argparse
import datetime
import os
import shutil
import sys
import textwrap
import traceback
from typing import TYPE_CHECKING

from circuits.core.manager import Manager
from circuits.testing._recorded import Recorded
from circuits.testing.replaying import RecordingError, ReplayError, replay

from ._application import find_application

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from circuits.testing.replaying import Replayed

__all__ = ["main", "make_parser"]


def make_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(
        prog="circuits replay",
        description="Run an application once more, with everything that entered it when "
        "circuits.app.Recording recorded it.",
        epilog="Exit status: 0 if no handler raised anything, 1 if one did, 2 if the recording or "
        "the application is refused.",
    )
    add = parser.add_argument
    add("file", metavar="FILE", help="the recording")
    add(
        "--app",
        metavar="MODULE:NAME",
        help="a class or function that makes the application (default: the class of the root that "
        "was recorded)",
    )
    add(
        "--test",
        nargs="?",
        const="",
        metavar="PATH",
        help="write a test that replays it, to test_FILE.py or PATH, and keep the recording beside "
        "it; the test fails as long as a handler raises something",
    )
    add("--trace", action="store_true", help="print every event and all that is sent")
    add("--partial", action="store_true", help="take a recording that is cut, as far as it goes")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Replay, and say what came of it."""
    parser = make_parser()
    options = parser.parse_args(argv)
    try:
        recorded = Recorded(options.file, partial=options.partial)
        name = options.app or recorded.application
        if name is None:
            parser.error("the recording does not say what makes the application: use --app")
        make = _find(parser, name, is_given=options.app is not None)
        replayed = replay(options.file, make, partial=options.partial)
    except (OSError, RecordingError, ReplayError) as problem:
        print(f"circuits replay: {problem}", file=sys.stderr)
        return 2
    if options.trace:
        sys.stdout.write(replayed.trace)
    for error in replayed.errors:
        sys.stdout.write("".join(traceback.format_exception(error)))
    for line in _summary(replayed):
        print(line)
    if options.test is not None:
        return _write_test(options, name, recorded, replayed)
    return 1 if replayed.errors else 0


def _find(parser: argparse.ArgumentParser, name: str, *, is_given: bool) -> Callable[[], Manager]:
    """What makes the application."""
    cure = "" if is_given else "; say with --app what makes the application"
    found = find_application(parser, name, cure=cure)
    if not callable(found) or isinstance(found, Manager):
        parser.error(f"{name} is neither a class nor a function that makes an application{cure}")

    def make() -> Manager:
        try:
            made: Manager = found()
        except TypeError as problem:
            if problem.__traceback__ is not None and problem.__traceback__.tb_next is not None:
                raise  # of something within
            raise ReplayError(f"{name} cannot be made without arguments: {problem}{cure}") from None
        return made

    return make


def _summary(replayed: Replayed) -> list[str]:
    events = replayed.trace.count("\n")
    lines = [f"{events} lines of trace, {len(replayed.errors)} errors; {replayed.ended}"]
    for event, where, kind, text in replayed.recorded_errors:
        lines.append(f"when it was recorded, {where} raised {kind}: {text} (event {event})")
    lines += [f"not replayed: {text}" for text in replayed.lost]
    if replayed.diverged_at is not None:
        seconds, number = replayed.diverged_at
        lines.append(
            f"after {seconds:.3f} s connection #{number} was sent something else than then"
        )
    return lines


def _write_test(
    options: argparse.Namespace, name: str, recorded: Recorded, replayed: Replayed
) -> int:
    stem = os.path.splitext(os.path.basename(options.file))[0]
    word = "".join(c if c.isalnum() else "_" for c in stem).strip("_") or "recording"
    path = options.test or f"test_{word}.py"
    kept = os.path.join(os.path.dirname(path), f"{stem}.rec")
    module, _, attribute = name.partition(":")
    first = replayed.recorded_errors[0] if replayed.recorded_errors else None
    moment = datetime.datetime.fromtimestamp(recorded.about["wall"], datetime.UTC)
    what = "what entered the application" if first is None else f"{first[1]} raises {first[2]}"
    partial = ", partial=True" if options.partial else ""
    head = textwrap.fill(
        f"Replayed from {moment:%Y-%m-%d %H:%M:%S} UTC: {what}. Made by 'circuits replay --test'; "
        f"{stem}.rec holds what peers have sent then, secrets included.",
        width=88,
    )
    text = f'''"""{head}"""

from pathlib import Path

from circuits.testing import replay
from {module} import {attribute.split(".")[0]}


def test_replay_of_{word}():
    replayed = replay(Path(__file__).with_name("{stem}.rec"), {attribute}{partial})
    assert not replayed.errors, replayed.report()
'''
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
        if not os.path.exists(kept) or not os.path.samefile(options.file, kept):
            shutil.copy(options.file, kept)
            os.chmod(kept, 0o600)
    except OSError as problem:
        print(f"circuits replay: {problem}", file=sys.stderr)
        return 2
    print(f"{path} replays {kept}")
    return 0
