"""What a window started ends with it, whatever state it is in, and nothing starts afterwards."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from PyQt5 import sip
from PyQt5.QtCore import QObject, QProcess

from ui.commands import Commands
from ui.process_runner import ProcessRunner
from ui.user_library import StoreLibrary, StrategyDoc
from utility.paths import DataDir

SLEEPS = (sys.executable, "-c", "import time; print('{}', flush=True); time.sleep(60)")
ENDS = (sys.executable, "-c", "print('{}')")


def started(commands: Commands, program: tuple[str, ...]) -> tuple[ProcessRunner, int]:
    runner = commands.runner()
    runner.program = program
    runner.start([])
    assert runner.process is not None
    return runner, int(runner.process.processId())


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid)


def reach(runner: ProcessRunner, state: str) -> None:
    """Bring a process into a state without letting the event loop tell of it."""
    assert runner.process is not None
    if state == "starting":
        assert runner.process.state() == QProcess.Starting
    else:
        assert runner.process.waitForStarted(20_000)
    if state == "said":
        assert runner.process.waitForReadyRead(20_000)


@pytest.mark.parametrize("how", ["closed", "destroyed"])
@pytest.mark.parametrize("state", ["starting", "running", "said"])
def test_every_process_ends_with_its_owner(qtbot: Any, state: str, how: str) -> None:
    commands = Commands()
    runner, pid = started(commands, SLEEPS)
    told: list[Any] = []
    runner.finished.connect(told.append)
    runner.failed.connect(lambda *said: told.append(said))
    reach(runner, state)
    commands.close() if how == "closed" else sip.delete(commands)
    assert is_gone(pid)
    assert not runner.is_running()
    qtbot.wait(20)
    assert not told


def test_one_that_has_ended_and_was_not_told_of(qtbot: Any) -> None:
    commands = Commands()
    runner, pid = started(commands, ENDS)
    deadline = time.monotonic() + 20
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    commands.close()
    assert is_gone(pid)
    assert not runner.is_running()


def test_a_runner_that_goes_before_its_process(qtbot: Any) -> None:
    commands = Commands()
    page = QObject()
    runner = commands.runner(page)
    runner.program = SLEEPS
    runner.start([])
    assert runner.process is not None
    pid = int(runner.process.processId())
    sip.delete(page)
    assert not is_gone(pid)
    commands.close()
    assert is_gone(pid)


def test_nothing_starts_after_the_end(qtbot: Any) -> None:
    commands = Commands()
    early = commands.runner()
    commands.close()
    for runner in (early, commands.runner()):
        runner.start(["doctor"])
        assert not runner.is_running()
        runner.stop()


def test_a_program_that_is_not_there_is_told_and_let_go(qtbot: Any) -> None:
    commands = Commands()
    runner = commands.runner()
    runner.program = ("/nowhere/python",)
    with qtbot.waitSignal(runner.failed, timeout=20_000) as caught:
        runner.start([])
    assert caught.args[0] == "ui.research.no_start"
    assert not runner.is_running()
    commands.close()


def test_a_save_that_is_told_of_after_the_window_closed_is_judged_by_nobody(make_window: Any, tmp_path: Path, qtbot: Any) -> None:
    place = DataDir(tmp_path / "data")
    window = make_window(place=place, library=StoreLibrary(place.user_library))
    doc = StrategyDoc("늦음", 0, "매수 = 현재가 > 이동평균(30)\n", "매도 = 수익률 > 1\n", markets=("upbit",))
    library = StoreLibrary(place.user_library)
    window.jobs.run(lambda: library.save(doc), window.strategy_page.saved.emit, window.strategy_page.saved.emit)
    window.close()
    qtbot.wait(50)
    assert not window.save_guard.runner.is_running()
    assert "늦음" in [entry.name for entry in library.entries()]
