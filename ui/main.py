"""The window's entry: `run` is what stom.py calls; `python -m ui.main` also measures the event loop.

Nothing heavy is imported before the first window is on the screen: numpy and pyqtgraph are, pandas,
numba, matplotlib, SQLAlchemy and the venues are not.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence

os.environ.setdefault("QT_API", "pyqt5")
os.environ.setdefault("PYQTGRAPH_QT_LIB", "PyQt5")

from PyQt5.QtCore import QLibraryInfo, Qt, QTimer, QTranslator
from PyQt5.QtGui import QIcon
from PyQt5.QtWidgets import QApplication

from domain.errors import SettingError, StomError
from domain.market_codes import FIRST_MARKET
from domain.settings import Settings
from ui.text import set_language, tr
from ui.theme import fonts
from ui.theme.style import THEME
from utility import settings_file
from utility.paths import DEFAULT_ROOT, DataDir

log = logging.getLogger(__name__)
FIRST_STRATEGY = "데모_돌파"
LOADED_MS = 20_000
"""By then everything is loaded, also when no market was started."""


def make_application(settings: Settings) -> QApplication:
    """Return the application with fonts, theme and language set."""
    app = QApplication.instance()
    if app is None:
        QApplication.setAttribute(Qt.AA_EnableHighDpiScaling, True)
        QApplication.setAttribute(Qt.AA_UseHighDpiPixmaps, True)
        if sys.platform == "win32":
            QApplication.setHighDpiScaleFactorRoundingPolicy(Qt.HighDpiScaleFactorRoundingPolicy.PassThrough)
        app = QApplication(["stom"])
    app.setApplicationName("STOM")
    app.setWindowIcon(QIcon(str(DEFAULT_ROOT.parent / "icon" / "stom.svg")))
    fonts.register()
    set_language(settings.general.language)
    translator = QTranslator(app)
    if settings.general.language == "ko" and translator.load("qtbase_ko", QLibraryInfo.location(QLibraryInfo.TranslationsPath)):
        app.installTranslator(translator)
    general = settings.general
    THEME.apply(app, general.theme, general.up_colour, general.font_px)
    return app


def read_settings(data_dir: DataDir) -> tuple[Settings, SettingError | None]:
    """Return the settings and, when the file is bad, the defaults and why; the file is left as it is."""
    try:
        return settings_file.load(data_dir.settings), None
    except SettingError as error:
        return Settings(), error


def first_start(data_dir: DataDir, settings: Settings) -> Settings:
    """Choose the demo on a new directory, so that a newcomer sees a market trade without configuring anything."""
    if data_dir.settings.exists():
        return settings
    settings = settings_file.change(settings, f"{FIRST_MARKET}.strategy.name", FIRST_STRATEGY)
    settings_file.save(settings, data_dir.settings)
    return settings


def run(
    data_dir: str | None = None,
    language: str | None = None,
    markets: Sequence[str] = (),
    measure_stalls_s: float = 0.0,
    warm_up_s: float = 10.0,
) -> int:
    """Open the workstation and return the exit status when it is closed.

    Parameters
    ----------
    data_dir : str, optional
        ``_database/`` when None.
    language : {"ko", "en"}, optional
        For this start only; the setting when None.
    markets : sequence of str
        Markets to start; without any the last choice, on a new directory the demo on made Upbit.
    measure_stalls_s : float
        When positive: measure the event loop for so long after `warm_up_s`, print one JSON object, close.
    """
    began = time.perf_counter()
    place = DataDir(data_dir)
    place.root.mkdir(parents=True, exist_ok=True)
    settings, bad = read_settings(place)
    is_first = not place.settings.exists()
    settings = first_start(place, settings)
    if language:
        settings = settings_file.change(settings, "general.language", language)
    app = make_application(settings)
    window = make_window(place, settings)
    wanted = list(markets) or _last_choice(window, is_first)
    window.show()
    window.raise_()
    app.processEvents()
    first_s = time.perf_counter() - began
    log.info("event=first_window seconds=%.2f", first_s)
    if bad is not None:
        window._tell_error(bad)
    if wanted:
        window.show_market(wanted[0])
    QTimer.singleShot(0, lambda: window.begin(wanted))
    # Python runs signal handlers between bytecodes; the drain timer gives it the chance while Qt waits.
    signal.signal(signal.SIGINT, lambda *_: window.close())
    signal.signal(signal.SIGTERM, lambda *_: window.close())
    watch = None
    if measure_stalls_s > 0:
        from ui.stall_watch import StallWatch

        watch = StallWatch(window)
        watch.start()
        QTimer.singleShot(round(warm_up_s * 1000), watch.reset)
        QTimer.singleShot(round((warm_up_s + measure_stalls_s) * 1000), window.close)
    status = int(app.exec_())
    if watch is not None:
        watch.stop()
        figures = watch.figures() | {
            "first_window_s": round(first_s, 3),
            "messages": window.bridge.messages,
            "batches": window.bridge.batches,
        }
        sys.stdout.write(json.dumps(figures) + "\n")
        sys.stdout.flush()
    return status


def make_window(place: DataDir, settings: Settings) -> MainWindow:  # noqa: F821 - imported below, after Qt is set up
    """Return the window with its bridge and library; nothing is started."""
    from ui import garbage

    garbage.rest()
    from coin.markets import BINANCE, UPBIT
    from ui.bridge import Bridge
    from ui.main_window import MainWindow
    from ui.user_library import StoreLibrary

    def make_supervisor() -> object:
        from domain.errors import RefusedError
        from trading.supervisor import Supervisor
        from trading.viewer import Viewer

        try:
            return Supervisor(place, settings)
        except RefusedError as error:
            if error.code != "run.locked":
                raise
        return Viewer(place)  # `live` on a terminal, or another window, has the run: join it

    window = MainWindow(Bridge(make_supervisor), StoreLibrary(place.user_library), settings, (UPBIT, BINANCE), place)
    window.bridge.profit_ready.connect(garbage.settle)
    QTimer.singleShot(LOADED_MS, garbage.settle)
    return window


def _last_choice(window: MainWindow, is_first: bool) -> list[str]:  # noqa: F821
    if is_first:
        return [FIRST_MARKET]
    running = window.store.value("window/running")
    if isinstance(running, str):
        running = [running]
    return [code for code in running or [] if code in window.markets]


def main(argv: Sequence[str] | None = None) -> int:
    """Read the words of ``python -m ui.main``."""
    parser = argparse.ArgumentParser(prog="ui.main", description="STOM's window")
    parser.add_argument("markets", nargs="*")
    parser.add_argument("--data-dir")
    parser.add_argument("--lang", choices=("ko", "en"))
    parser.add_argument("--measure-stalls", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--warm-up", type=float, default=10.0, metavar="SECONDS")
    args = parser.parse_args(argv)
    try:
        return run(args.data_dir, args.lang, args.markets, args.measure_stalls, args.warm_up)
    except StomError as error:
        sys.stderr.write(tr(error.code, **error.fields) + "\n")
        return error.exit_status


if __name__ == "__main__":
    sys.exit(main())
