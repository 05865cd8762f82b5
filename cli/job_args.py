"""What is to be run, from the words of `backtest` and `optimise` or from a study's passport."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import msgspec

from backtester.books import FILLS
from backtester.executors import LocalExecutor
from backtester.executors.nodes import NodesExecutor
from backtester.futures import Futures, futures_of, parse_futures
from backtester.halting import can_halt
from backtester.job import Job, default_times, fees_of, parse_clock, parse_fees, parse_moment, parse_rows_since, parse_sets
from backtester.options import ENTRY_LEVELS, EXIT_LEVELS, LEVEL_SHARE, Options
from backtester.portfolio import Member, Portfolio, portfolio_of
from backtester.slippage_models import parse_slippage
from cli.order_limit import fitted
from cli.output import naming_file
from cli.parser import add_common
from cli.progress import add_progress
from cli.reading_args import add_reading, reading_of
from cli.values import amount, latency, number, whole
from domain.errors import InputError
from domain.formulas import Formula
from domain.instruments import Market
from domain.intervals import INTERVALS
from domain.order_settings import OrderSettings, settings_of
from domain.reading import Reading
from domain.settings import Settings
from trading.texts import formulas_of
from trading.venues import market, markets
from utility.order_settings_file import load_orders
from utility.paths import DataDir
from utility.settings_file import load as load_settings
from utility.shared_reads import shared
from utility.text_file import read_text

WORKERS_MAX = 1024
RAY = "ray://"
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?")


def add_job(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--market", choices=tuple(markets()), default=None)
    parser.add_argument("--interval", choices=tuple(INTERVALS), default="1s")
    parser.add_argument("--from", metavar="DATE", dest="since", default=None)
    parser.add_argument("--to", metavar="DATE", dest="until", default=None)
    parser.add_argument("--start", metavar="HHMMSS", default=None)
    parser.add_argument("--end", metavar="HHMMSS", default=None)
    parser.add_argument("--buy", default=None, metavar="FILE")
    parser.add_argument("--sell", default=None, metavar="FILE")
    parser.add_argument("--strategy", action=Several, default=None, metavar="NAME")
    parser.add_argument("--symbols", action="append", default=None, metavar="CODE[,CODE]")
    parser.add_argument("--set", dest="sets", action="append", default=[], metavar="I=VALUE")
    parser.add_argument("--betting", type=amount, default=None)
    parser.add_argument("--fees", default=None, metavar="RATE[:TAX]|FILE")
    parser.add_argument("--fill", choices=FILLS, default="sweep")
    parser.add_argument("--level-share", type=number(0.001, 1.0), default=None)
    parser.add_argument("--latency", type=latency, default="0", metavar="ROWS|TIME")
    parser.add_argument("--slippage", default="0", metavar="TICKS|MODEL")
    parser.add_argument("--entry-levels", type=whole(1, 5), default=None)
    parser.add_argument("--exit-levels", type=whole(1, 5), default=None)
    parser.add_argument("--rows-since", default=None, metavar="FILE")
    add_reading(parser)
    parser.add_argument("--source", default=None)
    parser.add_argument("--order-settings", default=None, metavar="FILE")
    parser.add_argument("--leverage", default=None, metavar="N|RANGES")
    parser.add_argument("--funding", default=None, metavar="RATE|FILE")
    parser.add_argument("--halts", choices=("auto", "on", "off"), default="auto")
    add_workers(parser)
    add_progress(parser)
    add_common(parser)


class Several(argparse.Action):
    """The first value is the option's, further ones are `more_strategies`, which `job_of` takes for a portfolio and refuses elsewhere."""

    repeats = True
    """Said of the option by `cli/declared.py`: a form may give it several times."""

    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: str | None = None) -> None:
        if getattr(namespace, self.dest) is None:
            setattr(namespace, self.dest, values)
        else:
            namespace.more_strategies = (*getattr(namespace, "more_strategies", ()), values)


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Add ``--workers``, which `executor_of` reads."""
    parser.add_argument("--workers", type=_workers, default=None)


# --- from arguments to a job ------------------------------------------------------------------------


def job_of(args: argparse.Namespace, data: DataDir, sides: tuple[str, ...] = ("buy", "sell")) -> Job:
    """Return the job of the words; `sides` are the documents that a strategy of the library must hold."""
    if args.market is None:
        raise InputError("backtest.market_missing")
    rules, interval_s = market(args.market), INTERVALS[args.interval]
    ticks, model = parse_slippage(str(args.slippage))
    name, buy, sell, variables = _texts(args, data, sides)
    start, end = default_times(rules, interval_s)
    since = None if args.since is None else parse_moment(args.since, rules, interval_s, last=False)
    until = None if args.until is None else parse_moment(args.until, rules, interval_s, last=True)
    if since is not None and until is not None and since > until:
        raise InputError("backtest.range", since=args.since, until=args.until)
    orders = orders_of_args(args, rules)
    with naming_file(args.rows_since):
        rows_since = () if args.rows_since is None else parse_rows_since(read_text(args.rows_since))
    portfolio, futures = portfolio_of_args(args, rules, data), parse_futures(args.leverage, args.funding, rules)
    members = () if portfolio is None else tuple(text for one in portfolio.others for text in (one.buy, one.sell))
    return Job(
        market=rules,
        interval_s=interval_s,
        buy_text=buy,
        sell_text=sell,
        options=Options(
            betting=_betting(args, rules, data, portfolio, futures),
            entry_levels=(args.entry_levels or ENTRY_LEVELS) if orders is None else orders.entry.levels,
            exit_levels=(args.exit_levels or EXIT_LEVELS) if orders is None else orders.exit.levels,
            latency=args.latency[0],
            delay_ms=args.latency[1],
            slippage=ticks,
            slippage_model=model,
            fill=args.fill,
            level_share=_level_share(args),
            fees=None if args.fees is None else parse_fees(args.fees),
            start=start if args.start is None else parse_clock(args.start),
            end=end if args.end is None else parse_clock(args.end),
            orders=orders,
            futures=futures,
            halts=halts_of_args(args, rules),
        ),
        from_time=since,
        to_time=until,
        symbols=None if args.symbols is None else tuple(code for part in args.symbols for code in part.split(",") if code),
        variables={**variables, **parse_sets(args.sets)},
        rows_since=rows_since,
        reading=reading_of(args),
        formulas=formulas_of(data.user_library, rules, interval_s, (buy, sell, *(text for _, text in rows_since), *members)),
        source=args.source,
        strategy=name,
        portfolio=portfolio,
    )


def usual_betting(rules: Market, data: DataDir) -> float:
    """Return the amount of one entry in live trading, which is the usual one of a shared account, too."""
    return load_settings(data.settings).market(rules.code).strategy.betting or rules.default_betting


def _betting(args: argparse.Namespace, rules: Market, data: DataDir, portfolio: Portfolio | None, futures: Futures | None) -> float:
    """Return the amount of one entry: as asked, else the back-test's own, on a shared account of the usual one what its limits take."""
    if args.betting is not None:
        return float(args.betting)
    return rules.backtest_betting if portfolio is None else fitted(usual_betting(rules, data), futures, portfolio, rules)


def _level_share(args: argparse.Namespace) -> float:
    """Return what a market order takes of each level; 0 where it takes all, and a share given then is refused by `Options`."""
    usual = LEVEL_SHARE if args.fill == "partial" else 0.0
    return usual if args.level_share is None else float(args.level_share)


def portfolio_of_args(args: argparse.Namespace, rules: Market, data: DataDir) -> Portfolio | None:
    """Return the account and the further strategies of a run; None without ``--portfolio``.

    Raises
    ------
    InputError
        ``portfolio.needs``: an option that means nothing without it; ``portfolio.sets``: ``--set`` with several strategies.
    """
    beside = getattr(args, "beside", None)
    names = (*getattr(args, "more_strategies", ()), *(name.strip() for name in (beside or "").split(",") if name.strip()))
    given = {
        "--share": getattr(args, "share", None),
        "--cash": getattr(args, "cash", None),
        "--max-positions": getattr(args, "max_positions", None),
        "--stop-loss-pct": getattr(args, "stop_loss_pct", None),
        "--stop-gain-pct": getattr(args, "stop_gain_pct", None),
    }
    if not getattr(args, "portfolio", False):
        wrong = [option for option, value in given.items() if value is not None] + (["--strategy"] if names else [])
        if wrong:
            raise InputError("portfolio.needs", option=wrong[0])
        return None
    if names and args.sets:
        raise InputError("portfolio.sets")
    every = [name for name in (args.strategy, *names) if name is not None]
    twice = [name for name in every if every.count(name) > 1]
    if twice:
        raise InputError("portfolio.twice", name=twice[0])
    from storage.strategies import Strategies

    settings, store = load_settings(data.settings), Strategies(data.user_library)
    own = settings.market(rules.code).strategy
    others = tuple(Member(*store.texts(name, args.market)) for name in names)
    try:
        shares = tuple(float(word) for word in args.share.split(",")) if args.share is not None else (0.0,) * (len(others) + 1)
    except ValueError:
        raise InputError("portfolio.shares", shares=args.share, strategies=len(others) + 1) from None
    return Portfolio(
        cash=rules.paper_cash if args.cash is None else args.cash,
        max_positions=own.max_positions if args.max_positions is None else args.max_positions,
        shares=shares,
        others=others,
        risk=settings.risk,
        stop_loss_pct=own.stop_loss_pct if args.stop_loss_pct is None else args.stop_loss_pct,
        stop_gain_pct=own.stop_gain_pct if args.stop_gain_pct is None else args.stop_gain_pct,
    )


def orders_of_args(args: argparse.Namespace, rules: Market) -> OrderSettings | None:
    """Return the settings of order management; levels that the command line names win over those of the file."""
    if args.order_settings is None:
        return None
    orders = load_orders(Path(args.order_settings), rules)
    if args.entry_levels is not None:
        orders = msgspec.structs.replace(orders, entry=msgspec.structs.replace(orders.entry, levels=args.entry_levels))
    if args.exit_levels is not None:
        orders = msgspec.structs.replace(orders, exit=msgspec.structs.replace(orders.exit, levels=args.exit_levels))
    return orders


def halts_of_args(args: argparse.Namespace, rules: Market) -> bool:
    """Tell whether auctions, VI and price limits stop fills: where orders are managed, unless ``--halts`` says otherwise.

    Raises
    ------
    InputError
        ``halts.none``: nothing stops trading in the market.
    """
    if args.halts == "auto":
        return can_halt(rules) and (args.order_settings is not None or getattr(args, "portfolio", False))
    if not can_halt(rules):
        raise InputError("halts.none", market=rules.code)
    return bool(args.halts == "on")


def _texts(args: argparse.Namespace, data: DataDir, sides: tuple[str, ...]) -> tuple[str, str, str, dict[int, float]]:
    """Return name, buy text, sell text and stored variables."""
    if args.strategy is not None:
        if args.buy is not None or args.sell is not None:
            raise InputError("backtest.two_strategies")
        return _kept_texts(data.user_library, args.strategy, args.market, sides)
    if args.buy is None or args.sell is None:
        raise InputError("backtest.texts_missing")
    return Path(args.buy).stem, read_text(args.buy), read_text(args.sell), {}


@shared
def _kept_texts(library: Path, strategy: str, market_code: str, sides: tuple[str, ...]) -> tuple[str, str, str, dict[int, float]]:
    from storage.strategies import Strategies

    return Strategies(library).texts(strategy, market_code, sides)


def executor_of(args: argparse.Namespace, settings: Settings) -> LocalExecutor | NodesExecutor:
    """Return who does the work: threads of this process, or for ``ray://…`` the nodes of a cluster.

    Raises
    ------
    InputError
        ``executor.workers``: neither a number nor an address.
    RefusedError
        Ray is not installed, or no cluster answers there.
    """
    text, memory_mb = args.workers, settings.research.memory_mb
    if text is None or text == "local":
        return LocalExecutor(settings.research.workers, memory_mb)
    if text.startswith(RAY):
        from backtester.executors.ray_cluster import RayCluster

        return NodesExecutor(RayCluster(text), settings.research.workers, memory_mb=memory_mb)
    if not _NUMBER.fullmatch(text):
        raise InputError("executor.workers", value=text)
    return LocalExecutor(int(text), memory_mb)


def _workers(text: str) -> str:
    """Return what `--workers` says; a number must be one of threads, anything else is judged by `executor_of`."""
    return str(whole(0, WORKERS_MAX)(text)) if _NUMBER.fullmatch(text) else text


def job_of_passport(passport: dict[str, Any]) -> Job:
    """Return the job that a passport describes."""
    return Job(
        market=market(passport["market"]),
        interval_s=passport["interval_s"],
        buy_text=passport["buy"],
        sell_text=passport["sell"],
        options=Options(
            betting=passport["betting"],
            entry_levels=passport["entry_levels"],
            exit_levels=passport["exit_levels"],
            latency=passport["latency"],
            delay_ms=passport.get("delay_ms", 0),  # and of before delays in time and partial fills
            level_share=passport.get("level_share", 0.0),
            slippage=passport.get("slippage", 0),  # studies of before the option
            slippage_model=passport.get("slippage_model", ""),
            fill=passport["fill"],
            fees=fees_of(passport["fees"]),
            start=passport["start"],
            end=passport["end"],
            futures=futures_of(passport.get("futures")),  # and of before leverage and halts
            halts=passport.get("halts", False),
            orders=None if passport.get("orders") is None else settings_of(passport["orders"]),
        ),
        from_time=passport["from"],
        to_time=passport["to"],
        symbols=None if passport["symbols"] is None else tuple(passport["symbols"]),
        variables={int(index): value for index, value in passport["vars"].items()},
        rows_since=tuple((name, expression) for name, expression in passport["rows_since"]),
        formulas=tuple(msgspec.convert(one, Formula) for one in passport.get("formulas", ())),
        reading=msgspec.convert(passport.get("reading", {}), Reading),
        source=passport["source"],
        strategy=passport["strategy"],
        portfolio=portfolio_of(passport.get("portfolio")),
    )
