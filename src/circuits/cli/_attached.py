"""What ``sniff`` and ``inspect`` share: finding a process that can be looked into."""

from __future__ import annotations

import argparse
import os
import socket
import stat
from typing import TYPE_CHECKING

from circuits.app.attach import socket_folder, socket_path
from circuits.core.errors import CircuitsError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["NotThereError", "add_target", "find", "open_socket", "printable"]


class NotThereError(CircuitsError):
    """There is no process to look into, or more than one."""


def add_target(parser: argparse.ArgumentParser) -> None:
    """Let a parser take which process to look into."""
    parser.add_argument(
        "target",
        nargs="?",
        metavar="PID|PATH",
        help="the process, or the path of its socket (default: the one of this user that there is)",
    )


def find(target: str | None) -> str:
    """The path of the socket of a process.

    Raises:
        NotThereError: It cannot be told.
    """
    if target is not None:
        if not (target.isascii() and target.isdigit()):
            return target
        path = socket_path(int(target))
        if not os.path.exists(path):
            raise NotThereError(
                f"process {target} has no socket {path}: is circuits.app.Attach registered there?"
            )
        return path
    found = sorted(_alive(socket_folder()))
    if not found:
        raise NotThereError(
            f"no process has a socket in {socket_folder()}: register circuits.app.Attach there"
        )
    if len(found) > 1:
        pids = ", ".join(os.path.basename(path).removesuffix(".sock") for path in found)
        raise NotThereError(f"there are several processes, say which one: {pids}")
    return found[0]


def _alive(folder: str) -> Iterator[str]:
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        path = os.path.join(folder, name)
        pid = name.removesuffix(".sock")
        if not (pid.isascii() and pid.isdigit()) or not stat.S_ISSOCK(os.lstat(path).st_mode):
            continue
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:  # one that was killed leaves it behind
            continue
        except OSError:
            pass
        yield path


def open_socket(path: str) -> socket.socket:
    """Connect.

    Raises:
        NotThereError: Nobody listens there, or we may not.
    """
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        found.connect(path)
    except OSError as problem:
        found.close()
        raise NotThereError(f"cannot connect to {path}: {problem.strerror or problem}") from None
    return found


def printable(text: object) -> str:
    """A text in which nothing commands a terminal."""
    return "".join(
        character if character.isprintable() else repr(character)[1:-1] for character in str(text)
    )
