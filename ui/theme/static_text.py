"""Texts laid out once and drawn many times: prices repeat, and shaping a text costs far more than drawing it."""

from __future__ import annotations

from functools import lru_cache

from PyQt5.QtCore import QPointF, QRect, Qt
from PyQt5.QtGui import QFont, QFontMetrics, QPainter, QStaticText

from ui.theme import fonts

KEPT = 8_192


@lru_cache(maxsize=32)
def font(px: int, bold: bool = False) -> QFont:
    """Return the interface font, shared between painters: nobody may change it."""
    return fonts.ui_font(px, bold)


@lru_cache(maxsize=32)
def metrics(px: int, bold: bool = False) -> QFontMetrics:
    """Return the metrics of the interface font."""
    return QFontMetrics(font(px, bold))


@lru_cache(maxsize=KEPT)
def _laid_out(text: str, px: int, bold: bool) -> tuple[QStaticText, float, float]:
    made = QStaticText(text)
    made.setTextFormat(Qt.PlainText)
    made.setPerformanceHint(QStaticText.AggressiveCaching)
    made.prepare(font=font(px, bold))
    size = made.size()
    return made, size.width(), size.height()


@lru_cache(maxsize=KEPT)
def elided(text: str, px: int, bold: bool, room: int) -> str:
    """Return `text`, cut with an ellipsis where it is wider than `room` pixels."""
    if _laid_out(text, px, bold)[1] <= room:
        return text
    return metrics(px, bold).elidedText(text, Qt.ElideRight, room)


def draw(painter: QPainter, box: QRect, align: int, text: str, px: int, bold: bool = False) -> float:
    """Draw one line of `text` in `box` with the painter's pen, centred from top to bottom; too long a text is cut.

    Returns
    -------
    float
        Width of what was drawn.
    """
    if not text:
        return 0.0
    laid, width, height = _laid_out(text, px, bold)
    room = box.width()
    if width > room:
        if room <= 0:
            return 0.0
        laid, width, height = _laid_out(elided(text, px, bold, room), px, bold)
    if align & Qt.AlignRight:
        left = box.x() + room - width
    elif align & Qt.AlignHCenter:
        left = box.x() + (room - width) / 2
    else:
        left = box.x()
    painter.setFont(font(px, bold))
    painter.drawStaticText(QPointF(left, box.y() + (box.height() - height) / 2), laid)
    return width
