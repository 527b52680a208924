"""Web servers: a transport, HTTP, and perhaps a dispatcher (manual: circuits.web.servers)."""

from __future__ import annotations

import logging
import os
import socket
import sys
import warnings
from typing import TYPE_CHECKING, Any

from circuits.core.components import BaseComponent
from circuits.core.events import Event
from circuits.core.handlers import handler
from circuits.core.pollers import BasePoller, Poller
from circuits.core.utils import findtype
from circuits.net import sockets

from ._limits import Limits
from ._proxies import TrustedProxies
from ._transport import EventTransport
from .constants import SERVER_VERSION
from .dispatchers.dispatcher import Dispatcher
from .http import HTTP
from .loggers import Logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from circuits.core.manager import Manager
    from circuits.net._endpoint import Keeper

__all__ = ["BaseServer", "FakeSock", "Server", "StdinServer"]

_log = logging.getLogger("circuits.web")

#: What serves a socket that listens already.
_TRANSPORTS = {
    socket.AF_INET6: sockets.TCP6Server,
    getattr(socket, "AF_UNIX", None): sockets.UNIXServer,
}


class BaseServer(BaseComponent):
    """A web server without a dispatcher: ``request`` handlers of components answer.

    It binds and listens at once, so ``port`` and ``base`` are final when this returns. Where it
    listens is told by ``ready``, and in a record of the logger ``circuits.web`` with the level
    ``INFO``; without any logging, and with the banner, on standard error if that is a terminal.

    Args:
        bind: A port for all interfaces (0 picks a free one), a pair of host and port, text with
            both (``"localhost:8000"``, ``"[::1]:8000"``), the path of a UNIX socket, which is
            removed at the end, or a socket that listens already.
        encoding: How text in responses is encoded.
        secure: Whether to speak TLS.
        certfile: Certificate, and perhaps key, for TLS.
        channel: Channel of the server, its transport and its requests.
        **extra: ``access_log=None``, a path, an object with ``write``, ``True`` or ``"-"`` for standard
            output, or a :class:`~circuits.web.loggers.Logger`; ``trusted_proxies=()``, addresses and
            networks of proxies that are believed where requests come from, by ``Forwarded`` or
            ``X-Forwarded-For``, ``-Proto``, ``-Host`` and ``-Port`` (``"unix"`` is who comes over a UNIX
            socket); ``debug=False``, whether error pages carry tracebacks; ``display_banner=True``;
            ``tls``, an ``ssl.SSLContext``, in place of ``secure`` and ``certfile``;
            ``limits``, a :class:`~circuits.web.Limits`, or each of them by its name, such as
            ``body_bytes``; anything else is for the transport.

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
        bind: int | str | Sequence[Any] | socket.socket,
        encoding: str = "utf-8",
        secure: bool = False,
        certfile: str | None = None,
        channel: str = "web",
        **extra: Any,
    ) -> None:
        super().__init__(channel=channel)
        channel = self.channel  # perhaps that of a class derived from this one
        self.debug = bool(extra.pop("debug", False))
        self.display_banner = bool(extra.pop("display_banner", True))
        limits = Limits.take(extra)
        trusted = extra.pop("trusted_proxies", ())
        proxies = TrustedProxies(trusted) if trusted else None
        access_log = extra.pop("access_log", None)
        if extra.pop("workers", 1) != 1:
            raise ValueError("a server is one process: circuits.web --workers N serves by several")
        if extra.get("mode", 0) is None:
            del extra["mode"]
        transport: Any = sockets.TCPServer
        address: Any = bind
        if isinstance(bind, bool) or not isinstance(bind, int | str | list | tuple | socket.socket):
            raise TypeError(f"bind must be a port, an address or a path, not {bind!r}")
        if isinstance(bind, socket.socket):
            transport = _TRANSPORTS.get(bind.family, transport)
        elif isinstance(bind, int):
            address = ("0.0.0.0", bind)
        elif isinstance(bind, str):
            if bind.isdigit():
                raise ValueError(f"bind {bind!r} is no address: a port is a number, {int(bind)}")
            if ":" in bind:
                address = _split_address(bind)
            else:
                transport = sockets.UNIXServer
                extra.setdefault("remove", True)
        else:
            address = tuple(bind)
            if len(address) not in (2, 4):
                raise TypeError(f"bind must be a pair of host and port, not {bind!r}")
        if isinstance(address, tuple) and ":" in str(address[0]):
            transport = sockets.TCP6Server
        tls = extra.pop("tls", None)
        if tls is not None:
            if secure or certfile is not None:
                raise TypeError("tls is a context: there is no secure or certfile beside it")
            if not hasattr(tls, "wrap_bio"):
                raise TypeError(f"tls must be an ssl.SSLContext, not {tls!r}")
        self._secure = bool(secure or tls)
        if certfile is not None and not self._secure:
            warnings.warn(
                f"{type(self).__name__}(certfile={certfile!r}) does not speak TLS without secure=True",
                RuntimeWarning,
                stacklevel=2 if type(self) is BaseServer else 3,
            )
        if self._secure:
            extra.update(secure=tls or True, certfile=certfile)
        extra["max_connections"] = limits.connections
        self.server = transport(address, channel=channel, **extra)
        self.http = HTTP(encoding, channel, self, proxies, limits=limits)
        self.http.attach(self.server)
        self.server.register(self)
        self.http.register(self)
        if access_log:
            self._make_logger(access_log).register(self)

    def _make_logger(self, access_log: Any) -> BaseComponent:
        if isinstance(access_log, BaseComponent):
            return access_log
        return Logger(None if access_log in (True, "-") else access_log, channel=self.channel)

    @handler("ready")
    def _on_ready(self, *args: Any) -> None:
        # Named in full, since that is what everybody can reach.
        host = self.server.host
        everywhere = " (every interface)" if host in ("0.0.0.0", "::") else ""
        where = f"{self.scheme}://{host}:{self.port}" if self.port else host
        _log.info("%s serves on %s%s", SERVER_VERSION, where, everywhere)
        # Who has set up logging, hides the banner, or does not look, is not told; a program with
        # a greeting of its own tells it.
        if self.display_banner and not (_log.hasHandlers() or hasattr(self.root, "greeting")):
            if sys.stderr is not None and sys.stderr.isatty():
                print(f"Serving on {where}{everywhere} (Ctrl-C stops)", file=sys.stderr)

    @property
    def host(self) -> str | None:
        """The address that is bound."""
        return self.server.host  # type: ignore[no-any-return]

    @property
    def port(self) -> int | None:
        """The port that is bound."""
        return self.server.port  # type: ignore[no-any-return]

    def _bound(self) -> tuple[str | None, int | None]:
        return self.server.bound()  # type: ignore[no-any-return]

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

    def __init__(
        self, bind: int | str | Sequence[Any] | socket.socket, *rest: Any, **kwargs: Any
    ) -> None:
        if rest:
            raise TypeError(
                f"{type(self).__name__} takes one address, and all else by name: write "
                f"{type(self).__name__}(({bind!r}, {rest[0]!r}))"
            )
        super().__init__(bind, **kwargs)
        Dispatcher(channel=self.channel).register(self)


class FakeSock:
    """Stands for a client where there is no socket."""

    def getpeername(self) -> tuple[None, None]:
        """Nobody, from nowhere."""
        return (None, None)


class _ReadOn(Event):
    """A regular file, which no poller watches, is read a piece further."""

    name = "_read_on"


class _Stdio(BaseComponent, EventTransport):
    """The transport of :class:`StdinServer`: standard input and output as one connection."""

    def __init__(self, channel: str) -> None:
        super().__init__(channel=channel)
        self.sock = FakeSock()
        self._input: int = sys.stdin.fileno()
        self._output = sys.stdout.buffer
        self._poller: BasePoller | None = None
        self._keeper: Keeper | None = None
        self._at_end = False

    def keep_with(self, keeper: Keeper) -> None:
        self._keeper = keeper

    @handler("started", channel="*")
    def _on_started(self, component: Manager) -> None:
        if component is not self.root:
            return
        self.fire(sockets.Connect(self.sock))
        self._poller = findtype(self.root, BasePoller)
        if self._poller is None:  # a component is false while nothing is queued: no ``or`` here
            self._poller = Poller().register(self)
        try:
            self._poller.addReader(self, self._input)
        except OSError:  # a regular file can always be read
            self._poller = None
            self.fire(_ReadOn(), self)

    @handler("_read", "_disconnect")
    def _on_readable(self, fd: Any) -> None:
        if fd == self._input:
            self._receive()

    @handler("_read_on")
    def _on_read_on(self) -> None:
        if self._receive():
            self.fire(_ReadOn(), self)

    def _receive(self) -> bool:
        data = os.read(self._input, 65536)
        if data:
            self.fire(sockets.Read(self.sock, data))
            return True
        self._at_end = True
        self.pause_reading(self.sock)
        self.fire(_EndOfInput(), self)
        return False

    @handler("_end_of_input")
    def _on_end_of_input(self) -> None:
        if self._keeper is None or not self._keeper.end_of_input(self.sock):
            self.close(self.sock)

    def pause_reading(self, sock: Any) -> None:
        if self._poller is not None:
            self._poller.removeReader(self._input)

    def resume_reading(self, sock: Any) -> None:
        if self._poller is not None and not self._at_end:
            self._poller.addReader(self, self._input)

    @handler("write")
    def write(self, sock: Any, data: bytes) -> None:
        self._output.write(data)
        self._output.flush()

    @handler("close")
    def close(self, sock: Any = None) -> None:
        self.pause_reading(sock)
        self.fire(sockets.Disconnect(self.sock))
        self._tree_engine.stop()


class _EndOfInput(Event):
    """Standard input has ended; fired behind what was read from it."""

    name = "_end_of_input"


class StdinServer(BaseComponent):
    """A web server for the one client behind standard input and output, as inetd starts it.

    The application is stopped when the connection is over: input has ended and everything is
    answered, or either side has asked to close.

    Args:
        encoding: How text in responses is encoded.
        channel: Channel of the server and its requests.

    Attributes:
        server: The transport.
        http: The protocol component.
    """

    channel = "web"
    host = "stdio"
    port = 0
    secure = False
    scheme = "http"
    version = SERVER_VERSION
    debug = False
    display_banner = True
    base = "http://stdio"

    def __init__(self, encoding: str = "utf-8", channel: str = "web") -> None:
        super().__init__(channel=channel)
        channel = self.channel
        self.http = HTTP(encoding, channel, self)
        self.server = _Stdio(channel)
        self.http.attach(self.server)
        self.server.register(self)
        self.http.register(self)
        Dispatcher(channel=channel).register(self)


def _split_address(bind: str) -> tuple[str, int]:
    host, _, port = bind.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not port.isascii() or not port.isdigit():
        raise ValueError(f"bind must be host:port, [host]:port or a path, not {bind!r}")
    return host or "0.0.0.0", int(port)
