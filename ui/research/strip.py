"""Progress of a command: a bar, how far with rate, best and time left, and the buttons that stop, pause and go on."""

from __future__ import annotations

import math
from typing import Any

from PyQt5.QtCore import pyqtSignal
from PyQt5.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QSizePolicy, QWidget

from ui import format as fmt
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
        self.bar.setRange(0, 0)
        self.bar.show()
        self.stop_button.setEnabled(True)
        self.stop_button.show()
        self.resume_button.hide()
        self.pause_button.setVisible(task.path == "optimise")
        self.pause_button.setEnabled(True)
        self.say("ui.research.starting")

    def tell(self, told: dict[str, Any]) -> None:
        """Show how far it is; what begins is said by its word."""
        if "done" not in told:
            code = f"ui.research.note.{told.get('note', '')}"
            if has(code):
                self.say(code, **{key: _short(value) for key, value in told.items()})
            return
        done, total = float(told.get("done") or 0), float(told.get("total") or 0)
        if total > 0:
            self.bar.setRange(0, 1000)
            self.bar.setValue(round(min(done / total, 1.0) * 1000))
        rate, left, best = float(told.get("rate") or 0), told.get("left_s"), told.get("best")
        note = str(told.get("note") or "")
        stage = f"ui.research.stage.{note.removeprefix('verdict ')}"
        self.say(
            "ui.research.progress_best" if isinstance(best, int | float) else "ui.research.progress",
            done=f"{done:,.0f}",
            total=f"{total:,.0f}" if total else fmt.DASH,
            rate=f"{rate:,.0f}" if rate >= 10 else f"{rate:,.1f}",
            left=fmt.duration(float(left)) if left is not None and total > 0 else fmt.DASH,
            best=fmt.number(best) if isinstance(best, int | float) else "",
            stage=tr(stage) if note.startswith("verdict ") and has(stage) else "",
        )

    def end(self, task: Task) -> None:
        """A command has ended."""
        for widget in (self.bar, self.pause_button, self.stop_button):
            widget.hide()
        self.resume_button.setVisible(task.can_resume)
        if task.state == "failed":
            self.say(task.code, **task.fields)
        elif task.state in ("paused", "stopped"):
            self.say("ui.research.paused" if task.can_resume else "ui.research.stopped_plain", study=task.study)
        else:
            code, fields = done_words(task)
            self.say(code, **fields)


DONE = {
    "backtest": ("run", "rows", "trades", "source"),
    "optimise": ("study", "evaluations"),
    "find": ("run", "rows", "hits", "source"),
    "data make": ("rows",),
    "data import": ("rows_stored",),
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
    return f"ui.done.{task.path.replace(' ', '_')}", told


def _count(value: Any) -> Any:
    return len(value) if isinstance(value, list) else value


def _short(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return fmt.DASH
    return f"{value:,.0f}" if isinstance(value, int | float) and not isinstance(value, bool) else value
