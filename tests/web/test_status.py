from __future__ import annotations

import pytest

from circuits.web._status import DESCRIPTIONS, REASONS, Status, describe, has_no_body, reason


def test_reasons_that_users_compare() -> None:
    assert reason(413) == "Request Entity Too Large"
    assert reason(416) == "Requested Range Not Satisfiable"
    assert reason(418) == "I'm a teapot"


@pytest.mark.parametrize(
    ("code", "text"), [(299, "Success"), (499, "Client Error"), (999, "Unknown")]
)
def test_an_unknown_code_has_a_generic_reason(code: int, text: str) -> None:
    assert reason(code) == text


def test_the_table_covers_the_documented_codes() -> None:
    documented = {*range(100, 103), *range(200, 208), 226, *range(300, 306), 307, 308}
    documented |= {*range(400, 419), 422, 423, 424, 426, 428, 429, 431, 449}
    documented |= {*range(500, 506), 507, 510, 511}
    assert documented <= set(REASONS)


def test_descriptions_are_paragraphs_of_known_codes() -> None:
    for code, text in DESCRIPTIONS.items():
        assert code in REASONS
        assert text.startswith("<p>")
        assert text.endswith("</p>")
    assert describe(200) == ""


def test_a_status_is_a_text_that_equals_its_code() -> None:
    status = Status(404)
    assert status == "404 Not Found"
    assert status == 404
    assert status != 500
    assert status != "404"
    assert int(status) == 404
    assert status.reason == "Not Found"
    assert hash(status) == hash("404 Not Found")
    assert Status(200, "Fine") == "200 Fine"
    assert Status(200, "") == "200"


@pytest.mark.parametrize(
    ("code", "bare"), [(101, True), (204, True), (304, True), (200, False), (205, False)]
)
def test_statuses_without_body(code: int, bare: bool) -> None:
    assert has_no_body(code) is bare
