"""The account at the prices of the positions table, so that what stands in the panel adds up with what stands in the rows.

The trader values the account by the same rows and the same arithmetic, but at another moment: its figures come a few times
a second, the rows with every batch. Cash, holdings and realised profit are the trader's; only prices are put in anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from domain.messages import AccountState
from ui.models.trading import PositionRecord


def valued(told: AccountState, positions: Iterable[PositionRecord], price_of: Callable[[str], float], profit: Any = None) -> AccountState:
    """Return what the trader told, with equity and open profit at the window's prices.

    Parameters
    ----------
    profit : callable, optional
        `trading.positions.profit_at` of the market's rates; without it the cost of leaving stays in the equity.
    price_of : callable (str) -> float
        An asset's price; NaN when the window has none yet, 0 for what is no instrument of this market.

    Notes
    -----
    A figure that depends on an unknown price stays as the trader told it.
    """
    equity = told.cash
    for balance in told.balances:
        if balance.asset != told.currency:
            equity += float(balance.free + balance.locked) * price_of(balance.asset)
    records = list(positions)
    unrealised = sum(record.pnl for record in records)
    if profit is not None:
        equity -= sum(exit_cost(record, profit) for record in records)  # the trader's equity is after it too
    return msgspec.structs.replace(
        told,
        equity=equity if equity == equity else told.equity,
        unrealised=unrealised if unrealised == unrealised else told.unrealised,
    )


def exit_cost(record: PositionRecord, profit: Any) -> float:
    """Return the fee and tax of closing what is left of a position at its price: NaN before the price is known.

    Closing at the price and closing for nothing differ by the value less what the sale costs; the entry's fee is in both.
    """
    nothing, _ = profit(record.cost, record.exit_amount, 0.0, record.qty)
    sign = 1 if record.qty > 0 else -1
    return sign * record.value - (record.pnl - nothing)
