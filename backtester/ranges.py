"""Range texts: what each `self.vars[i]` may be (strategy-language 7.2 and 7.3).

One line a variable. The grid form says ``self.vars[i] = [[start, stop, step], best]``, the list form
``self.vars[i] = [[v1, v2, …], best]``; a list of three numbers can be either, so the form is said by
the caller: grid for a grid, list for a GA.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from dataclasses import dataclass

from backtester.optimisers import Space
from domain.errors import InputError
from strategy.limits import MAX_LITERAL, MAX_SHOWN, MAX_VARIABLE

MAX_VALUES = 100_000
"""Values of one variable; more is a slip of the step."""


@dataclass(frozen=True)
class Range:
    """The values of one variable and the one the text calls best."""

    index: int
    values: tuple[float, ...]
    best: float
    line: int
    repeated: bool = False
    """A list named a value twice, which hardly anybody means: [10, 60, 10] looks like start, stop, step."""
    merged: float = 0.0
    """Step of a grid whose values, rounded to two places, are the same several times; 0 = there is no such step."""


def parse_ranges(text: str, form: str) -> dict[int, Range]:
    """Return the ranges of a text by variable index.

    Parameters
    ----------
    text : str
        Comments and empty lines are allowed.
    form : {"grid", "list"}

    Raises
    ------
    InputError
        ``optimise.range_*`` with the line.
    """
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise InputError("optimise.range_syntax", line=error.lineno or 0, column=error.offset or 0) from None
    except ValueError:
        raise InputError("optimise.range_syntax", line=0, column=0) from None
    out: dict[int, Range] = {}
    for statement in tree.body:
        one = _range(statement, form, text)
        if one.index in out:
            raise InputError("optimise.range_twice", line=one.line, index=one.index)
        out[one.index] = one
    if not out:
        raise InputError("optimise.range_empty")
    return out


def _range(statement: ast.stmt, form: str, text: str) -> Range:
    line = statement.lineno
    index = _index(statement)
    if index is not None and index > MAX_VARIABLE:
        raise InputError("optimise.range_index", line=line, index=index, limit=MAX_VARIABLE)
    value = statement.value if isinstance(statement, ast.Assign) else None
    if index is None or not isinstance(value, ast.List) or len(value.elts) != 2 or not isinstance(value.elts[0], ast.List):
        raise InputError("optimise.range_form", line=line)
    if not value.elts[0].elts:
        raise InputError("optimise.range_no_values", line=line, index=index)
    numbers = [_number(element, line, text) for element in value.elts[0].elts]
    best = _number(value.elts[1], line, text)
    merged = 0.0
    if form == "grid":
        if len(numbers) != 3:
            raise InputError("optimise.range_three", line=line, index=index, count=len(numbers))
        values = _steps(numbers, line, index)
        merged = float(numbers[2]) if len(set(values)) < len(values) else 0.0
    else:
        values = list(dict.fromkeys(float(number) for number in numbers))
    return Range(index, tuple(values), float(best), line, repeated=form == "list" and len(values) < len(numbers), merged=merged)


def _index(statement: ast.stmt) -> int | None:
    """Return i of ``self.vars[i] = …``, None for anything else."""
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return None
    target = statement.targets[0]
    if not isinstance(target, ast.Subscript) or ast.unparse(target.value) != "self.vars":
        return None
    place = target.slice
    if isinstance(place, ast.Constant) and isinstance(place.value, int) and not isinstance(place.value, bool) and place.value >= 0:
        return place.value
    return None


def _number(node: ast.expr, line: int, text: str) -> int | float:
    sign, shown = 1, ast.get_source_segment(text, node) or ast.unparse(node)  # as it was written: 1e400 is no number to Python
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        sign = -1 if isinstance(node.op, ast.USub) else 1
        node = node.operand
    value = node.value if isinstance(node, ast.Constant) else None
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) <= MAX_LITERAL:
        raise InputError("optimise.range_number", line=line, text=shown if len(shown) <= MAX_SHOWN else shown[:MAX_SHOWN] + "…")
    return sign * value


def _steps(numbers: list[int | float], line: int, index: int) -> list[float]:
    """Return start, start + step … up to stop; floats rounded to 2 places."""
    start, stop, step = numbers
    if start == stop:
        return [float(start)]
    if step == 0 or (stop > start) != (step > 0):
        raise InputError("optimise.range_step", line=line, index=index, step=step)
    # A last value that floating point puts a hair past the stop still counts.
    count = math.floor((stop - start) / step + 1e-9) + 1
    if count > MAX_VALUES:
        raise InputError("optimise.range_many", line=line, index=index, count=count, limit=MAX_VALUES)
    whole = all(isinstance(number, int) for number in numbers)
    return [float(start + k * step) if whole else round(start + k * step, 2) for k in range(count)]


def space_of(
    text: str, form: str, fixed: Mapping[int, float], n_vars: int, used: set[int], window: float, searched: set[int] | None = None
) -> Space:
    """Return the space of a search.

    Parameters
    ----------
    text, form
        As `parse_ranges` takes them.
    fixed : mapping of int to float
        Values given beside the ranges; a variable must not be in both.
    n_vars : int
        Length of `self.vars` the texts need.
    used : set of int
        Indices the texts read: each needs a range or a value, but 0, which is `window` by default.
    window : float
        평균값계산틱수 where neither text nor option says one.
    searched : set of int, optional
        Variables that are searched; the others of the text stay at its best.

    Raises
    ------
    InputError
    """
    ranges = parse_ranges(text, form)
    both = sorted(set(ranges) & set(fixed))
    if both:
        raise InputError("optimise.range_and_set", line=ranges[both[0]].line, index=both[0])
    missing = sorted(index for index in used if index not in ranges and index not in fixed and index != 0)
    if missing:
        raise InputError("backtest.var_missing", indices=", ".join(str(index) for index in missing))
    length = max(n_vars, max(ranges) + 1, max(fixed, default=0) + 1)
    values, best = [], []
    for index in range(length):
        if index in ranges and searched is not None and index not in searched:
            values.append((ranges[index].best,))
            best.append(0)
        elif index in ranges:
            one = ranges[index]
            values.append(one.values)
            best.append(one.values.index(one.best) if one.best in one.values else -1)
        else:
            values.append((float(fixed.get(index, window if index == 0 else 0.0)),))
            best.append(0)
    return Space(tuple(values), tuple(best))
