"""The component."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuits._wire import irc as wire
from circuits.core.components import Component
from circuits.core.handlers import handler
from circuits.net.protocols.irc import MAX_LINE
from circuits.net.sockets import SocketError, Write
from circuits.protocols.line import Line

from .commands import PONG
from .events import response
from .utils import parsemsg

if TYPE_CHECKING:
    from .message import Message

__all__ = ["IRC"]

#: Events that mean something to the framework. A peer chooses the names of commands, and must not
#: choose one of these. (Names with an underscore are no commands.)
_RESERVED = frozenset(
    {
        "broadcast", "call", "close", "closed", "complete", "connect", "connected",
        "disconnect", "disconnected", "done", "draining", "eof", "error", "exception",
        "failure", "ipc", "line", "numeric", "open", "opened", "pause", "read", "ready",
        "registered", "remote", "reply", "request", "response", "resume", "signal",
        "started", "starttls", "stop", "stopped", "success", "unknown", "unreachable",
        "unregister", "unregistered", "wait", "write",
    }
)  # fmt: skip


class IRC(Component):
    """The IRC protocol, on the channel of a socket.

    Handles ``read``, ``line`` and ``request``; fires ``line``, ``write`` and, for each message,
    an event named after its command in lower case, with ``(nick, user, host)`` and the
    parameters: ``privmsg``, ``join``, ``mode``. Replies come as ``numeric`` with the number
    after the source. On a server the socket comes first. A PING to a client is answered.

    Commands that have the name of an event of the framework are prefixed: ``ERROR`` is the event
    ``irc_error``. A message with NUL, or longer than allowed, makes one ``socket_error``
    instead; a line without a command makes nothing but ``line``.

    Args:
        *args: For ``init``.
        encoding: Of all text that comes.
        **kwargs: For :class:`~circuits.protocols.line.Line`.
    """

    _fires_by_name = True  # what others send

    def __init__(self, *args: Any, encoding: str = "utf-8", **kwargs: Any) -> None:
        self.encoding = encoding
        super().__init__(*args, **kwargs)
        Line(*args, **{"max_line": MAX_LINE, **kwargs, "channel": self.channel}).register(self)

    @handler("line")
    def _on_line(self, *args: Any) -> None:
        *sock, data = args
        text = data.decode(self.encoding, "replace")
        try:
            wire.check_line(text, self.encoding)
        except wire.RemoteProtocolError as problem:
            self.fire(SocketError(*sock, problem))
            return
        prefix, command, params = parsemsg(data, self.encoding)
        if command is None or not (command.isascii() and command.isalnum()):
            return
        tags = wire.parse_tags(wire.split_parts(text).tags)
        if command.isdigit():
            numeric = response.create("numeric", *sock, prefix, int(command), *params)
            numeric.tags = tags
            self.fire(numeric)
            return
        if not command.isalpha():
            return
        name = command.lower()
        if name == "ping" and params and not sock:
            self.fire(PONG(params[0]))
        event = response.create(
            f"irc_{name}" if name in _RESERVED else name, *sock, prefix, *params
        )
        event.tags = tags
        self.fire(event)

    @handler("request")
    def _on_request(self, message: Message) -> None:
        self.fire(Write(bytes(message)))
