"""The metrics of a run (workstation 9.1), two columns of name and value."""

from __future__ import annotations

from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QGridLayout, QLabel, QWidget

from backtester.sheet.units import COUNTS, MONEY, PERCENT
from ui import format as fmt
from ui.models.runs import METRICS
from ui.text import bind, language, on_language
from ui.widgets.panel import muted, repolish

SIGNED = ("ap", "tg", "tp", "cagr")


class MetricGrid(QWidget):
    """Names and values; dashes until there is a run."""

    def __init__(self, columns: int = 3, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("metricGrid")
        grid = QGridLayout(self)
        grid.setContentsMargins(10, 6, 10, 6)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(3)
        self.values: dict[str, QLabel] = {}
        self.metrics: dict[str, float] = {}
        self.currency = "KRW"
        self.interval_s = 1
        rows = -(-len(METRICS) // columns)
        for place, key in enumerate(METRICS):
            column, row = divmod(place, rows)
            name = muted(f"ui.metric.{key}")
            bind(name, "setToolTip", f"ui.metric.{key}.tip")
            grid.addWidget(name, row, column * 3)
            value = QLabel(fmt.DASH)
            value.setObjectName(f"metric_{key}")
            value.setAlignment(Qt.AlignRight | Qt.AlignVCenter)
            grid.addWidget(value, row, column * 3 + 1)
            grid.setColumnStretch(column * 3 + 1, 2)
            grid.setColumnMinimumWidth(column * 3 + 2, 18)
            self.values[key] = value
        on_language(self, self.refresh)

    def show_metrics(self, metrics: dict[str, float], currency: str, interval_s: int) -> None:
        """Show another run's metrics; `interval_s` is the unit of its holding times."""
        self.metrics, self.currency, self.interval_s = dict(metrics), currency, interval_s
        self.refresh()

    def refresh(self) -> None:
        """Write the values in the window's language."""
        for key, label in self.values.items():
            value = self.metrics.get(key)
            label.setText(self._text(key, value))
            role = "" if value is None or key not in SIGNED else "up" if value > 0 else "down" if value < 0 else ""
            if label.property("role") != role:
                label.setProperty("role", role)
                repolish(label)

    def _text(self, key: str, value: float | None) -> str:
        if value is None:
            return fmt.DASH
        if key == "ah":
            return fmt.duration(value * self.interval_s)
        if key in COUNTS:
            return fmt.integer(value)
        if key in MONEY:
            return fmt.money(value, self.currency, language(), sign=key == "tg")
        if key in PERCENT:
            return fmt.percent(value) if key in SIGNED else f"{value:,.2f}%"
        return fmt.number(value)
