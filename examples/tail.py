#!/usr/bin/env python
"""Show what is appended to a file, also after it has been replaced by a new one.

python examples/tail.py FILE
"""

from __future__ import annotations

import argparse
import sys

from circuits import Component, handler
from circuits.io import File, Write, stdout


class Tail(Component):
    stdout = stdout

    def init(self, path):
        # The end is where to begin, as soon as the file is open.
        File(path, "r", autoclose=False).register(self).seek(0, 2)

    @handler("read", channel="file")
    def show(self, data):
        self.fire(Write(data), stdout)

    @handler("io_error", channel="*")
    def fail(self, problem):
        print(f"tail: {problem}", file=sys.stderr)
        raise SystemExit(1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Show what is appended to a file.")
    parser.add_argument("file", metavar="FILE")
    Tail(parser.parse_args().file).run()
