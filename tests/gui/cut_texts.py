"""Finds what does not fit its place: labels, buttons, tabs, headings, choices and hints that are cut or painted with dots."""

from __future__ import annotations

import re
from collections.abc import Iterator

from PyQt5.QtCore import QRect, Qt
from PyQt5.QtGui import QTextDocument
from PyQt5.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QHeaderView,
    QLabel,
    QLineEdit,
    QStyle,
    QStyleOptionComboBox,
    QTabBar,
    QWidget,
)

HEADING_ROOM = 8
"""Pixels that a heading keeps free at its sides."""


def cut_texts(root: QWidget) -> list[tuple[str, str, int, int]]:
    """Return (widget, text, width it has, width it needs) of every visible text below `root` that is cut."""
    found = []
    for widget in root.findChildren(QWidget):
        if not widget.isVisible() or not widget.width() or not widget.window().isVisible():
            continue
        for text, has, needs in _texts(widget):
            if text and has + 1 < needs:
                found.append((f"{type(widget).__name__} {widget.objectName()}", text, has, needs))
    return found


def _texts(widget: QWidget) -> Iterator[tuple[str, int, int]]:
    if isinstance(widget, QLabel):
        yield from _label(widget)
    elif isinstance(widget, QAbstractButton):
        yield widget.text(), widget.width(), min(widget.sizeHint().width(), widget.minimumSizeHint().width())
    elif isinstance(widget, QComboBox):
        option = QStyleOptionComboBox()
        widget.initStyleOption(option)
        room = widget.style().subControlRect(QStyle.CC_ComboBox, option, QStyle.SC_ComboBoxEditField, widget)
        for place in range(widget.count()):  # each may be chosen
            yield widget.itemText(place), room.width(), _wide(widget, widget.itemText(place))
    elif isinstance(widget, QLineEdit):
        text = widget.text() or widget.placeholderText()
        margins = widget.textMargins()
        room = widget.contentsRect().width() - margins.left() - margins.right() - 4
        if not widget.isReadOnly() or widget.text():
            yield text, room, _wide(widget, text)
    elif isinstance(widget, QTabBar):
        for place in range(widget.count()):
            box: QRect = widget.tabRect(place)
            inside = widget.rect().contains(box.adjusted(1, 1, -1, -1))
            icon = 0 if widget.tabIcon(place).isNull() else widget.iconSize().width()
            yield widget.tabText(place), box.width() if inside else 0, _wide(widget, widget.tabText(place)) + icon
    elif isinstance(widget, QHeaderView) and widget.orientation() == Qt.Horizontal and widget.model() is not None:
        for place in range(widget.count()):
            if not widget.isSectionHidden(place):
                text = str(widget.model().headerData(place, Qt.Horizontal, Qt.DisplayRole) or "")
                inside = widget.sectionViewportPosition(place) + widget.sectionSize(place) <= widget.viewport().width() + 1
                yield text, widget.sectionSize(place) if inside else 0, _wide(widget, text) + HEADING_ROOM


def _label(label: QLabel) -> Iterator[tuple[str, int, int]]:
    text = label.text()
    if not text:
        return
    plain = text
    if Qt.mightBeRichText(text):
        document = QTextDocument()
        document.setHtml(text)
        plain = document.toPlainText()
    room = label.contentsRect().width() - 2 * label.margin()
    if not label.wordWrap():
        yield plain, room, max(_wide(label, line) for line in plain.splitlines() or [""])
        return
    yield plain, room, max((_wide(label, word) for word in re.split(r"[\s\-/·]+", plain)), default=0)
    high = label.heightForWidth(label.width())
    yield f"{plain} (height)", label.height(), high


def _wide(widget: QWidget, text: str) -> int:
    return int(widget.fontMetrics().horizontalAdvance(text))
