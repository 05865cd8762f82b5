"""Cells that are more than text: name with code, spark line, value with a burst bar."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PyQt5.QtCore import QModelIndex, QRect, QRectF, Qt
from PyQt5.QtGui import QPainter, QPalette, QPen
from PyQt5.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from ui.models.table import RECORD
from ui.theme import fonts
from ui.theme.style import colour, signed_colour, theme

BURST_FULL = 5.0
"""Times the 30-row average at which the burst bar is full."""


class _Cell(QStyledItemDelegate):
    def _ground(self, painter: QPainter, option: QStyleOptionViewItem) -> None:
        if option.state & QStyle.State_Selected:
            painter.fillRect(option.rect, colour("selected"))
        elif option.state & QStyle.State_MouseOver:
            painter.fillRect(option.rect, colour("hover"))
        painter.setPen(colour("grid"))
        painter.drawLine(option.rect.bottomLeft(), option.rect.bottomRight())


class TextDelegate(QStyledItemDelegate):
    """Plain text that keeps its colour when the row is selected: a falling price stays blue."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        super().initStyleOption(option, index)
        option.palette.setBrush(QPalette.HighlightedText, option.palette.brush(QPalette.Text))


class NameDelegate(_Cell):
    """Name first, code in grey after it; a held instrument has a mark at its left, a gap a warning colour."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        self._ground(painter, option)
        record = index.data(RECORD)
        rect = option.rect.adjusted(8, 0, -4, 0)
        if getattr(record, "held", 0):
            painter.fillRect(QRect(option.rect.left(), option.rect.top() + 4, 3, option.rect.height() - 8), colour("accent"))
        painter.setFont(fonts.ui_font(theme().font_px))
        painter.setPen(colour("warn" if getattr(record, "gap", False) else "text"))
        metrics = painter.fontMetrics()
        name = metrics.elidedText(record.name, Qt.ElideRight, rect.width())
        painter.drawText(rect, Qt.AlignLeft | Qt.AlignVCenter, name)
        left = rect.left() + metrics.horizontalAdvance(name) + 6
        painter.setFont(fonts.ui_font(theme().font_px - 2))
        code = record.code
        room = rect.right() - left
        if code != name and painter.fontMetrics().horizontalAdvance(code) <= room:
            painter.setPen(colour("faint"))
            painter.drawText(QRect(left, rect.top(), room, rect.height()), Qt.AlignLeft | Qt.AlignVCenter, code)


class SparkDelegate(_Cell):
    """The last prices as a line."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        self._ground(painter, option)
        record = index.data(RECORD)
        values = record.spark
        if len(values) < 2:
            return
        box = QRectF(option.rect).adjusted(5, 4, -5, -5)
        low, high = float(values.min()), float(values.max())
        span = (high - low) or 1.0
        xs = box.left() + np.arange(len(values)) * (box.width() / (len(values) - 1))
        ys = box.bottom() - (values - low) / span * box.height() if high > low else np.full(len(values), box.center().y())
        painter.setRenderHint(QPainter.Antialiasing, True)
        painter.setPen(QPen(signed_colour(float(values[-1] - values[0])), 1.1))
        painter.setBrush(Qt.NoBrush)
        painter.drawPath(pg.arrayToQPath(xs, ys))
        painter.setRenderHint(QPainter.Antialiasing, False)


class BurstDelegate(_Cell):
    """A value over a bar that tells how far it is above its own average."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        self._ground(painter, option)
        record = index.data(RECORD)
        share = min(record.burst / BURST_FULL, 1.0)
        if share > 0.2:
            box = option.rect.adjusted(0, 3, -2, -4)
            width = round(box.width() * share)
            painter.fillRect(QRect(box.right() - width, box.top(), width, box.height()), colour("warn", 60))
        painter.setFont(fonts.ui_font(theme().font_px))
        painter.setPen(colour("warn" if record.burst > 3 else "text"))
        painter.drawText(option.rect.adjusted(2, 0, -6, 0), Qt.AlignRight | Qt.AlignVCenter, index.data(Qt.DisplayRole))


DELEGATES = {"name": NameDelegate, "spark": SparkDelegate, "burst": BurstDelegate}
