"""The core: money, sweeps, self trades, the life of an order. Worked examples."""

from __future__ import annotations

from decimal import Decimal

import pytest

from coin.markets import BINANCE
from domain.exchange import CoreRefusal, HouseRules, SelfTrade
from domain.orders import OrderStatus, TimeInForce
from tests.unit.paper.flow import delta, exchange, picture, placed, request, snapshot, trade, units

ASKS = [(101.0, 1.0), (102.0, 2.0), (103.0, 5.0)]
BIDS = [(100.0, 1.0), (99.0, 2.0), (98.0, 5.0)]
THIRD = HouseRules(fee_asset="BNB", fee_asset_price=Decimal(600), fee_asset_balance=Decimal("0.001"))


def ready(**fields: object):  # type: ignore[no-untyped-def]
    core = exchange(**fields)  # type: ignore[arg-type]
    core.apply(picture(ASKS, BIDS, 1))
    core.apply(trade(100.5, 1.0, 1, 2))
    return core


def held(core, asset: str) -> tuple[Decimal, Decimal]:  # type: ignore[no-untyped-def]
    balance = core.balances()[asset]
    return balance.free, balance.locked


def test_a_sweep_fills_once_per_level_and_pays_the_reserved_fee() -> None:
    core = ready()
    order = placed(core, 1, 2.5, 102.0, TimeInForce.IOC)
    assert [(fill.price, fill.qty) for fill in order.fills] == [(Decimal("101.0"), units(1.0)), (Decimal("102.0"), units(1.5))]
    assert order.status is OrderStatus.FILLED
    cost = Decimal("101") + Decimal("153")
    assert held(core, "KRW") == (Decimal(100_000_000) - cost * Decimal("1.0005"), 0)
    assert held(core, "XRP") == (Decimal("2.5"), 0)
    assert core.balances()["XRP"].average_price == cost / Decimal("2.5")


def test_what_was_taken_stays_taken_until_the_level_is_restated() -> None:
    core = ready()
    placed(core, 1, 1.0, 101.0, TimeInForce.IOC)
    core.apply(picture(ASKS, BIDS, 3))  # says the same again: nothing new stands there
    assert placed(core, 1, 1.0, 101.0, TimeInForce.IOC).cum_qty == 0
    core.apply(picture([(101.0, 1.5), *ASKS[1:]], BIDS, 4))
    assert placed(core, 1, 1.0, 101.0, TimeInForce.IOC).cum_qty == units(1.0)


def test_own_orders_never_change_the_public_book() -> None:
    core = ready()
    before = core.book(0, 10)
    placed(core, 1, 3.0, 102.0, TimeInForce.IOC)
    placed(core, 1, 50.0, 97.0)
    assert core.book(0, 10) == before


def test_a_limit_ioc_ends_with_its_rest_cancelled_and_its_lock_returned() -> None:
    core = ready()
    order = placed(core, 1, 2.0, 101.0, TimeInForce.IOC)
    assert (order.cum_qty, order.status, order.locked) == (units(1.0), OrderStatus.CANCELED, 0)
    assert held(core, "KRW")[1] == 0


def test_fill_or_kill_is_whole_or_nothing() -> None:
    core = ready()
    assert placed(core, 1, 8.5, 103.0, TimeInForce.FOK).cum_qty == 0
    assert placed(core, 1, 8.0, 103.0, TimeInForce.FOK).status is OrderStatus.FILLED


def test_post_only_refuses_to_take_and_rests_otherwise() -> None:
    core = ready()
    with pytest.raises(CoreRefusal, match="would_take"):
        placed(core, 1, 1.0, 101.0, TimeInForce.POST_ONLY)
    assert placed(core, 1, 1.0, 100.0, TimeInForce.POST_ONLY).is_open


def test_a_market_buy_by_amount_spends_it_and_ends_as_cancel() -> None:
    core = ready()
    order = core.place(request(1, 0.0, None, funds=Decimal(200), venue_type="price"))
    assert order.status is OrderStatus.CANCELED
    assert [fill.qty for fill in order.fills] == [units(1.0), 97_058_823]
    assert Decimal(199) < order.cum_amount <= Decimal(200)


def test_without_money_nothing_happens() -> None:
    core = ready(cash="100")
    with pytest.raises(CoreRefusal, match="insufficient_funds"):
        placed(core, 1, 1.0, 100.0)
    assert held(core, "KRW") == (Decimal(100), 0)
    with pytest.raises(CoreRefusal, match="insufficient_funds"):
        placed(core, -1, 1.0, 101.0)
    assert [line["event"] for line in core.truth.lines] == ["start", "refused", "refused"]


def test_a_resting_buy_locks_and_gives_back_on_cancel() -> None:
    core = ready()
    order = placed(core, 1, 10.0, 90.0)
    assert held(core, "KRW")[1] == Decimal("900.45")
    core.cancel(order.number)
    assert held(core, "KRW") == (Decimal(100_000_000), 0)
    with pytest.raises(CoreRefusal, match="closed"):
        core.cancel(order.number)


def test_two_orders_with_one_client_id_only_when_the_first_has_ended() -> None:
    core = ready()
    first = placed(core, 1, 1.0, 90.0, client_id="a")
    with pytest.raises(CoreRefusal, match="duplicate_client_id"):
        placed(core, 1, 1.0, 90.0, client_id="a")
    core.cancel(first.number)
    assert placed(core, 1, 1.0, 90.0, client_id="a").is_open


@pytest.mark.parametrize(
    ("rule", "taker", "maker"),
    [
        (SelfTrade.CANCEL_MAKER, (1.0, OrderStatus.PARTIALLY_FILLED), (0.0, OrderStatus.EXPIRED)),
        (SelfTrade.CANCEL_TAKER, (1.0, OrderStatus.EXPIRED), (0.0, OrderStatus.ACCEPTED)),
        (SelfTrade.CANCEL_BOTH, (1.0, OrderStatus.EXPIRED), (0.0, OrderStatus.EXPIRED)),
        (SelfTrade.DECREMENT, (1.0, OrderStatus.EXPIRED), (0.0, OrderStatus.ACCEPTED)),
        (SelfTrade.NONE, (2.0, OrderStatus.FILLED), (1.0, OrderStatus.PARTIALLY_FILLED)),
    ],
)
def test_self_trade_rules(rule: SelfTrade, taker: tuple[float, OrderStatus], maker: tuple[float, OrderStatus]) -> None:
    core = ready()
    placed(core, 1, 8.0, 103.0, TimeInForce.IOC)  # so that there is something to sell
    core.apply(picture([(101.0, 2.0), (103.0, 4.0)], BIDS, 5))
    placed(core, 1, 1.0, 101.0, TimeInForce.IOC)
    resting = placed(core, -1, 4.0, 102.0)
    core.apply(picture([(101.0, 1.0), (103.0, 4.0)], BIDS, 6))
    order = placed(core, 1, 2.0, 102.0, self_trade=rule)
    assert (order.cum_qty, order.status) == (units(taker[0]), taker[1])
    assert (resting.cum_qty, resting.status) == (units(maker[0]), maker[1])
    if rule is SelfTrade.DECREMENT:
        assert (order.prevented_qty, resting.prevented_qty) == (units(1.0), units(1.0))


def test_the_third_asset_pays_fees_while_there_is_enough_of_it() -> None:
    core = exchange(BINANCE, THIRD, cash="100000")
    core.apply(snapshot([(60_000.0, 1.0)], [(59_999.0, 1.0)], 10, 1))
    first = placed(core, 1, 0.005, 60_000.0, TimeInForce.IOC)  # fee 0.3 USDT = 0.0005 BNB
    assert [(fill.fee, fill.fee_asset) for fill in first.fills] == [(Decimal("0.00050000"), "BNB")]
    core.apply(delta([(-1, 60_000.0, 2.0)], 11, 11, 2))
    second = placed(core, 1, 0.01, 60_000.0, TimeInForce.IOC)  # 0.001 BNB is too much now: of what is received
    assert [(fill.fee, fill.fee_asset) for fill in second.fills] == [(Decimal("0.00001000"), "BTC")]
    assert held(core, "BTC")[0] == Decimal("0.01499")
    assert held(core, "BNB")[0] == Decimal("0.0005")
    sold = placed(core, -1, 0.01, 59_999.0, TimeInForce.IOC)
    assert sold.fills[0].fee_asset == "USDT"
    assert sold.fills[0].fee == Decimal("599.99") / 1000


def test_a_depth_gap_makes_the_book_unusable_until_a_snapshot() -> None:
    core = exchange(BINANCE, HouseRules(), cash="100000")
    core.apply(snapshot([(101.0, 1.0)], [(100.0, 1.0)], 10, 1))
    core.apply(delta([(-1, 101.0, 3.0)], 8, 12, 2))  # spans the snapshot
    assert core.book(0, 1)[0] == [(101.0, units(3.0))]
    core.apply(delta([(-1, 101.0, 9.0)], 20, 21, 3))
    with pytest.raises(CoreRefusal, match="no_liquidity"):
        placed(core, 1, 1.0)
    core.apply(snapshot([(101.0, 2.0)], [(100.0, 1.0)], 30, 4))
    assert placed(core, 1, 1.0).cum_qty == units(1.0)


def test_without_a_book_orders_fill_at_the_last_price_and_say_so() -> None:
    core = exchange()
    core.apply(trade(100.0, 1.0, 1, 1))
    order = placed(core, 1, 70.0, 105.0, TimeInForce.IOC)
    assert [(fill.price, fill.no_book) for fill in order.fills] == [(Decimal("100.0"), True)]
    assert core.truth.lines[-3]["no_book"] is True


def test_a_step_matches_on_its_own_books_and_takes_nothing_from_the_flow() -> None:
    core = ready()
    corrected = ([(102.0, units(1.0))], [(100.0, units(1.0))])
    core.begin_step({0}, lambda index: corrected)
    assert [fill.price for fill in placed(core, 1, 1.0, 110.0, TimeInForce.IOC).fills] == [Decimal("102.0")]
    assert placed(core, 1, 1.0, 110.0, TimeInForce.IOC).cum_qty == 0  # taken, within this step
    core.end_step()
    core.begin_step(set(), lambda index: ([], []))
    assert placed(core, 1, 8.0, 110.0, TimeInForce.IOC).cum_qty == units(8.0)  # the current book, untouched


def test_outbox_tells_new_fill_done_then_balances() -> None:
    core = ready()
    placed(core, 1, 1.5, 102.0, TimeInForce.IOC)
    assert [update.what for update in core.outbox] == ["new", "fill", "fill", "done", "balances"]
    assert [update.order.cum_qty for update in core.outbox[:4] if update.order] == [0, units(1.0), units(1.5), units(1.5)]
    assert [balance.asset for balance in core.outbox[-1].balances] == ["KRW", "XRP"]
