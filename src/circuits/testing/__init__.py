"""Testing applications without sleeping: virtual time, settling, recorded events, connections.

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

from .clock import VirtualClock
from .connections import MemoryConnection, memory_pair
from .recorder import Record, Recorder
from .settling import NotSettledError, settle

__all__ = [
    "MemoryConnection",
    "NotSettledError",
    "Record",
    "Recorder",
    "VirtualClock",
    "memory_pair",
    "settle",
]
