"""The Data page: imports and downloads from their forms, how far they are, what they answer in words, and what is refused where."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from coin.markets import BINANCE, UPBIT
from domain.instruments import DAY_S, NS
from domain.settings import Settings
from storage.ticks import TickStore
from tests.contract.venue_rig import VenueRig
from tests.gui.in_process import CommandsInProcess
from ui.jobs import Jobs
from ui.main import make_application
from ui.models.data_answers import answer_lines
from ui.models.research_kinds import HEAVY
from ui.pages.research import ResearchPage
from ui.research.kind_page import KindPage
from ui.research.session import Task
from ui.research.strip import Strip
from ui.text import set_language
from ui.user_library import StoreLibrary
from utility.paths import DataDir
from utility.text import LANGUAGES

DAY = 20_700
LENGTH_S = 400


@pytest.fixture
def made(tmp_path: Path, qtbot: Any) -> Iterator[KindPage]:
    """The Data page over an empty directory, its commands run in this process."""
    set_language("ko")
    make_application(Settings())
    root = tmp_path / "data"
    root.mkdir()
    jobs, commands = Jobs(), CommandsInProcess()
    page = ResearchPage(StoreLibrary(DataDir(root).user_library), (UPBIT, BINANCE), Settings(), root, jobs, commands)
    qtbot.addWidget(page)
    page.resize(1218, 690)
    page.show()
    page.start()
    qtbot.waitUntil(lambda: bool(page.source.forms), timeout=120_000)
    page.show_kind("data")
    yield page.page_of("data")
    commands.close()
    jobs.stop()
    set_language("ko")


@pytest.fixture
def do(made: KindPage, qtbot: Any) -> Callable[..., Any]:
    """Return a function that fills a form, runs it and waits for the end."""

    def run(command: str, **values: Any) -> Task | None:
        made.show_command(command)
        for name, value in values.items():
            option = name if name in made.form.fields else "--" + name.replace("_", "-")
            assert made.form.put(option, value), option
        made.run()
        qtbot.waitUntil(lambda: not made.session.is_running() and not made.quick.is_running(), timeout=60_000)
        qtbot.waitUntil(lambda: made.desk.jobs.waiting == 0, timeout=60_000)
        return (made.session if command in HEAVY else made.quick).task

    return run


def bars(path: Path, count: int = 40) -> Path:
    """Write an archive of one-minute bars, two of them impossible."""
    rows = [[1_788_480_000_000 + 60_000 * k, 100, 101, 99, 100.5, 12, 0, 1206, 3, 6, 603, 0] for k in range(count)]
    rows[10][2], rows[11][4] = "abc", -5
    path.write_text("\n".join(",".join(map(str, row)) for row in rows) + "\n", "utf-8")
    return path


def said(made: KindPage) -> list[str]:
    return [f"{row.name}|{row.value}" for row in made.view.answer.records]  # type: ignore[attr-defined]


def test_an_import_says_what_became_of_every_row(made: KindPage, do: Callable[..., Any], tmp_path: Path) -> None:
    do("data import", sources=[str(tmp_path / "nowhere.csv")])
    assert made.form._rows["sources"].code == "ui.research.refused"
    assert said(made) == []
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n", "utf-8")
    do("data import", sources=[str(tmp_path / "bad.csv")])
    assert made.strip.text.text().startswith("bad.csv에서 가져올 수 있는 것이 없습니다: 체결·봉·행의 열이 없는 표")
    path = bars(tmp_path / "BTCUSDT-1m-2026-09.csv")
    do("data import", sources=[str(path)], dry_run=True)
    assert made.strip.text.text().startswith("시험 실행: 38행을 저장할 수 있고 2행은 거부합니다.")
    assert TickStore(made.desk.data_dir).datasets() == []
    made.form.put("--dry-run", None)
    do("data import", sources=[str(path)])
    assert made.strip.text.text().startswith("38행을 저장하고 2행을 거부했습니다.")
    lines = said(made)
    assert "저장한 행|38" in lines
    assert "거부: BTCUSDT-1m-2026-09.csv|불가능한 고가: 1행 (11번째 줄)" in lines
    assert "만든 1분 행|38" in lines
    set_language("en")
    assert "Rejected: BTCUSDT-1m-2026-09.csv|impossible high: 1 (line 11)" in said(made)
    do("data import", sources=[str(path)])
    assert "in the store already" in made.strip.text.text()


def test_what_a_check_finds_stays_until_the_data_changes(made: KindPage, do: Callable[..., Any], tmp_path: Path) -> None:
    path = bars(tmp_path / "BTCUSDT-1m-2026-09.csv")
    kept = path.read_text("utf-8").splitlines()
    path.write_text("\n".join(kept[:12] + kept[30:]) + "\n", "utf-8")  # a hole of 18 minutes
    do("data import", sources=[str(path)])
    view: Any = made.view
    do("data verify")
    assert [row.problem for row in view.problems.records] == ["10분 이상 봉이 없습니다: 2026-09-04 09:10 – 2026-09-04 09:29"]
    assert view.problems.records[0].where.endswith("· 실제 기록 · BTCUSDT")
    view.start()
    do("data list", market="upbit")
    assert view.data.count == 0
    do("data list", market=None)
    assert view.data.count == 1
    assert view.problems.count == 1
    do("data import", sources=[str(bars(tmp_path / "ETHUSDT-1m-2026-09.csv"))])
    assert view.problems.count == 0


@pytest.fixture(scope="module")
def venue() -> Iterator[VenueRig]:
    with VenueRig("upbit", start_ns=(DAY * DAY_S + DAY_S - 200) * NS) as rig:
        rig.advance(LENGTH_S)
        yield rig


def test_a_download_from_a_venue(made: KindPage, do: Callable[..., Any], venue: VenueRig) -> None:
    do("data download", market="upbit")
    assert made.form._rows["--symbols"].code == "ui.form.missing"
    where = f"http://127.0.0.1:{venue.port}/v1"
    days = {"--from": "2026-09-04", "--to": "2026-09-05"}
    do("data download", market="upbit", symbols="KRW-NOPE", rest=where, **days)
    assert made.form._rows["--symbols"].code == "ui.research.refused"
    do("data download", symbols=venue.codes[0], rest="nonsense")
    assert made.form._rows["--rest"].wrong.text().startswith("[REST 주소] 의 nonsense")
    heard: list[str] = []
    made.session.told.connect(lambda task, told: heard.append(made.strip.text.text()))
    task = do("data download", rest=where)
    assert heard[-1].startswith("100%")
    assert made.strip.text.text().startswith(f"{task.result['rows']:,}행, 종목일 2개를 받아 저장했습니다. 빈 구간 2곳")
    assert "새로 저장한 종목일|2" in said(made)
    assert any(line.startswith("빈 구간: KRW-BTC|봉이 없습니다: 2026-09-04 09:00 – ") for line in said(made))
    do("data download", **{"--to": "2026-09-04"})
    assert made.strip.text.text().startswith("종목일 1개가 모두 저장소에 이미 있어")
    do("data download", **{"--from": "2199-01-01", "--to": None})
    assert made.form._rows["--from"].wrong.text() == "[시작일](2199-01-01)이 아직 오지 않은 날입니다."


def test_days_written_in_two_ways_are_not_reversed(made: KindPage) -> None:
    made.show_command("data export")
    made.take({"--from": "20260904", "--to": "2026-09-05", "--out": "x.csv", "--market": "upbit"})
    assert made.form.complaint() is None
    made.take({"--to": "2026-09-03"})
    found = made.form.complaint()
    assert found is not None
    assert found == ("ui.form.reversed", {"since": "시작일", "until": "종료일"})


def test_what_waits_is_not_lost_and_not_asked_twice(made: KindPage, qtbot: Any) -> None:
    for words in (["data", "list"], ["data", "verify"], ["data", "verify"], ["data", "list", "--market=upbit"]):
        made.ask(" ".join(words[:2]), words)
    qtbot.waitUntil(lambda: not made.quick.is_running() and not made._next, timeout=60_000)
    asked = [" ".join(one[: one.index("--data-dir")]) for one in made.quick.runner.said]  # type: ignore[attr-defined]
    assert asked == ["data list", "data verify", "data list --market=upbit"]


def task_of(state: str, path: str = "data download", **more: Any) -> Task:
    return Task(path, [], state=state, **more)


def test_the_line_of_progress(qtbot: Any) -> None:
    strip = Strip("ui.research.starting")
    qtbot.addWidget(strip)
    set_language("ko")
    text = strip.text.text
    strip.begin(task_of("running"))
    strip.tell({"done": 0, "total": 200.0, "rate": 0.0, "left_s": 0.0, "best": None, "note": ""})
    assert text() == "0%"  # nothing is known of the time yet
    strip.tell({"done": 50, "total": 200.0, "rate": 10.0, "left_s": 15.0, "best": None, "note": ""})
    assert text() == "25% · 남은 시간 0:15"
    strip.tell({"note": "거래소에 연결할 수 없습니다. 다시 묻습니다(2/5)."})
    assert text().startswith("거래소에 연결할 수 없습니다.")
    lost = {"reason": "끊겼습니다.", "code": "net.unreachable", "kept_rows": "1200", "kept_days": "3", "requests": "9"}
    strip.end(task_of("failed", code="ui.research.refused", fields=lost))
    assert text().startswith("끊겼습니다. 멈췄습니다. 3종목일 1,200행을 저장했고")
    strip.end(task_of("stopped", result={"rows": 7, "days_stored": 1, "requests": 2}))
    assert "1종목일 7행" in text()
    strip.begin(task_of("running", "data import"))
    strip.tell({"done": 3000, "total": 0, "rate": 99.5, "left_s": 0.0, "best": None, "note": ""})
    assert text() == "3,000행 읽음 · 초당 100"
    strip.end(task_of("done", "optimise", result={"study": "grid-3", "evaluations": 7420, "resumed": 20480}))
    assert text().startswith("스터디 grid-3 완료: 새 평가 7,420회를 앞서 마친 20,480회에")
    strip.begin(task_of("running", "data import"))
    strip.tell({"done": 3000, "total": 0, "rate": 99.5, "left_s": 0.0, "best": None, "note": ""})
    set_language("en")
    assert text() == "3,000 rows read · 100 a second"
    set_language("ko")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_answer_has_words(language: str, made: KindPage, do: Callable[..., Any], tmp_path: Path) -> None:
    set_language(language)
    results = {
        "data make": do("data make", market="upbit", symbols="1", days="0.002").result,
        "data import": do("data import", sources=[str(bars(tmp_path / "BTCUSDT-1m-2026-09.csv"))]).result,
        "data export": do("data export", market="upbit", interval="1s", source="made", out=str(tmp_path / "x.csv")).result,
    }
    for path, result in results.items():
        assert result, path
        raw = [name for name, _ in answer_lines(path, result) if "_" in name or name in result]
        assert not raw, path


def test_what_was_refused_stays_said_while_lists_are_read_anew(made: KindPage) -> None:
    made.show_command("data list")
    form, row = made.form, made.form._rows["--market"]
    assert form.complain("--market", "ui.research.refused", {"reason": form.in_labels("`data list --market x` or --market")})
    assert row.wrong.text() == "`data list --market x` or [시장]"
    form.offer("--market", [("upbit", ""), ("krx", "")])
    assert row.code
    form.put("--market", "upbit")
    assert not row.code
    form.complain("--market", "ui.research.refused", {"reason": "열 " * 300})
    assert len(row.wrong.text()) < 260
    assert row.wrong.toolTip() == "열 " * 300


def test_a_study_that_is_not_there_is_said_beside_the_field(made: KindPage, qtbot: Any) -> None:
    research: Any = made
    while not isinstance(research, ResearchPage):
        research = research.parent()
    research.show_kind("verdict")
    page = research.page_of("verdict")
    page.form.put("subject", "nope-9")
    page.run()
    qtbot.waitUntil(lambda: not page.session.is_running() and page.desk.jobs.waiting == 0, timeout=60_000)
    page.view.start()
    qtbot.waitUntil(lambda: page.desk.jobs.waiting == 0, timeout=60_000)
    assert page.form._rows["subject"].wrong.text() == "스터디 nope-9 이(가) 없습니다."


def test_a_set_out_of_the_running_has_a_word_and_no_score() -> None:
    from backtester.figures import NO_TRADES, OUT_OF_LIMITS
    from ui.models.runs import score_text

    set_language("ko")
    assert [score_text(value) for value in (NO_TRADES, OUT_OF_LIMITS, -1.5)] == ["거래 없음", "제한 밖", "-1.50"]


def test_a_path_longer_than_its_field_is_whole_in_the_tip(made: KindPage, monkeypatch: pytest.MonkeyPatch) -> None:
    from PyQt5.QtCore import QEvent, QPoint
    from PyQt5.QtGui import QHelpEvent
    from PyQt5.QtWidgets import QApplication, QToolTip

    told: list[str] = []
    monkeypatch.setattr(QToolTip, "showText", lambda place, text, widget: told.append(text))
    made.show_command("data import")
    line: Any = made.form.fields["sources"].inner
    line.setText("/a/very/long/folder/of/recorded/market/data/BTCUSDT-1m-2026-09.csv")
    QApplication.sendEvent(line, QHelpEvent(QEvent.ToolTip, QPoint(1, 1), QPoint(1, 1)))
    assert told == [line.text()]


def test_a_legend_shows_both_colours_of_one_thing(qtbot: Any) -> None:
    from ui.charts.study_charts import BarsChart
    from ui.theme.style import colour

    chart = BarsChart("ui.empty.windows", str)
    qtbot.addWidget(chart)
    chart.show_legend(("up+down", "ui.legend.day"))
    assert all(colour(name).name() in chart.legend_label.text() for name in ("up", "down"))


def test_a_walk_forward_that_was_stopped_early_shows_its_first_window(tmp_path: Path) -> None:
    import numpy as np

    from storage.studies import Studies
    from ui.research_data import read_searches, read_study

    store = Studies(DataDir(tmp_path).user_library)
    name = store.new_study("grid", {"plan": {"walk_forward": "rolling", "metrics": ["tc", "tg"]}}, 1)
    store.add_trials(f"{name}/1", 0, np.array([[1.0], [2.0]]), np.array([3.0, 4.0]), np.array([[1.0, 2.0], [3.0, 4.0]]), ())
    assert [trial.score for trial in read_study(tmp_path, name).trials] == [3.0, 4.0]
    assert [(one.study, count) for one, count in read_searches(tmp_path, True)] == [(name, 2)]
    assert read_searches(tmp_path, False) == []
