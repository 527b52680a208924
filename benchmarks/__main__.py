"""``python -m benchmarks``: run comparisons and print their ratios."""

from __future__ import annotations

from benchmarks.harness import main

if __name__ == "__main__":
    main()
