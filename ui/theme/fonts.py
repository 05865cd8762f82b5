"""The fonts that ship with the product, registered by file: no system font is assumed.

A plain Debian has no Hangul font and Qt does not fall back to one by itself, so NanumGothic is made
the application font and stands in for every monospace family too (libraries-and-conventions 3.4).
"""

from __future__ import annotations

from pathlib import Path

from PyQt5.QtGui import QFont, QFontDatabase, QGuiApplication

FONTS = Path(__file__).resolve().parents[2] / "icon" / "fonts"
FAMILY = "NanumGothic"
CODE_FAMILY = "NanumGothicCoding"


def register() -> None:
    """Give Qt the shipped fonts; a missing file leaves the system's own in place."""
    for name in ("NanumGothic.ttf", "NanumGothicBold.ttf", "NanumGothicCoding.ttf"):
        if (FONTS / name).exists():
            QFontDatabase.addApplicationFont(str(FONTS / name))
    for family in ("monospace", "Courier", "Courier New", "Consolas"):
        QFont.insertSubstitution(family, CODE_FAMILY)


def ui_font(px: int, bold: bool = False) -> QFont:
    """Return the interface font at `px` pixels."""
    font = QFont(FAMILY)
    font.setPixelSize(px)
    font.setBold(bold)
    font.setHintingPreference(QFont.PreferVerticalHinting)
    return font


def code_font(px: int) -> QFont:
    """Return the editor font at `px` pixels; Hangul is exactly two columns wide in it.

    QScintilla reads point sizes only, so the size is given in points of the screen.
    """
    font = QFont(CODE_FAMILY)
    font.setFamilies([CODE_FAMILY, FAMILY])
    screen = QGuiApplication.primaryScreen()
    font.setPointSizeF(px * 72.0 / (screen.logicalDotsPerInch() if screen is not None else 96.0))
    return font


def register_matplotlib() -> None:
    """Make figures use the same font; call only where matplotlib is imported anyway."""
    import matplotlib
    from matplotlib import font_manager

    for name in ("NanumGothic.ttf", "NanumGothicBold.ttf"):
        if (FONTS / name).exists():
            font_manager.fontManager.addfont(str(FONTS / name))
    matplotlib.rcParams["font.family"] = FAMILY
    matplotlib.rcParams["axes.unicode_minus"] = False
