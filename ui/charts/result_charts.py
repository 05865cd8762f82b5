"""Research pictures: equity with its drawdown, and the best score so far of a search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtGui import QColor, QPainter
from PyQt5.QtWidgets import QGridLayout, QLabel, QSizePolicy, QWidget

from ui.charts.axes import AXIS_WIDTH, ValueAxis
from ui.text import on_language, tr
from ui.theme import fonts
from ui.theme.style import THEME, colour, theme
from ui.widgets.panel import faint


class NumberAxis(pg.AxisItem):
    """Bottom axis of whole numbers."""

    def __init__(self) -> None:
        super().__init__("bottom")
        self.ends = (float("-inf"), float("inf"))
        """Places that are named; what lies beyond is nobody's number."""
        self.setHeight(20)
        self.restyle()

    def restyle(self) -> None:
        self.setPen(pg.mkPen(theme().line))
        self.setTextPen(pg.mkPen(theme().muted))
        self.setStyle(tickLength=3, tickFont=fonts.ui_font(theme().font_px - 2), tickTextOffset=2)

    def tickStrings(self, values: Any, scale: float, spacing: float) -> list[str]:
        low, high = self.ends
        return [f"{value:,.0f}" if float(value).is_integer() and low <= value <= high else "" for value in values]


class ResultChart(QWidget):
    """Base: stacked plots on one x, empty sentence until there is data.

    Signals
    -------
    picked(int) : a place on the x axis was clicked.
    """

    picked = pyqtSignal(int)

    def __init__(self, rows: int, stretch: Sequence[int], empty: str, text: Any, parent: QWidget | None = None, bottom: str = "") -> None:
        super().__init__(parent)
        self.empty, self.bottom_word = empty, bottom
        self.has_data = False
        self.canvas = pg.GraphicsLayoutWidget()
        self.canvas.ci.setContentsMargins(0, 0, 0, 0)
        self.canvas.ci.setSpacing(1)
        self.axes = [ValueAxis(text, own_ticks=True) for _ in range(rows)]
        self.bottom = NumberAxis()
        self.plots: list[pg.PlotItem] = []
        for row in range(rows):
            axes: dict[str, Any] = {"right": self.axes[row]}
            if row == rows - 1:
                axes["bottom"] = self.bottom
            plot = pg.PlotItem(axisItems=axes, enableMenu=False)
            plot.hideButtons()
            plot.hideAxis("left")
            plot.showAxis("right")
            if row != rows - 1:
                plot.hideAxis("bottom")
            plot.setMouseEnabled(x=True, y=False)
            if row:
                plot.setXLink(self.plots[0])
            self.canvas.addItem(plot, row=row, col=0)
            self.canvas.ci.layout.setRowStretchFactor(row, stretch[row])
            self.plots.append(plot)
        self.canvas.scene().sigMouseClicked.connect(self._clicked)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.canvas, 1, 0)
        self.corner = faint()
        self.corner.setParent(self)
        self.corner.setAlignment(Qt.AlignLeft | Qt.AlignVCenter)
        self.legend_label = QLabel()
        self.legend_label.setTextFormat(Qt.RichText)
        self.legend_label.setContentsMargins(10, 3, 10, 2)
        # Wider than its place it is cut: it must not decide how wide the window is.
        self.legend_label.setSizePolicy(QSizePolicy.Ignored, QSizePolicy.Fixed)
        layout.addWidget(self.legend_label, 0, 0)
        for label in (self.corner, self.legend_label):
            label.setAttribute(Qt.WA_TransparentForMouseEvents)
            label.hide()
        self._legend: list[tuple[str, str]] = []
        THEME.changed.connect(self.restyle)
        on_language(self, self._words_changed)

    def _words_changed(self) -> None:
        for axis in self.axes:
            axis.say_again()
        self._say_around()
        self.update()

    def show_data(self, has_data: bool) -> None:
        """Show the plots, or the sentence that explains why there are none."""
        self.has_data = has_data
        self.canvas.setVisible(has_data)
        self._say_around()
        self.update()

    def show_legend(self, *parts: tuple[str, str]) -> None:
        """Say what the colours mean, each (token of the theme, code of the word).

        ``accent:90`` is a token laid on thinly, ``up+down`` are two of one thing.

        A colour (``#3ab3a8``) and a name that is no code stand as they are.
        """
        self._legend = list(parts)
        self._say_around()

    def _say_around(self) -> None:
        """Write legend and the word of the bottom axis, which stands in the corner below the values."""
        self.corner.setText(tr(self.bottom_word) if self.bottom_word else "")
        self.corner.setVisible(self.has_data and bool(self.bottom_word))
        marks = {tone: "".join(f'<span style="color:{_tint(one)}">■</span>' for one in tone.split("+")) for tone, _ in self._legend}
        parts = [f"{marks[tone]} {tr(code)}" for tone, code in self._legend]
        self.legend_label.setText("&nbsp;&nbsp;&nbsp;".join(parts))
        self.legend_label.setStyleSheet(f"color: {theme().muted}; font-size: {theme().font_px - 2}px")
        self.legend_label.setVisible(self.has_data and bool(parts))
        self.corner.raise_()

    def resizeEvent(self, event: Any) -> None:
        super().resizeEvent(event)
        self.corner.setGeometry(self.width() - AXIS_WIDTH + 4, self.height() - 21, AXIS_WIDTH - 6, 20)

    def restyle(self) -> None:
        """Take the theme's colours."""
        self.canvas.setBackground(QColor(theme().panel))
        self.bottom.restyle()
        for axis, plot in zip(self.axes, self.plots, strict=True):
            axis.restyle()
            plot.getViewBox().setBackgroundColor(QColor(theme().panel))
            plot.getViewBox().setBorder(pg.mkPen(theme().line))
        self._say_around()

    def _clicked(self, event: Any) -> None:
        at = self.plots[0].getViewBox().mapSceneToView(event.scenePos())
        self.picked.emit(int(round(at.x())))

    def paintEvent(self, event: Any) -> None:
        if self.has_data:
            return
        painter = QPainter(self)
        painter.setPen(colour("muted"))
        painter.drawText(self.rect().adjusted(20, 0, -20, 0), Qt.AlignCenter | Qt.TextWordWrap, tr(self.empty))
        painter.end()


def _tint(tone: str) -> str:
    if tone.startswith("#"):
        return tone
    name, _, alpha = tone.partition(":")
    share, top, ground = int(alpha or 255) / 255, colour(name), colour("panel")
    mixed = [round(a * share + b * (1 - share)) for a, b in zip(top.getRgb()[:3], ground.getRgb()[:3], strict=True)]
    return QColor(*mixed).name()


class EquityChart(ResultChart):
    """Cumulative profit by trade with each trade's own, and the drawdown below."""

    def __init__(self, text: Any, parent: QWidget | None = None) -> None:
        super().__init__(2, (72, 28), "ui.empty.equity", text, parent, "ui.axis.trade")
        self.equity = pg.PlotCurveItem(skipFiniteCheck=True)
        self.wins = pg.BarGraphItem(x=[0], height=[0], width=0.8)
        self.losses = pg.BarGraphItem(x=[0], height=[0], width=0.8)
        self.zero = pg.InfiniteLine(angle=0, movable=False, pos=0)
        self.drawdown = pg.PlotCurveItem(skipFiniteCheck=True, fillLevel=0)
        for item in (self.wins, self.losses, self.zero, self.equity):
            self.plots[0].addItem(item)
        self.plots[1].addItem(self.drawdown)
        self.restyle()
        self.show_legend(("warn", "ui.legend.equity"), ("up", "ui.legend.win"), ("down", "ui.legend.loss"), ("down", "ui.legend.drawdown"))
        self.show_data(False)

    def restyle(self) -> None:
        super().restyle()
        self.equity.setPen(pg.mkPen(theme().warn, width=2))
        self.wins.setOpts(brush=colour("up", 140), pen=None)
        self.losses.setOpts(brush=colour("down", 140), pen=None)
        self.zero.setPen(pg.mkPen(colour("muted", 120), style=Qt.DashLine))
        self.drawdown.setPen(pg.mkPen(theme().down))
        self.drawdown.setBrush(colour("down", 70))

    def show_trades(self, pnl: np.ndarray) -> None:
        """Show trades in their order; `pnl` in the market's currency."""
        if not len(pnl):
            self.show_data(False)
            return
        x = np.arange(1, len(pnl) + 1, dtype=float)
        total = np.cumsum(pnl)
        peak = np.maximum(np.maximum.accumulate(total), 0.0)
        self.equity.setData(np.concatenate([[0.0], x]), np.concatenate([[0.0], total]))
        up, down = pnl >= 0, pnl < 0
        self.wins.setOpts(x=x[up], height=pnl[up], width=0.8)
        self.losses.setOpts(x=x[down], height=pnl[down], width=0.8)
        self.drawdown.setData(np.concatenate([[0.0], x]), np.concatenate([[0.0], total - peak]))
        self.axes[0].tag("last", float(total[-1]), tint=colour("up" if total[-1] >= 0 else "down"))
        self.show_data(True)
        for plot in self.plots:
            plot.getViewBox().autoRange(padding=0.04)


class BestChart(ResultChart):
    """Every score that was told, and the best one so far as a stair."""

    def __init__(self, text: Any, parent: QWidget | None = None) -> None:
        super().__init__(1, (1,), "ui.empty.best", text, parent, "ui.axis.set")
        self.best = pg.PlotCurveItem(skipFiniteCheck=True)
        self.points = pg.ScatterPlotItem(size=6, pen=None)
        self.others = pg.ScatterPlotItem(size=4, pen=None)
        self.plots[0].addItem(self.others)
        self.plots[0].addItem(self.best)
        self.plots[0].addItem(self.points)
        self.told: list[tuple[float, float]] = []
        self.restyle()
        self.show_legend(("accent", "ui.legend.best"), ("muted", "ui.legend.trial"))
        self.show_data(False)

    def restyle(self) -> None:
        super().restyle()
        self.best.setPen(pg.mkPen(theme().accent, width=2))
        self.points.setBrush(colour("warn"))
        self.others.setBrush(colour("muted", 150))

    def show_scores(self, scores: np.ndarray) -> None:
        """Show every trial of a finished search in its order, and the best one so far above them."""
        known = np.isfinite(scores)
        if not known.any():
            return
        x, y = np.flatnonzero(known) + 1.0, scores[known]
        best = np.maximum.accumulate(y)
        self.others.setData(x, y)
        self.best.setData(np.repeat(x, 2)[1:], np.repeat(best, 2)[:-1])
        new = np.concatenate([[True], best[1:] > best[:-1]])
        self.points.setData(x[new], best[new])
        self.axes[0].tag("last", float(best[-1]), tint=colour("accent"))
        self.show_data(True)
        self.plots[0].getViewBox().autoRange(padding=0.05)

    def begin(self) -> None:
        """Forget the last search."""
        self.told.clear()
        self.others.setData([], [])
        self.show_data(False)

    def tell(self, evaluations: float, score: float) -> None:
        """Take the best score after so many evaluations."""
        if score != score or abs(score) > 1e9 and score < 0:
            return
        if self.told and self.told[-1][0] > evaluations:
            return
        self.told.append((evaluations, score))
        x = np.array([place for place, _ in self.told])
        y = np.array([value for _, value in self.told])
        stair_x, stair_y = np.repeat(x, 2)[1:], np.repeat(y, 2)[:-1]
        self.best.setData(stair_x, stair_y)
        new = np.concatenate([[True], y[1:] > y[:-1]])
        self.points.setData(x[new], y[new])
        self.axes[0].tag("last", float(y[-1]), tint=colour("accent"))
        if not self.has_data:
            self.show_data(True)
        self.plots[0].getViewBox().autoRange(padding=0.05)
