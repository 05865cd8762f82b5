"""Warnings on standard error: what a command does as it was told, though hardly anybody means it. Each is said once."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable

from cli.output import language
from strategy.advice import Advice, advice_on_program
from strategy.program import Program
from utility.text import sentence


def spoken(advice: Advice, code: str) -> str:
    """Return a warning about a text as a sentence."""
    return sentence(advice.code, code, side=sentence(f"strategy.side_{advice.side}", code), name=advice.name)


def warn(args: argparse.Namespace, program: Program, given: Iterable[int] = (), searched: Iterable[int] = ()) -> None:
    """Say what is odd about the texts, and which variables were given or searched though no text uses them."""
    from backtester.job import used_variables

    code = language(args)
    lines = [spoken(one, code) for one in advice_on_program(program)]
    used = used_variables(program) | {0}  # 0 is the window where a text names none
    for key, indices in (("strategy.warn_set", given), ("strategy.warn_range", searched)):
        unused = sorted(set(indices) - used)
        if unused:
            lines.append(sentence(key, code, indices=", ".join(f"self.vars[{index}]" for index in unused)))
    told: set[str] = vars(args).setdefault("told", set())
    for line in lines:
        if line not in told:
            told.add(line)
            sys.stderr.write(line + "\n")
    sys.stderr.flush()
