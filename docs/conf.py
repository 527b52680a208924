"""How Sphinx makes the site. It reads what scripts/build_site.py has laid out in build/docs/pages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

# Where scripts/build_site.py says that the repository is, as this file is copied.
ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from circuits import __version__  # noqa: E402 - found by the line above
from scripts import reference  # noqa: E402

project = "circuits"
author = "the circuits contributors"
copyright = "the circuits contributors, MIT licensed"
version = release = __version__

extensions = ["myst_parser"]
myst_enable_extensions = ["attrs_block"]
myst_heading_anchors = 4
nitpicky = True
# Output, shell lines and settings: only what says that it is Python is coloured as Python.
highlight_language = "text"

html_theme = "furo"
html_title = "circuits"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_use_index = False
html_show_sphinx = False
pygments_style = "friendly"
pygments_dark_style = "github-dark"
html_theme_options = {
    "navigation_with_keys": True,
    "light_css_variables": {
        "color-brand-primary": "#0b6e6e",
        "color-brand-content": "#0b6e6e",
        "color-brand-visited": "#0b6e6e",
    },
    "dark_css_variables": {
        "color-brand-primary": "#5fd3c8",
        "color-brand-content": "#5fd3c8",
        "color-brand-visited": "#5fd3c8",
    },
}


def _note_names(app: Any, env: Any, docnames: list[str]) -> None:
    """Have the index of Python's names know ours, so that other sites can link to them."""
    domain = env.get_domain("py")
    domain.data["objects"].clear()
    for name, kind, page, anchor in reference.names():
        env.current_document.docname = page
        domain.note_object(name, kind, anchor)


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("env-before-read-docs", _note_names)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
