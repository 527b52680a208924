"""Sockets and the protocols that are spoken over them."""

from __future__ import annotations
