"""Look-backs that would read a row still to come: refused where they stand, in every kind of text and both spellings."""

from __future__ import annotations

import pytest

from coin.markets import UPBIT
from domain.errors import StrategyError
from domain.formulas import Formula
from stock.markets import KRX
from strategy.advice import advice_on_values
from strategy.catalogue import Role, vocabulary
from strategy.finder_text import parse_finder
from strategy.formula import parse_formula
from strategy.language import StrategyErrors, parse, parse_condition
from strategy.program import build
from strategy.v3 import function
from utility.text import sentence

FINDER = "self.tickcols = ['가']\nx = {}\nif x > 1:\n    self.tickdata = [1]\n"


def refused(call: object, *args: object) -> StrategyError:
    with pytest.raises(StrategyErrors) as caught:
        call(*args)  # type: ignore[operator]
    return caught.value.errors[0]


@pytest.mark.parametrize(("market", "interval_s"), [(UPBIT, 1), (UPBIT, 60), (KRX, 1), (KRX, 60)])
def test_every_look_back_of_both_spellings_refuses_rows_to_come_and_takes_the_entry_row(market: object, interval_s: int) -> None:
    seen = 0
    for name, word in vocabulary("sell", market, interval_s).words.items():
        if word.role in (Role.LAG, Role.DERIVED_LAG, Role.SERIES_LAG):
            calls = f"{name}({{}})"
        elif word.role is Role.WINDOW:
            calls = f"{name}(5, {{}})"
        elif word.role is Role.FUNCTION and "pre" in [one for one, _ in function(word.key).arguments]:
            calls = f"{name}(5, pre={{}})"
        else:
            continue
        seen += 1
        parse(f"self.a = {calls.format(-1)}", "sell", market, interval_s)
        error = refused(parse, f"self.a = {calls.format(-2)}", "sell", market, interval_s)
        assert (error.code, error.line, error.column) == ("strategy.ahead", 1, len("self.a = ") + calls.index("{") + 1), calls
    assert seen > 100


def test_the_refusal_says_what_to_write_instead() -> None:
    error = refused(parse, "if 현재가N(-5) > 0:\n    매도 = True", "sell", UPBIT, 1)
    assert error.fields["suggestion"] == "현재가N(5)"
    assert refused(parse, "x = 이동평균(30, -5.5)", "sell", UPBIT, 1).fields["suggestion"] == "이동평균(…, pre=5)"
    for language, word in (("ko", "미래 참조"), ("en", "look-ahead")):
        fields = {"line": error.line, "column": error.column, **error.fields}
        assert word in sentence(error.code, language, **fields)
        assert "현재가N(5)" in sentence(str(error.fields["hint"]), language, **fields)


@pytest.mark.parametrize("pre", ["self.vars[1]", "self.vars[1] - 3", "데이터길이 - 9", "-1.9", "1.5", "0", "1 / 0"])
def test_what_only_a_row_or_a_variable_tells_is_taken(pre: str) -> None:
    assert parse(f"self.a = 현재가N({pre})", "sell", UPBIT, 1).side == "sell"


def test_variables_that_make_rows_to_come_of_a_look_back_are_warned_of() -> None:
    program = build("매수 = 현재가N(self.vars[1]) > 1", "매도 = 이동평균(5, self.vars[1] - 3) > 1", UPBIT, 1)
    for value, sides in ((-1.0, ["sell"]), (-2.0, ["buy", "sell"]), (2.0, []), (5.0, [])):
        found = advice_on_values(program, {1: value})
        assert [one.side for one in found if one.code == "strategy.warn_ahead"] == sides, value


def test_conditions_formulas_and_finder_texts_refuse_it_too() -> None:
    assert refused(parse_condition, "현재가N(-2) > 1", UPBIT, 1).code == "strategy.ahead"
    for pre, code in ((-2, "strategy.ahead"), (-1, "strategy.formula_reads"), ("0 - 1", "strategy.formula_reads")):
        for text in (f"현재가N({pre})", f"이동평균(3, {pre})"):
            made = Formula(name="간격", market="upbit", interval_s=1, display="line", text=f"self.line = {text}", in_strategy=True)
            assert refused(parse_formula, made, UPBIT).code == code, text
    gap = Formula(name="간격", market="upbit", interval_s=1, display="line", text="self.line = 현재가", in_strategy=True)
    assert refused(parse, "매수 = 간격(-2) > 1", "buy", UPBIT, 1, (gap,)).code == "strategy.ahead"
    assert refused(parse_finder, FINDER.format("현재가N(-4)"), UPBIT, 1).code == "strategy.ahead"
    assert refused(parse_finder, FINDER.format("이동평균(3, -1)"), UPBIT, 1).code == "strategy.finder_flat"
    for rows in ("-5", "0", "0.5"):
        error = refused(parse_finder, FINDER.format(f"미래최고현재가({rows})"), UPBIT, 1)
        assert (error.code, error.line) == ("strategy.finder_rows", 2)
        assert rows in sentence(error.code, "ko", line=2, column=error.column, **error.fields)
    parse_finder(FINDER.format("미래최고현재가(5) + 현재가N(3)"), UPBIT, 1)
