"""A newcomer who types `make run` sees a trade soon, whatever the made market's seed.

The made market happens here as it does for a live run: it has a history when the receiver connects, rows
begin with an empty table, and the strategies are the library's own texts. No socket, no clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from backtester.engine import Engine, Options, module_text, prepare, steps_of
from backtester.executors import LocalExecutor
from backtester.trades import round_trips
from domain.instruments import NS, Instrument, Market
from domain.process_config import ExchangeOptions
from domain.records import row_schema
from paper.assembly import PREROLL_NS, made_market
from storage.bundles import Bundle
from storage.columns import BLOCK_DTYPE, RowSet
from storage.strategy_files import read_file
from strategy import cache as step_cache
from strategy.program import build
from trading.rows import RowBuilder
from trading.venues import market as find_market

LIBRARY = Path(__file__).resolve().parents[2] / "storage" / "library"
START_NS = 1_767_571_200 * NS  # 2026-01-05 00:00 UTC, a Monday: 9:00 in Seoul, when stocks open
SEEDS = range(1, 21)
SOON_S = 30
STEP_NS = 60 * NS


def text_of(name: str) -> Bundle:
    """Return a strategy as the library ships it."""
    (bundle,) = read_file(LIBRARY / f"{name}.txt").bundles
    return bundle


def rows_of(market: Market, seed: int, start_ns: int, seconds: int) -> tuple[np.ndarray, Sequence[Instrument]]:
    """Return the one-second rows of a made market, from the moment a receiver would have connected."""
    made = made_market(market, ExchangeOptions(seed=seed, start_ns=start_ns - PREROLL_NS))
    while made.time_ns < start_ns:
        made.advance(start_ns)
    builder = RowBuilder(market, 1, made.instruments)
    parts = []
    end_ns = made.time_ns + seconds * NS
    while made.time_ns < end_ns:
        parts.append(builder.push(made.advance(min(made.time_ns + STEP_NS, end_ns))))
    parts.append(builder.close())
    return np.concatenate(parts), made.instruments


def row_set(market: Market, rows: np.ndarray, instruments: Sequence[Instrument]) -> RowSet:
    """Return rows in memory in the shape of stored ones: sorted by code, then time."""
    names = sorted(range(len(instruments)), key=lambda k: instruments[k].code)
    place = np.empty(len(instruments), dtype=np.int64)
    place[names] = np.arange(len(instruments))
    symbol = place[rows["instrument"]]
    order = np.lexsort((rows["row_time"], symbol))
    rows, symbol = rows[order], symbol[order]
    day = rows["row_time"] // 1_000_000
    starts = np.flatnonzero(np.r_[True, (np.diff(symbol) != 0) | (np.diff(day) != 0)])
    ends = np.r_[starts[1:], len(rows)]
    blocks = np.array([(symbol[lo], day[lo], lo, hi) for lo, hi in zip(starts, ends, strict=True)], dtype=BLOCK_DTYPE)
    keys = row_schema(market.kind, 1).keys
    return RowSet(
        market=market.code,
        interval_s=1,
        source="made",
        codes=tuple(instruments[k].code for k in names),
        columns={key: np.ascontiguousarray(rows["values"][:, k]) for k, key in enumerate(keys)},
        row_time=np.ascontiguousarray(rows["row_time"]),
        blocks=blocks,
        qty_decimals=np.array([instruments[k].qty_decimals for k in names]),
        has_book=True,
        digest="0",
        instruments=tuple(instruments[k] for k in names),
    )


@cache
def engine_of(name: str, code: str, folder: Path) -> Engine:
    """Return the compiled engine of a library text on a market."""
    bundle = text_of(name)
    steps = steps_of(build(bundle.buy, bundle.sell, find_market(code), bundle.interval_s))
    return Engine(step_cache.load("engine", module_text(steps), folder, bytes(32)), steps, LocalExecutor(1))


def trades_of(name: str, code: str, rows: RowSet, folder: Path) -> np.ndarray:
    """Return the closed trades of a library text with its own numbers and the market's own amount."""
    market, bundle, engine = find_market(code), text_of(name), engine_of(name, code, folder)
    values = np.zeros(max(bundle.variables) + 1)
    values[list(bundle.variables)] = list(bundle.variables.values())
    prepared = prepare(rows, engine.steps.columns, market, Options(betting=market.default_betting))
    result = engine.run(prepared, values[None, :])
    assert result.errors == 0
    return round_trips(prepared, result.raw)


def seconds_between(first: int, last: int) -> int:
    """Return the seconds from one row time to another of the same day."""
    clocks = [(t // 10_000 % 100) * 3_600 + (t // 100 % 100) * 60 + t % 100 for t in (first, last)]
    return clocks[1] - clocks[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("steps")


def test_the_demo_buys_within_half_a_minute_of_nineteen_of_twenty_markets(folder: Path) -> None:
    market = find_market("upbit")
    waits = {}
    for seed in SEEDS:
        # Each seed at another time of day: nobody chooses when a newcomer comes.
        rows, instruments = rows_of(market, seed, START_NS + seed * 4_111 * NS, 2 * SOON_S)
        trades = trades_of("데모_돌파", "upbit", row_set(market, rows, instruments), folder)
        waits[seed] = min((seconds_between(int(rows["row_time"].min()), int(one)) for one in trades["entry_time"]), default=10**9)
    late = {seed: wait for seed, wait in waits.items() if wait > SOON_S}
    assert len(late) <= 1, waits


@pytest.mark.parametrize("code", ["krx", "upbit", "binance"])
def test_the_first_rule_set_trades_within_a_made_hour(code: str, folder: Path) -> None:
    market = find_market(code)
    for seed in (1, 2):
        rows, instruments = rows_of(market, seed, START_NS, 3_600)
        trades = trades_of("기본_R1", code, row_set(market, rows, instruments), folder)
        assert len(trades) >= 1, seed
