"""The application that a command is about: where it is, and how it is made without being run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuits.app.recording import nothing_recorded
from circuits.web._loading import find, load

if TYPE_CHECKING:
    import argparse

    from circuits.core.manager import Manager

__all__ = ["find_application", "make_application"]

#: How many batches of events are dispatched for what registers itself by events, at the most: an
#: application may go on firing for ever.
_MOST_BATCHES = 1000


def find_application(parser: argparse.ArgumentParser, name: str, *, cure: str = "") -> Any:
    """Import what ``MODULE:NAME`` means, for whoever makes it.

    Raises:
        SystemExit: There is none, which the parser has said, with the cure.
    """
    _check_form(parser, name)
    return find(parser, name, cure=cure)


def make_application(parser: argparse.ArgumentParser, name: str) -> Manager:
    """Make the component that ``MODULE:NAME`` means, with all that it registers.

    Raises:
        SystemExit: There is none, which the parser has said.
    """
    _check_form(parser, name)
    with nothing_recorded():
        app: Manager = load(parser, name, "component")
        for _ in range(_MOST_BATCHES):
            if not len(app):
                break
            app.flush()
    return app


def _check_form(parser: argparse.ArgumentParser, name: str) -> None:
    module, _, attribute = name.partition(":")
    if not (module and attribute):
        parser.error(f"an application is written like module:Class, not {name!r}")
