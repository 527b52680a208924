"""All codecs that are fuzzed."""

from __future__ import annotations

import re

import yaml

from tests.fuzz import forms, http, packets, text, websockets
from tests.fuzz.engine import Result, Target, run
from tests.support import vectors_folder

TARGETS: dict[str, Target] = {
    target.name: target
    for target in [
        *http.TARGETS,
        *websockets.TARGETS,
        *text.TARGETS,
        *packets.TARGETS,
        *forms.TARGETS,
    ]
}


def vectors(name: str) -> list[bytes]:
    """Public inputs to begin with, if they are there."""
    folder = vectors_folder()
    if folder is None:
        return []
    if name in ("http-requests", "http-responses"):
        kind = name.removeprefix("http-").removesuffix("s")
        pages = [
            path.read_text(encoding="utf-8")
            for path in sorted((folder / "llhttp" / kind).glob("*.md"))
        ]
        found = [
            block
            for page in pages
            for block in re.findall(r"```http\n(.*?)\n?```", page, re.DOTALL)
        ]
        return [block.replace("\n", "\r\n").encode() for block in found]
    if name == "irc":
        cases = yaml.safe_load((folder / "irc" / "msg-split.yaml").read_text(encoding="utf-8"))
        return [f"{case['input']}\r\n".encode() for case in cases["tests"]]
    return []


def fuzz(name: str, seed: str, seconds: float) -> Result:
    """Fuzz one of them, in a process of its own."""
    target = TARGETS[name]
    target.seeds = [*target.seeds, *vectors(name)]
    return run(target, seed, seconds=seconds)
