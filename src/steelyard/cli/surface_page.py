"""A surface as one HTML page that opens offline: smiles, surface, residuals and arbitrage to look into.

Pointing at a quote shows its strike, bid, ask, mark, fit and verdict. Drawing needs plotly, the optional
extra `plots`; it is imported when a page is drawn, and its script is part of the page.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from steelyard.cli.surface_curves import (
    REASONS,
    SmileView,
    calendar_gaps,
    day_name,
    day_ticks,
    days_text,
    durrleman_lines,
    headline,
    number_text,
    residual_limit,
    smile_views,
    strike_text,
    strike_ticks,
    variance_lines,
    volatility_grid,
)
from steelyard.cli.surface_json import arbitrage_record
from steelyard.models.quotes import QuoteUse
from steelyard.models.surface import Surface

COLUMNS = 3
PANEL_PX, GAP_PX = 255, 85
FIT, USED, MARK, RISK, INK = "#0072B2", "#33475B", "#D55E00", "#C62828", "#222222"
WIDTHS_LABEL = "log-moneyness, widths of σ√T"
CONFIG = {"displaylogo": False, "responsive": True}

STYLE = """
body{font:14px/1.45 system-ui,sans-serif;color:#222;max-width:1400px;margin:1.6rem auto;padding:0 1.2rem}
h1{font-size:1.6rem;margin:0 0 .2rem}h2{font-size:1.1rem;margin:2.2rem 0 .2rem}p{margin:.15rem 0;color:#444}
.bad{color:#C62828;font-weight:600}table{border-collapse:collapse;margin-top:.8rem;font-variant-numeric:tabular-nums}
th,td{padding:.15rem .7rem;text-align:right;border-bottom:1px solid #eee;white-space:nowrap}
th{color:#777;font-weight:500;vertical-align:bottom}td.word,th.word{text-align:left}.wide{overflow-x:auto}
"""


def write_page(surface: Surface, path: Path) -> Path:
    """Write the page of a surface; return its path. Errors: OSError where it cannot be written."""
    from plotly.offline import get_plotlyjs

    views = smile_views(surface)
    parts = (
        ("Smiles and quotes", "Pull over a panel to zoom, double-click to return; click a name in "
         "the legend to hide it.", _smiles(views)),
        ("The surface", "Lines are the expiries; between them total variance is linear in time.",
         _surface(surface, views)),
        (f"Residuals: fit less {surface.settings.target.value}", "The bands are half of bid–ask either way. "
         "Triangles lie beyond the axis.", _residuals(views)),
        ("Arbitrage", "Below a red line there would be a trade without risk: a butterfly where "
         "Durrleman's g is negative, a calendar where total variance falls with time.",
         _arbitrage(surface, views)),
    )  # fmt: skip
    title = f"Steelyard · {surface.underlying} · volatility surface"
    first, second = headline(surface)
    mood = "" if surface.is_arbitrage_free else ' class="bad"'
    body = [
        f"<h1>{escape(title)}</h1><p>{escape(first)}</p><p{mood}>{escape(second)}</p>",
        _table(surface),
    ]
    for number, (heading, words, figure) in enumerate(parts):
        drawn = figure.to_html(
            full_html=False, include_plotlyjs=False, div_id=f"figure-{number}", config=CONFIG
        )
        body.append(f"<h2>{escape(heading)}</h2><p>{escape(words)}</p>{drawn}")
    path.write_text(
        "<!DOCTYPE html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style><script>{get_plotlyjs()}</script></head>\n"
        f"<body>{''.join(body)}</body></html>\n",
        encoding="utf-8",
    )
    return path


def _table(surface: Surface) -> str:
    """Return the fit table as HTML, with the places of arbitrage below it."""
    heads = (
        "expiry", "from", "smile", "days", "forward", "vol ATM %", "quotes used",
        f"RMSE {surface.settings.target.value}", "RMSE mark", "inside %", "least g",
        "calendar distance", "wing slopes",
    )  # fmt: skip
    words = 3
    rows = []
    for each in surface.slices:
        cells = (
            day_name(each.expiry_us), each.forward_source.value, each.source.value,
            number_text(each.time_years * 365.0, ".2f"), number_text(each.forward, ",.2f"),
            number_text(100.0 * each.volatility_at_money, ".2f"), f"{each.used} of {each.quotes}",
            number_text(each.rmse, ".2f"), number_text(each.rmse_mark, ".2f"),
            number_text(100.0 * each.inside, ".1f"), number_text(each.least_durrleman, ".4f"),
            number_text(each.calendar_distance, ".2e"),
            " · ".join(number_text(slope, ".3f") for slope in each.wings),
        )  # fmt: skip
        rows.append(_row(cells, "td", words))
    found = arbitrage_record(surface.slices)
    told = [
        f"butterfly in {each['expiry']} at log-moneyness {each['log_moneyness']:.4f}: g {each['g']:.2e}"
        for each in found["butterflies"]
    ]
    told += [
        f"calendar: {each['expiry']} lies {-each['distance']:.2e} below {each['before']}"
        for each in found["calendars"]
    ]
    places = "".join(f'<p class="bad">{escape(each)}</p>' for each in told)
    return (
        f'<div class="wide"><table>{_row(heads, "th", words)}{"".join(rows)}</table></div>{places}'
    )


def _row(cells: tuple[str, ...], tag: str, words: int) -> str:
    made = [
        f"<{tag}{' class=word' if place < words else ''}>{escape(cell)}</{tag}>"
        for place, cell in enumerate(cells)
    ]
    return f"<tr>{''.join(made)}</tr>"


# -- figures -------------------------------------------------------------------------------------


def _grid(views: list[SmileView], label: str) -> Any:
    """Return a figure of one panel an expiry, three in a row."""
    from plotly.subplots import make_subplots

    rows = -(-len(views) // COLUMNS)
    height = rows * (PANEL_PX + GAP_PX) + 90
    inner = max(height - 150, 1)
    figure = make_subplots(
        rows=rows,
        cols=COLUMNS,
        subplot_titles=[f"{view.name}, {days_text(view.days)}" for view in views],
        horizontal_spacing=0.055,
        vertical_spacing=min(GAP_PX / inner, 0.9 / max(rows - 1, 1)),
    )
    _dress(figure, height)
    for row in range(1, rows + 1):
        figure.update_yaxes(title_text=label, row=row, col=1)
    return figure


def _dress(figure: Any, height: int) -> None:
    """Give a figure the page's look."""
    figure.update_layout(
        template="plotly_white",
        height=height,
        margin={"l": 60, "r": 20, "t": 90, "b": 60},
        font={"size": 12, "color": INK},
        legend={
            "orientation": "h", "x": 0, "xanchor": "left", "y": 1, "yref": "container",
            "yanchor": "top",
        },
        hoverlabel={"bgcolor": "white", "font": {"size": 12}},
    )  # fmt: skip
    figure.update_annotations(font_size=13)


def _place(number: int) -> dict[str, int]:
    return {"row": number // COLUMNS + 1, "col": number % COLUMNS + 1}


def _smiles(views: list[SmileView]) -> Any:
    figure = _grid(views, "volatility, %")
    for number, view in enumerate(views):
        place = _place(number)
        figure.add_scatter(
            x=view.curve_strike, y=view.curve, mode="lines", line={"color": FIT, "width": 2},
            name="fit", legendgroup="fit",
            hovertemplate="strike %{x:,.0f}<br>fit %{y:.2f} %<extra></extra>", **place,
        )  # fmt: skip
        for use in QuoteUse:
            _add_quotes(figure, view, use, place)
        _add_marks(figure, view, place)
        low, high = view.bounds()
        figure.update_yaxes(range=[low, high], **place)
        ticks = strike_ticks(float(view.curve_strike[0]), float(view.curve_strike[-1]))
        figure.update_xaxes(
            type="log", range=np.log10(view.curve_strike[[0, -1]]).tolist(), tickvals=ticks, ticktext=[strike_text(tick) for tick in ticks], **place,
        )  # fmt: skip
        figure.add_vline(
            x=view.report.forward, line={"color": "#999", "width": 1, "dash": "dot"}, **place
        )
    _name_once(figure)
    for number in range(max(0, len(views) - COLUMNS), len(views)):
        figure.update_xaxes(title_text="strike, USD (log scale)", **_place(number))
    return figure


def _add_quotes(figure: Any, view: SmileView, use: QuoteUse, place: dict[str, int]) -> None:
    """Add the quotes of one verdict as bars from bid to ask, a lone side as a triangle."""
    is_used = use is QuoteUse.USED
    name, colour = (
        ("bid–ask, used", USED) if is_used else REASONS.get(use, (use.name.lower(), "#BBB"))
    )
    chosen = view.use == use
    both = chosen & np.isfinite(view.bid) & np.isfinite(view.ask)
    lone = chosen & (np.isfinite(view.bid) ^ np.isfinite(view.ask))
    any_side = np.where(np.isfinite(view.bid), view.bid, view.ask)
    middle = np.where(both, 0.5 * (view.bid + view.ask), any_side)
    shown = np.flatnonzero(both | lone)
    if not len(shown):
        return
    half = np.where(both, 0.5 * (view.ask - view.bid), 0.0)[shown]
    symbols = np.where(
        both, "line-ns", np.where(np.isfinite(view.bid), "triangle-up", "triangle-down")
    )
    figure.add_scatter(
        x=view.strike[shown], y=middle[shown], mode="markers", name=name, legendgroup=name,
        showlegend=False, opacity=0.85 if is_used else 0.55,
        marker={"color": colour, "size": 6, "symbol": symbols[shown].tolist(),
                "line": {"color": colour, "width": 1}},
        error_y={"type": "data", "array": half, "color": colour, "thickness": 2.2 if is_used else 1.3,
                 "width": 0},
        text=[_told(view, int(i)) for i in shown], hovertemplate="%{text}<extra></extra>", **place,
    )  # fmt: skip


def _add_marks(figure: Any, view: SmileView, place: dict[str, int]) -> None:
    shown = np.flatnonzero(np.isfinite(view.mark))
    figure.add_scatter(
        x=view.strike[shown], y=view.mark[shown], mode="markers", name="venue's mark",
        legendgroup="mark", marker={"color": MARK, "size": 4},
        text=[_told(view, int(i)) for i in shown], hovertemplate="%{text}<extra></extra>", **place,
    )  # fmt: skip


def _name_once(figure: Any) -> None:
    """Let each kind of trace stand in the legend once, by the first that has something to show."""
    seen: set[str] = set()
    for trace in figure.data:
        trace.showlegend = trace.name not in seen and len(trace.x) > 0
        if trace.showlegend:
            seen.add(trace.name)


def _told(view: SmileView, i: int) -> str:
    """Return what pointing at a quote shows."""
    kind = "call" if view.is_call[i] else "put"
    sides = f"bid {number_text(float(view.bid[i]), '.2f')} %, ask {number_text(float(view.ask[i]), '.2f')} %"
    verdict = QuoteUse(view.use[i]).name.lower().replace("_", " ")
    return (
        f"<b>{view.name} {view.strike[i]:,.6g} {kind}</b><br>{sides}<br>"
        f"mark {number_text(float(view.mark[i]), '.2f')} %, fit {number_text(float(view.fitted[i]), '.2f')} %<br>"
        f"fit less target {number_text(float(view.residual[i]), '+.2f')} points<br>{verdict}"
    )


def _surface(surface: Surface, views: list[SmileView]) -> Any:
    import plotly.graph_objects as go

    grid = volatility_grid(surface)
    depth = np.log10(grid.days)
    days = np.broadcast_to(grid.days[:, None], grid.volatility.shape)
    shape = "widths %{x:.2f}<br>%{customdata:.1f} days<br>volatility %{z:.2f} %<extra></extra>"
    figure = go.Figure(
        go.Surface(
            x=grid.x, y=depth, z=grid.volatility, customdata=days, colorscale="Viridis",
            colorbar={"title": {"text": "%"}, "thickness": 14, "len": 0.7}, hovertemplate=shape,
            lighting={"ambient": 0.85, "diffuse": 0.35, "specular": 0.05},
        )
    )  # fmt: skip
    live = [view for view in views if view.report.row >= 0]
    for view in live:
        at = int(np.argmin(np.abs(grid.days - view.days)))
        figure.add_scatter3d(
            x=grid.x, y=np.full(len(grid.x), depth[at]), z=grid.volatility[at], mode="lines",
            line={"color": INK, "width": 3}, showlegend=False, name=view.name,
            hovertemplate=f"{view.name}<br>widths %{{x:.2f}}<br>%{{z:.2f}} %<extra></extra>",
        )  # fmt: skip
    _dress(figure, 760)
    ticks = day_ticks(float(grid.days[0]), float(grid.days[-1]))
    figure.update_layout(
        margin={"l": 0, "r": 0, "t": 10, "b": 10},
        scene={
            "xaxis": {"title": {"text": "log-moneyness, widths"}},
            "yaxis": {
                "title": {"text": "time to expiry (log scale)"}, "tickvals": np.log10(ticks).tolist(),
                "ticktext": [days_text(tick) for tick in ticks],
                "range": [float(depth[-1]), float(depth[0])],
            },
            "zaxis": {"title": {"text": "volatility, %"}},
            "aspectratio": {"x": 1.3, "y": 1.5, "z": 0.75},
            "camera": {"eye": {"x": 1.15, "y": -1.65, "z": 0.85}, "center": {"z": -0.12}},
        },
    )  # fmt: skip
    return figure


def _residuals(views: list[SmileView]) -> Any:
    figure = _grid(views, "volatility points")
    limit = residual_limit(views)
    for number, view in enumerate(views):
        place = _place(number)
        shown = np.flatnonzero(view.is_used & np.isfinite(view.residual))
        x, miss = view.x[shown], view.residual[shown]
        figure.add_scatter(
            x=x, y=np.zeros(len(shown)), mode="markers", name="half of bid–ask",
            marker={"size": 1, "color": "#C9D6E2"}, hoverinfo="skip",
            error_y={"type": "data", "array": view.half_spread[shown], "color": "#C9D6E2",
                     "thickness": 4, "width": 0}, **place,
        )  # fmt: skip
        for is_call, name, colour in ((True, "call", FIT), (False, "put", MARK)):
            mine = view.is_call[shown] == is_call
            beyond = np.abs(miss[mine]) > limit
            symbol = np.where(
                beyond, np.where(miss[mine] > 0, "triangle-up", "triangle-down"), "circle"
            )
            figure.add_scatter(
                x=x[mine], y=np.clip(miss[mine], -0.94 * limit, 0.94 * limit), mode="markers",
                name=name, legendgroup=name,
                marker={"color": colour, "size": np.where(beyond, 9, 6), "symbol": symbol.tolist()},
                text=[_told(view, int(i)) for i in shown[mine]],
                hovertemplate="%{text}<extra></extra>", **place,
            )  # fmt: skip
        reach = max(1.0, 1.08 * float(np.abs(x).max())) if len(x) else 1.0
        figure.update_xaxes(range=[-reach, reach], **place)
        figure.update_yaxes(range=[-limit, limit], zerolinecolor=INK, **place)
    _name_once(figure)
    for number in range(max(0, len(views) - COLUMNS), len(views)):
        figure.update_xaxes(title_text=WIDTHS_LABEL, **_place(number))
    return figure


def _arbitrage(surface: Surface, views: list[SmileView]) -> Any:
    from plotly.colors import sample_colorscale
    from plotly.subplots import make_subplots

    titles = (
        "Butterflies: Durrleman's g",
        "Calendars: total variance",
        "Calendars: distance to the expiry before",
    )
    figure = make_subplots(rows=1, cols=3, subplot_titles=titles, horizontal_spacing=0.07)
    shapes = durrleman_lines(surface, views)
    k, variances = variance_lines(surface, views)
    colours = sample_colorscale("Viridis", np.linspace(0.0, 0.92, max(len(shapes), 2)).tolist())
    for (view, x, g), (_, w), colour in zip(shapes, variances, colours, strict=False):
        both = {
            "line": {"color": colour, "width": 1.6},
            "legendgroup": view.name,
            "mode": "lines",
            "name": view.name,
        }
        figure.add_scatter(
            x=x, y=g, hovertemplate=f"{view.name}<br>widths %{{x:.2f}}<br>g %{{y:.4f}}<extra></extra>",
            row=1, col=1, **both,
        )  # fmt: skip
        figure.add_scatter(
            x=k, y=w, hovertemplate=f"{view.name}<br>k %{{x:.3f}}<br>w %{{y:.6f}}<extra></extra>",
            row=1, col=2, **both,
        )  # fmt: skip
    for (name, gap), (view, _), colour in zip(
        calendar_gaps(variances), variances[1:], colours[1:], strict=False
    ):
        figure.add_scatter(
            x=k, y=gap, mode="lines", name=view.name, legendgroup=view.name,
            line={"color": colour, "width": 1.6}, row=1, col=3,
            hovertemplate=f"{name}<br>k %{{x:.3f}}<br>%{{y:.4f}} %<extra></extra>",
        )  # fmt: skip
    _dress(figure, 560)
    figure.update_layout(legend={"orientation": "v", "x": 1.01, "y": 1, "yref": "paper"})
    figure.update_layout(margin={"t": 60, "r": 130})
    _name_once(figure)
    least = min((float(g.min()) for _, _, g in shapes), default=0.0)
    gaps = [gap for _, gap in calendar_gaps(variances)] or [np.array([0.0, 1.0])]
    _bound_arbitrage(
        figure, least, min(float(gap.min()) for gap in gaps), max(float(gap.max()) for gap in gaps)
    )
    return figure


def _bound_arbitrage(figure: Any, least_g: float, low: float, high: float) -> None:
    """Draw what must not be crossed, and name the axes; low, high: of the distances."""
    for column in (1, 3):
        figure.add_hrect(
            y0=-1e3, y1=0.0, fillcolor=RISK, opacity=0.1, line_width=0, row=1, col=column
        )
        figure.add_hline(y=0.0, line={"color": RISK, "width": 2.5}, row=1, col=column)
    figure.update_yaxes(
        title_text="g (no unit)", range=[min(-0.15, max(1.1 * least_g, -3.0)), 1.6], row=1, col=1
    )
    figure.update_yaxes(
        title_text="volatility² × years (log scale)", type="log", dtick=1, row=1, col=2
    )
    figure.update_yaxes(
        title_text="% of its own variance", range=[min(-0.06 * high, 1.1 * low), 1.05 * high],
        row=1, col=3,
    )  # fmt: skip
    for column, label in ((1, WIDTHS_LABEL), (2, "ln(strike/forward)"), (3, "ln(strike/forward)")):
        figure.update_xaxes(title_text=label, row=1, col=column)
