"""The bar at the top: market, strategy, start or stop, the badges that are always in sight, equity, kill switch."""

from __future__ import annotations

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtWidgets import QComboBox, QFrame, QHBoxLayout, QLabel, QPushButton, QToolButton, QWidget

from domain.messages import AccountState
from ui import format as fmt
from ui.actions import Actions
from ui.text import bind, language, on_language, tr, word
from ui.theme import icons
from ui.theme.style import THEME, theme
from ui.widgets.badge import Badge
from ui.widgets.kill_switch import KillSwitch
from ui.widgets.panel import repolish

STATE_TONES = {"ready": "ok", "reconciling": "warn", "starting": "warn", "degraded": "warn", "stopped": "muted"}
TRADING_TONES = {"reducing": "warn", "halted": "danger"}


class TopBar(QFrame):
    """Signals: market_chosen(code), strategy_chosen(name)."""

    market_chosen = pyqtSignal(str)
    strategy_chosen = pyqtSignal(str)

    def __init__(self, markets: list[str], actions: Actions, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("topBar")
        self.setFixedHeight(44)
        self.logo = QLabel("STOM")
        self.logo.setObjectName("logo")
        self.market = QComboBox()
        self.market.setObjectName("marketChooser")
        self.market.setSizeAdjustPolicy(QComboBox.AdjustToContents)  # names are longer in another language
        for code in markets:
            self.market.addItem(code, code)
        self.market.activated.connect(lambda _: self.market_chosen.emit(self.market.currentData()))
        bind(self.market, "setToolTip", "ui.top.market")
        bind(self.market, "setAccessibleName", "ui.top.market")
        self.strategy = QComboBox()
        self.strategy.setObjectName("strategyChooser")
        self.strategy.setSizeAdjustPolicy(QComboBox.AdjustToContents)
        self.strategy.setMinimumWidth(150)
        self.strategy.activated.connect(lambda _: self.strategy_chosen.emit(self.strategy.currentData() or ""))
        bind(self.strategy, "setToolTip", "ui.top.strategy")
        bind(self.strategy, "setAccessibleName", "ui.top.strategy")
        self.start = QPushButton()
        self.start.setObjectName("startStop")
        self.start.setMinimumWidth(96)
        self.start.clicked.connect(actions["start_stop"].trigger)
        self.paper = Badge("badgePaper")
        self.made = Badge("badgeMade")
        self.state = Badge("badgeState")
        self.equity_name, self.equity = QLabel(), QLabel(fmt.DASH)
        self.pnl_name, self.pnl = QLabel(), QLabel(fmt.DASH)
        for label in (self.equity_name, self.pnl_name):
            label.setProperty("role", "muted")
        bind(self.equity_name, "setText", "ui.account.equity")
        bind(self.pnl_name, "setText", "ui.account.day")
        for label in (self.pnl_name, self.pnl):
            bind(label, "setToolTip", "ui.account.day.tip")
        self.equity.setObjectName("topEquity")
        self.pnl.setObjectName("topPnl")
        self.command = QToolButton()
        self.command.setObjectName("commandButton")
        self.command.setProperty("kind", "flat")
        self.command.clicked.connect(actions["command_box"].trigger)
        bind(self.command, "setToolTip", "ui.action.command_box.tip")
        bind(self.command, "setAccessibleName", "ui.action.command_box")
        self.language = QToolButton()
        self.language.setObjectName("languageButton")
        self.language.setProperty("kind", "flat")
        self.language.clicked.connect(actions["language"].trigger)
        bind(self.language, "setText", "ui.top.language")
        bind(self.language, "setToolTip", "ui.action.language.tip")
        self.kill = KillSwitch()
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 0, 8, 0)
        row.setSpacing(8)
        for widget in (self.logo, self.market, self.strategy, self.start, self.paper, self.made, self.state):
            row.addWidget(widget)
        row.addStretch(1)
        for widget in (self.equity_name, self.equity, self.pnl_name, self.pnl):
            row.addWidget(widget)
        for widget in (self.command, self.language, self.kill):
            row.addWidget(widget)
        self.is_running = False
        self.is_paper = True
        self.account: AccountState | None = None
        self.day_profit = float("nan")
        on_language(self, self.refresh)
        THEME.changed.connect(self._restyle)
        self._restyle()
        self.refresh()

    def _restyle(self) -> None:
        t = theme()
        look = f"color: {t.text}; font-size: {t.font_px + 4}px; font-weight: bold; letter-spacing: 2px; padding-right: 6px;"
        self.logo.setStyleSheet(look)
        self.command.setIcon(icons.icon("command", t.muted))
        self.start.setIcon(icons.icon("stop" if self.is_running else "start", t.text if self.is_running else t.accent_text, size=14))

    def show_running(self, is_running: bool, is_paper: bool, is_made: bool, is_ours: bool = True) -> None:
        """Tell whether the market on show runs, on what, what it is made of, and whether this window may stop it."""
        self.is_running, self.is_paper = is_running, is_paper
        self.start.setEnabled(is_ours)
        self.strategy.setEnabled(is_ours or is_paper)
        bind(self.start, "setToolTip", "ui.top.start.tip" if is_ours else "ui.top.start.viewer")
        kind = "" if is_running else "primary"
        if self.start.property("kind") != kind:
            self.start.setProperty("kind", kind)
            repolish(self.start)
        if is_paper:
            self.paper.show_word("ui.badge.paper", "warn", True, "ui.badge.paper.tip")
        else:
            self.paper.show_word("ui.badge.live", "danger", True, "ui.badge.live.tip")
        self.made.setVisible(is_made)
        self.made.show_word("ui.badge.made", "made", False, "ui.badge.made.tip")
        self._restyle()
        self.refresh()

    def show_account(self, account: AccountState | None, day_profit: float) -> None:
        """Show equity, profit of the day and the trading state."""
        self.account = account
        self.day_profit = day_profit
        self.refresh()

    def show_strategies(self, names: list[str], chosen: str) -> None:
        """Offer strategies; the first entry watches without trading."""
        wanted = [("", ""), *((name, name) for name in names)]
        now = [(self.strategy.itemData(i), self.strategy.itemData(i)) for i in range(self.strategy.count())]
        if now != wanted:
            self.strategy.clear()
            for name, data in wanted:
                self.strategy.addItem(name or tr("ui.top.no_strategy"), data)
        place = self.strategy.findData(chosen)
        self.strategy.setCurrentIndex(max(place, 0))

    def refresh(self) -> None:
        """Write everything in the window's language."""
        for place in range(self.market.count()):
            self.market.setItemText(place, word("ui.market", self.market.itemData(place)))
        if self.strategy.count():
            self.strategy.setItemText(0, tr("ui.top.no_strategy"))
        self.start.setText(tr("ui.top.stop" if self.is_running else "ui.top.start"))
        account = self.account
        if not self.is_running or account is None:
            code = "ui.state.starting" if self.is_running else "ui.state.stopped"
            self.state.show_word(code, "warn" if self.is_running else "muted", tip=f"{code}.tip")
            self.equity.setText(fmt.DASH)
            self.pnl.setText(fmt.DASH)
            return
        if account.trading_state != "active":
            code, tone = f"ui.state.{account.trading_state}", TRADING_TONES.get(account.trading_state, "warn")
        else:
            code, tone = f"ui.state.{account.state}", STATE_TONES.get(account.state, "muted")
        self.state.show_word(code, tone, tone == "danger", f"{code}.tip")
        if account.reason:
            self.state.setToolTip(f"{tr(f'{code}.tip')}\n{word('ui.reason', account.reason)}")
        self.equity.setText(fmt.money(account.equity, account.currency, language()))
        profit = self.day_profit
        self.pnl.setText(fmt.money(profit, account.currency, language(), sign=True))
        role = "up" if profit > 0 else "down" if profit < 0 else ""
        if self.pnl.property("role") != role:
            self.pnl.setProperty("role", role)
            repolish(self.pnl)
        self.equity.setAlignment(Qt.AlignRight | Qt.AlignVCenter)
