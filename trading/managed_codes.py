"""Order settings in the live strategy host: the rules of the back-test's order-managed loop, asked on each row.

What is decided stands in trading/order_rules.py and the order of asking in decision 51; `backtester/managed.py` asks in the same
order. What becomes of limit orders between two rows is in trading/managed_limits.py.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

from domain.instruments import Market
from domain.order_settings import MEASURED, OrderSettings
from domain.orders import Action
from domain.records import row_schema
from strategy.kernels import window_angle
from trading import order_rules
from trading.ladder import ladder_table
from trading.managed_limits import ManagedLimits, Turn
from trading.numbers import UNIT_F, day_seconds
from trading.order_rules import (
    ANGLE_ROWS,
    BY_SIGNAL,
    CANCEL_SIGNAL,
    ENTRY,
    EXIT,
    IS_LIMIT,
    SPLIT_RULE,
    SPLITS,
    STOP_RULE,
    add_is_due,
    day_range,
    entry_is_open,
    entry_may_leave,
    exit_may_leave,
    exit_units,
    rules_vector,
    step_is_due,
    step_share,
    stop_is_hit,
    weight,
    weights_vector,
)
from trading.position_vars import ENTRY_PRICE, FORCE_EXIT, ORDER_QTY, PNL, POSITION_SIDE, RETURN_PCT, clear_position
from trading.resting import Plan
from trading.sizing import quantity
from trading.trades import EXIT_LABELS

if TYPE_CHECKING:
    from trading.strategy_host import StrategyHost
    from trading.symbol import Symbol

_ANGLES = ("change_angle", "value_angle")


class ManagedCodes:
    """Runs both codes of a strategy under order settings.

    Parameters
    ----------
    host : StrategyHost
    settings : OrderSettings
    market : Market
    interval_s : int
    """

    def __init__(self, host: StrategyHost, settings: OrderSettings, market: Market, interval_s: int) -> None:
        self.host = host
        self.settings = settings
        self.market = market
        self.interval_s = interval_s
        self.rules = rules_vector(settings, market)
        self.weights = weights_vector(settings)
        self.ladder = np.array(ladder_table(market))
        schema = row_schema(market.kind, interval_s)
        self.limits = ManagedLimits(self)
        self._facts = (False, True, True)  # of the row at hand: filled since the one before, in the universe, was so on the one before
        self._quotes = (schema.index("ask1"), schema.index("bid1"))
        self._measured = [schema.index(key) for key in MEASURED[settings.weights.by]]
        self._history: dict[str, deque[float]] = {}
        self._coefficient = market.angle_change if settings.weights.by == "change_angle" else market.angle_value

    def note_row(self, symbol: Symbol, values: np.ndarray) -> None:
        """Take in what a resting order was filled, and remember what an angle of 비중조절 is measured on; before any code runs."""
        is_inside = bool(values[self.host.universe_column] != 0.0)
        self._facts = (symbol.take_late(), is_inside, symbol.was_inside)
        symbol.was_inside = is_inside
        if self.settings.weights.by not in _ANGLES:
            return
        rows = self._history.setdefault(symbol.instrument.code, deque(maxlen=ANGLE_ROWS))
        if symbol.table.count == 1:
            rows.clear()
        rows.append(float(values[self._measured[0]]))

    def _weight(self, symbol: Symbol, values: np.ndarray) -> float:
        by = self.settings.weights.by
        if by == "off":
            return 1.0
        if by in _ANGLES:
            rows = np.array(self._history[symbol.instrument.code])
            value = window_angle(rows, len(rows) - 1, 0, ANGLE_ROWS, self._coefficient)
        elif by == "day_range":
            value = day_range(float(values[self._measured[0]]), float(values[self._measured[1]]))
        else:
            value = float(values[self._measured[0]])
        return float(weight(self.weights, float(value)))

    def on_row(self, symbol: Symbol, arguments: Any, read_ns: int, flags: int, values: np.ndarray, is_auction: bool) -> None:
        """Act on a row: the order under way first, then the codes, which a row of an auction does not run."""
        turn = self.limits.begin(symbol, *self._facts)
        if turn.is_quiet:
            if symbol.qty and symbol.pending is not None and symbol.resting is None:
                symbol.update()
        elif is_auction:
            pass
        elif symbol.qty:
            if symbol.is_own and symbol.was_open_before_row():
                self._hold(symbol, arguments, read_ns, flags, values, turn)
        elif turn.resting is Action.ENTRY:
            if not turn.has_ended and self.rules[ENTRY, CANCEL_SIGNAL] != 0.0:
                self._reconsider(symbol, arguments, turn)
        elif not turn.has_ended and values[self.host.universe_column] != 0.0 and self._is_open(symbol):
            self._enter(symbol, arguments, read_ns, flags, values)
        self.limits.end(symbol, turn)

    def _reconsider(self, symbol: Symbol, arguments: Any, turn: Turn) -> None:
        """Take a first entry back where the sell code speaks against it (매수취소매도시그널)."""
        assert symbol.resting is not None
        symbol.position[POSITION_SIDE] = symbol.resting.sign
        result = self._ask(self.host.step.sell(*arguments))
        clear_position(symbol.position)
        turn.takes_back |= result > 0

    def _ask(self, result: int) -> int:
        """Count an error of a code."""
        self.host.step_errors += result < 0
        return result

    def _is_open(self, symbol: Symbol) -> bool:
        listed = symbol.instrument.code in self.settings.entry.blacklist
        seconds = day_seconds(symbol.row_time, self.interval_s)
        return bool(entry_is_open(self.rules, listed, seconds, symbol.last_price, self.ladder, symbol.day))

    def _least(self, symbol: Symbol) -> float:
        return max(self.market.min_notional, symbol.instrument.min_notional)

    def _hold(self, symbol: Symbol, arguments: Any, read_ns: int, flags: int, values: np.ndarray, turn: Turn) -> None:
        position = symbol.position
        symbol.update()
        side, exits = self.rules[EXIT], symbol.holding.exits
        units = symbol.qty
        if int(side[SPLITS]) > 1:
            share = symbol.holding.amount * step_share(side, exits)
            units = exit_units(side, exits, symbol.qty, quantity(share, position[ENTRY_PRICE], symbol.decimals))
        position[ORDER_QTY] = units / UNIT_F
        leaves, is_forced, rule = self._wish(symbol, arguments, units, turn)
        if leaves:
            self._leave(symbol, symbol.qty if is_forced else units, rule, is_forced, read_ns, flags, values, turn)
        elif turn.resting is Action.EXIT:
            if side[CANCEL_SIGNAL] != 0.0 and self._is_open(symbol):
                result = self._ask(self.host.step.buy(*arguments))
                if result == (1 if symbol.sign > 0 else 2):
                    turn.takes_back, turn.plan = True, None
        elif turn.resting is None and not turn.has_ended and symbol.holding.entries < self.rules[ENTRY, SPLITS] and self._is_open(symbol):
            self._add(symbol, arguments, read_ns, flags, values)

    def _wish(self, symbol: Symbol, arguments: Any, units: int, turn: Turn) -> tuple[bool, bool, int]:
        """Return whether an exit of `units` leaves, whether nothing may hold it back, and its rule."""
        position, price = symbol.position, symbol.last_price
        if stop_is_hit(self.rules, position[RETURN_PCT], position[PNL]):
            return True, True, STOP_RULE
        result = self._ask(self.host.step.sell(*arguments))
        if result > 0 and position[FORCE_EXIT] != 0.0:
            return True, True, result
        side, exits, splits = self.rules[EXIT], symbol.holding.exits, int(self.rules[EXIT, SPLITS])
        leaves, rule = False, 0
        if turn.resting is not Action.EXIT:
            if result > 0 and (splits == 1 or side[BY_SIGNAL] != 0.0):
                leaves, rule = True, result
            elif splits > 1 and step_is_due(self.rules, position[RETURN_PCT], exits):
                leaves, rule = True, SPLIT_RULE
            seconds, entries = day_seconds(symbol.row_time, self.interval_s), symbol.holding.entries
            leaves = leaves and bool(exit_may_leave(self.rules, symbol.memory, seconds, entries, price, self.ladder, symbol.day))
            if leaves and units < symbol.qty:
                leaves = units > 0 and units / UNIT_F * price >= self._least(symbol)
        if result > 0 and not leaves and turn.resting is Action.ENTRY and self.rules[ENTRY, CANCEL_SIGNAL] != 0.0:
            turn.resting, turn.has_ended, turn.takes_back, turn.plan = None, True, True, None
        return leaves, False, rule

    def _leave(
        self, symbol: Symbol, units: int, rule: int, is_forced: bool, read_ns: int, flags: int, values: np.ndarray, turn: Turn
    ) -> None:
        host = self.host
        if not host.may_act():
            return
        host.signals += 1
        price, rests = 0.0, not is_forced and self.rules[EXIT, IS_LIMIT] != 0.0
        if rests:
            price = self._limit(EXIT, symbol.sign, symbol, values)
            if price <= 0.0:
                return
        elif not is_forced and not host.fits(flags, values, units, -symbol.sign, self.settings.exit.levels):
            host.unfit += 1
            return
        labels = host.program.labels
        label = EXIT_LABELS[rule] if rule in (SPLIT_RULE, STOP_RULE) else labels[rule - 1] if 1 <= rule <= len(labels) else ""
        turn.takes_back |= turn.resting is not None
        turn.plan = Plan(units, price, rule, label, is_forced, read_ns=read_ns)

    def _limit(self, side: int, sign: int, symbol: Symbol, values: np.ndarray) -> float:
        return self.limits.price(side, sign, symbol, *(float(values[column]) for column in self._quotes))

    def _add(self, symbol: Symbol, arguments: Any, read_ns: int, flags: int, values: np.ndarray) -> None:
        host, position, holding = self.host, symbol.position, symbol.holding
        side = self.rules[ENTRY]
        units = quantity(holding.amount * step_share(side, holding.entries), position[ENTRY_PRICE], symbol.decimals)
        position[ORDER_QTY] = units / UNIT_F
        is_due = add_is_due(self.rules, position[RETURN_PCT], symbol.last_price, holding.base_price, symbol.sign)
        if not is_due and side[BY_SIGNAL] != 0.0:
            is_due = self._ask(host.step.buy(*arguments)) == (1 if symbol.sign > 0 else 2)
        if is_due:
            self._order(symbol, symbol.sign, units, holding.amount, holding.entries, read_ns, flags, values)

    def _enter(self, symbol: Symbol, arguments: Any, read_ns: int, flags: int, values: np.ndarray) -> None:
        host = self.host
        amount = host.betting * self._weight(symbol, values)
        units = quantity(amount * step_share(self.rules[ENTRY], 0), symbol.last_price, symbol.decimals)
        symbol.position[ORDER_QTY] = units / UNIT_F
        result = self._ask(host.step.buy(*arguments))
        if result > 0:
            self._order(symbol, 1 if result == 1 else -1, units, amount, 0, read_ns, flags, values)

    def _order(
        self, symbol: Symbol, sign: int, units: int, amount: float, entries: int, read_ns: int, flags: int, values: np.ndarray
    ) -> None:
        """Ask for an entry where nothing speaks against it."""
        host, seconds = self.host, day_seconds(symbol.row_time, self.interval_s)
        if units <= 0 or not host.may_act() or not entry_may_leave(self.rules, symbol.memory, seconds, entries):
            return
        rests = self.rules[ENTRY, IS_LIMIT] != 0.0
        price = self._limit(ENTRY, sign, symbol, values) if rests else symbol.last_price
        if price <= 0.0 or units / UNIT_F * price < self._least(symbol):
            return
        host.signals += 1
        if rests:
            symbol.holding.amount = amount
            self.limits.order(symbol, Action.ENTRY, sign, units, price, Plan(read_ns=read_ns))
            return
        if not host.fits(flags, values, units, sign, self.settings.entry.levels):
            host.unfit += 1
            return
        symbol.holding.amount = amount
        host.emit(symbol, Action.ENTRY, sign, units, read_ns, 0, "", is_forced=False, step=0)


def warm() -> None:
    """Load what is called on a row."""
    order_rules.warm()
    window_angle(np.zeros(ANGLE_ROWS), ANGLE_ROWS - 1, 0, ANGLE_ROWS, 1.0)
