"""Latency of free-running live trading: from a frame's last byte read to the order's first byte written.

python -m tools.rigs.latency [--market upbit] [--seconds 60] [--rate 500] [--window]

A made market with so many symbols that about `--rate` frames come a second, those in the universe traded all
the time, rate caps raised by setting. The clock starts when the compiled step has taken over and the first
orders have left; every process forgets then what it measured of its warm-up. Measured by the processes
themselves across the whole road (receiver → strategy → trader → venue): each hop since the frame's last
byte, the journal's commit beside it. Exit status 1 when a bar is missed; `missed` names each.

With --window the same run happens inside the workstation's window (painted offscreen when there is no
screen), and its event loop's stalls over 50 ms are printed with where they were, beside the window's
processor time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tools.rigs.live_load import measure, show_or_paint_offscreen

ORDERS_MIN = 300
P50_US, P99_US = 1_000.0, 5_000.0
STALL_MS = 100.0


def missed(found: dict[str, Any], rate: float) -> list[str]:
    """Return a line for each bar that a run did not reach; the load itself is one."""
    latency, window = found["latency_us"], found.get("window", {})
    bars = (
        ("frames a second", found["frames_per_s"], found["frames_per_s"] >= rate, f">= {rate:g}"),
        ("orders", latency["count"], latency["count"] >= ORDERS_MIN, f">= {ORDERS_MIN}"),
        ("unexplained", found["unexplained"], found["unexplained"] == 0, "0"),
        ("p50 us", latency["p50"], latency["p50"] <= P50_US, f"<= {P50_US:.0f}"),
        ("p99 us", latency["p99"], latency["p99"] <= P99_US, f"<= {P99_US:.0f}"),
        ("worst stall ms", window.get("worst_ms", 0.0), window.get("worst_ms", 0.0) <= STALL_MS, f"<= {STALL_MS:.0f}"),
    )
    return [f"{name}: {value} (bar {bar})" for name, value, is_met, bar in bars if not is_met]


def once(args: argparse.Namespace) -> dict[str, Any]:
    """Run in this process and return the figures."""
    with tempfile.TemporaryDirectory(prefix="stom-latency-") as folder:
        if not args.window:
            return measure(args.market, args.seconds, args.rate, Path(folder))
        show_or_paint_offscreen(Path(folder))
        from tools.rigs.latency_window import measure_in_window  # loads Qt

        return measure_in_window(args.market, args.seconds, args.rate, Path(folder))


def repeated(args: argparse.Namespace) -> dict[str, Any]:
    """Run in processes of their own and return the run of the median p50, with each bar's median of all runs."""
    words = [sys.executable, "-m", "tools.rigs.latency", "--market", args.market, "--seconds", str(args.seconds), "--rate", str(args.rate)]
    runs = []
    for _ in range(args.runs):
        done = subprocess.run([*words, *(["--window"] if args.window else [])], stdout=subprocess.PIPE, check=False)
        runs.append(json.loads(done.stdout))
    middle: dict[str, Any] = sorted(runs, key=lambda run: float(run["latency_us"]["p50"]))[len(runs) // 2]
    for name in ("p50", "p99"):
        middle["latency_us"][name] = statistics.median(run["latency_us"][name] for run in runs)
    middle["frames_per_s"] = min(run["frames_per_s"] for run in runs)
    middle["unexplained"] = max(run["unexplained"] for run in runs)
    middle["latency_us"]["count"] = min(run["latency_us"]["count"] for run in runs)
    if args.window:
        middle["window"]["worst_of_runs_ms"] = [run["window"]["worst_ms"] for run in runs]
        middle["window"]["worst_ms"] = statistics.median(middle["window"]["worst_of_runs_ms"])
    return middle


def main() -> int:
    """Run what the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--market", choices=("upbit", "binance"), default="upbit")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=500.0)
    parser.add_argument("--window", action="store_true")
    parser.add_argument("--runs", type=int, default=1, help="medians of so many runs are held against the bars")
    args = parser.parse_args()
    found = once(args) if args.runs == 1 else repeated(args)
    found["missed"] = missed(found, args.rate)
    print(json.dumps(found, indent=1))
    return 1 if found["missed"] else 0


if __name__ == "__main__":
    from tools import environment

    environment.prepare()
    sys.exit(main())
