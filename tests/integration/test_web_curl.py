"""curl, which many people will try first, against a folder served by the program."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from circuits.web import tools
from tests.integration.web_support import SECONDS, Program, running
from tests.support import require_program

Curl = Callable[..., subprocess.CompletedProcess[bytes]]

_CONTENT = bytes(range(256)) * 1024
_BINARY = "Content-Type: application/octet-stream"
_APPLICATION = """
from circuits import sleep
from circuits.web import Compression, Controller, EventStream

class App(Controller):
    def init(self, *args, **kwargs):
        Compression().register(self)

    def echo(self):
        return self.request.body.read()

    def upload(self, title: str, count: int):
        file = self.request.files["file"]
        return {"title": title, "count": count, "name": file.filename, "size": file.size,
                "sum": sum(file.value)}

    def data(self):
        return self.request.json()

    def text(self):
        return "some text " * 1000

    def jar(self):
        self.response.set_cookie("seen", "yes", httponly=True)
        return self.request.cookies

    def news(self):
        return EventStream(self._news())

    async def _news(self):
        last = int(self.request.last_event_id or 0)
        for number in range(last + 1, 4):
            yield {"id": number, "data": f"number {number}"}
            await sleep(0.01)
"""


@pytest.fixture(scope="module")
def curl() -> Curl:
    path = require_program("curl")

    def run(*arguments: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [
                path,
                "-q",
                "--silent",
                "--show-error",
                "--max-time",
                "15",
                "--noproxy",
                "*",
                *arguments,
            ],
            input=data,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )

    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    outer = tmp_path_factory.mktemp("curl")
    (outer / "secret.txt").write_text("secret")
    folder = outer / "www"
    (folder / "sub").mkdir(parents=True)
    (folder / "big.bin").write_bytes(_CONTENT)
    (folder / "sub" / "index.html").write_text("<p>sub</p>")
    (folder / "#odd name.txt").write_text("odd")
    (folder / "out").symlink_to(outer)
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Program]:
    with running("-m", "circuits.web", "-l", "-b", "127.0.0.1:0", folder) as program:
        yield program
    assert f"Serving {folder} on http://127.0.0.1:" in program.output
    assert re.search(r'"GET /\S* HTTP/1\.1" \d{3} \S+ "-" "curl/', program.output)


def test_verbose_shows_a_clean_exchange(curl: Curl, server: Program) -> None:
    done = curl("-v", f"{server.base}/hello")
    assert done.returncode == 0
    assert done.stdout == b"Hello World!"
    said = done.stderr.decode()
    assert "< HTTP/1.1 200 OK" in said
    assert "left intact" in said
    for complaint in ("Excess", "closing connection", "unparsable", "weird"):
        assert complaint not in said


def test_one_connection_serves_two_urls(curl: Curl, server: Program) -> None:
    done = curl("-v", f"{server.base}/hello", f"{server.base}/hello")
    assert b"Re-using existing connection" in done.stderr
    assert done.stdout == b"Hello World!" * 2


def test_a_file_is_downloaded(curl: Curl, server: Program) -> None:
    assert curl(f"{server.base}/big.bin").stdout == _CONTENT


@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        ("0-9", _CONTENT[:10]),
        ("1000-", _CONTENT[1000:]),
        ("-7", _CONTENT[-7:]),
        ("5-5", _CONTENT[5:6]),
        ("262000-999999999", _CONTENT[262000:]),
    ],
)
def test_a_range_is_downloaded(curl: Curl, server: Program, wanted: str, part: bytes) -> None:
    done = curl("-r", wanted, "-w", "%{stderr}%{http_code}", f"{server.base}/big.bin")
    assert done.stderr == b"206"
    assert done.stdout == part


def test_several_ranges_are_downloaded(curl: Curl, server: Program) -> None:
    done = curl("-i", "-r", "0-3,10-13", f"{server.base}/big.bin")
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    assert b"206 Partial Content" in head
    assert b"multipart/byteranges; boundary=" in head
    assert body.lower().count(b"content-range: bytes ") == 2
    assert _CONTENT[:4] in body
    assert _CONTENT[10:14] in body


def test_a_range_beyond_the_end_is_refused(curl: Curl, server: Program) -> None:
    done = curl("-i", "-r", "999999999-", f"{server.base}/big.bin")
    assert b"416 Requested Range Not Satisfiable" in done.stdout
    assert b"Content-Range: bytes */262144" in done.stdout


def test_a_download_is_resumed(curl: Curl, server: Program, tmp_path: Path) -> None:
    partial = tmp_path / "partial"
    partial.write_bytes(_CONTENT[:100_000])
    assert curl("-C", "-", "-o", str(partial), f"{server.base}/big.bin").returncode == 0
    assert partial.read_bytes() == _CONTENT


def test_head_shows_the_length_and_ends(curl: Curl, server: Program) -> None:
    done = curl("-I", f"{server.base}/big.bin", f"{server.base}/hello")
    assert done.returncode == 0
    assert b"Content-Length: 262144\r\n" in done.stdout
    assert b"Content-Length: 12\r\n" in done.stdout


def test_what_is_up_to_date_is_not_sent_again(curl: Curl, server: Program, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    url = f"{server.base}/big.bin"
    assert curl("-R", "-o", str(copy), url).returncode == 0
    done = curl("-z", str(copy), "-o", "-", "-w", "%{stderr}%{http_code}", url)
    assert (done.stderr, done.stdout) == (b"304", b"")


def test_a_folder_redirects_to_its_default(curl: Curl, server: Program) -> None:
    done = curl("-L", "-w", "%{stderr}%{url_effective} %{num_redirects}", f"{server.base}/sub")
    assert done.stdout == b"<p>sub</p>"
    assert done.stderr.decode() == f"{server.base}/sub/ 1"


def test_the_links_of_a_listing_lead_to_the_files(curl: Curl, server: Program) -> None:
    listing = curl(f"{server.base}/").stdout.decode()
    assert "<title>Index of /</title>" in listing
    assert 'href="%23odd%20name.txt"' in listing
    assert curl(f"{server.base}/%23odd%20name.txt").stdout == b"odd"


@pytest.mark.parametrize(
    "target",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e%2fsecret.txt",
        "/sub/../../secret.txt",
        "/sub/%2e%2e/%2e%2e/secret.txt",
        "/..%5csecret.txt",
        "/..\\secret.txt",
        "//../secret.txt",
        "/out/secret.txt",
        "/%252e%252e/secret.txt",
        "/secret.txt%00.html",
        "/.%00./secret.txt",
        "/%c0%ae%c0%ae/secret.txt",
    ],
)
def test_no_path_leaves_the_folder(curl: Curl, server: Program, target: str) -> None:
    done = curl("--path-as-is", "-L", "-i", f"{server.base}{target}")
    assert done.returncode == 0
    assert b"secret\n" not in done.stdout
    assert not done.stdout.endswith(b"secret")
    last = done.stdout[done.stdout.rindex(b"HTTP/1.1 ") :]
    assert last.split(b" ", 2)[1] in (b"400", b"404")


def test_files_can_only_be_read(curl: Curl, server: Program) -> None:
    done = curl("-i", "-X", "DELETE", f"{server.base}/big.bin")
    assert b"405 Method Not Allowed" in done.stdout
    assert b"Allow: GET, HEAD\r\n" in done.stdout


# -- uploads -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    folder = tmp_path_factory.mktemp("echo")
    (folder / "app.py").write_text(_APPLICATION)
    with running("-m", "circuits.web", "-b", "127.0.0.1:0", "app:App", cwd=folder) as program:
        yield program


def test_a_chunked_upload(curl: Curl, echo: Program) -> None:
    done = curl("-v", "-X", "POST", "-T", "-", f"{echo.base}/echo", data=_CONTENT)
    assert b"> Transfer-Encoding: chunked" in done.stderr
    assert done.stdout == _CONTENT


def test_an_upload_that_expects_to_continue(curl: Curl, echo: Program) -> None:
    done = curl(
        "-v",
        "-H",
        _BINARY,
        "-H",
        "Expect: 100-continue",
        "--expect100-timeout",
        "10",
        "--data-binary",
        "@-",
        f"{echo.base}/echo",
        data=_CONTENT,
    )
    assert b"< HTTP/1.1 100 Continue" in done.stderr
    assert done.stdout == _CONTENT


def test_http_1_0_without_keep_alive(curl: Curl, echo: Program) -> None:
    done = curl("-v", "--http1.0", "-d", "abc", "-H", _BINARY, f"{echo.base}/echo")
    assert b"< HTTP/1.0 200 OK" in done.stderr
    assert done.stdout == b"abc"


# -- passwords -----------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(tools, "digest_auth"), reason="tools.digest_auth is not there yet")
def test_a_folder_behind_a_password(curl: Curl, folder: Path, tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text("# who may come in\nbob:open:sesame\n")
    with running("-m", "circuits.web", "-b", "127.0.0.1:0", "--passwd", users, folder) as program:
        url = f"{program.base}/sub/"
        status = ("-o", "/dev/null", "-w", "%{http_code}")
        assert curl(*status, url).stdout == b"401"
        assert curl(*status, "--digest", "-u", "bob:wrong", url).stdout == b"401"
        assert curl("--digest", "-u", "bob:open:sesame", url).stdout == b"<p>sub</p>"


# -- forms, data, events ---------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 10, 3_000_000])
def test_a_file_is_uploaded_with_a_form(
    curl: Curl, echo: Program, tmp_path: Path, size: int
) -> None:
    path = tmp_path / "photo.bin"
    path.write_bytes(b"\x01" * size)
    fields = ("-F", "title=T", "-F", "count=2", "-F", f"file=@{path}")
    done = curl(*fields, f"{echo.base}/upload")
    assert json.loads(done.stdout) == {
        "title": "T",
        "count": 2,
        "name": "photo.bin",
        "size": size,
        "sum": size,
    }


def test_a_misfit_is_told_to_who_typed_it(curl: Curl, echo: Program) -> None:
    done = curl("-i", "-F", "title=T", "-F", "count=two", f"{echo.base}/upload")
    assert b"400 Bad Request" in done.stdout
    assert b"Parameter count must be int" in done.stdout


def test_data_goes_both_ways(curl: Curl, echo: Program) -> None:
    kind = ("-H", "Content-Type: application/json")
    assert json.loads(curl(*kind, "-d", '{"a": [1]}', f"{echo.base}/data").stdout) == {"a": [1]}
    status = ("-o", "/dev/null", "-w", "%{http_code}")
    assert curl(*status, "-d", '{"a": [1]}', f"{echo.base}/data").stdout == b"415"
    assert curl(*status, *kind, "-d", "{", f"{echo.base}/data").stdout == b"400"


def test_curl_undoes_the_compression(curl: Curl, echo: Program) -> None:
    done = curl("-v", "--compressed", f"{echo.base}/text")
    assert done.stdout == b"some text " * 1000
    assert b"< Content-Encoding: " in done.stderr


def test_cookies_come_back(curl: Curl, echo: Program, tmp_path: Path) -> None:
    jar = ("-c", str(tmp_path / "jar"), "-b", str(tmp_path / "jar"))
    assert json.loads(curl(*jar, f"{echo.base}/jar").stdout) == {}
    assert json.loads(curl(*jar, f"{echo.base}/jar").stdout) == {"seen": "yes"}


def test_events_are_listened_to_and_taken_up_again(curl: Curl, echo: Program) -> None:
    done = curl("-N", f"{echo.base}/news")
    assert done.stdout.split(b"\n\n") == [
        *[f"id: {n}\ndata: number {n}".encode() for n in (1, 2, 3)],
        b"",
    ]
    done = curl("-N", "-H", "Last-Event-ID: 2", f"{echo.base}/news")
    assert done.stdout == b"id: 3\ndata: number 3\n\n"


def test_a_range_over_http_1_0_and_only_if_nothing_has_changed(curl: Curl, server: Program) -> None:
    url = f"{server.base}/big.bin"
    assert curl("-0", "-r", "5-9", url).stdout == _CONTENT[5:10]
    head = curl("-I", url).stdout.decode()
    tag = next(line for line in head.splitlines() if line.startswith("ETag: "))[6:]
    status = ("-o", "/dev/null", "-w", "%{http_code}")
    assert curl(*status, "-H", f"If-None-Match: {tag}", url).stdout == b"304"
    assert curl(*status, "-r", "0-1", "-H", f"If-Range: {tag}", url).stdout == b"206"
    assert curl(*status, "-r", "0-1", "-H", 'If-Range: "other"', url).stdout == b"200"
