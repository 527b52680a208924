"""The HTTP client: requests, connections, redirects and cookies."""

from __future__ import annotations

from typing import Any

import pytest

from circuits import Component, Event
from circuits.testing import Recorder
from circuits.web import _client_cookies
from circuits.web._client_cookies import Cookies
from circuits.web._client_pool import Pool
from circuits.web._client_request import ClientRequest
from circuits.web.client import (
    Client,
    ConnectError,
    NotConnected,
    ProtocolError,
    Request,
    StatusError,
    TooManyRedirects,
)
from tests.web.client_support import OK, Line, Network, reply


def make(net: Network, url: str | None = "http://a.example/", **options: Any) -> Client:
    return Client(url, **options).register(net.app)


def head_of(request: bytes) -> dict[str, str]:
    """The fields of a request by their names in small letters; ``""`` is its first line."""
    first, *lines = request.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    return {"": first} | {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }


def test_requests_share_a_connection(net: Network) -> None:
    client = make(net)
    response = net.wait(client.get("/a", params={"b": 1}, headers={"X-A": "1"}))
    assert (response.status, response.text) == (200, "ok")
    assert response.url == "http://a.example/a?b=1"
    assert client.response is response
    head = head_of(net.requests[0])
    assert head[""] == "GET /a?b=1 HTTP/1.1"
    assert (head["host"], head["x-a"]) == ("a.example", "1")
    net.wait(client.post("/", json={"a": 1}))
    assert net.requests[1].endswith(b'\r\n\r\n{"a": 1}')
    assert len(net.lines) == 1
    assert client.connected


@pytest.mark.parametrize("method", ["get", "head", "options", "post", "put", "patch", "delete"])
def test_each_method_has_a_name(net: Network, method: str) -> None:
    net.answer = lambda line, request: reply()
    assert net.wait(getattr(make(net), method)("/x")).status == 200
    assert head_of(net.requests[0])[""] == f"{method.upper()} /x HTTP/1.1"


def test_events(net: Network) -> None:
    client = make(net)
    recorder = Recorder().register(net.app)
    value = client.fire(Request("POST", "/x", "é"), client)
    net.until(lambda: value.value is not None)
    net.settle()
    assert value.value.read() == b"ok"
    assert net.requests[0].endswith("é".encode())
    assert recorder.expect("response").args == (value.value,)
    assert recorder.expect("connected").args == ("a.example", 80)
    client.close()
    net.settle()
    assert recorder.expect("disconnected").args == ()
    assert not client.connected


def test_an_event_that_fails_says_so(net: Network) -> None:
    net.refuses = True
    client = make(net)
    value = client.fire(Request("GET", "/x"), client)
    net.until(lambda: value.errors)
    assert isinstance(value.value[1], ConnectError)


def test_connecting_and_writing_past_http(net: Network) -> None:
    client = make(net)
    client.connect()
    net.until(lambda: client.connected)
    client.write(b"raw")
    net.until(lambda: net.requests)
    assert net.requests == [b"raw"]
    with pytest.raises(NotConnected):
        Client().write(b"x")
    with pytest.raises(NotConnected):
        Client().connect()


def test_what_cannot_be_asked_is_refused_at_once(net: Network) -> None:
    with pytest.raises(NotConnected):
        Client().request("GET", "/x")
    with pytest.raises(ValueError, match="absolute"):
        Client("example.org")
    client = make(net)
    for wrong in (
        {"headers": {"A": "b\r\nC: d"}},
        {"headers": {"Transfer-Encoding": "chunked"}},
        {"headers": {"Proxy-Authorization": "Basic x"}},
        {"headers": {"Content-Length": "7"}, "content": b"123"},
        {"headers": {"Content-Length": "-1"}, "content": iter(())},
        {"cookies": {"a": "b\r\nc"}},
        {"headers": [("Host", "a.example"), ("host", "b.example")]},
        {"headers": [("Content-Length", "7"), ("content-length", "3")], "content": b"123"},
        {"timeout": -2},
        {"auth": ("a:b", "c")},
    ):
        with pytest.raises(ValueError, match=r"\w"):
            client.post("/", **wrong)
    for mistyped in ({"json": 1, "data": "x"}, {"content": 5}, {"content": {"a": 1}}):
        with pytest.raises(TypeError):
            client.post("/", **mistyped)
    with pytest.raises(ValueError, match="control"):
        client.get("/a\r\nb")
    net.settle()
    assert not net.lines


def test_a_connection_that_has_died_is_made_anew(net: Network) -> None:
    client = make(net)
    net.wait(client.get("/"))
    net.answer = lambda line, request: None if line is net.lines[0] else OK
    assert net.wait(client.get("/")).status == 200
    assert len(net.requests) == 3


def test_each_request_of_a_chain_is_repeated_once(net: Network) -> None:
    """Each redirect comes on a connection that is dead when the next request is there."""

    answered: list[Line] = []

    def answer(line: Line, request: bytes) -> bytes | None:
        if line in answered:
            return None
        answered.append(line)
        number = int(request.split()[1][1:])
        return reply("302 X", Location=f"/{number + 1}") if number < 5 else OK

    net.answer = answer
    assert net.wait(make(net, follow_redirects=True).get("/0")).url == "http://a.example/5"
    assert len(net.lines) == 6


def test_what_must_not_be_repeated_is_not(net: Network) -> None:
    client = make(net)
    net.wait(client.get("/"))
    net.answer = lambda line, request: None
    with pytest.raises(ProtocolError):
        net.wait(client.post("/"))
    assert len(net.requests) == 2


def test_a_body_that_is_used_up_is_not_repeated(net: Network) -> None:
    client = make(net)
    net.wait(client.get("/"))
    net.answer = lambda line, request: None if request.endswith(b"0\r\n\r\n") else b""
    with pytest.raises(ProtocolError):
        net.wait(client.put("/", content=iter([b"once"])))
    assert len(net.lines) == 1


def test_more_requests_than_connections(net: Network) -> None:
    client = make(net, max_connections=1)
    many = [client.get(f"/{number}") for number in range(4)]
    assert [net.wait(pending).status for pending in many] == [200] * 4
    assert [head_of(request)[""].split()[1] for request in net.requests] == ["/0", "/1", "/2", "/3"]
    assert len(net.lines) == 1


def test_an_idle_connection_gives_way_to_another_server(net: Network) -> None:
    client = make(net, max_connections=1)
    net.wait(client.get("/"))
    net.wait(client.get("http://b.example/"))
    assert [line.address[0] for line in net.lines] == ["a.example", "b.example"]
    assert net.lines[0].is_closed


def test_who_closes_gets_a_new_connection_next_time(net: Network) -> None:
    net.answer = lambda line, request: reply(Connection="close")
    client = make(net)
    for _ in range(2):
        net.wait(client.get("/"))
    assert len(net.lines) == 2
    assert net.lines[0].is_closed


def test_what_nobody_has_asked_for_ends_the_connection(net: Network) -> None:
    client = make(net)
    net.wait(client.get("/"))
    net.lines[0].send(OK)
    net.until(lambda: not client.connected)
    assert net.wait(client.get("/")).status == 200
    assert len(net.lines) == 2


def test_a_connection_that_has_ended_is_not_used(net: Network) -> None:
    """Nobody has told yet; what must not be repeated would be lost there."""
    client = make(net, max_connections=1)
    net.wait(client.get("/"))
    client._pool.connections[0].transport._abort()
    waiting = [client.post("/"), client.post("/")]
    assert [net.wait(pending).status for pending in waiting] == [200, 200]
    net.lines[1].send(OK)  # that nobody has asked for
    net.app.tick(0)
    net.app.tick(0)
    assert net.wait(client.post("/")).status == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("unasked", [reply("200 OK", b"poison"), b""])
def test_a_look_at_a_kept_connection_comes_before_its_use(
    net: Network, method: str, unasked: bytes
) -> None:
    """Something, or the end, waits in the kernel, and the poller has had no turn to tell."""
    client = make(net, max_connections=1)
    net.wait(client.get("/"))
    if unasked:
        net.lines[0].send(unasked)
    else:
        net.lines[0].close()
    assert net.wait(client.request(method, "/")).text == "ok"
    assert len(net.lines) == len(net.requests) == 2


def test_a_look_is_enough_if_the_connection_has_failed(net: Network) -> None:
    client = make(net)
    net.wait(client.get("/"))
    client._pool.connections[0].transport._connection.sock.receive_error = ConnectionResetError()  # type: ignore[union-attr]
    assert net.wait(client.post("/")).text == "ok"
    assert len(net.lines) == 2


@pytest.mark.parametrize("follows", [False, True])
def test_what_was_read_before_a_request_is_not_its_answer(net: Network, follows: bool) -> None:
    """Where somebody observes ``read``, it is an event, and waits its turn."""
    Recorder().register(net.app)
    net.settle()
    net.answer = lambda line, request: (
        reply("302 X", b"moved", Location="/b") if b" /a " in request else OK
    )
    client = make(net, follow_redirects=True)
    assert net.wait(client.get("/a" if follows else "/")).text == "ok"
    assert len(net.lines) == 1
    transport = client._pool.connections[0].transport
    net.lines[0].send(reply("200 OK", b"poison"))
    transport._readable(transport._connection)  # type: ignore[arg-type]
    assert net.wait(client.get("/")).text == "ok"
    assert len(net.lines) == 2


def test_closing_while_nobody_asks_ends_what_is_begun(net: Network) -> None:
    client = make(net)
    client.connect()
    client.close()
    net.settle()
    assert not client.connected
    assert net.wait(client.get("/")).status == 200


def test_closing_fails_what_is_waited_for(net: Network) -> None:
    net.answer = lambda line, request: b""
    client = make(net, max_connections=1)
    waiting = [client.get("/"), client.get("/")]
    net.until(lambda: net.lines)
    client.close()
    for pending in waiting:
        with pytest.raises(ConnectError, match="closed"):
            net.wait(pending)


def test_leaving_the_tree_closes(net: Network) -> None:
    client = make(net)
    net.wait(client.get("/"))
    client.unregister()
    net.settle()
    assert net.lines[0].is_closed


def test_nobody_is_there(net: Network) -> None:
    net.refuses = True
    with pytest.raises(ConnectError, match=r"http://a.example/.*nobody is there"):
        net.wait(make(net).get("/"))


def test_status_errors(net: Network) -> None:
    net.answer = lambda line, request: reply("404 No")
    response = net.wait(make(net).get("/"))
    with pytest.raises(StatusError, match=r"404 No for http://a\.example/") as raised:
        response.raise_for_status()
    assert raised.value.response is response
    net.answer = lambda line, request: OK
    response = net.wait(make(net, channel="other").get("/"))
    assert response.raise_for_status() is response


def test_coroutines_and_generators_wait(net: Network) -> None:
    found = []
    client = make(net)

    class Asker(Component):
        async def started(self, *args: Any) -> None:
            found.append((await client.get("/")).text)

        def asked(self) -> Any:
            response = yield client.get("/")
            found.append(response.status)

    Asker().register(net.app)
    net.app.fire(Event.create("started", net.app))
    net.app.fire(Event.create("asked"))
    net.until(lambda: len(found) == 2)
    assert sorted(map(str, found)) == ["200", "ok"]


def test_text_is_decoded_as_it_says(net: Network) -> None:
    client = make(net)
    for kind, text in [
        ("text/plain; charset=iso-8859-1", "\u00e9"),
        ("text/plain", "\ufffd"),
        ("text/plain; charset=nobody-knows", "\ufffd"),
        ("text/plain; charset=idna", "\ufffd"),
    ]:
        answer = reply(body=b"\xe9", Content_Type=kind)
        net.answer = lambda line, request, answer=answer: answer  # type: ignore[misc]
        assert net.wait(client.get("/")).text == text


# -- redirects -------------------------------------------------------------------------------------


def redirecting(status: int, location: str, **headers: Any) -> Any:
    """Redirects ``/a``, and answers everything else."""

    def answer(line: Line, request: bytes) -> bytes:
        if b" /a HTTP" in request:
            return reply(f"{status} Go on", Location=location, **headers)
        return OK

    return answer


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (301, "POST", "GET"), (302, "POST", "GET"), (303, "POST", "GET"), (303, "PUT", "GET"),
        (301, "PUT", "PUT"), (302, "DELETE", "DELETE"), (307, "POST", "POST"), (308, "PUT", "PUT"),
        (303, "HEAD", "HEAD"), (301, "HEAD", "HEAD"),
    ],
)  # fmt: skip
def test_methods_of_redirects(net: Network, status: int, method: str, then: str) -> None:
    net.answer = redirecting(status, "/b")
    body = b"" if method == "HEAD" else b"text"
    client = make(net, follow_redirects=True)
    response = net.wait(client.request(method, "/a", body))
    assert [each.status for each in response.history] == [status]
    assert response.url == "http://a.example/b"
    assert head_of(net.requests[1])[""] == f"{then} /b HTTP/1.1"
    assert net.requests[1].endswith(b"\r\n\r\n" + (b"" if then == "GET" else body))
    assert ("content-length" in head_of(net.requests[1])) == (then != "GET" and method != "HEAD")


def test_redirects_are_followed_only_when_asked(net: Network) -> None:
    net.answer = redirecting(302, "/b")
    client = make(net)
    assert net.wait(client.get("/a")).status == 302
    assert net.wait(client.get("/a", follow_redirects=True)).status == 200


def test_a_body_that_is_used_up_is_not_sent_to_where_a_redirect_leads(net: Network) -> None:
    redirect = redirecting(307, "/b")
    net.answer = lambda line, request: (
        redirect(line, request) if request.endswith(b"0\r\n\r\n") else b""
    )
    client = make(net, follow_redirects=True)
    assert net.wait(client.post("/a", content=iter([b"once"]))).status == 307
    response = net.wait(client.post("/a", content=[b"again", b" and again"]))
    assert len(net.requests) == 3
    assert net.requests[2].endswith(b"\r\n\r\n5\r\nagain\r\na\r\n and again\r\n0\r\n\r\n")
    assert response.status == 200


@pytest.mark.parametrize(
    "elsewhere",
    ["http://b.example/b", "https://a.example/b", "http://a.example:81/b", "//sub.a.example/b"],
)
def test_credentials_do_not_follow_to_another_origin(net: Network, elsewhere: str) -> None:
    sent = []

    class Sent(Pool):
        def send_off(self, pending: Any, fresh: bool = False) -> None:
            if pending.history:
                sent.append(
                    pending.outgoing.head(cookie=self.client.cookies.header(pending.outgoing))
                )
                pending.finish()
            else:
                super().send_off(pending, fresh)

    net.answer = redirecting(302, elsewhere)
    client = Client("http://a.example/", follow_redirects=True).register(net.app)
    client._pool = Sent(client, client._pool._proxies, 1)
    headers = {"authorization": "Bearer secret", "COOKIE": "b=secret", "Host": "a.example"}
    net.wait(client.get("/a", headers=headers, cookies={"c": "secret"}))
    assert b"secret" in net.requests[0]
    assert b"secret" not in sent[0]
    assert head_of(sent[0])["host"] == elsewhere.split("/")[2]


def test_credentials_follow_within_an_origin(net: Network) -> None:
    net.answer = redirecting(302, "http://a.example:80/b", Set_Cookie="jar=1")
    client = make(net, follow_redirects=True, auth=("me", "secret"))
    net.wait(client.get("/a", cookies={"c": "2"}))
    assert head_of(net.requests[1])["authorization"] == "Basic bWU6c2VjcmV0"
    assert head_of(net.requests[1])["cookie"] == "c=2; jar=1"


def test_the_credentials_of_a_client_are_for_its_server(net: Network) -> None:
    client = make(net, auth=("me", "secret"))
    for url in ("/", "http://b.example/", "http://a.example:8080/", "http://x:y@b.example/"):
        net.wait(client.get(url))
    shown = [head_of(request).get("authorization") for request in net.requests]
    assert shown == ["Basic bWU6c2VjcmV0", None, None, "Basic eDp5"]
    with pytest.raises(ValueError, match="which server"):
        Client(auth=("a", "b"))


def test_redirects_end(net: Network) -> None:
    net.answer = lambda line, request: reply("307 X", Location="/")
    client = make(net, follow_redirects=True)
    with pytest.raises(TooManyRedirects):
        net.wait(client.get("/"))
    assert len(net.requests) == 21


@pytest.mark.parametrize(
    "location", ["ftp://a/", "http://a:99999/", "http://[x/", "file:///etc/passwd"]
)
def test_redirects_to_nowhere(net: Network, location: str) -> None:
    net.answer = redirecting(302, location)
    with pytest.raises(ProtocolError, match="redirect"):
        net.wait(make(net, follow_redirects=True).get("/a"))


# -- cookies -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "url", "is_sent"),
    [
        ("a=1", "http://a.example/x", True),
        ("a=1", "http://b.example/x/", False),
        ("a=1; Domain=a.example", "http://sub.a.example/x/", True),
        ("a=1; Domain=b.example", "http://b.example/x/", False),
        ("a=1; Path=/x", "http://a.example/x/y", True),
        ("a=1; Path=/x", "http://a.example/y", False),
        ("a=1; Secure", "http://a.example/x/", False),
        ("a=1; Max-Age=0", "http://a.example/x/", False),
        ("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "http://a.example/x/", False),
        ("a=1; Max-Age=100", "http://a.example/x/", True),
    ],
)
def test_cookies_go_where_they_belong(net: Network, line: str, url: str, is_sent: bool) -> None:
    net.answer = lambda peer, request: reply(Set_Cookie=line)
    client = make(net)
    assert net.wait(client.get("/x/first")).cookies == {"a": "1"}
    net.wait(client.get(url))
    assert head_of(net.requests[1]).get("cookie") == ("a=1" if is_sent else None)


@pytest.mark.parametrize("domain", [".0.0.1", "0.0.1", "1"])
def test_an_address_has_no_domain_above_it(net: Network, domain: str) -> None:
    net.answer = lambda peer, request: reply(Set_Cookie=f"a=1; Domain={domain}")
    client = make(net)
    net.wait(client.get("http://127.0.0.1/"))
    for host in ("127.0.0.1", "9.0.0.1"):
        asking = ClientRequest("GET", f"http://{host}/")
        assert client.cookies.header(asking) == ""


def test_an_address_may_be_its_own_domain(net: Network) -> None:
    net.answer = lambda peer, request: reply(Set_Cookie="a=1; Domain=127.0.0.1")
    client = make(net)
    net.wait(client.get("http://127.0.0.1/"))
    assert client.cookies.header(ClientRequest("GET", "http://127.0.0.1/")) == "a=1"


def test_cookies_of_all_kinds_go_in_one_field(net: Network) -> None:
    net.answer = lambda line, request: reply(Set_Cookie="jar=1")
    client = make(net)
    net.wait(client.get("/"))
    net.wait(client.get("/", headers={"cookie": "own=2"}, cookies={"given": "3"}))
    assert net.requests[1].lower().count(b"cookie:") == 1
    assert head_of(net.requests[1])["cookie"] == "own=2; given=3; jar=1"


@pytest.mark.parametrize("name", ["", "a=1; z", "a b", "a;", "a,b", 'a"', "é", "a\n", "(a)"])
def test_names_of_cookies_are_checked(net: Network, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a cookie"):
        make(net).get("/", cookies={name: "b"})


@pytest.mark.parametrize(
    "value", ["de; x=1", "a b", 'b,c "d', '"', 'a"', "a\\b", "é", "a\0", "a\n"]
)
def test_values_of_cookies_are_checked(net: Network, value: str) -> None:
    with pytest.raises(ValueError, match="cannot be the value of the cookie lang"):
        make(net).get("/", cookies={"lang": value})


@pytest.mark.parametrize("value", ["", "a=b", '""', '"de"', "!#$%&'()*+-./:<=>?@[]^_`{|}~", "0"])
def test_good_cookies_are_sent_as_they_are(net: Network, value: str) -> None:
    net.wait(make(net).get("/", cookies={"lang": value}))
    assert head_of(net.requests[0])["cookie"] == f"lang={value}"


def test_secure_cookies_go_by_tls() -> None:
    cookies = Cookies()
    secure = ClientRequest("GET", "https://a.example/")
    cookies.jar.set_cookie(_cookie("a", secure=True))
    assert cookies.header(secure) == "a=1"
    assert cookies.header(ClientRequest("GET", "http://a.example/")) == ""


def _cookie(name: str, domain: str = "a.example", secure: bool = False) -> Any:
    from http.cookiejar import Cookie

    return Cookie(
        0, name, "1", None, False, domain, False, False, "/", True, secure, None, True, None, None, {}
    )  # fmt: skip


def test_nobody_can_fill_the_jar(net: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _client_cookies._LIMIT == 3000
    monkeypatch.setattr(_client_cookies, "_LIMIT", 300)
    client = make(net)
    client.cookies.jar.set_cookie(_cookie("mine", "other.example"))
    for number in range(310):
        client.cookies.jar.set_cookie(_cookie(f"c{number}"))
    net.answer = lambda peer, request: reply(Set_Cookie="last=1")
    net.wait(client.get("/"))
    assert len(client.cookies.jar) == 300
    assert "mine" in client.cookies
    assert client.cookies["last"] == "1"
    client.cookies.clear()
    assert "last" not in client.cookies
    with pytest.raises(KeyError):
        client.cookies["last"]
