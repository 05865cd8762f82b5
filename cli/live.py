"""`stom.py live`: receiver, strategy and trader for each market, without a window."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from cli.arming import check_person, confirm
from cli.interrupt import stopping
from cli.live_report import Collector
from cli.output import emit, language, naming_file, of_system, refusals_said
from cli.parser import Once, add_common
from cli.reading_args import add_reading, reading_of
from cli.values import SEED_MAX, amount, duration, number, speed, whole
from domain.errors import DataError, InputError, RefusedError, StomError
from domain.market_codes import FIRST_MARKET
from domain.messages import Failed, LogRecord, Message
from domain.process_config import LiveOptions, StrategyText
from domain.settings import Settings
from trading.market_run import MarketRun
from trading.supervisor import Supervisor
from trading.venues import VENUES
from trading.venues import market as find_market
from trading.venues import venue as find_venue
from utility.alarm_words import spoken
from utility.amounts import money_text
from utility.paths import DataDir
from utility.settings_file import load as load_settings
from utility.text import sentence
from utility.text_file import read_text

INTERVALS = {"1s": 1, "1m": 60}
RESTING = ("events", "rows")
POLL_MS = 50
FIRST_STRATEGY = {"1s": "데모_돌파", "1m": "분봉_교차"}
"""What trades on paper when nobody named a strategy: a newcomer has none yet."""
LOGGED_FAILURE = "event=failed "
"""How a process writes its failure into its log; a person gets the sentence of the message that comes with it."""
FATAL = ("process.crash_loop", "process.mixed_builds", "process.refused", "replay.process_lost")


def add_parsers(subparsers: Any) -> None:
    """Add the `live` command."""
    parser = subparsers.add_parser("live")
    parser.add_argument("--market", action="append", choices=_markets(), default=None)
    parser.add_argument(
        "--strategy",
        default=None,
        metavar="NAME",
    )
    parser.add_argument("--watch", action="store_true")
    parser.add_argument("--buy", default=None, metavar="FILE")
    parser.add_argument("--sell", default=None, metavar="FILE")
    parser.add_argument("--rows-since", default=None, metavar="FILE")
    add_reading(parser)
    parser.add_argument("--interval", choices=tuple(INTERVALS), default="1s")
    parser.add_argument("--set", dest="sets", action="append", default=[], metavar="I=VALUE")
    parser.add_argument("--betting", type=amount, default=None)
    parser.add_argument("--entry-levels", type=whole(1, 5), default=None)
    parser.add_argument("--exit-levels", type=whole(1, 5), default=None)
    parser.add_argument("--order-settings", default=None, metavar="FILE")
    parser.add_argument("--symbols", action="append", default=None, metavar="CODE[,CODE]")
    parser.add_argument("--replay", action=Once, default=None, metavar="PATH")
    parser.add_argument("--speed", type=speed, default=None)
    parser.add_argument("--resting", choices=RESTING, default=None)
    parser.add_argument("--duration", type=duration, default=0.0, metavar="60s")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--paper", action="store_true")
    mode.add_argument("--armed", action="store_true")
    parser.add_argument("--seed", type=whole(0, SEED_MAX), default=0)
    parser.add_argument("--cash", type=amount, default=0.0)
    parser.add_argument("--faults", default=None, metavar="FILE")
    parser.add_argument("--rate-factor", type=number(0.0, 1e6, low_open=True), default=1.0, help=argparse.SUPPRESS)
    parser.add_argument("--settle", type=number(0.0, 86_400.0), default=0.0, help=argparse.SUPPRESS)
    add_common(parser)
    parser.set_defaults(run=run, show=show)


def _markets() -> list[str]:
    return sorted({find_venue(code).market for code in VENUES})


# --- from arguments to options ------------------------------------------------------------------------


def options_of(args: argparse.Namespace, code: str, data: DataDir, settings: Settings) -> LiveOptions:
    """Return what a market is to be run with."""
    replay = None
    if args.replay is not None:
        from paper.assembly import check_recording, locate_recording

        replay = locate_recording(find_market(code), data, args.replay)
        pace = 1.0 if args.speed is None else args.speed
        replay = msgspec.structs.replace(replay, codes=_codes(args), speed=pace, resting=args.resting or RESTING[0])
        check_recording(find_market(code), replay.store, replay)
    elif args.resting is not None:
        raise InputError("live.resting_replay")
    elif args.speed == 0.0:
        raise InputError("live.speed_max")
    elif not args.armed:
        from paper.assembly import check_made

        check_made(find_market(code), _codes(args))
    return LiveOptions(
        market=code,
        strategy=strategy_of(args, code, data, settings),
        interval_s=INTERVALS[args.interval],
        replay=replay,
        is_paper=not args.armed,
        codes=_codes(args),
        seed=args.seed,
        speed=args.speed or settings.paper.speed,
        cash=args.cash,
        faults=_faults(args.faults),
        rate_factor=args.rate_factor,
        settle_window_s=args.settle,
    )


def _codes(args: argparse.Namespace) -> tuple[str, ...]:
    return () if args.symbols is None else tuple(code for part in args.symbols for code in part.split(",") if code)


def _faults(path: str | None) -> tuple[dict[str, Any], ...]:
    if path is None:
        return ()
    from paper.faults import read_rules

    return tuple(msgspec.to_builtins(rule) for rule in read_rules(Path(path)))


def strategy_of(args: argparse.Namespace, code: str, data: DataDir, settings: Settings) -> StrategyText | None:
    """Return the strategy of the arguments, checked, or None when none is named."""
    from backtester.job import parse_rows_since, parse_sets, vector
    from cli.advice import warn
    from cli.job_args import orders_of_args
    from strategy.learned import refuse_learned
    from trading.texts import read_texts

    market, own = find_market(code), settings.market(code).strategy
    found = _texts(args, code, data, own.name)
    if found is None:
        return None
    name, version, buy, sell, variables = found
    with naming_file(args.rows_since):
        rows_since = () if args.rows_since is None else parse_rows_since(read_text(args.rows_since))
    refuse_learned((buy, sell, *(text for _, text in rows_since)))
    read = read_texts(data.user_library, market, INTERVALS[args.interval], buy, sell, rows_since, reading_of(args))
    program = read.program
    warn(args, program, parse_sets(args.sets), values={**variables, **parse_sets(args.sets)})
    chosen = vector(program, {**variables, **parse_sets(args.sets)})
    orders = orders_of_args(args, market)
    return StrategyText(
        name=name,
        version=version or program.digest[:16],
        buy=buy,
        sell=sell,
        variables=tuple(chosen.tolist()),
        betting=args.betting or own.betting or market.default_betting,
        entry_levels=(args.entry_levels or own.entry_levels) if orders is None else orders.entry.levels,
        exit_levels=(args.exit_levels or own.exit_levels) if orders is None else orders.exit.levels,
        start_s=_clock(own.start_time, 0),
        end_s=_clock(own.end_time, 86_400),
        rows_since=rows_since,
        formulas=read.formulas,
        orders=orders,
        reading=reading_of(args),
    )


def _texts(args: argparse.Namespace, code: str, data: DataDir, chosen: str) -> tuple[str, str, str, str, dict[int, float]] | None:
    if args.watch and not (args.strategy is None and args.buy is None and args.sell is None):
        raise InputError("live.watch_strategy")
    if args.watch:
        return None
    if args.buy is not None or args.sell is not None:
        if args.strategy is not None:
            raise InputError("backtest.two_strategies")
        if args.buy is None or args.sell is None:
            raise InputError("backtest.texts_missing")
        return Path(args.buy).stem, "", read_text(args.buy), read_text(args.sell), {}
    # Real money moves only by a strategy that somebody named.
    name = args.strategy or chosen or ("" if args.armed else FIRST_STRATEGY[args.interval])
    if not name:
        return None
    from storage.strategies import Strategies

    title, buy, sell, variables = Strategies(data.user_library).texts(name, code)
    return title, "", buy, sell, dict(variables)


def _clock(text: str, default: int) -> int:
    return int(text[:2]) * 3_600 + int(text[2:4]) * 60 + int(text[4:6]) if text else default


# --- running ------------------------------------------------------------------------------------------


def run(args: argparse.Namespace) -> dict[str, Any] | int:
    """Run until the replay is over, the time is up, or Ctrl+C; status 3 when a market never got ready."""
    data = DataDir(args.data_dir)
    settings = load_settings(data.settings)
    codes = list(dict.fromkeys(args.market or [FIRST_MARKET]))
    if args.armed:
        if args.replay is not None:
            raise InputError("live.armed_replay")
        check_person(codes)
    chosen = [options_of(args, code, data, settings) for code in codes]
    grant = confirm(args, chosen[0], data, settings) if args.armed else None
    supervisor = Supervisor(data, settings, view=False, log_level=args.log_level or "")
    collector = Collector(supervisor, data)
    try:
        for options in chosen:
            _introduce(args, options)
            supervisor.start_market(options, grant)
        result = _watch(args, supervisor, collector, chosen)
        late = [] if collector.is_quick else [run for run in supervisor.markets.values() if not run.is_started]
    finally:
        supervisor.close()
    if not collector.is_quick:
        _seal(args, data, result)
    if not late:
        return result
    emit(args, result)
    for run in late:
        _say_late(args, run)
    return RefusedError.exit_status


def _say_late(args: argparse.Namespace, run: MarketRun) -> None:
    """Say that nothing of a run was traded, and what its processes said last: zeros alone would look like a quiet market."""
    lang = language(args)
    sys.stderr.write(sentence("live.not_ready", lang, market=run.code, seconds=args.duration) + "\n")
    for child in run.children.values():
        if child.failure:
            fields = {key: str(value) for key, value in child.failure_fields.items()}
            sys.stderr.write(f"{child.name}: {sentence(child.failure, lang, **fields)}\n")


def _introduce(args: argparse.Namespace, options: LiveOptions) -> None:
    """Say in a line what begins: which market, whether it is real, whose money, which strategy."""
    if args.quiet:
        return
    lang = language(args)
    kind = "live.venue" if not options.is_paper else "live.made" if options.replay is None else "live.replayed"
    fields = {
        "market": options.market,
        "kind": sentence(kind, lang),
        "account": sentence("live.paper" if options.is_paper else "live.real", lang),
        "strategy": "–",
    }
    if options.strategy is not None:
        currency = find_market(options.market).currency
        stake = {"betting": money_text(options.strategy.betting, currency), "currency": currency}
        fields["strategy"] = sentence("live.staked", lang, name=options.strategy.name, **stake)
    sys.stderr.write(sentence("live.begins", lang, **fields) + "\n")
    sys.stderr.flush()


def _seal(args: argparse.Namespace, data: DataDir, result: dict[str, Any]) -> None:
    """Turn what the receivers left as whole open segments into Parquet, so that it can be read at once.

    A full disk leaves them as they are: the next run does it, and what was traded is told all the same.
    """
    from storage.ticks import TickStore

    store = TickStore(data.root)
    try:
        store.recover({code: find_market(code) for code in result["markets"]})
    except (OSError, DataError) as error:
        told = error if isinstance(error, DataError) else of_system(error, data.root)
        sys.stderr.write(sentence(told.code, language(args), **{key: str(value) for key, value in told.fields.items()}) + "\n")
    finally:
        store.unlock()


def _watch(args: argparse.Namespace, supervisor: Supervisor, collector: Collector, chosen: list[LiveOptions]) -> dict[str, Any]:
    started = time.monotonic()
    view = _view(args, supervisor, collector)
    try:
        with stopping() as wish:
            while not wish.is_set() and not _is_over(args, supervisor, chosen, started):
                for code, message in supervisor.poll(POLL_MS):
                    collector.add(code, message)
                    _say(args, code, message, view is not None and view.shows_failures)
                if view is not None:
                    view.update()
            collector.is_quick = wish.is_set()
    except KeyboardInterrupt:
        collector.is_quick = True
    finally:
        if view is not None:
            view.close()
    return collector.report(time.monotonic() - started)


def _is_over(args: argparse.Namespace, supervisor: Supervisor, chosen: list[LiveOptions], started: float) -> bool:
    if args.duration and time.monotonic() - started >= args.duration:
        return True
    if any(options.replay is None for options in chosen):
        return False
    return all(run.ended_n >= 0 for run in supervisor.markets.values())


def _say(args: argparse.Namespace, code: str, message: Message, is_shown: bool) -> None:
    """Tell on standard error what a person should know; raise what ends the run."""
    if isinstance(message, Failed):
        fields = {key: str(value) for key, value in message.fields.items()}
        text = sentence(message.code, language(args), **fields)
        if message.code in FATAL:
            raise _fatal(message)
        if not is_shown:
            sys.stderr.write(f"{code}: {text}\n")
    elif isinstance(message, LogRecord) and message.level >= logging.WARNING and not is_shown and not args.quiet:
        alarm = spoken(message.text, language(args))
        if alarm is not None or (message.level >= logging.ERROR and not message.text.startswith(LOGGED_FAILURE)):
            sys.stderr.write(f"{code}: {alarm or message.text}\n")


def _fatal(message: Failed) -> StomError:
    fields = dict(message.fields)
    own = fields.pop("failure_fields", {})
    code = message.code
    status = int(fields.pop("status", 1) or 1)
    if code == "process.refused" and fields.get("failure"):
        code, fields = str(fields.pop("failure")), {**fields, **own}  # the process's own sentence, with its own fields
    kinds: dict[int, type[StomError]] = {2: InputError, 3: RefusedError, 4: DataError}
    return kinds.get(status, StomError)(code, **{key: value for key, value in fields.items() if key != "code"})


def _view(args: argparse.Namespace, supervisor: Supervisor, collector: Collector) -> Any:
    """Return what a person watches: a table on a terminal, lines elsewhere, nothing for a program."""
    if args.quiet or args.json:
        return None
    if not sys.stderr.isatty():
        from cli.live_lines import LiveLines

        return LiveLines(supervisor, collector, language(args))
    from cli.live_table import LiveTable

    return LiveTable(supervisor, collector, language(args))


def show(args: argparse.Namespace, result: dict[str, Any]) -> None:
    """Print the result for a person."""
    lang = language(args)
    for key in ("ticks", "rows", "signals", "intents", "orders", "fills", "trades", "gaps", "unexplained"):
        sys.stdout.write(f"{sentence('live.' + key, lang):<24} {result[key]:,}\n")
    for currency, total in result["pnl_by_currency"].items():
        parts = {name: money_text(result[f"{name}_by_currency"][currency], currency) for name in ("realised", "unrealised")}
        said = sentence("live.pnl_parts", lang, **parts)
        sys.stdout.write(f"{sentence('live.pnl', lang):<24} {money_text(total, currency)} {currency} ({said})\n")
    latency = result["latency_us"]
    sys.stdout.write(
        f"{sentence('live.latency', lang):<24} p50 {latency['p50']:,.0f}  p99 {latency['p99']:,.0f}  max {latency['max']:,.0f} µs\n"
    )
    if result["refusals"]:
        sys.stdout.write(f"{sentence('live.refusals', lang):<24} {refusals_said(result['refusals'], lang)}\n")
    sys.stdout.write(f"{sentence('live.trades_sha256', lang):<24} {result['trades_sha256']}\n")
    if result["positions"]:
        held = ", ".join(f"{one['instrument_id'].split(':', 1)[-1]} {one['qty']}" for one in result["positions"])
        sys.stdout.write(sentence("live.still_held", lang, count=len(result["positions"]), held=held) + "\n")
    sys.stdout.write(sentence("live.saved", lang, source=result["source"], ledger=result["ledger_path"]) + "\n")
