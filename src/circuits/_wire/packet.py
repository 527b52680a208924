r"""Packets of nodes, both directions, without input or output.

    decoder = PacketDecoder()
    decoder.receive_data(b'{"id": 0, "name": "greet", "args": ["bob"]}\r\n\r\n')
    decoder.next_message()      # Request(version=1, id=0, name="greet", args=["bob"], ...)
    encode(reply_body(0, "hello"), 1)

Two kinds of packets come in one stream, and each tells by its first byte which it is. Version 1 is
a JSON object ended by CR LF CR LF, so it begins with a brace. Version 2 is a length of four bytes,
big-endian, and then an object in JSON or, where both have agreed on it, in MessagePack; lengths
are so small that the first byte is 0.

The keys of a packet are closed: nothing in it can name an attribute, a class or a channel that is
no text. Values beyond JSON travel by tags, see :mod:`circuits._wire._packet_values`.

    ProtocolError
        UnsendableError         a value of ours does not travel (a TypeError)
        UnreadableError         a value of the peer cannot be understood
        RemoteProtocolError     the peer is out of step: close the connection
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from circuits._wire import ProtocolError
from circuits._wire._packet_values import (
    UnreadableError,
    UnsendableError,
    lift,
    lower,
    place_of_bad_text,
)
from circuits._wire.buffer import ReceiveBuffer

__all__ = [
    "PACKET_BYTES",
    "Control",
    "Malformed",
    "Message",
    "Offer",
    "PacketDecoder",
    "RemoteProtocolError",
    "Reply",
    "Request",
    "UnreadableError",
    "UnsendableError",
    "check_name",
    "encode",
    "lift",
    "lower",
    "parse",
    "read_json",
    "reply_body",
    "request_body",
]

#: The largest packet, unless told otherwise.
PACKET_BYTES: Final = 8 * 1024 * 1024
#: Beyond this a length would not begin with a zero byte.
_LONGEST: Final = (1 << 24) - 1

_NAME_CHARACTERS: Final = 255
#: How many channels an event may be fired on: they are remembered, with its name.
_CHANNELS: Final = 64
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_NONCE: Final = re.compile(r"[0-9a-f]{32}")
_END: Final = b"\r\n\r\n"
_BRACE: Final = 0x7B

Unpacker = Callable[[bytes], Any]


class RemoteProtocolError(ProtocolError):
    """The peer is out of step, or its packet is too large. Close the connection."""


@dataclass(slots=True)
class Request:
    """An event to be fired at this side.

    Attributes:
        version: The kind of the packet, in which it is to be answered.
        id: What the answer is to carry, any scalar of JSON; ``None``: no answer is wanted.
        name: Of the event.
        args, kwargs: As they came, to be lifted.
        channels: Where to, all text; may be empty.
        success, failure, notify: What the sender asks for.
        timeout: Seconds that are left, or ``None``.
        traceparent: That of W3C, or ``None``.
    """

    version: int
    id: Any
    name: str
    args: list[Any]
    kwargs: dict[str, Any]
    channels: tuple[str, ...] = ()
    success: bool = False
    failure: bool = False
    notify: bool = False
    timeout: float | None = None
    traceparent: str | None = None


@dataclass(slots=True)
class Reply:
    """The answer to a request: its value, as it came; with ``errors``, what was raised."""

    version: int
    id: Any
    value: Any
    errors: bool = False


@dataclass(slots=True)
class Offer:
    """A side introduces itself, and offers to speak version 2."""

    version: int
    number: int
    name: str | None
    nonce: str
    features: tuple[str, ...] = ()


@dataclass(slots=True)
class Control:
    """``ping``, ``pong``, ``proof`` or ``replaced``, with its content."""

    version: int
    kind: str
    content: Any


@dataclass(slots=True)
class Malformed:
    """A packet that was framed well, and cannot be understood.

    Attributes:
        id: Of the request that it seems to be, or ``None``.
    """

    version: int
    reason: str
    id: Any = field(default=None)


Message = Request | Reply | Offer | Control | Malformed


# -- encoding ----------------------------------------------------------------------------------


def _json_encoder() -> Callable[[Any], str]:
    """An encoder that is made once, where the public one is made anew for each object."""
    options: dict[str, Any] = {"ensure_ascii": False, "allow_nan": False, "check_circular": False}
    encoder = json.JSONEncoder(separators=(",", ":"), **options)
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:  # not in CPython
        return encoder.encode
    text = json.encoder.encode_basestring
    chunks = make(None, encoder.default, text, None, ":", ",", False, False, False)
    return lambda body: "".join(chunks(body, 0))


_to_json: Final = _json_encoder()
# The release of 2.1.0 splits what it reads into texts before it decodes them.
_to_ascii_json: Final = json.JSONEncoder(allow_nan=False, check_circular=False).encode


def encode(
    body: dict[str, Any], version: int, limit: int = PACKET_BYTES, pack: Any = None
) -> bytes:
    """The bytes of a packet.

    Args:
        body: Its content, lowered.
        version: 1 or 2.
        limit: How many bytes it may have.
        pack: Makes MessagePack, where that was agreed on.

    Raises:
        UnsendableError: A text is no UTF-8, or a number is too long.
        ValueError: It is larger than the limit.
    """
    try:
        if version == 1:
            data = _to_ascii_json(body).encode("ascii")
        elif pack is None:
            data = _to_json(body).encode()
        else:
            try:
                data = pack(body)
            except OverflowError:  # more than 64 bits, which only JSON has
                data = _to_json(body).encode()
    except ValueError:
        problem = UnsendableError("it is a text that is no UTF-8, or a number of too many digits")
        places = (place_of_bad_text(body.get(key), key) for key in ("args", "kwargs", "value"))
        problem.path.append(next(filter(None, places), "the packet"))
        raise problem from None
    size = len(data)
    if size > limit:
        raise ValueError(f"a packet of {size} bytes, at most {limit} are allowed")
    if version == 1:
        return data + _END
    return size.to_bytes(4, "big") + data


def request_body(
    version: int,
    id: Any,
    name: str,
    args: list[Any],
    kwargs: dict[str, Any] | None = None,
    channels: Sequence[str] = (),
    flags: Collection[str] = (),
    timeout: float | None = None,
    traceparent: str | None = None,
) -> dict[str, Any]:
    """The content of a packet that asks.

    Args:
        version: 1 or 2; in version 1 there is neither ``timeout`` nor ``traceparent``.
        id, name, channels, timeout, traceparent: As of :class:`Request`.
        args, kwargs: Lowered.
        flags: Of ``success``, ``failure`` and ``notify`` those that are set.
    """
    if version == 1:
        return {
            "id": id,
            "name": name,
            "args": args,
            "kwargs": kwargs or {},
            "success": "success" in flags,
            "failure": "failure" in flags,
            "notify": "notify" in flags,
            "channels": list(channels),
        }
    body = {"v": 2, "id": id, "name": name, "args": args}
    if kwargs:
        body["kwargs"] = kwargs
    if channels:
        body["channels"] = list(channels)
    for flag in flags:
        body[flag] = True
    if timeout is not None:
        body["timeout"] = timeout
    if traceparent is not None:
        body["traceparent"] = traceparent
    return body


def reply_body(id: Any, value: Any, errors: bool = False, version: int = 1) -> dict[str, Any]:
    """The content of a packet that answers; its value must be lowered."""
    if version == 1:
        return {"id": id, "value": value, "errors": errors}
    return {"v": 2, "id": id, "value": value, "errors": errors}


def check_name(name: object, what: str) -> str:
    """Refuse what cannot be the name of an event, a channel or a node.

    Raises:
        ValueError: It is no text, or empty, too long, or no UTF-8.
    """
    if name.__class__ is not str or not 0 < len(name) <= _NAME_CHARACTERS:
        raise ValueError(f"{what} must be a text of 1 to {_NAME_CHARACTERS} characters")
    text: str = name
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError(f"{what} must be UTF-8") from None
    if "\0" in text:
        raise ValueError(f"{what} must not contain NUL")
    return text


# -- decoding ----------------------------------------------------------------------------------


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


_scan: Any = json.JSONDecoder(parse_constant=_refuse_constant).scan_once  # type: ignore[attr-defined]
_SCALARS: Final = frozenset({str, int, float, bool})


def _is_id(id: Any) -> bool:
    """Whether something can be echoed as an id."""
    kind = id.__class__
    if kind is str and not id.isascii():
        try:
            id.encode()
        except UnicodeEncodeError:
            return False
    return kind in _SCALARS and (kind is not float or id - id == 0.0)


def read_json(data: bytes) -> Any:
    """What one packet or message in JSON holds.

    Raises:
        UnreadableError: It cannot be read.
    """
    try:
        text = data.decode()
        body, end = _scan(text, 0)
    # Not UTF-8, no JSON, a number of too many digits, nested too deep.
    except (ValueError, StopIteration, RecursionError):
        raise UnreadableError("a packet that cannot be read") from None
    if end != len(text) and text[end:].strip(" \t\r\n"):
        raise UnreadableError("a packet with something behind its end")
    return body


def parse(body: Any, version: int) -> Message:
    """Understand the content of a packet, once it is no longer text."""
    if body.__class__ is not dict:
        return Malformed(version, "a packet that is no object")
    get = body.get
    id = get("id")
    if id is not None and not _is_id(id):
        return Malformed(version, "an id that is no scalar")
    if "name" in body and "circuits" not in body:
        return _parse_request(body, version, id)
    if "value" in body or "errors" in body:
        return Reply(version, id, get("value"), get("errors") is True)
    if "circuits" in body:
        return _parse_offer(body, version)
    for kind in ("ping", "pong", "proof", "replaced"):
        if kind in body:
            return Control(version, kind, body[kind])
    return Malformed(version, "a packet without a known key", id)


def _parse_request(body: dict[str, Any], version: int, id: Any) -> Request | Malformed:
    get = body.get
    args, kwargs, channels = get("args"), get("kwargs"), get("channels")
    try:
        name = check_name(body["name"], "the name of an event")
        if channels:
            if channels.__class__ is not list or len(channels) > _CHANNELS:
                raise ValueError(f"channels must be a list of at most {_CHANNELS}")
            for channel in channels:
                check_name(channel, "a channel")
    except ValueError as problem:
        return Malformed(version, str(problem), id)
    if (args is not None and args.__class__ is not list) or (
        kwargs is not None and kwargs.__class__ is not dict
    ):
        return Malformed(version, "args must be a list, and kwargs an object", id)
    timeout, trace = get("timeout"), get("traceparent")
    if timeout.__class__ not in (int, float) or timeout != timeout:
        timeout = None
    elif timeout > 1e9:  # an integer may be larger than any float
        timeout = 1e9
    if trace.__class__ is not str or not _TRACEPARENT.fullmatch(trace):
        trace = None
    return Request(
        version,
        id,
        name,
        args or [],
        kwargs or {},
        tuple(channels) if channels else (),
        get("success") is True,
        get("failure") is True,
        get("notify") is True,
        timeout,
        trace,
    )


def _parse_offer(body: dict[str, Any], version: int) -> Offer | Malformed:
    get = body.get
    number, name, nonce, features = (get(k) for k in ("circuits", "name", "nonce", "features"))
    if number.__class__ is not int or number < 2:
        return Malformed(version, "an offer of an unknown version")
    try:
        if name is not None:
            check_name(name, "the name of a node")
    except ValueError as problem:
        return Malformed(version, str(problem))
    if nonce.__class__ is not str or not _NONCE.fullmatch(nonce):
        return Malformed(version, "a nonce that is not 32 hex digits")
    if features.__class__ is not list:
        features = []
    return Offer(version, number, name, nonce, tuple(f for f in features if f.__class__ is str))


class PacketDecoder:
    """Decodes what a peer sends, both kinds of packets in any order and in any pieces.

    Args:
        limit: How many bytes a packet may have.

    Attributes:
        unpack: Reads MessagePack, where that was agreed on; raises ``ValueError``.
    """

    __slots__ = ("_buffer", "_is_broken", "limit", "unpack")

    def __init__(self, limit: int = PACKET_BYTES) -> None:
        if not 0 < limit <= _LONGEST:
            raise ValueError(f"a packet may have 1 to {_LONGEST} bytes, not {limit!r}")
        self.limit = limit
        self.unpack: Unpacker | None = None
        self._buffer = ReceiveBuffer()
        self._is_broken = False

    @property
    def pending_bytes(self) -> int:
        """Received bytes that no packet has used yet."""
        return len(self._buffer)

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take what the peer has sent."""
        if not self._is_broken and len(data):
            self._buffer.append(data)

    def next_message(self) -> Message | None:
        """The next packet, or ``None`` as long as it needs more bytes.

        Raises:
            RemoteProtocolError: Once; nothing else comes then.
        """
        buffer = self._buffer
        size = len(buffer)
        if not size:
            return None
        data, start = buffer.data, buffer.start
        first = data[start]
        if first == 0:
            if size < 4:
                return None
            length = int.from_bytes(data[start : start + 4], "big")
            if length > self.limit:
                self._break(f"a packet of {length} bytes, at most {self.limit} are allowed")
            if size < length + 4:
                return None
            packet = bytes(data[start + 4 : start + 4 + length])
            buffer.skip(length + 4)
            return self._read(packet, 2)
        if first != _BRACE:
            self._break(f"a packet begins with byte {first}")
        length = buffer.find(_END)
        if (size - len(_END) + 1 if length < 0 else length) > self.limit:
            self._break(f"a packet of more than {self.limit} bytes")
        if length < 0:
            return None
        packet = buffer.take(length)
        buffer.skip(len(_END))
        return self._read(packet, 1)

    def _break(self, reason: str) -> None:
        self._is_broken = True
        self._buffer.clear()
        raise RemoteProtocolError(reason)

    def _read(self, packet: bytes, version: int) -> Message:
        unpack = self.unpack
        try:
            if unpack is None or packet[:1] == b"{":
                body = read_json(packet)
            else:
                body = unpack(packet)
        except UnreadableError as problem:
            return Malformed(version, str(problem))
        except (ValueError, RecursionError):
            return Malformed(version, "a packet that cannot be read")
        return parse(body, version)
