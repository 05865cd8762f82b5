"""One factor below the price, chosen from the recorded columns, with its average of 30."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PyQt5.QtCore import Qt

from domain.records import Column
from ui.charts.axes import TimeAxis
from ui.charts.candle_pane import thinned
from ui.charts.pane import Pane
from ui.format import short_money, size
from ui.text import language
from ui.theme.style import colour, theme

AVERAGE = 30


def factor_name(column: Column) -> str:
    """Return the factor's name in the window's language."""
    return column.ko if language() == "ko" else column.key


class FactorPane(Pane):
    """The pane of one factor."""

    own_ticks = True

    def __init__(self, column: Column, tint: int, bottom: TimeAxis | None = None) -> None:
        self.column = column
        self.tint = tint
        self.values: np.ndarray = np.zeros(0)
        self.first = 0
        """The first bar of which the factor is known: a venue's bars from before the rows say little."""
        self.curve = pg.PlotCurveItem(skipFiniteCheck=True)
        self.mean = pg.PlotCurveItem(skipFiniteCheck=True)
        super().__init__(self.text, bottom)
        self.plot.addItem(self.curve, ignoreBounds=True)
        self.plot.addItem(self.mean, ignoreBounds=True)

    def restyle(self) -> None:
        super().restyle()
        self.curve.setPen(pg.mkPen(theme().series[self.tint % len(theme().series)], width=1))
        self.mean.setPen(pg.mkPen(colour("muted", 190), style=Qt.DashLine))

    def text(self, value: float) -> str:
        """Return a value of this factor as the axis and the read-out show it."""
        if self.column.unit == "value":
            return short_money(value, "KRW" if language() == "ko" else "USD", language())
        if self.column.unit in ("qty", "count"):
            return size(value)
        if self.column.unit == "price":
            return f"{value:,.8f}".rstrip("0").rstrip(".")
        return f"{value:,.2f}"

    def choose(self, column: Column) -> None:
        """Show another factor."""
        self.column = column
        self.tight = None

    def show(self, values: np.ndarray, lo: int, hi: int) -> None:
        """Show the factor's value of each bar; only bars lo … hi − 1 are visible."""
        self.values = values
        known = np.isfinite(values)
        self.first = int(known.argmax()) if known.any() else len(values)
        if hi > self.first:
            self.curve.setData(*thinned(values, max(lo, self.first + 1), hi))
        else:
            self.curve.setData([], [])
        first = max(lo - 1, self.first + AVERAGE - 1)
        if hi > first:
            total = np.cumsum(values[first - AVERAGE + 1 : hi])
            mean = np.concatenate([[total[AVERAGE - 1]], total[AVERAGE:] - total[:-AVERAGE]]) / AVERAGE
            self.mean.setData(np.arange(first, first + len(mean), dtype=float), mean)
        else:
            self.mean.setData([], [])
        self.axis.tag("last", float(values[-1]) if len(values) > self.first else None, tint=colour("selected"))

    def span(self, lo: int, hi: int) -> tuple[float, float] | None:
        part = self.values[max(lo, self.first) : hi]
        return (float(part.min()), float(part.max())) if len(part) else None

    def read(self, index: int) -> list[tuple[str, str]]:
        out = [(factor_name(self.column), "muted")]
        if self.first <= index < len(self.values):
            out.append((self.text(float(self.values[index])), theme().series[self.tint % len(theme().series)]))
            if index >= self.first + AVERAGE - 1:
                mean = float(self.values[index - AVERAGE + 1 : index + 1].mean())
                out += [(f"({AVERAGE})", "faint"), (self.text(mean), "muted")]
        return out
