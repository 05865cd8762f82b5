"""Warnings on standard error: what a command does as it was told, though hardly anybody means it. Each is said once."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict

from backtester.ranges import Range
from cli.output import language
from strategy.advice import Advice, advice_on_program, advice_on_values
from strategy.program import Program
from utility.text import sentence


def spoken(advice: Advice, code: str) -> str:
    """Return a warning about a text as a sentence."""
    return sentence(advice.code, code, **asdict(advice) | {"side": sentence(f"strategy.side_{advice.side}", code)})


def warn(
    args: argparse.Namespace,
    program: Program,
    given: Iterable[int] = (),
    searched: Mapping[int, Range] | None = None,
    values: Mapping[int, float] | None = None,
) -> None:
    """Say what is odd about the texts and their variables, also with ``--quiet``, which is about progress alone.

    Parameters
    ----------
    given : iterable of int
        Variables that were given by ``--set``: one that no text uses is a slip.
    searched : mapping of int to Range, optional
        Ranges of a search.
    values : mapping of int to float, optional
        What the variables are; of one that is searched its largest value is looked at.
    """
    from backtester.job import used_variables

    code = language(args)
    ranges = searched or {}
    largest = {index: max(one.values) for index, one in ranges.items()}
    lines = [spoken(one, code) for one in advice_on_program(program) + advice_on_values(program, {**(values or {}), **largest})]
    used = used_variables(program) | {0}  # 0 is the window where a text names none
    for key, indices in (("strategy.warn_set", given), ("strategy.warn_range", ranges)):
        unused = sorted(set(indices) - used)
        if unused:
            lines.append(sentence(key, code, indices=", ".join(f"self.vars[{index}]" for index in unused)))
    lines += [sentence("strategy.warn_repeated", code, line=one.line, index=one.index) for one in ranges.values() if one.repeated]
    told: set[str] = vars(args).setdefault("told", set())
    for line in lines:
        if line not in told:
            told.add(line)
            sys.stderr.write(line + "\n")
    sys.stderr.flush()
