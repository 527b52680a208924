"""A file that came with a form."""

from __future__ import annotations

import os
import shutil
import tempfile
from functools import cached_property
from io import BytesIO
from typing import IO, TYPE_CHECKING, Final

from ._form_limits import DEFAULT_LIMITS
from ._header_elements import HeaderElement

if TYPE_CHECKING:
    from .headers import Headers

__all__ = ["Upload", "temporary_file"]

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
        file = temporary_file(DEFAULT_LIMITS.spool_bytes)
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


def temporary_file(spool_bytes: int) -> IO[bytes]:
    """A file for an upload, which stays in memory up to a size."""
    return tempfile.SpooledTemporaryFile(max_size=spool_bytes)  # closed by Upload
