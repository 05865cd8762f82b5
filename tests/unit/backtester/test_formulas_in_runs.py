"""A formula in the engine: the trades are those of the text that says the same without it; a passport holds it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from backtester.condition_lines import parse_lines
from backtester.engine import Engine, Options, module_text, prepare, steps_of
from backtester.executors import LocalExecutor
from backtester.job import Job, member_job, program_of
from backtester.portfolio import Member
from backtester.trades import round_trips
from cli.job_args import job_of_passport
from coin.markets import UPBIT
from domain.formulas import Formula
from storage.formulas import Formulas
from storage.studies import Studies
from strategy import cache
from strategy.finder_text import parse_finder
from strategy.language import StrategyErrors
from strategy.program import build
from tests.research import made_rows
from tests.research_cli import call, make_data, told, words
from trading.trades import trades_sha256
from utility.paths import DataDir

GAP = Formula(name="간격", market="upbit", interval_s=1, display="line", text="self.line = 체결강도 - 체결강도평균(5)\n", in_strategy=True)
SELL = "if 보유시간 >= 20:\n    매도 = True\n"
WITH = "if not (간격(0) > self.vars[1] and 간격(1) < 3):\n    매수 = False\n"
WITHOUT = WITH.replace("간격(0)", "(체결강도 - 체결강도평균(5))").replace("간격(1)", "(체결강도N(1) - 체결강도평균(5, 1))")


def test_trades_are_those_of_the_text_without_the_formula(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows, found = made_rows("upbit", 41), []
    for text, formulas in ((WITH, (GAP,)), (WITHOUT, ())):
        steps = steps_of(build(text, SELL, UPBIT, 1, formulas=formulas))
        module = cache.load("engine", module_text(steps), tmp_path / "steps", b"k" * 32)
        prepared = prepare(rows, steps.columns, UPBIT, Options(betting=1e6))
        raw = Engine(module, steps, LocalExecutor(2)).run(prepared, np.array([[6.0, 2.0]])).raw
        found.append(trades_sha256(prepared.codes, round_trips(prepared, raw)))
        assert len(raw) > 20
    assert found[0] == found[1]


def test_a_run_keeps_the_formulas_that_its_texts_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_data(tmp_path)
    data = DataDir(tmp_path)
    Formulas(data.user_library).save(GAP)
    (tmp_path / "find.txt").write_text(WITH + "self.틈 = 간격(0)\n", "utf-8")
    base = ("--data-dir", str(tmp_path), "--market", "upbit", "--json", "--set", "0=5", "--set", "1=2")
    status, out = call(capsys, "find", *base, "--buy", str(tmp_path / "find.txt"), "--ahead", "5")
    assert (status, out["hits"] > 0) == (0, True)
    old = "self.tickcols = ['틈']\nif 간격(1) > 0:\n    self.tickdata = [간격(0)]\n"
    assert parse_finder(old, UPBIT, 1, (GAP,)).columns == ("틈",)
    assert [name for name in pq.read_table(out["path"]).column_names if name.startswith("self.")] == ["self.틈"]
    assert all(one > 2 for one in pq.read_table(out["path"]).column("self.틈").to_pylist())
    passport = {
        "market": "upbit", "interval_s": 1, "buy": WITH, "sell": SELL, "fees": None, "betting": 1.0, "entry_levels": 1, "exit_levels": 1,
        "latency": 0, "fill": "sweep", "start": 0, "end": 235959, "from": None, "to": None, "symbols": None, "vars": {}, "rows_since": [],
        "source": None, "strategy": "", "formulas": [{**{field: getattr(GAP, field) for field in GAP.__struct_fields__}}],
    }  # fmt: skip
    assert job_of_passport(passport).formulas == (GAP,)
    assert Studies(data.user_library).runs() == []


def test_each_strategy_of_a_portfolio_has_the_formulas_of_its_own_texts() -> None:
    job = Job(UPBIT, 1, "매수 = 현재가 > 1\n", SELL, Options(betting=1.0), formulas=(GAP,))
    assert program_of(job).digest == build(job.buy_text, SELL, UPBIT, 1).digest
    member = member_job(job, Member("나", WITH, SELL))
    assert program_of(member).digest == build(WITH, SELL, UPBIT, 1, formulas=(GAP,)).digest


def test_condition_lines_may_name_a_formula() -> None:
    lines = parse_lines("간격(0) > 0\n", "수익률 > 1\n", UPBIT, 1, (GAP,))
    assert lines.buy == ("간격(0) > 0",)
    with pytest.raises(StrategyErrors):
        parse_lines("간격(0) > 0\n", "수익률 > 1\n", UPBIT, 1)


def test_a_repeat_says_which_formulas_changed_and_keeps_those_of_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = DataDir(make_data(tmp_path))
    Formulas(data.user_library).save(GAP)
    (tmp_path / "buy.txt").write_text(WITH, "utf-8")
    _, first = call(capsys, *words(tmp_path, "backtest", "--set", "0=5", "--set", "1=2", "--set", "2=1"))
    again = ("rerun", str(first["run"]), "--data-dir", str(tmp_path), "--json")
    status, repeated = call(capsys, *again)
    assert (status, repeated["same"], repeated["formulas_changed"]) == (0, True, [])
    Formulas(data.user_library).save(msgspec.structs.replace(GAP, text="self.line = 체결강도\n"))
    status, repeated = call(capsys, *again)
    assert (status, repeated["same"], repeated["formulas_changed"]) == (0, True, ["간격"])
    Formulas(data.user_library).delete(("간격", "upbit", 1))
    status, out, _ = told(capsys, *again)
    assert status == 0
    assert "Formulas changed or deleted since: 간격" in out
