"""A saved strategy is asked of its look-ahead in the background, and the window says what came."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from storage.strategies import Strategies
from ui.commands import Commands
from ui.save_guard import SaveGuard
from ui.user_library import StoreLibrary, StrategyDoc
from utility.paths import DataDir


def test_a_save_in_the_window_is_judged_and_the_answer_is_kept(make_window: Callable[..., Any], tmp_path: Any, qtbot: Any) -> None:
    place = DataDir(tmp_path / "data")
    window = make_window(place=place, library=StoreLibrary(place.user_library))
    doc = StoreLibrary(place.user_library).save(
        StrategyDoc("시험", 0, "매수 = 현재가 > 이동평균(30)\n", "매도 = 수익률 > 1\n", markets=("upbit",))
    )
    told: list[tuple[str, dict[str, Any]]] = []
    window.save_guard.told.connect(lambda code, fields: told.append((code, fields)))
    with qtbot.waitSignal(window.save_guard.told, timeout=60_000):
        window.strategy_page.saved.emit(doc)
    assert told[0][0] == "ui.strategy.look_ahead_ok"
    assert Strategies(place.user_library).check_of("시험", doc.version)["ok"]  # type: ignore[index]


def test_a_leak_is_said_with_its_row_and_two_saves_wait_for_each_other(qtbot: Any, tmp_path: Any) -> None:
    commands = Commands()
    guard = SaveGuard(tmp_path, commands)
    judged = {"ok": False, "row": 48, "side": "buy"}
    found = {"ok": False, "seconds": 0.4, "judged": [judged]}
    answer = json.dumps({"strategies": [{"name": "A", "version": 3, "look_ahead": found}]})

    guard.runner.program = (sys.executable, "-c", f"print({answer!r})")
    told: list[tuple[str, dict[str, Any]]] = []
    guard.told.connect(lambda code, fields: told.append((code, fields)))
    guard.ask(StrategyDoc("A", 3, "", ""))
    guard.ask(StrategyDoc("A", 4, "", ""))
    qtbot.waitUntil(lambda: len(told) == 2, timeout=20_000)
    assert {code for code, _ in told} == {"ui.strategy.look_ahead_bad"}
    assert told[0][1]["row"] == 48
    commands.close()
