"""What IRC says about text beside messages: formatting, letters, masks, host names."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

__all__ = ["color_to_ansi", "fold_case", "is_hostname", "matches_mask", "strip_formatting"]

# Codes as IRC clients write them (modern.ircdocs.horse/formatting).
_COLOR: Final = "\x03(?:([0-9]{1,2})(?:,([0-9]{1,2}))?)?"
_HEX_COLOR: Final = "\x04(?:[0-9A-Fa-f]{6}(?:,[0-9A-Fa-f]{6})?)?"
_FORMATTING: Final = re.compile(f"{_COLOR}|{_HEX_COLOR}|[\x01\x02\x0f\x11\x16\x1d\x1e\x1f]")

#: Foreground codes of terminals for the sixteen colours; a background is ten more.
_ANSI_COLORS: Final = (97, 30, 34, 32, 91, 31, 35, 33, 93, 92, 36, 96, 94, 95, 90, 37)
_DEFAULT_COLOR: Final = 39

#: Attributes switch on and off: code that switches on, code that switches off.
_ANSI_TOGGLES: Final = {
    "\x02": ("1", "22"),
    "\x1d": ("3", "23"),
    "\x1f": ("4", "24"),
    "\x1e": ("9", "29"),
    "\x16": ("7", "27"),
}

_FOLDS: Final = {
    "ascii": str.maketrans({}),
    "rfc1459": str.maketrans("[]\\~", "{}|^"),
    "strict-rfc1459": str.maketrans("[]\\", "{}|"),
}

_LABEL: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")


def strip_formatting(text: str) -> str:
    """Take out colours and all other formatting codes, and the delimiters of CTCP."""
    return _FORMATTING.sub("", text)


def color_to_ansi(text: str, reset: bool = True) -> str:
    """Turn formatting codes into escape sequences of terminals.

    Other control characters, which could do anything to a terminal, are dropped.

    Args:
        text: A line.
        reset: Whether to end with a reset, if anything was switched on.
    """
    switched_on: set[str] = set()

    def replace(match: re.Match[str]) -> str:
        code = match[0][0]
        if code == "\x0f":
            switched_on.clear()
            return "\x1b[m"
        if code in _ANSI_TOGGLES:
            on, off = _ANSI_TOGGLES[code]
            if code in switched_on:
                switched_on.discard(code)
                return f"\x1b[{off}m"
            switched_on.add(code)
            return f"\x1b[{on}m"
        if code == "\x03":
            if match[1] is None:
                switched_on.discard(code)
                return "\x1b[39;49m"
            switched_on.add(code)
            codes = [str(_ansi_color(match[1]))]
            if match[2] is not None:
                codes.append(str(_ansi_color(match[2]) + 10))
            return f"\x1b[{';'.join(codes)}m"
        return ""

    result = _FORMATTING_OR_CONTROL.sub(replace, text)
    return result + "\x1b[m" if reset and switched_on else result


_FORMATTING_OR_CONTROL: Final = re.compile(f"{_COLOR}|{_HEX_COLOR}|[\x00-\x08\x0a-\x1f\x7f-\x9f]")


def _ansi_color(number: str) -> int:
    value = int(number)
    return _ANSI_COLORS[value] if value < len(_ANSI_COLORS) else _DEFAULT_COLOR


def fold_case(text: str, mapping: str = "rfc1459") -> str:
    """Lower-case a nickname or the name of a channel as servers compare them.

    Args:
        text: The name.
        mapping: What the server announces as ``CASEMAPPING``: ``rfc1459``, ``strict-rfc1459``
            or ``ascii``.
    """
    folded = "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text)
    return folded.translate(_FOLDS[mapping])


@lru_cache(maxsize=256)
def _compiled(mask: str) -> re.Pattern[str]:
    parts = []
    position = 0
    while position < len(mask):
        letter = mask[position]
        if letter == "\\" and mask[position + 1 : position + 2] in ("*", "?"):
            position += 1
            parts.append(re.escape(mask[position]))
        elif letter == "*":
            # A row of stars means one, and would take exponential time.
            if parts[-1:] != ["*"]:
                parts.append("*")
        elif letter == "?":
            parts.append(".")
        else:
            parts.append(re.escape(letter))
        position += 1
    # Each star takes as little as it can and gives nothing back: what follows is found at its
    # first place, which is as good as any later one. So no mask takes longer than it is long.
    pieces: list[list[str]] = [[]]
    for part in parts:
        if part == "*":
            pieces.append([])
        else:
            pieces[-1].append(part)
    first, *rest = ("".join(piece) for piece in pieces)
    if not rest:
        return re.compile(first, re.DOTALL)
    *middle, last = rest
    lazily = "".join(f"(?>.*?{piece})" for piece in middle)
    return re.compile(f"{first}{lazily}.*{last}", re.DOTALL)


def matches_mask(mask: str, source: str) -> bool:
    r"""Whether a mask with ``*`` and ``?`` matches; ``\*`` and ``\?`` stand for themselves."""
    return _compiled(mask).fullmatch(source) is not None


def is_hostname(text: str) -> bool:
    """Whether a name is a host name: labels of letters, digits and hyphens (RFC 1123)."""
    if len(text) > 253:
        return False
    labels = text.removesuffix(".").split(".")
    return all(_LABEL.fullmatch(label) for label in labels) and (
        len(labels) > 1 or text.endswith(".")
    )
