"""What the head of an HTTP/1.1 message may look like, and what it says about framing.

Everything a smuggled request hides behind is refused rather than repaired (RFC 9112, 11.2): a
server and the proxy before it must not disagree on where a message ends.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from circuits._wire._http1_messages import (
    Headers,
    Limits,
    RemoteProtocolError,
    ResponseHead,
    SharedHeaders,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

# ---------------------------------------------------------------------------------------------
# Grammar (RFC 9110, 5.6 and RFC 9112). Possessive quantifiers (`*+`) never give back what they
# took: where one part may match what the next one matches as well, that keeps the time linear.

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
TOKEN: Final = re.compile(_TOKEN + "++")

# One expression finds all fields. A line that it does not match is missing from the result, so
# there are then fewer matches than line ends, see `parse_fields`. Values that end in whitespace
# are rare, and stripping all of them would take longer than to begin again with the second one.
_FIELD_TEXT: Final = rf"^({_TOKEN}++):[ \t]*+([\t -~\x80-\xff]*+)"
_FIELD: Final = re.compile(_FIELD_TEXT + r"(?<![ \t])\r\n", re.MULTILINE)
_LOOSE_FIELD: Final = re.compile(_FIELD_TEXT + r"\r\n", re.MULTILINE)
_FOLD: Final = re.compile(r"\r\n[ \t]++")

# Everything but control characters, space, DEL, `#` and what is not ASCII. Characters that RFC
# 3986 forbids but browsers send (quotes, braces, bars) are harmless here.
TARGET: Final = re.compile(r"[!\"$-~]++")

# A comma would be legal in a registered name, but is what joined duplicates look like.
_AUTHORITY: Final = re.compile(
    r"(?:(?:[0-9A-Za-z\-._~!$&'()*+;=]|%[0-9A-Fa-f]{2})++|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{0,5}))?"
)
_ABSOLUTE: Final = re.compile(r"https?://([^/?]++)(.*+)", re.IGNORECASE)
_REASON: Final = re.compile(r"[\t -~\x80-\xff]*+")
_VERSION: Final = re.compile(r"HTTP/([0-9])\.([0-9])")

# More digits cannot be meant seriously, and would overflow in other implementations.
_MAX_LENGTH_DIGITS: Final = 18

# Ordinary methods, to tell at a glance that one is well-formed and its target has no own form.
METHODS: Final = frozenset(["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"])

# Line ends are CRLF. A lone CR or LF and a NUL are what parsers disagree about, so they are
# refused as soon as they arrive. A CR at the end may still become a CRLF.
BAD_BYTES: Final = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)|\x00")


def shorten(text: str) -> str:
    """What somebody sent, in quotes, short enough for an error message."""
    return repr(text) if len(text) <= 60 else f"{text[:60]!r}..."


def parse_version(text: str, answer: int | None = 505) -> tuple[int, int]:
    """Read ``HTTP/1.n``; `answer` is the status for another major version."""
    if text == "HTTP/1.1":
        return (1, 1)
    match = _VERSION.fullmatch(text)
    if match is None:
        bad = 400 if answer is not None else None
        raise RemoteProtocolError(bad, f"malformed protocol version {shorten(text)}")
    if match[1] != "1":
        raise RemoteProtocolError(answer, f"{text} is not supported, HTTP/1.1 is")
    return (1, int(match[2]))


def parse_request_line(line: str) -> tuple[str, str, tuple[int, int]]:
    """Split and check a request line: method, target and version."""
    parts = line.split(" ")
    if len(parts) != 3:
        if line.startswith("\x16"):
            raise RemoteProtocolError(None, "a TLS handshake arrived at a port without TLS")
        raise RemoteProtocolError(
            400, f"a request line is 'METHOD target HTTP/1.1', got {shorten(line)}"
        )
    method, target, version_text = parts
    if TOKEN.fullmatch(method) is None:
        raise RemoteProtocolError(400, f"malformed method {shorten(method)}")
    version = parse_version(version_text)
    if TARGET.fullmatch(target) is None:
        raise RemoteProtocolError(400, f"character not allowed in target {shorten(target)}")
    return method, target, version


def parse_target(method: str, target: str) -> tuple[str, str | None]:
    """Check the form of a target (RFC 9112, 3.2).

    Returns:
        Its origin form, and its authority when it has one.
    """
    if method == "CONNECT":
        if not check_authority(target) or ":" not in target.rpartition("]")[2]:
            raise RemoteProtocolError(400, f"CONNECT needs host:port, got {shorten(target)}")
        return target, target
    if target[0] == "/":
        return target, None
    if target == "*":
        if method == "OPTIONS":
            return target, None
        raise RemoteProtocolError(400, f"the target * is for OPTIONS, not for {shorten(method)}")
    match = _ABSOLUTE.fullmatch(target)
    if match is None:
        raise RemoteProtocolError(400, f"malformed target {shorten(target)}")
    authority, rest = match[1], match[2]
    if not check_authority(authority):
        # User information included: it is only ever used to deceive (RFC 9110, 4.2.4).
        raise RemoteProtocolError(400, f"malformed authority in target {shorten(target)}")
    if not rest:
        return ("*" if method == "OPTIONS" else "/"), authority
    return (rest if rest[0] == "/" else "/" + rest), authority


def check_authority(text: str) -> bool:
    """Whether `text` is a host with or without a port."""
    match = _AUTHORITY.fullmatch(text)
    return match is not None and int(match[1] or 0) <= 65535


# Hosts that were found to be well-formed; a server is known by few names.
_GOOD_HOSTS_COUNT: Final = 64
_good_hosts: set[str] = set()


def _is_good_host(host: str) -> bool:
    if not check_authority(host):
        return False
    if len(host) <= 255:
        if len(_good_hosts) >= _GOOD_HOSTS_COUNT:
            _good_hosts.clear()
        _good_hosts.add(host)
    return True


def parse_fields(block: str, limits: Limits, blame: int | None) -> list[tuple[str, str]]:
    """Split field lines, each ending in CRLF, into names and values.

    Args:
        block: The lines, decoded as ISO-8859-1.
        limits: Checked before anything is made of the lines.
        blame: 400 where the peer is a client, ``None`` where it is a server.
    """
    lines = block.count("\n")
    if lines > limits.header_count:
        status = None if blame is None else 431
        raise RemoteProtocolError(status, f"{lines} header lines, limit {limits.header_count}")
    fields: list[tuple[str, str]] = _FIELD.findall(block)
    # Each match begins at a line's start and has one LF, so as many matches as LFs mean that
    # every line has matched.
    if len(fields) != lines:
        fields = [(name, value.rstrip(" \t")) for name, value in _LOOSE_FIELD.findall(block)]
    if len(fields) != lines:
        raise RemoteProtocolError(blame, _explain_bad_field(block))
    return fields


def _explain_bad_field(block: str) -> str:
    for number, line in enumerate(block.split("\r\n"), 1):
        if line and _LOOSE_FIELD.fullmatch(line + "\r\n"):
            continue
        name, colon, _ = line.partition(":")
        if line[:1] in (" ", "\t"):
            what = "is folded, which is obsolete"
        elif "\n" in line or "\r" in line:
            what = "has a lone CR or LF"
        elif not colon:
            what = "has no colon"
        elif name != name.rstrip(" \t"):
            what = "has whitespace before its colon"
        elif TOKEN.fullmatch(name) is None:
            what = "has a malformed name"
        else:
            what = "has a control character in its value"
        return f"header line {number} {what}: {shorten(line)}"
    return "malformed header lines"


def unfold(block: str) -> str:
    """Join continuation lines, which only servers may still send (RFC 9112, 5.2)."""
    if "\r\n " in block or "\r\n\t" in block:
        return _FOLD.sub(" ", block)
    return block


def _tokens(values: Iterable[str]) -> list[str]:
    """Members of a comma-separated list that may be spread over several fields, lower case."""
    members = [member.strip(" \t").lower() for value in values for member in value.split(",")]
    return [member for member in members if member]


_NONE: Final[tuple[str, ...]] = ()

# Fields that decide on framing and on the connection, and those that are nobody else's business.
_PRIVATE: Final = frozenset(["cookie", "authorization", "proxy-authorization"])
_FRAMING: Final = frozenset(
    ["connection", "content-length", "transfer-encoding", "expect", "upgrade"]
)
_DECISIVE: Final = _PRIVATE | _FRAMING | {"host"}


# Spelling of a name -> the name in lower case if it is decisive, else an empty text. Clients use
# few different names, each in one or two spellings.
_SPELLINGS_COUNT: Final = 512
_spellings: dict[str, str] = {}


def _learn(name: str) -> str:
    key = name.lower()
    if key not in _DECISIVE:
        key = ""
    if len(_spellings) >= _SPELLINGS_COUNT:
        _spellings.clear()
    if len(name) <= 64:
        _spellings[name] = key
    return key


def _collect(fields: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    spellings = _spellings
    for name, value in fields:
        try:
            key = spellings[name]
        except KeyError:
            key = _learn(name)
        if key:
            if key in found:
                found[key].append(value)
            else:
                found[key] = [value]
    return found


def _keep_alive(found: dict[str, list[str]], version: tuple[int, int]) -> bool:
    values = found.get("connection")
    if values is None:
        return version != (1, 0)
    if len(values) == 1 and values[0].lower() == "keep-alive":
        return True  # the usual value
    tokens = _tokens(values)
    if "close" in tokens:
        return False
    return version != (1, 0) or "keep-alive" in tokens


def _content_length(value: str, blame: int | None) -> int:
    # isdigit alone would let digits of other scripts pass, int() signs and underscores.
    if not (value.isascii() and value.isdigit()) or len(value) > _MAX_LENGTH_DIGITS:
        raise RemoteProtocolError(blame, f"malformed Content-Length {shorten(value)}")
    return int(value)


def _check_chunked(values: list[str], version: tuple[int, int], blame: int | None) -> None:
    """Raise unless the body is chunked and nothing else."""
    if version == (1, 0):
        raise RemoteProtocolError(blame, "Transfer-Encoding does not exist in HTTP/1.0")
    if len(values) == 1 and values[0].lower() == "chunked":
        return
    codings = [coding.strip(" \t").lower() for value in values for coding in value.split(",")]
    if any(coding not in ("", "chunked") for coding in codings):
        status = None if blame is None else 501
        raise RemoteProtocolError(status, f"transfer coding not supported: {shorten(str(values))}")
    raise RemoteProtocolError(blame, f"malformed Transfer-Encoding {shorten(str(values))}")


# What follows from the version and the fields of a request, whatever its target: version, headers,
# host, keep_alive, content_length, chunked, expect_continue, upgrade, and whether there are
# credentials. A plain tuple, because a named one takes longer to make and to take apart.
RequestFacts = tuple[tuple[int, int], Headers, str | None, bool, int | None, bool, bool, bool, bool]


def request_facts(version: tuple[int, int], block: str, limits: Limits) -> RequestFacts:
    """Parse and judge the header block of a request."""
    fields = parse_fields(block, limits, 400)
    found = _collect(fields)

    hosts = found.get("host", _NONE)
    host = hosts[0] if hosts else None
    if len(hosts) > 1 or (host is None and version != (1, 0)):
        raise RemoteProtocolError(400, f"{len(hosts)} Host fields, exactly one is needed")
    # An empty one is what a client sends that has no authority (RFC 9110, 7.2).
    if host and host not in _good_hosts and not _is_good_host(host):
        raise RemoteProtocolError(400, f"malformed Host {shorten(host)}")

    has_credentials = not _PRIVATE.isdisjoint(found)
    if _FRAMING.isdisjoint(found):  # as most, that say nothing of it
        is_kept = version != (1, 0)
        headers = SharedHeaders(fields)
        return version, headers, host, is_kept, None, False, False, False, has_credentials

    length: int | None = None
    chunked = False
    if "transfer-encoding" in found:
        if "content-length" in found:
            raise RemoteProtocolError(400, "both Content-Length and Transfer-Encoding")
        _check_chunked(found["transfer-encoding"], version, 400)
        chunked = True
    elif "content-length" in found:
        lengths = found["content-length"]
        # RFC 9110, 8.6 lets identical ones pass. No client sends them, and what produces them
        # between us and a client is not to be trusted with framing.
        if len(lengths) > 1:
            raise RemoteProtocolError(400, f"{len(lengths)} Content-Length fields")
        length = _content_length(lengths[0], 400)

    expect_continue = False
    upgrade = False
    if version != (1, 0):
        # HTTP/1.0 knows neither; both are to be ignored there (RFC 9110, 7.8 and 10.1.1).
        if "expect" in found:
            for expectation in _tokens(found["expect"]):
                if expectation != "100-continue":
                    raise RemoteProtocolError(417, f"cannot meet {shorten(expectation)}")
                expect_continue = chunked or bool(length)
        upgrade = "upgrade" in found and "upgrade" in _tokens(found.get("connection", _NONE))

    return (
        version,
        SharedHeaders(fields),
        host,
        _keep_alive(found, version),
        length,
        chunked,
        expect_continue,
        upgrade,
        has_credentials,
    )


def parse_status_line(line: str) -> tuple[tuple[int, int], int, str]:
    """Split and check a status line: version, status and reason."""
    # Servers may leave out the reason, many also leave out the space before it.
    version_text, _, rest = line.partition(" ")
    version = parse_version(version_text, None)
    status_text, _, reason = rest.partition(" ")
    if len(status_text) != 3 or not (status_text.isascii() and status_text.isdigit()):
        raise RemoteProtocolError(None, f"malformed status {shorten(status_text)}")
    status = int(status_text)
    if status < 100:
        raise RemoteProtocolError(None, f"status {status_text} is not in 100 to 999")
    if _REASON.fullmatch(reason) is None:
        raise RemoteProtocolError(None, f"character not allowed in reason {shorten(reason)}")
    return version, status, reason


def response_head(line: str, block: str, method: str, limits: Limits) -> ResponseHead:
    """Parse and judge the head of the response to a request with that method."""
    version, status, reason = parse_status_line(line)
    fields = parse_fields(unfold(block), limits, None)
    found = _collect(fields)
    length: int | None = None
    chunked = False
    if "transfer-encoding" in found:
        if "content-length" in found:
            raise RemoteProtocolError(None, "both Content-Length and Transfer-Encoding")
        _check_chunked(found["transfer-encoding"], version, None)
        chunked = True
    elif "content-length" in found:
        # Some servers repeat the field. As long as all agree nothing is ambiguous.
        values = {v.strip(" \t") for value in found["content-length"] for v in value.split(",")}
        if len(values) > 1:
            raise RemoteProtocolError(None, f"differing Content-Length {sorted(values)}")
        length = _content_length(values.pop(), None)

    switched = status == 101 or (method == "CONNECT" and 200 <= status < 300)
    # RFC 9112, 6.3: these have no body whatever their fields say.
    bodyless = switched or status < 200 or status in (204, 304) or method == "HEAD"
    has_body = not bodyless and (chunked or length != 0)
    keep_alive = _keep_alive(found, version)
    if has_body and not chunked and length is None:
        keep_alive = False  # it ends with the connection
    return ResponseHead(
        status, reason, version, tuple(fields), keep_alive, length, chunked, has_body, switched
    )


# ---------------------------------------------------------------------------------------------
# Clients repeat themselves: on one connection, and from one connection to the next. Everything
# after the target of a request, from the version on, decides the same facts each time.

_MEMO_COUNT: Final = 512
_SEEN_COUNT: Final = 4096
MEMO_BYTES: Final = 2048  # of a key; at most 1 MiB of keys in all
_MEMO_FIELDS: Final = 64


class Memo:
    """Facts of header blocks that were seen at least twice.

    A key is all of a head from its version on. A block must come a second time to be remembered, so a client that varies its headers (on
    purpose or not) cannot push out the useful ones. Blocks with credentials are never kept here;
    the decoder of the connection may keep its last one.

    Threads may share one: each step is a single operation on a dict or a set, and losing an
    entry only costs time.
    """

    __slots__ = ("_seen", "facts")

    def __init__(self) -> None:
        self.facts: dict[bytes, RequestFacts] = {}
        self._seen: set[int] = set()

    def offer(self, key: bytes, facts: RequestFacts) -> None:
        """Remember `facts`, which are without credentials, if they came before and are small."""
        if len(key) > MEMO_BYTES or len(facts[1]) > _MEMO_FIELDS:
            return
        digest = hash(key)
        if digest not in self._seen:
            if len(self._seen) >= _SEEN_COUNT:
                self._seen.clear()
            self._seen.add(digest)
            return
        if len(self.facts) >= _MEMO_COUNT:
            self.facts.clear()
        self.facts[key] = facts


_SHARED_MEMO: Final = Memo()


def memo_for(limits: Limits) -> Memo:
    """The memo for decoders with these limits.

    What one decoder let in, another would find there: so only those share it whose limits every
    remembered block meets.
    """
    if limits.header_count >= _MEMO_FIELDS and limits.header_block_bytes >= MEMO_BYTES:
        return _SHARED_MEMO
    return Memo()
