"""Expressions of the tree as Python text for Numba.

Every expression of the tree is one Python expression: look-backs and checked operations are calls of
`strategy/kernels.py`, so a function has few basic blocks and compiles in time that grows with its
length, and LLVM inlines the calls. ``and``, ``or``, chains and ``if`` stay Python's own, so windows
and divisions that Python would not evaluate are not evaluated.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from domain.records import POSITION_INDEX
from strategy.catalogue import MATH_ARITY
from strategy.factor import column_key, column_of, derived
from strategy.feature import Preset
from strategy.nodes import (
    Ahead,
    Attribute,
    Binary,
    Bind,
    Call,
    Choice,
    Column,
    Compare,
    Derived,
    Expr,
    Flag,
    FormulaValue,
    Kind,
    Local,
    Logic,
    Node,
    Number,
    PositionField,
    Power,
    RowCount,
    RowsSince,
    Series,
    TextTest,
    Truth,
    Unary,
    Variable,
    Window,
    children,
    walk,
)
from strategy.program import Program
from strategy.series_sizes import SPREAD_ROWS

STEP_OPTIONS = 'nogil=True, error_model="numpy", forceinline=True, boundscheck=True'
_SHORT = 400  # a longer operand is not written twice
_HELD, _ENTRY = POSITION_INDEX["position_qty"], POSITION_INDEX["entry_row"]


class ExpressionEmitter:
    """Writes expressions, and the lines that statements put around them.

    Parameters
    ----------
    program : Program
        Layout of columns, features and state.

    Attributes
    ----------
    may_fail : bool
        Whether anything written so far can note an arithmetic error.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.lines: list[str] = []
        self.indent = 1
        self.used_columns: set[int] = set()
        self.used_factors: set[str] = set()
        self.tracked: set[int] = set()
        self.may_fail = False
        self._temps = 0
        self.constants: set[int] = set()
        self.functions: dict[str, list[str]] = {}

    # --- lines ---------------------------------------------------------------------------------------

    def put(self, line: str) -> None:
        """Append a line at the current depth."""
        self.lines.append("    " * self.indent + line)

    def name(self) -> str:
        """Return the name of a new temporary."""
        self._temps += 1
        return f"t{self._temps}"

    def temp(self, value: str) -> str:
        """Put `value` into a new temporary and return its name."""
        name = self.name()
        self.put(f"{name} = {value}")
        return name

    def error(self) -> str:
        """Return the arguments by which a call notes an error."""
        self.may_fail = True
        return f"state, {self.whole_number(self.program.error_slot)}"

    def whole_number(self, value: int) -> str:
        """Return the local that holds a whole number.

        A literal in a call would make Numba compile the callee once more for each value; these locals
        are of plain int64 and LLVM folds them back.
        """
        self.constants.add(value)
        return f"k{value}" if value >= 0 else f"k_{-value}"

    def constant_lines(self) -> list[str]:
        """Return the lines that define the numbers used."""
        if not self.constants:
            return []
        return ["    zero = i - i", *(f"    {self.whole_number(value)} = zero + {value}" for value in sorted(self.constants))]

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """Indent by one while inside."""
        self.indent += 1
        yield
        self.indent -= 1

    # --- entry points ----------------------------------------------------------------------------------

    def value(self, node: Expr) -> str:
        """Return a float64 expression."""
        text: str = getattr(self, "_" + type(node).__name__.lower())(node)
        return text

    def truth(self, node: Expr) -> str:
        """Return a boolean expression."""
        if isinstance(node, Truth):
            return str(node.value)
        if isinstance(node, Compare):
            return self._chain(node)
        if isinstance(node, Logic):
            return "(" + f" {node.operator} ".join(self.truth(one) for one in node.operands) + ")"
        if isinstance(node, Unary) and node.operator == "not":
            return f"(not {self.truth(node.operand)})"
        if isinstance(node, Flag):
            return f"f_{node.name}"
        return f"({self.value(node)} != 0.0)"

    def condition(self, node: Expr) -> str:
        """Return the test of an if, with the assignments of ``:=`` as lines before it.

        Numba cannot type Python's own ``:=``. The checker lets it stand only where it is always evaluated
        within its part of the and/or tree, so the part's assignments go before the part.
        """
        if not any(isinstance(one, Bind) for one in walk(node)):
            return self.truth(node)
        if isinstance(node, Logic):
            held = self.temp(self.condition(node.operands[0]))
            for operand in node.operands[1:]:
                self.put(f"if {held}:" if node.operator == "and" else f"if not {held}:")
                with self.deeper():
                    self.put(f"{held} = {self.condition(operand)}")
            return held
        if isinstance(node, Unary) and node.operator == "not":
            return f"(not {self.condition(node.operand)})"
        self._write_binds(node)
        return self.truth(node)

    def _write_binds(self, node: Node) -> None:
        for child in children(node):
            self._write_binds(child)
        if isinstance(node, Bind):
            self.put(f"x{node.index} = {self.value(node.value)}")
            if node.index in self.tracked:
                self.put(f"a{node.index} = True")

    # --- leaves ------------------------------------------------------------------------------------------

    def _number(self, node: Number) -> str:
        return f"({node.value!r})" if node.value < 0 else repr(node.value)

    def _truth(self, node: Truth) -> str:
        return "1.0" if node.value else "0.0"

    def _variable(self, node: Variable) -> str:
        return f"variables[u({node.index})]"

    def _attribute(self, node: Attribute) -> str:
        return f"state[u({self.program.attribute_slot(node.name)})]"

    def _flag(self, node: Flag) -> str:
        return f"number(f_{node.name})"

    def _local(self, node: Local) -> str:
        return f"x{node.index}" if node.sure else f"known(x{node.index}, a{node.index}, {self.error()})"

    def _bind(self, node: Bind) -> str:
        return f"x{node.index}"  # `condition` has written the assignment before

    def _rowcount(self, node: RowCount) -> str:
        return "float(i - lo + 1)"

    def _positionfield(self, node: PositionField) -> str:
        text = f"position[u({POSITION_INDEX[node.key]})]"
        return self._seconds(text, self._clock_digits("row_time")) if node.kind is Kind.TIME else text

    def _texttest(self, node: TextTest) -> str:
        return f"state[u({self.program.preset_slot(Preset(node))})]"

    def _rowssince(self, node: RowsSince) -> str:
        return f"since(state, {self.whole_number(self.program.mark_slot(node.name))}, i, lo, {self.program.never!r})"

    # --- rows ----------------------------------------------------------------------------------------------

    def _clock_digits(self, key: str) -> int:
        return 12 if key == "row_time" and self.program.interval_s != 1 else 14

    def column(self, key: str) -> str:
        """Return the local name of a column's array."""
        index = self.program.columns.index(key)
        self.used_columns.add(index)
        return f"c{index}"

    def whole(self, node: Expr) -> str:
        """Return a look-back argument as an integer expression."""
        if isinstance(node, Number):
            return self.whole_number(int(max(min(node.value, 1e9), -1e9)))
        if isinstance(node, Variable):
            return f"count({self._variable(node)})"
        return f"count(finite({self.value(node)}, {self.error()}))"

    def _row(self, ago: Expr | None) -> str:
        """Return the row that is meant; one before the day's first row, or −1, is none."""
        if ago is None:
            return "i"
        if isinstance(ago, Number) and ago.value >= 0:
            return f"i - {int(ago.value)}" if int(ago.value) else "i"
        return f"row_back({self.whole(ago)}, position[u({_HELD})], position[u({_ENTRY})], i, lo)"

    def _column(self, node: Column) -> str:
        row = self._row(node.ago)
        column = self.column(node.key)
        text = f"{column}[u(i)]" if row == "i" else f"lag({column}, {row}, lo)"
        return self._seconds(text, 14) if node.kind is Kind.TIME else text

    def _derived(self, node: Derived) -> str:
        row = self._row(node.ago)
        if node.key == "row_time":
            column = self.column("row_time")
            text = f"{column}[u(i)]" if row == "i" else f"lag({column}, {row}, lo)"
        else:
            text = self._factor(node.key, row)
        return self._seconds(text, self._clock_digits(node.key)) if node.kind is Kind.TIME else text

    def _seconds(self, text: str, digits: int) -> str:
        return f"clock_seconds({text}, {self.whole_number(digits)})"

    def _factor(self, key: str, row: str) -> str:
        """Write the call of a derived factor at a row."""
        arguments, columns = [], []
        for parameter in derived()[key].parameters:
            if parameter == "interval_s":
                arguments.append(repr(float(self.program.interval_s)))
            elif parameter == "ladder":
                arguments.append("LADDER")
            elif parameter == "price_step":
                arguments.append(f"state[u({self.program.preset_slot(Preset())})]")
            else:
                name, back = column_of(parameter)
                column = self.column(column_key(name, self.program.market.kind, self.program.interval_s))
                columns.append(column)
                arguments.append(f"lag({column}, row - {back}, lo)" if back else f"{column}[u(row)]")
        self.used_factors.add(key)
        # A function of its own per factor: a row that is an expression is written, and evaluated, once.
        arrays = "".join(f", {column}" for column in dict.fromkeys(columns))
        self.functions[f"at_{key}"] = [
            f"@njit({STEP_OPTIONS})",
            f"def at_{key}(row, lo, state{arrays}):",
            "    if row < lo:",
            "        return 0.0",
            f"    return factor_{key}({', '.join(arguments)}) * 1.0",
            "",
            "",
        ]
        return f"at_{key}({row}, lo, state{arrays})"

    def _window(self, node: Window) -> str:
        length, row = self.whole(node.n), self._row(node.pre)
        kind, place = self.program.place(node)
        if kind == "angle":
            return f"window_angle({self.column(node.key)}, {row}, lo, {length}, {node.coefficient!r})"
        number = self.whole_number
        if kind == "rows":
            return f"window_rows({row}, lo, {length})"
        if kind == "volatility":
            # Prices are counted from the day's first, ranges from the first range, which is a row of the series.
            values = self.column(node.key) if self.program.interval_s == 1 else f"extremes[{place + SPREAD_ROWS}]"
            return f"window_volatility({values}, extremes, {number(place)}, {row}, lo, {length})"
        if kind == "sum":
            where = f"sums, {number(place)}, {row}, lo, {length}, {number(10 ** self.program.decimals(node.key))}"
            if node.operation == "mean":
                return f"window_mean({where}, {10.0**node.decimals!r})"
            return f"window_sum({where})" if node.operation == "sum" else f"window_whole_mean({where})"
        if kind in ("max", "min"):
            return f"window_extreme(extremes, {number(place)}, {row}, lo, {length})"
        return f"window_levels({self.column(node.key)}, extremes, {number(place)}, {kind == 'levels_max'}, {row}, lo, {length})"

    def _formulavalue(self, node: FormulaValue) -> str:
        reader = "series_value" if math.isnan(self.program.warm_up) else "series_or_zero"
        row = self.whole_number(self.program.formula_rows[node.name, node.output])
        return f"{reader}(extremes, {row}, {self._row(node.ago)}, lo)"

    def _ahead(self, node: Ahead) -> str:
        return f"{self.column(f'future:{self.program.futures.index(node)}')}[u(i)]"

    def _series(self, node: Series) -> str:
        reader = "series_value" if math.isnan(self.program.warm_up) else "series_or_zero"
        return f"{reader}(extremes, {self.whole_number(self.program.series_row(node))}, {self._row(node.ago)}, lo)"

    # --- operators -------------------------------------------------------------------------------------------

    def _unary(self, node: Unary) -> str:
        return f"number({self.truth(node)})" if node.operator == "not" else f"(-{self.value(node.operand)})"

    def _binary(self, node: Binary) -> str:
        left, right = self.value(node.left), self.value(node.right)
        if node.operator in "+-*":
            return f"({left} {node.operator} {right})"
        if node.operator == "/":
            if isinstance(node.right, Number) and node.right.value != 0.0:
                return f"({left} / {right})"
            return f"divide({left}, {right}, {self.error()})"
        return f"{'floor_divide' if node.operator == '//' else 'modulo'}({left}, {right}, {self.error()})"

    def _power(self, node: Power) -> str:
        base = self.value(node.base)
        if node.exponent == int(node.exponent):
            return f"whole_power({base}, {self.whole_number(int(node.exponent))}, {self.error()})"
        return f"part_power({base}, {node.exponent!r}, {self.error()})"

    def _compare(self, node: Compare) -> str:
        return f"number({self._chain(node)})"

    def _chain(self, node: Compare) -> str:
        return f"({self.value(node.first)}" + "".join(f" {operator} {self.value(operand)}" for operator, operand in node.rest) + ")"

    def _logic(self, node: Logic) -> str:
        if node.kind is Kind.BOOL:
            return f"number({self.truth(node)})"
        text = self.value(node.operands[-1])
        for operand in reversed(node.operands[:-1]):
            first = self.value(operand)
            if len(first) <= _SHORT:
                test = f"{first} {'==' if node.operator == 'and' else '!='} 0.0"
                text = f"({first} if {test} else {text})"
            else:
                # Both are computed; an error of the second counts only when it decides.
                error, slot = self.error(), self.whole_number(self.program.error_slot)
                text = f"deciding({first}, {node.operator == 'and'}, state[u({slot})], {text}, {error})"
        return text

    def _choice(self, node: Choice) -> str:
        return f"({self.value(node.then)} if {self.truth(node.test)} else {self.value(node.other)})"

    # --- functions ---------------------------------------------------------------------------------------------

    def _call(self, node: Call) -> str:
        name = node.name
        if name == "round":
            digits = node.args[1]
            assert isinstance(digits, Number)
            return f"rounded({self.value(node.args[0])}, {10.0 ** int(digits.value)!r})"
        arguments = [self.value(one) for one in node.args]
        if name in ("abs", "fabs"):
            return f"abs({arguments[0]})"
        if name in ("min", "max", "sum"):
            return f"{self._fold(name, len(arguments))}({', '.join(arguments)})"
        if name in ("sign", "over", "percent"):
            return f"{name}({', '.join(arguments)})"
        if name in ("int", "trunc", "floor", "ceil"):
            plain = isinstance(node.args[0], Number | Variable)
            inner = arguments[0] if plain else f"finite({arguments[0]}, {self.error()})"
            return f"np.{'trunc' if name == 'int' else name}({inner})"
        return f"fn_{name}({', '.join(arguments)}, {self._function(name)})"

    def _fold(self, name: str, count: int) -> str:
        """Write a function that goes through `count` arguments in their order, once a module; return its name."""
        names = [f"x{k}" for k in range(count)]
        turn = {"min": "smaller(best, {})", "max": "larger(best, {})", "sum": "best + {}"}[name]
        first, rest = ("0.0", names) if name == "sum" else (names[0], names[1:])
        lines = [f"    best = {first}", *(f"    best = {turn.format(one)}" for one in rest), "    return best"]
        self.functions[f"{name}_{count}"] = [f"@njit({STEP_OPTIONS})", f"def {name}_{count}({', '.join(names)}):", *lines, "", ""]
        return f"{name}_{count}"

    def _function(self, name: str) -> str:
        """Write a function of math with its domain and range check, once a module; return its last arguments."""
        names = "xy"[: MATH_ARITY[name]]
        special = {"degrees": "x * DEGREES", "radians": "x * RADIANS", "hypot": "math.sqrt(x * x + y * y)", "fmod": "np.fmod(x, y)"}
        text = special.get(name, f"math.{name}({', '.join(names)})")
        self.functions[f"fn_{name}"] = [
            f"@njit({STEP_OPTIONS})",
            f"def fn_{name}({', '.join(names)}, state, slot):",
            f"    return checked({text}, x, {names[-1]}, state, slot)",
            "",
            "",
        ]
        return self.error()
