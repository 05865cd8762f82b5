"""What an account is worth: cash, holdings at the newest prices, less what selling the open positions would cost.

The fee of leaving is owed as soon as a position is entered. Taken off here it is in the equity, in the day's opening equity, in
the day's profit and in the open profit alike, so that they add up.
"""

from __future__ import annotations

from trading.account import Account
from trading.positions import PositionBook


def unrealised(account: Account, positions: PositionBook, day: int) -> float:
    """Return what open positions would have earned if they were closed at the newest prices on `day`, after fees."""
    prices = ((view.instrument_id, account.price(view.instrument_id)) for view in positions.views())
    return sum(positions.open_profit(identifier, price, day)[0] for identifier, price in prices if price > 0.0)


def equity(account: Account, positions: PositionBook, day: int) -> float:
    """Return the account's worth in its currency, were every open position closed at the newest price on `day`."""
    prices = ((view.instrument_id, account.price(view.instrument_id)) for view in positions.views())
    return account.equity() - sum(positions.exit_cost(identifier, price, day) for identifier, price in prices if price > 0.0)
