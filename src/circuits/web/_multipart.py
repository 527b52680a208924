"""Multipart bodies of forms: the parts, their heads and contents (RFC 7578).

A body is read in pieces, so that its parts go to temporary files as they come.
``email.parser`` is no use here: it would descend into an upload that is an e-mail message, reads
lines that end in a lone CR or LF, and takes forty microseconds for the headers of a part.
"""

from __future__ import annotations

import re
from typing import IO, TYPE_CHECKING, Final
from urllib.parse import unquote

from ._header_elements import split_quoted
from .exceptions import BadRequest, RequestEntityTooLarge

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ._form_limits import FormLimits

__all__ = ["MultipartReader", "disposition"]

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


class MultipartReader:
    """Takes a multipart body apart; see RFC 2046, 5.1.1.

    A form of 64 KiB may have a thousand parts, and nobody else is served meanwhile: what is here
    whole is taken with few steps.

    Args:
        body: The body, from where it stands.
        boundary: What its type says stands between the parts.
        limits: How many parts, and how long heads may be.

    Raises:
        BadRequest: By the methods, if it is malformed, or ends too early.
        RequestEntityTooLarge: By the methods, if a limit is exceeded.
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


def disposition(text: str) -> tuple[str, str | None]:
    """The name of a field, and that of its file."""
    plain = _PLAIN_DISPOSITION.fullmatch(text)
    if plain is not None:
        quoted, bare, quoted_file, bare_file = plain.groups()
        filename = bare_file if quoted_file is None else quoted_file
        name: str = bare if quoted is None else quoted
        return name, filename if filename is None else _basename(filename)
    return _any_disposition(text)


def _any_disposition(text: str) -> tuple[str, str | None]:
    kind, *parameters = split_quoted(text, ";") or [""]
    if kind.lower() not in ("form-data", "file"):
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
