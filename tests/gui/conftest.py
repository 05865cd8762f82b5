"""What the window's tests share: one application, a window over doubles, and a look at everything it says."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("QT_API", "pyqt5")
os.environ.setdefault("PYQTGRAPH_QT_LIB", "PyQt5")

import pytest
from PyQt5 import sip
from PyQt5.QtCore import QEvent
from PyQt5.QtWidgets import QApplication

from coin.markets import BINANCE, UPBIT
from domain.settings import Settings
from tests.gui.made_feed import ScriptedSupervisor
from tests.gui.strategies_double import LibraryDouble
from ui.bridge import Bridge
from ui.main import make_application
from ui.main_window import MainWindow
from ui.text import set_language
from utility import settings_file
from utility.paths import DataDir


@pytest.fixture(scope="session")
def qapp_cls() -> type[QApplication]:
    return QApplication


@pytest.fixture
def supervisor() -> ScriptedSupervisor:
    return ScriptedSupervisor()


@pytest.fixture
def make_window(qtbot: Any, tmp_path: Path, supervisor: ScriptedSupervisor) -> Iterator[Callable[..., MainWindow]]:
    """Return a function that makes a shown window; closed at the end of the test."""
    made: list[MainWindow] = []

    def make(
        language: str = "ko", size: tuple[int, int] = (1600, 900), place: DataDir | None = None, library: Any = None, **general: Any
    ) -> MainWindow:
        settings = Settings()
        settings = settings_file.change(settings, "general.language", language)
        for name, value in general.items():
            settings = settings_file.change(settings, f"general.{name}", value)
        settings = settings_file.change(settings, "upbit.strategy.name", "데모_돌파")
        set_language("en" if language == "ko" else "ko")
        make_application(settings)
        place = place or DataDir(tmp_path / "data")
        place.root.mkdir(parents=True, exist_ok=True)
        window = MainWindow(Bridge(lambda: supervisor), library or LibraryDouble(), settings, (UPBIT, BINANCE), place)
        window.resize(*size)
        window.show()
        made.append(window)
        return window

    yield make
    while made:
        window = made.pop()
        window.close()
        window.deleteLater()
        # Processing events alone destroys nothing: the window would live on, with its timers, beside those of the next tests.
        QApplication.sendPostedEvents(window, QEvent.DeferredDelete)
        assert sip.isdeleted(window)
        del window
    gc.collect()  # menus of charts are nobody's children
    set_language("ko")
    QApplication.processEvents()
