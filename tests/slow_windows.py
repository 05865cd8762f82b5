"""The interpreter with look-backs that search their whole window on each row: slow, and plainly what the words mean."""

from __future__ import annotations

from fractions import Fraction

from strategy.interpreter import Interpreter, Walk, angle, average
from strategy.nodes import Window
from strategy.runs import deviation_of


class _SlicingWalk(Walk):
    def look_back(self, node: Window, row: int, n: int) -> float:
        if node.operation == "rows":
            return 1.0
        if node.operation == "volatility":
            return self.volatility(row, n)
        rows = self.inputs[self.interpreter.columns[node.key]][row - n + 1 : row + 1].tolist()
        if node.operation in ("max", "min"):
            return float(max(rows) if node.operation == "max" else min(rows))
        if node.operation == "angle":
            return angle(rows[0], rows[-1], n, node.coefficient)
        decimals = self.program.decimals(node.key)
        return average(node, sum(round(value * 10**decimals) for value in rows), n, decimals)

    def volatility(self, row: int, n: int) -> float:
        """Return a deviation from exact sums, divided as the function divides them."""
        columns = self.interpreter.columns
        if self.program.interval_s == 1:
            day = [float(one) for one in self.inputs[columns["last_price"]][self.lo : row + 1]]
        else:
            high, low = (self.inputs[columns[key]][self.lo : row + 1] for key in ("bar_high", "bar_low"))
            day = [float(h) - float(one) for h, one in zip(high, low, strict=True)]
        window = [Fraction(one - day[0]) for one in day[len(day) - n :]]
        total = sum(window, Fraction(0))
        spread = n * sum((one * one for one in window), Fraction(0)) - total * total
        return deviation_of(float(total), float(spread), day[0], n)


class SlicingInterpreter(Interpreter):
    """An Interpreter that needs no features."""

    walk = _SlicingWalk
