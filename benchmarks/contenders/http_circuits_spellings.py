"""Hello by a Controller in the spellings that people use; the command line names one."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

from serving import announce, many_descriptors

from circuits import Component, Debugger, Event, handler
from circuits.web import BaseServer, Controller, JSONController, Logger, Server

HELLO = "Hello World!"


class Greet(Event):
    pass


class Greeter(Component):
    """Is asked by some of the handlers."""

    channel = "greeter"

    def greet(self) -> str:
        return HELLO


class Plain(Controller):
    def index(self) -> str:
        return HELLO


class Header(Controller):
    def index(self) -> str:
        self.response.headers["X-Hello"] = "World"
        return HELLO


class SetsCookie(Controller):
    def index(self) -> str:
        self.cookie["seen"] = "yes"
        return HELLO


class SetsCookieByMethod(Controller):
    def index(self) -> str:
        self.response.set_cookie("seen", "yes")
        return HELLO


class ReadsCookie(Controller):
    def index(self) -> str:
        jar = self.request.cookie
        return HELLO if jar["seen"].value == "yes" else ""


class ReadsCookieAsText(Controller):
    def index(self) -> str:
        return HELLO if self.request.cookies["seen"] == "yes" else ""


class Json(JSONController):
    def index(self) -> dict[str, Any]:
        return {"success": True, "message": HELLO}


class JsonByDict(Controller):
    def index(self) -> dict[str, Any]:
        return {"success": True, "message": HELLO}


class Vpath(Controller):
    def index(self, first: str, second: str) -> str:
        return HELLO


class Query(Controller):
    def index(self, first: str = "", second: str = "") -> str:
        return HELLO


class Async(Controller):
    async def index(self) -> str:
        return HELLO


class Generated(Controller):
    def index(self) -> Iterator[str]:
        yield HELLO


class AsyncGenerated(Controller):
    async def index(self) -> AsyncIterator[str]:
        yield HELLO


class Calls(Controller):
    def index(self) -> Generator[Any, Any, None]:
        value = yield self.call(Greet(), "greeter")
        yield value.value


class AsyncCalls(Controller):
    async def index(self) -> Any:
        return await self.call(Greet(), "greeter")


class Fires(Controller):
    def index(self) -> Any:
        return self.fire(Greet(), "greeter")


class Base(Component):
    channel = "web"

    def request(self, request: Any, response: Any) -> str:
        return HELLO


class BaseHeader(Component):
    channel = "web"

    def request(self, request: Any, response: Any) -> str:
        response.headers["X-Hello"] = "World"
        return HELLO


def log() -> Logger:
    return Logger(tempfile.NamedTemporaryFile(prefix="circuits-bench-", suffix=".log").name)


class Seeing(Component):
    """Is called for every event, and does nothing."""

    @handler(channel="*", priority=101)
    def _on_any(self, event: Event, *args: Any) -> None:
        pass


SPELLINGS: dict[str, tuple[Any, ...]] = {
    "plain": (Plain,),
    "header": (Header,),
    "sets_cookie": (SetsCookie,),
    "sets_cookie_by_method": (SetsCookieByMethod,),
    "reads_cookie": (ReadsCookie,),
    "reads_cookie_as_text": (ReadsCookieAsText,),
    "json": (Json,),
    "json_by_dict": (JsonByDict,),
    "vpath": (Vpath,),
    "query": (Query,),
    "async": (Async,),
    "generator": (Generated,),
    "async_generator": (AsyncGenerated,),
    "call": (Calls, Greeter),
    "call_async": (AsyncCalls, Greeter),
    "fires": (Fires, Greeter),
    "log": (Plain, log),
    "log_sets_cookie": (SetsCookie, log),
    "observed": (Plain, lambda: Debugger(events=False)),
    "seen": (Plain, Seeing),
    "base": (Base,),
    "base_header": (BaseHeader,),
}

if __name__ == "__main__":
    many_descriptors()
    name = sys.argv[1]
    kind = BaseServer if name.startswith("base") else Server
    server = kind(("127.0.0.1", 0), display_banner=False)
    for part in SPELLINGS[name]:
        part().register(server)
    announce(server.port or 0)
    server.run()
