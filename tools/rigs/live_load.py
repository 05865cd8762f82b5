"""The load of the latency rigs: a made market whose universe is traded all the time, run and measured as `stom.py live` runs it."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tools.rigs.parity import UNLIMITED

ROOT = Path(__file__).resolve().parents[2]
BUY = "매수 = True\n"
SELL = "if 보유시간 >= 3:\n    매도 = True\n"
"""What is in the universe (ten symbols at a time) is bought, held for three seconds and sold: some ten orders a second."""
FRAMES_PER_S = 5.2
"""Frames a second of one made symbol at its own pace, what is not watched among them; many symbols are nearer to life than a fast clock."""
SYMBOLS_MAX = 100
START_S = 180.0
WARM_ORDERS = 10


def measure(market: str, seconds: float, rate: float, data_dir: Path) -> dict[str, Any]:
    """Run once and return the figures.

    Parameters
    ----------
    market : {'upbit', 'binance'}
    seconds : float
        Measured time, after the warm-up.
    rate : float
        Frames a second asked for.
    data_dir : Path
        Thrown away afterwards.

    Raises
    ------
    RuntimeError
        When the compiled step did not take over or nothing was ordered within `START_S`.
    """
    prepare(market, rate, data_dir)
    return run(["--market", market, *strategy_words(data_dir)], market, seconds, data_dir)


def prepare(market: str, rate: float, data_dir: Path) -> None:
    """Write the strategy and the settings of the run into its data directory."""
    (data_dir / "buy.txt").write_text(BUY, "utf-8")
    (data_dir / "sell.txt").write_text(SELL, "utf-8")
    symbols = _symbols(rate)
    settings = {
        "risk.rejects_per_min": "10000",
        "paper.symbols": str(symbols),
        "paper.speed": f"{rate / FRAMES_PER_S / symbols:.3f}",
        f"{market}.strategy.max_positions": "1000",
    }
    for path, value in (UNLIMITED | settings).items():
        words = ["settings", "set", path, value, "--data-dir", str(data_dir)]
        done = subprocess.run([sys.executable, str(ROOT / "stom.py"), *words], capture_output=True, text=True, cwd=ROOT, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"stom.py {' '.join(words[:3])}: status {done.returncode}\n{done.stderr[-3000:]}")


def _symbols(rate: float) -> int:
    return min(max(round(rate / FRAMES_PER_S), 6), SYMBOLS_MAX)


def strategy_words(data_dir: Path) -> list[str]:
    """Return the arguments of `stom.py live` for the rig's strategy."""
    return [
        "--buy",
        str(data_dir / "buy.txt"),
        "--sell",
        str(data_dir / "sell.txt"),
        "--set",
        "0=2",
        "--rate-factor",
        "1000",
        "--seed",
        "7",
    ]


def run(words: list[str], market: str, seconds: float, data_dir: Path) -> dict[str, Any]:
    """Run a market as `stom.py live` does, and measure it between warm-up and end."""
    from cli.live_report import Collector
    from trading.supervisor import Supervisor

    options, data, settings = live_options(words, market, data_dir)
    supervisor = Supervisor(data, settings, view=False)
    collector = Collector(supervisor, data)
    try:
        supervisor.start_market(options)
        _warm_up(supervisor, collector, market)
        before = begin(collector, market)
        started = time.monotonic()
        while time.monotonic() - started < seconds:
            _listen(supervisor, collector)
        span = time.monotonic() - started
        live = collector.report(span)
    finally:
        supervisor.close()
    return figures(live, market, before, span)


def live_options(words: list[str], market: str, data_dir: Path) -> tuple[Any, Any, Any]:
    """Return what `stom.py live` would start, the data directory and its settings."""
    from cli.live import add_parsers, options_of
    from utility.paths import DataDir
    from utility.settings_file import load

    parser = argparse.ArgumentParser()
    add_parsers(parser.add_subparsers())
    args = parser.parse_args(["live", *words, "--data-dir", str(data_dir)])
    data = DataDir(args.data_dir)
    settings = load(data.settings)
    return options_of(args, market, data, settings), data, settings


def begin(collector: Any, market: str) -> dict[str, Any]:
    """Let every process forget its warm-up; return what the receiver had counted by then."""
    for slot in ("strategy", "trader"):
        collector.ask(market, slot, reset=True)
    return dict(collector.ask(market, "receiver", reset=True))


def is_warm(collector: Any, market: str) -> bool:
    """Tell whether the compiled step trades."""
    told = collector.ask(market, "strategy")
    sent = collector.ask(market, "trader") if told.get("compiled") else {}
    return bool(sent.get("latency_us", {}).get("count", 0) >= WARM_ORDERS)


def _warm_up(supervisor: Any, collector: Any, market: str) -> None:
    """Wait until the compiled step trades."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        for _ in range(20):
            _listen(supervisor, collector)
        if is_warm(collector, market):
            return
    raise RuntimeError(f"the compiled step did not trade within {START_S:.0f} s")


def _listen(supervisor: Any, collector: Any) -> None:
    for code, message in supervisor.poll(50):
        collector.add(code, message)


def figures(live: dict[str, Any], market: str, before: dict[str, Any], span: float) -> dict[str, Any]:
    """Return what the rig prints, of a live report."""
    part = live["markets"][market]
    return {
        "market": market,
        "seconds": round(span, 1),
        "compiled": part["compiled"],
        "frames_per_s": round((part["frames"] - int(before.get("frames", 0))) / span, 1),
        "latency_us": live["latency_us"],
        "commit_us": live["commit_us"],
        "hops_us": part["hops_us"],
        "orders": live["orders"],
        "fills": live["fills"],
        "unexplained": live["unexplained"],
        "refusals": live["refusals"],
        "processes": live["processes"],
        "load": os.getloadavg() if hasattr(os, "getloadavg") else None,
        "cpus": os.cpu_count(),
    }


def show_or_paint_offscreen(folder: Path) -> None:
    """Choose the platform before Qt is loaded, and refuse in words what would make Qt abort."""
    from tools import display, environment

    packages = display.missing(window=environment.choose_platform() and os.environ.get("QT_QPA_PLATFORM") != "offscreen")
    if packages:
        raise SystemExit("Qt needs system libraries that are not here. Run: " + display.fix(packages))
    if "XDG_RUNTIME_DIR" not in os.environ:
        os.environ["XDG_RUNTIME_DIR"] = str(folder)
