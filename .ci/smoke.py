"""What the first user of a built wheel does, without a checkout and without other packages."""

from __future__ import annotations

import sys
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
print(f"circuits {circuits.__version__} on Python {sys.version.split()[0]}: ok")
