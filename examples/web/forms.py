#!/usr/bin/env python
"""A form, and a file that is sent with it.

python examples/web/forms.py [-b ADDRESS:PORT]
"""

from __future__ import annotations

import argparse
from html import escape

from circuits.web import Controller, Server

PAGE = """<!DOCTYPE html>
<form method="post" action="/greet"><input name="name"> <button>Greet</button></form>
<form method="post" action="/upload" enctype="multipart/form-data">
<input type="file" name="file"> <button>Send</button></form>
"""


class Root(Controller):
    def index(self):
        return PAGE

    def greet(self, name="nobody"):
        return f"Hello {escape(name)}"

    def upload(self, file):
        return f"{escape(file.filename)} has {file.size} bytes"


def main():
    parser = argparse.ArgumentParser(description="Takes forms and files.")
    parser.add_argument("-b", "--bind", default="127.0.0.1:8000", metavar="ADDRESS:PORT")
    app = Server(parser.parse_args().bind) + Root()
    print(f"Serving {app.base}/", flush=True)
    app.run()


if __name__ == "__main__":
    main()
