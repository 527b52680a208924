"""The examples of the web, run and asked as their readers would do it."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
import urllib.request
from collections.abc import Iterator
from typing import Any
from xmlrpc.client import Fault, ServerProxy

import pytest

from tests.certificates import Certificates
from tests.integration.example_support import EXAMPLES
from tests.integration.web_support import SECONDS, Program, running

pytestmark = pytest.mark.integration


def example(name: str, *arguments: str) -> contextlib.AbstractContextManager[Program]:
    """Run one, on a free port."""
    return running(EXAMPLES / "web" / name, "-b", "127.0.0.1:0", *arguments)


def test_virtual_hosts() -> None:
    with example("virtualhosts.py") as program, program.connect() as wire:
        assert wire.get("/").body == b"I am the main site\n"
        wire.send(b"GET /topic/7 HTTP/1.1\r\nHost: forum.example.com\r\n\r\n")
        assert wire.answer().body == b"Topic 7, at http://forum.example.com/topic/7\n"


@pytest.fixture(scope="module")
def rpc() -> Iterator[Program]:
    with example("rpc.py") as program:
        yield program


def test_xml_rpc_with_the_client_of_the_standard_library(rpc: Program) -> None:
    with ServerProxy(f"{rpc.base}/xml") as proxy:
        assert proxy.calc.add(1, 2) == 3
        assert proxy.add("a", "b") == "ab"
        assert proxy.calc.slow("grüße") == "GRÜSSE"
        with pytest.raises(Fault, match="ZeroDivisionError: division by zero") as caught:
            proxy.calc.divide(1, 0)
        assert caught.value.faultCode == 1
        with pytest.raises(Fault, match=r"there is no method 'web\.close'"):
            proxy.web.close()
        with pytest.raises(Fault, match=r"there is no method 'system\.listMethods'"):
            proxy.system.listMethods()
        assert proxy.calc.add(1, 2) == 3
    assert rpc.get("/").body.startswith(b"Call calc.add")


def _post(rpc: Program, message: Any) -> Any:
    request = urllib.request.Request(f"{rpc.base}/json", json.dumps(message).encode())
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        data = answer.read()
        assert answer.status == (200 if data else 204)
        return json.loads(data) if data else None


def test_json_rpc(rpc: Program) -> None:
    def call(method: str, *params: Any, **rest: Any) -> Any:
        return {"jsonrpc": "2.0", "method": method, "params": params, **rest}

    assert _post(rpc, call("calc.add", 1, 2, id="a")) == {"jsonrpc": "2.0", "result": 3, "id": "a"}
    assert _post(rpc, call("calc.add", 1, 2)) is None
    batch = [call("calc.slow", "a", id=1), call("calc.divide", 1, 0, id=2), call("add", 1, 1)]
    slow, wrong = _post(rpc, batch)
    assert slow == {"jsonrpc": "2.0", "result": "A", "id": 1}
    assert wrong["error"] == {"code": -32000, "message": "ZeroDivisionError: division by zero"}


def test_slow_calls_do_not_wait_for_each_other(rpc: Program) -> None:
    def ask() -> None:
        with ServerProxy(f"{rpc.base}/xml") as proxy:
            answers.append(proxy.calc.slow("x"))

    answers: list[Any] = []
    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert answers == ["X"] * 20


def test_a_wsgi_gateway() -> None:
    with example("wsgi_gateway.py", "-t", "2") as program:
        assert program.get("/").body == b"Look at /hello and /count\n"
        assert program.get("/hello/you").body == b"Hello from /hello, asked for /you\n"
        assert program.get("/count").body == b"0\n1\n2\n"


def test_a_wsgi_application() -> None:
    # The server of the standard library does not know what SIGTERM is for.
    with running(EXAMPLES / "web/wsgi_application.py", "-b", "127.0.0.1:0", status=None) as program:
        assert program.get("/").body == b"Hello World!\n"
        assert program.get("/slow").body == b"Here I am\n"
        assert program.get("/missing").code == 404


def test_hello_and_good_bye() -> None:
    with example("hello.py") as program:
        assert program.get("/").body == b"Hello World!"
        assert program.get("/exit").code == 503
        assert program.process.wait(SECONDS) == 0


def test_a_shop_that_can_be_watched() -> None:
    with example("inspector.py") as program:
        assert program.get("/").body == b"Ordered tea; see /inspector\n"
        with urllib.request.urlopen(f"{program.base}/inspector", timeout=SECONDS) as answer:
            assert b"<title>Inspector</title>" in answer.read()


def test_a_component_that_answers_by_itself() -> None:
    with example("hello_base.py") as program:
        assert program.get("/a/b").body == b"Hello /a/b"


def test_forms_and_files() -> None:
    with example("forms.py") as program:
        assert b"multipart/form-data" in program.get("/").body
        request = urllib.request.Request(f"{program.base}/greet", b"name=%3Cb%3E")
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            assert answer.read() == b"Hello &lt;b&gt;"
        part = b'Content-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nabc'
        request = urllib.request.Request(
            f"{program.base}/upload",
            b"--xx\r\n" + part + b"\r\n--xx--\r\n",
            {"Content-Type": "multipart/form-data; boundary=xx"},
        )
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            assert answer.read() == b"a.txt has 3 bytes"


def test_filters() -> None:
    login = "Authorization: Basic YWRtaW46c2VjcmV0"
    with example("filters.py") as program, program.connect() as wire:
        assert wire.get("/").code == 401
        assert wire.get("/", login).body == b"HELLO ADMIN!"


def test_data() -> None:
    with example("api.py") as program:
        assert json.loads(program.get("/numbers").body) == [1, 2, 3]
        assert json.loads(program.get("/numbers/double/4").body) == {"number": 4, "double": 8}
        assert json.loads(program.get("/data").body) == {"made by": "exposeJSON"}
        assert json.loads(program.get("/own").body) == {"made by": "as_json"}


def test_templates() -> None:
    pytest.importorskip("jinja2")
    with example("templates.py") as program:
        assert b"<li>Ulysses</li><li>&lt;Emma&gt;</li>" in program.get("/").body


def test_a_terminal() -> None:
    with example("terminal.py") as program:
        assert program.get("/run/count").body == b"1\n2\n3\n"


def test_tls_and_certificates_of_clients(certificates: Certificates) -> None:
    def ask(program: Program, context: ssl.SSLContext) -> bytes:
        url = program.base.replace("http:", "https:")
        with urllib.request.urlopen(url, timeout=SECONDS, context=context) as answer:
            data: bytes = answer.read()
            return data

    context = ssl.create_default_context(cafile=certificates.authority)
    with example("tls.py", str(certificates.server)) as program:
        assert ask(program, context) == b"Hello, whoever you are"
    only = ["--clients", str(certificates.authority), str(certificates.server)]
    with example("tls.py", *only) as program:
        with pytest.raises(OSError):
            ask(program, context)
        context.load_cert_chain(certificates.client)
        assert ask(program, context).startswith(b"Hello ")
        assert ask(program, context) != b"Hello, whoever you are"
