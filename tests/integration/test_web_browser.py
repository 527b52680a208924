"""A browser logs in by a form, uploads, fetches, streams, listens and talks, as a person has it do."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import Certificates
from tests.integration.process_support import eventually
from tests.integration.web_support import running
from tests.support import require_program

_SITE = '''
import asyncio, json, os
from circuits.web import (
    CSRF, Compression, Controller, EventStream, SecurityHeaders, Sessions, expose,
)

class Root(Controller):
    def __init__(self):
        super().__init__()
        for part in (Sessions(eager=False), CSRF(), SecurityHeaders(), Compression()):
            part.register(self)
        self.streams = {}

    def index(self):
        return LOGIN.replace("TOKEN", self.request.csrf_token)

    def login(self, user, password):
        if password != "p\\u00e4ss & word":
            return "wrong"
        self.session.regenerate()
        self.session["user"] = user
        self.response.set_cookie("seen", "yes", max_age=60)
        return self.redirect("/form")

    def form(self):
        page = FORM.replace("TOKEN", self.request.csrf_token)
        return page.replace("USER", self.session.get("user", "nobody"))

    def upload(self, file, note):
        data = file.file.read()
        self.session["upload"] = [file.filename, len(data), sum(data), note]
        if "fetch" in self.request.headers.get("X-Kind", ""):
            return {"upload": self.session["upload"]}
        return self.redirect("/script")

    def script(self):
        return SCRIPT.replace("TOKEN", self.request.csrf_token)

    def state(self):
        return {key: self.session.get(key) for key in ("user", "upload")}

    def add(self):
        numbers = self.request.json()["numbers"]
        return {"sum": sum(numbers), "method": self.request.method}

    async def stream(self):
        self.streams["a"] = asyncio.Event()
        yield "one,"
        await self.streams["a"].wait()  # until the page has seen that
        yield "two"

    def seen(self):
        self.streams["a"].set()
        return ""

    def ticks(self):
        return EventStream(self._ticks())

    async def _ticks(self):
        last = int(self.request.last_event_id or 0)
        for number in range(last + 1, last + 3):  # two each time, then the browser comes again
            data = {"number": number, "last": last}
            yield {"id": number, "event": "tick", "retry": 20, "data": data}

    @expose.websocket
    async def talk(self, websocket):
        await websocket.send(f"hello {self.session.get('user')}")
        async for message in websocket:
            if message == "close":
                await websocket.close(4001, "as you wish")
            else:
                await websocket.send(message)

    def private(self):
        raise PermissionError

    def report(self):
        with open("report.part", "w") as file:
            json.dump(self.request.json(), file)
        os.rename("report.part", "report.json")
        return ""

LOGIN = """<!doctype html><meta charset="utf-8"><title>login</title>
<form method="post" action="/login"><input name="user"><input name="password" type="password">
<input type="hidden" name="csrf_token" value="TOKEN"></form>
<script>
document.forms[0].user.value = "Ann \\u00c4";
document.forms[0].password.value = "p\\u00e4ss & word";
document.forms[0].submit();
</script>"""

FORM = """<!doctype html><meta charset="utf-8"><title>USER</title>
<form method="post" action="/upload" enctype="multipart/form-data">
<input type="hidden" name="csrf_token" value="TOKEN"><input type="file" name="file">
<textarea name="note"></textarea></form>
<script>
const chosen = new DataTransfer();
chosen.items.add(new File([new Uint8Array(300000).fill(7)], `\\u00fc "b".bin`));
document.forms[0].file.files = chosen.files;
document.forms[0].note.value = "two\\\\nlines";
document.forms[0].submit();
</script>"""

SCRIPT = """<!doctype html><meta charset="utf-8"><title>script</title><script>
const token = "TOKEN", seen = {};
const text = async (response) => response.status + " " + await response.text();

async function main() {
    seen.state = await (await fetch("/state")).json();
    seen.cookies = document.cookie;
    const json = {method: "PUT", body: JSON.stringify({numbers: [1, 2, 3]}),
                  headers: {"Content-Type": "application/json", "X-CSRF-Token": token}};
    seen.add = await (await fetch("/add", json)).json();
    delete json.headers["X-CSRF-Token"];
    seen.without_token = (await fetch("/add", json)).status;
    seen.error = (await fetch("/private")).status;

    const form = new FormData();
    form.append("note", "by fetch");
    form.append("file", new Blob([new Uint8Array(2000000).fill(1)]), "blob.bin");
    const headers = {"X-CSRF-Token": token, "X-Kind": "fetch"};
    const sent = await fetch("/upload", {method: "POST", body: form, headers});
    seen.upload = (await sent.json()).upload;

    const reader = (await fetch("/stream")).body.getReader(), decoder = new TextDecoder();
    seen.stream = [];
    for (let piece; !(piece = await reader.read()).done;) {
        seen.stream.push(decoder.decode(piece.value));
        if (seen.stream.length === 1) await fetch("/seen");
    }

    seen.ticks = [];
    await new Promise((resolve, reject) => {
        const source = new EventSource("/ticks");
        source.onerror = () => { if (source.readyState === EventSource.CLOSED) reject("refused"); };
        source.addEventListener("tick", (event) => {
            const {number, last} = JSON.parse(event.data);
            seen.ticks.push([event.lastEventId, number, last]);
            if (number === 5) { source.close(); resolve(); }
        });
    });

    seen.talk = [];
    await new Promise((resolve) => {
        const socket = new WebSocket(location.origin.replace("http", "ws") + "/talk");
        socket.binaryType = "arraybuffer";
        socket.onmessage = ({data}) => {
            seen.talk.push(typeof data === "string" ? data : data.byteLength);
            const next = ["\\u00e4".repeat(3), new Uint8Array(200000), "close"];
            socket.send(next[seen.talk.length - 1]);
        };
        socket.onclose = (event) => {
            seen.talk.push([event.code, event.reason, event.wasClean]);
            resolve();
        };
    });
}
main().catch((problem) => { seen.problem = String(problem); }).then(() => fetch("/report", {
    method: "POST", body: JSON.stringify(seen),
    headers: {"Content-Type": "application/json", "X-CSRF-Token": token},
}));
</script>"""
'''


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_browser(scheme: str, tmp_path: Path, certificates: Certificates) -> None:
    chromium = require_program("chromium")
    (tmp_path / "browsed.py").write_text(_SITE, encoding="utf-8")
    secure = ("--certfile", str(certificates.server)) if scheme == "https" else ()
    options = ("-b", "127.0.0.1:0", "--no-access-log", *secure)
    with running("-m", "circuits.web", *options, "browsed:Root", cwd=tmp_path) as program:
        browser = subprocess.Popen(
            [
                chromium,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--ignore-certificate-errors",
                "--remote-debugging-port=0",  # so that it stays until it is ended
                f"--user-data-dir={tmp_path / 'profile'}",
                f"{scheme}://127.0.0.1:{program.port}/",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": str(tmp_path)},
        )
        try:
            seen = _wait_for_report(tmp_path / "report.json", browser)
        finally:
            browser.terminate()
            browser.wait(30)
    assert seen.pop("problem", None) is None
    assert seen == {
        "state": {"user": "Ann Ä", "upload": ['ü "b".bin', 300_000, 2_100_000, "two\r\nlines"]},
        "cookies": "seen=yes",  # and the one of the session is not for scripts
        "add": {"sum": 6, "method": "PUT"},
        "without_token": 403,
        "error": 500,
        "upload": ["blob.bin", 2_000_000, 2_000_000, "by fetch"],
        "stream": ["one,", "two"],
        "ticks": [[str(n), n, (n - 1) // 2 * 2] for n in range(1, 6)],
        "talk": ["hello Ann Ä", "äää", 200_000, [4001, "as you wish", True]],
    }


def _wait_for_report(path: Path, browser: subprocess.Popen[Any]) -> dict[str, Any]:
    def has_reported() -> bool:
        assert path.exists() or browser.poll() is None, "the browser has ended"
        return path.exists()

    eventually(has_reported, "the report of the browser", seconds=60)
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
