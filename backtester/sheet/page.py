"""A sheet as one page that needs nothing else, and as a PDF: the same figures, in either language and theme.

The page carries its pictures and the letters that it uses of the project's font, so that it reads the same without a
network and on a machine that has no Korean font.
"""

from __future__ import annotations

import base64
import html
import io
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from backtester.metrics import KOREAN, METRIC_KEYS
from backtester.sheet.draw import Painter
from backtester.sheet.figures import costs, exposure
from backtester.sheet.load import ROWS_MAX, Sheet
from backtester.sheet.style import BOLD, FAMILY, FILES, FONTS, SIZE, THEMES, Theme, drawing
from backtester.sheet.units import figure_text, money, named
from backtester.verdict.lines import lines_of
from domain.intervals import interval_name
from utility.text import has, sentence

FACT_MAX = 90
GAP = 0.012
"""Between a label and its value, and between columns; a share of a page's width."""
Pairs = list[tuple[str, str]]


def metric_name(key: str, language: str) -> str:
    """Return the name of a metric on the screen; it says what the figure leaves out."""
    return sentence(f"metric.{key}", language) if has(f"metric.{key}", language) else key


# --- what both forms say ----------------------------------------------------------------------------


def title(sheet: Sheet, language: str) -> str:
    """Return the heading of a sheet."""
    facts = sheet.run.passport
    return sentence(
        "report.title",
        language,
        run=sheet.run.run,
        strategy=facts.get("strategy") or "–",
        market=named("ui.market", facts["market"], language),
    )


def facts(sheet: Sheet, language: str) -> Pairs:
    """Return the passport as (name, value) for people; the texts are not among them."""
    known = sheet.run.passport
    unit = interval_name(sheet.interval_s)
    symbols = list(known.get("codes") or known.get("symbols") or ())
    shown = ", ".join(symbols[:8]) + (f" +{len(symbols) - 8:,}" if len(symbols) > 8 else "")
    period = span(*sheet.period) if "first_row" in known or len(sheet.trades) else "–"
    fees = known.get("fees")
    values = {
        "strategy": known.get("strategy") or "–",
        "market": f"{named('ui.market', known['market'], language)} · {named('ui.interval', unit, language)}",
        "period": f"{period} ({sheet.market.zone})",
        "symbols": shown or "–",
        "source": named("ui.source", str(known["source"]), language),
        "betting": money(float(known["betting"]), sheet.market.currency, language),
        "fill": _fill(known, language),
        "fees": sentence("report.fees_dated", language) if fees is None else ":".join(f"{one:g}" for one in fees),
        "variables": "  ".join(f"[{index}] {value:g}" for index, value in known["vars"].items()) or "–",
        "seed": "–" if known.get("seed") is None else str(known["seed"]),
        "study": known.get("study") or "–",
        "data": (known.get("data_days") or known["data"])[:16],
        "build": known.get("build") or known.get("version", ""),
        "lock": (known.get("lock") or "–")[:16],
        "sha256": sheet.run.trades_sha256[:16],
    }
    return [
        (sentence(f"report.fact_{key}", language), value if len(value) <= FACT_MAX else value[: FACT_MAX - 1] + "…")
        for key, value in values.items()
    ]


def _fill(known: Mapping[str, Any], language: str) -> str:
    """Return the way of filling and its delay, of a passport; old ones know rows alone."""
    said = sentence("report.fill", language, fill=named("ui.fill", str(known["fill"]), language), latency=known["latency"])
    more = [sentence("report.fill_delay", language, ms=known["delay_ms"])] if known.get("delay_ms") else []
    more += [sentence("report.fill_share", language, share=known["level_share"])] if known.get("level_share") else []
    return ", ".join([said, *more])


def metrics(sheet: Sheet, language: str) -> Pairs:
    """Return every stored figure of the run, those of workstation 9.1 first, then exposure and costs."""
    stored = sheet.run.metrics
    keys = [key for key in METRIC_KEYS if key in stored] + [key for key in stored if key not in METRIC_KEYS and key not in KOREAN.values()]
    of = (sheet.market.currency, sheet.interval_s, language)
    out = [(metric_name(key, language), figure_text(key, stored[key], *of)) for key in keys if isinstance(stored[key], int | float)]
    if not len(sheet.trades):
        return out
    out_of, paid = exposure(sheet.trades, sheet.days, sheet.session_s), costs(sheet.trades)
    more = {
        "in_market_pct": f"{out_of.in_market * 100:,.2f}%",
        "mean_held": money(out_of.mean_amount, sheet.market.currency, language),
        "turnover": money(out_of.turnover, sheet.market.currency, language),
        "long_pct": f"{out_of.long_share * 100:,.2f}%",
        "costs_paid": money(paid.costs, sheet.market.currency, language),
        "costs_of_turnover": f"{paid.of_turnover_pct:,.4f}%",
        "costs_of_gross": "–" if paid.share_pct != paid.share_pct else f"{paid.share_pct:,.2f}%",
    }
    return out + [(sentence(f"report.metric_{key}", language), value) for key, value in more.items()]


def span(first: Any, last: Any) -> str:
    """Return a period; what its ends have in common is said once."""
    begins, ends = (str(one).replace("T", " ") for one in (first, last))
    if begins[:10] == ends[:10]:
        return f"{begins} … {ends[11:]}"
    return f"{begins} … {ends[5:]}" if begins[:5] == ends[:5] else f"{begins} … {ends}"


def verdict(sheet: Sheet, language: str) -> tuple[str, list[str], Pairs] | None:
    """Return the verdict's sentence, its reasons and its figures; None where none is stored."""
    found = sheet.verdict
    if found is None:
        return None
    reasons = [one["sentence"][language] for one in found["verdict"]["reasons"]]
    figures = [(sentence(f"verdict.figure.{key}", language), value) for key, value in lines_of(found)]
    return found["verdict"]["sentence"][language], reasons, figures


# --- one page ---------------------------------------------------------------------------------------


def write_html(sheet: Sheet, path: Path, language: str, theme: str = "print") -> None:
    """Write the sheet as one page that refers to nothing outside itself."""
    look = THEMES[theme]
    with drawing(look):
        painter = Painter(sheet, language, look)
        pictures = [(sentence(f"report.figure_{name}", language), picture(draw())) for name, draw in painter.all()]
    body = _body(sheet, language, pictures)
    whole(path, page_of(title(sheet, language), body, language, look).encode())


def page_of(name: str, body: str, language: str, look: Theme) -> str:
    """Return a whole page around `body`: style, and the letters that it uses."""
    return (
        f"<!doctype html><html lang='{language}'><head><meta charset='utf-8'>"
        f"<meta name='viewport' content='width=device-width'><title>{html.escape(name)}</title>"
        f"<style>{_fonts(body)}{_style(look)}</style></head><body>{body}</body></html>"
    )


def whole(path: Path, data: bytes) -> None:
    """Write a file, complete or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    part.replace(path)


def picture(figure: Any) -> str:
    """Return a drawn figure as an address that holds it."""
    target = io.BytesIO()
    figure.savefig(target, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(target.getvalue()).decode()


def _fonts(text: str) -> str:
    """Return the font faces of a page: the letters of `text` alone, of both weights."""
    from fontTools import subset

    logging.getLogger("fontTools.subset").setLevel(logging.ERROR)
    letters = "".join(sorted(set(text)))
    out = ""
    for name, weight in zip(FILES, (400, 700), strict=True):
        options = subset.Options(flavor="woff", layout_features=[], hinting=False, notdef_outline=True)
        with subset.load_font(str(FONTS / name), options) as font:
            one = subset.Subsetter(options)
            one.populate(text=letters)
            one.subset(font)
            target = io.BytesIO()
            font.flavor = "woff"
            font.save(target)
        data = base64.b64encode(target.getvalue()).decode()
        out += f"@font-face{{font-family:'STOM';font-weight:{weight};src:url(data:font/woff;base64,{data}) format('woff')}}"
    return out


def _table(pairs: Sequence[tuple[str, str]]) -> str:
    rows = "".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in pairs)
    return f"<table class='pairs'>{rows}</table>"


def _body(sheet: Sheet, language: str, pictures: Sequence[tuple[str, str]]) -> str:
    def say(code: str, **fields: Any) -> str:
        return html.escape(sentence(f"report.{code}", language, **fields))

    parts = [f"<h1>{html.escape(title(sheet, language))}</h1>"]
    judged = verdict(sheet, language)
    if judged is not None:
        reasons = "<ul>" + "".join(f"<li>{html.escape(one)}</li>" for one in judged[1]) + "</ul>" if judged[1] else ""
        parts.append(
            f"<section class='verdict'><h2>{say('verdict')}</h2><p>{html.escape(judged[0])}</p>{reasons}{_table(judged[2])}</section>"
        )
    parts.append(f"<div class='two'><section><h2>{say('facts')}</h2>{_table(facts(sheet, language))}</section>")
    parts.append(f"<section><h2>{say('metrics')}</h2>{_table(metrics(sheet, language))}</section></div>")
    parts += [f"<img src='{source}' alt='{html.escape(name)}'>" for name, source in pictures]
    for side in ("buy", "sell"):
        text = html.escape(str(sheet.run.passport.get(side, "")).strip())
        parts.append(f"<details><summary>{say('text_' + side)}</summary><pre>{text}</pre></details>")
    return "".join(parts) + _trades(sheet, language)


COLUMNS = (
    "code", "side", "entry_time", "exit_time", "holding_time", "entry_price", "exit_price", "entry_amount", "exit_amount",
    "return_pct", "pnl", "pnl_cum", "exit_label",
)  # fmt: skip
PLACES = {
    "entry_price": 4,
    "exit_price": 4,
    "entry_amount": 2,
    "exit_amount": 2,
    "return_pct": 2,
    "pnl": 2,
    "pnl_cum": 2,
    "holding_time": 0,
}


def _trades(sheet: Sheet, language: str) -> str:
    count = len(sheet.trades)
    first = max(0, count - ROWS_MAX)
    heads = "".join(f"<th{_right(name)}>{html.escape(sentence('research.trade_' + name, language))}</th>" for name in COLUMNS)
    left_out = f"<p>{html.escape(sentence('research.rows_left_out', language, count=first))}</p>" if first else ""
    times = {
        name: [str(one).replace("T", " ") for one in getattr(sheet.trades, name.partition("_")[0])[first:]]
        for name in ("entry_time", "exit_time")
    }
    rows = []
    for k in range(count - first):
        cells = []
        for name in COLUMNS:
            value = sheet.columns[name][k]
            text = times[name][k] if name in times else f"{value:,.{PLACES[name]}f}" if name in PLACES else html.escape(str(value))
            cells.append(f"<td{_right(name)}>{text}</td>")
        rows.append(f"<tr class='{'up' if sheet.columns['pnl'][k] >= 0 else 'down'}'>{''.join(cells)}</tr>")
    caption = html.escape(sentence("research.trades", language))
    table = f"<table class='trades'><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    return f"<h2>{caption} ({count:,})</h2>{left_out}{table}"


def _right(name: str) -> str:
    return " class='n'" if name in PLACES else ""


def _style(look: Theme) -> str:
    colours = {name: getattr(look, name) for name in ("paper", "ink", "muted", "grid", "win", "loss", "equity", "zone")}
    return Template(STYLE).substitute(colours)


STYLE = """
body{font-family:'STOM',sans-serif;background:$paper;color:$ink;margin:28px auto;padding:0 24px;max-width:1200px}
h1{font-size:24px;margin:0 0 8px}h2{font-size:16px;margin:20px 0 6px}
table{border-collapse:collapse;font-size:13px}th,td{border-bottom:1px solid $grid;padding:4px 8px;text-align:left}
th{color:$muted;font-weight:400}.pairs td{font-variant-numeric:tabular-nums}.two .pairs{min-width:440px}
.two{display:flex;flex-wrap:wrap;gap:0 48px}
.verdict{border-left:4px solid $equity;background:$zone;padding:4px 16px 12px;margin:12px 0}
.trades{width:100%}.n{text-align:right;font-variant-numeric:tabular-nums}
.up td:nth-child(11){color:$win}.down td:nth-child(11){color:$loss}
img{display:block;width:100%;margin:18px 0}summary{cursor:pointer;margin:8px 0}
pre{background:$zone;padding:12px;overflow:auto;font-family:inherit;font-size:13px}
@media print{img,section{break-inside:avoid}}
"""


def write_figures(path: Path, name: str, draws: Sequence[Callable[[], Any]], rest: str, language: str, theme: str) -> None:
    """Write figures as what the path's ending says: all of them in a .pdf, the first as .png, a page with `rest` below them else.

    The functions that draw are called in the theme; they return matplotlib figures.
    """
    from matplotlib.backends.backend_pdf import PdfPages

    look, ending, target = THEMES[theme], path.suffix.lower(), io.BytesIO()
    with drawing(look):
        if ending == ".png":
            draws[0]().savefig(target, format="png", dpi=110)
        elif ending == ".pdf":
            with PdfPages(target, metadata={"Title": name, "Creator": "STOM", "CreationDate": None}) as pages:
                for draw in draws:
                    pages.savefig(draw())
        else:
            shown = "".join(f"<img src='{picture(draw())}' alt='{html.escape(name)}'>" for draw in draws[:1])
            target.write(page_of(name, f"<h1>{html.escape(name)}</h1>{shown}{rest}", language, look).encode())
    whole(path, target.getvalue())


# --- PDF ---------------------------------------------------------------------------------------------


def write_pdf(sheet: Sheet, path: Path, language: str, theme: str = "print") -> None:
    """Write the sheet as a PDF: a page of facts and figures in numbers, then a page for each figure."""
    from matplotlib.backends.backend_pdf import PdfPages

    look = THEMES[theme]
    target = io.BytesIO()
    with drawing(look):
        painter = Painter(sheet, language, look)
        with PdfPages(target, metadata={"Title": title(sheet, language), "Creator": "STOM", "CreationDate": None}) as pages:
            pages.savefig(draw_cover(sheet, language, look))
            if sheet.verdict is not None:
                pages.savefig(draw_verdict(sheet, language, look))
            for _, draw in painter.all():
                pages.savefig(draw())
    whole(path, target.getvalue())


def draw_cover(sheet: Sheet, language: str, look: Theme) -> Any:
    """Return the first page: title, verdict, passport and metrics."""
    from matplotlib.figure import Figure

    page = Figure(figsize=SIZE)
    page.text(0.04, 0.95, title(sheet, language), fontsize=18, fontweight=BOLD, va="top", color=look.ink)
    top = 0.88
    figures = metrics(sheet, language)
    half = -(-len(figures) // 2) if len(figures) > 26 else len(figures)
    _lines(page, (0.04, 0.18, 0.52), top, "facts", facts(sheet, language), language, look)
    _lines(page, (0.52, 0.68, 0.78 if figures[half:] else 0.98), top, "metrics", figures[:half], language, look)
    if figures[half:]:
        _lines(page, (0.78, 0.9, 0.99), top, "", figures[half:], language, look)
    return page


def draw_verdict(sheet: Sheet, language: str, look: Theme) -> Any:
    """Return the page of the verdict: its sentence, the reasons, the figures."""
    from matplotlib.figure import Figure

    judged = verdict(sheet, language)
    assert judged is not None
    page = Figure(figsize=SIZE)
    page.text(0.04, 0.95, sentence("report.verdict", language), fontsize=18, fontweight=BOLD, va="top", color=look.ink)
    y = 0.88
    for size, colour, text in ((12.0, look.equity, judged[0]), *((9.5, look.ink, f"· {one}") for one in judged[1])):
        for line in wrapped(text, size, 0.92):
            page.text(0.04, y, line, fontsize=size, va="baseline", color=colour)
            y -= size * 0.0031
        y -= 0.012
    half = -(-len(judged[2]) // 2)
    _lines(page, (0.04, 0.24, 0.52), y, "metrics", judged[2][:half], language, look)
    _lines(page, (0.52, 0.72, 0.99), y, "", judged[2][half:], language, look)
    return page


def _lines(page: Any, at: tuple[float, float, float], top: float, name: str, pairs: Pairs, language: str, look: Theme) -> None:
    """Write pairs below a heading; `at` is where labels, where values begin and where the column ends, shares of the page's width."""
    x, second, end = at
    if name:
        page.text(x, top, sentence(f"report.{name}", language), fontsize=11, fontweight=BOLD, va="top", color=look.ink)
    rooms = (second - x - GAP, end - second - GAP)
    rows = [[wrapped(text, 8.5, room) for text, room in zip(pair, rooms, strict=True)] for pair in pairs]
    step = min(0.031, (top - 0.08) / max(sum(1 + 0.75 * (max(map(len, row)) - 1) for row in rows), 1))
    y = top - 0.05
    for row in rows:
        for left, colour, lines in zip((x, second), (look.muted, look.ink), row, strict=True):
            for place, line in enumerate(lines):
                page.text(left, y - place * step * 0.75, line, fontsize=8.5, va="baseline", color=colour)
        y -= step * (1 + 0.75 * (max(map(len, row)) - 1))


def wrapped(text: str, size: float, room: float) -> list[str]:
    """Return the lines of a text that are no wider than `room`, a share of the page's width; a single word may be."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and _width(longer, size) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _width(text: str, size: float) -> float:
    """Return how wide a text is drawn, as a share of the page's width."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    wide, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(family=FAMILY, size=size), False)
    return float(wide) / 72.0 / SIZE[0]


def write(sheet: Sheet, path: Path, language: str, theme: str = "print") -> None:
    """Write the sheet as what the path's ending says: .html or .pdf."""
    (write_pdf if path.suffix.lower() == ".pdf" else write_html)(sheet, path, language, theme)
