"""Files that strategies come in: a bundle text, or the ``strategy.db`` of STOM V1 or V3 (strategy-language 2.5).

A STOM database has a table for each market and kind of document. Buy and sell texts become bundles of
ours, unchanged; what else stands there (range texts, condition lists, schedules) is read as it is.
"""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from domain.errors import InputError
from domain.market_codes import COIN_MARKETS, FUTURES_MARKETS, STOCK_MARKETS
from storage.bundles import Bundle, plain_name, read_bundle
from utility.text_file import read_text

DOCUMENTS = {"buy": "buy", "sell": "sell", "optibuy": "buy", "optisell": "sell"}
"""Kind of a table → side of its documents."""
OTHERS = ("optivars", "vars", "buyconds", "sellconds", "schedule")
"""Range texts (grid, list), condition lists, back-test schedules."""
_KINDS = sorted((*DOCUMENTS, *OTHERS), key=len, reverse=True)
_MINUTE = re.compile(r"분당|분봉|self\.indicator|_1m\b|\bbar_(?:open|high|low)\b")
_FUTURES = re.compile(r"\b(?:BUY_LONG|SELL_LONG|SELL_SHORT|BUY_SHORT)\b")


def _names(prefix: str, markets: tuple[str, ...]) -> bool:
    """Tell whether a table's prefix names the venue of one of the markets."""
    return any(code.split("-")[0] in prefix for code in markets)


@dataclass(frozen=True)
class StomText:
    """One document of a STOM database.

    Parameters
    ----------
    table, kind : str
        Where it stood, and the table's name without the market.
    original : str
        Its name in STOM.
    text : str
        As it stands, line ends made plain.
    best : str
        변수값 of an optimisable buy text.
    """

    table: str
    kind: str
    original: str
    text: str
    best: str = ""

    @property
    def prefix(self) -> str:
        """The market as STOM names it."""
        return self.table.removesuffix(self.kind).strip("_")

    @property
    def markets(self) -> tuple[str, ...]:
        """Markets of ours that it is for; none where the table does not tell."""
        prefix = self.prefix.lower()
        if _FUTURES.search(self.text) or _names(prefix, FUTURES_MARKETS) or ("coin" in prefix and "future" in prefix):
            return FUTURES_MARKETS  # of that venue STOM traded nothing else
        if prefix.startswith("coin") or _names(prefix, COIN_MARKETS):
            return COIN_MARKETS
        return STOCK_MARKETS if prefix.startswith("stock") or _names(prefix, STOCK_MARKETS) else ()

    @property
    def interval_s(self) -> int:
        """60 for a text that reads what only minutes have, else 1."""
        return 60 if _MINUTE.search(self.text) else 1

    @property
    def is_finder(self) -> bool:
        """Whether it is a back-finder text (strategy-language 9), which has no sell text."""
        return "self.tickcols" in self.text

    @property
    def variables(self) -> dict[int, float]:
        """변수값 by index, empty where it is no list of numbers."""
        try:
            return {k: float(part) for k, part in enumerate(part for part in self.best.split(";") if part)}
        except ValueError:
            return {}


@dataclass(frozen=True)
class Found:
    """What a file held.

    Parameters
    ----------
    bundles : tuple of Bundle
        Strategies to be kept.
    texts : tuple of StomText
        Every document of a STOM database, with the name of the bundle it went into, "" for those that are no strategy.
    """

    bundles: tuple[Bundle, ...]
    texts: tuple[tuple[StomText, str], ...] = field(default=())


def read_file(path: Path) -> Found:
    """Return what a file holds: a bundle text, or the documents of a STOM ``strategy.db``.

    Raises
    ------
    InputError
        The file cannot be read, is no bundle, or holds nothing.
    """
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise InputError("file.unreadable", path=str(path), cause=error.strerror or str(error)) from error
    if start != b"SQLite format 3\0":
        return Found((read_bundle(read_text(path), str(path)),))
    texts = read_stom(path)
    if not texts:
        raise InputError("strategy.import_nothing", path=str(path))
    return bundles_of(texts)


def read_stom(path: Path) -> list[StomText]:
    """Return every document of a STOM database, table by table."""
    out: list[StomText] = []
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            tables = [str(row[0]) for row in connection.execute("select name from sqlite_master where type = 'table' order by name")]
            for table in tables:
                kind = next((one for one in _KINDS if table.endswith(one)), "")
                if kind:
                    out += _read_table(connection, table, kind)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise InputError("strategy.import_file", path=str(path), cause=str(error)) from error
    return out


def _read_table(connection: sqlite3.Connection, table: str, kind: str) -> list[StomText]:
    quoted = table.replace('"', '""')
    cursor = connection.execute(f'select * from "{quoted}"')
    names = [column[0] for column in cursor.description]
    text_at = next((names.index(one) for one in ("전략코드", "스케쥴", "스케줄") if one in names), -1)
    if "index" not in names or text_at < 0:
        return []
    best_at = names.index("변수값") if "변수값" in names else -1
    return [
        StomText(
            table=table,
            kind=kind,
            original=str(row[names.index("index")]),
            text=str(row[text_at] or "").replace("\r\n", "\n").strip("\n") + "\n",
            best=str(row[best_at] or "") if best_at >= 0 else "",
        )
        for row in cursor
    ]


def bundles_of(texts: Sequence[StomText]) -> Found:
    """Return the strategies of a STOM database.

    A buy and a sell text of one name, market, interval and kind become one bundle, others one each. Characters that
    a name of ours cannot have become underscores; a name that is taken gets its table's name behind it.
    """
    groups: dict[tuple[object, ...], list[StomText]] = {}
    for one in texts:
        if one.kind in DOCUMENTS:
            fixed = one.kind in ("buy", "sell")
            key: tuple[object, ...] = (one.prefix, fixed, one.original, one.markets, one.interval_s, one.is_finder)
            side = DOCUMENTS[one.kind]
            if any(DOCUMENTS[other.kind] == side for other in groups.get(key, [])):
                key = (*key, len(groups))
            groups.setdefault(key, []).append(one)
    taken: set[str] = set()
    names: dict[int, str] = {}
    bundles = []
    for group in groups.values():
        name = _free_name(group, taken)
        taken.add(name)
        names |= {id(one): name for one in group}
        bundles.append(_bundle(name, group))
    return Found(tuple(bundles), tuple((one, names.get(id(one), "")) for one in texts))


def _free_name(group: Iterable[StomText], taken: set[str]) -> str:
    first = next(iter(group))
    name = re.sub(r"\W", "_", unicodedata.normalize("NFC", first.original))[:64] or "_"
    if name in taken:
        name = name[:40] + "_" + re.sub(r"\W", "_", first.table)[:20]
    number = 2
    base = name
    while name in taken:
        name, number = f"{base[:60]}_{number}", number + 1
    return plain_name(name)


def _bundle(name: str, group: Sequence[StomText]) -> Bundle:
    documents = {DOCUMENTS[one.kind]: one for one in group}
    variables = {index: value for one in group for index, value in one.variables.items()}
    return Bundle(
        name=name,
        buy=documents["buy"].text if "buy" in documents else "",
        sell=documents["sell"].text if "sell" in documents else "",
        markets=group[0].markets,
        interval_s=group[0].interval_s,
        variables=variables,
        note=" ".join(one.table for one in group),
    )
