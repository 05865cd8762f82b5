"""What the first window costs, and that the event loop is watched."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from domain.settings import Settings
from ui.main import first_start, read_settings
from ui.main_window import MainWindow
from ui.stall_watch import StallWatch
from utility import settings_file
from utility.paths import DataDir

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("pandas", "numba", "matplotlib", "scipy", "sqlalchemy", "pyarrow", "zmq", "httpx", "trading.supervisor")


def test_nothing_heavy_before_the_first_window() -> None:
    code = (
        "import sys, ui.main, ui.main_window, ui.bridge, ui.library, coin.markets;"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_first_start_chooses_the_demo_and_a_later_one_keeps_the_choice(tmp_path: Path) -> None:
    place = DataDir(tmp_path)
    settings = first_start(place, Settings())
    assert settings.upbit.strategy.name == "데모_돌파"
    changed = settings_file.change(settings, "upbit.strategy.name", "되돌림")
    settings_file.save(changed, place.settings)
    again, bad = read_settings(place)
    assert bad is None
    assert first_start(place, again).upbit.strategy.name == "되돌림"


def test_a_damaged_settings_file_is_told_and_kept(tmp_path: Path) -> None:
    place = DataDir(tmp_path)
    place.settings.write_text("{ not json", "utf-8")
    settings, bad = read_settings(place)
    assert settings == Settings()
    assert bad is not None
    assert first_start(place, settings) == settings
    assert place.settings.read_text("utf-8") == "{ not json"


def test_stall_is_seen_with_its_place(make_window: Callable[..., MainWindow], qtbot: Any) -> None:
    window = make_window("ko")
    watch = StallWatch(window, report_ms=50)
    watch.start()
    qtbot.wait(100)
    watch.reset()
    time.sleep(0.3)
    qtbot.wait(100)
    watch.stop()
    figures = watch.figures()
    assert figures["worst_ms"] > 200
    worst = max(figures["stalls"], key=lambda stall: stall["ms"])
    assert any("test_stall_is_seen_with_its_place" in place for place in worst["where"])
