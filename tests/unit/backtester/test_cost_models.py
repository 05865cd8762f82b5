"""Fees by date and symbol, and slippage models, as a run pays them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backtester.engine import Engine, Options, Prepared, prepare
from backtester.executors import LocalExecutor
from backtester.job import fees_kept, fees_of, parse_fees
from backtester.slippage_models import FEWEST_DAYS, NO_HISTORY_SIGMA, parse_slippage
from backtester.trades import round_trips
from coin.markets import UPBIT
from domain.errors import InputError
from stock.markets import KRX
from tests.research import MadeRows, hand_module, hand_steps, made_rows
from trading.fee_table import parse_fee_table

SET = np.array([[5.0, 0.1, 4.0, 0.8, 60.0, 0.6, 1e9, 1.0]])
FILE = """
# our broker
2021-01-01  0.00015  0.0023
2024-01-06  0.00010  0.0018     # cheaper from then on
2021-01-01, 0.00015, 0, S00     # a fund
"""


def run(prepared: Prepared) -> np.ndarray:
    return round_trips(prepared, Engine(hand_module(), hand_steps(), LocalExecutor(1)).run(prepared, SET).raw)


def prepared(rows: MadeRows, **more: object) -> Prepared:
    return prepare(rows, hand_steps().columns, UPBIT if rows.market == "upbit" else KRX, Options(betting=1_000_000.0, **more))


def test_the_line_of_the_day_and_the_symbol_holds() -> None:
    table = parse_fee_table(FILE)
    assert table.rates(20240105, "S01") == (0.00015, 0.0023)
    assert table.rates(20240106, "S01") == (0.0001, 0.0018)
    assert table.rates(20250101, "S00") == (0.00015, 0.0)
    assert table.rates(20190101, "S00") == (0.00015, 0.0023)  # before the fund's line the general one
    assert parse_fee_table("2021-01-01 0 0 S00").rates(20240105, "S01") is None
    assert fees_of(fees_kept(table)) == table
    assert fees_of(fees_kept((0.1, 0.2))) == (0.1, 0.2)
    assert fees_of(fees_kept(None)) is None


@pytest.mark.parametrize("text", ["2021-01-01 0.1", "x 0 0", "2021-01-01 0.6 0", "2021-01-01 0 0\n2021-01-01 0 0", "2021-01-01 0 -1"])
def test_a_bad_line_is_refused_with_its_number(text: str) -> None:
    with pytest.raises(InputError, match=r"fees\.line") as caught:
        parse_fee_table(text)
    assert caught.value.fields["line"] == len(text.splitlines())
    with pytest.raises(InputError, match=r"fees\.empty"):
        parse_fee_table("# nothing\n")


def test_a_run_pays_what_the_file_says_on_each_day(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "fees.txt"
    path.write_text(FILE, "utf-8")
    table = parse_fees(str(path))
    rows = made_rows("krx", 3, symbols=3, days=2, rows=200)
    got = run(prepared(rows, fees=table))
    assert len(got) > 10
    for trade in got:
        day, code = int(trade["exit_time"]) // 1_000_000, rows.codes[trade["symbol"]]
        rate, tax = table.rates(day, code)  # type: ignore[union-attr, misc]
        b, s = int(trade["entry_amount"]), int(trade["exit_amount"])
        ppm, tax_ppm = round(rate * 1e6), round(tax * 1e6)
        assert trade["pnl"] == s - b - s * tax_ppm // 1_000_000 - b * ppm // 10_000_000 * 10 - s * ppm // 10_000_000 * 10
    assert {rows.codes[one] for one in got["symbol"]} == {"S00", "S01", "S02"}
    with pytest.raises(InputError, match=r"backtest\.fees"):
        parse_fees(str(tmp_path / "no"))


@pytest.mark.parametrize(
    ("text", "expected"), [("0", (0, "")), ("3", (3, "")), ("bps:5", (0, "bps:5")), ("1+spread:0.5", (1, "spread:0.5"))]
)
def test_slippage_is_ticks_a_model_or_both(text: str, expected: tuple[int, str]) -> None:
    assert parse_slippage(text) == expected


@pytest.mark.parametrize(
    ("code", "texts"),
    [
        ("text", ("", "x", "bps:", "depth:3", "1+2", "bps:1+bps:2", "tiers:5", "tiers:0=0.1=2")),
        ("number", ("bps:-1", "bps:nan", "bps:1e400", "bps:5000", "spread:10", "1+impact:100")),
        ("tiers", ("tiers:0=0.9", "tiers:-1=0.1", "tiers:inf=0.1")),
        ("", ("1001", "-1", "1.5", "nan", "1e400", "9" * 5_000, "1001+bps:5")),
    ],
)
def test_what_is_no_slippage_is_refused_and_what_is_out_of_range_is_told_so(code: str, texts: tuple[str, ...]) -> None:
    for text in texts:
        with pytest.raises(InputError) as refused:
            parse_slippage(text)
        assert refused.value.code == ("backtest.slippage_" + code).rstrip("_"), text


@pytest.mark.parametrize("kind", ["bps:10", "spread:0.5", "tiers:0=0.002,1e5=0.001"])
def test_a_model_makes_the_book_worse_by_its_fraction(kind: str) -> None:
    rows = made_rows("upbit", 5, symbols=2, days=1, rows=150)
    rng = np.random.default_rng(1)
    rows = replace(rows, columns=rows.columns | {"day_value": np.sort(rng.random(len(rows.row_time)) * 2e5)})
    plain, worse = prepared(rows), prepared(rows, slippage_model=kind)
    ask, bid = plain.book[0], plain.book[10]
    fraction = {
        "bps": np.full(len(ask), 0.001),
        "spread": np.where((ask > 0) & (bid > 0), (ask - bid) / np.maximum(ask + bid, 1e-9), 0.0),
        "tiers": np.where(rows.columns["day_value"] >= 1e5, 0.001, 0.002),
    }[kind.partition(":")[0]]
    np.testing.assert_allclose(worse.book[0], ask * (1 + fraction), rtol=1e-12)
    np.testing.assert_allclose(worse.book[14], plain.book[14] * (1 - fraction), rtol=1e-12)
    assert np.array_equal(worse.book[5], plain.book[5])
    assert run(worse)["pnl"].sum() < run(plain)["pnl"].sum()


def test_impact_reads_the_days_before_and_nothing_after() -> None:
    rows = made_rows("upbit", 6, symbols=1, days=FEWEST_DAYS + 2, rows=120)
    value = np.zeros(len(rows.row_time))
    closes = []
    for _, _, lo, hi in rows.blocks.tolist():
        value[lo:hi] = np.linspace(1e6, 4e8, hi - lo)
        closes.append(rows.columns["last_price"][hi - 1])
    rows = replace(rows, columns=rows.columns | {"day_value": value})
    worse, plain = prepared(rows, slippage_model="impact:1"), prepared(rows)
    paid = np.where(plain.book[0] > 0, worse.book[0] / np.maximum(plain.book[0], 1e-9) - 1, 0.0)
    lo, hi = rows.blocks[0]["lo"], rows.blocks[0]["hi"]
    expected = NO_HISTORY_SIGMA * np.sqrt(1e6 / value[lo:hi])
    np.testing.assert_allclose(paid[lo:hi][plain.book[0][lo:hi] > 0], expected[plain.book[0][lo:hi] > 0], rtol=1e-9)
    block = FEWEST_DAYS
    lo, hi = rows.blocks[block]["lo"], rows.blocks[block]["hi"]
    past = np.array(closes[:block])
    sigma = np.std(past[1:] / past[:-1] - 1, ddof=1)
    some = plain.book[0][lo:hi] > 0
    np.testing.assert_allclose(paid[lo:hi][some], sigma * np.sqrt(1e6 / 4e8), rtol=1e-9)


def test_models_without_effect_change_nothing_and_a_spread_needs_a_book() -> None:
    rows = made_rows("upbit", 7, symbols=2, days=1, rows=150)
    for kind in ("bps:0", "spread:0"):
        assert np.array_equal(run(prepared(rows)), run(prepared(rows, slippage_model=kind)))
    last = run(prepared(rows, fill="last", slippage_model="bps:10"))
    assert len(last) > 3
    for trade in last:
        at = rows.row_time == trade["entry_time"]
        sign = int(trade["side"])
        prices = rows.columns["last_price"][at] * (1 + sign * 0.001)
        assert np.isclose(prices, trade["entry_price"], rtol=1e-9).any()
    with pytest.raises(InputError, match=r"backtest\.slippage_no_book"):
        Options(betting=1.0, fill="last", slippage_model="spread:1")
