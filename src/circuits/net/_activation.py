"""Sockets that somebody else has opened: systemd passes them on to the services it starts."""

from __future__ import annotations

import os
import socket

__all__ = ["inherited_sockets"]

#: Where the descriptors begin; fixed by the protocol (sd_listen_fds(3)).
_FIRST = 3


def inherited_sockets(*, keep_environment: bool = False) -> list[tuple[str, socket.socket]]:
    """The sockets that systemd, or whoever speaks its protocol, has opened for this process.

    Pass one to a server as ``bind``. Each is handed out once, since its number is what owns it.

    Args:
        keep_environment: Leave the variables ``LISTEN_*`` for others to read.

    Returns:
        Pairs of a name, ``"unknown"`` if it has none, and a socket; empty if there are none.
        Descriptors that are no sockets are left alone.

    .. versionadded:: 2.1
    """
    numbers = _numbers()
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    if not keep_environment:
        for variable in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
            os.environ.pop(variable, None)
    found = []
    for index, number in enumerate(numbers):
        name = names[index] if index < len(names) and names[index] else "unknown"
        os.set_inheritable(number, False)  # not for the children of this process
        try:
            found.append((name, socket.socket(fileno=number)))
        except OSError:
            continue  # a pipe or a file
    return found


def _numbers() -> range:
    """The descriptors that are meant for this process, and not for one that it comes from."""
    pid, count = os.environ.get("LISTEN_PID", ""), os.environ.get("LISTEN_FDS", "")
    if not (pid.isdigit() and int(pid) == os.getpid() and count.isdigit()):
        return range(0)
    return range(_FIRST, _FIRST + int(count))
