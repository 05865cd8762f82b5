"""The account at a glance: equity, cash, open and realised profit, and what risk refused."""

from __future__ import annotations

from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QGridLayout, QLabel, QWidget

from ui import format as fmt
from ui.models.market_state import MarketState
from ui.text import bind, language, on_language, tr, word
from ui.widgets.panel import muted, repolish

ROWS = ("equity", "cash", "day", "return", "unrealised", "realised", "trades", "open_orders", "in_doubt", "refusals")


class AccountPanel(QWidget):
    """Figures of one account; dashes until the trader has spoken."""

    def __init__(self, state: MarketState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("accountPanel")
        self.state = state
        grid = QGridLayout(self)
        grid.setContentsMargins(10, 8, 10, 8)
        grid.setHorizontalSpacing(10)
        grid.setVerticalSpacing(3)
        grid.setColumnStretch(1, 1)
        self.values: dict[str, QLabel] = {}
        for row, key in enumerate(ROWS):
            name = muted(f"ui.account.{key}")
            bind(name, "setToolTip", f"ui.account.{key}.tip")
            grid.addWidget(name, row, 0)
            value = QLabel(fmt.DASH)
            value.setObjectName(f"account_{key}")
            value.setAlignment(Qt.AlignRight | Qt.AlignVCenter)
            value.setTextInteractionFlags(Qt.TextSelectableByMouse)
            grid.addWidget(value, row, 1)
            self.values[key] = value
        grid.setRowStretch(len(ROWS), 1)
        state.account_changed.connect(self.refresh)
        state.orders_changed.connect(self.refresh)
        on_language(self, self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show the newest figures."""
        account = self.state.account
        currency = self.state.market.currency
        if account is None:
            for value in self.values.values():
                value.setText(fmt.DASH)
            return
        day = self.state.day_profit()
        share = day / account.day_base * 100 if account.day_base > 0 else float("nan")
        count, winners, _ = self.state.trade_totals
        refused = sum(account.refusals.values())
        texts = {
            "equity": (fmt.money(account.equity, currency, language()), 0.0),
            "cash": (fmt.money(account.cash, currency, language()), 0.0),
            "day": (fmt.money(day, currency, language(), sign=True), day),
            "unrealised": (fmt.money(account.unrealised, currency, language(), sign=True), account.unrealised),
            "realised": (fmt.money(account.realised, currency, language(), sign=True), account.realised),
            "return": (f"{fmt.arrow(share)} {fmt.percent(share)}".strip(), share),
            "trades": (tr("ui.account.trades_value", count=count, rate=f"{winners / count * 100 if count else 0:.1f}"), 0.0),
            "open_orders": (f"{account.open_orders}", 0.0),
            "in_doubt": (f"{account.in_doubt}", 0.0),
            "refusals": (f"{refused}", 0.0),
        }
        for key, (text, sign) in texts.items():
            label = self.values[key]
            if label.text() != text:
                label.setText(text)
            role = "up" if sign > 0 else "down" if sign < 0 else "warn" if key == "in_doubt" and account.in_doubt else ""
            if label.property("role") != role:
                label.setProperty("role", role)
                repolish(label)
        self.values["refusals"].setToolTip("\n".join(f"{word('ui.rule', rule)}: {n}" for rule, n in account.refusals.items()))
