"""The examples of nodes, as their readers would run them."""

from __future__ import annotations

import re

from tests.integration.example_support import Script, example

COUNTED = "3 the\n1 brown\n1 dog\n"


def address_of(script: Script) -> str:
    """Where a program says that it listens."""
    found = re.search(r"at (127\.0\.0\.1:\d+)\n", script.hear("\n"))
    assert found is not None
    return found[1]


def test_the_pipeline_in_one_process() -> None:
    with example("nodes/pipeline.py") as script:
        script.hear(COUNTED)
        assert script.wait() == 0


def test_the_pipeline_on_two_nodes() -> None:
    with example("nodes/pipeline.py", "work", "127.0.0.1:0") as worker:
        address = address_of(worker)
        for _ in range(2):
            with example("nodes/pipeline.py", "feed", address) as feeder:
                feeder.hear(COUNTED)
                assert feeder.wait() == 0
        assert worker.interrupt() == 0


def test_the_chat() -> None:
    secret = ("--secret", "xyz")
    with example("nodes/chat.py", "alice", "--listen", "127.0.0.1:0", *secret) as alice:
        address = address_of(alice)
        with (
            example("nodes/chat.py", "bob", "--connect", address, *secret) as bob,
            example("nodes/chat.py", "eve", "--connect", address, "--secret", "x") as eve,
            example("nodes/chat.py", "carol", "--connect", address, *secret) as carol,
        ):
            for script, told in ((alice, "* bob is here"), (alice, "* carol is here")):
                script.hear(told)
            for script in (bob, carol):
                script.hear("* the others is here")
            bob.type("hello all")
            alice.hear("<bob> hello all\n")
            carol.hear("<bob> hello all\n")
            alice.type("hello bob")
            bob.hear("<alice> hello bob\n")
            carol.hear("<alice> hello bob\n")
            assert bob.finish() == 0
            alice.hear("* bob is gone")
            assert "<" not in eve.output
            assert alice.finish() == 0
            carol.hear("* the others is gone")
