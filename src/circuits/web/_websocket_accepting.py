"""The server's side of the handshake of WebSocket: from a request to a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuits._wire.websocket import (
    Deflate,
    HandshakeError,
    check_request,
    choose_subprotocol,
    response_headers,
)

from . import errors
from ._origins import own_authority, parse_origin, parse_origins
from ._websocket import WebSocket
from ._websocket_options import Options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ._websocket_link import Listener
    from .wrappers import Request, Response

__all__ = ["Policy", "accept", "refuse"]


class Policy(Options):
    """Whom a server lets in, and what holds then.

    Args:
        origins: Sites whose scripts may connect, such as ``"https://example.org"``; ``"*"`` is all
            of them, ``None`` the site of the server itself. Others than browsers do not say where
            they come from, and are let in.
        subprotocols: What is spoken here; the client's favourite among them is chosen.
        **options: As for :class:`~circuits.web._websocket_options.Options`.

    Raises:
        ValueError: An origin is none.
    """

    __slots__ = ("_origins", "subprotocols")

    #: With a window of 4 KiB, which keeps most of the effect for a tenth of the memory.
    DEFLATE = Deflate(server_max_window_bits=12, client_max_window_bits=12)

    def __init__(
        self,
        origins: str | Iterable[str] | None = None,
        subprotocols: Iterable[str] = (),
        **options: Any,
    ) -> None:
        super().__init__(**options)
        given = [origins] if isinstance(origins, str) else origins
        if given is not None and "*" in (given := list(given)):
            self._origins: Any = "*"
        else:
            self._origins = None if given is None else parse_origins(given)
        self.subprotocols = (subprotocols,) if isinstance(subprotocols, str) else (*subprotocols,)

    def admits(self, request: Request, origin: str) -> bool:
        """Whether scripts of a site may connect."""
        if self._origins == "*":
            return True
        parsed = parse_origin(origin)
        if parsed is None:
            return False
        if self._origins is not None:
            return parsed in self._origins
        # Not the scheme: a proxy may speak TLS for us.
        return parsed[1:] == own_authority(request, parsed[0])

    def choose(self, offered: Sequence[str]) -> str | None:
        """The subprotocol."""
        return choose_subprotocol(offered, self.subprotocols)


class _Successor:
    """Takes a connection over from HTTP, for a WebSocket."""

    def __init__(self, websocket: WebSocket) -> None:
        self.begin = websocket._begin
        self.receive_data = websocket._receive_data
        self.congested = websocket._congested
        self.stopping = websocket._stopping
        self.broken = websocket._broken
        self.closed = websocket._closed


def accept(
    request: Request,
    response: Response,
    policy: Policy,
    listener: Listener,
    choose: Callable[[Sequence[str]], str | None] | None = None,
) -> Response | errors.HTTPError:
    """Answer a handshake.

    Args:
        request: What should be one.
        response: The response to it.
        policy: Whom to let in.
        listener: Is told of the connection.
        choose: Chooses a subprotocol, or none, of those that are offered.

    Returns:
        What the handler of the request is to return: the response, behind which the WebSocket
        begins, or an error.
    """
    try:
        asked = check_request(request.method, request.protocol, request.headers.items())
        if asked.origin is not None and not policy.admits(request, asked.origin):
            raise HandshakeError(403, "Pages of this origin may not connect.")
        subprotocol = (policy.choose if choose is None else choose)(asked.subprotocols)
        agreement = response_headers(asked, subprotocol, policy.deflate)
    except HandshakeError as problem:
        return refuse(request, response, problem)
    exchange = request._exchange_of(response)
    if exchange is None or not exchange.can_be_taken_over:
        return errors.HTTPError(request, response, 501, description="There is no connection here.")
    websocket = WebSocket(
        request, request.sock, agreement.subprotocol, agreement.deflate, policy, listener
    )
    exchange.take_over(_Successor(websocket))
    response.code = 101
    for name, value in agreement.headers:
        response.headers[name] = value
    return response


def refuse(request: Request, response: Response, problem: HandshakeError) -> errors.HTTPError:
    """What to return for a handshake that is none, or is not wanted."""
    for name, value in problem.headers:
        response.headers[name] = value
    if problem.status == 426:  # who says so says for what (RFC 9110, 15.5.22)
        response.headers["Upgrade"] = "websocket"
        response.headers["Connection"] = "Upgrade, close"
    return errors.HTTPError(request, response, problem.status, description=problem.reason)
