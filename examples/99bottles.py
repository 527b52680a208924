#!/usr/bin/env python
"""Show the lines of a file that a pattern matches: a file and a line protocol on one channel.

python examples/99bottles.py FILE PATTERN
"""

from __future__ import annotations

import argparse
import re
import sys

from circuits import Component
from circuits.io import File
from circuits.net.protocols import LP


class Grep(Component):
    channel = "file"

    def init(self, path, pattern):
        self.pattern = pattern
        LP(channel=self.channel).register(self)  # makes lines of what the file reads
        File(path).register(self)

    def line(self, line):
        if self.pattern.search(line):
            print(line)

    def eof(self):
        raise SystemExit(0)

    def io_error(self, problem):
        print(f"99bottles: {problem}", file=sys.stderr)
        raise SystemExit(1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Show the lines that a pattern matches.")
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("pattern", metavar="PATTERN")
    options = parser.parse_args()
    try:
        pattern = re.compile(options.pattern)
    except re.error as problem:
        parser.error(f"{options.pattern!r} is no pattern: {problem}")
    Grep(options.file, pattern).run()
