"""The product, through its documented door: `Job`, `load`, `run_one` (docs/design/contracts.md, Research)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backtester.job import Job, Loaded, LocalExecutor, Options, load, run_one, vector
from tests.reference import replay, results
from tests.reference.data import Rows
from tests.reference.generate import Draw
from tests.reference.text import labels
from trading.venues import market
from utility.paths import DataDir

FIELDS = tuple(f.name for f in dataclasses.fields(replay.Trade))
# A sum of float64 taken in another order: the only latitude, and only for means and quotients of the figures.
TOLERANCE = 1e-9


@dataclass
class Comparison:
    """What both sides said of one rule set."""

    trades: int
    differences: list[str]


def product(draw: Draw, rows: Rows) -> Loaded:
    """Return the product ready to run a rule set."""
    rules, settings = draw.rules, draw.settings
    options = Options(**{f.name: getattr(settings, f.name) for f in dataclasses.fields(settings)})
    job = Job(
        market(rules.market),
        rules.interval_s,
        rules.buy,
        rules.sell,
        options,
        from_time=rows.dates[0],
        to_time=rows.dates[1],
        variables=rules.variables,
        rows_since=rules.rows_since,
    )
    return load(job, DataDir(rows.root), LocalExecutor(1))


def compare(draw: Draw, rows: Rows, loaded: Loaded | None = None) -> Comparison:
    """Run a rule set on both sides and say where they differ; `loaded` is what the product shall run instead of the same."""
    loaded = loaded or product(draw, rows)
    run = run_one(loaded, variables(draw, loaded))
    days = [day.until(draw.settings.end) for day in rows.days]
    trades, errors = replay.run(draw.rules, draw.settings, days)
    found = []
    theirs = [dict(zip(run.trades.dtype.names, one, strict=True)) for one in run.trades.tolist()]
    codes = loaded.rows.codes
    for ours, other in zip(trades, theirs, strict=False):
        pairs = [(name, getattr(ours, name), shown(other, name, codes)) for name in FIELDS]
        wrong = [f"{name} {mine!r} != {its!r}" for name, mine, its in pairs if mine != its]
        if wrong:
            found.append(f"trade {ours.code} {ours.entry_time}: {', '.join(wrong)}")
            break
    if len(trades) != len(theirs):
        found.append(f"{len(trades)} trades != {len(theirs)}")
    if results.sha256(trades) != run.sha256:
        found.append("sha256")
    if errors != run.errors:
        found.append(f"errors {errors} != {run.errors}")
    if labels(draw.rules.sell) != list(loaded.program.labels):
        found.append(f"labels {labels(draw.rules.sell)} != {list(loaded.program.labels)}")
    figures = results.metrics(trades, days, draw.rules.market, draw.settings.betting)
    for name, value in figures.items():
        if abs(run.metrics[name] - value) > TOLERANCE * max(1.0, abs(value)):
            found.append(f"{name} {value!r} != {run.metrics[name]!r}")
    return Comparison(len(trades), found)


def variables(draw: Draw, loaded: Loaded) -> NDArray[np.float64]:
    """Return `self.vars` of a rule set, without those that its texts do not read."""
    return vector(loaded.program, {index: v for index, v in draw.rules.variables.items() if index < loaded.program.n_vars or index == 0})


def shown(trade: dict[str, object], name: str, codes: tuple[str, ...]) -> object:
    """Return a field of a trade of the product as the trades file shows it."""
    if name == "code":
        return codes[int(trade["symbol"])]  # type: ignore[call-overload]
    if name == "side":
        return "LONG" if trade["side"] == 1 else "SHORT"
    return trade[name]
