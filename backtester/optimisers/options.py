"""Options of a search: typed fields, one place. The command line, the window's form and the store all read them here.

A method has a frozen dataclass `Options` below this one; a field made by `option` says default, bounds and choices:

    class Options(options.Options):
        population: int = option(100, 2, 1_000_000)

A field's words are the sentences ``option.<name>`` and ``option.<name>.tip`` of the catalogue; a name without words
is shown as it is. The same name means the same thing in every method; its default may differ.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from domain.errors import InputError


def option(default: Any, low: float | None = None, high: float | None = None, choices: tuple[str, ...] = ()) -> Any:
    """Return a dataclass field: a whole number or a number from `low` to `high`, a truth, or one of `choices`."""
    return dataclasses.field(default=default, metadata={"low": low, "high": high, "choices": choices})


@dataclass(frozen=True)
class Entry:
    """One option as a form or a command line needs it."""

    name: str
    kind: type  # bool, int, float or str
    default: Any
    low: float
    high: float
    choices: tuple[str, ...]

    def read(self, value: Any) -> Any:
        """Return a value of the option's type; InputError ``optimise.option`` when it is none or out of bounds."""
        if self.kind is bool:
            if isinstance(value, bool):
                return value
        elif self.kind is str:
            if isinstance(value, str) and (not self.choices or value in self.choices):
                return value
        else:
            number = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
            if self.low <= number <= self.high and (self.kind is float or float(number).is_integer()):
                return self.kind(number)
        allowed = ", ".join(self.choices) or ("true, false" if self.kind is bool else f"{self.low:,.12g} … {self.high:,.12g}")
        raise InputError("optimise.option", option=self.name.replace("_", "-"), value=str(value), allowed=allowed)


@dataclass(frozen=True)
class Options:
    """What every method understands.

    Parameters
    ----------
    seed : int
        Same seed, same questions.
    trials : int
        Upper bound of parameter sets that are evaluated; 0 leaves it to the method.
    only : {"all", "buy", "sell"}
        Search only variables of that text, the others stay at their best (workstation 10.1, modifiers).
    """

    seed: int = option(1, 0, 2**32 - 1)
    trials: int = option(0, 0, 10**12)
    only: str = option("all", choices=("all", "buy", "sell"))


def entries(options: type[Options]) -> Iterator[Entry]:
    """Yield the options of a method, those of every method last."""
    hints = get_type_hints(options)
    fields = dataclasses.fields(options)
    common = {field.name for field in dataclasses.fields(Options)}
    for field in sorted(fields, key=lambda one: one.name in common):
        meta = field.metadata
        low = -math.inf if meta.get("low") is None else float(meta["low"])
        high = math.inf if meta.get("high") is None else float(meta["high"])
        yield Entry(field.name, hints[field.name], field.default, low, high, tuple(meta.get("choices", ())))


def read_options(method: str, options: type[Options], given: Mapping[str, Any]) -> Options:
    """Return the options of a method with what was given in the place of the defaults.

    Raises
    ------
    InputError
        ``optimise.option_unknown`` for a name the method does not have; ``optimise.option`` for a bad value.
    """
    known = {one.name: one for one in entries(options)}
    for name in given:
        if name not in known:
            names = ", ".join("--" + one.replace("_", "-") for one in known)
            raise InputError("optimise.option_unknown", option="--" + name.replace("_", "-"), method=method, options=names)
    return options(**{name: known[name].read(value) for name, value in given.items()})
