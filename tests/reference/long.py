"""The long form, by hand: ``python -m tests.reference.long --sets 1000``.

A text costs the product seconds of compiling, so each pair of texts is run with several draws of variables and settings;
`--draws` says how many. The last line is one JSON object: sets, those that traded, trades compared, differences.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tools import environment

ROOT = Path(__file__).resolve().parents[2]
MADE = tuple((market, interval_s) for interval_s in (1, 60) for market in ("upbit", "krx", "binance", "binance-futures"))


def sources(root: Path, recordings: Path | None, seeds: int) -> Iterator[object]:
    """Yield rows, made ones of several seeds first."""
    from tests.reference import data

    for seed in range(1, seeds + 1):
        for market, interval_s in MADE:
            hours = 0.2 if interval_s == 1 else 2.0
            yield data.made(root / f"{market}-{interval_s}-{seed}", market, interval_s, seed * 10, hours)
    if recordings is None or not recordings.is_dir():
        sys.stderr.write("no recorded data: made days only\n")
    else:
        yield from data.recorded(root / "recorded", recordings)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=8, help="draws of variables and settings of one pair of texts")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=2, help="seeds of made data")
    parser.add_argument("--recorded", type=Path, default=None, help="folder of recorded market data")
    parser.add_argument("--orders", type=float, default=0.5, help="share of pairs of texts that run under order settings")
    asked = parser.parse_args()
    os.environ.update(environment.prepare(dict(os.environ), root=str(ROOT)))
    from tests.recorded import RECORDED
    from tests.reference import door, generate

    started = time.monotonic()
    total = {"sets": 0, "texts": 0, "ordered": 0, "traded": 0, "trades": 0, "differences": 0, "sources": 0}
    with tempfile.TemporaryDirectory() as folder:
        places = list(sources(Path(folder), asked.recorded or RECORDED, asked.seeds))
        total["sources"] = len(places)
        while total["sets"] < asked.sets:
            rows = places[total["texts"] % len(places)]
            maker = generate.Maker(rows, random.Random(f"{asked.seed}-{total['texts']}"))
            # All draws of a pair of texts or none: the loop with order settings is compiled by itself.
            maker.orders = float(maker.rng.random() < asked.orders)
            total["ordered"] += bool(maker.orders) * min(asked.draws, asked.sets - total["sets"])
            draw = maker.draw()
            total["texts"] += 1
            for k in range(min(asked.draws, asked.sets - total["sets"])):
                draw = maker.again(draw) if k else draw
                done = door.compare(draw, rows)
                total["sets"] += 1
                total["traded"] += done.trades > 0
                total["trades"] += done.trades
                total["differences"] += bool(done.differences)
                if done.differences:
                    said = (rows.name, done.differences, draw.settings, draw.rules, draw.rules.buy, draw.rules.sell)
                    sys.stdout.write("\n".join(str(one) for one in said) + "\n\n")
                    sys.stdout.flush()
            rate = total["sets"] / (time.monotonic() - started)
            sys.stderr.write(f"{total['sets']}/{asked.sets} {rate:.2f}/s differences {total['differences']} {rows.name}\n")
    sys.stdout.write(json.dumps(total | {"seconds": round(time.monotonic() - started, 1)}) + "\n")
    return 1 if total["differences"] else 0


if __name__ == "__main__":
    sys.exit(main())
