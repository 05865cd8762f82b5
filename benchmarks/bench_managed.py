"""R1 with order management on against R1 without it, in the same engine and process.

What: R1 over one-second rows, one set, one thread: market orders for whole positions, then the same rule with two split
entries, bans (losing trades, a time between trades, listed symbols) and a stop at a loss rate. Unit: seconds of processor
time, median of five taken in turns. Budget: managed ≥ 0.3 × the speed of plain (research.py); with settings under which
nothing differs, equal trades. Why: what the trader will really send should be searched too.

    python -m benchmarks.bench_managed [--rows 2280000] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tools import environment  # noqa: E402

environment.prepare()

import numpy as np  # noqa: E402

from backtester.engine import Options, prepare  # noqa: E402
from benchmarks.bench_step import BETTING, MINE, R1, medians, r1_engine  # noqa: E402
from benchmarks.research_rows import make_rows  # noqa: E402
from coin.markets import UPBIT  # noqa: E402
from domain.order_settings import Entry, Exit, OrderSettings, plain  # noqa: E402

ORDERS = OrderSettings(
    entry=Entry(
        splits=2, ban_blacklist=True, blacklist=("C07",), ban_stops=True, ban_stops_count=500, ban_interval=True, ban_interval_s=5.0
    ),
    exit=Exit(stop_rate=True, stop_rate_pct=0.8),
)


def main() -> int:
    """Measure and print; 1 when settings without effect change a trade."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_280_000)
    parser.add_argument("--json", default=None)
    args = parser.parse_args()
    rows, sets = make_rows(rows=args.rows // 100), np.array(R1)[None, :]
    with tempfile.TemporaryDirectory() as folder:
        engine = r1_engine(Path(folder), managed=True)
    simple, managed, idle = (
        prepare(rows, engine.steps.columns, UPBIT, Options(betting=BETTING, orders=orders)) for orders in (None, ORDERS, plain(UPBIT))
    )
    plain_s, managed_s = medians(lambda: engine.run(simple, sets), lambda: engine.run(managed, sets))
    one, other, same = (engine.run(each, sets).raw for each in (simple, managed, idle))
    result = {
        "rows": simple.rows,
        "managed_speed": plain_s / managed_s,
        "plain_seconds": plain_s,
        "managed_seconds": managed_s,
        "plain_trades": len(one),
        "managed_trades": len(other),
        "idle_identical_trades": bool(np.array_equal(one[:, MINE], same[:, MINE])),
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }
    print(json.dumps(result, indent=1))
    if args.json:
        Path(args.json).write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    return 0 if result["idle_identical_trades"] and len(other) else 1


if __name__ == "__main__":
    sys.exit(main())
