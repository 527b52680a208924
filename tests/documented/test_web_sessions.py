"""What the documentation says of ``circuits.web.sessions``, for every store."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import circuits.web
from circuits import Component, handler, sleep
from circuits.testing import VirtualClock, settle
from circuits.web import sessions
from circuits.web.controllers import Controller
from circuits.web.sessions import CookieStore, MemoryStore, Session, Sessions, SQLiteStore, Store
from tests.web.session_support import SECRET, WallClock, is_id, site, sources

pytestmark = pytest.mark.documented


@pytest.fixture(params=["memory", "sqlite", "cookie"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store
    if request.param == "memory":
        made = MemoryStore()
    elif request.param == "sqlite":
        made = SQLiteStore(tmp_path / "sessions.db")
    else:
        made = CookieStore(SECRET)
    yield made
    made.close()


@pytest.fixture(params=["memory", "sqlite"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store on the server's side."""
    made: Store = MemoryStore()
    if request.param == "sqlite":
        made = SQLiteStore(tmp_path / "sessions.db")
    yield made
    made.close()


def test_names_and_signature() -> None:
    assert issubclass(Sessions, Component)
    assert Sessions.channel == "web"
    parameters = inspect.signature(Sessions).parameters
    assert list(parameters)[:2] == ["name", "store"]
    assert parameters["name"].default == "circuits.session"
    assert parameters["store"].default is MemoryStore
    keywords = ("max_age", "idle", "secure", "samesite", "domain")
    assert [parameters[name].default for name in keywords] == [None, 3600, None, "Lax", None]
    assert inspect.isabstract(Store)
    assert Store.__abstractmethods__ == {"load", "save", "delete"}
    for name in ("Sessions", "Session", "Store", "MemoryStore", "SQLiteStore", "CookieStore"):
        assert getattr(circuits.web, name) is getattr(sessions, name)


def test_what_is_put_into_a_session_is_there_in_the_next_request(store: Store) -> None:
    with site(Sessions(store=store)) as place:
        browser, other = place.browser(), place.browser()
        assert [browser.text("/count") for _ in range(3)] == ["1", "2", "3"]
        assert other.text("/count") == "1"


def test_a_list_in_a_session_may_be_changed_in_place(store: Store) -> None:
    with site(Sessions(store=store)) as place:
        browser = place.browser()
        assert browser.text("/nested?value=a") == "['a']"
        assert browser.text("/nested?value=b") == "['a', 'b']"
        browser.text("/drop?key=list")
        assert browser.text("/show") == "[]"


def test_the_cookie_cannot_be_read_by_scripts_nor_sent_along_by_others(store: Store) -> None:
    with site(Sessions(store=store)) as place:
        browser = place.browser()
        browser.get("/count")
        assert browser.attributes == {"httponly": "", "path": "/", "samesite": "Lax"}
        place.server.secure = True
        secure = place.browser()
        secure.get("/count")
        assert secure.attributes["secure"] == ""


def test_the_cookie_is_sent_only_when_it_is_new(kept: Store) -> None:
    with site(Sessions(store=kept)) as place:
        browser = place.browser()
        assert "set-cookie" in browser.get("/").headers
        assert is_id(browser.cookie)
        for target in ("/", "/count", "/show", "/"):
            assert "set-cookie" not in browser.get(target).headers


def test_its_attributes_are_options(store: Store) -> None:
    options: dict[str, Any] = {"max_age": 600, "secure": True, "samesite": "Strict"}
    with site(Sessions("sid", store, domain="example.org", **options)) as place:
        browser = place.browser("sid")
        browser.get("/count")
        assert browser.attributes == {
            "httponly": "",
            "path": "/",
            "samesite": "Strict",
            "secure": "",
            "domain": "example.org",
            "max-age": "600",
        }


@pytest.mark.parametrize(
    "invented", ["mine", "A" * 43, "", '"', "a b", "é", "x" * 5000, "1.e30.AA"]
)
def test_ids_that_clients_invent_are_replaced(store: Store, invented: str) -> None:
    with site(Sessions(store=store)) as place:
        browser = place.browser()
        assert browser.text("/count", invented) == "1"
        assert browser.cookie not in (None, invented)
        assert browser.text("/count") == "2"
        assert place.browser().text("/count", invented) == "1"


def test_ids_have_256_bits_that_nobody_can_foretell(kept: Store) -> None:
    asked = []

    def given(count: int) -> bytes:
        asked.append(count)
        return bytes([len(asked)]) * count

    with sources(random_bytes=given), site(Sessions(store=kept)) as place:
        assert place.browser().text("/sid") == "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"
        assert place.browser().text("/sid") == "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI"
    assert asked == [32, 32]


def test_the_id_changes_at_login_and_the_old_one_is_worth_nothing(kept: Store) -> None:
    with site(Sessions(store=kept)) as place:
        victim, attacker = place.browser(), place.browser()
        attacker.text("/put?key=a&value=b")
        planted = attacker.cookie
        victim.get("/login?user=ada", planted)
        assert victim.cookie != planted
        assert victim.text("/show") == "[('a', 'b'), ('user', 'ada')]"
        assert attacker.text("/show") == "[]"


def test_a_session_ends_at_logout(kept: Store) -> None:
    with site(Sessions(store=kept)) as place:
        browser = place.browser()
        browser.text("/login?user=ada")
        old = browser.cookie
        browser.text("/logout")
        assert browser.cookie is None
        assert browser.text("/show", old) == "[]"
        assert browser.cookie not in (None, old)


def test_a_cookie_is_dropped_at_logout(store: Store) -> None:
    with site(Sessions(store=store)) as place:
        browser = place.browser()
        browser.text("/login?user=ada")
        browser.text("/logout")
        assert browser.cookie is None
        assert browser.text("/count") == "1"


def test_a_session_that_is_idle_expires(store: Store) -> None:
    wall = WallClock()
    with (
        VirtualClock() as clock,
        sources(wall=wall),
        site(Sessions(store=store, idle=100)) as place,
    ):

        def pass_by(seconds: float) -> None:
            wall.time += seconds
            settle(place.server, until=clock.now + seconds)

        browser = place.browser()
        browser.text("/count")
        for number in range(2, 6):  # each use counts, also one that changes nothing
            pass_by(90)
            browser.text("/show")
            pass_by(90)
            assert browser.text("/count") == str(number)
        old = browser.cookie
        pass_by(101)
        assert browser.text("/count") == "1"
        assert browser.cookie != old


def test_no_session_gets_older_than_its_maximum(store: Store) -> None:
    wall = WallClock()
    options: dict[str, Any] = {"idle": 100, "max_age": 250}
    with (
        VirtualClock() as clock,
        sources(wall=wall),
        site(Sessions(store=store, **options)) as place,
    ):
        browser = place.browser()
        for expected in ("1", "2", "3", "1"):
            assert browser.text("/count") == expected
            wall.time += 90
            settle(place.server, until=clock.now + 90)


def test_one_request_after_another_gets_the_same_object() -> None:
    seen = []

    class Looking(Controller):
        def index(self) -> str:
            seen.append(self.session)
            self.session["here"] = True
            return "seen"

    with site(Sessions(), root=Looking()) as place:
        browser = place.browser()
        browser.get("/")
        browser.get("/")
    assert seen[0] is seen[1]
    assert isinstance(seen[0], Session)
    assert isinstance(seen[0], dict)


class Slow(Controller):
    def read_first(self, key: str) -> Iterator[Any]:
        total = self.session.get("total", 0)
        yield sleep(1)
        self.session[key] = "there"
        self.session["total"] = self.session.get("total", 0) + 1
        yield f"{total}"

    async def awaiting(self, key: str) -> str:
        await sleep(1)
        self.session[key] = "there"
        return "done"

    def show(self) -> str:
        return repr(sorted(self.session.items()))

    def begin(self) -> str:
        self.session["total"] = 0
        return "begun"


def test_requests_that_overlap_lose_nothing(store: Store) -> None:
    with VirtualClock() as clock, site(Sessions(store=store), root=Slow()) as place:
        one, other = place.browser(), place.browser()
        one.text("/begin")
        other.cookie = one.cookie
        place.overlap(
            (one, "/read_first?key=a"),
            (other, "/read_first?key=b"),
            then=lambda: settle(place.server, until=clock.now + 2),
        )
        # The last response has what both have written, as it was one session.
        assert other.text("/show") == "[('a', 'there'), ('b', 'there'), ('total', 2)]"


def test_a_handler_of_requests_has_the_session_too(store: Store) -> None:
    class Answering(Component):
        channel = "web"

        @handler("request", priority=1, filter=True)
        def _on_request(self, request: Any, response: Any) -> str:
            request.session["seen"] = request.session.get("seen", 0) + 1
            return f"{request.session['seen']}"

    with site(Answering(), Sessions(store=store)) as place:
        browser = place.browser()
        assert [browser.text("/") for _ in range(2)] == ["1", "2"]


def test_what_is_written_after_the_head_is_saved_by_a_with_statement(kept: Store) -> None:
    class Streaming(Controller):
        def index(self) -> Any:
            self.session["before"] = 1

            def pieces() -> Iterator[str]:
                yield "a"
                with self.session as session:
                    session["after"] = 2
                yield "b"

            self.response.stream = True
            self.response.body = pieces()
            return self.response

        def show(self) -> str:
            return repr(sorted(self.session.items()))

    with site(Sessions(store=kept), root=Streaming()) as place:
        browser = place.browser()
        assert browser.text("/") == "ab"
        assert browser.text("/show") == "[('after', 2), ('before', 1)]"


def test_a_with_statement_that_raises_saves_nothing(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "sessions.db")
    component = Sessions(store=store)
    session = component._make("s" * 43)
    with pytest.raises(KeyError), session:
        session["a"] = session["missing"]
    with pytest.raises(KeyError), session:
        session["a"] = 1
        raise KeyError
    assert store.load(session.sid) is None
    with session:
        session["b"] = 2
    assert store.load(session.sid) == {"a": 1, "b": 2}
    store.close()


def test_without_sessions_there_is_none() -> None:
    with site() as place:
        assert place.browser().get("/show").code == 500


class ThreeMethods(Store):
    """All that a store of one's own needs."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.saves = 0

    def load(self, sid: str) -> dict[str, Any]:
        return dict(self.kept.get(sid, {}))

    def save(self, sid: str, data: Any) -> None:
        self.saves += 1
        self.kept[sid] = dict(data)

    def delete(self, sid: str) -> None:
        self.kept.pop(sid, None)


def test_a_store_of_ones_own_needs_three_methods() -> None:
    store = ThreeMethods()
    with site(Sessions(store=store)) as place:
        browser = place.browser()
        assert [browser.text("/count") for _ in range(2)] == ["1", "2"]
        assert store.kept == {browser.cookie: {"count": 2}}
        browser.text("/login?user=ada")
        assert store.kept == {browser.cookie: {"count": 2, "user": "ada"}}
        saves = store.saves
        browser.text("/show")
        assert store.saves == saves  # nothing has changed
        browser.text("/logout")
        assert store.kept == {}
    assert isinstance(Sessions(store=ThreeMethods).store, ThreeMethods)


def test_a_store_can_be_used_by_itself() -> None:
    with VirtualClock() as clock:
        store = MemoryStore()
        store.idle = 10.0
        store.save("a", {"x": 1})
        clock.advance(11)
        assert store.load("a") is None
