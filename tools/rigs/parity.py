"""Live replay against back-test: the same recording, two roads, one hash (architecture 3.4).

python -m tools.rigs.parity [--case binance|upbit|made-upbit|made-binance]... [--speed max]... [--runs 5] [--rules churn|formula|r1|r1-wide]
[--orders | --limit-orders rows|events] [--limits open|positions|stops|shipped]

Each run imports the raw recording, plays it through the paper exchange into live trading over real
sockets, then back-tests the rows which that run recorded. Prints one JSON line a run; the exit status
is 1 when any pair of hashes differs or a case made fewer trades than it must.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from trading.order_rules import ACCOUNT_RULE
from trading.trades import EXIT_LABELS

ROOT = Path(__file__).resolve().parents[2]
RECORDED = ROOT.parent / "shared" / "data"

CHURN_BUY = """매수 = False
if 체결강도 > 0 and 초당거래대금 > 0 and 초당매수수량 >= 초당매도수량:
    매수 = True
"""
FORMULA_BUY = """매수 = False
if 체결강도 > 0 and 순매수(0) >= 0 and 순매수(0) + 앞선(1) > 0:
    매수 = True
"""
CHURN_SELL = """if 보유시간 >= self.vars[1]:
    매도 = True
elif 수익률 <= self.vars[2]:
    매도 = True
"""
R1_BUY = """if not (self.vars[1] <= 등락율 <= self.vars[2]):
    매수 = False
elif not (체결강도 >= 체결강도평균(30) + self.vars[3]):
    매수 = False
elif not (초당매수금액 > self.vars[4] * 초당거래대금평균(30)):
    매수 = False
"""
R1_SELL = """if 수익률 >= self.vars[5] or 수익률 <= self.vars[6]:
    매도 = True
elif 보유시간 >= self.vars[7]:
    매도 = True
elif 체결강도 < 체결강도평균(30) - self.vars[8]:
    매도 = True
"""
RULES: dict[str, tuple[str, str, dict[int, float]]] = {
    "churn": (CHURN_BUY, CHURN_SELL, {0: 3, 1: 4, 2: -0.3}),
    "formula": (FORMULA_BUY, CHURN_SELL, {0: 3, 1: 4, 2: -0.3}),
    "r1": (R1_BUY, R1_SELL, {0: 30, 1: 1, 2: 20, 3: 5, 4: 2, 5: 2, 6: -1, 7: 300, 8: 10}),
    "r1-wide": (R1_BUY, R1_SELL, {0: 30, 1: -20, 2: 20, 3: 0, 4: 0.2, 5: 0.2, 6: -0.3, 7: 20, 8: 10}),
}
"""R1 never trades on quiet recordings; with wider numbers the same text does."""
FORMULAS: dict[str, dict[str, str]] = {
    "formula": {"순매수": "self.line = 초당매수수량 - 초당매도수량\n", "앞선": "self.line = 순매수(1)\n"}
}
"""Rules → the user's formulas that their texts name, each saved in the library before both roads are taken."""
ORDERS: dict[str, Any] = {
    "entry": {
        "splits": 3, "split_down": True, "split_down_pct": 0.01, "split_up_pct": 0.02, "ban_interval": True, "ban_interval_s": 2,
        "ban_trades": True, "ban_trades_count": 60, "ban_stop_interval": True, "ban_stop_interval_s": 5,
    },
    "exit": {"splits": 2, "stop_rate": True, "stop_rate_pct": 0.25, "ban_entries": True, "ban_entries_count": 1},
    "weights": {"by": "day_range", "edges": [0.1, 0.5, 1, 2], "factors": [0.8, 1, 1.2, 1.5, 2]},
}  # fmt: skip
"""Split entries and exits, bans, a stop-loss and weights, for `--orders`."""
LIMIT_ORDERS: dict[str, Any] = {
    "entry": {
        "order": "limit", "splits": 2, "split_down": True, "split_down_pct": 0.01, "split_up_pct": 0.05,
        "cancel_late": True, "cancel_s": 12, "replaces": 2, "replace_away": 3, "replace_ticks": 2,
        "ban_interval": True, "ban_interval_s": 2,
    },
    "exit": {
        "order": "limit", "splits": 3, "stop_rate": True, "stop_rate_pct": 0.25,
        "cancel_late": True, "cancel_s": 9, "replaces": 1, "replace_away": 4, "replace_ticks": 2,
    },
}  # fmt: skip
"""Entries and exits that rest, are cancelled by time, moved, and made in two steps, for `--limit-orders`."""
UNLIMITED = {
    "risk.intents_per_s": "1000",
    "risk.intents_per_min": "60000",
    "risk.orders_per_s": "1000",
    "risk.orders_per_min": "60000",
    "risk.entries_per_day": "1000000",
    "risk.max_depth_pct": "100",
    "risk.max_order_pct": "100",
    "risk.max_position_pct": "100",
    "risk.max_gross_pct": "1000",
    "risk.day_loss_reduce_pct": "100",
    "risk.day_loss_halt_pct": "100",
}
"""Limits that join symbols are opened, because symbols do not see each other in a plain back-test; what fired is printed."""
LIMITS: dict[str, dict[str, str]] = {
    "open": UNLIMITED,
    "positions": UNLIMITED | {"{market}.strategy.max_positions": "2"},
    "stops": UNLIMITED | {"{market}.strategy.stop_loss_pct": "0.01"},
    "shipped": {"{market}.strategy.max_positions": "3"},
}
"""`open`: none bites; `positions`: the number of positions does; `stops`: 손실중지 does;
`shipped`: all of them as they are delivered, and three positions."""


@dataclass(frozen=True)
class Case:
    """One recording.

    Parameters
    ----------
    files : tuple of str
        Under the recorded data; empty = a made hour is made first.
    betting : float
    trades_min : int
        Of the churning rules, below which equality proves nothing.
    hold_s, stop_pct : float
        How long the churning rules hold, and the loss at which they do not. On a made market with coarse price steps
        the spread alone is 0.3 %: selling at once gives ten orders alike within a minute, which is the malfunction
        that halts an account on purpose (reliability P28).
    symbols : tuple of str
        Only these; empty = all.
    fill : str
        Of the back-test: `last` for a recording of trades alone.
    """

    market: str
    files: tuple[str, ...]
    betting: float
    trades_min: int
    hold_s: float = 4.0
    stop_pct: float = -0.3
    symbols: tuple[str, ...] = ()
    fill: str = "sweep"


CASES = {
    "binance": Case(
        "binance",
        tuple(f"binance/spot_raw/{name}.gz" for name in ("btcusdt_20240808", "ethusdt_20240808", "btcusdt_20240809", "ethusdt_20240809")),
        1_000.0,
        50,
    ),
    "upbit": Case("upbit", ("upbit/ws_raw/UPBIT-d78752.0.gz",), 100_000.0, 5),
    "upbit-trades": Case(
        "upbit", ("upbit/ticks/upbit_ticks_20260512.parquet",), 100_000.0, 50, symbols=("KRW-BTC", "KRW-ETH", "KRW-XRP"), fill="last"
    ),
    "made-upbit": Case("upbit", (), 1_000_000.0, 50, 8.0, -3.0),
    "made-binance": Case("binance", (), 1_000.0, 50, 8.0, -3.0),
}


def is_there(name: str) -> bool:
    """Tell whether the files of a case are here."""
    return all((RECORDED / file).exists() for file in CASES[name].files)


def compare(
    name: str,
    speed: str,
    rules: str,
    data_dir: Path,
    *,
    minutes: float = 60.0,
    symbols: int = 10,
    seed: int = 7,
    orders: dict[str, Any] | None = None,
    limits: str = "open",
    resting: str = "",
) -> dict[str, Any]:
    """Run one case once on both roads and return what both said; with limits the back-test is a portfolio run."""
    case = CASES[name]
    buy, sell, variables = RULES[rules]
    if rules in ("churn", "formula"):
        variables = {**variables, 1: case.hold_s, 2: case.stop_pct}
    texts = data_dir / "texts"
    texts.mkdir(parents=True, exist_ok=True)
    (texts / "rules_buy.txt").write_text(buy, "utf-8")
    (texts / "rules_sell.txt").write_text(sell, "utf-8")
    for formula, text in FORMULAS.get(rules, {}).items():
        (texts / f"{formula}.txt").write_text(text, "utf-8")
        words = ("strategy", "formula", "save", formula, str(texts / f"{formula}.txt"), "--market", case.market, "--in-strategy")
        _stom(*words, "--data-dir", str(data_dir))
    for path, value in LIMITS[limits].items():
        _stom("settings", "set", path.format(market=case.market.replace("-", "_")), value, "--data-dir", str(data_dir))
    if case.files:
        replay = data_dir / "replay"
        replay.mkdir(exist_ok=True)
        for file in case.files:
            link = replay / Path(file).name
            if not link.exists():
                shutil.copyfile(RECORDED / file, link)
    else:
        hours = str(minutes / 60.0)
        _stom(
            "data", "make", "--market", case.market, "--symbols", str(symbols), "--hours", hours, "--seed", str(seed), "--events",
            "--data-dir", str(data_dir),
        )  # fmt: skip
        replay = Path("made")
    common = ["--market", case.market, "--buy", str(texts / "rules_buy.txt"), "--sell", str(texts / "rules_sell.txt")]
    for index, value in variables.items():
        common += ["--set", f"{index}={value}"]
    common += ["--betting", str(case.betting), "--data-dir", str(data_dir), "--json"]
    if orders is not None:
        (texts / "orders.json").write_text(json.dumps(orders), "utf-8")
        common += ["--order-settings", str(texts / "orders.json")]
    if case.symbols:
        common += ["--symbols", ",".join(case.symbols)]
    live = _stom("live", *common, "--replay", str(replay), "--speed", speed, *(("--resting", resting) if resting else ()))
    more = () if limits == "open" else ("--portfolio",)
    fill = "queue" if resting else case.fill
    test = _stom("backtest", *common, *more, "--source", live["source"], "--fill", fill)
    plain = test if limits == "open" else _stom("backtest", *common, "--source", live["source"], "--fill", fill)
    return {
        "case": name,
        "rules": rules,
        "orders": orders is not None,
        "orders_filled": live["fills"],
        "speed": speed,
        "limits": limits,
        "equal": live["trades_sha256"] == test["trades_sha256"],
        "trades_sha256": live["trades_sha256"],
        "trades": [live["trades"], test["trades"]],
        "rows": [live["rows"], test["rows"]],
        "past_levels": live["past_levels"],
        "refusals": live["refusals"],
        "refusals_backtest": test["refusals"],
        "refusals_plain": plain["refusals"],
        "sent_out": pq.read_table(test["trades_path"])["exit_label"].to_pylist().count(EXIT_LABELS[ACCOUNT_RULE]),
        "unexplained": live["unexplained"],
        "filled_at_last_price": live["markets"][case.market]["filled_at_last_price"],
        "unfit": live["markets"][case.market]["unfit"],
        "seconds": live["seconds"],
    }


def _stom(*words: str) -> dict[str, Any]:
    environ = dict(os.environ, PYTHONPATH=str(ROOT))
    done = subprocess.run(
        [sys.executable, str(ROOT / "stom.py"), *words], capture_output=True, text=True, cwd=ROOT, env=environ, timeout=3_600, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"stom.py {' '.join(words[:2])}: status {done.returncode}\n{done.stderr[-3000:]}")
    lines = done.stdout.strip().splitlines()
    return dict(json.loads(lines[-1])) if lines and lines[-1].startswith("{") else {}


def main() -> int:
    """Run what the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", action="append", choices=sorted(CASES), default=None)
    parser.add_argument("--speed", action="append", default=None)
    parser.add_argument("--rules", action="append", choices=sorted(RULES), default=None)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--orders", action="store_true", help="with split entries and exits, bans, a stop-loss and weights")
    parser.add_argument("--limit-orders", choices=("rows", "events"), default="", help="with limit orders; what fills them in the replay")
    parser.add_argument("--limits", choices=sorted(LIMITS), default="open")
    args = parser.parse_args()
    failed = False
    for name in args.case or [one for one in CASES if is_there(one)]:
        hashes: dict[str, set[str]] = {}
        for speed in args.speed or ["max"]:
            for rules in args.rules or ["churn", "r1"]:
                for _ in range(args.runs):
                    with tempfile.TemporaryDirectory(prefix="stom-parity-") as folder:
                        orders = LIMIT_ORDERS if args.limit_orders else ORDERS if args.orders else None
                        found = compare(
                            name, speed, rules, Path(folder), minutes=args.minutes, orders=orders, limits=args.limits,
                            resting=args.limit_orders,
                        )  # fmt: skip
                    hashes.setdefault(rules, set()).add(found["trades_sha256"])
                    enough = rules != "churn" or found["trades"][0] >= CASES[name].trades_min
                    failed |= not found["equal"] or not enough or len(hashes[rules]) != 1
                    print(json.dumps(found), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
