"""Where to bind: what the parameter ``bind`` of sockets may be."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

__all__ = ["for_events", "ipv4_host", "ipv6_host", "is_numeric", "named", "parse"]


def parse(
    bind: Any,
    local_address: Callable[[int], str],
    anywhere: str,
    host_of: Callable[[str, Any], str],
) -> Any:
    """Turn a bind parameter into an address.

    Args:
        bind: A port, ``"host:port"``, a pair of both, or ``None``. A socket is returned as is.
        local_address: Finds the host to use when only a port is given.
        anywhere: What is used where that raises ``OSError``: every interface.
        host_of: Checks the host of a text, and takes off what belongs to the text alone.

    Raises:
        TypeError: It is none of these.
        ValueError: The text or the port is malformed.
    """
    if bind is None or isinstance(bind, socket.socket) or hasattr(bind, "fileno"):
        return bind
    if isinstance(bind, bool):
        raise TypeError(f"bind must be a port or an address, not {bind!r}")
    if isinstance(bind, int):
        try:
            return (local_address(_port(bind, bind)), bind)
        except OSError:
            return (anywhere, bind)
    if isinstance(bind, str):
        host, colon, port = bind.rpartition(":")
        return (host_of(host, bind), _port(port, bind)) if colon else bind
    return _pair(bind)


def ipv4_host(host: str, bind: object) -> str:
    """The host of ``"host:port"``."""
    if ":" in host or "[" in host:
        raise ValueError(f"bind must be host:port, and IPv6 needs a class of its own: {bind!r}")
    return host


def ipv6_host(host: str, bind: object) -> str:
    """The host of ``"[address]:port"``, or ``"name:port"``."""
    if host.startswith("[") and host.endswith("]"):
        return host[1:-1]
    if ":" in host or "[" in host or "]" in host:
        raise ValueError(f"bind must be [address]:port, not {bind!r}")
    return host


def _pair(bind: Any) -> Any:
    if isinstance(bind, tuple | list) and len(bind) in (2, 4):
        return (bind[0], _port(bind[1], bind), *bind[2:])
    raise TypeError(f"bind must be a port, text, or a pair of host and port, not {bind!r}")


def _port(port: Any, bind: object) -> int:
    if isinstance(port, str):
        if not (port.isascii() and port.isdigit()):
            raise ValueError(f"bind must end in a port number: {bind!r}")
        port = int(port)
    if isinstance(port, bool) or not isinstance(port, int):
        raise TypeError(f"a port is a number from 0 to 65535: {bind!r}")
    if not 0 <= port <= 65535:
        raise ValueError(f"a port is a number from 0 to 65535: {bind!r}")
    return port


def named(problem: BaseException, address: Any) -> None:
    """Have an error of the system name the address, as it names a file."""
    if not isinstance(problem, OSError) or problem.filename is not None or address is None:
        return
    if isinstance(address, tuple):
        host, port = address[:2]
        address = f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
    if problem.errno is not None:
        problem.filename = address
    elif not str(problem).endswith(repr(address)):  # what has no number shows no file
        problem.args = (f"{problem}: {address!r}",)


def is_numeric(family: int, host: str) -> bool:
    """Whether a host is an address of this family already, so that nothing needs looking up."""
    try:
        socket.inet_pton(family, host)
    except (OSError, TypeError, ValueError):
        return False
    return True


def for_events(address: Any) -> tuple[Any, ...]:
    """The host and the port that events carry for the address of a peer.

    A zone of IPv6 is part of the host; a peer on a UNIX socket has neither.
    """
    if not isinstance(address, tuple):
        return ()
    host, port, *rest = address
    if len(rest) == 2 and rest[1] and "%" not in host:
        try:
            zone = socket.if_indextoname(rest[1])
        except OSError:
            zone = str(rest[1])
        host = f"{host}%{zone}"
    return (host, port)
