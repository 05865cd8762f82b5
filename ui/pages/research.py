"""The Research tab: a sub-tab a kind of research, each with the forms of its commands and a view of its result."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtWidgets import QLabel, QStackedWidget, QTabBar, QVBoxLayout, QWidget

from domain.errors import StomError
from domain.instruments import Market
from domain.settings import Settings
from ui.commands import Commands
from ui.jobs import Jobs
from ui.models.research_kinds import BY_ID, KINDS
from ui.models.research_text import propose_ranges
from ui.research.batch_view import BatchView
from ui.research.data_view import DataView
from ui.research.find_view import FindView
from ui.research.forms_source import FormsSource
from ui.research.kind_page import KindPage
from ui.research.queue_dialog import QueueDialog
from ui.research.realised_view import RealisedView
from ui.research.run_view import RunView
from ui.research.runs_view import RunsView
from ui.research.study_view import StudyView
from ui.research.verdict_view import VerdictView
from ui.research.view import Desk, View, small_button
from ui.research.walk_view import WalkView
from ui.text import bind, on_language, tr
from ui.theme import icons
from ui.theme.style import THEME, theme
from ui.user_library import Library, StrategyDoc

VIEWS: dict[str, type[View]] = {
    "backtest": RunView,
    "search": StudyView,
    "walk": WalkView,
    "verdict": VerdictView,
    "find": FindView,
    "batch": BatchView,
    "runs": RunsView,
    "realised": RealisedView,
    "data": DataView,
}
SEARCHES = ("search", "walk")
_VARIABLE = re.compile(r"self\.vars\[(\d+)\]")


class ResearchPage(QWidget):
    """Sub-tabs above, the chosen one below; each is made when it is first shown.

    Signals
    -------
    told(str, dict) : a code and fields for the notice line.
    began : a command was started.
    """

    told = pyqtSignal(str, object)
    began = pyqtSignal()

    def __init__(
        self,
        library: Library,
        markets: tuple[Market, ...],
        settings: Settings,
        data_dir: Path,
        jobs: Jobs,
        commands: Commands,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("researchPage")
        self.desk = Desk(library, {market.code: market for market in markets}, settings, data_dir, jobs, commands)
        self.source = FormsSource(data_dir, jobs, commands, self)
        self.source.ready.connect(self._ready)
        self.source.failed.connect(self._no_forms)
        self.pages: dict[str, KindPage] = {}
        self.names: list[str] = []
        self._waiting: list[Callable[[], None]] = []
        self.bar = QTabBar()
        self.bar.setObjectName("researchKinds")
        self.bar.setExpanding(False)
        self.bar.setDrawBase(False)
        self.bar.setUsesScrollButtons(True)
        self.bar.setElideMode(Qt.ElideNone)
        for kind in KINDS:
            self.bar.setTabData(self.bar.addTab(""), kind.id)
        self.stack = QStackedWidget()
        self.message = QLabel()
        self.message.setAlignment(Qt.AlignCenter)
        self.message.setWordWrap(True)
        self.message.setProperty("role", "muted")
        bind(self.message, "setText", "ui.research.reading_forms")
        self.stack.addWidget(self.message)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        outer.addWidget(self.bar)
        outer.addWidget(self.stack, 1)
        self.bar.currentChanged.connect(lambda _: self._show())
        THEME.changed.connect(self._say)
        on_language(self, self._say)
        self._say()

    # --- the sub-tabs -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Read options and strategies; called when the tab is shown."""
        self.source.ask()
        self.reload()
        if self.source.forms:
            self._show()

    def when_ready(self, do: Callable[[], None]) -> None:
        """Call `do` when the forms are there, at once when they are."""
        if self.source.forms:
            do()
        else:
            self._waiting.append(do)
            self.source.ask()

    def _ready(self) -> None:
        self._show()
        waiting, self._waiting = self._waiting, []
        for do in waiting:
            do()

    def _no_forms(self, code: str, fields: dict[str, Any]) -> None:
        bind(self.message, "setText", code, **fields)

    @property
    def kind(self) -> str:
        """The sub-tab on show."""
        return str(self.bar.tabData(self.bar.currentIndex()))

    @property
    def page(self) -> KindPage | None:
        """The page on show; None until the options are there."""
        return self.pages.get(self.kind)

    def show_kind(self, kind: str) -> None:
        """Show a sub-tab."""
        place = next(k for k in range(self.bar.count()) if self.bar.tabData(k) == kind)
        if place == self.bar.currentIndex():
            self._show()
        else:
            self.bar.setCurrentIndex(place)

    def _show(self) -> None:
        if not self.source.forms:
            return
        page = self.page_of(self.kind)
        self.stack.setCurrentWidget(page)
        page.view.start()

    def page_of(self, kind: str) -> KindPage:
        """Return the page of a kind, made when it is first asked for."""
        if kind not in self.pages:
            view = VIEWS[kind](self.desk)
            page = self.pages[kind] = KindPage(BY_ID[kind], self.source.forms, self.desk, view, self.busy)
            page.told.connect(self.told)
            page.began.connect(lambda _: self.began.emit())
            page.queue_asked.connect(self.queue)
            page.ended.connect(lambda _: self._refresh())
            view.go.connect(self.go)
            if kind in SEARCHES:
                page.left.add_tool(small_button("proposeRanges", "ui.research.propose", self.propose))
                page.take({"--ranges-form": "grid"})
            for form in page.forms.values():
                market = form.options.get("--market")
                if market is not None and (market.required or "--strategy" in form.options):
                    form.put("--market", next(iter(self.desk.markets)))
            self._offer(page)
            self.stack.addWidget(page)
        return self.pages[kind]

    def go(self, kind: str, values: dict[str, Any]) -> None:
        """Show another sub-tab with values in its form."""
        self.show_kind(kind)
        page = self.page_of(kind)
        page.take(values)

    def busy(self) -> str:
        """Return the kind whose command takes the cores at the moment, or empty."""
        running = (kind for kind, page in self.pages.items() if page.session.is_running())
        return next(running, "")

    def _refresh(self) -> None:
        page = self.page
        if page is not None and not page.session.is_running():
            page.view.start()

    # --- strategies and markets ---------------------------------------------------------------------------

    def reload(self, chosen: str = "") -> None:
        """Read the list of strategies again."""

        def done(entries: Any) -> None:
            self.show_strategies([entry.name for entry in entries], chosen)

        self.desk.jobs.run(self.desk.strategies.entries, done, self._fail)

    def show_strategies(self, names: list[str], chosen: str = "") -> None:
        """Offer the library's strategies in every form."""
        self.names = names
        for page in self.pages.values():
            self._offer(page)
            if chosen:
                page.take({"--strategy": chosen})

    def _offer(self, page: KindPage) -> None:
        page.take({"offer": {"--strategy": [(name, name) for name in self.names], "--source": [("recorded", ""), ("made", "")]}})
        for form in page.forms.values():
            if self.names and "--strategy" in form.fields and not form.chosen("--strategy"):
                form.put("--strategy", self.names[0])

    def use_strategy(self, doc: StrategyDoc, market: str) -> None:
        """Take a strategy to the back-test, its market and interval with it, and propose ranges for its variables."""

        def do() -> None:
            self.show_kind("backtest")
            for kind in ("backtest", *SEARCHES):
                self.page_of(kind).take({"--market": market, "--interval": doc.interval, "--strategy": doc.name})
            self._propose_for(doc)
            self.reload(doc.name)

        self.when_ready(do)

    def propose(self) -> None:
        """Write a range text around the chosen strategy's own values."""
        page = self.page
        name = page.form.chosen("--strategy") if page is not None else ""
        if name:
            self.desk.jobs.run(lambda: self.desk.strategies.load(name), self._propose_for, self._fail)

    def _propose_for(self, doc: StrategyDoc) -> None:
        used = tuple(sorted({int(found) for found in _VARIABLE.findall(doc.buy + doc.sell)}))
        if used:
            for kind in SEARCHES:
                self.page_of(kind).take({"--ranges-form": "grid", "--ranges": propose_ranges(doc.variables, used)})

    # --- commands -----------------------------------------------------------------------------------------

    def run(self, kind: str = "") -> None:
        """Start the command of a kind, or of the sub-tab on show."""

        def do() -> None:
            if kind:
                self.show_kind(kind)
            self.page_of(self.kind).run()

        self.when_ready(do)

    def stop(self) -> None:
        """Stop what runs; what it found is saved."""
        for page in self.pages.values():
            page.stop()

    def queue(self, words: list[str]) -> None:
        """Ask when and under which name, and put a command into the queue."""
        dialog = QueueDialog(self.source.forms, words, self.window())
        if dialog.exec_() == QueueDialog.Accepted:
            self.page_of("batch").ask("batch add", dialog.words())
            self.show_kind("batch")

    # --- words --------------------------------------------------------------------------------------------

    def _say(self) -> None:
        for place, kind in enumerate(KINDS):
            self.bar.setTabText(place, tr(f"ui.kind.{kind.id}"))
            self.bar.setTabToolTip(place, tr(f"ui.kind.{kind.id}.tip"))
            self.bar.setTabIcon(place, icons.icon(kind.icon, theme().muted, theme().accent, 16))

    def _fail(self, error: StomError) -> None:
        self.told.emit(error.code, dict(error.fields))
