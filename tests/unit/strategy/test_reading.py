"""Strict reading, and what STOM gave for what is not there: one answer in both back ends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cli.job_args import job_of_passport
from coin.markets import UPBIT
from domain.reading import Reading
from strategy.features import PlainFeatures
from strategy.interpreter import Interpreter
from strategy.nodes import Bind, walk
from strategy.program import build
from tests.unit.strategy.steps import Both, held_since

PRICE = np.array([10.0, 11, 9, 12, 8, 13, 7, 14])


def signals(text: str, reading: Reading, tmp_path: Path) -> list[int]:
    """Return what a buy text says on each row, the same compiled and interpreted; 등락율 is there for a negative zero of history."""
    both = Both(tmp_path, UPBIT, 1, text)
    if reading != Reading():
        both.program = build(text, "", UPBIT, 1, reading=reading)
        from strategy import cache
        from strategy.compiler import source

        both.module, both.interpreter = cache.load("step", source(both.program), tmp_path, b"k" * 32), Interpreter(both.program)
    both.feed({"last_price": PRICE, "change_pct": PRICE - 10.0}, [3.0, 4.0])
    return [both.run("buy", i)[0] for i in range(len(PRICE))]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("매수 = 이동평균(4) < 100\n", 3),
        ("매수 = 현재가N(2) < 100\n", 2),
        ("매수 = 최고현재가(self.vars[1], 1) < 현재가 + 100\n", 4),
        ("매수 = 0 < 등락율각도(3) + 1000\n", 2),
        ("매수 = 현재가 / 이동평균(4) > 0\n", 3),
        ("매수 = abs(현재가N(데이터길이 - 데이터길이 + 1)) < 100\n", 1),
        ("매수 = (가 := 현재가N(3)) < 100 and 가 < 100\n", 3),
        ("매수 = 현재가 < 100 and 현재가N(0) > 0\n", 0),
    ],
)
def test_a_comparison_without_its_history_is_false(text: str, first: int, tmp_path: Path) -> None:
    if ":=" in text:
        text = "매수 = False\nif " + text[5:].strip() + ":\n    매수 = True\n"
    assert signals(text, Reading(strict=True), tmp_path) == [0] * first + [1] * (len(PRICE) - first)
    loose = signals(text, Reading(), tmp_path)
    assert loose == [1] * len(PRICE) or "/" in text
    assert any(isinstance(one, Bind) for one in walk(build(text, "", UPBIT, 1).buy.body[-1])) == (":=" in text)


def test_the_entry_row_and_nested_comparisons_ask_for_themselves() -> None:
    program = build("매수 = (현재가N(-1) < 100) == (이동평균(3) < 100)\n", "", UPBIT, 1, reading=Reading(strict=True))
    plain = PlainFeatures(program, program.windows([0.0]))
    inputs = (PRICE,)
    plain.fill(inputs, 0, 0, len(PRICE))
    state = program.day_state("A")
    interpreter = Interpreter(program)
    flat, held = np.zeros(17), held_since(1)
    assert interpreter.buy(inputs, plain.sums, plain.extremes, 4, 0, [0.0], flat, state) == 0  # false == true
    assert interpreter.buy(inputs, plain.sums, plain.extremes, 4, 0, [0.0], held, state) == 1
    assert interpreter.buy(inputs, plain.sums, plain.extremes, 1, 0, [0.0], flat, state) == 1  # false == false


def test_what_stom_gave_can_be_had() -> None:
    both = build("매수 = 경과틱수('a') > 1\n", "", UPBIT, 1, (("a", "현재가 > 1e9"),), reading=Reading(never_zero=True, warm_up_zero=True))
    usual = build("매수 = 경과틱수('a') > 1\n", "", UPBIT, 1, (("a", "현재가 > 1e9"),))
    assert (both.never, both.warm_up, usual.never) == (0.0, 0.0, 999_999.0)
    assert both.digest != usual.digest


def test_a_passport_keeps_how_texts_were_read() -> None:
    passport = {
        "market": "upbit", "interval_s": 1, "buy": "", "sell": "", "fees": None, "betting": 1.0, "entry_levels": 1, "exit_levels": 1,
        "latency": 0, "fill": "sweep", "start": 0, "end": 235959, "from": None, "to": None, "symbols": None, "vars": {}, "rows_since": [],
        "source": None, "strategy": "", "reading": {"strict": True},
    }  # fmt: skip
    assert job_of_passport(passport).reading == Reading(strict=True)
