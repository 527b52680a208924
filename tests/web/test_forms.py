from __future__ import annotations

import io
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from circuits.web import _forms, _multipart, _upload, _urlencoded, exceptions
from circuits.web._form_limits import DEFAULT_LIMITS, FormLimits
from circuits.web._forms import parse_form
from circuits.web._upload import Upload
from circuits.web._urlencoded import parse_urlencoded

MULTIPART = "multipart/form-data; boundary=xx"


@pytest.fixture(autouse=True)
def files(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[IO[bytes]]]:
    """The files that were made; a server closes them with the request, here we do."""
    made: list[IO[bytes]] = []
    make = _upload.temporary_file

    def temporary(spool_bytes: int) -> IO[bytes]:
        made.append(make(spool_bytes))
        return made[-1]

    for user in (_forms, _upload):
        monkeypatch.setattr(user, "temporary_file", temporary)
    yield made
    for file in made:
        file.close()


def part(disposition: str, content: bytes, *headers: str, kind: str = "form-data") -> bytes:
    lines = [f"Content-Disposition: {kind}; {disposition}", *headers]
    return b"--xx\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n" + content + b"\r\n"


def parse(
    body: bytes, content_type: str = MULTIPART, limits: FormLimits = DEFAULT_LIMITS
) -> list[tuple[str, str | Upload]]:
    fields = parse_form(content_type, io.BytesIO(body), limits)
    assert fields is not None
    return fields


def one_upload(body: bytes) -> Upload:
    [(_, upload)] = parse(body + b"--xx--\r\n")
    assert isinstance(upload, Upload)
    return upload


# -- URL-encoded ----------------------------------------------------------------------------------


def test_urlencoded_fields_keep_order_repetitions_and_blanks() -> None:
    fields = parse(b"a=1&b=&a=%C3%A9+x", "application/x-www-form-urlencoded; charset=utf-8")
    assert fields == [("a", "1"), ("b", ""), ("a", "é x")]
    assert parse_urlencoded("a=1&b=", keep_blank_values=False) == [("a", "1")]


@pytest.mark.parametrize("data", [b"a=%ff", b"a=\xff"])
def test_urlencoded_that_is_not_utf_8(data: bytes) -> None:
    with pytest.raises(exceptions.UnicodeError):
        parse(data, "application/x-www-form-urlencoded")


def test_urlencoded_limits() -> None:
    limits = FormLimits(parts=3, text_bytes=10)
    assert len(parse(b"a&b&c", "application/x-www-form-urlencoded", limits)) == 3
    for data in (b"a&b&c&d", b"a=" + b"x" * 9):
        with pytest.raises(exceptions.RequestEntityTooLarge):
            parse(data, "application/x-www-form-urlencoded", limits)


QUERIES = st.lists(
    st.sampled_from(["a", "b", "é", "=", "&", "+", "%", "%41", "%C3%A9", "%ff", "1,2"])
)


@given(QUERIES.map("".join), st.booleans())
def test_a_query_is_read_like_the_same_bytes(query: str, keep: bool) -> None:
    def outcome(data: str | bytes) -> object:
        try:
            return parse_urlencoded(data, keep_blank_values=keep, limits=FormLimits(parts=4))
        except exceptions.HTTPException as problem:
            return type(problem), str(problem)

    assert outcome(query) == outcome(query.encode())


def test_other_types_are_left_alone() -> None:
    body = io.BytesIO(b"{}")
    assert parse_form("application/json", body) is None
    assert body.tell() == 0


# -- multipart --------------------------------------------------------------------------------------


def test_fields_and_files() -> None:
    body = io.BytesIO(
        part('name="a"', "é".encode())
        + part(
            'name="f"; filename="n.txt"', b"\x00\r\n--x\r\n\xff", "Content-Type: text/plain; x=y"
        )
        + part('name="a"', b"")
        + b"--xx--\r\n"
    )
    fields = parse_form(MULTIPART, body)
    assert fields is not None
    assert [name for name, _ in fields] == ["a", "f", "a"]
    assert (fields[0][1], fields[2][1]) == ("é", "")
    upload = fields[1][1]
    assert isinstance(upload, Upload)
    assert (upload.name, upload.filename) == ("f", "n.txt")
    assert upload.type == upload.content_type == "text/plain"
    assert upload.headers["content-disposition"] == 'form-data; name="f"; filename="n.txt"'
    assert upload.value == b"\x00\r\n--x\r\n\xff"
    assert upload.size == len(upload.value)
    assert upload.file.read() == upload.value
    assert body.tell() == 0
    assert repr(upload) == "<Upload 'f' filename='n.txt' type='text/plain'>"
    upload.close()


def test_an_upload_can_be_saved(tmp_path: Path) -> None:
    upload = one_upload(part('name="f"; filename="n"', b"content"))
    upload.file.seek(3)
    assert upload.save_as(tmp_path / "saved") == 7
    assert (tmp_path / "saved").read_bytes() == b"content"
    assert upload.file.tell() == 3
    assert upload.type == "application/octet-stream"


def test_a_mail_as_upload_is_not_taken_apart() -> None:
    mail = b'Content-Type: multipart/mixed; boundary="yy"\r\n\r\n--yy\r\n\r\nhi\r\n--yy--\r\n'
    upload = one_upload(part('name="f"; filename="m"', mail, "Content-Type: message/rfc822"))
    assert upload.value == mail


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        ('name="f"; filename="C:\\dir\\a.txt"', "a.txt"),
        ('name="f"; filename="../../etc/passwd"', "passwd"),
        ('name="f"; filename=".."', ""),
        ('name="f"; filename="a%22b\\c"', "c"),
        ('name="f"; filename="a%22b"', 'a"b'),
        ('name="f"; filename="a\\"b"', 'a"b'),
        ('name="f"; filename="a%0D%0Ab"', "ab"),
        ('name="f"; filename=plain.txt', "plain.txt"),
        ('name="f"; filename="é.txt"', "é.txt"),
        ('name="f"; filename="x.txt"; filename*=UTF-8\'\'%e2%82%ac.txt', "€.txt"),
        ("name=\"f\"; filename*=iso-8859-1'en'%A3; filename=x", "£"),
        ('name="f"; filename="x"; filename*=UTF-8\'\'%ff', "x"),
        ('name="f"; filename="x"; filename*=nonsense', "x"),
        ('name="f"; filename="a;b=c"', "a;b=c"),
    ],
)
def test_filenames(disposition: str, filename: str) -> None:
    assert one_upload(part(disposition, b"c")).filename == filename


_PIECES = st.sampled_from(
    [
        'form-data; name="', "form-data", "file", "name=", "filename=", "name*=utf-8''x", '"', "; ",
        ";", "=", " ", "\t", "a", "a b", "[0]", "\xe9", "%22", "\\", "C:\\x", "/", ".", "..", "\x7f", "",
    ]
)  # fmt: skip


@given(st.lists(_PIECES, max_size=9).map("".join))
def test_what_most_clients_send_is_read_like_anything(text: str) -> None:
    def read(how: Callable[[str], object]) -> object:
        try:
            return how(text)
        except exceptions.BadRequest as problem:
            return str(problem)

    assert read(_multipart.disposition) == read(_multipart._any_disposition)


def test_a_file_field_left_empty_is_an_empty_text() -> None:
    body = part('name="f"; filename=""', b"", "Content-Type: application/octet-stream")
    assert parse(body + b"--xx--") == [("f", "")]


def test_the_disposition_of_older_clients() -> None:
    upload = one_upload(part('name="f"; filename="n"', b"c", kind="file"))
    assert upload.value == b"c"


def test_a_part_may_state_its_charset() -> None:
    body = part('name="a"', b"\xe9", "Content-Type: text/plain; charset=ISO-8859-1")
    assert parse(body + b"--xx--") == [("a", "é")]
    body = part('name="a"', "é".encode(), "Content-Type: text/plain; charset=rot13")
    assert parse(body + b"--xx--") == [("a", "é")]


def test_text_that_is_not_utf_8() -> None:
    with pytest.raises(exceptions.UnicodeError):
        parse(part('name="a"', b"\xff") + b"--xx--")


def test_a_quoted_boundary() -> None:
    body = part('name="a"', b"1").replace(b"--xx", b"--x=x") + b"--x=x--"
    assert parse(body, 'multipart/form-data; boundary="x=x"') == [("a", "1")]


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data", 'multipart/form-data; boundary=""', "multipart/form-data; boundary=é"],
)
def test_bad_boundaries(content_type: str) -> None:
    with pytest.raises(exceptions.BadRequest):
        parse(b"", content_type)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nothing",
        b"--xx",
        b"--xx\r\n",
        part('name="a"', b"1"),
        part('name="a"', b"1")[:-4],
        b"--xx\r\nContent-Disposition: form-data; name=a",
        b"--xx\r\nno header\r\n\r\n\r\n--xx--",
        b"--xx\r\nContent-Type: text/plain\r\n\r\n\r\n--xx--",
        part("x=y", b"") + b"--xx--",
        part('name="a"', b"", kind="attachment") + b"--xx--",
        part('name="a"', b"", "no header") + b"--xx--",
        part('name="a"', b"", "X : y") + b"--xx--",
        part('name="a"', b"", ": y") + b"--xx--",
        part('name="a"', b"", "Y") + b"--xx--",
        b"--xx\r\n folded: x\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n--xx--",
        part('name="a"', b"", "Content-Type: multipart/mixed; boundary=yy") + b"--xx--",
        b"--xx\r\nContent-Disposition: form-data; name=\xff\r\n\r\n\r\n--xx--",
    ],
)
def test_malformed_forms(body: bytes) -> None:
    with pytest.raises(exceptions.HTTPException) as caught:
        parse(body)
    assert caught.value.code == 400


def test_multipart_limits() -> None:
    fits = part('name="a"', b"12345") * 2 + b"--xx--"
    assert len(parse(fits, limits=FormLimits(parts=2, text_bytes=10))) == 2
    for limits in (FormLimits(parts=1), FormLimits(text_bytes=9), FormLimits(part_headers=0)):
        with pytest.raises(exceptions.RequestEntityTooLarge):
            parse(fits, limits=limits)
    with pytest.raises(exceptions.RequestEntityTooLarge):
        parse(fits, limits=FormLimits(part_header_bytes=20))


def test_files_do_not_count_as_text_and_go_to_the_disk() -> None:
    body = part('name="f"; filename="n"', b"x" * 1000) + b"--xx--"
    [(_, upload)] = parse(body, limits=FormLimits(text_bytes=10, spool_bytes=100))
    assert isinstance(upload, Upload)
    assert upload.file._rolled  # type: ignore[attr-defined]  # the one sign of a file on disk
    assert upload.size == 1000


def test_files_of_a_form_that_fails_are_closed(files: list[IO[bytes]]) -> None:
    body = part('name="f"; filename="n"', b"xy") + part('no="name"', b"") + b"--xx--"
    with pytest.raises(exceptions.BadRequest):
        parse(body, limits=FormLimits(spool_bytes=1))
    assert [file.closed for file in files] == [True]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.binary(max_size=40)), min_size=1))
def test_files_come_out_as_they_went_in(sent: list[tuple[str, bytes]]) -> None:
    assume(not any(b"\r\n--xx" in b"\r\n" + content for _, content in sent))
    body = b"".join(part(f'name="{n}"; filename="f"', c) for n, c in sent) + b"--xx--\r\n"
    received = []
    for name, upload in parse(body):
        assert isinstance(upload, Upload)
        received.append((name, upload.value))
        upload.close()
    assert received == sent


# -- as clients write it -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"\r\n" + part('name="a"', b"1") + b"--xx--", [("a", "1")]),
        (b"preamble\r\n" + part('name="a"', b"1") + b"--xx--\r\nepilogue", [("a", "1")]),
        (part('name="a"', b"1").replace(b"--xx\r\n", b"--xx \t\r\n") + b"--xx-- ", [("a", "1")]),
        (b"--xx--\r\n", []),
        (b"\r\n--xx--", []),
        (b'--xx\r\nContent-Disposition: form-data; name="a"\r\n\r\n--xx--', [("a", "")]),
        (part("name*=UTF-8''%C3%A9", b"1") + b"--xx--", [("é", "1")]),
        (
            part('name="a"', b"\xe9", "Content-Type: text/plain; charset=iso-8859-1") + b"--xx--",
            [("a", "é")],
        ),
    ],
)
@pytest.mark.parametrize("step", [1, 7, 65536])
def test_forms_of_other_clients(
    body: bytes, fields: list[tuple[str, str]], step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_multipart, "_CHUNK_BYTES", step)
    assert parse_form(MULTIPART, io.BytesIO(body)) == fields


def test_the_name_of_a_file_in_latin_1() -> None:
    body = part('name="a"; filename="\xe9.txt"', b"1") + b"--xx--"
    found = parse_form(MULTIPART, io.BytesIO(body.decode("utf-8").encode("latin-1")))
    assert found is not None
    assert isinstance(found[0][1], Upload)
    assert found[0][1].filename == "é.txt"


def test_the_charset_of_a_form() -> None:
    kind = "application/x-www-form-urlencoded; charset=ISO-8859-1"
    assert parse_form(kind, io.BytesIO(b"a=%E9")) == [("a", "é")]
    body = part('name="a"', b"\xe9") + b"--xx--"
    assert parse(body, f"{MULTIPART}; charset=ISO-8859-1") == [("a", "é")]


@pytest.mark.parametrize(("charset", "text"), [("ISO-8859-1", "é"), ("rot13", None)])
def test_a_form_may_say_its_charset_in_a_field(charset: str, text: str | None) -> None:
    body = part('name="_charset_"', charset.encode()) + part('name="a"', b"\xe9") + b"--xx--"
    if text is None:
        with pytest.raises(exceptions.UnicodeError):
            parse(body)
    else:
        assert parse(body) == [("_charset_", charset), ("a", text)]


@pytest.mark.parametrize("kind", ["application/octet-stream", "image/png", "APPLICATION/PDF"])
def test_bytes_without_the_name_of_a_file(kind: str) -> None:
    upload = one_upload(part('name="a"', b"\xff\x00", f"Content-Type: {kind}"))
    assert (upload.name, upload.filename, upload.value) == ("a", "", b"\xff\x00")
    assert upload.type == kind.lower()


@pytest.mark.parametrize("kind", ["application/octet-stream", "application/json", "text/plain"])
def test_text_without_the_name_of_a_file(kind: str) -> None:
    assert parse(part('name="a"', "é".encode(), f"Content-Type: {kind}") + b"--xx--") == [
        ("a", "é")
    ]


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "image/svg+xml"])
def test_types_of_text_must_be_text(kind: str) -> None:
    with pytest.raises(exceptions.UnicodeError):
        parse(part('name="a"', b"\xff", f"Content-Type: {kind}") + b"--xx--")


@given(st.binary(max_size=40), st.integers(0, 40))
@settings(max_examples=settings().max_examples * 3)
def test_long_values_are_unescaped_like_short_ones(data: bytes, times: int) -> None:
    for text in (data * times, b"%41" * 100 + data, data + b"%20+ \n" * 100, data + b"%20" * 200):
        assert _urlencoded._unescaped(text) == unquote_to_bytes(text.replace(b"+", b" "))


@pytest.mark.parametrize("piece", [b"%41", b"%z", b"%%", b"%25", b"=", b"\n"])
def test_escapes_that_are_none_take_no_memory(piece: bytes) -> None:
    data = b"a=" + piece * 100_000 + b"%zz"
    tracemalloc.start()
    try:
        ((_, value),) = parse_urlencoded(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert value == unquote_to_bytes(data[2:]).decode()
    assert peak < 16 * len(data)


@pytest.mark.parametrize("odd", ["\n", "\r", "\0", "\nContent-Type: multipart/x", "\rX: y"])
def test_line_ends_of_a_part_are_no_matter_of_taste(odd: str) -> None:
    """Others disagree on where its headers end then."""
    part = f'--xx\r\nContent-Disposition: form-data; name="a"{odd}\r\n\r\nb\r\n--xx--\r\n'
    with pytest.raises(exceptions.BadRequest):
        parse_form(MULTIPART, io.BytesIO(part.encode()))


@pytest.mark.parametrize(
    "written", ["X: a b", "X:a\r\n b", "X: a \t\r\n\t b", "X:\r\n a\r\n\tb  ", "X:  a\r\n \r\n b\t"]
)
def test_a_header_may_be_folded(written: str) -> None:
    [(_, upload)] = parse(part('name="f"; filename="n"', b"", written, "Y: z") + b"--xx--")
    assert isinstance(upload, Upload)
    assert upload.headers.items()[1:] == [("X", "a b"), ("Y", "z")]


def test_blanks_of_a_header_take_linear_time() -> None:
    heads = [f"X-{count}: {(' ' * 2000 + mark) * 4}" for count, mark in enumerate("a\tb\0")]
    good = part('name="f"', b"", *heads[:3]) + b"--xx--"
    began = time.process_time()
    for _ in range(20):
        parse(good)
        with pytest.raises(exceptions.BadRequest):
            parse(part('name="f"', b"", *heads) + b"--xx--")
    assert time.process_time() - began < 1  # it is some milliseconds


def test_a_small_file_may_come_in_pieces_too() -> None:
    last = part('name="f"; filename="n"', b"content") + b"--xx--"
    for size in range(65_360, 65_480):  # around the end of what is read at once
        [_, (_, upload)] = parse(part('name="t"', b"x" * size) + last)
        assert isinstance(upload, Upload)
        assert upload.value == b"content"


def test_an_upload_that_nobody_has_read_is_closed() -> None:
    [(_, upload)] = parse(part('name="f"; filename="n"', b"content") + b"--xx--")
    assert isinstance(upload, Upload)
    upload.close()
    with pytest.raises(ValueError, match="closed"):
        upload.file.read()


def test_a_large_file_is_never_whole_in_memory() -> None:
    class Endless(io.RawIOBase):
        """A body of 64 MiB that nobody keeps."""

        def __init__(self) -> None:
            self.left = 1024
            self.head = part('name="a"; filename="b"', b"")[:-2]

        def seek(self, *args: int) -> int:
            return 0

        def read(self, size: int = -1) -> bytes:
            head, self.head = self.head, b""
            if head:
                return head
            self.left -= 1
            if self.left < 0:
                return b"" if self.left < -1 else b"\r\n--xx--"
            return b"x" * size

    tracemalloc.start()
    try:
        found = parse_form(MULTIPART, Endless())  # type: ignore[arg-type]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found is not None
    assert isinstance(found[0][1], Upload)
    assert found[0][1].size == 64 * 1024 * 1024
    assert peak < 8 * 1024 * 1024
