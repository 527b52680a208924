#!/usr/bin/env python
"""Pages from templates of Jinja2, which escape what they are given.

python examples/web/templates.py [-b ADDRESS:PORT]
"""

from __future__ import annotations

import argparse

import jinja2

from circuits.web import Controller, Server

TEMPLATES = {
    "base.html": "<title>{% block title %}{% endblock %}</title>{% block content %}{% endblock %}",
    "books.html": """{% extends "base.html" %}
{% block title %}Books{% endblock %}
{% block content %}<ul>{% for book in books %}<li>{{ book }}</li>{% endfor %}</ul>{% endblock %}""",
}


class Root(Controller):
    pages = jinja2.Environment(loader=jinja2.DictLoader(TEMPLATES), autoescape=True)

    def index(self, title="<Emma>"):
        return self.pages.get_template("books.html").render(books=["Ulysses", title])


def main():
    parser = argparse.ArgumentParser(description="Fills in templates.")
    parser.add_argument("-b", "--bind", default="127.0.0.1:8000", metavar="ADDRESS:PORT")
    app = Server(parser.parse_args().bind) + Root()
    print(f"Serving {app.base}/", flush=True)
    app.run()


if __name__ == "__main__":
    main()
