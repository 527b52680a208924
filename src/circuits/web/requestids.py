"""Ids of requests: one for each, from the proxy to the log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from circuits.core.components import BaseComponent
from circuits.core.handlers import handler

from ._at_hand import at_hand
from ._networks import Networks
from ._proxies import is_request_id
from .headers import check_value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .wrappers import Request, Response

__all__ = ["RequestIDFilter", "RequestIDs"]


class RequestIDs(BaseComponent):
    """Tells the id of each request, ``request.id``, in the response.

    Without this component, that of a request is told whose id somebody knows: a trusted proxy of the
    server gave it, or it was looked at before the response went out.

    Handles ``request`` before everybody else (priority 40) and ``response`` (priority 0.02).

    Args:
        trusted_proxies: Addresses and networks of the proxies whose ``X-Request-ID`` is taken
            over, and ``"unix"`` for those that come over a UNIX socket. All others get a new id,
            of 128 random bits.
        header: The header.
        **kwargs: For the component, such as ``channel``.

    Raises:
        TypeError, ValueError: ``trusted_proxies`` holds something else.

    .. versionadded:: 2.1
    """

    channel = "web"

    def __init__(
        self, trusted_proxies: Iterable[str] = (), *, header: str = "X-Request-ID", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._trusted = Networks(trusted_proxies, "trusted_proxies")
        self._header = check_value(header)

    @handler("request", priority=40, filter=True)
    def _on_request(self, request: Request, response: Response, *peer_cert: Any) -> None:
        given = request.headers[self._header]
        if given is not None and is_request_id(given) and self._trusted.has(request.remote.ip):
            request.id = given

    @handler("response", priority=0.02, filter=True)
    def _on_response(self, response: Response) -> None:
        response.headers[self._header] = response.request.id


class RequestIDFilter(logging.Filter):
    """Gives log records a ``request_id``: of the request that an exposed method answers, or ``-``.

    The record of a failure has that of the request which has failed.

    ::

        handler.addFilter(RequestIDFilter())
        handler.setFormatter(logging.Formatter("%(request_id)s %(message)s"))

    .. versionadded:: 2.1
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the attribute; every record passes."""
        failure = getattr(record, "circuits_failure", None)
        request = None if failure is None else failure.request
        if request is None:
            current = at_hand.get(None)
            request = None if current is None else current[0]
        record.request_id = "-" if request is None else request.id
        return True
