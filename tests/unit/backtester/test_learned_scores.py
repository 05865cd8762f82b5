"""Learned scores in runs: the store's rows give them, by earlier days alone, cut or far rows read the same; live refuses them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from backtester.engine import Options
from backtester.executors import LocalExecutor
from backtester.executors.base import Answer
from backtester.executors.nodes import setup_of
from backtester.ground import Ground, Origin, shards
from backtester.job import Job, job_rows, load, run_one, vector
from backtester.verdict.parts import run_days
from backtester.worker import Worker
from coin.markets import UPBIT
from domain.errors import InputError
from domain.instruments import Instrument
from domain.records import row_schema
from domain.settings import Settings
from storage.ticks import TickStore
from strategy.learned import BASE, NAMES, learned_key, settings
from strategy.learning import Day, replay
from strategy.program import build
from tests.research_cli import call, told
from trading.save_check import both
from ui.start import strategy_text
from ui.user_library import StrategyDoc
from utility.paths import DataDir

DAYS, ROWS = 9, 200
KEYS = tuple(learned_key(en, UPBIT) for names in NAMES.values() for _, en in names)
BUY = "if not (변동성신뢰도 > 0.3 and 거래량점수 + 패턴점수 + 가격대점수 > 5):\n    매수 = False\n"
SELL = "if 보유시간 >= 5:\n    매도 = True\n"


def made(days: int = DAYS, spoiled_from: int = 10**9) -> dict[str, np.ndarray]:
    """Return columns of two symbols, one after the other; rows of each from `spoiled_from` on are others."""
    parts: dict[str, list[np.ndarray]] = {key: [] for key in BASE}
    for symbol in range(2):
        count = days * ROWS
        draws = [np.random.default_rng(seed + symbol) for seed in (3, 300)]
        steps = [draw.normal(0, 0.002, (4, count)) for draw in draws]
        use = np.where(np.arange(count) < spoiled_from, steps[0], steps[1])
        close = np.round(50_000 * np.exp(np.cumsum(use[0])))
        begin = np.concatenate(([50_000.0], close[:-1]))
        parts["last_price"].append(close)
        parts["bar_open"].append(begin)
        parts["bar_high"].append(np.maximum(begin, close) + np.round(np.abs(use[1]) * 20_000))
        parts["bar_low"].append(np.minimum(begin, close) - np.round(np.abs(use[2]) * 20_000))
        parts["value_1m"].append(np.where(use[3] > 0.003, 1_000.0, 100.0))
    return {key: np.concatenate(found) for key, found in parts.items()}


def stored(root: Path, columns: dict[str, np.ndarray], days: int = DAYS) -> DataDir:
    schema = row_schema("coin", 60)
    table = [Instrument(instrument_id=f"upbit:{code}", code=code, name=code, base=code, quote="KRW") for code in ("A", "B")]
    store = TickStore(root)
    writer = store.writer(UPBIT, "made", "row1m", schema, table, {"what": "made"})
    minutes = 540 + np.arange(ROWS)
    for day in range(days):
        for symbol in range(2):
            out = np.zeros(ROWS, schema.dtype())
            out["row_time"] = (20260105 + day) * 10_000 + minutes // 60 * 100 + minutes % 60
            out["instrument"], out["seq"] = symbol, 1 + np.arange(ROWS) + ROWS * (2 * day + symbol)
            out["exchange_ns"] = 1_767_603_600_000_000_000 + (day * 86_400 + np.arange(ROWS) * 60) * 1_000_000_000
            span = slice((symbol * days + day) * ROWS, (symbol * days + day + 1) * ROWS)
            for key in BASE:
                out["values"][:, schema.index(key)] = columns[key][span]
            out["values"][:, schema.index("in_universe")] = 1.0
            for level in range(1, 6):
                for side, sign in (("ask", 1), ("bid", -1)):
                    out["values"][:, schema.index(f"{side}{level}")] = columns["last_price"][span] + sign * level
                    out["values"][:, schema.index(f"{side}_size{level}")] = 1e6
            writer.append(out)
    writer.seal()
    store.unlock()
    return DataDir(root)


def job(**more: object) -> Job:
    return replace(Job(UPBIT, 60, BUY, SELL, Options(betting=1e6, end=235_959)), **more)  # type: ignore[arg-type]


def test_a_run_reads_the_scores_of_the_days_before(tmp_path: Path) -> None:
    columns = made()
    data = stored(tmp_path, columns)
    loaded = load(job(), data, LocalExecutor(2))
    rows = loaded.rows
    for analyser, names in NAMES.items():
        keys = [learned_key(en, UPBIT) for _, en in names]
        for symbol in range(2):
            days = [Day(*(columns[key][lo : lo + ROWS] for key in BASE)) for lo in (np.arange(DAYS) + symbol * DAYS) * ROWS]
            want = np.concatenate([np.array(one) for one in replay(analyser, days, settings(UPBIT))], axis=1)
            for key, column in zip(keys, want, strict=True):
                if key in rows.columns:
                    np.testing.assert_array_equal(rows.columns[key][symbol * DAYS * ROWS : (symbol + 1) * DAYS * ROWS], column)
    found = run_one(loaded, vector(loaded.program, {}))
    sure, total = rows.columns[KEYS[7]], sum(np.asarray(rows.columns[KEYS[k]]) for k in (0, 2, 4))
    assert len(found.trades) > 10
    origin = Origin(loaded.job, rows, tuple(run_days(loaded.prepared).tolist()))
    (shard,) = shards(origin, loaded.prepared, 1)
    setup = setup_of(Ground(loaded.engine, loaded.prepared, loaded.metrics, origin), shard)
    node = Worker(tmp_path / "node", 1)
    assert node.stand(setup) == setup.key
    answer = node.evaluate(setup.key, vector(loaded.program, {})[None, :], True, True)
    assert isinstance(answer, Answer)
    np.testing.assert_array_equal(answer.raw, found.raw)
    node.close()
    assert np.count_nonzero((np.asarray(sure) > 0.3) & (np.asarray(total) > 5)) >= len(found.trades)


def test_later_rows_of_the_store_change_no_earlier_score(tmp_path: Path) -> None:
    cut = 6 * ROWS + 77
    seen = []
    for name, columns in (("was", made()), ("now", made(spoiled_from=cut))):
        rows = job_rows(job(), stored(tmp_path / name, columns), KEYS)
        seen.append(np.array([np.asarray(rows.columns[key]).reshape(2, -1) for key in KEYS]))
    np.testing.assert_array_equal(seen[0][:, :, :cut], seen[1][:, :, :cut])
    assert [k for k in range(8) if not np.any(seen[0][k, :, cut:] != seen[1][k, :, cut:])] == []
    assert all(np.any(seen[0][k, :, ROWS:cut]) for k in range(8))
    assert not np.any(seen[0][:, :, :ROWS])


def test_cut_far_and_fewer_symbols_read_the_same(tmp_path: Path) -> None:
    data = stored(tmp_path, made())
    whole = job_rows(job(), data, KEYS)
    for one in (
        job_rows(job(from_time=20260108, symbols=("B",)), data, (*KEYS, "ask1")),
        job_rows(job(from_time=202601080930), data, KEYS, memory=1_000),
    ):
        for key in KEYS:
            np.testing.assert_array_equal(np.asarray(one.columns[key]), np.asarray(whole.columns[key]))
    assert one.window_rows > 0
    assert {path.stem for path in Path(whole.folder).glob("*-*.npy")} == set(KEYS)


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored(tmp_path, made())
    (tmp_path / "buy.txt").write_text(BUY + "self.s = 변동성점수\nself.c = volatility_confidence\n", "utf-8")
    (tmp_path / "sell.txt").write_text(SELL, "utf-8")
    texts = ("--buy", str(tmp_path / "buy.txt"), "--sell", str(tmp_path / "sell.txt"))
    base = ("--data-dir", str(tmp_path), "--market", "upbit", "--interval", "1m")
    status, out = call(capsys, "find", *base, "--json", "--buy", texts[1], "--ahead", "5", "--columns", "last_price")
    assert (status, out["hits"] > 10) == (0, True)
    table = pq.read_table(out["path"])
    assert min(table.column("self.c").to_pylist()) > 0.3
    assert len(set(table.column("self.s").to_pylist())) > 3
    status, _, error = told(capsys, "live", *base, *texts, "--paper")
    assert status != 0
    assert "거래량점수" in error
    assert "studies alone" in error


def test_the_look_ahead_check_takes_them_and_the_window_refuses_them_live() -> None:
    judged = both(build(BUY, SELL, UPBIT, 60), {})
    assert [one.ok for one in judged] == [True, True]
    assert strategy_text(StrategyDoc("a", 1, "매수 = True\n", SELL, interval="1m"), UPBIT, Settings(), ()).name == "a"
    with pytest.raises(InputError, match=r"live\.learned"):
        strategy_text(StrategyDoc("a", 1, BUY, SELL, interval="1m"), UPBIT, Settings(), ())
