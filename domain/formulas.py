"""A user's formula (strategy-language 14.3): a text that gives a chart lines or marks, and strategies a name."""

from __future__ import annotations

import msgspec

DISPLAYS: dict[str, tuple[str, ...]] = {
    "line": ("line",),
    "condition_line": ("check", "line"),
    "band": ("check", "up", "down"),
    "arrow": ("check",),
    "trade_arrows": ("buy", "sell"),
}
"""How a formula is shown → the `self.` names that its text sets: 선:일반, 선:조건, 범위, 화살표:일반, 화살표:매매."""
COLUMNS: dict[str, tuple[str, ...]] = {**DISPLAYS, "condition_line": ("line",)}
"""How a formula is shown → its columns; those of 선:조건 carry the line on while the condition does not hold."""


class Formula(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A formula.

    Parameters
    ----------
    name : str
        A word that the language does not have; texts call it ``name(pre)``.
    market, interval_s : str, int
        Where it is known.
    display : str
        One of DISPLAYS.
    text : str
        Statements of the strategy language that set the display's ``self.`` names.
    on_chart, in_strategy : bool
        차트표시, 전략연산.
    pane : str
        팩터명: the pane of the chart it is drawn in, empty = that of the price.
    colour, width, style
        색상, 굵기, 종류 as the chart takes them.
    """

    name: str
    market: str
    interval_s: int
    display: str
    text: str
    on_chart: bool = True
    in_strategy: bool = False
    pane: str = ""
    colour: str = ""
    width: float = 1.0
    style: str = ""
