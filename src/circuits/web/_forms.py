"""Request bodies that are forms: URL-encoded or multipart."""

from __future__ import annotations

import re
from typing import IO, TYPE_CHECKING

from ._form_limits import DEFAULT_LIMITS, FormLimits
from ._header_elements import HeaderElement
from ._multipart import MultipartReader, disposition
from ._upload import Upload, temporary_file
from ._urlencoded import parse_urlencoded
from .exceptions import BadRequest, RequestEntityTooLarge, UnicodeError
from .headers import Headers

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["parse_form"]

# RFC 2046, 5.1.1
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")


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
        return _collect(MultipartReader(body, boundary, limits), limits, _charset(params))
    finally:
        body.seek(0)


def _collect(
    reader: MultipartReader, limits: FormLimits, charset: str
) -> list[tuple[str, str | Upload]]:
    fields: list[tuple[str, str | Upload]] = []
    files: list[IO[bytes]] = []
    text_left = limits.text_bytes
    try:
        while (head := reader.next_part()) is not None:
            first = {key.lower(): value for key, value in reversed(head)}
            name, filename = disposition(first.get("content-disposition", ""))
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
                    file = temporary_file(limits.spool_bytes)
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
