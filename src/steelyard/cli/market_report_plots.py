"""The picture of one asset of a report: index and sources, verdicts, error and mark age over one axis of time.

A PNG 1600 pixels wide. Drawing needs matplotlib, the optional extra `plots`; it is imported when a picture is drawn.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from steelyard.cli.market_report_figures import Spell, crossings, deepest_fall, median_of
from steelyard.cli.market_report_record import COUNTING, Record, View
from steelyard.cli.market_report_run import Bools, Floats, Ints, SourceLog
from steelyard.cli.market_report_sheets import clock, percent, price, span
from steelyard.cli.plots import (
    DPI,
    FAINT,
    INK,
    PALETTE,
    STYLE,
    WIDTH_PX,
    _instants,
    _plain_log,
    _say_empty,
    _time_axis,
)
from steelyard.marks.guard import TRUSTED
from steelyard.marks.sources import DEVIATING, SILENT, STALE, USED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEAD_PX, FOOT_PX, GAP_PX, LANE_PX = 145, 60, 88, 40
PRICES_PX, FALL_PX, ERROR_PX, AGE_PX = 430, 430, 270, 200
LEFT, RIGHT = 0.155, 0.975
FALL_MARGIN_US = 120_000_000
STEEP_FROM = 2  # the third tenth of the fall
LABEL_MAX = 22
SHADE = "#F6E3E1"
RISK = "#C62828"
VERDICT_COLOURS = {
    USED: "#1B7F5C", DEVIATING: "#E69F00", STALE: "#B9C0C7", SILENT: "#E4E7EA", "frozen": "#56B4E9",
    "invalid": "#C62828", "clock": "#CC79A7", "uncertain": "#A98BC9", "absurd": "#7A1F00",
    "quote": "#8C6D31", "standby": "#9EC5E0", "down": "#444444",
}  # fmt: skip
CONDITION_COLOURS = {
    "healthy": "#1B7F5C", "second_tier": "#7FB685", "decided": "#0072B2", "unseen": "#E4E7EA",
    "no_quorum": "#B9C0C7", "disagreement": "#E69F00", "jump": "#CC79A7", "resuming": "#F3D68A",
    "unfit": "#7A1F00",
}  # fmt: skip
OTHER = "#444444"


def write_picture(view: View, record: Record, document: Record, path: Path) -> Path:
    """Write the picture of one asset; return its path. Errors: OSError where it cannot be written."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lanes = 1 + len(view.log.sources)
    parts = [PRICES_PX, LANE_PX * lanes, ERROR_PX, AGE_PX]
    fall = _fall_window(view)
    if fall is not None:
        parts.insert(1, FALL_PX)
    height = HEAD_PX + FOOT_PX + sum(parts) + GAP_PX * len(parts)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_PX / DPI, height / DPI), dpi=DPI)
        FigureCanvasAgg(figure)
        _head(figure, view, record, document, height)
        boxes = _boxes(parts, height)
        times = _instants(view.run.grid)
        _draw_prices(figure.add_axes(boxes[0]), view, times, "Index and every source")
        if fall is not None:
            axes = figure.add_axes(boxes[1])
            _draw_prices(axes, view, times, "The fall, closer", fall)
        _draw_lanes(figure.add_axes(boxes[-3]), view, times)
        _draw_error(figure, boxes[-2], view, times)
        _draw_age(figure.add_axes(boxes[-1]), view, times)
        figure.savefig(path, format="png", metadata={"Software": "steelyard"})
    return path


def _boxes(parts: list[int], height: int) -> list[tuple[float, float, float, float]]:
    """Return (left, bottom, width, height) of each part from the top down, as shares of the figure."""
    boxes, top = [], HEAD_PX + GAP_PX // 2
    for part in parts:
        boxes.append((LEFT, 1.0 - (top + part) / height, RIGHT - LEFT, part / height))
        top += part + GAP_PX
    return boxes


def _head(figure: Figure, view: View, record: Record, document: Record, height: int) -> None:
    error, bound = record["error"], record["bound"]
    kept = (
        f"left its bound for {bound['seconds_left']} s"
        if bound["seconds_left"]
        else "kept its bound"
    )
    first = (
        f"{document['from'][:19].replace('T', ' ')} to {document['to'][:19].replace('T', ' ')} UTC   ·   "
        f"{document['recording']}   ·   method {document['method']}"
    )
    second = f"trusted {percent(record['trusted_share'])} % of the time"
    if error["worst"] is not None:
        second += (
            f"   ·   error against the median of the independent spot sources: median "
            f"{percent(error['median'], 2)} %, p99 {percent(error['p99'], 2)} %, worst "
            f"{percent(error['worst'], 2, signed=True)} % at {clock(error['worst_at'])}   ·   {kept}"
        )
    for down_px, text, size, ink in (
        (48, f"Steelyard · {view.log.name} · market report", 15, INK),
        (84, first, 8.5, INK),
        (112, second, 8.5, RISK if bound["seconds_left"] else INK),
    ):
        weight = "bold" if size > 10 else "normal"
        figure.text(0.035, 1 - down_px / height, text, size=size, weight=weight, color=ink)


# -- prices --------------------------------------------------------------------------------------


def _fall_window(view: View) -> tuple[int, int] | None:
    """Return the first and last row around the steep part of the deepest fall of the sources' median.

    None where nothing fell, or where that is most of the time.
    """
    heard = [path.price for path in view.paths.values()]
    middle = median_of(heard) if heard else view.shown
    fall = deepest_fall(middle)
    if fall is None:
        return None
    begin = crossings(middle, fall)[STEEP_FROM]
    margin = FALL_MARGIN_US // view.run.step_us
    low = max(0, (fall.start if begin is None else begin) - margin)
    high = min(len(middle) - 1, fall.end + 3 * margin)
    return (low, high) if margin < high - low < 0.7 * len(middle) else None


def _draw_prices(
    axes: Axes,
    view: View,
    times: NDArray[np.datetime64],
    title: str,
    window: tuple[int, int] | None = None,
) -> None:
    low, high = window or (0, len(times) - 1)
    here = slice(low, high + 1)
    _shade_protected(axes, view)
    width = view.agreement
    axes.fill_between(
        times[here], view.index[here] * (1 - width), view.index[here] * (1 + width), color="#CFE3F1",
        linewidth=0, label=f"index ± {percent(width, 0)} % (agreement)", zorder=1,
    )  # fmt: skip
    shown = [view.shown[here]]
    for number, (name, path) in enumerate(view.paths.items()):
        colour = _colour(number)
        counts = np.where(_counts(view, name, view.run.grid), path.price, np.nan)
        for column, alpha, label in ((path.price, 0.35, None), (counts, 1.0, name)):
            axes.plot(
                times[here], column[here], color=colour, linewidth=0.9, alpha=alpha, label=label,
                drawstyle="steps-post", zorder=3,
            )  # fmt: skip
        _mark_excluded(axes, view, view.log.sources[name], colour, (low, high))
        shown.append(path.price[here])
    for number, (name, (_, path)) in enumerate(view.derivatives.items()):
        axes.plot(times[here], path.price[here], color=_colour(len(view.paths) + number),
                  linewidth=0.8, linestyle=":", label=f"{name} (not in the index)", zorder=2)  # fmt: skip
        shown.append(path.price[here])
    axes.plot(times[here], view.shown[here], color=INK, linewidth=0.8, linestyle=(0, (2, 2)),
              label="shown while protected", zorder=4)  # fmt: skip
    axes.plot(times[here], view.index[here], color=INK, linewidth=1.6, label="index", zorder=5)
    axes.set_title(title)
    axes.set_ylabel("USD")
    _limit_prices(axes, np.concatenate(shown))
    _time_axis(axes, times[here])
    if window is None:
        _price_legend(axes)


def _price_legend(axes: Axes) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles, _ = axes.get_legend_handles_labels()
    handles = [handles[-1], handles[-2], *handles[:-2]]
    if any(line.get_marker() == "x" for line in axes.lines):
        handles.append(
            Line2D([], [], color=INK, marker="x", linewidth=0, markersize=4, label="excluded price")
        )
    handles.append(Patch(color=SHADE, label="protected"))
    axes.legend(handles=handles, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=4,
                columnspacing=1.2, handlelength=1.6, fontsize=6.8)  # fmt: skip


def _colour(number: int) -> str:
    return PALETTE[number % (len(PALETTE) - 1)]


def _mark_excluded(
    axes: Axes, view: View, source: SourceLog, colour: str, window: tuple[int, int]
) -> None:
    """Mark the words that did not count when they came, or never agreed: a cross at price and receipt."""
    known = np.array(source.known_us, np.int64)
    said = np.array(source.prices, np.float64)
    grid = view.run.grid
    inside = (known >= grid[window[0]]) & (known <= grid[window[1]])
    out: Bools = ~_counts(view, source.name, known) & inside & np.isfinite(said) & (said > 0.0)
    if out.any():
        axes.plot(_instants(known[out]), said[out], "x", color=colour, markersize=4, zorder=6,
                  markeredgewidth=0.9)  # fmt: skip


def _counts(view: View, source: str, times_us: Ints) -> Bools:
    """Return at which instants a source counts."""
    counts = np.zeros(len(times_us), bool)
    for told in view.verdicts[source]:
        if told.value in COUNTING:
            counts |= (times_us >= told.start_us) & (times_us < told.end_us)
    return counts


def _shade_protected(axes: Axes, view: View) -> None:
    for each in view.conditions:
        if each.value not in TRUSTED:
            begin, end = _instants(np.array([each.start_us, each.end_us]))
            axes.axvspan(begin, end, color=SHADE, linewidth=0, zorder=0)


def _limit_prices(axes: Axes, values: Floats) -> None:
    """Hold every price that is not beyond belief; what is, leaves the axis."""
    from matplotlib.ticker import FuncFormatter

    there = values[np.isfinite(values)]
    if not there.size:
        _say_empty(axes, "no source said anything")
        return
    middle = float(np.median(there))
    near = there[(there > middle / 4) & (there < middle * 4)]
    low, high = float(near.min()), float(near.max())
    room = 0.06 * (high - low) or 0.01 * middle
    axes.set_ylim(low - room, high + room)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick_price(value)))


def _tick_price(value: float) -> str:
    return price(value).rstrip("0").rstrip(".") if 0.0 < value < 1e5 else f"{value:,.0f}"


# -- verdicts ------------------------------------------------------------------------------------


def _draw_lanes(axes: Axes, view: View, times: NDArray[np.datetime64]) -> None:
    """Draw one lane a source, coloured by its verdict, and the condition of the index above them."""
    from matplotlib.patches import Patch

    names = ["index", *view.verdicts]
    seen: dict[str, str] = {}
    for lane, name in enumerate(names):
        colours = VERDICT_COLOURS if lane else CONDITION_COLOURS
        for value, told in _by_value(view.verdicts[name] if lane else view.conditions).items():
            colour = colours.get(value, OTHER)
            starts = _instants(np.array([each.start_us for each in told]))
            widths = _instants(np.array([each.end_us for each in told])) - starts
            bars: Any = list(zip(starts, widths, strict=True))
            axes.broken_barh(bars, (lane - 0.36, 0.72), facecolors=colour, linewidth=0)
            seen.setdefault(value.replace("_", " "), colour)
    labels = [name.replace(":", ":\n", 1) if len(name) > LABEL_MAX else name for name in names]
    axes.set_yticks(range(len(names)), labels, size=6.8)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.set_title("Verdicts")
    axes.legend(handles=[Patch(color=colour, label=name) for name, colour in seen.items()],
                loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=len(seen), columnspacing=1.2,
                handlelength=1.0, fontsize=6.8)  # fmt: skip
    _time_axis(axes, times)


def _by_value(told: list[Spell]) -> dict[str, list[Spell]]:
    found: dict[str, list[Spell]] = {}
    for each in told:
        found.setdefault(each.value, []).append(each)
    return found


# -- error and age -------------------------------------------------------------------------------


def _draw_error(
    figure: Figure,
    box: tuple[float, float, float, float],
    view: View,
    times: NDArray[np.datetime64],
) -> None:
    left, bottom, width, height = box
    axes = figure.add_axes((left, bottom, 0.72 * width, height))
    beside = figure.add_axes((left + 0.79 * width, bottom, 0.21 * width, height))
    axes.set_title("Error of the trusted index against the median of the independent spot sources")
    beside.set_title("All seconds")
    error = 100.0 * view.error
    there = np.isfinite(error)
    if not there.any():
        _say_empty(axes, "no second has both a trusted index and a reference")
        _say_empty(beside, "nothing to count")
        for each in (axes, beside):
            each.set_xticks([])
        return
    _shade_protected(axes, view)
    low, high = (100.0 * (band / view.reference - 1.0) for band in (view.low, view.high))
    _columns(axes, times, low, high)
    left_bound = view.left
    axes.axhline(0.0, color=FAINT, linewidth=0.7)
    axes.plot(times, error, ".", color=PALETTE[0], markersize=2.2, zorder=4)
    axes.plot(times[left_bound], error[left_bound], "o", color=RISK, markersize=3.5, zorder=5)
    reach = 1.15 * max(float(np.nanmax(np.abs(error))), 100.0 * view.agreement)
    axes.set_ylim(-reach, reach)
    axes.set_ylabel("%")
    axes.annotate("grey: the band it must keep to", (1, 1), xytext=(-3, -9), ha="right", size=6.8,
                  xycoords="axes fraction", textcoords="offset points", color="#555555")  # fmt: skip
    _time_axis(axes, times)
    beside.hist(error[there], bins=np.linspace(-reach, reach, 61).tolist(), color=PALETTE[0],
                orientation="horizontal")  # fmt: skip
    beside.set_ylim(-reach, reach)
    beside.set_xscale("log")
    _plain_log(beside.xaxis)
    beside.set_xlabel("seconds (log scale)")
    beside.tick_params(labelleft=False)


def _columns(axes: Axes, times: NDArray[np.datetime64], low: Floats, high: Floats) -> None:
    """Draw the band as columns, so that lone seconds show too."""
    there = np.isfinite(low) & np.isfinite(high)
    axes.vlines(times[there], low[there], high[there], color="#E3E6E8", linewidth=0.8, zorder=1)


def _draw_age(axes: Axes, view: View, times: NDArray[np.datetime64]) -> None:
    log = view.log
    axes.set_title("Age of the index, on the sources' clocks")
    axes.set_ylabel("seconds (log scale)")
    age = np.where(log.age_us >= 0, np.maximum(log.age_us / 1e6, 0.1), np.nan)
    if not np.isfinite(age).any():
        _say_empty(axes, "there never was a trusted index")
        axes.set_xticks([])
        return
    _shade_protected(axes, view)
    trusted = np.where(log.is_trusted, age, np.nan)
    axes.plot(times, age, color=FAINT, linewidth=0.7, label="while protected")
    axes.plot(times, trusted, color=PALETTE[0], linewidth=1.0, label="while trusted")
    ages = trusted[np.isfinite(trusted)]
    if ages.size:
        axes.annotate(
            f"trusted: p50 {span(round(float(np.median(ages)), 1))}, longest {span(round(float(ages.max()), 1))}",
            (0.0, 1.0), xytext=(330, 5), xycoords="axes fraction", textcoords="offset points", size=7,
            color="#555555",
        )  # fmt: skip
    axes.set_yscale("log")
    ticks = [t for t in (0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 86400.0) if t <= 2.0 * np.nanmax(age)]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, fontsize=6.8)
    _time_axis(axes, times)
