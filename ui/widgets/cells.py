"""How the cells of a DataTable are painted: plain text, name with code, spark line, value with a burst bar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyqtgraph as pg
from PyQt5.QtCore import QRect, QRectF, Qt
from PyQt5.QtGui import QPainter, QPen

from ui.models.table import Column
from ui.theme import static_text
from ui.theme.style import colour, signed_colour, theme

BURST_FULL = 5.0
"""Times the 30-row average at which the burst bar is full."""
SPARK_POINTS = 60
"""More points than the cell has pixels only cost time."""
PAD = 8


@dataclass(slots=True)
class Cell:
    """What a cell shows; two equal cells need not be painted again."""

    text: str
    tint: str
    extra: Any = None


def cell_of(column: Column, record: Any) -> Cell:
    """Return what the cell of `record` under `column` shows."""
    if column.paint == "name":
        return Cell(record.name, "warn" if getattr(record, "gap", False) else "text", (record.code, bool(getattr(record, "held", 0))))
    if column.paint == "spark":
        return Cell("", "text", record.taken)
    if column.paint == "burst":
        share = round(min(record.burst / BURST_FULL, 1.0), 2)
        return Cell(column.text(record), "warn" if record.burst > 3 else "text", share if share > 0.2 else 0.0)
    return Cell(column.text(record), column.tint(record))


def paint_text(painter: QPainter, box: QRect, cell: Cell, align: int, record: Any) -> None:
    """Plain text in its colour, which it keeps when the row is selected: a falling price stays blue."""
    painter.setPen(colour(cell.tint))
    static_text.draw(painter, box.adjusted(PAD, 0, -PAD, 0), align, cell.text, theme().font_px)


def paint_name(painter: QPainter, box: QRect, cell: Cell, align: int, record: Any) -> None:
    """Name first, code in grey after it; a held instrument has a mark at its left, a gap a warning colour."""
    code, held = cell.extra
    if held:
        painter.fillRect(QRect(box.left(), box.top() + 4, 3, box.height() - 8), colour("accent"))
    room = box.adjusted(PAD, 0, -4, 0)
    painter.setPen(colour(cell.tint))
    px = theme().font_px
    left = room.left() + round(static_text.draw(painter, room, Qt.AlignLeft, cell.text, px)) + 6
    rest = QRect(left, room.top(), room.right() - left, room.height())
    if code != cell.text and static_text.metrics(px - 2).horizontalAdvance(code) <= rest.width():
        painter.setPen(colour("faint"))
        static_text.draw(painter, rest, Qt.AlignLeft, code, px - 2)


def paint_spark(painter: QPainter, box: QRect, cell: Cell, align: int, record: Any) -> None:
    """The last prices as a line."""
    values = record.spark
    if len(values) < 2:
        return
    change = float(values[-1] - values[0])
    if len(values) > SPARK_POINTS:
        step = -(-len(values) // SPARK_POINTS)
        values = values[::-step][::-1]
    inner = QRectF(box).adjusted(5, 4, -5, -5)
    low, high = float(values.min()), float(values.max())
    xs = inner.left() + np.arange(len(values)) * (inner.width() / (len(values) - 1))
    ys = inner.bottom() - (values - low) / (high - low) * inner.height() if high > low else np.full(len(values), inner.center().y())
    painter.setRenderHint(QPainter.Antialiasing, True)
    painter.setPen(QPen(signed_colour(change), 1.1))
    painter.setBrush(Qt.NoBrush)
    painter.drawPath(pg.arrayToQPath(xs, ys))
    painter.setRenderHint(QPainter.Antialiasing, False)


def paint_burst(painter: QPainter, box: QRect, cell: Cell, align: int, record: Any) -> None:
    """A value over a bar that tells how far it is above its own average."""
    if cell.extra:
        inner = box.adjusted(0, 3, -2, -4)
        width = round(inner.width() * cell.extra)
        painter.fillRect(QRect(inner.right() - width, inner.top(), width, inner.height()), colour("warn", 60))
    paint_text(painter, box, cell, align, record)


PAINTERS = {"": paint_text, "name": paint_name, "spark": paint_spark, "burst": paint_burst}
"""`Column.paint` → painter (painter, box, cell, align, record)."""
