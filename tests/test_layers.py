"""Modules import only from below, and use what is theirs: checked by reading the sources.

Three things: the table of packages, the floors inside ``core``, ``web`` and ``node``, and circles, wherever
they are. Imports within functions count like any other, those for type checkers do not.
And nobody outside ``core`` reaches into the engine or its parts.
"""

from __future__ import annotations

import ast
import functools
import re
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import pytest

_SOURCES = Path(__file__).parent.parent / "src" / "circuits"

_BELOW_WEB = {"_wire", "core", "net", "io"}
_EVERYTHING = {"_wire", "core", "net", "io", "web", "node", "app", "protocols"}

# Package: what it may import of ours, besides itself and the version.
_MAY_IMPORT: dict[str, set[str]] = {
    "_version": set(),
    "six": set(),
    "_wire": set(),
    "core": {"_wire"},
    "net": {"core", "_wire"},
    "io": {"core", "_wire"},
    "web": _BELOW_WEB,
    "node": _BELOW_WEB,
    "app": _BELOW_WEB,
    # The 3.x paths only give other names to what is below.
    "protocols": _BELOW_WEB,
    "tools": _EVERYTHING | {"testing"},
    "testing": _EVERYTHING | {"tools"},
    "cli": _EVERYTHING | {"tools", "testing", "bench"},
    "bench": {"core"},
}
# Packages that import the standard library and nothing else.
_ONLY_STANDARD_LIBRARY = {"_wire", "_version"}
# Aliases may stand beside what they stand for: `circuits.core` hands out nothing from above.
_RE_EXPORTS = {"__init__.py", "__main__.py"}


#: The floors of ``core``, ``web`` and ``node``, from the ground up: a module imports from its own floor and from
#: those below. What stands for a folder stands for all in it.
_FLOORS: dict[str, list[str]] = {
    "core": [
        "_clock errors utils _held _latch _signal_pipe _turns _written _shown _tracebacks",
        """_flags _event_state _created _fields _signatures events values _mistakes handlers _reports _routing
        _queue _causes""",
        "_call_in_loop _suspension _sleep _name_waits _tasks _task_table _waits _outcomes _dispatch _direct _traced_parts _tracing _boundary",
        "_loop _starting _signals _session _asyncio_runner _asyncio_host _asyncio_guest",
        "_engine",
        "_nodes manager components",
        """_watched _grace _poller_user _descriptor pollers timers debugger helpers loader _suspended _running _brief _event_filter _tree_data inspection""",
        "_process workers bridge supervisor",
    ],
    "web": [
        """_at_hand _cached_property constants _header_elements headers exceptions url utils _auth _conditional _cookies _form_limits _forms _host _limits _request_body _response_body _response_framing
        _client_auth _client_body _client_cookies _client_errors _client_outcome _client_proxies
        _client_request _client_response _json _log_file _log_outlet _multi_values _multipart _networks _origins _paths _signing _status _upload _urlencoded passwords""",
        "wrappers events errors _request _response",
        """_transport _results _later _exchange _exchange_errors _exchange_state _connection _binding _conversion _intake _pieces _threads _coding _proxies eventstream _exposed _outgoing _connections _media_types _validators _file_response
        _client_pending _client_pool _client_sending _client_tunnel _client_connection
        _wsgi_hosting _wsgi_hosting_environ _wsgi_hosting_files _websocket _websocket_options _websocket_link _websocket_waits _websocket_accepting _asgi_hosting _asgi_hosting_fields _asgi_hosting_lifespan _asgi_hosting_scope _asgi_hosting_websocket""",
        "http client websocket _websocket_client_handshake _websocket_client_link _websocket_client_messages _wsgi_application _wsgi_application_request _asgi_application _asgi_application_body _asgi_application_request _asgi_application_websocket _websocket_events _websocket_exposed",
        # The applications that others host have a dispatcher of their own, as servers have.
        """servers controllers dispatchers sessions loggers tools _hosted_tree wsgi asgi compression csrf _routes health metrics requestids security
        _session _session_cookie _session_memory _session_sqlite websockets""",
        "openapi _command_line _loading _program _validation",
        "_prefork _reloading",
        "main __main__ apps",
    ],
    "node": [
        "_reserved errors events _known _accept _options _subjects _nats_options _nats_client _nats_writer",
        "_asked _foreign _local _handshake _heartbeat _link",
        "_hub _streams _nats_asked",
        "_sockets _party _letters _desk _nats_intake _nats_link _nats_presence",
        "client server utils nats",
        "node",
    ],
}

#: What a tree's engine is reached by, and its parts.
_ENGINES = frozenset({"engine", "_engine", "_tree_engine", "_tree_live"})
_PARTS = frozenset({"queue", "routes", "tasks", "dispatch", "loop", "schedule"})


def is_for_type_checkers(node: ast.AST) -> bool:
    """Whether a node is ``if TYPE_CHECKING:``."""
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def statements(node: ast.AST, *, with_types: bool) -> Iterator[ast.AST]:
    """Walk the statements of a tree, if need be past what is for type checkers only."""
    yield node
    if isinstance(node, ast.If) and not with_types and is_for_type_checkers(node):
        children: list[ast.AST] = [*node.orelse]
        if ast.unparse(node.test).startswith("not "):
            children = [*node.body]
    else:
        children = [
            child
            for field in ("body", "orelse", "handlers", "finalbody", "cases")
            for child in getattr(node, field, ())
        ]
    for child in children:
        yield from statements(child, with_types=with_types)


class Import(NamedTuple):
    """An import of names: for ``import`` these are modules, and ``base`` is ``None``."""

    line: int
    level: int
    base: str | None
    names: tuple[str, ...]


class Found(NamedTuple):
    """What is looked for in a source."""

    imports: list[Import]
    imports_without_types: list[Import]
    reaches: list[tuple[int, str]]


@functools.cache
def found_in(source: str) -> Found:
    """All that is looked for in a source, at once.

    What is kept is little: whole trees of all sources are half a million objects, which each collection
    of garbage would look at as long as the tests run.
    """
    tree = ast.parse(source)
    imports, without_types = (
        [
            Import(
                node.lineno,
                getattr(node, "level", 0),
                (node.module or "") if isinstance(node, ast.ImportFrom) else None,
                tuple(alias.name for alias in node.names),
            )
            for node in statements(tree, with_types=with_types)
            if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        for with_types in (True, False)
    )
    visitor = _Reach()
    if any(name in source for name in _ENGINES):
        visitor.visit(tree)
    return Found(imports, without_types, visitor.found)


def imported_modules(
    source: str, module: str, *, is_package: bool, with_types: bool = True
) -> Iterator[tuple[int, str]]:
    """A pair (line, absolute module or module.name) for each import, lazy ones included."""
    package = module if is_package else module.rpartition(".")[0]
    found = found_in(source)
    for line, level, base, names in found.imports if with_types else found.imports_without_types:
        if base is None:
            for name in names:
                yield line, name
            continue
        if level:
            anchor = package.split(".")
            anchor = anchor[: len(anchor) - level + 1]
            base = ".".join([*anchor, base] if base else anchor)
        if base == "circuits":  # what is taken may be a package or a friendly name
            for name in names:
                yield line, f"circuits.{name}"
        elif with_types:
            yield line, base
        else:  # likewise, below
            for name in names:
                yield line, f"{base}.{name}"


def modules_below(root: Path) -> dict[str, Path]:
    """The modules below a folder ``circuits``, by their full names."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = ["circuits", *path.relative_to(root).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def import_graph(root: Path) -> dict[str, dict[str, int]]:
    """Module: the modules of ours that it imports, and where. Types aside."""
    modules = modules_below(root)
    graph: dict[str, dict[str, int]] = {module: {} for module in modules}
    for module, path in modules.items():
        source = path.read_text(encoding="utf-8")
        is_package = path.name == "__init__.py"
        for line, target in imported_modules(
            source, module, is_package=is_package, with_types=False
        ):
            name = target if target in modules else target.rpartition(".")[0]
            if name in modules and name != module:
                graph[module].setdefault(name, line)
    return graph


def circles(root: Path) -> list[list[str]]:
    """The largest groups of modules each of which imports all others, directly or not."""
    graph = import_graph(root)
    reached: dict[str, set[str]] = {}
    for module in graph:
        seen: set[str] = set()
        waiting = list(graph[module])
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting.extend(graph[name])
        reached[module] = seen
    groups = {
        tuple(sorted(other for other in reached[module] if module in reached[other]))
        for module in graph
        if module in reached[module]
    }
    return [list(group) for group in sorted(groups)]


def floor_violations(root: Path) -> list[str]:
    """Every import in a package with floors that goes up, and every module without a floor."""
    places = {
        f"circuits.{package}.{name}": (package, number)
        for package, floors in _FLOORS.items()
        for number, floor in enumerate(floors)
        for name in floor.split()
    }

    def place(module: str) -> tuple[str, int] | None:
        return places.get(".".join(module.split(".")[:3]))

    found = []
    modules = modules_below(root)
    for module, targets in import_graph(root).items():
        parts = module.split(".")
        if len(parts) < 3 or parts[1] not in _FLOORS:
            continue  # a package itself hands out what it has
        where = f"circuits/{modules[module].relative_to(root).as_posix()}"
        own = place(module)
        if own is None:
            found.append(f"{where}: {module} has no floor")
            continue
        for target, line in targets.items():
            if target == f"circuits.{parts[1]}":
                found.append(f"{where}:{line}: imports the package that it is part of")
            other = place(target)
            if other is not None and other[0] == own[0] and other[1] > own[1]:
                found.append(f"{where}:{line}: {target} is on a floor above")
    return found


class _Reach(ast.NodeVisitor):
    """Finds private members of engines and their parts, also by names that stand for them."""

    def __init__(self) -> None:
        self.found: list[tuple[int, str]] = []
        self._named: set[str] = set()

    def _is_engine(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Name):
            return node.id == "engine"
        return isinstance(node, ast.Attribute) and node.attr in _ENGINES

    def _is_theirs(self, node: ast.expr) -> bool:
        if isinstance(node, ast.NamedExpr):
            node = node.value
        if self._is_engine(node) or (isinstance(node, ast.Name) and node.id in self._named):
            return True
        return (
            isinstance(node, ast.Attribute) and node.attr in _PARTS and self._is_theirs(node.value)
        )

    def _bind(self, target: ast.expr, value: ast.expr | None) -> None:
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for one, other in zip(target.elts, value.elts, strict=False):
                self._bind(one, other)
        elif isinstance(target, ast.Name) and value is not None and self._is_theirs(value):
            self._named.add(target.id)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        before, self._named = self._named, set(self._named)
        self.generic_visit(node)
        self._named = before

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._bind(target, node.value)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._bind(node.target, node.value)
        self.generic_visit(node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self._bind(node.target, node.value)
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr.startswith("_") and self._is_theirs(node.value):
            self.found.append((node.lineno, ast.unparse(node)))
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        function, arguments = node.func, node.args
        if isinstance(function, ast.Name) and function.id in ("getattr", "setattr", "hasattr"):
            thing, name = arguments[:2]
            if isinstance(name, ast.Constant) and str(name.value).startswith("_"):
                if self._is_theirs(thing):
                    self.found.append((node.lineno, ast.unparse(node)))
        self.generic_visit(node)


def reaches(root: Path) -> list[str]:
    """Where something outside ``core`` uses private members of an engine or of its parts."""
    found = []
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        if relative.parts[0] != "core":
            found += [
                f"circuits/{relative.as_posix()}:{line}: {what}"
                for line, what in found_in(path.read_text(encoding="utf-8")).reaches
            ]
    return found


def violations(root: Path) -> list[str]:
    """Every import below ``root`` (a folder ``circuits``) that the table does not allow."""
    found = []
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        if str(relative) in _RE_EXPORTS:
            continue
        layer = relative.parts[0].removesuffix(".py")
        allowed = _MAY_IMPORT.get(layer)
        where = f"circuits/{relative.as_posix()}"
        if allowed is None:
            found.append(f"{where}: {layer} has no place in the table")
            continue
        parts = ["circuits", *relative.with_suffix("").parts]
        is_package = parts[-1] == "__init__"
        module = ".".join(parts[:-1] if is_package else parts)
        source = path.read_text(encoding="utf-8")
        for line, target in imported_modules(source, module, is_package=is_package):
            head, *rest = target.split(".")
            if head == "circuits":
                name = rest[0] if rest else ""
                if name in {layer, "_version"} or name in allowed:
                    continue
                if name not in _MAY_IMPORT:
                    found.append(f"{where}:{line}: imports the top-level circuits ({target})")
                else:
                    found.append(f"{where}:{line}: {layer} imports {target}")
            elif layer in _ONLY_STANDARD_LIBRARY and head not in sys.stdlib_module_names:
                found.append(f"{where}:{line}: {layer} imports {target}")
    return found


def test_the_sources_keep_the_table() -> None:
    assert violations(_SOURCES) == []


def test_there_are_sources() -> None:
    assert {"_wire", "core"} <= {path.name for path in _SOURCES.iterdir()}


@pytest.mark.parametrize(
    ("file", "source", "complaint"),
    [
        ("core/a.py", "from circuits.net.sockets import TCPServer", "core imports circuits.net"),
        ("core/a.py", "import circuits.web", "core imports circuits.web"),
        ("core/a.py", "def f():\n    from circuits import io", "core imports circuits.io"),
        ("core/a.py", "from circuits import Event", "imports the top-level circuits"),
        ("core/a.py", "import circuits", "imports the top-level circuits"),
        ("core/sub/a.py", "from ...net import sockets", "core imports circuits.net"),
        ("core/__init__.py", "from ..web import http", "core imports circuits.web"),
        ("net/a.py", "from circuits.io import file", "net imports circuits.io"),
        ("io/a.py", "from .. import net", "io imports circuits.net"),
        ("web/a.py", "from circuits.node import node", "web imports circuits.node"),
        ("node/a.py", "from circuits.web import http", "node imports circuits.web"),
        ("app/a.py", "from circuits.testing import Recorder", "app imports circuits.testing"),
        ("_wire/a.py", "from circuits.core import events", "_wire imports circuits.core"),
        ("_wire/a.py", "import msgspec", "_wire imports msgspec"),
        ("new/a.py", "", "new has no place in the table"),
    ],
)
def test_a_violation_is_found(tmp_path: Path, file: str, source: str, complaint: str) -> None:
    path = tmp_path / "circuits" / file
    path.parent.mkdir(parents=True)
    path.write_text(source, encoding="utf-8")
    assert [complaint in line for line in violations(tmp_path / "circuits")] == [True]


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("__init__.py", "from circuits.web import Controller"),
        ("core/a.py", "from circuits.core.events import Event\nfrom . import b\nimport socket"),
        ("core/a.py", "from circuits._wire import buffer"),
        ("core/a.py", "from circuits._version import __version__"),
        ("_wire/a.py", "import struct\nfrom circuits._wire.buffer import Buffer\nfrom . import b"),
        ("web/a.py", "import msgspec\nfrom circuits.net.sockets import TCPServer"),
        ("web/dispatchers/a.py", "from circuits.web.events import Request\nfrom . import static"),
        ("testing/a.py", "from circuits.web import Server\nfrom circuits.tools import graph"),
    ],
)
def test_what_the_table_allows_passes(tmp_path: Path, file: str, source: str) -> None:
    path = tmp_path / "circuits" / file
    path.parent.mkdir(parents=True)
    path.write_text(source, encoding="utf-8")
    assert violations(tmp_path / "circuits") == []


def written(folder: Path, files: dict[str, str]) -> Path:
    """A folder ``circuits`` with these files."""
    root = folder / "circuits"
    for name, source in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return root


def test_there_is_no_circle_of_imports() -> None:
    assert circles(_SOURCES) == []


@pytest.mark.parametrize(
    "files",
    [
        {"net/a.py": "from . import b", "net/b.py": "from .a import thing"},
        {"net/a.py": "def f():\n    from .b import x", "net/b.py": "import circuits.net.a"},
        {
            "core/a.py": "from .folder.b import x",
            "core/folder/b.py": "if True:\n    from circuits.core import a",
        },
        {
            "io/a.py": "TYPE_CHECKING = False\nif not TYPE_CHECKING:\n    from . import b",
            "io/b.py": "if TYPE_CHECKING:\n    pass\nelse:\n    from .a import x",
        },
    ],
)
def test_a_circle_is_found(tmp_path: Path, files: dict[str, str]) -> None:
    names = ["circuits." + name.removesuffix(".py").replace("/", ".") for name in files]
    assert circles(written(tmp_path, files)) == [names]


def test_a_circle_of_three_is_one(tmp_path: Path) -> None:
    files = {
        "io/a.py": "from . import b",
        "io/b.py": "from . import c",
        "io/c.py": "from . import a",
    }
    files["io/d.py"] = "from . import a"
    assert circles(written(tmp_path, files)) == [
        ["circuits.io.a", "circuits.io.b", "circuits.io.c"]
    ]


def test_types_make_no_circle(tmp_path: Path) -> None:
    files = {
        "io/a.py": "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    from . import b",
        "io/b.py": "from . import a\nif typing.TYPE_CHECKING:\n    from . import c",
        "io/c.py": "from .b import x",
    }
    assert circles(written(tmp_path, files)) == []


def test_the_floors_are_kept() -> None:
    assert floor_violations(_SOURCES) == []


def test_every_floor_exists() -> None:
    present = {name for module in modules_below(_SOURCES) for name in [module.split(".")[-1]]}
    present |= {module.split(".")[2] for module in modules_below(_SOURCES) if module.count(".") > 1}
    coming = {"client", "websocket", "wsgi", "asgi", "sessions", "apps"}
    named = {name for floors in _FLOORS.values() for floor in floors for name in floor.split()}
    assert named - present - coming == set()


@pytest.mark.parametrize("package", ["core", "web"])
def test_the_map_for_newcomers_has_every_module(package: str) -> None:
    text = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = {name.removeprefix(f"{package}/").rstrip("/") for name in re.findall("`([^`]+)`", text)}
    present = {path.stem for path in (_SOURCES / package).iterdir() if path.stem[:2] != "__"}
    assert {n for n in present if not any(fnmatchcase(n, pattern) for pattern in named)} == set()


@pytest.mark.parametrize(
    ("file", "source", "complaint"),
    [
        ("core/errors.py", "from .events import Event", "circuits.core.events is on a floor above"),
        ("core/_loop.py", "def f():\n    from . import pollers", "circuits.core.pollers is on"),
        ("core/_loop.py", "import circuits.core.manager", "circuits.core.manager is on"),
        ("core/pollers.py", "from ._process import pools", "circuits.core._process.pools is on"),
        ("core/_new.py", "", "circuits.core._new has no floor"),
        ("core/manager.py", "from circuits.core import Event", "the package that it is part of"),
        ("web/headers.py", "from . import http", "circuits.web.http is on a floor above"),
        ("web/http.py", "from .dispatchers.static import x", "dispatchers.static is on a floor"),
        ("web/dispatchers/static.py", "from ..main import x", "circuits.web.main is on a floor"),
    ],
)
def test_an_import_from_above_is_found(
    tmp_path: Path, file: str, source: str, complaint: str
) -> None:
    others = dict.fromkeys(
        [
            "core/__init__.py", "core/events.py", "core/pollers.py", "core/manager.py",
            "core/_process/pools.py", "web/http.py", "web/main.py", "web/dispatchers/static.py",
        ],
        "",
    )  # fmt: skip
    found = floor_violations(written(tmp_path, {**others, file: source}))
    assert [complaint in line for line in found] == [True]


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("core/manager.py", "from .events import Event\nfrom . import components"),
        ("core/events.py", "if TYPE_CHECKING:\n    from .manager import Manager"),
        ("core/_process/pools.py", "from circuits.core.workers import x"),
        ("core/__init__.py", "from .workers import Worker"),
        ("web/servers.py", "from circuits.core.manager import x\nfrom .http import HTTP"),
    ],
)
def test_what_the_floors_allow_passes(tmp_path: Path, file: str, source: str) -> None:
    others = dict.fromkeys(
        [
            "core/events.py",
            "core/components.py",
            "core/manager.py",
            "core/workers.py",
            "web/http.py",
        ],
        "",
    )
    assert floor_violations(written(tmp_path, {**others, file: source})) == []


def test_nobody_reaches_into_the_engine() -> None:
    assert reaches(_SOURCES) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("engine._hang_up_wishes", "engine._hang_up_wishes"),
        ("self._tree_engine._retire(x)", "self._tree_engine._retire"),
        ("x = self._tree_live.queue._ranked", "self._tree_live.queue._ranked"),
        ("def f(self):\n    loop = self._tree_engine.loop\n    loop._turns = 1", "loop._turns"),
        ("async def f():\n    q, r = engine.queue, 1\n    q._sort()", "q._sort"),
        ("table: Any = self.engine.tasks\ntable._tasks", "table._tasks"),
        ("(s := engine.schedule)._forget()", "(s := engine.schedule)._forget"),
        ("if (s := component._tree_engine.schedule):\n    s._forget()", "s._forget"),
        ("getattr(engine.routes, '_by_name')", "getattr(engine.routes, '_by_name')"),
    ],
)
def test_a_reach_into_the_engine_is_found(tmp_path: Path, source: str, found: str) -> None:
    root = written(tmp_path, {"net/a.py": source, "tools/a.py": source, "core/a.py": source})
    assert [line.partition(": ")[2] for line in reaches(root)] == [found, found]


@pytest.mark.parametrize(
    "source",
    [
        "self._tree_engine.queue.append(event)",
        "component._tree_engine",
        "self.loop._private",  # a loop of its own
        "def f():\n    loop = engine.loop\ndef g(loop):\n    loop._x",
    ],
)
def test_what_is_public_or_ones_own_may_be_used(tmp_path: Path, source: str) -> None:
    assert reaches(written(tmp_path, {"net/a.py": source})) == []
