"""Line icons of our own, drawn as SVG paths in a 24 × 24 box and tinted with the theme."""

from __future__ import annotations

from functools import lru_cache

from PyQt5.QtCore import QByteArray, QRectF, Qt
from PyQt5.QtGui import QIcon, QPainter, QPixmap
from PyQt5.QtSvg import QSvgRenderer

PATHS = {
    "live": "M4 19V9 M4 13h0 M9 21V5 M14 17V8 M19 14V3 M2.6 10.5h2.8v6H2.6z M7.6 8h2.8v9H7.6z M12.6 9.5h2.8v5h-2.8z M17.6 5h2.8v6h-2.8z",
    "strategy": "M8 6l-5 6 5 6 M16 6l5 6-5 6 M13.5 4l-3 16",
    "research": "M9 3h6 M10 3v6l-6 10a1.5 1.5 0 0 0 1.3 2.2h13.4A1.5 1.5 0 0 0 20 19L14 9V3 M7 15h10",
    "log": "M4 5h16 M4 10h16 M4 15h10 M4 20h7",
    "settings": "M4 7h9 M17 7h3 M4 17h3 M11 17h9 M15 4.5a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5z M9 14.5a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5z",
    "start": "M7 4l13 8-13 8z",
    "stop": "M6 6h12v12H6z",
    "kill": "M12 3v9 M6.5 6.5a8 8 0 1 0 11 0",
    "cancel": "M6 6l12 12 M18 6L6 18",
    "lock": "M6 11h12v9H6z M8.5 11V8a3.5 3.5 0 0 1 7 0v3",
    "unlock": "M6 11h12v9H6z M8.5 11V8a3.5 3.5 0 0 1 6.8-1.2",
    "search": "M10.5 4a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13z M15.5 15.5L21 21",
    "save": "M5 3h11l3 3v15H5z M8 3v6h7V3 M8 21v-7h8v7",
    "rename": "M4 20h4L19 9l-4-4L4 16z M13 7l4 4",
    "diff": "M8 4v12 M4 12l4 4 4-4 M16 20V8 M12 12l4-4 4 4",
    "apply": "M4 12.5l5 5L20 6.5",
    "backtest": "M3 12a9 9 0 1 0 3-6.7 M3 4v5h5 M12 7v5l4 2",
    "new": "M12 5v14 M5 12h14",
    "remove": "M5 12h14",
    "reset": "M20 12a8 8 0 1 1-2.5-5.8 M20 3v5h-5",
    "ga": "M6 3c0 6 12 6 12 12 M18 3c0 6-12 6-12 12 M6 21v-6 M18 21v-6 M8 7h8 M8 12h8",
    "language": "M3 6h10 M8 3v3 M11.5 6c-.8 4-3.8 7-8 8.5 M5.5 8.5c1.5 3 3.5 4.700 6.500 6 M12 21l4.500-11 4.500 11 M13.700 17h5.600",
    "command": "M4 5h16v14H4z M7.500 9.500l3 2.500-3 2.500 M12.500 15h4",
    "warning": "M12 3.500L22 20.500H2z M12 10v5 M12 17.500v.5",
    "info": "M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18z M12 11v6 M12 7.500v.5",
    "clear": "M5 7h14 M9 7V4h6v3 M7 7l1 14h8l1-14",
    "follow": "M4 12h14 M13 6l6 6-6 6 M21.500 5v14",
    "import": "M12 3v12 M7 10l5 5 5-5 M4 20h16",
}
FILLED = frozenset({"start", "stop"})


@lru_cache(maxsize=512)
def pixmap(name: str, colour: str, size: int = 18, ratio: float = 1.0) -> QPixmap:
    """Return icon `name` drawn in `colour`, `size` logical pixels square."""
    fill = colour if name in FILLED else "none"
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><path d="{PATHS[name]}" fill="{fill}" stroke="{colour}" '
        'stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round"/></svg>'
    )
    out = QPixmap(round(size * ratio), round(size * ratio))
    out.fill(Qt.transparent)
    painter = QPainter(out)
    QSvgRenderer(QByteArray(svg.encode())).render(painter, QRectF(out.rect()))
    painter.end()
    out.setDevicePixelRatio(ratio)
    return out


def icon(name: str, colour: str, active: str = "", size: int = 18) -> QIcon:
    """Return icon `name` in `colour`; `active` colours it when checked or selected."""
    made = QIcon()
    for ratio in (1.0, 2.0):
        made.addPixmap(pixmap(name, colour, size, ratio), QIcon.Normal, QIcon.Off)
        made.addPixmap(pixmap(name, active or colour, size, ratio), QIcon.Normal, QIcon.On)
    return made
