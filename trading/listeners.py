"""Who listens on the `orders` socket, how far each has come, and what is said to it again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from domain.messages import Message, OrdersMessage
from utility.bus import Router

RESEND_S = 1.0
RESEND_MAX = 500


@dataclass
class _Peer:
    """A listener on `orders`."""

    acked: int = -1  # −1: has not asked for a snapshot yet
    told_s: float = 0.0


class Listeners:
    """The peers of one trader.

    Parameters
    ----------
    orders : Router
        The socket they listen on.
    """

    def __init__(self, orders: Router[OrdersMessage]) -> None:
        self._orders = orders
        self._peers: dict[str, _Peer] = {}

    def joined(self, peer: str, outbox_seq: int) -> None:
        """Note that a peer has the whole picture up to `outbox_seq`."""
        self._peers[peer] = _Peer(outbox_seq, time.monotonic())

    def acknowledge(self, peer: str, seq: int) -> int:
        """Note how far a peer has come; return up to where everything has been handled."""
        known = self._peers.setdefault(peer, _Peer())
        known.acked = max(known.acked, seq)
        # What no strategy has handled yet is kept, whatever the screen has seen.
        return max(self._strategies(), default=known.acked)

    def strategy_acked(self) -> int:
        """Return how far the strategy has come; beyond everything when there is none."""
        return max(self._strategies(), default=1 << 62)

    def _strategies(self) -> list[int]:
        return [peer.acked for name, peer in self._peers.items() if ".strategy." in name]

    def tell(self, message: Message, seq: int) -> None:
        """Send to all that have the picture; `seq` 0 is of no record."""
        now = time.monotonic()
        for name, peer in self._peers.items():
            if peer.acked >= 0 and self._orders.send(name, message) and seq and seq == peer.acked + 1:
                peer.told_s = now

    def tell_again(self, now_s: float, last_seq: int, since: Callable[[int], list[Message]]) -> None:
        """Repeat what a listener has not acknowledged for a second (reliability 4.8)."""
        for name, peer in list(self._peers.items()):
            if not 0 <= peer.acked < last_seq or now_s - peer.told_s < RESEND_S:
                continue
            peer.told_s = now_s
            for message in since(peer.acked)[:RESEND_MAX]:
                if not self._orders.send(name, message):
                    if name.startswith("viewer"):
                        del self._peers[name]  # a window that was closed; another one asks for the whole picture
                    break
