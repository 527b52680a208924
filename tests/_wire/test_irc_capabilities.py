"""Negotiating IRCv3 capabilities."""

from __future__ import annotations

from circuits._wire._irc_capabilities import CAPABILITIES_LIMIT, Negotiation, State
from circuits._wire.irc import format_message, parse


def told(negotiation: Negotiation, *lines: str) -> list[str]:
    return [format_message(m) for line in lines for m in negotiation.receive(parse(line))]


def begun(*wanted: str) -> Negotiation:
    negotiation = Negotiation(wanted)
    assert [format_message(m) for m in negotiation.begin()] == ["CAP LS 302"]
    return negotiation


def test_what_is_there_is_asked_for_and_granted() -> None:
    negotiation = begun("server-time", "sasl", "nothing")
    assert told(negotiation, ":s CAP * LS * :sasl=PLAIN,EXTERNAL multi-prefix") == []
    assert told(negotiation, ":s CAP * LS :server-time") == ["CAP REQ :server-time sasl"]
    assert negotiation.available["sasl"] == "PLAIN,EXTERNAL"
    assert negotiation.state is State.REQUESTING
    assert told(negotiation, ":s CAP * ACK :server-time sasl ") == ["CAP END"]
    assert negotiation.enabled == {"server-time", "sasl"}
    assert negotiation.state is State.DONE


def test_when_all_together_are_refused_each_is_asked_for() -> None:
    negotiation = begun("a", "b")
    told(negotiation, "CAP * LS :a b c")
    assert told(negotiation, "CAP * NAK :a") == ["CAP REQ a", "CAP REQ b"]
    assert told(negotiation, "CAP * ACK :a", "CAP * NAK :b") == ["CAP END"]
    assert negotiation.enabled == {"a"}


def test_when_nothing_wanted_is_there_it_ends_at_once() -> None:
    negotiation = begun("a")
    assert told(negotiation, "CAP * LS :b") == ["CAP END"]


def test_a_server_without_capabilities_ends_it() -> None:
    for line in (":s 001 me :Welcome", ":s 421 * CAP :Unknown command"):
        negotiation = begun("a")
        assert told(negotiation, line) == []
        assert negotiation.state is State.DONE


def test_other_messages_change_nothing() -> None:
    negotiation = begun("a")
    assert told(negotiation, "PING :x", "CAP", "CAP *", "CAP * LS", "CAP * NAK :a") == []
    assert negotiation.state is State.LISTING


def test_long_requests_are_sent_in_parts() -> None:
    wanted = [f"capability-{number:03}" for number in range(60)]
    negotiation = begun(*wanted)
    for name in wanted[:-1]:
        told(negotiation, f"CAP * LS * :{name}")
    requests = told(negotiation, f"CAP * LS :{wanted[-1]}")
    assert len(requests) > 1
    assert all(len(request) < 510 for request in requests)
    answers = [request.replace("CAP REQ", "CAP * ACK") for request in requests]
    assert told(negotiation, *answers[:-1]) == []
    assert told(negotiation, answers[-1]) == ["CAP END"]
    assert negotiation.enabled == set(wanted)


def test_changes_while_connected() -> None:
    negotiation = begun("a", "b")
    told(negotiation, "CAP * LS :a", "CAP * ACK :a")
    assert told(negotiation, "CAP me NEW :b x") == ["CAP REQ b"]
    assert told(negotiation, "CAP me ACK :b") == []
    assert told(negotiation, "CAP me DEL :a") == []
    assert told(negotiation, "CAP me ACK :-b") == []
    assert negotiation.enabled == set()
    assert set(negotiation.available) == {"b", "x"}


def test_a_list_without_end_is_cut_off() -> None:
    negotiation = begun("a")
    for number in range(CAPABILITIES_LIMIT + 10):
        told(negotiation, f"CAP * LS * :x{number}")
    assert len(negotiation.available) == CAPABILITIES_LIMIT


def test_a_new_connection_begins_anew() -> None:
    negotiation = begun("a")
    told(negotiation, "CAP * LS :a", "CAP * ACK :a")
    negotiation.begin()
    assert (negotiation.state, negotiation.enabled) == (State.LISTING, set())
