"""The window joins what `live` runs on a terminal: it sees rows and trades, commands, and leaves the run alone when it closes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.settings import Settings
from ui.main import make_application, make_window
from utility import settings_file
from utility.paths import DataDir

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def terminal(tmp_path: Path, lend: Callable[[Path], Path]) -> Iterator[tuple[DataDir, subprocess.Popen[str]]]:
    """`stom.py live` in a process of its own."""
    place = DataDir(lend(tmp_path / "data"))
    settings = settings_file.change(Settings(), "paper.speed", 3.0)
    settings_file.save(settings, place.settings)
    words = ["live", "--market", "upbit", "--seed", "11", "--data-dir", str(place.root), "--json", "--quiet"]
    process = subprocess.Popen(
        [sys.executable, "-X", "faulthandler", str(ROOT / "stom.py"), *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield place, process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.skipif(os.name == "nt", reason="SIGINT to another process")
def test_the_window_joins_and_leaves_the_run_alone(qtbot: Any, terminal: tuple[DataDir, subprocess.Popen[str]]) -> None:
    place, process = terminal
    deadline = time.monotonic() + 60
    while not list(place.run.glob("*.json")) and time.monotonic() < deadline:
        time.sleep(0.2)
    settings = settings_file.load(place.settings)
    make_application(settings)
    window = make_window(place, settings)
    window.show()
    window.begin(["upbit"])
    qtbot.waitUntil(lambda: window.is_up, timeout=60_000)
    assert window.is_viewer
    assert window.running == {"upbit": "데모_돌파"}
    assert not window.top.start.isEnabled()
    state = window.state
    qtbot.waitUntil(lambda: state.account is not None and state.account.state == "ready", timeout=90_000)
    qtbot.waitUntil(lambda: window.live.index >= 0 and state.series(window.live.index).has_rows, timeout=90_000)
    qtbot.waitUntil(lambda: len(state.series(window.live.index)) > 300, timeout=30_000)  # the venue's bars came, too
    qtbot.waitUntil(lambda: window.live.index in state.books, timeout=30_000)
    qtbot.waitUntil(lambda: state.fills.count > 0, timeout=180_000)
    qtbot.waitUntil(lambda: {"receiver", "strategy", "trader"} <= set(state.health), timeout=10_000)
    window.pull_kill("entries")
    qtbot.waitUntil(lambda: state.account is not None and state.account.trading_state == "reducing", timeout=20_000)
    window.close()
    assert not window.bridge.is_alive()
    window.deleteLater()

    time.sleep(2.0)
    assert process.poll() is None  # the run goes on
    process.send_signal(signal.SIGINT)
    try:
        out, err = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)  # where it stands is more use than that it stands
        pytest.fail(process.communicate()[1][-4000:])
    assert process.returncode == 0, err
    told = json.loads(out)
    assert told["fills"] > 0
    assert told["unexplained"] == 0
