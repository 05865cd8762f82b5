"""A stored run as a sheet: its passport, trades and figures, and the prices that are laid beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from backtester.sheet.figures import DAY_S, Floats, Times, Trades, equal_weight, moments
from backtester.verdict.subjects import division_of
from domain.errors import DataError, InputError
from domain.instruments import Market
from domain.intervals import day_unit, is_daily
from storage.bars import open_bars
from storage.columns import RowSet
from storage.studies import Run, Studies
from storage.ticks import TickStore
from trading.venues import market
from utility.paths import DataDir

PRICE_POINTS = 300
ROWS_MAX = 20_000
"""Trades listed in a page; the file of trades always has all of them."""
SYMBOLS_MAX = 200
"""Symbols whose mean is laid beside a run; of more, the first."""


@dataclass(frozen=True)
class Price:
    """Something to compare with: gain in % at moments; an empty name is the mean of the run's symbols."""

    name: str
    times: Times
    gain_pct: Floats


@dataclass(frozen=True)
class Parts:
    """Where the parts of the study's days begin (workstation 9.4, 12).

    Parameters
    ----------
    validation : tuple of datetime64
        First moment of each validation part.
    test : tuple of datetime64, optional
        First moment of the part that the search never saw, and the end of its last day.
    """

    validation: tuple[np.datetime64, ...] = ()
    test: tuple[np.datetime64, np.datetime64] | None = None


@dataclass(frozen=True)
class Sheet:
    """Everything a report shows.

    Parameters
    ----------
    run : Run
        As it is stored.
    market : Market
    interval_s : int
    trades : Trades
    columns : dict of str to list
        The last ROWS_MAX trades as the file of trades has them, for the list of trades.
    prices : tuple of Price
    days : int
        Trading days of the run.
    session_s : float
        Seconds of a trading day in which it could trade.
    verdict : dict or None
        Figures and verdict of `stom.py verdict` on the run or on the study that found it.
    """

    run: Run
    market: Market
    interval_s: int
    trades: Trades
    columns: dict[str, list[Any]]
    prices: tuple[Price, ...]
    days: int
    session_s: float
    verdict: dict[str, Any] | None
    parts: Parts = Parts()

    @property
    def period(self) -> tuple[Any, Any]:
        """First and last moment of the run (of its trades where the passport does not say it), datetime64[s]."""
        facts = self.run.passport
        if "first_row" in facts:
            first, last = moments(np.array([facts["first_row"], facts["last_row"]]), self.interval_s)
            return first, last
        if not len(self.trades):
            made = np.datetime64(self.run.created_ns, "ns").astype("datetime64[s]")
            return made, made
        return self.trades.entry.min(), self.trades.exit.max()


def load_sheet(data: DataDir, number: int) -> Sheet:
    """Return the sheet of run `number`.

    Raises
    ------
    InputError
        There is no such run.
    DataError
        ``report.no_trades_file``: its file of trades is gone or damaged.
    """
    store = Studies(data.user_library)
    run = store.run(number)
    facts = run.passport
    rules, interval_s = market(facts["market"]), int(facts["interval_s"])
    table = _table(Path(run.trades_path))
    trades = _trades(table, interval_s)
    shown = table.slice(max(0, table.num_rows - ROWS_MAX))
    days = int(facts.get("days") or len(np.unique(trades.exit.astype("datetime64[D]"))))
    return Sheet(
        run=run,
        market=rules,
        interval_s=interval_s,
        trades=trades,
        columns={name: shown.column(name).to_pylist() for name in table.column_names},
        prices=_prices(data, run, rules),
        days=days,
        session_s=_seconds(int(facts["end"])) - _seconds(int(facts["start"])) + 1.0,
        verdict=_verdict(store, run),
        parts=_parts(data, store, facts),
    )


def _seconds(clock: int) -> float:
    return min(clock // 10_000 * 3_600 + clock // 100 % 100 * 60 + clock % 100, DAY_S - 1)


def _table(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError("report.no_trades_file", path=str(path), reason=str(error).splitlines()[0]) from error


def _trades(table: pa.Table, interval_s: int) -> Trades:
    def numbers(name: str) -> Floats:
        return table.column(name).to_numpy().astype(np.float64)

    entry, leave = (moments(table.column(name).to_numpy(), interval_s) for name in ("entry_time", "exit_time"))
    return Trades(
        code=_texts(table.column("code")),
        label=_texts(table.column("exit_label")),
        sign=np.where(_texts(table.column("side")) == "SHORT", -1.0, 1.0),
        entry=entry,
        exit=leave,
        held_s=(leave - entry).astype(np.float64),
        entry_amount=numbers("entry_amount"),
        exit_amount=numbers("exit_amount"),
        return_pct=numbers("return_pct"),
        pnl=numbers("pnl"),
    )


def _texts(column: pa.ChunkedArray) -> NDArray[Any]:
    """Return a column of texts as an array whose equal texts are one object."""
    encoded = column.combine_chunks().dictionary_encode()
    names = np.array([*encoded.dictionary.to_pylist(), ""], dtype=object)  # never empty, so that nothing is guessed about its type
    return names[encoded.indices.to_numpy()]


def _prices(data: DataDir, run: Run, rules: Market) -> tuple[Price, ...]:
    """Return what the store still knows of the market's benchmarks and of the run's symbols over the run's period."""
    facts = run.passport
    if "first_row" not in facts:
        return ()
    codes = tuple(facts["codes"])[:SYMBOLS_MAX]
    wanted = [("", codes), *((code, (code,)) for code in rules.benchmarks)]
    wanted = [one for one in wanted if one != ("", rules.benchmarks[:1])]  # the only symbol has a name of its own
    out = []
    for name, chosen in wanted:
        try:
            times, gain = _gain(data, facts, chosen)
        except (InputError, DataError):
            continue  # not in the store (any more): nothing is laid beside the run
        if len(times):
            out.append(Price(name, times, gain))
    return tuple(out)


def _gain(data: DataDir, facts: dict[str, Any], codes: tuple[str, ...]) -> tuple[Times, Floats]:
    interval_s = int(facts["interval_s"])
    rows = _rows(data, facts, codes)
    # Points among the rows' own times, so that nights do not stand as straight lines of many points.
    spans = rows.blocks
    every = max(1, int((spans["hi"] - spans["lo"]).sum()) // PRICE_POINTS)
    edges = list(zip(spans["lo"].tolist(), spans["hi"].tolist(), strict=True))
    edges = list(zip(spans["lo"].tolist(), spans["hi"].tolist(), strict=True))
    stamps = np.unique(np.concatenate([rows.row_time[lo:hi:every] for lo, hi in edges]))
    grid = np.unique(np.append(stamps[:: max(1, len(stamps) // PRICE_POINTS)], stamps[-1]))
    prices = []
    for symbol in range(len(rows.codes)):
        mine = spans[spans["symbol"] == symbol]
        price = np.full(len(grid), np.nan)
        for lo, hi in zip(mine["lo"].tolist(), mine["hi"].tolist(), strict=True):
            place = np.searchsorted(rows.row_time[lo:hi], grid, side="right") - 1
            price = np.where(place >= 0, rows.columns["last_price"][lo:hi][np.maximum(place, 0)], price)
        prices.append(price)
    return moments(grid, interval_s), equal_weight(prices)


def _rows(data: DataDir, facts: dict[str, Any], codes: tuple[str, ...]) -> RowSet:
    return open_bars(
        TickStore(data.root),
        market(facts["market"]),
        int(facts["interval_s"]),
        source=facts["source"],
        codes=codes,
        from_time=facts["first_row"],
        to_time=facts["last_row"],
        keys=("last_price",),
        end=facts["end"],
    )


def _parts(data: DataDir, store: Studies, facts: dict[str, Any]) -> Parts:
    """Return the parts of the days of the study that found the run; none where it used them all, walked, or they are gone."""
    if not facts.get("study") or "first_row" not in facts:
        return Parts()
    plan = store.study(facts["study"]).passport.get("plan", {})
    if plan.get("walk_forward") or (plan.get("split", "none") == "none" and not plan.get("test_days")):
        return Parts()
    try:
        rows = _rows(data, facts, tuple(facts["codes"]))
        days = np.unique(rows.row_time // day_unit(rows.interval_s) if is_daily(rows.interval_s) else rows.blocks["day"]).tolist()
        division = division_of(plan, days)
    except (InputError, DataError):
        return Parts()
    first = [fold.test[0] for fold in division.folds if fold.test]
    test = (_midnight(division.test[0]), _midnight(division.test[-1]) + np.timedelta64(DAY_S, "s")) if division.test else None
    return Parts(tuple(_midnight(day) for day in sorted(first)), test)


def _midnight(day: int) -> np.datetime64:
    return moments(np.array([day * 1_000_000]), 1)[0]


def _verdict(store: Studies, run: Run) -> dict[str, Any] | None:
    """Return the newest verdict on the run, else on the study that found it; None when nobody judged."""
    found = store.verdict_of(subject=f"run:{run.run}")
    if found is None and run.passport.get("study"):
        found = store.verdict_of(subject=f"study:{run.passport['study']}")
    return None if found is None else found.body
