"""An internet address, as requests have two: their peer's, and where they came in."""

from __future__ import annotations

from typing import Any

__all__ = ["Host", "host_of"]


class Host:
    """An internet address.

    Args:
        ip: The address; ``None`` where there is none, as for a UNIX socket.
        port: The port.
        name: Name of the host; by default the address.
    """

    ip: str | None = "0.0.0.0"
    port: int | None = 80
    name: str | None = "unknown.tld"

    def __init__(self, ip: str | None, port: int | None, name: str | None = None) -> None:
        self.ip = ip
        self.port = port
        self.name = ip if name is None else name

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Host):
            return NotImplemented
        return (self.ip, self.port, self.name) == (other.ip, other.port, other.name)

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"Host({self.ip!r}, {self.port!r}, {self.name!r})"


def host_of(name: Any) -> Host:
    """The host of what ``getpeername`` or ``getsockname`` gave."""
    if isinstance(name, tuple) and len(name) >= 2:
        return Host(name[0], name[1])
    return Host(None, None)
