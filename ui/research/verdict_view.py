"""A verdict: the sentence, the figures with their limits, and the pictures behind them."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
from PyQt5.QtWidgets import QFrame, QHBoxLayout, QLabel, QSplitter, QVBoxLayout, QWidget

from ui import format as fmt
from ui.charts.study_charts import BarsChart, FanChart, LinesChart, MapChart
from ui.models.rows import RowModel, centred, number_column, percent_column, text_column
from ui.models.verdict_figures import figure_rows
from ui.research.session import Task
from ui.research.view import Desk, Tabs, View
from ui.research_data import read_runs, read_studies
from ui.text import language, on_language, tr, word
from ui.theme.style import THEME, colour
from ui.widgets.badge import Badge
from ui.widgets.data_table import DataTable
from ui.widgets.panel import Panel

TONES = {"pass": "ok", "fail": "danger", "unproven": "warn", "unknown": "warn", "": "muted"}
FIGURE_COLUMNS = (
    text_column("name", "ui.col.figure", 0, tip=True),
    centred("value", "ui.col.value", 11),
    centred("limit", "ui.col.limit", 5, tone=lambda r: "muted"),
    centred("state", "ui.col.judged", 8, tone=lambda r: TONES.get(r.tone, "muted")),
)
STRESS_COLUMNS = (
    text_column("kind", "ui.col.stress", 0),
    number_column("profit", "ui.metric.tg", 0, 13, sign=True),
    number_column("trades", "ui.metric.tc", 0, 8),
    percent_column("mdd", "ui.metric.mdd"),
    percent_column("wr", "ui.metric.wr"),
)
WHOLE = ("trades", "days", "walk_trades", "walk_days", "trials", "track_record")
MONEY = ("profit", "unseen")


class VerdictView(View):
    """Shows what the court said of a run or a study."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(desk, parent)
        self.body: dict[str, Any] = {}
        self.badge = Badge("verdictBadge")
        self.sentence = QLabel()
        self.sentence.setObjectName("verdictSentence")
        self.sentence.setWordWrap(True)
        self.sentence.setProperty("role", "title")
        self.about = QLabel()
        self.about.setObjectName("verdictAbout")
        self.about.setProperty("role", "muted")
        self.reasons = QLabel()
        self.reasons.setObjectName("verdictReasons")
        self.reasons.setWordWrap(True)
        self.figures, self.stress = RowModel(FIGURE_COLUMNS, self), RowModel(STRESS_COLUMNS, self)
        self.figure_table = DataTable(self.figures, "figureTable", "ui.empty.verdict", tight=True)
        self.stress_table = DataTable(self.stress, "stressTable", "ui.empty.verdict", tight=True)
        self.fan = FanChart(self._money)
        self.map = MapChart("ui.empty.verdict_map", self._short)
        self.map.show_what("ui.map.around")
        self.sweeps = LinesChart("ui.empty.verdict_map", self._short, bottom="ui.axis.step")
        self.paths = BarsChart("ui.empty.paths", self._money, bottom="ui.axis.path")
        self.paths.show_legend(("up+down", "ui.legend.path"))
        self.logits = BarsChart("ui.empty.logits", lambda value: fmt.number(value, 0), bottom="ui.axis.logit")
        self.logits.show_legend(("accent", "ui.legend.logit"))
        self.pictures = Tabs(
            "verdictPictures",
            [
                (self.fan, "ui.tab.fan"),
                (self.map, "ui.tab.sensitivity"),
                (self.sweeps, "ui.tab.sweeps"),
                (self.paths, "ui.tab.paths"),
                (self.logits, "ui.tab.logits"),
                (self.stress_table, "ui.tab.stress"),
            ],
        )
        self._lay_out()
        THEME.changed.connect(self._say)
        on_language(self, self._say)
        self._say()

    def _lay_out(self) -> None:
        top = QFrame()
        head = QVBoxLayout(top)
        head.setContentsMargins(12, 8, 12, 10)
        head.setSpacing(6)
        row = QHBoxLayout()
        row.addWidget(self.badge)
        row.addWidget(self.about, 1)
        head.addLayout(row)
        head.addWidget(self.sentence)
        head.addWidget(self.reasons)
        across = QSplitter()
        across.setHandleWidth(6)
        across.setChildrenCollapsible(False)
        across.addWidget(Panel("ui.panel.figures", self.figure_table))
        across.addWidget(Panel("", self.pictures))
        across.setSizes([470, 510])
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(Panel("ui.panel.verdict", top))
        column.addWidget(across, 1)

    def start(self) -> None:
        def done(found: tuple[list[Any], list[Any]]) -> None:
            runs, studies = found
            values = [(one.study, f"{one.study} · {one.passport.get('strategy', '')}") for one in studies if one.state != "running"]
            values += [(str(one.run), f"{one.run} · {one.passport.get('strategy', '')}") for one in runs]
            self.picked.emit({"offer": {"subject": values}})

        self.job(lambda: (read_runs(self.desk.data_dir, 200), read_studies(self.desk.data_dir, 200)), done)

    def end(self, task: Task) -> None:
        if task.state == "done" and "verdict" in task.result:
            self.show_verdict(task.result)

    def show_verdict(self, body: dict[str, Any]) -> None:
        """Show a verdict's body (docs/research.md)."""
        self.body = body
        around, chance = body["sensitivity"], body["overfitting"]
        found = around["map"]
        if found is None:
            self.map.show_map([], [], [], ("", ""))
        else:
            own = body["vars"]
            names = (f"self.vars[{found['x']}]", f"self.vars[{found['y']}]")
            self.map.show_map(found["xs"], found["ys"], found["scores"], names, (own[found["x"]], own[found["y"]]))
        lines = []
        for one in around["variables"]:
            scores = np.array([np.nan if score is None else score for score in one["scores"]], float)
            known = np.isfinite(scores)
            if known.any():
                # In steps from the own value, so that variables of different size share one axis.
                steps = np.arange(len(scores), dtype=float) - one["values"].index(one["centre"])
                lines.append((f"self.vars[{one['index']}]", steps[known], scores[known]))
        self.sweeps.show_lines(lines)
        paths = chance["paths"]
        profit = np.array(paths["profit"] if paths is not None else [], float)
        self.paths.show_bars(np.arange(1.0, len(profit) + 1.0), [(profit, "")])
        logits = chance.get("logits")
        if logits is None:
            self.logits.show_bars(np.zeros(0), [])
        else:
            edges = np.array(logits["edges"], float)
            self.logits.show_bars((edges[1:] + edges[:-1]) / 2, [(np.array(logits["counts"], float), "accent")])
        days = body["monte_carlo"]["days"]
        self.fan.show_fan(days.get("fan") if days is not None else None)
        self._say()

    def _say(self) -> None:
        body = self.body
        if not body:
            self.badge.show_word("ui.verdict.none", "muted")
            self.sentence.setText(tr("ui.empty.verdict"))
            return
        verdict = body["verdict"]
        self.badge.show_word(f"ui.verdict.{verdict['result']}", TONES[verdict["result"]], solid=True)
        self.sentence.setText(verdict["sentence"][language()])
        about = {"subject": body["subject"].partition(":")[2], "strategy": body["strategy"], "market": word("ui.market", body["market"])}
        self.about.setText(tr("ui.verdict.about", **about))
        marks = {True: tr("verdict.against"), False: tr("verdict.missing")}
        tints = {True: colour("danger").name(), False: colour("warn").name()}
        said = [(one["against"], html.escape(one["sentence"][language()])) for one in verdict["reasons"]]
        lines = [
            f'<tr><td style="color:{tints[against]}; padding-right:10px">{marks[against]}</td><td>{text}</td></tr>'
            for against, text in said
        ]
        self.reasons.setText(f'<table cellspacing="1">{"".join(lines)}</table>')
        self.reasons.setVisible(bool(verdict["reasons"]))
        rows = figure_rows(body)
        self.figures.show(
            {
                "name": [tr(f"ui.figure.{name}") for name, *_ in rows],
                "value": [self._figure(name, value) for name, value, *_ in rows],
                "limit": [limit for *_, limit, _ in rows],
                "state": [tr(f"ui.judged.{state}") if state else "" for *_, state in rows],
                "tone": [state for *_, state in rows],
            }
        )
        stress = body["stress"]
        self.stress.show(
            {
                "kind": [tr(f"verdict.stress.{kind}") for kind in stress],
                "profit": [one["profit"] for one in stress.values()],
                "trades": [one["metrics"]["tc"] for one in stress.values()],
                "mdd": [one["metrics"]["mdd"] for one in stress.values()],
                "wr": [one["metrics"]["wr"] for one in stress.values()],
            }
        )

    def _figure(self, name: str, value: Any) -> str:
        if not isinstance(value, int | float):
            return fmt.DASH
        if name in MONEY:
            return fmt.money(value, str(self.body.get("currency", "KRW")), language())
        return fmt.integer(value) if name in WHOLE else fmt.number(value, 3)

    def _money(self, value: float) -> str:
        return fmt.short_money(value, str(self.body.get("currency", "KRW")), language())

    def _short(self, value: float) -> str:
        return fmt.short_money(value, str(self.body.get("currency", "KRW")), language()) if abs(value) >= 1000 else fmt.number(value)
