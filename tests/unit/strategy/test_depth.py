"""A text that nests deeper than the compiler can walk is refused with its line, never with a traceback."""

from __future__ import annotations

import ast

import pytest

from coin.markets import UPBIT
from strategy.compiler import source
from strategy.language import StrategyErrors, parse
from strategy.limits import MAX_BRANCHES, MAX_DEPTH
from strategy.program import build

SELL = "매도 = False\n"


@pytest.mark.parametrize(
    "expression",
    [" + ".join(["현재가"] * 250), "not " * 450 + "현재가", " / ".join(["현재가"] * 200), "-" * 300 + "현재가"],
    ids=["sum", "not", "quotient", "minus"],
)
def test_a_deep_expression_is_refused_with_its_line(expression: str) -> None:
    with pytest.raises(StrategyErrors) as caught:
        parse(f"매수 = True\nself.a = {expression}\n", "buy", UPBIT, 1)
    assert [(one.code, one.line) for one in caught.value.errors] == [("strategy.too_deep", 2)]


def test_an_endless_chain_of_branches_is_refused() -> None:
    text = "if 현재가 > 0:\n    매수 = False\n" + "".join(f"elif 현재가 > {k}:\n    매수 = False\n" for k in range(MAX_BRANCHES + 50))
    with pytest.raises(StrategyErrors, match=r"too_deep"):
        parse(text, "buy", UPBIT, 1)


def test_what_is_allowed_can_be_generated_and_read_back() -> None:
    deep = " / ".join(["현재가"] * (MAX_DEPTH - 5))
    chain = "".join(f"elif 현재가 > {k}:\n    매수 = False\n" for k in range(MAX_BRANCHES - 60))
    text = f"self.a = {deep}\nif 현재가 > 1e12:\n    매수 = False\n{chain}"
    ast.parse(source(build(text, SELL, UPBIT, 1)))
