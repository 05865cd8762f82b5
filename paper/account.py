"""Money of the paper account: free and locked amounts, exact, and never below zero."""

from __future__ import annotations

from decimal import Decimal

from domain.errors import InvariantError
from domain.exchange import CoreRefusal, PaperBalance

ZERO = Decimal(0)


class Account:
    """Balances by asset. Amounts are Decimal; nothing is created or lost here.

    Every change names its assets in `touched`, so that the private stream says just those.
    """

    def __init__(self, opening: dict[str, Decimal]) -> None:
        self.balances: dict[str, PaperBalance] = {asset: PaperBalance(asset=asset, free=amount) for asset, amount in opening.items()}
        self.touched: set[str] = set()

    def of(self, asset: str) -> PaperBalance:
        """Return the balance of an asset; an unknown one is made with nothing in it."""
        balance = self.balances.get(asset)
        if balance is None:
            balance = self.balances[asset] = PaperBalance(asset=asset)
        return balance

    def lock(self, asset: str, amount: Decimal) -> None:
        """Move free to locked; CoreRefusal("insufficient_funds") when there is too little."""
        balance = self.of(asset)
        if balance.free < amount:
            raise CoreRefusal("insufficient_funds")
        balance.free -= amount
        balance.locked += amount
        self.touched.add(asset)

    def unlock(self, asset: str, amount: Decimal) -> None:
        """Move locked back to free."""
        balance = self.of(asset)
        balance.locked -= amount
        balance.free += amount
        self.touched.add(asset)
        self._hold(balance)

    def pay_locked(self, asset: str, amount: Decimal) -> None:
        """Spend what was locked."""
        balance = self.of(asset)
        balance.locked -= amount
        self.touched.add(asset)
        self._hold(balance)

    def pay(self, asset: str, amount: Decimal) -> None:
        """Spend free money."""
        balance = self.of(asset)
        balance.free -= amount
        self.touched.add(asset)
        self._hold(balance)

    def receive(self, asset: str, amount: Decimal, unit_price: Decimal | None = None) -> None:
        """Add to free; with a price, carry the mean price at which the asset was bought."""
        balance = self.of(asset)
        if unit_price is not None:
            held = balance.free + balance.locked
            total = held + amount
            if total > 0:
                balance.average_price = (balance.average_price * held + unit_price * amount) / total
        balance.free += amount
        self.touched.add(asset)

    def drain(self) -> tuple[PaperBalance, ...]:
        """Return copies of what changed since the last call, by asset name."""
        changed = tuple(
            PaperBalance(asset=b.asset, free=b.free, locked=b.locked, average_price=b.average_price)
            for b in (self.balances[asset] for asset in sorted(self.touched))
        )
        self.touched.clear()
        return changed

    @staticmethod
    def _hold(balance: PaperBalance) -> None:
        if balance.free < 0 or balance.locked < 0:
            raise InvariantError("exchange.negative_balance", asset=balance.asset, free=str(balance.free), locked=str(balance.locked))
