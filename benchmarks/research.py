"""Every bar of research in one run: engine, search, study, memory, compile, and the peers beside them, as ratios with their bars.

Each measure lives in a program of its own (``bench_*.py``), which takes turns between the two sides that it compares, so
that other work on the machine meets both, and takes medians of five. This command starts them one after another, each in a
process of its own, and puts their answers into one table and one JSON. Ratios can be compared between machines, absolute
figures cannot. Load is printed because nothing here should be read where it is far above zero.

    python -m benchmarks.research [--rows 2280000] [--only best,sweep,peers] [--quick] [--json FILE] [--no-bars]

The exit status is 1 when a bar is missed, a measure gave no answer or trades differ that must be equal; 0 with ``--no-bars``
if all answered.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BLOCKS = 100
"""Symbol-days of the made rows: 20 symbols, 5 days."""


@dataclass(frozen=True)
class Measure:
    """One line of the table.

    Parameters
    ----------
    name, what
        Word for ``--only``; sentence for a reader.
    program : str
        File ``bench_<program>.py``.
    path : str
        Place of the figure in its answer, names joined by dots.
    bar : float
    at_most : bool
        Whether the figure must not be above `bar`; otherwise not below.
    unit : str
        ``x``, ``%``, ``s`` or ``MB``: how the figure is written.
    part : str
        What ``--parts`` of the program must hold.
    must : tuple of str
        Places that must be true.
    beside : tuple of str
        Places of figures that are printed beside it.
    """

    name: str
    what: str
    program: str
    path: str
    bar: float
    at_most: bool = False
    unit: str = "x"
    part: str = ""
    must: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()


MEASURES = (
    Measure(
        "best", "R1, one set, signals and fills at the best price only: generated against hand-written Numba", "step", "best_speed", 0.9,
        part="best", must=("best_identical_trades",), beside=("best_rows_per_second", "best_trades"),
    ),
    Measure(
        "r1", "the same with orders, costs, five-level sweep and account on", "step", "one_speed", 0.4,
        part="one", must=("one_identical_trades",), beside=("one_rows_per_second", "one_trades"),
    ),
    Measure(
        "sweep", "200 sets of R1 with building of features, sets a second and core: generated against the hand-written scalar loop", "step",
        "sweep_speed", 2.0, part="sweep", must=("sweep_identical_trades",), beside=("sets_per_second", "hand_sets_per_second"),
    ),
    Measure(
        "study", "GA study of 2,000 sets, metrics and store included: time not in compiled code", "study",
        "study.outside_compiled_share", 0.20, at_most=True, unit="%", beside=("study.evaluations_per_second", "study.store_share"),
    ),
    Measure(
        "managed", "R1 with split entries, bans and stop against plain R1", "managed", "managed_speed", 0.3,
        must=("idle_identical_trades",), beside=("plain_trades", "managed_trades"),
    ),
    Measure(
        "r2", "R2 on minute bars: generated against its hand-written loop", "bars", "speed", 0.8,
        must=("identical_trades",), beside=("rows_per_second", "trades"),
    ),
    Measure(
        "reading", "from the store to the first row evaluated, columns cached: share of the run", "scaling",
        "reading.store_to_first_row_share", 0.20, at_most=True, unit="%", beside=("reading.run_seconds", "reading.store_to_first_row_ms"),
    ),
    Measure(
        "cores", "search on all cores against as many copies of the reference loop at once: of their sum", "scaling",
        "search.search_ratio", 0.9, beside=("search.cores", "search.search_sets_per_second", "search.copies_sets_per_second"),
    ),
    Measure(
        "memory", "peak memory of a back-test over the size of its rows, all 46 columns", "memory", "backtest.ratio", 1.5, at_most=True,
        beside=("data_mb", "backtest.ratio_touched", "backtest.ratio_touched_above_imports", "limited.same_trades"),
    ),
    Measure(
        "memory-search", "peak memory of a search over the size of its rows", "memory", "optimise.ratio", 1.5, at_most=True,
        beside=("optimise.ratio_touched", "optimise.ratio_touched_above_imports"),
    ),
    Measure("growth", "growth from 20,000 to 100,000 sets of a search", "memory", "growth.growth_mb", 10.0, at_most=True, unit="MB"),
    Measure(
        "cold", "compile of R1 from nothing, imports apart", "step", "compile_cold_seconds", 3.0, at_most=True, unit="s",
        part="compile", beside=("compile_cold_cpu_seconds",),
    ),
    Measure(
        "cached", "the same from the cache", "step", "compile_cached_seconds", 0.3, at_most=True, unit="s", part="compile",
        beside=("compile_cached_cpu_seconds",),
    ),
)  # fmt: skip
PEERS = "peers"
TRADES_DIFFER = "trades differ"


def words(program: str, measures: list[Measure], rows: int, quick: bool, peer: str) -> list[str]:
    """Return the arguments with which a program is started."""
    each = str(max(rows // BLOCKS, 200))
    parts = ",".join(dict.fromkeys(one.part for one in measures))
    return {
        "step": ["--rows", str(rows), "--sets", "40" if quick else "200", "--compiles", "1" if quick else "5", "--parts", parts],
        "study": ["--rows", each, "--sets", "200" if quick else "2000", "--times", "1" if quick else "5", "--methods", ""],
        "managed": ["--rows", str(rows)],
        "bars": ["--days", "20" if quick else "365"],
        "scaling": ["--rows", each, "--sets", "40" if quick else "200", "--times", "1" if quick else "5"],
        "memory": ["--rows", str(max(rows // BLOCKS, 11_400)), "--trials", "40" if quick else "200"],
        PEERS: ["--rows", str(max(rows, 456_000)), *(["--quick"] if quick else []), *(["--only", peer] if peer else [])],
    }[program]


def answer_of(program: str, arguments: list[str]) -> dict[str, Any]:
    """Run a program and return its answer; ``{"error": last line}`` where it gave none."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "answer.json"
        command = [sys.executable, "-m", f"benchmarks.bench_{program}", *arguments, "--json", str(out)]
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environ, check=False)
        if out.exists():
            answer: dict[str, Any] = json.loads(out.read_text("utf-8"))
            return answer
    lines = (done.stderr or done.stdout).strip().splitlines()
    return {"error": lines[-1] if lines else f"status {done.returncode}"}


def at(answer: dict[str, Any], path: str) -> Any:
    """Return the value at ``a.b.c``, or None."""
    value: Any = answer
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def judged(measure: Measure, answer: dict[str, Any]) -> dict[str, Any]:
    """Return the table's line of a measure."""
    value = at(answer, measure.path)
    why = answer.get("error", "") or ("" if value is not None else f"no {measure.path} in the answer")
    if not why and not all(at(answer, path) is True for path in measure.must):
        why = TRADES_DIFFER
    met = not why and (value <= measure.bar if measure.at_most else value >= measure.bar)
    beside = {path.rpartition(".")[2]: at(answer, path) for path in measure.beside}
    line = {
        "name": measure.name,
        "what": measure.what,
        "value": value,
        "bar": measure.bar,
        "at_most": measure.at_most,
        "unit": measure.unit,
    }
    return {**line, "met": met, "why": why, "beside": beside}


def peer_lines(answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give a line for each peer."""
    if "error" in answer:
        yield judged(Measure(PEERS, "peers beside it", PEERS, "", 0.0), answer)
    for name, told in answer.get("peers", {}).items():
        why = told.get("error", "")
        beside = {key: told.get(key) for key in ("version", "rows", "rows_per_second", "trades", "our_trades", "same_trades", "why")}
        what = f"{told['rule']} of ours against {name}, rows a second"
        yield {
            "name": f"{PEERS}:{name}", "what": what, "value": told.get("ratio"), "bar": told["bar"], "at_most": False, "unit": "x",
            "met": not why and told["ratio"] >= told["bar"], "why": why, "beside": beside,
        }  # fmt: skip


def written(value: Any, unit: str = "") -> str:
    """Return a figure as a reader wants it."""
    if unit == "%":
        return f"{value:.1%}"
    if isinstance(value, float):
        text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
        return f"{text} {unit}".rstrip()
    return str(value)


def show(line: dict[str, Any]) -> None:
    """Print a line of the table."""
    sign, state = ("≤" if line["at_most"] else "≥"), ("met" if line["met"] else "MISSED")
    value = "–" if line["value"] is None else written(line["value"], line["unit"])
    print(f"{line['name']:<20} {value:>10}   bar {sign} {written(line['bar'], line['unit']):<8} {state:<7} {line['what']}")
    beside = ", ".join(f"{name} {written(item)}" for name, item in line["beside"].items() if item not in (None, ""))
    for text in filter(None, (line["why"], beside)):
        print(f"{'':<20} {text}")
    sys.stdout.flush()


def main() -> int:
    """Measure, print and keep; see the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_280_000, help="one-second rows of R1")
    parser.add_argument("--only", default="", help="names: " + ", ".join([*(one.name for one in MEASURES), PEERS, f"{PEERS}:NAME"]))
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows and few sets: shows that everything runs, judges nothing")
    parser.add_argument("--no-bars", action="store_true", help="exit with 0 although a bar is missed")
    parser.add_argument("--json", default=None)
    args = parser.parse_args()
    wanted = [name for name in args.only.split(",") if name]
    known = {one.name for one in MEASURES} | {PEERS}
    if strange := [name for name in wanted if name not in known and not name.startswith(f"{PEERS}:")]:
        parser.error(f"--only: {', '.join(strange)}: not one of {', '.join(sorted(known))}")
    rows = max(args.rows // 10, 20_000) if args.quick else args.rows
    chosen = [one for one in MEASURES if not wanted or one.name in wanted]
    peers = [name.partition(":")[2] for name in wanted if name.partition(":")[0] == PEERS]
    programs = list(dict.fromkeys(one.program for one in chosen)) + ([PEERS] if peers or not wanted else [])
    kept: dict[str, Any] = {"rows": rows, "quick": args.quick, "cores": os.cpu_count(), "lines": [], "answers": {}, "load": {}}
    print(
        f"{rows:,} rows, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.2f}"
        + (", quick: no figure counts" if args.quick else "")
    )
    for program in programs:
        started, before, mine = time.monotonic(), os.getloadavg()[0], [one for one in chosen if one.program == program]
        answer = answer_of(program, words(program, mine, rows, args.quick, "" if "" in peers else ",".join(peers)))
        for line in peer_lines(answer) if program == PEERS else (judged(one, answer) for one in mine):
            show(line)
            kept["lines"].append(line)
        kept["answers"][program], kept["load"][program] = answer, [before, os.getloadavg()[0]]
        print(f"{'':<20} ({program}: {time.monotonic() - started:.0f} s, load average {before:.2f} to {os.getloadavg()[0]:.2f})")
    missed = [line["name"] for line in kept["lines"] if not line["met"]]
    unanswered = [line["name"] for line in kept["lines"] if line["why"]]
    print(f"{len(kept['lines'])} measures, missed: {', '.join(missed) or 'none'}")
    if args.json:
        Path(args.json).write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return 1 if (unanswered if args.no_bars or args.quick else missed) else 0


if __name__ == "__main__":
    sys.exit(main())
