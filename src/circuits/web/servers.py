"""Web servers: a transport, HTTP, and perhaps a dispatcher (manual: circuits.web.servers)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from circuits._wire.http1 import Limits
from circuits.core.components import BaseComponent
from circuits.net import sockets

from .constants import SERVER_VERSION
from .dispatchers.dispatcher import Dispatcher
from .http import HTTP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BaseServer", "FakeSock", "Server"]

_LIMITS = (
    "request_line_bytes",
    "header_block_bytes",
    "header_count",
    "body_bytes",
)
_HTTP_OPTIONS = ("header_timeout", "body_timeout", "idle_timeout", "memory_body_bytes")


class BaseServer(BaseComponent):
    """A web server without a dispatcher: ``request`` handlers of components answer.

    It binds and listens at once, so ``port`` and ``base`` are final when this returns.

    Args:
        bind: A port for all interfaces (0 picks a free one), a pair of host and port, text with
            both (``"localhost:8000"``, ``"[::1]:8000"``), or the path of a UNIX socket.
        encoding: How text in responses is encoded.
        secure: Whether to speak TLS.
        certfile: Certificate, and perhaps key, for TLS.
        channel: Channel of the server, its transport and its requests.
        **extra: ``debug=False``, whether error pages carry tracebacks; ``display_banner=True``;
            the limits ``request_line_bytes``, ``header_block_bytes``, ``header_count``,
            ``body_bytes``, ``memory_body_bytes`` and the times in seconds ``header_timeout``,
            ``body_timeout``, ``idle_timeout``; anything else is for the transport.

    Attributes:
        server: The transport.
        http: The protocol component.

    Raises:
        OSError: The address cannot be bound.
        TypeError, ValueError: ``bind`` is no address.
    """

    channel = "web"

    def __init__(
        self,
        bind: int | str | Sequence[Any],
        encoding: str = "utf-8",
        secure: bool = False,
        certfile: str | None = None,
        channel: str = "web",
        **extra: Any,
    ) -> None:
        super().__init__(channel=channel)
        self.debug = bool(extra.pop("debug", False))
        self.display_banner = bool(extra.pop("display_banner", True))
        limits = replace(Limits(), **{name: extra.pop(name) for name in _LIMITS if name in extra})
        options = {name: extra.pop(name) for name in _HTTP_OPTIONS if name in extra}
        transport: Any = sockets.TCPServer
        address: Any = bind
        if isinstance(bind, bool) or not isinstance(bind, int | str | list | tuple):
            raise TypeError(f"bind must be a port, an address or a path, not {bind!r}")
        if isinstance(bind, int):
            address = ("0.0.0.0", bind)
        elif isinstance(bind, str):
            if ":" in bind:
                address = _split_address(bind)
            else:
                transport = sockets.UNIXServer
        else:
            address = tuple(bind)
        if transport is sockets.TCPServer and ":" in str(address[0]):
            transport = sockets.TCP6Server
        self._secure = bool(secure)
        if secure:
            extra.update(secure=True, certfile=certfile)
        self.server = transport(address, channel=channel, **extra)
        # On a stop the requests in flight are answered first; HTTP closes their connections.
        self.server.connections_drain_elsewhere = True
        self.http = HTTP(encoding, channel, self, limits, **options)
        self.server.register(self)
        self.http.register(self)

    @property
    def host(self) -> str | None:
        """The address that is bound."""
        return self.server.host  # type: ignore[no-any-return]

    @property
    def port(self) -> int | None:
        """The port that is bound."""
        return self.server.port  # type: ignore[no-any-return]

    @property
    def secure(self) -> bool:
        """Whether clients must speak TLS."""
        return self._secure

    @property
    def scheme(self) -> str:
        """``http`` or ``https``."""
        return "https" if self._secure else "http"

    @property
    def version(self) -> str:
        """Name and version of the software."""
        return SERVER_VERSION

    @property
    def base(self) -> str:
        """URL of the server, which works on this machine, without a slash at the end."""
        host = self.host or "0.0.0.0"
        if host in ("0.0.0.0", "::"):
            host = "127.0.0.1" if host == "0.0.0.0" else "::1"
        if ":" in host:
            host = f"[{host}]"
        if not self.port or self.port == (443 if self._secure else 80):
            return f"{self.scheme}://{host}"
        return f"{self.scheme}://{host}:{self.port}"


class Server(BaseServer):
    """A web server whose dispatcher finds the controller for each request.

    Args:
        bind: As for :class:`BaseServer`.
        **kwargs: As for :class:`BaseServer`.
    """

    def __init__(self, bind: int | str | Sequence[Any], **kwargs: Any) -> None:
        super().__init__(bind, **kwargs)
        Dispatcher(channel=self.channel).register(self)


class FakeSock:
    """Stands for a client where there is no socket."""

    def getpeername(self) -> tuple[None, None]:
        """Nobody, from nowhere."""
        return (None, None)


def _split_address(bind: str) -> tuple[str, int]:
    host, _, port = bind.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not port.isascii() or not port.isdigit():
        raise ValueError(f"bind must be host:port, [host]:port or a path, not {bind!r}")
    return host or "0.0.0.0", int(port)
