"""The client's side of HTTP, under the path of the 3.x line.

.. versionadded:: 2.1
"""

from __future__ import annotations

from circuits.net.protocols.http import (
    HTTP,
    RemoteProtocolError,
    Request,
    Response,
    ResponseHeaders,
    ResponseObject,
)

request = Request
response = Response

__all__ = [
    "HTTP",
    "RemoteProtocolError",
    "Request",
    "Response",
    "ResponseHeaders",
    "ResponseObject",
    "request",
    "response",
]
