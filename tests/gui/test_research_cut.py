"""Nothing that Research writes is cut: every form and every sub-tab, in both languages, at the sizes people have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from PyQt5.QtWidgets import QApplication, QComboBox, QHBoxLayout, QLabel, QPushButton, QTabBar, QTabWidget, QWidget

from tests.gui.cut_texts import cut_texts
from tests.gui.in_process import CommandsInProcess
from ui.main_window import MainWindow
from ui.models.research_kinds import KINDS
from ui.widgets.data_table import DataTable
from utility.text import LANGUAGES


@pytest.mark.parametrize("size", [(1280, 800), (1366, 768), (1920, 1080)])
def test_no_label_button_heading_or_choice_is_cut(
    qtbot: Any, make_window: Callable[..., MainWindow], monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    monkeypatch.setattr("ui.main_window.Commands", CommandsInProcess)
    window = make_window(size=size)
    window.show_page("research")
    research = window.research_page
    qtbot.waitUntil(lambda: bool(research.source.forms), timeout=60_000)
    cut = []
    for language in LANGUAGES:
        window.change_setting("general.language", language)
        for kind in KINDS:
            research.show_kind(kind.id)
            page = research.page_of(kind.id)
            for path, form in page.forms.items():
                form.fold.setChecked(True)
                page.show_command(path)
                QApplication.processEvents()
                cut += [(language, path, *one) for one in cut_texts(window)]
            for tabs in page.view.findChildren(QTabWidget):
                for place in range(tabs.count()):
                    tabs.setCurrentIndex(place)
                    QApplication.processEvents()
                    cut += [(language, kind.id, *one) for one in cut_texts(page.view)]
    assert (window.width(), window.height()) == size
    assert not cut


def test_what_is_cut_is_found(qtbot: Any) -> None:
    """The look itself: each kind of widget with a text that has no room."""
    holder = QWidget()
    qtbot.addWidget(holder)
    row = QHBoxLayout(holder)
    long = "a sentence that is a good deal too long for its place"
    label, wraps, button, combo, bar = QLabel(long), QLabel(long), QPushButton(long), QComboBox(), QTabBar()
    wraps.setWordWrap(True)
    combo.addItems(["short", long])
    bar.addTab(long)
    for widget in (label, wraps, button, combo, bar):
        widget.setFixedSize(70, 24)
        row.addWidget(widget)
    holder.show()
    QApplication.processEvents()
    found = {what.split()[0] for what, *_ in cut_texts(holder)}
    assert found == {"QLabel", "QPushButton", "QComboBox", "QTabBar"}
    assert len([one for one in cut_texts(holder) if one[0].startswith("QLabel")]) == 2


def test_a_stretched_column_takes_what_others_do_not_need(qtbot: Any) -> None:
    from ui.models.rows import RowModel, text_column

    model = RowModel((text_column("a", "ui.col.name", 40), text_column("b", "ui.col.command", 0)))
    table = DataTable(model, "t", tight=True)
    qtbot.addWidget(table)
    table.resize(620, 200)
    table.show()
    said = "백테스트 · 업비트 KRW · 손으로 쓴 전략 · 지연 1 · 수수료 0.0005"
    model.show({"a": ["짧다"], "b": [said]})
    QApplication.processEvents()
    assert table.columnWidth(1) >= table.fontMetrics().horizontalAdvance(said)
    model.deleteLater()
