"""Make the documentation site, build/docs/html: run by `make docs`.

The pages of docs/ are Markdown that a forge shows as it is, and stay so. For the site they are
copied to build/docs/pages, beside the pages at the root of the repository and the reference, and
changed on the way: links lead to where pages are on the site, or to the forge; names of ours in the
text lead to the reference; pictures are put in; the lists of the index pages become the
navigation. Sphinx makes HTML of that, and every warning is an error.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import functools
import io
import os
import posixpath
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

from circuits import cli
from scripts import pictures, reference

ROOT = pictures.ROOT
BUILD = ROOT / "build" / "docs"
FORGE = "https://github.com/circuits-framework/circuits"

#: Pages outside of docs/, and where they are on the site.
OTHERS = {
    "CHANGES.md": "project/changes.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security.md",
    "benchmarks/README.md": "project/benchmarks.md",
    "examples/README.md": "examples.md",
    "README.md": "index.md",
}

#: What is on the left of the site, below the front page.
SECTIONS = [
    ("Learn", ["tutorial/index", "howto/index", "examples"]),
    ("Understand", ["topics/index", "topics/glossary", "decisions/index"]),
    ("Look up", ["reference/index", "reference/events", "reference/programs"]),
    (
        "The project",
        [
            "promises",
            "topics/compatibility",
            "project/security",
            "project/changes",
            "project/contributing",
            "benchmarks/index",
            "project/benchmarks",
        ],
    ),
]
_PLACED = {page for _, pages in SECTIONS for page in pages}

#: Before this, the releases begin.
_NEWS = "<!-- towncrier release notes start -->"

#: What the front page says of the reference, which a forge does not have.
_REFERENCE = "the [reference](reference/index.md), with all [events](reference/events.md):"

_FENCE = re.compile(r"^(`{3,})([^\n]*)\n(.*?)^\1\n", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(?<=\]\()([^)\s]+)(?=\))")
_COMMENT = re.compile(r"^<!--.*?-->\n+", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"(?<!\[)(?<!`)`(circuits(?:\.\w+)+)`(?!`)(?!\])")
_BACK = re.compile(r"\n+Back to the \[[^\]]+\]\([^)]+\)\.\n*\Z")
_ITEM = re.compile(r"^(?:[-*|]|\d+\.) .*", re.MULTILINE)


# -- which pages there are --------------------------------------------------------------------


@functools.cache
def sources() -> dict[str, str]:
    """The pages: their paths in the repository, and on the site."""
    found = {
        path.relative_to(ROOT).as_posix(): path.relative_to(ROOT / "docs").as_posix()
        for path in sorted((ROOT / "docs").glob("**/*.md"))
        if "reference" not in path.relative_to(ROOT).parts
    }
    return OTHERS | found


def leads_to(page: str, target: str) -> str:
    """Where a link of a page leads on the site.

    Args:
        page: Path of the page in the repository.
        target: What its link says.
    """
    path, mark, anchor = target.partition("#")
    if not path or "://" in path or path.startswith("mailto:"):
        return target
    wanted = posixpath.normpath(posixpath.join(posixpath.dirname(page), path))
    known = sources()
    here = posixpath.dirname(known[page])
    for place in (wanted, posixpath.join(wanted, "index.md"), posixpath.join(wanted, "README.md")):
        if place in known:
            return posixpath.relpath(known[place], here or ".") + mark + anchor
    kind = "tree" if (ROOT / wanted).is_dir() else "blob"
    return f"{FORGE}/{kind}/HEAD/{wanted}{mark}{anchor}"


# -- what becomes of a page -------------------------------------------------------------------


def _outside_of_fences(text: str, change: Callable[[str], str]) -> str:
    """Change the text between fences, and put pictures in the place of those that are pictures."""
    out: list[str] = []
    at = 0
    for match in _FENCE.finditer(text):
        out += [change(text[at : match.start()]), match[0]]
        at = match.end()
    return "".join([*out, change(text[at:])])


def _with_pictures(page: str, text: str) -> str:
    drawn = iter(pictures.pictures(ROOT / page))

    def draw(match: re.Match[str]) -> str:
        picture = next(drawn)
        if not picture.is_drawn():
            sys.exit(f"{page}: picture {picture.number} is not drawn: run scripts/pictures.py")
        svg = picture.path.read_text(encoding="utf-8")
        label = pictures.described(picture.text)
        svg = svg.replace("<svg ", f'<svg aria-label="{label}" ', 1)
        return f'```{{raw}} html\n<figure class="picture">\n{svg}</figure>\n```\n'

    return pictures.FENCE.sub(draw, text)


def _with_output(text: str) -> str:
    """Mark what a program prints, which stands indented right behind it."""
    out: list[str] = []
    at = 0
    for match in _FENCE.finditer(text):
        out.append(text[at : match.end()])
        at = match.end()
        block = re.compile(r"\n((?: {4}.*\n|\n(?= {4}))+)").match(text, at)
        if match[2] == "python" and block:
            lines = re.sub(r"^ {4}", "", block[1], flags=re.MULTILINE)
            kind = "" if lines.startswith("$ ") else "{.output}\n"
            out.append(f"\n{kind}````text\n{lines}````\n")
            at = block.end()
    return "".join([*out, text[at:]])


def _with_names(place: str, text: str) -> str:
    """Have names of ours lead to the reference."""
    known = reference.places()
    up = posixpath.relpath("reference", posixpath.dirname(place) or ".")

    def link(match: re.Match[str]) -> str:
        found = known.get(match[1])
        return match[0] if found is None else f"[`{match[1]}`]({up}/{found})"

    def change(part: str) -> str:
        lines = part.split("\n")
        return "\n".join(
            line if line.startswith(("    ", "#")) else _SPAN.sub(link, line) for line in lines
        )

    return _outside_of_fences(text, change)


def laid_out(page: str) -> str:
    """A page of the repository as Sphinx is to read it."""
    place = sources()[page]
    text = (ROOT / page).read_text(encoding="utf-8")
    if page == "CHANGES.md":
        text = text.replace(_NEWS, next_release() + _NEWS)
    text = _with_pictures(page, text)
    text = _outside_of_fences(text, lambda part: _COMMENT.sub("", part))
    text = _BACK.sub("\n", text)
    text = _outside_of_fences(
        text, lambda part: _LINK.sub(lambda match: leads_to(page, match[1]), part)
    )
    if not place.startswith("reference/"):
        text = _with_names(place, text)
    text = _with_output(text)
    if place == "index.md":
        text = text.replace("the reference, which is part of the site:", _REFERENCE)
        return text + "".join(_toctree(pages, caption) for caption, pages in SECTIONS)
    if place.endswith("/index.md"):
        folder = posixpath.dirname(place)
        listed = _listed(text)
        inside = [
            link.removesuffix(".md") for link in listed if "/" not in link and "#" not in link
        ]
        return text + _toctree([p for p in inside if f"{folder}/{p}" not in _PLACED])
    return text


def _listed(text: str) -> dict[str, None]:
    """Where the items of the lists on a page lead, in their order."""
    return dict.fromkeys(link for item in _ITEM.findall(text) for link in _LINK.findall(item))


def _toctree(pages: list[str], caption: str = "") -> str:
    options = [":hidden:", *([f":caption: {caption}"] if caption else [])]
    return "\n".join(["", "```{toctree}", *options, "", *pages, "```", ""])


def _with_code(text: str) -> str:
    """Make fences of what is indented in the reference, coloured if it is Python."""

    def fence(match: re.Match[str]) -> str:
        lines = re.sub(r"^ {4}", "", match[2], flags=re.MULTILINE).rstrip("\n") + "\n"
        return f"{match[1]}\n````{'python' if _is_python(lines) else 'text'}\n{lines}````\n"

    return re.sub(r"(\A|\n)\n((?: {4}.*\n|\n(?= {4}))+)", fence, text)


def _is_python(text: str) -> bool:
    stub = re.sub(r"^(?:async |class )?(\w+\()", r"def \1", text)
    for body in (text, f"{stub.rstrip()}: ...", f"{text.rstrip()}: ..."):
        try:
            ast.parse(body)
        except SyntaxError:
            continue
        return True
    return False


# -- pages that are made ----------------------------------------------------------------------


def reference_pages() -> Iterator[tuple[str, str]]:
    """The reference: places on the site, and what is there.

    The pages of modules are not in the navigation, where nobody would find one among so many, and
    which Sphinx makes anew for each page. The index leads to them, and they lead back.
    """
    for name, text in reference.reference().items():
        if name in ("index.md", "events.md"):
            yield f"reference/{name}", _BACK.sub("\n", text)
        else:
            yield f"reference/{name}", f"---\norphan: true\n---\n\n{_with_code(text)}"
    yield "reference/programs.md", programs()


def next_release(folder: Path = ROOT / "newsfragments") -> str:
    """What the next release will bring: the news fragments, by their kinds; nothing if there are none."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lines: list[str] = []
    for kind in settings["tool"]["towncrier"]["type"]:
        found = sorted(folder.glob(f"*.{kind['directory']}.md"))
        if found:
            lines += [f"### {kind['name']}", ""]
            lines += [f"- {' '.join(p.read_text(encoding='utf-8').split())}" for p in found]
            lines.append("")
    return "\n".join(["## Not yet released", "", *lines, ""]) if lines else ""


def programs() -> str:
    """What the program and its commands say of themselves."""
    lines = [
        "# The program circuits",
        "",
        "What `circuits --help` says, and `--help` of each command. The manual pages have more: `man circuits`.",
        "",
    ]
    main = _help([])
    commands = re.findall(r"^  (\w+)  +\S", main.partition("commands:\n")[2], re.MULTILINE)
    for words in [[], *([command] for command in commands)]:
        title = " ".join(["circuits", *words])
        lines += [
            f"## {title}",
            "",
            "```text",
            (_help(words) if words else main).rstrip(),
            "```",
            "",
        ]
    return "\n".join(lines)


def _help(words: list[str]) -> str:
    said = io.StringIO()
    environment = {"COLUMNS": "80", "NO_COLOR": "1"}
    with mock.patch.dict(os.environ, environment), contextlib.redirect_stdout(said):
        with contextlib.suppress(SystemExit):
            cli.main([*words, "--help"])
    return said.getvalue()


# -- laying out, and Sphinx -------------------------------------------------------------------


def lay_out(folder: Path) -> None:
    """Write all that Sphinx reads; what has not changed is left alone, and what is gone removed."""
    made = {place: laid_out(page) for page, place in sources().items() if page != "README.md"}
    made |= dict(reference_pages())
    made["conf.py"] = (ROOT / "docs" / "conf.py").read_text(encoding="utf-8")
    for path in [*(ROOT / "docs" / "_static").iterdir(), *(ROOT / "docs").glob("benchmarks/*.svg")]:
        made[f"{path.parent.name}/{path.name}"] = path.read_text(encoding="utf-8")
    for place, text in made.items():
        path = folder / place
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for path in folder.glob("**/*.*"):
        if path.is_file() and path.relative_to(folder).as_posix() not in made:
            if "__pycache__" not in path.parts:
                path.unlink()


def main() -> None:
    """Lay the pages out, and make HTML of them."""
    parser = argparse.ArgumentParser(description="Make the documentation site.")
    parser.add_argument("--afresh", action="store_true", help="forget what was made before")
    options = parser.parse_args()
    missing = [n for module in reference.public_modules() for n in reference.undescribed(module)]
    if missing:
        sys.exit("\n".join(["without a docstring:", *missing]))
    if options.afresh:
        shutil.rmtree(BUILD, ignore_errors=True)
    lay_out(BUILD / "pages")
    made = BUILD / "html"
    status = subprocess.call(
        [
            *(
                sys.executable,
                "-m",
                "sphinx",
                "-b",
                "html",
                "-W",
                "--keep-going",
                "-q",
                "-j",
                "auto",
            ),
            *("-d", BUILD / "doctrees", BUILD / "pages", made),
        ]
    )
    if status:
        sys.exit(status)
    print(made / "index.html")


if __name__ == "__main__":
    main()
