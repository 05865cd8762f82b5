"""`stom.py strategy import`: what comes in is kept unchanged, and what cannot run is said with its line and reason."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.output import language
from domain.errors import InputError, StomError, StrategyError
from domain.instruments import Market
from domain.market_codes import MARKET_CODES
from storage.bundles import Bundle
from storage.strategies import Strategies, Version
from storage.strategy_files import DOCUMENTS, StomText, read_file
from utility.text import has, sentence


@dataclass(frozen=True)
class Brought:
    """What an import did.

    Parameters
    ----------
    saved : list of (Version, bool)
        Strategies, and whether each is new.
    report : dict
        `imported`, `texts` (documents of a STOM database), `refused` (what cannot run: source, name, line, column,
        code, message, hint).
    """

    saved: list[tuple[Version, bool]]
    report: dict[str, Any]


def bring(args: argparse.Namespace, library: Strategies) -> Brought:
    """Read every source, keep its strategies, and check all its texts."""
    bundles: list[Bundle] = []
    texts: list[dict[str, Any]] = []
    refused: list[dict[str, Any]] = []
    code = language(args)
    for source in args.source:
        path = Path(source)
        files = sorted(path.glob("*.txt")) if path.is_dir() else [path]
        if not files:
            raise InputError("strategy.import_nothing", path=source)
        for file in files:
            found = read_file(file)
            bundles += found.bundles
            if not found.texts:
                for bundle in found.bundles:
                    refused += [_said(error, str(file), bundle.name, code) for error in _of_bundle(library.path, bundle)]
            for one, name in found.texts:
                kept = _write(one, args.texts)
                texts.append({"source": one.table, "name": one.original, "kind": one.kind, "strategy": name, "path": kept})
                refused += [_said(error, one.table, one.original, code) for error in _of_stom(library.path, one)]
    saved = [library.save(bundle) for bundle in bundles]
    return Brought(saved, {"imported": sum(new for _, new in saved), "texts": texts, "refused": refused})


def _said(error: StomError, source: str, name: str, code: str) -> dict[str, Any]:
    """Return why a text cannot run, as the contract has it."""
    line, column = int(error.fields.get("line", 0)), int(error.fields.get("column", 0))
    if isinstance(error, StrategyError):
        line, column = error.line, error.column
    fields = {**error.fields, "line": line, "column": column}
    hint = str(error.fields.get("hint", ""))
    message = sentence(error.code, code, **fields)
    spoken = sentence(hint, code, **fields) if hint and has(hint, code) else ""
    return {"source": source, "name": name, "line": line, "column": column, "code": error.code, "message": message, "hint": spoken}


def _of_bundle(library: Path, bundle: Bundle) -> Iterator[StomError]:
    for side, text in (("buy", bundle.buy), ("sell", bundle.sell)):
        if text:
            yield from _check(library, text, side, bundle.markets, bundle.interval_s)


def _of_stom(library: Path, one: StomText) -> Iterator[StomError]:
    if one.kind in DOCUMENTS:
        if one.best and not one.variables:
            yield InputError("strategy.import_bundle", path=one.table, field="변수값", line=0)
        yield from _check(library, one.text, DOCUMENTS[one.kind], one.markets, one.interval_s)
    elif one.kind == "schedule":
        yield InputError("strategy.import_schedule", line=0)
    else:
        try:
            _check_other(library, one)
        except StomError as error:
            yield from getattr(error, "errors", (error,))


def _check(library: Path, text: str, side: str, codes: tuple[str, ...], interval_s: int) -> list[StomError]:
    """Return the errors of a text on the market of its own where it has the fewest."""
    from strategy.finder_text import is_finder, parse_finder
    from strategy.language import StrategyErrors
    from trading.texts import formulas_of, read_text
    from trading.venues import market

    least: list[StomError] | None = None
    for code in codes or MARKET_CODES:
        try:
            if side == "buy" and is_finder(text):
                parse_finder(text, market(code), interval_s, formulas_of(library, market(code), interval_s, (text,)))
            else:
                read_text(library, market(code), interval_s, text, side)
        except StrategyErrors as refused:
            if least is None or len(refused.errors) < len(least):
                least = list(refused.errors)
        else:
            return []
    return least or []


def _check_other(library: Path, one: StomText) -> None:
    """Check a range text or a condition list."""
    from backtester.condition_lines import parse_lines
    from backtester.ranges import parse_ranges
    from trading.texts import formulas_of
    from trading.venues import market

    if one.kind in ("optivars", "vars"):
        parse_ranges(one.text, "grid" if one.kind == "optivars" else "list")
        return
    of: Market = market((one.markets or MARKET_CODES)[0])
    other = "# LONG\n수익률 > 1\n# SHORT\n수익률 > 1\n" if "# LONG" in one.text or "# SHORT" in one.text else "수익률 > 1\n"
    buy, sell = (one.text, other) if one.kind == "buyconds" else (other.replace("수익률", "등락율"), one.text)
    parse_lines(buy, sell, of, one.interval_s, formulas_of(library, of, one.interval_s, (buy, sell)))


def _write(one: StomText, folder: str | None) -> str:
    """Write what is no strategy of the library into a file of its own; returns its path, "" when it is kept elsewhere or not wanted."""
    if folder is None or one.kind == "schedule" or one.kind in DOCUMENTS:
        return ""
    home = Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    path = home / (re.sub(r"\W", "_", f"{one.table}_{one.original}") + ".txt")
    path.write_text(one.text, "utf-8", newline="\n")
    return str(path)
