"""The axes of a chart: prices on the right with tags for the last price and the crosshair, time below."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pyqtgraph as pg
from PyQt5.QtCore import QRectF, Qt
from PyQt5.QtGui import QColor, QPainter

from domain.instruments import NS
from ui.format import KST, step_decimals
from ui.theme import fonts
from ui.theme.style import colour, ink_on, theme

AXIS_WIDTH = 84


class ValueAxis(pg.AxisItem):
    """Right axis; `tags` maps a name to (value, text, colour) painted over the ticks."""

    def __init__(self, text: Callable[[float], str], own_ticks: bool = False) -> None:
        super().__init__("right")
        self.text = text
        self.own_ticks = own_ticks
        self.tags: dict[str, tuple[float, str, QColor]] = {}
        self.setWidth(AXIS_WIDTH)
        self.restyle()

    def restyle(self) -> None:
        self.setPen(pg.mkPen(theme().line))
        self.setTextPen(pg.mkPen(theme().muted))
        self.setStyle(tickLength=3, tickFont=fonts.ui_font(theme().font_px - 2), maxTickLevel=0, tickTextOffset=5)

    def tag(self, name: str, value: float | None, tint: QColor | None = None) -> None:
        """Set or (with None) take away a tag."""
        if value is None or value != value:
            if self.tags.pop(name, None) is not None:
                self.picture = None
                self.update()
            return
        made = (value, self.text(value), tint or colour("hover"))
        if self.tags.get(name) != made:
            self.tags[name] = made
            self.picture = None  # a tick under the tag makes room
            self.update()

    def say_again(self) -> None:
        """Write ticks and tags in the language of the moment (만 or M)."""
        self.tags = {name: (value, self.text(value), tint) for name, (value, _, tint) in self.tags.items()}
        self.picture = None
        self.update()

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
        """Return ticks at 1, 2 or 5 times a power of ten, at least 30 pixels apart, none whose text would be cut."""
        room = (high - low) * 30 / max(size, 1)
        if not room > 0:
            return []
        power = 10.0 ** math.floor(math.log10(room))
        step = next(power * k for k in (1, 2, 5, 10) if power * k >= room * (1 - 1e-9))
        edge = (high - low) * 8 / max(size, 1)
        first, last = math.ceil((low + edge) / step), math.floor((high - edge) / step)
        room = (high - low) * 15 / max(size, 1)
        ticks = (k * step for k in range(first, last + 1))
        return [(step, [tick for tick in ticks if all(abs(tick - value) > room for value, _, _ in self.tags.values())])]

    def tickStrings(self, values: Any, scale: float, spacing: float) -> list[str]:
        if self.own_ticks:
            texts = [_short(self.text(value)) for value in values]
            if len(set(texts)) == len(texts):
                return texts  # in few characters, unless two ticks would read alike
        decimals = step_decimals(round(spacing, 10)) if 0 < spacing < 1 else 0
        if spacing >= 1 and max((abs(v) for v in values), default=0) >= 1e7 and spacing < 1e4:
            decimals = 0
        return [_tick(value, decimals, spacing) for value in values]

    def paint(self, painter: QPainter, option: Any, widget: Any) -> None:
        painter.fillRect(QRectF(0, 0, self.width(), self.height()), colour("panel"))
        super().paint(painter, option, widget)
        view = self.linkedView()
        if view is None or not self.tags:
            return
        low, high = view.viewRange()[1]
        height = self.height()
        if high <= low or height <= 0:
            return
        painter.setFont(fonts.ui_font(theme().font_px - 2))
        for value, text, tint in self.tags.values():
            y = height * (high - value) / (high - low)
            if not 0 <= y <= height:
                continue
            box = QRectF(1, min(max(y - 9, 0), height - 18), AXIS_WIDTH - 3, 18)
            painter.setPen(Qt.NoPen)
            painter.setBrush(tint)
            painter.drawRect(box)
            painter.setPen(ink_on(tint))
            painter.drawText(box.adjusted(5, 0, -2, 0), Qt.AlignLeft | Qt.AlignVCenter, text)


def _short(text: str) -> str:
    """Return a round number without the decimals that a reading has: 500.0 → 500."""
    return text.rstrip("0").rstrip(".") if "." in text and text[-1] == "0" else text


def _tick(value: float, decimals: int, spacing: float) -> str:
    size = abs(value)
    if spacing >= 1e7 and size >= 1e8:
        return f"{value / 1e8:,.{1 if spacing % 1e8 else 0}f}억" if _korean() else f"{value / 1e6:,.0f}M"
    if spacing >= 1e6 and size >= 1e6:
        return f"{value / 1e4:,.0f}만" if _korean() else f"{value / 1e6:,.0f}M"
    return f"{value:,.{decimals}f}"


def _korean() -> bool:
    from ui.text import language

    return language() == "ko"


class TimeAxis(pg.AxisItem):
    """Bottom axis over bar numbers; `times` gives the bars' start in UTC nanoseconds."""

    def __init__(self, zone: dt.tzinfo = KST) -> None:
        super().__init__("bottom")
        self.zone = zone
        self.times: np.ndarray = np.zeros(0, np.int64)
        self.cross: float | None = None
        self.setHeight(22)
        self.restyle()

    def restyle(self) -> None:
        self.setPen(pg.mkPen(theme().line))
        self.setTextPen(pg.mkPen(theme().muted))
        self.setStyle(tickLength=3, tickFont=fonts.ui_font(theme().font_px - 2), maxTickLevel=0, tickTextOffset=3)

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
        """Return bars at which the clock is round (…, 10 s, 1 min, 5 min, 1 h), about one per 90 pixels."""
        count = len(self.times)
        first, last = max(int(low), 0), min(int(high) + 1, count)
        if last - first < 2:
            return []
        seconds = self.times[first:last] // NS
        offset = int(dt.datetime.fromtimestamp(int(seconds[0]), self.zone).utcoffset().total_seconds())  # type: ignore[union-attr]
        # Ticks among the bars there are: early on they fill only a part of the width.
        wanted = max(size * (last - first) / max(high - low, 1e-9) / 90, 1)
        for step in (1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 7 * 86400):
            bucket = (seconds + offset) // step
            places = np.flatnonzero(np.diff(bucket)) + 1
            if len(places) <= wanted:
                return [(float(step), (places + first).astype(float).tolist())]
        return []

    def tickStrings(self, values: Any, scale: float, spacing: float) -> list[str]:
        return [self.text(value, spacing) for value in values]

    def text(self, value: float, spacing: float = 1.0) -> str:
        """Return the clock of bar number `value`."""
        index = int(round(value))
        if not 0 <= index < len(self.times):
            return ""
        moment = dt.datetime.fromtimestamp(int(self.times[index]) // NS, self.zone)
        if spacing >= 86_400:
            return f"{moment:%m-%d}"
        return f"{moment:%H:%M}" if spacing >= 60 else f"{moment:%H:%M:%S}"

    def set_cross(self, x: float | None) -> None:
        """Show the clock under the crosshair."""
        if x != self.cross:
            self.cross = x
            self.update()

    def paint(self, painter: QPainter, option: Any, widget: Any) -> None:
        painter.fillRect(QRectF(0, 0, self.width(), self.height()), colour("panel"))
        super().paint(painter, option, widget)
        view = self.linkedView()
        if view is None or self.cross is None:
            return
        low, high = view.viewRange()[0]
        text = self.text(self.cross)
        if not text or high <= low:
            return
        x = self.width() * (self.cross - low) / (high - low)
        box = QRectF(min(max(x - 32, 0), self.width() - 64), 2, 64, 18)
        painter.setPen(Qt.NoPen)
        painter.setBrush(colour("hover"))
        painter.drawRect(box)
        painter.setFont(fonts.ui_font(theme().font_px - 2))
        painter.setPen(colour("text"))
        painter.drawText(box, Qt.AlignCenter, text)
