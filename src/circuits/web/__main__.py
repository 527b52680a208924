"""``python -m circuits.web``: serve a folder, or an application."""

from __future__ import annotations

import sys

from .main import main

if __name__ == "__main__":
    sys.exit(main())
