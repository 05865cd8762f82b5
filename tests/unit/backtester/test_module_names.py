"""The loop and the texts it is joined to share one module: a name must mean one thing in it."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

from backtester import finder
from backtester.engine import Engine, Options, module_text, prepare, steps_of
from backtester.executors import LocalExecutor
from backtester.trades import round_trips
from coin.markets import BINANCE_FUTURES, UPBIT
from domain.instruments import Market
from stock.markets import KRX
from strategy import cache
from strategy.program import build
from tests.research import made_rows

RICH = (
    "self.indicator['RSI_timeperiod'] = 14\nself.n = self.n + 1\n매수 = RSI < 70 and 이동평균(3) > 이동평균(3, 1) and 최고현재가(9) > 0",
    "매도 = 최고수익률 - 수익률 > 1 or now() > timedelta_sec(20, 매수시간) or 변동성(9) > 3",
)
TICKS = ("매수 = 현재가 > 이동평균(60) and 체결강도 > 체결강도평균(30)", "매도 = now() > timedelta_sec(20, 매수시간)")
BOTH = ("BUY_LONG = 현재가 > 이동평균(60)\nSELL_SHORT = False", "SELL_LONG = 보유시간 > 3\nBUY_SHORT = True")


def meanings(text: str) -> dict[str, set[str]]:
    """Return what each name of a module is bound to."""
    found: dict[str, set[str]] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for one in node.names:
                found.setdefault(one.asname or one.name, set()).add(f"{getattr(node, 'module', '')}.{one.name}")
        elif isinstance(node, ast.FunctionDef):
            found.setdefault(node.name, set()).add(f"line {node.lineno}")
        elif isinstance(node, ast.Assign):
            for name in (one for target in node.targets for one in ast.walk(target) if isinstance(one, ast.Name)):
                found.setdefault(name.id, set()).add(ast.unparse(node.value))
    return found


@pytest.mark.parametrize("managed", [False, True])
@pytest.mark.parametrize(("market", "texts", "interval_s"), [(UPBIT, RICH, 60), (KRX, TICKS, 1), (BINANCE_FUTURES, BOTH, 1)])
def test_a_name_means_one_thing(market: Market, texts: tuple[str, str], interval_s: int, managed: bool) -> None:
    found = meanings(module_text(steps_of(build(*texts, market, interval_s)), managed))
    allowed = {"warm"} if managed else set()  # the last one compiles what is used
    assert {name for name, several in found.items() if len(several) > 1} == allowed


def test_a_name_means_one_thing_to_the_finder() -> None:
    found = meanings(finder.module_text(build(*RICH, UPBIT, 60)))
    assert not {name for name, several in found.items() if len(several) > 1}


def test_a_clock_in_a_sell_text_is_the_rows_clock(tmp_path: Path) -> None:
    steps = steps_of(build("매수 = True", TICKS[1], UPBIT, 1))
    rows = made_rows("upbit", 4, symbols=2, rows=600)
    executor = LocalExecutor(1)
    engine = Engine(cache.load("engine", module_text(steps), tmp_path, b"k" * 32), steps, executor)
    prepared = prepare(rows, steps.columns, UPBIT, Options(betting=1e6))
    trades = round_trips(prepared, engine.run(prepared, np.array([[30.0]])).raw)
    executor.close()
    held = trades["holding_time"][trades["exit_rule"] == 1]
    assert len(held) > 5
    assert held.min() > 20
    assert np.median(held) < 30
