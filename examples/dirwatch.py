#!/usr/bin/env python
"""Show what happens in a folder and below.

python examples/dirwatch.py FOLDER
"""

from __future__ import annotations

import argparse
import sys

from circuits import Component, Debugger, handler
from circuits.io import Notify


class App(Component):
    @handler("io_error", channel="notify")
    def fail(self, problem):
        print(f"dirwatch: {problem}", file=sys.stderr)
        raise SystemExit(1)


def main():
    parser = argparse.ArgumentParser(description="Show what happens in a folder and below.")
    parser.add_argument("folder", metavar="FOLDER")
    app = App()
    notify = Notify().register(app)
    notify.add_path(parser.parse_args().folder, recursive=True, auto_add=True)
    Debugger(file=sys.stdout).register(app)
    app.run()


if __name__ == "__main__":
    main()
