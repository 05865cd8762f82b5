"""The interpreter with look-backs that search their whole window on each row: slow, and plainly what the words mean."""

from __future__ import annotations

from strategy.interpreter import Interpreter, Walk, angle, average
from strategy.nodes import Window


class _SlicingWalk(Walk):
    def look_back(self, node: Window, row: int, n: int) -> float:
        rows = self.inputs[self.interpreter.columns[node.key]][row - n + 1 : row + 1].tolist()
        if node.operation in ("max", "min"):
            return float(max(rows) if node.operation == "max" else min(rows))
        if node.operation == "angle":
            return angle(rows[0], rows[-1], n, node.coefficient)
        decimals = self.program.decimals(node.key)
        return average(node, sum(round(value * 10**decimals) for value in rows), n, decimals)


class SlicingInterpreter(Interpreter):
    """An Interpreter that needs no features."""

    walk = _SlicingWalk
