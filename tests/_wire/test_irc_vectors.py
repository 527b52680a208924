"""IRC messages, masks and names against public vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from circuits._wire._irc_text import is_hostname, matches_mask
from circuits._wire.irc import Message, format_message, parse, split_userhost


def cases(vectors: Path, name: str) -> list[Any]:
    found = yaml.safe_load((vectors / "irc" / name).read_text(encoding="utf-8"))["tests"]
    assert found
    return list(found)


def message_of(atoms: dict[str, Any]) -> Message:
    return Message(
        atoms["verb"],
        tuple(atoms.get("params") or ()),
        atoms.get("source"),
        atoms.get("tags") or {},
    )


def test_splitting(vectors: Path) -> None:
    for case in cases(vectors, "msg-split.yaml"):
        assert parse(case["input"]) == message_of(case["atoms"]), case["input"]


def test_joining(vectors: Path) -> None:
    for case in cases(vectors, "msg-join.yaml"):
        assert format_message(message_of(case["atoms"])) in case["matches"], case["desc"]


def test_sources(vectors: Path) -> None:
    for case in cases(vectors, "userhost-split.yaml"):
        atoms = case["atoms"]
        expected = tuple(atoms.get(key, "") for key in ("nick", "user", "host"))
        assert split_userhost(case["source"]) == expected


def test_masks(vectors: Path) -> None:
    for case in cases(vectors, "mask-match.yaml"):
        for source in case["matches"]:
            assert matches_mask(case["mask"], source), (case["mask"], source)
        for source in case["fails"]:
            assert not matches_mask(case["mask"], source), (case["mask"], source)


def test_host_names(vectors: Path) -> None:
    for case in cases(vectors, "validate-hostname.yaml"):
        assert is_hostname(case["host"]) is case["valid"], case["host"]
