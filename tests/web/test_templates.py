"""Pages that are made of what methods return, by a template library of other people."""

from __future__ import annotations

from typing import Any

import pytest

from circuits import Component, handler
from circuits.web import Controller
from circuits.web.dispatchers import Dispatcher
from tests.web.http_support import serving

jinja2 = pytest.importorskip("jinja2")


class Books(Controller):
    def index(self) -> Any:
        return {"books": ["Emma & Co", "<script>"]}

    def other(self) -> str:
        return "other"


class Templates(Component):
    """Renders the dicts that methods return."""

    channel = "web"
    environment = jinja2.Environment(
        autoescape=True,
        loader=jinja2.DictLoader({"/": "{% for b in books %}<li>{{ b }}</li>{% endfor %}"}),
    )

    @handler("response", priority=1, filter=True)
    def _on_response(self, response: Any) -> None:
        if isinstance(response.body, dict):
            template = self.environment.get_template(response.request.path)
            response.body = template.render(response.body)


def test_a_template_makes_the_page_of_what_a_method_returns() -> None:
    with serving(Dispatcher(), Books(), Templates()) as server:
        client = server.connect()
        reply = client.get("/")
        assert reply.body == b"<li>Emma &amp; Co</li><li>&lt;script&gt;</li>"
        assert reply.headers["content-type"] == "text/html; charset=utf-8"
        assert client.get("/other").body == b"other"
