"""The coin markets as data."""

from __future__ import annotations

import datetime as dt

from domain.instruments import FeeRule, LadderStep, Market, PriceLadder

_EPOCH = dt.date(1970, 1, 1)


def _steps(*pairs: tuple[float, float]) -> tuple[LadderStep, ...]:
    return tuple(LadderStep(lower=lower, step=step) for lower, step in pairs)


UPBIT = Market(
    code="upbit",
    kind="coin",
    venues=("upbit",),
    currency="KRW",
    zone="UTC",
    qty_decimals=8,
    price_decimals=8,
    amount_decimals=4,
    value_unit=1.0,
    default_betting=1_000_000.0,
    backtest_betting=10_000_000.0,
    paper_cash=100_000_000.0,
    universe_size=10,
    min_notional=5_000.0,
    collar_pct=5.0,
    fees=(FeeRule(_EPOCH, 500, source="strategy-language 4.4"),),
    ladders=(
        PriceLadder(
            _EPOCH,
            _steps(
                (0, 0.0001),
                (0.01, 0.001),
                (1, 0.01),
                (10, 0.1),
                (100, 1),
                (1_000, 5),
                (10_000, 10),
                (100_000, 50),
                (500_000, 100),
                (1_000_000, 500),
                (2_000_000, 1_000),
            ),
            source="strategy-language 4.1",
        ),
        PriceLadder(
            dt.date(2025, 7, 31),
            _steps(
                (0, 0.00000001),
                (0.00001, 0.0000001),
                (0.0001, 0.000001),
                (0.001, 0.00001),
                (0.01, 0.0001),
                (0.1, 0.001),
                (1, 0.01),
                (10, 0.1),
                (100, 1),
                (5_000, 5),
                (10_000, 10),
                (50_000, 50),
                (100_000, 100),
                (500_000, 500),
                (1_000_000, 1_000),
            ),
            source="protocols/upbit 7 (steps below 100 KRW are unconfirmed there)",
        ),
    ),
    publishes_book_totals=True,
    benchmarks=("KRW-BTC",),
    made_codes=(
        "KRW-BTC",
        "KRW-ETH",
        "KRW-XRP",
        "KRW-SOL",
        "KRW-DOGE",
        "KRW-ADA",
        "KRW-AVAX",
        "KRW-LINK",
        "KRW-DOT",
        "KRW-TRX",
    ),
)

BINANCE = Market(
    code="binance",
    kind="coin",
    venues=("binance",),
    currency="USDT",
    zone="UTC",
    qty_decimals=None,
    price_decimals=8,
    amount_decimals=4,
    value_unit=1.0,
    default_betting=1_000.0,
    backtest_betting=10_000.0,
    paper_cash=100_000.0,
    universe_size=10,
    min_notional=5.0,
    collar_pct=5.0,
    fees=(FeeRule(_EPOCH, 1_000, source="strategy-language 4.4"),),
    ladders=(PriceLadder(_EPOCH, source="exchangeInfo states one step per symbol"),),
    benchmarks=("BTCUSDT",),
    made_codes=(
        "BTCUSDT",
        "ETHUSDT",
        "XRPUSDT",
        "SOLUSDT",
        "DOGEUSDT",
        "ADAUSDT",
        "AVAXUSDT",
        "LINKUSDT",
        "DOTUSDT",
        "TRXUSDT",
    ),
)

BINANCE_FUTURES = Market(
    code="binance-futures",
    kind="coin",
    venues=("binance-futures",),
    currency="USDT",
    zone="UTC",
    qty_decimals=None,
    price_decimals=8,
    amount_decimals=4,
    value_unit=1.0,
    default_betting=1_000.0,
    backtest_betting=10_000.0,
    paper_cash=100_000.0,
    universe_size=10,
    min_notional=5.0,
    collar_pct=5.0,
    fees=(FeeRule(_EPOCH, 400, source="strategy-language 4.4, market orders"),),
    ladders=(PriceLadder(_EPOCH, source="exchangeInfo states one step per symbol"),),
    angle_change=100.0,
    angle_value=5e-8,
    benchmarks=BINANCE.benchmarks,
    made_codes=BINANCE.made_codes,
)

MARKETS = (UPBIT, BINANCE, BINANCE_FUTURES)
