"""Node: the same events on other machines (manual: circuits.node.node).

A node connects to others by :meth:`Node.add`, is connected to where it has a ``bind``, or both. What is
wrapped in a :class:`~circuits.node.events.Remote` runs at the node that it names; what others send is
fired here. Its handlers are explicit: no method answers an event of another node because it has
the name of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from circuits._wire import packet as wire
from circuits.core.events import BaseEvent, Event
from circuits.core.handlers import handler
from circuits.core.manager import Manager
from circuits.core.utils import flatten

from ._accept import Acceptance, answers
from ._asked import DEFAULT_SECONDS, Outbox
from ._hub import Hub
from ._local import Local
from ._options import Options, is_over_nats, secret_bytes, tls_options
from ._party import Party
from .client import Client
from .events import ConnectedTo, DisconnectedFrom, Remote
from .server import Server

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable

    from circuits.core._engine import Engine

    from ._link import Link
    from .nats import Nats

__all__ = ["Node"]


class Node(Party):
    """A node: has events run at others, and runs theirs.

    Handles ``remote``. Fires ``connected_to``, ``disconnected_from`` and ``dead_letter`` on its
    channel.

    What comes in is fired on the channels that it names, else on that of the node. Only text, numbers
    and other plain values travel, no code and no names of classes, so a peer can do no more than
    have your handlers called. Who may do that is a matter of ``secret`` and ``tls``.

    Args:
        bind: Where to listen: a port, which means this machine alone, ``"host:port"``, or a pair
            of both. ``None``: nowhere. The URL of a server of NATS, or several by comma: connect
            there, for the extra ``circuits[node]``; the group of options at the end is for that.
        channel: Channel of the node.
        name: By which those that this node connects to can send to it.
        accept: Names or classes of the events that may come in. ``None`` is all but those of
            the framework (:data:`~circuits.node.RESERVED`).
        types: Dataclasses that travel, beside those that the annotations of events name.
        receive: Called with each event that comes in and the name of its sender; a false result
            refuses it.
        send: Likewise with each event that goes out.
        limit: How many events wait for a node that is away or slow. One more fails at once.
        concurrency: How many events of others may be suspended; with so many, nothing is read.
        outstanding: How many events may be sent over one connection and not be answered yet. What
            comes then waits, within ``limit``.
        packet_limit_bytes: The largest packet.
        stop_timeout: Seconds that a stop waits for what runs, at most.
        secret: Both sides must know it; text or bytes.
        tls: An ``ssl.SSLContext``, or a dictionary of the TLS options of sockets. ``True`` is for
            connecting, with the certificates of the system.
        heartbeat: Seconds between two signs of life; a peer that is silent for three of them is
            gone. 0: none.
        forward: Names of nodes, and of each the names or classes of events that run there, as
            for ``add``: also of nodes that will connect to this one.
        group: Nodes of a group share what is sent to it; each event goes to one of them.
        prefix: Nodes with different ones do not hear each other.
        echo: Whether what it sends to all (``"*"``) comes back to it.
        durable: Take the events that were stored for the group, see ``Remote``.
        ordered: One of those at a time in the whole group, in their order.
        ack_wait: Seconds until an event of a member that is silent goes to another one.
        max_deliver: How often a stored event is tried until it is a dead letter.
        backoff: Seconds between the tries; the last one counts for all further ones.
        replicas: How many servers keep what is stored.
        token, credentials, nkey: Who we are: a text, a file, a seed or a file with one.
        port, server_ip: ``bind``, as the 3.x line says it.

    Attributes:
        node_name: The ``name``; that of a component is the name of its class.
        server: What listens, or ``None``.
        clients: The connections that were added, by name.
        nats: The connection to NATS, or ``None``.

    Raises:
        ValueError: An option cannot have that value, or is not one of this kind of node.
        TypeError: An option is of a wrong type, or there is no such one.
        ImportError: A node over NATS needs what is not installed.
    """

    def init(
        self,
        bind: Any = None,
        channel: Any = "node",
        *,
        name: str | None = None,
        accept: Iterable[str | type[BaseEvent]] | None = None,
        types: Iterable[type] = (),
        receive: Callable[[BaseEvent, str | None], object] | None = None,
        send: Callable[[BaseEvent, str | None], object] | None = None,
        limit: int = 1000,
        concurrency: int = 100,
        outstanding: int = 10_000,
        packet_limit_bytes: int = wire.PACKET_BYTES,
        stop_timeout: float = 10.0,
        secret: str | bytes | None = None,
        tls: ssl.SSLContext | dict[str, Any] | bool | None = None,
        heartbeat: float | None = 5.0,
        forward: Mapping[str, Iterable[str | type[BaseEvent]]] | None = None,
        **nats: Any,
    ) -> None:
        """Take the arguments of the constructor."""
        if channel != Party.channel:  # else that of a derived class holds
            self.channel = channel
        if bind is None and (port := nats.pop("port", None)) is not None:
            address = nats.pop("server_ip", "")
            bind = (address, port) if address else port
        is_nats = is_over_nats(bind, nats)
        if is_nats and secret is not None:
            raise ValueError(
                "secret: only a node over TCP has that; see token, credentials and nkey"
            )
        self.node_name = name
        self._tls = tls
        self.clients: dict[str, Client] = {}
        self.server: Server | None = None
        self._forwarded: dict[str, str] = {}
        self._version_looked = -1
        self._nodes: list[Node] = []
        options = Options(
            name=name,
            accept=Acceptance(accept),
            types=tuple(types),
            receive=receive,
            send=send,
            limit=limit,
            concurrency=concurrency,
            outstanding=outstanding,
            packet_limit_bytes=packet_limit_bytes,
            stop_timeout=stop_timeout,
            secret=secret_bytes(secret),
            heartbeat=heartbeat or 0.0,
        )
        self.nats: Nats | None = None
        if is_nats:
            self._hub, self.nats = self._make_nats(bind, options, nats)
        else:
            self._hub = Hub(self, options)
        if not isinstance(forward, Mapping | None):
            raise TypeError(f"forward= takes a mapping from nodes to events, not {forward!r}")
        for node, entries in (forward or {}).items():
            for event in _event_names(entries):
                self._forward(event, node)
        if bind is not None and not is_nats:
            self.server = self._make_server(bind).register(self)

    def _make_server(self, bind: Any) -> Server:
        tls = tls_options(self._tls, is_server=True)
        channel = f"{self.channel}_server"
        return Server(bind, self.channel, hub=self._hub, tls=tls, socket_channel=channel)

    def _make_nats(self, url: str, options: Options, told: dict[str, Any]) -> tuple[Hub, Nats]:
        try:
            import nats.aio.client  # noqa: F401
        except ImportError as problem:
            text = "a node over NATS needs nats-py: install circuits[node]"
            raise ImportError(text, name="nats") from problem
        from ._nats_options import NatsOptions
        from .nats import Nats, NatsHub

        settings = NatsOptions(url=url, name=options.name, tls=self._tls, **told)
        hub = NatsHub(self, options)
        return hub, Nats(settings, self.channel, hub=hub).register(self)

    def _make_client(self, name: str, host: str, port: int, **options: Any) -> Client:
        return Client(host, port, self.channel, node=name, hub=self._hub, **options)

    @property
    def host(self) -> Any:
        """The address that is bound, or ``None``."""
        return None if self.server is None else self.server.host

    @property
    def port(self) -> int | None:
        """The port that is bound, or ``None``."""
        return None if self.server is None else self.server.port

    def add(
        self,
        name: str,
        host: str,
        port: int,
        channel: Any = None,
        *,
        forward: Iterable[str | type[BaseEvent]] = (),
        version: int = 2,
        tls: ssl.SSLContext | dict[str, Any] | bool | None = None,
    ) -> Any:
        """Connect to another node, now and whenever the connection is lost.

        It need not listen yet. A name that was added before is connected anew.

        Args:
            name: How it is called here: the second argument of ``Remote``.
            host: Name or address.
            port: Port.
            channel: Where the events of the socket go.
            forward: Names or classes of events that run there although nobody wraps them in a
                ``Remote``, unless a handler in this tree answers them.
            version: 1: speak as the 2.1.0 release does, and offer nothing else.
            tls: Instead of that of the node.

        Returns:
            The channel of the socket.
        """
        if self.nats is not None:
            raise RuntimeError("a node over NATS reaches all others by its server: nothing to add")
        wire.check_name(name, "the name of a node")
        if channel is None:
            channel = f"{self.channel}_client_{name}"
        options = tls_options(self._tls if tls is None else tls, is_server=False)
        names = _event_names(forward)
        client = self._make_client(
            name, host, port, version=version, tls=options, socket_channel=channel
        )
        self.remove(name)
        self.clients[name] = client.register(self)
        for event in names:
            self._forward(event, name)
        return channel

    def remove(self, name: str) -> None:
        """Close the connection to a node that was added; without effect if there is none."""
        client = self.clients.pop(name, None)
        if client is not None:
            client.close("it was removed")
            client.unregister()
            for event in [event for event, node in self._forwarded.items() if node == name]:
                del self._forwarded[event]

    # -- sending --

    @handler("remote", channel="*")
    def _on_remote(
        self, event: Remote, sent: BaseEvent, node: str, channel: Any = None, **options: Any
    ) -> None:
        if self._is_meant(event, node):
            if event.durable and self.nats is None:
                raise ValueError("durable=True needs a node over NATS: nothing is stored over TCP")
            self._ask_node(event, sent, node, channel, event.timeout)

    def _ask_node(
        self, event: Any, sent: BaseEvent, node: str, channel: Any, timeout: float | None = None
    ) -> None:
        client = self.clients.get(node)
        is_durable = getattr(event, "durable", False)
        if self.nats is not None and (is_durable or node != self.node_name):
            self.nats.ask(event, sent, node, channel, timeout)
        elif client is not None:
            self._ask(event, sent, client.outbox, channel, node, timeout)
        elif node == self.node_name and node is not None:
            self._run_here(event, sent, channel, timeout)
        else:
            self._ask(event, sent, self._outbox_of_connected(node), channel, node, timeout)

    def _outbox_of_connected(self, node: str) -> Outbox:
        if self.server is None:
            raise KeyError(node)
        return self.server.outbox(node)

    def _run_here(self, event: Any, sent: BaseEvent, channel: Any, timeout: float | None) -> None:
        local = Local(self, event, sent, DEFAULT_SECONDS if timeout is None else timeout)
        channels = (channel,) if channel is not None else sent.channels
        value = self.fire(sent, *channels)
        sent._when_over(local, refired=value is not sent._event_value)

    def _is_meant(self, event: BaseEvent, name: str) -> bool:
        """Whether a ``remote`` is for this one, of several nodes in the tree."""
        version = self._tree_engine.routes.version
        if version != self._version_looked:
            self._version_looked = version
            self._nodes = [node for node in flatten(self.root) if isinstance(node, Node)]
        if len(self._nodes) == 1:
            return True
        targets = [n for n in self._nodes if any(c is n or c == n.channel for c in event.channels)]
        candidates = targets or self._nodes
        knowing = [node for node in candidates if node._knows(name)]
        anywhere = [node for node in candidates if node.nats is not None]
        return (knowing or anywhere or candidates)[0] is self

    def _knows(self, name: str) -> bool:
        hub = self._hub
        known = name in self.clients or name in hub.named or name == self.node_name
        return known or (self.nats is not None and name == self.nats.options.group)

    # -- place without a change at the caller --

    def _forward(self, name: str, node: str) -> None:
        """Have events of a name run at a node, where nobody answers them here."""
        is_new = name not in self._forwarded
        self._forwarded[name] = node
        if not is_new:
            return

        @handler(name, channel="*", priority=-1000)
        def _on_forwarded(self: Node, event: Event, *args: Any, **kwargs: Any) -> None:
            self._forward_event(name, event)

        _on_forwarded.__name__ = f"_forward_{name}"
        _on_forwarded.is_forwarding = True  # type: ignore[attr-defined]
        self.addHandler(_on_forwarded)

    def _forward_event(self, name: str, event: Any) -> None:
        node = self._forwarded.get(name)
        if node is None or event.remote:
            return
        others = self._tree_engine.route(event.name, event.channels)
        if any(answers(route[0], event.name) for route in others):
            return
        channels = tuple(c for c in event.channels if not isinstance(c, Manager))
        sent = _Copy(event, () if channels == ("*",) else channels)
        self._ask_node(event, sent, node, None)

    # -- what the hub tells --

    def _link_opened(self, link: Link) -> None:
        self.fire(ConnectedTo(link.name, link.host, link.port))

    def _link_closed(self, link: Link) -> None:
        self.fire(DisconnectedFrom(link.name, link.host, link.port, link.reason))
        if link.reason == "replaced" and link.is_client:
            text = f"{link!r}: another node has connected under our name {self.node_name!r}"
            self._tree_engine.report(ValueError(text), None)

    def _stop_listening(self) -> None:
        if self.server is not None:
            self.server._stop_listening()
        if self.nats is not None:
            self.nats._stop_listening()
        for client in self.clients.values():
            client._stop_listening()

    def _end_sockets(self) -> None:
        if self.server is not None:
            self.server._end_sockets()
        if self.nats is not None:
            self.nats._end_sockets()
        for client in self.clients.values():
            client._end_sockets()

    def _tree_left(self, engine: Engine) -> None:
        super()._tree_left(engine)
        self._version_looked = -1


class _Copy(BaseEvent):
    """What is sent of an event that is forwarded: it goes on by itself here."""

    def __init__(self, event: BaseEvent, channels: tuple[Any, ...]) -> None:
        super().__init__(*event._event_args)
        if event._event_kwargs:
            self.kwargs = event._event_kwargs
        self.name = event.name  # type: ignore[misc]
        self.channels = channels


def _event_names(entries: Any) -> list[str]:
    # The letters of a name are never meant.
    given = (entries,) if isinstance(entries, str | type) else entries
    return [_event_name(entry) for entry in given]


def _event_name(entry: Any) -> str:
    if isinstance(entry, type) and issubclass(entry, BaseEvent):
        return entry.name
    if isinstance(entry, str):
        return wire.check_name(entry, "the name of an event")
    raise TypeError(f"forward= takes names and classes of events, not {entry!r}")
