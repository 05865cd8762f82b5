"""The base of all panes: one plot over the shared time axis, with a heading and a read-out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyqtgraph as pg
from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtGui import QColor

from ui.charts.axes import TimeAxis, ValueAxis
from ui.theme.style import colour, theme


class PaneView(pg.ViewBox):
    """Drag pans, the wheel zooms around the newest bar, a double click follows the market again."""

    follow_asked = pyqtSignal()
    moved = pyqtSignal()

    def __init__(self) -> None:
        super().__init__(enableMenu=False, defaultPadding=0)
        self.setMouseEnabled(x=True, y=False)

    def wheelEvent(self, event: Any, axis: Any = None) -> None:
        factor = 1.0015 ** (-event.delta())
        left, right = self.viewRange()[0]
        width = min(max((right - left) * factor, 12), 200_000)
        anchor = self.mapSceneToView(event.scenePos()).x() if event.modifiers() & Qt.ControlModifier else right
        share = (right - anchor) / max(right - left, 1e-9)
        self.setXRange(anchor - width * (1 - share), anchor + width * share, padding=0)
        self.moved.emit()
        event.accept()

    def mouseDragEvent(self, event: Any, axis: Any = None) -> None:
        if event.button() != Qt.LeftButton:
            event.ignore()
            return
        event.accept()
        delta = self.mapToView(event.lastPos()).x() - self.mapToView(event.pos()).x()
        left, right = self.viewRange()[0]
        self.setXRange(left + delta, right + delta, padding=0)
        self.moved.emit()

    def mouseDoubleClickEvent(self, event: Any) -> None:
        self.follow_asked.emit()
        event.accept()


class Pane:
    """One plot of a chart.

    Subclasses give `span(lo, hi)`, the values' bounds among visible bars, and `read(i)`, the read-out
    of bar i as a list of (text, token or colour).

    Attributes
    ----------
    heading : str
        What the read-out begins with.
    """

    zero_based = False
    own_ticks = False

    def __init__(self, text: Callable[[float], str], bottom: TimeAxis | None) -> None:
        self.view = PaneView()
        self.axis = ValueAxis(text, self.own_ticks)
        axes: dict[str, Any] = {"right": self.axis}
        if bottom is not None:
            axes["bottom"] = bottom
        self.plot = pg.PlotItem(viewBox=self.view, axisItems=axes, enableMenu=False)
        self.plot.hideButtons()
        self.plot.hideAxis("left")
        self.plot.showAxis("right")
        if bottom is None:
            self.plot.hideAxis("bottom")
        self.plot.setContentsMargins(0, 0, 0, 0)
        self.plot.layout.setContentsMargins(0, 0, 0, 0)
        self.vertical = pg.InfiniteLine(angle=90, movable=False)
        self.horizontal = pg.InfiniteLine(angle=0, movable=False)
        for line in (self.vertical, self.horizontal):
            line.setVisible(False)
            line.setZValue(30)
            self.plot.addItem(line, ignoreBounds=True)
        self.heading = ""
        self.tight: tuple[float, float] | None = None
        self.restyle()

    def restyle(self) -> None:
        """Take the theme's colours."""
        pen = pg.mkPen(colour("muted", 150), style=Qt.DashLine)
        self.vertical.setPen(pen)
        self.horizontal.setPen(pen)
        self.axis.restyle()
        self.view.setBackgroundColor(QColor(theme().panel))
        self.view.setBorder(pg.mkPen(theme().line))
        self.plot.showGrid(x=False, y=False)

    def span(self, lo: int, hi: int) -> tuple[float, float] | None:
        """Return the lowest and highest value among bars lo … hi − 1, None when there is nothing."""
        return None

    def read(self, index: int) -> list[tuple[str, str]]:
        """Return the read-out of a bar."""
        return []

    def fit(self, lo: int, hi: int) -> None:
        """Scale the value axis to the visible bars, only when it would change visibly."""
        span = self.span(lo, hi)
        if span is None:
            return
        low, high = span
        if not (np.isfinite(low) and np.isfinite(high)):
            return
        room = (high - low) or max(abs(high) * 0.001, 1e-6)
        low, high = (0.0 if self.zero_based else low - room * 0.10), high + room * 0.14
        if self.tight is not None:
            before = self.tight[1] - self.tight[0]
            if abs(low - self.tight[0]) < before * 0.01 and abs(high - self.tight[1]) < before * 0.01:
                return
        self.tight = (low, high)
        self.view.setYRange(low, high, padding=0)
