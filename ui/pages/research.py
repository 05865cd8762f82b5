"""The Research tab: backtest and search as processes; progress, best so far, trials, metrics, equity, trades on the chart."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QSplitter,
    QTabWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from domain.errors import InputError, StomError
from domain.instruments import Market
from domain.settings import Settings
from ui import format as fmt
from ui.actions import Actions
from ui.charts.result_charts import BestChart, EquityChart
from ui.jobs import Jobs
from ui.library import Library, StrategyDoc
from ui.models.research_request import BACKTEST, LINES, ResearchRequest, grid_size, propose_ranges, split_lines
from ui.models.runs import RunModel, RunRecord, TradeRow, TradeRowModel, TrialModel, TrialRecord
from ui.process_runner import ProcessRunner
from ui.research_data import read_study, read_trade_rows, read_trades
from ui.text import bind, language, on_language, tr
from ui.widgets.data_table import DataTable
from ui.widgets.metric_grid import MetricGrid
from ui.widgets.panel import Panel
from ui.widgets.research_form import ResearchForm
from ui.widgets.trade_chart import TradeChart

LEFT_WIDTH = 366
"""Of the form in its panel: the least at which nothing of it is cut."""
TOO_MANY = "optimise.too_many"
"""Code of the command's question whether so many evaluations are meant."""
TOOLS = ("run_backtest", "run_search")


class ResearchPage(QWidget):
    """Form at the left, results at the right.

    Signals
    -------
    told(str, dict) : a code and fields for the notice line.
    """

    told = pyqtSignal(str, object)

    def __init__(
        self,
        library: Library,
        markets: tuple[Market, ...],
        settings: Settings,
        data_dir: Path,
        actions: Actions,
        jobs: Jobs,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("researchPage")
        self.library, self.jobs, self.data_dir = library, jobs, data_dir
        self.runner = ProcessRunner(self)
        self.runner.progressed.connect(self._progressed)
        self.runner.finished.connect(self._finished)
        self.runner.failed.connect(self._failed)
        self.runs, self.trials, self.trades = RunModel(self), TrialModel(self), TradeRowModel(self)
        self.form = ResearchForm(markets, settings)
        self.metrics = MetricGrid(columns=5)
        self.equity = EquityChart(self._money)
        self.best = BestChart(lambda value: fmt.number(value))
        self.trade_chart = TradeChart()
        self.run_table = DataTable(self.runs, "runTable", "ui.empty.runs")
        self.trial_table = DataTable(self.trials, "trialTable", "ui.empty.trials")
        self.trade_table = DataTable(self.trades, "tradeRowTable", "ui.empty.trade_rows")
        self.current: RunRecord | None = None
        self.shown: RunRecord | None = None
        self._number = 0
        self._began = 0.0
        self._names: list[str] = []
        self._lay_out(actions)
        self.run_table.chosen.connect(self.show_run)
        self.trade_table.opened.connect(self.open_trade)
        self.equity.picked.connect(self._pick_trade)
        on_language(self, self._relabel)
        self._relabel()
        self._started = False

    def _lay_out(self, actions: Actions) -> None:
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        scroll.setWidget(self.form)
        buttons = QWidget()
        row = QHBoxLayout(buttons)
        row.setContentsMargins(10, 4, 10, 6)
        row.setSpacing(4)
        self.tools: dict[str, QToolButton] = {}
        for name in TOOLS:
            button = QToolButton()
            button.setObjectName(f"tool_{name}")
            button.setToolButtonStyle(Qt.ToolButtonTextBesideIcon)
            button.setDefaultAction(actions[name])
            button.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Fixed)
            button.setMinimumHeight(30)
            row.addWidget(button, 1)
            self.tools[name] = button
        self.propose_button = QPushButton()
        self.propose_button.setObjectName("proposeRanges")
        self.propose_button.setProperty("kind", "small")
        bind(self.propose_button, "setText", "ui.research.propose")
        bind(self.propose_button, "setToolTip", "ui.research.propose.tip")
        self.propose_button.clicked.connect(self.propose)
        inputs = QWidget()
        column = QVBoxLayout(inputs)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(scroll, 1)
        column.addWidget(buttons)
        left = Panel("ui.panel.research", inputs)
        left.add_tool(self.propose_button)
        self.bar = QProgressBar()
        self.bar.setObjectName("researchProgress")
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.progress_text = QLabel()
        self.progress_text.setObjectName("researchProgressText")
        self.progress_text.setProperty("role", "muted")
        self.stop_button = QPushButton()
        self.stop_button.setObjectName("researchStop")
        self.stop_button.setProperty("kind", "danger")
        bind(self.stop_button, "setText", "ui.action.stop_research")
        self.stop_button.clicked.connect(actions["stop_research"].trigger)
        self.stop_button.setEnabled(False)
        strip = QWidget()
        strip_row = QHBoxLayout(strip)
        strip_row.setContentsMargins(8, 5, 8, 5)
        strip_row.setSpacing(10)
        strip_row.addWidget(self.bar, 2)
        strip_row.addWidget(self.progress_text, 3)
        strip_row.addWidget(self.stop_button)
        self.tabs = QTabWidget()
        self.tabs.setObjectName("researchTabs")
        for widget in (self.run_table, self.trial_table, self.trade_table):
            self.tabs.addTab(widget, "")
        self.pictures = QTabWidget()
        self.pictures.setObjectName("researchPictures")
        for widget in (self.equity, self.best, self.trade_chart):
            self.pictures.addTab(widget, "")
        self.down = QSplitter(Qt.Vertical)
        self.down.setHandleWidth(6)
        self.down.addWidget(Panel("", self.pictures))
        self.down.addWidget(Panel("ui.panel.metrics", self.metrics))
        self.down.addWidget(Panel("", self.tabs))
        self.down.setStretchFactor(0, 3)
        self.down.setStretchFactor(2, 2)
        self.down.setSizes([400, 104, 280])
        self.down.setChildrenCollapsible(False)
        right = QWidget()
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(Panel("", strip))
        column.addWidget(self.down, 1)
        self.across = QSplitter(Qt.Horizontal)
        self.across.setHandleWidth(6)
        self.across.addWidget(left)
        self.across.addWidget(right)
        self.across.setChildrenCollapsible(False)
        self.across.setStretchFactor(1, 1)
        left.setMinimumWidth(LEFT_WIDTH)
        self.across.setSizes([LEFT_WIDTH, 1100])
        outer = QHBoxLayout(self)
        outer.setContentsMargins(6, 6, 6, 6)
        outer.addWidget(self.across)

    # --- starting ---------------------------------------------------------------------------------------

    def start(self) -> None:
        """Read the strategies; called when the tab is first shown."""
        self._started = True
        self.reload()

    def reload(self, chosen: str = "") -> None:
        """Read the list of strategies again."""

        def done(entries: Any) -> None:
            self._names = [entry.name for entry in entries]
            self.form.show_strategies(self._names, chosen)

        self.jobs.run(self.library.entries, done, self._fail)

    def use_strategy(self, doc: StrategyDoc) -> None:
        """Choose a strategy, its interval, and propose ranges for its variables."""
        self.form.set_choice(self.form.interval, doc.interval)
        self.reload(doc.name)
        self._propose_for(doc)

    def propose(self) -> None:
        """Write a range text around the chosen strategy's own values."""
        name = self.form.strategy.currentData()
        if name:
            self.jobs.run(lambda: self.library.load(name), self._propose_for, self._fail)

    def _propose_for(self, doc: StrategyDoc) -> None:
        import re

        used = tuple(sorted({int(found) for found in re.findall(r"self\.vars\[(\d+)\]", doc.buy + doc.sell)}))
        if used:
            self.form.set_choice(self.form.range_form, "grid")
            self.form.ranges.setPlainText(propose_ranges(doc.variables, used))

    def run(self, kind: str) -> None:
        """Start a backtest ("backtest"), or a search by the chosen method ("search")."""
        if self.runner.is_running():
            self.told.emit("ui.research.busy", {})
            return
        kind = kind if kind == BACKTEST else self.form.search.name()
        file, lists = "", None
        needs_strategy = kind == BACKTEST or self.form.search.form() != LINES
        if needs_strategy and not self.form.strategy.currentData():
            self.told.emit("ui.research.no_strategy", {})
            return
        if kind != BACKTEST:
            text = self.form.ranges.toPlainText()
            try:
                if self.form.search.form() == LINES:
                    files = self._write(dict(zip(("lines_buy.txt", "lines_sell.txt"), split_lines(text), strict=True)))
                    lists = (files[0], files[1])
                else:
                    grid_size(text, self.form.range_form.currentData())  # a bad line is said before anything is started
                    file = self._write({"ranges.txt": text + "\n"})[0]
            except InputError as error:
                self._fail(error)
                return
            except OSError as error:
                self.told.emit("ui.settings.not_saved", {"reason": str(error)})
                return
        self._start(self.form.request(kind, file, lists))

    def _write(self, texts: dict[str, str]) -> list[str]:
        """Write texts into the cache for the command to read; return their paths."""
        folder = self.data_dir / "cache"
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, "utf-8")
        return [str(folder / name) for name in texts]

    def _start(self, request: ResearchRequest) -> None:
        kind = request.kind
        self._number += 1
        record = RunRecord(
            self._number, kind, request.strategy, request.market, self.form.currency(), self.form.period_text(), "running", request=request
        )
        self.current = record
        self.runs.upsert([(record.number, record)])
        self._began = time.monotonic()
        self.bar.setRange(0, 0)
        self.stop_button.setEnabled(True)
        self._say("ui.research.starting")
        if kind != BACKTEST:
            self.trials.clear()
            self.best.begin()
            self.pictures.setCurrentWidget(self.best)
            self.tabs.setCurrentWidget(self.trial_table)
        self.runner.start(request.arguments(str(self.data_dir), language()))

    def _sure(self, reason: str) -> bool:
        box = QMessageBox(QMessageBox.Question, tr("ui.action.run_search"), reason, parent=self.window())
        yes = box.addButton(tr("ui.research.yes_many"), QMessageBox.AcceptRole)
        box.addButton(tr("ui.kill.no"), QMessageBox.RejectRole)
        box.exec_()
        return box.clickedButton() is yes

    def stop(self) -> None:
        """Stop the running command; what it found is saved."""
        self.runner.stop()

    # --- progress -----------------------------------------------------------------------------------------

    def _progressed(self, told: dict[str, Any]) -> None:
        record = self.current
        if record is None:
            return
        done, total = float(told.get("done") or 0), float(told.get("total") or 0)
        if total > 0:
            self.bar.setRange(0, 1000)
            self.bar.setValue(round(min(done / total, 1.0) * 1000))
        rate, left = float(told.get("rate") or 0), told.get("left_s")
        self._say(
            "ui.research.progress",
            done=f"{done:,.0f}",
            total=f"{total:,.0f}" if total else fmt.DASH,
            rate=f"{rate:,.0f}" if rate >= 10 else f"{rate:,.1f}",
            left=fmt.duration(float(left)) if left is not None else fmt.DASH,
        )
        self._take_best(told.get("best"), done)

    def _take_best(self, best: Any, done: float) -> None:
        # Progress tells the score alone, the result tells the whole.
        if self.current is None or not (isinstance(best, dict) or _is_number(best)):
            return
        best = best if isinstance(best, dict) else {"score": best}
        score = float(best.get("score", float("nan")))
        self.best.tell(done, score)
        known = self.trials.records[-1].score if self.trials.records else float("-inf")
        if score > known:
            number = self.trials.count + 1
            trial = TrialRecord(number, score, vars_text(best.get("vars", ())), dict(best.get("metrics") or {}), True)
            self.trials.upsert([(number, trial)])
            self._relabel()

    def _finished(self, result: dict[str, Any]) -> None:
        record = self.current
        if record is None:
            return
        record.result = result
        best = result.get("best") or {}
        record.metrics = {
            key: float(value) for key, value in (result.get("metrics") or best.get("metrics") or {}).items() if _is_number(value)
        }
        if _is_number(best.get("score")):
            record.score = float(best["score"])
        record.state = "stopped" if self.runner.stopping or result.get("stopped") else "done"
        self._end()
        if record.kind != BACKTEST:
            self._take_best(best, float(result.get("evaluations") or 0))
            study = result.get("study")
            if study:
                self.jobs.run(lambda: read_study(self.data_dir, str(study)), self._show_trials, self._fail)
        self.show_run(record)
        seconds = time.monotonic() - self._began
        if record.kind == BACKTEST:
            self._say(
                "ui.research.done_backtest",
                rows=f"{result.get('rows', 0):,}",
                trades=f"{result.get('trades', 0):,}",
                seconds=f"{seconds:.1f}",
            )
        else:
            self._say("ui.research.done_study", evaluations=f"{result.get('evaluations', 0):,}", seconds=f"{seconds:.1f}")

    def _failed(self, code: str, fields: dict[str, Any]) -> None:
        if self.current is not None:
            self.current.state = "stopped" if code == "ui.research.stopped" else "failed"
        self._end()
        self._say(code, **fields)
        if fields.get("code") == TOO_MANY and self.current is not None:
            # The command counted the evaluations and asks, as it does on a terminal.
            if self._sure(fields["reason"]):
                self._start(replace(self.current.request, extra=("--yes",)))
            return
        if code != "ui.research.stopped":
            self.told.emit(code, fields)

    def _end(self) -> None:
        self.stop_button.setEnabled(False)
        self.bar.setRange(0, 1000)
        self.bar.setValue(1000 if self.current is not None and self.current.state == "done" else 0)
        if self.current is not None:
            self.runs.touch([self.current.number])

    # --- results ------------------------------------------------------------------------------------------

    def show_run(self, record: RunRecord) -> None:
        """Show a run's metrics and read its trades."""
        self.shown = record
        self.run_table.select_key(record.number)
        self.metrics.show_metrics(record.metrics, record.currency, 1 if record.request.interval == "1s" else 60)
        path = record.result.get("trades_path")
        if not path:
            return
        offset_s = self.form.markets[record.market].day_offset_s()

        def done(rows: list[TradeRow]) -> None:
            if self.shown is not record:
                return
            for row in rows:
                row.currency, row.offset_s = record.currency, offset_s
            self.trades.replace([(row.number, row) for row in rows])
            self.equity.show_trades(np.array([row.pnl for row in rows]))
            self._relabel()
            if record.kind == BACKTEST:
                self.pictures.setCurrentWidget(self.equity)
                self.tabs.setCurrentWidget(self.trade_table)

        self.jobs.run(lambda: read_trades(Path(path)), done, self._fail)

    def open_trade(self, trade: TradeRow) -> None:
        """Show a trade on the chart with the rows around it, read from the store."""
        record = self.shown
        if record is None or record.request is None:
            return
        request = record.request
        source = str(record.result.get("source") or request.source)
        self.pictures.setCurrentWidget(self.trade_chart)
        self.trade_chart.begin(trade)
        market = self.form.markets[request.market]

        def do() -> Any:
            return read_trade_rows(self.data_dir, market, request.interval, source, trade)

        self.jobs.run(do, lambda rows: self.trade_chart.show_trade(market, rows, trade), self._trade_failed)

    def _trade_failed(self, error: StomError) -> None:
        self.trade_chart.fail(error)

    def _pick_trade(self, place: int) -> None:
        if 1 <= place <= self.trades.count:
            self.trade_table.select_key(self.trades.records[place - 1].number)
            self.trade_table.scrollTo(self.trade_table.currentIndex())

    def _show_trials(self, trials: list[TrialRecord]) -> None:
        if trials:
            self.trials.replace([(trial.number, trial) for trial in trials])
            self.best.show_scores(np.array([trial.score for trial in trials]))
            self.trial_table.sortByColumn(1, Qt.DescendingOrder)
        self._relabel()

    # --- words --------------------------------------------------------------------------------------------

    def _money(self, value: float) -> str:
        currency = self.shown.currency if self.shown is not None else "KRW"
        return fmt.short_money(value, currency, language())

    def _say(self, code: str, /, **fields: Any) -> None:
        bind(self.progress_text, "setText", code, **fields)

    def _relabel(self) -> None:
        for place, (code, model) in enumerate(
            (("ui.tab.runs", self.runs), ("ui.tab.trials", self.trials), ("ui.tab.trade_rows", self.trades))
        ):
            self.tabs.setTabText(place, tr(code, count=model.count))
        for place, code in enumerate(("ui.tab.equity", "ui.tab.best", "ui.tab.trade_chart")):
            self.pictures.setTabText(place, tr(code))
        if self.current is None:
            self._say("ui.research.idle")

    def _fail(self, error: StomError) -> None:
        self.told.emit(error.code, dict(error.fields))

    def close_runner(self) -> None:
        """End a running command (the window closes)."""
        self.runner.close()


def vars_text(values: Any) -> str:
    """Return a parameter vector as text, ``[0]=30  [1]=1.5``; sequences and {index: value} are taken."""
    pairs = values.items() if isinstance(values, dict) else enumerate(values or ())
    return "  ".join(f"[{index}]={float(value):g}" for index, value in pairs)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
