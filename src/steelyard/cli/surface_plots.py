"""Four pictures of a surface: its smiles with their quotes, the whole, the residuals, the arbitrage.

Each is a PNG 1600 pixels wide. Volatilities in percent, residuals in volatility points, strikes in USD.
Drawing needs matplotlib, the optional extra `plots`; it is imported when a picture is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from steelyard.cli.plots import DEBT, DPI, FAINT, FUND, INK, STYLE, WIDTH_PX, _plain_log, _say_empty
from steelyard.cli.surface_curves import (
    REASONS,
    SmileView,
    calendar_gaps,
    day_ticks,
    days_text,
    durrleman_lines,
    headline,
    residual_limit,
    smile_views,
    strike_text,
    strike_ticks,
    variance_lines,
    volatility_grid,
)
from steelyard.models.quotes import QuoteUse
from steelyard.models.surface import Surface

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 3
WIDTHS_LABEL = "log-moneyness, widths of σ√T"
PANEL_PX, HEAD_PX, FOOT_PX = 345, 228, 60
MARK, USED, FIT, RISK = "#D55E00", "#33475B", FUND, "#C62828"
G_SHOWN = (-0.15, 1.6)
GAP_LINEAR = 0.01  # percent: below it the axis of distances is linear
Lines = Sequence[tuple[SmileView, Any]]


def write_pictures(surface: Surface, folder: Path) -> list[Path]:
    """Write smiles.png, surface.png, residuals.png and arbitrage.png; return their paths.

    Errors: OSError where a file cannot be written.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    views = smile_views(surface)
    rows = -(-len(views) // min(COLUMNS, len(views)))
    tall = HEAD_PX + FOOT_PX + PANEL_PX * rows
    pictures: tuple[tuple[str, int, Callable[[Figure, Surface, list[SmileView]], None]], ...] = (
        ("smiles", tall, _draw_smiles),
        ("surface", 1500, _draw_surface),
        ("residuals", tall, _draw_residuals),
        ("arbitrage", 1500, _draw_arbitrage),
    )
    written = []
    for name, height, draw in pictures:
        with matplotlib.rc_context(STYLE):
            figure = Figure(figsize=(WIDTH_PX / DPI, height / DPI), dpi=DPI)
            FigureCanvasAgg(figure)
            draw(figure, surface, views)
            path = folder / f"{name}.png"
            figure.savefig(path, format="png", metadata={"Software": "steelyard"})
            written.append(path)
    return written


def _head(figure: Figure, surface: Surface, what: str) -> None:
    """Write the title and the two lines under it, at the same distance from the top in every picture."""
    height = float(figure.get_figheight()) * DPI
    first, second = headline(surface)
    colour = INK if surface.is_arbitrage_free else RISK
    for down_px, text, size, ink in (
        (48, f"Steelyard · {surface.underlying} · {what}", 15, INK),
        (82, first, 8.5, INK),
        (110, second, 8.5, colour),
    ):
        weight = "bold" if size > 10 else "normal"
        figure.text(0.035, 1 - down_px / height, text, size=size, weight=weight, color=ink)


def _panels(figure: Figure, count: int) -> list[Axes]:
    """Return as many panels as there are expiries, three in a row, below the head."""
    height = float(figure.get_figheight()) * DPI
    columns = min(COLUMNS, count)
    rows = -(-count // columns)
    grid = figure.add_gridspec(
        rows, columns, left=0.055, right=0.975, wspace=0.17, hspace=0.52,
        top=1 - HEAD_PX / height, bottom=FOOT_PX / height,
    )  # fmt: skip
    return [figure.add_subplot(grid[i // columns, i % columns]) for i in range(count)]


def _panel_title(axes: Axes, view: SmileView, told: str) -> None:
    """Write the expiry over a panel, and a line on how it came out below that."""
    axes.set_title(f"{view.name}, {days_text(view.days)}", pad=15)
    axes.annotate(
        told, (0, 1), xytext=(0, 4), xycoords="axes fraction", textcoords="offset points", size=7,
        color="#666666",
    )  # fmt: skip


# -- smiles --------------------------------------------------------------------------------------


def _draw_smiles(figure: Figure, surface: Surface, views: list[SmileView]) -> None:
    _head(figure, surface, "smiles and quotes")
    for number, (axes, view) in enumerate(zip(_panels(figure, len(views)), views, strict=True)):
        _plot_smile(axes, view)
        if number % COLUMNS == 0:
            axes.set_ylabel("volatility, %")
        if number >= len(views) - COLUMNS:
            axes.set_xlabel("strike, USD (log scale)")
    _smile_legend(figure, views)


def _plot_smile(axes: Axes, view: SmileView) -> None:
    low, high = view.bounds()
    axes.set_xscale("log")
    axes.set_xlim(view.curve_strike[0], view.curve_strike[-1])
    axes.set_ylim(low, high)
    for use, (_, colour) in REASONS.items():
        _plot_unused(axes, view, view.use == use, colour, use)
    used = view.is_used
    axes.vlines(
        view.strike[used], view.bid[used], view.ask[used], color=USED, linewidth=1.8, alpha=0.75,
        zorder=3,
    )  # fmt: skip
    axes.plot(view.strike, view.mark, "o", color=MARK, markersize=2.0, linewidth=0, zorder=4)
    axes.plot(view.curve_strike, view.curve, color=FIT, linewidth=1.1, zorder=5)
    axes.axvline(view.report.forward, color=FAINT, linewidth=0.7, linestyle=":", zorder=1)
    error = view.report.rmse
    told = "" if error != error else f", RMSE {error:.2f}"
    used_text = f"{view.report.used} of {view.report.quotes} quotes"
    _panel_title(axes, view, f"{view.report.source.value}, {used_text}{told}")
    _strike_axis(axes, float(view.curve_strike[0]), float(view.curve_strike[-1]))


def _plot_unused(
    axes: Axes, view: SmileView, chosen: NDArray[np.bool_], colour: str, use: QuoteUse
) -> None:
    """Draw quotes that do not serve, faint: bars where both sides give a volatility, else an arrow."""
    if not chosen.any():
        return
    strike, bid, ask = view.strike[chosen], view.bid[chosen], view.ask[chosen]
    both = np.isfinite(bid) & np.isfinite(ask)
    is_gross = use is QuoteUse.OUTLIER
    axes.vlines(
        strike[both], bid[both], ask[both], color=colour, linewidth=1.6 if is_gross else 1.0,
        alpha=0.9 if is_gross else 0.5, zorder=2,
    )  # fmt: skip
    if is_gross:
        axes.plot(strike[both], 0.5 * (bid + ask)[both], "x", color=colour, markersize=4, zorder=6)
    for side, marker in ((bid, "^"), (ask, "v")):
        lone = np.isfinite(side) & ~both
        axes.plot(
            strike[lone], side[lone], marker, color=colour, markersize=2.6, linewidth=0, alpha=0.8,
            zorder=2,
        )  # fmt: skip


def _smile_legend(figure: Figure, views: list[SmileView]) -> None:
    from matplotlib.lines import Line2D

    counts = np.bincount(np.concatenate([view.use for view in views]), minlength=len(QuoteUse))
    handles = [
        Line2D([], [], color=FIT, linewidth=1.4, label="fit"),
        Line2D(
            [], [], color=USED, marker="|", linewidth=0, markersize=8, markeredgewidth=1.6,
            alpha=0.8, label="bid–ask, used",
        ),
        Line2D([], [], color=MARK, marker="o", linewidth=0, markersize=3, label="venue's mark"),
    ]  # fmt: skip
    for use, (name, colour) in REASONS.items():
        if counts[use]:
            handles.append(
                Line2D(
                    [],
                    [],
                    color=colour,
                    marker="|",
                    linewidth=0,
                    markersize=8,
                    markeredgewidth=1.4,
                    label=f"{name} ({counts[use]:,})",
                )
            )
    handles.append(
        Line2D([], [], color=FAINT, marker="^", linewidth=0, markersize=3, label="bid only")
    )
    handles.append(
        Line2D([], [], color=FAINT, marker="v", linewidth=0, markersize=3, label="ask only")
    )
    handles.append(Line2D([], [], color=FAINT, linestyle=":", linewidth=1, label="forward"))
    _legend_in_head(figure, handles)


def _legend_in_head(figure: Figure, handles: Sequence[Any]) -> None:
    height = float(figure.get_figheight()) * DPI
    figure.legend(
        handles=list(handles), loc="upper left", bbox_to_anchor=(0.027, 1 - 120 / height),
        ncols=len(handles), columnspacing=1.3, handletextpad=0.4, handlelength=1.3,
    )  # fmt: skip


def _strike_axis(axes: Axes, low: float, high: float) -> None:
    """Mark a few round strikes."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axes.xaxis.set_major_locator(FixedLocator(strike_ticks(low, high)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: strike_text(value)))


# -- the whole surface ---------------------------------------------------------------------------


def _draw_surface(figure: Figure, surface: Surface, views: list[SmileView]) -> None:
    from matplotlib import colormaps

    _head(figure, surface, "the surface")
    grid = volatility_grid(surface)
    depth = np.log10(grid.days)
    solid: Any = figure.add_axes((0.0, 0.36, 0.66, 0.56), projection="3d", computed_zorder=False)
    x, y = np.meshgrid(grid.x, depth)
    solid.plot_surface(
        x, y, grid.volatility, cmap=colormaps["viridis"], rcount=len(depth), ccount=len(grid.x),
        linewidth=0, antialiased=True, alpha=0.9, zorder=1,
    )  # fmt: skip
    live = [view for view in views if view.report.row >= 0]
    for view in live:
        at = int(np.argmin(np.abs(grid.days - view.days)))
        solid.plot(
            grid.x, np.full(len(grid.x), np.log10(view.days)), grid.volatility[at], color=INK,
            linewidth=0.7, zorder=2,
        )  # fmt: skip
    solid.view_init(elev=26, azim=-56)
    solid.set_box_aspect((1.2, 1.25, 0.72), zoom=1.02)
    solid.set_ylim(depth[-1], depth[0])  # the long expiries, mostly lower, in front
    solid.set_xlabel(WIDTHS_LABEL)
    solid.set_ylabel("time to expiry (log scale)", labelpad=8)
    solid.set_zlabel("volatility, %")
    ticks = day_ticks(float(grid.days[0]), float(grid.days[-1]))
    solid.set_yticks([np.log10(tick) for tick in ticks], [days_text(tick) for tick in ticks])
    solid.tick_params(labelsize=7, pad=1)
    _plot_heat(figure, grid, live, ticks)
    bottom = figure.add_gridspec(1, 3, left=0.06, right=0.975, top=0.29, bottom=0.055, wspace=0.25)
    _plot_term(figure.add_subplot(bottom[0]), live, ticks)
    _plot_skew(figure.add_subplot(bottom[1]), surface, live, ticks)
    _plot_carry(figure.add_subplot(bottom[2]), surface, live, ticks)


def _plot_heat(figure: Figure, grid: Any, live: list[SmileView], ticks: list[float]) -> None:
    axes = figure.add_axes((0.705, 0.43, 0.235, 0.445))
    shown = axes.pcolormesh(grid.x, grid.days, grid.volatility, cmap="viridis", shading="gouraud")
    axes.set_yscale("log")
    levels = axes.contour(
        grid.x, grid.days, grid.volatility, levels=9, colors="white", linewidths=0.5
    )
    axes.clabel(levels, fmt="%.0f", fontsize=6.5)
    for view in live:
        axes.plot([grid.x[0]], [view.days], ">", color=INK, markersize=3.5, clip_on=False)
    axes.set_title("From above (▸ expiries)")
    axes.set_xlabel(WIDTHS_LABEL)
    _day_axis(axes.yaxis, ticks)
    bar = figure.colorbar(shown, cax=figure.add_axes((0.95, 0.43, 0.012, 0.445)))
    bar.outline.set_visible(False)
    bar.ax.set_title("%", size=8, loc="center")


def _plot_term(axes: Axes, live: list[SmileView], ticks: list[float]) -> None:
    days = [view.days for view in live]
    axes.plot(
        days, [100.0 * v.report.volatility_at_money for v in live], "o-", color=FIT, markersize=3
    )
    axes.set_title("Volatility at the money")
    axes.set_ylabel("%")
    _time_axis(axes, ticks)


def _plot_skew(axes: Axes, surface: Surface, live: list[SmileView], ticks: list[float]) -> None:
    """Draw the slant and the bend of each smile one width to either side."""
    days = [view.days for view in live]
    slant, bend = [], []
    for view in live:
        at = np.array([-view.width, 0.0, view.width])
        w = surface.smile(view.report.row, at).total_variance
        low, middle, high = 100.0 * np.sqrt(w / view.report.time_years)
        slant.append(high - low)
        bend.append(0.5 * (high + low) - middle)
    axes.plot(days, slant, "o-", color=DEBT, markersize=3, label="upper − lower")
    axes.plot(days, bend, "s--", color="#009E73", markersize=3, label="mean of both − money")
    axes.axhline(0, color=FAINT, linewidth=0.8)
    axes.set_title("Skew and bend, one width out")
    axes.set_ylabel("volatility points")
    axes.margins(y=0.2)
    axes.legend(loc="best")
    _time_axis(axes, ticks)


def _plot_carry(axes: Axes, surface: Surface, live: list[SmileView], ticks: list[float]) -> None:
    axes.set_title("Forward above the index")
    axes.set_ylabel("%")
    if not surface.index > 0.0:
        _say_empty(axes, "the chain has no index")
        axes.set_xticks([])
        return
    above = [100.0 * (view.report.forward / surface.index - 1.0) for view in live]
    axes.plot([view.days for view in live], above, "o-", color="#CC79A7", markersize=3)
    axes.axhline(0, color=FAINT, linewidth=0.8)
    _time_axis(axes, ticks)


def _thinned(ticks: list[float], most: int) -> list[float]:
    """Return at most so many of the ticks, the last among them."""
    every = -(-len(ticks) // most)
    return ticks[::-1][::every][::-1]


def _day_axis(axis: Any, ticks: list[float]) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: days_text(value)))


def _time_axis(axes: Axes, ticks: list[float]) -> None:
    axes.set_xscale("log")
    _day_axis(axes.xaxis, _thinned(ticks, 6))
    axes.set_xlabel("time to expiry (log scale)")


# -- residuals -----------------------------------------------------------------------------------


def _draw_residuals(figure: Figure, surface: Surface, views: list[SmileView]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    _head(
        figure, surface, f"residuals: fit less {surface.settings.target.value}, volatility points"
    )
    limit = residual_limit(views)
    for number, (axes, view) in enumerate(zip(_panels(figure, len(views)), views, strict=True)):
        _plot_residuals(axes, view, limit)
        if number % COLUMNS == 0:
            axes.set_ylabel("volatility points")
        if number >= len(views) - COLUMNS:
            axes.set_xlabel(WIDTHS_LABEL)
    _legend_in_head(
        figure,
        [
            Line2D([], [], color=FIT, marker="o", linewidth=0, markersize=3.5, label="call"),
            Line2D([], [], color=MARK, marker="o", linewidth=0, markersize=3.5, label="put"),
            Line2D(
                [], [], color=INK, marker="^", linewidth=0, markersize=4, label="beyond the axis"
            ),
            Patch(color="#C9D6E2", label="half of bid–ask, either way (used quotes)"),
        ],
    )


def _plot_residuals(axes: Axes, view: SmileView, limit: float) -> None:
    used = view.is_used & np.isfinite(view.residual)
    x, miss, half = view.x[used], view.residual[used], view.half_spread[used]
    axes.vlines(x, -half, half, color="#C9D6E2", linewidth=3.2, zorder=1)
    axes.axhline(0, color=INK, linewidth=0.8, zorder=2)
    inside = np.abs(miss) <= limit
    for is_call, colour in ((True, FIT), (False, MARK)):
        mine = view.is_call[used] == is_call
        axes.plot(
            x[mine & inside], miss[mine & inside], "o", color=colour, markersize=2.6, linewidth=0,
            zorder=4,
        )  # fmt: skip
    for sign, marker in ((1.0, "^"), (-1.0, "v")):
        beyond = ~inside & (sign * miss > 0.0)
        axes.plot(x[beyond], np.full(beyond.sum(), sign * 0.94 * limit), marker, color=INK, markersize=4,
                  linewidth=0, zorder=5)  # fmt: skip
    axes.set_ylim(-limit, limit)
    reach = max(1.0, float(np.abs(x).max()) * 1.08) if len(x) else 1.0
    axes.set_xlim(-reach, reach)
    axes.locator_params(axis="x", nbins=6)
    share = view.report.inside
    told = "no quote serves" if not len(x) else f"RMSE {view.report.rmse:.2f}"
    met = "" if share != share else f", {100.0 * share:.1f} % of two-sided quotes met"
    _panel_title(axes, view, told + met)


# -- arbitrage -----------------------------------------------------------------------------------


def _draw_arbitrage(figure: Figure, surface: Surface, views: list[SmileView]) -> None:
    _head(figure, surface, "arbitrage")
    grid = figure.add_gridspec(
        2, 2, left=0.06, right=0.975, top=0.885, bottom=0.05, wspace=0.24, hspace=0.25
    )
    shapes = durrleman_lines(surface, views)
    k, variances = variance_lines(surface, views)
    colours = _colours(len(shapes))
    axes = [figure.add_subplot(grid[i // 2, i % 2]) for i in range(4)]
    _plot_durrleman(axes[0], shapes, colours)
    _plot_least(axes[1], [view for view, _, _ in shapes], colours)
    _plot_variances(axes[2], k, variances, colours)
    _plot_gaps(axes[3], k, variances, colours)


def _colours(count: int) -> list[Any]:
    from matplotlib import colormaps

    return [colormaps["viridis"](place) for place in np.linspace(0.0, 0.92, max(count, 1))]


def _plot_durrleman(
    axes: Axes, shapes: list[tuple[SmileView, Any, Any]], colours: list[Any]
) -> None:
    axes.set_title("Butterflies: Durrleman's g, below zero is arbitrage")
    low, high = G_SHOWN
    for (_, x, g), colour in zip(shapes, colours, strict=False):
        axes.plot(x, g, color=colour, linewidth=1.0)
    least = min(low, *(float(g.min()) * 1.1 for _, _, g in shapes))
    axes.set_ylim(max(least, -3.0), high)
    axes.axhspan(-1e3, 0.0, color=RISK, alpha=0.1, linewidth=0)
    axes.axhline(0.0, color=RISK, linewidth=1.8)
    axes.set_xlabel(WIDTHS_LABEL)
    axes.set_ylabel("g (no unit)")


def _plot_least(axes: Axes, views: list[SmileView], colours: list[Any]) -> None:
    """Draw the least g of each expiry on the dense grid, with its figure."""
    axes.set_title("Least g of each expiry; its colour in all four")
    axes.set_xscale("symlog", linthresh=1e-4)
    values = [view.report.least_durrleman for view in views]
    places = np.arange(len(views))
    axes.barh(places, values, color=colours[: len(views)], height=0.62)
    axes.axvline(0.0, color=RISK, linewidth=1.8)
    axes.set_yticks(places, [view.name for view in views])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    for place, value in zip(places, values, strict=True):
        at = f"{value:.1e}" if abs(value) < 1e-3 else f"{value:.3f}"
        axes.annotate(at.replace("-", "−"), (max(value, 0.0), place), xytext=(3, 0),
                      textcoords="offset points", va="center", size=7)  # fmt: skip
    axes.set_xlim(min(0.0, *values) * 2.0, 10.0)
    ticks = [0.0, 1e-4, 1e-3, 1e-2, 1e-1, 1.0]
    if min(values) < 0.0:  # half of the room for each side
        ticks = [-1.0, -1e-2, 0.0, 1e-2, 1.0]
    axes.set_xticks(ticks, [f"{tick:g}".replace("-", "−") for tick in ticks])
    axes.set_xlabel("least g on the dense grid (log scale), red line: zero")


def _plot_variances(axes: Axes, k: Any, lines: Lines, colours: list[Any]) -> None:
    axes.set_title("Calendars: total variance, lines must not cross")
    for (view, w), colour in zip(lines, colours, strict=False):
        axes.plot(k, w, color=colour, linewidth=1.0, label=view.name)
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    _plain_log(axes.yaxis, (1.0, 2.0, 5.0) if high < 1000.0 * low else (1.0,))
    axes.set_xlabel("log-moneyness ln(strike/forward)")
    axes.set_ylabel("volatility² × years (log scale)")


def _plot_gaps(axes: Axes, k: Any, lines: list[tuple[SmileView, Any]], colours: list[Any]) -> None:
    axes.set_title("Calendars: distance to the expiry before")
    gaps = calendar_gaps(lines)
    if not gaps:
        _say_empty(axes, "one expiry has no neighbour")
        axes.set_xticks([])
        return
    for (_, gap), colour in zip(gaps, colours[1:], strict=False):
        axes.plot(k, gap, color=colour, linewidth=1.0)
    axes.axhline(0.0, color=RISK, linewidth=1.8)
    axes.set_yscale("symlog", linthresh=GAP_LINEAR, linscale=0.4)
    lowest = min(float(gap.min()) for _, gap in gaps)
    axes.set_ylim(min(-GAP_LINEAR, 2.0 * lowest), 130.0)
    axes.axhspan(-1e4, 0.0, color=RISK, alpha=0.1, linewidth=0)
    ticks = [tick for tick in (-100.0, -10.0, -1.0, -0.1) if tick > 2.0 * lowest]
    ticks += [0.0, 0.01, 0.1, 1.0, 10.0, 100.0]
    axes.set_yticks(ticks, [f"{tick:g}".replace("-", "−") for tick in ticks])
    axes.set_xlabel("log-moneyness ln(strike/forward)")
    axes.set_ylabel("% of its own variance (log scale), below zero is arbitrage")
