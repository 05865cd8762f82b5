"""Look-backs kept for the sets of a search: the same trades as computing each where it is read."""

from __future__ import annotations

import ast
from dataclasses import replace

import numpy as np

from backtester.engine import Engine, Options, Steps, prepare, steps_of
from backtester.executors import LocalExecutor
from backtester.kept import keep
from coin.markets import UPBIT
from strategy.compiler import functions
from strategy.program import build
from tests.research import compiled, made_rows

BUY = """
if not (체결강도 >= 체결강도평균(self.vars[0]) + self.vars[1]):
    매수 = False
elif not (체결강도평균(self.vars[0], 3) < 체결강도평균(7)):
    매수 = False
"""
SELL = """
if 체결강도 < 체결강도평균(self.vars[2]):
    매도 = True
elif 보유시간 >= 60:
    매도 = True
"""
SETS = np.array([[a, b, c] for a in (2, 5, 9, 400) for b in (-3, 1) for c in (4, 30)], dtype=np.float64)


def calls(text: str, prefix: str) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.startswith(prefix)
    ]


def test_fixed_lengths_are_kept_once_each_and_those_that_change_by_row_are_not() -> None:
    program = build(BUY, SELL + "elif 체결강도 < 체결강도평균(보유시간):\n    매도 = True\n", UPBIT, 1)
    kept = keep(functions(program), 3)
    assert kept.lengths == (("variable", 0), ("constant", 7), ("variable", 2))
    assert sorted(ast.unparse(call.args[-1]) for call in calls(kept.text, "kept_")) == ["u(3)", "u(3)", "u(4)", "u(5)"]
    assert len(calls(kept.text, "window_mean")) == 1
    assert kept.windows(np.array([12.9, 0.0, -5.0])).tolist() == [12, 7, -5]


def test_a_search_with_kept_look_backs_equals_runs_that_keep_nothing() -> None:
    program = build(BUY, SELL, UPBIT, 1)
    steps = steps_of(program, planned=False)
    bare: Steps = replace(
        steps, text=functions(program), windows=lambda vector: program.windows(vector.tolist()), n_features=len(program.extremes), n_kept=0
    )
    assert steps.n_kept == 3
    assert not calls(bare.text, "kept_")
    prepared = prepare(made_rows("upbit", 5), steps.columns, UPBIT, Options(betting=1_000_000.0))
    keeping, plain = Engine(compiled(steps), steps, LocalExecutor(1)), Engine(compiled(bare), bare, LocalExecutor(1))
    many = keeping.run(prepared, SETS)
    singles = [plain.run(prepared, vector[None, :]).raw for vector in SETS]
    assert sum(map(len, singles)) > 100
    assert len({one.tobytes() for one in singles}) > 4
    for number, expected in enumerate(singles):
        mine = many.raw[many.raw[:, 0] == number]
        np.testing.assert_array_equal(mine[:, 1:], expected[:, 1:])
        np.testing.assert_array_equal(keeping.run(prepared, SETS[number][None, :]).raw, expected)
