"""R1 in NautilusTrader: a Strategy's `on_quote_tick`, market orders, positions as the engine reports them closed."""

from decimal import Decimal

import common
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig, StrategyConfig
from nautilus_trader.model.currencies import BTC, USD
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.trading.strategy import Strategy

ROWS, TIMES = common.load()
ARGUMENTS, COUNT = common.lists(ROWS), len(ROWS["last"])
SECOND = 1_000_000_000
WHERE = InstrumentId(Symbol("C00"), Venue("SIM"))


def instrument():
    return CurrencyPair(
        instrument_id=WHERE, raw_symbol=WHERE.symbol, base_currency=BTC, quote_currency=USD, price_precision=0, size_precision=4,
        price_increment=Price(1, 0), size_increment=Quantity(0.0001, 4), lot_size=None, max_quantity=None, min_quantity=None,
        max_notional=None, min_notional=None, max_price=None, min_price=None, margin_init=Decimal(0), margin_maint=Decimal(0),
        maker_fee=Decimal(str(ROWS["fee"])), taker_fee=Decimal(str(ROWS["fee"])), ts_event=0, ts_init=0,
    )  # fmt: skip


class R1(Strategy):
    def __init__(self):
        super().__init__(StrategyConfig(strategy_id="R1-001"))
        self.memory, self.row, self.trips, self.held = [0.0] * common.STATE_SIZE, -1, [], None

    def on_start(self):
        self.subscribe_quote_ticks(WHERE)

    def on_quote_tick(self, tick):
        self.row += 1
        act = common.row(self.row, *ARGUMENTS, self.memory)
        if act in (common.BUY, common.BOTH):
            self.held = Quantity(ARGUMENTS[-2] / ARGUMENTS[6][self.row], 4)
            self.submit_order(self.order_factory.market(WHERE, OrderSide.BUY, self.held))
        if act in (common.SELL, common.BOTH):
            self.submit_order(self.order_factory.market(WHERE, OrderSide.SELL, self.held))

    def on_order_filled(self, event):
        second = event.ts_event // SECOND - 1
        if event.is_buy:
            self.trips.append([second, -1])
        else:
            self.trips[-1][1] = second


def run():
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True), run_analysis=False))
    engine.add_venue(
        venue=WHERE.venue, oms_type=OmsType.NETTING, account_type=AccountType.MARGIN, base_currency=USD,
        starting_balances=[Money(9_000_000_000, USD)], default_leverage=Decimal(100),
    )  # fmt: skip
    engine.add_instrument(instrument())
    size, ask, bid = Quantity(1_000_000, 4), ARGUMENTS[7], ARGUMENTS[8]
    engine.add_data(
        [QuoteTick(WHERE, Price(bid[i], 0), Price(ask[i], 0), size, size, (i + 1) * SECOND, (i + 1) * SECOND) for i in range(COUNT)]
    )
    rule = R1()
    engine.add_strategy(rule)
    started = common.clock()
    engine.run()
    seconds = common.clock() - started
    trips = [list(trip) for trip in rule.trips]
    engine.dispose()
    return seconds, trips


common.tell("nautilus_trader", ROWS, TIMES, run)
