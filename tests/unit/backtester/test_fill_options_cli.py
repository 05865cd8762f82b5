"""`--latency 500ms`, `--fill partial`: from words to JSON, passport and rerun; a study that goes on, a portfolio."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.research_cli import SETS, call, make_data, told, words


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp("data"))


def test_parts_and_a_delay_are_said_kept_and_repeated(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = ("--fill", "partial", "--level-share", "0.05", "--latency", "1.5s", "--betting", "20000000")
    status, got = call(capsys, *words(data, "backtest", *SETS, *more))
    assert (status, got["fill"], got["level_share"], got["latency"], got["delay_ms"]) == (0, "partial", 0.05, 0, 1500)
    assert got["trades"] > 5
    status, again = call(capsys, "rerun", str(got["run"]), "--data-dir", str(data), "--json")
    assert (status, again["same"]) == (0, True), again
    account = ("--portfolio", "--cash", "50000000", "--max-positions", "2")
    status, shared = call(capsys, *words(data, "backtest", *SETS, *more, *account))
    assert status == 0
    facts = shared["portfolio"]
    assert facts["cash_least"] >= 0.0
    assert facts["cash_end"] == pytest.approx(facts["cash"] + facts["strategies"][0]["pnl"], abs=1e-3)
    status, again = call(capsys, "rerun", str(shared["run"]), "--data-dir", str(data), "--json")
    assert (status, again["same"]) == (0, True), again
    _, usual = call(capsys, *words(data, "backtest", *SETS, "--fill", "partial"))
    assert usual["level_share"] == 0.5


def test_a_delay_in_time_is_a_row_of_seconds_and_a_study_finds_the_run(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, rows = call(capsys, *words(data, "backtest", *SETS, "--latency", "1"))
    _, time = call(capsys, *words(data, "backtest", *SETS, "--latency", "500ms"))
    assert (rows["latency"], rows["delay_ms"], time["latency"], time["delay_ms"]) == (1, 0, 0, 500)
    assert rows["trades_sha256"] == time["trades_sha256"]
    grid = ("--method", "grid", "--ranges-form", "list", "--ranges", str(data / "ranges.txt"), "--no-verdict")
    _, study = call(capsys, *words(data, "optimise", *grid, "--latency", "2500ms"))
    best = [word for index, value in enumerate(study["best"]["vars"]) for word in ("--set", f"{index}={value}")]
    _, alone = call(capsys, *words(data, "backtest", *best, "--latency", "2500ms"))
    assert alone["metrics"] == study["best"]["metrics"]
    _, again = call(capsys, "optimise", "--data-dir", str(data), "--resume", study["study"], "--json")
    assert again["best"] == study["best"]


@pytest.mark.parametrize("text", ["500", "0.5", "-1", "1h", "ms", "1_0ms", "0.5ms", "2d", "1e9s"])
def test_what_is_no_delay_is_refused_by_what_would_be(data: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    if text == "500":  # rows
        assert call(capsys, *words(data, "backtest", *SETS, "--latency", text))[1]["latency"] == 500
        return
    status, out, error = told(capsys, *words(data, "backtest", *SETS, f"--latency={text}"))
    assert status == 2
    assert "500ms" in out + error


def test_a_share_without_parts_is_refused(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, body = call(capsys, *words(data, "backtest", *SETS, "--level-share", "0.5"))
    assert (status, body["error"]["code"]) == (2, "backtest.level_share_without")
