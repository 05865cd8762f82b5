"""The manual order: side, kind, price, quantity; guarded by an arm switch, sent as an intent through the same risk."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from domain.instruments import QTY_UNIT
from domain.orders import Action, Intent, OrderKind, make_intent_id
from ui import format as fmt
from ui.models.market_state import MarketState
from ui.text import bind, language, on_language, tr
from ui.widgets.panel import muted, repolish

SHARES = (10, 25, 50, 100)


class PriceBox(QDoubleSpinBox):
    """A price that walks by the market's own steps."""

    def __init__(self) -> None:
        super().__init__()
        self.setRange(0, 1e12)
        self.setGroupSeparatorShown(True)
        self.setAlignment(Qt.AlignRight)
        self.setKeyboardTracking(False)


class OrderTicket(QWidget):
    """Makes manual intents for the linked instrument.

    Signals
    -------
    submitted(Intent) : the person pressed the order button.
    armed_changed(bool) : the order lock was opened or closed.
    """

    submitted = pyqtSignal(object)
    armed_changed = pyqtSignal(bool)

    def __init__(self, state: MarketState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("orderTicket")
        self.state = state
        self.index = -1
        self.armed = False
        self._touched_price = False
        self.buy = self._side_button("ui.side.buy", "buytab", "ticketBuy")
        self.sell = self._side_button("ui.side.sell", "selltab", "ticketSell")
        self.buy.setChecked(True)
        sides = QButtonGroup(self)
        sides.setExclusive(True)
        for button in (self.buy, self.sell):
            sides.addButton(button)
            button.toggled.connect(self._refresh)
        self.kind = QComboBox()
        self.kind.setObjectName("ticketKind")
        for kind in (OrderKind.LIMIT, OrderKind.MARKET):
            self.kind.addItem("", kind)
        self.kind.currentIndexChanged.connect(self._refresh)
        self.price = PriceBox()
        self.price.setObjectName("ticketPrice")
        self.price.valueChanged.connect(self._price_touched)
        self.qty = QDoubleSpinBox()
        self.qty.setObjectName("ticketQty")
        self.qty.setRange(0, 1e12)
        self.qty.setDecimals(8)
        self.qty.setAlignment(Qt.AlignRight)
        self.qty.setKeyboardTracking(False)
        self.qty.valueChanged.connect(self._refresh)
        self.amount = QLabel()
        self.amount.setAlignment(Qt.AlignRight | Qt.AlignVCenter)
        self.room = QLabel()
        self.room.setAlignment(Qt.AlignRight | Qt.AlignVCenter)
        self.room.setProperty("role", "muted")
        self.lock = QPushButton()
        self.lock.setObjectName("ticketArm")
        self.lock.setCheckable(True)
        self.lock.toggled.connect(self._arm)
        self.send = QPushButton()
        self.send.setObjectName("ticketSend")
        self.send.clicked.connect(self._send)
        self.send.setMinimumHeight(32)
        self.note = QLabel()
        self.note.setWordWrap(True)
        self.note.setProperty("role", "muted")
        self._lay_out()
        on_language(self, self._refresh)
        self._refresh()

    def _side_button(self, code: str, kind: str, name: str) -> QPushButton:
        button = QPushButton()
        button.setObjectName(name)
        button.setCheckable(True)
        button.setProperty("kind", kind)
        bind(button, "setText", code)
        return button

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 8, 8, 8)
        column.setSpacing(6)
        sides = QHBoxLayout()
        sides.setSpacing(4)
        sides.addWidget(self.buy, 1)
        sides.addWidget(self.sell, 1)
        column.addLayout(sides)
        grid = QGridLayout()
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(5)
        grid.setColumnStretch(1, 1)
        for row, (code, widget) in enumerate((("ui.ticket.kind", self.kind), ("ui.ticket.price", self.price), ("ui.ticket.qty", self.qty))):
            grid.addWidget(muted(code), row, 0)
            grid.addWidget(widget, row, 1)
        shares = QHBoxLayout()
        shares.setSpacing(3)
        for share in SHARES:
            button = QPushButton(f"{share}%")
            button.setProperty("kind", "small")
            button.setObjectName(f"ticketShare{share}")
            button.clicked.connect(lambda _=False, share=share: self.use_share(share))
            shares.addWidget(button, 1)
        grid.addLayout(shares, 3, 1)
        grid.addWidget(muted("ui.ticket.amount"), 4, 0)
        grid.addWidget(self.amount, 4, 1)
        grid.addWidget(muted("ui.ticket.room"), 5, 0)
        grid.addWidget(self.room, 5, 1)
        column.addLayout(grid)
        foot = QHBoxLayout()
        foot.setSpacing(4)
        foot.addWidget(self.lock)
        foot.addWidget(self.send, 1)
        column.addLayout(foot)
        column.addWidget(self.note)
        column.addStretch(1)

    # --- state ------------------------------------------------------------------------------------

    @property
    def side(self) -> int:
        """+1 buys, −1 sells."""
        return 1 if self.buy.isChecked() else -1

    def show_instrument(self, index: int) -> None:
        """Make the next order about another instrument; the lock closes."""
        if index == self.index:
            return
        self.index = index
        self._touched_price = False
        self.lock.setChecked(False)
        self.qty.setValue(0)
        self.data_changed()

    def take_price(self, price: float) -> None:
        """Take a price clicked in the book."""
        self.kind.setCurrentIndex(self.kind.findData(OrderKind.LIMIT))
        self.price.setValue(price)
        self._touched_price = True
        self._refresh()

    def data_changed(self) -> None:
        """Follow the market until the person has set a price."""
        last = self.state.last_price(self.index)
        step = self.state.step(self.index)
        if last == last:
            self.price.setDecimals(fmt.step_decimals(step) if step else 8)
            self.price.setSingleStep(step or last * 0.001)
            if not self._touched_price and not self.price.hasFocus():
                blocked = self.price.blockSignals(True)
                self.price.setValue(last)
                self.price.blockSignals(blocked)
        self._refresh()

    def use_share(self, share: int) -> None:
        """Fill the quantity with a share of the cash (buying) or of what is held (selling)."""
        instrument = self._instrument()
        price = self._price()
        if instrument is None or not price > 0:
            return
        if self.side > 0:
            cash = self.state.account.cash if self.state.account is not None else 0.0
            fee = self.state.market.fee_rule(self._today()).fee_ppm / 1e6
            units = int(cash * share / 100 / (price * (1 + fee)) * QTY_UNIT)
        else:
            units = self.state.held(self.index) * share // 100
        units = units // max(instrument.qty_step, 1) * max(instrument.qty_step, 1)
        self.qty.setValue(units / QTY_UNIT)

    @staticmethod
    def _today() -> Any:
        import datetime as dt

        return dt.datetime.now(dt.UTC).date()

    def _instrument(self) -> Any:
        return self.state.instruments[self.index] if 0 <= self.index < len(self.state.instruments) else None

    def _kind(self) -> OrderKind:
        return OrderKind(self.kind.currentData())

    def _price(self) -> float:
        return self.price.value() if self._kind() is OrderKind.LIMIT else self.state.last_price(self.index)

    def _price_touched(self) -> None:
        self._touched_price = True
        self._refresh()

    def _arm(self, armed: bool) -> None:
        self.armed = armed
        self.armed_changed.emit(armed)
        self._refresh()

    def why_not(self) -> str:
        """Return the code of the reason why no order can be sent now, "" when one can."""
        if self._instrument() is None:
            return "ui.ticket.no_instrument"
        if self.state.account is None:
            return "ui.ticket.no_account"
        if self.qty.value() <= 0:
            return "ui.ticket.no_qty"
        if self._kind() is OrderKind.LIMIT and self.price.value() <= 0:
            return "ui.ticket.no_price"
        if not self._price() > 0:
            return "ui.ticket.no_quote"
        return "" if self.armed else "ui.ticket.locked"

    def _refresh(self) -> None:
        for place in range(self.kind.count()):
            text = tr(f"ui.kind.{OrderKind(self.kind.itemData(place)).value}")
            if self.kind.itemText(place) != text:
                self.kind.setItemText(place, text)
        market_order = self._kind() is OrderKind.MARKET
        self.price.setEnabled(not market_order)
        currency = self.state.market.currency
        amount = self._price() * self.qty.value()
        self.amount.setText(fmt.money(amount if self.qty.value() else 0.0, currency, language()))
        if self.side > 0:
            cash = self.state.account.cash if self.state.account is not None else float("nan")
            self.room.setText(fmt.money(cash, currency, language()))
        else:
            self.room.setText(self.state.held_text(self.index))
        self.send.setText(tr("ui.ticket.send_buy" if self.side > 0 else "ui.ticket.send_sell"))
        kind = "buy" if self.side > 0 else "sell"
        if self.send.property("kind") != kind:
            self.send.setProperty("kind", kind)
            repolish(self.send)
        self.lock.setText(tr("ui.ticket.armed" if self.armed else "ui.ticket.arm"))
        why = self.why_not()
        self.send.setEnabled(not why)
        self.note.setText(tr(why) if why else tr("ui.ticket.through_risk"))

    def intent(self) -> Intent:
        """Return the intent the ticket stands for; its id is fresh at every call."""
        instrument = self._instrument()
        account = self.state.account
        assert instrument is not None
        assert account is not None
        now = time.time_ns()
        kind = self._kind()
        price = None
        if kind is OrderKind.LIMIT:
            price = Decimal(f"{self.price.value():.{self.price.decimals()}f}")
        row_time = self.state.row_times.get(self.index, 0)
        return Intent(
            intent_id=make_intent_id(account.account, "manual", "", instrument.instrument_id, now, Action.MANUAL.value, self.side),
            account=account.account,
            strategy="manual",
            version="",
            instrument_id=instrument.instrument_id,
            action=Action.MANUAL,
            side=self.side,
            qty=round(self.qty.value() * QTY_UNIT),
            reference_price=self.state.last_price(self.index),
            row_time=row_time,
            row_ns=self.state.market_ns(),
            kind=kind,
            price=price,
        )

    def _send(self) -> None:
        if self.why_not():
            self._refresh()
            return
        self.submitted.emit(self.intent())
        self.lock.setChecked(False)
