#!/usr/bin/env python
"""Copy a file to standard output.

python examples/cat.py FILE
"""

from __future__ import annotations

import argparse
import sys

from circuits import handler
from circuits.io import File, Write, stdout


class Cat(File):
    stdout = stdout  # a component in a class body becomes a child

    def read(self, data):
        self.fire(Write(data), stdout)  # a component is a channel, too: its own

    # Whoever reads the output may be slower than the disk.
    @handler("pause", channel="stdout")
    def wait(self):
        self.pause_reading()

    @handler("resume", channel="stdout")
    def go_on(self):
        self.resume_reading()

    def eof(self):
        raise SystemExit(0)  # after all is written

    @handler("io_error", channel="*")
    def fail(self, problem):
        print(f"cat: {problem}", file=sys.stderr)
        raise SystemExit(1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Copy a file to standard output.")
    parser.add_argument("file", metavar="FILE")
    Cat(parser.parse_args().file).run()
