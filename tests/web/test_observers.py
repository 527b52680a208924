"""Whoever listens to the events of a request: it is answered as if nobody did.

Where nobody listens, most of those events are not there; see the decision on direct calls.
"""

from __future__ import annotations

import io
import re
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from circuits import BaseComponent, Component, Event, handler, sleep
from circuits.testing import settle
from circuits.web import Controller, errors, events, exceptions
from circuits.web.dispatchers.dispatcher import Dispatcher
from tests.web.http_support import get, serving


class Work(Event):
    pass


class Worker(Component):
    channel = "worker"

    def work(self, how: str) -> Any:
        if how == "fails":
            raise exceptions.Gone
        return self._pieces() if how == "pieces" else how

    def _pieces(self) -> Iterator[Any]:
        yield None
        yield "first"
        yield None
        yield "last"


class Root(Controller):
    def text(self) -> str:
        return "text"

    def nothing(self) -> None:
        return None

    def number(self) -> int:
        return 7

    def parts(self) -> list[Any]:
        return ["a", b"b", None]

    def file(self) -> io.BytesIO:
        return io.BytesIO(b"file")

    def pieces(self) -> Iterator[Any]:
        yield "a"
        yield None
        yield "b"

    def returns(self) -> Generator[str, None, str]:
        yield "a"
        return "b"

    def late(self) -> Iterator[Any]:
        yield sleep(0)
        yield "late"

    async def coroutine(self) -> str:
        await sleep(0)
        return "coroutine"

    async def refusing(self) -> str:
        await sleep(0)
        raise exceptions.Forbidden

    def calling(self) -> Generator[Any, Any, None]:
        value = yield self.call(Work("pieces"), "worker")
        yield str(value.value)

    def fired(self, how: str) -> Any:
        return self.fire(Work(how), "worker")

    def unheard(self) -> Any:
        return self.fire(Work("x"), "nowhere")

    def raising(self) -> None:
        raise ValueError

    def raising_late(self) -> Iterator[Any]:
        yield "a"
        yield sleep(0)
        raise exceptions.Gone

    def returned(self) -> errors.NotFound:
        return self.notfound()

    def fired_error(self) -> None:
        self.fire(errors.Forbidden(self.request, self.response), "web")

    def redirecting(self) -> errors.Redirect:
        return self.redirect("/text")

    def streamed(self) -> Any:
        self.response.body = (part for part in ["a", "", "b"])
        return self.response

    def broken(self) -> Any:
        self.response.body = self._break()
        return self.response

    def _break(self) -> Iterator[str]:
        yield "a"
        raise ValueError

    def pushed(self) -> Any:
        self.response.stream = True
        self.fire(events.Stream(self.response, "p"), "web")
        self.fire(events.Stream(self.response, None), "web")
        return self.response

    def owed(self) -> bool:
        self.response.body = "owed"
        self.fire(events.Response(self.response), "web")
        return True


_PATHS = [name for name, value in vars(Root).items() if hasattr(value, "binding")]
_PATHS[_PATHS.index("fired")] = "fired/pieces"
_PATHS += ["fired/plain", "fired/fails", "missing"]


class Silent(BaseComponent):
    """Takes the errors that are expected, so that nobody logs them."""

    @handler("error", channel="*")
    def _on_error(self, *args: Any) -> None:
        pass


def observer(*names: str, suspends: bool = False, wants: bool = True, **config: Any) -> type:
    """A component that handles events, and does nothing."""

    def suspended(self: Any, *args: Any, **kwargs: Any) -> Iterator[None]:
        yield None

    def with_event(self: Any, event: Any, *args: Any, **kwargs: Any) -> None:
        pass

    def plain(self: Any, *args: Any, **kwargs: Any) -> None:
        pass

    function = suspended if suspends else with_event if wants else plain
    return type(
        "Observer", (BaseComponent,), {"channel": "web", "_on": handler(*names, **config)(function)}
    )


def answers(*parts: type) -> dict[str, tuple[bytes, bool]]:
    """What a client reads for each path, and whether it is sent away."""
    found = {}
    made = [Dispatcher(), Root(), Worker(), Silent(), *[part() for part in parts]]
    with serving(*made) as server:
        server.stop_timeout = 0
        for path in _PATHS:
            client = server.connect()
            client.feed(get(f"/{path}") + get("/text"))
            found[path] = (re.sub(rb"Date: [^\r]*", b"", client.received), client.is_closed)
    return found


@pytest.fixture(scope="session")
def unobserved() -> dict[str, tuple[bytes, bool]]:
    return answers()


def test_unobserved_requests_are_answered(unobserved: dict[str, tuple[bytes, bool]]) -> None:
    codes = {path: int(data[9:12]) for path, (data, _) in unobserved.items()}
    expected = {
        **dict.fromkeys(["nothing", "unheard", "returned", "missing"], 404),
        **dict.fromkeys(["number", "raising"], 500),
        **dict.fromkeys(["refusing", "fired_error"], 403),
        **dict.fromkeys(["raising_late", "fired/fails"], 410),
        "redirecting": 303,
    }
    assert codes == {path: expected.get(path, 200) for path in _PATHS}
    assert unobserved["fired/pieces"][0].count(b"firstlast") == 1


_EVENTS = [
    "request",
    "request_success",
    "request_failure",
    "request_complete",
    "request_value_changed",
    "response",
    "response_success",
    "response_complete",
    "stream",
    "stream_success",
    "httperror",
    "read",
    "write",
    "close",
    "disconnect",
]


@pytest.mark.parametrize(
    "parts",
    [
        *[pytest.param([observer(name)], id=name) for name in _EVENTS],
        *[pytest.param([observer(n, priority=5)], id=f"{n}-before") for n in _EVENTS[:11]],
        *[pytest.param([observer(n, suspends=True)], id=f"{n}-late") for n in _EVENTS[:11]],
        pytest.param([observer("request", wants=False)], id="request-plain"),
        pytest.param([observer("request", filter=True, priority=3)], id="request-filter"),
        pytest.param([observer("text", "text_success", channel="/")], id="method"),
        pytest.param([observer("request", "response", channel="*")], id="any-channel"),
        pytest.param([observer(channel="*")], id="everything"),
    ],
)
def test_an_observer_does_not_change_the_answer(
    parts: list[type], unobserved: dict[str, tuple[bytes, bool]]
) -> None:
    assert answers(*parts) == unobserved


@pytest.mark.parametrize(
    ("name", "channel"),
    [
        ("read", "web"),
        ("request", "web"),
        ("request_success", "web"),
        ("response", "web"),
        ("write", "web"),
        ("text", "*"),
    ],
)
def test_who_waits_for_a_step_sees_it_and_changes_nothing(
    name: str, channel: str, unobserved: dict[str, tuple[bytes, bool]]
) -> None:
    seen: list[str] = []

    class Waiter(BaseComponent):
        channel = "waiter"

        @handler("begin")
        def _on_begin(self) -> Iterator[Any]:
            yield self.wait(name, channel)
            seen.append(name)

    waiter = Waiter()
    with serving(Dispatcher(), Root(), Worker(), Silent(), waiter) as server:
        server.stop_timeout = 0
        client = server.connect()
        for count in (1, 2):
            waiter.fire(Event.create("begin"))
            settle(server)
            before = len(client.received)
            client.feed(get("/text") + get("/text"))
            assert seen == [name] * count
            answer = re.sub(rb"Date: [^\r]*", b"", client.received[before:])
            assert answer == unobserved["text"][0]
