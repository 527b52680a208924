"""Sessions among hostile clients, requests that overlap, and stores that fail."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from circuits import BaseComponent, handler, sleep
from circuits.testing import VirtualClock, settle
from circuits.web import _session, sessions
from circuits.web.controllers import Controller
from circuits.web.sessions import CookieStore, MemoryStore, Session, Sessions, Store, StoreError
from tests.web.session_support import SECRET, Browser, Root, Site, is_id, site
from tests.web.support import make_request


class Slow(Root):
    def late(self) -> Iterator[Any]:
        before = repr(sorted(self.session.items()))
        yield sleep(1)
        self.session["late"] = True
        yield f"{before} {sorted(self.session)}"

    def late_login(self, user: str) -> Iterator[Any]:
        yield sleep(1)
        self.session.regenerate()
        self.session["user"] = user
        yield "welcome"


def test_who_waits_with_the_old_id_stays_outside_when_somebody_logs_in() -> None:
    with VirtualClock() as clock, site(Sessions(), root=Slow()) as place:
        attacker, victim = place.browser(), place.browser()
        attacker.text("/put?key=a&value=b")
        planted = attacker.cookie
        victim.cookie = planted
        _, reply = place.overlap(
            (victim, "/login?user=ada"),
            (attacker, "/late"),
            then=lambda: settle(place.server, until=clock.now + 2),
        )
        assert reply.body == b"[] ['late']"
        assert victim.cookie != planted
        assert attacker.cookie not in (planted, victim.cookie)
        reply, _ = place.overlap(
            (attacker, "/late"),
            (victim, "/show"),
            then=lambda: settle(place.server, until=clock.now + 2),
        )
        assert b"ada" not in reply.body
        assert "late" not in victim.text("/show")


def test_a_request_in_flight_does_not_get_the_new_id() -> None:
    with VirtualClock() as clock, site(Sessions(), root=Slow()) as place:
        waiting, victim = place.browser(), place.browser()
        waiting.text("/put?key=a&value=b")
        planted = victim.cookie = waiting.cookie
        replies = place.overlap(
            (waiting, "/late"),
            (victim, "/login?user=ada"),
            then=lambda: settle(place.server, until=clock.now + 2),
        )
        assert "set-cookie" not in replies[0].headers
        assert replies[0].body == b"[('a', 'b')] ['late']"
        assert victim.text("/show") == "[('a', 'b'), ('user', 'ada')]"
        assert waiting.text("/show", planted) == "[]"


def test_two_logins_at_once_are_two_sessions() -> None:
    with VirtualClock() as clock, site(Sessions(), root=Slow()) as place:
        one, other = place.browser(), place.browser()
        one.text("/put?key=a&value=b")
        other.cookie = one.cookie
        place.overlap(
            (one, "/late_login?user=ada"),
            (other, "/late_login?user=eve"),
            then=lambda: settle(place.server, until=clock.now + 2),
        )
        assert one.text("/show") == "[('a', 'b'), ('user', 'ada')]"
        assert other.text("/show") == "[('user', 'eve')]"


def test_an_old_id_that_was_on_the_way_replaces_no_login() -> None:
    with VirtualClock() as clock, site(Sessions()) as place:
        browser = place.browser()
        browser.text("/put?key=a&value=b")
        old = browser.cookie
        browser.text("/login?user=ada")
        new = browser.cookie
        assert "set-cookie" not in browser.get("/", old).headers
        assert browser.text("/count", old) == "1"  # what writes needs a session
        assert browser.cookie not in (old, new)
        clock.advance(61)
        assert "set-cookie" in browser.get("/", old).headers


def test_a_login_with_an_old_id_is_a_login() -> None:
    with site(Sessions()) as place:
        browser = place.browser()
        browser.text("/put?key=a&value=b")
        old = browser.cookie
        browser.text("/login?user=ada")
        browser.get("/login?user=ada", old)
        assert browser.text("/show") == "[('user', 'ada')]"


def test_who_puts_something_in_with_a_replaced_id_is_told_of_the_end_too() -> None:
    """The session that such a client got is one like any other as soon as it has held something."""
    with site(Sessions()) as place:
        other = place.browser()
        other.get("/count")
        old = other.cookie
        other.text("/login?user=ada")
        browser = place.browser()
        browser.cookie = old
        browser.text("/count")
        assert browser.cookie not in (old, other.cookie)
        kept = browser.cookie
        browser.text("/logout")
        assert browser.cookie != kept


def test_an_ended_session_does_not_come_back_by_who_still_has_it() -> None:
    with VirtualClock() as clock, site(Sessions(), root=Slow()) as place:
        one, other = place.browser(), place.browser()
        one.text("/login?user=ada")
        old = other.cookie = one.cookie
        place.overlap(
            (other, "/late"),
            (one, "/logout"),
            then=lambda: settle(place.server, until=clock.now + 2),
        )
        assert one.cookie is None
        assert one.text("/show", old) == "[]"


def test_what_is_written_after_the_end_is_a_new_session() -> None:
    class Out(Root):
        def out(self) -> str:
            self.session.expire()
            self.session["flash"] = "bye"
            return self.request.sid

    with site(Sessions(), root=Out()) as place:
        browser = place.browser()
        browser.text("/login?user=ada")
        old = browser.cookie
        assert browser.text("/out") == browser.cookie != old
        assert browser.text("/show") == "[('flash', 'bye')]"


class ByHand(BaseComponent):
    """Requests that no controller answers: who calls is not known."""

    channel = "web"

    def __init__(self, *, says_who: bool) -> None:
        super().__init__()
        self.says_who = says_who

    @handler("request", priority=1, filter=True)
    def _on_request(self, request: Any, response: Any) -> Any:
        assert request.session is not None  # so that it is a request of that session
        yield sleep(1)
        request.session.regenerate(*([request] if self.says_who else []))
        yield request.sid


def test_outside_of_controllers_the_only_request_is_the_caller() -> None:
    with VirtualClock() as clock, site(Sessions(), ByHand(says_who=False)) as place:
        browser = place.browser()
        (reply,) = place.overlap(
            (browser, "/"), then=lambda: settle(place.server, until=clock.now + 2)
        )
        assert reply.body.startswith(browser.cookie.encode())  # type: ignore[union-attr]


@pytest.mark.parametrize("says_who", [False, True])
@pytest.mark.usefixtures("handler_errors")
def test_of_several_requests_one_has_to_be_named(says_who: bool) -> None:
    with VirtualClock() as clock:
        with site(Sessions()) as place:
            browser = place.browser()
            browser.text("/count")
            ByHand(says_who=says_who).register(place.server)
            settle(place.server)
            replies = place.overlap(
                (browser, "/"),
                (browser, "/"),
                then=lambda: settle(place.server, until=clock.now + 2),
            )
        assert sorted(reply.code for reply in replies) == ([200, 200] if says_who else [500, 500])


def test_no_id_can_be_changed_when_the_response_has_begun() -> None:
    problems: list[Exception] = []

    class Late(Controller):
        def index(self) -> Any:
            self.session["a"] = 1

            def pieces() -> Iterator[str]:
                try:
                    self.session.regenerate()
                except RuntimeError as problem:
                    problems.append(problem)
                yield "piece"

            self.response.stream = True
            self.response.body = pieces()
            return self.response

    with site(Sessions(), root=Late()) as place:
        place.browser().get("/")
    assert len(problems) == 1
    with pytest.raises(RuntimeError, match="response has begun"):
        Session("a").regenerate()


def test_everybody_gets_an_id_unless_told_otherwise() -> None:
    with site(Sessions(eager=False)) as place:
        browser = place.browser()
        assert "set-cookie" not in browser.get("/").headers
        assert "cache-control" not in browser.get("/").headers
        assert "set-cookie" not in browser.get("/", "A" * 43).headers
        browser.get("/count")
        assert is_id(browser.cookie)


def test_an_id_for_nothing_is_not_stored_but_stays_good() -> None:
    store = MemoryStore()
    with VirtualClock() as clock, site(Sessions(store=store, idle=100)) as place:
        browser = place.browser()
        sid = browser.text("/sid")
        clock.advance(60)
        assert browser.text("/sid") == sid
        clock.advance(60)
        assert browser.text("/sid") == sid
        assert len(store) == 0
        assert browser.text("/count") == "1"
        assert (browser.text("/sid"), len(store)) == (sid, 1)
        browser.text("/drop?key=count")
        assert len(store) == 0
        assert browser.text("/sid") == sid
        clock.advance(101)
        assert browser.text("/sid") != sid


def test_ids_for_nothing_are_bounded_in_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "_IDS_LIMIT", 3)
    component = Sessions()
    with site(component) as place:
        browsers = [place.browser() for _ in range(5)]
        sids = [browser.text("/sid") for browser in browsers]
        assert list(component._empty) == sids[2:]
        assert browsers[4].text("/sid") == sids[4]
        assert browsers[0].text("/sid") != sids[0]


def test_what_has_expired_is_swept_away() -> None:
    store = MemoryStore()
    with VirtualClock() as clock, site(component := Sessions(store=store, idle=30)) as place:
        place.browser().get("/")
        place.browser().get("/login?user=ada")
        assert (len(store), len(component._empty)) == (1, 1)
        settle(place.server, until=clock.now + 130)
        assert (len(store), len(component._empty), len(component._retired)) == (0, 0, 0)


def test_a_page_for_everybody_brings_nobody_an_id() -> None:
    class Public(Root):
        def index(self) -> str:
            self.response.headers["Cache-Control"] = "public, max-age=600"
            return "for all"

    with site(Sessions(), root=Public()) as place:
        browser = place.browser()
        assert "set-cookie" not in browser.get("/").headers
        reply = browser.get("/count")
        assert reply.headers["cache-control"] == "private"
        assert browser.get("/count").headers["vary"] == "Cookie"  # no cookie is set again
        assert "vary" not in place.browser().get("/").headers


def test_sessions_that_nobody_uses_any_more_leave_no_trace() -> None:
    component = Sessions(store=CookieStore(SECRET))
    with site(component) as place:
        browser = place.browser()
        for _ in range(5):
            browser.get("/count")
        gc.collect()
        assert len(component._live) == 0


class Failing(MemoryStore):
    """Fails when it is told to."""

    fails: str = ""

    def _check(self, what: str) -> None:
        if self.fails == what:
            raise StoreError("/var/secret/place: database is locked")

    def load(self, sid: str) -> Any:
        self._check("load")
        return super().load(sid)

    def save(self, sid: str, data: Any) -> None:
        self._check("save")
        super().save(sid, data)

    def delete(self, sid: str) -> None:
        self._check("delete")
        super().delete(sid)


@pytest.mark.parametrize(
    ("fails", "target"), [("load", "/"), ("save", "/count"), ("delete", "/login?user=ada")]
)
def test_a_store_that_fails_is_a_503_that_says_nothing_of_it(
    fails: str, target: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = Failing()
    with site(Sessions(store=store)) as place:
        browser = place.browser()
        browser.text("/count")
        cookie = browser.cookie
        store.fails = fails
        reply = browser.get(target)
        assert reply.code == 503
        assert b"secret" not in reply.body
        assert browser.cookie == cookie
        store.fails = ""
        assert browser.text("/show") == f"[('count', {2 if fails == 'save' else 1})]"
    if fails != "delete":
        assert "database is locked" in caplog.text


def test_without_a_cookie_a_store_that_cannot_be_read_hurts_nobody() -> None:
    store = Failing()
    store.fails = "load"
    with site(Sessions(store=store)) as place:
        assert place.browser().text("/") == "nothing to do with the session"


def test_a_sweep_that_fails_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    class Unswept(MemoryStore):
        sweeps = 0

        def sweep(self) -> None:
            self.sweeps += 1
            raise StoreError("no room")

    store = Unswept()
    with VirtualClock() as clock, site(Sessions(store=store)) as place:
        settle(place.server, until=clock.now + 130)
    assert store.sweeps == 2
    assert "no room" in caplog.text


def test_a_session_replaced_by_the_application_is_left_alone() -> None:
    class Own(Controller):
        def index(self) -> str:
            self.request.session = {"mine": True}
            return repr(self.session)

    with site(Sessions(), root=Own()) as place:
        browser = place.browser()
        assert browser.text("/") == "{'mine': True}"
        assert browser.cookie is None


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"store": object()}, TypeError),
        ({"samesite": "lax"}, ValueError),
        ({"idle": 0}, ValueError),
        ({"max_age": -1}, ValueError),
    ],
)
def test_options_are_checked(options: dict[str, Any], kind: type[Exception]) -> None:
    with pytest.raises(kind):
        Sessions(**options)


def test_the_channel_can_be_another_one() -> None:
    assert Sessions(channel="other").channel == "other"


class Shared(Store):
    """A store that several processes share, and what they do to it meanwhile."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}

    def load(self, sid: str) -> dict[str, Any] | None:
        return self.kept.get(sid)

    def save(self, sid: str, data: Any) -> None:
        self.kept[sid] = dict(data)

    def delete(self, sid: str) -> None:
        self.kept.pop(sid, None)


def stored(store: Store, **data: Any) -> Session:
    component = Sessions(store=store)
    store.save("s" * 43, data)
    session = component._find("s" * 43)
    assert session is not None
    session.__dict__["component"] = component  # so that it lives as long
    return session


def test_what_others_have_changed_is_merged_key_by_key() -> None:
    store = Shared()
    session = stored(store, mine=1, theirs=1, both=1, gone=1, dropped=1)
    session["mine"] = session["both"] = session["new"] = 2
    del session["dropped"]
    store.save(session.sid, {"mine": 1, "theirs": 3, "both": 3, "dropped": 1, "other": 3})
    session.save()
    expected = {"mine": 2, "theirs": 3, "both": 2, "new": 2, "other": 3}
    assert store.kept[session.sid] == session == expected
    session.save()
    assert store.kept[session.sid] == expected


def test_a_session_in_flight_is_brought_up_to_date_by_the_next_request() -> None:
    store = Shared()
    session = stored(store, theirs=1, mine=1)
    session["mine"] = 2
    store.save(session.sid, {"theirs": 3, "mine": 1, "more": 3})
    assert session.__dict__["component"]._find(session.sid) is session
    assert session == {"theirs": 3, "mine": 2, "more": 3}
    session.save()
    assert store.kept[session.sid] == session


def test_a_session_that_others_have_ended_does_not_come_back() -> None:
    store = Shared()
    session = stored(store, a=1)
    session["a"] = 2
    store.delete(session.sid)
    session.save()
    assert store.kept == {}


def test_a_session_that_holds_nothing_any_more_is_removed() -> None:
    store = Shared()
    session = stored(store, a=1)
    session.clear()
    session.save()
    assert store.kept == {}
    session["b"] = 1
    session.save()
    assert store.kept == {session.sid: {"b": 1}}


def test_values_that_cannot_be_pickled_are_stored_each_time() -> None:
    store = Shared()
    session = stored(store, f=lambda: None)
    store.kept[session.sid] = {"g": 1}
    session.save()
    assert set(store.kept[session.sid]) == {"f", "g"}


def test_an_id_is_43_characters() -> None:
    assert is_id(_session.new_id())
    assert _session._is_id(_session.new_id())


# -- what nobody looks at -----------------------------------------------------------------------


class Late(BaseComponent):
    """Looks at the session when it is told to."""

    channel = "web"

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Any] = []

    @handler("request", priority=1, filter=True)
    def _on_request(self, request: Any, response: Any) -> Any:
        if request.path != "/late":
            return None
        self.requests.append(request)
        return "late" if request.qs else self._wait(request)

    def _wait(self, request: Any) -> Iterator[Any]:
        yield sleep(1)
        yield repr(dict(request.session))


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids that the store was asked for."""
    asked: list[str] = []
    load = MemoryStore.load

    def note(store: MemoryStore, sid: str) -> Any:
        asked.append(sid)
        return load(store, sid)

    monkeypatch.setattr(MemoryStore, "load", note)
    return asked


def _enter(place: Site) -> Browser:
    browser = place.browser()
    browser.text("/count")
    browser.text("/count")  # from here on it is known
    return browser


@pytest.mark.parametrize("cookies", ["{}", "a=b; {}", "{}; a=b", "a=b; {}; c=d"])
def test_a_session_that_nobody_looks_at_is_not_looked_for(looked: list[str], cookies: str) -> None:
    with site(Sessions()) as place:
        browser = _enter(place)
        looked.clear()
        field = "Cookie: " + cookies.format(f"circuits.session={browser.cookie}")
        reply = place.server.connect().get("/", field)
        assert looked == []
        assert {"set-cookie", "vary"}.isdisjoint(reply.headers)
        assert place.server.connect().get("/count", field).body == b"3"
        assert looked == [browser.cookie]


@pytest.mark.parametrize(
    "cookies", ["x{}", "a=b;{}", "{0}; {0}", 'circuits.session="{1}"', "{}; circuits.session=a"]
)
def test_what_is_not_plain_is_looked_at(looked: list[str], cookies: str) -> None:
    with site(Sessions()) as place:
        sid = _enter(place).cookie
        looked.clear()
        field = "Cookie: " + cookies.format(f"circuits.session={sid}", sid)
        place.server.connect().get("/", field)
        assert looked == ([] if cookies == "x{}" else [sid] if cookies[-1] != "a" else ["a"])


@pytest.mark.parametrize("name", ["COOKIE", "cookie"])
def test_the_name_of_the_field_may_be_written_otherwise(name: str) -> None:
    with site(Sessions()) as place:
        browser = _enter(place)
        field = f"{name}: circuits.session={browser.cookie}"
        assert place.server.connect().get("/count", field).body == b"3"


def test_not_looking_is_using() -> None:
    with VirtualClock() as clock, site(Sessions(idle=100)) as place:
        browser = _enter(place)
        for _ in range(3):
            settle(place.server, until=clock.now + 90)
            browser.text("/")
        assert browser.text("/count") == "3"
        settle(place.server, until=clock.now + 101)
        assert browser.text("/")
        assert browser.text("/count") == "1"


def test_who_is_used_stays_when_there_is_no_room() -> None:
    store = MemoryStore(limit=2)
    with site(Sessions(store=store)) as place:
        one, other = _enter(place), _enter(place)
        one.text("/")
        _enter(place)
        assert (one.text("/count"), other.text("/count")) == ("3", "1")


def test_who_repeats_a_request_on_one_connection_is_greeted_each_time(looked: list[str]) -> None:
    with site(Sessions()) as place:
        browser = _enter(place)
        client, request = place.server.connect(), browser.request("/")
        looked.clear()
        for _ in range(3):
            assert "set-cookie" not in client.ask(request).headers
        assert looked == []
        count = browser.request("/count")
        old = browser.cookie
        assert browser.text("/logout") == "bye"
        reply = client.ask(count)
        assert reply.body == b"1"
        browser.learn(reply)
        assert is_id(browser.cookie)
        assert browser.cookie != old


def test_who_repeats_a_request_on_one_connection_expires_all_the_same() -> None:
    with VirtualClock() as clock, site(Sessions(idle=100)) as place:
        browser = _enter(place)
        client, count = place.server.connect(), browser.request("/count")
        assert [client.ask(count).body, client.ask(count).body] == [b"3", b"4"]
        clock.advance(101)
        assert client.ask(count).body == b"1"


def test_another_one_in_its_place_knows_its_own_cookie() -> None:
    store = MemoryStore()
    with site(first := Sessions("first", store)) as place:
        sids = []
        for _ in range(2):
            browser = Browser(place.server, "first")
            browser.text("/count")
            browser.text("/count")
            sids.append(browser.cookie)
        field = f"Cookie: first={sids[0]}; second={sids[1]}"
        client = place.server.connect()
        assert [client.get("/sid", field).body.decode() for _ in range(2)] == [sids[0]] * 2
        first.unregister()
        settle(place.server)
        Sessions("second", store).register(place.server)
        assert [client.get("/sid", field).body.decode() for _ in range(2)] == [sids[1]] * 2


def test_one_that_ends_before_it_is_looked_at_is_a_new_one() -> None:
    with VirtualClock() as clock, site(Sessions(), Late()) as place:
        browser = _enter(place)
        old = browser.cookie

        def leave() -> None:
            place.server.connect().ask(browser.request("/logout"))
            settle(place.server, until=clock.now + 2)

        (reply,) = place.overlap((browser, "/late"), then=leave)
        assert reply.body == b"{}"
        assert is_id(browser.cookie)
        assert browser.cookie != old


def test_one_that_is_looked_at_late_is_there_but_cannot_get_another_id() -> None:
    late = Late()
    with site(Sessions(), late) as place:
        browser = _enter(place)
        assert browser.text("/late?now") == "late"
        (request,) = late.requests
        with request.session as session:
            session["late"] = True
            with pytest.raises(RuntimeError, match="the response has begun"):
                session.regenerate(request)
        assert browser.text("/show") == "[('count', 2), ('late', True)]"


def test_without_the_component_there_is_none() -> None:
    request = make_request()
    assert not hasattr(request, "session")
    with pytest.raises(AttributeError, match="no 'sid': no Sessions"):
        request.sid
