"""The rows of one symbol's day as a live step reads them: growing arrays and their features.

The features of a compiled step are filled by the module's own `fill_features`, the function that the
back-test calls over whole days; here it is called for one row at a time. Those of the interpreter are
`PlainFeatures`.
"""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.errors import DataError
from domain.records import row_schema
from strategy.features import PlainFeatures
from strategy.program import Program

FIRST_ROOM = 1024


class SymbolTable:
    """Inputs and features of one symbol, today.

    Parameters
    ----------
    program : Program
        Says which columns and features.
    variables : ndarray of float64
        ``self.vars``; fixes the windows.
    module : module or None
        The compiled step; None while the interpreter runs.

    Attributes
    ----------
    inputs : tuple of ndarray of float64, shape (room,)
        In ``program.columns`` order; valid up to the last row.
    sums, extremes : ndarray, or lists while the interpreter runs
        As the step reads them.
    count : int
        Rows so far; the current row is ``count − 1`` and the day begins at row 0.
    """

    def __init__(self, program: Program, variables: NDArray[np.float64], module: ModuleType | None = None) -> None:
        self.program = program
        self.windows = program.windows(variables.tolist())
        self.module = module
        schema = row_schema(program.market.kind, program.interval_s)
        self._keys = [schema.index(key) if key != "row_time" else -1 for key in program.columns]
        self.count = 0
        self._room = 0
        self._columns: list[NDArray[np.float64]] = [np.empty(0) for _ in program.columns]
        self.inputs: tuple[NDArray[np.float64], ...] = ()
        self._plain = PlainFeatures(program, self.windows)
        self.sums: Any = self._plain.sums
        self.extremes: Any = self._plain.extremes
        self.scratch = np.zeros((1, 3), dtype=np.int64)
        self._grow(FIRST_ROOM)

    def reset_day(self) -> None:
        """Forget all rows: a new day begins."""
        self.count = 0
        self.scratch[:] = 0

    def append(self, row_time: int, values: NDArray[np.float64]) -> int:
        """Add a row and bring the features up to it.

        Parameters
        ----------
        row_time : int
            The row's index.
        values : ndarray of float64, shape (columns of the schema,)
            ``values`` of a row record.

        Returns
        -------
        int
            The row's number in the arrays.

        Raises
        ------
        DataError
            A value that the step reads is not finite; the row is not added.
        """
        row = [float(row_time) if k < 0 else float(values[k]) for k in self._keys]
        if not all(math.isfinite(one) for one in row):
            bad = next(key for key, one in zip(self.program.columns, row, strict=True) if not math.isfinite(one))
            raise DataError("strategy.row_value", column=bad, row_time=row_time)
        if self.count == self._room:
            self._grow(2 * self._room)
        i = self.count
        for column, value in zip(self._columns, row, strict=True):
            column[i] = value
        self.count = i + 1
        self._fill(i, i + 1)
        return i

    def compile(self, module: ModuleType) -> None:
        """Go over to a compiled step: build the features of the rows that are there."""
        self.module = module
        self._make_features()

    def _grow(self, room: int) -> None:
        for k, old in enumerate(self._columns):
            new = np.zeros(room)
            new[: self.count] = old[: self.count]
            self._columns[k] = new
        self._room = room
        self.inputs = tuple(self._columns)
        if self.module is not None:
            self._make_features()

    def _make_features(self) -> None:
        assert self.module is not None
        self.sums = self.module.make_sums(self._room)
        self.extremes = self.module.make_extremes(self._room)
        self.scratch = self.module.make_scratch(self._room)
        if self.count:
            self._fill(0, self.count)

    def _fill(self, i0: int, i1: int) -> None:
        if self.module is not None:
            self.module.fill_features(self.windows, self.inputs, self.sums, self.extremes, self.scratch, 0, i0, i1)
        else:
            self._plain.fill(self.inputs, 0, i0, i1)
