"""The settings form is the structs: each setting is there, survives a round trip, and says what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from PyQt5.QtWidgets import QApplication, QComboBox

from ui.main_window import MainWindow
from ui.theme.style import theme
from utility import settings_file
from utility.settings_file import Field


def other_value(info: Field) -> Any:
    """Return a legal value that is not the default."""
    if info.type is bool:
        return not info.default
    if info.choices:
        return next(choice for choice in info.choices if choice != info.default)
    if info.type is str:
        return "101500" if info.path.endswith("_time") else info.default + "x"
    step = 1 if info.type is int else 0.5
    up = info.default + step
    return up if info.high is None or up <= info.high else info.default - step


def test_every_setting_survives_a_round_trip(make_window: Callable[..., MainWindow]) -> None:
    window = make_window("ko")
    page = window.settings_page
    fields = list(settings_file.fields())
    assert set(page.rows) == {info.path for info in fields}
    for info in fields:
        wanted = other_value(info)
        page.rows[info.path].changed.emit(info.path, wanted)
        assert page.rows[info.path].error.text() == "", info.path
        assert settings_file.get(page.settings, info.path) == wanted, info.path
        assert settings_file.get(settings_file.load(page.file), info.path) == wanted, info.path
        assert page.rows[info.path].value() == pytest.approx(wanted) if info.type is float else page.rows[info.path].value() == wanted
    page.reset_all()
    for info in fields:
        assert settings_file.get(settings_file.load(page.file), info.path) == info.default, info.path


def test_bad_value_is_said_beside_the_field_and_nothing_is_saved(make_window: Callable[..., MainWindow]) -> None:
    page = make_window("ko").settings_page
    row = page.rows["upbit.strategy.start_time"]
    before = page.settings
    row.changed.emit("upbit.strategy.start_time", "9시")
    assert row.error.text()
    assert page.settings is before
    assert row.editor.property("bad") is True


def test_bounds_units_and_titles_come_from_the_structs(make_window: Callable[..., MainWindow]) -> None:
    window = make_window("en")
    row = window.settings_page.rows["risk.max_order_pct"]
    assert row.title.text() == "Largest order (of equity)"
    assert row.unit.text() == "%"
    assert row.editor.maximum() == 100
    assert row.apply.text() == "at next start"
    window.change_setting("general.language", "ko")
    assert row.title.text() == "주문 한도 (자산 대비)"


def test_choices_come_from_what_the_program_knows(qtbot: Any, make_window: Callable[..., MainWindow]) -> None:
    window = make_window("ko")
    rows = window.settings_page.rows
    window.reload_strategies()
    window.show_page("settings")
    venue, strategy = rows["upbit.venue"].editor, rows["upbit.strategy.name"].editor
    qtbot.waitUntil(lambda: bool(window.venues) and len(window.names) > 1, timeout=20_000)
    assert isinstance(venue, QComboBox)
    assert [venue.itemData(i) for i in range(venue.count())] == ["upbit"]
    assert venue.currentText() == "업비트"
    assert not rows["upbit.venue"].reset.isVisible()  # the market's own default, not the struct's empty one
    # What is set stays on show though no venue of this build serves it.
    assert rows["krx.venue"].value() == "kis"
    assert [strategy.itemData(i) for i in range(strategy.count())] == ["", *window.names]
    assert strategy.currentData() == "데모_돌파"
    strategy.setCurrentIndex(0)
    strategy.activated.emit(0)
    assert window.settings.upbit.strategy.name == ""


def test_search_finds_in_both_languages(make_window: Callable[..., MainWindow]) -> None:
    window = make_window("ko")
    window.show_page("settings")
    page = window.settings_page
    page.search.setText("heartbeat")
    assert [path for path, row in page.rows.items() if row.isVisible()] == ["processes.heartbeat_ms", "processes.missed_s"]
    page.search.setText("글자")
    assert [path for path, row in page.rows.items() if row.isVisible()] == ["general.font_px"]
    page.search.setText("zzzz")
    assert page.nothing.isVisible()


def test_look_applies_now(make_window: Callable[..., MainWindow]) -> None:
    window = make_window("ko")
    red = theme().up
    window.change_setting("general.up_colour", "green")
    assert theme().up != red
    window.change_setting("general.theme", "light")
    assert theme().name == "light"
    window.change_setting("general.font_px", 16)
    assert QApplication.font().pixelSize() == 16
    assert not window.grab().isNull()
