"""The queue: jobs with their states and times, what came of them, and what failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PyQt5.QtCore import QTimer
from PyQt5.QtWidgets import QAbstractItemView, QVBoxLayout, QWidget

from ui import format as fmt
from ui.models.queue_words import command_text, schedule_text
from ui.models.records import Records
from ui.models.rows import RowModel, number_column, percent_column, text_column
from ui.models.studies import TONES, moment
from ui.models.table import CENTRE, LEFT, Column
from ui.research.session import Task
from ui.research.view import Desk, Tabs, View, small_button
from ui.text import tr, word
from ui.widgets.data_table import DataTable
from ui.widgets.panel import Panel

LOOK_MS = 1_500
"""Between two looks at the queue while it is on show: another process may run it."""


@dataclass(slots=True)
class JobRecord:
    """One queued command."""

    job: int
    name: str
    state: str
    schedule: str
    due: str
    progress: float
    turns: int
    words: tuple[str, ...]


def _why(reason: tuple[str, dict[str, Any]]) -> str:
    """Return why a job failed in the language of the moment."""
    code, fields = reason
    return tr(code, **fields) if code else fmt.DASH


def _said(record: Any) -> str:
    return _why(record.reason)


def _commanded(record: Any) -> str:
    return command_text(record.words)


WORDS = Column("words", "ui.col.command", LEFT, lambda v, r: command_text(v), tip=lambda r: " ".join(r.words), width=0, sort=_commanded)
JOB_COLUMNS = (
    Column("job", "ui.col.number", CENTRE, lambda v, r: str(v), tone=lambda r: "muted", width=5),
    Column("name", "ui.col.batch", LEFT, lambda v, r: v or fmt.DASH, width=11),
    Column("state", "ui.col.status", CENTRE, lambda v, r: word("ui.jobstate", v), tone=lambda r: TONES.get(r.state, "text"), width=7),
    Column("progress", "ui.col.progress", format=lambda v, r: fmt.DASH if v != v else f"{v * 100:.0f}%", width=6),
    Column("due", "ui.col.due", CENTRE, lambda v, r: v, width=15),
    Column("schedule", "ui.col.schedule", LEFT, lambda v, r: schedule_text(v), tip=lambda r: r.schedule or tr("ui.batch.once"), width=26),
    Column("turns", "ui.col.turns", format=lambda v, r: str(v), width=5),
    WORDS,
)
BOARD = ("tc", "wr", "ap", "tg", "tp", "mdd")
BOARD_COLUMNS = (
    number_column("job", "ui.col.number", 0, 5),
    number_column("turn", "ui.col.turns", 0, 5),
    text_column("run", "ui.col.run", 6),
    number_column("tc", "ui.metric.tc", 0, 8),
    percent_column("wr", "ui.metric.wr"),
    percent_column("ap", "ui.metric.ap", sign=True),
    number_column("tg", "ui.metric.tg", 0, 12, sign=True),
    percent_column("tp", "ui.metric.tp", sign=True),
    percent_column("mdd", "ui.metric.mdd"),
    WORDS,
)
FAILED_COLUMNS = (
    number_column("job", "ui.col.number", 0, 5),
    number_column("turn", "ui.col.turns", 0, 5),
    Column(
        "reason", "ui.col.reason", LEFT, lambda v, r: _why(v), tone=lambda r: "danger", tip=lambda r: _why(r.reason), width=0, sort=_said
    ),
    WORDS,
)


class BatchView(View):
    """Shows the queue of the data directory and follows it while it is on show."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(desk, parent)
        self.queue = Records(JOB_COLUMNS, self)
        self.board, self.failed = RowModel(BOARD_COLUMNS, self), RowModel(FAILED_COLUMNS, self)
        self.table = DataTable(self.queue, "batchTable", "ui.empty.batch", tight=True)
        self.table.setSelectionMode(QAbstractItemView.ExtendedSelection)
        self.board_table = DataTable(self.board, "boardTable", "ui.empty.board", tight=True)
        self.failed_table = DataTable(self.failed, "failedTable", "ui.empty.failed", tight=True)
        self.tabs = Tabs(
            "batchTabs", [(self.table, "ui.tab.queue"), (self.board_table, "ui.tab.board"), (self.failed_table, "ui.tab.failed")]
        )
        panel = Panel("ui.panel.queue", self.tabs)
        panel.add_tool(small_button("batchAll", "ui.action.select_all", self.table.selectAll))
        panel.add_tool(small_button("batchFirst", "ui.action.queue_first", lambda: self._act(["--first"])))
        panel.add_tool(small_button("batchOff", "ui.action.queue_off", lambda: self._act(["--off"])))
        panel.add_tool(small_button("batchAgain", "ui.action.queue_again", lambda: self._act(["--again"])))
        panel.add_tool(small_button("batchRemove", "ui.action.queue_remove", lambda: self._act(None)))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(panel)
        self.table.selectionModel().selectionChanged.connect(lambda *_: self._pick())
        self._waiting = self._again = False
        self._by = "tg"
        self._chosen: tuple[str, ...] = ()
        """Jobs, by number or name, whose results are listed; none is all."""
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self.look)

    def showEvent(self, event: Any) -> None:
        self._timer.start()
        super().showEvent(event)

    def hideEvent(self, event: Any) -> None:
        self._timer.stop()
        super().hideEvent(event)

    def start(self) -> None:
        self.look()

    def look(self) -> None:
        """Read the queue; a look that is under way is followed by another, because what it sees may be old."""
        if self._waiting:
            self._again = True
            return
        self._waiting = True
        by, chosen = self._by, self._chosen

        def done(found: tuple[list[JobRecord], dict[str, Any]]) -> None:
            self._waiting = False
            self.show_queue(*found)
            if self._again:
                self._again = False
                self.look()

        def failed(error: Any) -> None:
            self._waiting = self._again = False
            self.fail(error)

        self.desk.jobs.run(lambda: read_queue(self.desk.data_dir, by, chosen), done, failed)

    def end(self, task: Task) -> None:
        if task.path == "batch results" and task.state == "done":
            self._by = str(task.result.get("by", "tg"))
            self._chosen = tuple(word for word in task.words[2:] if not word.startswith("--"))
            self.tabs.setCurrentWidget(self.board_table)
        self.look()

    def show_queue(self, jobs: list[JobRecord], board: dict[str, Any]) -> None:
        """Show jobs and what came of them."""
        gone = set(self.queue.keys) - {one.job for one in jobs}
        self.queue.remove(gone)
        self.queue.upsert([(one.job, one) for one in jobs if self.queue.record(one.job) != one])
        rows = board["rows"]
        columns: dict[str, list[Any]] = {key: [one[key] for one in rows] for key in ("job", "turn")}
        columns["run"] = [str(one["run"] or one["study"] or fmt.DASH) for one in rows]
        columns |= {key: [float(one["metrics"].get(key, float("nan"))) for one in rows] for key in BOARD}
        columns["words"] = [tuple(one["words"]) for one in rows]
        if _keys(columns) != [(one.job, one.turn) for one in self.board.records]:
            self.board.show(columns)
        failed = board["failed"]
        wrong: dict[str, list[Any]] = {key: [one[key] for one in failed] for key in ("job", "turn", "words")}
        if _keys(wrong) != [(one.job, one.turn) for one in self.failed.records]:
            self.failed.show({**wrong, "reason": [(one["code"], one["fields"]) for one in failed]})
        for table, count in ((self.table, len(jobs)), (self.board_table, len(rows)), (self.failed_table, len(failed))):
            self.tabs.show_count(table, count)

    def _pick(self) -> None:
        keys = self.table.selected_keys()
        if keys:
            self.picked.emit({"jobs": [str(key) for key in keys]})

    def _act(self, change: list[str] | None) -> None:
        """Do something with the selected jobs; None takes them out of the queue."""
        keys = [str(key) for key in self.table.selected_keys()]
        if not keys:
            self.told.emit("ui.batch.choose", {})
        elif change is None:
            self.asked.emit("batch remove", ["batch", "remove", *keys])
        else:
            self.asked.emit("batch edit", ["batch", "edit", *change, *keys])


def _keys(columns: dict[str, list[Any]]) -> list[tuple[int, int]]:
    """Return which turns a table shows, in its order: the same command may stand in it many times."""
    return list(zip(columns["job"], columns["turn"], strict=True))


def read_queue(data_dir: Any, by: str, chosen: tuple[str, ...] = ()) -> tuple[list[JobRecord], dict[str, Any]]:
    """Return the queue's jobs and the board of what came of them, of `chosen` ones (numbers or names) where some are named."""
    from backtester.board import board
    from storage.batches import RUNNING, WAITING, Batches
    from utility.paths import DataDir

    store = Batches(DataDir(data_dir).user_library)
    turns = store.turns()
    last = {(one.job, one.turn): one for one in turns}
    out = []
    for job in store.all():
        turn = last.get((job.job, job.turn))
        told = turn.progress if turn is not None and job.state == RUNNING else {}
        share = float(told["done"]) / float(told["total"]) if told.get("total") else float("nan")
        due = moment(job.due_ns) if job.state == WAITING and job.due_ns > 0 else fmt.DASH
        out.append(JobRecord(job.job, job.batch, job.state, job.schedule, due, share, job.turn, tuple(job.words)))
    found = board([one for one in turns if not chosen or str(one.job) in chosen or one.batch in chosen], by)
    said = {(one.job, one.turn): tuple(one.words) for one in turns}
    found["failed"] = [{**one, "words": said[one["job"], one["turn"]]} for one in found["failed"]]
    return out, found
