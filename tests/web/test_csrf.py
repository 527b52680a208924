"""Forms that other sites send, with sessions and without."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from circuits import BaseComponent, Manager, handler
from circuits.testing import settle
from circuits.web import expose
from circuits.web.controllers import Controller
from circuits.web.csrf import CSRF
from circuits.web.dispatchers.dispatcher import Dispatcher
from circuits.web.sessions import Sessions
from tests.web.http_support import MemoryServer, Reply, get, serving
from tests.web.session_support import SECRET

URLENCODED = "Content-Type: application/x-www-form-urlencoded"


class Root(Controller):
    def index(self) -> str:
        return self.request.csrf_token

    def plain(self) -> str:
        return "plain"

    def take(self, **fields: Any) -> str:
        return repr(sorted((k, getattr(v, "filename", v)) for k, v in fields.items()))

    def body(self, **fields: Any) -> str:
        return repr(self.request.body.read())

    @expose("streamed", stream=True)
    async def streamed(self) -> str:
        return repr(await self.request.body.read())

    def login(self, **fields: Any) -> str:
        self.session.regenerate()
        return self.request.csrf_token


class Page:
    """A browser's tab: its cookies, and the token of the last page."""

    def __init__(self, server: MemoryServer) -> None:
        self.server = server
        self.cookies: dict[str, str] = {}
        self.token = ""

    def ask(self, data: bytes) -> Reply:
        reply = self.server.connect().ask(data)
        header = reply.headers.get("set-cookie")
        if header is not None:
            name, _, value = header.partition(";")[0].partition("=")
            self.cookies[name] = value
        return reply

    def headers(self) -> list[str]:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return [f"Cookie: {cookies}"] if cookies else []

    def load(self) -> str:
        self.token = self.ask(get("/", *self.headers())).body.decode()
        return self.token

    def send(
        self, fields: str = "", *headers: str, target: str = "/take", kind: str = URLENCODED
    ) -> Reply:
        body = fields.encode()
        sent = [*self.headers(), kind, f"Content-Length: {len(body)}", *headers]
        return self.ask(get(target, *sent, method="POST") + body)


@pytest.fixture(params=["sessions", "cookie"])
def page(request: pytest.FixtureRequest) -> Iterator[Page]:
    parts: list[Manager] = [
        Dispatcher(),
        Root(),
        CSRF(exempt="/hooks", origins="https://ok.example"),
    ]
    if request.param == "sessions":
        parts.append(Sessions())
    with serving(*parts) as server:
        yield Page(server)


def test_a_form_with_its_token_is_taken(page: Page) -> None:
    page.load()
    reply = page.send(f"a=1&csrf_token={page.token}&b=2")
    assert (reply.code, reply.body) == (200, b"[('a', '1'), ('b', '2')]")
    assert page.send("a=1", f"X-CSRF-Token: {page.token}").body == b"[('a', '1')]"
    reply = page.send(f"a=1&csrf_token={page.token}", f"X-CSRF-Token: {page.token}")
    assert reply.body == b"[('a', '1')]"


@pytest.mark.parametrize(
    "wrong",
    ["", "A", "A" * 43, "A" * 86, "A" * 1000, "%ff", "%E4%F6", "1.2", "csrf_token=&csrf_token="],
)
def test_a_form_without_it_is_refused(page: Page, wrong: str) -> None:
    page.load()
    for fields in ("a=1", f"csrf_token={wrong}"):
        reply = page.send(fields)
        assert reply.code in ((400, 403) if "%" in wrong else (403,)), reply
        assert b"token" in reply.body or b"form" in reply.body or reply.code == 400
    assert page.send("a=1", "X-CSRF-Token: A").code == 403


def test_the_field_counts_in_the_body_only(page: Page) -> None:
    page.load()
    assert page.send("a=1", target=f"/take?csrf_token={page.token}").code == 403


def test_a_token_given_twice_is_none(page: Page) -> None:
    page.load()
    assert page.send(f"csrf_token={page.token}&csrf_token={page.token}").code == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "WHATEVER"])
def test_every_method_that_may_change_something_needs_it(page: Page, method: str) -> None:
    page.load()
    headers = [*page.headers(), "Content-Length: 0"]
    assert page.ask(get("/take", *headers, method=method)).code == 403
    headers.append(f"X-CSRF-Token: {page.token}")
    assert page.ask(get("/take", *headers, method=method)).code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_who_only_reads_needs_none(page: Page, method: str) -> None:
    assert page.ask(get("/take", "Origin: https://evil.example", method=method)).code == 200


def test_json_needs_the_header(page: Page) -> None:
    page.load()
    kind = "Content-Type: application/json"
    assert page.send("{}", kind=kind).code == 403
    assert page.send("{}", f"X-CSRF-Token: {page.token}", kind=kind).code == 200


def test_a_form_with_files_is_looked_at_too(page: Page) -> None:
    page.load()

    def form(token: str) -> str:
        return (
            '--b\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n'
            f"{token}\r\n"
            '--b\r\nContent-Disposition: form-data; name="up"; filename="f.txt"\r\n\r\n'
            "content\r\n--b--\r\n"
        )

    kind = "Content-Type: multipart/form-data; boundary=b"
    reply = page.send(form(page.token), kind=kind)
    assert (reply.code, reply.body) == (200, b"[('up', 'f.txt')]")
    assert page.send(form("A" * 86), kind=kind).code == 403


def test_the_body_can_be_read_by_who_comes_next(page: Page) -> None:
    page.load()
    fields = f"a=1&csrf_token={page.token}"
    assert page.send(fields, target="/body").body.decode() == repr(fields.encode())


def test_a_body_that_is_streamed_needs_the_header(page: Page) -> None:
    page.load()
    fields = f"a=1&csrf_token={page.token}"
    assert page.send(fields, target="/streamed").code == 403
    reply = page.send(fields, f"X-CSRF-Token: {page.token}", target="/streamed")
    assert reply.body.decode() == repr(fields.encode())


def test_a_form_that_cannot_be_read_is_no_500(page: Page) -> None:
    assert page.send("x", kind="Content-Type: multipart/form-data").code == 400


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("Origin: http://test", 200),
        ("Origin: https://test", 200),  # a proxy may speak TLS for us
        ("Origin: http://TEST:80", 200),
        ("Origin: https://ok.example", 200),
        ("Origin: http://test:8000", 403),
        ("Origin: https://evil.example", 403),
        ("Origin: http://test.evil.example", 403),
        ("Origin: null", 403),
        ("Origin: nonsense", 403),
        ("Sec-Fetch-Site: cross-site", 403),
        ("Sec-Fetch-Site: same-origin", 200),
        ("Sec-Fetch-Site: none", 200),
    ],
)
def test_other_sites_are_refused_even_with_the_token(page: Page, header: str, code: int) -> None:
    page.load()
    assert page.send(f"csrf_token={page.token}", header).code == code


def test_a_site_that_is_known_may_come_from_elsewhere(page: Page) -> None:
    page.load()
    headers = ["Origin: https://ok.example", "Sec-Fetch-Site: cross-site"]
    assert page.send(f"csrf_token={page.token}", *headers).code == 200
    assert page.send("", *headers).code == 403


@pytest.mark.parametrize(
    ("path", "code"), [("/hooks", 200), ("/hooks/a", 200), ("/hooksmore", 403), ("/a/hooks", 403)]
)
def test_a_path_can_be_exempt(page: Page, path: str, code: int) -> None:
    class Hooks(Controller):
        channel = "/hooks"

        def POST(self, *path: str) -> str:
            return "called"

    Hooks().register(page.server)
    settle(page.server)
    assert page.send("", "Origin: https://evil.example", target=path).code == code


def test_the_token_of_another_browser_is_none(page: Page) -> None:
    page.load()
    other = Page(page.server)
    other.load()
    assert page.send(f"csrf_token={other.token}").code == 403
    assert Page(page.server).send(f"csrf_token={other.token}").code == 403


def test_each_page_has_another_text_for_the_same_token(page: Page) -> None:
    texts = [page.load() for _ in range(5)]
    assert len(set(texts)) == 5
    assert {page.send(f"csrf_token={text}").code for text in texts} == {200}


def test_without_the_component_there_is_no_token() -> None:
    with serving(Dispatcher(), Root()) as server:
        assert server.connect().get("/").code == 500


def test_handlers_of_requests_are_guarded_too() -> None:
    class Answering(BaseComponent):
        channel = "web"

        @handler("request", filter=True)
        def _on_request(self, request: Any, response: Any) -> str:
            return "reached"

    with serving(CSRF(), Answering()) as server:
        assert Page(server).send("a=1").code == 403
        assert server.connect().get("/").body == b"reached"


# -- with sessions ----------------------------------------------------------------------------------


def test_nothing_is_stored_for_who_sees_no_form() -> None:
    sessions = Sessions(eager=False)
    with serving(Dispatcher(), Root(), CSRF(), sessions) as server:
        assert "set-cookie" not in server.connect().get("/plain").headers
        assert "set-cookie" in server.connect().get("/").headers


def test_a_login_makes_tokens_of_before_worthless() -> None:
    with serving(Dispatcher(), Root(), CSRF(), Sessions()) as server:
        page = Page(server)
        before = page.load()
        after = page.send(f"csrf_token={before}", target="/login").body.decode()
        assert page.send(f"csrf_token={before}").code == 403
        assert page.send(f"csrf_token={after}").code == 200


# -- with a cookie ----------------------------------------------------------------------------------


def test_the_cookie_itself_can_be_sent_by_scripts() -> None:
    with serving(Dispatcher(), Root(), CSRF(SECRET)) as server:
        page = Page(server)
        page.load()
        cookie = page.cookies["circuits.csrf"]
        assert page.send("", f"X-CSRF-Token: {cookie}").code == 200
        header = server.connect().get("/").headers["set-cookie"]
        assert header.partition("; ")[2] == "Path=/; SameSite=Lax"
        server.secure = True
        assert server.connect().get("/").headers["set-cookie"].endswith("; Secure")


def test_a_cookie_that_was_invented_or_changed_is_none() -> None:
    with serving(Dispatcher(), Root(), CSRF(SECRET)) as server:
        page = Page(server)
        page.load()
        good = page.cookies["circuits.csrf"]
        token, _, signature = good.partition(".")
        invented = base64.urlsafe_b64encode(b"x" * 32).decode().rstrip("=")
        for text in (invented, f"{invented}.{signature}", f"{token}.", token, "", "é", "A" * 9000):
            page.cookies["circuits.csrf"] = text
            sent = text.partition(".")[0] if text.isascii() else "A"
            assert page.send("", f"X-CSRF-Token: {sent[:500] or 'A'}").code == 403
        page.cookies["circuits.csrf"] = good
        assert page.send("", f"X-CSRF-Token: {token}").code == 200


def test_secrets_can_be_replaced() -> None:
    with serving(Dispatcher(), Root(), CSRF(SECRET)) as server:
        page = Page(server)
        page.load()
    with serving(Dispatcher(), Root(), CSRF(["a new one, also long enough", SECRET])) as server:
        page.server = server
        assert page.send(f"csrf_token={page.token}").code == 200
    with serving(Dispatcher(), Root(), CSRF()) as server:
        page.server = server
        assert page.send(f"csrf_token={page.token}").code == 403


@pytest.mark.parametrize(
    "options", [{"secret": ""}, {"exempt": ["hooks"]}, {"origins": "example.org"}]
)
def test_options_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"secret|slash|origin"):
        CSRF(**options)
