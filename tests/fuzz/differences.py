"""Where our codecs differ from other people's on purpose: the one list of it, with the reasons.

A difference has a kind: ``refused here: ...`` with what our codec says, ``refused there: ...`` with
what the other one says, ``waits here`` and ``waits there`` where only one needs more bytes, and
``otherwise: ...`` where both understand something, but not the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

__all__ = ["DIFFERENCES", "Difference"]


@dataclass(frozen=True, eq=False)
class Difference:
    """A kind of difference.

    Attributes:
        target: Pattern for names of codecs.
        peer: Pattern for names of peers.
        what: Regular expression for the kind.
        reason: Why it is so.
        where: Whether it may come from this input.
    """

    target: str
    peer: str
    what: str
    reason: str
    where: Callable[[bytes], object] | None = None

    def fits(self, target: str, peer: str, what: str, data: bytes) -> bool:
        return (
            fnmatchcase(target, self.target)
            and fnmatchcase(peer, self.peer)
            and re.fullmatch(self.what, what, re.DOTALL) is not None
            and (self.where is None or bool(self.where(data)))
        )

    def __str__(self) -> str:
        return f"{self.target} / {self.peer}: {self.what}\n    {self.reason}"


_LINE_ENDS = (
    "lines end in CRLF: what takes less, or more, disagrees with others on where a head ends"
)
_LENGTH = "RFC 9112, 6.1 to 6.3: how long a body is must not be disputable, so nothing is repaired"
_LEFT = "RFC 9110 and 9112 have a server check it; this parser leaves it to its callers"

DIFFERENCES: list[Difference] = [
    # -- HTTP: what is refused here --
    Difference(
        "http-*",
        "*",
        r"refused here: (lone CR|.*has a lone CR or LF|.* in the trailers).*",
        _LINE_ENDS,
    ),
    Difference("http-*", "*", r"refused here: .*line N (is folded|has no colon).*", _LINE_ENDS),
    Difference(
        "http-*", "*", r"refused here: .*line N has whitespace before its colon.*", _LINE_ENDS
    ),
    Difference(
        "http-*",
        "*",
        r"refused here: (malformed (method|protocol version|status)|a request line is|character not allowed in reason).*",
        _LINE_ENDS,
        lambda data: re.search(rb"(?<!\r)\n|\r(?!\n)", data),
    ),
    Difference(
        "http-requests",
        "httptools",
        r"refused here: (a request line is|malformed protocol version).*",
        "HTTP/0.9, which it still reads, is gone",
    ),
    Difference(
        "http-requests",
        "httptools",
        r"refused here: malformed method.*",
        "it skips line ends and CONNECT-like prefixes that no server is to skip",
    ),
    Difference("http-*", "*", r"refused here: (malformed Host|N Host fields).*", _LEFT),
    Difference("http-requests", "*", r"refused here: cannot meet .*", "RFC 9110, 10.1.1: 417"),
    Difference(
        "http-requests",
        "*",
        r"refused here: (malformed target|malformed authority|the target \*|CONNECT needs|character not allowed in target).*",
        "RFC 9112, 3.2: a target has one of four forms, and no fragment",
    ),
    Difference(
        "http-*", "*", r"refused here: HTTP/N\.N is not supported.*", "RFC 9110, 15.6.6: 505"
    ),
    Difference(
        "http-*",
        "*",
        r"refused here: .*(control character in its value|malformed name).*",
        "RFC 9110, 5.5: no control characters in values, DEL included; h11 lets some pass",
    ),
    Difference(
        "http-*",
        "*",
        r"refused here: (both Content-Length|N Content-Length fields|malformed Content-Length|Transfer-Encoding does not exist"
        r"|transfer coding not supported|malformed Transfer-Encoding|differing Content-Length).*",
        _LENGTH,
    ),
    Difference(
        "http-*",
        "*",
        r"refused here: (malformed chunk size|chunk line longer|chunk longer).*",
        _LENGTH,
    ),
    Difference(
        "http-*",
        "*",
        r"refused here: .* among the trailers",
        "who merges trailers into the head would frame it anew",
    ),
    Difference(
        "http-*",
        "*",
        r"refused here: (too many|N header lines|.* longer than|.*over N bytes|body of).*",
        "a limit, which the others do not have or have elsewhere",
    ),
    Difference(
        "http-responses",
        "httptools",
        r"otherwise: body",
        "RFC 9112, 6.3: an interim response ends with its head; it knows some of them only",
        lambda data: re.search(rb"HTTP/1\.[0-9] 1[0-9][0-9]", data),
    ),
    Difference(
        "http-responses",
        "httptools",
        r"refused here: status N is not in N to N",
        "RFC 9110, 15: a status has three digits, and none begins with 0",
    ),
    Difference(
        "http-requests",
        "h11",
        r"refused here: a TLS handshake.*",
        "told apart, so that it is not answered in clear text",
    ),
    # -- HTTP: what is refused there --
    Difference(
        "http-*",
        "h11",
        r"refused there: no request line received",
        "RFC 9112, 2.2: an empty line before a request is skipped",
    ),
    Difference(
        "http-requests",
        "h11",
        r"refused there: Got data when expecting EOF",
        "it knows no keep-alive in HTTP/1.0",
        lambda data: b"HTTP/1.0" in data,
    ),
    Difference(
        "http-*",
        "httptools",
        r"refused there: (Invalid method|Expected space after method).*",
        "it has a list of methods; here any token is one, and the server answers 405 or 501",
    ),
    Difference(
        "http-*",
        "httptools",
        r"refused there: Invalid HTTP version",
        "it has a list of versions; RFC 9110, 2.5 has us take HTTP/1.9 for HTTP/1.1",
        lambda data: re.search(rb"HTTP/1\.[2-9]", data),
    ),
    Difference(
        "http-requests",
        "httptools",
        r"refused there: .*",
        "white space after a value is no part of it (RFC 9110, 5.5), a tab included",
        lambda data: re.search(rb"(?i)(chunked|[0-9])\t", data),
    ),
    Difference(
        "http-requests",
        "h11",
        r"waits there|refused there: .*|otherwise: body",
        "RFC 9110, 9.3.6: CONNECT has no content, whatever its fields say",
        lambda data: b"CONNECT" in data,
    ),
    Difference(
        "http-requests",
        "httptools",
        r"otherwise: body|waits (here|there)|refused there: .*",
        "it leaves the content of a request for an upgrade to its caller, and that of CONNECT",
        lambda data: re.search(rb"(?i)upgrade|CONNECT", data),
    ),
    Difference(
        "http-responses",
        "h11",
        r"otherwise: headers",
        "it rewrites repeated lengths; here fields are given as they came",
        lambda data: re.search(
            rb"(?i)content-length:[^\n]*,|content-length.*content-length", data, re.DOTALL
        ),
    ),
    Difference(
        "http-responses",
        "httptools",
        r"refused there: .*Content-Length.*",
        "RFC 9110, 8.6: a recipient may take a repeated value for one",
        lambda data: re.search(rb"(?i)content-length", data),
    ),
    Difference(
        "http-responses",
        "httptools",
        r"refused there: Unexpected whitespace after header value",
        "RFC 9112, 5.2: a user agent unfolds what servers of old have folded",
    ),
    Difference(
        "http-responses",
        "h11",
        r"refused there: Received server _SWITCH_UPGRADE.*",
        "it was told of no Upgrade in the request; here that is the matter of whoever has sent it",
    ),
    Difference(
        "http-responses",
        "*",
        r"refused here: (character not allowed in reason|malformed protocol version).*",
        "RFC 9112, 4: no control characters in a reason, and nothing between responses",
    ),
    Difference(
        "http-responses",
        "httptools",
        r"refused there: Invalid header value char",
        "a folded line, see above",
        lambda data: re.search(rb"\r\n[ \t]", data),
    ),
    Difference(
        "http-responses",
        "httptools",
        r"refused there: Data after `Connection: close`",
        "an interim response does not end the connection, whatever it says: the final one follows",
        lambda data: re.search(rb" 1[0-9][0-9]", data),
    ),
    Difference(
        "http-responses",
        "h11",
        r"refused there: Got data when expecting EOF",
        "RFC 9112, 9.3: a connection of HTTP/1.0 persists if both say so; it ends all of them",
        lambda data: re.search(rb"(?i)HTTP/1\.0.*keep-alive", data, re.DOTALL),
    ),
    # -- HTTP: what is sent --
    Difference(
        "http-sent",
        "*",
        r"refused there: (the target \*|malformed (target|authority|Host)|N Host fields|Missing mandatory Host|Found multiple"
        r"|CONNECT needs|Invalid characters in url|Unexpected (start )?char in url|illegal|cannot meet).*",
        "what method, target, Host and Expect mean is the matter of who sends; their form is checked",
    ),
    # -- WebSocket --
    Difference(
        "websocket-*",
        "*",
        r"refused here with 1009.*",
        "our limit, with which the fuzzer sets none of theirs",
    ),
    Difference(
        "websocket-*",
        "*",
        r"refused here with 100[27], there with 100[27]",
        "two things are wrong, or compressed data is, for which the codes are 1002 or 1007 (RFC 7692 names none)",
    ),
    Difference(
        "websocket-*",
        "websockets",
        r"refused there with 1002",
        "it refuses a close frame within a message; RFC 6455, 5.4 allows control frames there",
    ),
    Difference(
        "websocket-*",
        "websockets",
        r"refused here with 1002",
        "RFC 6455, 5.2: a length takes as few bytes as it can; it reads longer ones",
    ),
    Difference(
        "websocket-deflate",
        "*",
        r"(refused here with 1007|refused there with 1007|waits here, refused there with 1007|otherwise: .*)",
        "behind a last block (RFC 7692, 7.2.3.4) both go on with a stream that has ended: wsproto fails at the"
        " next message, websockets gives empty ones; here the next message begins anew, and more in the same is refused",
    ),
    Difference(
        "websocket-extensions",
        "websockets",
        r"refused there: .*expected token",
        "RFC 9110, 5.6.1: empty elements of a list, and an empty list, mean nothing",
    ),
    Difference(
        "websocket-extensions",
        "websockets",
        r"refused here: malformed extensions.*",
        "our limit on parameters",
        lambda data: data.count(b";") + data.count(b",") > 30,
    ),
    Difference(
        "websocket-extensions",
        "websockets",
        r"refused here: malformed extensions.*",
        "a quoted value is a token (RFC 6455, 9.1), and a token has nothing to escape",
        lambda data: b"\\" in data,
    ),
    Difference(
        "websocket-*",
        "wsproto",
        r"waits here, refused there with 1002",
        "a header is looked at once it is whole; its first bytes before",
    ),
    # -- text --
    Difference(
        "irc",
        "sent again",
        r"refused here: (a command is|no tag may|a source is|message of|tags of|only the last|CR, LF and NUL).*",
        "lenient where servers are sloppy, strict in what is sent",
    ),
    Difference(
        "stomp",
        "sent again",
        r"refused here: the header .*",
        "CONNECT, CONNECTED and version 1.0 have no escapes, and 1.1 none for CR: nothing of the kind can be sent",
    ),
    # -- packets --
    Difference(
        "packet",
        "msgspec",
        r"refused there: (.*surrogate.*|Input data was truncated)",
        "a lone surrogate is JSON; what cannot be text is refused by who takes it",
        lambda data: b"\\u" in data,
    ),
    Difference(
        "packet",
        "msgspec",
        r"refused there: Number out of range.*",
        "read as infinite, which values, ids and times of packets refuse",
    ),
    Difference(
        "packet",
        "msgspec",
        r"refused here: .*",
        "no white space before a packet: its first byte tells its kind",
        lambda data: re.search(rb"[ \t\r\n]", data),
    ),
    # -- forms --
    Difference(
        "multipart",
        "python-multipart",
        r"refused here: N A (field|part) .*",
        "it takes the body apart, and leaves names, texts and limits to its callers",
    ),
    Difference(
        "multipart",
        "python-multipart",
        r"refused here: N The multipart form has a malformed boundary\.",
        "RFC 2046, 5.1.1: a boundary does not stand in the content, whatever follows it",
    ),
    Difference(
        "multipart",
        "python-multipart",
        r"otherwise: (text|content|parts)|refused there: not at its end|refused here: N The multipart form ends before.*",
        "RFC 2046, 5.1.1: a part may have no content; the line end behind its headers is that of the boundary then",
        lambda data: b"\r\n\r\n--b" in data,
    ),
    Difference(
        "multipart",
        "python-multipart",
        r"refused here: N The multipart form (has no first boundary|ends before.*)\.",
        "RFC 2046, 5.1.1: a boundary begins a line; it takes one behind a lone LF",
        lambda data: data[:1] in (b"\r", b"\n"),
    ),
    Difference(
        "multipart",
        "python-multipart",
        r"(refused there: Expected boundary character|waits|refused there: not at its end|otherwise: parts).*",
        "RFC 2046, 5.1.1: what stands before the first boundary is for people; a line end alone begins none",
        lambda data: not data.startswith(b"--b"),
    ),
    Difference(
        "multipart",
        "python-multipart",
        r"refused there: (Found invalid character|Did not find).*",
        "headers of parts are those of mail, which may be folded, and end in blanks",
    ),
    Difference(
        "multipart",
        "python-multipart",
        r"otherwise: name",
        "browsers write a quote, CR and LF in a name with percent signs",
        lambda data: re.search(rb"%(22|0D|0A)", data),
    ),
    Difference(
        "multipart",
        "python-multipart",
        r"otherwise: name",
        "RFC 5987: it leaves extended parameters to its callers",
        lambda data: b"name*=" in data,
    ),
    Difference(
        "multipart",
        "python-multipart",
        r"refused there: (Found N-length header|Maximum header count exceeded).*",
        "RFC 2046, 5.1.1: what stands behind the last boundary is for people",
        lambda data: b"--b--" in data,
    ),
    Difference(
        "multipart",
        "python-multipart",
        r"otherwise: name",
        "RFC 2045, 5.1: a quote within a token makes no parameter, and is read as it stands",
        lambda data: re.search(rb'name=[^";\r\n]+"', data),
    ),
]
