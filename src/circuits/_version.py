"""The version of circuits, and its only source: the build reads it from here."""

from __future__ import annotations

__version__ = "2.1.0"
