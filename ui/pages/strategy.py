"""The Strategy tab: buy and sell side by side, errors as you type, the library with its versions."""

from __future__ import annotations

import difflib
import html
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtWidgets import (
    QComboBox,
    QDialog,
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QMessageBox,
    QSplitter,
    QTextEdit,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from domain.errors import StomError
from domain.instruments import Market
from ui.actions import Actions
from ui.jobs import Jobs
from ui.parse_worker import Found, ParseAnswer, ParseWorker
from ui.text import bind, on_language, tr
from ui.theme.style import colour, theme
from ui.user_library import Library, StrategyDoc
from ui.widgets.code_editor import CodeEditor, Problem
from ui.widgets.code_words import WordList
from ui.widgets.panel import Panel, muted
from ui.widgets.strategy_list import LibraryList
from ui.widgets.vars_table import VarsTable

SIDES = ("buy", "sell")
INTERVALS = {"1s": 1, "1m": 60}
VARIABLE = re.compile(r"self\.vars\[(\d+)\]")
NARROW_PX = 1_330
"""Below this width the tools show their icons alone; the words are in the tips."""
TOOLS = ("new_strategy", "save_strategy", "rename_strategy", "diff_strategy", "backtest_this", "apply_live")


class StrategyPage(QWidget):
    """Editors and library.

    Signals
    -------
    apply_asked(StrategyDoc) : bring this strategy to the running market.
    backtest_asked(StrategyDoc) : open the research tab with it.
    saved(StrategyDoc)
    told(str, dict) : a code and fields for the notice line.
    """

    apply_asked = pyqtSignal(object)
    backtest_asked = pyqtSignal(object)
    saved = pyqtSignal(object)
    told = pyqtSignal(str, object)

    def __init__(self, library: Library, texts: Path, market: Market, actions: Actions, jobs: Jobs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("strategyPage")
        self.strategies, self.market, self.jobs = library, market, jobs
        self.doc: StrategyDoc | None = None
        self.found: dict[str, tuple[Found, ...]] = {"buy": (), "sell": ()}
        self.parser = ParseWorker(texts)
        self.parser.answered.connect(self._answered)
        self.parser.words_ready.connect(self._words_ready)
        self.list = LibraryList()
        self.list.opened.connect(self.open_version)
        self.vars = VarsTable()
        self.vars.changed.connect(self._retitle)
        self.interval = QComboBox()
        self.interval.setObjectName("strategyInterval")
        for name in INTERVALS:
            self.interval.addItem("", name)
        self.interval.currentIndexChanged.connect(self._interval_changed)
        bind(self.interval, "setAccessibleName", "ui.strategy.interval")
        self.editors = {side: CodeEditor(f"editor_{side}") for side in SIDES}
        self.panels: dict[str, Panel] = {}
        self.problems: dict[str, QListWidget] = {}
        self._lay_out(actions)
        for side, editor in self.editors.items():
            editor.edited.connect(lambda side=side: self._check(side))
            editor.textChanged.connect(self._retitle)
            editor.enlarge_asked.connect(lambda side=side: self.enlarge(side))
        on_language(self, self._relabel)
        self._relabel()
        self._started = False

    def _lay_out(self, actions: Actions) -> None:
        head = Panel("")
        head.head.show()
        self.heading = head.title
        self.tool_buttons: list[QToolButton] = []
        self.heading.setObjectName("strategyHeading")
        head.tools.insertWidget(1, self.interval)
        self.status = QLabel()
        self.status.setObjectName("strategyStatus")
        head.tools.insertWidget(2, self.status)
        for name in TOOLS:
            button = QToolButton()
            button.setObjectName(f"tool_{name}")
            button.setToolButtonStyle(Qt.ToolButtonTextBesideIcon)
            button.setDefaultAction(actions[name])
            head.add_tool(button)
            self.tool_buttons.append(button)
        self.across = QSplitter(Qt.Horizontal)
        self.across.setHandleWidth(6)
        for side in SIDES:
            self.problems[side] = QListWidget()
            self.problems[side].setObjectName(f"problems_{side}")
            self.problems[side].setWordWrap(True)
            self.problems[side].itemClicked.connect(lambda item, side=side: self.editors[side].go_to(item.data(Qt.UserRole)))
            body = QWidget()
            column = QVBoxLayout(body)
            column.setContentsMargins(0, 0, 0, 0)
            column.setSpacing(0)
            column.addWidget(self.editors[side], 1)
            column.addWidget(self.problems[side])
            self.panels[side] = Panel(f"ui.strategy.{side}", body)
            self.across.addWidget(self.panels[side])
        self.left = QSplitter(Qt.Vertical)
        self.left.setHandleWidth(6)
        self.left.addWidget(Panel("ui.panel.strategies", self.list))
        vars_panel = Panel("ui.panel.vars", self.vars)
        self.left.addWidget(vars_panel)
        self.left.setSizes([420, 280])
        right = QWidget()
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        head.setFixedHeight(38)
        head.head.setFixedHeight(36)
        column.addWidget(head)
        column.addWidget(self.across, 1)
        self.hint = muted("ui.strategy.hint")
        self.hint.setWordWrap(True)
        column.addWidget(self.hint)
        self.whole = QSplitter(Qt.Horizontal)
        self.whole.setHandleWidth(6)
        self.whole.addWidget(self.left)
        self.whole.addWidget(right)
        self.whole.setStretchFactor(1, 1)
        self.whole.setSizes([290, 1200])
        self.whole.setChildrenCollapsible(False)
        row = QHBoxLayout(self)
        row.setContentsMargins(6, 6, 6, 6)
        row.addWidget(self.whole)

    def resizeEvent(self, event: Any) -> None:
        super().resizeEvent(event)
        style = Qt.ToolButtonIconOnly if self.width() < NARROW_PX else Qt.ToolButtonTextBesideIcon
        for button in self.tool_buttons:
            button.setToolButtonStyle(style)

    # --- library --------------------------------------------------------------------------------------

    def start(self) -> None:
        """Read the library and the vocabulary; called when the tab is first shown."""
        if self._started:
            return
        self._started = True
        self._want_words()
        self.reload()

    def reload(self, select: str = "") -> None:
        """Read the list of strategies again."""

        def done(entries: Any) -> None:
            self.list.show_entries(entries)
            wanted = select or (self.doc.name if self.doc is not None else "")
            if self.doc is None and entries:
                wanted = wanted or entries[0].name
            if wanted:
                self.list.select(wanted)
                if self.doc is None or select:
                    self.open_version(wanted, 0)

        self.jobs.run(self.strategies.entries, done, self._fail)

    def open_version(self, name: str, version: int) -> None:
        """Load a strategy (version 0 = the newest); unsaved work is asked about first."""
        if self.is_modified() and not self._sure("ui.strategy.sure_discard"):
            return
        self.jobs.run(lambda: self.strategies.load(name, version), self.show_doc, self._fail)

    def show_doc(self, doc: StrategyDoc) -> None:
        """Put a strategy into the editors."""
        self.doc = doc
        place = self.interval.findData(doc.interval)
        if place >= 0:
            self.interval.setCurrentIndex(place)
        self.editors["buy"].set_text(doc.buy)
        self.editors["sell"].set_text(doc.sell)
        self.vars.show_values(doc.variables)
        self._show_used()
        self.list.select(doc.name)
        self._retitle()

    def current(self) -> StrategyDoc:
        """Return what the editors hold, under the open strategy's name."""
        loaded = self.doc or StrategyDoc("", 0, "", "")
        return replace(
            loaded,
            buy=self.editors["buy"].text(),
            sell=self.editors["sell"].text(),
            variables=self.vars.values(),
            interval=self.interval.currentData(),
        )

    def is_modified(self) -> bool:
        """Tell whether the editors differ from what was loaded."""
        now = self.current()
        if self.doc is None:
            return bool(now.buy.strip() or now.sell.strip())
        return (now.buy, now.sell, now.variables, now.interval) != (self.doc.buy, self.doc.sell, self.doc.variables, self.doc.interval)

    def new(self) -> None:
        """Begin an empty strategy."""
        if self.is_modified() and not self._sure("ui.strategy.sure_discard"):
            return
        self.doc = None
        for editor in self.editors.values():
            editor.set_text("")
        self.vars.show_values(())
        self._show_used()
        self._retitle()

    def save(self, then: Any = None) -> None:
        """Save a new version; a new strategy is asked for its name."""
        doc = self.current()
        name = doc.name
        if not name:
            name, given = QInputDialog.getText(self, tr("ui.action.save_strategy"), tr("ui.strategy.name"))
            if not given or not name.strip():
                return
            doc = replace(doc, name=name.strip())
        elif not self.is_modified():
            if then is not None:
                then(self.doc)
            return

        def done(saved: StrategyDoc) -> None:
            self.doc = saved
            self._retitle()
            self.reload()
            self.saved.emit(saved)
            self.told.emit("ui.strategy.saved", {"name": saved.name, "version": saved.version})
            if then is not None:
                then(saved)

        self.jobs.run(lambda: self.strategies.save(doc), done, self._fail)

    def rename(self) -> None:
        """Give the open strategy another name."""
        if self.doc is None:
            return
        old = self.doc.name
        name, given = QInputDialog.getText(self, tr("ui.action.rename_strategy"), tr("ui.strategy.name"), text=old)
        if given and name.strip() and name.strip() != old:
            self.rename_to(name.strip())

    def rename_to(self, name: str) -> None:
        """Rename the open strategy; its versions stay with it."""
        assert self.doc is not None
        old = self.doc.name

        def done(_: Any) -> None:
            if self.doc is not None and self.doc.name == old:
                self.doc = replace(self.doc, name=name)
            self._retitle()
            self.reload()
            self.told.emit("ui.strategy.renamed", {"old": old, "new": name})

        self.jobs.run(lambda: self.strategies.rename(old, name), done, self._fail)

    def diff(self) -> None:
        """Show what changed since the loaded version, or since the version before it."""
        if self.doc is None:
            return
        now, doc = self.current(), self.doc
        if self.is_modified() or doc.version <= 1:
            self._show_diff(doc, now)
        else:
            self.jobs.run(lambda: self.strategies.load(doc.name, doc.version - 1), lambda before: self._show_diff(before, now), self._fail)

    def _show_diff(self, before: StrategyDoc, after: StrategyDoc) -> None:
        dialog = QDialog(self)
        dialog.setObjectName("diffDialog")
        dialog.setWindowTitle(tr("ui.strategy.diff_title", name=before.name, version=before.version))
        view = QTextEdit()
        view.setReadOnly(True)
        view.setHtml(diff_html(before, after))
        column = QVBoxLayout(dialog)
        column.addWidget(view)
        dialog.resize(860, 560)
        dialog.show()
        self._diff = dialog

    def apply(self) -> None:
        """Save, then ask for the strategy to be traded."""
        if self.has_errors():
            self.told.emit("ui.strategy.has_errors", {})
            return
        self.save(self.apply_asked.emit)

    def backtest(self) -> None:
        """Save, then open it in the research tab."""
        if self.has_errors():
            self.told.emit("ui.strategy.has_errors", {})
            return
        self.save(self.backtest_asked.emit)

    def enlarge(self, side: str = "") -> None:
        """Give one editor the whole width, or both theirs again."""
        other = self.panels["sell" if side == "buy" else "buy"]
        if not side:
            for panel in self.panels.values():
                panel.show()
            return
        other.setVisible(not other.isVisible())
        self.left.setVisible(other.isVisible())

    # --- checking ---------------------------------------------------------------------------------------

    def has_errors(self) -> bool:
        """Tell whether the last check of either text found something."""
        return bool(self.found["buy"] or self.found["sell"])

    def use_market(self, market: Market) -> None:
        """Check against another market's words."""
        if market is not self.market:
            self.market = market
            self._interval_changed()

    def _interval_s(self) -> int:
        return INTERVALS[self.interval.currentData()]

    def _interval_changed(self) -> None:
        if getattr(self, "_started", False):
            self._want_words()
            for side in SIDES:
                self._check(side)
            self._retitle()

    def _want_words(self) -> None:
        for side in SIDES:
            self.parser.want_words(side, self.market.code, self._interval_s())

    def _words_ready(self, side: str, words: WordList) -> None:
        self.editors[side].set_words(words)

    def _show_used(self) -> None:
        used = {side: {int(found) for found in VARIABLE.findall(self.editors[side].text())} for side in SIDES}
        self.vars.show_used(used)

    def _check(self, side: str) -> None:
        self._show_used()
        self.parser.check(side, self.editors[side].text(), self.market.code, self._interval_s())

    def _answered(self, answer: ParseAnswer) -> None:
        side = answer.request.side
        if not answer.request.text.strip():
            answer = ParseAnswer(answer.request, ())
        self.found[side] = answer.found
        self._show_problems(side)

    def _show_problems(self, side: str) -> None:
        made = tuple(_problem(found) for found in self.found[side])
        self.editors[side].show_problems(made)
        box = self.problems[side]
        box.clear()
        for problem in made:
            item = QListWidgetItem(f"{problem.text}  {problem.hint}" if problem.hint else problem.text)
            item.setData(Qt.UserRole, problem)
            item.setForeground(colour("danger"))
            box.addItem(item)
        box.setVisible(bool(made))
        box.setFixedHeight(min(4 + sum(box.sizeHintForRow(row) for row in range(box.count())), 132))
        self._retitle()

    # --- words --------------------------------------------------------------------------------------------

    def _relabel(self) -> None:
        for place, name in enumerate(INTERVALS):
            self.interval.setItemText(place, tr(f"ui.interval.{name}"))
        for side in SIDES:
            self._show_problems(side)

    def _retitle(self) -> None:
        name = self.doc.name if self.doc is not None else tr("ui.strategy.untitled")
        version = f" v{self.doc.version}" if self.doc is not None and self.doc.version else ""
        self.heading.setText(f"{name}{version}{' *' if self.is_modified() else ''}")
        count = len(self.found["buy"]) + len(self.found["sell"])
        tone = theme().danger if count else theme().ok
        text = tr("ui.strategy.errors", count=count) if count else tr("ui.strategy.ok")
        self.status.setText(f'<span style="color:{tone}">● {text}</span>')

    def _sure(self, code: str) -> bool:
        box = QMessageBox(QMessageBox.Question, tr("ui.page.strategy"), tr(code), parent=self.window())
        yes = box.addButton(tr("ui.strategy.yes_discard"), QMessageBox.AcceptRole)
        box.addButton(tr("ui.kill.no"), QMessageBox.RejectRole)
        box.exec_()
        return box.clickedButton() is yes

    def _fail(self, error: StomError) -> None:
        self.told.emit(error.code, dict(error.fields))

    def stop(self) -> None:
        """End the parser's thread."""
        self.parser.stop()


def _problem(found: Found) -> Problem:
    fields = {"line": found.line, "column": found.column, **found.fields}
    hint = fields.get("hint")
    return Problem(found.line, found.column, tr(found.code, **fields), tr(str(hint), **fields) if hint else "")


def diff_html(before: StrategyDoc, after: StrategyDoc) -> str:
    """Return the difference of two strategies as coloured lines."""
    t = theme()
    out = []
    for side in SIDES:
        out.append(f'<p style="color:{t.muted}"><b>{tr(f"ui.strategy.{side}")}</b></p>')
        lines = difflib.unified_diff(getattr(before, side).splitlines(), getattr(after, side).splitlines(), lineterm="", n=3)
        body = []
        for line in list(lines)[2:]:
            tone = t.ok if line.startswith("+") else t.danger if line.startswith("-") else t.muted if line.startswith("@") else t.text
            body.append(f'<span style="color:{tone}">{html.escape(line)}</span>')
        same = tr("ui.strategy.same")
        joined = "<br>".join(body) if body else f'<span style="color:{t.faint}">{same}</span>'
        out.append(f'<pre style="font-family:NanumGothicCoding">{joined}</pre>')
    return "".join(out)
