"""How far back a step's running sums are read.

Sums are read as differences, so those of some rows can be made from any row on that lies far enough before them: a run of
one parameter set leaves out the rows between two places that matter.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from strategy.nodes import Number, Variable, Window
from strategy.program import Program

WHOLE = -1
"""The sums have to be made from the day's first row on."""
MOST = 1e9

Reach = Callable[[NDArray[np.float64]], int]


def all_rows(vector: NDArray[np.float64]) -> int:
    """Return `WHOLE`."""
    return WHOLE


def reach_of(program: Program) -> Reach:
    """Return what gives, for `self.vars`, how many rows before a row its step may read the running sums; `WHOLE`: any."""
    if program.marks or program.formulas or any(feature.kind != "sum" for feature in program.features):
        return all_rows
    constant, by_variable = 0, []
    for node in program.nodes:
        if not isinstance(node, Window) or program.feature_of(node) is None:
            continue
        if not isinstance(node.pre, Number) or not 0.0 <= node.pre.value <= MOST or not isinstance(node.n, Number | Variable):
            return all_rows
        lag = int(node.pre.value) + 1
        if isinstance(node.n, Variable):
            by_variable.append((node.n.index, lag))
        elif abs(node.n.value) <= MOST:
            constant = max(constant, int(abs(node.n.value)) + lag)
        else:
            return all_rows

    def reach(vector: NDArray[np.float64]) -> int:
        most = constant
        for index, lag in by_variable:
            if index >= len(vector) or not abs(vector[index]) <= MOST:
                return WHOLE
            most = max(most, int(abs(vector[index])) + lag)
        return most

    return reach
