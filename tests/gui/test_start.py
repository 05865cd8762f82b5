"""What the first window costs, and that the event loop is watched."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from domain.process_config import LiveOptions, StrategyText
from domain.settings import Settings
from tests.gui.made_feed import ScriptedSupervisor
from ui.main import first_start, read_settings
from ui.main_window import MainWindow
from ui.stall_watch import StallWatch
from utility import settings_file
from utility.paths import DataDir

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("pandas", "numba", "matplotlib", "scipy", "sqlalchemy", "pyarrow", "zmq", "httpx", "trading.supervisor")


def test_nothing_heavy_before_the_first_window() -> None:
    code = (
        "import sys, ui.main, ui.main_window, ui.bridge, ui.user_library, coin.markets;"
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


def running_double(supervisor: ScriptedSupervisor, is_viewer: bool) -> None:
    strategy = StrategyText(name="되돌림", version="1", buy="", sell="", variables=(), betting=1.0)
    supervisor.start_market(LiveOptions(market="upbit", strategy=strategy))
    supervisor.is_viewer = is_viewer


def test_what_an_earlier_window_left_is_taken_over(
    qtbot: Any, make_window: Callable[..., MainWindow], supervisor: ScriptedSupervisor
) -> None:
    running_double(supervisor, is_viewer=False)
    window = make_window("ko")
    window.begin(["upbit"])
    qtbot.waitUntil(lambda: window.state.positions.count > 0, timeout=60_000)
    assert window.running == {"upbit": "되돌림"}
    assert [asked[0] for asked in supervisor.asked].count("start") == 1  # the double's own
    assert window.top.start.isEnabled()
    window.toggle_market()
    qtbot.waitUntil(lambda: window.running == {}, timeout=5_000)


def test_a_joined_run_is_watched_and_its_end_frees_the_window(
    qtbot: Any, make_window: Callable[..., MainWindow], supervisor: ScriptedSupervisor
) -> None:
    running_double(supervisor, is_viewer=True)
    window = make_window("en")
    window.begin(["upbit", "binance"])
    qtbot.waitUntil(lambda: window.state.positions.count > 0, timeout=60_000)
    assert window.is_viewer
    assert "Joined" in window.notice.text.text()
    assert not window.top.start.isEnabled()
    assert not window.actions["start_stop"].isEnabled()
    assert [asked[1] for asked in supervisor.asked if asked[0] == "start"] == ["upbit"]  # nothing was started by the window

    def close() -> None:
        del supervisor.feeds["upbit"], supervisor.markets["upbit"]
        supervisor.is_viewer = supervisor.is_over = False

    supervisor.close = close  # type: ignore[method-assign]
    supervisor.is_over = True
    qtbot.waitUntil(lambda: not window.is_viewer and window.is_up, timeout=10_000)
    assert window.running == {}
    assert window.top.start.isEnabled()
    window.toggle_market()
    qtbot.waitUntil(lambda: "upbit" in supervisor.feeds, timeout=10_000)
