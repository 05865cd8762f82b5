"""A strategy as one readable text file: what `strategy export` writes and `strategy import` reads.

A heading of ``# key: value`` lines (strategy, markets, interval, vars, note), then the two documents
after ``# --- buy`` and ``# --- sell``. STOM's own ``strategy.db`` is read too.
"""

from __future__ import annotations

import math
import re
import sqlite3
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

from domain.errors import InputError
from domain.market_codes import COIN_MARKETS, FUTURES_MARKETS, MARKET_CODES, STOCK_MARKETS
from utility.text_file import read_text

MARKETS = MARKET_CODES
_HEADING = re.compile(r"#\s*(strategy|markets|interval|vars|note)\s*:\s*(.*)$")
_PART = re.compile(r"#\s*---\s*(buy|sell)\s*$")
_NAME = re.compile(r"\w{1,64}")
_STOM_TABLES = ("buy", "sell", "optibuy", "optisell")
INTERVALS = {"1s": 1, "1m": 60}


@dataclass(frozen=True)
class Bundle:
    """A strategy without its history.

    Parameters
    ----------
    name : str
        Letters, digits and underscore; composed (NFC).
    markets : tuple of str
        Where it is meant to run; empty means anywhere its names exist.
    interval_s : int
        1 or 60.
    buy, sell : str
        The documents; one may be empty when only the other side was imported.
    variables : dict of int to float
        ``self.vars`` it runs with.
    """

    name: str
    buy: str
    sell: str
    markets: tuple[str, ...] = ()
    interval_s: int = 1
    variables: dict[int, float] = field(default_factory=dict)
    note: str = ""


def plain_name(name: str) -> str:
    """Return a strategy's name composed; InputError when it holds anything but letters, digits and underscores."""
    composed = unicodedata.normalize("NFC", name.strip())
    if not _NAME.fullmatch(composed):
        raise InputError("strategy.library_name", name=name[:80])
    return composed


def write_bundle(bundle: Bundle) -> str:
    """Return a bundle as text; `read_bundle` gives the same bundle back."""
    head = [f"# strategy: {bundle.name}"]
    if bundle.markets:
        head.append(f"# markets: {' '.join(bundle.markets)}")
    head.append(f"# interval: {'1s' if bundle.interval_s == 1 else '1m'}")
    if bundle.variables:
        head.append("# vars: " + ", ".join(f"{index}={value:.17g}" for index, value in sorted(bundle.variables.items())))
    if bundle.note:
        head.append("# note: " + " ".join(bundle.note.split()))
    return "\n".join([*head, "", "# --- buy", bundle.buy.strip("\n"), "", "# --- sell", bundle.sell.strip("\n"), ""])


def read_bundle(text: str, source: str) -> Bundle:
    """Return the bundle of a text file.

    Raises
    ------
    InputError
        ``strategy.import_bundle`` with the field that is wrong, or ``strategy.library_name``.
    """
    values: dict[str, str] = {}
    parts: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in text.splitlines():
        part = _PART.match(line)
        if part is not None:
            if part[1] in parts:
                raise InputError("strategy.import_bundle", path=source, field=f"--- {part[1]}")
            current = parts[part[1]] = []
            continue
        heading = _HEADING.match(line) if current is None else None
        if heading is not None:
            values[heading[1]] = heading[2].strip()
        elif current is not None:
            current.append(line)
    if "strategy" not in values or not parts:
        raise InputError("strategy.import_bundle", path=source, field="strategy" if "strategy" not in values else "--- buy")
    interval = values.get("interval", "1s")
    if interval not in INTERVALS:
        raise InputError("strategy.import_bundle", path=source, field=f"interval: {interval}")
    markets = tuple(values.get("markets", "").replace(",", " ").split())
    if any(market not in MARKETS for market in markets):
        raise InputError("strategy.import_bundle", path=source, field=f"markets: {' '.join(markets)}")
    documents = {side: "\n".join(parts.get(side, [])).strip("\n") for side in ("buy", "sell")}
    return Bundle(
        name=plain_name(values["strategy"]),
        buy=documents["buy"] + "\n" if documents["buy"] else "",
        sell=documents["sell"] + "\n" if documents["sell"] else "",
        markets=markets,
        interval_s=INTERVALS[interval],
        variables=parse_variables(values.get("vars", ""), source),
        note=values.get("note", ""),
    )


def parse_variables(text: str, source: str) -> dict[int, float]:
    """Return ``0=30, 1=2.5`` as index → value."""
    out: dict[int, float] = {}
    for part in text.split(","):
        if not part.strip():
            continue
        index, equals, value = part.partition("=")
        try:
            number = float(value)
            at = int(index)
        except ValueError:
            at, number = -1, math.nan
        if not equals or at < 0 or not math.isfinite(number) or at in out:
            raise InputError("strategy.import_bundle", path=source, field=f"vars: {part.strip()}")
        out[at] = number
    return out


def read_file(path: Path) -> list[Bundle]:
    """Return what a file holds: a bundle text, or the strategies of a STOM ``strategy.db``.

    Raises
    ------
    InputError
        The file cannot be read, is no bundle, or holds nothing.
    """
    try:
        with path.open("rb") as file:
            start = file.read(16)
        if start == b"SQLite format 3\0":
            found = read_stom(path)
            if not found:
                raise InputError("strategy.import_nothing", path=str(path))
            return found
    except OSError as error:
        raise InputError("file.unreadable", path=str(path), cause=error.strerror or str(error)) from error
    return [read_bundle(read_text(path), str(path))]


def read_stom(path: Path) -> list[Bundle]:
    """Return the strategies of a STOM ``strategy.db``: each document its own bundle, named after it.

    A name that cannot be a name of ours has its other characters replaced by underscores. Texts that
    read a per-minute factor are taken as minute strategies.
    """
    out: list[Bundle] = []
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        tables = [row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")]
        for prefix, markets in (("stock", STOCK_MARKETS), ("coin", COIN_MARKETS)):
            for kind in _STOM_TABLES:
                if prefix + kind in tables:
                    out += _stom_table(connection, prefix + kind, markets, kind.endswith("buy"))
    except sqlite3.DatabaseError as error:
        raise InputError("strategy.import_file", path=str(path), cause=str(error)) from error
    finally:
        connection.close()
    return out


def _stom_table(connection: sqlite3.Connection, table: str, markets: tuple[str, ...], is_buy: bool) -> list[Bundle]:
    cursor = connection.execute(f'select * from "{table}"')
    names = [column[0] for column in cursor.description]
    if "전략코드" not in names or "index" not in names:
        return []
    out = []
    for row in cursor:
        values = dict(zip(names, row, strict=True))
        text = str(values["전략코드"] or "").replace("\r\n", "\n").strip("\n") + "\n"
        name = re.sub(r"\W", "_", unicodedata.normalize("NFC", str(values["index"])))[:64]
        best = [part for part in str(values.get("변수값") or "").split(";") if part]
        try:
            variables = {k: float(part) for k, part in enumerate(best)}
        except ValueError:
            variables = {}
        futures = "BUY_LONG" in text or "SELL_LONG" in text
        out.append(
            Bundle(
                name=plain_name(name),
                buy=text if is_buy else "",
                sell="" if is_buy else text,
                markets=FUTURES_MARKETS if futures else markets,
                interval_s=60 if "분당" in text or "분봉" in text else 1,
                variables=variables,
                note=table,
            )
        )
    return out
