"""All codecs that are fuzzed."""

from __future__ import annotations

from tests.fuzz import forms, http, packets, text, websockets
from tests.fuzz.engine import Result, Target, run

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


def fuzz(name: str, seed: str, seconds: float) -> Result:
    """Fuzz one of them, in a process of its own."""
    return run(TARGETS[name], seed, seconds=seconds)
