"""The money side of the paper exchange: fills, fees, ends of orders, and who is told of them.

Everything that changes the account goes through here, once, and into the truth.
"""

from __future__ import annotations

import copy
import random
import uuid
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_DOWN, Decimal

from domain.exchange import DialectSettings, HouseRules, PaperBalance, PaperFill, PaperOrder, PaperUpdate
from domain.instruments import QTY_UNIT, Instrument, Market
from domain.orders import OrderStatus, qty_text
from paper.account import ZERO, Account
from paper.public_side import PublicSide
from paper.truth import TruthLedger

_UNIT = Decimal(1) / QTY_UNIT


def qty_decimal(units: int) -> Decimal:
    """Return units of 1e-8 as a Decimal."""
    return Decimal(units) * _UNIT


class Settlement(PublicSide):
    """Books fills and ends of orders against the account.

    Attributes
    ----------
    outbox : list of PaperUpdate
        Private events not yet sent, oldest first; the server takes them.
    """

    def __init__(
        self,
        market: Market,
        instruments: Sequence[Instrument],
        opening: dict[str, Decimal],
        truth: TruthLedger,
        seed: int,
        settings: DialectSettings | None,
    ) -> None:
        super().__init__(market, instruments)
        self.settings = settings or DialectSettings()
        self.rules = HouseRules()
        self.truth = truth
        self.account = Account(dict(opening))
        self.outbox: list[PaperUpdate] = []
        self._fills: list[PaperFill] = []
        self._updates = 0
        self._random = random.Random(seed) if seed else random.SystemRandom()

    def new_uuid(self) -> str:
        """Return a fresh UUID, repeatable where the exchange has a seed."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def adopt(self, rules: HouseRules) -> None:
        """Take the house rules; opens the fee asset's balance."""
        self.rules = rules
        if rules.fee_asset and rules.fee_asset not in self.account.balances:
            self.account.of(rules.fee_asset).free = rules.fee_asset_balance

    def start(self, **fields: object) -> None:
        """Write the truth's first line: who trades here and with what."""
        self.truth.write(
            "start", self.market_ns, market=self.market.code, balances=self._balances_text(self.account.balances.values()), **fields
        )

    def balances(self) -> Mapping[str, PaperBalance]:
        return self.account.balances

    def _fill(self, order: PaperOrder, price: Decimal, qty: int, is_maker: bool, at_ns: int = 0) -> None:
        instrument = self.instruments[order.instrument]
        amount = price * qty_decimal(qty)
        fee, fee_asset = self._fee(order.side, qty, amount, instrument)
        base_qty = qty_decimal(qty)
        if order.side > 0:
            paid = amount + (fee if fee_asset == instrument.quote else ZERO)
            got = base_qty - (fee if fee_asset == instrument.base else ZERO)
            self.account.pay_locked(instrument.quote, paid)
            self.account.receive(instrument.base, got, price)
            order.locked -= paid
        else:
            self.account.pay_locked(instrument.base, base_qty)
            self.account.receive(instrument.quote, amount - (fee if fee_asset == instrument.quote else ZERO))
            order.locked -= base_qty
        if fee_asset not in (instrument.base, instrument.quote):
            self.account.pay(fee_asset, fee)
        order.cum_qty += qty
        order.cum_amount += amount
        order.paid_fee += fee
        order.updated_ns = self.market_ns
        is_done = order.qty > 0 and order.cum_qty + order.prevented_qty >= order.qty
        order.status = OrderStatus.FILLED if is_done and not order.prevented_qty else OrderStatus.PARTIALLY_FILLED
        no_book = not self._states[order.instrument].has_book
        fill = PaperFill(
            number=len(self._fills) + 1,
            uuid=self.new_uuid(),
            order=order.number,
            instrument=order.instrument,
            side=order.side,
            price=price,
            qty=qty,
            amount=amount,
            fee=fee,
            fee_asset=fee_asset,
            is_maker=is_maker,
            exchange_ns=at_ns or self.market_ns,
            no_book=no_book,
        )
        self._fills.append(fill)
        order.fills.append(fill)
        self.truth.write(
            "fill",
            self.market_ns,
            number=fill.number,
            uuid=fill.uuid,
            order=order.number,
            client_id=order.client_id,
            code=instrument.code,
            side=order.side,
            price=format(price, "f"),
            qty=qty_text(qty),
            amount=format(amount, "f"),
            fee=format(fee, "f"),
            fee_asset=fee_asset,
            is_maker=is_maker,
            no_book=no_book,
        )
        if is_maker and not order.leaves_qty:
            order.status = OrderStatus.FILLED
        self._say("fill", order, fill)

    def _fee(self, side: int, qty: int, amount: Decimal, instrument: Instrument) -> tuple[Decimal, str]:
        rate = self.fee_rate()
        rules = self.rules
        if rules.fee_asset and rules.fee_asset_price > 0:
            fee = (amount * rate / rules.fee_asset_price).quantize(_UNIT)
            if self.account.of(rules.fee_asset).free >= fee and rules.fee_asset not in (instrument.base, instrument.quote):
                return fee, rules.fee_asset
        if side > 0 and not rules.fee_reserved_on_buy:
            return (qty_decimal(qty) * rate).quantize(_UNIT, ROUND_DOWN), instrument.base
        return amount * rate, instrument.quote

    def _end(self, order: PaperOrder, status: OrderStatus, reason: str = "") -> None:
        """End an order and give back what it still locks."""
        instrument = self.instruments[order.instrument]
        order.status = status
        order.reason = reason
        order.updated_ns = self.market_ns
        if order.locked:
            asset = instrument.quote if order.side > 0 else instrument.base
            if order.prevented_qty:
                order.prevented_locked = order.locked
            self.account.unlock(asset, order.locked)
            order.locked = ZERO
        self.truth.write(
            "state",
            self.market_ns,
            number=order.number,
            status=status.value,
            cum_qty=qty_text(order.cum_qty),
            cum_amount=format(order.cum_amount, "f"),
            reason=reason,
        )
        self._say({OrderStatus.FILLED: "done", OrderStatus.CANCELED: "canceled"}.get(status, "expired"), order)

    def _say(self, what: str, order: PaperOrder, fill: PaperFill | None = None) -> None:
        self._updates += 1
        self.outbox.append(PaperUpdate(what=what, order=copy.copy(order), fill=fill, market_ns=self.market_ns, number=self._updates))

    def _say_balances(self) -> None:
        changed = self.account.drain()
        if not changed:
            return
        self._updates += 1
        self.outbox.append(PaperUpdate(what="balances", balances=changed, market_ns=self.market_ns, number=self._updates))
        self.truth.write("balances", self.market_ns, balances=self._balances_text(changed))

    @staticmethod
    def _balances_text(balances: Iterable[PaperBalance]) -> dict[str, dict[str, str]]:
        return {b.asset: {"free": format(b.free, "f"), "locked": format(b.locked, "f")} for b in balances}
