"""What panes paint: candles, volume bars, order marks.

Closed bars never change, so they are kept in pictures of 256 bars each, in data coordinates: zooming
and panning replay pictures, and a tick repaints the open bar alone. When bars become thinner than a
pixel or two, columns of many bars are joined before painting (level of detail).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from PyQt5.QtCore import QLineF, QPointF, QRectF, Qt
from PyQt5.QtGui import QBrush, QPainter, QPen, QPicture, QPolygonF

from ui.theme.style import colour

CHUNK = 256
THIN_PX = 1.6
"""Below this many pixels a bar, bars are joined."""


class BarItem(pg.GraphicsObject):
    """Base of items with one shape per bar, at x = bar number.

    Subclasses paint bars `lo` to `hi` in data coordinates and say their vertical span.
    """

    def __init__(self) -> None:
        super().__init__()
        self._count = 0
        self._revision = -1
        self._chunks: dict[int, QPicture] = {}
        self.data: Any = None
        self._bounds = QRectF()

    def set_data(self, data: Any, revision: int = 0) -> None:
        """Show `data` (arrays of equal length; read when painted); `revision` says whether closed bars are the same."""
        if data is not self.data or revision != self._revision or self.count(data) < self._count:
            self._chunks.clear()
        grew = self.count(data) != self._count
        self.data, self._revision, self._count = data, revision, self.count(data)
        if grew or self._bounds.isNull():
            self.prepareGeometryChange()
            self._bounds = self._measure()
            self.informViewBoundsChanged()
        self.update()

    def restyle(self) -> None:
        """Paint everything again in the theme's new colours."""
        self._chunks.clear()
        self.update()

    @staticmethod
    def count(data: Any) -> int:
        return 0 if data is None else len(data.close)

    def span(self) -> tuple[float, float]:
        """Return the lowest and highest value."""
        raise TypeError("a subclass says its span")

    def paint_bars(self, painter: QPainter, lo: int, hi: int) -> None:
        """Paint bars lo … hi − 1."""
        raise TypeError("a subclass paints its bars")

    def paint_thin(self, painter: QPainter, lo: int, hi: int, group: int) -> None:
        """Paint bars lo … hi − 1 joined in groups of `group`."""
        raise TypeError("a subclass paints its joined bars")

    def boundingRect(self) -> QRectF:
        return self._bounds

    def _measure(self) -> QRectF:
        if not self._count:
            return QRectF()
        low, high = self.span()
        # Room for the open bar, so that a tick seldom changes the geometry.
        room = max(high - low, abs(high) * 1e-4, 1e-9)
        return QRectF(-1, low - room, self._count + 1, 3 * room)

    def paint(self, painter: QPainter, option: Any, widget: Any) -> None:
        view = self.getViewBox()
        if not self._count or view is None:
            return
        (left, right), width = view.viewRange()[0], max(view.width(), 1)
        lo, hi = max(int(left) - 1, 0), min(int(right) + 2, self._count)
        if hi <= lo:
            return
        painter.setRenderHint(QPainter.Antialiasing, False)
        pixels = width / max(right - left, 1e-9)
        if pixels < THIN_PX:
            self.paint_thin(painter, lo, hi, max(int(round(THIN_PX / pixels)), 2))
            return
        closed = self._count - 1
        for chunk in range(lo // CHUNK, (hi - 1) // CHUNK + 1):
            first, last = chunk * CHUNK, (chunk + 1) * CHUNK
            if last <= closed:
                self._picture(chunk, first, last).play(painter)
            else:
                self.paint_bars(painter, max(first, lo), min(last, hi))

    def _picture(self, chunk: int, first: int, last: int) -> QPicture:
        made = self._chunks.get(chunk)
        if made is None:
            made = self._chunks[chunk] = QPicture()
            painter = QPainter(made)
            self.paint_bars(painter, first, last)
            painter.end()
        return made


def _pen(name: str, alpha: int = 255) -> QPen:
    pen = QPen(colour(name, alpha))
    pen.setCosmetic(True)
    pen.setWidth(1)
    return pen


class CandleItem(BarItem):
    """Candles of a BarSeries."""

    def span(self) -> tuple[float, float]:
        return float(self.data.low.min()), float(self.data.high.max())

    def paint_bars(self, painter: QPainter, lo: int, hi: int) -> None:
        d = self.data
        opening, high, low, close = d.open[lo:hi], d.high[lo:hi], d.low[lo:hi], d.close[lo:hi]
        for name, chosen in (("up", close > opening), ("down", close < opening), ("flat", close == opening)):
            places = np.flatnonzero(chosen)
            if not len(places):
                continue
            painter.setPen(_pen(name))
            painter.drawLines([QLineF(x, low[i], x, high[i]) for i, x in zip(places.tolist(), (places + lo).tolist(), strict=True)])
            if name == "flat":
                painter.drawLines(
                    [QLineF(x - 0.34, close[i], x + 0.34, close[i]) for i, x in zip(places.tolist(), (places + lo).tolist(), strict=True)]
                )
                continue
            painter.setBrush(QBrush(colour(name)))
            painter.drawRects(
                [
                    QRectF(x - 0.34, min(opening[i], close[i]), 0.68, abs(close[i] - opening[i]))
                    for i, x in zip(places.tolist(), (places + lo).tolist(), strict=True)
                ]
            )

    def paint_thin(self, painter: QPainter, lo: int, hi: int, group: int) -> None:
        d = self.data
        starts = np.arange(lo, hi, group)
        high = np.maximum.reduceat(d.high[:hi], starts)
        low = np.minimum.reduceat(d.low[:hi], starts)
        opening = d.open[starts]
        close = d.close[np.minimum(starts + group, hi) - 1]
        for name, chosen in (("up", close >= opening), ("down", close < opening)):
            painter.setPen(_pen(name))
            places = np.flatnonzero(chosen).tolist()
            painter.drawLines([QLineF(starts[i] + group / 2, low[i], starts[i] + group / 2, high[i]) for i in places])


class VolumeItem(BarItem):
    """Volume of a BarSeries: bought from the foot, sold on top of it."""

    def span(self) -> tuple[float, float]:
        return 0.0, float(self.data.volume.max())

    def paint_bars(self, painter: QPainter, lo: int, hi: int) -> None:
        buy, sell = self.data.buy[lo:hi], self.data.sell[lo:hi]
        painter.setPen(Qt.NoPen)
        painter.setBrush(QBrush(colour("up", 190)))
        painter.drawRects([QRectF(lo + i - 0.34, 0, 0.68, v) for i, v in enumerate(buy.tolist()) if v > 0])
        painter.setBrush(QBrush(colour("down", 190)))
        painter.drawRects(
            [QRectF(lo + i - 0.34, b, 0.68, s) for i, (b, s) in enumerate(zip(buy.tolist(), sell.tolist(), strict=True)) if s > 0]
        )

    def paint_thin(self, painter: QPainter, lo: int, hi: int, group: int) -> None:
        starts = np.arange(lo, hi, group)
        top = np.maximum.reduceat(self.data.volume[:hi], starts)
        rising = self.data.close[np.minimum(starts + group, hi) - 1] >= self.data.open[starts]
        for name, chosen in (("up", rising), ("down", ~rising)):
            painter.setPen(_pen(name, 190))
            painter.drawLines([QLineF(starts[i] + group / 2, 0, starts[i] + group / 2, top[i]) for i in np.flatnonzero(chosen).tolist()])


class MarkItem(pg.GraphicsObject):
    """Buy marks below and sell marks above their price: arrows of constant size on the screen."""

    SIZE = 9.0

    def __init__(self) -> None:
        super().__init__()
        self.marks: list[tuple[float, float, int]] = []
        self.setZValue(20)

    def set_marks(self, marks: list[tuple[float, float, int]]) -> None:
        """Show (bar number, price, side) marks; side +1 buys, −1 sells."""
        self.marks = marks
        self.prepareGeometryChange()
        self.update()

    def boundingRect(self) -> QRectF:
        if not self.marks:
            return QRectF()
        xs, ys = [mark[0] for mark in self.marks], [mark[1] for mark in self.marks]
        # Generous: arrows are drawn in pixels beside their point.
        height = max(max(ys) - min(ys), abs(max(ys)) * 1e-3)
        return QRectF(min(xs) - 50, min(ys) - height, max(xs) - min(xs) + 100, max(ys) - min(ys) + 2 * height)

    def paint(self, painter: QPainter, option: Any, widget: Any) -> None:
        if not self.marks:
            return
        to_screen = painter.transform()
        painter.save()
        painter.resetTransform()
        painter.setRenderHint(QPainter.Antialiasing, True)
        s = self.SIZE
        for x, y, side in self.marks:
            at = to_screen.map(QPointF(x, y))
            tip, base = (at.y() + 3, at.y() + 3 + s) if side > 0 else (at.y() - 3, at.y() - 3 - s)
            arrow = QPolygonF([QPointF(at.x(), tip), QPointF(at.x() - s * 0.62, base), QPointF(at.x() + s * 0.62, base)])
            painter.setPen(QPen(colour("window"), 1.0))
            painter.setBrush(QBrush(colour("up" if side > 0 else "down")))
            painter.drawPolygon(arrow)
        painter.restore()
