"""A search: its way to the best set, every trial, the front of several goals, a map of two variables; and the studies there are."""

from __future__ import annotations

from typing import Any

import numpy as np
from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSplitter, QVBoxLayout, QWidget

from backtester.figures import NO_TRADES, OUT_OF_LIMITS
from ui import format as fmt
from ui.charts.result_charts import BestChart
from ui.charts.study_charts import MapChart, ScatterChart
from ui.models.runs import METRICS, TrialModel, TrialRecord
from ui.models.studies import StudyModel, StudyRecord
from ui.research.session import Task
from ui.research.view import Desk, Tabs, View, small_button
from ui.research_data import FoundStudy, holding_unit, read_searches, read_study
from ui.text import Said, bind, language, on_language, word
from ui.widgets.badge import Badge
from ui.widgets.data_table import DataTable
from ui.widgets.metric_grid import MetricGrid
from ui.widgets.panel import Panel, muted

OUTCOMES = {"pass": "ok", "fail": "danger", "unproven": "warn"}
"""Token of each outcome of the court."""


class StudyView(View):
    """Shows the study under way, then the stored one."""

    walks = False
    """Whether it lists walk-forwards, or the searches that are none."""
    head_word = "ui.panel.best"
    """Of the panel with the figures."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(desk, parent)
        self.found: FoundStudy | None = None
        self._is_running = False
        self.trials, self.studies = TrialModel(self), StudyModel(self)
        self.metrics = MetricGrid(columns=4)
        self.sentence = QLabel()
        self.sentence.setObjectName("studySentence")
        self.sentence.setWordWrap(True)
        self.sentence.setContentsMargins(10, 4, 10, 6)
        self.sentence.hide()
        self.best = BestChart(_score)
        self.front = ScatterChart(_score)
        self.map = MapChart("ui.empty.map", _score)
        self.trial_table = DataTable(self.trials, "trialTable", "ui.empty.trials", tight=True)
        self.study_table = DataTable(self.studies, "studyTable", "ui.empty.studies", tight=True)
        self.x, self.y = self._chooser("mapX"), self._chooser("mapY")
        self.goal_x, self.goal_y = self._chooser("frontX"), self._chooser("frontY")
        self.pictures = Tabs("researchPictures", self.make_pictures())
        self.tabs = Tabs("researchTabs", self.make_tables())
        self._lay_out()
        self.study_table.opened.connect(lambda record: self.show_study(record.study))
        on_language(self, self._say)

    def make_pictures(self) -> list[tuple[QWidget, str]]:
        """Return the pictures with the codes of their labels."""
        return [
            (self.best, "ui.tab.best"),
            (_with(self.front, self.goal_x, self.goal_y), "ui.tab.front"),
            (_with(self.map, self.x, self.y), "ui.tab.map"),
        ]

    def make_tables(self) -> list[tuple[QWidget, str]]:
        """Return the tables with the codes of their labels."""
        return [(self.trial_table, "ui.tab.trials"), (self.study_table, "ui.tab.studies")]

    def _lay_out(self) -> None:
        body = QWidget()
        inner = QVBoxLayout(body)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(0)
        inner.addWidget(self.metrics)
        inner.addWidget(self.sentence)
        head = Panel(self.head_word, body)
        self.badge = Badge("studyVerdict")
        self.badge.hide()
        head.add_tool(self.badge)
        head.add_tool(small_button("resumeStudy", "ui.action.resume_study", self.resume_chosen))
        head.add_tool(small_button("judgeStudy", "ui.action.judge", self.judge))
        self.down = QSplitter(Qt.Vertical)
        self.down.setHandleWidth(6)
        self.down.setChildrenCollapsible(False)
        for widget in (Panel("", self.pictures), head, Panel("", self.tabs)):
            self.down.addWidget(widget)
        self.down.setStretchFactor(0, 3)
        self.down.setStretchFactor(2, 2)
        self.down.setSizes([300, 170, 250])
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.down)

    def _chooser(self, name: str) -> QComboBox:
        combo = QComboBox()
        combo.setObjectName(name)
        combo.setSizeAdjustPolicy(QComboBox.AdjustToMinimumContentsLengthWithIcon)
        combo.setMinimumContentsLength(10)
        bind(combo, "setAccessibleName", f"ui.chooser.{name}")
        combo.activated.connect(lambda _: self._draw())
        return combo

    # --- the command ------------------------------------------------------------------------------------

    def start(self) -> None:
        self.job(lambda: read_searches(self.desk.data_dir, self.walks), self._list)

    def begin(self, task: Task) -> None:
        self.found = None
        self._is_running = True
        self.best.empty = "ui.empty.best"
        self.badge.hide()
        self.trials.clear()
        self.best.begin()
        self.metrics.show_metrics({}, "KRW", 1)
        self.sentence.hide()
        self.pictures.setCurrentIndex(0)
        self.tabs.setCurrentIndex(0)

    def tell(self, task: Task, told: dict[str, Any]) -> None:
        score = told.get("best")
        if isinstance(score, int | float) and "done" in told and not str(told.get("note", "")).startswith("verdict"):
            self.best.tell(float(told["done"]), float(score))
            known = self.trials.records[-1].score if self.trials.records else float("-inf")
            if score > known:
                number = self.trials.count + 1
                self.trials.upsert([(number, TrialRecord(number, float(score), "", {}, True))])
                self.tabs.show_count(self.trial_table, self.trials.count)

    def end(self, task: Task) -> None:
        self._is_running = False
        self.start()
        if task.study:
            self.show_study(task.study)

    # --- a stored study -----------------------------------------------------------------------------------

    def _list(self, found: list[tuple[Any, int]]) -> None:
        rows = [StudyRecord.of(one, trials) for one, trials in found]
        self.studies.replace([(one.study, one) for one in rows])
        self.tabs.show_count(self.study_table, len(rows))
        if not self.trials.count and self.found is None and rows and not self._is_running:
            self.tabs.setCurrentWidget(self.study_table)
            if rows[0].state != "done":
                self.left_over.emit(rows[0].study)

    def show_study(self, name: str) -> None:
        """Read a study and show it."""
        self.job(lambda: read_study(self.desk.data_dir, name), self.show_found)

    def show_found(self, found: FoundStudy) -> None:
        """Show a stored study."""
        self.found = found
        self.trials.replace([(trial.number, trial) for trial in found.trials])
        self.tabs.show_count(self.trial_table, len(found.trials))
        self.tabs.setCurrentIndex(0)
        self.best.begin()
        self.best.empty = "optimise.no_trades" if len(found.scores) else "ui.empty.best"
        self.best.show_scores(np.where((found.scores == NO_TRADES) | (found.scores == OUT_OF_LIMITS), np.nan, found.scores))
        self.trial_table.sortByColumn(2, Qt.DescendingOrder)
        passport = found.study.passport
        best = (found.study.result.get("best") or {}).get("metrics") or {}
        figures = {key: float(value) for key, value in best.items() if key in METRICS and isinstance(value, int | float)}
        self.metrics.show_metrics(figures, self.desk.market(passport["market"]).currency, holding_unit(passport))
        goals = [text.partition(":")[0] for text in str(passport["plan"]["options"].get("goals", "")).split(",") if text]
        self._fill(self.goal_x, [(key, "") for key in METRICS], (goals + ["mdd"])[1] if len(goals) > 1 else "mdd", "ui.metric")
        self._fill(self.goal_y, [(key, "") for key in METRICS], goals[0] if goals else "tg", "ui.metric")
        moved = [(str(index), f"self.vars[{index}]") for index in found.moved]
        self._fill(self.x, moved, moved[0][0] if moved else "", "")
        self._fill(self.y, moved, moved[1][0] if len(moved) > 1 else "", "")
        self._draw()
        self._say()
        self.picked.emit({"subject": found.study.study})
        self.job(lambda: _verdict(self.desk.data_dir, found.study.study), self._judged)

    def _judged(self, found: tuple[str, dict[str, Any] | None]) -> None:
        if self.found is None or self.found.study.study != found[0]:
            return
        body = found[1]
        self.sentence.setVisible(body is not None)
        self.badge.setVisible(body is not None)
        if body is not None:
            result = body["verdict"]["result"]
            self.badge.show_word(f"ui.verdict.{result}", OUTCOMES[result], solid=True)
        self._spoken = {} if body is None else dict(body["verdict"]["sentence"])
        self._say()

    _spoken: dict[str, str] = {}

    def _say(self) -> None:
        self.sentence.setText(self._spoken.get(language(), ""))
        for combo, prefix in ((self.goal_x, "ui.metric"), (self.goal_y, "ui.metric")):
            for place in range(combo.count()):
                combo.setItemText(place, word(prefix, combo.itemData(place)))

    def _fill(self, combo: QComboBox, values: list[tuple[str, str]], chosen: str, prefix: str) -> None:
        combo.clear()
        for value, label in values:
            combo.addItem(label or word(prefix, value), value)
        combo.setCurrentIndex(max(combo.findData(chosen), 0) if values else -1)

    def _draw(self) -> None:
        """Draw front and map for what is chosen."""
        found = self.found
        if found is None or not len(found.scores):
            return
        x, y = self.goal_x.currentData(), self.goal_y.currentData()
        if x in found.metrics and y in found.metrics:
            on_front = np.array([trial.front for trial in found.trials], bool)
            fair = (found.scores != NO_TRADES) & (found.scores != OUT_OF_LIMITS)
            self.front.show_points(np.where(fair, found.metrics[x], np.nan), found.metrics[y], on_front)
        a, b = self.x.currentData(), self.y.currentData()
        if a is None or b is None or a == b:
            self.map.show_map([], [], [], ("", ""))
            return
        names = (f"self.vars[{a}]", f"self.vars[{b}]")
        objective = str(found.study.passport["plan"].get("objective", ""))
        self.map.show_what("ui.map.best", objective=Said(lambda: word("ui.objective", objective)))
        self.map.show_map(*best_by_pair(found.vectors[:, int(a)], found.vectors[:, int(b)], found.scores), names)

    # --- what can be done with it -------------------------------------------------------------------------

    def judge(self) -> None:
        """Take the study to the court."""
        record = self.study_table.current_record()
        name = self.found.study.study if self.found is not None else record.study if record is not None else ""
        if name:
            self.go.emit("verdict", {"subject": name})
        else:
            self.told.emit("ui.research.choose_study", {})

    def resume_chosen(self) -> None:
        """Go on with the study that is chosen in the list."""
        record = self.study_table.current_record()
        if record is None:
            self.tabs.setCurrentWidget(self.study_table)
            self.told.emit("ui.research.choose_study", {})
        elif record.state == "done":
            self.told.emit("ui.research.study_done", {"study": record.study})
        else:
            self.resume_asked.emit(record.study)


def best_by_pair(x: np.ndarray, y: np.ndarray, scores: np.ndarray) -> tuple[list[float], list[float], np.ndarray]:
    """Return the values of two variables and the best score of each pair, rows by `y`; NaN where no set was fair."""
    xs, at = np.unique(x, return_inverse=True)
    ys, up = np.unique(y, return_inverse=True)
    table = np.full((len(ys), len(xs)), -np.inf)
    fair = (scores != NO_TRADES) & (scores != OUT_OF_LIMITS) & np.isfinite(scores)
    np.maximum.at(table, (up[fair], at[fair]), scores[fair])
    return xs.tolist(), ys.tolist(), np.where(np.isfinite(table), table, np.nan)


def _with(chart: QWidget, x: QComboBox, y: QComboBox) -> QWidget:
    """Return a chart with the two choosers of its axes above it."""
    page = QWidget()
    column = QVBoxLayout(page)
    column.setContentsMargins(0, 4, 0, 0)
    column.setSpacing(4)
    row = QHBoxLayout()
    row.setContentsMargins(10, 0, 10, 0)
    for code, combo in (("ui.chooser.x", x), ("ui.chooser.y", y)):
        row.addWidget(muted(code))
        row.addWidget(combo)
    row.addStretch(1)
    column.addLayout(row)
    column.addWidget(chart, 1)
    return page


def _score(value: float) -> str:
    return fmt.short_number(value, language())


def _verdict(data_dir: Any, study: str) -> tuple[str, dict[str, Any] | None]:
    from storage.studies import Studies
    from utility.paths import DataDir

    found = Studies(DataDir(data_dir).user_library).verdict_of(subject=f"study:{study}")
    return study, None if found is None else found.body
