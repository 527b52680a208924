"""UDP over the loopback interface, over every poller."""

from __future__ import annotations

import errno
import socket
from typing import Any

import pytest

from circuits import handler
from circuits.core.pollers import BasePoller
from circuits.net.events import broadcast
from circuits.net.sockets import Close, UDP6Client, UDP6Server, UDPClient, UDPServer, Write

from .net_support import SECONDS, Journal, running


class Echo(UDPServer):
    @handler("read")
    def _on_read(self, address: Any, data: bytes) -> bytes:
        return data


class Echo6(UDP6Server):
    @handler("read")
    def _on_read(self, address: Any, data: bytes) -> bytes:
        return data


def test_datagrams_there_and_back(poller: BasePoller) -> None:
    server, client = Echo(("127.0.0.1", 0)), UDPClient(("127.0.0.1", 0), channel="client")
    journal = Journal("client")
    with running(poller, server, client, journal) as program:
        assert journal.expect("ready") == (client, ("127.0.0.1", client.port))
        for number, data in enumerate((b"one", b"x" * 60_000, b""), 1):
            program.app.fire(Write(("localhost", server.port), data), "client")
            address, answer = journal.expect("read", number)
            assert (address, answer) == (("127.0.0.1", server.port), data)


def test_datagrams_over_ipv6(poller: BasePoller, ipv6: None) -> None:
    server, client = Echo6(("::1", 0)), UDP6Client(("::1", 0), channel="client")
    journal = Journal("client")
    with running(poller, server, client, journal) as program:
        journal.expect("ready")
        program.app.fire(Write(("::1", server.port), b"six"), "client")
        address, data = journal.expect("read")
        assert (address, data) == (("::1", server.port, 0, 0), b"six")
        program.app.fire(Write(address, b"again"), "client")  # what was told can be given back
        assert journal.expect("read", 2) == (address, b"again")


def test_two_kinds_of_servers_on_one_channel_leave_each_other_alone(poller: BasePoller) -> None:
    one, other = Echo(("127.0.0.1", 0)), UDPServer(("127.0.0.1", 0))
    with running(poller, one, other):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
            wire.settimeout(SECONDS)
            wire.sendto(b"hello", ("127.0.0.1", one.port or 0))
            assert wire.recv(100) == b"hello"


def test_an_unreachable_port_is_told_and_the_socket_stays_open(poller: BasePoller) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
    wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    wire.bind(("127.0.0.1", 0))
    wire.connect(("127.0.0.1", port))  # only who is connected hears of it
    client, journal = UDPClient(wire, channel="client"), Journal("client")
    with running(poller, client, journal) as program:
        journal.expect("ready")
        program.app.fire(Write(("127.0.0.1", port), b"?"), "client")
        sock, problem = journal.expect("socket_error")
        assert (sock, problem.errno) == (wire, errno.ECONNREFUSED)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as somebody:
            somebody.bind(("127.0.0.1", port))
            somebody.sendto(b"here", wire.getsockname())
            assert journal.expect("read") == (("127.0.0.1", port), b"here")


def test_a_port_is_free_again_after_close(poller: BasePoller) -> None:
    server, journal = UDPServer(("127.0.0.1", 0)), Journal("server")
    port = server.port
    with running(poller, server, journal) as program:
        journal.expect("ready")
        program.app.fire(Close(), "server")
        journal.expect("disconnect")
        assert journal.names[-2:] == ["closed", "disconnect"]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
            wire.bind(("127.0.0.1", port or 0))
    assert journal.names.count("closed") == 1


def test_multicast_comes_back_to_the_members_on_this_machine(poller: BasePoller) -> None:
    here = "127.0.0.1"
    server, journal = UDPServer(("0.0.0.0", 0), multicast_interface=here), Journal("server")
    with running(poller, server, journal) as program:
        journal.expect("ready")
        try:
            program.inside(lambda: server.join_group("239.255.77.1", here))
        except OSError as problem:
            pytest.skip(f"no multicast here: {problem}")
        program.app.fire(Write(("239.255.77.1", server.port), b"all"), "server")
        _, data = journal.expect("read")
        assert data == b"all"


def test_broadcasts_are_allowed(poller: BasePoller) -> None:
    client, journal = UDPClient(("127.0.0.1", 0), channel="client"), Journal("client")
    with running(poller, client, journal) as program:
        journal.expect("ready")
        program.app.fire(broadcast(b"all", 9), "client")
        program.inside(lambda: None)
    # Whether there is a network to broadcast to is not ours; that it is permitted is.
    assert errno.EACCES not in [problem.errno for _, problem in journal.of("socket_error")]
