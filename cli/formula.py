"""`stom.py strategy formula list | show | save | delete`: the user's formulas from the command line."""

from __future__ import annotations

import argparse
import sys
from typing import Any

import msgspec

from cli.output import language
from cli.parser import add_common
from cli.values import number
from domain.errors import InputError
from domain.formulas import DISPLAYS, Formula
from domain.market_codes import FIRST_MARKET, MARKET_CODES
from utility.paths import DataDir
from utility.text import sentence
from utility.text_file import read_text

INTERVALS = {"1s": 1, "1m": 60}


def add_parsers(actions: Any) -> None:
    """Add `formula` to the `strategy` family."""
    parser = actions.add_parser("formula")
    deeds = parser.add_subparsers(dest="deed", metavar="ACTION", required=True)
    listed = _deed(deeds, "list", _list, _show_list)
    listed.add_argument("--market", choices=MARKET_CODES, default=None)
    listed.add_argument("--interval", choices=tuple(INTERVALS), default=None)
    for name, run, show in (("show", _show_one, _show_text), ("delete", _delete, _show_deleted)):
        one = _deed(deeds, name, run, show)
        one.add_argument("name")
        _add_key(one)
    save = _deed(deeds, "save", _save, _show_saved)
    save.add_argument("name")
    save.add_argument("file")
    _add_key(save)
    save.add_argument("--display", choices=tuple(DISPLAYS), default="line")
    save.add_argument("--in-strategy", action="store_true")
    save.add_argument("--off-chart", action="store_true")
    for option in ("pane", "colour", "style"):
        save.add_argument(f"--{option}", default=None)
    save.add_argument("--width", type=number(0.1, 20.0), default=1.0)


def _deed(deeds: Any, name: str, run: Any, show: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = deeds.add_parser(name)
    add_common(parser)
    parser.set_defaults(run=run, show=show)
    return parser


def _add_key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--market", choices=MARKET_CODES, default=FIRST_MARKET)
    parser.add_argument("--interval", choices=tuple(INTERVALS), default="1s")


def _store(args: argparse.Namespace) -> Any:
    from storage.formulas import Formulas

    return Formulas(DataDir(args.data_dir).user_library)


def _key(args: argparse.Namespace) -> tuple[str, str, int]:
    return args.name, args.market, INTERVALS[args.interval]


def _entry(formula: Formula) -> dict[str, Any]:
    kept: dict[str, Any] = msgspec.to_builtins(formula)
    return {**kept, "interval": "1s" if kept.pop("interval_s") == 1 else "1m"}


def _list(args: argparse.Namespace) -> dict[str, Any]:
    return {"formulas": [_entry(one) for one in _store(args).all(args.market or "", INTERVALS.get(args.interval or "", 0))]}


def _show_list(args: argparse.Namespace, result: dict[str, Any]) -> None:
    for one in result["formulas"]:
        marks = " ".join(name for name in ("on_chart", "in_strategy") if one[name])
        sys.stdout.write(f"{one['name']}  {one['market']}  {one['interval']}  {one['display']}  {marks}\n")


def _show_one(args: argparse.Namespace) -> dict[str, Any]:
    history = [{"version": version, "utc_ns": at, "deleted": one is None} for version, at, one in _store(args).history(_key(args))]
    return {"formulas": [_entry(_store(args).get(_key(args)))], "history": history}


def _show_text(args: argparse.Namespace, result: dict[str, Any]) -> None:
    _show_list(args, result)
    sys.stdout.write(result["formulas"][0]["text"])


def _save(args: argparse.Namespace) -> dict[str, Any]:
    from strategy.formula import parse_formulas, plain
    from trading.venues import market as find_market

    formula = Formula(
        name=plain(args.name),
        market=args.market,
        interval_s=INTERVALS[args.interval],
        display=args.display,
        text=read_text(args.file),
        on_chart=not args.off_chart,
        in_strategy=args.in_strategy,
        pane=args.pane or "",
        colour=args.colour or "",
        width=args.width,
        style=args.style or "",
    )
    if formula.in_strategy and formula.display == "trade_arrows":
        raise InputError("formula.chart_only", name=formula.name)
    store = _store(args)
    others = [one for one in store.all(args.market, formula.interval_s) if one.name != formula.name]
    parse_formulas([*others, formula], find_market(args.market))
    version, new = store.save(formula)
    return {"formulas": [_entry(formula)], "version": version, "new": new}


def _show_saved(args: argparse.Namespace, result: dict[str, Any]) -> None:
    code = "strategy.saved" if result["new"] else "strategy.unchanged"
    sys.stdout.write(sentence(code, language(args), name=args.name, version=result["version"]) + "\n")


def _delete(args: argparse.Namespace) -> dict[str, Any]:
    return {"deleted": args.name, "version": _store(args).delete(_key(args))}


def _show_deleted(args: argparse.Namespace, result: dict[str, Any]) -> None:
    sys.stdout.write(sentence("formula.deleted", language(args), name=args.name) + "\n")
