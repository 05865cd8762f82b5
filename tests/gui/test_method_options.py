"""The research form's choice of method: made from METHODS and each method's typed fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from PyQt5.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QLineEdit, QSpinBox

from backtester.optimisers import METHODS, entries, optimiser
from backtester.optimisers import options as options_of_methods
from cli.main import build_parser
from domain.settings import Settings
from trading.venues import market
from ui.main_window import MainWindow
from ui.models.research_request import LINES
from ui.text import has, set_language
from ui.widgets.method_options import MethodOptions
from ui.widgets.research_form import ResearchForm

KINDS = {int: QSpinBox, float: QDoubleSpinBox, bool: QCheckBox}


@pytest.fixture
def options(qtbot: Any) -> MethodOptions:
    widget = MethodOptions({"seed": 9})
    qtbot.addWidget(widget)
    return widget


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_option_of_every_method_has_its_field_and_its_words(options: MethodOptions, method: str) -> None:
    options.method.setCurrentIndex(options.method.findData(method))
    expected = {one.name: one for one in entries(optimiser(method).Options)}
    assert list(options.fields) == list(expected)
    for name, value in options.values():
        one = expected[name]
        assert isinstance(options.fields[name], KINDS.get(one.kind, QComboBox if one.choices else QLineEdit))
        assert one.read(value) == (9 if name == "seed" else one.default)
        for code in (f"option.{name}", f"option.{name}.tip", f"method.{method}", f"method.{method}.tip"):
            assert has(code), code


def test_what_was_typed_stays_when_the_method_changes(options: MethodOptions) -> None:
    options.method.setCurrentIndex(options.method.findData("ga"))
    options.set_value("population", 77)
    options.method.setCurrentIndex(options.method.findData("grid"))
    assert "population" not in options.fields
    options.method.setCurrentIndex(options.method.findData("nsga2"))
    assert dict(options.values())["population"] == 77
    set_language("en")
    assert options.method.itemText(options.method.findData("grid")) == "Grid"
    set_language("ko")


@pytest.mark.parametrize("method", sorted(METHODS))
def test_what_the_form_says_is_what_the_command_understands(qtbot: Any, method: str) -> None:
    form = ResearchForm((market("upbit"),), Settings())
    qtbot.addWidget(form)
    form.show_strategies(["x"])
    form.search.method.setCurrentIndex(form.search.method.findData(method))
    lists = ("a", "b") if form.search.form() == LINES else None
    words = form.request(method, "r.txt", lists).arguments("data", "ko")
    args = build_parser("optimise").parse_args(words)
    assert args.method == method
    for name, value in form.search.values():
        assert getattr(args, name) == (value or None if isinstance(value, bool) else value)
    assert (args.ranges_form is None) == (lists is not None)


@dataclass(frozen=True)
class ToyOptions(options_of_methods.Options):
    steps: int = options_of_methods.option(20, 1, 100)


class Toy:
    Options = ToyOptions
    form = "list"


def test_a_method_that_is_added_is_offered_by_its_name(qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS, "toy", (__name__, "Toy"))
    form = MethodOptions({})
    qtbot.addWidget(form)
    form.method.setCurrentIndex(form.method.findData("toy"))
    assert form.method.currentText() == "toy"
    assert dict(form.values())["steps"] == 20
    assert form.form() == "list"


def test_the_form_says_how_many_sets_a_range_text_means(qtbot: Any) -> None:
    form = ResearchForm((market("upbit"),), Settings())
    qtbot.addWidget(form)
    form.set_choice(form.range_form, "grid")
    form.ranges.setPlainText("self.vars[0] = [[1, 100, 1], 5]\nself.vars[1] = [[1, 20, 1], 5]")
    assert "2,000" in form.sets.text()
    form.set_choice(form.range_form, "list")
    assert "4" in form.sets.text()  # 1 and 100, 1 and 20: a list holds each value once
    form.ranges.setPlainText("self.vars[0] = [[1,")
    assert not any(letter.isdigit() for letter in form.sets.text())


def test_a_search_is_started_with_the_forms_words_and_asked_about_when_it_is_long(
    make_window: Callable[..., MainWindow], qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = make_window("ko", (1366, 768)).research_page
    started: list[list[str]] = []
    monkeypatch.setattr(page.runner, "start", started.append)
    page.form.show_strategies(["x"])
    page.form.set_choice(page.form.search.method, "sweep")
    page.form.ranges.setPlainText("self.vars[1] = [[1, 5")
    page.run("search")
    assert not started  # a bad line is said before anything is started
    page.form.ranges.setPlainText("self.vars[1] = [[1, 5, 1], 3]")
    page.run("search")
    assert started[0][:3] == ["optimise", "--method", "sweep"]
    assert "--stages" in started[0]
    asked: list[str] = []
    monkeypatch.setattr(page, "_sure", lambda reason: asked.append(reason) or True)
    page._failed("ui.research.refused", {"reason": "many", "code": "optimise.too_many"})
    assert asked == ["many"]
    assert started[1] == [*started[0][: started[0].index("--data-dir")], "--yes", *started[0][started[0].index("--data-dir") :]]
    page.form.set_choice(page.form.search.method, "conditions")
    page.form.ranges.setPlainText("# 매수\n현재가 < 0\n# 매도\n수익률 > 1\n")
    page.run("search")
    assert "--buy" in started[2]
    assert "--ranges" not in started[2]
