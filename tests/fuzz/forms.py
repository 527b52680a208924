"""Bodies that are forms: multipart beside python-multipart, and URL-encoded beside the library."""

from __future__ import annotations

import bisect
import contextlib
import importlib
import io
import logging
import urllib.parse
from collections.abc import Iterable, Iterator
from email.message import Message
from typing import IO, Any, cast

from circuits.web._form_limits import FormLimits
from circuits.web._forms import parse_form
from circuits.web._upload import Upload
from circuits.web._urlencoded import parse_urlencoded
from circuits.web.exceptions import HTTPException
from tests.fuzz.engine import Target, normal

python_multipart: Any = None
FormParserError: Any = None
with contextlib.suppress(ImportError):  # of the peers, which not every environment has
    python_multipart = importlib.import_module("python_multipart")
    FormParserError = importlib.import_module("python_multipart.exceptions").FormParserError

#: It logs what it refuses.
logging.getLogger("python_multipart").disabled = True
logging.getLogger("python_multipart.multipart").disabled = True

_PART = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
_FILE = b'--b\r\nContent-Disposition: form-data; name="f"; filename="x.txt"\r\nContent-Type: text/plain\r\n\r\n'
_END = b"--b--\r\n"
_LIMITS = FormLimits(
    text_bytes=20000, parts=50, part_header_bytes=500, part_headers=8, spool_bytes=4096
)


class _Body(io.RawIOBase):
    """A body that comes in pieces."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = list(pieces)
        self._data = b"".join(self._pieces)
        self._edges: list[int] = []
        for piece in self._pieces:
            self._edges.append((self._edges[-1] if self._edges else 0) + len(piece))
        self._position = 0

    def seek(self, offset: int, whence: int = 0) -> int:
        assert whence == 0
        self._position = offset
        return offset

    def read(self, size: int = -1) -> bytes:
        index = bisect.bisect_right(self._edges, self._position)
        end = self._edges[index] if index < len(self._edges) else self._position
        data = self._data[self._position : end if size < 0 else min(end, self._position + size)]
        self._position += len(data)
        return data


class Multipart(Target):
    name = "multipart"
    seeds = [
        _PART + b"hello\r\n" + _FILE + b"line\r\n--not\r\n\r\n" + _END,
        b"preamble\r\n" + _PART + b"\r\n" + _END + b"epilogue",
        b"\r\n"
        + _FILE.replace(b"text/plain", b"application/octet-stream")
        + b"\0\xff\r\n--b  \r\n"
        + _PART[5:]
        + b"1\r\n--b--",
        b"--b\r\nContent-Disposition: form-data; name=a; filename*=utf-8''%e4%bd%a0\r\n\r\nx\r\n--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="_charset_"\r\n\r\nlatin-1\r\n'
        + _PART
        + b"\xe4\r\n"
        + _END,
        _END,
    ]
    words = [
        *(
            b"\r\n",
            b"\r",
            b"\n",
            b"--b",
            b"--b\r\n",
            b"\r\n--b\r\n",
            b"\r\n--b--",
            b"--",
            b"-",
            b"b",
            b":",
            b";",
        ),
        *(
            b'"',
            b"=",
            b"\\",
            b"%22",
            b" ",
            b"\t",
            b"\0",
            b"\xc3\xa4",
            b"\xff",
            b"\r\n\r\n",
            b"name=",
            b"filename=",
        ),
        *(
            b"filename*=utf-8''%41",
            b"Content-Type: multipart/mixed\r\n",
            b"Content-Disposition: form-data\r\n",
        ),
        *(
            b"Content-Transfer-Encoding: base64\r\n",
            b"X: y\r\n",
            b" folded\r\n",
            _PART,
            _FILE,
            b"charset=latin-1",
        ),
    ]
    peers = ("python-multipart",)
    most_memory = 12 << 20
    _type = "multipart/form-data; boundary=b"

    def _parse(self, pieces: Iterable[bytes], limits: FormLimits = _LIMITS) -> list[Any]:
        try:
            fields = parse_form(self._type, cast("IO[bytes]", _Body(pieces)), limits)
        except HTTPException as problem:
            return [f"refused {problem.code} {problem.description}"]
        assert fields is not None
        found: list[Any] = []
        for name, value in fields:
            if isinstance(value, Upload):
                found.append((name, value.filename, value.type, value.value))
                value.close()
            else:
                found.append((name, value))
        return found

    def outcome(self, pieces: Iterable[bytes]) -> list[Any]:
        return self._parse(pieces)

    def steps(self, pieces: Iterable[bytes]) -> Iterator[int]:
        self._parse(pieces)
        yield 0

    def check(self, data: bytes, whole: list[Any]) -> Iterator[tuple[str, str, str]]:
        if python_multipart is None:
            return
        parts: list[tuple[dict[str, str], bytes]] = []
        name, value, body = bytearray(), bytearray(), bytearray()
        headers: dict[str, str] = {}

        def end_header() -> None:
            # Of repeated ones the first counts.
            headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
            name.clear()
            value.clear()

        def end_part() -> None:
            parts.append((dict(headers), bytes(body)))
            headers.clear()
            body.clear()

        is_over = False

        def end() -> None:
            nonlocal is_over
            is_over = True

        callbacks: Any = {
            "on_header_field": lambda d, s, e: name.extend(d[s:e]),
            "on_header_value": lambda d, s, e: value.extend(d[s:e]),
            "on_header_end": end_header,
            "on_part_data": lambda d, s, e: body.extend(d[s:e]),
            "on_part_end": end_part,
            "on_end": end,
        }
        theirs: Any = parts
        try:
            parser = python_multipart.MultipartParser(b"b", callbacks)
            parser.write(data)
            parser.finalize()
            if not is_over:
                theirs = "not at its end"
        except FormParserError as problem:
            theirs = str(problem)
        refused = bool(whole) and isinstance(whole[0], str)
        detail = f"{whole} / {theirs}"
        if refused or isinstance(theirs, str):
            if refused and not isinstance(theirs, str):
                yield "python-multipart", f"refused here: {normal(whole[0][8:])}", detail
            elif not refused:
                yield "python-multipart", f"refused there: {normal(theirs)}", detail
            return
        if len(theirs) != len(whole):
            yield "python-multipart", "otherwise: parts", detail
            return
        for mine, (fields, content) in zip(whole, theirs, strict=True):
            text = mine[-1] if isinstance(mine[-1], bytes) else None
            if text is not None and text != content:
                yield "python-multipart", "otherwise: content", detail
                return
            if text is None and mine[1] not in {
                content.decode(c, "replace") for c in ("utf-8", "latin-1", "cp1252", "iso-8859-15")
            }:
                yield "python-multipart", "otherwise: text", detail
                return
            if mine[0] != _name(fields.get("content-disposition", "")):
                yield "python-multipart", "otherwise: name", detail
                return


def _name(disposition: str) -> str | None:
    """The name of a field, as the library reads the header."""
    message = Message()
    message["Content-Disposition"] = disposition.encode("latin-1").decode("utf-8", "replace")
    try:
        name = message.get_param("name", header="Content-Disposition")
    except Exception:
        return None
    return name if isinstance(name, str) else None


class UrlEncoded(Target):
    name = "urlencoded"
    seeds = [
        b"a=1&b=2",
        b"a=%41+b&a=&=x&c",
        b"%C3%A4=%e2%82%ac&" * 3,
        b"a=%zz&%=%1&==",
        b"x" * 300 + b"=%41%0d%0a=",
    ]
    words = [
        b"&",
        b"=",
        b"%",
        b"+",
        b"%41",
        b"%00",
        b"%C3%A4",
        b"%FF",
        b";",
        b"a",
        b"\r\n",
        b"=\r\n",
        b"%3D",
        b" ",
        b"\xc3\xa4",
        b"x" * 260,
    ]
    peers = ("the library",)
    most_memory = 16 << 20

    def outcome(self, pieces: Iterable[bytes]) -> list[Any]:
        try:
            return [*parse_urlencoded(b"".join(pieces))]
        except HTTPException as problem:
            return [f"refused {problem.code} {problem.description}"]

    def steps(self, pieces: Iterable[bytes]) -> Iterator[int]:
        self.outcome(pieces)
        yield 0

    def check(self, data: bytes, whole: list[Any]) -> Iterator[tuple[str, str, str]]:
        try:
            theirs: Any = [
                (name.decode(), value.decode())
                for name, value in (
                    (
                        urllib.parse.unquote_to_bytes(name.replace(b"+", b" ")),
                        urllib.parse.unquote_to_bytes(value.replace(b"+", b" ")),
                    )
                    for name, _, value in (
                        pair.partition(b"=") for pair in data.split(b"&") if pair
                    )
                )
            ]
        except UnicodeDecodeError:
            theirs = "no UTF-8"
        refused = bool(whole) and isinstance(whole[0], str)
        if refused != isinstance(theirs, str):
            yield (
                "the library",
                "refused here" if refused else "refused there",
                f"{whole} / {theirs}",
            )
        elif not refused and whole != theirs:
            yield "the library", "otherwise", f"{whole} / {theirs}"


TARGETS: list[Target] = [Multipart(), UrlEncoded()]
