"""The page of plots: a session on one PNG of 1600 × 2000 pixels, times in UTC, amounts in USDC.

Drawing needs matplotlib, the optional extra `plots`; it is imported when a page is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from steelyard.cli.history import STATE_COUNT, History
from steelyard.cli.summary import amount_text, percent_text, price_text
from steelyard.decisions import STATE_NAMES
from steelyard.quantities import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import SubplotSpec
    from matplotlib.lines import Line2D

WIDTH_PX, HEIGHT_PX, DPI = 1600, 2000, 150
BARS_MAX = 240
BAR_SECONDS = (1, 10, 60, 300, 3600, 21_600, 86_400)
FALL_WINDOW_US = 60_000_000
TABLE_ROWS_MAX = 8
SHADED_MAX = 3

# Distinguishable for colour-blind eyes (Okabe and Ito); later assets repeat them with other dashes.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F", "#000000")
DASHES = ("-", "--", ":")
STATE_COLOURS = ("#56B4E9", "#F0E442", "#E69F00", "#CC79A7", "#D55E00", "#7A1F00", "#000000")
FUND, DEBT, INK, FAINT = "#0072B2", "#D55E00", "#222222", "#8A8A8A"

STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "axes.edgecolor": "#BBBBBB",
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "lines.linewidth": 1.2,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "figure.facecolor": "white",
    "text.parse_math": False,  # a dollar in a name or a path is a dollar
}


def plot_page(history: History, report: Mapping[str, Any], path: Path) -> None:
    """Write the page of a session; the history is closed by it.

    Errors: CLIC-E20 without matplotlib, CLIC-E21 when the file cannot be written.
    """
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise InputError(
            "CLIC-E20",
            "matplotlib is not installed, so no page of plots can be drawn",
            rule="plots need the optional extra `plots`",
            cure="install steelyard[plots], or leave out --plot",
            path=path,
        ) from None
    history.close()
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_PX / DPI, HEIGHT_PX / DPI), dpi=DPI)
        FigureCanvasAgg(figure)
        _draw(figure, history, report)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(path, format="png", metadata={"Software": "steelyard"})
        except OSError as error:
            raise InputError(
                "CLIC-E21",
                f"the page of plots cannot be written: {error.strerror or error}",
                rule="plots go to a file that can be written",
                cure="choose another path, or free space",
                path=path,
            ) from error


def _draw(figure: Figure, history: History, report: Mapping[str, Any]) -> None:
    bands = figure.add_gridspec(
        4,
        1,
        left=0.075,
        right=0.965,
        top=0.915,
        bottom=0.01,
        hspace=0.24,
        height_ratios=(2.7, 2.2, 2.5, 2.1),
    )
    _head(figure, report)
    times = _instants(history.time_us[: history.count])
    _draw_prices(figure, bands[0], history, times)
    middle, lower, tables = (bands[row].subgridspec(1, 2, wspace=0.24) for row in (1, 2, 3))
    money = middle[1].subgridspec(2, 1, hspace=0.3)
    hits = lower[0].subgridspec(2, 1, hspace=0.3)
    speed = lower[1].subgridspec(2, 1, hspace=0.42)
    spread = speed[1].subgridspec(1, 2, wspace=0.62)
    states = figure.add_subplot(middle[0])
    fund, debt = (figure.add_subplot(money[row]) for row in (0, 1))
    closed, accounts = (figure.add_subplot(hits[row]) for row in (0, 1))
    latency = figure.add_subplot(speed[0])
    _plot_states(states, history, times)
    _plot_money(fund, debt, history, times)
    _plot_closed(closed, history)
    _plot_accounts(accounts, history, times)
    _plot_latency(latency, history, times)
    for axes in (states, fund, debt, closed, accounts, latency):
        _time_axis(axes, times)
    for axes in (fund, closed):
        axes.tick_params(labelbottom=False)
    _plot_histogram(figure.add_subplot(spread[0]), history)
    _plot_shares(figure.add_subplot(spread[1]), history)
    _table_falls(figure.add_subplot(tables[0]), history)
    _table_liquidations(figure.add_subplot(tables[1]), history)


def _draw_prices(
    figure: Figure, place: SubplotSpec, history: History, times: NDArray[np.datetime64]
) -> None:
    """Draw the prices and, below them, a lane for every asset that was ever protected."""
    protected = sorted({span.asset for span in history.spans})
    sized = place.subgridspec(1, 2, width_ratios=(1, 0.12), wspace=0.0)[0]
    if not protected:
        prices = figure.add_subplot(sized)
        _plot_prices(prices, history, times, protected)
        _time_axis(prices, times)
        return
    lane_height = min(0.45, 0.03 + 0.036 * len(protected))
    ratios = (1 - lane_height, lane_height)
    parts = sized.subgridspec(2, 1, hspace=0.16, height_ratios=ratios)
    prices = figure.add_subplot(parts[0])
    _plot_prices(prices, history, times, protected)
    lanes = figure.add_subplot(parts[1], sharex=prices)
    _plot_protected(lanes, history, protected)
    _time_axis(prices, times)
    _time_axis(lanes, times)
    prices.tick_params(labelbottom=False)


def _head(figure: Figure, report: Mapping[str, Any]) -> None:
    figure.text(0.035, 0.977, f"Steelyard · {report['title']}", size=15, weight="bold", color=INK)
    begin, end = (str(report[key]).replace("T", " ").removesuffix("Z") for key in ("from", "to"))
    early = "  (ended early)" if report.get("is_interrupted") else ""
    figure.text(
        0.035,
        0.961,
        f"{begin} to {end} UTC{early}   ·   {report['accounts']:,} accounts   ·   "
        f"{report['instruments']:,} instruments   ·   {report['ticks']:,} ticks at "
        f"{report['ticks_per_second']:,.0f} a second   ·   method {report['method']}",
        size=8.5,
        color=INK,
    )
    figure.text(
        0.035,
        0.947,
        f"{report['margin_calls']:,} accounts called, {report['partial_reductions']:,} reduced, "
        f"{report['full_liquidations']:,} liquidated   ·   bad debt "
        f"{amount_text(report['bad_debt'])} USDC, of it {amount_text(report['bad_debt_uncovered'])} "
        f"not covered   ·   state hash {report['state_hash'][:16]}…",
        size=8.5,
        color=INK,
    )


# -- panels --------------------------------------------------------------------------------------


def _plot_prices(
    axes: Axes, history: History, times: NDArray[np.datetime64], protected: Sequence[str]
) -> None:
    lines: list[tuple[float, Line2D]] = []
    for slot, name in enumerate(history.assets[1:], start=1):
        series = history.index[slot, : history.count]
        known = np.flatnonzero(np.isfinite(series))
        if not len(known):
            continue
        colour, dash = _line_style(slot - 1)
        change = (series / series[known[0]] - 1) * 100
        last = float(change[known[-1]])
        label = f"{name}  {percent_text(last / 100)}"
        drawn = axes.plot(times, change, color=colour, linestyle=dash, label=label)
        lines.append((last, drawn[0]))
        if name in protected and len(protected) <= SHADED_MAX:
            for begin, end in _spans(history, name):
                axes.axvspan(begin, end, color=colour, alpha=0.13, linewidth=0)
    axes.axhline(0, color=FAINT, linewidth=0.8)
    axes.set_title("Index price since the start (all times are UTC)")
    axes.set_ylabel("change, %")
    if not lines:
        _say_empty(axes, "no asset has a price")
        return
    if not protected:
        axes.annotate("no asset was protected", (1, 1.02), xycoords="axes fraction", ha="right",
                      color=FAINT)  # fmt: skip
    ordered = [line for _, line in sorted(lines, key=lambda each: -each[0])]
    axes.legend(handles=ordered, loc="upper left", bbox_to_anchor=(1.0, 1.04), handlelength=1.8)


def _plot_protected(axes: Axes, history: History, names: Sequence[str]) -> None:
    """Draw one lane an asset, filled while it was protected."""
    for lane, name in enumerate(names):
        colour, _ = _line_style(history.assets.index(name) - 1)
        for begin, end in _spans(history, name):
            axes.barh(lane, end - begin, left=begin, height=0.7, color=colour)
    axes.set_yticks(range(len(names)), list(names))
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", labelsize=7)
    axes.grid(axis="y", visible=False)
    axes.set_title("Protected: no liquidation, no new risk", size=8, pad=3)


def _plot_states(axes: Axes, history: History, times: NDArray[np.datetime64]) -> None:
    rows = history.units_by_state[:, : history.count]
    axes.set_title("Margin units that are not healthy, by state")
    axes.set_ylabel("margin units")
    seen = [state for state in range(1, STATE_COUNT) if rows[state].any()]
    if not seen:
        _say_empty(axes, "every margin unit stayed healthy")
        return
    axes.stackplot(
        times,
        *(rows[state] for state in seen),
        colors=[STATE_COLOURS[state] for state in seen],
        labels=[STATE_NAMES[state].replace("_", " ") for state in seen],
        linewidth=0,
    )
    axes.set_ylim(0, None)
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], labels[::-1], loc="upper left")
    _thousands(axes)


def _plot_money(upper: Axes, lower: Axes, history: History, times: NDArray[np.datetime64]) -> None:
    upper.set_title("Insurance fund")
    upper.plot(times, history.column("fund_micro") / 1e6, color=FUND)
    upper.set_ylabel("USDC")
    _thousands(upper)
    lower.set_title("Bad debt so far")
    lower.set_ylabel("USDC")
    debt, uncovered = history.column("bad_debt_micro"), history.column("uncovered_micro")
    if not debt.any():
        _say_empty(lower, "no account ended with a debt")
        return
    lower.fill_between(times, debt / 1e6, color=DEBT, alpha=0.35, linewidth=0)
    lower.plot(times, debt / 1e6, color=DEBT, label="all")
    lower.plot(times, uncovered / 1e6, color=INK, linestyle="--", label="not covered by the fund")
    lower.set_ylim(0, None)
    lower.legend(loc="upper left")
    _thousands(lower)


def _plot_closed(axes: Axes, history: History) -> None:
    every_s, begins, amounts = bars_of(history)
    axes.set_title(f"Notional closed in reductions and liquidations, per {_span_text(every_s)}")
    axes.set_ylabel("USDC")
    if not amounts.any():
        _say_empty(axes, "nothing was closed")
        return
    width = np.timedelta64(int(every_s * 0.9 * 1e6), "us")
    axes.bar(_instants(begins), amounts, width=width, align="edge", color=DEBT)
    if amounts.max() >= 1e6:
        axes.set_ylabel("million USDC")
        _thousands(axes, 1e6)
    else:
        _thousands(axes)


def _plot_accounts(axes: Axes, history: History, times: NDArray[np.datetime64]) -> None:
    axes.set_title("Distinct accounts so far")
    axes.set_ylabel("accounts")
    for name, label, colour, dash in (
        ("margin_calls", "margin call", STATE_COLOURS[2], "-"),
        ("partial_reductions", "partial reduction", STATE_COLOURS[4], "--"),
        ("full_liquidations", "full liquidation", STATE_COLOURS[5], "-"),
        ("bankruptcies", "bankrupt", STATE_COLOURS[6], ":"),
    ):
        column = history.column(name)
        label = f"{label}: {int(column[-1]):,}"
        axes.step(times, column, where="post", color=colour, linestyle=dash, label=label)
    axes.set_ylim(0, max(1, *history.column("margin_calls")) * 1.05)
    axes.legend(loc="upper left")
    _thousands(axes)


def _plot_latency(axes: Axes, history: History, times: NDArray[np.datetime64]) -> None:
    axes.set_title("Tick to decision, before the flush")
    axes.set_ylabel("ms, log scale")
    measured = history.column("events") > 0
    if not measured.any():
        _say_empty(axes, "no tick was measured")
        return
    for name, label, colour, dash in (
        ("decision_p99_us", "p99", DEBT, "-"),
        ("decision_p50_us", "p50", FUND, "-"),
    ):
        values = np.where(measured, history.column(name) / 1e3, np.nan)
        axes.plot(times, values, color=colour, linestyle=dash, linewidth=0.9, label=label)
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    _plain_log(axes.yaxis, (1.0, 2.0, 5.0) if high < 50 * low else (1.0,))
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 0.98), ncols=2)


def _plot_histogram(axes: Axes, history: History) -> None:
    samples = history.session.engine.stopwatch.samples() / 1e3
    axes.set_title("Tick to decision, all ticks")
    samples = samples[samples > 0]
    if not len(samples):
        _say_empty(axes, "no tick was measured")
        return
    low, high = float(samples.min()), float(samples.max())
    edges = np.geomspace(low, max(high, low * 1.01), 50)
    axes.hist(samples, bins=edges.tolist(), color=FUND)
    axes.set_xscale("log")
    axes.set_yscale("log")
    _plain_log(axes.xaxis)
    _plain_log(axes.yaxis)
    axes.set_xlabel("ms, log scale")
    axes.set_ylabel("ticks, log scale")


def _plot_shares(axes: Axes, history: History) -> None:
    shares = sorted(history.session.engine.stopwatch.shares().items(), key=lambda item: item[1])
    axes.set_title("Share of each room")
    names, values = [name for name, _ in shares], [100 * share for _, share in shares]
    drawn = axes.barh(names, values, color=FUND)
    axes.bar_label(drawn, [f"{value:.0f} %" for value in values], padding=2, fontsize=7.5)
    axes.set_xlim(0, max(1.0, *values) * 1.2)
    axes.set_xlabel("% of the measured time")
    axes.grid(axis="y", visible=False)


def _table_falls(axes: Axes, history: History) -> None:
    rows = largest_falls(history)
    axes.set_title("Largest price falls" + _of(len(rows), "assets"))
    if not rows:
        _draw_table(axes, ["no price fell"], [], (1.0,), left=1)
        return
    cells = [
        [
            name,
            price_text(last),
            percent_text(whole),
            percent_text(minute),
            percent_text(peak),
            str(np.datetime64(low_us, "us").astype("datetime64[s]"))[11:],
        ]
        for name, last, whole, minute, peak, low_us in rows[:TABLE_ROWS_MAX]
    ]
    heads = ["asset", "last index", "from start", "worst 60 s", "from peak", "low at"]
    _draw_table(axes, heads, cells, (0.12, 0.2, 0.18, 0.18, 0.17, 0.15), left=1)


def _table_liquidations(axes: Axes, history: History) -> None:
    facts = history.facts()["largest_liquidations"]
    axes.set_title("Largest full liquidations")
    if not facts:
        _draw_table(axes, ["no account was fully liquidated"], [], (1.0,), left=1)
        return
    cells = [
        [
            _shortened(each["account"], 20),
            _shortened(each["instrument"], 22),
            f"{each['quantity'].normalize():,f}".replace("-", "−"),
            f"{each['notional']:,.0f}",
            percent_text(float(each["price"] / each["mark"]) - 1) if each["mark"] else "–",
        ]
        for each in facts
    ]
    heads = ["account", "instrument", "quantity", "USDC", "price/mark"]
    _draw_table(axes, heads, cells, (0.21, 0.31, 0.15, 0.15, 0.18), left=2)


# -- figures of the page -------------------------------------------------------------------------


def bars_of(history: History) -> tuple[int, NDArray[np.int64], NDArray[np.float64]]:
    """Return seconds a bar, where each bar begins (µs), and the notional closed in it (USDC).

    The shortest of 1 s, 10 s, 1 min … that gives at most 240 bars and is no finer than the samples;
    an interval belongs to the bar in which it ends.
    """
    times = history.time_us[: history.count]
    length_us = max(1, int(times[-1] - times[0]))
    fits = [
        seconds
        for seconds in BAR_SECONDS
        if length_us <= seconds * 1_000_000 * BARS_MAX
        and seconds * 1_000_000 >= history.sample_every_us
    ]
    every_s = fits[0] if fits else -(-length_us // (1_000_000 * BARS_MAX))
    width_us = every_s * 1_000_000
    at = np.maximum(times - times[0] - 1, 0) // width_us
    amounts = np.zeros(int(at[-1]) + 1)
    np.add.at(amounts, at, history.column("closed_micro") / 1e6)
    return every_s, times[0] + np.arange(len(amounts)) * width_us, amounts


def largest_falls(history: History) -> list[tuple[str, float, float, float, float, int]]:
    """Return, for each asset that fell, largest fall first: name, last price, change from the start,
    worst change in 60 seconds, worst change from an earlier peak, and when that low was (µs).

    Read from the samples: what happened between two of them is not seen.
    """
    times = history.time_us[: history.count]
    rows = []
    for slot, name in enumerate(history.assets[1:], start=1):
        known = np.isfinite(history.index[slot, : history.count])
        series, at = history.index[slot, : history.count][known], times[known]
        if not len(series):
            continue
        earlier = np.searchsorted(at, at - FALL_WINDOW_US, side="left")
        minute = series / series[earlier] - 1
        peak = series / np.maximum.accumulate(series) - 1
        low = int(np.argmin(peak))
        if peak[low] < 0:
            whole = float(series[-1] / series[0] - 1)
            rows.append(
                (
                    name,
                    float(series[-1]),
                    whole,
                    float(minute.min()),
                    float(peak[low]),
                    int(at[low]),
                )
            )
    return sorted(rows, key=lambda row: row[4])


def _spans(history: History, asset: str) -> list[tuple[Any, Any]]:
    """Return the times in which an asset was protected, an open one up to the last sample."""
    last = int(history.time_us[history.count - 1])
    return [
        (np.datetime64(span.begin_us, "us"), np.datetime64(span.end_us or last, "us"))
        for span in history.spans
        if span.asset == asset
    ]


# -- drawing helpers -----------------------------------------------------------------------------


def _instants(time_us: NDArray[np.int64]) -> NDArray[np.datetime64]:
    return time_us.astype("datetime64[us]")


def _line_style(number: int) -> tuple[str, str]:
    return PALETTE[number % len(PALETTE)], DASHES[number // len(PALETTE) % len(DASHES)]


def _time_axis(axes: Axes, times: NDArray[np.datetime64]) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=4, maxticks=9)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    shown = ConciseDateFormatter(locator, show_offset=False)  # type: ignore[no-untyped-call]
    shown.formats = ["%Y", "%b", "%-d %b", "%H:%M", "%H:%M", "%H:%M:%S"]
    shown.zero_formats = ["", "%Y", "%b", "%-d %b", "%H:%M", "%H:%M"]
    axes.xaxis.set_major_formatter(shown)
    if times[-1] > times[0]:
        axes.set_xlim(times[0], times[-1])


def _thousands(axes: Axes, unit: float = 1.0) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, min_n_ticks=2))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _number(value / unit)))


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 or value == round(value) else f"{value:g}"


def _plain_log(axis: Any, marked: tuple[float, ...] = (1.0,)) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=marked, numticks=8))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _say_empty(axes: Axes, words: str) -> None:
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color=FAINT)
    axes.set_yticks([])


def _draw_table(
    axes: Axes,
    heads: Sequence[str],
    cells: Sequence[Sequence[str]],
    widths: Sequence[float],
    left: int,
) -> None:
    """Write rows of text in columns; the first `left` columns from the left, the others right."""
    axes.axis("off")
    step = 1.0 / (TABLE_ROWS_MAX + 2)
    edges = np.r_[0.0, np.cumsum(widths)]
    for row, line in enumerate([heads, *cells]):
        y = 1 - (row + 0.8) * step
        for column, text in enumerate(line):
            is_left = column < left
            axes.text(
                edges[column] if is_left else edges[column + 1],
                y,
                text,
                transform=axes.transAxes,
                ha="left" if is_left else "right",
                va="center",
                size=8,
                color=FAINT if row == 0 else INK,
            )
    y = 1 - 1.3 * step
    axes.plot([0, 1], [y, y], color="#BBBBBB", linewidth=0.8, transform=axes.transAxes)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)


def _of(count: int, what: str) -> str:
    return f"   ({TABLE_ROWS_MAX} of {count} {what})" if count > TABLE_ROWS_MAX else ""


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _span_text(seconds: int) -> str:
    if seconds % 3600 == 0:
        return f"{seconds // 3600} h"
    return f"{seconds // 60} min" if seconds % 60 == 0 else f"{seconds} s"
