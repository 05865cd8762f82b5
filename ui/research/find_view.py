"""The finder: what followed the rows where a condition held, against chance, by hour and symbol; and the rows themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QLabel, QSplitter, QVBoxLayout, QWidget

from domain.errors import DataError
from ui import format as fmt
from ui.charts.study_charts import BarsChart
from ui.models.rows import RowModel, number_column, percent_column, price_column, row_moment, text_column
from ui.models.table import CENTRE, Column
from ui.research.session import Task
from ui.research.view import Desk, Tabs, View
from ui.text import on_language, tr, word
from ui.widgets.data_table import DataTable
from ui.widgets.panel import Panel

HITS_MAX = 500_000
QUANTILES = ("p5", "p25", "p50", "p75", "p95", "mean")
KNOWN: dict[str, Column] = {
    "code": text_column("code", "ui.col.name", 0),
    "row_time": Column("row_time", "ui.col.row_time", CENTRE, lambda v, r: row_moment(v), tone=lambda r: "muted", width=17),
    "side": Column("side", "ui.col.side", CENTRE, lambda v, r: word("ui.position", str(v)), width=7),
    "last_price": price_column("last_price", "ui.col.price"),
    "best_pct": percent_column("best_pct", "ui.col.best_pct", 9, sign=True, decimals=3),
    "worst_pct": percent_column("worst_pct", "ui.col.worst_pct", 9, sign=True, decimals=3),
    "end_pct": percent_column("end_pct", "ui.col.end_pct", 9, sign=True, decimals=3),
    "rows_to_best": number_column("rows_to_best", "ui.col.rows_to_best", 0, 9),
}

MOVE_COLUMNS = tuple(percent_column(key, f"ui.col.{key}", 8, sign=True, decimals=3) for key in QUANTILES)
SYMBOL_COLUMNS = (
    text_column("code", "ui.col.name", 0),
    number_column("hits", "ui.col.hits", 0, 9),
    *(KNOWN[key] for key in ("best_pct", "worst_pct", "end_pct")),
)


class FindView(View):
    """Shows the answer of one search for rows."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(desk, parent)
        self.result: dict[str, Any] = {}
        self.said = QLabel()
        self.said.setObjectName("findSentence")
        self.said.setWordWrap(True)
        self.said.setContentsMargins(12, 8, 12, 8)
        self.moves = RowModel((text_column("move", "ui.col.move", 0), *MOVE_COLUMNS), self)
        self.moves_table = DataTable(self.moves, "movesTable", "ui.empty.find", tight=True)
        self.by_hour = BarsChart("ui.empty.find", lambda value: f"{fmt.number(value, 3)}%", bottom="ui.axis.hour")
        self.by_hour.show_legend(("up+down", "ui.legend.end"))
        self.symbols = RowModel(SYMBOL_COLUMNS, self)
        self.symbol_table = DataTable(self.symbols, "symbolTable", "ui.empty.find", tight=True)
        pages = [(self.moves_table, "ui.tab.moves_after"), (self.by_hour, "ui.tab.by_hour"), (self.symbol_table, "ui.tab.by_symbol")]
        self.pictures = Tabs("findPictures", pages)
        self.holder = QWidget()
        self.column = QVBoxLayout(self.holder)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.table: DataTable | None = None
        self.empty = "ui.empty.find"
        self._show_hits({})
        down = QSplitter(Qt.Vertical)
        down.setHandleWidth(6)
        down.setChildrenCollapsible(False)
        down.addWidget(Panel("", self.pictures))
        down.addWidget(Panel("ui.panel.hits", self.holder))
        down.setSizes([190, 450])
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(6)
        outer.addWidget(Panel("", self.said))
        outer.addWidget(down, 1)
        on_language(self, self._say)
        self._say()

    def end(self, task: Task) -> None:
        if task.state == "done" and "hits" in task.result:
            self.show_result(task.result)

    def show_result(self, result: dict[str, Any]) -> None:
        """Show the answer of `find`."""
        self.result = result
        self.empty = "ui.empty.find" if result["hits"] else "ui.empty.no_hits"
        for one in (self.moves_table, self.by_hour, self.symbol_table):
            one.empty = self.empty
        groups = result["by_symbol"]
        figures = {key: [one[key] for one in groups.values()] for key in ("hits", "best_pct", "worst_pct", "end_pct")}
        self.symbols.show({"code": list(groups), **figures})
        hours = result["by_hour"]
        at = np.array([float(hour) for hour in hours])
        self.by_hour.show_bars(at, [(np.array([one["end_pct"] for one in hours.values()], float), "")])
        self._say()
        self.job(lambda: read_hits(Path(result["path"])), self._show_hits)

    def _show_hits(self, columns: dict[str, Any]) -> None:
        """Lay a table of the hits' own columns in the place of the last one."""
        names = list(columns) or list(KNOWN)
        model = RowModel([KNOWN.get(name) or number_column(name, name, 4, 12) for name in names], self)
        table = DataTable(model, "hitTable", self.empty, tight=True)
        if self.table is not None:
            self.column.removeWidget(self.table)
            self.table.deleteLater()
        self.table, self.hits = table, model
        self.column.addWidget(table)
        model.show(columns)

    def _say(self) -> None:
        result = self.result
        if not result:
            self.said.setText(tr("ui.empty.find"))
            return
        lines = [tr("find.done", **{**result, "source": word("ui.source", result["source"])})]
        if not result["hits"]:
            lines.append(tr("find.none" if result["held"] else "find.never", ahead=result["ahead"]))
        elif result["rise"] is not None:
            shares = {"share": result["share"] * 100.0, "base": result["base_share"] * 100.0}
            lines.append(tr("find.against_chance", **shares, rise=result["rise"], ahead=result["ahead"]))
        self.said.setText("\n".join(lines))
        moves = result["moves"]
        names = [tr(f"find.{name}", ahead=result["ahead"]) for name in moves]
        figures = {key: [one.get(key, float("nan")) for one in moves.values()] for key in QUANTILES}
        self.moves.show({"move": names, **figures} if moves else {})


def read_hits(path: Path) -> dict[str, Any]:
    """Return the columns of a file of hits; DataError when it is gone or damaged."""
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path).slice(0, HITS_MAX)
    except (OSError, ValueError) as error:
        raise DataError("ui.research.no_trades_file", path=str(path), reason=str(error)) from error
    return {name: table.column(name).to_numpy() for name in table.column_names}
