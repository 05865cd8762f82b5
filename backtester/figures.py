"""Names and marks of a run's figures, without the compiled code that makes them (metrics.py): windows and optimisers read them."""

from __future__ import annotations

METRIC_KEYS = ("tc", "atc", "pc", "mc", "wr", "ah", "ap", "tg", "mh", "seed", "tp", "cagr", "tpi", "mdd", "mdd_amount")
OBJECTIVES = ("TG", "TP", "TPI", "CAGR", "GM", "PM", "G2M", "P2M", "GAM", "PAM", "GWM", "PWM", "GTM", "PTM")
TRIMMED_PCT = 1.0
"""Of the moments, those with the most of it, that `mh` and `seed` leave out (workstation 9.1); a run's peak may be above both."""
OUT_OF_LIMITS = -2_222_222_222.0
NO_TRADES = -2_000_000_000.0
"""Scores of a set outside the limits, and of one that never traded (workstation 9.3)."""
