"""The live chart with its heading: instrument, last price, interval chips, factor choosers."""

from __future__ import annotations

from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QButtonGroup, QComboBox, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from domain.records import RowSchema
from ui import format as fmt
from ui.charts.chart import INTERVALS, Chart
from ui.charts.factor_pane import factor_name
from ui.models.market_state import MarketState
from ui.models.watchlist import name_of
from ui.text import bind, on_language, tr
from ui.theme.style import THEME, theme
from ui.widgets.panel import Panel

# What is worth a pane: level sizes and flags of the book are not.
SKIPPED_UNITS = ("flag", "time")


def chartable(schema: RowSchema) -> list[str]:
    """Return the keys of the recorded columns that a factor pane may show."""
    own = [c.key for c in schema.columns if c.unit not in SKIPPED_UNITS and c.key != "last_price"]
    first = ["trade_strength", "value_1s", "value_1m", "change_pct", "day_value", "book5_size", "net_buy_value"]
    return [key for key in first if key in own] + [key for key in own if key not in first]


class ChartPanel(Panel):
    """Chart of the linked instrument."""

    def __init__(self, state: MarketState, parent: QWidget | None = None) -> None:
        super().__init__("", parent=parent)
        self.head.show()
        self.state = state
        self.index = -1
        self.title.setTextFormat(Qt.RichText)
        self.title.setObjectName("chartTitle")
        # The title gives way first: buttons keep their words in a narrow panel.
        self.title.setSizePolicy(QSizePolicy.Ignored, QSizePolicy.Preferred)
        self.tools.setStretch(0, 1)
        self.tools.setStretch(1, 0)
        self.chart = Chart(state.schema)
        self.empty = QLabel()
        self.empty.setAlignment(Qt.AlignCenter)
        self.empty.setProperty("role", "muted")
        self.empty.setWordWrap(True)
        bind(self.empty, "setText", "ui.empty.chart")
        body = QWidget()
        column = QVBoxLayout(body)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.empty, 1)
        column.addWidget(self.chart, 1)
        self.chart.hide()
        self.set_body(body)
        self.chips = QButtonGroup(self)
        for seconds in INTERVALS:
            chip = QPushButton()
            chip.setCheckable(True)
            chip.setProperty("kind", "chip")
            chip.setObjectName(f"chip_{seconds}")
            bind(chip, "setText", f"ui.chart.interval.{seconds}")
            self.chips.addButton(chip, seconds)
            self.add_tool(chip)
        self.chips.button(5).setChecked(True)
        self.chips.idClicked.connect(self.chart.set_interval)
        self.choosers: list[QComboBox] = []
        for number, pane in enumerate(self.chart.factors):
            chooser = QComboBox()
            chooser.setObjectName(f"factorChooser{number}")
            chooser.setMinimumContentsLength(9)
            chooser.setMaxVisibleItems(24)
            bind(chooser, "setToolTip", "ui.chart.factor")
            bind(chooser, "setAccessibleName", "ui.chart.factor")
            for key in chartable(state.schema):
                chooser.addItem("", key)
            chooser.setCurrentIndex(chooser.findData(pane.column.key))
            chooser.currentIndexChanged.connect(lambda _, number=number: self._chosen(number))
            chooser.setProperty("kind", "pane")
            chooser.setFixedSize(140, 20)
            self.choosers.append(chooser)
            self.chart.place_chooser(number, chooser)
        self.follow = QPushButton()
        self.follow.setObjectName("followChart")
        self.follow.setCheckable(True)
        self.follow.setChecked(True)
        self.follow.setProperty("kind", "chip")
        bind(self.follow, "setText", "ui.chart.follow")
        bind(self.follow, "setToolTip", "ui.action.follow_chart.tip")
        self.follow.clicked.connect(lambda: self.chart.set_follow(self.follow.isChecked()))
        self.chart.follow_changed.connect(self.follow.setChecked)
        self.add_tool(self.follow)
        on_language(self, self._name_factors)
        THEME.changed.connect(self._retitle)
        self._name_factors()
        self._retitle()

    def show_instrument(self, index: int) -> None:
        """Show another instrument."""
        self.index = index
        rows = self.state.series(index) if index >= 0 else None
        self.chart.show_rows(rows, lambda value: fmt.price(value, self.state.step(index)))
        self.marks_changed()
        self.rows_changed()

    def rows_changed(self) -> None:
        """The instrument has new rows."""
        has_rows = self.index >= 0 and len(self.state.series(self.index)) > 0
        self.chart.setVisible(has_rows)
        self.empty.setVisible(not has_rows)
        record = self.state.watch.record(self.index)
        self.chart.data_changed(record.change_pct if record is not None and record.change_pct == record.change_pct else 0.0)
        self._retitle()

    def marks_changed(self) -> None:
        """The instrument has new fills."""
        self.chart.set_marks([(mark.time_ns, mark.price, mark.side) for mark in self.state.marks.get(self.index, [])])

    def _chosen(self, number: int) -> None:
        self.chart.choose_factor(number, self.choosers[number].currentData())

    def _name_factors(self) -> None:
        schema = self.state.schema
        for chooser in self.choosers:
            for place in range(chooser.count()):
                chooser.setItemText(place, factor_name(schema.columns[schema.index(chooser.itemData(place))]))
        self._retitle()

    def _retitle(self) -> None:
        record = self.state.watch.record(self.index)
        if record is None:
            self.title.setText(tr("ui.chart.title"))
            return
        t = theme()
        tone = t.up if record.change_pct > 0 else t.down if record.change_pct < 0 else t.flat
        price = fmt.price(record.price, record.step)
        change = f"{fmt.arrow(record.change_pct)} {fmt.percent(record.change_pct)}"
        self.title.setText(
            f'<b style="color:{t.text}">{name_of(record.instrument)}</b> <span style="color:{t.faint}">{record.code}</span>'
            f'&nbsp; <b style="color:{tone}">{price}</b> <span style="color:{tone}">{change}</span>'
        )
