"""The compiled step and the interpreter of the same tree agree on every row, in every spelling.

Four answers to each row: the compiled step over whole days and in a live table, the interpreter in a live
table, and an interpreter that searches its windows. The texts assign expressions to ``self.`` attributes,
so the state vector shows values, not only decisions: equality is of every bit of it.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from coin.markets import BINANCE_FUTURES, UPBIT
from domain.instruments import Market
from domain.records import row_schema
from stock.markets import KRX
from strategy import cache
from strategy.compiler import source
from strategy.interpreter import Interpreter
from strategy.language import StrategyErrors
from strategy.program import build
from strategy.table import SymbolTable
from tests.slow_windows import SlicingInterpreter
from tests.strategy_texts import N_VARS, days, positions, spell, texts

KEY = b"k" * 32


@st.composite
def cases(draw):  # type: ignore[no-untyped-def]
    market, interval_s = draw(st.sampled_from(((UPBIT, 1), (UPBIT, 60), (KRX, 1), (KRX, 60), (BINANCE_FUTURES, 1), (BINANCE_FUTURES, 60))))
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


# Nothing is compiled here, so many more texts can be drawn.
@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(case=cases())
def test_the_interpreter_equals_one_that_searches_its_windows(case) -> None:  # type: ignore[no-untyped-def]
    market, interval_s, (buy, sell, condition), variables, seed = case
    program = build(spell(buy, "en"), spell(sell, "en"), market, interval_s, (("a", spell(condition, "en")),))
    rows = 60
    columns = days(market, interval_s, rows, seed)
    held = positions(rows, 0, seed)
    values = np.stack([columns[key] for key in row_schema(market.kind, interval_s).keys], axis=1)
    answers = []
    for kind in (Interpreter, SlicingInterpreter):
        interpreter, table, state = kind(program), SymbolTable(program, np.array(variables)), program.day_state("KRW-BTC", "", 0.5)
        kept = []
        for i in range(rows):
            table.append(int(columns["row_time"][i]), values[i])
            for name, position in (("mark", np.zeros_like(held[i])), ("buy", np.zeros_like(held[i])), ("sell", held[i].copy())):
                result = getattr(interpreter, name)(table.inputs, table.sums, table.extremes, i, 0, variables, position, state)
                kept.append((result, bits(state), position.tobytes()))
        answers.append(kept)
    assert answers[0] == answers[1]


def bits(state: np.ndarray) -> bytes:
    """Return every bit of a state, one not-a-number being like the other: its sign hangs on the order of a sum."""
    return np.where(np.isnan(state), np.nan, state).tobytes()


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
    backs = [
        (module, SymbolTable(program, variables_array, module)),
        (Interpreter(program), SymbolTable(program, variables_array)),
        (SlicingInterpreter(program), SymbolTable(program, variables_array)),
    ]
    state = program.day_state("KRW-BTC", "비트코인", 0.5)
    states = [state.copy() for _ in backs]
    schema = row_schema(market.kind, interval_s)
    signals = 0
    for i in range(lo, rows):
        values = np.array([columns[key][i] for key in schema.keys])
        for _, table in backs:
            assert table.append(int(columns["row_time"][i]), values) == i - lo
        flat = np.zeros_like(held[i])
        for name, position in (("mark", flat), ("buy", flat), ("sell", held[i])):
            after = position.copy()
            batch = getattr(module, name)(inputs, sums, extremes, i, lo, variables_array, after, state)
            where = f"{name} row {i}\n{spell(sources[0], 'ko')}\n---\n{spell(sources[1], 'ko')}\n---\n{sources[2]}\n{variables}"
            for (back, table), kept in zip(backs, states, strict=True):
                own = position.copy()
                live = getattr(back, name)(table.inputs, table.sums, table.extremes, i - lo, 0, variables_array, own, kept)
                assert live == batch, (type(back).__name__, where)
                assert bits(kept) == bits(state), (type(back).__name__, where)
                assert own.tobytes() == after.tobytes(), (type(back).__name__, where)
            signals += batch > 0
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
