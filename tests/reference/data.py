"""Rows for both sides: made and recorded through `stom.py data`, read back by what `data export` writes."""

from __future__ import annotations

import contextlib
import io
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cli.main import run_command
from tests.reference.rows import Day, days_of

INTERVALS = {1: "1s", 60: "1m"}


@dataclass(frozen=True)
class Rows:
    """One market and interval in one data directory, and the same rows as the reference reads them."""

    name: str
    root: Path
    market: str
    interval_s: int
    days: tuple[Day, ...]
    has_book: bool
    dates: tuple[int | None, int | None] = (None, None)


def command(root: Path, *words: str) -> dict[str, Any]:
    """Run a command of stom.py in this process and return its JSON object."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        status = run_command([*words, "--data-dir", str(root), "--json"])
    assert status == 0, (words, told.getvalue())
    return json.loads(told.getvalue())


def read(name: str, root: Path, market: str, interval_s: int, dates: tuple[int | None, int | None] = (None, None)) -> Rows:
    """Export the rows of a data directory, all or those of some dates (YYYYMMDD, both included), and read them."""
    interval = INTERVALS[interval_s]
    out = root / f"export-{market}-{interval}.parquet"
    words = [word for flag, date in zip(("--from", "--to"), dates, strict=True) if date for word in (flag, iso(date))]
    command(root, "data", "export", "--market", market, "--interval", interval, "--out", str(out), "--quiet", *words)
    frame = pd.read_parquet(out)
    sets = [d for d in command(root, "data", "list")["datasets"] if (d["market"], d["interval"]) == (market, interval)]
    steps = {d["symbol"]: (float(d["price_step"] or 0), decimals(d["qty_step"])) for d in sets}
    has_book = bool((frame["ask1"] > 0).any())
    return Rows(name, root, market, interval_s, tuple(days_of(frame, market, interval_s, steps)), has_book, dates)


def iso(date: int) -> str:
    text = str(date)
    return f"{text[:4]}-{text[4:6]}-{text[6:]}"


# What is imported of the recordings: market, intervals, dates, files.
RECORDINGS = (
    ("binance", (1,), (None, None), ("binance/spot_raw/btcusdt_2024080[89].gz", "binance/spot_raw/ethusdt_2024080[89].gz")),
    ("binance-futures", (1,), (None, None), ("binance/usdm_raw/btcusdt_20240808.gz", "binance/usdm_raw/ethusdt_20240808.gz")),
    ("upbit", (1,), (None, None), ("upbit/ws_raw/UPBIT-d78752.0.gz",)),
    ("upbit", (60,), (20250903, 20250904), ("upbit/candles_1m/KRW-XRP_1m_20250901_20250921.csv.gz",)),
    (
        "krx",
        (60,),
        (20250513, 20250516),
        ("krx/minute/005930_1m_20250512_20251128.parquet", "krx/minute/247540_1m_20250512_20251128.parquet"),
    ),
)


def recorded(root: Path, recordings: Path, only: str = "") -> list[Rows]:
    """Import recorded market data, each row of RECORDINGS into a directory of its own, and read them; `only` is one, `upbit-1s`."""
    found = []
    for k, (market, intervals, dates, patterns) in enumerate(RECORDINGS):
        if only and only not in [f"{market}-{INTERVALS[one]}" for one in intervals]:
            continue
        files = [str(path) for pattern in patterns for path in sorted(recordings.glob(pattern))]
        if files:
            command(root / str(k), "data", "import", *files, "--market", market, "--quiet")
            found += [read(f"recorded-{market}-{INTERVALS[one]}", root / str(k), market, one, dates) for one in intervals]
    return found


def decimals(step: float) -> int:
    """Return the decimal places of a quantity step."""
    return next(places for places in range(9) if abs(step * 10**places - round(step * 10**places)) < 1e-6 and round(step * 10**places))


def made(root: Path, market: str, interval_s: int, seed: int, hours: float, symbols: int = 2, days: int = 2) -> Rows:
    """Make the first hours of some days, bend the rows (see `bend`), store them as an import of one's own and read them."""
    interval = INTERVALS[interval_s]
    frames = []
    for k in range(days):
        folder = root / f"made{k}"
        words = ("--market", market, "--symbols", str(symbols), "--hours", str(hours), "--seed", str(seed + k), "--quiet")
        command(folder, "data", "make", *words, "--start", f"2026-01-{6 + k:02d}")
        out = folder / "rows.parquet"
        command(folder, "data", "export", "--market", market, "--interval", interval, "--out", str(out), "--quiet")
        frames.append(pd.read_parquet(out))
    frame = bend(pd.concat(frames, ignore_index=True), market, random.Random(seed))
    frame.to_parquet(root / "bent.parquet", index=False)
    command(root, "data", "import", str(root / "bent.parquet"), "--market", market, "--quiet")
    return read(f"made-{market}-{interval}-{seed}", root, market, interval_s)


def bend(frame: pd.DataFrame, market: str, rng: random.Random) -> pd.DataFrame:
    """Give made rows what they seldom have: symbols that leave the universe, thin books, missing rows, auctions, still prices."""
    frame = frame.sort_values(["code", "row_time"], ignore_index=True)
    n = len(frame)

    def stretches(count: int, longest: int) -> list[slice]:
        firsts = [rng.randrange(n) for _ in range(count)]
        return [slice(first, first + rng.randint(1, longest)) for first in firsts]

    for part in stretches(6, n // 15 + 1):
        frame.loc[part, "in_universe"] = 0.0
    for part in stretches(10, 12):
        levels = rng.sample([f"{side}_size{k}" for side in ("ask", "bid") for k in range(1, 6)], rng.randint(1, 9))
        frame.loc[part, levels] = 0.0
    for part in stretches(4, 8):
        frame.loc[part, "trade_strength"] = 100.0
        frame.loc[part, "last_price"] = frame.loc[part.start, "last_price"]
    if market == "krx":
        for part in stretches(4, 20):
            frame.loc[part, ["ask_size5", "bid_size5"]] = 0.0
    gone = sorted({k for part in stretches(8, 5) for k in range(part.start, min(part.stop, n))})
    return frame.drop(index=gone).reset_index(drop=True)
