"""DropPrivileges: stop being root as soon as the ports are open (from the 3.x line)."""

from __future__ import annotations

import os
import sys
from typing import Any

from circuits.core.components import BaseComponent
from circuits.core.errors import CircuitsError
from circuits.core.handlers import handler

__all__ = ["DropPrivileges", "PrivilegesError"]


class PrivilegesError(CircuitsError):
    """The process could not become another user."""


def _may_be_root() -> bool:
    """Whether the process is that of root, by its real, its effective or its saved user."""
    if 0 in (os.getuid(), os.geteuid()):
        return True
    return hasattr(os, "getresuid") and os.getresuid()[2] == 0


class DropPrivileges(BaseComponent):
    """Makes a process of root that of another user, once a server listens.

    It waits for the first ``ready(server, bind)`` on any channel, then leaves the tree. If the
    process is not that of root, nothing is changed. If it is, or may become so again by its
    effective or its saved user, as a set-uid program, and cannot become the other user,
    the reason is on standard error and the application ends with status 1: it must not go on as
    root.

    Handles ``ready``.

    Args:
        user: Name of the user.
        group: Name of the group. Where there is no ``nobody``, it is ``nogroup``.
        umask: Which permissions the files of the application do not get.
        channel: Channel of the component.
    """

    channel = "dropprivileges"

    def __init__(
        self,
        user: str = "nobody",
        group: str = "nobody",
        umask: int = 0o077,
        channel: Any = "dropprivileges",
    ) -> None:
        super().__init__(channel=channel)
        self.user = user
        self.group = group
        self.umask = umask

    @handler("ready", channel="*", priority=100)
    def _on_ready(self, server: Any = None, bind: Any = None) -> None:
        # Others say that they are ready, too, but only servers tell an address.
        if server is None or bind is None or self.unregister_pending:
            return
        if hasattr(os, "getuid") and _may_be_root():
            try:
                self.drop()
            except Exception as problem:  # whatever it is: not to go on as root
                sys.stderr.write(f"cannot drop privileges: {problem}\n")
                raise SystemExit(1) from None
        self.unregister()

    def drop(self) -> None:
        """Become the other user, for good.

        Raises:
            PrivilegesError: There is no such user or group, or the system does not allow it.
        """
        import grp  # not on Windows
        import pwd

        try:
            uid = pwd.getpwnam(self.user).pw_uid
        except KeyError:
            raise PrivilegesError(f"there is no user {self.user!r}") from None
        names = [self.group, "nogroup"] if self.group == "nobody" else [self.group]
        for name in names:
            try:
                gid = grp.getgrnam(name).gr_gid
                break
            except KeyError:
                continue
        else:
            raise PrivilegesError(f"there is no group {self.group!r}")
        try:
            if os.geteuid() != 0 and _may_be_root():
                os.seteuid(0)  # or else the saved user would stay
            # In this order: each step takes away what the one before needs.
            os.initgroups(self.user, gid)
            os.setgid(gid)
            os.setuid(uid)
        except OSError as problem:
            raise PrivilegesError(f"cannot become {self.user}: {problem}") from problem
        if uid != 0 and 0 in (os.getuid(), os.geteuid()):  # pragma: no cover - system is broken
            raise PrivilegesError(f"is still root after becoming {self.user}")
        os.umask(self.umask)
