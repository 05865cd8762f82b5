"""Research pictures beside equity and best score: points of a front, bars, lines, a fan of histories, a map of two variables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from PyQt5.QtCore import QRectF, Qt
from PyQt5.QtGui import QBrush, QColor, QLinearGradient, QPainter, QPen
from PyQt5.QtWidgets import QSizePolicy, QWidget

from ui.charts.result_charts import ResultChart
from ui.text import tr
from ui.theme import fonts
from ui.theme.style import THEME, colour, ink_on, theme

SCALE_WIDTH = 96
"""At the right of a map, for the scale of its colours."""
FEW_BARS = 8
CELL_TEXT = 46
"""Width of a map's cell from which its score is written into it."""


class ScatterChart(ResultChart):
    """Every set by two of its figures, those of the front in the accent colour. `picked` gives the nearest one's place."""

    def __init__(self, text: Callable[[float], str], parent: QWidget | None = None) -> None:
        super().__init__(1, (1,), "ui.empty.front", text, parent)
        self.show_legend(("accent", "ui.legend.front"), ("muted", "ui.legend.set"))
        self.others = pg.ScatterPlotItem(size=5, pen=None)
        self.front = pg.ScatterPlotItem(size=9, pen=None)
        self.stair = pg.PlotCurveItem(skipFiniteCheck=True)
        for item in (self.others, self.stair, self.front):
            self.plots[0].addItem(item)
        self.restyle()
        self.show_data(False)

    def restyle(self) -> None:
        super().restyle()
        self.others.setBrush(colour("muted", 130))
        self.front.setBrush(colour("accent"))
        self.stair.setPen(pg.mkPen(colour("accent", 120)))

    def show_points(self, x: np.ndarray, y: np.ndarray, on_front: np.ndarray) -> None:
        """Show points; `on_front` is a truth for each."""
        known = np.isfinite(x) & np.isfinite(y)
        self.others.setData(x[known & ~on_front], y[known & ~on_front])
        fx, fy = x[known & on_front], y[known & on_front]
        order = np.argsort(fx, kind="stable")
        self.front.setData(fx, fy)
        self.stair.setData(fx[order], fy[order])
        self.show_data(bool(known.any()))
        self.plots[0].getViewBox().autoRange(padding=0.06)


class BarsChart(ResultChart):
    """Bars of one or two kinds beside each other, rises and falls in their colours or each kind in its own."""

    def __init__(self, empty: str, text: Callable[[float], str], parent: QWidget | None = None, bottom: str = "") -> None:
        super().__init__(1, (1,), empty, text, parent, bottom)
        self.bars: list[tuple[pg.BarGraphItem, str]] = []
        self.zero = pg.InfiniteLine(angle=0, movable=False, pos=0)
        self.line = pg.PlotCurveItem(skipFiniteCheck=True)
        self.plots[0].addItem(self.zero)
        self.plots[0].addItem(self.line)
        self.restyle()
        self.show_data(False)

    def restyle(self) -> None:
        super().restyle()
        self.zero.setPen(pg.mkPen(colour("muted", 120), style=Qt.DashLine))
        self.line.setPen(pg.mkPen(theme().warn, width=2))
        for item, tone in self.bars:
            item.setOpts(brush=colour(tone, 170), pen=None)

    def show_bars(self, x: np.ndarray, kinds: Sequence[tuple[np.ndarray, str]], line: np.ndarray | None = None) -> None:
        """Show bars at `x`; each kind is (heights, tone), the tone "" paints by the sign; `line` is drawn over them."""
        for item, _ in self.bars:
            self.plots[0].removeItem(item)
        self.bars = []
        if not len(x):
            self.show_data(False)
            return
        step = float(np.median(np.diff(x))) if len(x) > 1 else 1.0
        width = 0.8 * step / max(len(kinds), 1)
        for place, (heights, tone) in enumerate(kinds):
            at = x + (place - (len(kinds) - 1) / 2) * width
            parts = [(np.ones(len(x), bool), tone)] if tone else [(heights >= 0, "up"), (heights < 0, "down")]
            for chosen, tint in parts:
                item = pg.BarGraphItem(x=at[chosen], height=heights[chosen], width=width * 0.95)
                self.plots[0].addItem(item)
                self.bars.append((item, tint))
        self.line.setData(x, line) if line is not None else self.line.setData([], [])
        self.restyle()
        self.show_data(True)
        heights = np.concatenate([np.zeros(1), *(part for part, _ in kinds), *([line] if line is not None else [])])
        known = heights[np.isfinite(heights)]
        box = self.plots[0].getViewBox()
        # Few bars stay bars: as wide as if there were eight of them.
        beyond = max(FEW_BARS - len(x), 0) / 2 * step + 0.6 * step
        box.setXRange(float(x.min()) - beyond, float(x.max()) + beyond, padding=0)
        low, high = float(known.min()), float(known.max())
        box.setYRange(low, high if high > low else low + 1.0, padding=0.08)
        self.bottom.ends = (float(x.min()), float(x.max()))


class LinesChart(ResultChart):
    """Several lines on one x, each in a colour of its own with its name at its end."""

    def __init__(self, empty: str, text: Callable[[float], str], parent: QWidget | None = None, bottom: str = "") -> None:
        super().__init__(1, (1,), empty, text, parent, bottom)
        self.lines: list[pg.PlotDataItem] = []
        self.restyle()
        self.show_data(False)

    def restyle(self) -> None:
        super().restyle()
        for place, line in enumerate(getattr(self, "lines", [])):
            line.setPen(_pen(place))

    def show_lines(self, lines: Sequence[tuple[str, np.ndarray, np.ndarray]]) -> None:
        """Show lines, each (name, x, y)."""
        for line in self.lines:
            self.plots[0].removeItem(line)
        self.lines = []
        for place, (name, x, y) in enumerate(lines):
            line = pg.PlotDataItem(x, y, pen=_pen(place), name=name, skipFiniteCheck=True)
            self.plots[0].addItem(line)
            self.lines.append(line)
        known = [(x, y) for _, x, y in lines if len(x)]
        self.show_data(bool(known))
        series = theme().series
        self.show_legend(*((series[place % len(series)], name) for place, (name, *_) in enumerate(lines)))
        if known:  # said, not found out: a curve that was never painted has no bounds yet
            xs, ys = (np.concatenate(part) for part in zip(*known, strict=True))
            box = self.plots[0].getViewBox()
            box.setXRange(float(np.nanmin(xs)), float(np.nanmax(xs)), padding=0.03)
            box.setYRange(float(np.nanmin(ys)), float(np.nanmax(ys)), padding=0.06)


class FanChart(ResultChart):
    """A fan of histories: bands between quantiles, the middle one as a line, the real one above."""

    BANDS = (("p01", "p99", 40), ("p05", "p95", 60), ("p25", "p75", 90))

    def __init__(self, text: Callable[[float], str], parent: QWidget | None = None) -> None:
        super().__init__(1, (1,), "ui.empty.fan", text, parent, "ui.axis.day")
        self.bands: list[pg.FillBetweenItem] = []
        self.middle = pg.PlotCurveItem(skipFiniteCheck=True)
        self.own = pg.PlotCurveItem(skipFiniteCheck=True)
        self.zero = pg.InfiniteLine(angle=0, movable=False, pos=0)
        for item in (self.zero, self.middle, self.own):
            self.plots[0].addItem(item)
        self.restyle()
        bands = (("accent:150", "ui.legend.p25"), ("accent:95", "ui.legend.p05"), ("accent:45", "ui.legend.p01"))
        self.show_legend(("warn", "ui.legend.own"), ("accent", "ui.legend.median"), *bands)
        self.show_data(False)

    def restyle(self) -> None:
        super().restyle()
        self.zero.setPen(pg.mkPen(colour("muted", 120), style=Qt.DashLine))
        self.middle.setPen(pg.mkPen(theme().accent, width=2))
        self.own.setPen(pg.mkPen(theme().warn, width=2))
        for item, (_, _, alpha) in zip(self.bands, self.BANDS, strict=False):
            item.setBrush(colour("accent", alpha))

    def show_fan(self, fan: dict[str, Any] | None) -> None:
        """Show quantiles over days, ``{"days": [...], "p05": [...], …, "own": [...]}``; None shows why there are none."""
        for item in self.bands:
            self.plots[0].removeItem(item)
        self.bands = []
        if not fan:
            self.show_data(False)
            return
        x = np.asarray(fan["days"], float)
        for low, high, alpha in self.BANDS:
            edges = [pg.PlotDataItem(x, np.asarray(fan[key], float)) for key in (low, high)]
            item = pg.FillBetweenItem(edges[0], edges[1], brush=colour("accent", alpha))
            item.setZValue(-10)
            self.plots[0].addItem(item)
            self.bands.append(item)
        self.middle.setData(x, np.asarray(fan["p50"], float))
        self.own.setData(x, np.asarray(fan["own"], float))
        self.axes[0].tag("last", float(fan["own"][-1]), tint=colour("warn"))
        self.show_data(True)
        self.plots[0].getViewBox().setXRange(float(x[0]), float(x[-1]), padding=0.02)
        self.plots[0].getViewBox().setYRange(float(min(fan["p01"])), float(max(fan["p99"])), padding=0.05)


class MapChart(QWidget):
    """A map of two variables: a cell a pair of values, its colour from worst to best, the centre framed."""

    def __init__(self, empty: str, text: Callable[[float], str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.empty, self.text = empty, text
        self.xs: list[float] = []
        self.ys: list[float] = []
        self.scores: np.ndarray = np.zeros((0, 0))
        self.names = ("", "")
        self.what = ""
        self.what_fields: dict[str, Any] = {}
        self.centre: tuple[float, float] | None = None
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Expanding)
        self.setMinimumHeight(120)
        THEME.changed.connect(self.update)

    def show_map(
        self, xs: Sequence[float], ys: Sequence[float], scores: Any, names: tuple[str, str], centre: tuple[float, float] | None = None
    ) -> None:
        """Show scores, a row for each of `ys`; None or NaN is a set that never traded or broke a limit."""
        self.xs, self.ys, self.names, self.centre = list(xs), list(ys), names, centre
        self.scores = np.array([[np.nan if one is None else one for one in row] for row in scores], dtype=float).reshape(len(ys), len(xs))
        self.update()

    def _plan(self) -> tuple[QRectF, float, float]:
        area = QRectF(self.rect()).adjusted(64, 12, -SCALE_WIDTH, -40)
        return area, area.width() / max(len(self.xs), 1), area.height() / max(len(self.ys), 1)

    def mouseMoveEvent(self, event: Any) -> None:
        area, width, height = self._plan()
        tip = ""
        if self.scores.size and area.contains(event.pos()):
            column = min(int((event.pos().x() - area.left()) / width), len(self.xs) - 1)
            row = len(self.ys) - 1 - min(int((event.pos().y() - area.top()) / height), len(self.ys) - 1)
            score = self.scores[row, column]
            told = tr("ui.map.none") if np.isnan(score) else self.text(float(score))
            tip = f"{self.names[0]} = {self.xs[column]:g}\n{self.names[1]} = {self.ys[row]:g}\n{told}"
        self.setToolTip(tip)

    def paintEvent(self, event: Any) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.Antialiasing, False)
        if not self.scores.size:
            painter.setPen(colour("muted"))
            painter.drawText(self.rect().adjusted(20, 0, -20, 0), Qt.AlignCenter | Qt.TextWordWrap, tr(self.empty))
            painter.end()
            return
        area, width, height = self._plan()
        known = self.scores[np.isfinite(self.scores)]
        low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
        painter.setFont(fonts.ui_font(theme().font_px - 2))
        for row in range(len(self.ys)):
            for column in range(len(self.xs)):
                box = QRectF(area.left() + column * width, area.bottom() - (row + 1) * height, width - 1, height - 1)
                score = float(self.scores[row, column])
                if np.isnan(score):
                    painter.fillRect(box, QBrush(colour("faint", 90), Qt.BDiagPattern))
                    continue
                tint = _heat((score - low) / (high - low) if high > low else 1.0)
                painter.fillRect(box, tint)
                if width >= CELL_TEXT and height >= 16:
                    painter.setPen(ink_on(tint))
                    painter.drawText(box, Qt.AlignCenter, self.text(score))
                if self.centre == (self.xs[column], self.ys[row]):
                    painter.setPen(QPen(colour("text"), 2))
                    painter.drawRect(box.adjusted(1, 1, -1, -1))
        self._axes(painter, area, width, height)
        self._scale(painter, area, low, high)
        painter.end()

    def _scale(self, painter: QPainter, area: QRectF, low: float, high: float) -> None:
        """Draw beside the map which colour is how much, and what a hatched cell is."""
        bar = QRectF(area.right() + 14, area.top(), 10, max(area.height() - 22, 10))
        slope = QLinearGradient(bar.topLeft(), bar.bottomLeft())
        for share in (0.0, 0.25, 0.5, 0.75, 1.0):
            slope.setColorAt(1.0 - share, _heat(share))
        painter.fillRect(bar, slope)
        painter.setPen(colour("muted"))
        room = SCALE_WIDTH - 32
        for y, value in ((bar.top(), high), (bar.bottom() - 14, low)):
            painter.drawText(QRectF(bar.right() + 5, y, room, 14), Qt.AlignLeft | Qt.AlignVCenter, self.text(value))
        if np.isnan(self.scores).any():
            box = QRectF(bar.left(), area.bottom() - 13, 10, 10)
            painter.fillRect(box, QBrush(colour("faint", 90), Qt.BDiagPattern))
            painter.drawText(QRectF(box.right() + 5, box.top() - 2, room, 14), Qt.AlignLeft | Qt.AlignVCenter, tr("ui.map.missing"))

    def show_what(self, code: str, /, **fields: Any) -> None:
        """Say what the figures of the cells are."""
        self.what, self.what_fields = code, fields
        self.update()

    def _axes(self, painter: QPainter, area: QRectF, width: float, height: float) -> None:
        painter.setPen(colour("muted"))
        every = max(int(np.ceil(48 / max(width, 1))), 1)
        for column in range(0, len(self.xs), every):
            box = QRectF(area.left() + column * width - 20, area.bottom() + 2, width + 40, 16)
            painter.drawText(box, Qt.AlignCenter, f"{self.xs[column]:g}")
        every = max(int(np.ceil(16 / max(height, 1))), 1)
        for row in range(0, len(self.ys), every):
            box = QRectF(0, area.bottom() - (row + 1) * height, area.left() - 6, height)
            painter.drawText(box, Qt.AlignRight | Qt.AlignVCenter, f"{self.ys[row]:g}")
        below = QRectF(area.left(), area.bottom() + 18, area.width(), 18)
        what = tr(self.what, **self.what_fields) if self.what else tr("ui.map.scale")
        painter.drawText(below, Qt.AlignCenter, tr("ui.map.axes", x=self.names[0], y=self.names[1], what=what))


def _heat(share: float) -> QColor:
    """Return a colour between the panel's ground (worst) and the accent (best)."""
    ground, top = QColor(theme().raised), QColor(theme().accent)
    mix = [round(a + (b - a) * share) for a, b in zip(ground.getRgb()[:3], top.getRgb()[:3], strict=True)]
    return QColor(*mix)


def _pen(place: int) -> QPen:
    series = theme().series
    return pg.mkPen(series[place % len(series)], width=2, style=Qt.SolidLine if place < len(series) else Qt.DashLine)
