"""The reference: a page for each public module, made of signatures and docstrings, and one of events.

`make docs` makes it a part of the site, by scripts/build_site.py; git does not keep it.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

import circuits
from circuits import BaseEvent

#: What the packages are about, in the order of the index.
AREAS = {
    "circuits": "The names that most programs need",
    "circuits.core": "Components, events, the loop",
    "circuits.net": "Sockets and protocols over them",
    "circuits.io": "Files, child processes, devices",
    "circuits.web": "The web framework",
    "circuits.node": "Other machines",
    "circuits.app": "What an application needs around it",
    "circuits.tools": "Looking into a tree",
    "circuits.testing": "Testing an application",
    "circuits.protocols": "The protocols under their names of the 3.x line",
    "circuits.bench": "Measuring",
    "circuits.cli": "The program circuits",
}

#: Links between pages: file and anchor.
LINK = re.compile(r"\]\(([\w.]*\.md)(?:#([\w.-]+))?\)")

_SECTIONS = {
    "Args": "Arguments",
    "Attributes": "Attributes",
    "Returns": "Returns",
    "Yields": "Yields",
    "Raises": "Raises",
}


# -- what there is ----------------------------------------------------------------------------


def public_modules() -> list[ModuleType]:
    """The modules that have an ``__all__`` and no underscore on their way."""
    names = ["circuits"]
    for found in pkgutil.walk_packages(circuits.__path__, "circuits."):
        if not any(part.startswith("_") for part in found.name.split(".")):
            names.append(found.name)
    modules = [importlib.import_module(name) for name in sorted(names)]
    return [module for module in modules if getattr(module, "__all__", None)]


def area_of(module: str) -> str:
    """The package of the index that a module belongs to."""
    return ".".join(module.split(".")[:2])


def homes(modules: list[ModuleType]) -> dict[int, tuple[str, str]]:
    """Where what is exported is described: object identity to module and name there.

    That is the module which defines it, or, where that one is private, the most specific one
    that exports it.
    """
    found: dict[int, tuple[str, str]] = {}
    ranked = sorted(modules, key=lambda m: (hasattr(m, "__path__"), -m.__name__.count(".")))
    ranked.sort(key=lambda m: m.__name__.startswith("circuits.protocols"))
    for module in ranked:
        for name in module.__all__:
            thing = getattr(module, name)
            if not describable(thing):
                continue
            own = thing.__name__ if thing.__name__ in module.__all__ else name
            if thing.__module__ == module.__name__:
                found[id(thing)] = (module.__name__, own)
            else:
                found.setdefault(id(thing), (module.__name__, own))
    return found


def describable(thing: Any) -> bool:
    """Whether something of ours should have a docstring."""
    return isinstance(thing, type | FunctionType) and thing.__module__.startswith("circuits")


def members(cls: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties that a class defines, in their order."""
    for name, value in vars(cls).items():
        if name.startswith("_"):
            continue
        plain = value.__func__ if isinstance(value, staticmethod | classmethod) else value
        is_property = isinstance(value, property) or hasattr(value, "func")
        if is_property or isinstance(plain, FunctionType):
            if inspect.getdoc(value if is_property else plain):
                yield name, value


def undescribed(module: ModuleType) -> list[str]:
    """The public names of a module, and their methods, that have no docstring.

    A method may leave its description to what it overrides; handlers are described at their event.
    """
    missing: list[str] = []
    for name in module.__all__:
        thing = getattr(module, name)
        if not describable(thing):
            continue
        if not (thing.__doc__ or "").strip():
            missing.append(f"{module.__name__}.{name}")
        if isinstance(thing, type):
            missing += [
                f"{module.__name__}.{name}.{member}"
                for member, value in vars(thing).items()
                if not member.startswith("_")
                and not hasattr(value, "handler")
                and isinstance(value, FunctionType)
                and not inspect.getdoc(getattr(thing, member))
            ]
    return missing


# -- text ---------------------------------------------------------------------------------------

_ROLE = re.compile(r":(?:class|func|meth|mod|attr|exc|data):`(~?)([^`]+)`")
_SECTION = re.compile(rf"^({'|'.join(_SECTIONS)}):$")
_ITEM = re.compile(r"^([*\w][\w*., ]*?):\s+(.*)$")
_DIRECTIVE = re.compile(r"^\.\. (versionadded|versionchanged|deprecated):: *(.*)$")
_CHANGES = {"versionadded": "New in", "versionchanged": "Changed in", "deprecated": "Deprecated in"}


@functools.cache
def _known() -> dict[str, str]:
    """Where names lead that docstrings refer to: full ones, and short ones that only one thing has."""
    found = places()
    short: dict[str, set[str]] = {}
    for name, place in found.items():
        short.setdefault(name.rpartition(".")[2], set()).add(place)
    return {name: p for name, (p, *more) in short.items() if not more} | found


def _inline(text: str) -> str:
    def refer(role: re.Match[str]) -> str:
        shown = f"`{role[2].rpartition('.')[2] if role[1] else role[2]}`"
        place = _known().get(role[2])
        return shown if place is None else f"[{shown}]({place})"

    return _ROLE.sub(refer, text).replace("``", "`")


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())


def markdown(doc: str) -> str:
    """Turn a docstring with Google sections into Markdown."""
    lines = inspect.cleandoc(doc).split("\n")
    out: list[str] = []
    i = 0
    while i < len(lines):
        line = lines[i]
        section, directive = _SECTION.match(line), _DIRECTIVE.match(line)
        if section or directive:
            block: list[str] = []
            i += 1
            while i < len(lines) and (not lines[i].strip() or lines[i].startswith(" ")):
                block.append(lines[i])
                i += 1
            body = inspect.cleandoc("\n".join(["", *block])).split("\n")
            if section:
                out += ["", f"**{_SECTIONS[section[1]]}**", "", *_items(body), ""]
            elif directive:
                text = _inline(" ".join(part.strip() for part in body if part.strip()))
                out += ["", f"*{_CHANGES[directive[1]]} {directive[2]}.* {text}".rstrip(), ""]
            continue
        if line.startswith("    "):
            out.append(line)  # an example, as it is
        elif line.strip() == "::":
            out.append("")
        else:
            out.append(_inline(re.sub(r"::$", ":", line)))
        i += 1
    return re.sub(r"\n{3,}", "\n\n", "\n".join(out)).strip() + "\n"


def _items(lines: list[str]) -> list[str]:
    """The entries of a section as a list; text without names as it is."""
    out: list[str] = []
    for line in lines:
        item = _ITEM.match(line) if _indentation(line) == 0 else None
        if item:
            names = ", ".join(f"`{name.strip()}`" for name in item[1].split(","))
            out.append(f"- {names}: {_inline(item[2])}")
        elif out and out[-1].startswith(("- ", "  ")) and line.strip():
            out.append(f"  {_inline(line.strip())}")
        else:
            out.append(_inline(line))
    return out


def _default(value: Any) -> str:
    text = repr(value)
    if isinstance(value, type):
        return value.__name__
    return "..." if " at 0x" in text or "<" in text else text


def signature(thing: Any) -> str:
    """The parameters of a function or a class; nothing where they cannot be told."""
    if (
        isinstance(thing, type)
        and issubclass(thing, BaseException)
        and "__init__" not in vars(thing)
    ):
        return ""
    try:
        found = inspect.signature(thing)
        kinds = {p.kind.name for p in found.parameters.values()}
        if isinstance(thing, type) and kinds == {"VAR_POSITIONAL", "VAR_KEYWORD"}:
            # Components get what their constructor passes on to ``init``.
            init = getattr(thing, "init", None)
            if isinstance(init, FunctionType):
                found = inspect.signature(init)
    except (TypeError, ValueError):
        return ""
    parts: list[str] = []
    parameters = [p for p in found.parameters.values() if p.name != "self"]
    for index, p in enumerate(parameters):
        if p.kind is p.KEYWORD_ONLY and not any(
            q.kind in (q.VAR_POSITIONAL, q.KEYWORD_ONLY) for q in parameters[:index]
        ):
            parts.append("*")
        mark = "*" if p.kind is p.VAR_POSITIONAL else "**" if p.kind is p.VAR_KEYWORD else ""
        text = mark + p.name
        is_typed = isinstance(p.annotation, str) and p.annotation != "Any"
        if is_typed:
            text += f": {p.annotation}"
        if p.default is not p.empty:
            text += f" = {_default(p.default)}" if is_typed else f"={_default(p.default)}"
        parts.append(text)
        follows = parameters[index + 1 :]
        if p.kind is p.POSITIONAL_ONLY and not any(q.kind is q.POSITIONAL_ONLY for q in follows):
            parts.append("/")
    result = found.return_annotation
    shown = f" -> {result}" if isinstance(result, str) and result not in ("None", "Any") else ""
    return f"({', '.join(parts)}){'' if isinstance(thing, type) else shown}"


# -- events -------------------------------------------------------------------------------------

#: The sentence that tells who fires an event, where, and with what.
_FIRED = re.compile(
    r"(?:^|(?<=\. ))((?:(?!\. [A-Z]).)*?\b(?:[Ff]ired?|Dispatched|fires)\b.*?\.)(?= [A-Z]|$)"
)

#: What applications derive theirs from, and what only ends with its subclasses.
_BASES = {
    "BaseEvent",
    "ConfigEvent",
    "DerivedEvent",
    "EnvironmentEvent",
    "Event",
    "LiteralEvent",
    "WebEvent",
    "stomp_event",
}


def _told(cls: type) -> str:
    """The docstring of a class, before its sections, in one line."""
    doc = inspect.cleandoc(cls.__dict__.get("__doc__") or "")
    text = re.split(r"^(?:Args|Attributes|Raises):$|^\.\. ", doc, maxsplit=1, flags=re.MULTILINE)[0]
    return " ".join(text.split())


def fired(cls: type) -> str | None:
    """The sentence about who fires an event, from its docstring or that of a base class."""
    for base in cls.__mro__:
        found = _FIRED.search(_told(base))
        if found is not None:
            return _inline(found[1])
    return None


def events() -> list[type[BaseEvent]]:
    """The public event classes that are fired, by the names of their handlers."""
    homed = homes(public_modules()).values()
    found = {getattr(importlib.import_module(module), name) for module, name in homed}
    return sorted(
        (
            cls
            for cls in found
            if isinstance(cls, type) and issubclass(cls, BaseEvent) and cls.__name__ not in _BASES
        ),
        key=lambda cls: (cls.name.lower(), cls.__module__),
    )


def nobody_fires() -> list[str]:
    """The events of which no docstring tells who fires them."""
    return [f"{cls.__module__}.{cls.__name__}" for cls in events() if fired(cls) is None]


def events_page() -> str:
    """A page of all events, package by package."""
    pages = homes(public_modules())
    lines = [
        "# Events",
        "",
        "All events that circuits fires or handles: what they mean, and who fires them, where, with what. Where a name is in several packages,",
        "the channel tells which event it is.",
        "",
    ]
    for area, title in AREAS.items():
        rows = [cls for cls in events() if area_of(pages[id(cls)][0]) == area]
        if rows:
            lines += [f"## {title}", "", "| handler, class | what it says |", "|---|---|"]
            lines += [_event_row(cls, pages) for cls in rows]
            lines.append("")
    return "\n".join(lines)


def _event_row(cls: type[BaseEvent], pages: dict[int, tuple[str, str]]) -> str:
    told = re.split(r"(?<=\.) (?=[A-Z])", _told(cls), maxsplit=1)[0]
    who = fired(cls) or ""
    text = _inline(told) if who == _inline(told) else f"{_inline(told)} {who}"
    module = pages[id(cls)][0].removeprefix("circuits.")
    cells = [f"`{cls.name}`<br/>{_link(cls, pages)}<br/>{module}", text.strip()]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


# -- where things are -----------------------------------------------------------------------------


def names() -> Iterator[tuple[str, str, str, str]]:
    """Each public name: in full, its kind, its page, and the id of its place there."""
    for found in public_modules():
        yield found.__name__, "module", f"reference/{found.__name__}", ""
    for module, name in sorted(set(homes(public_modules()).values())):
        thing = getattr(importlib.import_module(module), name)
        kind = "class" if isinstance(thing, type) else "function"
        if isinstance(thing, type) and issubclass(thing, BaseException):
            kind = "exception"
        place = re.sub(r"[._]", "-", anchor(module, name)).strip("-")
        yield f"{module}.{name}", kind, f"reference/{module}", place


@functools.cache
def places() -> dict[str, str]:
    """Where the full names of modules, and of what they export, are described."""
    modules = public_modules()
    pages = homes(modules)
    found = {module.__name__: f"{module.__name__}.md" for module in modules}
    for module in modules:
        for name in module.__all__:
            thing = getattr(module, name)
            if describable(thing):
                home, own = pages[id(thing)]
                found[f"{module.__name__}.{name}"] = f"{home}.md#{anchor(home, own)}"
    return found


# -- pages ----------------------------------------------------------------------------------------


def _code(text: str) -> list[str]:
    """A signature, broken where it is long."""
    if len(text) > 96:
        head, _, rest = text.partition("(")
        inner, _, tail = rest.rpartition(")")
        text = head + "(\n    " + ",\n    ".join(_split(inner)) + ",\n)" + tail
    return [f"    {line}" for line in text.split("\n")]


def _split(text: str) -> list[str]:
    """Cut parameters at the commas that separate them."""
    parts, depth, start = [], 0, 0
    for index, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if character == "," and not depth:
            parts.append(text[start:index].strip())
            start = index + 1
    return [*parts, text[start:].strip()]


def _about(thing: Any) -> str:
    doc = inspect.getdoc(thing)
    return markdown(doc) if doc else ""


def _function(name: str, thing: Any, level: str) -> list[str]:
    is_async = "async " if inspect.iscoroutinefunction(thing) else ""
    return [f"{level} {name}", "", *_code(f"{is_async}{name}{signature(thing)}"), "", _about(thing)]


def _member(name: str, value: Any) -> list[str]:
    if isinstance(value, staticmethod):
        return _function(name, value.__func__, "####")
    if isinstance(value, classmethod):
        bound = value.__get__(None, object)
        lines = _function(name, bound, "####")
        return [lines[0], "", "Class method.", *lines[1:]]
    if isinstance(value, FunctionType):
        if value.__name__ != name:
            return [f"#### {name}", "", f"The same as `{value.__name__}`.", ""]
        return _function(name, value, "####")
    return [f"#### {name}", "", "Property.", "", _about(value)]


def _class(name: str, cls: type, pages: dict[int, tuple[str, str]]) -> list[str]:
    is_event = issubclass(cls, BaseEvent)
    lines = [f"### {name}", "", *_code(f"class {name}{signature(cls)}"), ""]
    facts = []
    bases = [base for base in cls.__bases__ if base is not object]
    if bases:
        facts.append("Bases: " + ", ".join(_link(base, pages) for base in bases) + ".")
    if is_event:
        facts.append(f"Handled as `{cls.name}`.")  # type: ignore[attr-defined]
        if cls.__doc__ and not _FIRED.search(_told(cls)) and (inherited := fired(cls)):
            facts.append(inherited)
    if facts:
        lines += [" ".join(facts), ""]
    lines.append(markdown(cls.__doc__) if cls.__doc__ else "")
    for member, value in members(cls):
        lines += _member(member, value)
    return lines


def anchor(module: str, name: str) -> str:
    """What a link to the description of a name has behind its ``#``, where case tells nothing."""
    exported = importlib.import_module(module).__all__
    twins = sorted({other for other in exported if other.lower() == name.lower()})
    number = twins.index(name) if name in twins else 0
    return f"{module}.{name}".lower() + (f"-{number}" if number else "")


def _link(thing: Any, pages: dict[int, tuple[str, str]]) -> str:
    if id(thing) not in pages:
        return f"`{thing.__name__}`"
    module, name = pages[id(thing)]
    return f"[{name}]({module}.md#{anchor(module, name)})"


def page(module: ModuleType, pages: dict[int, tuple[str, str]]) -> str:
    """The page of a module."""
    here = module.__name__
    groups: dict[str, list[str]] = {"Classes": [], "Events": [], "Functions": []}
    elsewhere: list[str] = []
    constants: list[str] = []
    for name in sorted(module.__all__, key=lambda name: (name.lower(), name)):
        thing = getattr(module, name)
        if not describable(thing):
            constants.append(f"- `{name}`: `{type(thing).__name__}`")
        elif pages[id(thing)][0] != here:
            elsewhere.append(f"- `{name}`: {_link(thing, pages)} in `{pages[id(thing)][0]}`")
        elif pages[id(thing)][1] != name:
            elsewhere.append(f"- `{name}`: the same as {_link(thing, pages)}")
        elif isinstance(thing, type):
            group = "Events" if issubclass(thing, BaseEvent) else "Classes"
            groups[group] += [f"({anchor(here, name)})=", *_class(name, thing, pages)]
        else:
            groups["Functions"] += [f"({anchor(here, name)})=", *_function(name, thing, "###")]
    lines = [f"# {here}", "", markdown(_purpose(module))]
    for title, content in groups.items():
        if content:
            lines += [f"## {title}", "", *content]
    if constants:
        lines += ["## Constants", "", *constants, ""]
    if elsewhere:
        lines += ["## Other names", "", *elsewhere, ""]
    lines += ["Back to the [reference](index.md).", ""]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines))


def _purpose(module: ModuleType) -> str:
    """The docstring of a module, without the name that its chapter of the manual has."""
    doc = (module.__doc__ or "").strip()
    return re.sub(r" \((?:manual: |docs: )?[\w.]+(?:/\w+)?\)(?=\.)", "", doc, count=1)


def index(modules: list[ModuleType]) -> str:
    """The page that leads to the others."""
    lines = [
        "# Reference",
        "",
        "What each public name is, takes, returns, raises and fires. The pages are made of the docstrings; in an editor, and with",
        "`pydoc`, they say the same. All [events](events.md) are on one page, with who fires them.",
        "",
    ]
    for area, title in AREAS.items():
        lines += [f"## {title}", ""]
        for module in modules:
            if area_of(module.__name__) == area:
                about = _purpose(module).split("\n")[0]
                lines.append(f"- [{module.__name__}]({module.__name__}.md): {_inline(about)}")
        lines.append("")
    lines += ["Back to the [start](../index.md).", ""]
    return "\n".join(lines)


def reference() -> dict[str, str]:
    """Names of files and what is in them."""
    modules = public_modules()
    pages = homes(modules)
    made = {f"{module.__name__}.md": page(module, pages) for module in modules}
    made["index.md"] = index(modules)
    made["events.md"] = events_page()
    return made
