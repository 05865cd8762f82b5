"""Other back-testers beside ours: the same rows, the same rule, in each one's own idiom and environment.

What: R1 (freqtrade: R2) over the rows of one symbol, five days, as a file; each peer runs it in a process of its own, in an
environment made from ``requirements/peers/<name>.txt`` (pinned, hashes checked) under ``_database/cache/peers/<name>``; ours
runs over all rows at the best price on one thread before and after each of them. Unit: rows a second of processor time in
the engine itself, median of five, feeding and imports apart; the ratio is of these rates. Budget: research.py's table (500 ×
or 20 ×). Trades are compared entry by entry with ours over the peer's rows, and `why` says what the comparison shows. A peer
that does not install or run is a line with its error. Why: a claim about speed needs the others beside it.

    python -m benchmarks.bench_peers [--rows 2280000] [--only vectorbt,backtrader] [--quick] [--json FILE]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tools import environment  # noqa: E402

environment.prepare()

import numpy as np  # noqa: E402

from backtester import kernel  # noqa: E402
from backtester.cut import day_seconds  # noqa: E402
from backtester.engine import Engine, Options, prepare  # noqa: E402
from benchmarks.bench_bars import R2, r2_engine  # noqa: E402
from benchmarks.bench_step import BETTING, FEE, R1, r1_engine  # noqa: E402
from benchmarks.research_rows import make_bars, make_rows  # noqa: E402
from coin.markets import UPBIT  # noqa: E402
from storage.columns import RowSet  # noqa: E402

SCRIPTS = ROOT / "benchmarks" / "peers"
PLACE = ROOT / "_database" / "cache" / "peers"
DAYS, BAR_DAYS = 5, 40
"""What the peers get: days of one symbol's seconds and of one symbol's minutes, about a hundred thousand rows."""
RUN_SECONDS_MAX = 1_800


class PeerError(Exception):
    """A peer that cannot be set up or run; the message is its own."""


@dataclass(frozen=True)
class Peer:
    """One other engine: ``peers/<name>_py.py`` and ``requirements/peers/<name>.txt``."""

    bar: float
    rule: str = "R1"
    sources: tuple[str, ...] = ()  # packages that are published as source only


PEERS = {
    "nautilustrader": Peer(500),
    "vnpy": Peer(500),
    "backtesting": Peer(500),
    "backtrader": Peer(500),
    "vectorbt": Peer(20),
    "hftbacktest": Peer(20),
    "freqtrade": Peer(500, "R2", ("sdnotify",)),
}


def python_of(name: str) -> Path:
    """Return the interpreter of a peer's environment, made or mended where it is not what its requirements say.

    Raises
    ------
    PeerError
        With the installer's last line.
    """
    wanted, folder = ROOT / "requirements" / "peers" / f"{name}.txt", PLACE / name
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp, digest = folder / ".lock-sha256", hashlib.sha256(wanted.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest and python.exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    sources = [word for package in PEERS[name].sources for word in ("--no-binary", package)]
    flags = ["-qq", "--no-input", "--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:", *sources]
    for command in ([sys.executable, "-m", "venv", str(folder)], [str(python), "-m", "pip", "install", *flags, "-r", str(wanted)]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PeerError(f"not installed: {_last(done)}")
    stamp.write_text(digest)
    return python


def _last(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip() and not line.startswith("WARNING")]
    return lines[-1].strip() if lines else f"status {done.returncode}"


def asked(name: str, rows: Path, times: int) -> dict[str, Any]:
    """Run a peer's script and return its answer.

    Raises
    ------
    PeerError
    """
    command = [str(python_of(name)), str(SCRIPTS / f"{name}_py.py"), str(rows), str(times)]
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "NUMBA"))}
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=rows.parent, env=environ, check=False, timeout=RUN_SECONDS_MAX)
    except subprocess.TimeoutExpired as error:
        raise PeerError(f"longer than {RUN_SECONDS_MAX} s") from error
    if done.returncode:
        raise PeerError(_last(done))
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def why(ours: list[list[int]], theirs: list[list[int]]) -> str:
    """Return in words how their trades differ from ours, ``""`` where they do not."""
    if ours == theirs:
        return ""
    found = []
    later = [b[0] - a[0] for a, b in zip(ours, theirs, strict=False)]
    if len(ours) == len(theirs) and later:
        shift = statistics.mode(later)
        fit = sum(one == shift for one in later)
        found.append(f"{fit} of {len(ours)} entries {f'{shift} row(s) later' if shift else 'on the same row'}")
        exits = [b[1] - a[1] for a, b in zip(ours, theirs, strict=True)]
        shift = statistics.mode(exits)
        fit = sum(one == shift for one in exits)
        found.append(f"{fit} exits {f'{shift} row(s) later' if shift else 'on the same row'}")
        return "; ".join(found)
    mine, other = {entry: leave for entry, leave in ours}, {entry: leave for entry, leave in theirs}
    lost, more = sorted(set(mine) - set(other)), sorted(set(other) - set(mine))
    at_once = sum(mine[entry] == entry for entry in lost)
    if at_once:
        found.append(f"{at_once} bought on a day's last row and closed on it are not theirs: one order a row")
    if len(lost) > at_once:
        found.append(f"{len(lost) - at_once} entries are only ours (first: row {next(e for e in lost if mine[e] != e)})")
    if more:
        found.append(f"{len(more)} entries are only theirs (first: row {more[0]})")
    return "; ".join(found) or "the same entries, other exits"


class Ours:
    """A rule of this project on one thread: how fast it is now, its trades over the first blocks, and those blocks as a peer takes them.

    Parameters
    ----------
    engine : Engine
    rows : RowSet
    options : Options
    vector : sequence of float
        `self.vars`.
    blocks : int
        Symbol-days, from the first on, that the peers get.
    columns : dict of str to str
        Names that the peers read, and the column of each.
    """

    def __init__(
        self, engine: Engine, rows: RowSet, options: Options, vector: Sequence[float], blocks: int, columns: dict[str, str]
    ) -> None:
        self._engine, self._prepared = engine, prepare(rows, engine.steps.columns, UPBIT, options)
        self._set = np.array(vector)[None, :]
        self.rate()
        raw = self._engine.run(self._prepared, self._set).raw
        mine = raw[raw[:, kernel.OUT_BLOCK] < blocks]
        self.trades = sorted([int(a), int(b)] for a, b in mine[:, [kernel.OUT_ENTRY, kernel.OUT_EXIT]])
        spans = self._prepared.blocks[:blocks, [kernel.BLOCK_LO, kernel.BLOCK_HI]]
        lengths, count = spans[:, 1] - spans[:, 0], int(spans[-1, 1])
        self.columns = {name: rows.columns[key][:count] for name, key in columns.items()} | {
            "start": np.repeat(spans[:, 0], lengths),
            "end": np.repeat(spans[:, 1] - 1, lengths),
            "seconds": day_seconds(self._prepared.row_time[:count], rows.interval_s),
            "v": self._set[0],
            "betting": np.array(options.betting),
            "fee": np.array(FEE),
        }

    def search_rate(self) -> float:
        """Return row evaluations a second in a search of 40 sets, which peers run one after another."""
        sets = np.repeat(self._set, 40, axis=0)
        sets[:, -1] += np.arange(40) / 8
        started = time.process_time()
        self._engine.run(self._prepared, sets, again=True)
        return self._prepared.rows * len(sets) / (time.process_time() - started)

    def rate(self, times: int = 3) -> list[float]:
        """Return rows a second of `times` runs."""
        out = []
        for _ in range(times):
            started = time.process_time()
            self._engine.run(self._prepared, self._set)
            out.append(self._prepared.rows / (time.process_time() - started))
        return out


R1_COLUMNS = {
    "change": "change_pct", "strength": "trade_strength", "bought": "buy_value_1s", "value": "value_1s",
    "last": "last_price", "ask": "ask1", "bid": "bid1",
}  # fmt: skip


def ours_of(rule: str, rows: int, quick: bool, folder: Path) -> Ours:
    """Return this project's side of a rule."""
    if rule == "R1":
        made, options = make_rows(rows=rows // 100), Options(betting=BETTING, fill="best")
        return Ours(r1_engine(folder), made, options, R1, 1 if quick else DAYS, R1_COLUMNS)
    bars, options = make_bars(days=30 if quick else 365), Options(betting=BETTING, fill="last")
    return Ours(r2_engine(folder), bars, options, R2, 5 if quick else BAR_DAYS, {"last": "last_price"})


def main() -> int:
    """Measure and print; 1 when a bar is missed or a peer did not answer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_280_000)
    parser.add_argument("--only", default=",".join(PEERS))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", default=None)
    args = parser.parse_args()
    names = args.only.split(",")
    if strange := [name for name in names if name not in PEERS]:
        parser.error(f"--only: {', '.join(strange)}: not one of {', '.join(PEERS)}")
    result: dict[str, Any] = {"peers": {}}
    sides: dict[str, Ours] = {}
    with tempfile.TemporaryDirectory() as place:
        for name in names:
            peer = PEERS[name]
            rows = Path(place) / f"{peer.rule}.npz"
            if peer.rule not in sides:
                sides[peer.rule] = ours_of(peer.rule, args.rows, args.quick, Path(place))
                np.savez(rows, **sides[peer.rule].columns)  # type: ignore[arg-type]
            ours = sides[peer.rule]
            told: dict[str, Any] = {"rule": peer.rule, "bar": peer.bar}
            result["peers"][name] = told
            before = ours.rate()
            try:
                answer = asked(name, rows, 1 if args.quick else 5)
            except PeerError as error:
                told["error"] = str(error)
                continue
            mine = statistics.median(before + ours.rate())
            rate = answer["rows"] / answer["seconds"]
            theirs = sorted(answer["trades"])
            told |= {
                "version": answer["version"],
                "rows": answer["rows"],
                "rows_per_second": rate,
                "our_rows_per_second": mine,
                "ratio": mine / rate,
                "search_ratio": statistics.median(ours.search_rate() for _ in range(3)) / rate,
                "trades": len(theirs),
                "our_trades": len(ours.trades),
                "same_trades": theirs == ours.trades,
                "why": why(ours.trades, theirs),
            }
    result["load_average"] = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    print(json.dumps(result, indent=1))
    if args.json:
        Path(args.json).write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    return 0 if all("error" not in told and told["ratio"] >= told["bar"] for told in result["peers"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
