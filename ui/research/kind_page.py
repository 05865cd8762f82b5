"""A sub-tab of research: the forms of its commands at the left, what came of them at the right."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from PyQt5.QtCore import Qt, QTimer, pyqtSignal
from PyQt5.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QMessageBox,
    QPushButton,
    QScrollArea,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from domain.errors import InputError, StomError
from ui import format as fmt
from ui.models.command_options import Forms, words
from ui.models.refusals import place_of
from ui.models.research_kinds import HEAVY, QUEUED, Kind
from ui.models.research_text import LINES, split_lines
from ui.research.estimate import Paces, Size, size_of
from ui.research.session import Session, Task
from ui.research.strip import Strip
from ui.research.view import Desk, View
from ui.text import Said, bind, has, on_language, tr
from ui.widgets.command_form import CommandForm
from ui.widgets.option_field import ChoiceField, TextField
from ui.widgets.panel import Panel, muted, repolish

LEFT_WIDTH = 366
"""Of the form in its panel: the least at which nothing of it is cut."""
WAIT_MS = 350
"""Of typing before sets are counted."""
MANY = 100_000
"""Evaluations that are shown in the colour of a warning; past them the command asks."""
TOO_MANY = "optimise.too_many"


class KindPage(QWidget):
    """One sub-tab.

    Signals
    -------
    told(str, dict) : a code and fields for the notice line.
    began(Task), ended(Task)
    queue_asked(list of str) : words that are to wait in the queue.
    """

    told = pyqtSignal(str, object)
    began = pyqtSignal(object)
    ended = pyqtSignal(object)
    queue_asked = pyqtSignal(object)

    def __init__(
        self,
        kind: Kind,
        forms: Forms,
        desk: Desk,
        view: View,
        busy: Callable[[], str],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName(f"research_{kind.id}")
        self.kind, self.desk, self.view, self.busy = kind, desk, view, busy
        self.session = Session(desk.data_dir, forms, desk.commands, self)
        self.quick = Session(desk.data_dir, forms, desk.commands, self)
        self.paces = Paces(desk.data_dir)
        self.size: Size | None = Size()
        self._unfinished = ""
        self._next: list[tuple[str, list[str], dict[str, Any]]] = []
        self.forms: dict[str, CommandForm] = {}
        usual = self._settled()
        for path in kind.paths(forms):
            options = tuple(replace(one, required=True) if one.name in kind.needed else one for one in forms[path])
            form = self.forms[path] = CommandForm(path, options, kind, usual)
            form.changed.connect(self._typed)
            form.shown.connect(self._show_row)
        self.strip = Strip(f"ui.kind.{kind.id}.idle")
        self._lay_out()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(WAIT_MS)
        self._timer.timeout.connect(self._count)
        for session in (self.session, self.quick):
            session.began.connect(self._began)
            session.told.connect(self._progressed)
            session.ended.connect(self._ended)
        self.strip.stop_asked.connect(self.stop)
        self.strip.pause_asked.connect(self.session.pause)
        self.strip.resume_asked.connect(self.resume)
        view.told.connect(self.told)
        view.picked.connect(self.take)
        view.resume_asked.connect(self.resume)
        view.asked.connect(self.ask)
        view.left_over.connect(self._offer)
        on_language(self, self._say)
        self._say()
        self._choose(0)

    def _settled(self) -> dict[str, tuple[Any, Any]]:
        """Return what the settings say of a search: option → (the usual value, theirs)."""
        from domain.settings import Research

        research, usual = self.desk.settings.research, Research()
        return {name: (getattr(usual, name), getattr(research, name)) for name in ("population", "generations", "seed")}

    def _lay_out(self) -> None:
        self.chooser = QComboBox()
        self.chooser.setObjectName("researchAction")
        bind(self.chooser, "setAccessibleName", "ui.form.action")
        self.chooser.setMinimumHeight(28)
        self.stack = QStackedWidget()
        for path, form in self.forms.items():
            scroll = QScrollArea()
            scroll.setWidgetResizable(True)
            scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
            scroll.setWidget(form)
            self.stack.addWidget(scroll)
            self.chooser.addItem(path, path)
        self.chooser.currentIndexChanged.connect(self._choose)
        self.estimate = muted()
        self.estimate.setObjectName("researchEstimate")
        self.estimate.setWordWrap(True)
        self.estimate.setContentsMargins(10, 4, 10, 2)
        self.run_button = QPushButton()
        self.run_button.setObjectName("researchRun")
        self.run_button.setProperty("kind", "primary")
        self.run_button.setMinimumHeight(32)
        self.run_button.clicked.connect(lambda _=False: self.run())
        self.queue_button = QPushButton()
        self.queue_button.setObjectName("researchQueue")
        self.queue_button.setMinimumHeight(32)
        bind(self.queue_button, "setText", "ui.action.queue")
        bind(self.queue_button, "setToolTip", "ui.action.queue.tip")
        self.queue_button.clicked.connect(lambda _=False: self.queue())
        buttons = QHBoxLayout()
        buttons.setContentsMargins(10, 4, 10, 8)
        buttons.setSpacing(6)
        buttons.addWidget(self.run_button, 2)
        buttons.addWidget(self.queue_button, 1)
        inputs = QWidget()
        column = QVBoxLayout(inputs)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        if len(self.forms) > 1:
            row = QHBoxLayout()
            row.setContentsMargins(10, 8, 10, 0)
            row.addWidget(self.chooser)
            column.addLayout(row)
        column.addWidget(self.stack, 1)
        column.addWidget(self.estimate)
        column.addLayout(buttons)
        self.left = Panel("ui.panel.research", inputs)
        right = QWidget()
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(Panel("", self.strip))
        column.addWidget(self.view, 1)
        across = QSplitter(Qt.Horizontal)
        across.setHandleWidth(6)
        across.addWidget(self.left)
        across.addWidget(right)
        across.setChildrenCollapsible(False)
        across.setStretchFactor(1, 1)
        self.left.setMinimumWidth(LEFT_WIDTH)
        across.setSizes([LEFT_WIDTH, 1100])
        outer = QHBoxLayout(self)
        outer.setContentsMargins(6, 6, 6, 6)
        outer.addWidget(across)

    # --- the form -----------------------------------------------------------------------------------------

    def _show_row(self, row: QWidget) -> None:
        """Bring a row of the form on show into sight."""
        scroll = self.stack.currentWidget()
        assert isinstance(scroll, QScrollArea)
        QTimer.singleShot(0, lambda: scroll.ensureWidgetVisible(row, 0, 24))  # once what is wrong has its place below it

    @property
    def path(self) -> str:
        """The command on show."""
        return str(self.chooser.currentData())

    @property
    def form(self) -> CommandForm:
        """The form on show."""
        return self.forms[self.path]

    def show_command(self, path: str) -> None:
        """Show the form of a command."""
        self.chooser.setCurrentIndex(max(self.chooser.findData(path), 0))

    def _choose(self, place: int) -> None:
        self.stack.setCurrentIndex(place)
        self.queue_button.setVisible(self.path.split()[0] in QUEUED)
        self._say()
        self._typed()

    def take(self, values: dict[str, Any]) -> None:
        """Type values into every form that has such an option; under "offer" stands what their lists are to offer."""
        offers = values.get("offer", {})
        for form in self.forms.values():
            for name, choices in offers.items():
                form.offer(name, choices)
            for name, value in values.items():
                if name != "offer":
                    form.put(name, value)

    def ask(self, path: str, said: list[str], values: dict[str, Any] | None = None) -> None:
        """Run a short command that a view asks for; while another runs it waits for its turn, the same words once."""
        if self.quick.is_running():
            self._next = [*(one for one in self._next if one[1] != said), (path, said, values or {})]
        else:
            self.quick.start(path, said, values)

    def method(self) -> str:
        """Return the chosen method of a search, empty where there is none."""
        return self.form.chosen("--method")

    def searches_lines(self) -> bool:
        """Tell whether the chosen method takes condition lines instead of a range text."""
        from backtester.optimisers import METHODS, optimiser

        method = self.method()
        return method in METHODS and optimiser(method).form == LINES

    def _typed(self) -> None:
        field = self.form.fields.get("--ranges")
        if isinstance(field, TextField):
            lines = self.searches_lines()
            field.hint = "ui.research.lines_hint" if lines else "ui.research.ranges_hint"
            field.say()
            self.form.fields["--ranges-form"].setDisabled(lines)
        self._timer.start() if hasattr(self, "_timer") else None

    def _count(self) -> None:
        """Count sets and seconds in the job thread."""
        form, path, values = self.form, self.path, self.form.values()
        text, method, range_form = values.get("--ranges") or "", self.method(), values.get("--ranges-form") or ""
        usual = {name: theirs for name, (_, theirs) in self._settled().items()} if method else {}
        usual = {name: value for name, value in usual.items() if (one := form.options.get("--" + name)) is not None and one.fits(method)}
        given = self._given()

        def do() -> tuple[Size | None, tuple[float, bool] | None]:
            size = Size() if not method else size_of(given, text, method, range_form, usual)
            return size, self.paces.seconds(path, given, size.evaluations if size is not None else 0)

        def done(found: tuple[Size | None, tuple[float, bool] | None]) -> None:
            if self.path == path:
                self._show_estimate(*found)

        def failed(error: StomError) -> None:
            if self.path == path:
                self._show_estimate(None, None)
                form.complain("--ranges", error.code, error.fields, focus=False)

        self.desk.jobs.run(do, done, failed)

    def _given(self) -> dict[str, Any]:
        """Return what the form says, defaults among it: what a pace is kept under."""
        fields = self.form.fields.items()
        return {name: one.value() if isinstance(one, ChoiceField) else one.get() for name, one in fields if name not in ("--ranges",)}

    def _show_estimate(self, size: Size | None, seconds: tuple[float, bool] | None) -> None:
        self.size = size
        parts: dict[str, Any] = {"sets": "", "evaluations": "", "time": fmt.DASH}
        code = "ui.estimate.plain"
        if self.method():
            code = "ui.estimate.unread" if size is None else "ui.estimate.walk" if self.kind.needed else "ui.estimate.search"
            if size is not None:
                parts |= {"sets": _count_text(size.sets), "evaluations": _count_text(size.evaluations)}
        if seconds is None:
            code += "_unknown" if code != "ui.estimate.unread" else ""
        else:
            parts["time"] = Said(lambda: spoken(seconds[0]))
            code += "" if seconds[1] or code == "ui.estimate.unread" else "_other"
        role = "warn" if size is not None and size.evaluations > MANY else "muted"
        if self.estimate.property("role") != role:
            self.estimate.setProperty("role", role)
            repolish(self.estimate)
        self.estimate.setVisible(self.path in HEAVY)
        bind(self.estimate, "setText", code, **parts)

    # --- starting -----------------------------------------------------------------------------------------

    def words(self) -> tuple[list[str], dict[str, Any]] | None:
        """Return the command's words and the values of the form; None when something is wrong, which was said beside its field."""
        self.form.forgive()
        found = self.form.complaint()
        if found is not None:
            return None  # said beside the field
        values = self.form.values()
        passed = dict(values)
        try:
            if "--ranges" in self.form.fields and self.method():
                passed = self._texts(passed)
        except InputError as error:
            self.form.complain("--ranges", error.code, error.fields)
            return None
        except OSError as error:
            self.told.emit("ui.settings.not_saved", {"reason": str(error)})
            return None
        return words(self.path, tuple(self.form.options.values()), passed), self._given()

    def _texts(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the values with the typed text in files that stay, for whoever runs the words later."""
        text = str(values.pop("--ranges", None) or "")
        if self.searches_lines():
            buy, sell = split_lines(text)
            for name in ("--strategy", "--ranges-form"):
                values.pop(name, None)
            return {**values, "--buy": self._keep(buy), "--sell": self._keep(sell)}
        from backtester.ranges import parse_ranges

        form = values.get("--ranges-form") or ""
        if text or not values.get("--resume"):
            from backtester.optimisers import optimiser

            parse_ranges(text, form or optimiser(self.method()).form)  # a bad line is said before anything is started
        return {**values, "--ranges": self._keep(text + "\n")}

    def _keep(self, text: str) -> str:
        """Write a text under its digest into the caches and return its path."""
        folder = Path(self.desk.data_dir) / "texts"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:20]}.txt"
        path.write_text(text, "utf-8")
        return str(path.resolve())

    def run(self) -> None:
        """Start the command of the form."""
        if self.path in HEAVY and (self.session.is_running() or self.busy()):
            self._say_busy()
            return
        found = self.words()
        if found is None:
            return
        if self.path in HEAVY:
            self.session.start(self.path, *found)
        else:
            self.ask(self.path, *found)

    def _say_busy(self) -> None:
        kind = self.busy() or self.kind.id
        self.told.emit("ui.research.busy", {"kind": Said(lambda: tr(f"ui.kind.{kind}"))})

    def queue(self) -> None:
        """Put the command of the form into the queue."""
        found = self.words()
        if found is not None:
            self.queue_asked.emit(found[0])

    def stop(self) -> None:
        """Stop what runs; what it found is saved, and what waits for it is not begun."""
        self._next.clear()
        for session in (self.session, self.quick):
            if session.is_running():
                session.stop()

    def _offer(self, study: str) -> None:
        if self.session.task is None:
            self._unfinished = study
            self.strip.offer(study)

    def resume(self, study: str = "") -> None:
        """Go on with the last task, or with a study by its name."""
        task = self.session.task
        study = study or (self._unfinished if task is None else "")
        if self.session.is_running() or self.busy():
            self._say_busy()
        elif study or task is not None:
            self.session.resume(study or task)  # type: ignore[arg-type]

    # --- what comes of it ---------------------------------------------------------------------------------

    def _began(self, task: Task) -> None:
        if task.path in HEAVY:
            self.run_button.setEnabled(False)
        if not self._is_aside(task):
            self.strip.begin(task)
        self.view.begin(task)
        self.began.emit(task)

    def _is_aside(self, task: Task) -> bool:
        """Tell whether a short command runs beside a long one, whose progress stays on show."""
        return task.path not in HEAVY and self.session.is_running()

    def _progressed(self, task: Task, told: dict[str, Any]) -> None:
        if not self._is_aside(task):
            self.strip.tell(told)
        self.view.tell(task, told)

    def _ended(self, task: Task) -> None:
        form = self.forms.get(task.path)
        if form is not None and "reason" in task.fields:
            task.fields["reason"] = form.in_labels(str(task.fields["reason"]))
        if not self._is_aside(task):
            self.run_button.setEnabled(True)
            self.strip.end(task)
        if task.state == "done":
            self.desk.jobs.run(lambda: self.paces.learn(task), lambda _: self._count(), lambda error: None)
        self.view.end(task)
        self.ended.emit(task)
        if self._next and not self.quick.is_running():
            self.ask(*self._next.pop(0))
        if task.state != "failed":
            return
        if task.fields.get("code") == TOO_MANY:  # the command counted the evaluations and asks, as it does on a terminal
            told = {key: f"{int(task.fields[key]):,}" for key in ("count", "sets")}
            if self.sure(tr("ui.research.many", **told)):
                self.session.start(task.path, [*task.words, "--yes"], task.values)
            else:
                self.strip.say("ui.research.not_started", **told)
            return
        name = "" if form is None else place_of(str(task.fields.get("code", "")), task.fields, form.fields)
        if form is None or not form.complain(name, task.code, task.fields, focus=form is self.form):
            self.told.emit(task.code, task.fields)

    def sure(self, reason: str) -> bool:
        """Ask whether so many evaluations are meant."""
        box = QMessageBox(QMessageBox.Question, tr("ui.action.run_search"), reason, parent=self.window())
        yes = box.addButton(tr("ui.research.yes_many"), QMessageBox.AcceptRole)
        box.addButton(tr("ui.kill.no"), QMessageBox.RejectRole)
        box.exec_()
        return box.clickedButton() is yes

    def _say(self) -> None:
        for place in range(self.chooser.count()):
            path = self.chooser.itemData(place)
            self.chooser.setItemText(place, command_word(path))
        of_command = f"ui.do.{self.path.replace(' ', '_')}"
        bind(self.run_button, "setText", f"ui.kind.{self.kind.id}.run" if len(self.forms) == 1 else of_command)


def command_word(path: str) -> str:
    """Return the word of a command, what `--help` says of it where it has none."""
    for code in (f"ui.command.{path.replace(' ', '_')}", f"help.{path.replace(' ', '.')}"):
        if has(code):
            return tr(code)
    return path


def spoken(seconds: float) -> str:
    """Return about how long something takes, in words: seconds, minutes or hours."""
    whole = max(round(seconds), 1)
    if whole < 60:
        return tr("ui.time.seconds", seconds=whole)
    if whole < 3600:
        return tr("ui.time.minutes", minutes=whole // 60, seconds=whole % 60)
    return tr("ui.time.hours", hours=f"{whole // 3600:,}", minutes=whole % 3600 // 60)


def _count_text(count: int) -> str:
    return f"{count:,}" if count < 10**12 else f"{count:.1e}"
