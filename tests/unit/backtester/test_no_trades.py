"""A run without trades says what kept its entries out; the default amount of a shared account fits its largest order."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.research import made_rows
from tests.research_cli import call, store_rows, told

BUY = "BUY_LONG = 등락율 >= self.vars[1]\nSELL_SHORT = 등락율 < 0 - self.vars[1]\n"
SELL = "if 보유시간 >= 40:\n    SELL_LONG = True\n    BUY_SHORT = True\n"
SHARED = ("--portfolio", "--max-positions", "3")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    store_rows(root, made_rows("binance-futures", 41, days=1), price_step=0.01)
    (root / "buy.txt").write_text(BUY, "utf-8")
    (root / "sell.txt").write_text(SELL, "utf-8")
    return root


def words(data: Path, *more: str, least: str = "0") -> list[str]:
    texts = ["--buy", str(data / "buy.txt"), "--sell", str(data / "sell.txt"), "--set", f"1={least}"]
    return ["backtest", "--data-dir", str(data), "--market", "binance-futures", *texts, "--json", *more]


def test_the_default_amount_of_an_account_fits_its_largest_order(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, plain = call(capsys, *words(data, *SHARED))
    assert (status, plain["betting"], plain["portfolio"]["betting_usual"]) == (0, 1000.0, 1000.0)
    status, got = call(capsys, *words(data, *SHARED, "--leverage", "20"))
    assert status == 0, got
    # 2 % of 100,000 is the largest order; nine tenths of it over a leverage of 20.
    assert (got["betting"], got["portfolio"]["order_limit"], got["no_trades"]) == (90.0, 2000.0, None)
    assert got["trades"] > 0
    assert "max_order" not in got["refusals"]
    _, out, err = told(capsys, *words(data, *SHARED, "--leverage", "0-1:5,1-9:20"))
    assert "a default of 90.00 that fits the largest order, 2,000.00 USDT (usually 1,000.00; leverage 20)" in out
    assert "refused" not in err
    _, small = call(capsys, *words(data, *SHARED, "--cash", "10000"))
    assert (small["betting"], small["trades"] > 0) == (180.0, True)


def test_an_amount_that_the_account_refuses_is_told_of_with_both_numbers(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = words(data, *SHARED, "--leverage", "5", "--betting", "1000")
    _, got = call(capsys, *one)
    assert (got["trades"], got["no_trades"]["reason"], got["no_trades"]["amount"]) == (0, "limit", 5000.0)
    assert max(got["no_trades"]["refusals"], key=got["no_trades"]["refusals"].get) == "max_order"
    _, out, err = told(capsys, *one)
    for text in (out, err):
        assert "1,000.00 × leverage 5 = 5,000.00 USDT is more than one order may be, 2,000.00 USDT" in text
        assert "--betting 360.00 or less" in text
    assert "refused every entry" in out


@pytest.mark.parametrize(
    ("more", "least", "reason", "said"),
    [
        (("--leverage", "125", "--betting", "100000000"), "0", "book", "100,000,000.00 × leverage 125 = 12,500,000,000.00 USDT"),
        (("--betting", "0.0000000001"), "0", "small", "not one unit"),
        ((), "900", "condition", "ask for an entry"),
        (SHARED, "900", "condition", "ask for an entry"),
    ],
)
def test_what_kept_every_entry_out_is_said(
    data: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], least: str, reason: str, said: str
) -> None:
    status, got = call(capsys, *words(data, *more, least=least))
    assert (status, got["trades"], got["no_trades"]["reason"]) == (0, 0, reason), got
    assert said in told(capsys, *words(data, *more, least=least))[1]
