"""The rows of the research benchmarks in a data directory, with a strategy and ranges beside them, for whole commands."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.bench_step import BUY, SELL
from benchmarks.research_rows import make_rows
from coin.markets import UPBIT
from domain.instruments import Instrument
from domain.records import row_schema
from storage.ticks import TickStore

RANGES = "".join(
    f"self.vars[{index}] = [{list(values)}, {values[0]}]\n"
    for index, values in {
        0: (10, 20, 30, 60, 120),
        3: (2, 4, 5, 6, 8, 10),
        4: (1, 1.5, 2, 3),
        5: (1, 2, 3),
        6: (-2, -1, -0.5),
        7: (100, 300, 900),
    }.items()
)
FIXED = ("--set", "1=1", "--set", "2=20", "--set", "8=10")


def make_store(root: Path, symbols: int, days: int, rows: int) -> Path:
    """Write ``symbols · days · rows`` one-second rows, R1's texts and its ranges; return the data directory."""
    made = make_rows(symbols, days, rows)
    schema = row_schema("coin", 1)
    instruments = [Instrument(instrument_id=f"upbit:{code}", code=code, name=code, base=code, quote="KRW") for code in made.codes]
    store = TickStore(root)
    writer = store.writer(UPBIT, "made", "row1s", schema, instruments, {"what": "benchmark"})
    seq = 0
    for day in np.unique(made.blocks["day"]):
        midnight = np.datetime64(f"{str(day)[:4]}-{str(day)[4:6]}-{str(day)[6:]}").astype("datetime64[s]").astype(np.int64)
        for symbol, _, lo, hi in made.blocks[made.blocks["day"] == day].tolist():
            out = np.zeros(hi - lo, schema.dtype())
            out["row_time"], out["instrument"], out["seq"] = made.row_time[lo:hi], symbol, np.arange(seq + 1, seq + 1 + hi - lo)
            seq += hi - lo
            out["exchange_ns"] = (midnight + 9 * 3600 + np.arange(hi - lo)) * 1_000_000_000
            for key, column in made.columns.items():
                out["values"][:, schema.index(key)] = column[lo:hi]
            writer.append(out)
    writer.seal()
    store.unlock()
    for name, text in (("buy", BUY), ("sell", SELL), ("ranges", RANGES)):
        (root / f"{name}.txt").write_text(text, "utf-8")
    return root


def words(root: Path, command: str, *more: str) -> list[str]:
    """Return the words of a research command over that store."""
    texts = ["--buy", str(root / "buy.txt"), "--sell", str(root / "sell.txt")]
    return [command, "--data-dir", str(root), "--market", "upbit", "--json", "--betting", "10000000", *texts, *FIXED, *more]
