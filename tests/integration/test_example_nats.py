"""The examples of nodes over NATS, and the program of the how-to that is none of ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.integration.example_support import example
from tests.integration.listings import ROOT, listings
from tests.integration.nats_support import Broker, ask_plainly, broker
from tests.integration.process_support import eventually
from tests.integration.test_example_nodes import COUNTED

__all__ = ["broker"]


def test_the_pipeline_with_three_workers(broker: Broker) -> None:
    with (
        example("nodes/pipeline.py", "work", broker.url) as one,
        example("nodes/pipeline.py", "work", broker.url) as two,
        example("nodes/pipeline.py", "work", broker.url) as three,
    ):
        for worker in (one, two, three):
            worker.hear("working\n")
        _until_somebody_listens(broker, "circuits.worker.steps.split", b'{"args": ["a"]}')
        with example("nodes/pipeline.py", "feed", broker.url) as feeder:
            feeder.hear(COUNTED)
            assert feeder.wait() == 0
        for worker in (one, two, three):
            assert worker.interrupt() == 0


def _until_somebody_listens(broker: Broker, subject: str, data: bytes) -> bytes:
    import nats

    async def body(client: Any) -> Any:
        while True:
            try:
                return (await client.request(subject, data, timeout=5)).data
            except nats.errors.NoRespondersError:
                pass

    answer: bytes = ask_plainly(broker.url, body)
    return answer


def test_the_job_queue(broker: Broker) -> None:
    with (
        example("nodes/jobs.py", "work", broker.url, "one") as one,
        example("nodes/jobs.py", "work", broker.url, "two") as two,
    ):
        one.hear("one works\n")
        two.hear("two works\n")
        jobs = [f"job {number}" for number in range(20)]
        with example("nodes/jobs.py", "add", broker.url, *jobs, "a bad one") as adder:
            adder.hear("stored as 1: job 0\n")
            adder.hear("stored as 21: a bad one\n")
            assert adder.wait() == 0
        workers = (one, two)

        def is_done() -> bool:
            for worker in workers:
                worker.look()
            said = "".join(worker.output for worker in workers)
            return said.count("done: ") == len(jobs) and "given up after 3 times: a bad" in said

        eventually(is_done, "the last job")
        with example("nodes/jobs.py", "watch", broker.url) as watcher:
            watcher.hear('ValueError: cannot do a bad one: {"v":2,')
            assert watcher.wait() == 0
        for worker in workers:
            assert worker.interrupt() == 0


def test_the_program_that_is_none_of_ours(broker: Broker, tmp_path: Path) -> None:
    page = ROOT / "docs" / "howto" / "nats.md"
    server, client = (
        next(listing for listing in listings(page) if listing.has("file") == name)
        for name in ("billing.py", "ask.py")
    )
    for name, listing in (("billing.py", server), ("ask.py", client)):
        text = listing.code.replace("nats://127.0.0.1:4222", broker.url)
        (tmp_path / name).write_text(text)
    node = subprocess.Popen([sys.executable, tmp_path / "billing.py"])
    try:
        _until_somebody_listens(broker, "circuits.billing.billing.charge", b'{"args": ["x", 1]}')
        done = subprocess.run(
            [sys.executable, tmp_path / "ask.py"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert (done.stdout, done.stderr) == (client.output, "")
    finally:
        node.terminate()
        assert node.wait(20) == 0
