"""Credentials in HTTP: the Basic and Digest schemes as rules (RFC 7617, RFC 7616).

Whatever is malformed is simply not authorised; nothing here raises for what a client sent.

A nonce is a time stamp with random bits, signed with a secret of this process. So it cannot be
forged, it expires by itself, and nothing is remembered of nonces that nobody uses. For those that
are used, the counts seen are kept until they expire; a request that is sent twice fails.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from typing import TYPE_CHECKING, Any, Final

from circuits.core import _clock

from . import passwords
from ._header_elements import quote_string, split_quoted, unquote_string

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Users = Mapping[str, str] | Callable[..., Any]
    Encrypt = Callable[..., Any]

__all__ = [
    "ALGORITHMS",
    "Nonces",
    "basic_challenge",
    "check_basic",
    "check_digest",
    "digest_challenges",
    "is_stale",
    "password_of",
]

ALGORITHMS: Final = {
    "MD5": hashlib.md5,
    "MD5-SESS": hashlib.md5,
    "SHA-256": hashlib.sha256,
    "SHA-256-SESS": hashlib.sha256,
}

#: Longest ``Authorization`` that is looked at; a real one has a few hundred bytes.
HEADER_LIMIT_BYTES: Final = 8 * 1024


def _now() -> float:
    return _clock.now()  # asked each time, so that a virtual clock counts as well


class Nonces:
    """Makes and checks nonces.

    Args:
        lifetime_seconds: How long a nonce is good.
        limit: How many nonces in use are remembered. Beyond that the oldest is forgotten and
            refused from then on, which costs its user a round trip.
        clock: Tells the time in seconds; by default that of the framework.
    """

    def __init__(
        self,
        lifetime_seconds: float = 300,
        limit: int = 10_000,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._lifetime = lifetime_seconds
        self._limit = limit
        self._clock: Callable[[], float] = _now if clock is None else clock
        self._secret = _clock.random_bytes(32)
        # Nonce: when it was made, and a window over the counts seen, as OpenVPN and IPsec do:
        # the highest, and a bit for each of those just below, since a browser's connections
        # may overtake each other.
        self._seen: dict[str, tuple[float, int, int]] = {}
        # Nonces made up to this time were perhaps used and forgotten.
        self._forgotten_until = float("-inf")

    def make(self) -> str:
        """A new nonce."""
        text = f"{self._clock():.6f}:{_clock.random_bytes(8).hex()}"
        encoded = base64.urlsafe_b64encode(text.encode()).decode()
        return f"{encoded}.{self._sign(encoded)}"

    def _sign(self, text: str) -> str:
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()

    def made_at(self, nonce: str) -> float | None:
        """When one of our nonces was made; ``None`` for any other text."""
        encoded, _, signature = nonce.partition(".")
        try:
            # As it was sent: several texts are the same once they are decoded.
            if not hmac.compare_digest(self._sign(encoded).encode(), signature.encode()):
                return None
            text = base64.b64decode(encoded, altchars=b"-_", validate=True).decode("ascii")
            return float(text.partition(":")[0])
        except ValueError:  # of base64, of ascii, of float
            return None

    def is_fresh(self, nonce: str) -> bool:
        """Whether a nonce is ours and has not expired."""
        made = self.made_at(nonce)
        if made is None or self._clock() - made > self._lifetime:
            return False
        return nonce in self._seen or made > self._forgotten_until

    def use(self, nonce: str, count: int) -> bool:
        """Note a use of a fresh nonce; ``False`` if that count was used before.

        Args:
            nonce: The nonce.
            count: The client's count of its uses, from 1 on; 0 for clients that do not count
                may be used once.
        """
        made, highest, window = self._seen.get(nonce, (None, 0, 0))
        if made is None:
            made = self.made_at(nonce) or 0.0
            self._make_room()
        if count > highest or window == 0:
            shift = count - highest
            window = ((window << shift) | 1) & _WINDOW if shift < _WINDOW_BITS else 1
            highest = count
        else:
            behind = highest - count
            if behind >= _WINDOW_BITS or window >> behind & 1:
                return False
            window |= 1 << behind
        self._seen[nonce] = (made, highest, window)
        return True

    def _make_room(self) -> None:
        if len(self._seen) < self._limit:
            return
        oldest = self._clock() - self._lifetime
        self._seen = {nonce: seen for nonce, seen in self._seen.items() if seen[0] >= oldest}
        while len(self._seen) >= self._limit:
            nonce = min(self._seen, key=lambda nonce: self._seen[nonce][0])
            self._forgotten_until = max(self._forgotten_until, self._seen.pop(nonce)[0])


_WINDOW_BITS = 64
_WINDOW = (1 << _WINDOW_BITS) - 1


# -- users ---------------------------------------------------------------------------------------


def password_of(users: Users, name: str) -> str | None:
    """Look a password up.

    Args:
        users: A mapping from names to passwords, or a callable that gives one, or a callable
            that takes a name and gives the password.
        name: Name of the user.

    Returns:
        The password, or ``None`` if there is no such user.
    """
    found: Any = users
    if callable(users):
        found = users() if _takes_nothing(users) else users(name)
    if found is not None and not isinstance(found, (str, bytes)):
        found = found.get(name)
    if isinstance(found, bytes):
        found = found.decode("utf-8", "surrogateescape")
    return found if isinstance(found, str) else None


def _takes_nothing(function: Callable[..., Any]) -> bool:
    import inspect

    try:
        inspect.signature(function).bind()
    except TypeError:
        return False
    except ValueError:  # a builtin that does not tell
        return True
    return True


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(
        one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass")
    )


def _nobodys_password() -> str:
    return _clock.random_bytes(16).hex()


#: What a password hash looks like: MD5 as ``encrypt`` makes it by default, and those that name
#: their scheme, as crypt and LDAP have them. Our own are looked at otherwise.
_is_hash = re.compile(
    r"[0-9a-fA-F]{32}|\$[0-9A-Za-z-]{1,16}\$.+|\{[0-9A-Za-z-]{1,16}\}.+", re.ASCII | re.DOTALL
).fullmatch


class _Verified:
    """Remembers which passwords have fitted, as browsers send them with each request.

    What is remembered is a digest with a secret of this process: neither passwords nor hashes.
    """

    def __init__(self, limit: int = 1024) -> None:
        self._limit = limit
        self._secret = _clock.random_bytes(32)
        self._known: dict[bytes, None] = {}
        self._is_used = False

    def fits(self, password: str, stored: str | None) -> bool:
        """Whether a password fits a hash; ``None`` takes as long, once hashes are in use."""
        if stored is None:
            return self._is_used and passwords.verify_password(password, None)
        self._is_used = True
        text = f"{len(password)}:{password}{stored}".encode("utf-8", "surrogatepass")
        digest = hmac.digest(self._secret, text, "sha256")
        if digest in self._known:
            return True
        if not passwords.verify_password(password, stored):
            return False
        if len(self._known) >= self._limit:
            del self._known[next(iter(self._known))]
        self._known[digest] = None
        return True


_verified = _Verified()


# -- Basic -----------------------------------------------------------------------------------------


def basic_challenge(realm: str) -> str:
    """The value of ``WWW-Authenticate``.

    Raises:
        ValueError: If the realm holds a quotation mark.
    """
    return f"Basic {_realm(realm)}"


def _realm(realm: str) -> str:
    if '"' in realm or "\\" in realm:
        raise ValueError(f"a realm must not contain quotation marks or backslashes: {realm!r}")
    return f"realm={quote_string(realm)}"


def _md5(password: str) -> str:
    return hashlib.md5(password.encode(), usedforsecurity=False).hexdigest()


def check_basic(credentials: str, users: Users, encrypt: Encrypt | None = None) -> str | None:
    """Check the credentials of the Basic scheme.

    Args:
        credentials: What follows the name of the scheme.
        users: See :func:`password_of`.
        encrypt: Makes of a password, and perhaps of password and name, what ``users`` has;
            ``None`` is the hexadecimal MD5, or what
            :func:`~circuits.web.passwords.hash_password` makes.

    Returns:
        Name of the user, or ``None`` if not authorised.
    """
    try:
        decoded = base64.b64decode(credentials.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    name, colon, password = decoded.partition(":")
    if not colon:
        return None
    stored = password_of(users, name)
    if encrypt is None and (stored is None or passwords.is_password_hash(stored)):
        if _verified.fits(password, stored):
            return name
        stored = None
    # An unknown user costs the same work, and then equals nothing.
    expected = stored if stored is not None else _nobodys_password()
    matches = False
    for candidate in _encrypted(encrypt or _md5, password, name):
        matches |= _same(candidate, expected)
    return name if matches and stored is not None else None


def _encrypted(encrypt: Encrypt, password: str, name: str) -> Iterable[str]:
    for arguments in ((password,), (password, name)):
        try:
            result = encrypt(*arguments)
        except (TypeError, ValueError):  # it takes the other number of arguments, or other text
            continue
        if isinstance(result, bytes):
            result = result.decode("utf-8", "surrogateescape")
        if isinstance(result, str):
            yield result


# -- Digest ------------------------------------------------------------------------------------------


def digest_challenges(realm: str, nonce: str, algorithms: Iterable[str] = ("MD5",)) -> list[str]:
    """The values of ``WWW-Authenticate``, one per algorithm in the order of preference.

    Raises:
        ValueError: If the realm holds a quotation mark, or an algorithm is not known.
    """
    challenges = []
    for algorithm in algorithms:
        if algorithm.upper() not in ALGORITHMS:
            raise ValueError(f"unknown algorithm {algorithm!r}; use one of {', '.join(ALGORITHMS)}")
        challenges.append(
            f'Digest {_realm(realm)}, nonce="{nonce}", algorithm={algorithm}, qop="auth"'
        )
    return challenges


def parse_digest(credentials: str) -> dict[str, str] | None:
    """Read the parameters of the Digest scheme; ``None`` if they are malformed."""
    if len(credentials) > HEADER_LIMIT_BYTES:
        return None
    fields: dict[str, str] = {}
    for part in split_quoted(credentials, ","):
        key, equals, value = part.partition("=")
        key = key.strip().lower()
        if not equals or key in fields:
            return None
        fields[key] = unquote_string(value.strip())
    return fields


def is_stale(credentials: str, nonces: Nonces) -> bool:
    """Whether a refusal is due to a nonce that was ours and has expired."""
    fields = parse_digest(credentials) or {}
    nonce = fields.get("nonce", "")
    return nonces.made_at(nonce) is not None and not nonces.is_fresh(nonce)


_COUNT = re.compile(r"[0-9A-Fa-f]{8}", re.ASCII)


def check_digest(
    credentials: str, method: str, target: str, realm: str, users: Users, nonces: Nonces
) -> str | None:
    """Check the credentials of the Digest scheme.

    Args:
        credentials: What follows the name of the scheme.
        method: Method of the request.
        target: Target of the request, path and query as they were sent.
        realm: The realm that the client must name.
        users: See :func:`password_of`; the passwords are plain. What looks like a hash of one,
            for the Basic scheme, is no password.
        nonces: Where our nonces come from.

    Returns:
        Name of the user, or ``None`` if not authorised.
    """
    fields = parse_digest(credentials)
    if fields is None:
        return None
    try:
        name, nonce, response = fields["username"], fields["nonce"], fields["response"]
        uri, claimed = fields["uri"], fields["realm"]
    except KeyError:
        return None
    try:
        # Header values come as latin-1; names and passwords are hashed as UTF-8.
        name = name.encode("latin-1").decode()
    except (UnicodeEncodeError, UnicodeDecodeError):
        pass
    algorithm = fields.get("algorithm", "MD5").upper()
    maker = ALGORITHMS.get(algorithm)
    qop = fields.get("qop")
    count_text, cnonce = fields.get("nc", ""), fields.get("cnonce", "")
    if maker is None or claimed != realm or uri != target or qop not in (None, "auth"):
        return None
    if qop is not None and (not _COUNT.fullmatch(count_text) or not cnonce):
        return None
    if algorithm.endswith("-SESS") and not cnonce:
        return None
    if not nonces.is_fresh(nonce):
        return None

    def digest(*parts: str) -> str:
        text = ":".join(parts).encode("utf-8", "surrogatepass")
        return maker(text, usedforsecurity=False).hexdigest()

    stored = password_of(users, name)
    if stored is not None and (_is_hash(stored) or passwords.is_password_hash(stored)):
        # Of a hash for the Basic scheme: whoever has read it would be let in by it.
        stored = None
    secret = digest(name, realm, stored if stored is not None else _nobodys_password())
    if algorithm.endswith("-SESS"):
        secret = digest(secret, nonce, cnonce)
    request = digest(method, uri)
    if qop is None:
        expected = digest(secret, nonce, request)
    else:
        expected = digest(secret, nonce, count_text, cnonce, qop, request)
    if not _same(response.lower(), expected) or stored is None:
        return None
    # Last, so that only who knows the password can use a count up.
    return name if nonces.use(nonce, int(count_text, 16) if qop else 0) else None
