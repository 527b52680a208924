"""What a hosted WSGI application is told: the environ of a request (PEP 3333)."""

from __future__ import annotations

import sys
from io import BytesIO
from typing import TYPE_CHECKING, Any

from ._paths import unescape_segment
from ._wsgi_hosting_files import FileWrapper

if TYPE_CHECKING:
    from ._request import Request

__all__ = ["make_environ"]

#: Variables that no field becomes. HTTP_PROXY is where libraries look for the proxy of the process;
#: the body comes without its transfer coding.
_LEFT_OUT = frozenset(("HTTP_PROXY", "HTTP_TRANSFER_ENCODING", "HTTP_TRAILER"))

_KEYS_LIMIT = 512


class _Keys(dict[str, str]):
    """Names of fields with the variables that they become. Bounded: names may come from anywhere.

    What is left out has a variable that is set already, and is no field.
    """

    def __missing__(self, name: str) -> str:
        key = f"HTTP_{name.upper().replace('-', '_')}"
        if key in ("HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"):
            key = key[5:]
        # An underscore would be the same variable as a dash, which a proxy may have set.
        if "_" in name or key in _LEFT_OUT:
            key = "wsgi.version"
        if len(self) >= _KEYS_LIMIT:
            self.clear()
        self[name] = key
        return key


_keys = _Keys()

#: What requests by the same way have in common of their environs, by that. Bounded.
_templates: dict[tuple[Any, ...], dict[str, Any]] = {}
_TEMPLATES_LIMIT = 64


def to_wsgi(text: str) -> str:
    """Text as WSGI wants it: its bytes, each as one character."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("latin-1")


def make_environ(
    request: Request, script_name: str, path: str, *, threads: bool, processes: bool
) -> dict[str, Any]:
    """Make what an application is told of a request.

    Args:
        request: The request, with its whole body.
        script_name: The part of the path that leads to the application.
        path: The rest of the path.
        threads: Whether other threads may call it at the same time.
        processes: Whether other processes may.
    """
    if "%" in path:
        path = "/".join([unescape_segment(segment) for segment in path.split("/")])
    host, port = request._local_address()
    way = (
        host or request.host or "localhost", port, request.scheme, request.protocol, script_name,
        threads, processes,
    )  # fmt: skip
    template = _templates.get(way)
    environ = (_make_template(*way) if template is None else template).copy()
    qs = request.qs
    target = request.raw_path
    if qs:
        target = f"{target}?{qs}"
    address, client_port = request.client
    # An empty body is the application's alone, and nothing to be closed with the request.
    body = BytesIO() if request._body is None else request.body
    environ["REQUEST_METHOD"] = request.method
    environ["PATH_INFO"] = path if path.isascii() else to_wsgi(path)
    environ["QUERY_STRING"] = qs if qs.isascii() else to_wsgi(qs)
    environ["REQUEST_URI"] = target if target.isascii() else to_wsgi(target)
    environ["REMOTE_ADDR"] = address
    environ["REMOTE_PORT"] = str(client_port) if address else ""
    environ["wsgi.input"] = body
    environ["wsgi.errors"] = sys.stderr
    if isinstance(request.login, str):
        environ["REMOTE_USER"] = to_wsgi(request.login)
    for name, value in request._pairs if request._headers is None else request.headers.items():
        key = _keys[name]
        if key not in environ:
            environ[key] = value
        elif key[:5] == "HTTP_":
            environ[key] = f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{value}"
    if "CONTENT_LENGTH" in environ or request._body is not None:
        environ["CONTENT_LENGTH"] = str(body.seek(0, 2))
        body.seek(0)
    return environ


def _make_template(
    host: str,
    port: int | None,
    scheme: str,
    protocol: tuple[int, int],
    script_name: str,
    threads: bool,
    processes: bool,
) -> dict[str, Any]:
    """Make what is the same for all requests by one way, and keep it."""
    template = {
        "SCRIPT_NAME": to_wsgi(script_name),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port or (443 if scheme == "https" else 80)),
        "SERVER_PROTOCOL": f"HTTP/{protocol[0]}.{protocol[1]}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.input_terminated": True,
        "wsgi.multithread": threads,
        "wsgi.multiprocess": processes,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
    }
    if scheme == "https":
        template["HTTPS"] = "on"
    if len(_templates) >= _TEMPLATES_LIMIT:
        _templates.clear()
    _templates[host, port, scheme, protocol, script_name, threads, processes] = template
    return template
