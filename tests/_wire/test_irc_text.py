"""Formatting, letters, masks and host names of IRC."""

from __future__ import annotations

import pytest

from circuits._wire._irc_text import (
    color_to_ansi,
    fold_case,
    is_hostname,
    matches_mask,
    strip_formatting,
)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("plain, 12,3", "plain, 12,3"),
        ("\x02b\x02 \x1di\x1d \x1fu\x1f \x1es\x1e \x16r\x16 \x11m\x11 \x0f", "b i u s r m "),
        ("\x034red\x03 \x0304,05x\x031,2y\x03,z", "red xy,z"),
        ("\x04ff0000red\x04 \x04FF0000,00ff00x", "red x"),
        ("\x01ACTION waves\x01", "ACTION waves"),
        ("\x03123", "3"),
    ],
)
def test_formatting_is_stripped(text: str, plain: str) -> None:
    assert strip_formatting(text) == plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("\x02b\x02", "\x1b[1mb\x1b[22m"),
        ("\x02b", "\x1b[1mb\x1b[m"),
        ("\x1di\x1fu\x1es\x16r\x0fx", "\x1b[3mi\x1b[4mu\x1b[9ms\x1b[7mr\x1b[mx"),
        ("\x0304red\x03 x", "\x1b[31mred\x1b[39;49m x".replace("31", "91")),
        ("\x034,5x", "\x1b[91;41mx\x1b[m"),
        ("\x0399x\x0f", "\x1b[39mx\x1b[m"),
        ("\x1b[2J\x07\x9bx\ty\x04ff0000z", "[2Jx\tyz"),
    ],
)
def test_formatting_for_terminals(text: str, shown: str) -> None:
    assert color_to_ansi(text) == shown


def test_the_reset_at_the_end_may_be_left_out() -> None:
    assert color_to_ansi("\x02b", reset=False) == "\x1b[1mb"


def test_letters_that_irc_takes_for_lower_case() -> None:
    assert fold_case("Nick[A]\\~Ü") == "nick{a}|^Ü"
    assert fold_case("N[~", "strict-rfc1459") == "n{~"
    assert fold_case("N[~", "ascii") == "n[~"


@pytest.mark.parametrize(
    ("mask", "source", "matches"),
    [
        ("a\\*b", "a*b", True),
        ("a\\*b", "axb", False),
        ("a\\?b", "a?b", True),
        ("a\\?b", "axb", False),
        ("a\\b", "a\\b", True),
        ("", "", True),
        ("*", "", True),
        ("*a*b*a*", "xaybza", True),
        ("*aab*", "aaab", True),
        ("a*a", "a", False),
        ("*a", "ab", False),
    ],
)
def test_masks(mask: str, source: str, matches: bool) -> None:
    assert matches_mask(mask, source) is matches


def test_no_mask_takes_for_ever() -> None:
    assert not matches_mask("*a" * 100 + "b", "a" * 500)


def test_host_names_have_a_length() -> None:
    assert is_hostname("a." * 126 + "a")
    assert not is_hostname("a." * 127)
    assert not is_hostname("a" * 64 + ".org")
