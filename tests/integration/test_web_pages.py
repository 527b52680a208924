"""The pages that circuits makes by itself, seen on a desk and on a telephone, by day and by night."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.browser_support import Browser
from tests.integration.web_support import running

_SITE = """
import sys
from circuits import Component
from circuits.web import Controller, Server, Static

class Root(Controller):
    channel = "/app"

    def fails(self):
        raise ValueError("<script>document.title = 'evaluated'</script>" + "long" * 100)

class Tells(Component):
    channel = "web"

    def ready(self, server, bind):
        print(f"http://127.0.0.1:{bind[1]}/", flush=True)

app = Server(("127.0.0.1", 0), debug=True)
app += Root()
app += Tells()
app += Static("/files", docroot=sys.argv[1], dirlisting=True)
app.run()
"""


#: How light something is on the page. Canvas is what a page is painted on that says nothing else.
_LIGHT = """(() => {
    const probe = document.createElement("p");
    probe.style.backgroundColor = "Canvas";
    document.body.append(probe);
    const color = getComputedStyle(probe).%s;
    probe.remove();
    return Number(color.match(/[0-9]+/)[0]);
})()"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with ExitStack() as stack:
        yield Browser(tmp_path_factory.mktemp("browser"), stack)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_they_fit(browser: Browser, tmp_path: Path, width: int, scheme: str) -> None:
    (tmp_path / ("very-long-name-" * 10 + "<b>.txt")).touch()
    with running("-c", _SITE, tmp_path) as server:
        for path in ("/nowhere", "/app/fails", "/files/"):
            browser.show(f"{server.base}{path}", width, scheme)
            browser.wait_for(f"location.pathname == {path!r} && document.readyState == 'complete'")
            assert browser.run("innerWidth") == width, path
            assert browser.run("document.documentElement.scrollWidth") <= width, path
            assert browser.run("document.title") != "evaluated"
            paper, ink = (browser.run(_LIGHT % what) for what in ("backgroundColor", "color"))
            assert (paper > ink) == (scheme == "light"), path
