"""Progress of a command: a bar, how far with rate, best and time left, and the buttons that stop, pause and go on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from PyQt5.QtCore import pyqtSignal
from PyQt5.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QSizePolicy, QWidget

from ui import format as fmt
from ui.models.data_answers import reasons_text
from ui.research.session import Task
from ui.text import Said, bind, has, tr, word


class Strip(QWidget):
    """What a session does.

    Signals
    -------
    stop_asked, pause_asked, resume_asked
    """

    stop_asked = pyqtSignal()
    pause_asked = pyqtSignal()
    resume_asked = pyqtSignal()

    def __init__(self, idle: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._path = ""
        self.bar = QProgressBar()
        self.bar.setObjectName("researchProgress")
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.bar.setMaximumWidth(260)
        self.text = QLabel()
        self.text.setObjectName("researchProgressText")
        self.text.setProperty("role", "muted")
        # A sentence longer than its place wraps: it must not decide how wide the window is.
        self.text.setWordWrap(True)
        self.text.setSizePolicy(QSizePolicy.Ignored, QSizePolicy.Preferred)
        self.resume_button = self._button("researchResume", "ui.action.resume_research", "", self.resume_asked)
        self.pause_button = self._button("researchPause", "ui.action.pause_research", "", self.pause_asked)
        self.stop_button = self._button("researchStop", "ui.action.stop_research", "danger", self.stop_asked)
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 5, 8, 5)
        row.setSpacing(8)
        row.addWidget(self.bar, 2)
        row.addWidget(self.text, 3)
        for button in (self.resume_button, self.pause_button, self.stop_button):
            row.addWidget(button)
        self.setMinimumHeight(38)
        for widget in (self.bar, self.resume_button, self.pause_button, self.stop_button):
            widget.hide()
        self.say(idle)

    def _button(self, name: str, code: str, kind: str, signal: Any) -> QPushButton:
        button = QPushButton()
        button.setObjectName(name)
        if kind:
            button.setProperty("kind", kind)
        bind(button, "setText", code)
        bind(button, "setToolTip", code + ".tip")
        button.clicked.connect(lambda _=False: signal.emit())
        return button

    def say(self, code: str, /, **fields: Any) -> None:
        """Show a sentence."""
        bind(self.text, "setText", code, **fields)

    def offer(self, study: str) -> None:
        """Offer to go on with a study that never ended."""
        self.resume_button.show()
        self.say("ui.research.unfinished", study=study)

    def begin(self, task: Task) -> None:
        """A command has begun."""
        self._path = task.path
        self.bar.setRange(0, 0)
        self.bar.show()
        self.stop_button.setEnabled(True)
        self.stop_button.show()
        self.resume_button.hide()
        self.pause_button.setVisible(task.path == "optimise")
        self.pause_button.setEnabled(True)
        self.say("ui.research.starting")

    def tell(self, told: dict[str, Any]) -> None:
        """Show how far it is; what begins is said by its word, what the command says itself as it stands."""
        if "done" not in told:
            note = str(told.get("note") or "")
            code = f"ui.research.note.{note}"
            if has(code):
                self.say(code, **{key: _short(value) for key, value in told.items()})
            elif " " in note:  # a sentence: the command waits, or asks again
                self.say("ui.research.refused", reason=note)
            return
        done, total = float(told.get("done") or 0), float(told.get("total") or 0)
        if total > 0:
            self.bar.setRange(0, 1000)
            self.bar.setValue(round(min(done / total, 1.0) * 1000))
        self.say("ui.research.refused", reason=Said(lambda: " · ".join(self._parts(told, done, total))))

    def _parts(self, told: dict[str, Any], done: float, total: float) -> Iterator[str]:
        """Return what is known of the progress: stage, how far, pace, best, time left."""
        rate, left, best = float(told.get("rate") or 0), told.get("left_s"), told.get("best")
        note = str(told.get("note") or "")
        stage = f"ui.research.stage.{note.removeprefix('verdict ')}"
        far = tr("ui.progress.of", done=f"{done:,.0f}", total=f"{total:,.0f}")
        if self._path in BY_SHARE and total > 0:
            far = tr("ui.progress.share", share=f"{100 * done / total:.0f}")
        elif total <= 0:
            far = tr("ui.progress.read", done=f"{done:,.0f}")
        yield f"{tr(stage)} {far}" if note.startswith("verdict ") and has(stage) else far
        if rate > 0 and self._path not in BY_SHARE:
            yield tr("ui.progress.rate", rate=f"{rate:,.0f}" if rate >= 10 else f"{rate:,.1f}")
        if isinstance(best, int | float):
            yield tr("ui.progress.best", best=fmt.number(best))
        if rate > 0 and total > 0 and left is not None:
            yield tr("ui.progress.left", left=fmt.duration(float(left)))

    def end(self, task: Task) -> None:
        """A command has ended."""
        for widget in (self.bar, self.pause_button, self.stop_button):
            widget.hide()
        self.resume_button.setVisible(task.can_resume)
        if task.state == "failed" and int(task.fields.get("kept_rows", 0)):
            told = {"rows": int(task.fields["kept_rows"]), "days": task.fields["kept_days"], "requests": task.fields["requests"]}
            kept = Said(lambda: tr("download.kept", **told))
            self.say("ui.research.kept", reason=Said(lambda: tr(task.code, **task.fields)), kept=kept)
        elif task.state == "failed":
            self.say(task.code, **task.fields)
        elif task.state == "stopped" and task.path == "data download":
            self.say("download.kept", rows=task.result["rows"], days=task.result["days_stored"], requests=task.result["requests"])
        elif task.state == "stopped" and task.path == "data import":
            self.say("ui.research.stopped_import")
        elif task.state in ("paused", "stopped"):
            self.say("ui.research.paused" if task.can_resume else "ui.research.stopped_plain", study=task.study)
        else:
            code, fields = done_words(task)
            self.say(code, **fields)


BY_SHARE = ("data download",)
"""Commands that count their progress in what means nothing to a person (seconds of the venue's clock)."""
DONE = {
    "backtest": ("run", "rows", "trades", "source"),
    "optimise": ("study", "evaluations", "resumed"),
    "find": ("run", "rows", "hits", "source"),
    "data make": ("rows",),
    "data import": ("rows_stored", "rows_known", "rows_rejected"),
    "data download": ("rows", "days_stored", "days_there", "gaps"),
    "data export": ("rows",),
    "data verify": ("problems", "gaps"),
}
"""Commands whose end is told with figures of their result."""


def done_words(task: Task) -> tuple[str, dict[str, Any]]:
    """Return code and fields of the sentence that says what a finished command has done."""
    seconds = f"{task.seconds:.1f}"
    wanted = DONE.get(task.path, ())
    if not wanted or any(name not in task.result for name in wanted):
        return "ui.research.done", {"seconds": seconds}
    source = str(task.result.get("source", ""))
    told = {name: _short(_count(task.result[name])) for name in wanted if name not in ("source", "run")}
    told |= {"run": task.result.get("run", ""), "source": Said(lambda: word("ui.source", source)), "seconds": seconds}
    if task.path == "data import" and not task.result["rows_stored"] and not task.result["rows_known"]:
        names = ", ".join(PurePath(one["file"]).name for one in task.result["files"])
        why = Said(lambda: reasons_text(task.result["reasons"]) or tr("import.reason.no_rows"))
        return "import.nothing", {"files": names, "reasons": why}
    return f"ui.done.{task.path.replace(' ', '_')}{_kind_of_end(task.path, task.result)}", told


def _kind_of_end(path: str, result: Mapping[str, Any]) -> str:
    """Return which sentence of a command tells its end; "" is the plain one."""
    if path == "data import":
        stored = "" if not result["rows_rejected"] else "_some"
        return "_dry" if result["dry_run"] else stored if result["rows_stored"] else "_known"
    if path == "optimise" and result["resumed"]:
        return "_resumed"
    if path == "data download" and not result["rows"] and not result["days_stored"] and result["days_there"]:
        return "_there"
    return ""


def _count(value: Any) -> Any:
    return len(value) if isinstance(value, list) else value


def _short(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return fmt.DASH
    return f"{value:,.0f}" if isinstance(value, int | float) and not isinstance(value, bool) else value
