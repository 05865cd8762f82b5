"""Leverage, funding and halts of a run, for its answer."""

from __future__ import annotations

import sys
from typing import Any

from backtester.job import Job, Run
from strategy.catalogue import is_futures
from trading.order_rules import LIQUIDATION_RULE
from utility.text import sentence


def money_facts(job: Job, done: Run) -> dict[str, Any]:
    """Return ``leverage`` (text), ``funding`` ({"rate"} or {"lines"}), both None without the option, ``liquidations`` and ``halts``.

    Markets without futures have none of the first three.
    """
    out: dict[str, Any] = {"halts": job.options.halts}
    if not is_futures(job.market):
        return out
    terms = job.options.futures
    funding = None
    if terms is not None and terms.has_funding:
        funding = {"rate": terms.rate} if terms.rate is not None else {"lines": len(terms.lines)}
    liquidated = 0 if terms is None else int((done.trades["exit_rule"] == LIQUIDATION_RULE).sum())
    return out | {"leverage": None if terms is None else terms.leverage_text(), "funding": funding, "liquidations": liquidated}


def asks_more(result: dict[str, Any]) -> bool:
    """Tell whether leverage, funding, halts or partial fills took the run into the order-managed loop."""
    return bool(result["halts"] or result["level_share"] or result.get("leverage") is not None or result.get("funding") is not None)


def show_money(language: str, result: dict[str, Any]) -> None:
    """Print them for a person."""
    lines = [sentence("research.halts", language)] if result["halts"] else []
    if "leverage" in result:
        said, funding = result["leverage"], result["funding"]
        lines.append(
            sentence("research.no_leverage", language)
            if said is None
            else sentence("research.leverage", language, leverage=said, liquidations=result["liquidations"])
        )
        if funding is None:
            lines.append(sentence("research.no_funding", language))
        else:
            text = (
                sentence("research.funding_8h", language, rate=funding["rate"])
                if "rate" in funding
                else sentence("research.funding_dated", language, count=funding["lines"])
            )
            lines.append(sentence("research.funding", language, funding=text))
    for line in lines:
        sys.stdout.write(line + "\n")
