"""What one form may cost."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Final

__all__ = ["DEFAULT_LIMITS", "FormLimits"]


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
