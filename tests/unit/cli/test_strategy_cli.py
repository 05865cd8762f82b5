"""`stom.py strategy`: exit status, JSON keys and sentences of the contract."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.main import run_command


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any, str]:
    status = run_command(["strategy", *words, "--json", "--lang", "en"])
    captured = capsys.readouterr()
    return status, json.loads(captured.out) if captured.out else None, captured.err


def write(path: Path, text: str) -> str:
    path.write_text(text, "utf-8")
    return str(path)


def test_check_of_a_good_text_names_factors_lookback_and_vars(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "a.txt", "매수 = 체결강도 > 체결강도평균(30, 2) + self.vars[4]\n")
    status, out, _ = call(capsys, "check", file, "--side", "buy", "--market", "upbit", "--interval", "1s")
    assert (status, out["ok"], out["errors"], out["factors"], out["lookback"], out["vars"]) == (0, True, [], ["trade_strength"], 32, 5)


def test_check_of_a_bad_text_exits_2_with_line_column_message_and_hint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = call(capsys, "check", write(tmp_path / "a.txt", "매수 = True\nif 체결강더 > 3:\n    매수 = False\n"))
    assert (status, out["ok"]) == (2, False)
    error = out["errors"][0]
    assert (error["line"], error["column"], error["hint"]) == (2, 4, "Did you mean '체결강도'?")
    assert error["message"] == "Line 2, column 4: there is no '체결강더'."


@pytest.mark.parametrize(
    ("text", "side", "market", "codes"),
    [
        ("", "buy", "upbit", ["strategy.warn_buys_all"]),
        ("# nothing yet\n", "sell", "upbit", ["strategy.warn_sells_none"]),
        ("매도 = 등락율 > 1\n", "buy", "upbit", ["strategy.warn_buys_all", "strategy.warn_other_side"]),
        ("매수 = True\n매도 = False\n", "sell", "upbit", ["strategy.warn_other_side"]),
        ("강제청산 = True\n", "sell", "upbit", ["strategy.warn_sells_none"]),
        ("if 등락율 > 1:\n    매수 = False\n", "buy", "upbit", []),
        ("BUY_LONG = 등락율 > 1\nSELL_SHORT = False\n", "buy", "binance-futures", []),
        ("SELL_LONG = 등락율 > 1\n", "buy", "binance-futures", ["strategy.warn_buys_all", "strategy.warn_other_side"]),
    ],
)
def test_what_is_hardly_meant_is_warned_of_and_allowed(
    text: str, side: str, market: str, codes: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "a.txt", text)
    status, out, _ = call(capsys, "check", file, "--side", side, "--market", market)
    assert (status, [one["code"] for one in out["warnings"]]) == (0, codes)
    assert run_command(["strategy", "check", file, "--side", side, "--market", market, "--lang", "ko"]) == 0
    assert capsys.readouterr().out.count("주의:") == len(codes)


def test_a_missing_file_exits_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = call(capsys, "check", str(tmp_path / "none.txt"))
    assert status == 2
    assert "none.txt" in err


def test_save_history_diff_export_and_import(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = ("--data-dir", str(tmp_path / "data"))
    sell = write(tmp_path / "s.txt", "매도 = 수익률 > 1\n")
    for text in ("매수 = 현재가 > 시가\n", "매수 = 현재가 > 고가\n"):
        status, out, _ = call(capsys, "save", "가나", "--buy", write(tmp_path / "b.txt", text), "--sell", sell, "--set", "0=10", *here)
        assert (status, out["new"]) == (0, True)
    assert [one["version"] for one in call(capsys, "history", "가나", *here)[1]["strategies"]] == [2, 1]
    assert "+매수 = 현재가 > 고가" in call(capsys, "diff", "가나", "1", *here)[1]["diff"]
    paths = call(capsys, "export", "가나", "--out", str(tmp_path / "out.txt"), *here)[1]["paths"]
    other = ("--data-dir", str(tmp_path / "other"))
    assert call(capsys, "import", *paths, *other)[1]["imported"] == 1
    assert call(capsys, "show", "가나", *other)[1]["strategies"][0]["buy"] == "매수 = 현재가 > 고가\n"
    assert {"가나", "데모_돌파", "기본_R1", "되돌림", "분봉_교차"} == {one["name"] for one in call(capsys, "list", *other)[1]["strategies"]}


def test_a_text_that_the_checker_refuses_is_not_saved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = ("--data-dir", str(tmp_path / "data"))
    bad, sell = write(tmp_path / "b.txt", "import os\n"), write(tmp_path / "s.txt", "매도 = 수익률 > 1\n")
    assert call(capsys, "save", "가나", "--buy", bad, "--sell", sell, *here)[0] == 2
    assert call(capsys, "show", "가나", *here)[0] == 2
