"""The figures of a verdict beside the limits of the court: one row a figure. No Qt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PASS, FAIL, UNKNOWN, PLAIN = "pass", "fail", "unknown", ""


def _deep(body: Mapping[str, Any], path: str) -> Any:
    value: Any = body
    for key in path.split("."):
        value = None if value is None else value.get(key)
    return value


ASKED = (
    ("trades", "trades", "min_trades", 1),
    ("days", "days", "min_days", 1),
    ("profit", "profit", "", 1),
    ("best_day", "daily.best_day_share", "best_day_max", -1),
    ("sharpe", "daily.sharpe", "", 0),
    ("psr", "daily.psr", "", 0),
    ("dsr", "overfitting.deflated_sharpe", "dsr_min", 1),
    ("trials", "overfitting.trials", "", 0),
    ("pbo", "overfitting.pbo", "pbo_max", -1),
    ("paths", "overfitting.paths.profitable", "paths_min", 1),
    ("unseen", "out_of_sample.profit", "", 1),
    ("efficiency", "out_of_sample.efficiency", "efficiency_min", 1),
    ("robustness", "sensitivity.robustness", "robustness_min", 1),
    ("random", "sensitivity.random.share", "", 0),
    ("ruin", "monte_carlo.days.ruin", "ruin_max", -1),
    ("track_record", "daily.min_track_record_days", "", 0),
)
"""Figure, where it stands in the body, its limit, and whether more (1) or less (−1) is better; 0 is told without a judgement."""
WALKED = {
    "trades": "out_of_sample.trades",
    "days": "out_of_sample.days",
    "best_day": "out_of_sample.daily.best_day_share",
    "dsr": "out_of_sample.daily.psr",
}
"""Figures that the court reads off the unseen days where a walk-forward is judged."""
CODES = {
    "trades": ("few_trades",),
    "days": ("few_days",),
    "profit": ("no_profit",),
    "best_day": ("one_day",),
    "dsr": ("dsr", "dsr_unknown"),
    "pbo": ("pbo", "pbo_unknown"),
    "paths": ("paths",),
    "unseen": ("out_of_sample", "out_of_sample_unknown"),
    "efficiency": ("efficiency",),
    "robustness": ("isolated_peak",),
    "ruin": ("ruin",),
}
"""Figure → the court's reasons about it: what the court said decides, never a second calculation."""


def figure_rows(body: Mapping[str, Any]) -> list[tuple[str, Any, str, str]]:
    """Return (figure, value, limit as text, pass/fail/unknown or "") of a verdict's body (docs/research.md)."""
    reasons = {one["code"]: one["against"] for one in body["verdict"]["reasons"]}
    walked = "efficiency" in (body["out_of_sample"] or {})
    out = []
    for name, path, limit, sign in ASKED:
        is_unseen = walked and name in WALKED
        value = _deep(body, WALKED[name] if is_unseen else path)
        bound = body["limits"].get(limit) if limit else 0 if sign else None
        text = "" if bound is None else f"{'≥' if sign > 0 and limit else '>' if sign > 0 else '≤'} {bound:g}"
        said = [reasons[code] for code in CODES.get(name, ()) if code in reasons]
        state = FAIL if True in said else UNKNOWN if said else PASS if sign and value is not None else PLAIN
        out.append((f"walk_{name}" if is_unseen else name, value, text, state))
    return out
