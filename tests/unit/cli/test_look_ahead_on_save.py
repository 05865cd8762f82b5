"""Every save is asked whether it reads the future; the answer stands with the version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.main import run_command
from strategy.interpreter import Interpreter

BUY = "매수 = 현재가 > 이동평균(30) and 최고현재가(20) > 현재가N(3)\n"
SELL = "매도 = 수익률 > 0.5\n"


def call(capsys: pytest.CaptureFixture[str], root: Path, *words: str, status: int = 0) -> dict[str, Any]:
    assert run_command(["strategy", *words, "--data-dir", str(root), "--json"]) == status
    return json.loads(capsys.readouterr().out)  # type: ignore[no-any-return]


def save(capsys: pytest.CaptureFixture[str], root: Path, buy: str = BUY) -> dict[str, Any]:
    for name, text in (("buy", buy), ("sell", SELL)):
        (root / f"{name}.txt").write_text(text, "utf-8")
    words = ("--buy", str(root / "buy.txt"), "--sell", str(root / "sell.txt"), "--market", "upbit")
    return call(capsys, root, "save", "시험", *words)["strategies"][0]  # type: ignore[no-any-return]


def test_a_save_is_judged_both_ways_and_the_answer_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = save(capsys, tmp_path)
    found = saved["look_ahead"]
    assert found["ok"]
    assert [one["how"] for one in found["judged"]] == ["interpreted", "written"]
    assert found["judged"][0]["signals"] == found["judged"][1]["signals"] > 0
    assert call(capsys, tmp_path, "show", "시험")["strategies"][0]["look_ahead"] == found
    assert call(capsys, tmp_path, "history", "시험")["strategies"][0]["look_ahead"] == found
    assert call(capsys, tmp_path, "history", "데모_돌파")["strategies"][0]["look_ahead"] is None  # nobody saved it
    assert call(capsys, tmp_path, "guard", "데모_돌파")["strategies"][0]["look_ahead"]["ok"]


def test_a_leak_is_told_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Interpreter.buy

    def peeks(self: Any, inputs: Any, sums: Any, extremes: Any, i: int, *rest: Any) -> int:
        return honest(self, inputs, sums, extremes, min(i + 1, len(inputs[0]) - 1), *rest)

    monkeypatch.setattr(Interpreter, "buy", peeks)
    found = save(capsys, tmp_path, "매수 = 현재가 > 10000\n")["look_ahead"]
    assert found["ok"] is False
    assert [one["ok"] for one in found["judged"]] == [False, True]
    assert call(capsys, tmp_path, "guard", "시험", status=2)["strategies"][0]["look_ahead"]["ok"] is False
    assert run_command(["strategy", "history", "시험", "--data-dir", str(tmp_path), "--lang", "en"]) == 0
    assert "look-ahead" in capsys.readouterr().out
