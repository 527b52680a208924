#!/usr/bin/env python
"""Show what happens in a folder and below.

python examples/dirwatch.py FOLDER
"""

from __future__ import annotations

import sys

from circuits import Component, Debugger
from circuits.io import Notify


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    app = Component()
    notify = Notify().register(app)
    notify.add_path(sys.argv[1], recursive=True, auto_add=True)
    Debugger(file=sys.stdout).register(app)
    app.run()


if __name__ == "__main__":
    main()
