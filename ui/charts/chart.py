"""The chart: price, volume and two factors over one time axis, one crosshair, one read-out a pane."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from PyQt5.QtCore import QElapsedTimer, QEvent, QPointF, Qt, QTimer, pyqtSignal
from PyQt5.QtGui import QColor
from PyQt5.QtWidgets import QGridLayout, QLabel, QWidget

from domain.records import RowSchema
from ui.charts.axes import TimeAxis
from ui.charts.candle_pane import CandlePane
from ui.charts.factor_pane import FactorPane
from ui.charts.pane import Pane
from ui.charts.volume_pane import VolumePane
from ui.models.bars import BarSeries
from ui.models.series import RowSeries
from ui.text import on_language
from ui.theme.style import THEME, colour, theme

INTERVALS = (1, 5, 15, 60, 180, 300)
"""Seconds a bar; 1 is the line of every row."""
BARS_SHOWN = 150
LINE_SHOWN = 420
REFRESH_MS = 100
NARROW_PX = 470
"""Below this width the price read-out tells the close alone."""
STRETCH = (56, 14, 15, 15)

pg.setConfigOptions(antialias=False, useOpenGL=False)


class Chart(QWidget):
    """A chart of one instrument's rows.

    `follow_changed` tells whether the newest bar is kept in sight.
    """

    follow_changed = pyqtSignal(bool)

    def __init__(self, schema: RowSchema, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("chart")
        self.schema = schema
        self.rows: RowSeries | None = None
        self.interval_s = 5
        self.follow = True
        self.price_text: Any = lambda value: f"{value:,.8f}".rstrip("0").rstrip(".")
        self.change = 0.0
        self._marks: list[tuple[int, float, int]] = []
        self._cross = -1
        self._is_fresh = True
        self.time_axis = TimeAxis()
        columns = {column.key: column for column in schema.columns}
        tag = "1s" if schema.interval_s == 1 else "1m"
        self.candles = CandlePane(lambda value: self.price_text(value))
        self.volume = VolumePane()
        self.factors = [FactorPane(columns["trade_strength"], 0), FactorPane(columns[f"value_{tag}"], 1, self.time_axis)]
        self.panes: list[Pane] = [self.candles, self.volume, *self.factors]
        self.canvas = pg.GraphicsLayoutWidget()
        self.canvas.ci.setContentsMargins(0, 0, 0, 0)
        self.canvas.ci.setSpacing(1)
        self.readouts: list[QLabel] = []
        self.choosers: dict[int, QWidget] = {}
        for number, pane in enumerate(self.panes):
            self.canvas.addItem(pane.plot, row=number, col=0)
            self.canvas.ci.layout.setRowStretchFactor(number, STRETCH[number])
            pane.plot.setMinimumHeight(20)
            if number:
                pane.view.setXLink(self.candles.view)
            pane.view.follow_asked.connect(lambda: self.set_follow(True))
            pane.view.moved.connect(self._moved_by_hand)
            label = QLabel(self.canvas)
            label.setAttribute(Qt.WA_TransparentForMouseEvents)
            label.setTextFormat(Qt.RichText)
            self.readouts.append(label)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.canvas)
        self.candles.view.setXRange(0, BARS_SHOWN, padding=0)
        self.candles.view.sigXRangeChanged.connect(lambda *_: self._later())
        self.canvas.scene().sigMouseMoved.connect(self._moved)
        self.canvas.viewport().installEventFilter(self)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._painted = QElapsedTimer()
        self._painted.start()
        self._timer.timeout.connect(self.refresh)
        THEME.changed.connect(self.restyle)
        on_language(self, self._words_changed)
        self.restyle()

    # --- what owners do ---------------------------------------------------------------------------

    def show_rows(self, rows: RowSeries | None, price_text: Any = None) -> None:
        """Show another instrument."""
        self.rows = rows
        if price_text is not None:
            self.price_text = price_text
        self._forget()

    def set_interval(self, interval_s: int) -> None:
        """Choose seconds a bar; 1 shows the line of every row."""
        self.interval_s = interval_s
        self._forget()

    def choose_factor(self, pane: int, key: str) -> None:
        """Show the recorded column `key` in factor pane 0 or 1."""
        self.factors[pane].choose(self.schema.columns[self.schema.index(key)])
        self.refresh()

    def set_marks(self, marks: list[tuple[int, float, int]]) -> None:
        """Show (time_ns, price, side) marks of our fills."""
        self._marks = marks
        self._later()

    def set_follow(self, follow: bool) -> None:
        """Keep the newest bar in sight, or let the person look around."""
        if follow != self.follow:
            self.follow = follow
            self.follow_changed.emit(follow)
        self._later()

    def data_changed(self, change: float = 0.0) -> None:
        """Rows were appended; painted in the next turn, so that the chart says what the tables say, but not twice in `REFRESH_MS`."""
        self.change = change
        self._later()

    def _moved_by_hand(self) -> None:
        self._is_fresh = False
        self.set_follow(False)

    def place_chooser(self, pane: int, chooser: QWidget) -> None:
        """Lay a factor chooser over the corner of factor pane 0 or 1; its read-out stands beside it."""
        chooser.setParent(self.canvas)
        self.choosers[pane] = chooser
        chooser.show()
        self._place_readouts()

    def focus_on(self, first_ns: int, last_ns: int) -> None:
        """Show the span between two times with room on both sides."""
        bars = self.bars()
        if bars is None or not len(bars):
            return
        lo, hi = bars.index_at(first_ns), bars.index_at(last_ns)
        room = max((hi - lo) * 0.6, 40)
        self.set_follow(False)
        self.candles.view.setXRange(lo - room, hi + room, padding=0)
        self.refresh()

    def bars(self) -> BarSeries | None:
        """Return the bars on show, None without an instrument."""
        return None if self.rows is None else self.rows.bars(max(self.interval_s, self.schema.interval_s))

    # --- painting -----------------------------------------------------------------------------------

    def _forget(self) -> None:
        self.follow = True
        self._is_fresh = True
        self._cross = -1
        for pane in self.panes:
            pane.tight = None
        self.refresh()

    def _later(self) -> None:
        if not self._timer.isActive() and self.isVisible():
            self._timer.start(max(REFRESH_MS - self._painted.elapsed(), 0))

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        self.refresh()

    def refresh(self) -> None:
        """Paint what changed."""
        self._painted.restart()
        bars = self.bars()
        count = 0 if bars is None else len(bars)
        as_line = self.interval_s <= self.schema.interval_s and self.schema.interval_s == 1
        view = self.candles.view
        if self.follow:
            left, right = view.viewRange()[0]
            shown = right - left
            if shown < 12 or self._is_fresh:
                most = LINE_SHOWN if as_line else BARS_SHOWN
                shown = min(most, max(40, count * 1.25))
                self._is_fresh = shown < most
            end = max(count + shown * 0.03, shown * 0.35)
            if abs(right - end) > 0.01 or abs(right - left - shown) > 0.01:
                view.setXRange(end - shown, end, padding=0)
        left, right = view.viewRange()[0]
        lo, hi = max(int(np.floor(left)), 0), min(int(np.ceil(right)) + 1, count)
        self.time_axis.times = np.zeros(0, np.int64) if bars is None else bars.time_ns
        self.time_axis.picture = None
        self.time_axis.update()
        self.candles.show(bars, as_line, self.change, lo, hi)
        self.volume.show(bars)
        for pane in self.factors:
            values = np.zeros(0) if bars is None or self.rows is None else bars.factor(self.rows.column(pane.column.key))
            pane.show(values, lo, hi)
        for pane in self.panes:
            pane.fit(lo, hi)
        if bars is not None and count:
            first = int(bars.time_ns[0])
            shown_marks = [(float(bars.index_at(t)), price, side) for t, price, side in self._marks if t >= first]
            self.candles.marks.set_marks(shown_marks)
        else:
            self.candles.marks.set_marks([])
        self._read(self._cross if self._cross >= 0 else self._last_shown())

    def _words_changed(self) -> None:
        for pane in self.panes:
            pane.axis.say_again()
        self._later()

    def restyle(self) -> None:
        """Take the theme's colours."""
        self.canvas.setBackground(QColor(theme().panel))
        for pane in self.panes:
            pane.restyle()
        self.time_axis.restyle()
        for label in self.readouts:
            ground = colour("panel")
            rgba = f"rgba({ground.red()}, {ground.green()}, {ground.blue()}, 190)"
            label.setStyleSheet(f"background: {rgba}; font-size: {theme().font_px - 1}px;")
        self._later()

    # --- crosshair ------------------------------------------------------------------------------------

    def eventFilter(self, watched: Any, event: QEvent) -> bool:
        if event.type() == QEvent.Leave:
            self._hide_cross()
        elif event.type() == QEvent.Resize:
            QTimer.singleShot(0, self._place_readouts)
        return False

    def _hide_cross(self) -> None:
        self._cross = -1
        for pane in self.panes:
            pane.vertical.setVisible(False)
            pane.horizontal.setVisible(False)
            pane.axis.tag("cross", None)
        self.time_axis.set_cross(None)
        self._read(self._last_shown())

    def _moved(self, at: QPointF) -> None:
        bars = self.bars()
        if bars is None or not len(bars):
            return
        for pane in self.panes:
            inside = pane.view.sceneBoundingRect().contains(at)
            pane.horizontal.setVisible(inside)
            if not inside:
                pane.axis.tag("cross", None)
                continue
            point = pane.view.mapSceneToView(at)
            self._cross = int(np.clip(round(point.x()), 0, len(bars) - 1))
            pane.horizontal.setValue(point.y())
            pane.axis.tag("cross", point.y())
        if self._cross < 0:
            return
        for pane in self.panes:
            pane.vertical.setVisible(True)
            pane.vertical.setValue(self._cross)
        self.time_axis.set_cross(self._cross)
        self._read(self._cross)

    def _last_shown(self) -> int:
        """Return the last bar in sight, which the read-outs tell of without a crosshair; −1 when there is none."""
        bars = self.bars()
        return -1 if bars is None else min(len(bars) - 1, int(np.floor(self.candles.view.viewRange()[0][1])))

    def _read(self, index: int) -> None:
        for pane, label in zip(self.panes, self.readouts, strict=True):
            parts = pane.read(index)
            if pane in self.factors and self.factors.index(pane) in self.choosers:
                parts = parts[1:]  # the chooser says the name
            if pane is self.candles and pane.view.width() < NARROW_PX and len(parts) > 3:
                parts = parts[-3:]
            text = "&nbsp; ".join(f'<span style="color:{getattr(theme(), tone, tone)}">{words}</span>' for words, tone in parts)
            if label.text() != text:
                label.setText(text)
                label.adjustSize()
        self._place_readouts()

    def _place_readouts(self) -> None:
        for number, (pane, label) in enumerate(zip(self.panes, self.readouts, strict=True)):
            corner = self.canvas.mapFromScene(pane.view.sceneBoundingRect().topLeft())
            chooser = self.choosers.get(number - 2)
            left = 8
            if chooser is not None:
                chooser.move(corner.x() + 4, corner.y() + 2)
                left = 8 + chooser.width()
            label.move(corner.x() + left, corner.y() + 3)
