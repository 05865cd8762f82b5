"""What the research tab reads from disk, in the job thread: trades, trials, rows around a trade."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from domain.errors import DataError
from domain.instruments import Market
from domain.records import row_schema
from ui.format import row_ns
from ui.models.runs import TradeRow, TrialRecord
from ui.models.series import RowSeries

AROUND_S = 720
AROUND_ROWS = 240
"""How much is read before and after a trade: seconds of one-second rows, rows of longer ones."""
TRADES_MAX = 200_000


@dataclass(frozen=True)
class TradeSpan:
    """Rows around a trade, and where its ends lie in time."""

    rows: RowSeries
    entry_ns: int
    exit_ns: int


def read_trades(path: Path) -> list[TradeRow]:
    """Return the trades of a run's Parquet file; DataError when it is gone or damaged."""
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path).slice(0, TRADES_MAX)
        columns = {name: table.column(name).to_pylist() for name in table.column_names}
        names = [name for name in TradeRow.__dataclass_fields__ if name in columns]
        return [TradeRow(number=i + 1, **{name: columns[name][i] for name in names if name != "number"}) for i in range(table.num_rows)]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DataError("ui.research.no_trades_file", path=str(path), reason=str(error)) from error


@dataclass(frozen=True)
class FoundStudy:
    """A stored study with its trials.

    Parameters
    ----------
    study : storage.studies.Study
    trials : list of TrialRecord
        In the order of evaluation.
    vectors : ndarray of float64, shape (trials, variables)
    scores : ndarray of float64, shape (trials,)
    metrics : dict of str to ndarray of float64, shape (trials,)
    """

    study: Any
    trials: list[TrialRecord]
    vectors: np.ndarray
    scores: np.ndarray
    metrics: dict[str, np.ndarray]

    @property
    def moved(self) -> list[int]:
        """Variables that have more than one value among the trials."""
        return [k for k in range(self.vectors.shape[1]) if len(self.vectors) and np.ptp(self.vectors[:, k]) > 0.0]


def read_study(data_dir: Path, name: str) -> FoundStudy:
    """Return a study with its trials and their metrics; of a walk-forward those of its last window."""
    from storage.studies import Studies
    from utility.paths import DataDir

    store = Studies(DataDir(data_dir).user_library)
    kept = store.study(name)
    names = [str(one) for one in kept.passport["plan"]["metrics"]]
    front = {one["number"] for one in kept.result.get("front") or ()}
    windows = len((kept.result.get("walk_forward") or {}).get("windows", ()))
    walks = bool(kept.passport["plan"].get("walk_forward"))
    trials = store.trials(f"{name}/{max(windows, 1)}" if walks else name)
    best = int(np.argmax(trials.scores)) if len(trials) else -1
    figures = {key: trials.metrics[:, place] for place, key in enumerate(names)} if len(trials) else {}
    found = FoundStudy(kept, [], trials.vectors, trials.scores, figures)
    moved = found.moved
    for number in range(len(trials)):
        metrics = {key: float(column[number]) for key, column in figures.items()}
        vector = trials.vectors[number].tolist()
        variables, every = variables_text(vector, moved), variables_text(vector)
        found.trials.append(
            TrialRecord(number + 1, float(trials.scores[number]), variables, metrics, number == best, number in front, every)
        )
    return found


def variables_text(vector: Sequence[float], shown: Sequence[int] = ()) -> str:
    """Return variables as ``[0]=30  [5]=180``: those of `shown`, all where nothing is named."""
    return "  ".join(f"[{index}]={value:g}" for index, value in enumerate(vector) if not shown or index in shown)


def holding_unit(passport: dict[str, Any]) -> int:
    """Return the seconds in which a run of this passport counts holding times: those of its rows' clock."""
    return 1 if int(passport["interval_s"]) == 1 else 60


def read_studies(data_dir: Path, most: int = 500) -> list[Any]:
    """Return the newest studies of the library, newest first."""
    from storage.studies import Studies
    from utility.paths import DataDir

    return Studies(DataDir(data_dir).user_library).studies(most)


def read_searches(data_dir: Path, walks: bool, most: int = 500) -> list[tuple[Any, int]]:
    """Return the newest walk-forwards, or searches that are none, each with its number of trials; those ended from outside say so."""
    from storage.ended_studies import settle
    from storage.studies import Studies
    from utility.paths import DataDir

    data = DataDir(data_dir)
    store = Studies(data.user_library)
    settle(store, data.run)
    found = [one for one in store.studies(most) if bool(one.passport["plan"].get("walk_forward")) == walks]
    counts = store.trial_counts([one.study for one in found])
    return [(one, counts[one.study]) for one in found]


def read_runs(data_dir: Path, most: int = 2_000) -> list[Any]:
    """Return the newest runs of the library, newest first."""
    from storage.studies import Studies
    from utility.paths import DataDir

    return Studies(DataDir(data_dir).user_library).runs(most)


def read_trade_rows(data_dir: Path, market: Market, interval_s: int, source: str, trade: TradeRow) -> TradeSpan:
    """Return the stored rows around a trade.

    Raises
    ------
    InputError, DataError
        The store has no such rows (any more).
    """
    from storage.bars import open_bars
    from storage.ticks import TickStore

    around = dt.timedelta(seconds=AROUND_S if interval_s == 1 else AROUND_ROWS * interval_s)
    offset = market.day_offset_s()
    first, last = (_shift(t, sign * around, interval_s) for t, sign in ((trade.entry_time, -1), (trade.exit_time, 1)))
    found = open_bars(TickStore(data_dir), market, interval_s, source=source or None, codes=[trade.code], from_time=first, to_time=last)
    schema = row_schema(market.kind, interval_s)
    places = np.concatenate([np.arange(block["lo"], block["hi"]) for block in found.blocks]) if len(found.blocks) else np.zeros(0, np.int64)
    if not len(places):
        raise DataError("ui.research.no_rows", code=trade.code)
    values = np.column_stack([found.columns[column.key][places] for column in schema.columns])
    times = np.array([row_ns(int(t), offset) for t in found.row_time[places]], np.int64)
    rows = RowSeries(schema)
    rows.fill(times, values)
    return TradeSpan(rows, row_ns(trade.entry_time, offset), row_ns(trade.exit_time, offset))


def _shift(row_time: int, by: dt.timedelta, interval_s: int) -> int:
    form = "%Y%m%d%H%M%S" if interval_s == 1 else "%Y%m%d%H%M"
    text = str(row_time).ljust(14, "0")[: 14 if interval_s == 1 else 12]
    return int((dt.datetime.strptime(text, form) + by).strftime(form))
