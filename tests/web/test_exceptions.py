from __future__ import annotations

import pytest

from circuits.web import exceptions
from circuits.web._status import describe

CODES = {
    "BadRequest": 400,
    "UnicodeError": 400,
    "Unauthorized": 401,
    "Forbidden": 403,
    "NotFound": 404,
    "NotAcceptable": 406,
    "RequestTimeout": 408,
    "Gone": 410,
    "LengthRequired": 411,
    "PreconditionFailed": 412,
    "RequestEntityTooLarge": 413,
    "RequestURITooLarge": 414,
    "UnsupportedMediaType": 415,
    "InternalServerError": 500,
    "NotImplemented": 501,
    "BadGateway": 502,
    "ServiceUnavailable": 503,
    "HTTPException": 500,
}


@pytest.mark.parametrize(("name", "code"), CODES.items())
def test_code_text_and_default_description(name: str, code: int) -> None:
    error = getattr(exceptions, name)()
    assert isinstance(error, exceptions.HTTPException)
    assert error.code == code
    assert str(error) == f"{code} {error.name}"
    assert error.description == describe(code) != ""
    assert error.traceback is True


def test_all_lists_exactly_the_exceptions() -> None:
    assert set(exceptions.__all__) == {*CODES, "MethodNotAllowed", "Redirect"}


def test_description_and_traceback_may_be_given() -> None:
    error = exceptions.NotFound("gone fishing", False)
    assert (error.description, error.traceback) == ("gone fishing", False)
    assert exceptions.NotFound("").description == ""
    assert exceptions.NotFound.traceback is True


def test_a_class_may_have_its_own_description() -> None:
    class Teapot(exceptions.HTTPException):
        code = 418
        description = "short and stout"

    assert Teapot().description == "short and stout"
    assert str(Teapot()) == "418 I'm a teapot"


def test_a_refused_method() -> None:
    error = exceptions.MethodNotAllowed("PUT")
    assert (error.code, error.method, error.headers) == (405, "PUT", ())


def test_allowed_methods_become_a_header() -> None:
    error = exceptions.MethodNotAllowed(("GET", "HEAD"), "no")
    assert error.method == ["GET", "HEAD"]
    assert error.headers == (("Allow", "GET, HEAD"),)
    assert error.description == "no"


def test_redirect() -> None:
    error = exceptions.Redirect("/there")
    assert (error.urls, error.code, error.status) == (["/there"], 303, None)
    error = exceptions.Redirect(["/a", "/b"], 301)
    assert (error.urls, error.code, error.status) == (["/a", "/b"], 301, 301)
    assert str(error) == "301 Moved Permanently"


def test_a_redirect_needs_a_status_that_redirects() -> None:
    with pytest.raises(ValueError, match="404"):
        exceptions.Redirect("/", 404)
