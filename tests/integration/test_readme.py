"""The program on the front page does what it says."""

from __future__ import annotations

import http.client
import re
import threading
from pathlib import Path
from typing import Any

_README = Path(__file__).parent.parent.parent / "README.md"
_LAST_LINE = "(Server(8000) + Root() + Greeter()).run()\n"


def test_the_program_on_the_front_page_answers() -> None:
    found = re.search(r"^```python\n(.*?)^```", _README.read_text(encoding="utf-8"), re.S | re.M)
    assert found is not None
    program = found.group(1)
    assert program.endswith(_LAST_LINE)
    names: dict[str, Any] = {"__name__": "readme"}
    exec(
        program.replace(_LAST_LINE, "server = Server(('127.0.0.1', 0)) + Root() + Greeter()\n"),
        names,
    )
    server = names["server"]
    answers: list[tuple[int, bytes]] = []

    def visit() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        try:
            for path in ("/", "/hello?name=you", "/hello"):
                connection.request("GET", path)
                response = connection.getresponse()
                answers.append((response.status, response.read()))
        finally:
            connection.close()
            server.stop()

    visitor = threading.Thread(target=visit)
    visitor.start()
    server.run()
    visitor.join(30)
    assert answers == [
        (200, b"Ask /hello?name=you"),
        (200, b"Hello you!"),
        (200, b"Hello World!"),
    ]
