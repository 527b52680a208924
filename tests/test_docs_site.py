"""What becomes of a page on its way to the site."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts import build_site, pictures


@pytest.mark.parametrize(
    ("page", "target", "found"),
    [
        ("docs/howto/errors.md", "forms.md#limits", "forms.md#limits"),
        ("docs/howto/errors.md", "../topics/web.md", "../topics/web.md"),
        ("docs/howto/errors.md", "../../CHANGES.md", "../project/changes.md"),
        ("docs/index.md", "../CONTRIBUTING.md", "project/contributing.md"),
        ("SECURITY.md", "docs/topics/tls.md", "../topics/tls.md"),
        ("CONTRIBUTING.md", "docs/", "../index.md"),
        ("examples/README.md", "../README.md", "index.md"),
        (
            "examples/README.md",
            "demo/site.py",
            f"{build_site.FORGE}/blob/HEAD/examples/demo/site.py",
        ),
        ("CONTRIBUTING.md", "examples/web", f"{build_site.FORGE}/tree/HEAD/examples/web"),
        ("docs/index.md", "https://example.org/a", "https://example.org/a"),
        ("docs/index.md", "#here", "#here"),
    ],
)
def test_links(page: str, target: str, found: str) -> None:
    assert build_site.leads_to(page, target) == found


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page of its own, as docs/howto/errors.md."""
    (tmp_path / "docs" / "howto").mkdir(parents=True)
    monkeypatch.setattr(build_site, "ROOT", tmp_path)
    monkeypatch.setattr(pictures, "ROOT", tmp_path)
    monkeypatch.setattr(pictures, "FOLDER", tmp_path / "docs" / "pictures")
    known = {"docs/howto/errors.md": "howto/errors.md"}
    monkeypatch.setattr(build_site, "sources", lambda: known)
    return tmp_path / "docs" / "howto" / "errors.md"


def laid_out(page: Path, text: str) -> str:
    page.write_text(text, encoding="utf-8")
    return build_site.laid_out("docs/howto/errors.md")


def test_a_program_and_what_it_prints(page: Path) -> None:
    text = (
        "Text.\n\n<!-- listing: errors\nmore -->\n```python\nprint(1)  # `circuits.core`\n```\n\n"
        "    1\n\n    2\n\nText.\n\n    $ indented\n"
    )
    assert laid_out(page, text) == (
        "Text.\n\n```python\nprint(1)  # `circuits.core`\n```\n\n"
        "{.output}\n````text\n1\n\n2\n````\n\nText.\n\n    $ indented\n"
    )


def test_names_of_ours_lead_to_the_reference(page: Path) -> None:
    text = "# `circuits.core`\n\n`circuits.core.Timer`, [`circuits.io`](x.md), `circuits.nothing`\n"
    assert laid_out(page, text) == (
        "# `circuits.core`\n\n[`circuits.core.Timer`](../reference/circuits.core.timers.md"
        f"#circuits.core.timers.timer), [`circuits.io`]({build_site.FORGE}/blob/HEAD/docs/howto/x.md), "
        "`circuits.nothing`\n"
    )


def test_the_way_back_is_left_to_the_navigation(page: Path) -> None:
    assert laid_out(page, "Text.\n\nBack to the [recipes](index.md).\n") == "Text.\n"


def test_a_picture_takes_the_place_of_its_text(page: Path) -> None:
    text = '# Page\n\n<!-- picture: web-tree -->\n```mermaid\nflowchart TD\n    a["A & B"]\n```\n\nText.\n'
    page.write_text(text, encoding="utf-8")
    (picture,) = pictures.pictures(page)
    assert picture.maker == "web-tree"
    with pytest.raises(SystemExit, match="not drawn"):
        build_site.laid_out("docs/howto/errors.md")
    picture.path.parent.mkdir()
    picture.path.write_text(f"<svg >\n<!-- {picture.digest} -->\n</svg>\n", encoding="utf-8")
    assert laid_out(page, text) == (
        '# Page\n\n```{raw} html\n<figure class="picture">\n<svg aria-label="A &amp; B" >\n'
        f"<!-- {picture.digest} -->\n</svg>\n</figure>\n```\n\nText.\n"
    )


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("class Connected(host: Any)", "python"),
        ("async run(a: int, *, b=1) -> list[str]", "python"),
        ("x = 1\ny = 2", "python"),
        ("CircuitsError\n    TimeoutError", "text"),
    ],
)
def test_what_is_indented_in_the_reference(text: str, language: str) -> None:
    lines = text.replace("\n", "\n    ")
    made = build_site._with_code(f"Text.\n\n    {lines}\n\nMore.\n")
    assert made == f"Text.\n\n````{language}\n{text}\n````\n\nMore.\n"


def test_every_page_is_reached_from_the_front_page() -> None:
    places = set(build_site.sources().values())
    linked: set[str] = set()
    for page, place in build_site.sources().items():
        if page == "README.md" or not place.endswith("index.md"):
            continue
        _, _, tree = build_site.laid_out(page).partition("```{toctree}")
        folder = place.removesuffix("index.md")
        linked |= {f"{folder}{line}.md" for line in tree.splitlines() if line[:1].isalnum()}
    assert places - linked == {"index.md"}


def test_the_front_page_leads_to_the_reference() -> None:
    assert "(reference/index.md)" in build_site.laid_out("docs/index.md")


def test_the_changes_begin_with_what_is_not_released(tmp_path: Path) -> None:
    assert build_site.next_release(tmp_path) == ""
    for name in ("b.fix.md", "a.feature.md", "c.fix.md"):
        (tmp_path / name).write_text(f"Text of\n{name}.\n")
    assert build_site.next_release(tmp_path) == (
        "## Not yet released\n\n### New\n\n- Text of a.feature.md.\n\n"
        "### Fixed\n\n- Text of b.fix.md.\n- Text of c.fix.md.\n\n"
    )
    first, *_ = re.findall("^## .*$", build_site.laid_out("CHANGES.md"), re.MULTILINE)
    assert first.startswith("## Not yet released" if build_site.next_release() else "## 2.")


def test_the_help_of_each_command_is_shown() -> None:
    text = build_site.programs()
    assert "\n## circuits\n" in text
    assert "\n## circuits web\n" in text
    assert "--workers" in text
