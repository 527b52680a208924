"""A door for people on the same machine who want to look into a running application.

The component listens on a UNIX socket that only its own user may open. Who connects sends one
line of JSON that says what it wants to see, and gets lines of JSON until it leaves: see
:class:`Attach`. The programs ``circuits sniff`` and ``circuits inspect`` do so.
"""

from __future__ import annotations

import json
import os
import stat
import tempfile
from typing import TYPE_CHECKING, Any, Final

from circuits.core.components import BaseComponent
from circuits.core.handlers import handler
from circuits.core.inspection import Inspection
from circuits.net.sockets import Close, UNIXServer

if TYPE_CHECKING:
    from circuits.core._clock import Appointment
    from circuits.core._engine import Engine

__all__ = ["Attach", "socket_folder", "socket_path"]

#: How long the line may be that a client begins with.
_REQUEST_BYTES: Final = 64 * 1024
#: How long it has to send it, in seconds, and how many may look at a time.
_REQUEST_SECONDS: Final = 10.0
_CLIENTS: Final = 16

#: How often there is news, in seconds, at most and at least.
_FASTEST, _SLOWEST = 0.1, 60.0


def socket_folder() -> str:
    """Where the sockets of this user's processes are: ``$XDG_RUNTIME_DIR/circuits``, or a folder in
    that for temporary files.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime:
        return os.path.join(runtime, "circuits")
    return os.path.join(tempfile.gettempdir(), f"circuits-{os.getuid()}")


def socket_path(pid: int | None = None) -> str:
    """The path of the socket of a process, by default of this one."""
    return os.path.join(socket_folder(), f"{os.getpid() if pid is None else pid}.sock")


def _make_folder(folder: str) -> None:
    """Make the folder for sockets, or see that it is ours and nobody else's.

    Raises:
        PermissionError: Somebody else has made it, or may write there.
    """
    os.makedirs(folder, mode=0o700, exist_ok=True)
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise PermissionError(
            f"{folder} must be a folder that only its user, {os.getuid()}, can write to"
        )


class _Client:
    """Who looks: one connection, with what it has asked for.

    Args:
        attach: The component.
        sock: The socket.

    Attributes:
        is_slow: Whether it does not keep up.
    """

    def __init__(self, attach: Attach, sock: Any) -> None:
        self._attach = attach
        self._sock = sock
        self._line = b""
        self._inspection: Inspection | None = None
        self._seconds = 1.0
        schedule = attach._tree_engine.schedule
        self._appointment: Appointment = schedule.call_in(_REQUEST_SECONDS, self._be_late)
        self._wants_state = True
        self.is_slow = False

    def _be_late(self) -> None:
        self.refuse(f"nothing was asked for in {_REQUEST_SECONDS:g} seconds")

    def receive(self, data: bytes) -> None:
        """The first line says what is wanted; what follows is ignored."""
        if self._inspection is not None:
            return
        self._line += data
        line, end, _ = self._line.partition(b"\n")
        if end:
            self._begin(line)
        elif len(line) > _REQUEST_BYTES:
            self.refuse(f"the request is longer than {_REQUEST_BYTES} bytes")

    def _begin(self, line: bytes) -> None:
        try:
            asked = json.loads(line)
            self._inspection = self._inspection_for(asked)
        except (ValueError, TypeError, RecursionError) as problem:
            self.refuse(str(problem))
            return
        self._line = b""
        self._appointment.cancel()
        self._inspection.open(self._attach)
        self._inspection.errors.extend(self._attach._errors.errors)
        self._send(self._inspection.greeting())
        self._inspection.has_changed()  # which is told
        self._go_on()

    def _inspection_for(self, asked: Any) -> Inspection:
        if not isinstance(asked, dict):
            raise TypeError("a request is a JSON object")
        lists = {}
        for key in ("names", "channels", "components"):
            given = asked.get(key, [])
            if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
                raise TypeError(f"{key} is a list of texts")
            lists[key] = given
        limit = asked.get("limit", 200)
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int)):
            raise TypeError("limit is a number, or null")
        seconds = asked.get("seconds", 1.0)
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds != seconds:
            raise TypeError("seconds is a number")
        self._seconds = float(min(max(seconds, _FASTEST), _SLOWEST))  # one of JSON may be too large
        self._wants_state = bool(asked.get("state", True))
        payloads = self._attach.payloads and bool(asked.get("payloads", True))
        hidden = [self._attach.channel]
        return Inspection(limit, payloads=payloads, hidden=hidden, **lists)

    def refuse(self, reason: str) -> None:
        """Tell why, and hang up."""
        self.end()
        self._attach._clients.pop(self._sock, None)  # what it sends now is not for anybody
        self._send([{"type": "refused", "reason": reason}])
        self._attach.fire(Close(self._sock), self._attach.server)

    def _go_on(self) -> None:
        schedule = self._attach._tree_engine.schedule
        self._appointment = schedule.call_in(self._seconds, self._tell)

    def _tell(self) -> None:
        inspection = self._inspection
        if inspection is None:
            return
        inspection.open(self._attach)  # again, if the tree has become part of another one
        if not self.is_slow:  # one that is gets it later, as far as it is kept
            news = inspection.news() if self._wants_state else [inspection.collect()]
            self._send(news)
        self._go_on()

    def _send(self, messages: list[dict[str, Any]]) -> None:
        lines = "".join(f"{json.dumps(message)}\n" for message in messages)
        self._attach.server.write(self._sock, lines.encode())

    def end(self) -> None:
        """It has gone."""
        self._appointment.cancel()
        if self._inspection is not None:
            self._inspection.leave()
            self._inspection = None


class Attach(BaseComponent):
    """Lets ``circuits sniff`` and ``circuits inspect`` look into the application.

    While nobody is connected it costs nothing. The first line of a client is a JSON object; all members
    may be missing: ``names``, ``channels`` and ``components``, lists of patterns that choose which events
    are traced; ``limit``, how many a second at most (200; null is all); ``seconds``, how often
    there is news (1); ``payloads``, whether arguments are shown; ``state``, whether the tree, what
    is waited for and connections are told. The answers are the objects of
    :meth:`circuits.core.inspection.Inspection.greeting` and
    :meth:`~circuits.core.inspection.Inspection.news`, one a line.

    A client that does not keep up gets what is kept for it, which has a limit, and is told how
    much was dropped.

    Args:
        path: Of the socket; by default :func:`socket_path`. Its mode is 0600.
        payloads: Whether anybody may see the arguments of events, which may hold secrets.
        channel: Channel of the component.

    Raises:
        OSError: The socket cannot be made there.

    .. versionadded:: 2.1
    """

    channel = "attach"

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        payloads: bool = True,
        channel: Any = "attach",
    ) -> None:
        super().__init__(channel=channel)
        if path is None:
            path = socket_path()
            _make_folder(os.path.dirname(path))
        self.path = os.fspath(path)
        self.payloads = payloads
        self._clients: dict[Any, _Client] = {}
        self._errors = Inspection()
        self.server = UNIXServer(self.path, mode=0o600, remove=True, channel=channel).register(self)

    def _tree_joined(self) -> None:
        self._errors.watch(self)

    def _tree_left(self, engine: Engine) -> None:
        self._errors.leave()
        for client in self._clients.values():
            client.end()
        self._clients.clear()

    @handler("connect")
    def _on_connect(self, sock: Any, *peer: Any) -> None:
        client = _Client(self, sock)
        if len(self._clients) >= _CLIENTS:
            client.refuse(f"{_CLIENTS} others are looking already")
        else:
            self._clients[sock] = client

    @handler("read")
    def _on_read(self, sock: Any, data: bytes) -> None:
        client = self._clients.get(sock)
        if client is not None:
            client.receive(data)

    @handler("pause", "resume")
    def _on_congestion(self, event: Any, sock: Any) -> None:
        client = self._clients.get(sock)
        if client is not None:
            client.is_slow = event.name == "pause"

    @handler("disconnect")
    def _on_disconnect(self, sock: Any) -> None:
        client = self._clients.pop(sock, None)
        if client is not None:
            client.end()
