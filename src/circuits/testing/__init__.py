"""Testing applications without sleeping: virtual time, settling, recorded events, a web client.

The fixtures of the pytest plugin (:mod:`circuits.testing.plugin`) are made of these::

    def test_a_greeting_is_sent(virtual_clock):
        app = Greeter()
        recorder = Recorder().register(app)
        with app.running():
            settle(app, until=virtual_clock.now + 5)
        recorder.expect("greeting", "hello")

.. versionadded:: 2.1
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .clock import VirtualClock
from .connections import MemoryConnection, memory_pair
from .recorder import Record, Recorder
from .settling import NotSettledError, settle

if TYPE_CHECKING:
    from .replaying import Replayed, replay
    from .web import web_client

__all__ = [
    "MemoryConnection",
    "NotSettledError",
    "Record",
    "Recorder",
    "Replayed",
    "VirtualClock",
    "memory_pair",
    "replay",
    "settle",
    "web_client",
]


def __getattr__(name: str) -> Any:
    # Only for those who test with it: the web framework, and what reads recordings.
    if name == "web_client":
        from .web import web_client

        return web_client
    if name in ("replay", "Replayed"):
        from . import replaying

        return getattr(replaying, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
