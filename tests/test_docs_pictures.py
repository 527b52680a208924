"""The pictures of the pages are drawn, and those that are made of the code are true."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from scripts import drawn, pictures

_ALL = pictures.all_pictures()
_MADE = [picture for picture in _ALL if picture.maker is not None]


def name_of(picture: pictures.Picture) -> str:
    return picture.path.stem


@pytest.mark.parametrize("picture", _ALL, ids=name_of)
def test_a_picture_is_drawn_as_it_stands_on_its_page(picture: pictures.Picture) -> None:
    assert picture.is_drawn(), "run `make pictures`, with graphviz"


@pytest.mark.parametrize("picture", _MADE, ids=name_of)
def test_a_picture_of_the_code_is_true(picture: pictures.Picture) -> None:
    assert picture.maker is not None
    assert picture.text == drawn.MAKERS[picture.maker](), "run `make pictures`, with graphviz"


def test_each_maker_has_its_place() -> None:
    assert sorted(p.maker for p in _MADE if p.maker) == sorted(drawn.MAKERS)


def test_no_drawing_is_left_behind() -> None:
    assert set(pictures.FOLDER.iterdir()) == {picture.path for picture in _ALL}


@pytest.mark.parametrize("path", sorted(pictures.FOLDER.glob("*.svg")), ids=lambda path: path.stem)
def test_a_drawing_takes_the_colours_of_its_page(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert '"black"' not in text
    assert "currentColor" in text
    assert "\n\n" not in text  # it would end the block of HTML that it stands in


# -- from Mermaid to graphviz -----------------------------------------------------------------


def test_a_flow_chart() -> None:
    body = pictures.dot(
        "flowchart LR\n"
        '    a["one<br/>two"] --> b{"which?"} -->|"yes"| c(("end"))\n'
        '    a & b -.->|"a long explanation that is wrapped"| d\n'
    )
    assert "rankdir=LR" in body
    assert [line for line in body.splitlines() if "label=" in line] == [
        '"a" [label="one\\ntwo" shape=box]',
        '"b" [label="which?" shape=diamond]',
        '"a" -> "b" [label=""]',
        '"c" [label="end" shape=circle]',
        '"b" -> "c" [label=" yes "]',
        '"a" -> "d" [label=" a long explanation that \\n is wrapped " style=dashed]',
        '"b" -> "d" [label=" a long explanation that \\n is wrapped " style=dashed]',
    ]


def test_states() -> None:
    body = pictures.dot("stateDiagram-v2\n    [*] --> open: begin\n    open --> [*]\n")
    assert 'begin -> "open" [label=" begin "]' in body
    assert '"open" -> end [label=""]' in body


@pytest.mark.parametrize(
    "text",
    ["pie\n a", "flowchart TD\n a => b", "flowchart TD\n -->", "stateDiagram-v2\n a -> b"],
)
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"understood|cannot be drawn"):
        pictures.dot(text)


def test_what_a_picture_says_without_being_seen() -> None:
    text = 'flowchart TD\n a["one<br/>two & more"] --> b["one<br/>two & more"]\n a -->|"x"| b\n'
    assert pictures.described(text) == "one: two &amp; more; x"


@pytest.mark.process
@pytest.mark.skipif(not shutil.which("dot"), reason="graphviz is not installed")
def test_a_picture_becomes_a_drawing() -> None:
    page = pictures.ROOT / "docs" / "topics" / "none.md"
    picture = pictures.Picture(page, 1, 'flowchart TD\n    a["x"] --> b["y"]\n', None)
    drawing = pictures.draw(picture)
    assert drawing.startswith('<svg role="img" ')
    assert f"<!-- {picture.digest} -->" in drawing
    assert drawing.count("<text ") == 2
