"""Compile our kernels once, at set-up, so that the first window never waits for a compiler.

Run by tools/bootstrap.py inside the environment: `python -m tools.warm`.
"""

import contextlib
import importlib
import os
import subprocess
import sys
import time

# Modules with a `warm()` that calls each of their compiled functions once, with the types production uses.
# Those of the first group are compiled into the others; the other groups share nothing worth waiting for.
FIRST_MODULES: tuple[str, ...] = ("trading.numbers", "trading.matching", "trading.sizing", "trading.positions", "trading.position_vars")
GROUPS: tuple[tuple[str, ...], ...] = (
    ("trading.ladder", "trading.book", "trading.rows", "trading.bars", "trading.fills.halts", "backtester.halting"),
    ("paper.made",),
    (
        "backtester.metrics",
        "trading.judge",
        "trading.shared_account",
        "backtester.slippage",
        "backtester.slippage_models",
        "storage.bar_kernel",
        "backtester.find_ahead",
    ),
    (
        "strategy.bulk",
        "strategy.abreast",
        "backtester.skip",
        "trading.fills.partial",
        "backtester.delay",
        "backtester.pricing",
        "backtester.outcome",
        "backtester.buffers",
        "backtester.find_ahead",
        "trading.fills.queue",
        "trading.order_rules",
        "trading.margin",
        "backtester.lanes",
    ),
)
STARTED_MODULES: tuple[str, ...] = (
    "cli.main",
    "paper.process",
    "trading.receiver_process",
    "trading.strategy_process",
    "trading.trader_process",
    "ui.main",
)
"""What our processes import at their start: imported once here, their byte code is there when a person waits."""
WARM_MODULES: tuple[str, ...] = (*FIRST_MODULES, *(name for group in GROUPS for name in group))


def warm(modules: tuple[str, ...] = WARM_MODULES) -> list[str]:
    """Import each module and call its `warm()`.

    Parameters
    ----------
    modules : tuple of str
        Dotted names; may be empty.

    Returns
    -------
    list of str
        One line for each module that failed, empty when all is compiled.
    """
    failures = []
    for name in modules:
        started = time.perf_counter()
        try:
            importlib.import_module(name).warm()
        except Exception as error:  # noqa: BLE001 - a kernel that does not compile must not keep the others cold
            failures.append(f"{name}: {type(error).__name__}: {error}")
            continue
        print(f"  {name} {time.perf_counter() - started:.1f} s", flush=True)
    return failures


def start_all() -> None:
    """Import what the processes import; one that cannot be (a library of Qt's that the system lacks) is not our business here."""
    for name in STARTED_MODULES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def main(names: tuple[str, ...] = ()) -> int:
    """Warm `names`, or every module of `WARM_MODULES`, groups side by side where there are cores; return 1 when one failed."""
    failures = warm(names or FIRST_MODULES)
    for line in failures:
        print(f"  not compiled: {line}", file=sys.stderr)
    if names:
        return 1 if failures else 0
    start_all()
    waiting, running, bad = list(GROUPS), [], bool(failures)
    while waiting or running:
        while waiting and len(running) < max(os.cpu_count() or 1, 1):
            running.append(subprocess.Popen([sys.executable, "-m", "tools.warm", *waiting.pop(0)]))
        bad |= running.pop(0).wait() != 0
    return 1 if bad else 0


if __name__ == "__main__":
    from tools import environment

    environment.prepare()
    sys.exit(main(tuple(sys.argv[1:])))
