"""Does a ledger hold what the paper exchange did: the trader's orders and fills against the exchange's own record.

The two are written by different processes from different sides of the wire, so their agreement proves the
road between them. An exchange's life is named in its record's first line and stands before each fill's
identity in the ledger, so that runs of one account are not mixed up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from paper.truth import read_truth
from storage.ledger import ledger_path
from storage.ledger_verify import Problem, reading
from trading.reconcile import OUR_ID

_ZERO = (Decimal(0), Decimal(0))
_TOLERANCE = Decimal("1e-6")
"""Of an amount: an execution that only the order's totals prove carries their average price."""


def lives(folder: Path) -> dict[str, tuple[Path, list[dict[str, Any]]]]:
    """Return (path, events) by name of every exchange's life recorded under `folder`; those without a name are left out.

    Raises
    ------
    InputError
        ``exchange.truth_damaged``.
    """
    found: dict[str, tuple[Path, list[dict[str, Any]]]] = {}
    for path in sorted(folder.glob("*/*/truth.jsonl")):
        name = ""
        for event in read_truth(path):
            if event["event"] == "start":
                name = str(event.get("instance", ""))
            if name:
                found.setdefault(name, (path, []))[1].append(event)
    return found


def compare(folder: Path, truths: dict[str, tuple[Path, list[dict[str, Any]]]]) -> tuple[list[Problem], int]:
    """Compare an account's ledger with every recorded life that it took part in.

    Parameters
    ----------
    folder : Path
        The account's.
    truths : dict
        As `lives` returns it.

    Returns
    -------
    problems : list of dict
        Codes ``verify.truth_*``.
    count : int
        Lives compared.
    """
    path = ledger_path(folder)
    with reading(path) as connection:
        kept = {str(row["client_order_id"]): row for row in connection.execute("SELECT client_order_id, cum_qty FROM orders")}
        fills = [dict(row) for row in connection.execute("SELECT fill_key, client_order_id, venue_order_id, qty, price FROM fills")]
        cursor = connection.execute("SELECT value FROM cursors WHERE name = 'venue_instance'").fetchone()
    names = {str(fill["fill_key"]).split("/", 1)[0] for fill in fills} | ({str(cursor[0])} if cursor else set())
    problems: list[Problem] = []
    here = [name for name in sorted(names) if name in truths]
    for name in here:
        ours = [fill for fill in fills if str(fill["fill_key"]).startswith(f"{name}/")]
        problems += [{"path": str(path), "run": str(truths[name][0])} | problem for problem in _one_life(kept, ours, truths[name][1])]
    return problems, len(here)


def _one_life(kept: dict[str, Any], fills: list[dict[str, Any]], events: list[dict[str, Any]]) -> Iterator[Problem]:
    orders = {event["number"]: event for event in events if event["event"] == "order"}
    names = {number: _name(order) for number, order in orders.items()}
    own = [name for name in names.values() if OUR_ID.fullmatch(name)]
    for intent, count in Counter(name.rsplit("-", 1)[0] for name in own).items():
        if count > 1:
            yield {"code": "verify.truth_repeated", "order": intent, "count": count}
    for name in own:
        if name not in kept:
            yield {"code": "verify.truth_order", "order": name}
    there = _sums((names[fill["order"]], fill["qty"], Decimal(str(fill["amount"]))) for fill in events if fill["event"] == "fill")
    by_venue = {str(order[field]): names[number] for number, order in orders.items() for field in ("uuid", "number")}
    mine = _sums(
        (
            fill["client_order_id"] or by_venue.get(str(fill["venue_order_id"]), str(fill["venue_order_id"])),
            fill["qty"],
            Decimal(fill["qty"]) * Decimal(fill["price"]),
        )
        for fill in fills
    )
    for name in sorted(there.keys() | mine.keys()):
        (qty, amount), (our_qty, our_amount) = there.get(name, _ZERO), mine.get(name, _ZERO)
        if qty != our_qty or abs(amount - our_amount) > _TOLERANCE * max(amount, Decimal(1)):
            yield {"code": "verify.truth_fill", "order": name, "venue": f"{qty} ({amount:f})", "kept": f"{our_qty} ({our_amount:f})"}
        row = kept.get(name)
        if row is not None and Decimal(str(row["cum_qty"])) != qty:
            yield {"code": "verify.truth_sum", "order": name, "venue": f"{qty}", "kept": str(row["cum_qty"])}
    for name in own:
        row = kept.get(name)
        if row is not None and name not in there and Decimal(str(row["cum_qty"])):
            yield {"code": "verify.truth_sum", "order": name, "venue": "0", "kept": str(row["cum_qty"])}


def _name(order: dict[str, Any]) -> str:
    """Return an order's client id; an order without one goes by the venue's uuid."""
    return str(order["client_id"] or order["uuid"])


def _sums(parts: Iterable[tuple[str, Any, Decimal]]) -> dict[str, tuple[Decimal, Decimal]]:
    sums: dict[str, tuple[Decimal, Decimal]] = {}
    for name, qty, amount in parts:
        before = sums.get(name, _ZERO)
        sums[name] = before[0] + Decimal(str(qty)), before[1] + amount
    return sums
