"""Sockets that are bound: what they are given, where they are, and when they are watched."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from circuits.core._held import close

from . import _address, _outside
from ._connection import shut
from ._endpoint import BUFSIZE, Endpoint
from .events import Ready

if TYPE_CHECKING:
    import ssl

__all__ = ["BACKLOG", "Listener"]

#: How many connections the system keeps for a server that has not accepted them yet.
BACKLOG = 5000


class Listener(Endpoint):
    """A socket with an address of its own, to which peers come.

    The options are those of :class:`~circuits.net.sockets.TCPServer` and ``UNIXServer``.

    It is bound when the constructor returns, and watched when the tree has a poller, and the handlers
    of ``started`` have ended.
    """

    channel = "server"
    socket_options: Iterable[tuple[int, int, int | bytes]] = ()

    _tells_sock = True
    _takes_mode = False  # whether what is bound is a file

    def __init__(
        self,
        bind: Any,
        secure: bool = False,
        backlog: int = BACKLOG,
        bufsize: int = BUFSIZE,
        channel: Any = "server",
        **kwargs: Any,
    ) -> None:
        super().__init__(channel=channel)
        self._take_options(bufsize, kwargs)
        self._reuse_port = bool(kwargs.pop("reuse_port", False))
        self._mode = kwargs.pop("mode", None) if self._takes_mode else None
        if self._mode is not None and (
            not isinstance(self._mode, int) or not 0 <= self._mode <= 0o7777
        ):
            raise ValueError(f"mode must be a number such as 0o660, not {self._mode!r}")
        self._removes = bool(kwargs.pop("remove", False)) if self._takes_mode else False
        self.socket_options = list(kwargs.pop("socket_options", self.socket_options))
        self._is_early = False  # the handlers of ``started`` have not ended
        self._take_tls(secure, kwargs)
        if kwargs:
            raise TypeError(f"{type(self).__name__}() has no option {', '.join(sorted(kwargs))}")
        self._backlog = backlog
        # A socket with its address, and with host and port, which applications ask at each request.
        self._named: tuple[Any, Any, tuple[Any, int | None]] = (None, None, (None, None))
        self._take_bind(bind)

    def _refuse_port(self, secure: Any) -> None:
        """Refuse a port in the place of ``secure``: an address is one argument."""
        if type(secure) is int:
            raise TypeError(
                f"{type(self).__name__} takes one address: write "
                f"{type(self).__name__}((host, {secure}))"
            )

    def _take_tls(self, secure: Any, kwargs: dict[str, Any]) -> None:
        self._refuse_port(secure)
        context = kwargs.pop("context", None)
        if hasattr(secure, "wrap_bio"):
            context = secure
        self.secure = bool(secure)
        self.certfile = kwargs.pop("certfile", None)
        self.keyfile = kwargs.pop("keyfile", None)
        self.cert_reqs = kwargs.pop("cert_reqs", 0)  # CERT_NONE
        self.ssl_version = kwargs.pop("ssl_version", None)
        self.ca_certs = kwargs.pop("ca_certs", None)
        self._wants_alpn = bool(kwargs.pop("require_alpn", False))
        alpn_protocols = kwargs.pop("alpn_protocols", None)
        if context is None and self.certfile is not None:
            from ._tls_contexts import server_context

            context = server_context(
                certfile=self.certfile,
                keyfile=self.keyfile,
                cert_reqs=self.cert_reqs,
                ssl_version=self.ssl_version,
                ca_certs=self.ca_certs,
                alpn_protocols=alpn_protocols,
            )
        if context is None and secure:
            name = type(self).__name__
            raise RuntimeError(f"{name}(secure=True) needs a certfile, or a context of ssl")
        self._context: ssl.SSLContext | None = context
        if context is not None:
            from . import _tls  # noqa: F401 - before there may be no descriptor left to load it

    def _bind_and_listen(self, sock: Any, options: Iterable[tuple[int, int, Any]] = ()) -> Any:
        """Set the options of a new socket, those of the caller last, bind it, and listen."""
        is_stream = self.socket_type != socket.SOCK_DGRAM
        try:
            sock.setblocking(False)
            for option in (*options, *self.socket_options):
                sock.setsockopt(*option)
            if is_stream or self._bind is not None:
                sock.bind(self._bind)
            if self._mode is not None and _outside.has_paths:
                os.chmod(self._bind, self._mode)  # nobody can connect before it listens
            if is_stream:
                sock.listen(self._backlog)
        except BaseException as problem:
            sock.close()
            _address.named(problem, self._bind)
            raise
        return sock

    def _internet_socket(self, *options: tuple[int, int, Any]) -> Any:
        ours = [(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)]
        if self._reuse_port:
            ours.append((socket.SOL_SOCKET, socket.SO_REUSEPORT, 1))
        sock = _outside.open_socket(self.socket_family, self.socket_type, self.socket_protocol)
        return self._bind_and_listen(sock, (*ours, *options))

    def duplicate_listener(self) -> socket.socket:
        """A copy of the listening socket, for the ``bind`` of another server or process.

        .. versionadded:: 2.1
        """
        return self._sock.dup()  # type: ignore[no-any-return]

    def reload_certificates(self) -> None:
        """Read ``certfile`` and ``keyfile`` again, for the handshakes that begin from now on.

        Raises:
            OSError: They cannot be read, or do not match; the ones before are still used.

        .. versionadded:: 2.1
        """
        if self._context is not None and self.certfile is not None:
            import ssl

            trial = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            trial.load_cert_chain(self.certfile, self.keyfile)  # it fails half-way
            self._context.load_cert_chain(self.certfile, self.keyfile)

    # -- what it is --

    def _address(self) -> Any:
        sock = self._sock
        if sock is None:
            return None
        if sock is not self._named[0]:
            try:
                address = sock.getsockname()
            except OSError:
                return None
            pair = address[:2] if isinstance(address, tuple) else (address, None)
            self._named = sock, address, pair
        return self._named[1]

    def bound(self) -> tuple[Any, int | None]:
        """:attr:`host` and :attr:`port`, at once."""
        named = self._named
        if named[0] is self._sock:
            return named[2]
        return (None, None) if self._address() is None else self._named[2]

    @property
    def host(self) -> Any:
        """The address that is bound, or the path; ``None`` when closed."""
        address = self._address()
        return address[0] if isinstance(address, tuple) else address

    @property
    def port(self) -> int | None:
        """The port that is bound; ``None`` when closed, and for a UNIX socket."""
        address = self._address()
        return address[1] if isinstance(address, tuple) else None

    # -- being watched --

    def _watch_listener(self) -> None:
        sock = self._sock
        if sock is None or self._poller is None:
            return
        try:
            self._poller.addReader(self, sock)
        except (OSError, ValueError) as problem:  # such as Select, and a number it cannot watch
            self._tell_error(sock, problem)
            self._abort()

    def _is_holding_off(self) -> bool:
        """Whether nobody may come in now."""
        return self._is_early

    def _join_poller(self, poller: Any) -> None:
        session = self._tree_engine.loop.session
        if session is not None and session.starting.defer(self._start_is_over):
            self._is_early = True
        if not self._is_holding_off():
            self._watch_listener()
        super()._join_poller(poller)

    def _start_is_over(self) -> None:
        """The handlers of ``started`` have ended: those who have connected meanwhile are let in."""
        self._is_early = False
        if self._poller is not None and self._sock is not None:
            self._watch_listener()
            self._poller_found()

    def _leave_poller(self, poller: Any) -> None:
        if self._sock is not None:
            poller.discard(self._sock)
        super()._leave_poller(poller)

    def _poller_found(self) -> None:
        if not self._is_early:
            self.fire(Ready(self, (self.host, self.port)))

    def _close_listener(self) -> None:
        sock, self._sock = self._sock, None
        if sock is not None:
            if self._poller is not None:
                self._poller.discard(sock)
            # What somebody else has made, others may go on listening at.
            close(sock) if self._is_given else shut(sock)

    def _listener_writable(self) -> None:
        """More can be sent by the socket of the server itself."""

    def _listener_hung_up(self) -> None:
        """Something is wrong with the socket of the server itself."""
