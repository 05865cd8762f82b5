"""`stom.py strategy`: check texts, and keep them in the versioned library."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from pathlib import Path
from typing import Any

from cli import formula
from cli.output import emit, language
from cli.parser import add_common
from cli.values import whole
from domain.errors import StrategyError
from domain.market_codes import FIRST_MARKET, MARKET_CODES
from utility.paths import DataDir
from utility.text import has, sentence
from utility.text_file import read_text

INTERVALS = {"1s": 1, "1m": 60}


def add_parsers(subparsers: Any) -> None:
    """Add `strategy` with its actions."""
    parser = subparsers.add_parser("strategy")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    check = _action(actions, "check", _check, _show_check)
    check.add_argument("file")
    check.add_argument("--side", choices=("buy", "sell"), default="buy")
    check.add_argument("--market", choices=MARKET_CODES, default=FIRST_MARKET)
    check.add_argument("--interval", choices=tuple(INTERVALS), default="1s")

    _action(actions, "list", _list, _show_list)
    show = _action(actions, "show", _show_one, _show_text)
    show.add_argument("name")
    show.add_argument("--version", type=whole(1, 10**9), default=None)
    history = _action(actions, "history", _history, _show_list)
    history.add_argument("name")
    diff = _action(actions, "diff", _diff, _show_diff)
    diff.add_argument("name")
    diff.add_argument("old", type=whole(1, 10**9))
    diff.add_argument("new", type=whole(1, 10**9), nargs="?", default=None)

    guard = _action(actions, "guard", _guard, _show_guarded)
    guard.add_argument("name")
    guard.add_argument("--version", type=int, default=None)
    save = _action(actions, "save", _save, _show_saved)
    save.add_argument("name")
    save.add_argument("--buy", metavar="FILE", required=True)
    save.add_argument("--sell", metavar="FILE", required=True)
    save.add_argument("--market", action="append", choices=MARKET_CODES, default=[])
    save.add_argument("--interval", choices=tuple(INTERVALS), default="1s")
    save.add_argument("--set", dest="sets", action="append", default=[], metavar="I=VALUE")
    save.add_argument("--note", default="")
    save.add_argument("--unchecked", action="store_true")

    bring = _action(actions, "import", _import, show_imported)
    bring.add_argument("source", nargs="+")
    bring.add_argument("--texts", metavar="DIR")
    formula.add_parsers(actions)
    export = _action(actions, "export", _export, _show_exported)
    export.add_argument("name", nargs="*")
    export.add_argument("--out", required=True, metavar="PATH")


def _action(actions: Any, name: str, run: Any, show: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name)
    add_common(parser)
    parser.set_defaults(run=run, show=show)
    return parser


def _library(args: argparse.Namespace) -> Any:
    from storage.strategies import Strategies

    return Strategies(DataDir(args.data_dir).user_library)


# --- check ----------------------------------------------------------------------------------------


def explain(error: StrategyError, code: str) -> dict[str, Any]:
    """Return an error as line, column, code, message and hint in a language."""
    fields = {"line": error.line, "column": error.column, **error.fields}
    hint = str(error.fields.get("hint", ""))
    return {
        "line": error.line,
        "column": error.column,
        "code": error.code,
        "message": sentence(error.code, code, **fields),
        "hint": sentence(hint, code, **fields) if hint and has(hint, code) else "",
    }


def _check(args: argparse.Namespace) -> dict[str, Any] | int:
    from cli.advice import spoken
    from strategy.advice import advice_on
    from strategy.catalogue import Role, vocabulary
    from strategy.finder_text import is_finder, parse_finder
    from strategy.formula import parse_formulas
    from strategy.language import StrategyErrors, parse
    from strategy.nodes import Column, Derived, PositionField, RowCount, Series, Window
    from strategy.program import Program, empty_tree
    from trading.texts import formulas_of
    from trading.venues import market as find_market

    market, interval_s, side = find_market(args.market), INTERVALS[args.interval], args.side
    code = language(args)
    try:
        text = read_text(args.file)
        own = formulas_of(DataDir(args.data_dir).user_library, market, interval_s, (text,))
        is_found = side == "buy" and is_finder(text)
        tree = parse_finder(text, market, interval_s, own).tree if is_found else parse(text, side, market, interval_s, own)
    except StrategyErrors as refused:
        errors = [explain(one, code) for one in refused.errors]
        emit(args, {"ok": False, "file": args.file, "errors": errors, "warnings": [], "factors": [], "lookback": 0, "vars": 0})
        return refused.exit_status
    warnings = [{"code": one.code, "message": spoken(one, code)} for one in advice_on(tree)]
    other = empty_tree("sell" if side == "buy" else "buy", market, interval_s)
    trees = (tree, other) if side == "buy" else (other, tree)
    program = Program(*trees, market, interval_s, formulas=parse_formulas(own, market))
    used = {node.key for node in program.nodes if isinstance(node, Column | Derived | Window | PositionField | Series)}
    if any(isinstance(node, RowCount) for node in program.nodes):
        used.add("row_count")
    words = vocabulary(side, market, interval_s).words.values()
    shown = {
        word.key: word.name
        for word in words
        if word.language == code and word.role in (Role.COLUMN, Role.DERIVED, Role.POSITION, Role.COUNT, Role.SERIES)
    }
    return {
        "ok": True,
        "file": args.file,
        "errors": [],
        "warnings": warnings,
        "factors": sorted(used),
        "names": [shown.get(key, key) for key in sorted(used)],
        "lookback": program.lookback(),
        "vars": program.n_vars,
        "digest": program.digest,
    }


def _show_check(args: argparse.Namespace, result: dict[str, Any]) -> None:
    code = language(args)
    if result["ok"]:
        count = {"factors": len(result["factors"]), "lookback": result["lookback"], "vars": result["vars"]}
        sys.stdout.write(sentence("strategy.check_ok", code, **count) + "\n")
        sys.stdout.write("  " + ", ".join(result["names"]) + "\n")
        for one in result["warnings"]:
            sys.stdout.write(one["message"] + "\n")
        return
    for one in result["errors"]:
        sys.stdout.write(f"{result['file']}: {one['message']}\n")
        if one["hint"]:
            sys.stdout.write(f"    → {one['hint']}\n")


# --- library: reading ------------------------------------------------------------------------------


def _entry(version: Any, texts: bool = False) -> dict[str, Any]:
    bundle = version.bundle
    saved = dt.datetime.fromtimestamp(version.utc_ns / 1e9, dt.UTC).isoformat(timespec="seconds") if version.utc_ns else ""
    entry = {
        "name": bundle.name,
        "version": version.version,
        "saved": saved,
        "markets": list(bundle.markets),
        "interval": "1s" if bundle.interval_s == 1 else "1m",
        "vars": {str(index): value for index, value in sorted(bundle.variables.items())},
        "note": bundle.note,
    }
    return {**entry, "buy": bundle.buy, "sell": bundle.sell} if texts else entry


def _list(args: argparse.Namespace) -> dict[str, Any]:
    return {"strategies": [_entry(one) for one in _library(args).all()]}


def _history(args: argparse.Namespace) -> dict[str, Any]:
    library = _library(args)
    return {"strategies": [{**_entry(one), "look_ahead": library.check_of(one.name, one.version)} for one in library.history(args.name)]}


def _show_list(args: argparse.Namespace, result: dict[str, Any]) -> None:
    for one in result["strategies"]:
        markets = " ".join(one["markets"]) or "*"
        found = one.get("look_ahead") or {"ok": None}
        mark = {True: "  ✓", False: "  " + sentence("strategy.look_ahead_mark", language(args)), None: ""}[found["ok"]]
        sys.stdout.write(f"{one['name']}  v{one['version']}  {one['interval']}  {markets}  {one['saved']}  {one['note']}{mark}\n")


def _show_one(args: argparse.Namespace) -> dict[str, Any]:
    library = _library(args)
    version = library.get(args.name, args.version)
    return {"strategies": [{**_entry(version, texts=True), "look_ahead": library.check_of(version.name, version.version)}]}


def _show_text(args: argparse.Namespace, result: dict[str, Any]) -> None:
    from storage.bundles import write_bundle

    sys.stdout.write(write_bundle(_library(args).get(args.name, args.version).bundle))


def _diff(args: argparse.Namespace) -> dict[str, Any]:
    return {"name": args.name, "diff": _library(args).diff(args.name, args.old, args.new), "strategies": []}


def _show_diff(args: argparse.Namespace, result: dict[str, Any]) -> None:
    if result["diff"]:
        sys.stdout.write(result["diff"] + "\n")


# --- library: writing --------------------------------------------------------------------------------


def _save(args: argparse.Namespace) -> dict[str, Any]:
    from storage.bundles import Bundle, parse_variables, plain_name

    bundle = Bundle(
        name=plain_name(args.name),
        buy=read_text(args.buy),
        sell=read_text(args.sell),
        markets=tuple(dict.fromkeys(args.market)),
        interval_s=INTERVALS[args.interval],
        variables=parse_variables(",".join(args.sets), "--set"),
        note=args.note,
    )
    if not args.unchecked:
        _must_run(bundle, DataDir(args.data_dir))
    library = _library(args)
    version, new = library.save(bundle)
    return {"strategies": [{**_entry(version), "look_ahead": _checked(library, version)}], "new": new}


def _checked(library: Any, version: Any) -> dict[str, Any]:
    """Return what the check of a version finds; one that is stored is not made again."""
    from trading.save_check import check_saved

    return library.check_of(version.name, version.version) or check_saved(library, version)


def _guard(args: argparse.Namespace) -> dict[str, Any] | int:
    from trading.save_check import check_saved

    library = _library(args)
    version = library.get(args.name, args.version)
    result = {"strategies": [{**_entry(version), "look_ahead": check_saved(library, version)}]}
    if result["strategies"][0]["look_ahead"]["ok"] is False:
        emit(args, result)
        return 2
    return result


def _show_guarded(args: argparse.Namespace, result: dict[str, Any]) -> None:
    _tell_look_ahead(result["strategies"][0], language(args))


def _tell_look_ahead(one: dict[str, Any], code: str) -> None:
    found = one["look_ahead"]
    bad = next((each for each in found["judged"] if not each["ok"]), None)
    if bad is not None:
        fields = {"row": bad["row"], "side": sentence(f"strategy.side_{bad['side']}", code), "market": bad["market"]}
        sys.stdout.write(sentence("strategy.look_ahead_bad", code, **fields) + "\n")
    elif found["ok"]:
        cuts, signals = (sum(each[name] for each in found["judged"]) for name in ("cuts", "signals"))
        sys.stdout.write(sentence("strategy.look_ahead_ok", code, cuts=cuts, signals=signals, seconds=found["seconds"]) + "\n")
    else:
        sys.stdout.write(sentence("strategy.look_ahead_none", code) + "\n")


def _must_run(bundle: Any, data: Any) -> None:
    """Refuse texts that do not pass the checker on the markets they are for (any one market when they name none)."""
    from trading.save_check import conditions
    from trading.texts import read_texts
    from trading.venues import market as find_market

    refused: StrategyError | None = None
    for code in bundle.markets or MARKET_CODES:
        try:
            both = conditions(bundle.buy + bundle.sell)
            read_texts(data.user_library, find_market(code), bundle.interval_s, bundle.buy, bundle.sell, both)
        except StrategyError as error:
            refused = refused or error
            if bundle.markets:
                raise
        else:
            refused = None
            if not bundle.markets:
                return
    if refused is not None:
        raise refused


def _show_saved(args: argparse.Namespace, result: dict[str, Any]) -> None:
    one = result["strategies"][0]
    code = "strategy.saved" if result["new"] else "strategy.unchanged"
    sys.stdout.write(sentence(code, language(args), name=one["name"], version=one["version"]) + "\n")
    _tell_look_ahead(one, language(args))


def _import(args: argparse.Namespace) -> dict[str, Any]:
    from cli.strategy_import import bring

    brought = bring(args, _library(args))
    return {"strategies": [{**_entry(version), "new": new} for version, new in brought.saved], **brought.report}


def show_imported(args: argparse.Namespace, result: dict[str, Any]) -> None:
    """Print the strategies, then what cannot run and why."""
    _show_list(args, result)
    code = language(args)
    for one in result["texts"]:
        if one["path"]:
            sys.stdout.write(sentence("strategy.exported", code, path=one["path"]) + "\n")
    for one in result["refused"]:
        sys.stdout.write(f"{one['source']} {one['name']}: {one['message']}\n")
        if one["hint"]:
            sys.stdout.write(f"    → {one['hint']}\n")
    sys.stdout.write(sentence("strategy.imported", code, count=result["imported"]) + "\n")
    if result["refused"]:
        sys.stdout.write(
            sentence("strategy.import_refused", code, count=len({(one["source"], one["name"]) for one in result["refused"]})) + "\n"
        )


def _export(args: argparse.Namespace) -> dict[str, Any]:
    from storage.bundles import write_bundle

    library = _library(args)
    chosen = [library.get(name) for name in args.name] if args.name else library.all()
    out = Path(args.out)
    single = out.suffix == ".txt" and len(chosen) == 1
    (out.parent if single else out).mkdir(parents=True, exist_ok=True)
    paths = []
    for version in chosen:
        path = out if single else out / f"{version.name}.txt"
        path.write_text(write_bundle(version.bundle), "utf-8", newline="\n")
        paths.append(str(path))
    return {"strategies": [_entry(version) for version in chosen], "paths": paths}


def _show_exported(args: argparse.Namespace, result: dict[str, Any]) -> None:
    for path in result["paths"]:
        sys.stdout.write(sentence("strategy.exported", language(args), path=path) + "\n")
