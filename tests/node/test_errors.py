"""The exception that stands for an answer, whatever the peer has sent."""

from __future__ import annotations

from typing import Any

import pytest

from circuits.core.errors import RemoteError
from circuits.node.errors import Refused, Unreachable, made_from


@pytest.mark.parametrize(
    ("value", "kind", "type_name", "message", "lines"),
    [
        (["ValueError", "no", ["a", "b"]], RemoteError, "ValueError", "no", ["a", "b"]),
        (("ValueError", "no", ("a",)), RemoteError, "ValueError", "no", ["a"]),
        (["Refused", "no", []], Refused, "Refused", "no", []),
        (["ValueError", 5, ["a", 6]], RemoteError, "ValueError", "5", ["a"]),
        (["SystemExit", "0", []], RemoteError, "SystemExit", "0", []),
        (["ValueError", "no"], RemoteError, "Exception", "['ValueError', 'no']", []),
        ([5, "no", []], RemoteError, "Exception", "[5, 'no', []]", []),
        ("text", RemoteError, "Exception", "text", []),
        (None, RemoteError, "Exception", "None", []),
    ],
)
def test_what_is_raised(
    value: Any, kind: type[Any], type_name: str, message: str, lines: list[str]
) -> None:
    made = made_from(value)
    assert type(made) is kind
    assert (made.type_name, made.message, made.lines) == (type_name, message, lines)  # type: ignore[attr-defined]


def test_unreachable_is_raised_as_that() -> None:
    made = made_from(["Unreachable", "busy", []])
    assert (type(made), str(made)) == (Unreachable, "busy")


def test_texts() -> None:
    assert str(made_from(["KeyError", "'x'", []])) == "KeyError: 'x'"
    assert str(Refused("no")) == "Refused: no"
