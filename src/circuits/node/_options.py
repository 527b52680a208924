"""What a node can be told, checked; of a node over NATS, see ``_nats_options``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from circuits._wire import packet as wire
from circuits.core._clock import check_seconds

from ._accept import Acceptance

if TYPE_CHECKING:
    from collections.abc import Callable

    from circuits.core.events import BaseEvent

__all__ = ["Options", "is_over_nats", "secret_bytes", "tls_options"]


@dataclass(frozen=True)
class Options:
    """See :class:`~circuits.node.node.Node`.

    Raises:
        ValueError: One of them cannot be.
        TypeError: One of them is of a wrong type.
    """

    name: str | None = None
    accept: Acceptance = field(default_factory=Acceptance)
    types: tuple[type, ...] = ()
    receive: Callable[[BaseEvent, str | None], object] | None = None
    send: Callable[[BaseEvent, str | None], object] | None = None
    limit: int = 1000
    concurrency: int = 100
    outstanding: int = 10_000
    packet_limit_bytes: int = wire.PACKET_BYTES
    stop_timeout: float = 10.0
    secret: bytes | None = None
    heartbeat: float = 5.0

    def __post_init__(self) -> None:
        if self.name is not None:
            wire.check_name(self.name, "the name of a node")
        for what in ("limit", "concurrency", "outstanding"):
            number = getattr(self, what)
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                raise ValueError(f"{what} must be 1 or more, not {number!r}")
        for what in ("stop_timeout", "heartbeat"):
            seconds = getattr(self, what)
            if check_seconds(seconds, what) < 0:
                raise ValueError(f"{what} must be 0 or more, not {seconds!r}")
        wire.PacketDecoder(self.packet_limit_bytes)  # which checks it


def is_over_nats(bind: Any, options: dict[str, Any]) -> bool:
    """Whether a node is one over NATS, by what it binds.

    Args:
        bind: As of the node.
        options: Those that only nodes over NATS have.

    Raises:
        TypeError: There is no such option.
        ValueError: One of them was chosen for a node of the other kind.
    """
    is_nats = isinstance(bind, str) and "://" in bind
    if options:
        from ._nats_options import DEFAULTS  # brings ssl

        if unknown := options.keys() - DEFAULTS.keys():
            raise TypeError(f"Node() has no option {', '.join(sorted(unknown))}")
        chosen = [name for name, value in options.items() if value != DEFAULTS[name]]
        if chosen and not is_nats:
            raise ValueError(f"{', '.join(sorted(chosen))}: only a node over NATS has that")
    return is_nats


def secret_bytes(secret: str | bytes | None) -> bytes | None:
    """A secret as bytes.

    Raises:
        TypeError, ValueError: It is none.
    """
    if secret is None:
        return None
    if not isinstance(secret, str | bytes):
        raise TypeError("secret must be text or bytes")
    if not secret:
        raise ValueError("secret must not be empty")
    return secret.encode() if isinstance(secret, str) else secret


def tls_options(tls: Any, *, is_server: bool) -> dict[str, Any] | None:
    """The options of a socket for ``tls=``; ``None`` if it is not encrypted.

    Raises:
        TypeError: It is neither a context nor options.
        ValueError: It is the context of the other side.
    """
    if tls is None or tls is False:
        return None
    if isinstance(tls, dict):
        return dict(tls)
    if hasattr(tls, "wrap_bio"):
        import ssl

        wrong = ssl.PROTOCOL_TLS_CLIENT if is_server else ssl.PROTOCOL_TLS_SERVER
        if tls.protocol == wrong:
            needed, argument = ("server", "Node(tls=)") if is_server else ("client", "add(tls=)")
            raise ValueError(f"the context of ssl must be that of a {needed}: see {argument}")
        return {"context": tls}
    if tls is True and not is_server:
        return {}
    raise TypeError(f"tls must be a context of ssl, or a dictionary of options, not {tls!r}")
