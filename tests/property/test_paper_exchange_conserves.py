"""Whatever happens, the paper exchange neither makes nor loses money, and its truth says what it did."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from coin.markets import BINANCE, UPBIT
from domain.exchange import CoreRefusal, HouseRules, SelfTrade
from domain.orders import OrderStatus, TimeInForce
from paper.truth import summarise
from tests.unit.paper.flow import UPBIT_HOUSE, exchange, picture, request, trade

THIRD = HouseRules(fee_asset="BNB", fee_asset_price=Decimal(600), fee_asset_balance=Decimal("0.002"))
FREE = HouseRules()

prices = st.integers(90, 110).map(float)
sizes = st.integers(1, 400).map(lambda n: n / 100)
sides = st.sampled_from((1, -1))
books = st.tuples(
    st.integers(95, 105),
    st.lists(sizes, min_size=1, max_size=5),
    st.lists(sizes, min_size=1, max_size=5),
)
steps = st.one_of(
    st.tuples(st.just("book"), books),
    st.tuples(st.just("trade"), st.tuples(prices, sizes, sides)),
    st.tuples(st.just("limit"), st.tuples(sides, sizes, prices, st.sampled_from(list(TimeInForce)), st.sampled_from(list(SelfTrade)))),
    st.tuples(st.just("market"), st.tuples(sides, sizes)),
    st.tuples(st.just("funds"), st.integers(10, 50_000)),
    st.tuples(st.just("cancel"), st.integers(1, 40)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, min_size=1, max_size=40), st.sampled_from(((UPBIT, UPBIT_HOUSE), (BINANCE, THIRD), (BINANCE, FREE))))
def test_money_is_conserved(script, house) -> None:  # type: ignore[no-untyped-def]
    market, rules = house
    core = exchange(market, rules, cash="100000")
    base, quote = core.instruments[0].base, core.instruments[0].quote
    core.apply(picture([(101.0, 5.0)], [(100.0, 5.0)], 1))
    for at, (what, values) in enumerate(script, start=2):
        try:
            if what == "book":
                middle, asks, bids = values
                core.apply(
                    picture([(middle + 1.0 + i, q) for i, q in enumerate(asks)], [(middle - float(i), q) for i, q in enumerate(bids)], at)
                )
            elif what == "trade":
                core.apply(trade(*values, at))
            elif what == "limit":
                side, qty, price, force, rule = values
                core.place(request(side, qty, price, force, self_trade=rule))
            elif what == "market":
                core.place(request(*values))
            elif what == "funds":
                core.place(request(1, 0.0, None, funds=Decimal(values)))
            else:
                core.cancel(values)
        except CoreRefusal:
            pass
        check(core, base, quote)


def check(core, base: str, quote: str) -> None:  # type: ignore[no-untyped-def]
    fills = core.fills()
    expected = {base: Decimal(0), quote: Decimal(100_000), "BNB": core.rules.fee_asset_balance}
    for fill in fills:
        qty = Decimal(fill.qty) / 10**8
        assert fill.amount == fill.price * qty
        expected[base] += fill.side * qty
        expected[quote] -= fill.side * fill.amount
        expected[fill.fee_asset] -= fill.fee
    for asset, amount in expected.items():
        balance = core.balances().get(asset)
        if balance is not None:
            assert balance.free + balance.locked == amount
            assert balance.free >= 0
            assert balance.locked >= 0
    locked = {base: Decimal(0), quote: Decimal(0)}
    for order in core.orders():
        assert order.cum_qty == sum(fill.qty for fill in order.fills)
        if order.qty:
            assert order.cum_qty + order.prevented_qty <= order.qty
        if order.price is not None:
            assert all(order.side * (fill.price - order.price) <= 0 for fill in order.fills)
        if order.is_open:
            locked[quote if order.side > 0 else base] += order.locked
        else:
            assert order.locked == 0
    for asset, amount in locked.items():
        balance = core.balances().get(asset)
        assert amount == (balance.locked if balance is not None else 0)
    truth = summarise(core.truth.lines)
    assert [fill["number"] for fill in truth["fills"]] == [fill.number for fill in fills]
    for stated, order in zip(truth["orders"], core.orders(), strict=True):
        filled_now = OrderStatus.ACCEPTED if order.is_open else order.status
        assert stated["status"] == filled_now.value
    for asset, amounts in truth["balances"].items():
        balance = core.balances()[asset]
        assert (Decimal(amounts["free"]), Decimal(amounts["locked"])) == (balance.free, balance.locked)
