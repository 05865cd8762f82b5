"""Every kind of research from its form: what is typed becomes the command, and what the command answers is on the screen."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PyQt5.QtCore import QItemSelectionModel
from PyQt5.QtWidgets import QAbstractButton, QLabel, QMessageBox, QWidget

from backtester.optimisers import METHODS
from backtester.optimisers import options as options_of_methods
from cli import batch_words, forms
from cli.declared import described
from coin.markets import BINANCE, UPBIT
from domain.settings import Settings
from storage.bundles import Bundle
from storage.strategies import Strategies
from storage.studies import Studies
from tests.gui.in_process import CommandsInProcess
from tests.research import HAND_TEXTS
from tests.research_cli import make_data
from ui.jobs import Jobs
from ui.main import make_application
from ui.models.command_options import OWN, decode, words
from ui.models.research_kinds import BESIDE, KINDS, QUEUE_FIRST, QUEUED
from ui.pages.research import ResearchPage
from ui.research.kind_page import KindPage
from ui.text import set_language, tr
from ui.user_library import StoreLibrary
from utility.paths import DataDir
from utility.text import LANGUAGES, has

RANGES = "self.vars[0] = [[3, 5, 2], 5]\nself.vars[1] = [[1, 5, 2], 3]\nself.vars[2] = [[0.5, 1.5, 0.5], 1]"
NAME = "손으로_쓴"


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    return forms.run_forms(_args())


def _args() -> Any:
    from cli.main import build_parser

    return build_parser("forms").parse_args(["forms"])


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with made rows of three symbols and one strategy."""
    root = make_data(tmp_path_factory.mktemp("research") / "data", days=6)
    bundle = Bundle(name=NAME, buy=HAND_TEXTS["buy"], sell=HAND_TEXTS["sell"], markets=(), interval_s=1, variables={0: 5.0, 1: 3.0, 2: 1.0})
    Strategies(DataDir(root).user_library).save(bundle)
    return root


@pytest.fixture
def page(filled: Path, qtbot: Any) -> Iterator[ResearchPage]:
    """The research tab over the directory, its commands run in this process; what one test stores the next one finds."""
    set_language("ko")
    make_application(Settings())
    jobs, commands = Jobs(), CommandsInProcess()
    page = ResearchPage(StoreLibrary(DataDir(filled).user_library), (UPBIT, BINANCE), Settings(), filled, jobs, commands)
    qtbot.addWidget(page)
    page.resize(1218, 690)
    page.show()
    page.start()
    qtbot.waitUntil(lambda: bool(page.source.forms) and bool(page.names), timeout=120_000)
    yield page
    commands.close()
    jobs.stop()


@pytest.fixture
def do(page: ResearchPage, qtbot: Any) -> Callable[..., KindPage]:
    """Return a function that fills the form of a kind, runs it and waits for the answer."""

    def run(kind: str, command: str = "", state: str = "done", **values: Any) -> KindPage:
        page.show_kind(kind)
        made = page.page_of(kind)
        if command:
            made.show_command(command)
        for name, value in values.items():
            option = name if name in made.form.fields else "--" + name.replace("_", "-")
            assert made.form.put(option, value), option
        made.run()
        sessions = (made.session, made.quick)
        qtbot.waitUntil(lambda: not any(one.is_running() for one in sessions) and page.desk.jobs.waiting == 0, timeout=120_000)
        task = made.session.task or made.quick.task
        assert task is not None
        assert task.state == state, (task.code, task.fields)
        return made

    return run


JOB = {"strategy": NAME, "set": "0=5 1=3 2=1", "betting": "100000"}
"""Small orders: the paper account refuses none, so that nothing is asked again for it."""


def test_every_option_of_every_research_command_has_a_field_or_a_reason(told: dict[str, Any]) -> None:
    known = decode(told)
    reached = {path: kind for kind in (*KINDS, QUEUE_FIRST) for path in kind.paths(known)}
    for path in known:
        assert path in reached or path in BESIDE, path
    for kind in (*KINDS, QUEUE_FIRST):
        for path in kind.paths(known):
            names = {one.name for one in known[path]}
            assert set(kind.first.get(path, ())) <= names, path
            assert all(has(code, language) for code in kind.left_out.values() for language in LANGUAGES)
    for code in (*OWN.values(), *BESIDE.values()):
        assert all(has(code, language) for language in LANGUAGES), code
    assert QUEUED == batch_words.QUEUED


def test_every_option_has_words(told: dict[str, Any]) -> None:
    missing = set()
    for path, options in decode(told).items():
        for one in options:
            codes = [
                f"option.{one.dest}",
                f"ui.option.{path.replace(' ', '.')}.{one.name.lstrip('-')}",
                f"ui.option.{one.name.lstrip('-')}",
            ]
            if one.name not in OWN and one.name not in ("words", "--resume", "--yes") and not any(has(code, "ko") for code in codes):
                missing.add(one.name)
    assert not missing


def test_an_option_that_is_added_to_a_command_has_a_field_by_itself(told: dict[str, Any], qtbot: Any) -> None:
    from cli.parser import Parser
    from cli.values import whole
    from ui.widgets.command_form import CommandForm

    parser = Parser(prog="stom.py backtest", add_help=False)
    parser.add_argument("--market", choices=("upbit",), default=None)
    parser.add_argument("--max-positions", type=whole(1, 50), default=None)
    parser.add_argument("--brand-new", action="store_true", help="x")
    options = decode({"forms": {"backtest": described(parser)}})["backtest"]
    form = CommandForm("backtest", options, KINDS[0], {})
    qtbot.addWidget(form)
    set_language("ko")
    assert set(form.fields) == {"--market", "--max-positions", "--brand-new"}
    form.put("--max-positions", 60)
    assert form.complaint() == ("ui.form.bad_number", {"option": "최대 보유 종목", "low": "1", "high": "50"})
    form.put("--max-positions", 6)
    form.put("--brand-new", True)
    assert form.complaint() is None
    assert words("backtest", options, form.values()) == ["backtest", "--max-positions=6", "--brand-new"]


@dataclass(frozen=True)
class ToyOptions(options_of_methods.Options):
    steps: int = options_of_methods.option(20, 1, 100)


class Toy:
    Options = ToyOptions
    form = "list"


def test_a_method_that_is_added_is_offered_with_its_options(qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from ui.widgets.command_form import CommandForm

    monkeypatch.setitem(METHODS, "toy", (__name__, "Toy"))
    kind = next(kind for kind in KINDS if kind.id == "search")
    options = decode({"forms": {"optimise": described(dict(forms.leaves(("optimise",)))["optimise"])}})["optimise"]
    form = CommandForm("optimise", options, kind, {"population": (100, 77)})
    qtbot.addWidget(form)
    assert form.chosen("--method") == "ga"
    assert form.fields["--population"].usual == 77  # what the settings say takes the place of the usual size
    assert not form.fields["--steps"].isVisibleTo(form)
    form.put("--method", "toy")
    assert form.fields["--steps"].isVisibleTo(form)
    assert not form.fields["--population"].isVisibleTo(form)
    form.put("--steps", 7)
    assert form.values()["--steps"] == "7"
    form.put("--method", "ga")
    assert "--steps" not in form.values()
    form.put("--method", "toy")
    assert form.values()["--steps"] == "7"  # what was typed stays when the method changes


def test_what_untouched_forms_say_is_what_the_commands_take(page: ResearchPage) -> None:
    from cli.main import build_parser

    parsers = {}
    for kind in KINDS:
        for path, form in page.page_of(kind.id).forms.items():
            said = words(path, tuple(form.options.values()), form.values())
            if form.complaint() is None and "--ranges" not in form.fields:
                parser = parsers.setdefault(said[0], build_parser(said[0]))
                parser.parse_args(said)


def test_nothing_is_cut_or_untranslated_at_1280(page: ResearchPage, qtbot: Any) -> None:
    cut, foreign = [], []
    for language, kind in itertools.product(LANGUAGES, KINDS):
        set_language(language)
        page.show_kind(kind.id)
        made = page.page_of(kind.id)
        for form in made.forms.values():
            form.fold.setChecked(True)
        for path in made.forms:
            made.show_command(path)
            qtbot.wait(30)
            form = made.form
            assert form.minimumSizeHint().width() <= form.parentWidget().width(), path  # of the scroll area, which scrolls up and down only
            for widget in made.findChildren(QWidget):
                if not widget.isVisible() or not isinstance(widget, QLabel | QAbstractButton) or not widget.text():
                    continue
                wraps = isinstance(widget, QLabel) and widget.wordWrap()
                least = min(widget.sizeHint().width(), widget.minimumSizeHint().width() if isinstance(widget, QAbstractButton) else 10**6)
                if not wraps and widget.width() + 1 < least:
                    cut.append((path, widget.objectName(), widget.text(), widget.width(), least))
                said = widget.text() + widget.toolTip()
                if language == "en" and re.search("[가-힣]", said):
                    foreign.append((path, widget.objectName(), said))
    assert page.width() == 1218
    assert page.minimumSizeHint().width() <= 1118  # of the smallest window
    assert not cut
    assert not foreign


def test_several_strategies_of_a_portfolio_are_written_with_commas(page: ResearchPage) -> None:
    made = page.page_of("backtest")
    made.take({"--strategy": f"{NAME}, 기본_R1", "--portfolio": True, "--cash": "5000000"})
    found = made.words()
    assert found is not None
    assert [word for word in found[0] if word.startswith(("--strategy", "--portfolio", "--cash"))] == [
        *(f"--strategy={NAME}", "--strategy=기본_R1", "--portfolio", "--cash=5000000"),
    ]


def test_a_backtest(do: Callable[..., KindPage]) -> None:
    made = do("backtest", **JOB, latency="1")
    view: Any = made.view
    result = made.session.task.result  # type: ignore[union-attr]
    assert result["latency"] == 1
    assert view.trades.count == result["trades"] > 0
    assert view.metrics.metrics["tc"] == result["trades"]
    assert view.equity.has_data
    assert "약" in made.estimate.text() or made.estimate.text()
    view.open_trade(view.trades.records[0])


def test_a_search_counts_sets_and_shows_every_trial(do: Callable[..., KindPage], page: ResearchPage, qtbot: Any) -> None:
    page.show_kind("search")
    made = page.page_of("search")
    made.take({"--strategy": NAME, "--method": "grid", "--ranges": RANGES, "--no-verdict": True})
    qtbot.waitUntil(lambda: "18" in made.estimate.text(), timeout=30_000)
    do("search")
    view: Any = made.view
    assert view.trials.count == 18
    assert view.best.has_data
    assert view.map.scores.shape == (3, 2)
    qtbot.waitUntil(lambda: view.studies.count >= 1, timeout=30_000)
    assert view.studies.records[0].evaluations == 18
    qtbot.waitUntil(lambda: made.estimate.text().endswith("초"), timeout=30_000)  # the pace was measured
    view.study_table.selectRow(0)
    view.resume_chosen()
    assert not made.session.is_running()  # it has ended: there is nothing to go on with


def test_a_front_of_several_goals(do: Callable[..., KindPage]) -> None:
    made = do("search", strategy=NAME, method="nsga2", ranges=RANGES, no_verdict=True, population="6", generations="2")
    view: Any = made.view
    assert any(trial.front for trial in view.trials.records)
    assert view.front.has_data
    assert "--population=6" in made.session.task.words  # type: ignore[union-attr]


def test_a_walk_forward(do: Callable[..., KindPage], page: ResearchPage, qtbot: Any) -> None:
    made = do("walk", strategy=NAME, method="grid", ranges=RANGES, train_weeks="2d", test_weeks="1d", no_verdict=True)
    view: Any = made.view
    assert "--walk-forward=rolling" in made.session.task.words  # type: ignore[union-attr]
    assert view.windows.count >= 1
    assert view.studies.records[0].evaluations == 18 * view.windows.count
    assert view.unseen.has_data
    page.desk.jobs.run(lambda: None, lambda _: made._count(), lambda _: None)
    qtbot.waitUntil(lambda: "구간마다 최대 18회" in made.estimate.text() and made.estimate.text().endswith("초"), timeout=30_000)


def test_a_verdict_with_its_pictures(do: Callable[..., KindPage], page: ResearchPage) -> None:
    run = do("backtest", **JOB).session.task.result["run"]  # type: ignore[union-attr]
    page.page_of("backtest").view.go.emit("verdict", {"subject": str(run)})
    made = do("verdict")
    view: Any = made.view
    assert view.body["subject"] == f"run:{run}"
    assert view.sentence.text() == view.body["verdict"]["sentence"]["ko"]
    assert {row.name: row.state for row in view.figures.records}["거래 수"] in ("통과", "반대")
    assert view.stress.count == 5
    assert view.fan.has_data
    assert view.map.scores.size


def test_the_finder(do: Callable[..., KindPage]) -> None:
    made = do("find", strategy=NAME, set=JOB["set"], ahead="20", rise="0.1")
    view: Any = made.view
    result = made.session.task.result  # type: ignore[union-attr]
    assert view.hits.count == result["hits"] > 0
    assert view.moves.count == 3
    assert view.by_hour.has_data
    assert view.hits.records[0].code == result["first"][0]["code"]


def test_the_queue(do: Callable[..., KindPage], page: ResearchPage, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from ui.research.queue_dialog import QueueDialog

    def accept(self: QueueDialog) -> int:
        self.form.put("--name", "둘")
        self.form.put("--vary", "latency=0|1")
        return QueueDialog.Accepted

    monkeypatch.setattr(QueueDialog, "exec_", accept)
    page.show_kind("backtest")
    made = page.page_of("backtest")
    made.take({"--" + name: value for name, value in JOB.items()})
    made.queue()
    batch = page.page_of("batch")
    view: Any = batch.view
    qtbot.waitUntil(lambda: view.queue.count == 2, timeout=30_000)
    assert {one.name for one in view.queue.records} == {"둘"}
    view.table.selectAll()
    assert batch.forms["batch edit"].values()["jobs"] == ["1", "2"]
    do("batch", "batch edit", at="06:30", on="weekdays")
    assert all("weekdays" in one.schedule for one in view.queue.records)
    shown = [view.table.shown.index(0, column).data() for column in range(len(view.queue.columns))]
    assert "평일 (월–금) 06:30" in shown
    assert shown[-1].startswith("백테스트 · 업비트 KRW")
    set_language("en")
    assert "weekdays (Mon–Fri) at 06:30" in [view.table.shown.index(0, column).data() for column in range(len(view.queue.columns))]
    set_language("ko")
    do("batch", "batch edit", at="", on="", again=True)
    view.table.clearSelection()
    view.table.selectRow(1)
    view._act(["--off"])
    qtbot.waitUntil(lambda: view.queue.record(2).state == "off", timeout=30_000)
    view.table.selectAll()
    do("batch", "batch run")
    qtbot.waitUntil(lambda: view.board.count == 2, timeout=30_000)
    view._act(None)
    qtbot.waitUntil(lambda: view.queue.count == 0, timeout=30_000)


def test_stored_runs_reports_and_comparison(do: Callable[..., KindPage], page: ResearchPage, qtbot: Any, tmp_path: Path) -> None:
    for latency in ("0", "1"):
        do("backtest", **JOB, latency=latency)
    page.show_kind("runs")
    made = page.page_of("runs")
    view: Any = made.view
    qtbot.waitUntil(lambda: view.runs.count >= 2, timeout=30_000)
    for row in (0, 1):
        view.table.selectionModel().select(view.table.shown.index(row, 0), QItemSelectionModel.Select | QItemSelectionModel.Rows)
    view.compare()
    qtbot.waitUntil(lambda: view.compared.count > 10, timeout=20_000)
    assert len(view.curves.lines) == 2
    heard: list[str] = []
    page.told.connect(lambda code, fields: heard.append(code))
    view.tabs.setCurrentWidget(view.one)
    for language in ("en", "ko", "en", "ko"):  # faster than the command that says the table anew
        set_language(language)
    qtbot.waitUntil(lambda: not made.quick.is_running() and not made._next, timeout=20_000)
    assert not heard
    assert view.tabs.currentWidget() is view.one  # nobody is taken away from what he looks at
    assert view.compared.columns[1].label.startswith("실행")
    view.table.selectRow(0)
    qtbot.waitUntil(lambda: view.one.trades.count > 0, timeout=30_000)
    do("runs", "report", html=str(tmp_path / "x.html"))
    assert view.written == [str(tmp_path / "x.html")]
    assert (tmp_path / "x.html").stat().st_size > 1_000
    do("runs", "rerun", number=str(view.runs.records[0].run.run))
    assert "같" in view.answer.text()


def test_data_is_made_checked_and_listed(do: Callable[..., KindPage], qtbot: Any) -> None:
    made = do("data", "data make", market="binance", symbols="1", hours="0.02")
    view: Any = made.view
    qtbot.waitUntil(lambda: any(row.market_word == "바이낸스 현물" for row in view.data.records), timeout=30_000)
    assert made.form.complaint() is None
    made.session.task = None
    do("data", "data verify")


def test_realised_says_what_to_do_when_there_is_nothing(do: Callable[..., KindPage]) -> None:
    made = do("realised", by="month")
    view: Any = made.view
    assert view.rows.count == 0
    assert not view.chart.has_data


def test_a_bad_value_is_said_beside_its_field_before_anything_starts(page: ResearchPage, qtbot: Any) -> None:
    page.show_kind("search")
    made = page.page_of("search")
    rows = made.form._rows
    made.take({"--strategy": NAME, "--ranges": "self.vars[1] = [[1, 5"})
    made.run()
    assert rows["--ranges"].code == "optimise.range_syntax"
    assert rows["--ranges"].wrong.isVisible()
    made.take({"--ranges": "self.vars[1] = [[9, 1, 2], 3]", "--method": "grid", "--ranges-form": "grid"})
    assert not rows["--ranges"].wrong.isVisible()  # what was typed anew is not blamed for what stood there
    qtbot.waitUntil(lambda: rows["--ranges"].code == "optimise.range_step", timeout=10_000)  # reversed: said while it is written
    made.take({"--ranges": RANGES, "--betting": "x"})
    assert rows["--betting"].code == "ui.form.bad_number"
    made.run()
    assert rows["--betting"].wrong.isVisible()  # unfolded
    made.take({"--betting": "", "--from": "2026-01-09", "--to": "2026-01-05"})
    made.run()
    assert rows["--to"].code == "ui.form.reversed"
    made.take({"--from": "", "--to": ""})
    assert not made.session.is_running()


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({"strategy": "없는_전략"}, "--strategy"),
        ({"strategy": NAME, "from": "2020-01-01", "to": "2020-01-02"}, "--from"),
        ({"strategy": NAME, "symbols": "KRW-NONE"}, "--symbols"),
        ({"strategy": NAME, "slippage": "viel"}, "--slippage"),
    ],
)
def test_what_a_command_refuses_is_said_beside_the_field_it_is_about(
    do: Callable[..., KindPage], values: dict[str, str], place: str
) -> None:
    made = do("backtest", state="failed", **values)
    row = made.form._rows[place]
    assert row.wrong.text() == made.session.task.fields["reason"]  # type: ignore[union-attr]
    assert row.wrong.isVisible()
    assert made.words() is not None  # nothing that was typed is lost, and nothing stands in the way of another try
    assert not row.code


def test_a_strategy_that_never_trades_says_so_where_the_curve_would_be(do: Callable[..., KindPage]) -> None:
    made = do("backtest", strategy=NAME, set="0=5 1=1000000 2=1", betting="100000")
    view: Any = made.view
    assert made.session.task.result["trades"] == 0  # type: ignore[union-attr]
    assert view.equity.empty == "research.none_condition"
    assert view.table.empty == "ui.empty.no_trades"
    assert not view.equity.has_data


def test_an_explosive_search_is_asked_about(page: ResearchPage, monkeypatch: pytest.MonkeyPatch) -> None:
    made = page.page_of("search")
    started: list[list[str]] = []
    monkeypatch.setattr(made.session.runner, "start", started.append)
    asked: list[str] = []
    monkeypatch.setattr(made, "sure", lambda reason: asked.append(reason) or True)
    made.take({"--strategy": NAME, "--ranges": RANGES})
    made.run()
    made.session._failed("ui.research.refused", {"reason": "many", "code": "optimise.too_many", "count": "1000000000", "sets": "7"})
    assert asked == [tr("ui.research.many", count="1,000,000,000", sets="7")]
    assert "--yes" in started[1]
    monkeypatch.setattr(QMessageBox, "exec_", lambda self: 0)
    assert not KindPage.sure(made, "many")
    monkeypatch.setattr(made, "sure", lambda reason: False)
    made.session._failed("ui.research.refused", {"reason": "--yes", "code": "optimise.too_many", "count": "1000000000", "sets": "7"})
    assert made.strip.text.text().startswith("시작하지 않았습니다: 최대 1,000,000,000번")


def test_a_paused_search_goes_on_by_its_study(page: ResearchPage, monkeypatch: pytest.MonkeyPatch) -> None:
    made = page.page_of("search")
    started: list[list[str]] = []
    monkeypatch.setattr(made.session.runner, "start", started.append)
    made.take({"--strategy": NAME, "--ranges": RANGES, "--no-verdict": True, "--workers": "1"})
    made.run()
    made.session._progressed({"note": "run", "study": "ga-7"})
    made.session._progressed({"done": 10, "total": 100, "rate": 5.0, "left_s": 18.0, "best": 1.5, "note": "ga-7"})
    assert "최고 1.50" in made.strip.text.text()
    assert "0:18" in made.strip.text.text()
    made.session.pause()
    made.session._finished({"state": "stopped", "study": "ga-7", "best": None})
    assert made.strip.resume_button.isVisibleTo(made.strip)
    assert "ga-7" in made.strip.text.text()
    made.strip.resume_button.click()
    assert started[1][:2] == ["optimise", "--resume=ga-7"]
    assert {"--no-verdict", "--workers=1"} <= set(started[1])


def test_what_ran_when_the_window_closed_is_offered_again(page: ResearchPage, qtbot: Any) -> None:
    store = Studies(DataDir(page.desk.data_dir).user_library)
    passport = {"market": "upbit", "interval_s": 1, "strategy": NAME, "plan": {"metrics": [], "options": {}, "objective": "TG"}}
    name = store.new_study("ga", passport, time.time_ns())
    page.show_kind("search")
    made = page.page_of("search")
    qtbot.waitUntil(lambda: made.strip.resume_button.isVisibleTo(made.strip), timeout=30_000)
    assert name in made.strip.text.text()
