"""A poisoned future: honest texts pass, and whatever reads a later row is found with its row."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coin.markets import BINANCE_FUTURES, UPBIT
from stock.markets import KRX
from storage.bundles import read_bundle
from strategy import cache, look_ahead
from strategy.compiler import source
from strategy.features import PlainFeatures
from strategy.interpreter import Interpreter
from strategy.look_ahead import judge
from strategy.program import build

LIBRARY = sorted((Path(__file__).parents[3] / "storage" / "library").glob("*.txt"))
BUY = "매수 = 현재가 > 이동평균(30) and 최고현재가(20) > 현재가N(3)\n"
SELL = "매도 = 수익률 > 0.5 or 현재가 < 최저현재가(10)\n"


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_the_library_reads_no_future(path: Path) -> None:
    bundle = read_bundle(path.read_text("utf-8"), path.name)
    began = time.monotonic()
    found = judge(build(bundle.buy, bundle.sell, UPBIT, bundle.interval_s), bundle.variables)
    assert found.ok
    assert found.cuts >= 1
    assert time.monotonic() - began < 10  # a second or two where nothing else runs


@pytest.mark.parametrize(("market", "interval_s"), [(KRX, 1), (KRX, 60), (UPBIT, 60)])
def test_markets_and_minutes(market: Any, interval_s: int) -> None:
    found = judge(build(BUY, SELL, market, interval_s), {})
    assert found.ok
    assert found.signals > 20


def test_long_and_short() -> None:
    program = build(
        "BUY_LONG = 현재가 > 현재가N(5)\nSELL_SHORT = 현재가 < 현재가N(5)\n",
        "SELL_LONG = 수익률 > 1\nBUY_SHORT = 수익률 > 1\n",
        BINANCE_FUTURES,
        1,
    )
    assert judge(program, {}).ok


def test_compiled_steps_are_judged_by_the_same_days(tmp_path: Path) -> None:
    program = build(BUY, SELL, UPBIT, 1)
    compiled = judge(program, {}, cache.load("step", source(program), tmp_path, b"k" * 32))
    plain = judge(program, {})
    assert compiled.ok
    assert compiled.how == "compiled"
    assert (compiled.signals, compiled.rows) == (plain.signals, plain.rows)


def test_a_step_that_reads_the_next_row_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Interpreter.buy

    def peeks(self: Any, inputs: Any, sums: Any, extremes: Any, i: int, *rest: Any) -> int:
        return honest(self, inputs, sums, extremes, min(i + 1, len(inputs[0]) - 1), *rest)

    monkeypatch.setattr(Interpreter, "buy", peeks)
    found = judge(build("매수 = 현재가 > 10000\n", SELL, UPBIT, 1), {})
    assert not found.ok
    assert (found.side, found.how) == ("buy", "interpreted")
    assert found.row in [int(found.rows * share) for share in look_ahead.CUTS]


def test_a_feature_that_was_filled_from_the_future_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = PlainFeatures.fill

    def shifted(self: Any, inputs: Any, lo: int, i0: int, i1: int) -> None:
        honest(self, tuple(np.append(one[1:], one[-1]) for one in inputs), lo, i0, i1)

    monkeypatch.setattr(PlainFeatures, "fill", shifted)
    assert not judge(build("매수 = 최고현재가(20) > 현재가 * 1.01\n", SELL, UPBIT, 1), {}).ok
