"""A client of brokers that speak STOMP, under the paths of the 3.x line.

.. versionadded:: 2.1
"""

from __future__ import annotations

from . import client
from .client import *  # noqa: F403 - documented names

__all__ = client.__all__
