"""Rows for the research benchmarks: random, seeded; seconds of the size and shape of twenty names over five days, and minute bars.

They are made in a second; prices, strength, value and book have the scale and persistence that give R1
some thousands of trades, which is all that a speed comparison needs. Nothing is concluded from them.
"""

from __future__ import annotations

import numpy as np

from domain.records import row_schema
from storage.columns import BLOCK_DTYPE, RowSet


def make_rows(symbols: int = 20, days: int = 5, rows: int = 22_800, seed: int = 1) -> RowSet:
    """Return one-second rows of the market upbit.

    Parameters
    ----------
    symbols, days, rows : int
        ``symbols · days`` blocks of `rows` rows.
    seed : int
    """
    rng = np.random.default_rng(seed)
    blocks, total = symbols * days, symbols * days * rows
    path = np.exp(np.cumsum(rng.normal(0, 0.0004, (blocks, rows)), axis=1)) * np.exp(rng.normal(0, 0.05, (blocks, 1)))
    price = np.round(10_000 * path).ravel()
    noise, strength, level = rng.normal(0, 4, (rows, blocks)), np.empty((blocks, rows)), np.zeros(blocks)
    for second in range(rows):
        level = level * 0.97 + noise[second]
        strength[:, second] = level
    value = np.round(rng.lognormal(12, 1.2, total), 4)
    columns = {
        "last_price": price,
        "change_pct": np.round((path.ravel() - 1) * 100, 2),
        "trade_strength": np.round(100 + strength.ravel(), 2).clip(0, 500),
        "value_1s": value,
        "buy_value_1s": np.round(value * rng.random(total), 4),
        "in_universe": np.ones(total),
    }
    for number in range(1, 6):
        columns |= {
            f"ask{number}": price + 10 * number,
            f"bid{number}": price - 10 * (number - 1),
            f"ask_size{number}": np.round(rng.lognormal(6, 1, total), 8),
            f"bid_size{number}": np.round(rng.lognormal(6, 1, total), 8),
        }
    for column in columns.values():
        column.flags.writeable = False
    assert set(columns) <= set(row_schema("coin", 1).keys)
    second = np.arange(rows) + 9 * 3600
    clock = second // 3600 * 10_000 + second // 60 % 60 * 100 + second % 60
    table = np.zeros(blocks, BLOCK_DTYPE)
    table["symbol"], table["day"] = np.arange(blocks) // days, 20_260_105 + np.arange(blocks) % days
    table["lo"] = np.arange(blocks) * rows
    table["hi"] = table["lo"] + rows
    stamp = (table["day"].astype(np.int64)[:, None] * 1_000_000 + clock).ravel()
    return RowSet(
        "upbit", 1, "made", tuple(f"C{k:02d}" for k in range(symbols)), columns, stamp, table, np.full(symbols, 8), True, f"bench-{seed}"
    )


def make_bars(symbols: int = 10, days: int = 365, rows: int = 1_440, seed: int = 2) -> RowSet:
    """Return one-minute rows of the market upbit without a book: price, list, and what the schema's first columns need for R2.

    Parameters
    ----------
    symbols, days, rows : int
        ``symbols · days`` blocks of `rows` minutes from midnight; prices are whole.
    seed : int
    """
    rng = np.random.default_rng(seed)
    blocks = symbols * days
    price = np.round(20_000 * np.exp(np.cumsum(rng.normal(0, 0.0008, (symbols, days * rows)), axis=1))).clip(1_000).ravel()
    columns = {"last_price": price, "in_universe": np.ones(blocks * rows)}
    for column in columns.values():
        column.flags.writeable = False
    assert set(columns) <= set(row_schema("coin", 60).keys)
    dates = np.datetime64("2025-01-01") + np.arange(days)
    day = np.array([int(str(date).replace("-", "")) for date in dates])
    minute = np.arange(rows)
    table = np.zeros(blocks, BLOCK_DTYPE)
    table["symbol"], table["day"] = np.arange(blocks) // days, np.tile(day, symbols)
    table["lo"] = np.arange(blocks) * rows
    table["hi"] = table["lo"] + rows
    stamp = (table["day"].astype(np.int64)[:, None] * 10_000 + minute // 60 * 100 + minute % 60).ravel()
    return RowSet(
        "upbit", 60, "made", tuple(f"C{k:02d}" for k in range(symbols)), columns, stamp, table, np.full(symbols, 8), False, f"bars-{seed}"
    )
