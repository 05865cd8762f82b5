"""The made market is a market: a seeded order flow with the facts a trader would check."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from coin.markets import BINANCE, UPBIT
from domain.instruments import NS
from domain.records import EVENT_DTYPE, FIRST, LAST, LEVEL, NO_ROW, PREV_CLOSE, SNAPSHOT, TOTAL, TRADE
from paper.made import MadeMarket
from paper.made_facts import made_codes
from stock.markets import KRX

START = 1_790_000_000 * NS
HOURS = 4
MARKETS = {"upbit": UPBIT, "binance": BINANCE, "krx": KRX}


def make(market_code: str, seconds: int, seed: int = 7, count: int = 3, start_ns: int = START) -> tuple[MadeMarket, np.ndarray]:
    market = MARKETS[market_code]
    made = MadeMarket(market, made_codes(market, count), seed, start_ns)
    end = made.time_ns + seconds * NS
    parts = []
    while made.time_ns < end:
        parts.append(made.advance(end))
    return made, np.concatenate(parts)


@cache
def series(market_code: str) -> list[dict[str, np.ndarray]]:
    """Return per instrument the middle price each second, spreads in steps, five-level depth and trades."""
    market = MARKETS[market_code]
    made = MadeMarket(market, made_codes(market, 3), 11, START, is_delta=False)
    end = made.time_ns + HOURS * 3600 * NS
    parts = []
    while made.time_ns < end:
        parts.append(made.advance(end))
    events = np.concatenate(parts)
    out = []
    for s, instrument in enumerate(made.instruments):
        mine = events[events["instrument"] == s]
        is_level = mine["kind"] == SNAPSHOT
        first_ask = np.flatnonzero(is_level & ((mine["flags"] & FIRST) > 0))
        side_before = np.concatenate(([0], mine["side"][:-1]))
        first_bid = np.flatnonzero(is_level & (mine["side"] == 1) & (side_before == -1))
        assert len(first_ask) == len(first_bid)
        ask, bid = mine["price"][first_ask], mine["price"][first_bid]
        second = mine["exchange_ns"][first_ask] // NS
        _, reverse = np.unique(second[::-1], return_index=True)
        last = len(second) - 1 - reverse
        middle = ((ask + bid) / 2)[last]
        trades = mine[mine["kind"] == TRADE]
        money = trades["price"] * trades["qty"] / 1e8
        volume = np.zeros(len(last))
        np.add.at(volume, np.searchsorted(second[last], trades["exchange_ns"] // NS).clip(0, len(last) - 1), money)
        depth = np.array([(mine["price"][i : i + 5] * mine["qty"][i : i + 5]).sum() / 1e8 for i in first_ask[:3000]])
        step = instrument.price_step or market.step_at(float(ask[0]), made._day(START))
        out.append({"middle": middle, "spread": (ask - bid) / step, "depth": depth, "trades": trades, "volume": volume})
    return out


def autocorrelation(x: np.ndarray, lag: int) -> float:
    x = x - x.mean()
    return float((x[:-lag] * x[lag:]).mean() / (x * x).mean())


def kurtosis(x: np.ndarray) -> float:
    return float(((x - x.mean()) ** 4).mean() / x.var() ** 2)


@pytest.mark.parametrize("market_code", MARKETS)
def test_same_seed_same_market_in_spans_of_any_length(market_code: str) -> None:
    _, whole = make(market_code, 60)
    made = MadeMarket(MARKETS[market_code], made_codes(MARKETS[market_code], 3), 7, START)
    parts, end, at = [], made.time_ns + 60 * NS, made.time_ns
    while made.time_ns < end:
        at += 700_000_000
        parts.append(made.advance(min(at, end)))
    assert np.concatenate(parts).tobytes() == whole.tobytes()
    _, other = make(market_code, 60, seed=8)
    assert other.tobytes() != whole.tobytes()


@pytest.mark.parametrize("market_code", MARKETS)
def test_events_are_in_time_order_and_trade_ids_rise_by_one(market_code: str) -> None:
    made, events = make(market_code, 300)
    assert events.dtype == EVENT_DTYPE
    assert (np.diff(events["exchange_ns"]) >= 0).all()
    for s in range(len(made.instruments)):
        ids = events["first_id"][(events["kind"] == TRADE) & (events["instrument"] == s)]
        assert len(ids) > 20
        assert (np.diff(ids) == 1).all()


def test_delta_books_keep_their_sequence_and_never_cross() -> None:
    made, events = make("binance", 600)
    for s in range(len(made.instruments)):
        book: dict[int, dict[float, int]] = {1: {}, -1: {}}
        last_id, books = 0, 0
        for event in events[events["instrument"] == s]:
            if event["kind"] not in (LEVEL, SNAPSHOT):
                continue
            if event["kind"] == LEVEL and event["flags"] & FIRST:
                assert event["first_id"] == last_id + 1
            if event["qty"] == 0:
                book[int(event["side"])].pop(float(event["price"]), None)
            else:
                book[int(event["side"])][float(event["price"])] = int(event["qty"])
            last_id = int(event["last_id"])
            if event["kind"] == LEVEL and event["flags"] & LAST:
                books += 1
                assert max(book[1]) < min(book[-1])
        assert books > 600


def test_a_delta_market_opens_with_a_snapshot_that_is_no_row_event() -> None:
    made, events = make("binance", 2)
    for s in range(len(made.instruments)):
        mine = events[events["instrument"] == s]
        assert mine["kind"][0] == PREV_CLOSE
        assert mine["kind"][1] == SNAPSHOT
        opening = mine[: np.flatnonzero(mine["flags"] & LAST)[0] + 1]
        assert opening["flags"][-1] & NO_ROW
        assert not (mine["kind"] == TOTAL).any(), "a delta venue publishes no totals"


def test_prices_and_quantities_stand_on_their_steps() -> None:
    for code in MARKETS:
        made, events = make(code, 120)
        for s, instrument in enumerate(made.instruments):
            mine = events[(events["instrument"] == s) & np.isin(events["kind"], (TRADE, LEVEL, SNAPSHOT))]
            step = instrument.price_step or MARKETS[code].step_at(float(mine["price"][0]), made._day(START))
            ticks = mine["price"] / step
            assert np.abs(ticks - np.rint(ticks)).max() < 1e-6
            assert (mine["qty"] % instrument.qty_step == 0).all()


def test_a_stock_day_has_its_session_and_a_new_previous_close() -> None:
    made, events = make("krx", 30, start_ns=START)
    hour_kst = (events["exchange_ns"] // NS + 9 * 3600) % 86400
    assert hour_kst.min() >= KRX.session_start_s
    assert hour_kst.max() < KRX.session_end_s
    near_close = made._midnight_ns(made._day(START)) + (KRX.session_end_s - 5) * NS
    made = MadeMarket(KRX, made_codes(KRX, 2), 3, near_close)
    target = near_close + 24 * 3600 * NS
    parts = []
    while made.time_ns < target and len(parts) < 50:
        parts.append(made.advance(made.time_ns + 5 * NS))
        if len(parts) > 3:
            break
    events = np.concatenate(parts)
    closes = events[events["kind"] == PREV_CLOSE]
    assert len(closes) == 4
    first_day = events[(events["kind"] == TRADE) & (events["instrument"] == 0) & (events["exchange_ns"] < closes["exchange_ns"][2])]
    assert closes["price"][2] == first_day["price"][-1]


@pytest.mark.parametrize("market_code", MARKETS)
def test_spread_depth_and_tails_are_those_of_a_market(market_code: str) -> None:
    for one in series(market_code):
        spread = one["spread"]
        assert spread.min() >= 1 - 1e-6
        assert np.median(spread * 1.0) < 1500
        assert len(np.unique(np.rint(spread))) >= 3, "the spread must breathe"
        returns = np.diff(np.log(one["middle"]))
        assert np.median(one["depth"]) >= 50 * MARKETS[market_code].default_betting
        assert kurtosis(returns) > 4.0
        assert kurtosis(np.diff(np.log(one["middle"][::60]))) > 3.2


@pytest.mark.parametrize("market_code", MARKETS)
def test_volatility_clusters_while_returns_have_no_memory(market_code: str) -> None:
    absolute, plain = [], []
    for one in series(market_code):
        absolute.append(autocorrelation(np.abs(np.diff(np.log(one["middle"][::10]))), 1))
        plain.append(autocorrelation(np.diff(np.log(one["middle"][::60])), 1))
    assert np.mean(absolute) > 0.12
    assert abs(np.mean(plain)) < 0.15


@pytest.mark.parametrize("market_code", MARKETS)
def test_trade_signs_remember_and_volume_goes_with_volatility(market_code: str) -> None:
    for one in series(market_code):
        signs = one["trades"]["side"].astype(float)
        assert autocorrelation(signs, 1) > 0.3
        assert autocorrelation(signs, 10) > 0.1
        returns = np.abs(np.diff(np.log(one["middle"][::60])))
        volume = np.add.reduceat(one["volume"], np.arange(0, len(one["volume"]), 60))[: len(returns)]
        assert np.corrcoef(volume, returns)[0, 1] > 0.1


def test_a_stock_session_has_a_u_shaped_volume() -> None:
    market = KRX
    made = MadeMarket(market, made_codes(market, 6), 5, START)
    money = np.zeros(13)
    for _ in range(3):
        day = made._day(made.time_ns)
        end = made._session_end_ns(day)
        while made.time_ns < end:
            events = made.advance(min(made.time_ns + 1800 * NS, end))
            trades = events[events["kind"] == TRADE]
            slot = ((trades["exchange_ns"] - made._midnight_ns(day)) // NS - market.session_start_s) // 1800
            np.add.at(money, slot, trades["price"] * trades["qty"] / 1e8)
    assert money[0] > 1.25 * money[4:9].mean()
    assert money[12] > 1.05 * money[4:9].mean()


def test_bursts_come_every_few_minutes_and_half_of_them_fail() -> None:
    made, _ = make("upbit", 1, count=10)
    from paper import order_flow as flow

    started = np.zeros(10, int)
    runs: list[int] = []
    phase = made._istates[:, flow.I_PHASE].copy()
    end = made.time_ns + 2 * 3600 * NS
    while made.time_ns < end:
        made.advance(made.time_ns + NS)
        now = made._istates[:, flow.I_PHASE]
        started += (now == flow.BUILD) & (phase != flow.BUILD)
        for s in np.flatnonzero((now == flow.RUN) & (phase == flow.BUILD)):
            runs.append(int(np.sign(made._fstates[s, flow.F_DRIFT]) == made._istates[s, flow.I_DIRECTION]))
        phase = now.copy()
    minutes_between = 120 * 10 / started.sum()
    assert 2.0 < minutes_between < 4.5
    assert 0.38 < np.mean(runs) < 0.62
