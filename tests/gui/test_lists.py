"""Lists of research show what was asked for: the order of the board, the jobs that were named, so many runs and no more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.settings import Settings
from storage.studies import Run, Studies
from ui.commands import Commands
from ui.jobs import Jobs
from ui.research.batch_view import BatchView
from ui.research.runs_view import RunsView
from ui.research.session import Task
from ui.research.view import Desk
from utility.paths import DataDir


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(None, {}, Settings(), tmp_path, Jobs(), Commands())  # type: ignore[arg-type]
    yield made
    made.commands.close()
    made.jobs.stop()


def row(job: int, turn: int, tg: float) -> dict[str, Any]:
    words = ["backtest", "--market=upbit"]  # a job that is repeated has the same words each time
    return {"job": job, "turn": turn, "run": turn, "study": "", "metrics": {"tg": tg}, "words": words}


def test_the_board_follows_its_order_also_of_equal_commands(qtbot: Any, desk: Desk) -> None:
    view = BatchView(desk)
    qtbot.addWidget(view)
    rows = [row(1, 1, 5.0), row(1, 2, 3.0)]
    view.show_queue([], {"rows": rows, "failed": []})
    assert [one.tg for one in view.board.records] == [5.0, 3.0]
    view.show_queue([], {"rows": rows[::-1], "failed": []})
    assert [one.tg for one in view.board.records] == [3.0, 5.0]


def test_results_of_named_jobs_are_those_of_the_board(qtbot: Any, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    view = BatchView(desk)
    qtbot.addWidget(view)
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr("ui.research.batch_view.read_queue", lambda *said: asked.append(said[1:]) or ([], {"rows": [], "failed": []}))
    view.end(Task("batch results", ["batch", "results", "--by=mdd", "3", "밤"], state="done", result={"by": "mdd"}))
    qtbot.waitUntil(lambda: desk.jobs.waiting == 0, timeout=10_000)
    view.end(Task("batch results", ["batch", "results"], state="done", result={"by": "tg"}))
    qtbot.waitUntil(lambda: desk.jobs.waiting == 0, timeout=10_000)
    assert asked == [("mdd", ("3", "밤")), ("tg", ())]


def test_so_many_runs_are_listed(qtbot: Any, desk: Desk) -> None:
    store = Studies(DataDir(desk.data_dir).user_library)
    for number in (1, 2, 3):
        store.add_run(Run(number, "backtest", 1, {"market": "upbit", "strategy": "a"}, {"tg": 1.0}, 0, "", "x.parquet"))
    view = RunsView(desk)
    qtbot.addWidget(view)

    def listed(*words: str) -> int:
        view.end(Task("runs", ["runs", *words], state="done", result={"runs": [{}, {}]}))
        qtbot.waitUntil(lambda: desk.jobs.waiting == 0, timeout=10_000)
        return int(view.runs.count)

    assert (listed("--limit=2"), listed()) == (2, 3)
