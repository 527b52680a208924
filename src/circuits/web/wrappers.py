"""Requests and responses as objects (manual: circuits.web.wrappers).

Two objects are made for every request, and most of what they offer is not looked at. So defaults
are on the classes, and headers, cookies, peers and bodies are made at the first look. A response
whose headers nobody touched is written from a prepared head (see ``Response._encode``).
"""

from __future__ import annotations

from ._host import Host
from ._request import Request
from ._response import Body, Response
from ._response_body import FileRange, file_generator

__all__ = ["Body", "FileRange", "Host", "Request", "Response", "file_generator"]
