"""What the first user of a built wheel does, without a checkout and without other packages."""

from __future__ import annotations

import http.client
import sys
import threading
from importlib import metadata, resources

import circuits
from circuits import Component, Event


class Hello(Event):
    """Ask for a greeting."""


class App(Component):
    """Greets once and ends."""

    def hello(self, name: str) -> str:
        return f"Hello {name}!"

    def started(self, component: object) -> None:
        self.answer = self.fire(Hello("wheel"))
        self.fire(Event.create("Finish"))

    def finish(self) -> None:
        self.stop()


app = App()
app.run()
assert app.answer.value == "Hello wheel!", app.answer
assert circuits.__version__ == metadata.version("circuits")
assert not metadata.requires("circuits") or all(
    "extra ==" in requirement for requirement in metadata.requires("circuits") or []
), "the wheel has a required dependency"
assert resources.files("circuits").joinpath("py.typed").is_file()
assert "asyncio" not in sys.modules

from circuits.web import Controller, Server  # noqa: E402 - the kernel alone comes first


class Root(Controller):
    """Answers for the whole site."""

    def index(self) -> str:
        return "Hello web!"


answers: list[tuple[int, bytes]] = []


def visit() -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    for path in ("/", "/missing"):
        connection.request("GET", path)
        response = connection.getresponse()
        answers.append((response.status, response.read()))
    connection.close()
    server.stop()


server = Server(("127.0.0.1", 0), display_banner=False)
Root().register(server)
visitor = threading.Thread(target=visit)
visitor.start()
server.run()
visitor.join()
assert answers[0] == (200, b"Hello web!"), answers
assert answers[1][0] == 404, answers
print(f"circuits {circuits.__version__} on Python {sys.version.split()[0]}: ok")
