"""Volume below the price: bought and sold stacked."""

from __future__ import annotations

from ui.charts.axes import TimeAxis
from ui.charts.items import VolumeItem
from ui.charts.pane import Pane
from ui.format import size
from ui.models.bars import BarSeries
from ui.text import tr


class VolumePane(Pane):
    """The volume pane."""

    zero_based = True
    own_ticks = True

    def __init__(self, bottom: TimeAxis | None = None) -> None:
        self.item = VolumeItem()
        self.bars: BarSeries | None = None
        super().__init__(size, bottom)
        self.plot.addItem(self.item, ignoreBounds=True)

    def restyle(self) -> None:
        super().restyle()
        self.item.restyle()

    def show(self, bars: BarSeries | None) -> None:
        """Show the volume of `bars`."""
        self.bars = bars
        self.item.set_data(bars if bars is not None and len(bars) else None, bars.revision if bars is not None else 0)

    def span(self, lo: int, hi: int) -> tuple[float, float] | None:
        if self.bars is None or hi <= lo:
            return None
        return 0.0, float(self.bars.volume[lo:hi].max())

    def read(self, index: int) -> list[tuple[str, str]]:
        if self.bars is None or not 0 <= index < len(self.bars):
            return [(tr("ui.chart.volume"), "muted")]
        return [
            (tr("ui.chart.volume"), "muted"),
            (size(self.bars.volume[index]), "text"),
            (tr("ui.side.buy"), "muted"),
            (size(self.bars.buy[index]), "up"),
            (tr("ui.side.sell"), "muted"),
            (size(self.bars.sell[index]), "down"),
        ]
