"""Every tab in both languages at 1600 × 900, of a real session: exchange, receiver, strategy and trader run on a made market.

Written to a temporary directory; `STOM_IMAGES=docs/images` puts the pictures into the documentation. The
strategy trades until there is something to see, is edited, back-tested and searched; nothing is scripted.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PyQt5.QtWidgets import QApplication

from domain.settings import Settings
from ui.main import make_application, make_window
from ui.main_window import MainWindow
from ui.research.kind_page import KindPage
from ui.text import set_language
from utility import settings_file
from utility.paths import DataDir

ROOT = Path(__file__).resolve().parents[2]
SIZE_MAX = 300_000
RANGES = "self.vars[0] = [[10, 30, 10], 10]\nself.vars[1] = [[1.5, 3, 0.5], 1.5]\nself.vars[5] = [[60, 180, 60], 90]"
TRADES = 8
SETTINGS: dict[str, Any] = {"paper.seed": 11, "paper.speed": 3.0, "upbit.strategy.name": "데모_돌파", "general.language": "ko"}
"""Three minutes of the market in one, so that trades are there soon."""


@pytest.fixture
def place(tmp_path: Path, lend: Callable[[Path], Path]) -> DataDir:
    """A data directory with two and a half hours of made market and the session's settings."""
    made = DataDir(lend(tmp_path / "data"))
    command = [sys.executable, str(ROOT / "stom.py"), "data", "make", "--market", "upbit", "--symbols", "4", "--days", "0.1"]
    subprocess.run(
        [*command, "--seed", "11", "--data-dir", str(made.root), "--json", "--quiet"], check=True, capture_output=True, timeout=300
    )
    settings = Settings()
    for path, value in SETTINGS.items():
        settings = settings_file.change(settings, path, value)
    settings_file.save(settings, made.settings)
    return made


@pytest.fixture
def window(qtbot: Any, place: DataDir) -> Iterator[MainWindow]:
    """The workstation as `stom.py` opens it, with its own supervisor."""
    settings = settings_file.load(place.settings)
    set_language("en")
    make_application(settings)
    made = make_window(place, settings)
    made.resize(1600, 900)
    made.show()
    yield made
    made.close()
    assert not made.bridge.is_alive()
    made.deleteLater()
    set_language("ko")
    QApplication.processEvents()


@pytest.fixture
def shoot(qtbot: Any, window: MainWindow, tmp_path: Path) -> Callable[[str], None]:
    """Return a function that takes the window in both languages."""
    chosen = os.environ.get("STOM_IMAGES")
    folder = (ROOT / chosen) if chosen else tmp_path / "images"
    folder.mkdir(parents=True, exist_ok=True)

    def take(tab: str) -> None:
        for language in ("ko", "en"):
            window.change_setting("general.language", language)
            window.setFocus()
            qtbot.wait(700)
            # What comes in words from a command is asked for again in the new language.
            qtbot.waitUntil(lambda: not any(page.quick.is_running() for page in window.research_page.pages.values()), timeout=60_000)
            path = folder / f"{tab}_{language}.png"
            image = window.grab().toImage()
            assert (image.width(), image.height()) == (1600, 900)
            assert image.save(str(path), "PNG")
            # 256 colours hold what the theme paints; a third of the size keeps the repository light.
            Image.open(path).convert("RGB").quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(path, optimize=True)
            assert 20_000 < path.stat().st_size < SIZE_MAX, path
        window.change_setting("general.language", "ko")

    return take


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_tab(qtbot: Any, window: MainWindow, shoot: Callable[[str], None]) -> None:
    window.begin(["upbit"])
    qtbot.waitUntil(lambda: window.state.trades.count >= TRADES and window.state.positions.count > 0, timeout=300_000)
    qtbot.waitUntil(lambda: window.strip.feed.tone == "ok" and bool(window.strip._latency_us.get("count")), timeout=30_000)
    held = window.state.positions.records[0]
    window.live.select(window.state.index_of[held.instrument.instrument_id])
    qtbot.waitUntil(lambda: len(window.live.chart.chart.bars() or ()) > 100, timeout=30_000)
    shoot("live")

    window.show_page("strategy")
    page = window.strategy_page
    qtbot.waitUntil(lambda: page.doc is not None and bool(page.editors["buy"].lexer_.words.styles), timeout=60_000)
    page.open_version("데모_돌파", 0)
    qtbot.waitUntil(lambda: page.doc is not None and page.doc.name == "데모_돌파", timeout=10_000)
    good = page.editors["sell"].text()
    page.editors["sell"].setText(good.replace("보유시간", "보유시가"))
    qtbot.waitUntil(lambda: bool(page.found["sell"]), timeout=20_000)
    shoot("strategy")
    page.editors["sell"].setText(good)
    qtbot.waitUntil(lambda: not page.found["sell"], timeout=20_000)
    page.backtest()

    qtbot.waitUntil(lambda: window.pages.currentWidget() is window.research_page, timeout=10_000)
    research = window.research_page
    qtbot.waitUntil(lambda: bool(research.source.forms) and len(research.names) >= 4, timeout=120_000)

    def run(kind: str, command: str = "", **values: str | bool) -> KindPage:
        research.show_kind(kind)
        page = research.page_of(kind)
        if command:
            page.show_command(command)
        for name, value in values.items():
            assert page.form.put(name if name in page.form.fields else "--" + name.replace("_", "-"), value), name
        page.run()
        sessions = (page.session, page.quick)
        qtbot.waitUntil(lambda: not any(one.is_running() for one in sessions), timeout=400_000)
        task = page.session.task or page.quick.task
        assert task is not None
        assert task.state == "done", (task.code, task.fields)
        qtbot.waitUntil(lambda: window.jobs.waiting == 0, timeout=60_000)
        return page

    back = run("backtest", strategy="데모_돌파")
    view: Any = back.view
    assert view.trades.count == back.session.task.result["trades"] > 5  # type: ignore[union-attr]
    shoot("research")
    view.open_trade(view.trades.records[3])
    qtbot.waitUntil(lambda: view.trade_chart.chart is not None, timeout=60_000)
    shoot("research_trade")
    found: Any = run("search", strategy="데모_돌파", ranges=RANGES, population="8", generations="3").view
    assert found.trials.count > 5
    shoot("research_search")
    found.pictures.setCurrentWidget(found.pictures.widget(2))
    shoot("research_map")
    run("verdict", subject=found.found.study.study)
    shoot("research_verdict")
    run("find", strategy="데모_돌파", ahead="60", rise="0.3")
    shoot("research_find")
    batch = research.page_of("batch")
    said = back.words()
    assert said is not None
    batch.ask("batch add", ["batch", "add", "--name=latency", "--vary=latency=0|1|2", "--at=06:30", "--on=weekdays", "--", *said[0]])
    research.show_kind("batch")
    queue: Any = batch.view
    qtbot.waitUntil(lambda: queue.queue.count == 3, timeout=60_000)
    shoot("research_queue")
    research.show_kind("runs")
    stored: Any = research.page_of("runs").view
    qtbot.waitUntil(lambda: stored.runs.count >= 2, timeout=30_000)
    stored.table.selectAll()
    stored.compare()
    qtbot.waitUntil(lambda: stored.compared.count > 5, timeout=60_000)
    shoot("research_runs")
    research.show_kind("data")
    qtbot.wait(500)
    shoot("research_data")

    window.show_page("log")
    shoot("log")
    window.show_page("settings")
    shoot("settings")
