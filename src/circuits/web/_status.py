"""The one table of HTTP statuses: reason phrases and default descriptions.

Error events, exceptions and the response line all read it, so that a status is spelled once.
"""

from __future__ import annotations

from typing import Final

__all__ = ["DESCRIPTIONS", "REASONS", "Status", "describe", "has_no_body", "reason"]

REASONS: Final[dict[int, str]] = {
    100: "Continue",
    101: "Switching Protocols",
    102: "Processing",
    103: "Early Hints",
    200: "OK",
    201: "Created",
    202: "Accepted",
    203: "Non-Authoritative Information",
    204: "No Content",
    205: "Reset Content",
    206: "Partial Content",
    207: "Multi-Status",
    226: "IM Used",
    300: "Multiple Choices",
    301: "Moved Permanently",
    302: "Found",
    303: "See Other",
    304: "Not Modified",
    305: "Use Proxy",
    307: "Temporary Redirect",
    308: "Permanent Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    409: "Conflict",
    410: "Gone",
    411: "Length Required",
    412: "Precondition Failed",
    413: "Request Entity Too Large",
    414: "Request URI Too Large",
    415: "Unsupported Media Type",
    416: "Requested Range Not Satisfiable",
    417: "Expectation Failed",
    418: "I'm a teapot",
    421: "Misdirected Request",
    422: "Unprocessable Entity",
    423: "Locked",
    424: "Failed Dependency",
    426: "Upgrade Required",
    428: "Precondition Required",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    449: "Retry With",
    451: "Unavailable For Legal Reasons",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
    507: "Insufficient Storage",
    510: "Not Extended",
    511: "Network Authentication Required",
}

#: Reason phrases for codes that are not listed, by their first digit.
_CLASSES: Final = {
    1: "Informational",
    2: "Success",
    3: "Redirection",
    4: "Client Error",
    5: "Server Error",
}

#: What an error page says below its title. These texts are markup; all others are escaped.
DESCRIPTIONS: Final[dict[int, str]] = {
    400: "<p>The server could not make sense of this request.</p>",
    401: (
        "<p>This address asks for credentials, and those that were sent, if any, were not "
        "accepted. Check the name and the password, and whether the browser can send them.</p>"
    ),
    403: "<p>The requested resource exists, but you are not permitted to see or change it.</p>",
    404: (
        "<p>There is nothing at the requested address. If it was typed by hand, look for a "
        "mistake in it.</p>"
    ),
    405: "<p>The requested resource does not support the method of this request.</p>",
    406: (
        "<p>The requested resource cannot be delivered in any form that the client said it "
        "would accept.</p>"
    ),
    408: "<p>The request did not arrive completely in the time that the server waits for it.</p>",
    410: "<p>The requested resource was here once. It is gone for good, without a successor.</p>",
    411: "<p>Requests of this kind must state their length in a <code>Content-Length</code>.</p>",
    412: "<p>A condition that the request made does not hold for the resource.</p>",
    413: "<p>The data sent with the request exceeds what the server takes.</p>",
    414: "<p>The requested address is longer than the server allows.</p>",
    415: "<p>The server cannot work with the media type of the data that was sent.</p>",
    416: "<p>The requested resource has no such byte range.</p>",
    417: "<p>The server cannot meet the expectation that the request states.</p>",
    426: "<p>The requested resource is available only through another protocol.</p>",
    431: "<p>The header fields of the request exceed what the server takes.</p>",
    500: (
        "<p>The server met a condition it was not prepared for and could not complete the "
        "request.</p>"
    ),
    501: "<p>The server does not support what this request asks for.</p>",
    502: "<p>Another server that was asked on your behalf sent no valid answer.</p>",
    503: (
        "<p>The server cannot answer at the moment, because it is overloaded or under "
        "maintenance. Try again later.</p>"
    ),
    505: "<p>The server does not support the HTTP version of this request.</p>",
}


def reason(code: int) -> str:
    """The reason phrase of a code; a generic one if the code is not known."""
    return REASONS.get(code) or _CLASSES.get(code // 100, "Unknown")


def describe(code: int) -> str:
    """The default description of a code, as markup; empty for codes that need no words."""
    return DESCRIPTIONS.get(code, "")


def has_no_body(code: int) -> bool:
    """Whether responses of this status never carry content (RFC 9110, 6.4.1)."""
    return code < 200 or code == 204 or code == 304


class Status(str):
    """The text ``"<code> <reason>"`` that also equals its code.

    Attributes:
        code: The number.
        reason: The phrase.
    """

    __slots__ = ("code", "reason")
    code: int
    reason: str

    def __new__(cls, code: int, phrase: str | None = None) -> Status:
        """Make the text; ``phrase`` replaces the one of the table."""
        phrase = reason(code) if phrase is None else phrase
        self = super().__new__(cls, f"{code} {phrase}" if phrase else f"{code}")
        self.code = code
        self.reason = phrase
        return self

    def __eq__(self, other: object) -> bool:
        return self.code == other if isinstance(other, int) else str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__

    def __int__(self) -> int:
        return self.code
