"""The order book as HTS users know it (호가창).

Asks above and bids below, prices in the middle; ask sizes at the left, bid sizes at the right, with
bars; the day's box at the upper right, the prints at the lower left; totals at the foot.
"""

from __future__ import annotations

from typing import Any

from PyQt5.QtCore import QRect, QSize, Qt, pyqtSignal
from PyQt5.QtGui import QPainter
from PyQt5.QtWidgets import QWidget

from domain.instruments import QTY_UNIT
from domain.messages import BookView as BookMessage
from ui import format as fmt
from ui.models.market_state import MarketState
from ui.text import language, on_language, tr
from ui.theme import static_text
from ui.theme.style import THEME, colour, signed_colour, theme

LEVELS = 10
SHARES = (0.36, 0.29, 0.35)
DAY_COLUMNS = ("day_open", "day_high", "day_low", "change_pct", "trade_strength", "day_value")


class BookView(QWidget):
    """The book of the linked instrument.

    Signals
    -------
    price_clicked(float) : a level's price was clicked; the ticket takes it.
    """

    price_clicked = pyqtSignal(float)

    def __init__(self, state: MarketState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("bookView")
        self.setAccessibleName("order book")
        self.state = state
        self.index = -1
        self.hover = -1
        self._boxes: dict[tuple[int, int], QRect] = {}
        self.setAttribute(Qt.WA_OpaquePaintEvent)
        self.setMouseTracking(True)
        self.setMinimumSize(300, (2 * LEVELS + 1) * 16)
        THEME.changed.connect(self.update)
        on_language(self, self.update)

    def sizeHint(self) -> QSize:
        return QSize(356, (2 * LEVELS + 1) * 20)

    def show_instrument(self, index: int) -> None:
        """Show another instrument's book."""
        self.index = index
        self.update()

    # --- geometry ---------------------------------------------------------------------------------

    def resizeEvent(self, event: Any) -> None:
        super().resizeEvent(event)
        self._boxes.clear()

    def _row_height(self) -> float:
        return self.height() / (2 * LEVELS + 1)

    def _box(self, row: int, column: int) -> QRect:
        made = self._boxes.get((row, column))
        if made is None:
            height = self._row_height()
            left = round(self.width() * sum(SHARES[:column]))
            right = round(self.width() * sum(SHARES[: column + 1]))
            made = QRect(left, round(row * height), right - left, round((row + 1) * height) - round(row * height))
            self._boxes[row, column] = made
        return made

    def _level(self, row: int) -> tuple[float, int] | None:
        book = self._book()
        if book is None:
            return None
        if row < LEVELS:
            place = LEVELS - 1 - row
            return book.asks[place] if place < len(book.asks) else None
        place = row - LEVELS
        return book.bids[place] if place < len(book.bids) else None

    def _book(self) -> BookMessage | None:
        return self.state.books.get(self.index)

    # --- mouse ------------------------------------------------------------------------------------

    def mouseMoveEvent(self, event: Any) -> None:
        row = int(event.pos().y() / self._row_height())
        if row != self.hover:
            self.hover = row
            self.update()

    def leaveEvent(self, event: Any) -> None:
        self.hover = -1
        self.update()

    def mousePressEvent(self, event: Any) -> None:
        level = self._level(int(event.pos().y() / self._row_height()))
        if level is not None and level[0] > 0:
            self.price_clicked.emit(level[0])

    # --- painting -----------------------------------------------------------------------------------

    def paintEvent(self, event: Any) -> None:
        painter = QPainter(self)
        self._paint(painter)
        painter.end()

    def _paint(self, painter: QPainter) -> None:
        painter.fillRect(self.rect(), colour("panel"))
        book = self._book()
        if book is None:
            painter.setPen(colour("muted"))
            painter.drawText(self.rect().adjusted(20, 0, -20, 0), Qt.AlignCenter | Qt.TextWordWrap, tr("ui.empty.book"))
            return
        asks = QRect(0, 0, self.width(), self._box(LEVELS, 0).top())
        bids = QRect(0, asks.bottom() + 1, self.width(), self._box(2 * LEVELS, 0).top() - asks.height())
        painter.fillRect(QRect(asks.left(), asks.top(), round(self.width() * (SHARES[0] + SHARES[1])), asks.height()), colour("ask_tint"))
        left = round(self.width() * SHARES[0])
        painter.fillRect(QRect(left, bids.top(), self.width() - left, bids.height()), colour("bid_tint"))
        sizes = [qty for _, qty in (*book.asks[:LEVELS], *book.bids[:LEVELS])]
        largest = max(sizes, default=1) or 1
        last = self.state.last_price(self.index)
        step = self.state.step(self.index)
        base = self._base(last)
        px = min(theme().font_px, max(9, round(self._row_height() * 0.62)))
        small = max(9, px - 2)
        for row in range(2 * LEVELS):
            self._paint_level(painter, row, largest, last, step, base, px)
        self._paint_day(painter, step, base, small)
        self._paint_prints(painter, step, small)
        self._paint_foot(painter, book, px)
        spread = book.asks[0][0] - book.bids[0][0] if book.asks and book.bids else 0.0
        if spread > 0:
            self._paint_pair(painter, self._box(0, 2), tr("ui.book.spread"), fmt.price(spread, step), "text", small)

    def _base(self, last: float) -> float:
        record = self.state.watch.record(self.index)
        if record is None or record.change_pct != record.change_pct or not last > 0:
            return float("nan")
        return last / (1 + record.change_pct / 100)

    def _paint_level(self, painter: QPainter, row: int, largest: int, last: float, step: float, base: float, px: int) -> None:
        ask = row < LEVELS
        size_box, price_box = self._box(row, 0 if ask else 2), self._box(row, 1)
        level = self._level(row)
        painter.setPen(colour("grid"))
        painter.drawLine(size_box.bottomLeft(), size_box.bottomRight())
        painter.drawLine(price_box.bottomLeft(), price_box.bottomRight())
        if row == self.hover:
            painter.fillRect(price_box, colour("hover"))
        if level is None or level[0] <= 0:
            return
        price, qty = level
        width = round(size_box.width() * min(qty / largest, 1.0))
        bar = QRect(size_box.right() - width + 1 if ask else size_box.left(), size_box.top() + 2, width, size_box.height() - 4)
        painter.fillRect(bar, colour("down" if ask else "up", 70))
        painter.setPen(colour("text"))
        static_text.draw(painter, inner(size_box), Qt.AlignRight if ask else Qt.AlignLeft, fmt.size(qty / QTY_UNIT), px)
        painter.setPen(signed_colour(price - base) if base == base else colour("text"))
        static_text.draw(painter, price_box, Qt.AlignHCenter, fmt.price(price, step), px)
        if price == last:
            painter.setPen(colour("warn"))
            painter.setBrush(Qt.NoBrush)
            painter.drawRect(price_box.adjusted(1, 0, -2, -1))

    def _paint_day(self, painter: QPainter, step: float, base: float, px: int) -> None:
        rows = self.state.rows.get(self.index)
        if rows is None or not len(rows):
            return
        opening, high, low, change, strength, value = (rows.last(key) for key in DAY_COLUMNS)
        money = fmt.short_money(value * self.state.market.value_unit, self.state.market.currency, language())
        entries = (
            ("ui.book.open", fmt.price(opening, step), opening - base),
            ("ui.book.high", fmt.price(high, step), high - base),
            ("ui.book.low", fmt.price(low, step), low - base),
            ("ui.book.change", fmt.percent(change), change),
            ("ui.book.strength", fmt.number(strength), strength - 100),
            ("ui.book.value", money, float("nan")),
        )
        for row, (code, text, sign) in enumerate(entries, start=1):
            tint = "text" if sign != sign else "up" if sign > 0 else "down" if sign < 0 else "flat"
            self._paint_pair(painter, self._box(row, 2), tr(code), text, tint, px)

    def _paint_prints(self, painter: QPainter, step: float, px: int) -> None:
        head = tr("ui.book.print_price"), tr("ui.book.print_size")
        self._paint_pair(painter, self._box(LEVELS, 0), *head, "muted", px)
        for row, (_, price, qty, side) in zip(range(LEVELS + 1, 2 * LEVELS), self.state.prints.get(self.index, ()), strict=False):
            box = inner(self._box(row, 0))
            painter.setPen(colour("text"))
            static_text.draw(painter, box, Qt.AlignLeft, fmt.price(price, step), px)
            painter.setPen(signed_colour(side))
            static_text.draw(painter, box, Qt.AlignRight, fmt.size(qty), px)

    def _paint_foot(self, painter: QPainter, book: BookMessage, px: int) -> None:
        asks, middle, bids = (self._box(2 * LEVELS, column) for column in range(3))
        painter.fillRect(asks.united(bids), colour("raised"))
        painter.setPen(colour("down"))
        static_text.draw(painter, inner(asks), Qt.AlignRight, fmt.size(book.ask_total), px)
        painter.setPen(colour("muted"))
        static_text.draw(painter, middle, Qt.AlignHCenter, tr("ui.book.total"), px)
        painter.setPen(colour("up"))
        static_text.draw(painter, inner(bids), Qt.AlignLeft, fmt.size(book.bid_total), px)

    @staticmethod
    def _paint_pair(painter: QPainter, box: QRect, name: str, value: str, tint: str, px: int) -> None:
        painter.setPen(colour("muted"))
        static_text.draw(painter, inner(box), Qt.AlignLeft, name, px)
        painter.setPen(colour(tint))
        static_text.draw(painter, inner(box), Qt.AlignRight, value, px)


def inner(box: QRect) -> QRect:
    """Return a cell's box without its margins."""
    return box.adjusted(6, 0, -6, 0)
