"""What the network is made of, as far as it is not ours: sockets, look-ups, files of sockets.

A recording gets its sockets from here, and a replay puts its own in their place. So whoever needs
one asks here, each time anew: ``_outside.open_socket(...)``.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

__all__ = ["install"]


def _open_socket(*args: Any) -> Any:
    return socket.socket(*args)  # looked up each time, since programs replace that, too


#: Makes a socket, as ``socket.socket`` does.
open_socket: Callable[..., Any] = _open_socket

#: Sees to a look-up, with what :func:`circuits.net._lookup.look_up` is given; ``None``: by a thread.
look_up: Callable[[Any, Any, Callable[[], list[Any]]], None] | None = None


def _wrap_tls(sock: Any, context: Any, *buffers: Any, **options: Any) -> Any:
    return context.wrap_bio(*buffers, **options)


#: Gives what encrypts a socket, as ``SSLContext.wrap_bio`` does.
wrap_tls: Callable[..., Any] = _wrap_tls

#: Whether files may be sent by the kernel, past whatever stands in the place of a socket.
sends_files = True

#: Whether paths of sockets are paths: in a replay, they are only names.
has_paths = True


def install(**doors: Any) -> dict[str, Any]:
    """Replace some of these, for the whole process.

    Returns:
        What was there before, to be installed again.
    """
    known = globals()
    before = {name: known[name] for name in doors}
    known.update(doors)
    return before
