"""HTTP errors as exceptions, to be raised by request handlers.

::

    HTTPException (500)
        BadRequest, Unauthorized, Forbidden, NotFound, MethodNotAllowed, NotAcceptable,
        RequestTimeout, Gone, LengthRequired, PreconditionFailed, RequestEntityTooLarge,
        RequestURITooLarge, UnsupportedMediaType, UnicodeError
        InternalServerError, NotImplemented, BadGateway, ServiceUnavailable
        Redirect

They are answers to the client, not failures of the framework, so they do not derive from
``CircuitsError``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._status import describe, reason

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "BadGateway",
    "BadRequest",
    "Forbidden",
    "Gone",
    "HTTPException",
    "InternalServerError",
    "LengthRequired",
    "MethodNotAllowed",
    "NotAcceptable",
    "NotFound",
    "NotImplemented",
    "PreconditionFailed",
    "Redirect",
    "RequestEntityTooLarge",
    "RequestTimeout",
    "RequestURITooLarge",
    "ServiceUnavailable",
    "Unauthorized",
    "UnicodeError",
    "UnsupportedMediaType",
]


class HTTPException(Exception):
    """A request ends with this status.

    Args:
        description: What the error page says; plain text, which is escaped. ``None`` takes the
            default of the status.
        traceback: ``False`` keeps the traceback off the page even when debugging; ``None``
            takes the default of the class.

    Attributes:
        code: The status code.
        description: The text for the page; the default one is markup.
        traceback: Whether a traceback may be shown.
        headers: Further response headers, as ``(name, value)`` pairs.
    """

    code: int = 500
    description: str = ""
    traceback: bool = True
    headers: tuple[tuple[str, str], ...] = ()

    def __init__(self, description: str | None = None, traceback: bool | None = None) -> None:
        super().__init__(f"{self.code} {self.name}")
        self.description = description if description is not None else self._default()
        if traceback is not None:
            self.traceback = traceback

    def _default(self) -> str:
        return type(self).description or describe(self.code)

    def _brief(self) -> str | None:
        """How the log tells of it in one line; ``None`` if it is a failure of the program."""
        if self.code >= 500:
            return None
        if self.description in ("", self._default()):
            return str(self)
        text = f"{self}: {self.description}"
        return text if text.isprintable() else repr(text)[1:-1]  # it may quote the client

    @property
    def name(self) -> str:
        """The reason phrase."""
        return reason(self.code)

    def __str__(self) -> str:
        return f"{self.code} {self.name}"


class BadRequest(HTTPException):
    """The client sent something that cannot be understood."""

    code = 400


class MissingField(BadRequest, KeyError):
    """The client left out a field of a form or a parameter that a handler asks for.

    It is a ``KeyError``, too, as the mappings that raise it promise.

    Args:
        name: The field or parameter.

    .. versionadded:: 2.1
    """

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r:.80} is missing.")


class UnicodeError(HTTPException):
    """The client sent text that cannot be decoded."""

    code = 400


class Unauthorized(HTTPException):
    """Credentials are missing or wrong; the response should carry a challenge."""

    code = 401


class Forbidden(HTTPException):
    """The client is known, or need not be, and is not permitted this."""

    code = 403


class NotFound(HTTPException):
    """There is no such resource."""

    code = 404


class MethodNotAllowed(HTTPException):
    """The resource does not support the method.

    Args:
        method: The refused verb, or a list of those allowed; a list becomes the ``Allow`` header.
        description: As for :class:`HTTPException`.
    """

    code = 405

    def __init__(self, method: str | Iterable[str], description: str | None = None) -> None:
        super().__init__(description)
        self.method = method
        if not isinstance(method, str):
            self.method = allowed = list(method)
            self.headers = (("Allow", ", ".join(allowed)),)


class NotAcceptable(HTTPException):
    """Nothing that could be sent is acceptable to the client."""

    code = 406


class RequestTimeout(HTTPException):
    """The request took too long to arrive."""

    code = 408


class Gone(HTTPException):
    """The resource existed and has been removed for good."""

    code = 410


class LengthRequired(HTTPException):
    """The request must state the length of its content."""

    code = 411


class PreconditionFailed(HTTPException):
    """A condition of the request, such as ``If-Match``, does not hold."""

    code = 412


class RequestEntityTooLarge(HTTPException):
    """The content of the request exceeds a limit."""

    code = 413


class RequestURITooLarge(HTTPException):
    """The request target exceeds a limit."""

    code = 414


class UnsupportedMediaType(HTTPException):
    """The content of the request is of a type that cannot be processed."""

    code = 415


class InternalServerError(HTTPException):
    """Something went wrong that is not the client's fault."""

    code = 500


class NotImplemented(HTTPException):
    """The server lacks what the request asks for."""

    code = 501


class BadGateway(HTTPException):
    """A server that this one asked gave no valid answer."""

    code = 502


class ServiceUnavailable(HTTPException):
    """The server cannot answer for now."""

    code = 503


class Redirect(HTTPException):
    """The client shall go elsewhere.

    Args:
        urls: One URL or several; relative ones are relative to the current request.
        status: A redirecting status; ``None`` means 303, or 302 for an HTTP/1.0 client.

    Attributes:
        urls: List of the URLs.
        code: The status; 303 if none was given.
        status: The status as it was given.
    """

    code = 303
    traceback = False

    def __init__(self, urls: str | Iterable[str], status: int | None = None) -> None:
        self.urls = [urls] if isinstance(urls, str) else list(urls)
        self.status = status
        if status is not None:
            if not 300 <= status <= 399:
                raise ValueError(f"status {status} does not redirect; use one of 300 to 399")
            self.code = status
        super().__init__()
