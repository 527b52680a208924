"""The credentials that a client shows: Basic and Digest (RFC 7617, RFC 7616)."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import TYPE_CHECKING, Final

from circuits.core import _clock

from ._auth import ALGORITHMS, parse_digest
from ._header_elements import quote_string

if TYPE_CHECKING:
    from ._client_request import ClientRequest
    from ._client_response import ClientResponse

__all__ = ["DigestAuth", "basic"]

#: Where a challenge of the scheme begins, also behind others in one field.
_CHALLENGE: Final = re.compile(r"(?:^|,)\s*Digest\s+", re.IGNORECASE)
#: The favourite first.
_PREFERRED: Final = ("SHA-256", "SHA-256-SESS", "MD5", "MD5-SESS")


def basic(user: str, password: str) -> str:
    """The value of ``Authorization`` for a name and a password.

    Raises:
        ValueError: The name holds a colon, which would be taken for its end.
    """
    if ":" in user:
        raise ValueError(f"the name of a user holds no colon: {user!r}")
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


class DigestAuth:
    """A name and a password for servers that ask for the Digest scheme.

    The first answer of such a server is 401 with a challenge; the request is sent again then, if
    its body can be. Later requests show the answer to the same challenge at once. The password
    itself is never shown.

    Args:
        user: The name.
        password: The password.

    .. versionadded:: 2.1
    """

    def __init__(self, user: str, password: str) -> None:
        self._user = user
        self._password = password
        #: By origin: what was asked there, and how often that was answered.
        self._challenges: dict[tuple[str, int, bool], tuple[dict[str, str], int]] = {}

    def take(self, request: ClientRequest, response: ClientResponse) -> bool:
        """Take the challenge of a response; whether there is a new one that can be answered."""
        challenges = [
            fields
            for line in response.headers.get_all("www-authenticate")
            for text in _CHALLENGE.split(line)[1:]
            if (fields := parse_digest(text)) and "nonce" in fields and "realm" in fields
            and ("qop" not in fields or "auth" in re.split(r"[\s,]+", fields["qop"].lower()))
            and _algorithm(fields) in ALGORITHMS
        ]  # fmt: skip
        if not challenges:
            return False
        best = min(challenges, key=lambda each: _PREFERRED.index(_algorithm(each)))
        known = self._challenges.get(request.origin)
        self._challenges[request.origin] = best, 0
        return known is None or known[0]["nonce"] != best["nonce"]

    def header(self, request: ClientRequest) -> str:
        """The value of ``Authorization``; empty as long as nobody has asked."""
        known = self._challenges.get(request.origin)
        if known is None:
            return ""
        challenge, number = known[0], known[1] + 1
        self._challenges[request.origin] = challenge, number
        algorithm = _algorithm(challenge)

        def digest(*parts: str) -> str:
            data = ":".join(parts).encode("utf-8", "surrogatepass")
            return ALGORITHMS[algorithm](data, usedforsecurity=False).hexdigest()

        nonce, count = challenge["nonce"], f"{number:08x}"
        random = _clock.random_bytes(16).hex()
        secret = digest(self._user, challenge["realm"], self._password)
        if algorithm.endswith("-SESS"):
            secret = digest(secret, nonce, random)
        asked = digest(request.method, request.target)
        if "qop" in challenge:
            answer = digest(secret, nonce, count, random, "auth", asked)
        else:
            answer = digest(secret, nonce, asked)
        # Headers go out as ISO-8859-1, and names are in UTF-8.
        user = self._user.encode().decode("latin-1")
        fields = [
            f"username={quote_string(user)}",
            f"realm={quote_string(challenge['realm'])}",
            f"nonce={quote_string(nonce)}",
            f"uri={quote_string(request.target)}",
            f'response="{answer}"',
            f"algorithm={challenge.get('algorithm', 'MD5')}",
            f'cnonce="{random}"',
        ]
        if "qop" in challenge:
            fields += ["qop=auth", f"nc={count}"]
        if "opaque" in challenge:
            fields.append(f"opaque={quote_string(challenge['opaque'])}")
        return "Digest " + ", ".join(fields)


def _algorithm(challenge: dict[str, str]) -> str:
    return challenge.get("algorithm", "MD5").upper()
