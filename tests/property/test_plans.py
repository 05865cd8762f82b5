"""A plan leaves out no row on which a text acts: drawn rules as users write them, against the interpreter on every row.

The compiled engine with a plan is compared with the one without in tests/unit/backtester/test_skipping.py.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from coin.markets import BINANCE_FUTURES, UPBIT
from domain.instruments import Market
from domain.records import POSITION_INDEX, row_schema
from stock.markets import KRX
from strategy.guards import make_plan
from strategy.interpreter import Interpreter, Walk
from strategy.language import StrategyErrors
from strategy.nodes import Expr, Kind, PositionField
from strategy.nodes import walk as nodes_of
from strategy.plan import Exits
from strategy.program import build
from strategy.table import SymbolTable
from strategy.truths import TRUE
from tests.strategy_texts import N_VARS, Texts, days, positions, spell

MARKETS: tuple[tuple[Market, int], ...] = ((UPBIT, 1), (UPBIT, 60), (KRX, 1), (BINANCE_FUTURES, 1))


class Rules(Texts):
    """Chains of conditions that set decision flags, with locals and divisions among them; no memory, no loops."""

    def test(self, depth: int) -> str:
        kind = self.draw(st.integers(0, 12))
        if kind == 0:
            best, worst, now = "⟦최고수익률|max_return_pct⟧", "⟦최저수익률|min_return_pct⟧", "⟦수익률|return_pct⟧"
            field = self.pick((now, now, "⟦보유시간|holding_time⟧", best, f"{best} - {now}", f"{now} - {worst}"))
            bound = self.pick(("self.vars[1]", "2", "-self.vars[2] * 3", "self.vars[0] + 1", f"{best} * 0.7", f"{worst} + 1.5"))
            form = self.pick(("{0} {2} {1}", "{1} {2} {0}", "not {0} {2} {1}", "-3 <= {0} {2} {1}"))
            return form.format(field, bound, self.pick(("<", "<=", ">", ">=")))
        return super().test(depth).replace("⟦경과틱수|rows_since⟧('a') < 5", "ready(3)")

    def block(self, side: str, indent: int, depth: int, statements: int) -> list[str]:
        pad = "    " * indent
        out: list[str] = []
        for _ in range(statements):
            kind = self.draw(st.integers(0, 9))
            if kind == 0:
                name = self.pick(("x", "y"))
                out.append(f"{pad}{name} = {self.expr(2)}")
                if name not in self.locals:
                    self.locals.append(name)
            elif kind < 8 and depth > 0:
                out.append(f"{pad}if {self.test(2)}:")
                out += self.block(side, indent + 1, depth - 1, 1)
                for _ in range(self.draw(st.integers(0, 3))):
                    out.append(f"{pad}elif {self.test(2)}:")
                    out += self.block(side, indent + 1, depth - 1, 1)
            else:
                out.append(f"{pad}{self.flag(side)} = {self.pick(('True', 'False', 'False', self.test(1)))}")
        return out

    def flag(self, side: str) -> str:
        if self.futures:
            return self.pick(("BUY_LONG", "SELL_SHORT") if side == "buy" else ("SELL_LONG", "BUY_SHORT"))
        return "⟦매수|buy⟧" if side == "buy" else self.pick(("⟦매도|sell⟧", "⟦매도|sell⟧", "⟦강제청산|force_exit⟧"))

    futures = False


@st.composite
def cases(draw: Any) -> tuple[Market, int, tuple[str, str], list[float], int]:
    market, interval_s = draw(st.sampled_from(MARKETS))
    variables = [float(draw(st.sampled_from((0, 1, 2, 3, 5, 8, 13, 30, 2.5, -1)))) for _ in range(N_VARS)]
    texts = []
    for side in ("buy", "sell"):
        maker = Rules(draw, market, interval_s)
        maker.futures = market is BINANCE_FUTURES
        texts.append("\n".join(maker.block(side, 0, 2, draw(st.integers(1, 3)))))
    return market, interval_s, (texts[0], texts[1]), variables, draw(st.integers(0, 2**32 - 1))


def may_leave(exits: Exits, truth: Any, value: Any, position: np.ndarray, interval_s: int) -> bool:
    returns, seconds = position[POSITION_INDEX["return_pct"]], position[POSITION_INDEX["holding_seconds"]]
    if any(truth(one) for one in exits.rows):
        return True
    if any(not returns < value(one) for one in exits.up) or any(not returns > value(one) for one in exits.down):
        return True
    return any(not seconds < value(one) * factor - (factor - 1) for one, factor in exits.seconds)


SEEN = {"refused": 0, "entry": 0, "exits": 0, "skipped": 0, "kept": 0}


@settings(max_examples=200, deadline=None, derandomize=True, phases=(Phase.generate,), suppress_health_check=list(HealthCheck))
@given(case=cases())
def check_plan(case: tuple[Market, int, tuple[str, str], list[float], int]) -> None:
    market, interval_s, (buy, sell), variables, seed = case
    try:
        program = build(spell(buy, "en"), spell(sell, "en"), market, interval_s)
    except StrategyErrors:
        SEEN["refused"] += 1
        return
    plan = make_plan(program)
    SEEN["entry"] += bool(plan.entry)
    SEEN["exits"] += plan.exits is not None
    if not plan.entry and plan.exits is None:
        return
    rows = 60
    columns = days(market, interval_s, rows, seed)
    values = np.stack([columns[key] for key in row_schema(market.kind, interval_s).keys], axis=1)
    held = positions(rows, 0, seed)
    interpreter, table = Interpreter(program), SymbolTable(program, np.array(variables))
    state = program.day_state("KRW-BTC", "", 0.5)
    rng = np.random.default_rng(seed)
    for i in range(rows):
        table.append(int(columns["row_time"][i]), values[i])
        flat, position = np.zeros_like(held[i]), held[i].copy()
        if position[POSITION_INDEX["position_qty"]] == 0.0:
            position[POSITION_INDEX["position_qty"]] = 1.0
        seconds = float(rng.integers(0, 400))
        position[POSITION_INDEX["holding_seconds"]] = seconds
        position[POSITION_INDEX["holding_time"]] = seconds // interval_s
        position[POSITION_INDEX["position_side"]] = float(rng.choice((1.0, -1.0))) if market is BINANCE_FUTURES else 1.0

        def walk(vector: np.ndarray, i: int = i) -> Walk:
            return Walk(interpreter, (table.inputs, table.sums, table.extremes, i, 0, variables, vector, state), {})

        def truth(expr: Expr, vector: np.ndarray = flat) -> bool:
            return walk(vector).truth(expr)

        def value(expr: Expr, vector: np.ndarray = flat) -> float:
            return walk(vector).value(expr)

        acts = interpreter.buy(table.inputs, table.sums, table.extremes, i, 0, variables, flat, state) != 0
        passed = all(truth(one) for one in plan.entry)
        assert passed or not acts, (buy, i)
        SEEN["skipped"] += not passed
        SEEN["kept"] += passed
        if plan.exits is None:
            continue
        before = position.copy()
        acts = interpreter.sell(table.inputs, table.sums, table.extremes, i, 0, variables, position, state) != 0
        passed = may_leave(plan.exits, truth, partial(value, vector=before), before, interval_s)
        assert passed or not acts, (sell, i)


def test_no_row_on_which_a_text_acts_is_left_out() -> None:
    for key in SEEN:
        SEEN[key] = 0
    check_plan()
    # A plan that never says anything would pass: these say that it does.
    assert SEEN["refused"] < 12, SEEN
    assert SEEN["entry"] > 30, SEEN
    assert SEEN["exits"] > 12, SEEN
    assert SEEN["skipped"] > 500, SEEN
    assert SEEN["kept"] > 250, SEEN


def test_a_chain_of_refusals_is_one_condition_each() -> None:
    buy = "if not 1 <= 등락율 <= self.vars[1]:\n    매수 = False\nelif 체결강도 < 체결강도평균(30) + self.vars[2]:\n    매수 = False"
    plan = make_plan(
        build(buy, "if 수익률 >= 2 or 보유시간 > self.vars[3]:\n    매도 = True\nif 체결강도 < 90:\n    매도 = True", UPBIT, 1)
    )
    assert len(plan.entry) == 2
    assert TRUE not in plan.entry
    assert plan.exits is not None
    assert [len(one) for one in (plan.exits.rows, plan.exits.up, plan.exits.down, plan.exits.seconds)] == [1, 1, 0, 1]


def test_what_remembers_or_counts_rows_is_called_on_every_row() -> None:
    memory = build("self.수 = self.수 + 1\nif self.수 < 5:\n    매수 = False", "매도 = 수익률 > 1", UPBIT, 1)
    assert make_plan(memory).entry == ()
    assert make_plan(memory).exits is None
    trailing = build("매수 = 등락율 > 1", "매도 = 최고수익률 - 수익률 > 1", UPBIT, 1)
    assert len(make_plan(trailing).entry) == 1


def test_a_trailing_stop_is_a_bound_that_moves() -> None:
    best, worst = PositionField(kind=Kind.NUMBER, key="max_return_pct"), PositionField(kind=Kind.NUMBER, key="min_return_pct")
    for text in (
        "매도 = 최고수익률 - 수익률 > 1",
        "매도 = 1 < 최고수익률 - 수익률",
        "매도 = 수익률 - 최고수익률 <= -1",
        "매도 = 수익률 < 최고수익률 * 0.8",
    ):
        exits = make_plan(build("매수 = 등락율 > 1", text, UPBIT, 1)).exits
        assert exits is not None
        assert (exits.follows, exits.up, len(exits.down), exits.rows) == (("max_return_pct",), (), 1, ())
        assert any(node == best for node in nodes_of(exits.down[0]))
    exits = make_plan(build("매수 = 등락율 > 1", "매도 = 수익률 > 최저수익률 + self.vars[1]", UPBIT, 1)).exits
    assert exits is not None
    assert (exits.follows, len(exits.up), exits.down) == (("min_return_pct",), 1, ())
    assert any(node == worst for node in nodes_of(exits.up[0]))
    no_line = ("최고수익률 * 최고수익률", "max(최고수익률, 2)", "최고수익률 + 최저수익률", "최고수익률 % 2")
    for text in ("매도 = 최고수익률 > 2", "매도 = 최고수익률 - 수익률 > 현재가", *(f"매도 = 수익률 < {one}" for one in no_line)):
        assert make_plan(build("매수 = 등락율 > 1", text, UPBIT, 1)).exits is None
