"""What single events know of limit orders that rows do not: a replay's orders, filled again by its rows.

python -m tools.rigs.limit_fills DATA_DIR [--market upbit]

Takes the newest replay of a data directory that ran with ``--resting events``. Each limit order is given to the queue of
``backtest --fill queue`` for as long as it stood in the replay, over the rows that run recorded; what was filled, and on which row, is
compared. Prints one JSON object: orders by what differs, and of the fills that differ what event they came of.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from domain.exchange import PaperOrder, SelfTrade
from domain.instruments import Market
from domain.orders import OrderKind, TimeInForce, qty_units
from domain.records import TRADE, row_schema
from paper.row_queue import RowQueue
from paper.truth import read_truth
from storage.columns import open_rows
from storage.ticks import TickStore
from trading.account import row_time_of
from trading.venues import market as find_market


def main() -> int:
    """Print the comparison of one replay."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--market", default="upbit")
    args = parser.parse_args()
    print(json.dumps(compare(args.data, find_market(args.market)), indent=1, ensure_ascii=False))
    return 0


def compare(data: Path, market: Market) -> dict[str, Any]:
    """Return counts of a replay's resting orders by what rows say of them."""
    truth = max((data / "exchange").glob("*/*/truth.jsonl"), key=lambda path: int(path.parent.name))
    source = f"run{truth.parent.name}"
    store = TickStore(data)
    orders, fills, ends = _orders(truth)
    trades = _trades(store, market, source)
    schema = row_schema(market.kind, 1)
    counts: Counter[str] = Counter()
    causes: Counter[str] = Counter()
    instruments = {one.code: one for one in store.instruments(market.code, source)}
    for code in sorted({order["code"] for order in orders.values()}):
        rows = open_rows(store, market.code, 1, source, codes=(code,))
        own = np.concatenate([np.arange(one["lo"], one["hi"]) for one in rows.blocks if rows.codes[one["symbol"]] == code])
        table = np.stack([np.asarray(rows.columns[key])[own] for key in schema.keys], axis=1)
        times = np.asarray(rows.row_time)[own]
        for number, order in orders.items():
            if order["code"] == code:
                said = _by_rows(market, instruments[code], table, times, order, ends[number])
                kind, cause = _judge(market, fills.get(number, []), said, times, trades.get(code, {}), order)
                counts[kind] += 1
                if cause:
                    causes[f"{kind}: {cause}"] += 1
    return {"run": source, "orders": sum(counts.values()), "by": dict(sorted(counts.items())), "causes": dict(sorted(causes.items()))}


def _orders(path: Path) -> tuple[dict[int, Any], dict[int, list[Any]], dict[int, int]]:
    orders: dict[int, Any] = {}
    fills: dict[int, list[Any]] = {}
    ends: dict[int, int] = {}
    for line in read_truth(path):
        if line["event"] == "order" and (line["kind"], line["time_in_force"]) == (OrderKind.LIMIT.value, TimeInForce.GTC.value):
            orders[line["number"]] = line
            ends[line["number"]] = 1 << 62
        elif line["event"] == "fill" and line["order"] in orders:
            fills.setdefault(line["order"], []).append(line)
        elif line["event"] == "state" and line["number"] in orders and line["status"] == "canceled":
            ends[line["number"]] = line["market_ns"]
    return orders, fills, ends


def _trades(store: TickStore, market: Market, source: str) -> dict[str, dict[int, list[float]]]:
    """Return prices of the trades of each code by their time."""
    names = [one.code for one in store.instruments(market.code, source)]
    out: dict[str, dict[int, list[float]]] = {}
    for block in store.read_events(market.code, source):
        for one in block[block["kind"] == TRADE]:
            out.setdefault(names[int(one["instrument"])], {}).setdefault(int(one["exchange_ns"]), []).append(float(one["price"]))
    return out


def _by_rows(market: Market, instrument: Any, table: Any, times: Any, order: Any, end_ns: int) -> list[tuple[int, int]]:
    """Return (row time, units) of what the rows fill of an order between its row and its end."""
    queue = RowQueue(market, 1)
    placed, ended = (row_time_of(market, ns, 1) if ns < 1 << 62 else 1 << 62 for ns in (order["market_ns"], end_ns))
    first = int(np.searchsorted(times, placed, side="right")) - 1
    one = PaperOrder(
        number=1, uuid="", client_id="", instrument=0, side=order["side"], kind=OrderKind.LIMIT, time_in_force=TimeInForce.GTC,
        price=Decimal(order["price"]), qty=qty_units(order["qty"]), funds=None, self_trade=SelfTrade.NONE, venue_type="",
        created_ns=0, updated_ns=0,
    )  # fmt: skip
    queue.on_row(instrument, 0, table[first], [])
    queue.add(one)
    out = []
    for k in range(first + 1, len(times)):
        if times[k] > ended or one.cum_qty >= one.qty:
            break
        for _, units in queue.on_row(instrument, 0, table[k], [one]):
            one.cum_qty += units
            out.append((int(times[k]), units))
    return out


def _judge(market: Market, fills: list[Any], said: list[tuple[int, int]], times: Any, trades: Any, order: Any) -> tuple[str, str]:
    """Return how an order differs, and of what its first differing fill came."""
    if any(not fill["is_maker"] for fill in fills):
        return "had at once on arrival, rows make it wait", ""
    got: Counter[int] = Counter()
    for fill in fills:
        place = int(np.searchsorted(times, row_time_of(market, fill["market_ns"], 1), side="left"))
        got[int(times[min(place, len(times) - 1)])] += qty_units(fill["qty"])
    if dict(got) == dict(said):
        return ("same fills" if said else "not filled by either"), ""
    cause = _cause(fills[0], trades, order) if fills else "rows see the price passed or traded, the queue of the events was longer"
    if not said:
        return "filled by events alone", cause
    if not fills:
        return "filled by rows alone", cause
    if sum(got.values()) == sum(units for _, units in said):
        return ("filled whole by both, by events first" if min(got) < said[0][0] else "filled whole by both, other rows"), cause
    return "filled by both, other quantity", cause


def _cause(fill: Any, trades: dict[int, list[float]], order: Any) -> str:
    prices = trades.get(fill["market_ns"], [])
    limit = float(order["price"])
    if any(order["side"] * (price - limit) < 0 for price in prices):
        return "a trade went through the price"
    return "a trade at the price" if limit in prices else "a quote of the other side came to the price"


if __name__ == "__main__":
    raise SystemExit(main())
