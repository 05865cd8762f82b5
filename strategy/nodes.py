"""The typed tree of a strategy text: what every back end is generated from.

A tree holds meanings, not spellings: factors by their English key, locals by number, look-backs as
nodes with a window and a `pre`. The same rule in Korean, in English or in decomposed Unicode is the
same tree. Positions in the text are carried for messages and take no part in equality or digest.
"""

from __future__ import annotations

import dataclasses
import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal


class Kind(StrEnum):
    """Type of an expression. All numbers are float64; a TIME is a number of seconds."""

    NUMBER = "number"
    BOOL = "bool"
    TIME = "time"
    ANY = "any"  # a `self.` attribute or a local: a number whose meaning is the user's


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Base of every node; `line` and `column` are 1-based, counted in characters."""

    line: int = field(default=0, compare=False)
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expr(Node):
    """Base of every expression."""

    kind: Kind = Kind.NUMBER


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(Expr):
    """A literal number."""

    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth(Expr):
    """True or False."""

    value: bool
    kind: Kind = Kind.BOOL


@dataclass(frozen=True, slots=True, kw_only=True)
class Column(Expr):
    """A recorded column at this row, or `ago` rows back (−1: at the entry row)."""

    key: str
    ago: Expr | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived(Expr):
    """A registered factor computed from recorded columns, at this row or `ago` rows back."""

    key: str
    ago: Expr | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCount(Expr):
    """데이터길이: rows of this symbol so far today, this one included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionField(Expr):
    """A field of the position vector."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTest(Expr):
    """A test of 종목코드 or 종목명 against literal text: constant for a symbol, so it is preset in `state`."""

    subject: str
    operator: Literal["==", "in", "contains"]
    texts: tuple[str, ...]
    kind: Kind = Kind.BOOL


@dataclass(frozen=True, slots=True, kw_only=True)
class Window(Expr):
    """A look-back over `n` rows of one column that end `pre` rows ago.

    `operation`: sum, mean, mean_int, max, min, angle; volatility (deviation in per cent of the mean, of a series of its
    own); rows (1 when there are that many, else 0; no column). `decimals` round a mean, `coefficient` scales an angle.
    """

    operation: Literal["sum", "mean", "mean_int", "max", "min", "angle", "volatility", "rows"]
    key: str
    n: Expr
    pre: Expr
    decimals: int = 0
    coefficient: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Series(Expr):
    """An output of a series (strategy/series.py) at this row, or `ago` rows back.

    `settings` are a function's own; an indicator has none here, it is set by ``self.indicator`` of the buy text.
    """

    key: str
    settings: tuple[Expr, ...] = ()
    ago: Expr | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FormulaValue(Expr):
    """A column of a user's formula at this row, or `ago` rows back."""

    name: str
    output: str
    ago: Expr | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead(Expr):
    """The highest or lowest 현재가 of the next `n` rows of the day, 0 where so many do not follow: only in back-finder texts."""

    operation: Literal["max", "min"]
    n: Expr


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsSince(Expr):
    """경과틱수: rows since the named condition was last true today."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable(Expr):
    """``self.vars[index]``."""

    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Local(Expr):
    """A local of the text, by order of first appearance; `sure` when every road to here assigns it."""

    index: int
    sure: bool = True
    kind: Kind = Kind.ANY


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute(Expr):
    """A ``self.`` attribute of the user: kept per symbol, 0 at the start of each day."""

    name: str
    kind: Kind = Kind.ANY


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag(Expr):
    """A decision flag (buy, sell, open_long …) or force_exit."""

    name: str
    kind: Kind = Kind.BOOL


@dataclass(frozen=True, slots=True, kw_only=True)
class Unary(Expr):
    """``-x`` or ``not x``."""

    operator: Literal["-", "not"]
    operand: Expr


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary(Expr):
    """Arithmetic; a zero divisor ends the text."""

    operator: Literal["+", "-", "*", "/", "//", "%"]
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True, kw_only=True)
class Power(Expr):
    """``base ** exponent`` with a constant exponent (whole ones are repeated multiplication)."""

    base: Expr
    exponent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Compare(Expr):
    """A chain of comparisons."""

    first: Expr
    rest: tuple[tuple[str, Expr], ...]
    kind: Kind = Kind.BOOL


@dataclass(frozen=True, slots=True, kw_only=True)
class Logic(Expr):
    """``and`` / ``or`` with short-circuit; of numbers it gives the deciding operand, as Python does."""

    operator: Literal["and", "or"]
    operands: tuple[Expr, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(Expr):
    """``then if test else other``."""

    test: Expr
    then: Expr
    other: Expr


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Expr):
    """A function of numbers: abs, min, max, round, int, or a listed one of math."""

    name: str
    args: tuple[Expr, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind(Expr):
    """``(name := value)``."""

    index: int
    value: Expr


# --- statements --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Stmt(Node):
    """Base of every statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLocal(Stmt):
    """``name = value``."""

    index: int
    value: Expr


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAttribute(Stmt):
    """``self.name = value``."""

    name: str
    value: Expr


@dataclass(frozen=True, slots=True, kw_only=True)
class SetFlag(Stmt):
    """``flag = value``; `rule` numbers the assignments to sell flags that are not the literal False."""

    name: str
    value: Expr
    rule: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class If(Stmt):
    """An if / elif chain with its else."""

    branches: tuple[tuple[Expr, tuple[Stmt, ...]], ...]
    orelse: tuple[Stmt, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class For(Stmt):
    """``for name in range(start, stop, step)``; each turn burns `weight` units of the text's fuel."""

    index: int
    start: Expr
    stop: Expr
    step: Expr
    body: tuple[Stmt, ...]

    @property
    def weight(self) -> int:
        """Return the fuel of a turn: one, and one more for each fifty nodes of the body."""
        return 1 + sum(1 for statement in self.body for _ in walk(statement)) // 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Break(Stmt):
    """Leave the loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Continue(Stmt):
    """Next turn of the loop."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A checked text.

    Parameters
    ----------
    side : {"buy", "sell", "mark"}
        "mark" is a condition of 경과틱수: one expression, held as the value of the single SetFlag.
    market, interval_s : str, int
        What the names were resolved for.
    body : tuple of Stmt
        The statements, without the Buy/Sell tail.
    locals : tuple of str
        Names of the locals by index (for messages).
    labels : tuple of str
        Text of the condition line that owns rule k, at k − 1.
    indicators : tuple of (str, Expr)
        ``self.indicator[key] = value`` lines.
    """

    side: str
    market: str
    interval_s: int
    body: tuple[Stmt, ...]
    locals: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    indicators: tuple[tuple[str, Expr], ...] = ()

    def nodes(self) -> Iterator[Node]:
        """Yield every node, parents before children, in text order; then those of the indicators' settings."""
        for statement in self.body:
            yield from walk(statement)
        for _, value in self.indicators:
            yield from walk(value)


def children(node: Node) -> Iterator[Node]:
    """Yield the direct children of a node, in evaluation order."""
    for name in _fields(type(node)):
        yield from _nodes_in(getattr(node, name))


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and everything below it, parents first."""
    yield node
    for child in children(node):
        yield from walk(child)


_FIXED = (Number, Truth, Variable, Unary, Binary, Power, Compare, Logic, Choice, Call)


def is_fixed(expr: Expr) -> bool:
    """Tell whether an expression hangs on constants and ``self.vars`` only, the same on every row."""
    return all(isinstance(node, _FIXED) for node in walk(expr))


def _nodes_in(value: Any) -> Iterator[Node]:
    if isinstance(value, Node):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _nodes_in(item)


_FIELDS: dict[type, tuple[str, ...]] = {}


def _fields(cls: type) -> tuple[str, ...]:
    known = _FIELDS.get(cls)
    if known is None:
        known = _FIELDS[cls] = tuple(f.name for f in dataclasses.fields(cls) if f.name not in ("line", "column"))
    return known


def canonical(value: Any) -> bytes:
    """Return a byte form that is equal exactly when two trees mean the same; floats by their bits."""
    if isinstance(value, Node):
        inner = b"".join(canonical(getattr(value, name)) for name in _fields(type(value)))
        return b"(" + type(value).__name__.encode() + inner + b")"
    if isinstance(value, tuple):
        return b"[" + b"".join(canonical(item) for item in value) + b"]"
    if isinstance(value, bool):
        return b"T" if value else b"F"
    if isinstance(value, float):
        return b"f" + struct.pack("<d", value)
    if isinstance(value, int):
        return b"i%d;" % value
    if value is None:
        return b"N"
    raw = str(value).encode()
    return b"s%d:" % len(raw) + raw


def digest(*values: Any) -> str:
    """Return the SHA-256 of the canonical form of `values`."""
    return hashlib.sha256(b"".join(canonical(value) for value in values)).hexdigest()
