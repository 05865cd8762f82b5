"""What a view of results gets, and the shape of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PyQt5.QtCore import pyqtSignal
from PyQt5.QtWidgets import QPushButton, QTabWidget, QWidget

from domain.errors import StomError
from domain.instruments import Market
from domain.settings import Settings
from ui.commands import Commands
from ui.jobs import Jobs
from ui.research.session import Task
from ui.text import bind, has, on_language, tr
from ui.user_library import Library


@dataclass
class Desk:
    """What the research tab works with."""

    strategies: Library
    markets: dict[str, Market]
    settings: Settings
    data_dir: Path
    jobs: Jobs
    commands: Commands

    def market(self, code: str) -> Market:
        """Return a market by its code, those that the window does not trade on among them."""
        if code not in self.markets:
            from trading.venues import market

            self.markets[code] = market(code)
        return self.markets[code]


class View(QWidget):
    """The right side of a sub-tab.

    Signals
    -------
    told(str, dict) : a code and fields for the notice line.
    go(str, dict) : another sub-tab with values for its form.
    picked(dict) : values for the forms of this sub-tab, by option; under "offer" what their lists are to offer.
    resume_asked(str) : go on with a study.
    left_over(str) : a study that never ended is there to be gone on with.
    asked(str, list of str) : a short command and its words.
    """

    told = pyqtSignal(str, object)
    go = pyqtSignal(str, object)
    picked = pyqtSignal(object)
    resume_asked = pyqtSignal(str)
    left_over = pyqtSignal(str)
    asked = pyqtSignal(str, object)

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk

    def start(self) -> None:
        """The sub-tab is shown: read what is stored."""

    def begin(self, task: Task) -> None:
        """A command has begun."""

    def tell(self, task: Task, told: dict[str, Any]) -> None:
        """A command says how far it is."""

    def end(self, task: Task) -> None:
        """A command has ended."""

    def job(self, do: Callable[[], Any], done: Callable[[Any], None]) -> None:
        """Do something in the job thread, `done` here with its result; what goes wrong is told."""
        self.desk.jobs.run(do, done, self.fail)

    def fail(self, error: StomError) -> None:
        """Tell what went wrong."""
        self.told.emit(error.code, dict(error.fields))


class Tabs(QTabWidget):
    """Tabs whose labels are short words, a tip says more; `show_count` gives a label its number."""

    def __init__(self, name: str, pages: list[tuple[QWidget, str]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.codes = [code for _, code in pages]
        self.counts: dict[int, int] = {}
        for page, _ in pages:
            self.addTab(page, "")
        on_language(self, self.relabel)
        self.relabel()

    def show_count(self, page: QWidget, count: int) -> None:
        """Say how many there are on a page."""
        self.counts[self.indexOf(page)] = count
        self.relabel()

    def relabel(self) -> None:
        """Write the labels in the language of the moment."""
        for place, code in enumerate(self.codes):
            self.setTabText(place, tr(code, count=f"{self.counts.get(place, 0):,}"))
            self.setTabToolTip(place, tr(f"{code}.tip") if has(f"{code}.tip") else "")


def small_button(name: str, code: str, do: Callable[[], Any]) -> QPushButton:
    """Return a small button of a panel's head."""
    button = QPushButton()
    button.setObjectName(name)
    button.setProperty("kind", "small")
    bind(button, "setText", code)
    bind(button, "setToolTip", f"{code}.tip")
    button.clicked.connect(lambda _=False: do())
    return button
