"""The editor: Hangul renders, words are coloured and completed in both languages, errors are underlined as one types."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from PyQt5.QtCore import Qt
from PyQt5.QtGui import QFontInfo, QFontMetrics, QImage, QPainter
from PyQt5.QtWidgets import QApplication

from domain.formulas import Formula
from storage.formulas import Formulas
from tests.gui.made_feed import ScriptedSupervisor
from tests.gui.strategies_double import LibraryDouble
from ui.main_window import MainWindow
from ui.theme import fonts
from ui.user_library import StrategyDoc
from ui.widgets.code_editor import SQUIGGLE
from ui.widgets.code_words import load_words, style_spans
from ui.widgets.command_box import initials, rank
from utility.paths import DataDir

NO_LIBRARY = Path("no library")


def drawn(text: str, font: Any) -> bytes:
    image = QImage(40, 40, QImage.Format_Grayscale8)
    image.fill(0)
    painter = QPainter(image)
    painter.setFont(font)
    painter.setPen(Qt.white)
    painter.drawText(2, 30, text)
    painter.end()
    return image.bits().asstring(image.sizeInBytes())


@pytest.mark.parametrize("make", [fonts.ui_font, fonts.code_font])
def test_hangul_is_drawn(make_window: Callable[..., MainWindow], make: Callable[[int], Any]) -> None:
    make_window("ko")
    font = make(24)
    assert drawn("가", font) != drawn("힣", font)
    assert any(drawn("가", font))
    assert QFontInfo(QApplication.font()).family() == fonts.FAMILY


def test_digits_have_one_width(make_window: Callable[..., MainWindow]) -> None:
    make_window("ko")
    metrics = QFontMetrics(QApplication.font())
    assert len({metrics.horizontalAdvance(digit) for digit in "0123456789"}) == 1


def test_spans_cover_the_text_in_bytes() -> None:
    words = load_words("buy", "upbit", 1, NO_LIBRARY)
    text = "if 체결강도 < 체결강도평균(30) and trade_strength > 5:  # 주석\n    매수 = False\n"
    spans = style_spans(text, words.styles)
    assert sum(length for length, _ in spans) == len(text.encode())
    found = {}
    at = 0
    for length, style in spans:
        found.setdefault(text.encode()[at : at + length].decode(), style)
        at += length
    assert found["체결강도"] == found["trade_strength"] == "factor"
    assert found["체결강도평균"] == "function"
    assert found["매수"] == "flag"
    assert found["# 주석"] == "comment"
    assert found["if"] == "keyword"


def test_words_have_both_languages() -> None:
    words = {name: other for name, _, other, _ in load_words("sell", "upbit", 1, NO_LIBRARY).entries}
    assert words["체결강도"] == "trade_strength"
    assert words["trade_strength"] == "체결강도"
    assert words["수익률"] == "return_pct"


@pytest.fixture
def page(make_window: Callable[..., MainWindow], qtbot: Any) -> Any:
    window = make_window("ko")
    window.show_page("strategy")
    made = window.strategy_page
    qtbot.waitUntil(lambda: made.doc is not None and bool(made.editors["buy"].lexer_.words.styles), timeout=60_000)
    return made


def test_error_is_underlined_with_a_sentence_and_a_hint(page: Any, qtbot: Any) -> None:
    editor = page.editors["buy"]
    editor.setText("if 체결강토 < 100:\n    매수 = False\n")
    qtbot.waitUntil(lambda: bool(page.found["buy"]), timeout=20_000)
    problem = editor.problems[0]
    assert (problem.line, problem.column) == (1, 4)
    assert "체결강토" in problem.text
    assert "체결강도" in problem.hint
    position = editor.positionFromLineIndex(0, 4)
    assert editor.SendScintilla(editor.SCI_INDICATORVALUEAT, SQUIGGLE, position)
    assert not editor.SendScintilla(editor.SCI_INDICATORVALUEAT, SQUIGGLE, editor.positionFromLineIndex(1, 4))
    assert page.problems["buy"].isVisibleTo(page)
    editor.setText("if 체결강도 < 100:\n    매수 = False\n")
    qtbot.waitUntil(lambda: not page.found["buy"], timeout=20_000)
    assert not editor.problems


def test_errors_keep_a_strategy_from_live(page: Any, qtbot: Any) -> None:
    asked: list[Any] = []
    page.apply_asked.connect(asked.append)
    page.editors["sell"].setText("매도 = 열려라\n")
    qtbot.waitUntil(page.has_errors, timeout=20_000)
    page.apply()
    qtbot.wait(50)
    assert not asked


def test_completion_offers_and_inserts(page: Any, qtbot: Any) -> None:
    editor = page.editors["buy"]
    editor.setText("체결강도평")
    editor.setCursorPosition(0, 5)
    editor.complete()
    assert editor.isListActive()
    assert "체결강도평균 · avg_trade_strength" in editor._offered
    editor._completion_chosen("체결강도평균 · avg_trade_strength".encode(), 0)
    assert editor.text() == "체결강도평균(30)"
    editor.setText("avg_tr")
    editor.setCursorPosition(0, 6)
    editor.complete()
    assert "avg_trade_strength · 체결강도평균" in editor._offered


def test_a_snippet_is_a_branch_as_deep_as_its_line(page: Any, qtbot: Any) -> None:
    editor = page.editors["buy"]
    editor.setText("if 시가 > 1:\n    체결강도하")
    editor.setCursorPosition(1, 9)
    editor.complete()
    assert "체결강도하한 · least_trade_strength" in editor._offered
    editor._completion_chosen("체결강도하한 · least_trade_strength".encode(), editor.positionFromLineIndex(1, 4))
    assert editor.text() == "if 시가 > 1:\n    if not (체결강도 >= 100):\n        매수 = False"


def test_versions_save_load_rename_and_diff(page: Any, qtbot: Any) -> None:
    name = page.doc.name
    saved: list[StrategyDoc] = []
    page.saved.connect(saved.append)
    page.editors["buy"].setText(page.editors["buy"].text() + "# 메모\n")
    assert page.is_modified()
    page.save()
    qtbot.waitUntil(lambda: bool(saved), timeout=5_000)
    assert saved[0].version == 2
    assert not page.is_modified()
    page.diff()
    qtbot.waitUntil(lambda: hasattr(page, "_diff") and page._diff.isVisible(), timeout=5_000)
    page._diff.close()
    page.open_version(name, 1)
    qtbot.waitUntil(lambda: page.doc.version == 1, timeout=5_000)
    assert "# 메모" not in page.editors["buy"].text()
    page.rename_to("다른_이름")
    qtbot.waitUntil(lambda: page.doc is not None and page.doc.name == "다른_이름", timeout=5_000)


def test_variables_of_another_strategy_do_not_stay(page: Any, qtbot: Any) -> None:
    page.editors["buy"].setText("if 현재가 > self.vars[40]:\n    매수 = False\n")
    qtbot.waitUntil(lambda: page.vars.rowCount() == 41, timeout=5_000)
    page.show_doc(StrategyDoc("a", 1, "if 현재가 > self.vars[1]:\n    매수 = False\n", "매도 = True\n", (3.0, 4.0)))
    assert page.vars.values() == (3.0, 4.0)
    assert not page.is_modified()


def test_initials_and_rank() -> None:
    assert initials("삼성전자") == "ㅅㅅㅈㅈ"
    assert rank("ㅅㅅㅈㅈ", ("삼성전자",)) == 3
    assert rank("sk하", ("SK하이닉스",)) == 1
    assert rank("skㅎ", ("SK하이닉스",)) == 3
    assert rank("없음", ("삼성전자",)) == -1


def test_a_formula_is_known_to_the_check_the_completion_and_the_start(
    make_window: Callable[..., MainWindow], qtbot: Any, supervisor: ScriptedSupervisor, tmp_path: Path
) -> None:
    place = DataDir(tmp_path / "data")
    place.root.mkdir()
    formula = Formula(name="간격", market="upbit", interval_s=1, display="line", text="self.line = 현재가 - 시가\n", in_strategy=True)
    Formulas(place.user_library).save(formula)
    library = LibraryDouble()
    library.docs["데모_돌파"] = [StrategyDoc("데모_돌파", 1, "if not 간격(0) > 0:\n    매수 = False\n", "매도 = 수익률 > 1\n")]
    window = make_window("ko", place=place, library=library)
    window.show_page("strategy")
    page = window.strategy_page
    qtbot.waitUntil(lambda: page.doc is not None and "간격" in page.editors["buy"].lexer_.words.styles, timeout=60_000)
    editor = page.editors["buy"]
    editor.setText("간겨")
    qtbot.waitUntil(lambda: bool(page.found["buy"]), timeout=20_000)
    editor.setText("매수 = 간격(1) > 0\n")
    qtbot.waitUntil(lambda: not page.found["buy"], timeout=20_000)
    changed = replace(formula, text="self.line = 현재가 - 고가\n")
    Formulas(place.user_library).save(changed)  # after the strategy was opened: what starts is what is there now
    window.begin(["upbit"])
    qtbot.waitUntil(lambda: "upbit" in supervisor.markets, timeout=20_000)
    assert supervisor.markets["upbit"].options.strategy.formulas == (changed,)
