"""The style sheet, made from tokens; Fusion underneath."""
# ruff: noqa: E501 - a rule of QSS is one line

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from PyQt5.QtCore import QObject, pyqtSignal
from PyQt5.QtGui import QColor, QPalette
from PyQt5.QtWidgets import QApplication

from ui.theme import fonts
from ui.theme.tokens import DARK, Tokens, tokens

_PLACE = Path(__file__).resolve().parent.as_posix()


class Theme(QObject):
    """The theme of the window; `changed` is emitted when charts and painters must take new colours."""

    changed = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.tokens: Tokens = DARK

    def apply(self, app: QApplication, theme: str, up_colour: str, font_px: int) -> None:
        """Set style, palette, font and style sheet of `app`."""
        chosen = tokens(theme, up_colour, font_px)
        first = not app.styleSheet()
        if chosen == self.tokens and not first:
            return
        self.tokens = chosen
        if first:
            app.setStyle("Fusion")
        app.setFont(fonts.ui_font(font_px))
        app.setPalette(palette(chosen))
        app.setStyleSheet(style_sheet(chosen))
        self.changed.emit()


THEME = Theme()


def theme() -> Tokens:
    """Return the tokens of the moment."""
    return THEME.tokens


@lru_cache(maxsize=256)
def _colour(spelled: str, alpha: int) -> QColor:
    # Shared between callers, so nobody may change one: painters and pens copy.
    made = QColor(spelled)
    made.setAlpha(alpha)
    return made


def colour(name: str, alpha: int = 255) -> QColor:
    """Return a token as QColor, `name` being a field of Tokens."""
    return _colour(getattr(THEME.tokens, name), alpha)


def ink_on(ground: QColor) -> QColor:
    """Return black or white, whichever reads better on `ground` (relative luminance, WCAG 2)."""
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in ground.getRgbF()[:3]]
    light = 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
    return QColor("#ffffff") if light < 0.25 else QColor("#10141b")


def signed_colour(value: float) -> QColor:
    """Return the rising, falling or flat colour for `value`."""
    return colour("up" if value > 0 else "down" if value < 0 else "flat")


def palette(t: Tokens) -> QPalette:
    """Return the palette, for what the style sheet does not reach."""
    made = QPalette()
    for role, name in (
        (QPalette.Window, t.window),
        (QPalette.WindowText, t.text),
        (QPalette.Base, t.panel),
        (QPalette.AlternateBase, t.raised),
        (QPalette.Text, t.text),
        (QPalette.Button, t.raised),
        (QPalette.ButtonText, t.text),
        (QPalette.ToolTipBase, t.raised),
        (QPalette.ToolTipText, t.text),
        (QPalette.Highlight, t.selected),
        (QPalette.HighlightedText, t.text),
        (QPalette.Link, t.accent),
    ):
        made.setColor(role, QColor(name))
    made.setColor(QPalette.PlaceholderText, QColor(t.faint))
    for role in (QPalette.Text, QPalette.WindowText, QPalette.ButtonText):
        made.setColor(QPalette.Disabled, role, QColor(t.faint))
    return made


def style_sheet(t: Tokens) -> str:
    """Return the QSS of tokens `t`."""
    px, small, big = t.font_px, t.font_px - 1, t.font_px + 2
    return f"""
* {{ outline: 0; }}
QMainWindow, QDialog {{ background: {t.window}; }}
QWidget {{ color: {t.text}; font-size: {px}px; }}
QToolTip {{ background: {t.raised}; color: {t.text}; border: 1px solid {t.line}; padding: 4px 6px; }}
QLabel {{ background: transparent; }}
QLabel[role="muted"] {{ color: {t.muted}; }}
QLabel[role="faint"] {{ color: {t.faint}; }}
QLabel[role="title"] {{ color: {t.text}; font-weight: bold; }}
QLabel[role="big"] {{ font-size: {big + 3}px; font-weight: bold; }}
QLabel[role="error"] {{ color: {t.danger}; }}
QLabel[role="warn"] {{ color: {t.warn}; }}
QLabel[role="up"] {{ color: {t.up}; }}
QLabel[role="down"] {{ color: {t.down}; }}

QFrame[panel="true"] {{ background: {t.panel}; border: 1px solid {t.line}; border-radius: {t.radius}px; }}
QFrame#panelHead {{ background: {t.raised}; border: 0; border-bottom: 1px solid {t.line};
  border-top-left-radius: {t.radius}px; border-top-right-radius: {t.radius}px; }}
QFrame#topBar {{ background: {t.panel}; border: 0; border-bottom: 1px solid {t.line}; }}
QFrame#rail {{ background: {t.panel}; border: 0; border-right: 1px solid {t.line}; }}
QFrame#statusStrip {{ background: {t.panel}; border: 0; border-top: 1px solid {t.line}; }}
QFrame#statusStrip QLabel {{ font-size: {small}px; }}
QFrame#notice {{ background: {t.raised}; border: 0; border-bottom: 1px solid {t.line}; border-left: 3px solid {t.accent}; }}
QFrame#notice[level="warn"] {{ border-left-color: {t.warn}; }}
QFrame#notice[level="error"] {{ border-left-color: {t.danger}; }}
QFrame#separator {{ background: {t.line}; max-width: 1px; min-width: 1px; border: 0; }}

QToolButton#railButton {{ background: transparent; border: 0; border-left: 2px solid transparent; color: {t.muted};
  padding: 6px 0 4px 0; font-size: {small}px; }}
QToolButton#railButton:hover {{ background: {t.hover}; color: {t.text}; }}
QToolButton#railButton:checked {{ background: {t.raised}; color: {t.text}; border-left: 2px solid {t.accent}; }}

QPushButton, QToolButton {{ background: {t.raised}; border: 1px solid {t.line}; border-radius: {t.radius}px; padding: 4px 10px; }}
QToolButton {{ padding: 3px 6px; }}
QPushButton:hover, QToolButton:hover {{ background: {t.hover}; border-color: {t.faint}; }}
QPushButton:pressed, QToolButton:pressed {{ background: {t.selected}; }}
QPushButton:focus, QToolButton:focus {{ border-color: {t.accent}; }}
QPushButton:disabled, QToolButton:disabled {{ color: {t.faint}; background: {t.panel}; border-color: {t.line}; }}
QPushButton:checked, QToolButton:checked {{ background: {t.selected}; border-color: {t.accent}; color: {t.text}; }}
QPushButton[kind="primary"] {{ background: {t.accent}; border-color: {t.accent}; color: {t.accent_text}; font-weight: bold; }}
QPushButton[kind="primary"]:hover {{ border-color: {t.text}; }}
QPushButton[kind="primary"]:disabled {{ background: {t.panel}; border-color: {t.line}; color: {t.faint}; }}
QPushButton[kind="danger"], QToolButton[kind="danger"] {{ background: transparent; border-color: {t.danger}; color: {t.danger}; font-weight: bold; }}
QPushButton[kind="danger"]:hover, QToolButton[kind="danger"]:hover {{ background: {t.danger}; color: #ffffff; }}
QPushButton[kind="danger"]:disabled, QToolButton[kind="danger"]:disabled {{ border-color: {t.line}; color: {t.faint}; }}
QToolButton[kind="danger"] {{ padding: 4px 24px 4px 8px; }}
QToolButton[kind="danger"]::menu-button {{ border: 0; border-left: 1px solid {t.danger}; width: 20px; }}
QToolButton[kind="danger"]::menu-arrow {{ image: url({_PLACE}/arrow_down.svg); width: 9px; height: 5px; }}
QPushButton[kind="buy"] {{ background: {t.up}; border-color: {t.up}; color: #ffffff; font-weight: bold; }}
QPushButton[kind="sell"] {{ background: {t.down}; border-color: {t.down}; color: #ffffff; font-weight: bold; }}
QPushButton[kind="buy"]:disabled, QPushButton[kind="sell"]:disabled {{ background: {t.raised}; border-color: {t.line}; color: {t.faint}; }}
QPushButton[kind="buy"]:hover, QPushButton[kind="sell"]:hover {{ border-color: {t.text}; }}
QPushButton[kind="buytab"]:checked {{ background: {t.up}; border-color: {t.up}; color: #ffffff; font-weight: bold; }}
QPushButton[kind="selltab"]:checked {{ background: {t.down}; border-color: {t.down}; color: #ffffff; font-weight: bold; }}
QPushButton[kind="chip"] {{ padding: 3px 8px; font-size: {small}px; color: {t.muted}; }}
QPushButton[kind="chip"]:checked {{ color: {t.text}; }}
QPushButton[kind="small"] {{ padding: 3px 4px; font-size: {small}px; }}
QPushButton[kind="flat"], QToolButton[kind="flat"] {{ background: transparent; border-color: transparent; color: {t.muted}; }}
QPushButton[kind="flat"]:hover, QToolButton[kind="flat"]:hover {{ background: {t.hover}; color: {t.text}; }}
QToolButton::menu-indicator {{ image: none; width: 0; }}

QLineEdit, QComboBox, QSpinBox, QDoubleSpinBox, QDateEdit, QTimeEdit, QPlainTextEdit, QTextEdit {{
  background: {t.window}; border: 1px solid {t.line}; border-radius: {t.radius}px; padding: 3px 6px;
  selection-background-color: {t.selected}; selection-color: {t.text}; }}
QLineEdit:focus, QComboBox:focus, QSpinBox:focus, QDoubleSpinBox:focus, QDateEdit:focus, QPlainTextEdit:focus {{ border-color: {t.accent}; }}
QLineEdit:disabled, QComboBox:disabled, QSpinBox:disabled, QDoubleSpinBox:disabled, QDateEdit:disabled, QPlainTextEdit:disabled {{ color: {t.faint}; background: {t.panel}; }}
QLineEdit[bad="true"], QComboBox[bad="true"], QPlainTextEdit[bad="true"], QSpinBox[bad="true"], QDoubleSpinBox[bad="true"] {{ border-color: {t.danger}; }}
QComboBox::drop-down {{ border: 0; width: 18px; }}
QComboBox::down-arrow {{ image: url({_PLACE}/arrow_down.svg); width: 10px; height: 6px; margin-right: 8px; }}
QComboBox QAbstractItemView {{ background: {t.raised}; border: 1px solid {t.line}; selection-background-color: {t.selected}; padding: 2px; }}
QSpinBox::up-button, QSpinBox::down-button, QDoubleSpinBox::up-button, QDoubleSpinBox::down-button,
QDateEdit::up-button, QDateEdit::down-button {{ background: transparent; border: 0; width: 14px; }}
QSpinBox::up-arrow, QDoubleSpinBox::up-arrow {{ image: url({_PLACE}/arrow_up.svg); width: 8px; height: 5px; }}
QSpinBox::down-arrow, QDoubleSpinBox::down-arrow {{ image: url({_PLACE}/arrow_down.svg); width: 8px; height: 5px; }}
QDateEdit::drop-down {{ border: 0; width: 16px; }}
QDateEdit::down-arrow:disabled, QComboBox::down-arrow:disabled {{ image: none; }}
QDateEdit::down-arrow {{ image: url({_PLACE}/arrow_down.svg); width: 10px; height: 6px; }}
QCheckBox {{ spacing: 6px; background: transparent; }}
QCheckBox::indicator {{ width: 15px; height: 15px; border: 1px solid {t.faint}; border-radius: 3px; background: {t.window}; }}
QCheckBox::indicator:checked {{ background: {t.accent}; border-color: {t.accent}; image: url({_PLACE}/check.svg); }}
QCheckBox::indicator:focus, QCheckBox::indicator:hover {{ border-color: {t.accent}; }}

QTableView, QTreeView, QListView, QListWidget {{ background: {t.panel}; alternate-background-color: {t.panel}; border: 0;
  gridline-color: {t.grid}; selection-background-color: {t.selected}; }}
QTableView::item {{ padding: 0 6px; border-bottom: 1px solid {t.grid}; }}
QTableView::item:selected {{ background: {t.selected}; }}
QListView::item:selected, QTreeView::item:selected {{ background: {t.selected}; color: {t.text}; }}
QTableView::item:hover, QListView::item:hover {{ background: {t.hover}; }}
QTableView::item:selected:hover {{ background: {t.selected}; }}
QListView::item, QListWidget::item {{ padding: 5px 8px; }}
QTreeView::item {{ padding: 4px 2px; }}
QHeaderView {{ background: {t.raised}; border: 0; }}
QHeaderView::section {{ background: {t.raised}; color: {t.muted}; border: 0; border-bottom: 1px solid {t.line}; padding: 3px 6px; font-size: {small}px; }}
QHeaderView::section:hover {{ color: {t.text}; }}
QHeaderView::up-arrow {{ image: url({_PLACE}/arrow_up.svg); width: 8px; height: 5px; margin-right: 2px; }}
QHeaderView::down-arrow {{ image: url({_PLACE}/arrow_down.svg); width: 8px; height: 5px; margin-right: 2px; }}
QTableCornerButton::section {{ background: {t.raised}; border: 0; }}

QComboBox[kind="pane"] {{ background: {t.raised}; border: 0; color: {t.muted}; padding: 0 4px; font-size: {small}px; }}
QComboBox[kind="pane"]:hover {{ color: {t.text}; }}
QTabWidget::pane {{ border: 0; border-top: 1px solid {t.line}; background: {t.panel}; }}
QTabBar {{ background: {t.raised}; qproperty-drawBase: 0; }}
QTabBar::tab {{ background: transparent; color: {t.muted}; padding: 5px 12px; border: 0; border-bottom: 2px solid transparent; }}
QTabBar::tab:selected {{ color: {t.text}; border-bottom: 2px solid {t.accent}; }}
QTabBar::tab:hover {{ color: {t.text}; background: {t.hover}; }}
QTabBar::scroller {{ width: 34px; }}
QTabBar QToolButton {{ background: {t.raised}; border: 1px solid {t.line}; border-radius: 0; padding: 0; width: 16px; }}
QTabBar QToolButton::left-arrow {{ image: url({_PLACE}/arrow_left.svg); width: 6px; height: 10px; }}
QTabBar QToolButton::right-arrow {{ image: url({_PLACE}/arrow_right.svg); width: 6px; height: 10px; }}
QTabBar QToolButton::left-arrow:disabled, QTabBar QToolButton::right-arrow:disabled {{ image: none; }}

QSplitter::handle {{ background: transparent; }}
QSplitter::handle:horizontal {{ width: {t.gap}px; }}
QSplitter::handle:vertical {{ height: {t.gap}px; }}
QSplitter::handle:hover {{ background: {t.hover}; }}
QScrollBar:vertical {{ background: transparent; width: 10px; margin: 0; }}
QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 0; }}
QScrollBar::handle {{ background: {t.line}; border-radius: 3px; min-height: 28px; min-width: 28px; margin: 2px; }}
QScrollBar::handle:hover {{ background: {t.faint}; }}
QScrollBar::add-line, QScrollBar::sub-line, QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; border: 0; width: 0; height: 0; }}
QScrollArea {{ background: transparent; border: 0; }}
QProgressBar {{ background: {t.window}; border: 1px solid {t.line}; border-radius: {t.radius}px; text-align: center; color: {t.text}; }}
QProgressBar::chunk {{ background: {t.accent}; border-radius: 2px; }}
QMenu {{ background: {t.raised}; border: 1px solid {t.line}; padding: 4px; }}
QMenu::item {{ padding: 5px 24px 5px 12px; border-radius: {t.radius}px; }}
QMenu::item:selected {{ background: {t.selected}; }}
QMenu::separator {{ height: 1px; background: {t.line}; margin: 4px 6px; }}
"""
