"""`--leverage`, `--funding` and `--halts` on the command line: part of a run, of its passport, of an account's cash."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cli.job_args import job_of_passport
from storage.studies import Studies
from tests.research import made_rows
from tests.research_cli import call, make_data, store_rows, told, words

BUY = "BUY_LONG = 등락율 >= 0\nSELL_SHORT = 등락율 < 0\n"
SELL = "if 보유시간 >= 40 or 레버리지 > 40:\n    SELL_LONG = True\n    BUY_SHORT = True\n"
FUNDED = ("--leverage", "20", "--funding")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    store_rows(root, made_rows("binance-futures", 41, days=2), price_step=0.01)
    (root / "buy.txt").write_text(BUY, "utf-8")
    (root / "sell.txt").write_text(SELL, "utf-8")
    (root / "rates.txt").write_text("\n".join(f"2024-01-0{day}T09:0{minute}Z 0.001" for day in (5, 6) for minute in range(1, 9)), "utf-8")
    return root


def futures(data: Path, *more: str) -> list[str]:
    texts = ["--buy", str(data / "buy.txt"), "--sell", str(data / "sell.txt")]
    return ["backtest", "--data-dir", str(data), "--market", "binance-futures", *texts, "--json", "--betting", "50", *more]


def test_a_run_with_leverage_and_funding_is_repeated_and_says_so(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rates = str(data / "rates.txt")
    status, got = call(capsys, *futures(data, *FUNDED, rates))
    assert status == 0, got
    assert (got["leverage"], got["funding"], got["halts"], got["trades"] > 10) == ("20", {"lines": 16}, False, True)
    _, plain = call(capsys, *futures(data))
    assert "error" not in plain, plain
    assert (plain["leverage"], plain["funding"]) == (None, None)
    _, one = call(capsys, *futures(data, "--leverage", "1"))
    assert one["trades_sha256"] == plain["trades_sha256"] != got["trades_sha256"]
    options = job_of_passport(Studies(data / "library.db").run(got["run"]).passport).options
    assert options.futures is not None
    assert (options.futures.leverage, len(options.futures.lines)) == (20.0, 16)
    status, again = call(capsys, "rerun", str(got["run"]), "--data-dir", str(data), "--json")
    assert (status, again["same"]) == (0, True), again
    # The text reads the leverage of its position: above 40 it leaves at once.
    _, quick = call(capsys, *futures(data, "--leverage", "50"))
    assert quick["trades"] > 5 * one["trades"]
    _, out, _ = told(capsys, *futures(data))
    assert "Funding: not counted" in out


def test_an_account_pays_the_funding_and_the_margin_alone(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    account = ("--portfolio", "--cash", "100000", "--max-positions", "3")
    status, got = call(capsys, *futures(data, *FUNDED, str(data / "rates.txt"), *account))
    assert status == 0, got
    facts = got["portfolio"]
    pnl = pq.read_table(got["trades_path"])["pnl"].to_pylist()
    assert len(pnl) > 10
    assert facts["cash_end"] == pytest.approx(100_000.0 + sum(pnl), abs=1e-3)
    _, free = call(capsys, *futures(data, "--leverage", "20", *account))
    assert free["trades_sha256"] != got["trades_sha256"]
    assert max(pq.read_table(got["trades_path"])["entry_amount"].to_pylist()) > 950.0
    assert 98_000.0 < facts["cash_least"] < 100_000.0  # three margins of fifty, not three times a thousand


def test_other_markets_refuse_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = make_data(tmp_path, days=1)
    for more, code in ((("--leverage", "2"), "futures.only"), (("--funding", "0.0001"), "futures.only"), (("--halts", "on"), "halts.none")):
        status, got = call(capsys, *words(data, "backtest", *more))
        assert (status, got["error"]["code"]) == (2, code)
    status, got = call(capsys, *words(data, "backtest", "--leverage", "two"))
    assert (status, got["error"]["code"]) == (2, "futures.only")
