"""What a main process or a viewer reads of one market: the receiver's streams, the trader's word; and intents to it."""

from __future__ import annotations

import time
from collections.abc import Iterable

from domain.messages import (
    Heartbeat,
    IntentAck,
    MarketMessage,
    Message,
    OrdersMessage,
    OutboxAck,
    Snapshot,
    SnapshotDone,
    SubmitIntent,
)
from domain.orders import Intent
from trading.market_run import MarketRun
from utility.bus import Bus, Dealer, Subscriber
from utility.sequence import Hole

INTENT_RETRY_S = 0.5
SNAPSHOT_RETRY_S = 1.0
Place = tuple[str, str, int]
"""Address, public key and generation of a process's socket."""


def place_of(run: MarketRun, slot: str, channel: str) -> Place | None:
    """Return where a process of a market listens now, None before it has said so."""
    child = run.children.get(slot)
    address = "" if child is None or child.hello is None else child.hello.addresses.get(channel, "")
    return (address, run.keys[slot].public, child.config.generation) if child is not None and address else None


class MarketView:
    """One market as a reader has it.

    Parameters
    ----------
    bus : Bus
        Of this process.
    identity : str
        Its name at the processes.
    streams : iterable of bytes
        Of the receiver's publisher.
    what : {"all", "day"}
        What the trader is asked for at first: "day" adds what it did today, for a screen.
    """

    def __init__(self, bus: Bus, identity: str, streams: Iterable[bytes], what: str) -> None:
        self.orders: Dealer[OrdersMessage] | None = None
        self.snapshot_due_s = 0.0  # when the trader's picture is asked for again; 0 = it came
        self._bus = bus
        self._identity = identity
        self._streams = tuple(streams)
        self._what = what
        self._subscriber: Subscriber[MarketMessage] | None = None
        self._market: Place | None = None
        self._orders: Place | None = None
        self._acked = 0
        self._intents: dict[str, tuple[Intent, float]] = {}

    def connect(self, market: Place | None, orders: Place | None) -> None:
        """Go where the receiver and the trader are now; None where one is not known."""
        if market is not None and market != self._market:
            self._market = market
            if self._subscriber is None:
                self._subscriber = self._bus.subscriber(MarketMessage, self._streams, self._identity, market[:2], None)
            else:
                self._subscriber.connect(market[:2], None)
        if orders is not None and orders != self._orders:
            self._orders = orders
            if self.orders is None:
                self.orders = self._bus.dealer(OrdersMessage, self._identity, *orders[:2])
            else:
                self.orders.connect(*orders[:2])
            self._acked = 0
            self.snapshot_due_s = time.monotonic()

    def submit(self, intent: Intent) -> None:
        """Send a manual intent until it is acknowledged."""
        self._intents[intent.intent_id] = (intent, 0.0)

    def read(self, now: float) -> list[Message]:
        """Return what was heard, and say what is due."""
        heard: list[Message] = []
        if self._subscriber is not None:
            heard += [item for item in self._subscriber.receive(now) if not isinstance(item, Hole)]
        if self.orders is None:
            return heard
        if self.snapshot_due_s and now >= self.snapshot_due_s:
            # A trader that is still opening its account hears nothing yet: it is asked until it has answered.
            self.snapshot_due_s = now + SNAPSHOT_RETRY_S
            self.orders.send(Snapshot(what=self._what))
        last = 0
        for message in self.orders.receive():
            last = max(last, int(getattr(message, "outbox_seq", 0)))
            if isinstance(message, IntentAck):
                self._intents.pop(message.intent_id, None)
            elif isinstance(message, SnapshotDone):
                self.snapshot_due_s = 0.0
            if not isinstance(message, Heartbeat):
                heard.append(message)
        if last > self._acked:
            self._acked = last
            self.orders.send(OutboxAck(seq=last))
        for key, (intent, due) in self._intents.items():
            if now >= due:
                self.orders.send(SubmitIntent(intent=intent))
                self._intents[key] = (intent, now + INTENT_RETRY_S)
        return heard

    def close(self) -> None:
        """Let both sockets go."""
        if self._subscriber is not None:
            self._subscriber.close()
        if self.orders is not None:
            self.orders.close()
