"""Learned scores beside the rows of the store: a column of each, made when a text first reads it, deleted with its dataset.

The file stands in the dataset's folder of columns (storage/columns.py), so its key is (segments' hashes, settings' hash, name).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from domain.instruments import Market
from storage.columns import RowSet, map_column, save_column
from strategy.learned import BASE, NAMES, learned_key, place_of, settings


def with_learned(rows: RowSet, market: Market, keys: Sequence[str]) -> RowSet:
    """Return rows with the columns `keys` of learned scores beside those that are mapped.

    Parameters
    ----------
    rows : RowSet
        One-minute rows of the store with the columns `BASE`.
    keys : sequence of str
        Of `strategy.learned.learned_key`.
    """
    folder = Path(rows.folder)
    wanted = dict.fromkeys(place_of(key)[0] for key in keys if not (folder / f"{key}.npy").exists())
    for analyser in wanted:
        _make(folder, market, analyser)
    is_far = rows.window_rows > 0
    columns = {**rows.columns, **{key: map_column(folder / f"{key}.npy", is_far) for key in keys}}
    window_rows = max(rows.window_rows * len(rows.columns) // len(columns), 1) if is_far else 0
    return replace(rows, columns=columns, window_rows=window_rows)


def _make(folder: Path, market: Market, analyser: str) -> None:
    """Write score and confidence of every row of a dataset: each day by the days of its symbol before it."""
    from strategy.learning import Day, replay

    parts = [np.load(folder / f"{key}.npy", mmap_mode="r") for key in BASE]
    blocks = np.load(folder / "blocks.npy")
    out = np.zeros((2, len(parts[0])))
    for symbol in np.unique(blocks["symbol"]).tolist():
        own = blocks[blocks["symbol"] == symbol]
        spans = list(zip(own["lo"].tolist(), own["hi"].tolist(), strict=True))
        days = (Day(*(np.array(part[lo:hi], dtype=np.float64) for part in parts)) for lo, hi in spans)
        for (lo, hi), found in zip(spans, replay(analyser, days, settings(market)), strict=True):
            out[:, lo:hi] = found
    for (_, name), column in zip(NAMES[analyser], out, strict=True):
        save_column(folder / f"{learned_key(name, market)}.npy", column)
