"""The compiled step and the interpreter of the same tree agree on every row, in every spelling.

The texts assign expressions to ``self.`` attributes, so the state vector shows values, not only
decisions: equality is of every bit of it.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from coin.markets import UPBIT
from domain.instruments import Market
from domain.records import row_schema
from stock.markets import KRX
from strategy import cache
from strategy.compiler import source
from strategy.interpreter import Interpreter
from strategy.language import StrategyErrors
from strategy.program import build
from strategy.table import SymbolTable
from tests.strategy_texts import N_VARS, days, positions, spell, texts

KEY = b"k" * 32


@st.composite
def cases(draw):  # type: ignore[no-untyped-def]
    market, interval_s = draw(st.sampled_from(((UPBIT, 1), (UPBIT, 60), (KRX, 1), (KRX, 60))))
    variables = [float(draw(st.sampled_from((0, 1, 2, 3, 5, 8, 13, 30, 2.5, -1)))) for _ in range(N_VARS)]
    return market, interval_s, draw(texts(market, interval_s)), variables, draw(st.integers(0, 2**32 - 1))


def spellings(market: Market, interval_s: int, sources: tuple[str, str, str]):  # type: ignore[no-untyped-def]
    for language in ("ko", "en", "nfd"):
        buy, sell, condition = (spell(one, "ko" if language == "nfd" else language) for one in sources)
        if language == "nfd":
            buy, sell, condition = (unicodedata.normalize("NFD", one) for one in (buy, sell, condition))
        yield build(buy, sell, market, interval_s, (("a", condition),))


# No shrinking: each try compiles for seconds, and the failing text is printed whole.
@settings(
    max_examples=10, deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate), suppress_health_check=list(HealthCheck)
)
@pytest.mark.slow
@pytest.mark.timeout(600)
@given(case=cases())
def test_compiled_equals_interpreted_on_every_row(case, tmp_path_factory: pytest.TempPathFactory) -> None:  # type: ignore[no-untyped-def]
    market, interval_s, sources, variables, seed = case
    check(market, interval_s, sources, variables, seed, tmp_path_factory.mktemp("steps"))


def check(market: Market, interval_s: int, sources: tuple[str, str, str], variables: list[float], seed: int, folder: Path) -> int:
    programs = list(spellings(market, interval_s, sources))
    assert len({program.digest for program in programs}) == 1
    program = programs[0]
    module = cache.load("step", source(program), folder, KEY)
    rows, lo = 110, 47
    columns = days(market, interval_s, rows, seed)
    inputs = tuple(columns[key] for key in program.columns)
    held = positions(rows, lo, seed)
    variables_array = np.array(variables)
    windows = program.windows(variables)
    sums, extremes, scratch = module.make_sums(rows), module.make_extremes(rows), module.make_scratch(rows)
    # Day one in one piece, day two in uneven pieces: batch and increments are the same function.
    module.fill_features(windows, inputs, sums, extremes, scratch, 0, 0, lo)
    for begin, end in ((lo, lo + 1), (lo + 1, lo + 30), (lo + 30, rows)):
        module.fill_features(windows, inputs, sums, extremes, scratch, lo, begin, end)
    table = SymbolTable(program, variables_array, module)
    interpreter = Interpreter(program)
    state_c = program.day_state("KRW-BTC", "비트코인", 0.5)
    state_i, state_t = state_c.copy(), state_c.copy()
    schema = row_schema(market.kind, interval_s)
    signals = 0
    for i in range(lo, rows):
        at = table.append(int(columns["row_time"][i]), np.array([columns[key][i] for key in schema.keys]))
        flat = np.zeros_like(held[i])
        for name, position in (("mark", flat), ("buy", flat), ("sell", held[i])):
            position_c, position_i, position_t = position.copy(), position.copy(), position.copy()
            compiled = getattr(module, name)(inputs, sums, extremes, i, lo, variables_array, position_c, state_c)
            walked = getattr(interpreter, name)(inputs, sums, extremes, i, lo, variables, position_i, state_i)
            live = getattr(module, name)(table.inputs, table.sums, table.extremes, at, 0, variables_array, position_t, state_t)
            where = f"{name} row {i}\n{spell(sources[0], 'ko')}\n---\n{spell(sources[1], 'ko')}\n---\n{sources[2]}\n{variables}"
            assert compiled == walked == live, where
            np.testing.assert_array_equal(state_c, state_i, err_msg=where)
            np.testing.assert_array_equal(state_c, state_t, err_msg=where)
            np.testing.assert_array_equal(position_c, position_i, err_msg=where)
            signals += compiled > 0
    return signals


def test_the_generator_draws_texts_that_the_checker_accepts() -> None:
    """A generator whose texts were refused would prove nothing."""
    refused: list[str] = []

    @settings(max_examples=100, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(case=cases())
    def draw(case) -> None:  # type: ignore[no-untyped-def]
        market, interval_s, sources, _, _ = case
        try:
            list(spellings(market, interval_s, sources))
        except StrategyErrors as error:
            refused.append(f"{error} {error.line} {spell(sources[0], 'ko')}\n{spell(sources[1], 'ko')}\n{sources[2]}")

    draw()
    assert not refused, refused[0]
