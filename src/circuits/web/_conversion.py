"""From the text of a request to what the annotations of a method ask for.

Annotations are looked at once, when a method is exposed. A class whose annotation nothing can be
converted to is refused then, not at the first request. A name that is defined later in the module
is looked up at the first request.
"""

from __future__ import annotations

import builtins
import math
import re
import sys
import types
import typing
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin
from uuid import UUID

from ._json import is_record
from ._upload import Upload

try:
    import msgspec as _msgspec
except ImportError:  # the extra "typed" is not installed
    _msgspec = None  # type: ignore[assignment, unused-ignore]  # a module, if there is one

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["BodyType", "Converter", "make_converter", "plain", "resolve"]

_SHOWN = 80
_INTEGER = re.compile(r"[+-]?[0-9]{1,4000}", re.ASCII)
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


class Converter:
    """Makes a parameter of what a client sent.

    Attributes:
        what: What it makes, for messages.
        wants_list: Whether it takes all values of a name, and not just the first.
        keeps_text: Whether it leaves text as it is.
    """

    __slots__ = ("_convert", "_takes_blank", "keeps_text", "wants_list", "what")

    def __init__(
        self,
        what: str,
        convert: Callable[[Any], Any],
        wants_list: bool = False,
        takes_blank: bool = False,
    ) -> None:
        self.what = what
        self.wants_list = wants_list
        self.keeps_text = convert is _text and not wants_list and not takes_blank
        self._convert = convert
        self._takes_blank = takes_blank  # as None

    def __call__(self, value: Any) -> Any:
        """Convert.

        Raises:
            ValueError: It is no such thing. The text says what was given.
        """
        values = value if isinstance(value, list) else [value]
        if not self.wants_list:
            if self._takes_blank and values[0] == "":
                return None
            return self._one(values[0])
        return [self._one(value) for value in values]

    def _one(self, value: Any) -> Any:
        try:
            return self._convert(value)
        except (ValueError, TypeError, KeyError, OverflowError, InvalidOperation):
            shown = "a file" if isinstance(value, Upload) else f"{value!r:.{_SHOWN}}"
            raise ValueError(shown) from None


class BodyType:
    """What the whole body of a request is made into.

    Attributes:
        type: The class, or a list of it.
        is_optional: Whether there may be none.
    """

    __slots__ = ("_lists", "is_optional", "type", "what")

    def __init__(self, kind: Any, is_optional: bool) -> None:
        self.type = kind
        self.is_optional = is_optional
        self.what = _name_of(kind)
        self._lists: frozenset[str] | None = None

    def from_json(self, data: bytes) -> Any:
        """Decode.

        Raises:
            LookupError: It is JSON, but does not fit; the text says where.
            ValueError: It is no JSON.
        """
        try:
            return _msgspec.json.decode(data, type=self.type)
        except _msgspec.ValidationError as problem:
            raise LookupError(str(problem)) from None
        except (_msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
            raise ValueError(str(problem)) from None

    def from_fields(self, fields: Mapping[str, list[Any]]) -> Any:
        """Make it of the fields of a form.

        Raises:
            LookupError: They do not fit; the text says where.
        """
        if self._lists is None:
            hints = typing.get_type_hints(self.type) if isinstance(self.type, type) else {}
            self._lists = frozenset(name for name, hint in hints.items() if _is_list(hint))
        given = {
            name: values if name in self._lists else values[0] for name, values in fields.items()
        }
        try:
            return _msgspec.convert(given, self.type, strict=False)
        except _msgspec.ValidationError as problem:
            raise LookupError(str(problem)) from None


# -- from annotations ---------------------------------------------------------------------------

#: Annotations that say nothing; as text they need not be looked up.
_OPEN = frozenset({"Any", "object", "typing.Any", "t.Any"})


def resolve(annotation: Any, function: Callable[..., Any], *, with_frames: bool) -> Any:
    """Look up an annotation that is text.

    Args:
        annotation: The annotation.
        function: Whose parameter it is for.
        with_frames: Whether names may be those of the functions that are being run, in which the
            class is defined.

    Raises:
        NameError: Something is not defined, yet.
    """
    if not isinstance(annotation, str):
        return annotation
    if annotation in _OPEN:
        return Any
    names: dict[str, Any] = {}
    own = function.__globals__
    frame: types.FrameType | None = sys._getframe(1) if with_frames else None
    while frame is not None:
        if frame.f_globals is own and frame.f_locals is not own:
            names = {**frame.f_locals, **names}
        frame = frame.f_back
    found = eval(annotation, own, names)  # what Python itself does with annotations
    return resolve(found, function, with_frames=with_frames) if isinstance(found, str) else found


def make_converter(annotation: Any) -> Converter | BodyType | None:
    """Find out how to make what an annotation says.

    Returns:
        ``None`` if anything will do.

    Raises:
        TypeError: Nothing can be converted to it.
    """
    annotation, is_optional = _without_none(plain(annotation))
    if annotation is Any or annotation is object or isinstance(annotation, typing.TypeVar):
        return None
    wants_list = _is_list(annotation)
    if wants_list:
        inner, inner_optional = _without_none(plain((*get_args(annotation), str)[0]))
        if is_record(inner) and not inner_optional:
            return _body_type(annotation, is_optional)
    elif is_record(annotation):
        return _body_type(annotation, is_optional)
    else:
        inner = annotation
    if inner is Any or inner is object:
        inner = str
    convert = _scalar(inner)
    name = _name_of(annotation)
    takes_blank = is_optional and inner is not str and inner is not bytes
    return Converter(name, convert, wants_list, takes_blank and not wants_list)


def _body_type(annotation: Any, is_optional: bool) -> BodyType:
    if _msgspec is None:
        raise TypeError(
            f"making {_name_of(annotation)} of a request needs msgspec: install circuits[typed]"
        )
    return BodyType(annotation, is_optional)


def plain(annotation: Any) -> Any:
    """An annotation without what is said beside the type."""
    while True:
        if get_origin(annotation) is typing.Annotated:
            annotation = get_args(annotation)[0]
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":  # Python 3.12
            annotation = annotation.__value__
        else:
            return annotation


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation, False
    options = get_args(annotation)
    left = tuple(plain(option) for option in options if option is not type(None))
    return (left[0] if len(left) == 1 else Union[left]), len(left) < len(options)  # noqa: UP007


def _is_list(annotation: Any) -> bool:
    return annotation is list or get_origin(annotation) is list


def _scalar(kind: Any) -> Callable[[Any], Any]:
    simple = _SIMPLE.get(kind) if isinstance(kind, type) else None
    if simple is not None:
        return simple
    origin = get_origin(kind)
    if origin is Literal:
        return {_spelled(value): value for value in get_args(kind)}.__getitem__
    if origin in (Union, types.UnionType):
        return _FirstOf([_scalar(plain(option)) for option in get_args(kind)])
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {_spelled(member.value): member for member in kind}.__getitem__
    raise TypeError(f"the text of a request cannot be converted to {_name_of(kind)}")


class _FirstOf:
    def __init__(self, options: list[Callable[[Any], Any]]) -> None:
        self._options = options

    def __call__(self, value: Any) -> Any:
        for convert in self._options:
            try:
                return convert(value)
            except (ValueError, TypeError, KeyError, OverflowError, InvalidOperation):
                continue
        raise ValueError


def _spelled(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _name_of(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(map(repr, get_args(kind)))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return f"{kind.__name__}, one of " + ", ".join(repr(member.value) for member in kind)
    if get_origin(kind) is list:
        return f"list[{_name_of(get_args(kind)[0])}]"
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(_name_of(option) for option in get_args(kind))
    name = getattr(kind, "__qualname__", None) or repr(kind)
    module = getattr(kind, "__module__", builtins.__name__)
    is_known = kind in _SIMPLE or is_record(kind) or module == builtins.__name__
    return name if is_known else f"{module}.{name}"


# -- from text ------------------------------------------------------------------------------------


def _text(value: Any) -> str:
    if isinstance(value, Upload):
        raise TypeError
    return value if isinstance(value, str) else str(value)


def _bytes(value: Any) -> bytes:
    return value.value if isinstance(value, Upload) else _text(value).encode()


def _upload(value: Any) -> Upload:
    if not isinstance(value, Upload):
        raise TypeError
    return value


def _int(value: Any) -> int:
    # Not what int() takes beside: blanks, underscores, the digits of all scripts.
    if _INTEGER.fullmatch(_text(value)) is None:
        raise ValueError
    return int(value)


def _float(value: Any) -> float:
    number = float(_ascii(value))
    if not math.isfinite(number):
        raise ValueError
    return number


def _decimal(value: Any) -> Decimal:
    number = Decimal(_ascii(value))
    if not number.is_finite():
        raise ValueError
    return number


def _ascii(value: Any) -> str:
    text = _text(value)
    if not text.isascii() or "_" in text or text != text.strip():
        raise ValueError
    return text


def _bool(value: Any) -> bool:
    text = _text(value).lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError


_SIMPLE: dict[Any, Callable[[Any], Any]] = {
    str: _text,
    bytes: _bytes,
    int: _int,
    float: _float,
    bool: _bool,
    Decimal: _decimal,
    UUID: lambda value: UUID(_text(value)),
    date: lambda value: date.fromisoformat(_text(value)),
    datetime: lambda value: datetime.fromisoformat(_text(value)),
    Upload: _upload,
}
