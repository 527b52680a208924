"""What is typed at the terminal, line by line, for the examples that talk."""

from __future__ import annotations

import sys
import threading

from circuits import Component, Event


class Typed(Event):
    """A line was typed: ``(line,)``, text without its end."""


class InputEnded(Event):
    """Nothing more will be typed."""


class Keyboard(Component):
    """Fires ``typed`` and ``input_ended`` on its channel.

    A thread waits for the keyboard; to fire is what other threads may do.
    """

    def started(self, component):
        threading.Thread(target=self._listen, name="keyboard", daemon=True).start()

    def _listen(self):
        for line in sys.stdin:
            self.fire(Typed(line.rstrip("\r\n")))
        self.fire(InputEnded())
