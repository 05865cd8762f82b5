"""Random strategy texts and days for the property tests of the language.

A text is drawn once as bilingual source: every name stands as ``⟦Korean|English⟧``, so that the two
spellings are the same text by construction and anything the generator can draw is drawn in both.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from hypothesis import strategies as st

from domain.instruments import Market
from domain.records import POSITION_INDEX, POSITION_SIZE, row_schema
from strategy.catalogue import POSITION_NAMES, WINDOWS, has_column, is_futures
from strategy.factor import derived_for, recorded
from strategy.series import INDICATORS
from strategy.v3 import FUNCTIONS

N_VARS = 6


FLAGS = {
    ("buy", False): ("⟦매수|buy⟧",),
    ("sell", False): ("⟦매도|sell⟧",),
    ("buy", True): ("⟦BUY_LONG|open_long⟧", "⟦SELL_SHORT|open_short⟧"),
    ("sell", True): ("⟦SELL_LONG|close_long⟧", "⟦BUY_SHORT|close_short⟧"),
}


def spell(text: str, language: str) -> str:
    """Return one spelling of a bilingual source."""
    return re.sub(r"⟦([^|⟧]*)\|([^⟧]*)⟧", r"\1" if language == "ko" else r"\2", text)


class Texts:
    """Draws expressions and statements for a market at an interval."""

    def __init__(self, draw: Any, market: Market, interval_s: int, side: str = "mark") -> None:
        self.draw = draw
        per = "초당" if interval_s == 1 else "분당"
        kept = [one for one in recorded(market.kind, interval_s).values() if one.unit != "time"]
        self.columns = [f"⟦{one.ko}|{one.key}⟧" for one in kept]
        self.lags = [f"⟦{one.ko}N|{one.key}_ago⟧" for one in kept]
        plain = [one for one in derived_for(market, interval_s).values() if one.unit != "time"]
        self.derived = [f"⟦{one.ko}|{one.key}⟧" for one in plain]
        self.derived_lags = [f"⟦{one.ko}N|{one.key}_ago⟧" for one in plain]
        self.windows = [f"⟦{one.ko.format(per=per)}|{one.en}⟧" for one in WINDOWS if has_column(one.column, market, interval_s)]
        self.positions = [f"⟦{ko}|{key}⟧" for ko, key in POSITION_NAMES.items() if key not in ("entry_time", "leverage")]
        names = [pair for one in INDICATORS for pair in one.outputs] if interval_s == 60 else []
        self.columns += [f"⟦{ko}|{en}⟧" for ko, en in names]
        self.lags += [f"⟦{ko}_N|{en}_ago⟧" for ko, en in names]
        self.functions = [one for one in FUNCTIONS if one.side in ("", side)]
        futures = is_futures(market)
        self.flags = {side: FLAGS[side, futures] for side in ("buy", "sell")}
        if futures:
            self.positions.append("⟦레버리지|leverage⟧")
        self.locals: list[str] = []
        self.loops = 0

    def pick(self, options: Any) -> Any:
        return self.draw(st.sampled_from(options))

    def settings(self) -> list[str]:
        """Lines that turn some indicators on, by constants and variables, right and wrong ones."""
        out = []
        for one in INDICATORS:
            for setting in one.settings if self.draw(st.booleans()) else ():
                usual = self.pick(("1", "2", "3", "5", "9")) if setting.kind != "average" else self.pick(tuple("01234568"))
                value = usual if setting.kind == "average" else self.pick((usual, usual, "0", "0.2", "self.vars[3]"))
                out.append(f"self.indicator['{setting.key}'] = {value}")
        return out

    def number(self) -> str:
        return self.pick(("0", "1", "2", "3.5", "-1", "0.25", "100", "7", f"self.vars[{self.draw(st.integers(0, N_VARS - 1))}]"))

    def length(self, depth: int) -> str:
        """A window length: constant, variable, an expression of them, or one that changes by row."""
        kind = self.draw(st.integers(0, 9))
        if kind < 3:
            return str(self.pick((0, 1, 2, 3, 5, 10, 17, 30, 64, 200)))
        if kind < 6:
            return f"self.vars[{self.draw(st.integers(0, N_VARS - 1))}]"
        if kind == 6:
            return f"int(self.vars[{self.draw(st.integers(0, N_VARS - 1))}] * {self.pick(('2', '0.5', '1.5'))}) + 1"
        if kind == 7:
            return "⟦데이터길이|row_count⟧" + self.pick(("", " - 1", " + 1", " // 2", " % 7"))
        return f"{self.expr(depth - 1)} % {self.pick(('5', '9', '40'))}"

    def pre(self, depth: int) -> str:
        kind = self.draw(st.integers(0, 9))
        if kind < 4:
            return str(self.pick((0, 1, 2, 9)))
        if kind < 7:
            return self.pick(("-1", "-1", "⟦데이터길이|row_count⟧ * 0 - 2"))
        if kind == 7:
            return f"self.vars[{self.draw(st.integers(0, N_VARS - 1))}]"
        return f"{self.expr(depth - 1)} % 6 - 1"

    def function(self, depth: int) -> str:
        """A V3 function; what has a series behind it takes settings that do not change by row."""
        one = self.pick(self.functions)
        given = []
        for name, default in one.arguments:
            if default is not None and self.draw(st.booleans()):
                break
            if name == "pre":
                given.append(self.pre(depth))
            elif "support" in one.en or "near_open" in one.en:
                given.append(self.pick(("1", "2", "3", "self.vars[2]", "self.vars[3] + 1")))
            else:
                given.append(self.length(depth) if default is None else self.number())
        return f"⟦{one.ko}|{one.en}⟧({', '.join(given)})"

    def look_back(self, depth: int) -> str:
        kind = self.draw(st.integers(0, 12))
        if kind > 9:
            return self.function(depth)
        if kind < 6:
            name, n = self.pick(self.windows), self.length(depth)
            form = self.draw(st.integers(0, 3))
            if form == 0:
                return f"{name}({n})"
            if form == 1:
                return f"{name}(n={n}, pre={self.pre(depth)})"
            return f"{name}({n}, {self.pre(depth)})"
        if kind < 9:
            return f"{self.pick(self.lags)}({self.pre(depth)})"
        return f"{self.pick(self.derived_lags)}({self.pre(depth)})"

    def expr(self, depth: int) -> str:  # noqa: C901 - one branch a kind of node
        if depth <= 0:
            return self.pick((self.number(), self.pick(self.columns), self.pick(self.positions), "⟦데이터길이|row_count⟧"))
        kind = self.draw(st.integers(0, 19))
        if kind < 2:
            return self.pick(self.columns)
        if kind == 2:
            return self.pick(self.derived)
        if kind < 9:
            return self.look_back(depth)
        if kind < 12:
            return f"({self.expr(depth - 1)} {self.pick(('+', '-', '*'))} {self.expr(depth - 1)})"
        if kind == 12:
            return f"({self.expr(depth - 1)} {self.pick(('/', '//', '%'))} {self.pick(('3', '-2.5', self.expr(depth - 1)))})"
        if kind == 13:
            return f"({self.expr(depth - 1)} ** {self.pick(('2', '3', '0.5', '-1', '0.3', '0'))})"
        if kind == 14:
            return f"{self.pick(('abs', 'int', 'float'))}({self.expr(depth - 1)})"
        if kind == 15:
            return f"{self.pick(('min', 'max'))}({self.expr(depth - 1)}, {self.expr(depth - 1)})"
        if kind == 16:
            inner = self.expr(depth - 1)
            return self.pick(
                (f"round({inner}, 2)", f"math.sqrt({inner})", f"math.log({inner})", f"math.atan2({inner}, 3)", f"np.floor({inner})",
                 f"math.sin({inner})", f"sum([{inner}, 1, 2])", f"np.sign({inner})")
            )  # fmt: skip
        if kind == 17:
            return f"({self.expr(depth - 1)} if {self.test(depth - 1)} else {self.expr(depth - 1)})"
        if kind == 18:
            return f"({self.expr(depth - 1)} {self.pick(('and', 'or'))} {self.expr(depth - 1)})"
        return self.pick(self.locals) if self.locals else f"-{self.expr(depth - 1)}"

    def test(self, depth: int) -> str:
        kind = self.draw(st.integers(0, 9))
        op = self.pick(("<", "<=", ">", ">=", "==", "!="))
        if kind < 4 or depth <= 0:
            return f"{self.expr(depth)} {op} {self.expr(depth - 1)}"
        if kind == 4:
            return f"{self.expr(depth - 1)} <= {self.expr(depth - 1)} {op} {self.expr(depth - 1)}"
        if kind == 5:
            return f"not ({self.test(depth - 1)})"
        if kind < 8:
            return f"({self.test(depth - 1)} {self.pick(('and', 'or'))} {self.test(depth - 1)})"
        if kind == 8:
            return self.pick(("⟦종목코드|code⟧ == 'KRW-BTC'", "⟦종목코드|code⟧ in ('A', 'KRW-BTC')", "'ETH' not in ⟦종목코드|code⟧",
                              "ready(5)", "⟦경과틱수|rows_since⟧('a') < 5", "now() > timedelta_sec(-10)"))  # fmt: skip
        return self.expr(depth - 1)

    def block(self, side: str, indent: int, depth: int, statements: int) -> list[str]:
        pad = "    " * indent
        out: list[str] = []
        for _ in range(statements):
            kind = self.draw(st.integers(0, 9))
            if kind < 3 or depth <= 0:
                out.append(f"{pad}self.{self.pick('abc')} = {self.expr(2)}")
            elif kind == 3:
                name = self.pick(("x", "y", "값"))
                out.append(f"{pad}{name} = {self.expr(2)}")
                if name not in self.locals:
                    self.locals.append(name)
            elif kind < 8:
                out.append(f"{pad}if {self.test(2)}:")
                out += self.block(side, indent + 1, depth - 1, 1)
                for _ in range(self.draw(st.integers(0, 2))):
                    out.append(f"{pad}elif {self.test(2)}:")
                    out += self.block(side, indent + 1, depth - 1, 1)
                if self.draw(st.booleans()):
                    out.append(f"{pad}else:")
                    out += self.block(side, indent + 1, depth - 1, 1)
            elif kind == 8 and self.loops < 2:
                self.loops += 1
                out.append(f"{pad}for k in range({self.pick(('3', 'self.vars[1]', '5, 0, -2', '⟦데이터길이|row_count⟧ % 4'))}):")
                if "k" not in self.locals:
                    self.locals.append("k")
                out += self.block(side, indent + 1, depth - 1, 1)
                if self.draw(st.booleans()):
                    out += [f"{pad}    if {self.test(1)}:", f"{pad}        {self.pick(('break', 'continue'))}"]
                out.append(f"{pad}    self.a += k")
            else:
                flag = self.pick((*self.flags[side], *(("⟦강제청산|force_exit⟧",) if side == "sell" else ())))
                out.append(f"{pad}{flag} = {self.pick(('True', 'False', self.test(1)))}")
        return out


@st.composite
def texts(draw: Any, market: Market, interval_s: int) -> tuple[str, str, str]:
    """Return (buy, sell, condition) as bilingual sources."""
    out = []
    for side in ("buy", "sell"):
        maker = Texts(draw, market, interval_s, side)
        lines = maker.settings() if side == "buy" and interval_s == 60 else []
        lines += maker.block(side, 0, 2, draw(st.integers(2, 4)))
        out.append("\n".join([*lines, *(f"{flag} = {maker.test(2)}" for flag in maker.flags[side])]))
    condition = Texts(draw, market, interval_s).test(1)
    # A condition may not stand on another one, and has no locals.
    return out[0], out[1], condition if "rows_since" not in condition else "⟦현재가|last_price⟧ > ⟦현재가N|last_price_ago⟧(1)"


def days(market: Market, interval_s: int, rows: int, seed: int) -> dict[str, np.ndarray]:
    """Return made columns of exact decimals, with flat stretches and repeats, and row times with gaps."""
    rng = np.random.default_rng(seed)
    out: dict[str, np.ndarray] = {}
    for column in row_schema(market.kind, interval_s).columns:
        unit = 10 ** column.decimals(market.kind)
        if column.unit == "flag":
            values = rng.integers(0, 2, rows).astype(float)
        elif column.unit == "time":
            values = 20260105090000.0 + rng.integers(0, 60, rows)
        elif column.unit == "pct":
            values = rng.integers(-2000, 2000, rows) / 100.0
        else:
            top = 10 ** int(rng.integers(1, 6)) * unit
            values = np.repeat(rng.integers(0, top, rows // 3 + 1), 3)[:rows] / unit
            walk = rng.integers(0, 2, rows) * rng.integers(0, max(unit, 2), rows) / unit
            values = np.round(values + walk, column.decimals(market.kind))
        out[column.key] = values
    seconds = np.cumsum(rng.integers(1, 4, rows))
    base = 20260105090000 if interval_s == 1 else 202601050900
    step = seconds // 60 * 100 + seconds % 60 if interval_s == 1 else seconds // 60 * 100 + seconds % 60
    out["row_time"] = (base + step).astype(float)
    return out


def positions(rows: int, lo: int, seed: int) -> np.ndarray:
    """Return one position vector a row: flat, or held since a row of the day (sometimes one that cannot be)."""
    rng = np.random.default_rng(seed)
    out = np.zeros((rows, POSITION_SIZE))
    for i in range(rows):
        if rng.random() < 0.5:
            continue
        out[i] = np.round(rng.normal(0, 5, POSITION_SIZE), 2)
        out[i, POSITION_INDEX["position_qty"]] = rng.integers(1, 9)
        out[i, POSITION_INDEX["entry_row"]] = rng.integers(0, max(i - lo, 0) + 2)
        out[i, POSITION_INDEX["entry_time"]] = 20260105090003
        out[i, POSITION_INDEX["position_side"]] = rng.choice([-1.0, 1.0])
        out[i, POSITION_INDEX["force_exit"]] = 0.0
    return out
