"""Draw the pictures of the pages: a file in docs/pictures for each fence of Mermaid.

A forge draws the fences itself. The site shows these files instead, so that a reader's browser runs
and fetches nothing for them. Run it after a change of a picture; it needs the program ``dot`` of
graphviz. What git keeps is checked by tests/test_docs_pictures.py.

A fence behind a line ``<!-- picture: NAME -->`` is made of the code itself, by the function of that
name in scripts/drawn.py, and is written anew, too.
"""

from __future__ import annotations

import hashlib
import html
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "pictures"

FENCE = re.compile(
    r"(?:^<!-- picture: (?P<maker>[\w-]+) -->\n+)?^```mermaid\n(?P<text>[\s\S]*?)^```\n",
    re.MULTILINE,
)

_NODE = re.compile(r'(\w+)(\(\(".*?"\)\)|\[".*?"\]|\{".*?"\}|\(".*?"\))?')
_EDGE = re.compile(r'\s*(-->|-\.->)(?:\|"(.*?)"\|)?\s*')
_SHAPES = {"((": "circle", "[": "box", "{": "diamond", "(": "box"}
_TRANSITION = re.compile(r"(\[\*\]|\w+) --> (\[\*\]|\w+)(?:: (.*))?")
#: About so many letters fit beside an arrow.
_LABEL_LETTERS = 24


@dataclass(frozen=True)
class Picture:
    """A picture on a page.

    Attributes:
        page: The page.
        number: Its place among those of the page, from 1.
        text: What it shows, in the language of Mermaid.
        maker: Name of the function that makes the text; ``None`` if a person does.
    """

    page: Path
    number: int
    text: str
    maker: str | None

    @property
    def path(self) -> Path:
        """Where it is drawn to."""
        stem = "-".join(self.page.relative_to(ROOT / "docs").with_suffix("").parts)
        return FOLDER / f"{stem}-{self.number}.svg"

    @property
    def digest(self) -> str:
        """By which a drawing knows the text that it was made of."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]

    def is_drawn(self) -> bool:
        """Whether the file is there, and of this text."""
        return self.path.exists() and f"<!-- {self.digest} -->" in self.path.read_text("utf-8")


def pictures(page: Path) -> list[Picture]:
    """The pictures of a page, in their order."""
    found = FENCE.finditer(page.read_text(encoding="utf-8"))
    return [
        Picture(page, number, match["text"], match["maker"])
        for number, match in enumerate(found, start=1)
    ]


def all_pictures() -> list[Picture]:
    """Those of all pages."""
    pages = sorted((ROOT / "docs").glob("**/*.md"))
    return [p for page in pages if "reference" not in page.parts for p in pictures(page)]


# -- from Mermaid to the language of graphviz -------------------------------------------------


def dot(text: str) -> str:
    """A flow chart or a diagram of states in the language of graphviz.

    Raises:
        ValueError: A line that is not understood.
    """
    first, *lines = text.strip().splitlines()
    kind, _, direction = first.strip().partition(" ")
    if kind in ("flowchart", "graph"):
        body = list(_flow(lines))
    elif kind == "stateDiagram-v2":
        body = list(_states(lines))
    else:
        raise ValueError(f"a picture of the kind {first!r} cannot be drawn")
    return "\n".join(
        [
            "digraph {",
            f"rankdir={'LR' if direction == 'LR' else 'TB'} bgcolor=transparent nodesep=0.3 ranksep=0.4",
            'node [shape=box style="filled,rounded" fillcolor="#f0f0f0" fontname=Helvetica fontsize=12 margin="0.14,0.07"]',
            "edge [fontname=Helvetica fontsize=10 arrowsize=0.7]",
            *body,
            "}",
        ]
    )


def _quoted(text: str) -> str:
    text = text.replace("#quot;", "'").replace("#amp;", "&").replace("\\", "\\\\")
    return '"' + re.sub(r"<br */?>", r"\\n", text).replace('"', "'") + '"'


def _wrapped(text: str) -> str:
    """Words of an arrow in short lines, so that arrows stay together; with some space around."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + len(word) > _LABEL_LETTERS:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "<br/>".join(f" {line} " for line in lines) if lines[0] else ""


def _node(key: str, shape: str | None) -> str | None:
    if shape is None:
        return None
    mark = "((" if shape.startswith("((") else shape[0]
    label = shape[len(mark) + 1 : -len(mark) - 1]
    return f'"{key}" [label={_quoted(label)} shape={_SHAPES[mark]}]'


def _group(line: str, at: int) -> tuple[list[str], list[str], int]:
    """The nodes before an arrow or an end, those that are described there, and where they end."""
    keys: list[str] = []
    described: list[str] = []
    while match := _NODE.match(line, at):
        keys.append(match[1])
        node = _node(match[1], match[2])
        described += [node] if node else []
        at = match.end()
        if not line.startswith(" & ", at):
            return keys, described, at
        at += 3
    raise ValueError(f"not understood: {line!r}")


def _flow(lines: list[str]) -> Iterator[str]:
    for line in map(str.strip, lines):
        if not line:
            continue
        before, described, at = _group(line, 0)
        yield from described
        while at < len(line):
            arrow = _EDGE.match(line, at)
            if arrow is None:
                raise ValueError(f"not understood: {line!r}")
            after, described, at = _group(line, arrow.end())
            yield from described
            look = f"label={_quoted(_wrapped(arrow[2] or ''))}"
            look += " style=dashed" if arrow[1] == "-.->" else ""
            yield from (f'"{a}" -> "{b}" [{look}]' for a in before for b in after)
            before = after


def _states(lines: list[str]) -> Iterator[str]:
    yield 'begin [shape=circle style=filled fillcolor=black label="" width=0.15]'
    yield 'end [shape=doublecircle style=filled fillcolor=black label="" width=0.12]'
    for line in map(str.strip, lines):
        if not line:
            continue
        match = _TRANSITION.fullmatch(line)
        if match is None:
            raise ValueError(f"not understood: {line!r}")
        source = "begin" if match[1] == "[*]" else _quoted(match[1])
        target = "end" if match[2] == "[*]" else _quoted(match[2])
        yield f"{source} -> {target} [label={_quoted(_wrapped(match[3] or ''))}]"


# -- from there to a file ---------------------------------------------------------------------


def draw(picture: Picture) -> str:
    """The picture as SVG, in the colours of whatever page it stands on."""
    done = subprocess.run(
        ["dot", "-Tsvg"], input=dot(picture.text), capture_output=True, text=True, check=True
    )
    return dressed(done.stdout, picture.digest)


def dressed(svg: str, digest: str) -> str:
    """What graphviz wrote, without what is for itself only, and with colours that can change."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<!--.*?-->\n?|<title>.*?</title>\n?", "", svg, flags=re.DOTALL)
    svg = re.sub(r' (?:id|class|xmlns:xlink)="[^"]*"', "", svg)
    svg = re.sub(r'width="(\d+)pt" height="(\d+)pt"', r'width="\1" height="\2"', svg, count=1)
    svg = re.sub(r'<polygon fill="none" stroke="none"[^>]*/>\n?', "", svg)
    svg = svg.replace('fill="#f0f0f0"', 'style="fill:var(--picture-fill, #f0f0f0)"')
    svg = re.sub(r'(fill|stroke)="black"', r'\1="currentColor"', svg)
    svg = svg.replace("<text ", '<text fill="currentColor" ')
    svg = svg.replace('font-family="Helvetica,sans-Serif"', 'font-family="sans-serif"')
    svg = re.sub(r"\n{2,}", "\n", svg)
    return svg.replace("<svg ", '<svg role="img" ', 1).replace(">", f">\n<!-- {digest} -->", 1)


def described(text: str) -> str:
    """What a picture shows, for whoever hears the page: the words in it."""
    words = re.findall(r'"([^"]*)"', text) or re.findall(r"\w+", text)[1:]
    return html.escape("; ".join(dict.fromkeys(re.sub(r"<br */?>", ": ", w) for w in words)))


def rewrite(page: Path) -> None:
    """Make those fences of a page anew that are made of the code."""
    from scripts import drawn

    def made(match: re.Match[str]) -> str:
        if match["maker"] is None:
            return match[0]
        text = drawn.MAKERS[match["maker"]]()
        return f"<!-- picture: {match['maker']} -->\n```mermaid\n{text}```\n"

    text = page.read_text(encoding="utf-8")
    new = FENCE.sub(made, text)
    if new != text:
        page.write_text(new, encoding="utf-8")


def main() -> None:
    """Write what is missing or old, and remove what belongs to no page."""
    for page in (ROOT / "docs").glob("**/*.md"):
        rewrite(page)
    FOLDER.mkdir(exist_ok=True)
    wanted = all_pictures()
    for picture in wanted:
        if not picture.is_drawn():
            picture.path.write_text(draw(picture), encoding="utf-8")
            print(picture.path.relative_to(ROOT), file=sys.stderr)
    for path in FOLDER.glob("*.svg"):
        if path not in {picture.path for picture in wanted}:
            path.unlink()


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
