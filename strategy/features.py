"""The features of the interpreter: running sums and window extremes in plain Python, a row at a time.

The compiled step reads arrays that `strategy/kernels.py` fills; the interpreter reads these lists. Both are
laid out alike (`Program.place`), so a look-back costs the same few reads whatever its window is. Nothing of
the kernels is used: a sum is a Python integer, exact at any size.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from domain.formulas import DISPLAYS
from domain.records import POSITION_SIZE
from strategy.program import Program
from strategy.series import ON


class PlainFeatures:
    """Features of one symbol's rows.

    Parameters
    ----------
    program : Program
        Says which features.
    windows : sequence of int
        ``program.windows(variables)``.

    Attributes
    ----------
    sums : list of list of int
        ``sums[f][i + 1]`` is the sum of column f over the rows up to i, in units of 10^-decimals.
    extremes : list of list of float
        ``extremes[f][i]`` is the extreme of the window that ends at row i; of the last 2, 4, 8 … rows for the
        features of ``program.levels``; then come the rows of the series, which run the very functions that the
        compiled step runs compiled: what proves them is TA-Lib.
    """

    def __init__(self, program: Program, windows: Sequence[int] | NDArray[np.int64]) -> None:
        self.program = program
        self.sums: list[list[int]] = [[0] for _ in program.sums]
        self.extremes: list[list[float]] = [[] for _ in range(program.n_extremes)]
        self._windows = [int(one) for one in windows]
        self._queues: list[deque[tuple[int, float]]] = [deque() for _ in program.extremes]
        self._columns = {one.key: program.columns.index(one.key) for one in program.features if one.kind != "series"}
        self._fillers = {function.key: function.filler() for function, _, _ in program.series.values()}
        own = sum(len(one.columns) for one in program.formulas)
        self._first_of_series = program.n_extremes - own - sum(function.rows for function, _, _ in program.series.values())

    def fill(self, inputs: Sequence[NDArray[np.float64]], lo: int, i0: int, i1: int) -> None:
        """Continue over rows i0 … i1−1 of the day that begins at row `lo`; what was there from i0 on is forgotten first."""
        for sums in self.sums:
            del sums[i0 + 1 :]
        for extremes in self.extremes:
            del extremes[i0:]
        for i in range(i0, i1):
            self._add({key: inputs[index] for key, index in self._columns.items()}, i, i - lo + 1)
        self._fill_series(inputs, lo, i0, i1)
        if self.program.formulas:
            self._fill_formulas(inputs, lo, i0, i1)

    def _fill_formulas(self, inputs: Sequence[NDArray[np.float64]], lo: int, i0: int, i1: int) -> None:
        from strategy.interpreter import Interpreter

        program, interpreter = self.program, Interpreter(self.program)
        state, position = np.zeros(program.n_state), np.zeros(POSITION_SIZE)
        for k, one in enumerate(program.formulas):
            rows = {column: self.extremes[program.formula_rows[one.name, column]] for column in one.columns}
            slots = {output: program.attribute_slot(f"{one.name}.{output}") for output in DISPLAYS[one.display]}
            for i in range(i0, i1):
                for output, slot in slots.items():
                    state[slot] = 0.0 if output in ("check", "buy", "sell") else math.nan
                if not interpreter.formula(k, inputs, self.sums, self.extremes, i, lo, [0.0], position, state):
                    for output, slot in slots.items():
                        state[slot] = 0.0 if output in ("check", "buy", "sell") else math.nan
                found = {output: float(state[slot]) for output, slot in slots.items()}
                if one.display == "condition_line" and found["check"] == 0.0:
                    found["line"] = rows["line"][i - 1] if i > lo else math.nan
                if one.display == "band" and found["check"] == 0.0:
                    found["up"] = found["down"] = math.nan
                for column, row in rows.items():
                    row[i] = found[column]

    def _fill_series(self, inputs: Sequence[NDArray[np.float64]], lo: int, i0: int, i1: int) -> None:
        for row in self.extremes[self._first_of_series :]:
            row.extend([0.0] * (i1 - i0))
        for feature, (function, base, place) in self.program.series.items():
            if self._windows[place] == ON:
                settings = np.array(self._windows[place + 1 : place + 1 + len(feature.settings)], dtype=np.int64).view(np.float64)
                columns = [inputs[self.program.columns.index(key)] for key in self.program.series_columns(function)]
                self._fillers[function.key](*columns, self.extremes, base, settings.tolist(), lo, i0, i1)

    def _add(self, columns: dict[str, NDArray[np.float64]], i: int, count: int) -> None:
        program = self.program
        for feature, sums in zip(program.sums, self.sums, strict=True):
            sums.append(sums[-1] + round(float(columns[feature.key][i]) * 10.0**feature.decimals))
        for f, feature in enumerate(program.extremes):
            self.extremes[f].append(self._extreme(f, float(columns[feature.key][i]), i, count, feature.kind == "max"))
        base = len(program.extremes)
        for feature in program.levels:
            self._add_levels(base, columns[feature.key], i, count, feature.kind == "levels_max")
            base += program.n_levels

    def _extreme(self, f: int, x: float, i: int, count: int, largest: bool) -> float:
        """Return the extreme of the window by a monotonic queue: a row that a later one outdoes is never looked at again."""
        queue = self._queues[f]
        if count == 1:
            queue.clear()
        while queue and not ((queue[-1][1] > x) if largest else (queue[-1][1] < x)):
            queue.pop()
        queue.append((i, x))
        if queue[0][0] <= i - self._windows[f]:
            queue.popleft()
        return queue[0][1]

    def _add_levels(self, base: int, column: NDArray[np.float64], i: int, count: int, largest: bool) -> None:
        """Continue the extremes of 2^k rows: the better of two neighbouring spans of half the length; 0 without that many rows."""
        newer, older = float(column[i]), float(column[i - 1]) if count > 1 else 0.0
        for k in range(1, self.program.n_levels + 1):
            level = self.extremes[base + k - 1]
            if count < 1 << k:
                level.append(0.0)
                continue
            newer = (newer if newer > older else older) if largest else (newer if newer < older else older)
            level.append(newer)
            older = level[i - (1 << k)]
