"""What would cost too much is refused at check time, with its place and the limit, before anything is generated for it."""

from __future__ import annotations

import ast
import time

import pytest

from coin.markets import UPBIT
from strategy.compiler import source
from strategy.language import StrategyErrors, parse
from strategy.limits import MAX_COST, MAX_ERRORS, MAX_LOOPS, MAX_TURNS, MAX_WINDOWS
from strategy.program import build
from utility.text import sentence

SECONDS_MAX = 5.0
"""A check answers in a fraction of a second; on a busy machine too it is far from a hang."""


def refuse(buy: str, sell: str = "", interval_s: int = 1) -> StrategyErrors:
    started = time.process_time()
    with pytest.raises(StrategyErrors) as caught:
        build(buy, sell, UPBIT, interval_s)
    assert time.process_time() - started < SECONDS_MAX
    return caught.value


def lines(count: int, line: str) -> str:
    return "".join(line.format(k) for k in range(count))


@pytest.mark.parametrize(
    ("text", "code", "place", "limit"),
    [
        ("x = 1\nfor i in range(10**12):\n    x = i\n", "loop_turns", (2, 1), MAX_TURNS),
        ("for i in range(1000000000000):\n    x = i\n", "loop_turns", (1, 1), MAX_TURNS),
        ("for i in range(-(10**60), 10**60):\n    x = i\n", "loop_turns", (1, 1), MAX_TURNS),
        ("for i in range(0, -99999999999, -3):\n    x = i\n", "loop_turns", (1, 1), MAX_TURNS),
        (f"for i in range({MAX_TURNS} + 1):\n    x = i\n", "loop_turns", (1, 1), MAX_TURNS),
        ("for i in range(200):\n    if 현재가:\n        for j in range(200):\n            x = i\n", "loop_turns", (3, 9), MAX_TURNS),
        ("for i in range(3000):\n    " + "self.a = 현재가 + i; " * 50 + "\n", "loop_turns", (1, 1), MAX_TURNS // 5),
        ("for i in range(1, 5, 0):\n    x = i\n", "loop_step", (1, 1), None),
        (lines(MAX_LOOPS + 1, "for i{} in range(2):\n    x = 1\n"), "too_many_loops", (2 * MAX_LOOPS + 1, 1), MAX_LOOPS),
        ("매수 = 현재가 > 이동평균(86401)\n", "too_many_rows", (1, 12), 86_400),
        ("매수 = 현재가 > 최고현재가(10**12)\n", "too_many_rows", (1, 12), 86_400),
        ("매수 = 이동평균(80000, 6401) > 0\n", "too_many_rows", (1, 6), 86_400),
        ("매수 = 현재가N(86400) > 0\n", "too_many_rows", (1, 6), 86_400),
        ("매수 = 호가단위N(10**60) > 0\n", "too_many_rows", (1, 6), 86_400),
        ("x = self.vars[10000]\n", "vars_index", (1, 5), 9_999),
        ("x = self.vars[99999999999999999999999]\n", "vars_index", (1, 5), 9_999),
        ("x = self.vars[-1]\n", "vars_index", (1, 5), 9_999),
        ("x = 10 ** 10 ** 10\n", "power", (1, 11), 64),
        ("x = 현재가 ** 65\n", "power", (1, 12), 64),
        ("x = 현재가 ** -65\n", "power", (1, 12), 64),
        ("x = (10 ** 64) ** 64\n", "power_value", (1, 5), "1.8e308"),
        ("x = 2 ** 64 ** 2\n", "power", (1, 10), 64),
        ("x = 9223372036854775809\n", "literal", (1, 5), None),
        ("x = " + "9" * 1_900 + "\n", "literal", (1, 5), None),
        ("x = 1e999\n", "literal", (1, 5), None),
        ("x = " + "9" * 5_000 + "\n", "long_line", (1, 2_001), 2_000),
        ("x = " + "(" * 51 + "1" + ")" * 51 + "\n", "brackets", (1, 55), 50),
        ("x = " + "현재가N(" * 40 + "1" + ")" * 40 + "\n", "too_deep", (1, 5 + 36 * 5), 180),
        ("x = " + " or ".join(["현재가"] * 200) + "\n", "too_deep", (1, 5), 180),
        ("x = 1\n" * 10_000, "too_large", (2_501, 1), MAX_COST),
        (lines(2_000, "self.a = 현재가 % {}\n"), "too_large", None, MAX_COST),
        (lines(1_500, "if 현재가 > {}:\n    매수 = False\n"), "too_large", None, MAX_COST),
        (lines(MAX_WINDOWS + 1, "self.a = 최고현재가({})\n"), "too_many_windows", (MAX_WINDOWS + 1, 10), MAX_WINDOWS),
    ],
)  # fmt: skip
def test_what_is_too_much_is_refused_with_its_place_and_the_limit(
    text: str, code: str, place: tuple[int, int] | None, limit: object
) -> None:
    error = refuse(text)
    assert error.code == f"strategy.{code}"
    assert place is None or (error.line, error.column) == place
    for language in ("ko", "en"):
        said = sentence(error.code, language, line=error.line, column=error.column, **error.fields)
        assert str(error.line) in said
        assert limit is None or str(limit) in said


def test_a_minute_has_fewer_rows_in_a_day() -> None:
    assert refuse("매수 = 이동평균(1441) > 0", interval_s=60).fields["limit"] == 1_440
    parse("매수 = 이동평균(1440) > 0", "buy", UPBIT, 60)
    parse("매수 = 이동평균(1441) > 0", "buy", UPBIT, 1)


def test_both_texts_together_have_one_limit() -> None:
    half = lines(250, "self.a = 현재가 % {}\n")
    build(half, "", UPBIT, 1)
    error = refuse(half, half)
    assert (error.code, error.fields["side"], error.fields["limit"]) == ("strategy.too_large", "sell", MAX_COST)


def test_what_turns_seldom_or_may_leave_is_accepted() -> None:
    for text in (
        f"for i in range({MAX_TURNS}):\n    x = i\n",
        "for i in range(self.vars[1]):\n    for j in range(9000):\n        x = i\n",
        "for i in range(9000):\n    if i > 3:\n        break\n    for j in range(9000):\n        x = i\n",
        "for i in range(5, 5):\n    for j in range(9000):\n        x = i\n",
    ):
        parse(text, "buy", UPBIT, 1)


@pytest.mark.parametrize("line", ["x{0} = 체결강더{0}", "이동평귬{0}(3)", "a{0}", "self.vars[{0}] = 1"])
def test_a_text_full_of_errors_ends_at_the_hundredth(line: str) -> None:
    error = refuse("\n".join(line.format(k) for k in range(2_000)))
    assert len(error.errors) == MAX_ERRORS


def test_a_name_as_long_as_a_line_is_not_repeated_whole() -> None:
    assert len(refuse("x = " + "가" * 1_900).fields["name"]) < 200


# --- what is accepted can be generated ------------------------------------------------------------------

NESTING = (
    "(-X)", "abs(X)", "(X > 1)", "float(X > 1)", "(not X)", "-(not X)", "(X or 2)", "(2 or X)", "(X and 시가 / 2 and 3)", "(1 if X else 2)",
    "round(X, 2)", "(X / 시가)",
    "max(X, 1, 2)", "sum([X, 1])", "np.sign(X)", "이동평균(X)", "이동평균(3, X)", "최고현재가(X)", "현재가N(X)",
    "호가단위N(X)", "등락율각도(X)",
    "int(X)", "(X ** 2)", "(X % 7)", "(X < 2 < 1)", "math.sin(X)", "math.atan2(X, 1)", "+(X > 1)", "ready(X)",
    "min(1, X)", "(X or X)", "(X and 2) + (X or 3)",
)  # fmt: skip


@pytest.mark.parametrize("form", NESTING)
def test_the_deepest_nesting_that_is_accepted_is_still_a_module(form: str) -> None:
    deepest, expression = 0, "현재가"
    for depth in range(1, 60):
        expression = form.replace("X", expression, 1).replace("X", "1")
        try:
            program = build(f"self.a = {expression}\n", "", UPBIT, 1)
        except StrategyErrors:
            break
        ast.parse(source(program))
        deepest = depth
    assert deepest >= 20


def test_a_list_of_a_thousand_numbers_is_one_call() -> None:
    ones, prices = (",\n".join([item] * 300) for item in ("1", "현재가"))
    text = f"self.a = sum([{ones}]) + max([{prices}])\n"
    program = build(text, "", UPBIT, 1)
    ast.parse(source(program))
    assert len(program.nodes) < 700
