"""What the interpreter reads on a row does not grow with its windows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from coin.markets import UPBIT
from domain.records import POSITION_INDEX, POSITION_SIZE
from strategy.features import PlainFeatures
from strategy.interpreter import Interpreter
from strategy.program import build

TEXT = """
self.a = 체결강도평균(WINDOW) + 누적초당매수수량(WINDOW, 3) + 초당거래대금평균(self.vars[0], -1)
self.b = 최고현재가(self.vars[0]) + 최저현재가(WINDOW, 3) + 최고체결강도(데이터길이 % WINDOW + 1, 1)
self.c = 등락율각도(WINDOW) + 현재가N(WINDOW)
"""


class Counted:
    """A column that counts the rows read of it, or of the lists of the features."""

    def __init__(self, rows: Any, reads: list[int]) -> None:
        self.rows = rows
        self.reads = reads

    def __getitem__(self, at: Any) -> Any:
        part = self.rows[at]
        self.reads[0] += len(part) if isinstance(at, slice) else 1
        return part


def reads_per_row(window: int, rows: int = 1500) -> float:
    """Return the reads a row of a step over its last half."""
    text = TEXT.replace("WINDOW", str(window))
    program = build(text, text, UPBIT, 1)
    reads = [0]
    draw = np.random.default_rng(1)
    inputs: Any = tuple(Counted(np.round(draw.random(rows) * 100, 2), reads) for _ in program.columns)
    variables = [float(window)]
    features, interpreter = PlainFeatures(program, program.windows(variables)), Interpreter(program)
    sums, extremes = ([Counted(one, reads) for one in kept] for kept in (features.sums, features.extremes))
    state, position = program.day_state("X"), np.zeros(POSITION_SIZE)
    position[POSITION_INDEX["position_qty"]], position[POSITION_INDEX["entry_row"]] = 1.0, rows // 2
    for i in range(rows):
        if i == rows // 2:
            reads[0] = 0
        features.fill(inputs, 0, i, i + 1)
        assert interpreter.sell(inputs, sums, extremes, i, 0, variables, position, state) == 0
    return reads[0] / (rows - rows // 2)


@pytest.mark.parametrize("window", [30, 600])
def test_a_long_window_costs_what_a_short_one_costs(window: int) -> None:
    assert reads_per_row(window) == pytest.approx(reads_per_row(5), abs=2.0)
    assert reads_per_row(window) < 40
