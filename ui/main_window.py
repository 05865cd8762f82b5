"""The window: arranges the parts, wires signals to requests, remembers the layout. It holds no trading state of its own."""

from __future__ import annotations

import logging
from typing import Any

from PyQt5.QtCore import QByteArray, QSettings
from PyQt5.QtWidgets import QHBoxLayout, QMainWindow, QStackedWidget, QVBoxLayout, QWidget

from domain.errors import StomError
from domain.formulas import Formula
from domain.instruments import Market
from domain.settings import Settings
from ui.actions import Actions
from ui.bridge import Bridge
from ui.commands import Commands
from ui.jobs import Jobs
from ui.models.log import LogModel
from ui.models.market_state import MarketState
from ui.models.watchlist import name_of
from ui.news import News
from ui.pages.live import LivePage
from ui.pages.log import LogPage
from ui.pages.research import ResearchPage
from ui.pages.settings import SettingsPage
from ui.pages.strategy import StrategyPage
from ui.save_guard import SaveGuard
from ui.start import live_options, named_formulas, strategy_text
from ui.teller import Teller, said
from ui.text import Said, language, on_language, set_language, tr
from ui.theme.style import THEME
from ui.user_library import Library, StoreLibrary, StrategyDoc
from ui.widgets.command_box import CommandBox, Entry
from ui.widgets.notice import Notice
from ui.widgets.rail import Rail
from ui.widgets.status_strip import StatusStrip
from ui.widgets.top_bar import TopBar
from utility import settings_file
from utility.paths import DataDir

log = logging.getLogger(__name__)

PAGES = ("live", "strategy", "research", "log", "settings")
FIRST_STRATEGY = "데모_돌파"
LAYOUT_VERSION = 2


class MainWindow(QMainWindow):
    """The workstation.

    Parameters
    ----------
    bridge : Bridge
        Not started yet; `begin` starts it.
    library : Library
    settings : Settings
    markets : tuple of Market
        The markets that can be chosen; the first is shown first.
    data_dir : DataDir
    """

    def __init__(
        self,
        bridge: Bridge,
        library: Library,
        settings: Settings,
        markets: tuple[Market, ...],
        data_dir: DataDir,
    ) -> None:
        super().__init__()
        self.setObjectName("mainWindow")
        self.bridge, self.strategies, self.settings, self.data_dir = bridge, library, settings, data_dir
        self.markets = {market.code: market for market in markets}
        self.states: dict[str, MarketState] = {}
        self.live_pages: dict[str, LivePage] = {}
        self.running: dict[str, str] = {}  # market → strategy name on it
        self.is_up = False
        self.wanted: list[str] = []
        self.names: list[str] = []
        self.venues: dict[str, tuple[str, ...]] = {}  # group of settings → codes; read when the tab is first shown
        self._docs: dict[str, StrategyDoc] = {}
        self.found: dict[str, Any] = {}  # market → SeenMarket of a run that was there before this window
        self.is_viewer = False
        self._closing = False
        self.actions = Actions(self)
        self.jobs = Jobs()
        self.commands = Commands(self)
        self.log_model = LogModel(self)
        self.store = QSettings(str(data_dir.root / "window.ini"), QSettings.IniFormat)
        self._build()
        self._wire()
        self.show_market(str(self.store.value("window/market", markets[0].code)))
        self._restore()
        self.show_page("live")
        self.live.watch.setFocus()

    # --- building -------------------------------------------------------------------------------------

    def _build(self) -> None:
        self.top = TopBar(list(self.markets), self.actions)
        self.notice = Notice()
        self.teller = Teller(self.notice, self.log_model, self)
        self._tell, self._tell_error = self.teller.tell, self.teller.error
        self.strip = StatusStrip()
        self.rail = Rail(PAGES)
        self.rail.chosen.connect(self.show_page)
        self.rail_buttons = self.rail.buttons
        self.live_stack = QStackedWidget()
        markets = tuple(self.markets.values())
        self.save_guard = SaveGuard(self.data_dir.root, self.commands, self)
        self.strategy_page = StrategyPage(self.strategies, self.data_dir.user_library, markets[0], self.actions, self.jobs)
        self.research_page = ResearchPage(self.strategies, markets, self.settings, self.data_dir.root, self.jobs, self.commands)
        self.log_page = LogPage(self.log_model)
        self.settings_page = SettingsPage(
            self.settings,
            self.data_dir.settings,
            {"venues": lambda group: self.venues.get(group, ()), "strategies": lambda group: ("", *self.names)},
        )
        self.pages = QStackedWidget()
        for page in (self.live_stack, self.strategy_page, self.research_page, self.log_page, self.settings_page):
            self.pages.addWidget(page)
        right = QWidget()
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.notice)
        column.addWidget(self.pages, 1)
        middle = QHBoxLayout()
        middle.setSpacing(0)
        middle.addWidget(self.rail)
        middle.addWidget(right, 1)
        whole = QWidget()
        outer = QVBoxLayout(whole)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        outer.addWidget(self.top)
        outer.addLayout(middle, 1)
        outer.addWidget(self.strip)
        self.setCentralWidget(whole)
        self.setMinimumSize(1180, 720)
        self._retitle()

    def _retitle(self) -> None:
        self.setWindowTitle(tr("ui.window.title"))

    def _wire(self) -> None:
        bridge, on = self.bridge, self.actions.on
        self.news = News(self)
        self.top.market_chosen.connect(self.show_market)
        self.top.strategy_chosen.connect(self.choose_strategy)
        self.top.kill.pulled.connect(self.pull_kill)
        self.top.kill.rearm_asked.connect(lambda: bridge.rearm(self.market.code))
        self.strategy_page.apply_asked.connect(self.apply_strategy)
        self.strategy_page.backtest_asked.connect(self._backtest)
        self.strategy_page.saved.connect(lambda doc: self.reload_strategies())
        if isinstance(self.strategies, StoreLibrary):
            self.strategy_page.saved.connect(self.save_guard.ask)
        self.save_guard.told.connect(self._tell)
        self.strategy_page.told.connect(self._tell)
        self.research_page.told.connect(self._tell)
        self.research_page.began.connect(lambda: self.teller.forget("ui.research."))
        self.settings_page.changed.connect(self._settings_changed)
        for name in PAGES:
            on(f"page_{name}", lambda name=name: self.show_page(name))
        on("start_stop", self.toggle_market)
        on("stop_all", lambda: self.top.kill.ask("flatten"))
        on("arm_order", lambda: self.live.toggle_arm())
        on("command_box", self.open_command_box)
        on("language", lambda: self.change_setting("general.language", "en" if language() == "ko" else "ko"))
        on("cancel_order", lambda: self.live.cancel_selected())
        on("cancel_all", lambda: self.live.cancel_all())
        on("follow_chart", lambda: self.live.chart.chart.set_follow(True))
        on("load_strategy", lambda: self.strategy_page.list.setFocus())
        on("new_strategy", self.strategy_page.new)
        on("save_strategy", self.strategy_page.save)
        on("rename_strategy", self.strategy_page.rename)
        on("diff_strategy", self.strategy_page.diff)
        on("apply_live", self.strategy_page.apply)
        on("backtest_this", self.strategy_page.backtest)
        on("enlarge_editor", self.strategy_page.enlarge)
        on("run_backtest", lambda: self.research_page.run("backtest"))
        on("run_search", lambda: self.research_page.run("search"))
        on("stop_research", self.research_page.stop)
        on("clear_log", self.log_page.clear)
        on("search_settings", lambda: self.settings_page.search.setFocus())
        on("reset_settings", self.settings_page.ask_reset)
        on_language(self, self._retitle)

    # --- markets ----------------------------------------------------------------------------------------

    @property
    def live(self) -> LivePage:
        """The live page on show."""
        return self.live_pages[self.market.code]

    @property
    def state(self) -> MarketState:
        """State of the market on show."""
        return self.states[self.market.code]

    def state_of(self, code: str) -> MarketState:
        """Return the state of a market, made with its page when it is first met."""
        if code not in self.states:
            interval = self.settings.market(code).strategy.interval
            state = self.states[code] = MarketState(self.markets[code], 1 if interval == "1s" else 60, self)
            page = self.live_pages[code] = LivePage(state, self.actions)
            page.intent_made.connect(lambda intent, code=code: self.bridge.submit(code, intent))
            page.cancel_asked.connect(lambda order, code=code: self.bridge.cancel(code, order))
            page.watch_asked.connect(lambda index, code=code: self.watch(code, index))
            state.account_changed.connect(lambda code=code: self._account(code))
            state.refused.connect(
                lambda ack: self._tell("ui.order.refused", {"rule": ack.rule, "limit": ack.limit, "observed": ack.observed})
            )
            if str(self.store.value("window/version")) == str(LAYOUT_VERSION):
                page.load_layout(self.store)
            self.live_stack.addWidget(page)
        return self.states[code]

    def show_market(self, code: str) -> None:
        """Show another market on every tab."""
        if code not in self.markets:
            code = next(iter(self.markets))
        self.market = self.markets[code]
        state = self.state_of(code)
        self.live_stack.setCurrentWidget(self.live_pages[code])
        self.strip.watch(state)
        self.strategy_page.use_market(self.market)
        place = self.top.market.findData(code)
        self.top.market.setCurrentIndex(place)
        self.top.show_account(state.account, state.day_profit())
        self.show_running()
        self.top.show_strategies(self.names, self.chosen_strategy(code))

    def chosen_strategy(self, code: str) -> str:
        """Return the strategy chosen for a market: the running one, else the setting's."""
        return self.running.get(code) or self.settings.market(code).strategy.name

    def begin(self, markets: list[str]) -> None:
        """Start the bridge, and `markets` as soon as it stands."""
        self.wanted = [code for code in markets if code in self.markets]
        self.bridge.start()
        self.reload_strategies()

    def reload_strategies(self) -> None:
        """Read the strategies' names for the chooser."""

        def done(entries: Any) -> None:
            self.names = [entry.name for entry in entries]
            self.top.show_strategies(self.names, self.chosen_strategy(self.market.code))
            self.research_page.show_strategies(self.names)
            self.settings_page.offer()

        self.jobs.run(self.strategies.entries, done, self._tell_error)

    def start_market(self, code: str, strategy: str | None = None) -> None:
        """Start a market on the paper exchange with a strategy ("" watches only)."""
        if code in self.running or not self.is_up:
            return
        name = self.chosen_strategy(code) if strategy is None else strategy
        self.running[code] = name
        self.state_of(code).begin()
        self.show_running()
        if not name:
            self.bridge.start_market(live_options(None, self.markets[code], self.settings, ()))
            return

        def done(found: tuple[StrategyDoc, tuple[Formula, ...]]) -> None:
            self._docs[code], formulas = found
            try:
                self.bridge.start_market(live_options(found[0], self.markets[code], self.settings, formulas))
            except StomError as error:
                failed(error)

        def failed(error: StomError) -> None:
            self.running.pop(code, None)
            self.show_running()
            self._tell_error(error)

        self.jobs.run(lambda: self._with_formulas(self.strategies.load(name), code), done, failed)

    def stop_market(self, code: str) -> None:
        """Stop a market's processes; positions stay where they are."""
        if code in self.running:
            self.bridge.stop_market(code)

    def toggle_market(self) -> None:
        """Start the market on show, or stop it."""
        code = self.market.code
        if code in self.running:
            self.stop_market(code)
        else:
            self.start_market(code)

    def choose_strategy(self, name: str) -> None:
        """Use another strategy on the market on show, at once when it runs."""
        code = self.market.code
        self.change_setting(f"{code.replace('-', '_')}.strategy.name", name)
        if code not in self.running or not name:
            return
        self.jobs.run(lambda: self.strategies.load(name), self.apply_strategy, self._tell_error)

    def apply_strategy(self, doc: StrategyDoc) -> None:
        """Bring a saved strategy to the market on show; it is started when it does not run."""
        code = self.market.code
        self.jobs.run(lambda: self._with_formulas(doc, code), lambda found: self._apply(code, *found), self._tell_error)

    def _with_formulas(self, doc: StrategyDoc, code: str) -> tuple[StrategyDoc, tuple[Formula, ...]]:
        """Return a strategy with the formulas it names, as they are now (made in the job thread: the library is opened)."""
        return doc, named_formulas(self.data_dir.user_library, doc, self.markets[code])

    def _apply(self, code: str, doc: StrategyDoc, formulas: tuple[Formula, ...]) -> None:
        try:
            text = strategy_text(doc, self.markets[code], self.settings, formulas)
        except StomError as error:
            self._tell_error(error)
            return
        self.change_setting(f"{code.replace('-', '_')}.strategy.name", doc.name)
        self._docs[code] = doc
        if code in self.running:
            self.running[code] = doc.name
            self.bridge.change_strategy(code, text)
            self._tell("ui.notice.applied", {"name": doc.name, "version": doc.version})
        else:
            self.start_market(code, doc.name)
        if code == self.market.code:  # a person may have gone to another market meanwhile
            self.top.show_strategies(self.names, doc.name)

    def pull_kill(self, level: str) -> None:
        """Pull the kill switch of every account."""
        self.bridge.kill(level)
        self.notice.tell("ui.notice.killed", {"level": said("ui.kill", level)}, "error")

    def watch(self, code: str, index: int) -> None:
        if code in self.running and self.is_up:
            self.bridge.watch(code, self.states[code].instruments[index].code)

    def show_running(self) -> None:
        seen = self.found.get(self.market.code)
        is_paper, is_made = (True, True) if seen is None else (seen.is_paper, seen.is_made)
        self.top.show_running(self.market.code in self.running, is_paper, is_made, not self.is_viewer)

    def _account(self, code: str) -> None:
        if code == self.market.code:
            self.top.show_account(self.state.account, self.state.day_profit())

    # --- pages, settings, commands -----------------------------------------------------------------------

    def show_page(self, name: str) -> None:
        """Show a tab."""
        self.pages.setCurrentIndex(PAGES.index(name))
        self.rail_buttons[name].setChecked(True)
        self.actions.for_page(name)
        if name == "strategy":
            self.strategy_page.start()
        elif name == "research":
            self.research_page.start()
        elif name == "settings" and not self.venues:
            self.jobs.run(_read_venues, self._venues_read, self._tell_error)

    def _venues_read(self, found: dict[str, tuple[str, ...]]) -> None:
        self.venues = found
        self.settings_page.offer()

    def _backtest(self, doc: StrategyDoc) -> None:
        self.show_page("research")
        self.research_page.use_strategy(doc, self.market.code)

    def change_setting(self, path: str, value: Any) -> None:
        """Change one setting as the settings tab would."""
        if settings_file.get(self.settings, path) != value:
            self.settings_page.change(path, value)

    def _settings_changed(self, settings: Settings, path: str) -> None:
        before, self.settings = self.settings, settings
        info = settings_file.field(path)
        if path == "general.language":
            set_language(settings.general.language)
        if path.startswith("general."):
            self.apply_look()
        elif path.startswith("risk."):
            self.bridge.apply_settings(settings)
        elif info.apply == "restart" and self.running and before != settings:
            self._tell("ui.notice.restart", {"title": Said(lambda: info.title(language()))})

    def apply_look(self) -> None:
        """Take theme, colours and font size of the settings."""
        from PyQt5.QtWidgets import QApplication

        general = self.settings.general
        THEME.apply(QApplication.instance(), general.theme, general.up_colour, general.font_px)

    def open_command_box(self) -> None:
        """Open Ctrl+K: symbols of the market on show first, then actions."""
        entries = []
        for index, one in enumerate(self.state.instruments):
            words = (name_of(one), one.code, one.name, one.english_name, one.base)
            entries.append(Entry(words, one.code, lambda index=index: self._go_symbol(index)))
        for name, action in self.actions.all.items():
            if action.isEnabled() and name != "command_box":
                entries.append(Entry((action.text(), name), action.shortcut().toString(), action.trigger))
        box = CommandBox(entries, self)
        box.move(self.mapToGlobal(self.rect().center()) - box.rect().center())
        box.show()
        box.line.setFocus()
        self._box = box

    def _go_symbol(self, index: int) -> None:
        self.show_page("live")
        self.live.select(index)

    # --- layout ------------------------------------------------------------------------------------------

    def _restore(self) -> None:
        self.resize(1600, 900)
        value = self.store.value("window/geometry")
        if isinstance(value, QByteArray) and str(self.store.value("window/version")) == str(LAYOUT_VERSION):
            self.restoreGeometry(value)

    def save_layout(self) -> None:
        """Write geometry, splitters and choices into the data directory."""
        self.store.setValue("window/version", LAYOUT_VERSION)
        self.store.setValue("window/geometry", self.saveGeometry())
        self.store.setValue("window/market", self.market.code)
        if not self.is_viewer:  # what runs is somebody else's choice
            self.store.setValue("window/running", list(self.running))
        self.live.save_layout(self.store)
        self.store.sync()

    def closeEvent(self, event: Any) -> None:
        if not self._closing:
            self._closing = True
            self.save_layout()
            self.commands.close()  # studies keep their trials and are offered again
            self.bridge.stop()
            self.strategy_page.stop()
            self.jobs.stop()
            self.teller.close()
        event.accept()


def _read_venues() -> dict[str, tuple[str, ...]]:
    """Return the venues that serve each market, by its group of settings; the adapters are slow to import."""
    from trading.venues import markets, venues_of

    return {code.replace("-", "_"): venues_of(code) for code in markets()}
