"""Writing TOML, which the standard library only reads."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Mapping
from typing import Any

_BARE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


def dump_toml(document: Mapping[str, Any]) -> str:
    """A document as text: its options, then each of its tables.

    Tables within these are written inline.

    Raises:
        ValueError: TOML has no way to write a value, such as ``None``.
    """
    parts = []
    options = [f"{_key(k)} = {_value(v)}\n" for k, v in document.items() if not _is_table(v)]
    if options:
        parts.append("".join(options))
    for name, table in document.items():
        if _is_table(table):
            lines = [f"{_key(k)} = {_value(v)}\n" for k, v in table.items()]
            parts.append(f"[{_key(name)}]\n" + "".join(lines))
    return "\n".join(parts)


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping)


def _key(name: Any) -> str:
    if not isinstance(name, str):
        raise ValueError(f"keys of TOML are text, not {name!r}")
    return name if name and _BARE.issuperset(name) else _string(name)


def _string(text: str) -> str:
    # What JSON escapes is valid in TOML, which wants DEL escaped as well.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        if math.isnan(value):
            return "nan"
        return ("-inf" if value < 0 else "inf") if math.isinf(value) else repr(float(value))
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_key(k)} = {_value(v)}' for k, v in value.items())}}}"
    raise ValueError(f"TOML has no way to write {value!r}")
