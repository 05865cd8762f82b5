"""The figures of a verdict as a person reads them: on the terminal and in a report alike."""

from __future__ import annotations

from typing import Any


def lines_of(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the figures a person reads, as (key of the sentence, text)."""
    chance, daily, around = result["overfitting"], result["daily"], result["sensitivity"]
    beyond, histories = result["out_of_sample"], result["monte_carlo"]
    money = result["currency"]
    unseen = "–" if beyond is None else f"{beyond['profit']:,.2f} {money}  ({beyond['trades']:,} / {beyond['days']:,})"
    walked = "–" if chance["paths"] is None else f"{chance['paths']['profitable']:.2f}  ({chance['paths']['count']})"
    out = [
        ("profit", f"{result['profit']:,.2f} {money}  ({result['trades']:,} / {result['days']:,})"),
        ("sharpe", f"{daily['sharpe']:.2f}  (PSR {daily['psr']:.3f})"),
        ("dsr", f"{_or_dash(chance['deflated_sharpe'])}  ({chance['trials']:,})"),
        ("pbo", f"{_or_dash(chance['pbo'])}  ({chance['sets_traded']:,} × {result['days']:,})"),
        ("track_record", _or_dash(daily["min_track_record_days"], ",.0f")),
        ("out_of_sample", unseen),
        ("paths", walked),
        ("robustness", f"{_or_dash(around['robustness'])}  ({around['neighbours']})"),
        ("random", f"{_or_dash(around['random']['share'])}  ({around['random']['count']})"),
    ]  # fmt: skip
    out += [(f"stress_{kind}", f"{one['profit']:,.2f} {money}") for kind, one in result["stress"].items()]
    if histories["trades"] is not None:
        out.append(("shuffled", f"{histories['trades']['drawdown_pct']['p95']:.2f} %  ({histories['trades']['paths']:,})"))
    if histories["days"] is not None:
        low, high = histories["days"]["profit_95"]
        out.append(("resampled", f"{low:,.2f} … {high:,.2f}  (P > 0: {histories['days']['profit_probability']:.3f})"))
        out.append(("ruin", f"{histories['days']['ruin']:.3f}"))
    return out


def _or_dash(value: float | None, form: str = ".3f") -> str:
    return "–" if value is None else format(value, form)
