"""Prices: candles, or the line of every row; last price, marks of our own orders."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyqtgraph as pg

from ui.charts.axes import TimeAxis
from ui.charts.items import CandleItem, MarkItem
from ui.charts.pane import Pane
from ui.models.bars import BarSeries
from ui.text import tr
from ui.theme.style import colour, signed_colour, theme


class CandlePane(Pane):
    """The price pane."""

    def __init__(self, text: Callable[[float], str], bottom: TimeAxis | None = None) -> None:
        self.candles = CandleItem()
        self.line = pg.PlotCurveItem(skipFiniteCheck=True)
        self.average = pg.PlotCurveItem(skipFiniteCheck=True)
        self.last = pg.InfiniteLine(angle=0, movable=False)
        self.marks = MarkItem()
        self.bars: BarSeries | None = None
        self.as_line = False
        self.text = text
        super().__init__(text, bottom)
        for item in (self.candles, self.line, self.average, self.last, self.marks):
            self.plot.addItem(item, ignoreBounds=True)
        self.last.setVisible(False)

    def restyle(self) -> None:
        super().restyle()
        self.candles.restyle()
        self.line.setPen(pg.mkPen(theme().series[0], width=1))
        self.average.setPen(pg.mkPen(colour("warn", 170), width=1))
        self.last.setPen(pg.mkPen(colour("muted", 110)))

    def show(self, bars: BarSeries | None, as_line: bool, change: float, lo: int, hi: int) -> None:
        """Show `bars` as candles or as a line; `change` colours the last price's tag; only bars lo … hi − 1 are visible."""
        if as_line != self.as_line:
            self.tight = None
        self.bars, self.as_line = bars, as_line
        self.candles.setVisible(not as_line)
        self.line.setVisible(as_line)
        if bars is None or not len(bars):
            self.candles.set_data(None)
            self.line.setData([], [])
            self.average.setData([], [])
            self.last.setVisible(False)
            self.axis.tag("last", None)
            return
        close = bars.close
        if as_line:
            x, y = thinned(close, lo, hi)
            self.line.setData(x, y)
        else:
            self.candles.set_data(bars, bars.revision)
        window = 30 if as_line else 20
        first = max(lo - 1, window - 1)
        if hi > first:
            total = np.cumsum(close[first - window + 1 : hi])
            mean = np.concatenate([[total[window - 1]], total[window:] - total[:-window]]) / window
            self.average.setData(np.arange(first, first + len(mean), dtype=float), mean)
        else:
            self.average.setData([], [])
        self.last.setVisible(True)
        self.last.setValue(close[-1])
        self.axis.tag("last", float(close[-1]), tint=signed_colour(change))

    def span(self, lo: int, hi: int) -> tuple[float, float] | None:
        if self.bars is None or hi <= lo:
            return None
        if self.as_line:
            part = self.bars.close[lo:hi]
            return float(part.min()), float(part.max())
        return float(self.bars.low[lo:hi].min()), float(self.bars.high[lo:hi].max())

    def read(self, index: int) -> list[tuple[str, str]]:
        b = self.bars
        if b is None or not 0 <= index < len(b):
            return []
        opening, close = b.open[index], b.close[index]
        before = b.close[index - 1] if index else opening
        tone = "up" if close > before else "down" if close < before else "flat"
        change = (close / before - 1) * 100 if before else 0.0
        if self.as_line:
            return [(tr("ui.chart.price"), "muted"), (self.text(close), tone), (f"{change:+.2f}%", tone)]
        out = []
        for code, value in (("ui.chart.open", opening), ("ui.chart.high", b.high[index]), ("ui.chart.low", b.low[index])):
            out += [(tr(code), "muted"), (self.text(value), "up" if value > before else "down" if value < before else "flat")]
        return [*out, (tr("ui.chart.close"), "muted"), (self.text(close), tone), (f"{change:+.2f}%", tone)]


def thinned(values: np.ndarray, lo: int, hi: int, points: int = 3_000) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y of the visible part of a line; above `points` values, the extremes of each group."""
    lo = max(lo - 1, 0)
    part = values[lo:hi]
    group = len(part) // points
    if group < 2:
        return np.arange(lo, lo + len(part), dtype=float), part
    whole = len(part) // group * group
    shaped = part[:whole].reshape(-1, group)
    x = lo + np.arange(len(shaped), dtype=float) * group
    return np.repeat(x, 2) + np.tile([0, group / 2], len(shaped)), np.column_stack([shaped.min(1), shaped.max(1)]).ravel()
