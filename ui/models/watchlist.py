"""The watch-list: one record an instrument, changed in place by each row."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from PyQt5.QtCore import QObject

from domain.instruments import Instrument, Market
from ui import format as fmt
from ui.models.records import Records
from ui.models.series import RowSeries
from ui.models.table import LEFT, Column
from ui.text import language

SPARK_ROWS = 90


@dataclass(slots=True)
class Watch:
    """What the watch-list knows of one instrument; NaN until its first row."""

    index: int
    instrument: Instrument
    market: Market
    price: float = float("nan")
    change_pct: float = float("nan")
    strength: float = float("nan")
    value: float = float("nan")
    value_average: float = float("nan")
    day_value: float = float("nan")
    held: int = 0
    gap: bool = False
    spark: np.ndarray = field(default_factory=lambda: np.zeros(0))
    burst: float = 0.0
    moved: int = 0
    taken: int = 0

    @property
    def code(self) -> str:
        return self.instrument.code

    @property
    def name(self) -> str:
        return name_of(self.instrument)

    @property
    def step(self) -> float:
        return fmt.price_step(self.market, self.instrument, self.price)

    @property
    def spark_pct(self) -> float:
        """Change over the spark line in percent, NaN before its first row."""
        return float(self.spark[-1] / self.spark[0] - 1) * 100 if len(self.spark) and self.spark[0] > 0 else float("nan")

    def take(self, rows: RowSeries) -> None:
        """Read the newest row of the series."""
        tag = "1s" if rows.schema.interval_s == 1 else "1m"
        self.taken += 1
        before = self.price
        self.price = rows.last("last_price")
        self.moved = 0 if before != before or before == self.price else (1 if self.price > before else -1)
        self.change_pct = rows.last("change_pct")
        self.strength = rows.last("trade_strength")
        self.value = rows.last(f"value_{tag}")
        self.day_value = rows.last("day_value")
        recent = rows.column(f"value_{tag}")[-30:]
        self.value_average = float(recent.mean())
        self.burst = self.value / self.value_average if self.value_average > 0 else 0.0
        self.spark = rows.column("last_price")[-SPARK_ROWS:]


def name_of(instrument: Instrument) -> str:
    """Return the instrument's name in the window's language."""
    if language() == "en" and instrument.english_name:
        return instrument.english_name
    return instrument.name or instrument.code


def _turnover(value: float, record: Watch) -> str:
    return fmt.short_money(value * record.market.value_unit, record.market.currency, language())


COLUMNS = (
    Column("name", "ui.col.name", LEFT, lambda v, r: v, width=0, paint="name", tip=lambda r: f"{r.name}  {r.code}"),
    Column("price", "ui.col.price", format=lambda v, r: fmt.price(v, r.step), sign=lambda r: r.change_pct, width=10.5),
    Column(
        "change_pct",
        "ui.col.change",
        format=lambda v, r: f"{fmt.arrow(v)} {fmt.percent(v)}".strip(),
        sign=lambda r: r.change_pct,
        width=8,
    ),
    Column("strength", "ui.col.strength", format=lambda v, r: fmt.number(v), sign=lambda r: r.strength - 100, width=6),
    Column("value", "ui.col.value_s", format=_turnover, width=6, paint="burst"),
    Column("day_value", "ui.col.day_value", format=_turnover, width=9),
    Column("spark", "ui.col.spark", format=lambda v, r: "", width=5.5, paint="spark", sort=lambda r: r.spark_pct),
)


class WatchModel(Records):
    """The watch-list of one market, keyed by instrument index."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(COLUMNS, parent)
