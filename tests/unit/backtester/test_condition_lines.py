"""Condition lists: read, refused by line, switched, and written out as a person would."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backtester.condition_lines import Lines, parse_lines
from cli.main import run_command
from coin.markets import BINANCE_FUTURES, UPBIT
from domain.errors import InputError
from strategy.language import StrategyErrors, parse
from tests.research_cli import call, make_data, told


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp("data"))


BUY = "# 거부 조건\nnot (체결강도 >= 105)\n현재가 < 0\n등락율 > 500\n"
SELL = "수익률 >= 1\n보유시간 >= 30\n수익률 <= -1\n"


def test_lines_become_a_chain_with_switches_and_one_without() -> None:
    lines = parse_lines(BUY, SELL, UPBIT, 1)
    buy, sell = lines.texts()
    assert buy.splitlines()[:2] == ["if self.vars[1] > 0 and (not (체결강도 >= 105)):", "    매수 = False"]
    assert sell.splitlines()[2] == "elif self.vars[5] > 0 and (보유시간 >= 30):"
    space = lines.space(30.0)
    assert (len(space.values), space.groups) == (7, ((1, 2, 3), (4, 5, 6)))
    plain = lines.plain(np.array([30, 1, 0, 0, 0, 1, 1.0]))
    assert plain[0] == "if not (체결강도 >= 105):\n    매수 = False\n"
    assert plain[1] == "if 보유시간 >= 30:\n    매도 = True\nelif 수익률 <= -1:\n    매도 = True\n"
    for text, side in ((buy, "buy"), (sell, "sell"), (plain[0], "buy")):
        parse(text, side, UPBIT, 1)


def test_futures_build_the_side_of_the_first_line_alone() -> None:
    both = "# LONG\n현재가 < 1\n# SHORT\n현재가 > 2\n"
    lines = parse_lines("# SHORT\n현재가 > 2\n# LONG\n현재가 < 1\n", both, BINANCE_FUTURES, 1)
    assert (lines.side, lines.buy, lines.sell) == ("SHORT", ("현재가 > 2",), ("현재가 > 2",))
    buy, sell = lines.texts()
    assert buy.startswith("BUY_LONG = False\nif self.vars[1] > 0 and (현재가 > 2):\n    SELL_SHORT = False")
    assert "BUY_SHORT = True" in sell
    parse(buy, "buy", BINANCE_FUTURES, 1)
    parse(sell, "sell", BINANCE_FUTURES, 1)
    with pytest.raises(InputError, match=r"conditions\.side"):
        parse_lines("현재가 > 2\n", both, BINANCE_FUTURES, 1)


def test_bad_lines_are_named_by_their_numbers() -> None:
    with pytest.raises(StrategyErrors) as found:
        parse_lines("현재가 > 1\n\n없는이름 > 2\n현재가 >\nself.vars[1] > 2\n", SELL, UPBIT, 1)
    assert [one.line for one in found.value.errors] == [3, 4, 5]
    with pytest.raises(InputError, match=r"conditions\.empty"):
        parse_lines("# nothing\n", SELL, UPBIT, 1)
    with pytest.raises(InputError, match=r"conditions\.many"):
        parse_lines("현재가 > 1\n" * 501, SELL, UPBIT, 1)


def test_more_lines_than_the_list_has_are_refused(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for side, text in (("buy", BUY), ("sell", SELL)):
        (tmp_path / f"{side}.txt").write_text(text, "utf-8")
    texts = ["--buy", str(tmp_path / "buy.txt"), "--sell", str(tmp_path / "sell.txt")]
    argv = ["optimise", "--data-dir", str(data), "--market", "upbit", *texts, "--method", "conditions"]
    for option in ("--buy-lines", "--sell-lines"):
        status, body = call(capsys, *argv, option, "99", "--json")
        assert (status, body["error"]["code"], body["error"]["given"]) == (2, "conditions.fewer", "99")
    assert "--sell-lines 99" in told(capsys, *argv, "--sell-lines", "99")[2]


def test_the_report_counts_lines_among_sets_above_nought() -> None:
    lines = Lines(("a", "b"), ("c", "d"))
    vectors = np.array([[30, 1, 0, 1, 0], [30, 0, 1, 1, 0], [30, 1, 0, 0, 1]], dtype=float)
    report = lines.report(vectors, np.array([5.0, -1.0, 7.0]))
    assert (report["kept"], report["top"][0]) == (2, {"buy": ["a"], "sell": ["d"], "score": 7.0})
    assert {(one["line"], one["count"]) for one in report["frequency"]} == {("a", 2), ("c", 1), ("d", 1)}


def test_a_study_of_conditions_ends_with_a_text_that_trades_alike(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "buy.txt").write_text(BUY, "utf-8")
    (tmp_path / "sell.txt").write_text(SELL, "utf-8")
    texts = ["--buy", str(tmp_path / "buy.txt"), "--sell", str(tmp_path / "sell.txt")]
    common = ["--data-dir", str(data), "--market", "upbit", "--json"]
    argv = ["optimise", *common, *texts, "--method", "conditions", "--buy-lines", "1", "--sell-lines", "2"]
    status = run_command(argv)
    got = json.loads(capsys.readouterr().out)
    assert status == 0, got
    assert (got["evaluations"], got["sets"]) == (9, 64)
    assert len(got["conditions"]["top"]) <= 5
    (tmp_path / "best_buy.txt").write_text(got["best"]["buy"], "utf-8")
    (tmp_path / "best_sell.txt").write_text(got["best"]["sell"], "utf-8")
    texts = ["--buy", str(tmp_path / "best_buy.txt"), "--sell", str(tmp_path / "best_sell.txt")]
    run_command(["backtest", *common, *texts])
    alone = json.loads(capsys.readouterr().out)
    assert (alone["trades_sha256"], alone["metrics"]) == (got["trades_sha256"], got["best"]["metrics"])
    assert run_command(["optimise", "--data-dir", str(data), "--resume", got["study"], "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["trades_sha256"], again["resumed"]) == (got["trades_sha256"], 9)
    for more, code in ((["--ranges", str(data / "ranges.txt")], "conditions.ranges"), (["--set", "1=3"], "conditions.set")):
        assert run_command([*argv, *more]) == 2
        assert json.loads(capsys.readouterr().out)["error"]["code"] == code
