r"""IRC messages: lines of text to messages and back (RFC 1459, RFC 2812, IRCv3 message tags).

    message = parse("@time=12:00 :nick!user@host PRIVMSG #channel :hello there")
    message.command, message.params     # "PRIVMSG", ("#channel", "hello there")
    encode(Message("JOIN", ("#channel",)))      # b"JOIN #channel\r\n"

Lines come from `circuits._wire.line`. Reading is lenient where servers are sloppy: several spaces
separate like one. Writing is strict: nothing that is encoded here can become a second message or
another parameter.

    ProtocolError
        LocalProtocolError      our message has a line break, a misplaced space, is too long ...
        RemoteProtocolError     the peer's line is no message; MessageTooLongError: or too long
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from circuits._wire import LocalProtocolError, ProtocolError

__all__ = [
    "MESSAGE_BYTES",
    "RECEIVED_TAGS_BYTES",
    "SENT_TAGS_BYTES",
    "LocalProtocolError",
    "Message",
    "MessageTooLongError",
    "Parts",
    "RemoteProtocolError",
    "check_line",
    "encode",
    "encode_line",
    "escape_tag",
    "format_command",
    "format_ctcp",
    "format_message",
    "join_source",
    "parse",
    "parse_ctcp",
    "parse_tags",
    "split_params",
    "split_parts",
    "split_source",
    "split_userhost",
    "unescape_tag",
]

#: A message without its tags, but with CR LF (RFC 2812, 2.3).
MESSAGE_BYTES: Final = 512

#: The tags of a message with ``@`` and the space after them: a server may add as much as a client
#: sends (IRCv3 message tags, "Size limit").
RECEIVED_TAGS_BYTES: Final = 8191
SENT_TAGS_BYTES: Final = 4096

_SEVERAL_SPACES: Final = re.compile(" +")
_COMMAND: Final = re.compile(r"[A-Za-z]+|[0-9]{3}")
_TAG_KEY: Final = re.compile(r"\+?(?:[^\s/;=@,\0]+/)?[A-Za-z0-9.-]+")
_NICK_USER_HOST: Final = re.compile(r"(.+)!(.*)@(.*)", re.DOTALL)
_BREAKS: Final = re.compile("[\r\n\0]")
_BROKEN_BYTES: Final = re.compile(rb"[\r\n\0]")
_UNESCAPED: Final = {":": ";", "s": " ", "\\": "\\", "r": "\r", "n": "\n"}
_ESCAPES: Final = str.maketrans({value: "\\" + key for key, value in _UNESCAPED.items()})
_ESCAPE: Final = re.compile(r"\\(.?)", re.DOTALL)


class RemoteProtocolError(ProtocolError):
    """A line that is no message.

    Args:
        reason: What is wrong with it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class MessageTooLongError(RemoteProtocolError):
    """A message that is longer than the protocol allows.

    Args:
        part: What is too long.
        size_bytes: How long it is.
        limit_bytes: How long it may be.
    """

    def __init__(self, part: str, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(f"{part} of {size_bytes} bytes, limit {limit_bytes}")
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes


@dataclass(frozen=True, slots=True)
class Message:
    """One message, received or to be sent.

    Attributes:
        command: A word or three digits, as sent; words are not case-sensitive.
        params: The parameters. Only the last may be empty, begin with a colon or have spaces.
        source: Who it comes from, ``nick!user@host`` or a server; ``None`` when not told.
        tags: IRCv3 tags. A tag without a value has ``""``.
    """

    command: str
    params: tuple[str, ...] = ()
    source: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Parts:
    """A line that is cut into its parts, but not further.

    Attributes:
        tags: Without ``@``, still escaped.
        source: Without its colon; ``None`` when there is none.
        command: As sent, perhaps empty.
        rest: The parameters as sent.
    """

    tags: str
    source: str | None
    command: str
    rest: str


# -- reading -----------------------------------------------------------------------------------


def split_parts(line: str) -> Parts:
    """Cut a line into tags, source, command and the rest; never fails."""
    tags = ""
    source = None
    if line[:1] == "@":
        tags, _, line = line[1:].partition(" ")
        line = line.lstrip(" ")
    if line[:1] == ":":
        source, _, line = line[1:].partition(" ")
    command, _, rest = line.lstrip(" ").partition(" ")
    return Parts(tags, source, command, rest.lstrip(" "))


def split_params(rest: str) -> list[str]:
    """Split what follows the command into parameters."""
    rest, colon, trailing = (" " + rest).partition(" :")
    params = [param for param in _SEVERAL_SPACES.split(rest) if param]
    if colon:
        params.append(trailing)
    return params


def check_line(line: str, encoding: str = "utf-8") -> None:
    """Raise if a line is one that must not be acted upon.

    Args:
        line: Without its end. What could not be decoded may have been replaced with U+FFFD.
        encoding: Of the line, to know its length in bytes.

    Raises:
        MessageTooLongError: It is longer than 512 bytes, tags apart, or its tags than 8191.
        RemoteProtocolError: It contains NUL, or a bare CR or LF.
    """
    if _BREAKS.search(line):
        raise RemoteProtocolError("message contains NUL or a bare CR or LF")
    # A character has four bytes at most, in every encoding that IRC is spoken in.
    if len(line) * 4 <= MESSAGE_BYTES - 2:
        return
    tags, body = "", line
    if line[:1] == "@":
        tags, space, body = line.partition(" ")
        tags += space
        _check_size("tags", tags, encoding, RECEIVED_TAGS_BYTES)
    _check_size("message", body, encoding, MESSAGE_BYTES - 2)


def _check_size(part: str, text: str, encoding: str, limit_bytes: int) -> None:
    # What was replaced has been one byte, however many the replacement would have.
    known = text.replace("\ufffd", "?")
    size = len(known) if known.isascii() else len(known.encode(encoding, "replace"))
    if size > limit_bytes:
        raise MessageTooLongError(part, size, limit_bytes)


def parse(line: str) -> Message:
    """Parse a line without its end.

    Raises:
        RemoteProtocolError: It has no command, is too long, or contains NUL, CR or LF.
    """
    check_line(line)
    parts = split_parts(line)
    if not parts.command:
        raise RemoteProtocolError("a line without a command")
    params = tuple(split_params(parts.rest))
    return Message(parts.command, params, parts.source, parse_tags(parts.tags))


def parse_tags(tags: str) -> dict[str, str]:
    """Parse the tags of a message, without the ``@``; of equal ones the last counts."""
    found = {}
    for tag in tags.split(";"):
        key, _, value = tag.partition("=")
        if key:
            found[key] = unescape_tag(value)
    return found


def unescape_tag(value: str) -> str:
    """Undo `escape_tag`; a backslash before anything else, or at the end, is dropped."""
    if "\\" not in value:
        return value
    return _ESCAPE.sub(lambda match: _UNESCAPED.get(match[1], match[1]), value)


# -- writing -----------------------------------------------------------------------------------


def escape_tag(value: str) -> str:
    """Make a value fit to stand in a tag."""
    return value.translate(_ESCAPES)


def format_message(message: Message) -> str:
    """Write a message as a line without its end.

    Raises:
        LocalProtocolError: Something in it would change what the line means: CR, LF or NUL
            anywhere; a parameter before the last that is empty, begins with a colon or has
            a space; a source with a space; a command or a tag that is no word.
    """
    words = []
    if message.tags:
        words.append("@" + ";".join(_format_tag(*tag) for tag in message.tags.items()))
    if message.source is not None:
        if not message.source or " " in message.source or _BREAKS.search(message.source):
            raise LocalProtocolError(f"a source is one word, not {message.source!r}")
        words.append(":" + message.source)
    if not _COMMAND.fullmatch(message.command):
        raise LocalProtocolError(
            f"a command is a word of letters or three digits, not {message.command!r}"
        )
    *middle, last = message.params or (None,)
    colon = last is not None and (not last or last[0] == ":" or " " in last)
    if colon or last is None:
        words.append(format_command(message.command, *middle, trailing=last))
    else:
        words.append(format_command(message.command, *middle, last))
    return " ".join(words)


def format_command(command: str, *params: str | None, trailing: str | None = None) -> str:
    """Write a command as a line without its end.

    Args:
        command: The word.
        *params: Parameters, each one word.
        trailing: A last parameter that is written with a colon, whatever it is.

    Raises:
        LocalProtocolError: As for `format_message`.
    """
    words = [command]
    for param in params:
        if not param or param[0] == ":" or " " in param:
            raise LocalProtocolError(
                "only the last parameter may be empty, begin with a colon or have spaces: "
                f"{param!r} of {command}"
            )
        words.append(param)
    if trailing is not None:
        words.append(":" + trailing)
    line = " ".join(words)
    if _BREAKS.search(line):
        raise LocalProtocolError(f"CR, LF and NUL cannot be sent: {line!r}")
    return line


def _format_tag(key: str, value: str) -> str:
    if not _TAG_KEY.fullmatch(key):
        raise LocalProtocolError(f"no tag may be called {key!r}")
    return f"{key}={escape_tag(value)}" if value else key


def encode_line(line: str | bytes, encoding: str = "utf-8") -> bytes:
    r"""Make bytes of a whole line, with CR LF.

    Raises:
        LocalProtocolError: It contains CR, LF or NUL, or is longer than 512 bytes, tags apart,
            or its tags than 4096.
        UnicodeEncodeError: It cannot be written in this encoding.
    """
    data = line.encode(encoding) if isinstance(line, str) else bytes(line)
    if _BROKEN_BYTES.search(data):
        raise LocalProtocolError(f"CR, LF and NUL cannot be sent: {line!r}")
    tags_bytes = data.find(b" ") + 1 if data[:1] == b"@" else 0
    if tags_bytes > SENT_TAGS_BYTES:
        raise LocalProtocolError(f"tags of {tags_bytes} bytes, limit {SENT_TAGS_BYTES}")
    size = len(data) + 2 - tags_bytes
    if size > MESSAGE_BYTES:
        raise LocalProtocolError(f"message of {size} bytes, limit {MESSAGE_BYTES}: split the text")
    return data + b"\r\n"


def encode(message: Message, encoding: str = "utf-8") -> bytes:
    """Make the bytes of a message, with CR LF; raises as `format_message` and `encode_line`."""
    return encode_line(format_message(message), encoding)


# -- sources and CTCP --------------------------------------------------------------------------


def join_source(nick: str, user: str, host: str) -> str:
    """``nick!user@host``."""
    return f"{nick}!{user}@{host}"


def split_source(source: str) -> tuple[str, str | None, str | None]:
    """Split ``nick!user@host`` at the last ``!`` before the last ``@``.

    Anything else, such as the name of a server, comes back as it is, with ``None`` twice.
    """
    match = _NICK_USER_HOST.fullmatch(source)
    return (match[1], match[2], match[3]) if match else (source, None, None)


def split_userhost(source: str) -> tuple[str, str, str]:
    """Split ``nick!user@host``, of which user and host may be missing: they are ``""`` then."""
    rest, _, host = source.partition("@")
    nick, _, user = rest.partition("!")
    return nick, user, host


def parse_ctcp(text: str) -> tuple[str, str] | None:
    """The type and the rest of a CTCP message, or ``None`` if the text is none."""
    if text[:1] != "\x01":
        return None
    kind, _, rest = text[1:].removesuffix("\x01").partition(" ")
    return kind, rest


def format_ctcp(kind: str, text: str = "") -> str:
    r"""The text of a message that asks or answers with CTCP.

    Raises:
        LocalProtocolError: The type is no word, or the delimiter \x01 is within.
    """
    if not kind or " " in kind or "\x01" in kind + text:
        raise LocalProtocolError(f"{kind!r} {text!r} is no CTCP message")
    return f"\x01{kind} {text}\x01" if text else f"\x01{kind}\x01"
