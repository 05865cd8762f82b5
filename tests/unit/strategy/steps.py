"""Both back ends of a program, side by side, for the tests of the language."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from domain.instruments import Market
from domain.records import POSITION_INDEX, POSITION_SIZE
from strategy import cache
from strategy.compiler import source
from strategy.features import PlainFeatures
from strategy.interpreter import Interpreter
from strategy.program import Program, build

KEY = b"k" * 32


class Both:
    """Runs a function of a program compiled and interpreted on the same arrays and insists on one answer."""

    def __init__(
        self, folder: Path, market: Market, interval_s: int, buy: str, sell: str = "", rows_since: tuple[tuple[str, str], ...] = ()
    ) -> None:
        self.program: Program = build(buy, sell, market, interval_s, rows_since)
        self.module: ModuleType = cache.load("step", source(self.program), folder, KEY)
        self.interpreter = Interpreter(self.program)

    def feed(self, columns: dict[str, np.ndarray], variables: list[float], days: tuple[int, ...] = (0,)) -> None:
        """Take whole columns; `days` are the rows on which days begin."""
        self.inputs = tuple(np.ascontiguousarray(columns[key], dtype=float) for key in self.program.columns)
        self.rows = rows = len(next(iter(columns.values())))
        self.variables = np.array(variables or [0.0])
        windows = self.program.windows(self.variables.tolist())
        self.sums, self.extremes = self.module.make_sums(rows), self.module.make_extremes(rows)
        scratch = self.module.make_scratch(rows)
        self.plain = PlainFeatures(self.program, windows)
        for lo, hi in zip(days, (*days[1:], rows), strict=True):
            self.module.fill_features(windows, self.inputs, self.sums, self.extremes, scratch, lo, lo, hi)
            self.plain.fill(self.inputs, lo, lo, hi)

    def run(
        self, name: str, i: int, lo: int = 0, position: np.ndarray | None = None, state: np.ndarray | None = None
    ) -> tuple[int, np.ndarray, np.ndarray]:
        """Return (result, state, position) after one call."""
        start = self.program.day_state("KRW-BTC", "비트코인", 0.5) if state is None else state
        held = np.zeros(POSITION_SIZE) if position is None else position
        out: list[tuple[Any, np.ndarray, np.ndarray]] = []
        for back, features in ((self.module, self), (self.interpreter, self.plain)):
            s, p = start.copy(), held.copy()
            result = getattr(back, name)(self.inputs, features.sums, features.extremes, i, lo, self.variables, p, s)
            out.append((result, s, p))
        assert out[0][0] == out[1][0]
        np.testing.assert_array_equal(out[0][1], out[1][1])
        np.testing.assert_array_equal(out[0][2], out[1][2])
        return out[0]

    def attribute(self, state: np.ndarray, name: str) -> float:
        """Return what a text has put on ``self.name``."""
        return float(state[self.program.attribute_slot(name)])


def held_since(row: int) -> np.ndarray:
    """Return a position vector of something bought on a row of the day."""
    position = np.zeros(POSITION_SIZE)
    position[POSITION_INDEX["position_qty"]] = 1.0
    position[POSITION_INDEX["entry_row"]] = row
    return position
