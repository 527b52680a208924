"""What a node over NATS can be told, checked before anything connects."""

from __future__ import annotations

import importlib.util
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import unquote, urlsplit

from circuits._wire import packet as wire

__all__ = ["DEFAULTS", "NatsOptions"]

_SCHEMES = frozenset({"nats", "tls", "ws", "wss"})
#: An ``nkey`` that is none of a file.
_SEED_CHARACTERS = 58


@dataclass(frozen=True)
class NatsOptions:
    """See :class:`~circuits.node.node.Node`.

    Raises:
        ValueError: One of them cannot be.
        TypeError: One of them is of a wrong type.
    """

    url: str
    name: str | None = None
    tls: Any = None
    group: str | None = None
    prefix: str = "circuits"
    echo: bool = True
    durable: bool = False
    ordered: bool = False
    ack_wait: float = 30.0
    max_deliver: int = 5
    backoff: Sequence[float] = (1, 5, 30, 120)
    replicas: int = 1
    token: str | None = None
    credentials: Any = None
    nkey: str | None = None

    def __post_init__(self) -> None:
        for server in self.servers:
            parts = urlsplit(server)
            if parts.scheme not in _SCHEMES or not parts.hostname:
                raise ValueError("bind must be nats://host:port, or several of them by comma")
        wire.check_name(self.prefix, "the prefix")
        if self.group is not None:
            wire.check_name(self.group, "the group of a node")
            if self.group == self.name:
                raise ValueError(f"a node and a group must not have the same name: {self.group!r}")
        for what, text in (("name", self.name), ("group", self.group)):
            if text == "*":
                raise ValueError(f"the {what} of a node must not be '*', which means all")
        if (self.durable or self.ordered) and self.group is None:
            raise ValueError("durable events are those of a group: group= is needed")
        if self.ordered and not self.durable:
            raise ValueError("ordered=True is for durable events: durable=True is needed")
        if not self.ack_wait > 0:
            raise ValueError(f"ack_wait must be more than 0, not {self.ack_wait!r}")
        for what, number in (("max_deliver", self.max_deliver), ("replicas", self.replicas)):
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                raise ValueError(f"{what} must be 1 or more, not {number!r}")
        if any(delay < 0 for delay in self.backoff):
            raise ValueError(f"backoff must be delays in seconds, not {self.backoff!r}")
        if self.tls not in (None, False, True) and not isinstance(self.tls, ssl.SSLContext):
            raise TypeError(f"tls must be a context of ssl or True, not {self.tls!r}")
        if self.credentials is not None or self.nkey is not None:
            # nats-py does without until it connects.
            if importlib.util.find_spec("nkeys") is None:
                raise ImportError("credentials= and nkey= need circuits[node], for nkeys")

    @property
    def servers(self) -> list[str]:
        """The URLs of the servers; those behind the first comma need no scheme."""
        first = self.url.partition("://")[0]
        found = [part.strip() for part in self.url.split(",")]
        return [part if "://" in part else f"{first}://{part}" for part in found]

    def delay_after(self, deliveries: int) -> float:
        """Seconds until what has failed so often is tried again."""
        return self.backoff[min(deliveries, len(self.backoff)) - 1] if self.backoff else 0.0

    def for_client(self, server: str) -> dict[str, Any]:
        """What nats-py is told about one of the servers."""
        found: dict[str, Any] = {}
        if urlsplit(server).username is None:
            # One URL says who we are, for all servers.
            named = [parts for url in self.servers if (parts := urlsplit(url)).username]
            if named and named[0].password is None:
                found["token"] = unquote(named[0].username or "")
            elif named:
                found["user"] = unquote(named[0].username or "")
                found["password"] = unquote(named[0].password or "")
        if self.tls:
            found["tls"] = ssl.create_default_context() if self.tls is True else self.tls
        if self.token is not None:
            found["token"] = self.token
        if self.credentials is not None:
            found["user_credentials"] = self.credentials
        if self.nkey is not None:
            is_seed = self.nkey.startswith("S") and len(self.nkey) == _SEED_CHARACTERS
            found["nkeys_seed_str" if is_seed else "nkeys_seed"] = self.nkey
        return found

    def without_secrets(self, text: str) -> str:
        """A text for the log: nothing in it tells how we prove who we are."""
        parts = [urlsplit(server) for server in self.servers]
        secrets = [self.token, self.nkey, *(p.password for p in parts)]
        secrets += [p.username for p in parts if p.password is None]
        for secret in secrets:
            if secret:
                text = text.replace(secret, "***")
        return text


#: The options that only nodes over NATS have, with their defaults.
DEFAULTS = {
    field.name: field.default
    for field in fields(NatsOptions)
    if field.name not in ("url", "name", "tls")
}
