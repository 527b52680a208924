"""How a connection between two nodes begins: what is spoken, and who is who.

The side that connects offers to speak version 2, and says nothing more until the other one has
answered or a second has passed; then version 1 is spoken. Where there is a secret, both prove that
they know it before anything else is read. From then on each packet is understood by its first
byte and answered in its kind, so an answer to the offer that comes late still counts.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

from circuits._wire import packet as wire
from circuits._wire.packet import Control, Offer
from circuits.core import _clock
from circuits.core._clock import NEVER

if TYPE_CHECKING:
    from ._link import Link

__all__ = ["Handshake", "State", "proof"]

#: Seconds that an offer waits for its answer before version 1 is spoken.
OFFER_SECONDS = 1.0
#: How long the proofs may take, and how many bytes may come before they are there.
PROOF_SECONDS = 5.0
PROOF_BYTES = 4096


class State(enum.Enum):
    """Where a connection is in its life; it only ever moves down this list."""

    NEW = "new"
    OFFERED = "offered"  # the answer to our offer is awaited
    WAITING = "waiting"  # for the first packet of a peer that has connected
    PROVING = "proving"  # for its proof
    OPEN = "open"
    CLOSED = "closed"


def proof(secret: bytes, role: str, offers: tuple[Offer, Offer]) -> str:
    """What proves that a side knows the secret.

    Args:
        secret: The secret.
        role: Of the side that proves: ``client``, which has connected, or ``server``.
        offers: That of the client and that of the server.
    """
    client, server = offers
    parts = [role, client.nonce, server.nonce, client.name, server.name]
    text = json.dumps(parts, separators=(",", ":"), ensure_ascii=False)
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()


class Handshake:
    """The beginning of one link.

    Args:
        link: The link.
        version: 1: do not even offer version 2.
    """

    __slots__ = ("_link", "_nonce", "_offers", "_secret", "_timer", "_unproven", "_version")

    def __init__(self, link: Link, version: int) -> None:
        self._link = link
        self._version = version
        self._secret = link.hub.options.secret
        self._nonce = ""
        self._offers: tuple[Offer, Offer] | None = None  # that of the client comes first
        self._unproven = 0
        self._timer = NEVER

    def start(self) -> None:
        """The connection stands."""
        link = self._link
        schedule = link.hub.engine.schedule
        if self._secret is not None:
            self._timer = schedule.call_in(PROOF_SECONDS, self._too_late)
        if not link.is_client:
            link.state = State.WAITING
        elif self._version == 1:
            link.opened()
        else:
            link.state = State.OFFERED
            if self._secret is None:
                self._timer = schedule.call_in(OFFER_SECONDS, self._settle_for_less)
            self._send_offer()

    def end(self) -> None:
        """The link has ended."""
        self._timer.cancel()

    def take(self, message: wire.Message) -> bool:
        """Take a packet that comes before the link is open; whether it could be taken now."""
        link = self._link
        if isinstance(message, Offer) and link.state is not State.PROVING:
            self._take_offer(message)
        elif self._secret is not None:
            if (
                link.state is State.PROVING
                and isinstance(message, Control)
                and message.kind == "proof"
            ):
                self._take_proof(message.content)
            else:
                link.fail("it speaks without a proof")
        elif link.state is State.OFFERED:
            return False
        else:
            link.version = message.version
            link.opened()
            return False
        return True

    def take_late(self, offer: Offer) -> None:
        """An offer, or an answer to ours, comes when version 1 is spoken already."""
        if self._secret is None:
            self._take_offer(offer)

    def count(self, size: int) -> None:
        """So many bytes more have come, and the link is not open."""
        if self._secret is not None and self._link.state is not State.CLOSED:
            self._unproven += size
            if self._unproven > PROOF_BYTES:
                self._link.fail(f"more than {PROOF_BYTES} bytes without a proof")

    def _send_offer(self) -> None:
        hub = self._link.hub
        self._nonce = _clock.random_bytes(16).hex()
        body = {
            "circuits": 2,
            "name": hub.options.name,
            "nonce": self._nonce,
            "features": list(hub.features),
        }
        self._link.transport.write(wire.encode(body, 1))

    def _settle_for_less(self) -> None:
        """Nobody has answered the offer."""
        if self._link.state is State.OFFERED:
            self._link.opened()
            self._link.process()

    def _too_late(self) -> None:
        if self._link.state not in (State.OPEN, State.CLOSED):
            self._link.fail(f"no proof within {PROOF_SECONDS:g} s")

    def _take_offer(self, offer: Offer) -> None:
        link = self._link
        if self._offers is not None or (link.is_client and self._version == 1):
            return  # once is enough, and only where we have asked
        if not link.is_client:
            link.name = offer.name
            self._send_offer()
        ours = Offer(2, 2, link.hub.options.name, self._nonce)
        self._offers = (ours, offer) if link.is_client else (offer, ours)
        link.version = 2
        if "msgpack" in offer.features and "msgpack" in link.hub.features:
            link.agree_on_messagepack()
        if self._secret is None:
            self._timer.cancel()
            link.opened()
            return
        link.state = State.PROVING
        if link.is_client:
            link.send_control("proof", proof(self._secret, "client", self._offers))

    def _take_proof(self, found: Any) -> None:
        link, secret, offers = self._link, self._secret, self._offers
        assert secret is not None
        assert offers is not None
        wanted = proof(secret, "server" if link.is_client else "client", offers)
        if not isinstance(found, str) or not hmac.compare_digest(
            found.encode("utf-8", "replace"), wanted.encode()
        ):
            link.fail("it does not know the secret")
            return
        if not link.is_client:
            link.send_control("proof", proof(secret, "server", offers))
        self._timer.cancel()
        link.opened()
