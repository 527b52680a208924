"""The programs in the documentation, and how each of them is run.

A program stands in a fence of Python. The comment right before it may say how it is run:

    <!-- listing: skip THE REASON -->           not at all
    <!-- listing: file NAME -->                 saved, for the programs behind it on the page
    <!-- listing: tests -->                     by pytest
    <!-- listing: arguments A B -->             with arguments
    <!-- listing: errors TEXT -->               and may log errors, the text among them
    <!-- listing: display -->                  where it can open a window
    <!-- listing: until TEXT -->                until it prints that; then it gets SIGTERM
    <!-- listing: server                        likewise, after each line was asked for, or sent
    /path -> what the answer contains
    POST /path body -> what the answer contains
    "bytes\\n" -> what comes back
    -->

Several of these may be in one comment, a line each. ``port 9999`` puts a free port in place of
that number; servers get port 0 in place of 8000.

Without such a comment the program has to end by itself, well and in silence. A block of output
right behind a program, which no line with ``$`` begins, is what it prints.

A fence of Mermaid is a picture.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Not the reference: it is made by `make docs`, and may be missing or old.
PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")} - {*ROOT.glob("docs/reference/*")})

_FENCE = re.compile(r"^```", re.MULTILINE)
_PROGRAM = re.compile(
    r"(?:^<!-- listing: (?P<how>(?:(?!-->)[\s\S])*?)\s*-->\n+)?"
    r"^```python\n(?P<code>[\s\S]*?)^```\n"
    r"(?:\n(?P<output>(?: {4}.*\n|\n(?= {4}))+))?",
    re.MULTILINE,
)
_PICTURE = re.compile(r"^```mermaid\n(?P<text>[\s\S]*?)^```\n", re.MULTILINE)


@dataclass(frozen=True)
class Listing:
    """A program on a page.

    Attributes:
        page: The page.
        line: Where its fence begins.
        code: The program.
        output: What the page says that it prints; ``None`` if it does not say.
        how: What the comment says, a pair of word and rest for each line.
        files: Programs before it on the page that it needs, with their names.
    """

    page: Path
    line: int
    code: str
    output: str | None
    how: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"

    def has(self, word: str) -> str | None:
        """What follows a word of the comment."""
        return next((rest for known, rest in self.how if known == word), None)


def listings(page: Path) -> list[Listing]:
    """The programs on a page, in their order."""
    text = page.read_text(encoding="utf-8")
    found: list[Listing] = []
    files: list[tuple[str, str]] = []
    for match in _PROGRAM.finditer(text):
        how = tuple(
            (word, rest.strip())
            for word, _, rest in (
                line.strip().partition(" ") for line in (match["how"] or "").splitlines()
            )
        )
        output = match["output"]
        if output is not None:
            output = re.sub(r"^ {4}", "", output, flags=re.MULTILINE)
            if output.startswith(("$ ", "[")):
                output = None
        line = text.count("\n", 0, match.start("code"))
        listing = Listing(page, line, match["code"], output, how, tuple(files))
        found.append(listing)
        name = listing.has("file")
        if name is not None:
            files.append((name, listing.code))
    return found


def strange_fences(page: Path) -> list[str]:
    """Lines of a page that begin or end a fence, but not one of a program or a picture."""
    text = page.read_text(encoding="utf-8")
    rest = _PICTURE.sub("", _PROGRAM.sub("", text))
    return [line for line in rest.splitlines() if _FENCE.match(line) or "<!-- listing" in line]
