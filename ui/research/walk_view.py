"""A walk-forward: its windows seen and unseen, the unseen days joined, and how the variables moved."""

from __future__ import annotations

from typing import Any

import numpy as np
from PyQt5.QtWidgets import QWidget

from ui import format as fmt
from ui.charts.study_charts import BarsChart, LinesChart
from ui.models.rows import RowModel, centred, number_column, percent_column, text_column
from ui.research.study_view import StudyView
from ui.research_data import FoundStudy, holding_unit, variables_text
from ui.text import language, tr
from ui.widgets.data_table import DataTable

COLUMNS = (
    number_column("window", "ui.col.window", 0, 5),
    centred("inside", "ui.col.in_days", 19),
    number_column("in_profit", "ui.col.in_profit", 0, 12, sign=True),
    centred("outside", "ui.col.out_days", 19),
    number_column("out_profit", "ui.col.out_profit", 0, 12, sign=True),
    number_column("out_trades", "ui.col.out_trades", 0, 8),
    percent_column("out_mdd", "ui.metric.mdd"),
    centred("kept", "ui.col.kept_set", 9),
    text_column("variables", "ui.col.variables", 0, tip=True),
)


class WalkView(StudyView):
    """Windows and unseen days in front of a study's own pictures."""

    walks = True
    head_word = "ui.panel.unseen"

    def make_pictures(self) -> list[tuple[QWidget, str]]:
        self.windows = RowModel(COLUMNS, self)
        self.window_table = DataTable(self.windows, "windowTable", "ui.empty.windows", tight=True)
        self.unseen = BarsChart("ui.empty.windows", self._money, bottom="ui.axis.day")
        self.unseen.show_legend(("up+down", "ui.legend.day"), ("warn", "ui.legend.total"))
        self.sides = BarsChart("ui.empty.windows", self._money, bottom="ui.axis.window")
        self.sides.show_legend(("muted", "ui.legend.inside"), ("accent", "ui.legend.outside"))
        self.moves = LinesChart("ui.empty.moves", lambda value: fmt.number(value), bottom="ui.axis.window")
        return [
            (self.unseen, "ui.tab.unseen"),
            (self.sides, "ui.tab.in_out"),
            (self.moves, "ui.tab.moves"),
            *super().make_pictures(),
        ]

    def make_tables(self) -> list[tuple[QWidget, str]]:
        return [(self.window_table, "ui.tab.windows"), *super().make_tables()]

    def show_found(self, found: FoundStudy) -> None:
        super().show_found(found)
        walked: dict[str, Any] = found.study.result.get("walk_forward") or {}
        windows = walked.get("windows", [])
        self.windows.show(
            {
                "window": [number for number, _ in enumerate(windows, start=1)],
                "inside": [_span(one["in"]) for one in windows],
                "outside": [_span(one["out"]) for one in windows],
                "in_profit": [one["in_metrics"]["tg"] for one in windows],
                "out_profit": [one["out_metrics"]["tg"] for one in windows],
                "out_trades": [one["out_metrics"]["tc"] for one in windows],
                "out_mdd": [one["out_metrics"]["mdd"] for one in windows],
                "kept": [tr("ui.walk.kept") if one["kept"] else fmt.DASH for one in windows],
                "variables": [variables_text(one["vars"], found.moved) for one in windows],
            }
            if windows
            else {}
        )
        self.tabs.show_count(self.window_table, len(windows))
        numbers = np.arange(1.0, len(windows) + 1.0)
        # A day's profit, so that a long seen window and a short unseen one can be laid side by side.
        inside = np.array([one["in_metrics"]["tg"] / max(one["in_days"], 1) for one in windows])
        outside = np.array([one["out_metrics"]["tg"] / max(one["out_days"], 1) for one in windows])
        self.sides.show_bars(numbers, [(inside, "muted"), (outside, "accent")])
        daily = np.array(walked.get("daily_profit", []), float)
        self.unseen.show_bars(np.arange(1.0, len(daily) + 1.0), [(daily, "")], np.cumsum(daily))
        moved = walked.get("stability", [])
        self.moves.show_lines([(f"self.vars[{one['index']}]", numbers, np.asarray(one["values"], float)) for one in moved])
        self.pictures.setCurrentIndex(0)
        self.tabs.setCurrentIndex(0)
        metrics = walked.get("metrics")
        if metrics:
            market = self.desk.market(found.study.passport["market"])
            figures = {key: float(value) for key, value in metrics.items()}
            self.metrics.show_metrics(figures, market.currency, holding_unit(found.study.passport))

    def _money(self, value: float) -> str:
        market = self.desk.market(self.found.study.passport["market"]).currency if self.found is not None else "KRW"
        return fmt.short_money(value, market, language())


def _span(days: list[int]) -> str:
    return " – ".join(f"{str(day)[2:4]}-{str(day)[4:6]}-{str(day)[6:8]}" for day in days)
