"""Every tab in both languages at 1600 × 900, with content as it looks while the product is used.

Written to a temporary directory; `STOM_IMAGES=docs/images` puts the pictures into the documentation.
The research tab runs the real commands on a small made market.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.gui.made_feed import ScriptedSupervisor
from ui.library import StoreLibrary
from ui.main_window import MainWindow
from utility.paths import DataDir

ROOT = Path(__file__).resolve().parents[2]
SIZE_MAX = 300_000
RANGES = "self.vars[0] = [[10, 30, 10], 10]\nself.vars[1] = [[1.5, 3, 0.5], 1.5]\nself.vars[5] = [[60, 180, 60], 90]"


@pytest.fixture(scope="module")
def place(tmp_path_factory: Any) -> DataDir:
    """A data directory with two and a half hours of made market."""
    made = DataDir(tmp_path_factory.mktemp("shots"))
    command = [sys.executable, str(ROOT / "stom.py"), "data", "make", "--market", "upbit", "--symbols", "4", "--days", "0.1"]
    subprocess.run(
        [*command, "--seed", "11", "--data-dir", str(made.root), "--json", "--quiet"], check=True, capture_output=True, timeout=300
    )
    return made


def images(tmp_path: Path) -> Path:
    chosen = os.environ.get("STOM_IMAGES")
    out = (ROOT / chosen) if chosen else tmp_path
    out.mkdir(parents=True, exist_ok=True)
    return out


def shoot(window: MainWindow, folder: Path, tab: str, language: str) -> None:
    path = folder / f"{tab}_{language}.png"
    image = window.grab().toImage()
    assert (image.width(), image.height()) == (1600, 900)
    assert image.save(str(path), "PNG")
    assert 20_000 < path.stat().st_size < SIZE_MAX, path


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("language", ["ko", "en"])
def test_every_tab(
    language: str, qtbot: Any, place: DataDir, tmp_path: Path, make_window: Callable[..., MainWindow], supervisor: ScriptedSupervisor
) -> None:
    folder = images(tmp_path)
    supervisor.history_s, supervisor.step_s = 2_460, 0.01  # as fast as a real market from there on
    window = make_window(language, place=place, library=StoreLibrary(place.library))
    window.begin(["upbit"])
    qtbot.waitUntil(lambda: window.state.trades.count > 5 and window.names != [], timeout=120_000)
    qtbot.waitUntil(lambda: window.strip.feed.tone == "ok", timeout=10_000)
    held = window.state.positions.records[0]
    window.live.select(window.state.index_of[held.instrument.instrument_id])
    qtbot.wait(2_500)
    shoot(window, folder, "live", language)

    window.show_page("strategy")
    page = window.strategy_page
    qtbot.waitUntil(lambda: page.doc is not None and bool(page.editors["buy"].lexer_.words.styles), timeout=60_000)
    page.open_version("데모_돌파", 0)
    qtbot.waitUntil(lambda: page.doc is not None and page.doc.name == "데모_돌파", timeout=10_000)
    page.editors["sell"].setText(page.editors["sell"].text().replace("보유시간", "보유시가"))
    qtbot.waitUntil(lambda: bool(page.found["sell"]), timeout=20_000)
    qtbot.wait(300)
    shoot(window, folder, "strategy", language)

    window.show_page("research")
    research = window.research_page
    qtbot.waitUntil(lambda: research.form.strategy.count() >= 4, timeout=20_000)
    research.form.set_choice(research.form.strategy, "데모_돌파")
    research.form.ranges.setPlainText(RANGES)
    research.form.population.setValue(8)
    research.form.generations.setValue(3)
    for kind in ("ga", "backtest"):
        research.run(kind)
        qtbot.waitUntil(lambda: not research.runner.is_running(), timeout=240_000)
        assert research.current is not None
        assert research.current.state == "done", research.progress_text.text()
        qtbot.waitUntil(lambda: window.jobs.waiting == 0, timeout=30_000)
    assert research.trials.count > 5
    assert research.trades.count == research.current.result["trades"] > 5
    qtbot.wait(500)
    shoot(window, folder, "research", language)
    research.pictures.setCurrentWidget(research.best)
    research.tabs.setCurrentWidget(research.trial_table)
    qtbot.wait(300)
    shoot(window, folder, "research_search", language)
    research.open_trade(research.trades.records[3])
    qtbot.waitUntil(lambda: research.trade_chart.chart is not None, timeout=60_000)
    research.tabs.setCurrentWidget(research.trade_table)
    qtbot.wait(500)
    shoot(window, folder, "research_trade", language)

    window.show_page("log")
    qtbot.wait(400)
    shoot(window, folder, "log", language)
    window.show_page("settings")
    qtbot.wait(300)
    shoot(window, folder, "settings", language)
