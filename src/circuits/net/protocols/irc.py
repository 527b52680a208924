"""IRC: commands to lines, and lines to events (manual: circuits.net.protocols.irc).

The names of commands are those of the protocol and belong to two families of events: what is fired
to send something derives from :class:`Command` and is written in capitals, what is fired because
something came derives from :class:`Response`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuits._wire import irc as wire
from circuits._wire._irc_capabilities import Negotiation
from circuits._wire._irc_capabilities import State as _Negotiating
from circuits.core.components import Component
from circuits.core.events import Event
from circuits.core.handlers import handler
from circuits.net.sockets import SocketError, Write

from . import _irc_events as events
from . import _irc_numerics as numerics
from ._irc_events import *  # noqa: F403 - documented names
from ._irc_events import NOTICE, PONG, PRIVMSG, RAW, SENT, Capabilities, Ping, response_to
from ._irc_numerics import *  # noqa: F403 - documented names
from .line import LP

if TYPE_CHECKING:
    from collections.abc import Iterable
else:  # as for the events
    __all__ = ["IRC", "sourceJoin", "sourceSplit", "strip"]
    __all__ += events.__all__
    __all__ += [name for name in vars(numerics) if name.isupper()]

#: Longest line that is taken: a message with all the tags it may have, without CR LF.
MAX_LINE = wire.RECEIVED_TAGS_BYTES + wire.MESSAGE_BYTES - 2


# -- functions ---------------------------------------------------------------------------------


def strip(s: str, color: bool = False) -> str:
    """Drop one leading colon.

    Args:
        s: Text of a message.
        color: Whether to drop the characters 1 and 2, too: delimiters of CTCP, and bold.
    """
    text = s.removeprefix(":")
    return text.replace("\x01", "").replace("\x02", "") if color else text


def sourceJoin(nick: str, ident: str, host: str) -> str:
    """``nick!ident@host``."""
    return wire.join_source(nick, ident, host)


def sourceSplit(source: str) -> tuple[str, str | None, str | None]:
    """Split ``nick!ident@host``; anything else is returned as ``(source, None, None)``."""
    return wire.split_source(source)


# -- the component -----------------------------------------------------------------------------


class IRC(Component):
    """The IRC protocol, on the channel of a socket.

    Handles ``read``, ``line`` and every :class:`Command`; fires ``line``, every :class:`Response`,
    ``write``, and ``socket_error`` once for each message that is not acted upon because it
    contains NUL (:class:`~circuits._wire.irc.RemoteProtocolError`) or is longer than the
    protocol allows. Other lines that it does not understand are ``line`` events only. A PING is
    answered by itself.

    Args:
        *args: For :class:`~circuits.net.protocols.line.LP`, and for ``init``.
        encoding: Of all text, both ways.
        capabilities: IRCv3 capabilities to ask for when the client has connected. The event
            ``capabilities`` tells the result. Without any, the server is not asked.

            .. versionadded:: 2.1
        **kwargs: As ``*args``: ``channel``, ``max_line`` and so on.

    Attributes:
        capabilities: The names of those that are enabled.
    """

    _fires_by_name = True  # what others send

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # A handler that is defined again usually joins the inherited one; but who overrides this
        # is asked to call it, and then each line would be handled twice.
        own = cls.__dict__.get("line")
        if own is not None and not hasattr(own, "handler"):
            handler("line", override=True)(own)

    def __init__(
        self,
        *args: Any,
        encoding: str = "utf-8",
        capabilities: Iterable[str] = (),
        **kwargs: Any,
    ) -> None:
        self.encoding = encoding
        self._negotiation = Negotiation(capabilities)
        super().__init__(*args, **kwargs)
        options = {"max_line": MAX_LINE, **kwargs, "channel": self.channel}
        LP(*args, encoding=encoding, **options).register(self)

    @property
    def capabilities(self) -> frozenset[str]:
        """The names of the capabilities that are enabled."""
        return frozenset(self._negotiation.enabled)

    # -- incoming --

    def line(self, line: Any, *rest: Any) -> None:
        """Make the event of a line: ``line(line)`` or ``line(sock, line)``.

        A subclass that overrides this must call it. Other components may handle ``line`` as
        well, for what is not known here.
        """
        *sock, line = (line, *rest)
        try:
            wire.check_line(line, self.encoding)
        except wire.RemoteProtocolError as problem:
            self.fire(SocketError(*sock, problem))
            return
        parts = wire.split_parts(line)
        response = response_to(parts)
        if response is None:
            return
        if parts.tags:
            response.tags = wire.parse_tags(parts.tags)
        if sock:
            response.args[:0] = sock
        self.fire(response)
        if not sock and self._negotiation.wanted:
            params = tuple(wire.split_params(parts.rest))
            self._negotiate(wire.Message(parts.command, params, parts.source))

    @handler("ping")
    def _on_ping(self, event: Event, *args: Any) -> None:
        if not isinstance(event, Ping):
            return  # many things are called ping
        *sock, text = args
        if sock:
            answer = wire.format_command("PONG", trailing=text)
            self.fire(Write(*sock, wire.encode_line(answer, self.encoding)))
        else:
            self.fire(PONG(text))
        event.stop()

    @handler("connected", priority=1)
    def _on_connected(self, *args: Any) -> None:
        """Ask for capabilities before anybody tells the server who we are."""
        if self._negotiation.wanted:
            self._send(self._negotiation.begin())

    def _negotiate(self, message: wire.Message) -> None:
        negotiation = self._negotiation
        before = (negotiation.state, self.capabilities)
        self._send(negotiation.receive(message))
        if (
            negotiation.state is _Negotiating.DONE
            and (negotiation.state, self.capabilities) != before
        ):
            self.fire(Capabilities(self.capabilities))

    def _send(self, messages: list[wire.Message]) -> None:
        for message in messages:
            self.fire(RAW(wire.format_message(message)))

    # -- outgoing --

    @handler(*SENT)
    def _on_command(self, event: Event, *args: Any, **kwargs: Any) -> None:
        """Fire the line of a command, as its class makes it."""
        words, text = SENT[event.name](*args, **kwargs)
        params = [self._str(word) for word in words if word is not None]
        trailing = None if text is None else self._str(text)
        command = event.name.removeprefix("command_").upper()
        self.fire(RAW(wire.format_command(command, *params, trailing=trailing)))

    def _str(self, value: Any) -> str:
        return value.decode(self.encoding) if isinstance(value, bytes) else str(value)

    @handler("command_raw")
    def _on_raw(self, data: str | bytes) -> None:
        self.fire(Write(wire.encode_line(data, self.encoding)))

    @handler("command_ctcp")
    def _on_ctcp(self, target: str, type: str, message: str = "") -> None:
        self.fire(PRIVMSG(target, wire.format_ctcp(type.upper(), message)))

    @handler("command_ctcpreply")
    def _on_ctcpreply(self, target: str, type: str, message: str = "") -> None:
        self.fire(NOTICE(target, wire.format_ctcp(type.upper(), message)))
