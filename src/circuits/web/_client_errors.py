"""What can go wrong for a client.

HTTPException
    NotConnected
    ClientError             a request came to no good
        ConnectError        the server, or the proxy before it, cannot be reached
        ClientTimeout       something took too long
        ProtocolError       the server breaks the rules, or sends too much
        TooManyRedirects
        StatusError         the status is 400 or more, and the caller minds
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from circuits.core.errors import CircuitsError

if TYPE_CHECKING:
    from ._client_response import ClientResponse

__all__ = [
    "ClientError",
    "ClientTimeout",
    "ConnectError",
    "HTTPException",
    "NotConnected",
    "ProtocolError",
    "StatusError",
    "TooManyRedirects",
]


class HTTPException(CircuitsError):
    """A request could not be made."""


class NotConnected(HTTPException):
    """There is no connection."""


class ClientError(HTTPException):
    """A request came to no good. Base of the others.

    .. versionadded:: 2.1
    """


class ConnectError(ClientError):
    """The server cannot be reached, its certificate is not good, or the proxy refuses."""


class ClientTimeout(ClientError, TimeoutError):
    """Something took too long.

    Attributes:
        phase: What did: ``"connect"``, ``"read"``, ``"write"``, ``"pool"`` or ``"total"``, as the
            fields of :class:`~circuits.web.client.Timeout`.
    """

    def __init__(self, message: str, phase: str) -> None:
        super().__init__(message)
        self.phase = phase


class ProtocolError(ClientError):
    """The server broke the rules of HTTP, sent too much, or ended in the middle."""


class TooManyRedirects(ClientError):
    """One redirect led to another, again and again."""


class StatusError(ClientError):
    """A response has a status of 400 or more.

    Attributes:
        response: It.
    """

    def __init__(self, response: ClientResponse) -> None:
        super().__init__(f"{response.status} {response.reason} for {response.url}")
        self.response = response
