"""The Korean stock market as data."""

from __future__ import annotations

import datetime as dt

from domain.instruments import FeeRule, LadderStep, Market, PriceLadder


def _steps(*pairs: tuple[float, float]) -> tuple[LadderStep, ...]:
    return tuple(LadderStep(lower=lower, step=step) for lower, step in pairs)


KRX = Market(
    code="krx",
    kind="stock",
    venues=("kis", "kiwoom"),
    currency="KRW",
    zone="Asia/Seoul",
    qty_decimals=0,
    price_decimals=2,
    amount_decimals=0,
    value_unit=1_000_000.0,
    default_betting=1_000_000.0,
    backtest_betting=10_000_000.0,
    paper_cash=100_000_000.0,
    universe_size=100,
    min_notional=0.0,
    collar_pct=10.0,
    # Tax by date of sale: strategy-language 4.4.
    fees=(
        FeeRule(dt.date(1970, 1, 1), 150, 3_000, "strategy-language 4.4"),
        FeeRule(dt.date(2019, 6, 3), 150, 2_500, "strategy-language 4.4"),
        FeeRule(dt.date(2021, 1, 1), 150, 2_300, "strategy-language 4.4"),
        FeeRule(dt.date(2023, 1, 1), 150, 2_000, "strategy-language 4.4"),
        FeeRule(dt.date(2024, 1, 1), 150, 1_800, "strategy-language 4.4"),
        FeeRule(dt.date(2025, 1, 1), 150, 1_500, "strategy-language 4.4"),
        FeeRule(dt.date(2026, 1, 1), 150, 2_000, "strategy-language 4.4"),
    ),
    ladders=(
        PriceLadder(
            dt.date(1970, 1, 1),
            _steps((0, 1), (1_000, 5), (5_000, 10), (10_000, 50), (50_000, 100), (100_000, 500), (500_000, 1_000)),
            source="strategy-language 4.1 (KOSPI column; KOSDAQ kept 100 from 50,000)",
        ),
        PriceLadder(
            dt.date(2023, 1, 25),
            _steps((0, 1), (2_000, 5), (5_000, 10), (20_000, 50), (50_000, 100), (200_000, 500), (500_000, 1_000)),
            source="strategy-language 4.1",
        ),
    ),
    session_start_s=9 * 3600,
    session_end_s=15 * 3600 + 30 * 60,
    entry_end_s=15 * 3600 + 19 * 60,
    year_days=250,
    angle_change=5.0,
    angle_value=0.01,
    publishes_book_totals=True,
    integer_money=True,
    has_vi=True,
    auctions=((8 * 3600 + 30 * 60, 9 * 3600), (15 * 3600 + 20 * 60, 15 * 3600 + 30 * 60)),
    vi_halt_s=120,
    price_limits=((19981207, 150_000), (20150615, 300_000)),  # strategy-language 4.2; before 2015-06-15 15 %
    benchmarks=("KOSPI", "KOSDAQ"),
    made_codes=tuple(f"M{n:05d}" for n in range(1, 11)),
)

MARKETS = (KRX,)
