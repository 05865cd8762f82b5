"""`backtest --portfolio` from arguments to JSON: strategies on one account, on record and repeatable."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from backtester.metrics import KOREAN
from backtester.sheet.page import metric_name
from storage.bundles import Bundle
from storage.strategies import Strategies
from tests.research import HAND_TEXTS
from tests.research_cli import SETS, call, make_data, told
from utility.paths import DataDir

ACCOUNT = ("--portfolio", "--cash", "60000000", "--max-positions", "2", "--betting", "400000")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_data(tmp_path_factory.mktemp("data"))
    store = Strategies(DataDir(root).user_library)
    for name, window in (("A", 5.0), ("B", 9.0)):
        bundle = Bundle(name=name, buy=HAND_TEXTS["buy"], sell=HAND_TEXTS["sell"], variables={0: window, 1: 3.0, 2: 1.0})
        store.save(bundle)
    return root


def named(data: Path, *more: str) -> list[str]:
    return ["backtest", "--data-dir", str(data), "--market", "upbit", "--json", *more]


def test_two_strategies_share_an_account_and_the_run_repeats(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, got = call(capsys, *named(data, "--strategy", "A", "--strategy", "B", "--share", "0.5,0.5", *ACCOUNT))
    assert status == 0, got
    facts = got["portfolio"]
    assert [one["strategy"] for one in facts["strategies"]] == ["A", "B"]
    assert sum(one["trades"] for one in facts["strategies"]) == got["trades"] > 5
    assert facts["cash_end"] == pytest.approx(facts["cash"] + sum(one["pnl"] for one in facts["strategies"]), abs=1e-3)
    assert facts["cash_least"] >= 0.0
    assert got["refusals"]["max_positions"] > 0
    assert pq.read_table(facts["equity_path"]).column("equity")[-1].as_py() == pytest.approx(facts["cash_end"])
    assert [pq.read_table(one["trades_path"]).num_rows for one in facts["strategies"]] == [one["trades"] for one in facts["strategies"]]
    assert facts["equity"][-1]["cash"] == facts["cash_end"]
    assert pq.read_table(got["trades_path"])["exit_label"].to_pylist()[0].startswith(("A: ", "전략종료청산"))
    status, again = call(capsys, "rerun", str(got["run"]), "--data-dir", str(data), "--json")
    assert (status, again["same"]) == (0, True), again
    status, body = call(capsys, "verdict", str(got["run"]), "--data-dir", str(data), "--json")
    assert (status, body["error"]["code"]) == (3, "verdict.portfolio")
    _, out, _ = told(capsys, *named(data, "--strategy", "A", "--beside", "B", *ACCOUNT))
    assert "Account: cash 60,000,000" in out
    assert got["metrics_leave_out_pct"] == {"mh": 1.0, "seed": 1.0}
    assert metric_name("seed", "ko") == "필요자금 (가장 많던 1 % 시각 제외)"
    assert {metric_name(key, "ko").partition(" (")[0] for key in KOREAN} == set(KOREAN.values())
    for said in ("Most positions (busiest 1 % of moments left out)", "Capital needed (busiest 1 %", "most positions at any one moment"):
        assert said in out
    assert "B: " in out


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (("--strategy", "A", "--strategy", "B"), "portfolio.needs"),
        (("--strategy", "A", "--cash", "5"), "portfolio.needs"),
        (("--strategy", "A", "--beside", "B"), "portfolio.needs"),
        (("--strategy", "A", "--max-positions", "5"), "portfolio.needs"),
        (("--strategy", "A", "--stop-loss-pct", "2"), "portfolio.needs"),
        (("--strategy", "A", "--strategy", "B", "--portfolio", "--share", "0.5"), "portfolio.shares"),
        (("--strategy", "A", "--strategy", "B", "--portfolio", "--share", "0.9,0.9"), "portfolio.shares"),
        (("--strategy", "A", "--portfolio", "--share", "x"), "portfolio.shares"),
        (("--strategy", "A", "--strategy", "A", "--portfolio"), "portfolio.twice"),
        (("--strategy", "A", "--beside", "B,A", "--portfolio"), "portfolio.twice"),
        (("--strategy", "A", "--strategy", "B", "--portfolio", *SETS), "portfolio.sets"),
    ],
)
def test_what_does_not_go_together_is_refused(data: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], code: str) -> None:
    status, body = call(capsys, *named(data, *more))
    assert (status, body["error"]["code"]) == (2, code)


def test_what_one_entry_is_worth_without_being_told_and_a_halt_is_said(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = named(data, "--strategy", "A", "--portfolio")
    status, got = call(capsys, *one)
    assert (status, got["betting"]) == (0, 1_000_000.0), "live's amount: the back-test's own is more than one order of the account may be"
    assert got["trades"] > 0
    assert got["portfolio"]["halt"] is None
    for name, value in (("day_loss_reduce_pct", "0.001"), ("day_loss_halt_pct", "0.002")):
        assert told(capsys, "settings", "set", f"risk.{name}", value, "--data-dir", str(data))[0] == 0
    status, got = call(capsys, *one)
    assert status == 0
    assert got["portfolio"]["halt"]["rule"] == "loss"
    _, out, _ = told(capsys, *one)
    assert got["portfolio"]["halt"]["time"] in out


def test_an_account_stop_is_said_labelled_and_repeated(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = named(data, "--strategy", "A", *ACCOUNT, "--stop-loss-pct", "0.01", "--stop-gain-pct", "0.01")
    status, got = call(capsys, *one)
    assert status == 0, got
    assert got["portfolio"]["stopped_days"] > 0
    assert "계좌중지청산" in pq.read_table(got["trades_path"])["exit_label"].to_pylist()
    status, again = call(capsys, "rerun", str(got["run"]), "--data-dir", str(data), "--json")
    assert (status, again["same"]) == (0, True), again
    assert "The account stop was crossed" in told(capsys, *one)[1]
