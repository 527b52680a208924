"""Request bodies that are forms: URL-encoded and multipart (RFC 7578).

A multipart body is read in pieces, so that its parts go to temporary files as they come.
``email.parser`` is no use here: it would descend into an upload that is an e-mail message, reads
lines that end in a lone CR or LF, and takes forty microseconds for the headers of a part.
"""

from __future__ import annotations

import binascii
import os
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import IO, TYPE_CHECKING, Final
from urllib.parse import unquote, unquote_to_bytes

from ._header_elements import HeaderElement, split_quoted
from .exceptions import BadRequest, RequestEntityTooLarge, UnicodeError
from .headers import Headers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["DEFAULT_LIMITS", "FormLimits", "Upload", "parse_form", "parse_urlencoded"]


@dataclass(frozen=True, slots=True)
class FormLimits:
    """What one form may cost. The size of the whole body is limited before it gets here.

    Attributes:
        parts: Fields and files together; more is a 413.
        part_bytes: Content of one of them.
        part_headers: Header fields of one part.
        part_header_bytes: Bytes of one header line of a part.
        text_bytes: Bytes of all fields that are no files, since these stay in memory.
        spool_bytes: Bytes of a file that stay in memory; a larger one goes to the disk.
    """

    parts: int = 1000
    part_bytes: int = sys.maxsize
    part_headers: int = 16
    part_header_bytes: int = 8 * 1024
    text_bytes: int = 4 * 1024 * 1024
    spool_bytes: int = 1024 * 1024


DEFAULT_LIMITS: Final = FormLimits()


#: The file of uploads that are over before anybody has asked for it.
_CLOSED: Final = BytesIO()
_CLOSED.close()


class Upload:
    """A file that came with a form.

    Attributes:
        name: Name of the form's field.
        filename: What the client calls the file, without any folder. Not to be trusted: it
            may be a name that means something on this machine.
        headers: Header fields of the part.
    """

    def __init__(self, name: str, filename: str, headers: Headers, file: IO[bytes] | bytes) -> None:
        self.name = name
        self.filename = filename
        self.headers = headers
        if isinstance(file, bytes):
            self._content = file
        else:
            self.file = file

    @cached_property
    def file(self) -> IO[bytes]:
        """The content, open for reading and seekable. It is removed after the response."""
        # Made when it is asked for: a form of 64 KiB may have hundreds of tiny ones.
        file = _temporary(DEFAULT_LIMITS.spool_bytes)
        file.write(self._content)
        file.seek(0)
        return file

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
        self._content = b""
        self.__dict__.setdefault("file", _CLOSED).close()

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
        Names with texts or uploads, in the order of the body; ``None`` if it is no form. A field
        that states a type other than text, and is none, is an upload without the name of a file.

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
        return [*parse_urlencoded(data, limits=limits, charset=_charset(params))]
    if kind != "multipart/form-data":
        return None
    boundary = next((v for k, v in params.items() if k.lower() == "boundary"), "")
    if not _BOUNDARY.fullmatch(boundary):
        raise BadRequest("The multipart form has no valid boundary.")
    body.seek(0)
    try:
        return _collect(_Reader(body, boundary, limits), limits, _charset(params))
    finally:
        body.seek(0)


# RFC 2046, 5.1.1
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")


def parse_urlencoded(
    data: str | bytes,
    *,
    keep_blank_values: bool = True,
    limits: FormLimits = DEFAULT_LIMITS,
    charset: str = "utf-8",
) -> list[tuple[str, str]]:
    """Read URL-encoded fields.

    Raises:
        UnicodeError: If a text is not UTF-8, or what ``charset`` says.
        RequestEntityTooLarge: If there are too many fields.
    """
    if isinstance(data, str):
        if (
            data.isascii()
            and "%" not in data
            and "+" not in data
            and len(data) <= limits.part_bytes
            and data.count("&") < limits.parts
            and charset == "utf-8"
        ):  # As most queries: nothing to decode, and nothing to refuse.
            pairs = [pair.partition("=") for pair in data.split("&") if pair]
            return [(name, value) for name, _, value in pairs if value or keep_blank_values]
        data = data.encode("utf-8", "surrogateescape")
    if data.count(b"&") >= limits.parts:
        raise RequestEntityTooLarge(f"A form may have {limits.parts} fields.")
    fields = []
    try:
        for pair in data.split(b"&"):
            if len(pair) > limits.part_bytes:
                raise RequestEntityTooLarge(f"A field may have {limits.part_bytes} bytes.")
            name, equals, value = pair.partition(b"=")
            if value or (keep_blank_values and (name or equals)):
                fields.append((_unescaped(name).decode(charset), _unescaped(value).decode(charset)))
    except UnicodeDecodeError:
        raise UnicodeError(f"The form is not {charset.upper()}.") from None
    return fields


#: The fast way has "=" for "%" and the reverse, and escapes of them are changed beforehand.
_SWAPPED = bytes.maketrans(b"%=", b"=%")


def _unescaped(data: bytes) -> bytes:
    data = data.replace(b"+", b" ")
    if b"%" not in data:
        return data
    if len(data) < 256:
        return unquote_to_bytes(data)
    # Ten times as fast, and without an object for each escape: megabytes must not keep the loop,
    # nor take a hundred times their size. What it reads has "=" for "%". It would take "==" for
    # one, line ends for its own, and blanks at the end for padding, so they are written otherwise.
    data = data.replace(b"\r", b"%0D").replace(b"\n", b"%0A")
    data = data.replace(b"%%", b"%25%").replace(b"%%", b"%25%")
    data = data.replace(b"%3D", b"%3d").replace(b"%25", b"%3D").replace(b"%3d", b"%25")
    return binascii.a2b_qp(data.translate(_SWAPPED) + b".")[:-1].translate(_SWAPPED)


# -- multipart --------------------------------------------------------------------------------

_CHUNK_BYTES = 64 * 1024
#: A boundary may be followed by blanks; by so many at most.
_PADDING_BYTES = 1024
#: One field of a head, without the blanks around its value. On where it ends others disagree if
#: there is a lone CR or LF, or a NUL.
_FIELD = re.compile(
    r"(?:\A|(?<=\r\n))([!#$%&'*+\-.^_`|~0-9A-Za-z]++):"
    r"[ \t]*+((?:[^\r\n\0]*[^\r\n\0 \t])?+)[ \t]*+\r\n"
)
#: The line end in a folded field, with all the blanks around it.
_FOLD = re.compile(r"(?<![ \t])[ \t]*+(?:\r\n[ \t]++)++")


#: What nearly all clients send: one name and perhaps one file, in which nothing is escaped.
_PLAIN_DISPOSITION: Final = re.compile(
    r'form-data; name=(?:"([^"\\%;]*+)"|([\w.\[\]-]++))'
    r'(?:; filename=(?:"([^"\\%;]*+)"|([\w.-]++)))?'
)


class _Reader:
    """Takes a multipart body apart; see RFC 2046, 5.1.1.

    A form of 64 KiB may have a thousand parts, and nobody else is served meanwhile: what is here
    whole is taken with few steps.
    """

    def __init__(self, body: IO[bytes], boundary: str, limits: FormLimits) -> None:
        self._body = body
        self._limits = limits
        self._delimiter = b"\r\n--" + boundary.encode("ascii")
        # A line end before everything, so that the first boundary is one like the others.
        self._buffer = bytearray(b"\r\n")
        self._count = 0

    def _fill(self, problem: str) -> None:
        chunk = self._body.read(_CHUNK_BYTES)
        if not chunk:
            raise BadRequest(f"The multipart form {problem}.")
        self._buffer += chunk

    def next_part(self) -> list[tuple[str, str]] | None:
        """Give the head of a part, of which :meth:`content` is to be read; ``None`` at the end."""
        buffer, limits = self._buffer, self._limits
        if not self._count:
            for _ in self._until_delimiter("has no first boundary"):
                pass  # what stands before it is for people
        if not buffer.startswith(b"\r\n") and not self._begins_part():
            return None
        self._count += 1
        if self._count > limits.parts:
            raise RequestEntityTooLarge(f"A form may have {limits.parts} parts.")
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            end = self._find_end_of_head()
        # The line end behind a head may be that of the delimiter, if there is no content.
        head = bytes(buffer[2 : end + 2])
        del buffer[: end + 2]
        return self._fields(head)

    def content(self) -> Iterable[bytes]:
        """Give the content of a part in pieces."""
        buffer = self._buffer
        position = buffer.find(self._delimiter)
        if position < 0:
            return self._until_delimiter("ends before its last boundary", skip=2)
        content = bytes(buffer[2:position])
        del buffer[: position + len(self._delimiter)]
        return (content,) if content else ()

    def _until_delimiter(self, problem: str, skip: int = 0) -> Iterator[bytes]:
        """Give all up to the next delimiter, past the line end that it begins with."""
        buffer, length = self._buffer, len(self._delimiter)
        while True:
            position = buffer.find(self._delimiter)
            if position >= 0:
                if position > skip:
                    yield bytes(buffer[skip:position])
                del buffer[: position + length]
                return
            safe = len(buffer) - length + 1
            if safe > skip:
                yield bytes(buffer[skip:safe])
                del buffer[:safe]
                skip = 0
            self._fill(problem)

    def _begins_part(self) -> bool:
        """Whether a part follows a delimiter, and not the end."""
        buffer = self._buffer
        while len(buffer) < 2:
            self._fill("ends before its last boundary")
        if buffer.startswith(b"--"):
            return False
        while (end := buffer.find(b"\r\n", 0, _PADDING_BYTES)) < 0:
            if len(buffer) >= _PADDING_BYTES:
                break
            self._fill("ends before its last boundary")
        if end < 0 or buffer[:end].strip(b" \t"):
            raise BadRequest("The multipart form has a malformed boundary.")
        del buffer[:end]
        return True

    def _find_end_of_head(self) -> int:
        buffer, limits = self._buffer, self._limits
        most = limits.part_headers * (limits.part_header_bytes + 2) + 4
        start = 0
        while (end := buffer.find(b"\r\n\r\n", start)) < 0:
            if len(buffer) > most:
                raise RequestEntityTooLarge("A part has too long headers.")
            start = max(0, len(buffer) - 3)
            self._fill("ends before its last boundary")
        return end

    def _fields(self, head: bytes) -> list[tuple[str, str]]:
        limits = self._limits
        count = head.count(b"\r\n")
        if count > limits.part_headers:
            raise RequestEntityTooLarge(f"A part may have {limits.part_headers} headers.")
        if len(head) > limits.part_header_bytes and (
            max(map(len, head.split(b"\r\n"))) > limits.part_header_bytes
        ):
            raise RequestEntityTooLarge("A part has too long a header.")
        try:
            text = _head_text(head)
        except UnicodeDecodeError:
            raise BadRequest("A part of the multipart form has malformed headers.") from None
        if count > 1 and ("\r\n " in text or "\r\n\t" in text):
            text = _FOLD.sub(" ", text)
            count = text.count("\r\n")
        fields: list[tuple[str, str]] = _FIELD.findall(text)
        if len(fields) != count:
            raise BadRequest("A part of the multipart form has malformed headers.")
        return fields


def _head_text(head: bytes) -> str:
    try:
        return head.decode()
    except UnicodeDecodeError:  # old clients write the names of files as they have them
        lines = []
        for line in head.split(b"\r\n"):
            try:
                lines.append(line.decode())
            except UnicodeDecodeError:
                before, mark, rest = line.partition(b"filename")
                lines.append((before + mark).decode() + rest.decode("latin-1"))
        return "\r\n".join(lines)


def _collect(reader: _Reader, limits: FormLimits, charset: str) -> list[tuple[str, str | Upload]]:
    fields: list[tuple[str, str | Upload]] = []
    files: list[IO[bytes]] = []
    text_left = limits.text_bytes
    try:
        while (head := reader.next_part()) is not None:
            first = {key.lower(): value for key, value in reversed(head)}
            name, filename = _disposition(first.get("content-disposition", ""))
            kind = first.get("content-type", "")
            if filename is None and kind.strip().lower().startswith("multipart/"):
                raise BadRequest("A part of the multipart form is itself multipart.")
            pieces: list[bytes] = []
            file: IO[bytes] | None = None
            part_left = limits.part_bytes
            for piece in reader.content():
                part_left -= len(piece)
                if part_left < 0:
                    raise RequestEntityTooLarge(f"A part may have {limits.part_bytes} bytes.")
                if filename is None:
                    text_left -= len(piece)
                    if text_left < 0:
                        raise RequestEntityTooLarge(
                            f"A form may have {limits.text_bytes} bytes of text."
                        )
                elif file is not None:
                    file.write(piece)
                    continue
                elif pieces or len(piece) > limits.spool_bytes:
                    file = _temporary(limits.spool_bytes)
                    files.append(file)
                    file.writelines(pieces)
                    file.write(piece)
                    continue
                pieces.append(piece)
            if filename is None:
                field = _text_or_file(name, b"".join(pieces), kind, head, charset)
                if name == "_charset_" and isinstance(field, str):
                    charset = _charset({"charset": field})  # of all that follow
                fields.append((name, field))
            elif file is not None:
                file.seek(0)
                fields.append((name, Upload(name, filename, Headers.from_pairs(head), file)))
            elif filename or pieces:
                content = pieces[0] if pieces else b""
                fields.append((name, Upload(name, filename, Headers.from_pairs(head), content)))
            else:  # what browsers send for a file field that was left empty
                fields.append((name, ""))
    except BaseException:
        for file in files:
            file.close()
        raise
    return fields


def _temporary(spool_bytes: int) -> IO[bytes]:
    return tempfile.SpooledTemporaryFile(max_size=spool_bytes)  # closed by Upload


def _text_or_file(
    name: str, data: bytes, kind: str, head: list[tuple[str, str]], charset: str
) -> str | Upload:
    """A field without the name of a file: text, unless it says that it is none and is none."""
    if kind:
        kind, params = HeaderElement.parse(kind)
        charset = _charset(params, charset)
    try:
        return data.decode(charset)
    except UnicodeDecodeError:
        is_text = not kind or kind.partition("/")[0].lower() == "text"
        if is_text or kind.lower().endswith(("json", "xml")):
            raise UnicodeError(f"A field of the form is not {charset.upper()}.") from None
        return Upload(name, "", Headers.from_pairs(head), data)


def _charset(params: Mapping[str, str], default: str = "utf-8") -> str:
    charset = next((value for key, value in params.items() if key.lower() == "charset"), default)
    return charset if charset.lower() in _CHARSETS else default


#: Character sets that a part may state; a codec named by a stranger is not looked up.
_CHARSETS = frozenset(
    {"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin-1", "latin1", "iso-8859-15"}
    | {"windows-1252", "cp1252"}
)


def _disposition(text: str) -> tuple[str, str | None]:
    """The name of a field, and that of its file."""
    plain = _PLAIN_DISPOSITION.fullmatch(text)
    if plain is not None:
        quoted, bare, quoted_file, bare_file = plain.groups()
        filename = bare_file if quoted_file is None else quoted_file
        name: str = bare if quoted is None else quoted
        return name, filename if filename is None else _basename(filename)
    return _any_disposition(text)


def _any_disposition(text: str) -> tuple[str, str | None]:
    disposition, *parameters = split_quoted(text, ";") or [""]
    if disposition.lower() not in ("form-data", "file"):
        raise BadRequest("A part of the multipart form is no form data.")
    pairs = [parameter.partition("=") for parameter in reversed(parameters)]  # the first one counts
    found = {key.strip().lower(): value.strip() for key, _, value in pairs}
    extended = _extended(found["name*"]) if "name*" in found else None
    if extended is None and "name" not in found:
        raise BadRequest("A part of the multipart form has no name.")
    name = _unquote(found["name"]) if extended is None else extended
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
        if "\\" in value and ('\\"' in value or "\\\\" in value):
            return re.sub(r'\\(["\\])', r"\1", value)
    if "%" not in value:
        return value
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
    name = filename.replace("\\", "/").rpartition("/")[2]
    if not name.isprintable():
        name = re.sub(r"[\x00-\x1f\x7f]", "", name)
    return "" if name in (".", "..") else name
