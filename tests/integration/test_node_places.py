"""One component, wherever it runs: its callers are the same, and so is what they get."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from circuits import Component, Event
from circuits.core.errors import RemoteError
from circuits.node import Node, Unreachable
from tests.integration.nats_support import Broker
from tests.integration.node_program import Answers
from tests.integration.process_support import Quiet, perform

PROGRAM = Path(__file__).with_name("node_program.py")
NAMES = ("greet", "echo", "bad", "slow")

Place = Callable[[Component, ExitStack, Path], None]


def _run_program(stack: ExitStack, **options: Any) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), json.dumps(options)], stdout=subprocess.PIPE, text=True
    )

    def end() -> None:
        process.kill()
        process.communicate()

    stack.callback(end)
    return process


def in_the_tree(app: Component, stack: ExitStack, folder: Path) -> None:
    Answers().register(app)


def in_a_process(app: Component, stack: ExitStack, folder: Path) -> None:
    Answers().start(process=True, link=app)


def beside_a_node(app: Component, stack: ExitStack, folder: Path) -> None:
    process = _run_program(stack, bind=0)
    assert process.stdout is not None
    port = int(process.stdout.readline())
    Node().register(app).add("there", "127.0.0.1", port, forward=NAMES)


def beside_a_node_over_nats(app: Component, stack: ExitStack, folder: Path) -> None:
    broker = stack.enter_context(Broker(folder))
    _run_program(stack, bind=broker.url, group="there")
    Node(broker.url, forward={"there": NAMES}).register(app)


@pytest.mark.parametrize(
    "place", [in_the_tree, in_a_process, beside_a_node, beside_a_node_over_nats]
)
def test_values_and_failures_are_the_same(place: Place, tmp_path: Path) -> None:
    app = Component()
    quiet = Quiet().register(app)

    async def body(script: Any) -> None:
        while True:  # over NATS until it is there
            with contextlib.suppress(Unreachable):
                assert await script.call(Event.create("greet", "bob"), "far") == "hello bob"
                break
        for thing in (1, None, [1, {"a": 2.5}], "text"):
            assert await script.call(Event.create("echo", thing), "far") == thing
        assert await script.call(Event.create("slow", 0.01), "far") == "slept"
        with pytest.raises((ValueError, RemoteError)) as caught:
            await script.call(Event.create("bad"), "far")
        problem = caught.value
        assert getattr(problem, "type_name", type(problem).__name__) == "ValueError"
        assert getattr(problem, "message", str(problem)) == "no such account"
        with pytest.raises(TimeoutError):
            await script.call(Event.create("slow", 30), "far", timeout=0.1)

    with ExitStack() as stack:
        place(app, stack, tmp_path)
        perform(app, body)
    assert not [p for p in quiet.problems if isinstance(p, AssertionError)]
