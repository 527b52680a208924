"""Nodes over a real server of NATS: plain events, names, groups, and what goes wrong."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import importlib
import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from circuits import BaseComponent, Component, Event, Manager, handler, sleep
from circuits.core.errors import RemoteError
from circuits.node import Node, Refused, Remote, Unreachable
from circuits.node._nats_client import arrive
from circuits.node._nats_presence import Presence
from tests.certificates import Certificates
from tests.integration.fault_proxy import FaultProxy
from tests.integration.nats_support import Broker, ask_plainly, broker, headed, publish_raw
from tests.integration.process_support import Quiet, eventually, perform, resident, send_signal
from tests.support import unused_port

__all__ = ["broker"]


class Answers(Component):
    """What the other side can do."""

    channel = "far"

    def init(self, name: str = "far") -> None:
        self.name_of_us = name
        self.heard: list[Any] = []
        self.cancelled = 0

    def greet(self, who: str = "you") -> str:
        return f"hello {who}"

    def who(self) -> str:
        self.heard.append("who")
        return self.name_of_us

    def echo(self, thing: Any) -> Any:
        self.heard.append(thing)
        return thing

    def bad(self) -> None:
        raise ValueError("no such account")

    def slow(self, seconds: float) -> Any:
        try:
            yield sleep(seconds)
        except GeneratorExit:
            self.cancelled += 1
            raise
        return "slept"

    @handler("everywhere", channel="*")
    def _on_everywhere(self, thing: Any) -> None:
        self.heard.append(thing)

    @handler("plain", channel="node")
    def _on_plain(self) -> str:
        return "on the channel of the node"

    @handler("heard_at", channel="a")
    def _on_two(self) -> str:
        return "a"

    @handler("heard_at", channel="b")
    def _on_two_more(self) -> str:
        return "b"


class Journal(BaseComponent):
    """Keeps what a node tells, and the failures."""

    channel = "*"

    def init(self) -> None:
        self.told: list[Any] = []
        self.problems: list[BaseException] = []

    @handler("connected_to", "disconnected_from", "dead_letter", channel="*")
    def _on_told(self, event: Event, *args: Any) -> None:
        self.told.append((event.name, *args))

    @handler("error", channel="*")
    def _on_error(self, kind: Any, problem: BaseException, *args: Any) -> None:
        self.problems.append(problem)

    def of(self, name: str) -> list[Any]:
        return [entry[1:] for entry in self.told if entry[0] == name]


class Side:
    """An application with a node, in a thread."""

    def __init__(self, url: str, name: str | None, **options: Any) -> None:
        self.app = Component(channel="app")
        self.answers = Answers(name or "").register(self.app)
        self.journal = Journal().register(self.app)
        self.node = Node(url, name=name, **options).register(self.app)

    def __enter__(self) -> Side:
        self.app.start()
        return self

    def ready(self) -> Side:
        eventually(lambda: self.journal.of("connected_to"), "the connection")
        return self

    def __exit__(self, *problem: object) -> None:
        self.app.stop()
        self.app.join()


class NodeProgram:
    """A node in a process of its own."""

    def __init__(self, options: dict[str, Any]) -> None:
        program = Path(__file__).with_name("node_program.py")
        self.process = subprocess.Popen(
            [sys.executable, str(program), json.dumps(options)], stdout=subprocess.DEVNULL
        )

    def close(self) -> None:
        self.process.kill()
        self.process.wait(20)


Start = Callable[..., Side]


@pytest.fixture
def start(broker: Broker) -> Iterator[Start]:
    """Start applications with nodes; all are stopped at the end."""
    with contextlib.ExitStack() as stack:

        def start(name: str | None = "far", url: str | None = None, **options: Any) -> Side:
            side = Side(url or broker.url, name, **options)
            stack.enter_context(side)
            return side

        yield start


def far(name: str, *args: Any, node: str = "far", channel: Any = "far", **options: Any) -> Remote:
    return Remote(Event.create(name, *args), node, channel, **options)


async def over(value: Any) -> None:
    """Wait for a value in a handler."""
    while not (value.result or value.errors):
        await asyncio.sleep(0.005)


def run(url: str, body: Callable[[Any], Awaitable[None]], **options: Any) -> Journal:
    """Run an application with a node while a coroutine function does something with it."""
    app = Component()
    journal = Journal().register(app)
    Node(url, **options).register(app)
    perform(app, body)
    return journal


# -- plain events --


def test_results_and_failures_come_back(broker: Broker, start: Start) -> None:
    start().ready()

    async def body(script: Any) -> None:
        assert await script.call(far("greet", "bob")) == "hello bob"
        assert await script.call(far("echo", (1, {"a": {2}}))) == (1, {"a": {2}})
        with pytest.raises(RemoteError) as caught:
            await script.call(far("bad"))
        assert (caught.value.type_name, caught.value.message) == ("ValueError", "no such account")
        assert any("bad" in line for line in caught.value.lines)

    run(broker.url, body)


def test_channels_are_those_of_the_subject(broker: Broker, start: Start) -> None:
    start().ready()

    async def body(script: Any) -> None:
        assert (
            await script.call(Remote(Event.create("plain"), "far")) == "on the channel of the node"
        )
        event = Event.create("heard_at")
        event.channels = ("a", "b")
        assert await script.call(Remote(event, "far")) == ["a", "b"]

    run(broker.url, body)


def test_nobody_of_a_name_is_told_at_once(broker: Broker) -> None:
    async def body(script: Any) -> None:
        began = time.monotonic()
        with pytest.raises(Unreachable, match="nobody listens"):
            await script.call(far("greet", node="nobody"))
        assert time.monotonic() - began < 5

    run(broker.url, body)


def test_a_monitor_hides_that_nobody_is_there(broker: Broker) -> None:
    async def monitored(client: Any) -> None:
        heard: list[str] = []

        async def listen(message: Any) -> None:
            heard.append(message.subject)

        await client.subscribe("circuits.>", cb=listen)
        await arrive(client, 10)

        async def body(script: Any) -> None:
            with pytest.raises(Unreachable, match=r"no answer within 0\.3 s"):
                await script.call(far("greet", node="nobody", timeout=0.3))

        await asyncio.to_thread(run, broker.url, body)
        assert heard == ["circuits.nobody.far.greet"]

    ask_plainly(broker.url, monitored)


def test_the_deadline_travels_and_ends_the_handler(broker: Broker, start: Start) -> None:
    side = start().ready()

    async def body(script: Any) -> None:
        with pytest.raises(Unreachable, match=r"no answer within 0\.3 s"):
            await script.call(far("slow", 30, timeout=0.3))
        with pytest.raises(TimeoutError):
            await script.call(far("slow", 30), timeout=0.3)

    run(broker.url, body)
    eventually(lambda: side.answers.cancelled == 2, "the end of the handlers")


def test_a_group_has_one_of_its_members_answer(broker: Broker, start: Start) -> None:
    sides = [start(f"one-{n}", group="some").ready() for n in range(3)]

    async def body(script: Any) -> None:
        names = [await script.call(far("who", node="some")) for _ in range(90)]
        assert {*names} == {"one-0", "one-1", "one-2"}

    run(broker.url, body)
    assert sum(len(side.answers.heard) for side in sides) == 90


def share_among_a_group(broker: Broker, start: Start, count: int, tolerance: float) -> None:
    """Ask a group of three: each member gets its third."""
    sides = [start(f"one-{n}", group="some").ready() for n in range(3)]

    async def body(script: Any) -> None:
        for _ in range(count // 100):
            values = [script.fire(far("who", node="some")) for _ in range(100)]
            for value in values:
                await over(value)
                assert not value.errors

    run(broker.url, body)
    shares = [len(side.answers.heard) for side in sides]
    assert sum(shares) == count
    assert all(abs(share * 3 / count - 1) < tolerance for share in shares), shares


def test_the_members_of_a_group_get_the_same_share(broker: Broker, start: Start) -> None:
    share_among_a_group(broker, start, 900, 0.25)


def test_a_broadcast_reaches_all_and_waits_for_nobody(broker: Broker, start: Start) -> None:
    loud, quiet = start("loud").ready(), start("quiet", echo=False).ready()
    for side in (loud, quiet):
        value = side.app.fire(far("everywhere", side.node.node_name, node="*"))
        assert value.value is None
    eventually(lambda: sorted(loud.answers.heard) == ["loud", "quiet"])
    eventually(lambda: quiet.answers.heard == ["loud"])


def test_ones_own_name_runs_here_and_ones_own_group_is_reached(broker: Broker) -> None:
    async def body(script: Any) -> None:
        Answers("here").register(script.root)
        assert await script.call(far("who", node="me")) == "here"
        assert await script.call(far("who", node="us")) == "here"

    run(broker.url, body, name="me", group="us", echo=False)


def test_events_are_forwarded_where_nobody_answers_them(broker: Broker, start: Start) -> None:
    start("far", group="helpers").ready()

    async def body(script: Any) -> None:
        assert await script.call(Event.create("who"), "far") == "far"

    run(broker.url, body, forward={"helpers": ("who",)})


def test_walls_and_accept_refuse(broker: Broker, start: Start) -> None:
    names: list[Any] = []

    def receive(event: Any, name: str | None) -> bool:
        names.append(name)
        return bool(event.name != "bad")

    start(receive=receive).ready()

    async def body(script: Any) -> None:
        assert await script.call(far("greet")) == "hello you"
        for name in ("bad", "stopped", "_secret", "Unregister"):
            with pytest.raises(Refused):
                await script.call(far(name))

    run(broker.url, body, name="near one")
    assert names == ["near one", "near one"]


def test_busy_is_told_at_once(broker: Broker, start: Start) -> None:
    start(concurrency=2).ready()

    async def body(script: Any) -> None:
        slow = [script.fire(far("slow", 1.0)) for _ in range(2)]
        with pytest.raises(Unreachable, match="busy"):
            for _ in range(200):
                await script.call(far("echo", 1))
        for value in slow:
            await over(value)
        assert await script.call(far("echo", 1)) == 1

    run(broker.url, body)


def test_many_that_end_at_once_are_not_busy(broker: Broker, start: Start) -> None:
    start(concurrency=2).ready()

    async def body(script: Any) -> None:
        values = [script.fire(far("echo", n)) for n in range(500)]
        for number, value in enumerate(values):
            await over(value)
            assert value.value == number

    run(broker.url, body)


def flood_a_slow_peer(broker: Broker, count: int, kind: str) -> None:
    """Ask a node that cannot follow: everybody is told, and nobody's memory grows."""
    options = {"bind": broker.url, "name": "far"}
    with contextlib.closing(NodeProgram(options)) as program:

        async def memory(script: Any) -> int:
            while True:  # until it is there
                with contextlib.suppress(Unreachable):
                    found: int = await script.call(far("memory", timeout=1))
                    return found

        async def body(script: Any) -> None:
            there, here = await memory(script), resident()
            args: tuple[Any, ...] = ("echo", "x" * 1000)
            if kind == "stopped":
                send_signal(program.process, signal.SIGSTOP)
            else:
                args = ("slow", 0.05)
            told = 0
            for _ in range(count // 1000):
                values = [script.fire(far(*args, timeout=0.5)) for _ in range(1000)]
                for value in values:
                    await over(value)
                    told += isinstance(value.errors and value.exceptions[0], Unreachable)
                for journal in script.root.components:
                    if isinstance(journal, Journal):
                        journal.problems.clear()  # which is the memory of the test
            if kind == "stopped":
                assert told == count
                program.process.send_signal(signal.SIGCONT)
            else:
                assert count // 100 < told < count
            assert resident() - here < 30_000_000
            # What it has got meanwhile is run, or was dropped by the server.
            assert await memory(script) - there < 200_000_000
            assert await script.call(far("greet")) == "hello you"

        run(broker.url, body)


@pytest.mark.parametrize("kind", ["stopped", "slow"])
def test_many_events_to_a_slow_peer_take_no_memory(broker: Broker, kind: str) -> None:
    flood_a_slow_peer(broker, 3000, kind)


def test_what_is_too_large_is_told_on_both_sides(broker: Broker, start: Start) -> None:
    class Large(Component):
        channel = "far"

        def large(self) -> str:
            return "x" * (2 << 20)

    Large().register(start().ready().app)

    async def body(script: Any) -> None:
        with pytest.raises(ValueError, match="at most"):
            await script.call(far("echo", "x" * (2 << 20)))
        with pytest.raises(RemoteError, match="at most") as caught:
            await script.call(far("large"))
        assert caught.value.type_name == "ValueError"
        with pytest.raises(ValueError, match="subject"):
            await script.call(far("\u1234" * 250, channel="\u1234" * 250))

    run(broker.url, body)


def test_a_plain_client_asks_and_is_answered(broker: Broker, start: Start) -> None:
    start().ready()

    async def body(client: Any) -> None:
        async def ask(subject: str, data: bytes) -> Any:
            return json.loads((await client.request(subject, data, timeout=5)).data)

        answer = await ask("circuits.far.far.greet", b'{"args": ["ann"]}')
        assert answer == {"v": 2, "id": None, "value": "hello ann", "errors": False}
        # Name and channels are those of the subject, whatever the body says.
        forged = b'{"id": 7, "name": "bad", "channels": ["x"], "args": []}'
        assert (await ask("circuits.far.far.greet", forged))["value"] == "hello you"
        assert (await ask("circuits.far.far.greet", forged))["id"] == 7
        for bad in (b"{", b"[]", b'{"args": 5}', b'{"args": [NaN]}', b"\xff"):
            answer = await ask("circuits.far.far.greet", bad)
            assert answer["errors"] is True
            assert answer["value"][0] == "ValueError"
        for subject in ("circuits.far.%5f.greet", "circuits.far.far.%5Fprivate"):
            assert (await ask(subject, b"{}"))["errors"] is True
        await client.publish("circuits.far.far.echo", b'{"args": ["no reply"]}')

    ask_plainly(broker.url, body)


# -- connections --


def test_a_server_that_comes_late_gets_what_was_held(tmp_path: Path) -> None:
    late = Broker(tmp_path)

    async def body(script: Any) -> None:
        Answers("here").register(script.root)
        value = script.fire(far("who", node="us"))
        await asyncio.sleep(0)
        late.start()
        await over(value)
        assert value.value == "here"

    try:
        journal = run(late.url, body, group="us")
    finally:
        late.kill()
    assert [entry[1:] for entry in journal.of("connected_to")] == [("127.0.0.1", late.port)]


def test_no_more_than_the_limit_is_sent_and_not_answered(broker: Broker) -> None:
    async def body(client: Any) -> None:
        heard: list[Any] = []

        async def keep(message: Any) -> None:
            heard.append((json.loads(message.data)["args"][0], message))

        await client.subscribe("circuits.silent.*.*", cb=keep)
        await arrive(client, 10)
        with Side(broker.url, None, outstanding=20, limit=5) as side:
            await asyncio.to_thread(side.ready)
            remotes = [far("count", n, node="silent", timeout=30 - n % 2 * 27) for n in range(30)]
            values = [side.app.fire(remote) for remote in remotes]
            for value in values[25:]:
                await over(value)
                text = str(value.exceptions[0])
                assert text == "queue full: 5 events wait for 'nats', and 20 are not answered"
            while len(heard) < 20:
                await asyncio.sleep(0.01)
            await client.publish(heard[0][1].reply, b'{"value": 1}')
            while len(heard) < 21:  # an answer makes room for one
                await asyncio.sleep(0.01)
            while len(heard) < 23:  # and the deadline of others for those that have time left
                await asyncio.sleep(0.01)
            assert [number for number, _ in heard] == [*range(21), 22, 24]
            for number, message in heard:
                await client.publish(message.reply, json.dumps({"value": [number]}).encode())
            for value in values:
                await over(value)
            assert values[0].value == 1
            assert [values[n].value for n in (2, 22, 24)] == [[2], [22], [24]]
            assert all(isinstance(values[n].exceptions[0], Unreachable) for n in range(1, 25, 2))

    ask_plainly(broker.url, lambda client: asyncio.wait_for(body(client), 40))


def test_beyond_the_limit_and_after_the_deadline_senders_are_told(tmp_path: Path) -> None:
    async def body(script: Any) -> None:
        values = [script.fire(far("greet", timeout=0.5)) for _ in range(5)]
        for value in values:
            await over(value)
        texts = sorted(str(value.exceptions[0]) for value in values)
        assert texts[:3] == ["no answer within 0.5 s from 'far'"] * 3
        assert all("queue full: 3" in text for text in texts[3:])

    run(f"nats://127.0.0.1:{unused_port()}", body, limit=3)


def test_a_killed_server_is_noticed_and_reached_again(broker: Broker, start: Start) -> None:
    side = start().ready()

    async def body(script: Any) -> None:
        assert await script.call(far("greet")) == "hello you"
        value = script.fire(far("slow", 2))
        while not side.app._tree_engine.tasks:
            await asyncio.sleep(0.005)
        broker.kill()
        await over(value)
        assert isinstance(value.exceptions[0], Unreachable)
        broker.start()
        while True:  # until the other one is there, too
            with contextlib.suppress(Unreachable):
                assert await script.call(far("greet")) == "hello you"
                return

    journal = run(broker.url, body)
    assert [entry[0] for entry in journal.told][:3] == [
        "connected_to",
        "disconnected_from",
        "connected_to",
    ]
    eventually(lambda: len(side.journal.of("connected_to")) == 2)


def test_a_short_partition_loses_the_time_and_nothing_else(broker: Broker, start: Start) -> None:
    start().ready()
    with FaultProxy(broker.port) as proxy:

        async def body(script: Any) -> None:
            assert await script.call(far("greet")) == "hello you"
            proxy.partition()
            with pytest.raises(Unreachable, match="no answer within"):
                await script.call(far("greet", timeout=1))
            waiting = script.fire(far("greet", timeout=10))
            proxy.heal()
            began = time.monotonic()
            await over(waiting)
            assert waiting.value == "hello you"
            assert time.monotonic() - began < 8

        run(f"nats://127.0.0.1:{proxy.port}", body)


def test_a_silent_server_is_given_up(broker: Broker) -> None:
    async def body(script: Any) -> None:
        Answers("here").register(script.root)
        assert await script.call(far("who", node="us")) == "here"
        broker.signal(signal.SIGSTOP)
        try:
            began = time.monotonic()
            with pytest.raises(Unreachable, match="silent"):
                await script.call(far("who", node="us"))
            assert time.monotonic() - began < 7.5
        finally:
            broker.signal(signal.SIGCONT)
        assert await script.call(far("who", node="us")) == "here"

    run(broker.url, body, group="us")


@pytest.mark.parametrize(
    "message",
    [
        headed(b"circuits.far.far.echo", b"NATS/1.0 \xff\xfe\r\na: b\r\n\r\n", b'{"args": [5]}'),
        headed(b"circuits.far.far.echo", b"x\r\n\r\n", b'{"args": [5]}'),
        b"PUB circuits.far.far.\xff 2\r\n{}\r\n",
        b'PUB circuits.far.far.echo \xff 13\r\n{"args": [5]}\r\n',
    ],
    ids=["status", "head", "subject", "reply"],
)
def test_what_cannot_be_decoded_ends_no_reading(
    broker: Broker, start: Start, caplog: pytest.LogCaptureFixture, message: bytes
) -> None:
    side = start().ready()
    publish_raw(broker.port, message)

    async def body(script: Any) -> None:
        assert await script.call(far("echo", "next", timeout=5)) == "next"

    run(broker.url, body)
    assert side.answers.heard == (["next"] if b"far.\xff" in message else [5, "next"])
    assert len(side.journal.told) == 1  # the connection has lasted
    assert any("a message that cannot be read" in text for text in caplog.messages)


def test_a_server_that_drops_everybody_is_not_besieged() -> None:
    port = unused_port()
    info = {"server_id": "one", "version": "2.15.0", "headers": True, "max_payload": 1 << 20}
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        pings = 0
        writer.write(b"INFO " + json.dumps(info).encode() + b"\r\n")
        while pings < 3 and (data := await reader.read(65536)):
            pings += data.count(b"PING\r\n")
            writer.write(b"PONG\r\n" * data.count(b"PING\r\n"))
        await asyncio.sleep(0.01)
        writer.close()

    async def body(script: Any) -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", port):
            await asyncio.sleep(2)

    journal = run(f"nats://127.0.0.1:{port}", body)
    assert len(journal.of("connected_to")) == len(journal.of("disconnected_from"))
    assert 3 <= connections <= 15


def test_a_connection_lost_while_it_is_made_is_told(
    broker: Broker, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    side = start().ready()
    is_taken, links = Presence.is_taken, []

    async def fail_once(self: Presence) -> bool:
        links.append(self._link)
        if len(links) == 1:
            await asyncio.sleep(0.2)  # it is used meanwhile
            raise ConnectionError("lost")
        return await is_taken(self)

    monkeypatch.setattr(Presence, "is_taken", fail_once)
    broker.kill()
    broker.start()
    eventually(lambda: len(side.journal.of("connected_to")) == 3)
    assert [entry[0] for entry in side.journal.told] == [
        "connected_to",
        *(["disconnected_from", "connected_to"] * 2),
    ]
    assert links[0].is_closed
    assert list(side.node._hub.links) == [links[1]]


# -- two of one name --


def test_the_second_of_a_name_leaves(broker: Broker, start: Start) -> None:
    first = start().ready()
    second = start()
    eventually(lambda: second.journal.problems, "the end of the second one")
    assert "'far'" in str(second.journal.problems[0])
    assert second.journal.of("connected_to") == []
    value = second.app.fire(far("greet", node="other"))
    eventually(lambda: value.exceptions)
    assert isinstance(value.exceptions[0], Unreachable)
    assert first.journal.problems == []


def test_of_two_that_start_at_once_one_stays(broker: Broker, start: Start) -> None:
    sides = [start(), start()]
    eventually(lambda: any(side.journal.problems for side in sides))
    eventually(lambda: any(side.journal.of("connected_to") for side in sides))
    left, stayed = sorted(sides, key=lambda side: not side.journal.problems)
    assert stayed.journal.problems == []
    assert left.journal.of("connected_to") == []
    assert stayed.node.nats is not None
    assert left.node.nats is not None
    assert stayed.node.nats.instance < left.node.nats.instance


def test_a_question_alone_makes_nobody_leave(broker: Broker, start: Start) -> None:
    side = start().ready()

    async def body(client: Any) -> None:
        asked = json.dumps({"instance": "0" * 32}).encode()
        answer = await client.request("circuits._presence.far", asked, timeout=5)
        assert side.node.nats is not None
        assert json.loads(answer.data) == {"instance": side.node.nats.instance}
        answer = await client.request("circuits.far.far.greet", b"{}", timeout=5)
        assert json.loads(answer.data)["value"] == "hello you"

    ask_plainly(broker.url, body)
    assert side.journal.problems == []


def test_a_restarted_server_makes_nobody_leave(broker: Broker, start: Start) -> None:
    side = start().ready()
    broker.kill()
    broker.start()
    eventually(lambda: len(side.journal.of("connected_to")) == 2)

    async def body(script: Any) -> None:
        assert await script.call(far("greet")) == "hello you"

    run(broker.url, body)
    assert side.journal.problems == []


# -- who we are --


def test_a_password_is_sent_and_not_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = 'authorization { users = [{user: "ann", password: "s3cret"}] }'
    with Broker(tmp_path, config=config) as broker:
        where = f"127.0.0.1:{broker.port}"

        async def body(script: Any) -> None:
            with pytest.raises(Unreachable, match="nobody listens"):
                await script.call(far("greet"))

        run(f"nats://ann:s3cret@{where}", body)
        run(f"nats://ann:s3cret@127.0.0.1:{unused_port()},{where}", body)

        async def refused(script: Any) -> None:
            with pytest.raises(Unreachable, match="no answer"):
                await script.call(far("greet", timeout=1))

        run(f"nats://ann:wrong-s3cret@{where}", refused)
    assert "cannot be reached" in caplog.text
    assert "s3cret" not in caplog.text


def test_a_token_and_tls_are_passed_on(tmp_path: Path, certificates: Certificates) -> None:
    config = f"""
        authorization {{ token: "t0ken" }}
        tls {{ cert_file: "{certificates.server}", key_file: "{certificates.server}" }}
    """
    context = ssl.create_default_context(cafile=certificates.authority)
    with Broker(tmp_path, config=config) as broker:

        async def body(script: Any) -> None:
            with pytest.raises(Unreachable, match="nobody listens"):
                await script.call(far("greet"))

        run(f"tls://localhost:{broker.port}", body, token="t0ken", tls=context)
        # A server that asks for TLS is spoken to so, whatever the URL says.
        run(f"nats://localhost:{broker.port}", body, token="t0ken", tls=context)


@pytest.mark.parametrize("served", ["elsewhere", "expired", "stranger"])
def test_a_server_whose_certificate_is_wrong_is_not_spoken_to(
    tmp_path: Path, certificates: Certificates, caplog: pytest.LogCaptureFixture, served: str
) -> None:
    path = getattr(certificates, served)
    config = f"""
        authorization {{ token: "t0ken" }}
        tls {{ cert_file: "{path}", key_file: "{path}" }}
    """
    context = ssl.create_default_context(cafile=certificates.authority)
    with Broker(tmp_path, config=config) as broker:

        async def body(script: Any) -> None:
            with pytest.raises(Unreachable, match="no answer"):
                await script.call(far("greet", timeout=0.5))

        run(f"tls://localhost:{broker.port}", body, token="t0ken", tls=context)
    assert "CERTIFICATE_VERIFY_FAILED" in caplog.text
    assert "t0ken" not in caplog.text


def test_a_certificate_of_ours_says_who_we_are(tmp_path: Path, certificates: Certificates) -> None:
    config = f"""
        tls {{ cert_file: "{certificates.server}", key_file: "{certificates.server}",
               ca_file: "{certificates.authority}", verify: true }}
    """
    context = ssl.create_default_context(cafile=certificates.authority)
    with Broker(tmp_path, config=config) as broker:

        async def refused(script: Any) -> None:
            with pytest.raises(Unreachable, match="no answer"):
                await script.call(far("greet", timeout=0.5))

        run(f"tls://localhost:{broker.port}", refused, tls=context)
        context.load_cert_chain(certificates.client)

        async def body(script: Any) -> None:
            with pytest.raises(Unreachable, match="nobody listens"):
                await script.call(far("greet"))

        run(f"tls://localhost:{broker.port}", body, tls=context)


class Identity:
    """A key of NATS, and what it signs: operators sign accounts, and accounts users."""

    def __init__(self, kind: str) -> None:
        nkeys: Any = importlib.import_module("nkeys")
        prefix = getattr(nkeys, f"PREFIX_BYTE_{kind.upper()}")
        self.kind = kind
        self.seed: bytes = nkeys.encode_seed(os.urandom(32), prefix)
        self.keys = nkeys.from_seed(bytearray(self.seed))
        self.name: str = self.keys.public_key.decode()

    def vouch_for(self, other: Identity, **claims: Any) -> str:
        """A token of JSON (RFC 7519) that says who somebody is."""
        body = {
            "jti": other.name,
            "iat": 1_700_000_000,
            "iss": self.name,
            "name": other.kind,
            "sub": other.name,
            "nats": {**claims, "type": other.kind, "version": 2},
        }
        head = {"typ": "JWT", "alg": "ed25519-nkey"}
        text = b".".join(_base64(json.dumps(part).encode()) for part in (head, body))
        return (text + b"." + _base64(self.keys.sign(text))).decode()


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def test_a_file_of_credentials_is_passed_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    operator, account, system = map(Identity, ("operator", "account", "account"))
    user, stranger = map(Identity, ("user", "user"))
    free = dict.fromkeys(("subs", "data", "payload"), -1)
    everything = dict.fromkeys(("conn", "leaf", "imports", "exports"), -1)
    limits = {**free, **everything, "wildcards": True}
    known = ", ".join(
        f"{a.name}: {operator.vouch_for(a, limits=limits)}" for a in (account, system)
    )
    config = f"""
        operator: {operator.vouch_for(operator)}
        resolver: MEMORY
        resolver_preload: {{ {known} }}
        system_account: {system.name}
    """

    def credentials(keys: Identity) -> Path:
        path = tmp_path / f"{keys.name}.creds"
        path.write_text(
            "-----BEGIN NATS USER JWT-----\n"
            f"{account.vouch_for(user, **free)}\n"
            "------END NATS USER JWT------\n\n"
            "-----BEGIN USER NKEY SEED-----\n"
            f"{keys.seed.decode()}\n"
            "------END USER NKEY SEED------\n"
        )
        return path

    async def body(script: Any) -> None:
        with pytest.raises(Unreachable, match="nobody listens"):
            await script.call(far("greet"))

    async def refused(script: Any) -> None:
        with pytest.raises(Unreachable, match="no answer"):
            await script.call(far("greet", timeout=1))

    with Broker(tmp_path, config=config) as broker:
        run(broker.url, body, credentials=str(credentials(user)))
        run(broker.url, refused, credentials=str(credentials(stranger)))
        run(broker.url, refused, credentials=str(tmp_path / "missing"))
    assert "cannot be reached" in caplog.text
    assert stranger.seed.decode() not in caplog.text


def test_an_nkey_is_passed_on(tmp_path: Path) -> None:
    nkeys = importlib.import_module("nkeys")

    # A seed is the kind of key and 32 bytes in base 32, with a checksum.
    seed = b"SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
    public = nkeys.from_seed(bytearray(seed)).public_key.decode()
    config = f"authorization {{ users = [{{nkey: {public}}}] }}"
    path = tmp_path / "seed"
    path.write_bytes(seed)
    with Broker(tmp_path, config=config) as broker:

        async def body(script: Any) -> None:
            with pytest.raises(Unreachable, match="nobody listens"):
                await script.call(far("greet"))

        run(broker.url, body, nkey=seed.decode())
        run(broker.url, body, nkey=str(path))


def test_what_the_server_forbids_is_told_at_once(tmp_path: Path) -> None:
    config = """
        authorization { users = [
            {user: "ann", password: "a", permissions: {publish: {deny: [
                "circuits.Far.*.*", "circuits._durable.Far.>"]}}},
            {user: "deaf", password: "d", permissions: {subscribe: {deny: ["_INBOX.>"]}}},
            {user: "closed", password: "c", permissions: {
                subscribe: {deny: ["circuits.closed.>"]}}},
        ]}
    """
    with Broker(tmp_path, config=config) as broker:
        where = f"127.0.0.1:{broker.port}"

        async def denied(script: Any) -> None:
            began = time.monotonic()
            for durable in (False, True):
                # The server tells the subject, and nats-py makes it lower-case.
                with pytest.raises(Unreachable, match="does not let us publish"):
                    await script.call(far("greet", node="Far", durable=durable))
            with pytest.raises(Unreachable, match="nobody listens"):
                await script.call(far("greet", node="other"))
            assert time.monotonic() - began < 5

        run(f"nats://ann:a@{where}", denied)

        async def without_answers(script: Any) -> None:
            with pytest.raises(Unreachable, match="no answers can be had"):
                await script.call(far("greet"))
            assert script.fire(far("everywhere", 1, node="*")).value is None

        run(f"nats://deaf:d@{where}", without_answers)

        async def unheard(script: Any) -> None:
            await script.wait("connected_to", "*", timeout=10)

        journal = run(f"nats://closed:c@{where}", unheard, name="closed")
        assert [type(problem) for problem in journal.problems] == [PermissionError]
        assert "circuits.closed.*.*" in str(journal.problems[0])


# -- the end --


def test_a_stop_finishes_and_answers_what_runs(broker: Broker, start: Start) -> None:
    side = start().ready()

    async def body(script: Any) -> None:
        value = script.fire(far("slow", 0.5))
        while not side.app._tree_engine.tasks:
            await asyncio.sleep(0.005)
        side.app.stop()
        await over(value)
        assert value.value == "slept"
        with pytest.raises(Unreachable):
            await script.call(far("greet"))

    run(broker.url, body)


def test_a_node_can_leave_its_tree_and_run_again(broker: Broker) -> None:
    app = Component()
    Answers("here").register(app)
    quiet = Quiet().register(app)
    node = Node(broker.url, group="us").register(app)

    async def body(script: Any) -> None:
        assert await script.call(far("who", node="us")) == "here"

    perform(app, body)
    perform(app, body)

    async def leaving(script: Any) -> None:
        await script.call(far("who", node="us"))
        node.unregister()
        while node.parent is not node:
            await asyncio.sleep(0.01)

    perform(app, leaving)
    assert quiet.problems == []


def test_adding_a_node_is_refused() -> None:
    node = Node("nats://127.0.0.1:4222")
    with pytest.raises(RuntimeError, match="nothing to add"):
        node.add("far", "127.0.0.1", 1)
    assert isinstance(node, Manager)
