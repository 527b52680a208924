"""The application that a command looks at: it is made, and not run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from circuits.app.recording import nothing_recorded
from circuits.web._loading import load

if TYPE_CHECKING:
    import argparse

    from circuits.core.manager import Manager

__all__ = ["make_application"]

#: How many batches of events are dispatched for what registers itself by events, at the most: an
#: application may go on firing for ever.
_MOST_BATCHES = 1000


def make_application(parser: argparse.ArgumentParser, name: str) -> Manager:
    """Make the component that ``MODULE:NAME`` means, with all that it registers.

    Raises:
        SystemExit: There is none, which the parser has said.
    """
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        parser.error(f"an application is written like module:Class, not {name!r}")
    with nothing_recorded():
        app: Manager = load(parser, name, "component")
        for _ in range(_MOST_BATCHES):
            if not len(app):
                break
            app.flush()
    return app
