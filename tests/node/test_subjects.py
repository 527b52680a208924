"""Names in subjects of NATS, and the names of streams."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuits.node._subjects import Subjects, decode_token, encode_token

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
names = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20
)
channels = st.lists(names, max_size=3).map(tuple)


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("billing-1", "billing-1"), ("a.b", "a%2Eb"), ("_all", "%5Fall"), ("a_b", "a_b"), ("", "%"),
        ("*", "%2A"), (">", "%3E"), ("ü", "%C3%BC"), ("%", "%25"), (",", "%2C"), (" ", "%20"),
        ("~", "%7E"), ("_", "%5F"), ("__", "%5F_"),
    ],
)  # fmt: skip
def test_tokens(text: str, token: str) -> None:
    assert encode_token(text) == token
    assert decode_token(token) == text


@given(texts)
def test_a_token_is_one_and_means_one_name(text: str) -> None:
    token = encode_token(text)
    assert re.fullmatch(r"%|(?:[A-Za-z0-9-]|%[0-9A-F]{2})(?:[A-Za-z0-9_-]|%[0-9A-F]{2})*", token)
    assert decode_token(token) == text


@given(st.text("abAB05%_-.,2DEFé*> ", max_size=8))
def test_no_other_token_means_a_name(token: str) -> None:
    try:
        text = decode_token(token)
    except ValueError:
        return
    assert encode_token(text) == token


@pytest.mark.parametrize("token", ["_", "_all", "%2d", "a%", "%4", "%41", "%FF", "a.b", "a b", ""])
def test_what_no_name_becomes_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match="is no name"):
        decode_token(token)


@given(names, names, channels, names)
def test_an_address_comes_back_from_its_subject(
    prefix: str, node: str, where: tuple[str, ...], name: str
) -> None:
    subjects = Subjects(prefix)
    for subject in (
        subjects.event(node, where, name),
        subjects.broadcast(where, name),
        subjects.durable(node, where, name),
    ):
        assert subjects.address(subject) == (where, name)


def test_subjects_are_those_of_the_table() -> None:
    subjects = Subjects()
    assert subjects.event("billing-1", ("card",), "charge") == "circuits.billing-1.card.charge"
    assert subjects.event("billing", (), "charge") == "circuits.billing._.charge"
    assert subjects.event("billing", ("a", "b,c"), "charge") == "circuits.billing.a,b%2Cc.charge"
    assert subjects.broadcast(("card",), "charge") == "circuits._all.card.charge"
    assert subjects.presence("b.1") == "circuits._presence.b%2E1"
    durable = subjects.durable("billing", ("card",), "charge")
    assert durable == "circuits._durable.billing.card.charge"
    assert subjects.dead("billing", durable) == "circuits._dead.billing.card.charge"
    assert subjects.for_node("billing") == "circuits.billing.*.*"


@pytest.mark.parametrize(
    "subject",
    [
        "circuits.far.x", "circuits.far.x.y.z", "circuits.far.%.y", "circuits.far.x.%",
        "circuits._durable.g.y", "circuits.far._,a.y", "circuits.far..y", "circuits.far.%00.y",
    ],
)  # fmt: skip
def test_other_subjects_are_those_of_no_event(subject: str) -> None:
    with pytest.raises(ValueError):  # several texts
        Subjects().address(subject)


@given(names, names, names, names)
def test_two_groups_never_share_a_stream(a: str, b: str, c: str, d: str) -> None:
    streams = [Subjects(a).stream(b), Subjects(c).stream(d)]
    assert (streams[0] == streams[1]) == ((a, b) == (c, d))


def test_the_separators_of_stream_names_are_encoded() -> None:
    subjects = Subjects("my-app_1")
    assert subjects.stream("a-b_c") == "circuits-durable-my%2Dapp%5F1-a%2Db%5Fc"
    assert subjects.dead_stream("g") == "circuits-dead-my%2Dapp%5F1-g"
    assert subjects.consumer("a-b") == "a%2Db"


def test_a_subject_that_servers_would_not_take_is_refused() -> None:
    with pytest.raises(ValueError, match="3000 at most"):
        Subjects().event("ü" * 255, ("ü" * 255,), "e")
