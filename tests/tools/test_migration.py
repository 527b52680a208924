"""Idioms of 2.1 and 3.x: what changed is found with its place and cure, the rest is left alone."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from circuits.tools import Idiom, find_idioms

_ROOT = Path(__file__).parents[2]


def found(source: str) -> list[tuple[int, str]]:
    return [(idiom.line, idiom.code) for idiom in find_idioms(textwrap.dedent(source))]


def component(body: str, imports: str = "from circuits.net.sockets import TCPServer, write") -> str:
    head = f"from circuits import Component, Event, handler\n{imports}\nclass App(Component):\n"
    return head + textwrap.indent(textwrap.dedent(body).strip(), "    ")


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("print 'hello'", "the print statement"),
        ("print", None),
        ("x = `y`", "`repr` in backticks"),
        ("if a <> b: pass", "the operator <>"),
        ("raise ValueError, 'x'", "'raise Error, text'"),
        ("exec 'x = 1'", "the exec statement"),
        ("mode = 0755", "an octal number such as 0755"),
        ("t = ur'x'", "a text such as ur''"),
        ("try:\n    x\nexcept IOError, e:\n    pass", "'except Error, problem'"),
    ],
)
def test_syntax_of_python_2_is_named(line: str, what: str | None) -> None:
    idioms = find_idioms(f"import os\n{line}\n", "old.py")
    if what is None:  # a name, for Python 3
        assert idioms == []
        return
    (idiom,) = idioms
    assert idiom.code == "python2"
    assert idiom.text == f"{what} is of Python 2"
    assert "2to3" in idiom.cure
    assert str(idiom).startswith(f"old.py:{idiom.line}:1: python2: ")
    assert idiom.line == (4 if "except" in line else 2)


def test_what_is_nested_deeply_is_read() -> None:
    program = "from circuits import tick\nx = " + "+".join(["'a'"] * 900) + "\n"
    assert [idiom.code for idiom in find_idioms(program)] == ["missing-name"]


@pytest.mark.parametrize("nested", ["-" * 200_000 + "1", "+".join(["1"] * 200_000)])
def test_what_is_nested_too_deeply_is_told(nested: str) -> None:
    (idiom,) = find_idioms(f"x = {nested}\n", "made.py")
    assert (idiom.path, idiom.line, idiom.code) == ("made.py", 1, "nested")


def test_other_syntax_is_told_with_its_place() -> None:
    (idiom,) = find_idioms("x = 1\ny = (\n")
    assert (idiom.line, idiom.code) == (2, "syntax")
    assert "was never closed" in idiom.text
    (idiom,) = find_idioms(b"x = '\xff'\n")
    assert idiom.code == "syntax"


@pytest.mark.parametrize(
    ("source", "cure"),
    [
        ("import urllib2", "it is urllib.request now"),
        ("from Queue import Queue", "it is queue now"),
        ("for k, v in d.iteritems(): pass", "use items"),
        ("x = unicode(y)", "use str"),
        ("if d.has_key(1): pass", "use the operator in"),
    ],
)
def test_names_of_python_2(source: str, cure: str) -> None:
    (idiom,) = find_idioms(source)
    assert (idiom.code, idiom.cure) == ("python2", cure)


def test_names_of_ones_own_and_prepared_programs_are_left_alone() -> None:
    assert found("def file(): ...\nfile()") == []
    assert found("try:\n    import urllib2\nexcept ImportError:\n    import urllib.request") == []


@pytest.mark.parametrize(
    ("source", "text", "cure"),
    [
        ("from circuits import tick", "circuits has no tick", "use a Timer"),
        ("from circuits.core import TCPServer", "circuits.core has no TCPServer",
         "import it from circuits.net.sockets"),
        ("import circuits.core.pools", "circuits.core has no pools", ""),
        ("import circuits.web\ncircuits.web.Controler", "circuits.web has no Controler",
         "Controller may be what is meant"),
        ("import circuits.web as w\nw.Controler", "circuits.web has no Controler", "Controller"),
    ],
)  # fmt: skip
def test_names_that_are_gone(source: str, text: str, cure: str) -> None:
    (idiom,) = find_idioms(source)
    assert (idiom.code, idiom.text) == ("missing-name", text)
    assert cure in idiom.cure


@pytest.mark.parametrize(
    "text", ['"x"', '"%s" % x', '"a" + x', 'f"{x}"', '"{}".format(x)', "str(x)", '"".join(x)']
)
def test_text_to_sockets(text: str) -> None:
    source = component(f"def read(self, sock, data):\n    self.fire(write(sock, {text}))")
    assert found(source) == [(5, "text-to-socket")]


def test_bytes_and_what_nobody_knows_may_be_sent() -> None:
    for data in ('b"x"', "data", '"x".encode()', "b'%s' % x", "self.text"):
        source = component(f"def read(self, sock, data):\n    self.fire(write(sock, {data}))")
        assert found(source) == []
    assert found(component("def ready(self):\n    self.fire(write(('host', 1), b'x'))")) == []


def test_text_may_be_sent_over_websockets_and_to_files() -> None:
    web = "from circuits.net.events import write\nfrom circuits.web.websockets import WebSocketsDispatcher"
    body = "def read(self, sock, data):\n    self.fire(write(sock, 'x' + data))\n    return 'x'"
    assert found(component(body, web)) == []
    assert found(component("def go(self):\n    write('x')", "from circuits.io import write")) == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("return 'hello'", "text-to-socket"),
        ("if data == 'quit': pass", "text-from-socket"),
        ("if data.strip() == 'quit': pass", "text-from-socket"),
        ("if 'x' in data: pass", "text-from-socket"),
        ("data.split(' ')", "text-from-socket"),
        ("data.startswith('GET')", "text-from-socket"),
        ("return b'hello'", None),
        ("if data == b'quit': pass", None),
        ("if data.decode() == 'quit': pass", None),
        ("data = data.decode()\nif data == 'quit': pass", None),
        ("data.split()", None),
    ],
)
def test_text_from_sockets(body: str, code: str | None) -> None:
    source = component("def read(self, sock, data):\n" + textwrap.indent(body, "    "))
    assert [kind for _, kind in found(source)] == ([] if code is None else [code])


def test_other_handlers_may_have_text() -> None:
    assert found(component("def line(self, sock, data):\n    return data == 'x'")) == []
    files = "from circuits.io import File\nfrom circuits.net.sockets import TCPClient"
    assert found(component("def read(self, data):\n    return data == 'x'", files)) == []


def test_filters_that_let_an_event_go_on_in_2_1() -> None:
    body = "@handler('go', filter=True)\ndef _on_go(self):\n    return {}"
    for value in ("False", "0", "''"):
        assert found(component(body.format(value))) == [(6, "filter-result")]
    for value in ("True", "None", "x"):
        assert found(component(body.format(value))) == []


@pytest.mark.parametrize("name", ["error", "exception"])
def test_tracebacks_are_lines(name: str) -> None:
    body = f"def {name}(self, type, value, tb, handler=None, fevent=None):\n    "
    for use in ("traceback.print_tb(tb)", "x = tb.tb_lineno", "traceback.format_tb(tb)"):
        assert found(component(body + use, "import traceback")) == [(5, "traceback-lines")]
    assert found(component(body + 'print("".join(tb))')) == []


def test_handlers_that_hide_methods() -> None:
    assert found(component("def stop(self): ...")) == [(4, "hides-method")]
    for fine in (
        "def init(self): ...",
        "def hello(self): ...",
        "@handler(False)\ndef stop(self): ...",
        "@handler('stop')\ndef _on_stop(self): ...",
        "@property\ndef name(self): ...",
    ):
        assert found(component(fine)) == []
    assert found("class Other:\n    def stop(self): ...") == []


def test_components_of_ones_own_are_followed() -> None:
    source = component("...") + "\n\nclass More(App):\n    def stop(self): ..."
    assert found(source) == [(7, "hides-method")]


def test_signals_cannot_be_vetoed() -> None:
    body = "def signal(self, event, number, frame):\n    event.stop()"
    assert found(component(body)) == [(5, "signal-veto")]


def test_turns_of_3_x_are_seconds() -> None:
    body = "def go(self):\n    yield self.call(Event.create('x'), timeout=100)"
    assert found(component(body)) == [(5, "timeout-seconds")]
    new = "from circuits.net.sockets import Write"
    assert found(component(body, new)) == []
    assert found(component(body.replace("100", "0"))) == []


def test_bridges_of_3_x() -> None:
    body = "def go(self):\n    App().start(process=True, link=self)"
    ipc = "from circuits.core.bridge import ipc"
    assert found(component(body, ipc)) == [(5, "implicit-bridge")]
    assert found(component(body)) == []
    assert found(component(body.replace("=self", "=self, implicit=False"), ipc)) == []


def test_arguments_that_do_not_fit() -> None:
    (idiom,) = find_idioms("from circuits import Timer\nTimer(5)\nTimer(*x)\nTimer(5, e, 'c')")
    assert (idiom.line, idiom.code) == (2, "arguments")
    assert "missing a required argument: 'event'" in idiom.text
    assert idiom.cure.startswith("it is Timer(interval, event")


def test_nothing_is_imported_but_circuits() -> None:
    assert found("import antigravity\nfrom antigravity import x\nantigravity.y") == []
    assert found("from circuits.web.__main__ import x") == []
    assert found("from . import circuits\nfrom .circuits import y\ncircuits.z") == []


@pytest.mark.parametrize("folder", ["examples", "tests/documented"])
def test_what_works_unchanged_is_not_reported(folder: str) -> None:
    lines = [
        str(idiom)
        for path in sorted((_ROOT / folder).rglob("*.py"))
        for idiom in find_idioms(path.read_bytes(), str(path))
    ]
    assert lines == []


def test_idioms_are_in_order_and_have_columns() -> None:
    first, second = find_idioms("x = unicode(raw_input())", "a.py")
    assert (first.column, second.column) == (5, 13)
    assert first == Idiom("a.py", 1, 5, "python2", "unicode is of Python 2", "use str")
