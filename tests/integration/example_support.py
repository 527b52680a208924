"""Programs that talk over their standard input and output."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
SECONDS = 20.0


class Script:
    """A program that runs, and what it has said so far."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.output = ""

    def hear(self, text: str, after: int = 0) -> str:
        """Wait until the program has said something; all that it has said.

        Args:
            text: What to wait for.
            after: Where in the output to begin to look.
        """
        assert self.process.stdout is not None
        number = self.process.stdout.fileno()
        deadline = time.monotonic() + SECONDS
        while text not in self.output[after:]:
            ready, _, _ = select.select([number], [], [], max(0.0, deadline - time.monotonic()))
            data = os.read(number, 65536) if ready else b""
            assert data, f"{text!r} was not said, but:\n{self.output}"
            self.output += data.decode()
        return self.output

    def look(self, seconds: float = 0.05) -> None:
        """Take what the program says within a while, if anything."""
        assert self.process.stdout is not None
        number = self.process.stdout.fileno()
        if select.select([number], [], [], seconds)[0]:
            self.output += os.read(number, 65536).decode()

    def type(self, text: str) -> None:
        """Type a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def finish(self) -> int:
        """Type nothing more, and wait for the end: the exit status."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.wait()

    def interrupt(self) -> int:
        """Press ^C, and wait for the end: the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.wait()

    def wait(self) -> int:
        """Wait for the end: the exit status."""
        assert self.process.stdout is not None
        self.output += self.process.stdout.read().decode()
        return self.process.wait(SECONDS)


@contextlib.contextmanager
def example(name: str, *arguments: object) -> Iterator[Script]:
    """Run an example until the block ends; it must not have complained."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", str(EXAMPLES / name), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    script = Script(process)
    try:
        yield script
    finally:
        process.kill()
        process.wait(SECONDS)
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
    assert "Traceback" not in script.output
    assert "ERROR" not in script.output


def port_of(script: Script) -> int:
    """The port that a server says it listens on."""
    line = script.hear("\n").splitlines()[0]
    return int(line.partition("127.0.0.1:")[2].split()[0])
