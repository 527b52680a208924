"""The client's side of HTTP, under the path of the 3.x line.

.. versionadded:: 2.1
"""

from __future__ import annotations

from circuits.net.protocols import http
from circuits.net.protocols.http import *  # noqa: F403 - documented names

request = http.Request
response = http.Response

__all__ = ["request", "response"]
__all__ += http.__all__
