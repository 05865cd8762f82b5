"""The inputs of a run: market, strategy, period, symbols, money, fills, ranges, search."""

from __future__ import annotations

import datetime as dt
from typing import Any

from PyQt5.QtCore import QDate, Qt
from PyQt5.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDateEdit,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPlainTextEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from backtester.figures import OBJECTIVES
from domain.errors import InputError
from domain.instruments import Market
from domain.intervals import INTERVALS
from domain.settings import Settings
from ui.models.research_request import BACKTEST, FILLS, FORMS, LINES, ResearchRequest, grid_size
from ui.text import bind, has, on_language, tr, word
from ui.theme import fonts
from ui.widgets.method_options import MethodOptions
from ui.widgets.panel import muted

LABEL_WIDTH = 104


class ResearchForm(QWidget):
    """The form; `request` turns it into a ResearchRequest."""

    def __init__(self, markets: tuple[Market, ...], settings: Settings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("researchForm")
        self.markets = {market.code: market for market in markets}
        self.market = self._combo("researchMarket", [market.code for market in markets])
        self.interval = self._combo("researchInterval", list(INTERVALS))
        self.source = self._combo("researchSource", ["", "recorded", "made"])
        self.strategy = self._combo("researchStrategy", [])
        self.whole = QCheckBox()
        self.whole.setObjectName("researchWhole")
        self.whole.setChecked(True)
        bind(self.whole, "setText", "ui.research.whole")
        today = QDate.currentDate()
        self.from_day, self.to_day = self._date("researchFrom", today.addDays(-7)), self._date("researchTo", today)
        self.symbols = QLineEdit()
        self.symbols.setObjectName("researchSymbols")
        bind(self.symbols, "setPlaceholderText", "ui.research.all_symbols")
        self.betting = QDoubleSpinBox()
        self.betting.setObjectName("researchBetting")
        self.betting.setRange(0, 1e12)
        self.betting.setDecimals(0)
        self.betting.setGroupSeparatorShown(True)
        self.betting.setSingleStep(1_000_000)
        self.betting.setAlignment(Qt.AlignRight)
        bind(self.betting, "setSpecialValueText", "ui.research.default_betting")
        self.fees = QLineEdit()
        self.fees.setObjectName("researchFees")
        bind(self.fees, "setPlaceholderText", "ui.research.default_fees")
        self.fill = self._combo("researchFill", list(FILLS))
        self.latency = self._spin("researchLatency", 0, 100, 0)
        self.objective = self._combo("researchObjective", list(OBJECTIVES))
        research = settings.research
        usual = {"population": research.population, "generations": research.generations, "seed": research.seed}
        self.search = MethodOptions(usual)
        self.range_form = self._combo("researchRangeForm", list(FORMS))
        self.ranges = QPlainTextEdit()
        self.ranges.setObjectName("researchRanges")
        self.ranges.setFont(fonts.code_font(settings.general.font_px))
        self.ranges.setLineWrapMode(QPlainTextEdit.NoWrap)
        self.ranges.setMinimumHeight(90)
        self.sets = muted()
        self.sets.setObjectName("researchSets")
        self.whole.toggled.connect(lambda on: (self.from_day.setDisabled(on), self.to_day.setDisabled(on)))
        self.from_day.setDisabled(True)
        self.to_day.setDisabled(True)
        self._lay_out()
        self.search.chosen.connect(lambda _: self._suit())
        self.ranges.textChanged.connect(self._count)
        self.range_form.currentIndexChanged.connect(lambda _: self._count())
        self._suit()
        on_language(self, self._words)
        self._words()

    def _suit(self) -> None:
        """Fit the hint to the chosen method."""
        form = self.search.form()
        self.range_form.setDisabled(form == LINES)
        bind(self.ranges, "setPlaceholderText", "ui.research.lines_hint" if form == LINES else "ui.research.ranges_hint")
        self._count()

    def _count(self) -> None:
        """Say how many sets the range text means; nothing while it cannot be read."""
        try:
            lines = self.search.form() == LINES
            count = None if lines else grid_size(self.ranges.toPlainText(), self.range_form.currentData())
        except InputError:
            count = None
        # A text that is being typed is wrong half of the time: its errors are said when it is run.
        text = "ui.research.sets_none" if count is None else "ui.research.sets"
        bind(self.sets, "setText", text, count=f"{count:,}" if count is not None and count < 10**12 else f"{count or 0:.1e}")

    def _combo(self, name: str, values: list[str]) -> QComboBox:
        combo = QComboBox()
        combo.setObjectName(name)
        # The longest choice must not decide how wide the form is: what does not fit is shown by the list and the tooltip.
        combo.setSizeAdjustPolicy(QComboBox.AdjustToMinimumContentsLengthWithIcon)
        combo.setMinimumContentsLength(4)
        for value in values:
            combo.addItem(value, value)
        return combo

    def _date(self, name: str, day: QDate) -> QDateEdit:
        edit = QDateEdit(day)
        edit.setObjectName(name)
        edit.setCalendarPopup(True)
        edit.setDisplayFormat("yyyy-MM-dd")
        return edit

    def _spin(self, name: str, low: int, high: int, value: int) -> QSpinBox:
        spin = QSpinBox()
        spin.setObjectName(name)
        spin.setRange(low, high)
        spin.setValue(value)
        spin.setGroupSeparatorShown(True)
        spin.setAlignment(Qt.AlignRight)
        return spin

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(10, 8, 10, 8)
        column.setSpacing(6)
        form = QFormLayout()
        form.setHorizontalSpacing(8)
        form.setVerticalSpacing(5)
        form.setFieldGrowthPolicy(QFormLayout.AllNonFixedFieldsGrow)

        def add(code: str, *widgets: QWidget) -> None:
            label = muted(code)
            if has(f"{code}.tip"):
                for widget in (label, *widgets):
                    bind(widget, "setToolTip", f"{code}.tip")
            label.setFixedWidth(LABEL_WIDTH)
            label.setWordWrap(True)
            for widget in widgets:
                bind(widget, "setAccessibleName", code)
            if len(widgets) == 1:
                form.addRow(label, widgets[0])
                return
            row = QHBoxLayout()
            row.setSpacing(4)
            for widget in widgets:
                row.addWidget(widget, 1)
            form.addRow(label, row)

        add("ui.research.market", self.market, self.interval)
        add("ui.research.strategy", self.strategy)
        add("ui.research.source", self.source)
        add("ui.research.period", self.whole)
        add("ui.research.from_to", self.from_day, self.to_day)
        add("ui.research.symbols", self.symbols)
        add("ui.research.betting", self.betting)
        add("ui.research.fees", self.fees)
        add("ui.research.fill", self.fill)
        add("ui.research.latency", self.latency)
        column.addLayout(form)
        column.addWidget(muted("ui.research.search_head"))
        objective = QHBoxLayout()
        objective.setSpacing(4)
        bind(self.objective, "setAccessibleName", "ui.research.objective")
        label = muted("ui.research.objective")
        label.setFixedWidth(LABEL_WIDTH)
        objective.addWidget(label)
        objective.addWidget(self.objective, 1)
        column.addLayout(objective)
        column.addWidget(self.search)
        head = QHBoxLayout()
        head.addWidget(muted("ui.research.ranges"))
        head.addWidget(self.sets, 1)
        bind(self.range_form, "setAccessibleName", "ui.research.range_form")
        self.range_form.setMinimumWidth(132)
        head.addWidget(self.range_form)
        column.addLayout(head)
        column.addWidget(self.ranges, 1)

    def _words(self) -> None:
        for combo, prefix in (
            (self.market, "ui.market"),
            (self.interval, "ui.interval"),
            (self.fill, "ui.fill"),
            (self.source, "ui.source"),
            (self.range_form, "ui.range_form"),
        ):
            for place in range(combo.count()):
                value = combo.itemData(place)
                combo.setItemText(place, word(prefix, value) if value else tr("ui.source.first"))
        for place, code in enumerate(OBJECTIVES):
            self.objective.setItemText(place, f"{code} · {word('ui.objective', code)}")

    def show_strategies(self, names: list[str], chosen: str = "") -> None:
        """Offer the library's strategies, keeping the choice where it still exists."""
        keep = chosen or self.strategy.currentData()
        self.strategy.clear()
        for name in names:
            self.strategy.addItem(name, name)
        place = self.strategy.findData(keep)
        self.strategy.setCurrentIndex(place if place >= 0 else 0 if names else -1)

    def currency(self) -> str:
        """Return the currency of the chosen market."""
        return self.markets[self.market.currentData()].currency

    def request(self, kind: str, ranges_file: str = "", lines_files: tuple[str, str] | None = None) -> ResearchRequest:
        """Return what the form asks for."""
        whole = self.whole.isChecked()
        return ResearchRequest(
            kind=kind,
            market=self.market.currentData(),
            interval=self.interval.currentData(),
            strategy=self.strategy.currentData() or "",
            from_day="" if whole else self.from_day.date().toString("yyyy-MM-dd"),
            to_day="" if whole else self.to_day.date().toString("yyyy-MM-dd"),
            symbols=self.symbols.text(),
            source=self.source.currentData(),
            betting=self.betting.value(),
            fees=self.fees.text().strip(),
            fill=self.fill.currentData(),
            latency=self.latency.value(),
            objective=self.objective.currentData(),
            ranges_file=ranges_file,
            ranges_form=self.range_form.currentData(),
            lines_files=lines_files,
            options=() if kind == BACKTEST else self.search.values(),
        )

    def period_text(self) -> str:
        """Return the period as the run table shows it."""
        if self.whole.isChecked():
            return tr("ui.research.whole")
        return f"{self.from_day.date().toString('yyyy-MM-dd')} – {self.to_day.date().toString('yyyy-MM-dd')}"

    def set_period(self, first: dt.date, last: dt.date) -> None:
        """Choose a period."""
        self.whole.setChecked(False)
        self.from_day.setDate(QDate(first.year, first.month, first.day))
        self.to_day.setDate(QDate(last.year, last.month, last.day))

    def set_choice(self, combo: QComboBox, value: Any) -> None:
        """Choose `value` in one of the form's combos when it is offered."""
        place = combo.findData(value)
        if place >= 0:
            combo.setCurrentIndex(place)
