"""A backtest's trade on the chart, with the rows around it."""

from __future__ import annotations

from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QLabel, QStackedLayout, QVBoxLayout, QWidget

from domain.errors import StomError
from domain.instruments import Market
from domain.records import row_schema
from ui import format as fmt
from ui.charts.chart import Chart
from ui.models.runs import TradeRow
from ui.research_data import TradeSpan
from ui.text import Said, bind


class TradeChart(QWidget):
    """Empty until a trade is opened."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("tradeChart")
        self.trade: TradeRow | None = None
        self.message = QLabel()
        self.message.setAlignment(Qt.AlignCenter)
        self.message.setProperty("role", "muted")
        self.message.setWordWrap(True)
        bind(self.message, "setText", "ui.empty.trade_chart")
        self.chart: Chart | None = None
        self.heading = QLabel()
        self.heading.setContentsMargins(8, 4, 8, 4)
        self.page = QWidget()
        self.page_column = QVBoxLayout(self.page)
        self.page_column.setContentsMargins(0, 0, 0, 0)
        self.page_column.setSpacing(0)
        self.page_column.addWidget(self.heading)
        self.stack = QStackedLayout(self)
        self.stack.addWidget(self.message)
        self.stack.addWidget(self.page)

    def begin(self, trade: TradeRow) -> None:
        """Say that a trade's rows are being read."""
        self.trade = trade
        bind(self.message, "setText", "ui.research.reading_trade", number=trade.number)
        self.stack.setCurrentWidget(self.message)

    def fail(self, error: StomError) -> None:
        """Say why the rows cannot be shown."""
        bind(self.message, "setText", error.code, **error.fields)
        self.stack.setCurrentWidget(self.message)

    def show_trade(self, market: Market, span: TradeSpan, trade: TradeRow) -> None:
        """Show the rows with the trade's two marks."""
        if trade is not self.trade:
            return
        schema = row_schema(market.kind, span.rows.schema.interval_s)
        if self.chart is None or self.chart.schema is not schema:
            if self.chart is not None:
                self.page_column.removeWidget(self.chart)
                self.chart.deleteLater()
            self.chart = Chart(schema)
            self.page_column.addWidget(self.chart, 1)
        self.stack.setCurrentWidget(self.page)
        self.chart.interval_s = 5 if schema.interval_s == 1 else schema.interval_s
        self.chart.show_rows(span.rows, lambda value: fmt.price(value))
        long = 1 if trade.side == "LONG" else -1
        self.chart.set_marks([(span.entry_ns, trade.entry_price, long), (span.exit_ns, trade.exit_price, -long)])
        self.chart.focus_on(span.entry_ns, span.exit_ns)
        bind(
            self.heading,
            "setText",
            "ui.research.trade_heading",
            number=trade.number,
            code=trade.code,
            ret=fmt.percent(trade.return_pct),
            pnl=Said(lambda: fmt.money(trade.pnl, market.currency, _language(), sign=True)),
            label=trade.exit_label,
        )


def _language() -> str:
    from ui.text import language

    return language()
