"""From a strategy of the library and the settings to what a market is started with."""

from __future__ import annotations

from pathlib import Path

from domain.errors import InputError
from domain.formulas import Formula
from domain.instruments import Market
from domain.process_config import LiveOptions, StrategyText
from domain.settings import Settings
from strategy.learned import refuse_learned
from ui.user_library import StrategyDoc

INTERVALS = {"1s": 1, "1m": 60}


def clock_s(text: str, default: int) -> int:
    """Return HHMMSS as seconds of the day; `default` when it is empty."""
    if not text:
        return default
    return int(text[:2]) * 3600 + int(text[2:4]) * 60 + int(text[4:6])


def named_formulas(library: Path, doc: StrategyDoc, market: Market) -> tuple[Formula, ...]:
    """Return the formulas of the library's file that a strategy names (not in the GUI's thread: it opens the library).

    Raises
    ------
    DataError
        ``strategy.kept_unreadable``.
    """
    from trading.texts import formulas_of

    return formulas_of(library, market, INTERVALS[doc.interval], (doc.buy, doc.sell))


def strategy_text(doc: StrategyDoc, market: Market, settings: Settings, formulas: tuple[Formula, ...]) -> StrategyText:
    """Return the strategy as the host gets it: texts, the formulas they name, variables, money and times of the market's settings.

    Raises
    ------
    InputError
        ``strategy.kept_market`` when it names its markets and this is none of them; ``live.learned`` for scores that only research has.
    """
    if doc.markets and market.code not in doc.markets:
        raise InputError("strategy.kept_market", name=doc.name, market=market.code, markets=" ".join(doc.markets))
    refuse_learned((doc.buy, doc.sell))
    own = settings.market(market.code).strategy
    return StrategyText(
        name=doc.name,
        version=str(doc.version),
        buy=doc.buy,
        sell=doc.sell,
        variables=doc.variables,
        betting=own.betting or market.default_betting,
        entry_levels=own.entry_levels,
        exit_levels=own.exit_levels,
        start_s=clock_s(own.start_time, 0),
        end_s=clock_s(own.end_time, 86_400),
        formulas=formulas,
    )


def live_options(doc: StrategyDoc | None, market: Market, settings: Settings, formulas: tuple[Formula, ...]) -> LiveOptions:
    """Return what starts a market on paper; without a strategy it watches and records only."""
    interval = doc.interval if doc is not None else settings.market(market.code).strategy.interval
    return LiveOptions(
        market=market.code,
        strategy=None if doc is None else strategy_text(doc, market, settings, formulas),
        interval_s=INTERVALS[interval],
        is_paper=True,
        seed=settings.paper.seed,
        speed=settings.paper.speed,
    )
