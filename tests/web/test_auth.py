from __future__ import annotations

import base64
import hashlib
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuits.testing import VirtualClock
from circuits.web import _auth, passwords, tools
from circuits.web._auth import Nonces, check_basic, check_digest, password_of
from circuits.web.errors import Unauthorized
from circuits.web.wrappers import Request
from tests.web.support import make, make_request

REALM = "Secret place"
USERS = {"admin": "swordfish", "jürgen": "pässwörd"}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def basic(name: str, password: str) -> str:
    return base64.b64encode(f"{name}:{password}".encode()).decode()


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


# -- users ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "users", [USERS, lambda: USERS, USERS.get, lambda name: USERS.get(name), lambda name: USERS]
)
def test_users_may_be_given_in_several_ways(users: Any) -> None:
    assert password_of(users, "admin") == "swordfish"
    assert password_of(users, "nobody") is None


def test_passwords_of_another_kind_are_none() -> None:
    assert password_of({"a": None}, "a") is None  # type: ignore[dict-item]  # the point
    assert password_of(lambda name: b"bytes", "a") == "bytes"
    assert password_of(lambda: None, "a") is None


# -- Basic -------------------------------------------------------------------------------------------


def test_basic_compares_what_encrypt_makes() -> None:
    assert check_basic(basic("admin", "swordfish"), {"admin": md5("swordfish")}) == "admin"
    assert check_basic(basic("admin", "wrong"), {"admin": md5("swordfish")}) is None
    assert check_basic(basic("admin", "swordfish"), USERS, str) == "admin"
    assert check_basic(basic("jürgen", "pässwörd"), USERS, str) == "jürgen"
    assert check_basic(basic("admin", "a:b"), {"admin": "a:b"}, str) == "admin"


@pytest.mark.parametrize("name", ["a\0b", "\0", "utf-8", "no codec", "a" * 3000])
@pytest.mark.parametrize("encrypt", [str, None])
def test_no_name_breaks_encrypt(name: str, encrypt: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_LOG_N", 4)  # of the hash that stands for a missing one
        assert check_basic(basic(name, "x"), {"u": "x"}, encrypt) is None
        assert check_basic(basic(name, "y"), {name: "x"}, encrypt) is None


def test_encrypt_may_refuse_a_password() -> None:
    def encrypt(password: str) -> str:
        if "\0" in password:
            raise ValueError("a null character")
        return password

    assert check_basic(basic("u", "x\0"), {"u": "x"}, encrypt) is None
    assert check_basic(basic("u", "x"), {"u": "x"}, encrypt) == "u"


def test_encrypt_may_take_the_name_too() -> None:
    def salted(password: str, name: str) -> bytes:
        return f"{name}/{password}".encode()

    assert check_basic(basic("a", "b"), {"a": "a/b"}, salted) == "a"
    assert check_basic(basic("a", "c"), {"a": "a/b"}, salted) is None


@pytest.mark.parametrize(
    "credentials",
    [
        "",
        "x",
        "====",
        "!!!!",
        basic("admin", "swordfish")[:-1],
        base64.b64encode(b"admin").decode(),
        base64.b64encode(b"\xff:x").decode(),
        basic("nobody", ""),
        basic("nobody", "None"),
        basic("", ""),
    ],
)
def test_basic_refuses(credentials: str) -> None:
    assert check_basic(credentials, USERS, str) is None
    assert check_basic(credentials, {}, lambda password: None) is None


# -- nonces ------------------------------------------------------------------------------------------


def test_nonces_are_ours_and_expire() -> None:
    clock = Clock()
    nonces = Nonces(10, clock=clock)
    nonce = nonces.make()
    assert nonce != nonces.make()
    assert nonces.made_at(nonce) == 1000.0
    assert nonces.is_fresh(nonce)
    assert not Nonces(10, clock=clock).is_fresh(nonce)
    clock.now += 11
    assert not nonces.is_fresh(nonce)
    assert nonces.made_at(nonce) is not None


@pytest.mark.parametrize("forged", ["", ".", "x", "x.y", "MTAwMC4wOjEy.00", "é.é"])
def test_forged_nonces(forged: str) -> None:
    assert Nonces().made_at(forged) is None
    assert not Nonces().is_fresh(forged)


def test_counts_are_used_once_but_may_overtake_each_other() -> None:
    nonces = Nonces()
    nonce = nonces.make()
    assert [nonces.use(nonce, count) for count in (1, 3, 2, 2, 3, 1)] == [True] * 3 + [False] * 3
    assert nonces.use(nonce, 2**32 - 1)
    assert not nonces.use(nonce, 4)  # too far behind to be known
    other = nonces.make()
    assert [nonces.use(other, 0), nonces.use(other, 0)] == [True, False]


def test_what_is_remembered_is_bounded() -> None:
    clock = Clock()
    nonces = Nonces(10, limit=3, clock=clock)
    made = []
    for _ in range(5):
        clock.now += 1
        made.append(nonces.make())
        assert nonces.use(made[-1], 1)
    assert len(nonces._seen) == 3
    # What was forgotten is refused rather than taken for unused.
    assert [nonces.is_fresh(nonce) for nonce in made] == [False, False, True, True, True]
    clock.now += 11
    assert nonces.use(nonces.make(), 1)
    assert len(nonces._seen) == 1


# -- Digest ------------------------------------------------------------------------------------------


def answer(nonce: str, **changes: Any) -> str:
    """What a client answers; ``None`` drops a field."""
    values: dict[str, Any] = {
        "name": "admin",
        "password": "swordfish",
        "method": "GET",
        "uri": "/x?y=z",
        "realm": REALM,
        "algorithm": "MD5",
        "qop": "auth",
        "nc": "00000001",
        "cnonce": "c",
    }
    values.update({key: value for key, value in changes.items() if key in values})
    v = values
    algorithm = v["algorithm"] or "MD5"
    make_hash: Callable[[bytes], Any] = hashlib.sha256 if algorithm[:3] == "SHA" else hashlib.md5

    def digest(*parts: str) -> str:
        text: str = make_hash(":".join(parts).encode()).hexdigest()
        return text

    secret = digest(v["name"], v["realm"], v["password"])
    if algorithm.upper().endswith("-SESS"):
        secret = digest(secret, nonce, v["cnonce"])
    middle = (nonce,) if v["qop"] is None else (nonce, v["nc"], v["cnonce"], v["qop"])
    fields = {
        "username": f'"{v["name"]}"',
        "realm": f'"{v["realm"]}"',
        "nonce": f'"{nonce}"',
        "uri": f'"{v["uri"]}"',
        "response": f'"{digest(secret, *middle, digest(v["method"], v["uri"]))}"',
        "algorithm": v["algorithm"],
    }
    if v["qop"] is not None:
        fields |= {"qop": v["qop"], "nc": v["nc"], "cnonce": f'"{v["cnonce"]}"'}
    fields.update(changes.get("fields", {}))
    return ", ".join(f"{key}={value}" for key, value in fields.items() if value is not None)


def check(nonces: Nonces, credentials: str, method: str = "GET", users: Any = USERS) -> str | None:
    return check_digest(credentials, method, "/x?y=z", REALM, users, nonces)


@pytest.mark.parametrize(
    "algorithm", [None, "MD5", "md5-sess", "MD5-sess", "SHA-256", "SHA-256-sess"]
)
def test_digest_algorithms(algorithm: str | None) -> None:
    nonces = Nonces()
    assert check(nonces, answer(nonces.make(), algorithm=algorithm)) == "admin"
    assert check(nonces, answer(nonces.make(), algorithm=algorithm, password="x")) is None


def test_digest_without_qop() -> None:
    nonces = Nonces()
    nonce = nonces.make()
    assert check(nonces, answer(nonce, qop=None)) == "admin"
    assert check(nonces, answer(nonce, qop=None)) is None  # a replay


def test_names_beyond_ascii() -> None:
    nonces = Nonces()
    credentials = answer(nonces.make(), name="jürgen", password="pässwörd")
    assert check(nonces, credentials.encode().decode("latin-1")) == "jürgen"


def test_a_request_sent_twice_fails() -> None:
    nonces = Nonces()
    nonce = nonces.make()
    assert check(nonces, answer(nonce)) == "admin"
    assert check(nonces, answer(nonce)) is None
    assert check(nonces, answer(nonce, nc="00000002")) == "admin"


def test_a_wrong_password_uses_nothing_up() -> None:
    nonces = Nonces()
    nonce = nonces.make()
    assert check(nonces, answer(nonce, password="wrong")) is None
    assert check(nonces, answer(nonce)) == "admin"


@pytest.mark.parametrize(
    "changes",
    [
        {"uri": "/other"},
        {"realm": "other"},
        {"method": "POST"},
        {"name": "nobody"},
        {"name": "nobody", "password": "None"},
        {"algorithm": "CRC"},
        {"qop": "auth-int"},
        {"nc": "1"},
        {"nc": "0000000g"},
        {"cnonce": ""},
        {"qop": None, "algorithm": "MD5-sess", "cnonce": ""},
        {"fields": {"username": None}},
        {"fields": {"realm": None}},
        {"fields": {"nonce": None}},
        {"fields": {"uri": None}},
        {"fields": {"response": None}},
        {"fields": {"response": '""'}},
        {"fields": {"response": '"é"'}},
        {"fields": {"Username": '"admin"'}},
        {"fields": {"x": "y" * 9000}},
    ],
)
def test_digest_refuses(changes: dict[str, Any]) -> None:
    nonces = Nonces()
    assert check(nonces, answer(nonces.make(), **changes)) is None


def test_digest_refuses_foreign_and_old_nonces() -> None:
    clock = Clock()
    nonces = Nonces(10, clock=clock)
    assert check(nonces, answer("made up")) is None
    credentials = answer(nonces.make())
    assert not _auth.is_stale(credentials, nonces)
    clock.now += 11
    assert check(nonces, credentials) is None
    assert _auth.is_stale(credentials, nonces)
    assert not _auth.is_stale(answer("made up"), nonces)


@given(st.text())
def test_credentials_from_strangers_never_raise_and_never_pass(text: str) -> None:
    assert check(Nonces(), text) is None
    assert check_basic(text, USERS, str) is None


# -- the tools ------------------------------------------------------------------------------------------


def with_credentials(*values: str, **kwargs: Any) -> tuple[Request, Any]:
    request, response = make(path="/x", qs="y=z", **kwargs)
    for value in values:
        request.headers.append("Authorization", value)
    return request, response


def test_basic_auth() -> None:
    request, response = with_credentials()
    result = tools.basic_auth(request, response, REALM, USERS, str)
    assert isinstance(result, Unauthorized)
    assert response.code == 401
    assert response.headers["WWW-Authenticate"] == 'Basic realm="Secret place"'
    assert request.login is False
    request, response = with_credentials("basic " + basic("admin", "swordfish"))
    assert tools.basic_auth(request, response, REALM, USERS, str) is None
    assert request.login == "admin"
    assert response.code == 200


def test_digest_auth() -> None:
    request, response = with_credentials()
    assert isinstance(tools.digest_auth(request, response, REALM, USERS), Unauthorized)
    [challenge] = response.headers.get_all("WWW-Authenticate")
    assert challenge.startswith('Digest realm="Secret place", nonce="')
    assert challenge.endswith('", algorithm=MD5, qop="auth"')
    nonce = challenge.split('nonce="')[1].split('"')[0]
    request, response = with_credentials("Digest " + answer(nonce))
    assert tools.digest_auth(request, response, REALM, USERS) is None
    assert request.login == "admin"


def test_the_client_of_the_standard_library_understands_the_challenge() -> None:
    request, response = with_credentials()
    tools.digest_auth(request, response, REALM, USERS)
    challenge = response.headers["WWW-Authenticate"].partition(" ")[2]
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, "http://example.org/", "admin", "swordfish")
    client = urllib.request.AbstractDigestAuthHandler(passwords)
    parsed = urllib.request.parse_keqv_list(urllib.request.parse_http_list(challenge))
    sent = client.get_authorization(urllib.request.Request("http://example.org/x?y=z"), parsed)
    request, response = with_credentials(f"Digest {sent}")
    assert tools.check_auth(request, response, REALM, USERS) is True


def test_several_algorithms_are_several_challenges() -> None:
    request, response = with_credentials()
    tools.digest_auth(request, response, REALM, USERS, algorithms=("SHA-256", "MD5"))
    challenges = response.headers.get_all("WWW-Authenticate")
    assert ["SHA-256" in challenge for challenge in challenges] == [True, False]
    with pytest.raises(ValueError, match="CRC"):
        tools.digest_auth(request, response, REALM, USERS, algorithms=["CRC"])


def test_an_expired_nonce_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(tools, "_nonces", nonces := Nonces(10, clock=clock))
    credentials = "Digest " + answer(nonces.make())
    clock.now += 11
    request, response = with_credentials(credentials)
    assert tools.digest_auth(request, response, REALM, USERS) is not None
    assert response.headers["WWW-Authenticate"].endswith(", stale=true")


@pytest.mark.parametrize(
    "values",
    [
        (),
        ("",),
        ("Basic",),
        ("Digest",),
        ("Bearer x",),
        ("nospace",),
        ("Digest username=admin",),
        ("Basic " + basic("admin", "swordfish"),) * 2,
        ("Basic " + "A" * 9000,),
    ],
)
def test_check_auth_is_strictly_boolean(values: tuple[str, ...]) -> None:
    request, response = with_credentials(*values)
    assert tools.check_auth(request, response, REALM, USERS, str) is False
    assert request.login is False
    assert response.code == 200


def test_each_tool_takes_its_own_scheme_only() -> None:
    """A stored hash must not be usable as the plain password of the other scheme."""
    hashed = {"admin": md5("swordfish")}
    credentials = "Digest " + answer(tools._nonces.make(), password=hashed["admin"])
    request, response = with_credentials(credentials)
    assert tools.basic_auth(request, response, REALM, hashed) is not None
    request, response = with_credentials("Basic " + basic("admin", "swordfish"))
    assert tools.digest_auth(request, response, REALM, hashed) is not None


@pytest.mark.parametrize("realm", ['a"b', "a\\b", "a\r\nb"])
def test_bad_realms(realm: str) -> None:
    request, response = with_credentials()
    with pytest.raises(ValueError):
        tools.basic_auth(request, response, realm, USERS)
    with pytest.raises(ValueError):
        tools.digest_auth(request, response, realm, USERS)


def test_the_target_is_what_the_client_sent() -> None:
    request = make_request(path="/a b")
    request.raw_path = "/a%20b"
    request.script_name = "/app"
    credentials = answer(tools._nonces.make(), uri="/app/a%20b")
    request.headers["Authorization"] = f"Digest {credentials}"
    assert tools.check_auth(request, make()[1], REALM, USERS)


# -- hashes of passwords ----------------------------------------------------------------------------


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The hashes that were worked on."""
    done: list[str | None] = []
    verify = passwords.verify_password

    def counted(password: str, stored: str | None) -> bool:
        done.append(stored)
        return stored is not None and verify(password, stored)

    monkeypatch.setattr(passwords, "verify_password", counted)
    monkeypatch.setattr(_auth, "_verified", _auth._Verified(limit=2))
    return done


def scrypt(password: str) -> str:
    return passwords.hash_password(password, log_n=4, r=1, p=1)


def test_basic_takes_scrypt(work: list[str | None]) -> None:
    users = {"admin": scrypt("swordfish"), "old": md5("swordfish")}
    assert check_basic(basic("admin", "swordfish"), users) == "admin"
    assert check_basic(basic("admin", "wrong"), users) is None
    assert check_basic(basic("admin", users["admin"]), users) is None
    assert check_basic(basic("old", "swordfish"), users) == "old"
    assert check_basic(basic("nobody", "swordfish"), users) is None


def test_a_password_that_fitted_is_not_worked_on_again(work: list[str | None]) -> None:
    users = {name: scrypt(name * 3) for name in "abc"}
    for _ in range(3):
        assert check_basic(basic("a", "aaa"), users) == "a"
    assert work == [users["a"]]
    for _ in range(2):
        assert check_basic(basic("a", "wrong"), users) is None
    assert len(work) == 3  # what did not fit is not remembered
    for name in "bc":
        assert check_basic(basic(name, name * 3), users) == name
    assert check_basic(basic("a", "aaa"), users) == "a"  # forgotten, as there are two at most
    assert len(work) == 6
    users["a"] = scrypt("new")
    assert check_basic(basic("a", "aaa"), users) is None


def test_who_does_not_exist_costs_the_same_work(work: list[str | None]) -> None:
    users = {"admin": scrypt("swordfish")}
    assert check_basic(basic("nobody", "x"), {"old": md5("x")}) is None
    assert work == []  # where no hash of ours is in use
    check_basic(basic("admin", "wrong"), users)
    check_basic(basic("nobody", "wrong"), users)
    assert work == [users["admin"], None]


@pytest.mark.parametrize(
    ("encrypt", "is_let_in"),
    [(None, True), (str, True), (lambda p: hashlib.sha256(p.encode()).hexdigest(), False)],
)
def test_what_is_encrypted_is_no_password_for_digest(encrypt: Any, is_let_in: bool) -> None:
    stored = hashlib.sha256(b"swordfish").hexdigest()
    request, response = with_credentials("Digest " + answer(tools._nonces.make(), password=stored))
    users = {"admin": stored}
    assert tools.check_auth(request, response, REALM, users, encrypt) is is_let_in


@pytest.mark.parametrize(
    "make_hash",
    [
        md5,
        lambda text: md5(text).upper(),
        scrypt,
        lambda text: "$2b$12$" + text,
        lambda text: "$argon2id$v=19$" + text,
        lambda text: "{SSHA}" + text,
    ],
)
def test_a_hash_is_no_password_for_digest(make_hash: Callable[[str], str]) -> None:
    stored = make_hash("swordfish")
    nonces = Nonces()
    nonce = nonces.make()
    secret = md5(f"admin:{REALM}:{stored}")
    response = md5(f"{secret}:{nonce}:{md5('GET:/')}")
    credentials = (
        f'username="admin", realm="{REALM}", nonce="{nonce}", uri="/", response="{response}"'
    )
    assert check_digest(credentials, "GET", "/", REALM, {"admin": stored}, nonces) is None
    plain = "!" + stored
    response = md5(f"{md5(f'admin:{REALM}:{plain}')}:{nonce}:{md5('GET:/')}")
    credentials = (
        f'username="admin", realm="{REALM}", nonce="{nonce}", uri="/", response="{response}"'
    )
    assert check_digest(credentials, "GET", "/", REALM, {"admin": plain}, nonces) == "admin"


def test_nonces_expire_by_the_clock_of_the_framework() -> None:
    with VirtualClock() as clock:
        nonces = Nonces(lifetime_seconds=10)
        nonce = nonces.make()
        assert nonces.is_fresh(nonce)
        clock.advance(11)
        assert not nonces.is_fresh(nonce)
