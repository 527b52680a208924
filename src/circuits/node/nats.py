"""A node over NATS: an engine between many nodes, and streams for what must not be lost.

:class:`~circuits.node.node.Node` has one of these where its ``bind`` is the URL of a server. It
keeps a connection, made again whenever it is lost, over which events go to nodes, to groups and
to all. Needs the extra ``circuits[node]``.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from nats.errors import AuthorizationError, Error, NoServersError

from circuits.core import _clock
from circuits.core.events import Event, Registered
from circuits.core.handlers import handler

from ._asked import Outbox
from ._desk import Desk
from ._letters import Deliver, NatsHub
from ._nats_asked import ALL, Broadcast, NatsAsked, Stored
from ._nats_client import SturdyClient, abandon, denial_in, when_deaf
from ._nats_link import NatsLink
from ._nats_presence import Presence
from ._party import Party
from ._streams import ApiError
from ._subjects import Subjects
from .errors import Refused, Unreachable

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from nats.aio.client import Client

    from circuits.core.events import BaseEvent

    from ._hub import Hub
    from ._nats_intake import Intake
    from ._nats_options import NatsOptions

__all__ = ["Nats", "NatsHub"]

#: Seconds between two attempts: doubled each time, up to the last. Who is refused has more time.
_FIRST_DELAY = 0.05
_LAST_DELAY = 0.5
_LAST_REFUSED_DELAY = 10.0
_CONNECT_SECONDS = 5.0
#: A connection that lasts shorter counts as an attempt that has failed.
_STEADY_SECONDS = 1.0
#: A server is asked for a sign of life so often, and has so long to give one.
_PING_SECONDS = 2.0
_PONG_SECONDS = 4.0
#: Seconds that the end of a connection may take.
_CLOSE_SECONDS = 1.0
_PREPARE_DELAY = 0.25
_LAST_PREPARE_DELAY = 5.0


class _Begin(Event):
    """Connect: the handler needs the asyncio loop, which there is when the tree runs."""

    name = "_begin"


class Nats(Party):
    """The connection of a node to NATS; a part of :class:`~circuits.node.node.Node`.

    Args:
        options: What it was told about NATS.
        channel: That of the node.
        hub: That of the node.

    Attributes:
        link: The connection that is used now, or ``None``.
        instance: By what two nodes of one name are told apart.
    """

    def init(self, options: NatsOptions, channel: Any, *, hub: Hub) -> None:
        """Take the arguments of the constructor."""
        if channel != Party.channel:
            self.channel = channel
        self.options = options
        self.subjects = Subjects(options.prefix)
        self.instance = _clock.random_bytes(16).hex()
        self._hub = hub
        self.hub_owner = hub.owner
        self.outbox = Outbox(hub.options.limit, "nats")
        self.link: NatsLink | None = None
        self._opening: NatsLink | None = None  # that, or the one that is about to be
        self._servers = list(options.servers)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._has_started = False  # nobody else had our name
        self.desk = Desk(self) if options.durable else None
        if self.desk is not None:
            self.addHandler(_watch_effects)

    # -- sending --

    def ask(
        self, event: Event, sent: BaseEvent, node: str, channel: Any, timeout: float | None
    ) -> None:
        """Have an event run elsewhere, and suspend the one that is being handled.

        Raises:
            Refused: The event must not be sent.
            ValueError: Its subject is too long, or it cannot be stored for all.
        """
        hub = self._hub
        if not hub.may_send(sent, node):
            raise Refused(f"the event {sent.name!r} must not be sent to {node!r}")
        kind: type[NatsAsked] = NatsAsked
        if getattr(event, "durable", False):
            kind = Stored
        elif node == ALL:
            kind = Broadcast
        asked = kind(self.hub_owner, event, hub, sent, channel, node, timeout, self.subjects)
        try:
            self.outbox.ask(asked)
        except (Unreachable, TypeError, ValueError) as problem:
            asked.refuse(problem.with_traceback(None))
        else:
            asked.wait()

    # -- running --

    def _application_started(self) -> None:
        super()._application_started()
        self._begin_later()

    @handler("registered", channel="*")
    def _on_registered(self, event: Event, component: Any, *args: Any) -> None:
        if isinstance(event, Registered) and self in component._tree_subtree():
            self._begin_later()

    def _begin_later(self) -> None:
        if self._task is None:
            self.fire(_Begin(), self)

    @handler("_begin")
    async def _on_begin(self) -> None:
        if self._task is None and not self._hub.is_ending:
            self._loop = asyncio.get_running_loop()
            self.outbox.closed = None
            self._task = self.spawn(self._run())

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine beside the tree."""
        assert self._loop is not None
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._spawned_over)
        return task

    def _spawned_over(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            problem = task.exception()
            assert problem is not None
            self._tree_engine.report(problem, None)

    async def _run(self) -> None:
        """Keep a connection, until told otherwise."""
        failures = refusals = number = 0
        while True:
            url = self._servers[number % len(self._servers)]
            number += 1
            lost = asyncio.Event()
            client = SturdyClient()
            try:
                await asyncio.wait_for(self._connect(client, url, lost), _CONNECT_SECONDS)
                link = self._opening = NatsLink(self, client)
                try:
                    is_ours = await self._open(link)
                    if lost.is_set():
                        raise ConnectionError("the connection was lost")
                except BaseException:  # perhaps when it was used already
                    link.lost("the connection was lost")
                    link.writer.cancel()
                    raise
            except Exception as problem:  # of the server, the network, a file, a library
                self._log_failure(url, problem)
                await abandon(client)
                is_refused = isinstance(problem, AuthorizationError) or "uthoriz" in str(problem)
                refusals = refusals + 1 if is_refused else 0
                failures += 1
                await asyncio.sleep(_delay(failures, refusals))
                continue
            except asyncio.CancelledError:
                await abandon(client)
                raise
            if not is_ours:
                self._leave_name(link)
                return
            refusals = 0
            self._learn_servers(client)
            began = _clock.now()
            await self._watch(link, lost)
            link.lost(link.reason if link.is_closed else "the connection was lost")
            link.writer.cancel()
            self.spawn(abandon(client))
            if self._task is not asyncio.current_task():
                return
            if _clock.now() - began >= _STEADY_SECONDS:
                failures = 0
            else:  # as good as none
                failures += 1
                await asyncio.sleep(_delay(failures, refusals))

    async def _connect(self, client: Client, url: str, lost: asyncio.Event) -> None:
        trouble: Exception | None = None

        async def on_error(problem: Exception) -> None:
            nonlocal trouble
            trouble = problem
            denial, link = denial_in(problem), self._opening
            if denial is not None and link is not None and link.client is client:
                link.denied(*denial)
            if client.is_connected and str(problem):  # else whoever connects logs it
                self._hub.log("%s", self.options.without_secrets(f"NATS: {problem}"))

        async def on_closed() -> None:
            lost.set()

        try:
            await client.connect(
                [url],
                error_cb=on_error,
                closed_cb=on_closed,
                disconnected_cb=on_closed,
                name=self.options.name,
                # A new client is made: what the old one has kept must not be sent. Without the
                # other two it would still try again by itself, in its own time, until it connects.
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=2,
                ping_interval=120,  # we do that ourselves: the client ends in its own time
                **self.options.for_client(url),
            )
        except NoServersError:
            raise trouble or ConnectionError("no connection") from None
        when_deaf(client, lost.set)

    def _log_failure(self, url: str, problem: BaseException) -> None:
        where = url.rpartition("@")[2]
        text = self.options.without_secrets(f"{type(problem).__name__} {problem}")
        self._hub.log("%s cannot be reached: %s", where.removeprefix("nats://"), text)

    def _learn_servers(self, client: Client) -> None:
        for found in client.discovered_servers:
            url = f"{found.scheme}://{found.hostname}:{found.port}"
            if url not in self._servers and len(self._servers) < 100:
                self._servers.append(url)

    async def _open(self, link: NatsLink) -> bool:
        """Subscribe to everything; ``False``: another node has our name."""
        await link.listen_for_answers()
        presence = Presence(link, self.options.name)
        await presence.listen()
        if self._has_started:
            # Others count on us: they are not to hear that nobody listens.
            await link.listen()
            self._use(link)
            return not await presence.is_taken()
        if await presence.is_taken():
            return False
        await link.listen()
        self._has_started = True
        self._use(link)
        return True

    def _use(self, link: NatsLink) -> None:
        self.link = link
        self.outbox.attach(link)  # type: ignore[arg-type]
        link.open()
        if self.desk is not None:
            self.prepare_desk(link)

    async def _watch(self, link: NatsLink, lost: asyncio.Event) -> None:
        """Until the connection ends, or is silent."""
        while not (lost.is_set() or link.is_closed):
            try:
                await asyncio.wait_for(lost.wait(), _PING_SECONDS)
            except TimeoutError:
                try:
                    await asyncio.wait_for(link.client.flush(10), _PONG_SECONDS)
                except (TimeoutError, Error, OSError):
                    if not link.is_closed:
                        link.lost("silent")
                    return

    def _leave_name(self, link: NatsLink) -> None:
        name = self.options.name
        text = f"another node is called {name!r}: this one has left"
        self.outbox.close(text)
        self.close_link(link, text)
        self._tree_engine.report(ValueError(text), None)

    # -- durable events --

    def prepare_desk(self, link: NatsLink) -> None:
        """See to the streams, and then take what they have."""
        self.spawn(self._prepare_desk(link))

    async def _prepare_desk(self, link: NatsLink) -> None:
        desk = self.desk
        assert desk is not None
        delay = _PREPARE_DELAY
        while not (link.is_closed or self._hub.is_ending):
            try:
                problems = await desk.streams.ensure(link.client)
            except (TimeoutError, ApiError, Error, OSError, ValueError) as problem:
                if link.is_closed:
                    return
                text = f"{type(problem).__name__} {problem}"
                self._hub.log("%r: the streams are not ready: %s", link, text)
                await asyncio.sleep(delay)
                delay = min(delay * 2, _LAST_PREPARE_DELAY)
                continue
            if problems:
                text = f"{'; '.join(problems)}: nothing was changed, and only plain events run"
                self._tree_engine.report(ValueError(text), None)
            else:
                desk.open(link)
            return

    @handler("_deliver")
    def _on_deliver(self, letter: Any) -> None:
        letter.deliver()

    @handler("_deliver_complete")
    def _on_deliver_complete(self, deliver: Any, value: Any) -> None:
        deliver.args[0].completed()

    # -- what the link tells --

    @handler("_arrived")
    def _on_arrived(self, link: NatsLink) -> None:
        link.process()

    @handler("_settled")
    def _on_settled(self, intake: Intake) -> None:
        intake.settled()

    def link_lost(self, link: NatsLink, stored: list[Any]) -> None:
        """A connection has ended; what was to be stored goes over the next one."""
        if self.link is link:
            self.link = None
            self.outbox.detach()
        if self.desk is not None:
            self.desk.close()
        if self._hub.is_ending or self.outbox.closed is not None:
            for asked in stored:
                asked.arrive(None, Unreachable(f"not stored: {self.outbox.closed or link.reason}"))
        else:
            held = self.outbox.held
            self.outbox.held = {**dict.fromkeys(stored), **held}
            for asked in stored:
                asked._outbox = self.outbox

    # -- ending --

    def _stop_listening(self) -> None:
        if self.desk is not None:
            self.desk.close()
        if self.link is not None:
            self.link.stop_listening()

    def close_link(self, link: NatsLink, reason: str) -> None:
        """Close a connection when all is written; the application waits for that."""
        engine = self._tree_engine
        task, self._task = self._task, None
        link.lost(reason)

        async def close() -> None:
            try:
                with contextlib.suppress(Exception):
                    await asyncio.wait_for(link.writer.finish(), _CLOSE_SECONDS)
                link.writer.cancel()
                await abandon(link.client)
            finally:
                engine.release(link)

        engine.hold(link)
        self.spawn(close())
        if task is not None and not task.done() and task is not _current_task():
            task.cancel()

    def _end_sockets(self) -> None:
        task, self._task = self._task, None
        if self.link is not None:
            self.close_link(self.link, "the node has left")
        if task is not None and not task.done():
            task.cancel()


def _current_task() -> Any:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


@handler("error", channel="*")
def _watch_effects(self: Nats, event: Any, kind: Any, problem: Any, *args: Any) -> None:
    """Something has failed: perhaps because of a letter, which then has failed, too."""
    if not event.received:
        cause = event._event_cause
        while cause is not None:
            if isinstance(cause.event, Deliver):
                cause.event.args[0].effect_failed(problem)
                break
            cause = cause.outer
    routes = self._tree_engine.route(event.name, event.channels)
    owners = [getattr(route[0], "__self__", None) for route in routes]
    if owners[0] is self and all(isinstance(owner, Nats) for owner in owners):
        from circuits.core._reports import log_unheard

        log_unheard(event)  # as would have happened without us


def _delay(failures: int, refusals: int) -> float:
    most = _LAST_REFUSED_DELAY if refusals else _LAST_DELAY
    due: float = min(most, _FIRST_DELAY * 2.0 ** min(failures, 20))
    chance = int.from_bytes(_clock.random_bytes(2), "big") / 65535
    return due * (0.5 + chance / 2)
