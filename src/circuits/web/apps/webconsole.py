"""A Python console in the browser, for the application that serves it.

Whoever may use it can do whatever the application can. So it is for the machine that it runs on
and for who knows a password; what changes anything needs the token of its page besides.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import sys
from code import InteractiveConsole
from html import escape
from typing import Any

from circuits.web.controllers import expose

from ._guarded import Guarded

__all__ = ["WebConsole"]

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Console</title>
<style nonce="{token}">
body {{ font: 14px monospace; margin: 2em; }} pre {{ white-space: pre-wrap; }}
input {{ font: inherit; width: 80%; border: 0; outline: 0; }}
</style></head><body>
<p>{title}: <code>root</code> is the application. Tab shows what a name has, F1 its documentation.</p>
<pre id="log"></pre>
<form id="form"><span id="prompt">&gt;&gt;&gt; </span><input id="line" autofocus autocomplete="off"></form>
<script nonce="{token}">
const log = document.getElementById("log"), line = document.getElementById("line");
const prompt = document.getElementById("prompt"), base = {base};
async function ask(what) {{
  const response = await fetch(base + what, {{
    method: "POST", headers: {{"X-Token": "{token}"}}, body: new URLSearchParams({{line: line.value}})
  }});
  log.textContent += prompt.textContent + line.value + "\\n" + await response.text();
  if (what == "push") {{
    prompt.textContent = response.status == 204 ? "... " : ">>> ";
    line.value = "";
  }}
  scrollTo(0, document.body.scrollHeight);
}}
document.getElementById("form").onsubmit = (event) => {{ event.preventDefault(); ask("push"); }};
line.onkeydown = (event) => {{
  const what = {{Tab: "dir", F1: "doc"}}[event.key];
  if (what) {{ event.preventDefault(); ask(what); }}
}};
</script></body></html>
"""


class WebConsole(Guarded):
    """A console below its channel: ``index`` is the page, the others are what that asks for.

    Args:
        users: Who may use it; see ``circuits.web.passwords``. Without any, a password is logged.
        loopback_only: Whether only this machine may.
        **kwargs: ``channel``, by default ``"/console"``.

    .. versionadded:: 2.1
    """

    channel = "/console"
    realm = "console"

    def __init__(self, users: Any = None, **kwargs: Any) -> None:
        super().__init__(users, **kwargs)
        self._output = io.StringIO()
        self._console = InteractiveConsole({"__name__": "__console__"})
        self._console.write = self._output.write  # type: ignore[method-assign, assignment]

    @property
    def locals(self) -> dict[str, Any]:
        """The names that lines see; ``root`` is the root of the tree."""
        found: dict[str, Any] = self._console.locals
        found["root"] = self.root
        return found

    @expose("index")
    def _index(self) -> str:
        self._admit()
        base = self.url("/").rstrip("/") + self.channel.rstrip("/") + "/"
        return _PAGE.format(token=self._token, base=repr(base), title=escape(repr(self.root)))

    @expose("push")
    def _push(self, line: str = "") -> Any:
        """Run a line; the answer is what it has printed, or 204 if more has to follow."""
        self._admit_change()
        self.response.headers["Content-Type"] = "text/plain; charset=utf-8"
        assert self.locals
        with self._redirected():
            needs_more = self._console.push(line)
        if needs_more:
            self.response.code = 204
            return ""
        return self._taken()

    @expose("dir")
    def _dir(self, line: str = "") -> str:
        """The names that the value of an expression has, one a line."""
        return self._about(line, lambda value: "\n".join(dir(value)) + "\n")

    @expose("doc")
    def _doc(self, line: str = "") -> str:
        """The documentation of the value of an expression."""
        return self._about(
            line, lambda value: (inspect.getdoc(value) or "nothing is written") + "\n"
        )

    def _about(self, line: str, tell: Any) -> str:
        self._admit_change()
        self.response.headers["Content-Type"] = "text/plain; charset=utf-8"
        with self._redirected():
            try:
                text: str = tell(eval(line, self.locals) if line.strip() else self.locals)
            except Exception:
                self._console.showtraceback()
                return self._taken()
        return _encodable(text)

    @contextlib.contextmanager
    def _redirected(self) -> Any:
        before, sys.stdin = sys.stdin, io.StringIO()  # nobody is there to type
        try:
            with (
                contextlib.redirect_stdout(self._output),
                contextlib.redirect_stderr(self._output),
            ):
                yield
        finally:
            sys.stdin = before

    def _taken(self) -> str:
        text = self._output.getvalue()
        self._output.seek(0)
        self._output.truncate()
        return _encodable(text)


def _encodable(text: str) -> str:
    """Text with escapes in place of lone surrogates, which nothing can send."""
    return text.encode(errors="backslashreplace").decode()
