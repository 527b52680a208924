"""Systemd: tells the service manager that the application is ready, and that it lives.

The protocol is that of sd_notify(3): datagrams with lines of text, to the socket that the
environment names. Without that variable nothing is done, so the component may always be there.

.. versionadded:: 2.1
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

from circuits.core.components import BaseComponent
from circuits.core.events import Event, Started, Stopped
from circuits.core.handlers import handler
from circuits.core.timers import Timer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from circuits.core.manager import Manager

__all__ = ["Status", "Systemd", "Watchdog", "watchdog_seconds"]


class Status(Event):
    """Show a line of text about the application in the service manager.

    Fired by anyone, on the channel of the :class:`Systemd`.

    Args:
        text: The line.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)


class Watchdog(Event):
    """Tell the service manager that the loop turns.

    Fired by a :class:`Systemd` on its own channel, twice as often as is asked for. A handler
    that comes first and stops the event, since something is wrong, has the service restarted.
    """

    def __init__(self) -> None:
        super().__init__()


class Systemd(BaseComponent):
    """Tells systemd what the application does.

    It says that the service is ready when all handlers of ``started`` have been called (or when
    it joins an application that runs), that it stops, and, as often as the environment asks for
    it, that the loop still turns.

    Handles ``started``, ``registered``, ``stopped``, ``status`` and ``watchdog``.

    Args:
        channel: Channel of the component.
        environ: The environment; that of the process by default.

    Attributes:
        address: Where the service manager listens, or ``None``.
    """

    channel = "systemd"

    def __init__(self, channel: Any = "systemd", environ: Mapping[str, str] | None = None) -> None:
        super().__init__(channel=channel)
        self._environ = os.environ if environ is None else environ
        self.address = self._environ.get("NOTIFY_SOCKET") or None
        self._timer: Timer | None = None

    def notify(self, *lines: str) -> None:
        """Send lines such as ``READY=1``; nothing without a service manager.

        Raises:
            OSError: It does not listen.
            ValueError: The address is of a kind that we do not know, or a line is not one line.
        """
        if self.address is None:
            return
        if any("\n" in line for line in lines):
            raise ValueError(f"a line must not contain a line break: {lines!r}")
        if self.address[0] not in "/@":
            raise ValueError(f"NOTIFY_SOCKET is neither a path nor abstract: {self.address!r}")
        address = self.address.replace("@", "\0", 1) if self.address[0] == "@" else self.address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.sendto("\n".join(lines).encode(), address)

    # Last, so that whatever others do in their handlers has been done.
    @handler("started", channel="*", priority=-100)
    def _on_started(self, event: Event, *args: Any) -> None:
        if isinstance(event, Started):
            self._begin()

    @handler("registered")
    def _on_registered(self, component: Manager, parent: Manager) -> None:
        if component is not self or self._tree_engine.runner is None:
            return
        if not any(isinstance(event, Started) for event in self._tree_engine.queue.events()):
            self._begin()

    def _begin(self) -> None:
        self.notify("READY=1")
        seconds = watchdog_seconds(self._environ)
        if seconds is not None and self._timer is None and self.address is not None:
            self._timer = Timer(seconds / 2, Watchdog(), self.channel, persist=True)
            self._timer.register(self)
            self.fire(Watchdog(), self.channel)

    @handler("stopped", channel="*", priority=100)
    def _on_stopped(self, event: Event, *args: Any) -> None:
        if isinstance(event, Stopped):
            self.notify("STOPPING=1")

    @handler("status")
    def _on_status(self, text: str) -> None:
        self.notify(f"STATUS={text}")

    @handler("watchdog")
    def _on_watchdog(self) -> None:
        self.notify("WATCHDOG=1")


def watchdog_seconds(environ: Mapping[str, str]) -> float | None:
    """How often the service manager wants to hear of this process, or ``None``.

    Raises:
        ValueError: ``WATCHDOG_USEC`` is no number of microseconds.
    """
    text = environ.get("WATCHDOG_USEC")
    if not text or environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    if not (text.isascii() and text.isdigit() and int(text)):
        raise ValueError(f"WATCHDOG_USEC is no number of microseconds: {text!r}")
    return int(text) / 1e6
