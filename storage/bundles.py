"""A strategy as one readable text file: what `strategy export` writes and `strategy import` reads.

A heading of ``# key: value`` lines (strategy, markets, interval, vars, note), then the two documents
after ``# --- buy`` and ``# --- sell``. Files are opened by strategy_files.py, which reads STOM's ``strategy.db`` too.
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass, field

from domain.errors import InputError
from domain.market_codes import MARKET_CODES

MARKETS = MARKET_CODES
_HEADING = re.compile(r"#\s*(strategy|markets|interval|vars|note)\s*:\s*(.*)$")
_PART = re.compile(r"#\s*---\s*(buy|sell)\s*$")
_NAME = re.compile(r"\w{1,64}")
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
        raise InputError("strategy.kept_name", name=name[:80])
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
        ``strategy.import_no_bundle``: nothing of one; ``strategy.import_bundle`` with the field that is wrong, or ``strategy.kept_name``.
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
    if "strategy" not in values and not parts:
        raise InputError("strategy.import_no_bundle", path=source)
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
