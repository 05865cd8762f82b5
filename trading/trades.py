"""Closed trades: their order, their hash and their file (command-line.md, "Trades" [decided])."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

EXIT_LABELS = {0: "전략종료청산", 100: "분할매도", 200: "손절청산", 300: "증거금청산", 400: "계좌중지청산"}
"""Labels of the reserved numbers of strategy-language 2.2; stored as data, so Korean."""


def sort_trades(codes: Sequence[str], trades: NDArray[np.void]) -> NDArray[np.void]:
    """Return the trades in the order sell time, buy time, code.

    Parameters
    ----------
    codes : sequence of str
        Code of symbol i.
    trades : ndarray of ROUND_TRIP_DTYPE, shape (n,)

    Returns
    -------
    ndarray of ROUND_TRIP_DTYPE, shape (n,)
        A sorted copy.
    """
    # Ranks of the code texts: equal codes get equal ranks, whatever their symbol number.
    ranks = {code: rank for rank, code in enumerate(sorted(set(codes)))}
    rank = np.array([ranks[code] for code in codes], dtype=np.int64)
    by_code = rank[trades["symbol"]] if len(trades) else np.zeros(0, dtype=np.int64)
    return trades[np.lexsort((by_code, trades["entry_time"], trades["exit_time"]))]


def _decimal(value: float, places: int) -> str:
    text = f"{value:.{places}f}"
    # A negative zero, also one that rounding made, loses its sign.
    return text[1:] if text.startswith("-") and not text.strip("-0.") else text


def trade_line(code: str, trade: np.void) -> str:
    """Return the hashed line of one trade, without its end of line."""
    return "|".join(
        (
            code,
            "LONG" if trade["side"] > 0 else "SHORT",
            str(int(trade["entry_time"])),
            str(int(trade["exit_time"])),
            _decimal(float(trade["qty"]), 8),
            _decimal(float(trade["entry_price"]), 8),
            _decimal(float(trade["exit_price"]), 8),
            _decimal(float(trade["entry_amount"]), 4),
            _decimal(float(trade["exit_amount"]), 4),
            _decimal(float(trade["return_pct"]), 2),
            _decimal(float(trade["pnl"]), 4),
            str(int(trade["exit_rule"])),
        )
    )


def trades_sha256(codes: Sequence[str], trades: NDArray[np.void]) -> str:
    """Return the lower-case hex SHA-256 of the sorted trades; of nothing when there are none.

    Parameters
    ----------
    codes : sequence of str
        Bare code of symbol i.
    trades : ndarray of ROUND_TRIP_DTYPE, shape (n,)
        In any order.
    """
    digest = hashlib.sha256()
    for trade in sort_trades(codes, trades):
        digest.update((trade_line(codes[int(trade["symbol"])], trade) + "\n").encode())
    return digest.hexdigest()


def cumulative_pnl(pnl: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the running sum of `pnl`, rounded to 4 decimals at each step (workstation 9.1)."""
    out = np.empty(len(pnl), dtype=np.float64)
    total = 0.0
    for i, value in enumerate(pnl.tolist()):
        total = float(np.rint((total + value) * 1e4) / 1e4)
        out[i] = total
    return out


def trades_table(codes: Sequence[str], trades: NDArray[np.void], labels: Sequence[str] = ()) -> pa.Table:
    """Return the sorted trades as the table of command-line.md.

    Parameters
    ----------
    labels : sequence of str
        Label of sell condition k at position k − 1; reserved numbers have their own.
    """
    trades = sort_trades(codes, trades)
    rules = trades["exit_rule"].tolist()
    columns: dict[str, pa.Array] = {
        "code": pa.array([codes[symbol] for symbol in trades["symbol"].tolist()], pa.string()),
        "side": pa.array(["LONG" if side > 0 else "SHORT" for side in trades["side"].tolist()], pa.string()),
    }
    for name in ("entry_time", "exit_time", "holding_time"):
        columns[name] = pa.array(trades[name], pa.int64())
    for name in ("qty", "entry_price", "exit_price", "entry_amount", "exit_amount", "return_pct", "pnl"):
        columns[name] = pa.array(trades[name], pa.float64())
    columns["pnl_cum"] = pa.array(cumulative_pnl(trades["pnl"]), pa.float64())
    columns["exit_rule"] = pa.array(trades["exit_rule"], pa.int32())
    columns["exit_label"] = pa.array([exit_label(rule, labels) for rule in rules], pa.string())
    columns["past_levels"] = pa.array(trades["past_levels"], pa.int32())
    return pa.table(columns)


def exit_label(rule: int, labels: Sequence[str]) -> str:
    """Return the label of a sell condition's number."""
    if rule in EXIT_LABELS and (rule == 0 or rule > len(labels)):
        return EXIT_LABELS[rule]
    return labels[rule - 1] if 1 <= rule <= len(labels) else str(rule)


def write_trades(path: Path, codes: Sequence[str], trades: NDArray[np.void], labels: Sequence[str] = ()) -> None:
    """Write the sorted trades as Parquet, complete or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    pq.write_table(trades_table(codes, trades, labels), part, compression="zstd")
    part.replace(path)
