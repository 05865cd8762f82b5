"""What a reader of a market does until the trader has answered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from domain.messages import IntentAck, Snapshot, SnapshotDone, SubmitIntent
from domain.orders import Action, Intent
from trading.market_view import INTENT_RETRY_S, SNAPSHOT_RETRY_S, MarketView


class DeafTrader:
    """The `orders` socket of a trader that is still opening its account."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.intents = 0
        self.answers: list[Any] = []

    def send(self, message: Any) -> bool:
        if isinstance(message, Snapshot):
            self.asked.append(message.what)
        self.intents += isinstance(message, SubmitIntent)
        return True

    def receive(self) -> Iterator[Any]:
        answers, self.answers = self.answers, []
        return iter(answers)


def view_of(trader: DeafTrader, what: str = "all") -> MarketView:
    view = MarketView(None, "main", (), what)  # type: ignore[arg-type]
    view.orders = trader  # type: ignore[assignment]
    return view


def test_the_traders_picture_is_asked_for_until_it_came() -> None:
    trader = DeafTrader()
    view = view_of(trader, "day")
    view.snapshot_due_s = 10.0
    view.read(9.9)
    assert trader.asked == []
    view.read(10.0)
    view.read(10.1)
    assert trader.asked == ["day"]
    view.read(10.0 + SNAPSHOT_RETRY_S)
    assert trader.asked == ["day", "day"]
    trader.answers = [SnapshotDone(outbox_seq=0)]
    heard = view.read(11.2)
    heard += view.read(30.0)
    assert len(trader.asked) == 2
    assert [type(message) for message in heard] == [SnapshotDone]


def test_an_intent_is_sent_until_it_is_acknowledged() -> None:
    trader = DeafTrader()
    view = view_of(trader)
    intent = Intent(
        intent_id="i",
        account="a",
        strategy="s",
        version="1",
        instrument_id="upbit:KRW-A",
        action=Action.ENTRY,
        side=1,
        qty=1,
        reference_price=1.0,
        row_time=1,
    )
    view.submit(intent)
    view.read(1.0)
    view.read(1.1)
    assert trader.intents == 1
    view.read(1.0 + INTENT_RETRY_S)
    assert trader.intents == 2
    trader.answers = [IntentAck(intent_id="i", accepted=True)]
    view.read(2.0)
    sent = trader.intents
    view.read(60.0)
    assert trader.intents == sent
