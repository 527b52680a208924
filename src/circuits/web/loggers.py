"""Logger: an access log (manual: circuits.web.loggers).

Everything a client sent is escaped, so that a line of the log is one response, whatever the
client made of its names and headers.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from circuits.core import _clock
from circuits.core.components import BaseComponent
from circuits.core.handlers import handler

from ._log_file import LogFile
from ._log_outlet import Outlet
from ._status import has_no_body
from .requestids import RequestIDs

if TYPE_CHECKING:
    from circuits.core.manager import Manager

    from .wrappers import Request, Response

    class _Writable(Protocol):
        def write(self, text: str, /) -> object: ...

    class _Informable(Protocol):
        def info(self, message: str, /) -> object: ...


__all__ = ["Logger", "formattime"]

# Not from the locale: programs that read such logs expect these.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_UNSAFE = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")
#: Texts that are longer, all together, are not remembered.
_LONG = 512
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


_COMBINED = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"'
#: ``json`` is none: what is between the quotes of JSON is escaped in its own way.
_FORMATS = {
    "combined": _COMBINED,
    "common": '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s',
    "json": "json",
}


def formattime() -> str:
    """The local time of now, as access logs have it: ``[23/Nov/2026:11:05:09]``."""
    t = time.localtime(_clock.wall())
    return (
        f"[{t.tm_mday:02}/{_MONTHS[t.tm_mon - 1]}/{t.tm_year:04}"
        f":{t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02}]"
    )


def _escape_character(match: re.Match[str]) -> str:
    character = match[0]
    return _ESCAPES.get(character) or "".join(
        f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogatepass")
    )


def _escape(text: str) -> str:
    """Text for between two quotes: one line, printable ASCII."""
    return _UNSAFE.sub(_escape_character, text)


_escape_short = lru_cache(maxsize=512)(_escape)


class Logger(BaseComponent):
    """Writes one line for each response, in the combined format of NCSA.

    Handles ``response``, ``stream`` and ``disconnect`` after everybody else: a line is written
    when the response is complete, or when the client has gone before.

    Args:
        file: Path to append to (``~`` is your home), or an object with ``write``; ``None`` is
            standard output. While the application runs, lines are written to a path within
            half a second; an object gets each line at once.
        logger: An object with ``info``, instead of the file.
        format: The line: ``"combined"`` (the default), ``"common"``, ``"json"``, or a template as the
            attribute.
        **kwargs: For the component, such as ``channel``.

    Attributes:
        format: The line. ``h`` host, ``l`` and ``u`` user, ``t`` time, ``r`` request line,
            ``s`` status, ``b`` bytes of the body, ``f`` referrer, ``a`` user agent.

    .. versionchanged:: 2.1
       ``X-Forwarded-For`` counts where the server trusts the proxy; it used to be believed always.
    """

    channel = "web"
    format: str = _COMBINED

    def __init__(
        self,
        file: str | os.PathLike[str] | _Writable | None = None,
        logger: _Informable | None = None,
        *,
        format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.logger = logger
        if format is not None:
            if format not in _FORMATS and "%(" not in format:
                raise ValueError(f"format must be combined, common, json or a template: {format!r}")
            self.format = _FORMATS.get(format, format)
        self._second = -1  # that the time was written for
        self._time = ""
        if self.format == "json":
            RequestIDs(channel=self.channel).register(self)  # the client knows what is logged
        self._path: str | None = None
        self._stdout: Any = None  # that the outlet is for
        self._outlet: Outlet | None = None
        self._streams: dict[Any, Response] = {}  # by socket, those that are not complete
        if isinstance(file, (str, os.PathLike)):
            self._path = os.path.expanduser(file)
            self.file: Any = None
            if logger is None:
                self.file = LogFile(self._path)
                self.file.open()  # a path that cannot be written shall fail here
        else:
            self.file = file

    # -- when --------------------------------------------------------------------------------

    @handler("response", priority=-1)
    def _on_response(self, response: Response) -> None:
        sock = response.request.sock
        if response.done or sock is None:
            self._streams.pop(sock, None)
            self.log(response)
        elif (response.stream or not isinstance(response.body, list)) and _is_sent(response):
            response._bytes_logged = 0
            self._streams[sock] = response
        # Otherwise it failed, and another one follows; or nobody is there to get it.

    _on_response.looks_on = True  # type: ignore[attr-defined]  # it fires nothing

    @handler("stream", priority=-1)
    def _on_stream(self, response: Response, data: Any) -> None:
        sock = response.request.sock
        if self._streams.get(sock) is not response:
            return
        if data is None:
            del self._streams[sock]
            self.log(response)
        else:
            before = response._bytes_logged or 0
            response._bytes_logged = before + len(response.encode_part(data))

    @handler("disconnect", priority=-1)
    def _on_disconnect(self, sock: Any = None) -> None:
        response = self._streams.pop(sock, None)
        if response is not None:
            self.log(response)

    # -- what --------------------------------------------------------------------------------

    def log(self, response: Response) -> None:
        """Write the line of a response."""
        line = self._json(response) if self.format == "json" else self._line(response)
        if self.logger is not None:
            self.logger.info(line)
            return
        if self._path is not None:
            if self.file is None:
                self.file = LogFile(self._path)
            engine = self._tree_engine
            schedule = None if engine.loop.runner is None else engine.schedule
            self.file.write(line + "\n", schedule)
            return
        file = sys.stdout if self.file is None else self.file
        if file is sys.stdout and (outlet := self._outlet_of(file)) is not None:
            outlet.write(f"{line}\n".encode(), self._tree_engine.schedule)
            return
        file.write(line + "\n")
        flush = getattr(file, "flush", None)
        if flush is not None:
            flush()

    def _line(self, response: Response) -> str:
        request = response.request
        referrer = agent = ""
        for name, value in request._fields_as_sent():
            key = name.lower()
            if key == "user-agent":
                agent = agent or value
            elif key == "referer":
                referrer = referrer or value
        asked = "-"
        if not request._is_unread:
            major, minor = request.protocol
            asked = f"{request.method} {_target(request)} HTTP/{major}.{minor}"
        host, user = request.client[0] or "-", request.login
        is_long = len(host) + len(asked) + len(referrer) + len(agent) > _LONG
        escape = _escape if is_long else _escape_short
        # A blank would end what has no quotes.
        host = escape(host).replace(" ", "\\x20")
        user = _escape(user).replace(" ", "\\x20") if isinstance(user, str) else "-"
        now, size, asked = self.formattime(), _bytes_of(response) or "-", escape(asked)
        referrer, agent = escape(referrer or "-"), escape(agent or "-")
        if self.format is _COMBINED:  # the same in less than half the time
            return f'{host} - {user} {now} "{asked}" {response.code} {size} "{referrer}" "{agent}"'
        return self.format % {
            "h": host,
            "l": "-",
            "u": user,
            "t": now,
            "r": asked,
            "s": response.code,
            "b": size,
            "f": referrer,
            "a": agent,
        }

    def _json(self, response: Response) -> str:
        request = response.request
        now = _clock.wall()
        return json.dumps(
            {
                "time": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds"),
                "client": response.request.client[0] or "-",
                "user": request.login if isinstance(request.login, str) else None,
                "method": None if request._is_unread else request.method,
                "target": None if request._is_unread else _target(request),
                "protocol": "HTTP/{}.{}".format(*request.protocol),
                "status": response.code,
                "bytes": _bytes_of(response),
                "seconds": round(max(0.0, now - response.time), 6),
                "referer": request.headers.get("Referer"),
                "agent": request.headers.get("User-Agent"),
                "request_id": request.id,
            }
        )

    def formattime(self) -> str:
        """The time as a line has it, brackets and the zone included."""
        second = int(_clock.wall())
        if second != self._second:
            self._second = second
            self._time = f"{formattime()[:-1]} {time.strftime('%z')}]"
        return self._time

    def reopen(self) -> None:
        """Write the lines that follow to a new file, if the one before was moved away.

        .. versionadded:: 2.1
        """
        self._close()

    # -- the file ----------------------------------------------------------------------------

    def _outlet_of(self, file: Any) -> Outlet | None:
        """What writes to standard output without waiting, where it is a pipe or a socket."""
        if self._stdout is not file:
            self._close_outlet()
            self._stdout = file
            self._outlet = Outlet(file) if Outlet.leads_to(file) else None
        return self._outlet

    def _close_outlet(self) -> None:
        outlet, self._outlet, self._stdout = self._outlet, None, None
        if outlet is not None:
            outlet.close()

    def _close(self) -> None:
        self._close_outlet()
        if self._path is not None and self.file is not None:
            self.file.close()
            self.file = None

    @handler("stopped", channel="*", priority=-100)
    def _on_stopped(self, component: Manager) -> None:
        # What is still logged while requests in flight are answered opens it again.
        self._close()

    @handler("unregistered", channel="*")
    def _on_unregistered(self, component: Manager, parent: Manager) -> None:
        if component is self:
            self._close()

    def __del__(self) -> None:
        if "_streams" in vars(self):
            self._close()


def _is_sent(response: Response) -> bool:
    """Whether somebody sends it; its client may have gone before it came, or get another one."""
    http = response.request._http
    if http is None:
        return True
    exchange = http.exchange_of(response)
    return exchange is not None and exchange.response is response


def _target(request: Request) -> str:
    return request.raw_path + (f"?{request.qs}" if request.qs else "")


def _bytes_of(response: Response) -> int:
    """Bytes of the body that went out, without what the transfer coding adds."""
    if response._bytes_logged is not None:
        return response._bytes_logged
    if response.request.method == "HEAD":
        return 0
    if response._sent_length is not None:
        return response._sent_length
    if has_no_body(response.code):
        return 0
    length = response.headers.get("Content-Length")
    return int(length) if length is not None and length.isdigit() else 0
