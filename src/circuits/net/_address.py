"""What a ``bind`` parameter may be (manual: circuits.net.sockets)."""

from __future__ import annotations

from typing import Any

__all__ = ["check_port", "split_host_port"]


def check_port(port: object, given: object) -> int:
    """Refuse what is no port number.

    Raises:
        TypeError: It is no integer.
        ValueError: It is not in 0 to 65535.
    """
    if isinstance(port, bool) or not isinstance(port, int):
        raise TypeError(f"a port is an integer, not {port!r} as in {given!r}")
    if not 0 <= port <= 65535:
        raise ValueError(f"a port is in 0 to 65535, not {port!r} as in {given!r}")
    return port


def split_host_port(text: str) -> tuple[str, int]:
    """Take ``host:port`` or ``[address]:port`` apart.

    Raises:
        ValueError: The text is neither.
    """
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"write an IPv6 address in brackets, [address]:port, not {text!r}")
    if not colon or not port.isascii() or not port.isdigit():
        raise ValueError(f"an address is host:port or [address]:port, not {text!r}")
    return host, check_port(int(port), text)


def show_host(address: Any) -> tuple[Any, Any]:
    """Host and port of an address as the kernel gives it; a scope goes into the host."""
    if not isinstance(address, tuple):
        return address, None
    host, port = address[:2]
    if len(address) == 4 and address[3] and "%" not in host:
        host = f"{host}%{address[3]}"
    return host, port
