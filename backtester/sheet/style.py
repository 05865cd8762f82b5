"""How figures look: one theme for screens, one for paper, and the fonts that come along."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

SIZE = (11.69, 8.27)
"""Of a page: A4, lying, in inches."""
FONTS = Path(__file__).resolve().parents[2] / "icon" / "fonts"
FAMILY = "NanumGothic"
FILES = ("NanumGothic.ttf", "NanumGothicBold.ttf")
BOLD = 600
"""The weight that matplotlib reads from the bold file."""


@dataclass(frozen=True)
class Theme:
    """Colours, as #rrggbb."""

    paper: str
    panel: str
    ink: str
    muted: str
    grid: str
    win: str
    loss: str
    equity: str
    accents: tuple[str, ...]
    zone: str


THEMES = {
    "print": Theme(
        paper="#ffffff",
        panel="#ffffff",
        ink="#1b2430",
        muted="#68717d",
        grid="#dfe3e8",
        win="#cf3a35",
        loss="#2b66ad",
        equity="#d9771c",
        accents=("#2f8f6b", "#7b5bb5", "#2b66ad", "#b0506f", "#5f6b78", "#9a7b1f"),
        zone="#eceff3",
    ),
    "dark": Theme(
        paper="#15181d",
        panel="#1a1e24",
        ink="#dde3ea",
        muted="#8d97a4",
        grid="#2c333d",
        win="#ef6660",
        loss="#5f9fea",
        equity="#f09a3e",
        accents=("#4bbf93", "#a98be0", "#5f9fea", "#dd7f9c", "#9aa5b1", "#cfae4a"),
        zone="#222831",
    ),
}
"""Korean habit: red wins, blue loses; the equity is orange (workstation 12)."""


@cache
def _register() -> None:
    from matplotlib import font_manager

    for name in FILES:
        font_manager.fontManager.addfont(str(FONTS / name))


@contextlib.contextmanager
def drawing(theme: Theme) -> Iterator[None]:
    """Let matplotlib draw in a theme with the fonts of the project; nothing of it stays behind."""
    import matplotlib

    # What it leaves out of a font (tables of the designer's tools) is nobody's concern.
    logging.getLogger("fontTools.subset").setLevel(logging.ERROR)
    _register()
    settings: dict[str, Any] = {
        "font.family": [FAMILY],
        "font.size": 9.0,
        "axes.unicode_minus": False,
        "figure.facecolor": theme.paper,
        "savefig.facecolor": theme.paper,
        "axes.facecolor": theme.panel,
        "axes.edgecolor": theme.grid,
        "axes.labelcolor": theme.muted,
        "axes.titlecolor": theme.ink,
        "axes.titlesize": 10.5,
        "axes.titleweight": BOLD,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": theme.grid,
        "grid.linewidth": 0.6,
        "text.color": theme.ink,
        "xtick.color": theme.muted,
        "ytick.color": theme.muted,
        "xtick.labelsize": 8.0,
        "ytick.labelsize": 8.0,
        "legend.frameon": False,
        "legend.fontsize": 8.0,
        "agg.path.chunksize": 20_000,
        "svg.fonttype": "path",
        "svg.hashsalt": "stom",
        "pdf.fonttype": 42,
    }
    with matplotlib.rc_context(settings):
        yield


def plain_page(title: str, theme: Theme) -> Any:
    """Return an empty page with a title."""
    from matplotlib.figure import Figure

    page = Figure(figsize=SIZE, layout="constrained")
    page.suptitle(title, x=0.012, ha="left", fontsize=14, fontweight=BOLD, color=theme.ink)
    page.get_layout_engine().set(w_pad=0.12, h_pad=0.12, hspace=0.06, wspace=0.05)
    return page


def number(value: float) -> str:
    """Return an amount as people read it: whole from 1,000 on, else with what decimals it needs."""
    if value == 0 or abs(value) >= 1_000:
        text = f"{value:,.0f}"
    elif abs(value) >= 1:
        text = f"{value:,.2f}".rstrip("0").rstrip(".")
    else:
        text = f"{value:,.6f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
