"""What only Python 2 has or understands, and what Python 3 has in its place."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["METHODS", "MODULES", "NAMES", "statement_in"]

#: What Python 2 had, and where it is now.
MODULES: Final = {
    "ConfigParser": "configparser", "Cookie": "http.cookies", "HTMLParser": "html.parser",
    "Queue": "queue", "SocketServer": "socketserver", "StringIO": "io", "cStringIO": "io",
    "BaseHTTPServer": "http.server", "__builtin__": "builtins", "cPickle": "pickle",
    "commands": "subprocess", "cookielib": "http.cookiejar", "httplib": "http.client",
    "thread": "threading", "urllib2": "urllib.request", "urlparse": "urllib.parse",
    "xmlrpclib": "xmlrpc.client", "sets": "the built-in set", "md5": "hashlib", "sha": "hashlib",
}  # fmt: skip
NAMES: Final = {
    "unicode": "str", "xrange": "range", "raw_input": "input", "basestring": "str",
    "long": "int", "unichr": "chr", "execfile": "exec(open(...).read())", "file": "open",
    "reduce": "functools.reduce", "cmp": "a key function", "apply": "f(*args)",
}  # fmt: skip
METHODS: Final = {
    "iteritems": "items", "itervalues": "values", "iterkeys": "keys", "has_key": "the operator in",
}  # fmt: skip

#: Beginnings of lines that only Python 2 understands.
_STATEMENTS: Final = (
    (re.compile(r"^\s*print\s+[^\s(=.]|^\s*print\s*$"), "the print statement"),
    (re.compile(r"^\s*except\s+[\w.()]+\s*,\s*\w+\s*:"), "'except Error, problem'"),
    (re.compile(r"^\s*raise\s+\w+\s*,"), "'raise Error, text'"),
    (re.compile(r"^\s*exec\s+[^\s(=]"), "the exec statement"),
    (re.compile(r"<>"), "the operator <>"),
    (re.compile(r"`[^`]+`"), "`repr` in backticks"),
    (re.compile(r"\b0[0-7]+\b"), "an octal number such as 0755"),
    (re.compile(r"\bur['\"]"), "a text such as ur''"),
    (re.compile(r"^\t+ +|^ +\t"), "blanks and tabs that are mixed"),
)


def statement_in(line: str) -> str | None:
    """What in a line of a program only Python 2 understands; ``None`` if nothing is known of it."""
    for pattern, what in _STATEMENTS:
        if pattern.search(line):
            return what
    return None
