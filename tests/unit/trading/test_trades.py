"""Order, hash and file of closed trades (command-line.md)."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from domain.records import ROUND_TRIP_DTYPE
from trading.trades import exit_label, sort_trades, trade_line, trades_sha256, write_trades

EXAMPLE = "KRW-A|LONG|20260105000000|20260105000001|100.00000000|101.90000000|110.00000000|10190.0000|11000.0000|7.84|799.4050|1"


def trade(
    symbol: int = 0, entry: int = 20260105000000, leave: int = 20260105000001, pnl: float = 799.405, side: int = 1, rule: int = 1
) -> tuple[object, ...]:
    return (symbol, side, entry, leave, 1, 100.0, 101.9, 110.0, 10190.0, 11000.0, 7.84, pnl, rule, 0)


def trades(*rows: tuple[object, ...]) -> np.ndarray:
    return np.array(list(rows), dtype=ROUND_TRIP_DTYPE)


def test_example_line() -> None:
    assert trade_line("KRW-A", trades(trade())[0]) == EXAMPLE


def test_hash_is_over_lines() -> None:
    assert trades_sha256(["KRW-A"], trades(trade())) == hashlib.sha256((EXAMPLE + "\n").encode()).hexdigest()


def test_no_trades_hash_to_nothing() -> None:
    assert trades_sha256([], trades()) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_negative_zero_loses_its_sign() -> None:
    one = trades(trade(pnl=-0.00001))
    one["return_pct"] = -0.0
    line = trade_line("A", one[0])
    assert line.endswith("|0.00|0.0000|1")
    one["pnl"] = -0.0001
    assert trade_line("A", one[0]).endswith("|0.00|-0.0001|1")


def test_short_is_named() -> None:
    assert "|SHORT|" in trade_line("A", trades(trade(side=-1))[0])


def test_order_is_sell_time_buy_time_code() -> None:
    codes = ["B", "A"]
    mixed = trades(trade(0, 5, 9), trade(1, 5, 9), trade(0, 4, 9), trade(1, 8, 8))
    ordered = [(codes[t["symbol"]], int(t["entry_time"])) for t in sort_trades(codes, mixed)]
    assert ordered == [("A", 8), ("B", 4), ("A", 5), ("B", 5)]
    assert trades_sha256(codes, mixed) == trades_sha256(codes, mixed[::-1])


def test_labels_of_reserved_and_own_numbers() -> None:
    assert exit_label(0, ("x",)) == "전략종료청산"
    assert exit_label(1, ("if 수익률 >= 2:",)) == "if 수익률 >= 2:"
    assert exit_label(200, ()) == "손절청산"


def test_file_holds_the_contract_columns(tmp_path: Path) -> None:
    path = tmp_path / "run" / "trades.parquet"
    write_trades(path, ["A"], trades(trade(leave=20260105000002, pnl=0.1), trade(pnl=0.2)), ("if 수익률 >= 2:",))
    table = pq.read_table(path)
    assert table.column_names[:15] == [
        "code", "side", "entry_time", "exit_time", "holding_time", "qty", "entry_price", "exit_price", "entry_amount", "exit_amount",
        "return_pct", "pnl", "pnl_cum", "exit_rule", "exit_label",
    ]  # fmt: skip
    assert table["pnl_cum"].to_pylist() == [0.2, 0.3]
    assert table["exit_label"].to_pylist() == ["if 수익률 >= 2:"] * 2
    assert list(path.parent.iterdir()) == [path]
