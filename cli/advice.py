"""Warnings on standard error: what a command does as it was told, though hardly anybody means it. Each is said once."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace

from backtester.ranges import Range
from cli.output import language
from strategy.advice import Advice, advice_on_program, advice_on_values
from strategy.program import Program
from utility.text import sentence


def spoken(advice: Advice, code: str) -> str:
    """Return a warning about a text as a sentence."""
    return sentence(advice.code, code, **asdict(advice) | {"side": sentence(f"strategy.side_{advice.side}", code)})


OF_SMALL = ("strategy.warn_no_rows", "strategy.warn_ahead")
"""What the smallest values of a search make of a text; its largest were looked at before."""


def _about_range(one: Range, code: str) -> list[str]:
    """Return what is odd about one range: its values, its start, what `self.vars[0]` means."""
    where = {"line": one.line, "index": one.index}
    lines = [sentence("strategy.warn_repeated", code, **where)] if one.repeated else []
    if one.merged:
        lines.append(sentence("strategy.warn_merged", code, **where, step=one.merged))
    if one.best not in one.values:
        lines.append(sentence("strategy.warn_start", code, **where, best=one.best))
    if one.index == 0 and min(one.values) < 1.0:  # warmup_rows
        lines.append(sentence("strategy.warn_window", code, **where, value=min(one.values)))
    return lines


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
    smallest = {index: min(one.values) for index, one in ranges.items() if len(one.values) > 1}
    short = [one for one in advice_on_values(program, {**(values or {}), **largest, **smallest}) if one.code in OF_SMALL]
    lines += [spoken(replace(one, code=f"{one.code}_range"), code) for one in short if spoken(one, code) not in lines]
    used = used_variables(program) | {0}  # 0 is the window where a text names none
    for key, indices in (("strategy.warn_set", given), ("strategy.warn_range", ranges)):
        unused = sorted(set(indices) - used)
        if unused:
            lines.append(sentence(key, code, indices=", ".join(f"self.vars[{index}]" for index in unused)))
    lines += [line for one in ranges.values() for line in _about_range(one, code)]
    if ranges and all(len(one.values) == 1 for one in ranges.values()):
        lines.append(sentence("strategy.warn_one_set", code))
    told: set[str] = vars(args).setdefault("told", set())
    for line in lines:
        if line not in told:
            told.add(line)
            sys.stderr.write(line + "\n")
    sys.stderr.flush()
