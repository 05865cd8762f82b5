"""The reference of 등락율 on a venue whose trades do not carry it: the finished daily candle, then the last trade of the day."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from coin.binance.feed import BinanceFeed
from coin.binance.frames import FrameDecoder
from coin.markets import BINANCE
from domain.instruments import DAY_S, NS, Instrument
from domain.ports import Endpoint, EventBatch
from domain.records import NO_ROW, PREV_CLOSE, SNAPSHOT, TRADE, row_schema
from paper.made import MadeMarket
from tests.contract.venue_kit import Sink, WallClock
from tests.contract.venue_rig import START_NS, VenueRig
from trading.rows import RowBuilder
from utility.event_block import EventBlock

DAY_NS = DAY_S * NS
CODES = ("BTCUSDT", "ETHUSDT")
CHANGE = [column.key for column in row_schema("coin", 1).columns].index("change_pct")
LOOPBACK = Endpoint(rest="http://127.0.0.1:1", ws_public="ws://127.0.0.1:1", ws_private="ws://127.0.0.1:1")


def changes(events: np.ndarray, instruments: list[Instrument]) -> dict[tuple[int, int], float]:
    """Return the change in percent by (instrument, second) of every row."""
    builder = RowBuilder(BINANCE, 1, instruments)
    rows = builder.push(events.copy())
    return {(int(row["instrument"]), int(row["exchange_ns"]) // NS): float(row["values"][CHANGE]) for row in rows}


def received(rig: VenueRig, sink: Sink) -> np.ndarray:
    rig.advance(0.0)
    time.sleep(0.3)
    return np.concatenate([batch.events for batch in sink.of(EventBatch) if len(batch.events)])


def is_snapshot_of(batch: EventBatch, index: int) -> bool:
    return len(batch.events) > 0 and (int(batch.events["kind"][0]), int(batch.events["instrument"][0])) == (SNAPSHOT, index)


def test_rows_of_the_feed_have_the_same_change_as_rows_of_the_made_market() -> None:
    with VenueRig("binance", CODES) as rig:
        feed, sink = rig.feed(), Sink()
        known = {instrument.code: instrument for instrument in feed.instruments()}
        chosen = [known[code] for code in CODES]
        feed.start(sink)
        feed.subscribe(chosen)
        try:
            for index in range(len(CODES)):
                sink.wait(EventBatch, lambda batch, i=index: is_snapshot_of(batch, i))  # type: ignore[misc]
            for _ in range(20):
                rig.advance(1.0)
                time.sleep(0.02)
            events = received(rig, sink)
            live, blind = changes(events, chosen), changes(events[events["kind"] != PREV_CLOSE], chosen)
        finally:
            feed.close()
    made = MadeMarket(BINANCE, CODES, 7, START_NS)
    whole = changes(np.concatenate([made.advance(START_NS + second * NS) for second in range(1, 60)]), list(made.instruments))
    for index in range(len(CODES)):
        # The second in which the book was joined began without us: its row may come at a later book event.
        del live[min(key for key in live if key[0] == index)]
    assert len(live) >= 20
    assert {key: whole[key] for key in live} == live
    assert len(set(live.values())) > 2
    assert not any(live[key] == blind[key] for key in live)  # against the first trade all of them would be others


def test_the_exchange_has_no_candle_of_yesterday_when_nobody_told_it_the_close() -> None:
    with VenueRig("binance", CODES) as rig:
        ask = rig.feed()
        try:
            page = ask._rest.get("/api/v3/klines", {"symbol": CODES[0], "interval": "1d", "limit": "2"}, _page, "weight", 2.0)
            assert [row[0] for row in page] == [START_NS // DAY_NS * DAY_NS // 10**6 - 86_400_000, START_NS // DAY_NS * DAY_NS // 10**6]
            assert float(page[0][5]) == 0.0
            rig.do(lambda: setattr(rig.house.core._states[0].history, "previous_close", float("nan")))
            page = ask._rest.get("/api/v3/klines", {"symbol": CODES[0], "interval": "1d", "limit": "2"}, _page, "weight", 2.0)
            assert len(page) == 1
        finally:
            ask.close()


def _page(body: bytes) -> Any:
    import json

    return json.loads(body)


@pytest.fixture
def feed() -> BinanceFeed:
    made = BinanceFeed(LOOPBACK, WallClock(), live=LOOPBACK)
    made._desk.instruments = tuple(MadeMarket(BINANCE, CODES, 7, START_NS).instruments)
    made.decoder = FrameDecoder(made._desk.instruments)
    from coin.binance.feed import _Chain, _Day

    made._chains, made._days = [_Chain(), _Chain()], [_Day(), _Day()]
    return made


def trade(ns: int, price: float, number: int) -> np.ndarray:
    return EventBlock().one(TRADE, 0, ns, ns, price, 10**8, 1, first_id=number)


def test_a_new_day_begins_with_the_last_price_of_the_finished_one(feed: BinanceFeed) -> None:
    day = START_NS // DAY_NS * DAY_NS
    assert len(feed._seen(trade(day + 5, 100.0, 1))) == 1  # nothing is known of the day before
    feed._seen(trade(day + 6, 101.0, 3))
    feed._seen(trade(day + 7, 99.0, 2))  # an older trade, again: no row counts it
    events = feed._seen(trade(day + DAY_NS + 1, 102.0, 4))
    assert [int(kind) for kind in events["kind"]] == [PREV_CLOSE, TRADE]
    assert float(events["price"][0]) == 101.0
    assert int(events["exchange_ns"][0]) == day + DAY_NS
    assert len(feed._seen(trade(day + DAY_NS + 2, 103.0, 5))) == 1


def test_the_venues_own_close_of_that_day_is_not_replaced(feed: BinanceFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    day = START_NS // DAY_NS * DAY_NS
    sink = Sink()
    feed._desk.start(sink)
    feed._desk._last_ns, feed._desk._last_trade = [0, 0], [0, 0]
    feed._seen(trade(day + 6, 101.0, 3))  # then the connection was lost until the next day
    monkeypatch.setattr("coin.binance.rest.previous_close", lambda rest, code: (day + DAY_NS, 107.0))
    assert feed._hand_close(feed._generation, 0, CODES[0])
    told = sink.of(EventBatch)[0].events
    assert (int(told["kind"][0]), float(told["price"][0]), int(told["exchange_ns"][0])) == (PREV_CLOSE, 107.0, day + DAY_NS)
    assert len(feed._seen(trade(day + DAY_NS + 1, 108.0, 9))) == 1
    assert not told["flags"][0] & NO_ROW
