"""Each page opens, each action acts, everything on the screen is words of the chosen language."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QAbstractButton, QComboBox, QLabel, QMessageBox, QWidget

from domain.orders import Action, OrderKind
from tests.gui.made_feed import ScriptedSupervisor
from ui.actions import ACTIONS
from ui.main_window import PAGES, MainWindow
from utility.text import catalogue

LOCALE = Path(__file__).resolve().parents[2] / "utility" / "locale"
HANGUL = re.compile("[가-힣]")
CODE = re.compile(r"\bui\.[a-z_]+")


@pytest.fixture
def running(make_window: Callable[..., MainWindow], qtbot: Any, supervisor: ScriptedSupervisor) -> MainWindow:
    """A window on a made market with orders, fills and positions, standing still."""
    supervisor.history_s, supervisor.step_s = 420, 0.0
    window = make_window("ko")
    window.begin(["upbit"])
    qtbot.waitUntil(lambda: window.state.positions.count > 0 and window.state.account is not None, timeout=60_000)
    qtbot.waitUntil(lambda: window.names != [], timeout=10_000)
    return window


def visible_texts(root: QWidget) -> list[tuple[str, str]]:
    """Return (where, text) of every widget below `root` that shows words."""
    out = []
    for widget in root.findChildren(QWidget):
        name = f"{type(widget).__name__}:{widget.objectName()}"
        if isinstance(widget, QLabel | QAbstractButton):
            out.append((name, re.sub("<[^>]*>", "", widget.text())))
        elif isinstance(widget, QComboBox):
            out += [(name, widget.itemText(i)) for i in range(widget.count())]
        if widget.toolTip():
            out.append((name + ".tip", widget.toolTip()))
    return out


def test_both_languages_have_the_same_codes() -> None:
    korean, english = (json.loads((LOCALE / language / "ui.json").read_text("utf-8")) for language in ("ko", "en"))
    assert korean.keys() == english.keys()
    for code in korean:
        assert set(re.findall(r"{(\w+)", korean[code])) == set(re.findall(r"{(\w+)", english[code])), code


def test_every_code_in_the_source_has_words() -> None:
    root = Path(__file__).resolve().parents[2] / "ui"
    known = catalogue("ko")
    prefixes = tuple({code.rsplit(".", 1)[0] for code in known})
    missing = set()
    for path in root.rglob("*.py"):
        for code in re.findall(r"[\"'](ui\.[a-z_]+\.[A-Za-z0-9_.]+)[\"']", path.read_text("utf-8")):
            if code not in known and code not in prefixes and not code.endswith((".py", ".")):
                missing.add(code)
    assert not missing


def test_each_page_opens(running: MainWindow, qtbot: Any) -> None:
    for number, name in enumerate(PAGES):
        running.show_page(name)
        assert running.pages.currentIndex() == number
        assert running.rail_buttons[name].isChecked()
        qtbot.wait(30)
        assert not running.grab().isNull()


@pytest.mark.parametrize("language", ["ko", "en"])
def test_no_untranslated_text(running: MainWindow, qtbot: Any, language: str) -> None:
    running.change_setting("general.language", language)
    for name in PAGES:
        running.show_page(name)
        qtbot.wait(20)
    own_names = ("strategyChooser", "researchStrategy", "researchSymbols", "strategy.name")
    for where, text in visible_texts(running):
        assert not CODE.search(text), (where, text)
        if language == "en" and not any(name in where for name in own_names):
            allowed = text == "한국어" or "데모_돌파" in text or "기본_R1" in text
            assert allowed or not HANGUL.search(text), (where, text)


def test_language_switch_writes_everything_again(running: MainWindow) -> None:
    assert running.top.start.text() == "매매 중지"
    running.actions["language"].trigger()
    assert running.top.start.text() == "Stop"
    assert running.live.watch.shown.headerData(0, Qt.Horizontal) == "Name"
    assert running.rail_buttons["live"].text() == "Live"
    running.actions["language"].trigger()
    assert running.rail_buttons["live"].text() == "트레이더"


def test_every_action_has_words_and_acts(running: MainWindow, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.widgets.kill_switch.KillSwitch.ask", lambda self, level: self.pulled.emit(level))
    monkeypatch.setattr(QMessageBox, "exec_", lambda self: 0)
    monkeypatch.setattr("ui.pages.strategy.QInputDialog.getText", lambda *a, **k: ("새_이름", True))
    monkeypatch.setattr("ui.process_runner.ProcessRunner.start", lambda self, words: None)
    for spec in ACTIONS:
        action = running.actions[spec.id]
        assert action.text(), spec.id
        assert action.statusTip(), spec.id
        assert action.receivers(action.triggered) > 0, spec.id
        if spec.page:
            running.show_page(spec.page)
        assert action.isEnabled(), spec.id
        action.trigger()
        qtbot.wait(5)
    if running._box.isVisible():
        running._box.reject()


def test_keys_of_another_page_do_nothing(running: MainWindow) -> None:
    running.show_page("log")
    assert not running.actions["cancel_order"].isEnabled()
    assert not running.actions["run_backtest"].isEnabled()
    assert running.actions["stop_all"].isEnabled()


def test_start_and_stop(running: MainWindow, qtbot: Any, supervisor: ScriptedSupervisor) -> None:
    assert ("start", "upbit", "데모_돌파") in supervisor.asked
    assert running.notice.code == "ui.notice.started"
    running.actions["start_stop"].trigger()
    qtbot.waitUntil(lambda: ("stop", "upbit") in supervisor.asked and "upbit" not in running.running, timeout=5_000)
    assert running.top.start.text() == "매매 시작"
    running.actions["start_stop"].trigger()
    qtbot.waitUntil(lambda: "upbit" in running.running and supervisor.asked.count(("start", "upbit", "데모_돌파")) == 2, timeout=5_000)


def test_notice_stops_the_market(running: MainWindow, qtbot: Any, supervisor: ScriptedSupervisor) -> None:
    assert running.notice.button.isVisible()
    qtbot.mouseClick(running.notice.button, Qt.LeftButton)
    qtbot.waitUntil(lambda: ("stop", "upbit") in supervisor.asked, timeout=5_000)


@pytest.mark.parametrize("level", ["entries", "cancel", "flatten", "freeze"])
def test_kill_levels(running: MainWindow, qtbot: Any, supervisor: ScriptedSupervisor, monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    asked: list[str] = []
    monkeypatch.setattr("ui.widgets.kill_switch.KillSwitch._sure", lambda self, code: bool(asked.append(code)) or True)
    running.top.kill.ask(level)
    qtbot.waitUntil(lambda: ("kill", level) in supervisor.asked, timeout=5_000)
    assert bool(asked) == (level in ("flatten", "freeze"))
    qtbot.waitUntil(lambda: running.top.state.text() == "매매 중단", timeout=5_000)


def test_kill_question_defaults_to_no(
    running: MainWindow, qtbot: Any, monkeypatch: pytest.MonkeyPatch, supervisor: ScriptedSupervisor
) -> None:
    monkeypatch.setattr(QMessageBox, "exec_", lambda self: self.defaultButton().click())
    running.top.kill.ask("flatten")
    qtbot.wait(50)
    assert not any(one[0] == "kill" for one in supervisor.asked)


def test_badges_are_always_in_sight(running: MainWindow) -> None:
    for name in PAGES:
        running.show_page(name)
        for badge in (running.top.paper, running.top.made, running.top.state, running.top.kill):
            assert badge.isVisible()
    assert running.top.paper.text() == "모의투자"
    assert running.top.made.text() == "가상시장"
    assert running.top.state.text() == "매매 가능"


def test_manual_order_goes_through_the_same_door(running: MainWindow, qtbot: Any, supervisor: ScriptedSupervisor) -> None:
    live = running.live
    ticket = live.ticket
    live.select(2)
    ticket.take_price(3_000.0)
    ticket.use_share(10)
    assert ticket.qty.value() > 0
    assert not ticket.send.isEnabled()  # locked
    running.actions["arm_order"].trigger()
    assert ticket.send.isEnabled()
    qtbot.mouseClick(ticket.send, Qt.LeftButton)
    qtbot.waitUntil(lambda: any(one[0] == "submit" for one in supervisor.asked), timeout=5_000)
    intent = next(one for one in supervisor.asked if one[0] == "submit")[2]
    assert (intent.action, intent.kind, intent.side) == (Action.MANUAL, OrderKind.LIMIT, 1)
    assert float(intent.price) == 3_000.0
    assert intent.instrument_id == running.state.instruments[2].instrument_id
    assert not ticket.armed  # locks again after an order


def test_choosing_another_symbol_locks_the_ticket(running: MainWindow) -> None:
    ticket = running.live.ticket
    ticket.lock.setChecked(True)
    running.live.select(3)
    assert not ticket.armed
    assert ticket.qty.value() == 0


def test_symbol_links_table_chart_book_and_ticket(running: MainWindow) -> None:
    live = running.live
    record = running.state.positions.records[0]
    live.positions.chosen.emit(record)
    index = running.state.index_of[record.instrument.instrument_id]
    assert (live.index, live.chart.index, live.book.index, live.ticket.index) == (index,) * 4
    assert live.watch.current_key() == index
    assert live.chart.chart.rows is running.state.series(index)


def test_cancel_by_button(running: MainWindow, qtbot: Any, supervisor: ScriptedSupervisor) -> None:
    feed = supervisor.feeds["upbit"]
    running.bridge.ask("rest", lambda s: s.heard.extend(("upbit", x) for x in feed.rest(1)))
    qtbot.waitUntil(lambda: running.state.open_orders.count == 1, timeout=5_000)
    live = running.live
    live.tabs.setCurrentWidget(live.open_orders)
    live.open_orders.selectRow(0)
    button = live.findChild(QAbstractButton, "button_cancel_order")
    qtbot.mouseClick(button, Qt.LeftButton)
    qtbot.waitUntil(lambda: any(one[0] == "cancel" for one in supervisor.asked), timeout=5_000)
    asked = next(one for one in supervisor.asked if one[0] == "cancel")
    assert asked[3] == {"client_order_id": running.state.open_orders.records[0].client_order_id}


def test_filter_finds_initials(running: MainWindow) -> None:
    running.live.filter.setText("ㅇㄷㄹㅇ")
    names = [running.live.watch.shown.index(row, 0).data() for row in range(running.live.watch.shown.rowCount())]
    assert names == ["이더리움"]
    running.live.filter.setText("krw-b")
    assert running.live.watch.shown.rowCount() == 1


@pytest.mark.parametrize(("language", "size"), [("ko", (1280, 800)), ("en", (1280, 800)), ("ko", (1600, 900)), ("en", (1600, 900))])
def test_no_button_or_label_is_cut(running: MainWindow, qtbot: Any, language: str, size: tuple[int, int]) -> None:
    running.change_setting("general.language", language)
    running.resize(*size)
    cut = []
    for name in PAGES:
        running.show_page(name)
        if name == "strategy":
            qtbot.waitUntil(lambda: running.strategy_page.doc is not None, timeout=20_000)
        qtbot.wait(150)
        for widget in running.findChildren(QWidget):
            if not widget.isVisible() or not widget.width():
                continue
            if not isinstance(widget, QLabel | QAbstractButton) or not widget.text() or "chartTitle" in widget.objectName():
                continue
            least = widget.sizeHint().width()
            if isinstance(widget, QAbstractButton):
                least = min(least, widget.minimumSizeHint().width())
            elif widget.wordWrap():
                continue
            if widget.width() + 1 < least:
                cut.append((name, widget.objectName(), widget.text(), widget.width(), least))
    assert not cut


def test_layout_is_remembered(running: MainWindow) -> None:
    running.live.chart.chips.button(60).click()
    running.live.chart.choosers[0].setCurrentIndex(3)
    chosen = running.live.chart.choosers[0].currentData()
    running.live.select(4)
    running.save_layout()
    page = running.live_pages["upbit"]
    page.chart.chips.button(5).click()
    page.chart.choosers[0].setCurrentIndex(0)
    page.load_layout(running.store)
    assert page.chart.chart.interval_s == 60
    assert page.chart.choosers[0].currentData() == chosen
    assert page.wanted == running.state.instruments[4].code


def test_command_box_goes_to_a_symbol(running: MainWindow, qtbot: Any) -> None:
    running.show_page("log")
    running.open_command_box()
    running._box.line.setText("ㅂㅌㅋㅇ")
    running._box.choose()
    assert running.pages.currentIndex() == 0
    assert running.state.instruments[running.live.index].code == "KRW-BTC"
