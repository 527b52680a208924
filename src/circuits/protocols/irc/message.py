"""Messages to be sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuits._wire import LocalProtocolError as Error
from circuits._wire import irc as wire

from .utils import parsemsg

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Error", "Message"]


class Message:
    """One message, as text with ``str`` and as a line of bytes with ``bytes``.

    Args:
        command: A word, or three digits.
        *args: The parameters, text or bytes; each ``None`` is left out.
        prefix: Who it comes from: text, or ``(nick, user, host)``. ``None`` for clients.
        encoding: Of the bytes.
        add_nick: A note for servers: the nickname of the receiver belongs in front of `args`. An
            empty one, or ``None``, is sent as ``*``: that of a client who has not told any.
        tags: IRCv3 tags.

    Raises:
        Error: A line break, or a space before the last parameter; and from ``bytes``, if it is
            longer than 512 bytes.
    """

    def __init__(
        self,
        command: str | bytes,
        *args: Any,
        prefix: Any = None,
        encoding: str = "utf-8",
        add_nick: bool = False,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        self.encoding = encoding
        self.command = self._str(command)
        self.args = [self._str(arg) for arg in args if arg is not None]
        self.prefix = prefix
        self.add_nick = False  # nobody has added it yet
        self.tags: Mapping[str, str] = {} if tags is None else tags
        self._line()  # tells at once where the mistake is
        self.add_nick = add_nick

    @staticmethod
    def from_string(s: str | bytes, encoding: str = "utf-8") -> Message:
        """Make a message of a line.

        Raises:
            ValueError: There is no command in it, or nothing that could be sent again.
        """
        data = s.encode(encoding) if isinstance(s, str) else s
        prefix, command, args = parsemsg(data, encoding)
        if command is None:
            raise Error(f"no command in {s!r}")
        return Message(command, *args, prefix=prefix if prefix[0] else None, encoding=encoding)

    def _str(self, value: Any) -> str:
        return value.decode(self.encoding) if isinstance(value, bytes) else str(value)

    def _line(self) -> str:
        prefix = self.prefix
        if isinstance(prefix, tuple):
            nick, user, host = prefix
            prefix = nick if user is None else wire.join_source(nick, user, host)
        args = [self._str(arg) for arg in self.args]
        if self.add_nick and len(args) > 1 and not self.args[0]:
            args[0] = "*"
        return wire.format_message(wire.Message(self.command, tuple(args), prefix, self.tags))

    def __str__(self) -> str:
        return self._line()

    def __bytes__(self) -> bytes:
        return wire.encode_line(self._line(), self.encoding)

    def __repr__(self) -> str:
        return repr(self._line())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message):
            return NotImplemented
        return (self.command, self.args, self.prefix, dict(self.tags)) == (
            other.command,
            other.args,
            other.prefix,
            dict(other.tags),
        )

    __hash__ = None  # type: ignore[assignment]  # a message may be changed
