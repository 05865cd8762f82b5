"""Colour and size tokens: the only place that spells a colour.

Tables, charts and the style sheet read the same `Tokens`, so a change here is a change everywhere.
Rising and falling are tokens too: red and blue as Korean screens have them, or green and red.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Tokens:
    """One theme. Colours are ``#rrggbb``; sizes are pixels at 100 %."""

    name: str
    window: str  # behind everything
    panel: str  # tables, charts
    raised: str  # headers, bars, inputs
    hover: str
    selected: str
    line: str  # hairlines between panels
    grid: str  # chart grid
    text: str
    muted: str  # labels, codes
    faint: str  # disabled, hints
    accent: str
    accent_text: str
    up: str
    down: str
    flat: str
    ok: str
    warn: str
    danger: str
    made: str
    ask_tint: str  # background of ask rows
    bid_tint: str
    series: tuple[str, ...]
    font_px: int = 13
    radius: int = 3
    gap: int = 6
    row: int = 24


DARK = Tokens(
    name="dark",
    window="#0b0e13",
    panel="#10141b",
    raised="#171c25",
    hover="#1f2631",
    selected="#233247",
    line="#222a36",
    grid="#1a212b",
    text="#d8dee9",
    muted="#8e99ab",
    faint="#5d687a",
    accent="#38b2a6",
    accent_text="#06201d",
    up="#ff5a5f",
    down="#4c8dff",
    flat="#c3cad6",
    ok="#38c172",
    warn="#f0b429",
    danger="#e5484d",
    made="#b58cff",
    ask_tint="#111c2e",
    bid_tint="#291519",
    series=("#38b2a6", "#f0b429", "#b58cff", "#5bc0eb", "#ff9f6b"),
)

LIGHT = Tokens(
    name="light",
    window="#e9edf2",
    panel="#ffffff",
    raised="#f3f5f8",
    hover="#e6ebf1",
    selected="#d6e6f7",
    line="#d3dae3",
    grid="#edf0f4",
    text="#1c2430",
    muted="#5a6676",
    faint="#97a1af",
    accent="#0f8378",
    accent_text="#ffffff",
    up="#d32330",
    down="#1261c4",
    flat="#414b5a",
    ok="#15803d",
    warn="#9a6700",
    danger="#c62828",
    made="#6d3fc4",
    ask_tint="#eaf2fd",
    bid_tint="#fdeeee",
    series=("#0f8378", "#b77900", "#6d3fc4", "#0b7fab", "#c65a1e"),
)


def tokens(theme: str = "dark", up_colour: str = "red", font_px: int = 13) -> Tokens:
    """Return the tokens of a theme with the person's rising colour and font size.

    Parameters
    ----------
    theme : {"dark", "light"}
    up_colour : {"red", "green"}
        ``green`` paints rises green and falls red, and swaps the book's tints.
    font_px : int
        10 to 20; rows grow with it.
    """
    chosen = LIGHT if theme == "light" else DARK
    if up_colour == "green":
        green, red = (DARK.ok, DARK.up) if chosen is DARK else (LIGHT.ok, LIGHT.up)
        bid = "#12231a" if chosen is DARK else "#e8f6ee"
        chosen = replace(chosen, up=green, down=red, ask_tint=chosen.bid_tint, bid_tint=bid)
    return replace(chosen, font_px=font_px, row=max(22, round(font_px * 1.85)))
