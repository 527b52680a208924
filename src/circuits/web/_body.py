"""Request bodies that are forms: URL-encoded and multipart (RFC 7578).

With the ``multipart`` library, parts go to temporary files as they are read. Without it, the body
is cut at its delimiters in memory and ``email.parser`` reads the headers of the parts. (Its own
multipart reading is no use here: it would descend into an upload that is an e-mail message.)
Either way the same fields come out.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from contextlib import closing
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from typing import IO, TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote

from .exceptions import BadRequest, RequestEntityTooLarge, UnicodeError
from .headers import HeaderElement, Headers, split_quoted

try:
    import multipart as _multipart
except ImportError:  # the extra "web" is not installed
    _multipart = None  # type: ignore[assignment, unused-ignore]  # a module, if there is one

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

__all__ = ["DEFAULT_LIMITS", "FormLimits", "Upload", "parse_form", "parse_urlencoded"]


@dataclass(frozen=True, slots=True)
class FormLimits:
    """What one form may cost. The size of the whole body is limited before it gets here.

    Attributes:
        parts: Fields and files together; more is a 413.
        part_headers: Header fields of one part.
        part_header_bytes: Bytes of one header line of a part.
        text_bytes: Bytes of all fields that are no files, since these stay in memory.
        spool_bytes: Bytes of a file that stay in memory; a larger one goes to the disk.
    """

    parts: int = 1000
    part_headers: int = 16
    part_header_bytes: int = 8 * 1024
    text_bytes: int = 16 * 1024 * 1024
    spool_bytes: int = 1024 * 1024


DEFAULT_LIMITS: Final = FormLimits()


class Upload:
    """A file that came with a form.

    Attributes:
        name: Name of the form's field.
        filename: What the client calls the file, without any folder. Not to be trusted: it
            may be a name that means something on this machine.
        headers: Header fields of the part.
        file: The content, open for reading and seekable. It is removed after the response.
    """

    def __init__(self, name: str, filename: str, headers: Headers, file: IO[bytes]) -> None:
        self.name = name
        self.filename = filename
        self.headers = headers
        self.file = file

    @property
    def type(self) -> str:
        """The media type that the client stated, without parameters."""
        value = self.headers.get("Content-Type", "application/octet-stream")
        return HeaderElement.parse(value)[0].lower()

    @property
    def content_type(self) -> str:
        """The same as :attr:`type`."""
        return self.type

    @property
    def size(self) -> int:
        """Length of the content in bytes."""
        position = self.file.tell()
        try:
            return self.file.seek(0, os.SEEK_END)
        finally:
            self.file.seek(position)

    @property
    def value(self) -> bytes:
        """The whole content. Leaves :attr:`file` where it was."""
        position = self.file.tell()
        try:
            self.file.seek(0)
            return self.file.read()
        finally:
            self.file.seek(position)

    def save_as(self, path: str | os.PathLike[str]) -> int:
        """Write the content to a file, which is replaced if it exists.

        Args:
            path: Where to; never build it from :attr:`filename` alone.

        Returns:
            The number of bytes.
        """
        position = self.file.tell()
        try:
            self.file.seek(0)
            with open(path, "wb") as target:
                shutil.copyfileobj(self.file, target, 64 * 1024)
                return target.tell()
        finally:
            self.file.seek(position)

    def save(self, path: str | os.PathLike[str]) -> int:
        """The same as :meth:`save_as`.

        .. versionadded:: 2.1
        """
        return self.save_as(path)

    def close(self) -> None:
        """Give the content up; a temporary file is removed."""
        self.file.close()

    def __repr__(self) -> str:
        return f"<Upload {self.name!r} filename={self.filename!r} type={self.type!r}>"


def parse_form(
    content_type: str, body: IO[bytes], limits: FormLimits = DEFAULT_LIMITS
) -> list[tuple[str, str | Upload]] | None:
    """Read the fields of a form.

    Args:
        content_type: Value of the ``Content-Type`` header.
        body: The body; it is read from its start and left there.
        limits: What it may cost.

    Returns:
        Names with texts or uploads, in the order of the body; ``None`` if it is no form.

    Raises:
        BadRequest: If the body does not have the form that its type promises.
        UnicodeError: If a text is not UTF-8.
        RequestEntityTooLarge: If a limit is exceeded.
    """
    kind, params = HeaderElement.parse(content_type)
    kind = kind.lower()
    if kind == "application/x-www-form-urlencoded":
        body.seek(0)
        data = body.read(limits.text_bytes + 1)
        body.seek(0)
        if len(data) > limits.text_bytes:
            raise RequestEntityTooLarge(f"A form may have {limits.text_bytes} bytes of text.")
        return [*parse_urlencoded(data, limits=limits)]
    if kind != "multipart/form-data":
        return None
    boundary = next((v for k, v in params.items() if k.lower() == "boundary"), "")
    if not _BOUNDARY.fullmatch(boundary):
        raise BadRequest("The multipart form has no valid boundary.")
    body.seek(0)
    try:
        if _multipart is None:
            events = _cut(body.read(), boundary, limits)
        else:
            events = _stream(body, boundary, limits)
        with closing(events):  # at once, should a part be refused
            return _collect(events, limits)
    finally:
        body.seek(0)


# RFC 2046, 5.1.1
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")


def parse_urlencoded(
    data: str | bytes, *, keep_blank_values: bool = True, limits: FormLimits = DEFAULT_LIMITS
) -> list[tuple[str, str]]:
    """Read URL-encoded fields.

    Raises:
        UnicodeError: If a text is not UTF-8.
        RequestEntityTooLarge: If there are too many fields.
    """
    try:
        text = data.decode() if isinstance(data, bytes) else data
        if text.count("&") >= limits.parts:
            raise RequestEntityTooLarge(f"A form may have {limits.parts} fields.")
        return parse_qsl(text, keep_blank_values=keep_blank_values, errors="strict")
    except UnicodeDecodeError:
        raise UnicodeError("The form is not UTF-8.") from None


# -- multipart --------------------------------------------------------------------------------
# Both readers give, for each part: its headers, its content in pieces, and None.


def _stream(
    body: IO[bytes], boundary: str, limits: FormLimits
) -> Generator[Headers | bytes | None]:
    parser = _form_parser()(
        boundary,
        max_header_size=limits.part_header_bytes,
        max_header_count=limits.part_headers,
        max_segment_count=limits.parts,
    )
    try:
        while not parser.closed:
            for event in parser.parse(body.read(64 * 1024)):
                if event is None or isinstance(event, (bytes, bytearray)):
                    yield event if event is None else bytes(event)
                else:
                    yield Headers([*event.headerlist])
    except _multipart.ParserLimitReached as error:
        raise RequestEntityTooLarge(f"{error}.") from None
    except (_multipart.MultipartError, ValueError) as error:
        raise BadRequest(f"The multipart form is malformed: {error}.") from None


def _form_parser() -> Any:
    class FormParser(_multipart.PushMultipartParser):  # type: ignore[misc, name-defined, unused-ignore]
        # The default insists on "form-data", but some clients say "file"; _collect decides.
        def _create_segment(self, headerlist: list[tuple[str, str]]) -> Any:
            return _multipart.MultipartSegment(headerlist)

    return FormParser


def _cut(data: bytes, boundary: str, limits: FormLimits) -> Generator[Headers | bytes | None]:
    dash = b"--" + boundary.encode("ascii")
    if data.startswith(dash):
        position = len(dash)
    else:
        position = data.find(b"\r\n" + dash) + 2 + len(dash)
        if position <= len(dash) + 2:
            raise BadRequest("The multipart form has no first boundary.")
    parser = BytesParser(policy=HTTP)
    count = 0
    while not data.startswith(b"--", position):
        end_of_line = data.find(b"\r\n", position)
        if end_of_line < 0 or data[position:end_of_line].strip(b" \t"):
            raise BadRequest("The multipart form has a malformed boundary.")
        count += 1
        if count > limits.parts:
            raise RequestEntityTooLarge(f"A form may have {limits.parts} parts.")
        # The empty line may follow at once, so the search begins at the line's own end.
        head_end = data.find(b"\r\n\r\n", end_of_line)
        # The delimiter that ends the part may share its CRLF with the empty line.
        end = data.find(b"\r\n" + dash, head_end + 2 if head_end >= 0 else end_of_line)
        if head_end < 0 or end < 0:
            raise BadRequest("The multipart form ends before its last boundary.")
        head = data[end_of_line + 2 : head_end + 2]
        lines = head.count(b"\r\n")
        if lines > limits.part_headers:
            raise RequestEntityTooLarge(f"A part may have {limits.part_headers} headers.")
        if any(len(line) > limits.part_header_bytes for line in head.split(b"\r\n")):
            raise RequestEntityTooLarge("A part has too long a header.")
        message = parser.parsebytes(head + b"\r\n", headersonly=True)
        if message.defects:
            raise BadRequest("A part of the multipart form has malformed headers.")
        try:
            fields = [
                (name, " ".join(value.encode("utf-8", "surrogateescape").decode().split("\r\n ")))
                for name, value in message.raw_items()
            ]
            yield Headers(fields)
        except (ValueError, AttributeError):
            raise BadRequest("A part of the multipart form has malformed headers.") from None
        yield data[head_end + 4 : end] if end > head_end + 2 else b""
        yield None
        position = end + 2 + len(dash)


def _collect(
    events: Iterable[Headers | bytes | None], limits: FormLimits
) -> list[tuple[str, str | Upload]]:
    fields: list[tuple[str, str | Upload]] = []
    uploads: list[IO[bytes]] = []
    text_left = limits.text_bytes
    headers = Headers()
    name = ""
    filename: str | None = None
    file: IO[bytes] | None = None
    text: list[bytes] = []
    try:
        for event in events:
            if isinstance(event, Headers):
                headers = event
                name, filename = _disposition(headers)
                kind = headers.get("Content-Type", "")
                if filename is None and kind.strip().lower().startswith("multipart/"):
                    raise BadRequest("A part of the multipart form is itself multipart.")
                text, file = [], None
                if filename is not None:
                    file = _temporary(limits.spool_bytes)
                    uploads.append(file)
            elif event is None:
                if file is None or filename is None:
                    fields.append((name, _text(b"".join(text), headers)))
                elif not filename and not file.tell():
                    # What browsers send for a file field that was left empty.
                    uploads.remove(file)
                    file.close()
                    fields.append((name, ""))
                else:
                    file.seek(0)
                    fields.append((name, Upload(name, filename, headers, file)))
            elif file is not None:
                file.write(event)
            else:
                text_left -= len(event)
                if text_left < 0:
                    raise RequestEntityTooLarge(
                        f"A form may have {limits.text_bytes} bytes of text."
                    )
                text.append(event)
    except BaseException:
        for file in uploads:
            file.close()
        raise
    return fields


def _temporary(spool_bytes: int) -> IO[bytes]:
    return tempfile.SpooledTemporaryFile(max_size=spool_bytes)  # closed by Upload


def _text(data: bytes, headers: Headers) -> str:
    charset = "utf-8"
    content_type = headers.get("Content-Type")
    if content_type:
        charset = HeaderElement.parse(content_type)[1].get("charset", charset)
        if charset.lower() not in _CHARSETS:
            charset = "utf-8"
    try:
        return data.decode(charset)
    except UnicodeDecodeError:
        raise UnicodeError(f"A field of the form is not {charset.upper()}.") from None


#: Character sets that a part may state; a codec named by a stranger is not looked up.
_CHARSETS = frozenset(
    {"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin-1", "latin1", "iso-8859-15"}
    | {"windows-1252", "cp1252"}
)


def _disposition(headers: Headers) -> tuple[str, str | None]:
    disposition, *parameters = split_quoted(headers.get("Content-Disposition", ""), ";") or [""]
    if disposition.lower() not in ("form-data", "file"):
        raise BadRequest("A part of the multipart form is no form data.")
    found: dict[str, str] = {}
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        found.setdefault(key.strip().lower(), value.strip())
    if "name" not in found:
        raise BadRequest("A part of the multipart form has no name.")
    name = _unquote(found["name"])
    if "filename*" in found:
        filename = _extended(found["filename*"])
        if filename is not None:
            return name, _basename(filename)
    if "filename" in found:
        return name, _basename(_unquote(found["filename"]))
    return name, None


def _unquote(value: str) -> str:
    """Read a parameter as browsers write it: percent signs for three characters only.

    Older clients escape with backslashes; those that just send a Windows path do not.
    """
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1]
        if '\\"' in value or "\\\\" in value:
            return re.sub(r'\\(["\\])', r"\1", value)
    return value.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")


def _extended(value: str) -> str | None:
    """Read an extended parameter (RFC 8187); ``None`` if it is none."""
    charset, quote, rest = value.strip('"').partition("'")
    _, second, text = rest.partition("'")
    if not (quote and second) or charset.lower() not in ("utf-8", "iso-8859-1"):
        return None
    try:
        return unquote(text, charset, "strict")
    except UnicodeDecodeError:
        return None


def _basename(filename: str) -> str:
    name = re.split(r"[/\\]", filename)[-1]
    name = re.sub(r"[\x00-\x1f\x7f]", "", name)
    return "" if name in (".", "..") else name
