"""The Live tab of one market: watch-list, chart, book, ticket, orders, fills, positions, account; all linked by symbol."""

from __future__ import annotations

from typing import Any

from PyQt5.QtCore import QByteArray, QSettings, Qt, QTimer, pyqtSignal
from PyQt5.QtWidgets import QHBoxLayout, QLineEdit, QPushButton, QSplitter, QTabWidget, QVBoxLayout, QWidget

from ui.actions import Actions
from ui.models.market_state import MarketState
from ui.models.records import Records
from ui.text import bind, on_language, tr
from ui.widgets.account_panel import AccountPanel
from ui.widgets.book_view import BookView
from ui.widgets.chart_panel import ChartPanel
from ui.widgets.command_box import rank
from ui.widgets.data_table import DataTable
from ui.widgets.order_ticket import OrderTicket
from ui.widgets.panel import Panel

RETITLE_MS = 300
SPLITTERS = ("across", "left", "top", "side", "right")


class LivePage(QWidget):
    """Everything about one running market.

    Signals
    -------
    intent_made(Intent), cancel_asked(str), watch_asked(int)
    """

    intent_made = pyqtSignal(object)
    cancel_asked = pyqtSignal(str)
    watch_asked = pyqtSignal(int)

    def __init__(self, state: MarketState, actions: Actions, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("livePage")
        self.state = state
        self.index = -1
        self.wanted = ""
        self.watch = DataTable(state.watch, "watchTable", "ui.empty.watch")
        self.watch.hide_columns("day_value")
        self.book = BookView(state)
        self.ticket = OrderTicket(state)
        self.account = AccountPanel(state)
        self.chart = ChartPanel(state)
        self.positions = DataTable(state.positions, "positionTable", "ui.empty.positions")
        self.open_orders = DataTable(state.open_orders, "openOrderTable", "ui.empty.open_orders")
        self.fills = DataTable(state.fills, "fillTable", "ui.empty.fills")
        self.trades = DataTable(state.trades, "tradeTable", "ui.empty.trades")
        self.orders = DataTable(state.orders, "orderTable", "ui.empty.orders")
        for table in (self.fills, self.orders, self.open_orders):
            table.sortByColumn([c.key for c in table.source.columns].index("exchange_ns" if table is self.fills else "created_ns"), 1)
        self.trades.sortByColumn([c.key for c in state.trades.columns].index("exit_time"), Qt.DescendingOrder)
        self.tabs = QTabWidget()
        self.tabs.setObjectName("tradingTabs")
        self.tables: tuple[tuple[DataTable, str, Records], ...] = (
            (self.positions, "ui.tab.positions", state.positions),
            (self.open_orders, "ui.tab.open_orders", state.open_orders),
            (self.fills, "ui.tab.fills", state.fills),
            (self.trades, "ui.tab.trades", state.trades),
            (self.orders, "ui.tab.orders", state.orders),
        )
        # A changed heading lays the tabs out anew, so counts are written a few times a second at most.
        self._titles = QTimer(self)
        self._titles.setSingleShot(True)
        self._titles.setInterval(RETITLE_MS)
        self._titles.timeout.connect(self._retitle)
        self._lay_out(actions)
        self._connect(actions)
        on_language(self, self._retitle)
        self._retitle()

    def _lay_out(self, actions: Actions) -> None:
        self.filter = QLineEdit()
        self.filter.setObjectName("watchFilter")
        self.filter.setClearButtonEnabled(True)
        self.filter.setFixedWidth(120)
        self.filter.setFixedHeight(22)
        bind(self.filter, "setPlaceholderText", "ui.watch.filter")
        bind(self.filter, "setAccessibleName", "ui.watch.filter")
        watch = Panel("ui.panel.watch", self.watch)
        watch.add_tool(self.filter)
        for table, _, _ in self.tables:
            self.tabs.addTab(table, "")
        corner = QWidget()
        row = QHBoxLayout(corner)
        row.setContentsMargins(0, 2, 6, 2)
        row.setSpacing(4)
        for name in ("cancel_order", "cancel_all"):
            button = QPushButton()
            button.setObjectName(f"button_{name}")
            button.setProperty("kind", "small")
            bind(button, "setText", f"ui.action.{name}")
            bind(button, "setToolTip", f"ui.action.{name}.tip")
            button.clicked.connect(actions[name].trigger)
            row.addWidget(button)
        self.tabs.setCornerWidget(corner)
        # Buttons that cancel stand where the open orders are, and leave the other tabs their room.
        self.tabs.currentChanged.connect(lambda _: corner.setVisible(self.tabs.currentWidget() is self.open_orders))
        corner.hide()
        account = Panel("ui.panel.account", self.account)
        self.side = splitter(Qt.Vertical, watch, account, sizes=(310, 230), stretch=0)
        self.top = splitter(Qt.Horizontal, self.side, self.chart, sizes=(500, 680), stretch=1)
        self.left = splitter(Qt.Vertical, self.top, Panel("", self.tabs), sizes=(552, 234), stretch=0)
        ticket = Panel("ui.panel.ticket", self.ticket)
        self.right = splitter(Qt.Vertical, Panel("ui.panel.book", self.book), ticket, sizes=(490, 300), stretch=0)
        self.across = splitter(Qt.Horizontal, self.left, self.right, sizes=(1180, 350), stretch=0)
        watch.setMinimumWidth(300)
        account.setMinimumWidth(220)
        self.chart.setMinimumWidth(380)
        self.right.setMinimumWidth(316)
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 6, 6, 6)
        column.addWidget(self.across)

    def _connect(self, actions: Actions) -> None:
        state = self.state
        self.filter.textChanged.connect(self._filter)
        for table in self._all_tables():
            table.chosen.connect(self._record_chosen)
        self.book.price_clicked.connect(self.ticket.take_price)
        self.ticket.submitted.connect(self.intent_made)
        state.rows_changed.connect(self._rows_changed)
        state.bars_changed.connect(lambda index: self.chart.rows_changed() if index == self.index else None)
        state.book_changed.connect(lambda index: self.book.update() if index == self.index else None)
        state.prints_changed.connect(lambda index: self.book.update() if index == self.index else None)
        state.marks_changed.connect(lambda index: self.chart.marks_changed() if index == self.index else None)
        state.instruments_changed.connect(self._first_instrument)
        state.account_changed.connect(self.ticket.data_changed)
        for _, _, model in self.tables:
            model.counted.connect(self._retitle_soon)

    def _all_tables(self) -> tuple[DataTable, ...]:
        return (self.watch, *(table for table, _, _ in self.tables))

    # --- linking ------------------------------------------------------------------------------------

    def select(self, index: int) -> None:
        """Show instrument `index` everywhere: chart, book, ticket, and its row in every table."""
        if index == self.index or not 0 <= index < len(self.state.instruments):
            return
        self.index = index
        self.watch.select_key(index)
        self.chart.show_instrument(index)
        self.book.show_instrument(index)
        self.ticket.show_instrument(index)
        self.positions.select_key(self.state.instruments[index].instrument_id)
        self.watch_asked.emit(index)

    def _record_chosen(self, record: Any) -> None:
        index = self.state.index_of.get(record.instrument.instrument_id)
        if index is not None:
            self.select(index)

    def _first_instrument(self) -> None:
        if self.index >= 0 or not self.state.instruments:
            return
        codes = [one.code for one in self.state.instruments]
        wanted = (self.wanted, *self.state.market.made_codes[:1])
        self.select(next((codes.index(code) for code in wanted if code in codes), 0))

    def _filter(self, text: str) -> None:
        if not text.strip():
            self.watch.shown.set_filter(None)
            return
        self.watch.shown.set_filter(lambda r: rank(text.strip(), (r.name, r.code, r.instrument.name, r.instrument.english_name)) >= 0)

    # --- news -----------------------------------------------------------------------------------------

    def _rows_changed(self, touched: set[int]) -> None:
        if self.index in touched:
            self.chart.rows_changed()
            self.book.update()
            self.ticket.data_changed()

    def _retitle_soon(self) -> None:
        if not self._titles.isActive():
            self._titles.start()

    def _retitle(self) -> None:
        for place, (_, code, model) in enumerate(self.tables):
            text = tr(code, count=model.count)
            if self.tabs.tabText(place) != text:
                self.tabs.setTabText(place, text)

    # --- actions ----------------------------------------------------------------------------------------

    def cancel_selected(self) -> None:
        """Ask to cancel the current open order."""
        record = self.open_orders.current_record()
        if record is None:
            self.tabs.setCurrentWidget(self.open_orders)
            return
        self.cancel_asked.emit(record.client_order_id)

    def cancel_all(self) -> None:
        """Ask to cancel every open order."""
        for record in list(self.state.open_orders.records):
            self.cancel_asked.emit(record.client_order_id)

    def toggle_arm(self) -> None:
        """Open or close the order lock of the ticket."""
        self.ticket.lock.toggle()

    # --- layout ------------------------------------------------------------------------------------------

    def save_layout(self, store: QSettings) -> None:
        """Write the arrangement."""
        for name in SPLITTERS:
            store.setValue(f"live/{name}", getattr(self, name).saveState())
        for table in self._all_tables():
            store.setValue(f"live/head/{table.objectName()}", table.horizontalHeader().saveState())
        if self.index >= 0:
            store.setValue(f"live/symbol/{self.state.market.code}", self.state.instruments[self.index].code)
        store.setValue("live/interval", self.chart.chart.interval_s)
        store.setValue("live/factors", [chooser.currentData() for chooser in self.chart.choosers])

    def load_layout(self, store: QSettings) -> None:
        """Read the arrangement; anything missing or damaged is left as it is."""
        for name in SPLITTERS:
            value = store.value(f"live/{name}")
            if isinstance(value, QByteArray):
                getattr(self, name).restoreState(value)
        for table in self._all_tables():
            table.restore_head(store.value(f"live/head/{table.objectName()}"))
        self.wanted = str(store.value(f"live/symbol/{self.state.market.code}", ""))
        seconds = store.value("live/interval")
        if str(seconds).isdigit() and self.chart.chips.button(int(seconds)) is not None:
            self.chart.chips.button(int(seconds)).click()
        factors = store.value("live/factors")
        if isinstance(factors, list):
            for chooser, key in zip(self.chart.choosers, factors, strict=False):
                place = chooser.findData(key)
                if place >= 0:
                    chooser.setCurrentIndex(place)


def splitter(orientation: Qt.Orientation, first: QWidget, second: QWidget, sizes: tuple[int, int], stretch: int) -> QSplitter:
    """Return two widgets with a handle between; `stretch` is the one that takes a larger window's room."""
    made = QSplitter(orientation)
    made.addWidget(first)
    made.addWidget(second)
    made.setChildrenCollapsible(False)
    made.setHandleWidth(6)
    made.setStretchFactor(stretch, 1)
    made.setStretchFactor(1 - stretch, 0)
    made.setSizes(list(sizes))
    return made
