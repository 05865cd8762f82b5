"""Seeded rule sets: random conditions whose thresholds are quantiles of what the rows themselves show."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tests.reference.data import Rows
from tests.reference.indicators import INDICATORS
from tests.reference.names import FLAGS, columns, windows
from tests.reference.orders import draw as draw_orders
from tests.reference.replay import RuleSet, Settings, SymbolDay
from tests.reference.rows import Day
from tests.reference.text import FAULTS, Text

# Columns that made rows hold as a constant.
SKIPPED = {"in_universe", "vi_tick_size", "market_cap", "turnover_rate"}
SKIPPED |= {"volume_ratio_same_time", "value_change_prev_day", "volume_ratio_prev_day"}
PRICE_WINDOWS = ("이동평균", "sma", "최고현재가", "lowest_price", "최저분봉저가")
TWO = (
    "{0} - {1}",
    "{0} / {1}",
    "({0} - {1}) / {1} * 100",
    "{0} + {1}",
    "{0} * 2 - {1}",
    "{0} // {1}",
    "{0} % {1}",
)
CALLS = (
    "abs({0} - {1})",
    "min({0}, {1})",
    "max({0}, {1}, 0)",
    "round({0}, 1)",
    "int({0} / 3)",
    "({0} - {1}) ** 0.5",
    "-{0}",
    "round({0} - {1})",
)
PRICES = ("last_price", "day_open", "day_high", "day_low", "ask1", "bid1", "ask3", "bid5", "bar_open", "bar_high", "bar_low")


@dataclass
class Draw:
    """A rule set and its settings, and what else its variables may be."""

    rules: RuleSet
    settings: Settings
    choices: dict[int, list[float]]


@dataclass
class Maker:
    """Draws rule sets for some rows."""

    rows: Rows
    rng: random.Random
    # The share of sets that have order settings.
    orders: float = 0.0
    choices: dict[int, list[float]] = field(default_factory=dict)
    indicators: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    local: dict[str, str] = field(default_factory=dict)
    marks: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        krx = self.rows.market == "krx"
        self.names: dict[str, list[str]] = {}
        for name, column in columns(krx, self.rows.interval_s).items():
            if column not in SKIPPED:
                self.names.setdefault(column, []).append(name)
        self.windows = [name for name, (_, column) in windows(krx, self.rows.interval_s).items() if column not in SKIPPED]
        self.longest = min(len(day.times) for day in self.rows.days)

    # ------------------------------------------------------------ what rows show

    def samples(self, expression: str, count: int = 40) -> list[float]:
        """Return what a buy text would see as the value of `expression` on some rows, in order."""
        found = []
        for name, meaning in self.local.items():
            expression = expression.replace(name, f"({meaning})")
        code = Text(expression)
        variables = {index: values[0] for index, values in self.choices.items()}
        rules = RuleSet(self.rows.market, self.rows.interval_s, "", "", (), variables)
        for _ in range(count):
            day: Day = self.rng.choice(self.rows.days)
            part = SymbolDay(rules, Settings(1.0), day, Text("0"), Text("0"), {})
            i = self.rng.randrange(min(30, len(day.times) - 1), len(day.times))
            try:
                found.append(float(code.value(lambda key, part=part, i=i: part.look_up(key, i, {"self": part.attributes}))))
            except FAULTS:
                continue
        return sorted(value for value in found if value == value) or [0.0]

    def number(self, values: list[float], low: float = 0.0, high: float = 1.0) -> str:
        """Return a number out of these values, by chance as a variable that other sets give another value."""
        picked = [float(f"{values[int(self.rng.uniform(low, high) * (len(values) - 1))]:.8g}") for _ in range(6)]
        if self.rng.random() < 0.35:
            return self.variable(picked)
        return repr(picked[0])

    def variable(self, values: list[float]) -> str:
        """Return a new variable that may have these values."""
        index = len(self.choices) + 1
        self.choices[index] = values
        return f"self.vars[{index}]"

    # ------------------------------------------------------------ expressions

    def name(self, column: str) -> str:
        return self.rng.choice(self.names[column])

    def price(self) -> str:
        """Return an expression that is a price."""
        column = self.rng.choice([column for column in PRICES if column in self.names])
        kind = self.rng.random()
        if kind < 0.4:
            return self.name(column)
        if kind < 0.6:
            return self.lag(column)
        return self.call(
            self.rng.choice([name for name in self.windows if name in ("이동평균", "sma", "최고현재가", "lowest_price", "최저분봉저가")])
        )

    def lag(self, column: str, pre: str = "") -> str:
        name = self.name(column)
        pre = pre or str(self.rng.choice((0, 1, 2, 5, 17, 60)))
        return f"{name}N({pre})" if not name.isascii() else f"{name}_ago({pre})"

    def call(self, name: str, pre: str = "") -> str:
        """Return a call of a window function."""
        n = str(self.rng.choice((1, 2, 3, 5, 10, 20, 30, 47, 60, 120)))
        kind = self.rng.random()
        if kind < 0.2:
            n = "self.vars[0]"
        elif kind < 0.35:
            n = self.variable([float(self.rng.choice((2, 4, 9, 25, 33, 80))) for _ in range(5)])
        elif kind < 0.42:
            n = self.rng.choice(("데이터길이", "row_count / 2", "데이터길이 % 9"))
        pre = pre or self.rng.choice(("", "", "0", "1", "7", "30"))
        if pre and self.rng.random() < 0.2:
            return f"{name}(n={n}, pre={pre})"
        return f"{name}({n}, {pre})" if pre else f"{name}({n})"

    def value(self, deep: int = 1) -> str:
        """Return a numeric expression of the row."""
        rng = self.rng
        kind = rng.random()
        column = rng.choice(list(self.names))
        if kind < 0.25:
            return self.name(column)
        if kind < 0.35:
            return self.lag(column)
        if kind < 0.55 or not deep:
            return self.call(rng.choice(self.windows))
        if kind < 0.62 and self.indicators:
            name = rng.choice(self.shown)
            return rng.choice((name, f"{name}_N({rng.choice((0, 1, 3))})"))
        if kind < 0.7 and self.local:
            return rng.choice(list(self.local))
        if kind < 0.85:
            left, right = (self.price(), self.price()) if rng.random() < 0.5 else (self.value(0), self.value(0))
            return "(" + rng.choice(TWO).format(left, right) + ")"
        return rng.choice(CALLS).format(self.value(0), self.value(0))

    def special(self, sell: bool) -> str:
        """Return a condition that is no comparison of a value with a threshold."""
        rng = self.rng
        forms: list[Callable[[], str]] = [
            lambda: f"{self.price()} {rng.choice(('<', '>', '<=', '>='))} {self.price()}",
            lambda: f"{rng.choice(('관심종목', 'in_universe'))} == 1",
            lambda: f"{rng.choice(('관심종목N', 'in_universe_ago'))}(3) == 1",
            lambda: f"ready({rng.choice((10, 40, 100))})",
            lambda: f"{rng.choice(('데이터길이', 'row_count'))} % {rng.choice((2, 3, 7))} != 0",
            lambda: f"{rng.choice(('시분초', 'hhmmss'))} > {self.rows.days[0].clock(rng.randrange(self.longest))}",
            lambda: f"{rng.choice(('종목코드', 'code'))} == '{self.rows.days[0].code}'",
            lambda: f"self.count {rng.choice(('<', '>='))} {rng.choice((1, 3, 20))}",
        ]
        if self.marks:
            name = rng.choice(self.marks)[0]
            forms += [lambda: f"{rng.choice(('경과틱수', 'rows_since'))}('{name}') {rng.choice(('<', '>='))} {rng.choice((1, 5, 30))}"] * 3
        if self.rows.market != "upbit":
            forms.append(
                lambda: f"{self.name('ask1')} - {self.name('bid1')} <= {rng.choice(('호가단위', 'tick_size'))} * {rng.choice((1, 3, 40))}"
            )
        if self.rows.market == "krx":
            forms.append(lambda: "now() > timedelta_sec(180, VI해제시간)")
            forms.append(lambda: f"{self.name('last_price')} < {rng.choice(('VI아래5호가', 'vi_minus_5_ticks'))}")
        if sell:
            forms += [
                lambda: f"{self.name('last_price')} {rng.choice(('<', '>'))} {self.lag('last_price', '-1')}",
                lambda: f"{self.call(rng.choice(self.windows), '-1')} > {self.value(0)}",
                lambda: f"now() > timedelta_sec({rng.choice((20, 90, 600))}, {rng.choice(('매수시간', 'entry_time'))})",
            ]
        return rng.choice(forms)()

    def condition(self, true_share: float, sell: bool = False) -> str:
        """Return a condition that holds on about this share of the rows (as far as one can say)."""
        rng = self.rng
        kind = rng.random()
        if kind < 0.2:
            return self.special(sell)
        if kind < 0.3:
            return f"{self.condition(true_share**0.5, sell)} and {self.condition(true_share**0.5, sell)}"
        if kind < 0.38:
            return f"({self.condition(true_share / 2, sell)} or {self.condition(true_share / 2, sell)})"
        if kind < 0.45:
            return f"not ({self.condition(1 - true_share, sell)})"
        expression = self.value()
        values = self.samples(expression)
        if rng.random() < 0.2:
            low = rng.uniform(0, 1 - true_share)
            return f"{self.number(values, low, low)} <= {expression} <= {self.number(values, low + true_share, low + true_share)}"
        if rng.random() < 0.5:
            return f"{expression} {rng.choice(('<', '<='))} {self.number(values, true_share * 0.7, min(1.0, true_share * 1.3))}"
        return f"{expression} {rng.choice(('>', '>='))} {self.number(values, 1 - min(1.0, true_share * 1.3), 1 - true_share * 0.7)}"

    # ------------------------------------------------------------ texts

    def flag(self, name: str) -> str:
        korean = next(key for key, alias in FLAGS.items() if alias == name)
        return self.rng.choice((korean, name))

    def head(self) -> list[str]:
        """Return first lines of a text: locals and what is kept on self."""
        rng, lines = self.rng, []
        self.local = {}
        for name in ("차이", "기준값", "x1")[: rng.randrange(3)]:
            meaning = self.value()
            lines.append(f"{name} = {meaning}")
            for known, before in self.local.items():
                meaning = meaning.replace(known, f"({before})")
            self.local[name] = meaning
        if rng.random() < 0.4:
            lines.append(rng.choice(("self.count = self.count + 1", "self.count += 1", "self.seen = max(self.seen, 현재가)")))
        if rng.random() < 0.25:
            lines += [f"if {self.condition(0.3)}:", f"    self.kept = {self.price()}"]
        return lines

    def chain(self, rules: list[tuple[str, str]], otherwise: str = "") -> list[str]:
        """Return an if/elif chain; by chance a rule stands in an if within the branch."""
        lines = []
        for k, (condition, action) in enumerate(rules):
            word = "if" if k == 0 or self.rng.random() < 0.15 else "elif"
            lines.append(f"{word} {condition}:")
            if self.rng.random() < 0.15:
                lines += [f"    if {self.condition(0.7)}:", f"        {action}"]
            else:
                lines.append(f"    {action}")
        if otherwise and rules:
            lines += ["else:", f"    {otherwise}"]
        return lines

    def buy_text(self) -> str:
        rng = self.rng
        flags = ["open_long", "open_short"] if self.rows.market == "binance-futures" else ["buy"]
        lines = [f"self.indicator['{key}'] = {value}" for name in self.indicators for key, value in INDICATORS[name].keys]
        lines += self.head()
        if rng.random() < 0.6:
            reject = []
            for _ in range(rng.randint(2, 4)):
                chosen = rng.sample(flags, rng.randint(1, len(flags)))
                reject.append((self.condition(rng.uniform(0.2, 0.5)), " = ".join([self.flag(chosen[0]), "False"])))
            lines += self.chain(reject)
        else:
            lines += [f"{self.flag(flag)} = False" for flag in flags]
            for flag in flags:
                accept = [(self.condition(rng.uniform(0.05, 0.3)), f"{self.flag(flag)} = True") for _ in range(rng.randint(1, 3))]
                lines += self.chain(accept, f"{self.flag(flag)} = {self.condition(0.1)}" if rng.random() < 0.3 else "")
        if len(flags) == 1 and rng.random() < 0.3:
            lines += [f"if {self.flag('buy')}:", "    self.Buy()"]
        return "\n".join(lines) + "\n"

    def moves(self) -> list[float]:
        """Return per cents by which prices move within a minute or so of rows."""
        return sorted(
            max(0.02, abs(value))
            for value in self.samples("(현재가 / 현재가N(30) - 1) * 100" if self.longest > 90 else "(현재가 / 현재가N(5) - 1) * 100")
        )

    def exits(self) -> list[str]:
        """Return conditions on the position."""
        rng, moves = self.rng, self.moves()
        unit = rng.choice((5, 20, 60, 180)) if self.rows.interval_s == 1 else rng.choice((2, 5, 15))
        return [
            f"{rng.choice(('수익률', 'return_pct'))} >= {self.number(moves, 0.3, 0.9)}",
            f"{rng.choice(('수익률', 'return_pct'))} <= -{self.number(moves, 0.3, 0.9)}",
            f"{rng.choice(('보유시간', 'holding_time'))} {rng.choice(('>', '>='))} {unit}",
            f"holding_seconds > {unit * (1 if self.rows.interval_s == 1 else 60)}",
            f"최고수익률 > {self.number(moves, 0.2, 0.6)} and 수익률 < 최고수익률 * 0.75",
            f"{rng.choice(('최고수익률', 'max_return_pct'))} - 수익률 >= {self.number(moves, 0.2, 0.8)}",
            f"수익률 > {rng.choice(('최저수익률', 'min_return_pct'))} + {self.number(moves, 0.3, 0.9)}",
            f"{rng.choice(('최저수익률', 'min_return_pct'))} < -0.3 and {rng.choice(('수익률', 'return_pct'))} > -0.2",
            f"{rng.choice(('수익금', 'pnl'))} {rng.choice(('> 0', '< -100', '> 500'))}",
            f"{rng.choice(('데이터길이', 'row_count'))} - {rng.choice(('매수틱번호', 'entry_row'))} > {unit}",
            f"현재가 > {rng.choice(('매입가', '매수가', 'entry_price'))} * {rng.choice(('1.001', '1.003', '0.999'))}",
            f"{rng.choice(('보유수량', 'position_qty'))} * 현재가 > {rng.choice(('매입금액', 'entry_cost'))} * 1.002",
        ]

    def sell_text(self) -> str:
        rng = self.rng
        flags = ["close_long", "close_short"] if self.rows.market == "binance-futures" else ["sell"]
        lines = self.head()
        rules = []
        for flag in flags:
            for _ in range(rng.randint(1, 3)):
                condition = rng.choice(self.exits()) if rng.random() < 0.6 else self.condition(rng.uniform(0.02, 0.2), sell=True)
                if len(flags) > 1 and rng.random() < 0.5:
                    word = {"close_long": "LONG", "close_short": "SHORT"}[flag]
                    condition = f"{rng.choice(('포지션', 'position_side'))} == '{word}' and {condition}"
                rules.append((condition, f"{self.flag(flag)} = True"))
        lines += self.chain(rules, f"{self.flag(flags[0])} = {rng.choice(self.exits())}" if rng.random() < 0.2 else "")
        if rng.random() < 0.25:
            sets = [f"{self.flag(flag)} = True" for flag in flags]
            lines += [f"if {rng.choice(self.exits())}:", *(f"    {line}" for line in sets), f"    {self.flag('force_exit')} = True"]
        if rng.random() < 0.1:
            lines += [f"if {self.condition(0.2, sell=True)}:", f"    {self.flag(flags[0])} = False"]
        if len(flags) == 1 and rng.random() < 0.3:
            lines += ["", "# 매도 시그널", f"if {self.flag('sell')}:", "    self.Sell()"]
        return "\n".join(lines) + "\n"

    # ------------------------------------------------------------ whole sets

    def settings(self) -> Settings:
        """Draw settings; the amount is measured by what the best levels hold."""
        rng, market = self.rng, self.rows.market
        if self.rows.has_book:
            depth = self.samples("ask1 * ask_size1 + ask2 * ask_size2 + ask3 * ask_size3", 60)
            betting = round(depth[int(rng.uniform(0.1, 0.8) * (len(depth) - 1))] * rng.choice((0.01, 0.1, 0.5, 1.0)), 2)
        else:
            betting = 10_000_000.0 if market in ("krx", "upbit") else 10_000.0
        if market == "krx":
            betting = max(betting, 5 * max(max(day.columns["last_price"]) for day in self.rows.days))
        fees = None
        if rng.random() < 0.3:
            fees = (
                (rng.choice((0.0, 0.00015, 0.0003)), rng.choice((0.0, 0.002)))
                if market == "krx"
                else (rng.choice((0.0, 0.0003, 0.002)), 0.0)
            )
        times = sorted(
            {day.clock(i) for day in self.rows.days for i in (0, len(day.times) // 5, len(day.times) * 4 // 5, len(day.times) - 1)}
        )
        start, end = (times[len(times) // 4], times[-2]) if rng.random() < 0.25 else (0, 235959)
        orders = draw_orders(rng, market, "all", self.rows) if rng.random() < self.orders else None
        fill = "sweep" if self.rows.has_book and rng.random() < 0.9 else "last"
        in_parts = orders is not None and fill == "sweep" and rng.random() < 0.4
        return Settings(
            betting=max(betting, 1.0),
            entry_levels=rng.choice((3, 3, 1, 2, 4, 5)),
            exit_levels=rng.choice((5, 5, 1, 2, 3, 4)),
            latency=rng.choice((0, 0, 0, 1, 2, 7)),
            delay_ms=rng.choice((0, 0, 0, 500, 1_500, 61_000)),
            fill="partial" if in_parts else fill,
            level_share=rng.choice((0.05, 0.3, 1.0)) if in_parts else 0.0,
            fees=fees,
            start=start,
            end=end,
            orders=orders,
        )

    def draw(self) -> Draw:
        """Draw a rule set with its settings."""
        rng = self.rng
        self.choices, self.marks, self.local = {}, [], {}
        self.indicators = rng.sample(sorted(INDICATORS), rng.randint(0, 3)) if self.rows.interval_s == 60 else []
        self.shown = [name for group in self.indicators for name in INDICATORS[group].names]
        groups, self.indicators = self.indicators, []
        self.marks = [(name, self.condition(0.1)) for name in ("급등", "mark_2")[: rng.randrange(3)]]
        self.marks = [(name, text) for name, text in self.marks if "self." not in text]
        self.choices = {}
        self.indicators = groups
        buy = self.buy_text()
        sell = self.sell_text()
        self.choices[0] = [float(n) for n in (30, 5, 10, 20, 60, 3)]
        variables = {index: values[0] for index, values in self.choices.items()}
        rules = RuleSet(self.rows.market, self.rows.interval_s, buy, sell, tuple(self.marks), variables)
        return Draw(rules, self.settings(), dict(self.choices))

    def again(self, draw: Draw) -> Draw:
        """Return the same texts with other variables and settings."""
        variables = {index: self.rng.choice(values) for index, values in draw.choices.items()}
        return Draw(replace(draw.rules, variables=variables), self.settings(), draw.choices)
