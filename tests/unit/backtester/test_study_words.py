"""What a search and a run say when there is nothing good to say, and of a study that somebody else runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.research_cli import SETS, call, make_data, told, words
from utility.lock import FileLock
from utility.paths import DataDir


def test_limits_nobody_keeps_no_trades_and_a_study_that_runs_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = make_data(tmp_path)
    ranges = ("--method", "grid", "--ranges-form", "list", "--ranges", str(data / "ranges.txt"), "--no-verdict")
    asked = words(data, "optimise", *ranges, "--limits", "atc=5000:6000")
    status, got = call(capsys, *asked)
    assert (status, got["best"]["within_limits"]) == (0, False)
    status, out, _ = told(capsys, *asked)
    assert status == 0
    assert "No set keeps the limits" in out
    assert "2,222,222,222" not in out
    place = DataDir(data).run / f"study-{got['study']}.lock"
    assert not place.exists(), "the lock of a study that ended is taken away"
    with FileLock(place):
        status, body = call(capsys, "optimise", "--data-dir", str(data), "--resume", got["study"], "--json")
    assert (status, body["error"]["code"]) == (3, "optimise.running")
    status, out, _ = told(capsys, *words(data, "backtest", *SETS, "--start", "235958"))
    assert status == 0
    assert "There were no trades: on no row that could trade" in out
