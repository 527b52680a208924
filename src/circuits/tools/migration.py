"""What a program of circuits 2.1 or 3.x does that is done differently now, found in its source.

Only what changed is reported: names that are gone, calls that do not fit any more, text where
sockets take bytes, and a few habits whose meaning is another one. What works as it did - lower-case
events, handlers bound to class names, ``exception`` handlers - is left alone. The program is read,
never run.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import warnings
from typing import Any, Final

from circuits.core.components import BaseComponent, Component
from circuits.core.events import BaseEvent
from circuits.core.handlers import handler as handler_of_ours

from . import _python_2
from ._known_names import MISSING, find_name, homes_of
from ._nested import deeply

__all__ = ["Idiom", "find_idioms"]


@dataclasses.dataclass(frozen=True, order=True)
class Idiom:
    """Something that has changed. As text, it is a line.

    Attributes:
        path, line, column: Where it is; lines and columns count from 1.
        code: Its kind, such as ``text-to-socket``.
        text: What is the matter.
        cure: What to write instead.
    """

    path: str
    line: int
    column: int
    code: str
    text: str
    cure: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {self.code}: {self.text}; {self.cure}"


_CONVERT: Final = (
    "convert it to Python 3 first, as '2to3 -w' did (part of Python up to 3.12), and come back"
)

_LOOK: Final = "look through it yourself; what is made by a program is made anew"


def find_idioms(source: str | bytes, path: str = "<text>") -> list[Idiom]:
    """Report what changed of what a program does.

    Args:
        source: The program.
        path: What it is called in the result.

    Returns:
        What was found, in the order of lines. A program that is no Python 3 gives one entry that
        says so, with the code ``python2`` or ``syntax``, one that is nested too deeply ``nested``.

    .. versionadded:: 2.1
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the program, such as for an invalid escape
            tree = ast.parse(source, path)
        reader = _Reader(path)
        with deeply():
            reader.read(tree)
    except (SyntaxError, ValueError) as problem:
        return [_no_python_3(source, path, problem)]
    except (MemoryError, RecursionError):  # from the parser, or from us
        return [Idiom(path, 1, 1, "nested", "this is nested too deeply to be read", _LOOK)]
    return sorted(set(reader.found))


def _no_python_3(source: str | bytes, path: str, problem: Exception) -> Idiom:
    line = getattr(problem, "lineno", None) or 1
    column = getattr(problem, "offset", None) or 1
    text = source if isinstance(source, str) else source.decode("utf-8", "replace")
    lines = text.splitlines()
    for number in (line, line - 1):
        what = _python_2.statement_in(lines[number - 1]) if 0 < number <= len(lines) else None
        if what is not None:
            return Idiom(path, number, 1, "python2", f"{what} is of Python 2", _CONVERT)
    reason = getattr(problem, "msg", None) or str(problem)
    return Idiom(path, line, max(column, 1), "syntax", f"this is no Python 3: {reason}", _CONVERT)


class _Scope:
    """What is known of a function that is a handler.

    Attributes:
        names: The events it handles.
        parameters: Its own, without ``self``.
        is_filter: Whether its result ends an event.
        of_socket: Whether what it is given is what a socket has read.
    """

    def __init__(self, names: list[str], parameters: list[str]) -> None:
        self.names = names
        self.parameters = parameters
        self.is_filter = False
        self.of_socket = False


class _Reader(ast.NodeVisitor):
    """Looks through one program."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.found: list[Idiom] = []
        self._imported: dict[str, str] = {}  # local names of things of circuits
        self._bound: set[str] = set()  # all that the program gives a name to
        self._components: dict[str, bool] = {}  # classes of it: whether methods are handlers
        self._networked: set[str] = set()  # those that derive from sockets
        self._uses_net = self._uses_io = self._uses_ipc = False
        self._frames_text = False  # WebSockets, which do
        self._is_of_3x = False
        self._class: ast.ClassDef | None = None
        self._scope: _Scope | None = None
        self._tries = 0  # how many "try: ... except ImportError" it is in

    def read(self, tree: ast.Module) -> None:
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                self._note_imports(node)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self._bound.add(node.id)
            elif isinstance(node, ast.arg):
                self._bound.add(node.arg)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                self._bound.add(node.name)
        self.visit(tree)

    def _report(self, node: Any, code: str, text: str, cure: str) -> None:
        self.found.append(Idiom(self._path, node.lineno, node.col_offset + 1, code, text, cure))

    # -- names -----------------------------------------------------------------------------

    def _note_imports(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            local = alias.asname or alias.name.partition(".")[0]
            self._bound.add(local)
            if isinstance(node, ast.Import):
                dotted = alias.name if alias.asname else local
            else:
                dotted = f"{node.module}.{alias.name}" if node.module and not node.level else ""
            if dotted == "circuits" or dotted.startswith("circuits."):
                full = alias.name if isinstance(node, ast.Import) else dotted
                self._imported[local] = dotted
                self._uses_net |= full.startswith("circuits.net")
                self._uses_io |= full.startswith("circuits.io")
                self._uses_ipc |= full.rpartition(".")[2] == "ipc"
                self._frames_text |= "websocket" in full.lower()
                self._is_of_3x |= full.startswith("circuits.protocols") or alias.name == "task"
                self._is_of_3x |= alias.name.islower() and _is_event(find_name(full))

    def _dotted(self, node: ast.expr) -> str | None:
        if isinstance(node, ast.Name):
            return self._imported.get(node.id)
        if isinstance(node, ast.Attribute):
            base = self._dotted(node.value)
            return None if base is None else f"{base}.{node.attr}"
        return None

    def _object(self, node: ast.expr) -> Any:
        """What of circuits an expression names, or ``None``."""
        dotted = self._dotted(node)
        found = None if dotted is None else find_name(dotted)
        return None if found is MISSING else found

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._check_module(node, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.level or node.module is None:
            return
        self._check_module(node, node.module)
        if not node.module.startswith("circuits") or find_name(node.module) in (None, MISSING):
            return
        for alias in node.names:
            if alias.name != "*" and find_name(f"{node.module}.{alias.name}") is MISSING:
                self._report_missing(node, node.module, alias.name)

    def _check_module(self, node: Any, name: str) -> None:
        head = name.partition(".")[0]
        if head in _python_2.MODULES and not self._tries:
            cure = f"it is {_python_2.MODULES[head]} now"
            self._report(node, "python2", f"the module {head} is of Python 2", cure)
        elif head == "circuits" and find_name(name) is MISSING and not self._tries:
            above, _, last = name.rpartition(".")
            self._report_missing(node, above, last)

    def _report_missing(self, node: Any, where: str, name: str) -> None:
        if self._tries:
            return
        homes = homes_of(name, where)
        there = find_name(where)
        import difflib  # for what is found only

        near = [] if there in (None, MISSING) else difflib.get_close_matches(name, dir(there), 1)
        if homes:
            cure = f"import it from {homes[0]}"
        elif name in ("tick", "__tick__"):
            cure = "use a Timer, or a generator handler"
        elif near:
            cure = f"{near[0]} may be what is meant"
        else:
            cure = "see what the reference has in its place"
        self._report(node, "missing-name", f"{where} has no {name}", cure)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        dotted = self._dotted(node)
        if dotted is not None and isinstance(node.ctx, ast.Load) and find_name(dotted) is MISSING:
            where, _, name = dotted.rpartition(".")
            if inspect.ismodule(find_name(where)):
                self._report_missing(node, where, name)
        elif dotted is None and node.attr in _python_2.METHODS:
            cure = f"use {_python_2.METHODS[node.attr]}"
            self._report(node, "python2", f".{node.attr}() is of Python 2", cure)
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if (
            isinstance(node.ctx, ast.Load)
            and node.id in _python_2.NAMES
            and node.id not in self._bound
        ):
            self._report(
                node, "python2", f"{node.id} is of Python 2", f"use {_python_2.NAMES[node.id]}"
            )

    def visit_Try(self, node: ast.Try) -> None:
        # A program that is prepared for both has seen to it.
        names = {n.id for h in node.handlers for n in ast.walk(h) if isinstance(n, ast.Name)}
        is_prepared = bool(names & {"ImportError", "ModuleNotFoundError", "NameError"})
        self._tries += is_prepared
        self.generic_visit(node)
        self._tries -= is_prepared

    # -- classes and handlers --------------------------------------------------------------

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for base in node.bases:
            found = self._object(base)
            self._is_of_3x |= node.name.islower() and _is_event(found)
            if isinstance(found, type) and issubclass(found, BaseComponent):
                is_implicit = issubclass(found, Component)
                self._components[node.name] = self._components.get(node.name, False) or is_implicit
                if found.__module__.startswith("circuits.net."):
                    self._networked.add(node.name)
            elif isinstance(base, ast.Name) and base.id in self._components:
                self._components.setdefault(node.name, self._components[base.id])
                if base.id in self._networked:
                    self._networked.add(node.name)
        outer, self._class = self._class, node
        self.generic_visit(node)
        self._class = outer

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        outer = self._scope
        self._scope = self._scope_of(node)
        if self._scope is not None:
            self._check_handler(node, self._scope)
        self.generic_visit(node)
        self._scope = outer

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - a name of ast

    def _scope_of(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> _Scope | None:
        if self._class is None or self._class.name not in self._components or self._scope:
            return self._scope
        parameters = [arg.arg for arg in node.args.args][1:]
        if parameters[:1] == ["event"]:
            parameters = parameters[1:]
        for decorator in node.decorator_list:
            call = decorator if isinstance(decorator, ast.Call) else None
            if call is None or self._object(call.func) is not handler_of_ours:
                continue
            names = [str(a.value) for a in call.args if isinstance(a, ast.Constant)]
            scope = _Scope(names, parameters)
            scope.is_filter = any(
                k.arg == "filter" and isinstance(k.value, ast.Constant) and k.value.value is True
                for k in call.keywords
            )
            break
        else:
            if not self._components[self._class.name] or node.name.startswith("_"):
                return None
            if node.decorator_list:
                return None  # a property, a static method, somebody else's
            scope = _Scope([node.name], parameters)
            self._check_hiding(node)
        is_networked = self._class.name in self._networked
        if scope.names == ["read"] and self._uses_net and not self._frames_text:
            alone = len(parameters) == 1 and (is_networked or not self._uses_io)
            scope.of_socket = alone or parameters[:1] in (["sock"], ["socket"])
        return scope

    def _check_hiding(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        name = node.name
        found = getattr(BaseComponent, name, None)
        if name in ("init", "handlers") or found is None or hasattr(found, "handler"):
            return
        self._report(
            node,
            "hides-method",
            f"{name} becomes a handler and hides {BaseComponent.__name__}.{name}",
            f'rename it and mark it with @handler("{name}"), or with @handler(False)',
        )

    def _check_handler(self, node: Any, scope: _Scope) -> None:
        if "signal" in scope.names:
            for call in ast.walk(node):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
                    if call.func.attr == "stop" and ast.unparse(call.func.value) == "event":
                        text = "event.stop() does not keep SIGINT or SIGTERM from ending run"
                        cure = "catch the signal with signal.signal, or end later in stopped"
                        self._report(call, "signal-veto", text, cure)
        traced = _is_of_errors(scope.names) and len(scope.parameters) > 2
        if traced:
            self._check_traceback(node, scope.parameters[2])

    def _check_traceback(self, node: Any, name: str) -> None:
        for found in ast.walk(node):
            is_used = (
                isinstance(found, ast.Attribute)
                and found.attr.startswith("tb_")
                and isinstance(found.value, ast.Name)
                and found.value.id == name
            )
            if isinstance(found, ast.Call) and isinstance(found.func, ast.Attribute):
                given = {arg.id for arg in found.args if isinstance(arg, ast.Name)}
                is_used = name in given and found.func.attr in _TAKES_TRACEBACKS
            if is_used:
                text = f"{name} is a list of lines, and no traceback"
                cure = f'"".join({name}) is the text; value.__traceback__ is the object'
                self._report(found, "traceback-lines", text, cure)

    def visit_Return(self, node: ast.Return) -> None:
        scope, value = self._scope, node.value
        if scope is not None and value is not None:
            if scope.is_filter and isinstance(value, ast.Constant) and value.value is not None:
                if not value.value:
                    text = f"a filter that returns {value.value!r} stops the event: any result does"
                    self._report(node, "filter-result", text, "return None to let it go on")
            if scope.of_socket and _is_text(value):
                text = "text that a handler of read returns is not sent: sockets write bytes"
                self._report(node, "text-to-socket", text, _BYTES)
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        sides = [node.left, *node.comparators]
        if self._is_data(*sides) and any(map(_is_text, sides)):
            text = "what a socket reads is bytes, and equals no text"
            self._report(node, "text-from-socket", text, 'compare with b"...", or decode it')
        self.generic_visit(node)

    def _is_data(self, *nodes: ast.expr) -> bool:
        scope = self._scope
        if scope is None or not scope.of_socket or not scope.parameters:
            return False
        name = scope.parameters[-1]
        for node in nodes:
            while isinstance(node, ast.Call | ast.Attribute | ast.Subscript):
                if isinstance(node, ast.Attribute) and node.attr == "decode":
                    break  # it is text by then
                node = node.func if isinstance(node, ast.Call) else node.value
            if isinstance(node, ast.Name) and node.id == name and name not in self._rebound():
                return True
        return False

    def _rebound(self) -> set[str]:
        """Names that a handler gives something else to: ``data = data.decode()``."""
        if self._class is None:
            return set()
        return {
            found.id
            for found in ast.walk(self._class)
            if isinstance(found, ast.Name) and isinstance(found.ctx, ast.Store)
        }

    # -- calls -----------------------------------------------------------------------------

    def visit_Call(self, node: ast.Call) -> None:
        found = self._object(node.func)
        if callable(found):
            self._check_text(node, found)
            self._check_signature(node, found)
        if isinstance(node.func, ast.Attribute):
            self._check_method(node, node.func)
        self.generic_visit(node)

    def _check_text(self, node: ast.Call, found: Any) -> None:
        is_write = getattr(found, "__name__", "") in ("Write", "write", "Broadcast", "broadcast")
        if self._frames_text or not node.args:
            return
        if is_write and str(getattr(found, "__module__", "")).startswith("circuits.net"):
            if _is_text(node.args[-1]):
                self._report(node, "text-to-socket", "sockets write bytes, and no text", _BYTES)

    def _check_signature(self, node: ast.Call, found: Any) -> None:
        if any(isinstance(arg, ast.Starred) for arg in node.args):
            return
        if any(keyword.arg is None for keyword in node.keywords):
            return
        try:
            signature = inspect.signature(found)
        except (TypeError, ValueError):
            return
        try:
            signature.bind(*(None for _ in node.args), **{str(k.arg): None for k in node.keywords})
        except TypeError as problem:
            name = ast.unparse(node.func)
            text = f"{name}(...) does not fit: {problem}"
            self._report(node, "arguments", text, f"it is {name}{_shown(signature)}")

    def _check_method(self, node: ast.Call, function: ast.Attribute) -> None:
        name, keywords = function.attr, {k.arg: k.value for k in node.keywords}
        if name in ("call", "wait", "callEvent", "waitEvent"):
            seconds = keywords.get("timeout")
            is_whole = isinstance(seconds, ast.Constant) and type(seconds.value) is int
            if self._is_of_3x and is_whole and ast.unparse(seconds) != "0":  # type: ignore[arg-type]
                text = "timeout is in seconds; in 3.x it was turns of the loop"
                self._report(node, "timeout-seconds", text, "write how many seconds are meant")
        elif name == "start" and "link" in keywords and "implicit" not in keywords:
            if self._uses_ipc and "process" in keywords:
                text = "events cross by themselves until the first ipc event is fired"
                cure = "add implicit=False for only those in ipc to cross, as in 3.x"
                self._report(node, "implicit-bridge", text, cure)
        if (
            self._is_data(function.value)
            and name in _TEXT_METHODS
            and any(map(_is_text, node.args))
        ):
            text = f"what a socket reads is bytes: .{name}() wants bytes, too"
            self._report(node, "text-from-socket", text, 'write b"...", or decode it first')


_BYTES: Final = 'write b"...", or .encode() it'

_TAKES_TRACEBACKS: Final = frozenset(
    {"print_tb", "format_tb", "extract_tb", "print_exception", "format_exception", "walk_tb"}
)

_TEXT_METHODS: Final = frozenset(
    {"split", "rsplit", "partition", "rpartition", "replace", "startswith", "endswith", "find",
     "index", "count", "join", "strip", "lstrip", "rstrip"}
)  # fmt: skip


def _is_of_errors(names: list[str]) -> bool:
    return bool({"error", "exception"}.intersection(names))


def _is_text(node: ast.expr) -> bool:
    """Whether an expression is a text for sure."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str)
    if isinstance(node, ast.JoinedStr):
        return True
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        return _is_text(node.left)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _is_text(node.left) or _is_text(node.right)
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute):
            return node.func.attr in ("format", "join", "decode") and (
                node.func.attr == "decode" or _is_text(node.func.value)
            )
        return isinstance(node.func, ast.Name) and node.func.id in ("str", "repr", "unicode")
    return False


def _is_event(found: Any) -> bool:
    return isinstance(found, type) and issubclass(found, BaseEvent)


def _shown(signature: inspect.Signature) -> str:
    plain = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in signature.parameters.values()
    ]
    text = str(signature.replace(parameters=plain, return_annotation=inspect.Signature.empty))
    return text if len(text) < 160 else f"{text[:156]}...)"
