"""Static: which file answers which request, and that none outside the folder does."""

from __future__ import annotations

import errno
import logging
import os
import re
from pathlib import Path
from typing import Any

import pytest

from circuits.core.components import BaseComponent
from circuits.core.handlers import handler
from circuits.core.manager import Manager
from circuits.web import errors, events, wrappers
from circuits.web._paths import parse_target
from circuits.web.dispatchers.static import Static


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that stays as it is."""
    return make_folder(tmp_path_factory.mktemp("static"))


@pytest.fixture
def own_root(tmp_path: Path) -> Path:
    """A folder like that, to be changed."""
    return make_folder(tmp_path)


def make_folder(place: Path) -> Path:
    folder = place / "www"
    folder.mkdir()
    (place / "secret.txt").write_text("secret")
    (place / "www-private").mkdir()
    (place / "www-private" / "x.txt").write_text("secret")
    (folder / "a.txt").write_text("letter a")
    (folder / "style.css").write_text("p {}")
    (folder / "#foobar.txt").write_text("hash")
    (folder / "50%.txt").write_text("half")
    (folder / "%2e%2e").write_text("literal")
    (folder / ".hidden").write_text("hidden")
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("hidden")
    (folder / "empty").mkdir()
    (folder / "dir").mkdir()
    (folder / "dir" / "index.html").write_text("<p>dir</p>")
    (folder / "second").mkdir()
    (folder / "second" / "index.shtml").write_text("<p>second</p>")
    return folder


class Ask:
    """Fires one request at a component, and looks at what became of it."""

    def __init__(self, component: BaseComponent, target: str, method: str = "GET", **given: Any):
        app = Manager()
        component.register(app)
        path, raw_path, qs, _, self.upstream_redirect = parse_target(target, method)
        pairs = [("Host", "h"), *given.pop("headers", [])]
        self.request = wrappers.Request(
            None, method, "http", path, (1, 1), qs, pairs, given.pop("server", None), raw_path
        )
        for name, value in given.items():
            setattr(self.request, name, value)
        self.response = wrappers.Response(self.request)
        value = app.fire(events.Request(self.request, self.response), component.channel)
        for _ in range(3):
            app.tick(0)
        assert not value.errors, value
        self.result: Any = value.value
        component.unregister()
        app.tick(0)
        app.tick(0)
        self.content = self._read()

    @property
    def code(self) -> int | None:
        """Status, or ``None`` if the request is left to others."""
        return None if self.result is None else self.response.code

    @property
    def location(self) -> str | None:
        location: str | None = self.response.headers["Location"]
        return location

    def _read(self) -> bytes:
        result = self.result
        if isinstance(result, str):
            return result.encode()
        if isinstance(result, errors.HTTPError):
            return str(result).encode()
        try:
            return b"".join(self.response.body)
        finally:
            self.response.release()


# -- files ---------------------------------------------------------------------------------------


def test_a_file_is_served_with_its_type_and_length(root: Path) -> None:
    ask = Ask(Static(docroot=str(root)), "/style.css")
    assert ask.code == 200
    assert ask.response.headers["Content-Type"].startswith("text/css")
    assert ask.response.headers["Content-Length"] == "4"
    assert ask.content == b"p {}"


def test_docroot_may_be_a_path_object_and_relative(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root.parent)
    static = Static(docroot=Path("www"))
    monkeypatch.chdir("/")
    assert Ask(static, "/a.txt").content == b"letter a"


def test_the_working_directory_of_the_construction_is_the_default(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    static = Static()
    monkeypatch.chdir("/")
    assert Ask(static, "/a.txt").content == b"letter a"


@pytest.mark.parametrize("path", ["/static", "static", "/static/", "static/"])
def test_a_prefix_is_taken_off(root: Path, path: str) -> None:
    assert Ask(Static(path, str(root)), "/static/a.txt").content == b"letter a"


@pytest.mark.parametrize("target", ["/a.txt", "/staticfoo", "/statica.txt", "/Static/a.txt", "/"])
def test_other_paths_than_the_prefix_are_left_to_others(root: Path, target: str) -> None:
    assert Ask(Static("/static", str(root), dirlisting=True), target).code is None


def test_a_prefix_of_several_segments(root: Path) -> None:
    static = Static("/my/files", str(root))
    assert Ask(static, "/my/files/a.txt").content == b"letter a"
    assert Ask(static, "/my/a.txt").code is None


@pytest.mark.parametrize(
    ("target", "content"),
    [
        ("/%23foobar.txt", b"hash"),
        ("/50%25.txt", b"half"),
        ("/%61.txt", b"letter a"),
        ("/%252e%252e", b"literal"),
    ],
)
def test_percent_signs_are_decoded_once(root: Path, target: str, content: bytes) -> None:
    assert Ask(Static(docroot=str(root)), target).content == content


def test_a_doubly_encoded_name_is_another_name(root: Path) -> None:
    assert Ask(Static(docroot=str(root)), "/%2523foobar.txt").code is None


def test_what_is_missing_is_left_to_others(root: Path) -> None:
    class Other(BaseComponent):
        channel = "web"

        @handler("request", priority=0)
        def _on_request(self, request: wrappers.Request, response: wrappers.Response) -> str:
            return "from a controller"

    other = Other()
    Static("/static", str(root)).register(other)
    assert Ask(other, "/static/missing").result == "from a controller"
    assert Ask(other, "/static/a.txt").content == b"letter a"


def test_a_file_is_served_before_dispatchers_are_asked(root: Path) -> None:
    asked: list[str] = []

    class Others(BaseComponent):
        channel = "web"

        @handler("request", priority=0.91)
        def _on_request_before(self, *args: Any) -> None:
            asked.append("before")

        @handler("request", priority=0.89)
        def _on_request_after(self, *args: Any) -> None:
            asked.append("after")

    others = Others()
    Static(docroot=str(root)).register(others)
    assert Ask(others, "/a.txt").content == b"letter a"
    assert asked == ["before"]


def test_a_file_with_a_slash_behind_it_is_not_there(root: Path) -> None:
    assert Ask(Static(docroot=str(root)), "/a.txt/").code is None


def test_a_path_through_a_file_is_not_there(root: Path) -> None:
    assert Ask(Static(docroot=str(root)), "/a.txt/b").code is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("kind", ["pipe", "link", "folder", "nothing"])
def test_what_takes_the_place_of_a_file_is_not_served(
    own_root: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    file = own_root / "a.txt"
    static = Static(docroot=str(own_root))
    find = static._find

    def find_and_replace(segments: Any) -> Any:
        found = find(segments)
        file.unlink()
        if kind == "pipe":
            os.mkfifo(file)
        elif kind == "link":
            file.symlink_to(own_root.parent / "secret.txt")
        elif kind == "folder":
            file.mkdir()
        return found

    monkeypatch.setattr(static, "_find", find_and_replace)
    assert Ask(static, "/a.txt").code == 404


def test_another_docroot_may_be_set(root: Path) -> None:
    static = Static(docroot=str(root))
    assert Ask(static, "/a.txt").content == b"letter a"
    static.docroot = str(root.parent)
    assert Ask(static, "/a.txt").code is None
    assert Ask(static, "/secret.txt").content == b"secret"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_served(own_root: Path) -> None:
    os.mkfifo(own_root / "pipe")
    assert Ask(Static(docroot=str(own_root)), "/pipe").code is None


def test_the_asterisk_is_no_file(own_root: Path) -> None:
    (own_root / "*").write_text("star")
    assert Ask(Static(docroot=str(own_root)), "*", "OPTIONS").code is None


def test_a_file_is_not_served_with_cookies(root: Path) -> None:
    class Setter(BaseComponent):
        channel = "web"

        @handler("request", priority=10)
        def _on_request(self, request: wrappers.Request, response: wrappers.Response) -> None:
            response.cookie["sid"] = "1"

    setter = Setter()
    Static(docroot=str(root)).register(setter)
    ask = Ask(setter, "/a.txt")
    ask.response.prepare()
    assert ask.content == b"letter a"
    assert "Set-Cookie" not in ask.response.headers


def test_a_range_is_served(root: Path) -> None:
    ask = Ask(Static(docroot=str(root)), "/a.txt", headers=[("Range", "bytes=0-5")])
    assert (ask.code, ask.content) == (206, b"letter")
    assert ask.response.headers["Content-Range"] == "bytes 0-5/8"


def test_a_file_that_was_not_modified_is_not_sent(root: Path) -> None:
    date = Ask(Static(docroot=str(root)), "/a.txt").response.headers["Last-Modified"]
    ask = Ask(Static(docroot=str(root)), "/a.txt", headers=[("If-Modified-Since", date)])
    assert ask.code == 304


# -- methods -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "get"])
def test_files_can_only_be_read(root: Path, method: str) -> None:
    ask = Ask(Static(docroot=str(root)), "/a.txt", method)
    assert ask.code == 405
    assert ask.response.headers["Allow"] == "GET, HEAD"


def test_a_missing_file_leaves_other_methods_to_others(root: Path) -> None:
    assert Ask(Static(docroot=str(root)), "/missing", "POST").code is None


def test_head_is_answered_as_get(root: Path) -> None:
    ask = Ask(Static(docroot=str(root)), "/a.txt", "HEAD")
    assert ask.code == 200
    assert ask.response.headers["Content-Length"] == "8"


# -- folders -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "content"), [("/dir/", b"<p>dir</p>"), ("/second/", b"<p>second</p>")]
)
def test_a_default_answers_for_its_folder(root: Path, target: str, content: bytes) -> None:
    assert Ask(Static(docroot=str(root)), target).content == content


def test_the_first_default_that_exists_wins(own_root: Path) -> None:
    (own_root / "dir" / "a.html").write_text("a")
    static = Static(docroot=str(own_root), defaults=("missing.html", "a.html", "index.html"))
    assert Ask(static, "/dir/").content == b"a"


@pytest.mark.parametrize("target", ["/empty/", "/empty", "/"])
def test_a_folder_without_default_is_left_to_others(root: Path, target: str) -> None:
    assert Ask(Static(docroot=str(root)), target).code is None


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/s/dir", "http://h/s/dir/"),
        ("/s/dir?a=1&b=%20", "http://h/s/dir/?a=1&b=%20"),
        ("/s//dir", "http://h/s/dir/"),
        ("//s/dir", "http://h/s/dir/"),
        ("/s/%64ir", "http://h/s/%64ir/"),
    ],
)
def test_a_folder_is_redirected_to_its_slash_form(root: Path, target: str, location: str) -> None:
    ask = Ask(Static("/s", str(root)), target)
    assert (ask.code, ask.location) == (301, location)


def test_the_prefix_alone_is_redirected(root: Path) -> None:
    ask = Ask(Static("/s", str(root), dirlisting=True), "/s")
    assert (ask.code, ask.location) == (301, "http://h/s/")


def test_a_redirect_never_leads_to_another_host(root: Path) -> None:
    ask = Ask(Static(docroot=str(root)), "//dir")
    assert (ask.code, ask.location) == (301, "http://h/dir/")


def test_a_redirect_keeps_the_mount_of_a_wsgi_host(root: Path) -> None:
    ask = Ask(Static(docroot=str(root)), "/dir", script_name="/app")
    assert ask.location == "http://h/app/dir/"


def test_a_redirect_keeps_what_virtual_hosts_hide(root: Path) -> None:
    class Rewriter(BaseComponent):
        channel = "web"

        @handler("request", priority=1.0)
        def _on_request(self, request: wrappers.Request, response: wrappers.Response) -> None:
            request.path = "/s" + request.path

    rewriter = Rewriter()
    Static("/s", str(root)).register(rewriter)
    assert Ask(rewriter, "/dir").location == "http://h/dir/"


# -- listings ------------------------------------------------------------------------------------


def test_a_listing_shows_files_sorted_and_folders_with_a_slash(root: Path) -> None:
    page = Ask(Static(docroot=str(root), dirlisting=True), "/").content.decode()
    links = [line.partition("</a>")[0] for line in page.splitlines() if line.startswith("<li>")]
    assert [f"{link}</a></li>" for link in links] == [
        '<li><a href="%23foobar.txt">#foobar.txt</a></li>',
        '<li><a href="%252e%252e">%2e%2e</a></li>',
        '<li><a href="50%25.txt">50%.txt</a></li>',
        '<li><a href="a.txt">a.txt</a></li>',
        '<li><a href="dir/">dir/</a></li>',
        '<li><a href="empty/">empty/</a></li>',
        '<li><a href="second/">second/</a></li>',
        '<li><a href="style.css">style.css</a></li>',
    ]


def test_a_listing_tells_sizes_and_dates(tmp_path: Path) -> None:
    for name, size in (("a", 0), ("b", 1023), ("c", 1536), ("d", 5 * 1024**2), ("e", 3 * 1024**4)):
        with open(tmp_path / name, "wb") as file:
            file.truncate(size)
        os.utime(tmp_path / name, (0, 0))
    (tmp_path / "folder").mkdir()
    page = Ask(Static(docroot=str(tmp_path), dirlisting=True), "/").content.decode()
    sizes = re.findall(r"<span>(.*?)</span>", page)
    assert sizes == ["0 B", "1023 B", "1.5 KiB", "5.0 MiB", "3.0 TiB", ""]
    assert page.count('<time datetime="1970-01-01T00:00:00Z">1970-01-01 00:00</time>') == 5


def test_a_listing_below_the_root_leads_up(root: Path) -> None:
    page = Ask(Static("/s", str(root), dirlisting=True), "/s/empty/").content.decode()
    assert "<title>Index of /s/empty/</title>" in page
    assert '<a href="../">..</a>' in page


def test_the_root_of_a_listing_does_not_lead_up(root: Path) -> None:
    page = Ask(Static("/s", str(root), dirlisting=True), "/s/").content.decode()
    assert "../" not in page


def test_names_are_escaped_in_a_listing(own_root: Path) -> None:
    (own_root / "empty" / '<b onclick="x">&.txt').write_text("")
    (own_root / "empty" / "javascript:alert(1)").write_text("")
    page = Ask(Static(docroot=str(own_root), dirlisting=True), "/empty/").content.decode()
    assert "<b " not in page
    assert "%3Cb%20onclick%3D%22x%22%3E%26.txt" in page
    assert 'href="javascript%3Aalert%281%29"' in page


def test_the_path_is_escaped_in_a_listing(own_root: Path) -> None:
    (own_root / "<i>").mkdir()
    page = Ask(Static(docroot=str(own_root), dirlisting=True), "/%3Ci%3E/").content.decode()
    assert "<i>" not in page
    assert "Index of /&lt;i&gt;/" in page


def test_a_listing_leaves_out_what_cannot_be_requested(own_root: Path) -> None:
    (own_root / "empty" / "out").symlink_to(own_root.parent / "secret.txt")
    (own_root / "empty" / "dangling").symlink_to(own_root / "nowhere")
    (own_root / "empty" / ".dot").write_text("")
    try:
        (own_root / "empty" / "caf\udce9").write_text("")
    except OSError:
        pass  # a file system that insists on UTF-8
    (own_root / "empty" / "ok").write_text("")
    page = Ask(Static(docroot=str(own_root), dirlisting=True), "/empty/").content.decode()
    assert page.count("<li>") == 2  # "..", "ok"


def test_a_name_beyond_the_encoding_of_the_server_is_shown(own_root: Path) -> None:
    (own_root / "empty" / "naïve€").write_text("")
    app = Static(docroot=str(own_root), dirlisting=True)

    class Narrow(BaseComponent):
        channel = "web"

        @handler("request", priority=10)
        def _on_request(self, request: wrappers.Request, response: wrappers.Response) -> None:
            response.encoding = "latin-1"

    narrow = Narrow()
    app.register(narrow)
    page = Ask(narrow, "/empty/").result
    assert "naïve&#8364;" in page


def test_a_listing_redirects_to_the_slash_form(root: Path) -> None:
    ask = Ask(Static(docroot=str(root), dirlisting=True), "/empty")
    assert (ask.code, ask.location) == (301, "http://h/empty/")


def test_a_listing_can_only_be_read(root: Path) -> None:
    assert Ask(Static(docroot=str(root), dirlisting=True), "/empty/", "POST").code == 405


def test_a_folder_that_may_not_be_read_is_forbidden(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> list[str]:
        raise PermissionError(path)

    monkeypatch.setattr(os, "listdir", refuse)
    assert Ask(Static(docroot=str(root), dirlisting=True), "/empty/").code == 403


@pytest.mark.parametrize(
    "number", [errno.EMFILE, errno.ENFILE, errno.EIO, errno.ENOMEM, errno.ESTALE]
)
@pytest.mark.parametrize(
    ("where", "target"),
    [
        ("os.stat", "/dir/"),
        ("os.lstat", "/dir/"),
        ("os.lstat", "/nowhere"),
        ("os.listdir", "/empty/"),
        ("os.open", "/%23foobar.txt"),
    ],
)
def test_a_system_in_trouble_is_no_missing_file(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    number: int,
    where: str,
    target: str,
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise OSError(number, os.strerror(number))

    static = Static(docroot=str(root), dirlisting=True)
    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR, "circuits"):
        patch.setattr(where, refuse)
        asked = Ask(static, target)
    assert asked.code == 503
    assert os.strerror(number) in caplog.text


# -- what is outside -----------------------------------------------------------------------------

_ESCAPES = [
    "/../secret.txt",
    "/dir/../../secret.txt",
    "/%2e%2e/secret.txt",
    "/%2E./secret.txt",
    "/..%2fsecret.txt",
    "/..%2Fwww-private%2Fx.txt",
    "/%2e%2e%2fsecret.txt",
    "//../secret.txt",
    "/dir//../..//secret.txt",
    "/..\\secret.txt",
    "/..%5csecret.txt",
    "/%00",
    "/a.txt%00.html",
    "/dir%2findex.html",
    "/%2fetc%2fpasswd",
    "//etc/passwd",
    "/etc/passwd",
    "/%252e%252e/secret.txt",
    "/www-private/x.txt",
    "/../www-private/x.txt",
]


@pytest.mark.parametrize("target", _ESCAPES)
@pytest.mark.parametrize("prefix", [None, "/s"])
def test_nothing_outside_the_folder_is_served(root: Path, target: str, prefix: str | None) -> None:
    static = Static(prefix, str(root), dirlisting=True)
    assert Ask(static, (prefix or "") + target).code is None


def test_a_link_that_leads_out_is_not_followed(own_root: Path) -> None:
    (own_root / "out.txt").symlink_to(own_root.parent / "secret.txt")
    (own_root / "out").symlink_to(own_root.parent)
    static = Static(docroot=str(own_root), dirlisting=True)
    assert Ask(static, "/out.txt").code is None
    assert Ask(static, "/out/").code is None
    assert Ask(static, "/out/secret.txt").code is None


def test_a_link_that_stays_inside_is_followed(own_root: Path) -> None:
    (own_root / "in.txt").symlink_to(own_root / "a.txt")
    assert Ask(Static(docroot=str(own_root)), "/in.txt").content == b"letter a"


def test_a_default_that_leads_out_is_not_followed(own_root: Path) -> None:
    (own_root / "empty" / "index.html").symlink_to(own_root.parent / "secret.txt")
    assert Ask(Static(docroot=str(own_root)), "/empty/").code is None


def test_a_folder_that_is_a_link_itself_is_served(own_root: Path) -> None:
    (own_root.parent / "link").symlink_to(own_root)
    assert Ask(Static(docroot=str(own_root.parent / "link")), "/a.txt").content == b"letter a"


@pytest.mark.parametrize("target", ["/.hidden", "/.git/config", "/.git/", "/%2ehidden"])
def test_hidden_files_are_not_there(root: Path, target: str) -> None:
    assert Ask(Static(docroot=str(root), dirlisting=True), target).code is None


def test_hidden_files_can_be_enabled(root: Path) -> None:
    static = Static(docroot=str(root), dotfiles=True, dirlisting=True)
    assert Ask(static, "/.hidden").content == b"hidden"
    assert '<a href=".git/">' in Ask(static, "/").content.decode()


def test_dot_segments_stay_out_when_hidden_files_are_enabled(root: Path) -> None:
    static = Static(docroot=str(root), dotfiles=True)
    assert Ask(static, "/../secret.txt").code is None
    assert Ask(static, "/%2e%2e/secret.txt").code is None


# -- the component -------------------------------------------------------------------------------


def test_defaults_may_be_one_name(root: Path) -> None:
    assert Ask(Static(docroot=str(root), defaults="index.shtml"), "/second/").code == 200


def test_another_channel(root: Path) -> None:
    assert Ask(Static(docroot=str(root), channel="other"), "/a.txt").content == b"letter a"
