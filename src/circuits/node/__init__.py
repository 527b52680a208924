"""The same events on other machines (manual: circuits.node).

``Unreachable`` here is an exception: a node cannot be asked. The event of sockets of that name is
:class:`circuits.net.events.Unreachable`.
"""

from __future__ import annotations

from ._reserved import RESERVED
from .client import Client
from .errors import Refused, Unreachable
from .events import ConnectedTo, DeadLetter, DisconnectedFrom, Packet, Remote, remote
from .node import Node
from .server import Server

__all__ = [
    "RESERVED",
    "Client",
    "ConnectedTo",
    "DeadLetter",
    "DisconnectedFrom",
    "Node",
    "Packet",
    "Refused",
    "Remote",
    "Server",
    "Unreachable",
    "remote",
]
