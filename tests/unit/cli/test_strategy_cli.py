"""`stom.py strategy`: exit status, JSON keys and sentences of the contract."""

from __future__ import annotations

import json
import sqlite3
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
        ("매수 = True\n매도 = False\n", "sell", "upbit", ["strategy.warn_sells_none", "strategy.warn_other_side"]),
        ("강제청산 = True\n", "sell", "upbit", ["strategy.warn_sells_none"]),
        ("if 등락율 > 1:\n    매수 = False\n", "buy", "upbit", []),
        ("if 등락율 > 1:\n    매수 = True\n", "buy", "upbit", ["strategy.warn_buys_all"]),
        ("if 등락율 > 1:\n    매도 = False\n", "sell", "upbit", ["strategy.warn_sells_none"]),
        ("매도 = True\n", "sell", "upbit", []),
        (
            "if 등락율 > 1:\n    BUY_LONG = True\nelif 등락율 < 0:\n    SELL_SHORT = True\n",
            "buy",
            "binance-futures",
            ["strategy.warn_buys_all"],
        ),
        ("BUY_LONG = 등락율 > 1\n", "buy", "binance-futures", ["strategy.warn_shorts_rest"]),
        ("SELL_SHORT = 등락율 > 1\n", "buy", "binance-futures", []),
        ("매수 = 체결강도평균(0) < 1 or 체결강도평균(0.5) < 1\n", "buy", "upbit", ["strategy.warn_no_rows"]),
        ("매수 = 체결강도평균(1) < 1 or 현재가N(0) > 1 or 체결강도평균(self.vars[0]) > 1\n", "buy", "upbit", []),
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


def stom_database(path: Path, tables: dict[str, list[tuple[str, ...]]]) -> str:
    connection = sqlite3.connect(path)
    for table, rows in tables.items():
        more = ', "변수값" text' if len(rows[0]) == 3 else ""
        connection.execute(f'create table {table} ("index" text, "전략코드" text{more})')
        connection.executemany(f"insert into {table} values ({', '.join('?' * len(rows[0]))})", rows)
    connection.commit()
    connection.close()
    return str(path)


V1_BUY = """
if not (3 <= 등락율 <= 25):
    매수 = False
elif not (체결강도 >= 체결강도평균(30) + 5):
    매수 = False
elif not (현재가 > 이동평균(60)):
    매수 = False
if 매수:
    self.Buy(종목코드, 현재가, 매도호가1, 매수호가1, 매수수량, 데이터길이)
"""
V3_BUY = (
    "if not 이평지지후이평돌파(60):\n    매수 = False\nelif 변동성(30, 1, calc=True) > 1:\n    매수 = False\nif 매수:\n    self.Buy()\n"
)
FINDER = """탐색틱수 = 300
탐색등락율 = 10
self.tickcols = ['등락율', '시가대비']
시가대비 = round((현재가 / 시가 - 1) * 100, 2)
if (future_max(탐색틱수) / 현재가 - 1) * 100 <= 탐색등락율:
    매수 = False
elif not 초당거래대금 > 초당거래대금N(1):
    매수 = False
if 매수:
    self.tickdata = [등락율, 시가대비]
    self.tickq.put(self.tickdata)
"""
FUTURES_SELL = """
if 수익률 <= -2:
    SELL_LONG = True
    BUY_SHORT = True
if (포지션 == 'LONG' and SELL_LONG) or (포지션 == 'SHORT' and BUY_SHORT):
    self.Sell(종목코드, 현재가, 매도호가1, 매수호가1, 매도수량, 강제청산)
"""


def test_a_stom_database_comes_in_unchanged_and_what_cannot_run_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = stom_database(
        tmp_path / "strategy.db",
        {
            "coinbuy": [
                ("추세", V1_BUY),
                ("찾기", FINDER),
                ("덜찾기", "x = 1\nself.tickcols = ['a']\n"),
                ("오타", "매수 = True\nif 현재까 > 1:\n    매수 = False\n"),
            ],
            "coinsell": [("추세", "매도 = 수익률 > 1\nif 매도:\n    self.Sell()\n"), ("선물", FUTURES_SELL)],
            "coinoptibuy": [("추세", "매수 = 등락율 > self.vars[1]\n", "30;1.5")],
            "coinoptivars": [("범위", "self.vars[1] = [[1, 5, 1], 2]\n"), ("깨짐", "self.vars[1] = [[1, 5], 2, 3]\n")],
            "coinbuyconds": [("조건", "not (등락율 > 3)\nnot (체결강도 >= 100)\n")],
            "stock_etf_buy": [("V3", V3_BUY)],
        },
    )
    here = ("--data-dir", str(tmp_path / "data"))
    status, out, _ = call(capsys, "import", file, "--texts", str(tmp_path / "texts"), *here)
    assert status == 0
    kept = {one["name"]: one for one in out["strategies"]}
    assert set(kept) == {"추세", "추세_coinoptibuy", "찾기", "덜찾기", "오타", "선물", "V3"}
    assert call(capsys, "show", "찾기", *here)[1]["strategies"][0]["buy"] == FINDER
    assert kept["추세_coinoptibuy"]["vars"] == {"0": 30, "1": 1.5}
    assert (kept["선물"]["markets"], kept["V3"]["markets"]) == (["binance-futures"], ["krx"])
    whole = call(capsys, "show", "추세", *here)[1]["strategies"][0]
    assert (whole["buy"], whole["sell"]) == (V1_BUY.strip("\n") + "\n", "매도 = 수익률 > 1\nif 매도:\n    self.Sell()\n")
    refused = {(one["source"], one["name"]): (one["line"], one["code"]) for one in out["refused"]}
    assert refused == {
        ("coinbuy", "덜찾기"): (1, "strategy.finder_form"),
        ("coinbuy", "오타"): (2, "strategy.unknown_name"),
        ("coinoptivars", "깨짐"): (1, refused["coinoptivars", "깨짐"][1]),
    }
    assert {Path(one["path"]).name for one in out["texts"] if one["path"]} == {
        "coinoptivars_범위.txt", "coinoptivars_깨짐.txt", "coinbuyconds_조건.txt"
    }  # fmt: skip


def test_formulas_are_saved_shown_and_known_to_texts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = ("--data-dir", str(tmp_path / "data"))
    (tmp_path / "line.txt").write_text("self.line = 현재가 - 이동평균(3)\n", "utf-8")
    (tmp_path / "bad.txt").write_text("self.line = 없는이름\n", "utf-8")
    (tmp_path / "buy.txt").write_text("if 간격(1) > 0:\n    매수 = False\n", "utf-8")
    spot = ("--market", "upbit")
    assert call(capsys, "check", str(tmp_path / "buy.txt"), *spot, *here)[1]["errors"][0]["code"] == "strategy.unknown_name"
    status, out, _ = call(capsys, "formula", "save", "간격", str(tmp_path / "line.txt"), "--in-strategy", *spot, *here)
    assert (status, out["version"], out["new"]) == (0, 1, True)
    assert call(capsys, "formula", "save", "나쁨", str(tmp_path / "bad.txt"), *spot, *here)[0] == 2
    assert call(capsys, "check", str(tmp_path / "buy.txt"), *spot, *here)[1]["ok"]
    assert [one["name"] for one in call(capsys, "formula", "list", *here)[1]["formulas"]] == ["간격"]
    assert call(capsys, "formula", "show", "간격", *spot, *here)[1]["formulas"][0]["text"] == "self.line = 현재가 - 이동평균(3)\n"
    assert call(capsys, "formula", "delete", "간격", *spot, *here)[0] == 0
    assert call(capsys, "formula", "show", "간격", *spot, *here)[0] == 2
