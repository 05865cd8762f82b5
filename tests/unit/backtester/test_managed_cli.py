"""`--order-settings` on the command line: part of a run, of its repetition and of what a search keeps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backtester.executors import LocalExecutor
from backtester.job import Job, context, load
from cli.job_args import job_of_passport
from storage.studies import Studies
from tests.research_cli import SETS, call, make_data, words
from utility.paths import DataDir

ORDERS = {
    "매수분할횟수": 3,
    "entry": {"split_down": True, "split_down_pct": 0.1, "ban_interval": True, "ban_interval_s": 5},
    "exit": {"splits": 2, "split_up_pct": 0.2, "stop_rate": True, "stop_rate_pct": 0.8},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_data(tmp_path_factory.mktemp("data"))
    (root / "orders.json").write_text(json.dumps(ORDERS), "utf-8")
    (root / "limit.json").write_text('{"exit": {"order": "limit"}}', "utf-8")
    return root


def job(data: Path, run: int) -> Job:
    return job_of_passport(Studies(data / "library.db").run(run).passport)


def test_a_run_with_order_settings_is_repeated_from_its_number(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = ("--order-settings", str(data / "orders.json"))
    status, got = call(capsys, *words(data, "backtest", *SETS, *file))
    _, plain = call(capsys, *words(data, "backtest", *SETS))
    assert status == 0
    assert got["order_settings"]["entry.splits"] == 3
    assert got["trades_sha256"] != plain["trades_sha256"]
    assert plain["order_settings"] is None
    (data / "orders.json").write_text("{}", "utf-8")
    status, again = call(capsys, "rerun", str(got["run"]), "--data-dir", str(data), "--json")
    (data / "orders.json").write_text(json.dumps(ORDERS), "utf-8")
    assert (status, again["same"], again["changed"]) == (0, True, [])
    # Nothing that was evaluated under other settings is taken for an answer.
    executor = LocalExecutor(1)
    digests = {context(load(job(data, run["run"]), DataDir(data), executor)) for run in (got, plain)}
    executor.close()
    assert len(digests) == 2


def test_levels_of_the_command_line_win(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, got = call(capsys, *words(data, "backtest", *SETS, "--order-settings", str(data / "orders.json"), "--entry-levels", "1"))
    orders = job(data, got["run"]).options.orders
    assert orders is not None
    assert (orders.entry.levels, orders.exit.levels, got["order_settings"]["entry.levels"]) == (1, 5, 1)


def test_a_search_runs_under_order_settings(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = ("--order-settings", str(data / "orders.json"))
    more = ("--ranges", str(data / "ranges.txt"), "--method", "grid", "--no-verdict")
    status, found = call(capsys, *words(data, "optimise", *more, *file))
    assert status == 0
    best = [word for index, value in enumerate(found["best"]["vars"]) for word in ("--set", f"{index}={value}")]
    _, alone = call(capsys, *words(data, "backtest", *best, *file))
    assert alone["metrics"] == pytest.approx(found["best"]["metrics"])
    assert alone["trades_sha256"] == Studies(data / "library.db").run(found["run"]).trades_sha256


def test_what_fills_resting_orders_is_a_word_of_replays(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = ("--buy", str(data / "buy.txt"), "--sell", str(data / "sell.txt"), *SETS)
    live = ("live", "--market", "upbit", *texts, "--order-settings", str(data / "limit.json"), "--data-dir", str(data))
    status, said = call(capsys, *live, "--resting", "rows", "--json")
    assert status == 2
    assert said["error"]["code"] == "live.resting_replay"
