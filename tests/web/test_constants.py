from __future__ import annotations

from circuits._version import __version__
from circuits.web import constants


def test_versions() -> None:
    assert constants.SERVER_PROTOCOL == (1, 1)
    assert f"circuits/{__version__}" == constants.SERVER_VERSION
    assert constants.SERVER_URL.startswith("https://")
    assert constants.HTTP_STATUS_CODES[200] == "OK"


def test_the_page_takes_its_values() -> None:
    values = {"code": 1, "name": "n", "description": "d", "traceback": "t", "footer": "f"}
    page = constants.DEFAULT_ERROR_MESSAGE % values
    assert "<title>1 n</title>" in page
    assert page.count("<h1>") == 1
    assert '<pre id="traceback">t</pre>' in page
    assert 'href="u">v</a>' in constants.POWERED_BY % {"url": "u", "version": "v"}
