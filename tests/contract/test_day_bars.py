"""What a venue says of its running day, and what rows that begin in the middle of that day make of it: the same."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest

from domain.errors import VenueError
from domain.instruments import DAY_S, NS
from domain.messages import MarketMessage, Message, Rows
from domain.ports import EventBatch, FeedNotice
from domain.records import row_schema
from tests.contract.venue_rig import START_NS, VenueRig
from trading.receiver import Receiver
from utility.sequence import ROWS

DAY = START_NS // (DAY_S * NS)
SCHEMA = row_schema("coin", 1)
FIGURES = ("day_open", "day_high", "day_low", "day_value")
_decoder = msgspec.msgpack.Decoder(MarketMessage)


@pytest.fixture(params=["upbit", "binance"])
def rig(request: pytest.FixtureRequest) -> Iterator[VenueRig]:
    with VenueRig(request.param) as running:
        yield running


def true_day(rig: VenueRig, number: int) -> Any:
    return rig.do(lambda: rig.house.core.day(number))


def test_the_venue_tells_its_own_day(rig: VenueRig) -> None:
    feed = rig.feed()
    try:
        rig.advance(30.0)
        bars = {bar.code: bar for bar in feed.day_bars(list(rig.codes))}
        assert set(bars) == set(rig.codes)
        for number, code in enumerate(rig.codes):
            bar, true = bars[code], true_day(rig, number)
            assert (bar.day, bar.open, bar.high, bar.low) == (DAY, true.open, true.high, true.low)
            assert bar.value == pytest.approx(true.value)
            assert bar.value > 0.0
            assert bar.last_id == true.last_id or bar.last_ns == true.last_ns
    finally:
        feed.close()


def test_a_venue_that_does_not_answer_is_an_error(rig: VenueRig) -> None:
    feed = rig.feed()
    try:
        rig.fault("request", "status", params={"status": 503})
        with pytest.raises(VenueError):
            feed.day_bars(list(rig.codes))
    finally:
        feed.close()


class Live:
    """A receiver on a venue's feed, as its process runs it."""

    def __init__(self, rig: VenueRig) -> None:
        self.feed = rig.feed()
        known = {instrument.code: instrument for instrument in self.feed.instruments()}
        chosen = [known[code] for code in rig.codes]
        self.rows: list[np.ndarray] = []
        self.codes: list[str] = []
        self._seq = 0
        self._lock = threading.Lock()
        self.core = Receiver(rig.market, 1, chosen, self._publish, None, 1, asks_days=True)
        self.core.begin()
        self.feed.start(self._sink)
        self.feed.subscribe(chosen)

    def _publish(self, stream: bytes, message: Message) -> int:
        if stream == ROWS and isinstance(message, Rows):
            self.rows.append(np.frombuffer(message.data, self.core.builder.dtype))
        self._seq += 1
        return self._seq

    def _sink(self, item: EventBatch | FeedNotice) -> None:
        with self._lock:
            if isinstance(item, EventBatch):
                self.core.on_batch(item)
            else:
                self.core.on_notice(item)
                self.codes.append(item.code)

    def wait(self, code: str, count: int = 1) -> None:
        deadline = time.monotonic() + 10.0
        while self.codes.count(code) < count:
            assert time.monotonic() < deadline, self.codes
            time.sleep(0.01)

    def ask(self, between: Any = None) -> bool:
        with self._lock:
            codes = self.core.begin_days(time.time_ns())
        bars = self.feed.day_bars(codes)
        if between is not None:
            between()  # the stream goes on while the answer is under way
        with self._lock:
            return self.core.take_days(bars, time.time_ns())

    def last(self, index: int) -> dict[str, float]:
        """Return the newest row's figures of an instrument."""
        with self._lock:
            whole = np.concatenate(self.rows)
        row = whole[whole["instrument"] == index][-1]
        return {name: float(row["values"][SCHEMA.index(name)]) for name in (*FIGURES, "value_1s", "change_pct", "last_price")}


def advance(rig: VenueRig, seconds: int) -> None:
    for _ in range(seconds):
        rig.advance(1.0)
        time.sleep(0.03)
    time.sleep(0.2)


def agrees(live: Live, rig: VenueRig) -> None:
    """Compare the last row with the exchange's own day up to the row's last trade: those of its second have no row yet."""
    for number in range(len(rig.codes)):
        row, true = live.last(number), true_day(rig, number)
        trades = rig.do(lambda i=number: list(rig.house.core.trades(i, 2_000)))  # type: ignore[misc]
        assert len(trades) == true.trades
        sums = np.cumsum([trade.price * trade.qty / 1e8 for trade in trades])
        count = int(np.abs(sums - row["day_value"]).argmin()) + 1
        assert row["day_value"] == pytest.approx(sums[count - 1], abs=0.01)
        assert count > len(trades) - 40
        prices = [trade.price for trade in trades[:count]]
        assert (row["day_open"], row["day_high"], row["day_low"], row["last_price"]) == (true.open, max(prices), min(prices), prices[-1])
        assert row["change_pct"] == pytest.approx((row["last_price"] / true.previous_close - 1) * 100, abs=0.006)


def test_rows_that_begin_in_mid_day_are_of_the_venues_day(rig: VenueRig) -> None:
    live = Live(rig)
    try:
        live.wait("ready")
        advance(rig, 4)
        assert live.rows == []  # none says what is not known
        assert live.core.lacks_days
        assert live.ask()
        advance(rig, 3)
        agrees(live, rig)
        before = live.last(0)["day_value"]
        rig.cut(private=False)
        live.wait("subscribed", 2)
        live.wait("ready", 2)
        assert live.ask(lambda: advance(rig, 2))  # asked after a reconnect, and answered late
        advance(rig, 3)
        agrees(live, rig)
        assert live.last(0)["value_1s"] < live.last(0)["day_value"] - before + 0.01
    finally:
        live.feed.close()


def test_trades_that_overtake_the_answer_count_once(rig: VenueRig) -> None:
    live = Live(rig)
    try:
        live.wait("ready")
        assert live.ask(lambda: advance(rig, 5))
        advance(rig, 3)
        agrees(live, rig)
    finally:
        live.feed.close()
