#!/usr/bin/env python3
"""A small site that shows what circuits can do. Run it, and open the address that it prints.

Each component below does one thing, and none knows the others: they meet in events.
"""

from __future__ import annotations

import argparse
import errno
import sys
import time
from collections import deque
from html import escape
from pathlib import Path

import circuits
from circuits import Component, Event, handler, sleep
from circuits.web import Controller, JSONController, Server, Static, Stream, expose

STATIC = Path(__file__).parent / "static"

SITEMAP = [
    ("/status/now", "JSON", "What the server knows about itself, from a JSONController."),
    ("/guestbook", "A form", "GET shows it, POST answers. Try some HTML in it."),
    ("/countdown", "A stream", "Ten lines within a second, each sent as soon as it is made."),
    ("/ask?question=6*7", "An async handler", "Awaits a component that takes its time."),
    ("/pulse.svg", "A picture", "The requests of the last minute, drawn for each visitor."),
    ("/static/", "Static files", "A folder, with ranges, caching and a listing."),
]

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} - circuits</title>
<link rel="icon" href="/static/logo.svg">
<link rel="stylesheet" href="/static/style.css">
</head>
<body>
<header><img src="/static/logo.svg" alt=""><a href="/">circuits</a>
<nav><a href="/guestbook">Form</a><a href="/countdown">Stream</a><a href="/ask">Async</a>\
<a href="/status/now">JSON</a><a href="/static/">Files</a></nav></header>
<main>
<h1>{title}</h1>
"""

END = f"""</main>
<footer>circuits {circuits.__version__} on Python {sys.version.split()[0]}</footer>
</body>
</html>
"""


def page(title: str, content: str) -> str:
    return PAGE.format(title=escape(title)) + content + END


# -- components that know nothing of the web -------------------------------------------------------


class Answer(Event[str]):
    """Ask whoever can for an answer."""

    question: str


class Oracle(Component):
    """Answers questions after some thought. Meanwhile everybody else is served."""

    channel = "oracle"

    async def answer(self, question: str) -> str:
        await sleep(0.3)
        return "42" if question.replace(" ", "") == "6*7" else "Ask again later."


class CountDown(Event[None]):
    """Count down into a response."""


class Counter(Component):
    """Sends the lines of a streamed response, a generator that sleeps between them."""

    channel = "counter"

    def count_down(self, response):
        text = PAGE.format(title="Ten lines") + '<ol class="log">\n'
        for number in range(10, 0, -1):
            yield sleep(0.1)  # before the first line too: the head of the response goes ahead
            text += f"<li>{number}, at {time.time() % 60:.1f} s</li>\n"
            self.fire(Stream(response, text), "web")
            text = ""
        self.fire(Stream(response, "</ol><p>That was all.</p>\n" + END), "web")
        self.fire(Stream(response, None), "web")


class Greeter(Component):
    """Tells where to look, as soon as the server is ready."""

    channel = "web"

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server = server

    def ready(self, server, bind):
        print(f"Serving on {self._server.base}/ (Ctrl-C stops)", flush=True)


class Pulse(Component):
    """Remembers when requests came. It sees all of them first, and leaves them to others."""

    channel = "web"

    def __init__(self) -> None:
        super().__init__()
        self.began = time.monotonic()
        self.total = 0
        self.times: deque[float] = deque(maxlen=10_000)

    @handler("request", priority=20)
    def _on_request(self, *args: object) -> None:
        self.total += 1
        self.times.append(time.monotonic())

    def draw(self) -> str:
        now = time.monotonic()
        bars = [0] * 60
        for moment in self.times:
            if (age := int(now - moment)) < 60:
                bars[59 - age] += 1
        top = max(5, *bars)
        shapes = "".join(
            f'<rect x="{10 + 13 * i}" y="{150 - 120 * n / top:.1f}" width="10" '
            f'height="{max(2, 120 * n / top):.1f}" rx="2" fill="#b8441f"/>'
            for i, n in enumerate(bars)
        )
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 170" font-family="sans-serif">'
            f'<text x="10" y="20" font-size="14" fill="#888">{self.total} requests, '
            f"at most {max(bars)} in a second of the last minute</text>{shapes}</svg>"
        )


# -- the site --------------------------------------------------------------------------------------


class Root(Controller):
    def __init__(self, pulse: Pulse) -> None:
        super().__init__()
        self._pulse = pulse

    def index(self):
        cards = "".join(
            f'<li><a href="{escape(url)}"><strong>{title}</strong><span>{text}</span></a></li>\n'
            for url, title, text in SITEMAP
        )
        return page(
            "It works",
            '<p class="lead">This site is a handful of components joined in a tree. They fire '
            "events and answer them, and that is all there is to it.</p>\n"
            f'<ul class="cards">\n{cards}</ul>\n'
            '<figure><img src="/pulse.svg" alt="Requests of the last minute">'
            "<figcaption>Reload, and watch it grow.</figcaption></figure>\n",
        )

    @expose("pulse.svg")
    def pulse(self):
        self.response.headers["Content-Type"] = "image/svg+xml"
        self.expires(0)
        return self._pulse.draw()

    def countdown(self):
        response = self.response
        response.stream = True  # what follows is pushed by Counter
        self.fire(CountDown(response), "counter")
        return response

    async def ask(self, question="What is the meaning of life?"):
        began = time.monotonic()
        answer = await self.call(Answer(question), "oracle", timeout=5)
        return page(
            "The oracle",
            f"<p>You asked:</p><blockquote>{escape(question)}</blockquote>"
            f"<p>It thought for {time.monotonic() - began:.2f} seconds and said:</p>"
            f"<blockquote>{escape(answer)}</blockquote>\n"
            '<form action="/ask"><label>Another question<input name="question" required></label>'
            "<button>Ask</button></form>\n",
        )


class GuestBook(Controller):
    channel = "/guestbook"

    FORM = """\
<p class="lead">Whatever you write comes back as text, never as markup.</p>
<form method="post" action="/guestbook">
<label>Name<input name="name" required maxlength="80"></label>
<label>Message<textarea name="message" rows="4" required></textarea></label>
<button>Send</button>
</form>
"""

    def GET(self):
        return page("Guest book", self.FORM)

    def POST(self, name="", message=""):
        if not name.strip() or not message.strip():
            self.response.code = 422
            return page("Something is missing", self.FORM)
        return page(
            f"Thank you, {name}",
            f"<p>You wrote:</p><blockquote>{escape(message)}</blockquote>\n"
            '<p><a href="/guestbook">Write something else</a></p>\n',
        )


class Status(JSONController):
    channel = "/status"

    def __init__(self, pulse: Pulse) -> None:
        super().__init__()
        self._pulse = pulse

    def now(self):
        return {
            "circuits": circuits.__version__,
            "python": sys.version.split()[0],
            "requests": self._pulse.total,
            "uptime_seconds": round(time.monotonic() - self._pulse.began, 1),
        }


def listen(host: str, port: int) -> Server:
    try:
        return Server((host, port))
    except OSError as problem:
        if problem.errno != errno.EADDRINUSE:
            raise
    print(f"Port {port} is taken, so here is another one.", file=sys.stderr)
    return Server((host, 0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (%(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="on which port (%(default)s)")
    options = parser.parse_args()

    server = listen(options.host, options.port)
    pulse = Pulse()
    app = server + Static("/static", STATIC, dirlisting=True)
    app += pulse + Oracle() + Counter()
    app += Root(pulse) + GuestBook() + Status(pulse) + Greeter(server)
    app.run()


if __name__ == "__main__":
    main()
