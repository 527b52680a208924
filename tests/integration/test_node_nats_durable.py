"""Stored events over a real server of NATS: what is acknowledged when, and what crashes cost."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from circuits import Component, Event, Timer, handler, sleep
from circuits.node import Remote, Unreachable
from circuits.node._nats_client import arrive
from tests.integration.fault_proxy import FaultProxy
from tests.integration.nats_support import (
    Broker,
    Cluster,
    ask_plainly,
    broker,
    headed,
    limit_files,
    publish_raw,
)
from tests.integration.process_support import eventually, resident, send_signal
from tests.integration.test_node_nats import Side, over, run

__all__ = ["broker"]

WORKER = Path(__file__).with_name("nats_worker.py")
STREAM = "circuits-durable-circuits-workers"
DEAD = "circuits-dead-circuits-workers"


class Works(Component):
    """Does jobs, and keeps what it has seen of each."""

    channel = "jobs"

    def init(self) -> None:
        self.seen: list[Any] = []
        self.done: list[Any] = []
        self.failures = 10_000
        self.under_way = self.most = 0
        self.gate = threading.Event()

    def job(self, event: Any, *args: Any) -> None:
        self.seen.append((args[0], event.delivery, event.id))

    def busy(self, event: Any, number: int) -> Any:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        yield sleep(0.001)
        self.under_way -= 1
        self.seen.append((number, event.delivery, event.id))

    def slow(self, event: Any, seconds: float) -> Any:
        self.seen.append(("slow", event.delivery, event.id))
        yield sleep(seconds)
        self.done.append("slow")

    def bad(self, event: Any, what: str) -> None:
        self.seen.append((what, event.delivery, event.id))
        if self.failures > 0:
            self.failures -= 1
            raise ValueError("unlucky")

    def with_effect(self, event: Any) -> None:
        self.seen.append(("with_effect", event.delivery, event.id))
        self.fire(Event.create("effect"))

    def effect(self) -> None:
        if self.failures > 0:
            self.failures -= 1
            raise ValueError("the effect failed")

    @handler("a", "b1", "p1", "presence")
    def _on_short(self, event: Any) -> None:
        self.done.append(event.name)

    async def caught(self, event: Any) -> None:
        self.seen.append(("caught", event.delivery, event.id))
        with contextlib.suppress(ValueError):
            await self.call(Event.create("effect"))


class Worker(Side):
    """A member of the group in a thread."""

    def __init__(self, url: str, name: str | None = "one", **options: Any) -> None:
        options.setdefault("backoff", (0.05,))
        super().__init__(url, name, group="workers", durable=True, **options)
        self.works = Works().register(self.app)

    def ready(self) -> Worker:
        super().ready()
        return self

    def __enter__(self) -> Worker:
        super().__enter__()
        return self


Start = Callable[..., Worker]


@pytest.fixture
def start(broker: Broker) -> Iterator[Start]:
    with contextlib.ExitStack() as stack:

        def start(name: str | None = "one", **options: Any) -> Worker:
            worker = Worker(broker.url, name, **options)
            stack.enter_context(worker)
            return worker

        yield start


def stored(name: str, *args: Any, **options: Any) -> Remote:
    return Remote(Event.create(name, *args), "workers", "jobs", durable=True, **options)


def stream_info(url: str, name: str = STREAM) -> Any:
    """The state of a stream, and the messages in it, as a plain client sees them."""

    async def body(client: Any) -> Any:
        js = client.jetstream()
        info = await js.stream_info(name)
        found = []
        for sequence in range(info.state.first_seq, info.state.last_seq + 1):
            with contextlib.suppress(Exception):
                found.append(await js.get_msg(name, sequence))
        return info, found

    return ask_plainly(url, body)


def is_empty(url: str) -> bool:
    return bool(stream_info(url)[0].state.messages == 0)


def test_the_value_is_the_number_in_the_stream_and_the_event_runs(
    broker: Broker, start: Start
) -> None:
    worker = start().ready()

    async def body(script: Any) -> None:
        assert await script.call(stored("job", "a")) == 1
        assert await script.call(stored("job", "b")) == 2

    run(broker.url, body)
    eventually(lambda: len(worker.works.seen) == 2)
    assert [entry[:2] for entry in worker.works.seen] == [("a", 1), ("b", 1)]
    assert len({entry[2] for entry in worker.works.seen}) == 2
    eventually(lambda: is_empty(broker.url), "the acknowledgement")


def test_an_event_may_be_called_like_a_request_of_ours(broker: Broker, start: Start) -> None:
    worker = start().ready()
    eventually(lambda: worker.node.nats.desk._link)  # type: ignore[union-attr]
    names = ["a", "p1", "b1", "presence"]
    heard: list[Any] = []

    async def body(client: Any) -> list[Any]:
        async def keep(message: Any) -> None:
            heard.append(message)

        await client.subscribe("circuits.silent.*.*", cb=keep)
        await arrive(client, 10)
        # They are numbered, in hexadecimal digits; nobody answers them.
        values = [worker.app.fire(Remote(Event.create("job"), "silent")) for _ in range(16)]
        while len(heard) < 16:
            await asyncio.sleep(0.01)
        for name in names:
            await client.request(f"circuits._durable.workers.jobs.{name}", b"{}", timeout=5)
        while len(worker.works.done) < len(names):
            await asyncio.sleep(0.01)
        assert not any(value.errors or value.result for value in values)
        for message in heard:
            await client.publish(message.reply, b'{"value": 5}')
        while not all(value.result for value in values):
            await asyncio.sleep(0.01)
        return [value.value for value in values]

    assert ask_plainly(broker.url, lambda client: asyncio.wait_for(body(client), 20)) == [5] * 16
    assert sorted(worker.works.done) == sorted(names)


def test_what_is_stored_waits_for_a_member(broker: Broker, start: Start) -> None:
    with Worker(broker.url) as first:
        first.ready()
        eventually(lambda: first.node.nats.desk._link)  # type: ignore[union-attr]

    async def body(script: Any) -> None:
        assert await script.call(stored("job", "later")) == 1

    run(broker.url, body)
    worker = start().ready()
    eventually(lambda: worker.works.seen)
    assert first.works.seen == []


def test_what_is_stored_has_no_deadline_and_no_address_of_its_own(broker: Broker) -> None:
    with Worker(broker.url) as worker:
        eventually(lambda: worker.node.nats.desk._link)  # type: ignore[union-attr]
    remote = stored("job", b"x", timeout=5)

    async def body(script: Any) -> None:
        await script.call(remote)

    run(broker.url, body)
    [message] = stream_info(broker.url)[1]
    assert message.subject == "circuits._durable.workers.jobs.job"
    body_of = json.loads(message.data)
    assert body_of == {"v": 2, "id": message.headers["Nats-Msg-Id"], "args": [{"$bytes": "eA=="}]}


def test_without_a_stream_the_sender_is_told_at_the_deadline(broker: Broker) -> None:
    async def body(script: Any) -> None:
        with pytest.raises(Unreachable, match="no such stream"):
            await script.call(stored("job", 1, timeout=0.5))
        with pytest.raises(ValueError, match="not for all"):
            await script.call(Remote(Event.create("job"), "*", durable=True))

    run(broker.url, body)


def test_fired_twice_it_is_stored_once_and_again_after_that(broker: Broker, start: Start) -> None:
    worker = start().ready()

    async def body(script: Any) -> None:
        remote = stored("job", "twice")
        values = [script.fire(remote), script.fire(remote)]
        for value in values:
            await over(value)
        assert [value.value for value in values] == [1, 1]
        assert await script.call(remote) == 2

    run(broker.url, body)
    eventually(lambda: len(worker.works.seen) == 2)
    assert len({entry[2] for entry in worker.works.seen}) == 2


def test_it_is_acknowledged_when_all_is_over(broker: Broker, start: Start) -> None:
    worker = start(ack_wait=1.0).ready()

    async def body(script: Any) -> None:
        await script.call(stored("slow", 3.0))

    run(broker.url, body)
    eventually(lambda: worker.works.seen)
    assert not is_empty(broker.url)
    eventually(lambda: worker.works.done)
    eventually(lambda: is_empty(broker.url))
    # Progress was told meanwhile: it was delivered once.
    assert [entry[1] for entry in worker.works.seen] == [1]


@pytest.mark.parametrize("name", ["bad", "with_effect"])
def test_a_failure_is_tried_again_with_the_same_id(broker: Broker, start: Start, name: str) -> None:
    worker = start(backoff=(0.3, 0.05)).ready()
    worker.works.failures = 2
    args = ("x",) if name == "bad" else ()

    async def body(script: Any) -> None:
        await script.call(stored(name, *args))

    began = time.monotonic()
    run(broker.url, body)
    eventually(lambda: is_empty(broker.url) and len(worker.works.seen) == 3)
    assert time.monotonic() - began > 0.35
    assert [entry[1] for entry in worker.works.seen] == [1, 2, 3]
    assert len({entry[2] for entry in worker.works.seen}) == 1
    assert worker.journal.of("dead_letter") == []


def test_a_failure_that_somebody_has_caught_is_none(broker: Broker, start: Start) -> None:
    worker = start().ready()

    async def body(script: Any) -> None:
        await script.call(stored("caught"))

    run(broker.url, body)
    eventually(lambda: worker.works.seen and is_empty(broker.url))
    assert [entry[1] for entry in worker.works.seen] == [1]


def test_what_fails_too_often_is_buried(broker: Broker, start: Start) -> None:
    worker = start(max_deliver=3).ready()

    async def body(script: Any) -> None:
        await script.call(stored("bad", "x"))
        await script.call(stored("stopped"))

    run(broker.url, body)
    eventually(lambda: len(worker.journal.of("dead_letter")) == 2)
    refused, failed = worker.journal.of("dead_letter")
    assert (refused[0].name, refused[2]) == ("stopped", 1)
    assert refused[1].startswith("Refused")
    assert (failed[0].name, failed[0].args, failed[2]) == ("bad", ["x"], 3)
    assert failed[1] == "ValueError: unlucky"
    eventually(lambda: is_empty(broker.url))
    found = {message.subject: message for message in stream_info(broker.url, DEAD)[1]}
    message = found["circuits._dead.workers.jobs.bad"]
    assert json.loads(message.data)["args"] == ["x"]
    assert message.headers["Circuits-Reason"] == "ValueError: unlucky"
    assert message.headers["Circuits-Deliveries"] == "3"
    assert message.headers["Nats-Msg-Id"] == worker.works.seen[0][2]


def test_what_nobody_handles_is_tried_again_and_then_buried(broker: Broker, start: Start) -> None:
    worker = start(max_deliver=2).ready()

    async def body(script: Any) -> None:
        await script.call(stored("unheard", "x"))

    run(broker.url, body)
    eventually(lambda: worker.journal.of("dead_letter"))
    [(event, reason, deliveries)] = worker.journal.of("dead_letter")
    assert (event.name, event.args, reason, deliveries) == (
        "unheard",
        ["x"],
        "nobody handles it",
        2,
    )
    eventually(lambda: is_empty(broker.url))
    [message] = stream_info(broker.url, DEAD)[1]
    assert message.headers["Circuits-Reason"] == "nobody handles it"


def test_what_one_member_does_not_know_another_one_does(broker: Broker, start: Start) -> None:
    class Newer(Component):
        channel = "jobs"

        def init(self) -> None:
            self.seen: list[Any] = []

        def novel(self, event: Any, what: str) -> None:
            self.seen.append((what, event.delivery))

    start("old", max_deliver=1000, concurrency=1).ready()

    async def body(script: Any) -> None:
        await script.call(stored("novel", "x"))

    run(broker.url, body)
    newer = Newer().register(start("new", max_deliver=1000).app)
    eventually(lambda: newer.seen)
    assert newer.seen[0][0] == "x"
    eventually(lambda: is_empty(broker.url))


def test_what_cannot_be_read_is_buried_at_once(broker: Broker, start: Start) -> None:
    worker = start().ready()
    subjects = ["circuits._durable.workers.jobs.job", "circuits._durable.workers.%5f.x.y"]

    async def body(client: Any) -> None:
        js = client.jetstream()
        await js.publish(subjects[0], b"{")
        await js.publish(subjects[1], b"{}")

    eventually(lambda: worker.node.nats.desk._link)  # type: ignore[union-attr]
    ask_plainly(broker.url, body)
    eventually(lambda: len(worker.journal.of("dead_letter")) == 2)
    eventually(lambda: is_empty(broker.url))
    assert worker.works.seen == []
    assert len(stream_info(broker.url, DEAD)[1]) == 2


def test_what_cannot_be_decoded_is_run_or_buried(broker: Broker, start: Start) -> None:
    worker = start().ready()
    eventually(lambda: worker.node.nats.desk._link)  # type: ignore[union-attr]
    publish_raw(
        broker.port,
        headed(b"circuits._durable.workers.jobs.job", b"x\r\n\r\n", b'{"args": [1], "id": "a"}'),
        b"PUB circuits._durable.workers.jobs.\xff 2\r\n{}\r\n",
        b'PUB circuits._durable.workers.jobs.job 24\r\n{"args": [2], "id": "b"}\r\n',
    )
    eventually(lambda: len(worker.works.seen) == 2)
    eventually(lambda: worker.journal.of("dead_letter"))
    eventually(lambda: is_empty(broker.url))
    assert [entry[:2] for entry in worker.works.seen] == [(1, 1), (2, 1)]
    assert len(worker.journal.of("connected_to")) == 1


def test_any_client_can_store_and_an_id_that_was_done_is_not_run_again(
    broker: Broker, start: Start
) -> None:
    worker = start().ready()

    async def body(client: Any) -> None:
        js = client.jetstream()
        subject = "circuits._durable.workers.jobs.job"
        await js.publish(subject, b'{"args": ["plain"]}')
        for _ in range(3):
            await js.publish(subject, b'{"id": "same", "args": ["once"]}')
        await js.publish(subject, b'{"args": ["h"]}', headers={"Nats-Msg-Id": "mine"})

    eventually(lambda: worker.node.nats.desk._link)  # type: ignore[union-attr]
    ask_plainly(broker.url, body)
    eventually(lambda: is_empty(broker.url))
    assert worker.works.seen == [("plain", 1, f"{STREAM}:1"), ("once", 1, "same"), ("h", 1, "mine")]


def test_messages_with_one_id_are_answered_as_the_one_that_runs(
    broker: Broker, start: Start
) -> None:
    worker = start().ready()
    eventually(lambda: worker.node.nats.desk._link)  # type: ignore[union-attr]

    async def store(client: Any) -> None:
        js = client.jetstream()
        for name, args in (("slow", "[0.5]"), ("bad", '["b"]')):
            body = f'{{"id": "{name}", "args": {args}}}'.encode()
            for _ in range(3):
                await js.publish(f"circuits._durable.workers.jobs.{name}", body)

    ask_plainly(broker.url, store)
    # Long before the server would hand out again what nobody has answered.
    eventually(lambda: is_empty(broker.url))
    assert worker.works.done == ["slow"]
    assert [entry[0] for entry in worker.works.seen].count("slow") == 1
    assert len(worker.journal.of("dead_letter")) == 1
    assert len(stream_info(broker.url, DEAD)[1]) == 1


def test_in_order_a_failing_one_holds_all_behind_it(broker: Broker, start: Start) -> None:
    worker = start(ordered=True).ready()
    worker.works.failures = 3

    async def body(script: Any) -> None:
        await script.call(stored("bad", "first"))
        for number in range(5):
            await script.call(stored("job", number))

    run(broker.url, body)
    eventually(lambda: is_empty(broker.url))
    assert [entry[0] for entry in worker.works.seen] == ["first"] * 4 + [0, 1, 2, 3, 4]


def test_an_existing_stream_with_other_settings_is_left_alone(broker: Broker, start: Start) -> None:
    first = start("one", ack_wait=30.0).ready()
    eventually(lambda: first.node.nats.desk._link)  # type: ignore[union-attr]
    other = start("two", ack_wait=7.0).ready()
    eventually(lambda: other.journal.problems)
    text = str(other.journal.problems[0])
    assert isinstance(other.journal.problems[0], ValueError)
    assert "ack_wait is 30000000000 and should be 7000000000" in text

    async def body(script: Any) -> None:
        assert await script.call(Remote(Event.create("greet"), "two", "far")) == "hello you"

    run(broker.url, body)


def test_a_stop_finishes_what_runs_and_hands_the_rest_on(broker: Broker, start: Start) -> None:
    with Worker(broker.url, concurrency=1) as first:
        first.ready()

        async def body(script: Any) -> None:
            await script.call(stored("slow", 0.5))
            await script.call(stored("job", "rest"))

        run(broker.url, body)
        eventually(lambda: first.works.seen)
    assert first.works.done == ["slow"]
    second = start("two").ready()
    eventually(lambda: is_empty(broker.url))
    assert [entry[:2] for entry in second.works.seen] == [("rest", 1)]


def test_a_timer_fires_one_object_again_and_again(broker: Broker, start: Start) -> None:
    worker = start().ready()
    remote = stored("job", "tick")

    async def body(script: Any) -> None:
        Timer(0.05, remote, persist=True).register(script)
        while len(worker.works.seen) < 3:
            await asyncio.sleep(0.01)

    run(broker.url, body)
    assert len({entry[2] for entry in worker.works.seen[:3]}) == 3


def be_cut_off(broker: Broker, worker: Worker, seconds: float) -> None:
    """The traffic stops, the sockets stay open: that is seen, and nothing stored is lost."""
    with FaultProxy(broker.port) as proxy:

        async def body(script: Any) -> None:
            assert await script.call(stored("job", "before")) == 1
            proxy.partition()
            began = time.monotonic()
            during = script.fire(stored("job", "during", timeout=seconds + 30))
            with pytest.raises(Unreachable, match="silent"):
                await script.call(Remote(Event.create("greet"), "one", "far"))
            assert time.monotonic() - began < 7.5
            await asyncio.sleep(max(0.0, seconds - (time.monotonic() - began)))
            proxy.heal()
            began = time.monotonic()
            assert await script.call(Remote(Event.create("greet"), "one", "far")) == "hello you"
            took = time.monotonic() - began
            assert took < 1.5, took
            await over(during)
            assert during.value == 2

        run(f"nats://127.0.0.1:{proxy.port}", body)
    eventually(lambda: is_empty(broker.url))
    assert [entry[0] for entry in worker.works.seen] == ["before", "during"]


def test_a_long_partition_is_seen_and_loses_nothing_that_is_stored(
    broker: Broker, start: Start
) -> None:
    be_cut_off(broker, start().ready(), 0)


def test_fields_of_the_event_keep_their_names(broker: Broker, start: Start) -> None:
    class Bill(Event):
        id: int

    class Bills(Component):
        channel = "jobs"

        def init(self) -> None:
            self.seen: list[Any] = []

        def bill(self, event: Bill, id: int) -> None:
            self.seen.append((id, event.id, event.delivery))  # type: ignore[attr-defined]

    bills = Bills().register(start().ready().app)

    async def body(script: Any) -> None:
        await script.call(Remote(Bill(7), "workers", "jobs", durable=True))

    run(broker.url, body)
    eventually(lambda: bills.seen)
    assert bills.seen == [(7, 7, 1)]


def test_a_full_stream_tells_the_sender_why(broker: Broker, start: Start) -> None:
    async def fill(client: Any) -> None:
        js = client.jetstream()
        info = await js.stream_info(STREAM)
        await js.update_stream(info.config.evolve(max_msgs=1, discard="new"))

    with Worker(broker.url) as first:
        first.ready()
        eventually(lambda: first.node.nats.desk._link)  # type: ignore[union-attr]
    ask_plainly(broker.url, fill)

    async def body(script: Any) -> None:
        assert await script.call(stored("job", 1)) == 1
        with pytest.raises(Unreachable, match="maximum messages exceeded"):
            await script.call(stored("job", 2, timeout=0.6))

    run(broker.url, body)


def test_a_member_that_hangs_loses_its_events_to_another(broker: Broker, tmp_path: Path) -> None:
    paths = [tmp_path / "one", tmp_path / "two"]

    def start_worker(number: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(WORKER), broker.url, f"n{number}", str(paths[number])]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL)

    workers = [start_worker(0)]
    try:

        async def body(script: Any) -> None:
            await script.call(stored("job", 1, 1.0))

        run(broker.url, body)
        send_signal(workers[0], signal.SIGSTOP)
        workers.append(start_worker(1))
        eventually(lambda: paths[1].exists() and paths[1].read_text(), "the second delivery")
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    assert paths[1].read_text().split()[0] == "1"
    assert not (paths[0].exists() and paths[0].read_text())


def test_a_member_that_hangs_uses_up_one_delivery_of_each(broker: Broker, tmp_path: Path) -> None:
    """Its question for letters is still open at the server, and is over before the second one."""
    paths = [tmp_path / "one", tmp_path / "two"]

    async def is_asked(client: Any) -> bool:
        try:
            info = await client.jetstream().consumer_info(STREAM, "workers")
        except Exception:  # not there yet
            return False
        return bool(info.num_waiting)

    def start_worker(number: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(WORKER), broker.url, f"n{number}", str(paths[number])]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL)

    async def body(script: Any) -> None:
        for number in range(3):
            await script.call(stored("job", number))

    workers = [start_worker(0)]
    try:
        eventually(lambda: ask_plainly(broker.url, is_asked), "the question")
        send_signal(workers[0], signal.SIGSTOP)
        run(broker.url, body)
        eventually(lambda: not ask_plainly(broker.url, is_asked), "the end of the question")
        workers.append(start_worker(1))
        eventually(lambda: paths[1].exists() and len(paths[1].read_text().splitlines()) == 3)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    found = sorted(line.split()[::2] for line in paths[1].read_text().splitlines())
    assert found == [["0", "2"], ["1", "2"], ["2", "2"]]


def store_through_crashes(broker: Broker, path: Path, count: int) -> None:
    """Kill the server and a worker in the middle: nothing that was acknowledged is missing."""
    acknowledged: list[int] = []

    def start_worker(name: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(WORKER), broker.url, name, str(path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        return process

    def lines() -> list[list[str]]:
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    workers = [start_worker("one"), start_worker("two")]

    async def body(script: Any) -> None:
        started = 0
        waiting: dict[int, Any] = {}
        killed = [False, False]
        while started < count or waiting:
            while started < count and len(waiting) < 200:
                waiting[started] = script.fire(stored("job", started))
                started += 1
            await asyncio.sleep(0.002)
            for number, value in [*waiting.items()]:
                if value.result:
                    assert isinstance(value.value, int)
                    acknowledged.append(number)
                    del waiting[number]
                elif value.errors:
                    del waiting[number]
            if not killed[0] and len(acknowledged) > count // 3:
                killed[0] = True
                workers[0].kill()
            if not killed[1] and len(acknowledged) > count // 2:
                killed[1] = True
                broker.kill()
                broker.start()

    try:
        run(broker.url, body)
        assert len(acknowledged) == count
        eventually(lambda: len({line[0] for line in lines()}) == count, "the last job")
    finally:
        for process in workers:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
    ids: dict[str, set[str]] = {}
    for number, id, _delivery in lines():
        ids.setdefault(number, set()).add(id)
    assert all(len(found) == 1 for found in ids.values())


def test_nothing_that_was_acknowledged_is_lost_when_server_and_worker_are_killed(
    broker: Broker, tmp_path: Path
) -> None:
    store_through_crashes(broker, tmp_path / "done", 1500)


def store_for_a_slow_member(broker: Broker, start: Start, count: int, seconds: float) -> None:
    """A member takes no more than it has room for, however much is stored."""
    worker = start(concurrency=10).ready()

    async def body(script: Any) -> None:
        values: list[Any] = []
        before = resident()
        for number in range(count):
            values.append(script.fire(stored("busy", number)))
            if len(values) == 500:
                for value in values:
                    await over(value)
                    assert isinstance(value.value, int)
                values.clear()
        while len(worker.works.seen) < count:
            await asyncio.sleep(0.01)
        assert resident() - before < 20_000_000 + count * 1000  # what the test itself keeps

    run(broker.url, body)
    eventually(lambda: is_empty(broker.url), "the last acknowledgement", seconds)
    assert sorted(entry[0] for entry in worker.works.seen) == list(range(count))
    assert 1 < worker.works.most <= 10


def test_a_slow_member_takes_what_it_has_room_for(broker: Broker, start: Start) -> None:
    store_for_a_slow_member(broker, start, 2000, 20)


def test_a_cluster_loses_its_leader_and_nothing_else(tmp_path: Path) -> None:
    count = 400
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(Cluster(tmp_path))
        options = {"replicas": 3, "ack_wait": 5.0}
        workers = [
            stack.enter_context(Worker(cluster.url, name, **options)) for name in ("one", "two")
        ]
        for worker in workers:
            eventually(lambda: worker.node.nats.desk._link, "the streams")  # type: ignore[union-attr]  # noqa: B023

        async def leader(client: Any) -> str:
            info = await client.jetstream().stream_info(STREAM)
            assert info.config.num_replicas == 3
            return str(info.cluster.leader)

        async def body(script: Any) -> None:
            waiting = {number: script.fire(stored("job", number)) for number in range(count // 4)}
            await over(waiting[0])
            cluster.brokers[await asyncio.to_thread(ask_plainly, cluster.url, leader)].kill()
            for number in range(count // 4, count):
                waiting[number] = script.fire(stored("job", number))
            for value in waiting.values():
                await over(value)
                assert isinstance(value.value, int), value.value

        run(cluster.url, body)

        def missing() -> set[int]:
            return set(range(count)) - {entry[0] for w in workers for entry in w.works.seen}

        eventually(lambda: not missing(), "the last job")
        ids: dict[int, set[str]] = {}
        for worker in workers:
            for number, _delivery, id in worker.works.seen:
                ids.setdefault(number, set()).add(id)
        assert all(len(found) == 1 for found in ids.values())


async def store_until_refused(script: Any) -> tuple[int, str]:
    """How many a stream takes, and what the sender is told of the next one."""
    for number in range(1000):
        try:
            await script.call(stored("job", "x" * 10_000, timeout=1))
        except Unreachable as problem:
            return number, str(problem)
    raise AssertionError("the stream takes everything")


def test_a_full_store_is_told_to_the_sender(tmp_path: Path) -> None:
    async def body(script: Any) -> None:
        _number, text = await store_until_refused(script)
        assert text.endswith("insufficient resources")

    with Broker(tmp_path, config="jetstream { max_file_store: 200KB }") as broker:
        with Worker(broker.url) as worker:
            eventually(lambda: worker.node.nats.desk._link)  # type: ignore[union-attr]
        run(broker.url, body)


def test_a_full_disk_is_told_to_the_sender_and_keeps_what_it_has(tmp_path: Path) -> None:
    """The server answers nothing then; files that cannot grow are to it what a full disk is."""
    found: list[int] = []

    async def body(script: Any) -> None:
        number, text = await store_until_refused(script)
        assert text.endswith("the stream has not acknowledged it")
        found.append(number)

    with Broker(tmp_path) as broker:
        with Worker(broker.url) as worker:
            eventually(lambda: worker.node.nats.desk._link)  # type: ignore[union-attr]
        assert broker.process is not None
        limit_files(broker.process.pid, 100_000)
        run(broker.url, body)
        broker.kill()
        broker.start()
        with Worker(broker.url) as worker:
            eventually(lambda: is_empty(broker.url))
        assert len(worker.works.seen) == found[0] > 0
