"""Runs on longer bars: daily positions live from bar to bar, 보유시간 is in minutes, parts of a daily run, the commands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from backtester.engine import Engine, Options, Prepared, module_text, prepare, steps_of
from backtester.executors import LocalExecutor
from backtester.metrics import Metrics, named
from backtester.trades import round_trips
from backtester.verdict.parts import Part, daily_profit, run_days
from coin.markets import UPBIT
from domain.errors import InputError
from domain.instruments import Instrument, Market
from domain.records import row_schema
from stock.markets import KRX
from storage.ticks import TickStore
from strategy import cache
from strategy.program import build
from tests.research import MadeRows
from tests.research_cli import call, words
from trading.positions import market_params, profit

BUY = "if 이동평균(2) >= 현재가:\n    매수 = False\n"
SELL = "if 보유시간 >= 4320 or 수익률 > 30:\n    매도 = True\n"


def daily_rows() -> MadeRows:
    """Return 90 daily bars of two symbols over the turn of a year, on which a tax changed."""
    days = np.concatenate([20251101 + np.arange(30), 20251201 + np.arange(31), 20260101 + np.arange(29)])
    rng = np.random.default_rng(5)
    columns: dict[str, np.ndarray] = {}
    price = np.concatenate([np.round(10_000 * np.exp(np.cumsum(rng.normal(0, 0.02, 90)))) for _ in range(2)])
    columns["last_price"], columns["in_universe"] = price, np.ones(180)
    for level in range(1, 6):
        for side, sign in (("ask", 1), ("bid", -1)):
            columns[f"{side}{level}"] = price + sign * level
            columns[f"{side}_size{level}"] = np.full(180, 1e6)
    block = np.dtype([("symbol", "<i4"), ("day", "<i4"), ("lo", "<i8"), ("hi", "<i8")])
    return MadeRows(
        "krx", 86_400, ("A", "B"), columns, np.tile(days * 10_000 + 900, 2), np.array([(0, days[0], 0, 90), (1, days[0], 90, 180)], block),
        np.zeros(2, np.int64),
    )  # fmt: skip


def by_hand(rows: MadeRows, market: Market, warm: int) -> list[tuple[int, ...]]:
    """Trade the two texts one bar after the other, in Python."""
    out = []
    for symbol, _, lo, hi in rows.blocks.tolist():
        price, held = rows.columns["last_price"], None
        for i in range(lo + warm - 1, hi):
            day = int(rows.row_time[i]) // 10_000
            leave = False
            if held is not None:
                qty, paid, entered = held
                _, gain = profit(market_params(market, day), paid, float(price[i] * qty), 1)
                leave = (i - entered) * 1_440 >= 4_320 or gain > 30
            elif i - lo >= 1 and not (price[i] + price[i - 1]) / 2 >= price[i]:
                qty = int(1_000_000 / price[i])
                held = (qty, float(qty * (price[i] + 1)), i)
            if held is not None and (leave or i == hi - 1):
                qty, paid, entered = held
                pnl, _ = profit(market_params(market, day), paid, float(qty * (price[i] - 1)), 1)
                out.append((symbol, int(rows.row_time[entered]), int(rows.row_time[i]), (i - entered) * 1_440, round(pnl)))
                held = None
    return sorted(out)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Prepared, np.ndarray]:
    program = build(BUY, SELL, KRX, 86_400)
    steps = steps_of(program)
    module = cache.load("engine", module_text(steps), tmp_path_factory.mktemp("steps"), b"k" * 32)
    prepared = prepare(daily_rows(), steps.columns, KRX, Options(betting=1_000_000.0))
    return prepared, Engine(module, steps, LocalExecutor(2)).run(prepared, np.array([[3.0]])).raw


def test_daily_positions_live_from_bar_to_bar_and_pay_the_tax_of_their_day(made: tuple[Prepared, np.ndarray]) -> None:
    prepared, raw = made
    trips = round_trips(prepared, raw)
    found = sorted((*(int(t[key]) for key in ("symbol", "entry_time", "exit_time", "holding_time")), round(float(t["pnl"]))) for t in trips)
    wanted = by_hand(daily_rows(), KRX, 3)
    assert len({trade[2] // 100_000_000 for trade in wanted}) == 2  # both years, so both taxes
    assert [*found] == wanted
    assert any(int(one["entry_time"]) // 10_000 < 20260101 <= int(one["exit_time"]) // 10_000 for one in trips)


def test_parts_of_a_daily_run_hold_the_trades_that_began_and_ended_in_them(made: tuple[Prepared, np.ndarray]) -> None:
    prepared, raw = made
    days = run_days(prepared)
    assert days.tolist() == [int(time) // 10_000 for time in prepared.row_time[:90]]
    executor = LocalExecutor(2)
    chosen = days[(days >= 20251201) & (days < 20260101)].tolist()
    part = Part(prepared, chosen, executor)
    taken = part.take(raw)
    spans = prepared.row_time[raw[:, 2:4].astype(int)] // 10_000
    inside = (spans[:, 0] >= chosen[0]) & (spans[:, 1] <= chosen[-1])
    assert 0 < len(taken) == inside.sum() < len(raw)
    assert part.prepared.days == 31
    np.testing.assert_allclose(daily_profit(prepared, raw, 1).sum(), raw[:, 9].sum())
    figures = named(Metrics(prepared, executor).of(raw, 1)[0])
    assert figures["tc"] == len(raw)
    assert named(part.metrics(raw, 1)[0])["tc"] == len(taken)
    gap = Part(prepared, [*days[:10].tolist(), *days[20:30].tolist()], executor)
    assert len(gap.prepared.blocks) == 4


def test_a_start_of_day_is_refused_for_days() -> None:
    with pytest.raises(InputError) as refused:
        prepare(daily_rows(), ("last_price",), KRX, Options(betting=1.0, start=93_000))
    assert refused.value.code == "backtest.start_daily"


@pytest.mark.parametrize("interval_s", [300, 3_600, 86_400])
def test_the_language_of_minutes_holds_for_longer_bars(interval_s: int) -> None:
    program = build(
        "self.indicator['RSI_timeperiod'] = 5\nif RSI < 30 or 분봉고가N(1) > 최고현재가(self.vars[1] + 데이터길이):\n    매수 = False\n",
        "if 변동성기반_동적청산(5):\n    매도 = True\n", KRX, interval_s,
    )  # fmt: skip
    assert program.lookback([3.0, 4.0]) == (10_000 if interval_s == 86_400 else 86_400 // interval_s)
    assert 1 << (program.n_levels + 1) >= program.lookback([3.0, 4.0])


def test_commands_take_longer_bars(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store_minutes(tmp_path)
    (tmp_path / "buy.txt").write_text("if 분봉고가 < 최고분봉고가(2, 1):\n    매수 = False\n", "utf-8")
    (tmp_path / "sell.txt").write_text("if 보유시간 >= 30:\n    매도 = True\n", "utf-8")
    code, result = call(capsys, *words(tmp_path, "backtest", "--interval", "15m", "--set", "0=2"))
    assert (code, result.get("rows"), result.get("days")) == (0, 2 * 3 * 96, 3)
    trades = pq.read_table(result["trades_path"]).to_pylist()
    assert trades
    assert {one["holding_time"] for one in trades} <= {30, 15, 0}  # minutes; the last of a day are closed earlier
    exported = ("data", "export", "--data-dir", str(tmp_path), "--json", "--market", "upbit", "--out", str(tmp_path / "x.parquet"))
    code, result = call(capsys, *exported, "--interval", "60m")
    assert (code, result["rows"]) == (0, 2 * 3 * 24)


def store_minutes(root: Path) -> None:
    """Store three whole days of one-minute rows of two symbols."""
    schema = row_schema("coin", 60)
    store = TickStore(root)
    names = ("KRW-A", "KRW-B")
    table = [Instrument(instrument_id=f"upbit:{name}", code=name, name=name, price_step=1.0) for name in names]
    writer = store.writer(UPBIT, "made", "row1m", schema, table, {"what": "made"})
    rng = np.random.default_rng(9)
    minute = np.arange(1_440)
    for day in (20260105, 20260106, 20260107):
        for symbol in range(2):
            rows = np.zeros(1_440, schema.dtype())
            rows["row_time"], rows["instrument"] = day * 10_000 + minute // 60 * 100 + minute % 60, symbol
            rows["seq"] = (day * 2 + symbol) * 10_000 + minute
            price = np.round(10_000 + np.cumsum(rng.normal(0, 5, 1_440)))
            for key, column in {"last_price": price, "bar_high": price + 3, "bar_low": price - 3, "in_universe": 1.0}.items():
                rows["values"][:, schema.index(key)] = column
            for level in range(1, 6):
                for side, sign in (("ask", 1), ("bid", -1)):
                    rows["values"][:, schema.index(f"{side}{level}")] = price + sign * level
                    rows["values"][:, schema.index(f"{side}_size{level}")] = 1e6
            writer.append(rows)
    writer.seal()
    store.unlock()
