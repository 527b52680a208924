"""Files that hosted WSGI applications give as bodies: ``wsgi.file_wrapper`` (PEP 3333)."""

from __future__ import annotations

import io
import os
import stat
from typing import Any

from ._response_body import FileRange

__all__ = ["FileWrapper", "rest_of"]


class FileWrapper:
    """A file as the body of a response: ``environ["wsgi.file_wrapper"]``.

    Args:
        file: The file; it is closed with the response.
        block_size: How much is read at a time.
    """

    def __init__(self, file: Any, block_size: int = 65536) -> None:
        self.file = file
        self.block_size = block_size

    def __iter__(self) -> FileWrapper:
        return self

    def __next__(self) -> bytes:
        data: bytes = self.file.read(self.block_size)
        if not data:
            raise StopIteration
        return data

    def close(self) -> None:
        """Close the file."""
        if hasattr(self.file, "close"):
            self.file.close()


def rest_of(file: Any) -> FileRange | None:
    """What is left of a file, if the kernel may be able to send it."""
    if not isinstance(file, io.BufferedReader | io.BufferedRandom | io.FileIO):
        return None
    try:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            return None
        offset = file.tell()
    except (OSError, ValueError):
        return None
    return FileRange(file, offset, max(0, status.st_size - offset))
