"""Sessions of several clients against a model: a cookie leads to what was put there, or nowhere.

Clients take over each other's cookies, keep old ones, change them, and make some up. Each store
must do the same, but for one thing: what is kept in the cookie itself is as old as the cookie.
"""

from __future__ import annotations

import copy
import tempfile
from contextlib import ExitStack
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from circuits.testing import VirtualClock, settle
from circuits.web.sessions import CookieStore, MemoryStore, Sessions, SQLiteStore, Store
from tests.support import examples
from tests.web.session_support import SECRET, Browser, site, sources

_IDLE, _MAX_AGE = 200, 550
_KEYS = st.sampled_from(["a", "b", "user"])
_WHO = st.integers(0, 2)


class Content:
    """A session in the model."""

    def __init__(self, now: float) -> None:
        self.data: dict[str, str] = {}
        self.created = self.used = now


class Clients(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.clock = self.stack.enter_context(VirtualClock())
        self.stack.enter_context(sources(wall=lambda: 1_700_000_000 + self.clock.now))

    @initialize(kind=st.sampled_from(["memory", "file", "cookie"]))
    def begin(self, kind: str) -> None:
        self.kind = kind
        store: Store = MemoryStore()
        if kind == "cookie":
            store = CookieStore(SECRET)
        elif kind == "file":
            folder = self.stack.enter_context(tempfile.TemporaryDirectory())
            store = SQLiteStore(Path(folder, "sessions"))
        self.sessions = Sessions(store=store, idle=_IDLE, max_age=_MAX_AGE)
        self.site = self.stack.enter_context(site(self.sessions))
        self.browsers: list[Browser] = [self.site.browser() for _ in range(3)]
        self.known: dict[str, Content] = {}
        self.replaced: dict[str, float] = {}  # cookies whose session has another id, until when
        self.used: list[str] = []  # every cookie that there has been

    def teardown(self) -> None:
        self.stack.close()

    def find(self, cookie: str | None) -> Content | None:
        """What a cookie leads to."""
        now = self.clock.now
        found = self.known.get(cookie or "")
        if now <= self.replaced.get(cookie or "", -1.0):
            return None
        if found is None or now > found.used + _IDLE or now > found.created + _MAX_AGE:
            return None
        return found

    def ask(self, who: int, target: str) -> tuple[Content, str]:
        """Ask as one of the clients; the session that this is in, in the model, and the answer."""
        browser = self.browsers[who]
        presented = browser.cookie
        content = self.find(presented)
        is_new = content is None
        if content is None:
            content = Content(self.clock.now)
        elif self.kind == "cookie":
            content = copy.deepcopy(content)  # the cookie that there was stays what it was
        text = browser.text(target)
        content.used = self.clock.now
        verb, *rest = target.strip("/").partition("?")[0].split("/")
        if verb == "put":
            content.data[rest[0]] = rest[1]
        elif verb == "login":
            self.forget(presented)
            if presented is not None and not is_new:
                self.replaced[presented] = self.clock.now + 60
            content = copy.deepcopy(content)
            content.created = self.clock.now
            content.data["user"] = rest[0]
            if not is_new:
                assert browser.cookie != presented, "who logs in gets another id"
        elif verb == "logout":
            self.forget(presented)
            content = Content(self.clock.now)
            assert is_new or browser.cookie != presented
        cookie = browser.cookie
        if is_new and cookie is not None and content.data:
            assert cookie not in self.used, "nobody chooses an id"
        if cookie is not None and (content.data or not is_new):
            if cookie != presented or self.kind != "cookie":
                self.known[cookie] = content
                self.used.append(cookie)
        return content, text

    def forget(self, cookie: str | None) -> None:
        """Ids are not good any more; what is in a cookie cannot be taken back."""
        if cookie is not None and self.kind != "cookie":
            self.known.pop(cookie, None)

    # -- what clients do --

    @rule(who=_WHO, key=_KEYS, value=st.integers(0, 3))
    def put(self, who: int, key: str, value: int) -> None:
        self.ask(who, f"/put/{key}/{value}")
        self.show(who)

    @rule(who=_WHO)
    def show(self, who: int) -> None:
        content, text = self.ask(who, "/show")
        assert text == repr(sorted(content.data.items()))

    @rule(who=_WHO, user=st.sampled_from(["ann", "bob"]))
    def login(self, who: int, user: str) -> None:
        self.ask(who, f"/login/{user}")
        self.show(who)

    @rule(who=_WHO)
    def logout(self, who: int) -> None:
        self.ask(who, "/logout")
        self.show(who)

    @rule(who=_WHO, other=_WHO)
    def take_over(self, who: int, other: int) -> None:
        """A cookie that was stolen, or planted: whoever has it has that session, until it changes."""
        self.browsers[who].cookie = self.browsers[other].cookie

    @precondition(lambda self: self.used)
    @rule(who=_WHO, which=st.integers(0, 99))
    def remember(self, who: int, which: int) -> None:
        """An old cookie."""
        self.browsers[who].cookie = self.used[which % len(self.used)]

    @rule(who=_WHO, place=st.integers(0, 200), character=st.sampled_from("Aa0-_.="))
    def tamper(self, who: int, place: int, character: str) -> None:
        """Another character in a cookie: it leads nowhere, and is not taken for an id."""
        cookie = self.browsers[who].cookie
        if not cookie:
            return
        place %= len(cookie)
        changed = cookie[:place] + character + cookie[place + 1 :]
        # The last character of base64 has bits that mean nothing.
        if changed != cookie and place < len(cookie) - 1 and "=" not in changed:
            self.browsers[who].cookie = changed
            self.show(who)
            assert self.browsers[who].cookie != changed
        elif changed != cookie:
            self.browsers[who].cookie = None

    @rule(who=_WHO, cookie=st.sampled_from(["x", "0" * 43, "A" * 43, "a.b.c", "." * 300]))
    def make_up(self, who: int, cookie: str) -> None:
        self.browsers[who].cookie = cookie
        self.show(who)
        assert self.browsers[who].cookie != cookie

    # -- time, in steps that are clearly shorter and clearly longer than a session's --

    @rule(seconds=st.sampled_from([0.1, 150.0, 150.0]))
    def advance(self, seconds: float) -> None:
        settle(self.site.server, until=self.clock.now + seconds)


TestClients = Clients.TestCase
TestClients.settings = examples(20)
