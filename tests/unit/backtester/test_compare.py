"""Stored runs side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backtester.sheet.compare import curve, draw
from backtester.sheet.load import load_sheet
from backtester.sheet.style import THEMES, drawing
from tests.research_cli import SETS, call, make_data, told, words
from utility.paths import DataDir


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp("data"))


def test_figures_differences_and_curves(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, first = call(capsys, *words(data, "backtest", *SETS))
    _, second = call(capsys, *words(data, "backtest", *SETS, "--latency", "3"))
    (tmp_path / "never.txt").write_text("매수 = False\n", "utf-8")
    _, third = call(capsys, *words(data, "backtest", *SETS, "--buy", str(tmp_path / "never.txt")))
    numbers = [str(run["run"]) for run in (first, second, third)]
    out = [word for ending in ("html", "pdf", "png") for word in ("--out", str(tmp_path / f"c.{ending}"))]
    status, found = call(capsys, "compare", *numbers, *out, "--data-dir", str(data), "--json")
    assert status == 0
    assert [one["trades"] for one in found["runs"]] == [first["trades"], second["trades"], 0]
    assert [one["metrics"]["tg"] for one in found["runs"]] == [run["metrics"]["tg"] for run in (first, second, third)]
    assert found["differs"]["latency"] == [0, 3, 0]
    assert found["differs"]["buy"] == [False, False, True]
    assert "betting" not in found["differs"]
    assert found["best"]["tg"] == max((run["metrics"]["tg"], run["run"]) for run in (first, second, third))[1]
    for one, run in zip(found["runs"], (first, second), strict=False):
        assert one["equity"]["value"][-1] == pytest.approx(run["metrics"]["tg"])
        assert len(one["equity"]["time"]) == len(one["equity"]["value"])
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "c.pdf").read_bytes().startswith(b"%PDF")
    assert "data:image/svg+xml" in (tmp_path / "c.html").read_text("utf-8")
    status, said, _ = told(capsys, "compare", *numbers, "--data-dir", str(data))
    assert status == 0
    assert "Run 1" in said
    assert "Total profit" in said


def test_runs_that_are_one_result_are_named(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, same, other = (call(capsys, *words(data, "backtest", *SETS, *more))[1] for more in ((), ("--source", "made"), ("--latency", "3")))
    numbers = [run["run"] for run in (one, same, other)]
    asked = ("compare", *map(str, numbers), "--data-dir", str(data))
    assert call(capsys, *asked, "--json")[1]["alike"] == [numbers[:2]]
    assert f"Runs {numbers[0]}, {numbers[1]} have exactly the same trades" in told(capsys, *asked)[1]
    assert call(capsys, "compare", "1", "1", "--data-dir", str(data), "--json")[1]["error"]["code"] == "compare.twice"


def test_the_chart_holds_every_curve(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [call(capsys, *words(data, "backtest", *SETS, "--latency", str(k)))[1] for k in (0, 1)]
    sheets = [load_sheet(DataDir(data), run["run"]) for run in runs]
    with drawing(THEMES["dark"]):
        upper = draw(sheets, "ko", THEMES["dark"]).axes[0]
    drawn = [line.get_ydata()[-1] for line in upper.lines[:2]]
    assert drawn == pytest.approx([run["metrics"]["tg"] for run in runs])
    assert curve(sheets[0], most=3)[1] == sheets[0].trades.equity[np.array([0, (len(sheets[0].trades) - 1) // 2, -1])].tolist()


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (("1",), "compare.count"),
        (("1", "1"), "compare.twice"),
        (("1", "99"), "studies.no_run"),
        (("1", "2", "--out", "x.txt"), "compare.ending"),
    ],
)
def test_what_cannot_be_compared_is_refused(data: Path, capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], code: str) -> None:
    call(capsys, *words(data, "backtest", *SETS))
    status, found = call(capsys, "compare", *argv, "--data-dir", str(data), "--json")
    assert (status, found["error"]["code"]) == (2, code)
