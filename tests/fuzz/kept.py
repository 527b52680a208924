"""What the fuzzer has found once, as small as it is: the codec, and the input."""

from __future__ import annotations

_CHUNKED = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
_PART = b"--b\r\nContent-Disposition:form-data;name"

KEPT: list[tuple[str, bytes]] = [
    # Data before what is malformed was lost if both came at once.
    ("http-requests", _CHUNKED + b"5\r\nection"),
    ("http-responses", b"HTTP/1.1 200\r\nTransfer-Encoding:chunked\r\n\r\n5\r\nello\ry"),
    # The CR at the end of a body made an LF behind it a whole line end, if both came at once.
    ("http-requests", b"P / HTTP/1.1\r\nHost:\r\nContent-Length:1\r\n\r\n\r\n"),
    # An expectation of HTTP/1.0 is none.
    ("http-requests", b"T / HTTP/1.0\r\nt:\r\nExpect:e\r\n\r\n"),
    ("http-sent", b"T\n/\n" + b"X\n" * 250),
    # What came behind a last block was dropped or read, by the cuts.
    ("websocket-deflate", b"A\x85\xc2\x827\xfa!=4\xfa=\xc5"),
    ("websocket-deflate", b"\xc2\x927\xfa!=4\xfa5536"),
    (
        "websocket-deflate",
        b"\x8a\x807\xfa!=\xc2\x827\xfa!=4\xfa\xc2\xfa\n\x827\xfa!=4\x8a\x807\xfa!=",
    ),
    # A lone LF made a header out of the value of another.
    ("multipart", _PART + b"\nContent-Type:multipart/\r\n\r\n\r\n--b--"),
    ("multipart", b"\r\n" + _PART + b"\nn:\r\n\r\n\r\n--b--"),
    # Escapes that are none, in a long field.
    ("urlencoded", b"x" * 300 + b"=%%%41%\r\n==%=\n%%%25%3D=%3d"),
    # Which of two reasons there is to refuse depended on the cuts, by three bytes.
    ("stomp", b"SEND\na:" + b"x" * 1993 + b"\0\r\nxy\n\n\0"),
]
