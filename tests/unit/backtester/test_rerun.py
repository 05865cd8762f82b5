"""A stored run is repeated from its number, and what has changed since is named."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from storage.studies import Studies, runs
from tests.research import made_rows
from tests.research_cli import SETS, call, make_data, store_rows, told, words
from utility.build import RESEARCH, build, lock_digest

PASSPORT = {"buy", "sell", "vars", "betting", "fees", "data", "data_days", "build", "lock", "seed", "first_row", "last_row", "codes"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_data(tmp_path)


def test_the_lock_digest_is_that_of_the_bootstrap() -> None:
    from tools.bootstrap import lock_digest as of_bootstrap

    root = Path(__file__).resolve().parents[3]
    assert lock_digest() == of_bootstrap(str(root)) != hashlib.sha256(b"").hexdigest()
    assert build(RESEARCH) != build()


def test_a_number_repeats_the_run_to_the_bit(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, first = call(capsys, *words(data, "backtest", *SETS, "--latency", "2", "--fees", "0.001"))
    status, again = call(capsys, "rerun", str(first["run"]), "--data-dir", str(data), "--json", "--workers", "1")
    assert (status, again["same"], again["changed"], again["metrics_changed"]) == (0, True, [], [])
    assert again["trades_sha256"] == again["expected_sha256"] == first["trades_sha256"]
    status, shown = call(capsys, "runs", str(first["run"]), "--data-dir", str(data), "--json")
    assert status == 0
    assert set(shown["passport"]) >= PASSPORT
    assert shown["passport"] == json.loads((data / "runs" / str(first["run"]) / "passport.json").read_text("utf-8"))
    assert (shown["passport"]["lock"], shown["passport"]["seed"]) == (lock_digest(), None)


def test_the_best_of_a_study_is_repeated_and_carries_its_seed(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = ("--ranges", str(data / "ranges.txt"), "--population", "6", "--generations", "2", "--seed", "3")
    _, found = call(capsys, *words(data, "optimise", *more))
    status, again = call(capsys, "rerun", str(found["run"]), "--data-dir", str(data), "--json")
    assert (status, again["same"]) == (0, True)
    passport = Studies(data / "library.db").run(found["run"]).passport
    assert (passport["seed"], passport["study"]) == (3, found["study"])


def test_days_added_later_do_not_change_a_run(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, first = call(capsys, *words(data, "backtest", *SETS))
    later = made_rows("upbit", 43, days=1)
    later.row_time[:] += 10 * 1_000_000
    later.blocks["day"] += 10
    store_rows(data, later)
    _, wider = call(capsys, *words(data, "backtest", *SETS))
    assert wider["days"] == first["days"] + 1
    status, again = call(capsys, "rerun", str(first["run"]), "--data-dir", str(data), "--json")
    assert (status, again["same"], again["changed"]) == (0, True, [])


def test_what_changed_is_named(data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    _, first = call(capsys, *words(data, "backtest", *SETS))
    store_rows(data, made_rows("upbit", 77))  # over the same days: other prices
    monkeypatch.setattr("backtester.record.build", lambda _: "9.9.9+abc")
    status, again = call(capsys, "rerun", str(first["run"]), "--data-dir", str(data), "--json")
    assert (status, again["same"]) == (4, False)
    assert {one["what"] for one in again["changed"]} == {"data_days", "build"}
    status, out, _ = told(capsys, "rerun", str(first["run"]), "--data-dir", str(data))
    assert status == 4
    assert "The data of these days changed" in out
    assert "The program's source changed" in out


def test_what_is_not_there_is_refused(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, found = call(capsys, "rerun", "7", "--data-dir", str(data), "--json")
    assert (status, found["error"]["code"]) == (2, "studies.no_run")
    _, first = call(capsys, *words(data, "backtest", *SETS))
    store = Studies(data / "library.db")
    with store._engine.begin() as connection:
        connection.execute(runs.update().values(passport="{}"))
    status, found = call(capsys, "rerun", str(first["run"]), "--data-dir", str(data), "--json")
    assert (status, found["error"]["code"]) == (4, "runs.passport")
    status, out, _ = told(capsys, "runs", "--data-dir", str(data))
    assert (status, out.count("\n")) == (0, 1)
