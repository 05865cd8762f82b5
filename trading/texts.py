"""Strategy texts to programs, with the user's formulas: every road from a text to what runs goes by here.

A text may name a formula of the library (strategy-language 14.3). Who reads a text without the library reads another language than the
one that trades, so nobody outside `strategy` calls its parser without formulas (tests/unit/trading/test_texts.py looks).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from domain.formulas import Formula
from domain.instruments import Market
from domain.intervals import recorded_interval
from domain.process_config import StrategyText
from domain.reading import AS_DECIDED, Reading
from strategy.formula import for_strategies, parse_formulas
from strategy.language import parse
from strategy.learned import refuse_learned
from strategy.nodes import Tree
from strategy.program import Program, build
from utility.shared_reads import shared


@dataclass(frozen=True)
class ReadTexts:
    """A program and the formulas that its texts name: what a passport and a `StrategyText` keep beside the texts."""

    program: Program
    formulas: tuple[Formula, ...]


@shared
def known_formulas(library: Path, market: Market, interval_s: int) -> tuple[Formula, ...]:
    """Return the formulas that texts may name, of the library's file; a bar longer than a minute takes those of minutes.

    Raises
    ------
    DataError
        ``strategy.kept_unreadable``.
    """
    from storage.formulas import Formulas  # a child process that is given its formulas never opens a library

    if not library.exists():
        return ()
    own = Formulas(library).all(market.code, recorded_interval(interval_s))
    return tuple(msgspec.structs.replace(one, interval_s=interval_s) for one in own if one.in_strategy)


def formulas_of(library: Path, market: Market, interval_s: int, texts: Iterable[str]) -> tuple[Formula, ...]:
    """Return the formulas of the library that texts name, and those that these name."""
    return for_strategies(known_formulas(library, market, interval_s), market, interval_s, texts)


def read_texts(
    library: Path,
    market: Market,
    interval_s: int,
    buy: str,
    sell: str,
    rows_since: Iterable[tuple[str, str]] = (),
    reading: Reading = AS_DECIDED,
) -> ReadTexts:
    """Check two texts and the conditions of 경과틱수 against the language and the library.

    Raises
    ------
    StrategyErrors
        As `strategy.program.build`.
    DataError
        ``strategy.kept_unreadable``.
    """
    marks = tuple(rows_since)
    own = formulas_of(library, market, interval_s, (buy, sell, *(text for _, text in marks)))
    return ReadTexts(build(buy, sell, market, interval_s, marks, formulas=own, reading=reading), own)


def read_text(library: Path, market: Market, interval_s: int, text: str, side: str) -> Tree:
    """Check one document ("buy" or "sell") and the formulas it names; raises as `read_texts`."""
    own = formulas_of(library, market, interval_s, (text,))
    tree = parse(text, side, market, interval_s, own)
    parse_formulas(own, market)
    return tree


def program_of(text: StrategyText, market: Market, interval_s: int) -> Program:
    """Return the program of a strategy that was given to a process, with the formulas that were given with it.

    Raises
    ------
    StrategyErrors
        As `strategy.program.build`.
    InputError
        ``live.learned``: scores of earlier days, which live trading has not.
    """
    refuse_learned((text.buy, text.sell, *(condition for _, condition in text.rows_since)))
    return build(text.buy, text.sell, market, interval_s, text.rows_since, formulas=text.formulas, reading=text.reading)
