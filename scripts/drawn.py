"""What the pictures of the pages show that are made of the code: a function for each.

Trees are built, programs are run and traced, and sources are read, so that a picture shows what is
there. Each function returns a flow chart in the language of Mermaid; ``scripts/pictures.py``
puts it into its page, and tests/test_docs_pictures.py looks whether it is still true.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from circuits import BaseComponent, Component, Event, Supervisor, handler, sleep
from circuits.core.inspection import Inspection
from circuits.net.sockets import Close, Connect, TCPClient, TCPServer, Write
from circuits.testing import web_client
from circuits.tools import graph_mermaid
from circuits.web import Controller, Server, Sessions, Static

SOURCE = Path(__file__).resolve().parent.parent / "src" / "circuits"


def _settle(app: BaseComponent) -> None:
    while len(app):
        app.flush()


# -- trees ------------------------------------------------------------------------------------


def web_tree() -> str:
    """What a server of web pages is made of."""

    class Root(Controller):
        def index(self) -> str:
            return "index"

    class Shop(Controller):
        channel = "/shop"

    app = Server(("127.0.0.1", 0)) + Sessions() + Static() + Root() + Shop()
    shown = graph_mermaid(app).replace("graph TD", "graph LR", 1)  # for narrow screens
    app.fire(Close(), "web")
    _settle(app)
    return shown


def tutorial_tree() -> str:
    """The house of the tutorial."""

    class House(Component):
        channel = "house"

    class Lamp(Component):
        pass

    return graph_mermaid(House() + Lamp(channel="kitchen") + Lamp(channel="cellar"))


def supervised_tree() -> str:
    """A supervisor with one below it."""

    class App(Component):
        channel = "app"

    class Session(Component):
        channel = "session"

    class Gateway(Component):
        channel = "gateway"

    class Cache(Component):
        channel = "cache"

    app = App()
    above = Supervisor("one_for_one", channel="supervisor").register(app)
    above.add(Session)
    above.add(lambda: Supervisor("rest_for_one", channel="pair"), name="pair")
    _settle(app)
    pair = above.child("pair")
    pair.add(Gateway)
    pair.add(Cache)
    _settle(app)
    return graph_mermaid(app)


# -- what causes what -------------------------------------------------------------------------


def _traced(app: BaseComponent, run: Callable[[], object], leave_out: Iterable[str] = ()) -> str:
    """Run a program, and show its events below those that caused them."""
    inspection = Inspection(limit=None)
    inspection.open(app)
    run()
    traces: list[dict[str, Any]] = sorted(inspection.collect()["traces"], key=lambda t: t["id"])
    inspection.leave()
    left_out = {"registered", "unregistered", "stopped", "signal", *leave_out}
    parents = {t["id"]: t["parent"] for t in traces}
    shown = {t["id"]: t for t in traces if t["name"] not in left_out}

    def cause(number: int) -> int | None:
        above = parents[number]
        while above in parents and above not in shown:
            above = parents[above]
        return above if above in shown else None

    def below(number: int | None) -> Iterator[int]:
        caused = [n for n in shown if cause(n) == number]
        for n in caused if number else sorted(caused, key=lambda n: (shown[n]["channels"], n)):
            yield n
            yield from below(n)

    causes = {cause(number) for number in shown}
    # What neither caused anything nor was caused is not what the picture is about.
    told = [n for n in below(None) if n in causes or cause(n) is not None]
    keys = {number: f"e{place}" for place, number in enumerate(told)}
    lines = ["flowchart TD"]
    for number, key in keys.items():
        trace = shown[number]
        who = ", ".join(dict.fromkeys(label for label, _ in trace["handlers"])) or "nobody"
        lines.append(f'    {key}["{trace["name"]} on {", ".join(trace["channels"])}<br/>{who}"]')
    lines += [
        f"    {keys[above]} --> {key}"
        for number, key in keys.items()
        if (above := cause(number)) is not None
    ]
    return "\n".join(lines) + "\n"


def order_causes() -> str:
    """The program of the page about values, traced."""

    class Order(Event):
        success = complete = True

    class Reserve(Event): ...

    class Invoice(Event): ...

    class Shop(Component):
        channel = "shop"

        def started(self, component: Component) -> None:
            self.fire(Order())

        def order(self) -> str:
            self.fire(Reserve(), "stock")
            self.fire(Invoice(), "office")
            return "accepted"

        def order_success(self, order: Event, result: Any) -> None: ...

        def order_complete(self, order: Event, result: Any) -> None:
            self.stop()

    class Stock(Component):
        channel = "stock"

        def reserve(self) -> None: ...

    class Office(Component):
        channel = "office"

        def invoice(self) -> Any:
            yield sleep(0)

    app = Shop() + Stock() + Office()
    return _traced(app, app.run)


def echo_causes() -> str:
    """A client and a server of TCP that say one thing to each other."""

    class Echo(Component):
        channel = "server"

        def ready(self, server: Any, bind: tuple[str, int]) -> None:
            self.fire(Connect(*bind), "client")

        def connect(self, sock: Any, host: str, port: int) -> None: ...

        def read(self, sock: Any, data: bytes) -> bytes:
            return data

        def disconnect(self, sock: Any) -> None:
            self.stop()

    class Talker(Component):
        channel = "client"

        def connected(self, host: str, port: int) -> None:
            self.fire(Write(b"hello"))

        def read(self, data: bytes) -> None:
            self.fire(Close())

        def disconnected(self) -> None: ...

    app = Echo() + TCPServer(("127.0.0.1", 0)) + Talker() + TCPClient()
    return _traced(
        app, app.run, leave_out=("started", "closed", "_end_of_input", "read_value_changed")
    )


def request_causes() -> str:
    """One request for a page that asks another component."""

    class Price(Event): ...

    class Shop(Component):
        channel = "shop"

        async def price(self) -> int:
            return 5

    class Root(Controller):
        async def index(self) -> str:
            return str(await self.call(Price(), "shop"))

    class Watcher(Component):
        channel = "web"

        @handler("request", "response", priority=5)
        def _look(self, *args: Any) -> None: ...

    app = Server(("127.0.0.1", 0)) + Root() + Shop() + Watcher()
    with web_client(app) as client:
        client.get("/")
        return _traced(
            app,
            lambda: client.get("/"),
            leave_out=(
                "connect",
                "disconnect",
                "close",
                "_end_of_input",
                "response_complete",
                "response_success",
            ),
        )


# -- sources ----------------------------------------------------------------------------------


def packages() -> str:
    """Which package imports which; what follows from other arrows is left out."""
    names = sorted(p.name for p in SOURCE.iterdir() if (p / "__init__.py").exists())
    uses: dict[str, set[str]] = {name: set() for name in names}
    for name in names:
        for file in (SOURCE / name).rglob("*.py"):
            for node in ast.parse(file.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ImportFrom) and not node.level and node.module:
                    parts = node.module.split(".")
                    if parts[0] == "circuits" and len(parts) > 1 and parts[1] in uses:
                        uses[name].add(parts[1])
        uses[name].discard(name)

    def reach(name: str) -> set[str]:
        return uses[name].union(*(reach(other) for other in uses[name]))

    lines = ["flowchart TD"]
    lines += [f'    {name}["circuits.{name}"]' for name in names]
    lines += [
        f"    {name} --> {other}"
        for name in names
        for other in sorted(uses[name])
        if not any(other in reach(between) for between in uses[name] - {other})
    ]
    return "\n".join(lines) + "\n"


#: By the names that the pages use.
MAKERS: dict[str, Callable[[], str]] = {
    "web-tree": web_tree,
    "tutorial-tree": tutorial_tree,
    "supervised-tree": supervised_tree,
    "order-causes": order_causes,
    "echo-causes": echo_causes,
    "request-causes": request_causes,
    "packages": packages,
}
