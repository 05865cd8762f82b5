"""A small store of made rows, and how the tests of the research commands speak to them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli.main import run_command
from domain.instruments import Instrument
from domain.records import row_schema
from storage.ticks import TickStore
from tests.research import HAND_TEXTS, MadeRows, made_rows
from trading.venues import market

SETS = ("--set", "0=5", "--set", "1=3", "--set", "2=1")


def store_rows(root: Path, rows: MadeRows, price_step: float = 0.0) -> None:
    """Write made rows into the store of a data directory."""
    schema = row_schema("coin", rows.interval_s)
    instruments = [
        Instrument(instrument_id=f"{rows.market}:{code}", code=code, name=code, base=code, quote="KRW", price_step=price_step)
        for code in rows.codes
    ]
    store = TickStore(root)
    writer = store.writer(market(rows.market), "made", "row1s", schema, instruments, {"what": "made"})
    seq = 0
    for day in np.unique(rows.blocks["day"]):
        for symbol, _, lo, hi in rows.blocks[rows.blocks["day"] == day].tolist():
            out = np.zeros(hi - lo, schema.dtype())
            out["row_time"], out["instrument"] = rows.row_time[lo:hi], symbol
            out["seq"] = np.arange(seq + 1, seq + 1 + hi - lo)
            seq += hi - lo
            clock = rows.row_time[lo:hi] % 1_000_000
            seconds = clock // 10_000 * 3600 + clock // 100 % 100 * 60 + clock % 100
            midnight = np.datetime64(f"{str(day)[:4]}-{str(day)[4:6]}-{str(day)[6:]}").astype("datetime64[s]").astype(np.int64)
            out["exchange_ns"] = (midnight + seconds) * 1_000_000_000
            for key, column in rows.columns.items():
                out["values"][:, schema.index(key)] = column[lo:hi]
            out["values"][:, schema.index("ask_total_size")] = 1e7
            writer.append(out)
    writer.seal()
    store.unlock()


def make_data(root: Path, days: int = 2) -> Path:
    """Fill a data directory: made rows of three symbols, two texts and a range text beside it; return it."""
    store_rows(root, made_rows("upbit", 41, days=days))
    for name, text in HAND_TEXTS.items():
        (root / f"{name}.txt").write_text(text, "utf-8")
    (root / "ranges.txt").write_text(
        "self.vars[0] = [[3, 5, 9], 5]\nself.vars[1] = [[1, 3, 5], 3]\nself.vars[2] = [[0.5, 1, 2], 1]\n", "utf-8"
    )
    return root


def words(data: Path, command: str, *more: str) -> list[str]:
    """Return the words of a research command over the made rows."""
    texts = ["--buy", str(data / "buy.txt"), "--sell", str(data / "sell.txt")]
    return [command, "--data-dir", str(data), "--market", "upbit", *texts, "--json", *more]


def call(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, dict[str, Any]]:
    """Run a command in this process and return its status and its object."""
    status = run_command(list(argv))
    return status, json.loads(capsys.readouterr().out)


def told(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    """Run a command as a person would, in English, and return status, standard output and standard error."""
    status = run_command([one for one in argv if one != "--json"] + ["--lang", "en"])
    out = capsys.readouterr()
    return status, out.out, out.err
