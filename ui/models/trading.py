"""Open orders, fills, positions and closed trades: records and their columns."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from domain.instruments import Instrument, Market
from domain.orders import Order, OrderKind, qty_text
from ui import format as fmt
from ui.format import DASH
from ui.models.table import CENTRE, LEFT, Column
from ui.models.watchlist import name_of
from ui.text import tr, word


@dataclass(slots=True)
class Record:
    """What every trading record has: its instrument, for the name and for linking."""

    market: Market
    instrument: Instrument

    @property
    def name(self) -> str:
        return name_of(self.instrument)

    @property
    def code(self) -> str:
        return self.instrument.code

    @property
    def currency(self) -> str:
        return self.market.currency


@dataclass(slots=True)
class OrderRecord(Record):
    """One of our orders."""

    order: Order

    @property
    def side(self) -> int:
        return self.order.side

    @property
    def qty(self) -> int:
        return self.order.qty

    @property
    def cum_qty(self) -> int:
        return self.order.cum_qty

    @property
    def leaves_qty(self) -> int:
        return self.order.leaves_qty

    @property
    def price(self) -> float:
        return float(self.order.price) if self.order.price is not None else float("nan")

    @property
    def average(self) -> float:
        if not self.order.cum_qty:
            return float("nan")
        return float(self.order.cum_amount * 100_000_000 / self.order.cum_qty)

    @property
    def status(self) -> str:
        return self.order.status.value

    @property
    def created_ns(self) -> int:
        return self.order.created_ns

    @property
    def client_order_id(self) -> str:
        return self.order.client_order_id


@dataclass(slots=True)
class FillRecord(Record):
    """One execution of ours."""

    side: int
    qty: int
    price: float
    amount: float
    fee: Decimal
    fee_asset: str
    exchange_ns: int
    client_order_id: str


@dataclass(slots=True)
class PositionRecord(Record):
    """What is held of one instrument, valued at the last price after fees."""

    qty: int
    entry_price: float
    cost: float
    entry_time: int
    price: float = float("nan")
    value: float = float("nan")
    pnl: float = float("nan")
    return_pct: float = float("nan")
    realised: float = 0.0
    exit_amount: float = 0.0


@dataclass(slots=True)
class RoundTripRecord(Record):
    """One closed trade."""

    side: int
    entry_time: int
    exit_time: int
    holding_s: int
    qty: float
    entry_price: float
    exit_price: float
    return_pct: float
    pnl: float
    label: str


def _price(value: float, record: Any) -> str:
    return fmt.price(value, fmt.price_step(record.market, record.instrument, value if value == value else 0.0))


def _average(value: float, record: Any) -> str:
    step = fmt.price_step(record.market, record.instrument, value if value == value else 0.0)
    return fmt.price(value, step / 10 if step and step_is_coarse(step, value) else step)


def step_is_coarse(step: float, value: float) -> bool:
    """Tell whether an average of fills deserves one more decimal than the price step."""
    return value == value and step < 1 and value < 1_000


def _side(value: int, record: Any) -> str:
    return tr("ui.side.buy") if value > 0 else tr("ui.side.sell")


def _order_kind(value: Any, record: OrderRecord) -> str:
    return word("ui.kind", record.order.kind.value)


def _order_price(value: float, record: OrderRecord) -> str:
    return word("ui.kind", "market") if record.order.kind is OrderKind.MARKET else _price(value, record)


def _status(value: str, record: OrderRecord) -> str:
    text = word("ui.status", value)
    return f"{text} · {tr('ui.status.in_doubt')}" if record.order.in_doubt else text


def _status_tone(record: OrderRecord) -> str:
    if record.order.in_doubt:
        return "warn"
    return {"filled": "ok", "rejected": "danger", "denied": "danger", "canceled": "muted", "expired": "muted"}.get(record.status, "text")


def _money(value: float, record: Record) -> str:
    # The account panel names the currency once; in a column it would only cost width.
    return fmt.integer(value) if record.currency == "KRW" else fmt.number(value)


def _signed(value: float, record: Record) -> str:
    return DASH if fmt.missing(value) else f"{value:+,.{0 if record.currency == 'KRW' else 2}f}"


def _row_clock(value: int, record: Record) -> str:
    return fmt.row_clock(value, record.market.day_offset_s())


_NAME = Column("name", "ui.col.name", LEFT, lambda v, r: v, width=0, paint="name", tip=lambda r: f"{r.name}  {r.code}")
_SIDE = Column("side", "ui.col.side", CENTRE, _side, sign=lambda r: r.side, width=5)

ORDER_COLUMNS = (
    _NAME,
    _SIDE,
    Column("price", "ui.col.order_price", format=_order_price, width=11),
    Column("qty", "ui.col.order_qty", format=lambda v, r: fmt.quantity(v), width=12),
    Column("cum_qty", "ui.col.filled_qty", format=lambda v, r: fmt.quantity(v), width=12),
    Column("leaves_qty", "ui.col.leaves_qty", format=lambda v, r: fmt.quantity(v), width=12),
    Column("average", "ui.col.fill_price", format=_average, width=11),
    Column("status", "ui.col.status", CENTRE, _status, tone=_status_tone, tip=lambda r: r.order.reason, width=9),
    Column("created_ns", "ui.col.time", CENTRE, lambda v, r: fmt.clock(v), width=8),
    Column("client_order_id", "ui.col.order_id", LEFT, lambda v, r: v, tone=lambda r: "faint", tip=lambda r: r.client_order_id, width=12),
)

FILL_COLUMNS = (
    _NAME,
    _SIDE,
    Column("price", "ui.col.fill_price", format=_price, width=11),
    Column("qty", "ui.col.filled_qty", format=lambda v, r: fmt.quantity(v), width=13),
    Column("amount", "ui.col.amount", format=_money, width=13),
    Column("fee", "ui.col.fee", format=lambda v, r: f"{v.normalize():f} {r.fee_asset}", width=13, tone=lambda r: "muted"),
    Column("exchange_ns", "ui.col.time", CENTRE, lambda v, r: fmt.clock(v), width=8),
    Column("client_order_id", "ui.col.order_id", LEFT, lambda v, r: v, tone=lambda r: "faint", tip=lambda r: r.client_order_id, width=12),
)

POSITION_COLUMNS = (
    _NAME,
    Column("entry_price", "ui.col.entry_price", format=_average, width=10),
    Column("price", "ui.col.price", format=_price, sign=lambda r: r.pnl, width=10),
    Column("return_pct", "ui.col.return", format=lambda v, r: fmt.percent(v), sign=lambda r: r.return_pct, width=7.5),
    Column("pnl", "ui.col.pnl", format=_signed, sign=lambda r: r.pnl, width=11),
    Column("cost", "ui.col.cost", format=_money, width=10.5),
    Column("value", "ui.col.market_value", format=_money, width=10.5),
    Column("qty", "ui.col.held_qty", format=lambda v, r: fmt.quantity(abs(v)), width=12.5),
    Column("entry_time", "ui.col.entry_time", CENTRE, _row_clock, width=7.5),
)

TRADE_COLUMNS = (
    _NAME,
    Column("entry_time", "ui.col.entry_time", CENTRE, _row_clock, width=8),
    Column("exit_time", "ui.col.exit_time", CENTRE, _row_clock, width=8),
    Column("holding_s", "ui.col.holding", format=lambda v, r: fmt.duration(v), width=7),
    Column("entry_price", "ui.col.buy_price", format=_average, width=11),
    Column("exit_price", "ui.col.sell_price", format=_average, width=11),
    Column("qty", "ui.col.qty", format=lambda v, r: qty_text(round(v * 1e8)), width=12),
    Column("return_pct", "ui.col.return", format=lambda v, r: fmt.percent(v), sign=lambda r: r.return_pct, width=8),
    Column("pnl", "ui.col.pnl_closed", format=_signed, sign=lambda r: r.pnl, width=11),
    Column("label", "ui.col.exit_label", LEFT, lambda v, r: v, tone=lambda r: "muted", tip=lambda r: r.label, width=14),
)
