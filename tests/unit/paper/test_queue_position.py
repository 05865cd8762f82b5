"""Queue position: a touch is no fill. Worked examples of docs/venues/paper.md."""

from __future__ import annotations

import pytest

from domain.orders import OrderStatus
from paper.matching_queue import QueueLevel
from tests.unit.paper.flow import exchange, picture, placed, trade, units
from trading.fills.queue import advance

ASKS = [(101.0, 5.0), (102.0, 5.0)]
BIDS = [(100.0, 4.0), (99.0, 5.0)]


def resting(qty: float = 2.0, price: float = 100.0):  # type: ignore[no-untyped-def]
    core = exchange()
    core.apply(picture(ASKS, BIDS, 1))
    core.apply(trade(100.5, 1.0, 1, 2))
    return core, placed(core, 1, qty, price)


def test_it_stands_behind_what_is_displayed() -> None:
    _, order = resting()
    assert order.ahead == units(4.0)


def test_a_touch_is_no_fill() -> None:
    core, order = resting()
    core.apply(trade(100.0, 3.0, -1, 3))
    assert (order.cum_qty, order.ahead) == (0, units(1.0))


def test_the_queue_is_eaten_first_and_the_rest_fills_us() -> None:
    core, order = resting()
    core.apply(trade(100.0, 3.0, -1, 3))
    core.apply(trade(100.0, 2.5, -1, 4))
    assert order.cum_qty == units(1.5)
    assert order.fills[0].is_maker
    core.apply(trade(100.0, 9.0, -1, 5))
    assert (order.cum_qty, order.status) == (units(2.0), OrderStatus.FILLED)


def test_a_buyer_at_our_price_does_not_fill_our_buy() -> None:
    core, order = resting()
    core.apply(trade(100.0, 50.0, 1, 3))
    assert order.cum_qty == 0


def test_a_trade_through_our_price_fills_up_to_its_size() -> None:
    core, order = resting()
    core.apply(trade(99.0, 0.5, -1, 3))
    assert (order.cum_qty, order.ahead) == (units(0.5), 0)
    assert order.fills[0].price == 100  # ours, not the trade's


def test_cancels_shrink_the_queue_in_proportion() -> None:
    core, order = resting()
    core.apply(picture(ASKS, [(100.0, 2.0), BIDS[1]], 3))
    assert order.ahead == units(2.0)
    core.apply(picture(ASKS, [(100.0, 6.0), BIDS[1]], 4))  # new ones stand behind us
    assert order.ahead == units(2.0)
    core.apply(picture(ASKS, [(100.0, 3.0), BIDS[1]], 5))  # half of six left: half of those before us too
    assert order.ahead == units(1.0)


def test_a_trade_is_not_counted_again_when_the_book_states_it() -> None:
    core, order = resting()
    core.apply(trade(100.0, 3.0, -1, 3))
    core.apply(picture(ASKS, [(100.0, 1.0), BIDS[1]], 4))
    assert order.ahead == units(1.0)


def test_a_trade_behind_its_book_message_is_not_counted_twice() -> None:
    core, order = resting()
    core.apply(picture(ASKS, [(100.0, 1.0), BIDS[1]], 3))  # 3 of 4 gone: taken for cancels, a quarter is left before us
    assert order.ahead == units(1.0)
    core.apply(trade(100.0, 3.0, -1, 4))  # ... and here is why
    assert (order.ahead, order.cum_qty) == (units(1.0), 0)
    core.apply(trade(100.0, 1.5, -1, 5))
    assert order.cum_qty == units(0.5)


def test_quotes_that_cross_us_fill_us_once() -> None:
    core, order = resting(qty=3.0)
    crossed = picture([(100.0, 1.0), *ASKS], [(99.0, 5.0)], 3)
    core.apply(crossed)
    assert order.cum_qty == units(1.0)
    core.apply(picture([(100.0, 1.0), *ASKS], [(99.0, 6.0)], 4))  # the same quote again
    assert order.cum_qty == units(1.0)


def test_two_orders_at_one_price_fill_in_order_of_time() -> None:
    core, first = resting(qty=1.0)
    second = placed(core, 1, 1.0, 100.0)
    core.apply(trade(100.0, 5.5, -1, 3))
    assert (first.cum_qty, second.cum_qty) == (units(1.0), units(0.5))


def test_without_a_book_only_a_trade_through_the_price_fills() -> None:
    core = exchange()
    core.apply(trade(100.0, 1.0, 1, 1))
    order = placed(core, 1, 1.0, 99.0)
    core.apply(trade(99.0, 9.0, -1, 2))
    assert order.cum_qty == 0
    core.apply(trade(98.5, 9.0, -1, 3))
    assert order.cum_qty == units(1.0)


@pytest.mark.parametrize(("ahead", "qty", "result"), [(5, 3, (2, 0)), (5, 5, (0, 0)), (5, 7, (0, 2)), (0, 1, (0, 1))])
def test_advance(ahead: int, qty: int, result: tuple[int, int]) -> None:
    assert advance(ahead, qty) == result


def test_level_that_vanishes_takes_the_queue_along() -> None:
    level = QueueLevel(100)
    assert level.restate(0) == 0.0
    assert level.restate(50) == 1.0
