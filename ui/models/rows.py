"""Tables whose columns are known only when their rows are: hits of the finder, windows of a walk-forward, figures of a verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from PyQt5.QtCore import QObject

from ui import format as fmt
from ui.models.records import Records
from ui.models.studies import moment
from ui.models.table import CENTRE, LEFT, Column


class Row:
    """One row of columns kept as arrays or lists: nothing of it is copied, so a million rows cost a million small objects."""

    __slots__ = ("_columns", "number")

    def __init__(self, columns: Mapping[str, Sequence[Any]], number: int) -> None:
        self._columns, self.number = columns, number

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._columns:
            raise AttributeError(name)
        value = self._columns[name][self.number]
        return value.item() if hasattr(value, "item") else value


class RowModel(Records):
    """Rows of arrays under the columns that are declared."""

    def __init__(self, columns: Sequence[Column], parent: QObject | None = None) -> None:
        super().__init__(columns, parent)

    def show(self, columns: Mapping[str, Sequence[Any]]) -> None:
        """Show the rows of equally long columns."""
        count = len(next(iter(columns.values()))) if columns else 0
        self.replace([(number, Row(columns, number)) for number in range(count)])


def text_column(key: str, label: str, width: float = 0, tip: bool = False, tone: Callable[[Any], str] | None = None) -> Column:
    """Return a column of texts."""
    return Column(key, label, LEFT, lambda v, r: str(v), tone=tone, tip=(lambda r: str(getattr(r, key))) if tip else None, width=width)


def number_column(key: str, label: str, decimals: int = 2, width: float = 10, sign: bool = False) -> Column:
    """Return a column of numbers; with `sign` rises and falls are painted."""
    return Column(
        key,
        label,
        format=lambda v, r: fmt.number(v, decimals) if isinstance(v, int | float) else str(v),
        sign=(lambda r: getattr(r, key)) if sign else None,
        width=width,
    )


def percent_column(key: str, label: str, width: float = 8, sign: bool = False, decimals: int = 2) -> Column:
    """Return a column of percentages, their sign of percent with each."""

    def said(value: Any, record: Any) -> str:
        return fmt.DASH if fmt.missing(value) else f"{value:,.{decimals}f}%"

    return Column(key, label, format=said, sign=(lambda r: getattr(r, key)) if sign else None, width=width)


def price_column(key: str, label: str, width: float = 12) -> Column:
    """Return a column of prices, each with the decimals it has."""
    return Column(key, label, format=lambda v, r: fmt.price(v), width=width)


def centred(key: str, label: str, width: float = 10, tone: Callable[[Any], str] | None = None) -> Column:
    """Return a column of short words."""
    return Column(key, label, CENTRE, lambda v, r: str(v), tone=tone, width=width)


def row_moment(value: int) -> str:
    """Return a row time of a market's clock as day and clock; nanoseconds of an event as KST."""
    text = str(value)
    if len(text) in (12, 14):
        clock = text[8:].ljust(6, "0")
        return f"{text[:4]}-{text[4:6]}-{text[6:8]} {clock[:2]}:{clock[2:4]}:{clock[4:6]}"
    return moment(value) if len(text) > 14 else text
