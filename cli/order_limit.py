"""The largest order of a run on a shared account: its default amount is made to fit, another one that does not is told of at the start."""

from __future__ import annotations

from dataclasses import dataclass

from backtester.futures import Futures
from backtester.job import Job, Loaded, Run
from backtester.portfolio import Portfolio
from domain.instruments import Market
from domain.settings import Settings
from trading.risk import LIMIT, limits
from utility.amounts import money_text
from utility.text import sentence

SHARE = 0.9
"""Of the limit that a default amount takes: the limit is a share of the equity too, and that falls with the first loss."""


@dataclass(frozen=True)
class OrderRoom:
    """What one entry of a run may be: its amount times the largest leverage against the limit, in the market's currency.

    `rule` is the limit's name: that of one order, or of its share of the account.
    """

    betting: float
    leverage: float
    limit: float
    rule: str = "max_order"

    @property
    def amount(self) -> float:
        return self.betting * self.leverage

    @property
    def fits(self) -> bool:
        return self.amount <= self.limit

    def words(self, currency: str) -> dict[str, str]:
        """Return its numbers as a sentence has them; `fit` is the amount that would have room."""
        fit = money_text(self.limit * SHARE / self.leverage, currency)
        told = {key: money_text(getattr(self, key), currency) for key in ("betting", "amount", "limit")}
        return told | {"leverage": f"{self.leverage:g}", "fit": fit, "currency": currency, "name": f"risk.max_order_{currency.lower()}"}


def leverage_most(futures: Futures | None) -> float:
    """Return the largest leverage of a run."""
    return 1.0 if futures is None else max([futures.leverage, *(float(one) for _, _, one in futures.ranges)])


def order_room(betting: float, futures: Futures | None, portfolio: Portfolio, rules: Market) -> OrderRoom:
    """Return the room of one entry at the run's start, weights of order settings left out."""
    bounds = limits(portfolio.risk, rules, portfolio.max_positions, staleness=False)
    amount, share = float(bounds[LIMIT["max_order"]]), portfolio.cash * float(bounds[LIMIT["max_order_pct"]]) / 100.0
    return OrderRoom(betting, leverage_most(futures), min(amount, share), "max_order" if amount <= share else "max_order_pct")


def fitted(usual: float, futures: Futures | None, portfolio: Portfolio, rules: Market) -> float:
    """Return the default amount of one entry: the usual one, where it has no room SHARE of what the limit and the leverage leave."""
    room = order_room(usual, futures, portfolio, rules)
    return usual if room.amount <= room.limit * SHARE else float(f"{room.limit * SHARE / room.leverage:.6g}")


def room_of(job: Job) -> OrderRoom | None:
    """Return the room of a job's entries; None where it has no account."""
    if job.portfolio is None:
        return None
    return order_room(job.options.betting, job.options.futures, job.portfolio, job.market)


def over_limit(job: Job, language: str) -> str:
    """Return the warning about an amount that the account refuses; "" where it has room."""
    room = room_of(job)
    return "" if room is None or room.fits else sentence("portfolio.over_limit", language, **room.words(job.market.currency))


def all_too_large(loaded: Loaded, done: Run, settings: Settings) -> OrderRoom | None:
    """Return what one order may be where every entry of a run without an account is more; else None.

    Live would refuse each of them, and nothing that hangs on the ones before can change that: nobody has to run the account to know.
    """
    job = loaded.job
    own = settings.market(job.market.code).strategy
    room = order_room(job.options.betting, None, Portfolio(job.market.paper_cash, own.max_positions, risk=settings.risk), job.market)
    is_plain = job.options.orders is None and job.options.futures is None and len(done.trades) > 0
    return room if is_plain and float(done.trades["entry_amount"].min()) > room.limit else None
