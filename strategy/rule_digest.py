"""What a rule is, for those who judge it: its text's meaning on a market, the values of the variables it reads, and how it orders."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from domain.order_settings import OrderSettings, plain
from strategy.nodes import Variable
from strategy.program import Program

AVERAGING_ROWS = 0
"""`self.vars[0]` counts whether the texts read it or not: it says how many rows a day needs before code runs."""


def rule_digest(program: Program, variables: Sequence[float], orders: OrderSettings | None = None) -> str:
    """Return the digest of exactly this text with exactly these variables and order settings on its market and interval.

    Spelling and layout of the text take no part (`Program.digest`), nor do values of variables that no text reads, nor settings that
    change nothing.

    Parameters
    ----------
    program : Program
    variables : sequence of float
        `self.vars`.
    orders : OrderSettings, optional
    """
    used = {AVERAGING_ROWS} | {node.index for node in program.nodes if isinstance(node, Variable)}
    values = [f"{index}={float(variables[index])!r}" for index in sorted(used) if index < len(variables)]
    if orders is not None and orders != plain(program.market, orders.entry.levels, orders.exit.levels):
        values.append(f"orders={msgspec.json.encode(orders).decode()}")
    return hashlib.sha256("\n".join([program.market.code, program.digest, *values]).encode()).hexdigest()
