"""The court: figures in, reasons and one plain sentence out. It knows limits and nothing of how the figures were made.

A reason *against* fails the rule; a reason *unproven* says that nothing speaks against it, but something that should have been
shown was not. Only without either does a rule pass. Limits are settings (`domain.settings.Verdict`) with their defaults
explained in docs/research.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.settings import Verdict
from utility.text import LANGUAGES, sentence

PASS, FAIL, UNPROVEN = "pass", "fail", "unproven"
SETS_LEAST = 10
"""Sets below which a ranking says nothing: then the deflated Sharpe ratio judges alone."""
REASONS_SPOKEN = 3
"""Reasons that the sentence names; all of them stand beside it."""


@dataclass(frozen=True)
class Reason:
    """Why a rule does not pass.

    Parameters
    ----------
    code : str
        Sentence ``verdict.reason.<code>``.
    against : bool
        It speaks against the rule; else it is merely not shown.
    value, limit : float or None
        The figure and what it is measured by.
    detail : str
        Codes of what is meant, separated by spaces.
    """

    code: str
    against: bool
    value: float | None = None
    limit: float | None = None
    detail: str = ""

    def say(self, language: str) -> str:
        """Return the reason as a clause."""
        words = ", ".join(sentence(f"verdict.{self.code}.{one}", language) for one in self.detail.split())
        fields = {"value": _number(self.value), "limit": _number(self.limit), "detail": words}
        return sentence(f"verdict.reason.{self.code}", language, **fields)

    def as_dict(self) -> dict[str, Any]:
        """Return what is stored and shown."""
        said = {language: self.say(language) for language in LANGUAGES}
        own = {"code": self.code, "against": self.against, "value": self.value, "limit": self.limit, "detail": self.detail}
        return {**own, "sentence": said}


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if abs(value) >= 1000.0 else f"{value:.2f}"


def judge(figures: Mapping[str, Any], limits: Verdict) -> list[Reason]:
    """Return every reason why a rule does not pass, those against it first.

    Parameters
    ----------
    figures : mapping
        ``trades``, ``days``, ``profit`` and ``best_day_share`` of the days it was chosen on; ``source``; ``trials``, ``sets``, ``pbo``,
        ``deflated_sharpe``; ``paths_profitable`` (None: no paths); ``out_of_sample`` (None: no day was kept unseen) with ``profit``;
        ``efficiency`` (None: no walk-forward); ``robustness`` (None: nothing to move); ``stress`` kind → profit; ``ruin`` (None: unknown).
    limits : Verdict
    """
    out = [*_enough(figures, limits), *_chance(figures, limits), *_unseen(figures, limits), *_hard(figures, limits)]
    return sorted(out, key=lambda reason: not reason.against)


def _enough(figures: Mapping[str, Any], limits: Verdict) -> list[Reason]:
    out = []
    if figures["trades"] < limits.min_trades:
        out.append(Reason("few_trades", True, figures["trades"], limits.min_trades))
    if figures["days"] < limits.min_days:
        out.append(Reason("few_days", False, figures["days"], limits.min_days))
    if figures["source"] == "made":
        out.append(Reason("made_data", False))
    if figures["profit"] <= 0.0:
        out.append(Reason("no_profit", True, figures["profit"]))
    elif figures["best_day_share"] is not None and figures["best_day_share"] > limits.best_day_max:
        out.append(Reason("one_day", True, figures["best_day_share"], limits.best_day_max))
    return out


def _chance(figures: Mapping[str, Any], limits: Verdict) -> list[Reason]:
    out = []
    if figures["pbo"] is not None:
        if figures["pbo"] > limits.pbo_max:
            out.append(Reason("pbo", True, figures["pbo"], limits.pbo_max))
    elif figures["trials"] >= SETS_LEAST:
        out.append(Reason("pbo_unknown", False))
    if figures["deflated_sharpe"] is None:
        out.append(Reason("dsr_unknown", False))
    elif figures["deflated_sharpe"] < limits.dsr_min:
        out.append(Reason("dsr", True, figures["deflated_sharpe"], limits.dsr_min))
    return out


def _unseen(figures: Mapping[str, Any], limits: Verdict) -> list[Reason]:
    out = []
    beyond = figures["out_of_sample"]
    if beyond is not None and beyond["profit"] <= 0.0:
        out.append(Reason("out_of_sample", True, beyond["profit"]))
    if figures["efficiency"] is not None and figures["efficiency"] < limits.efficiency_min:
        out.append(Reason("efficiency", True, figures["efficiency"], limits.efficiency_min))
    share = figures["paths_profitable"]
    if share is not None and share < limits.paths_min:
        out.append(Reason("paths", True, share, limits.paths_min))
    # One set that was never chosen among others has nothing to be kept from.
    if beyond is None and share is None and figures["trials"] > 1:
        out.append(Reason("out_of_sample_unknown", False))
    return out


def _hard(figures: Mapping[str, Any], limits: Verdict) -> list[Reason]:
    out = []
    broken = [kind for kind in ("fees", "latency", "tick") if figures["stress"].get(kind, 0.0) <= 0.0]
    if broken and figures["profit"] > 0.0:
        out.append(Reason("stress", True, detail=" ".join(broken)))
    if figures["robustness"] is not None and figures["robustness"] < limits.robustness_min:
        out.append(Reason("isolated_peak", True, figures["robustness"], limits.robustness_min))
    if figures["ruin"] is not None and figures["ruin"] > limits.ruin_max:
        out.append(Reason("ruin", True, figures["ruin"], limits.ruin_max))
    return out


def outcome(reasons: list[Reason]) -> str:
    """Return pass, fail or unproven."""
    if any(reason.against for reason in reasons):
        return FAIL
    return UNPROVEN if reasons else PASS


def spoken(figures: Mapping[str, Any], reasons: list[Reason], language: str) -> str:
    """Return the one plain sentence."""
    shown = "; ".join(reason.say(language) for reason in reasons[:REASONS_SPOKEN])
    more = len(reasons) - REASONS_SPOKEN
    if more > 0:
        shown += sentence("verdict.more", language, count=more)
    fields = {
        "reasons": shown,
        "trades": f"{figures['trades']:,}",
        "days": f"{figures['days']:,}",
        "pbo": _number(figures["pbo"]),
        "dsr": _number(figures["deflated_sharpe"]),
        "trials": f"{figures['trials']:,}",
    }
    return sentence(f"verdict.{outcome(reasons)}", language, **fields)
