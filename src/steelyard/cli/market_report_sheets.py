"""The sheets of a report: what the terminal and the page both show, as rows of text.

Each sheet is made from the document alone, so that a page can be made again from its JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from steelyard.marks.sources import DEVIATING, STALE, USED

Record = dict[str, Any]
NOTHING = "–"
PROSE = "of it"
KINDS_SHOWN = ("delta", "gamma", "theta", "margin", "mark_age")
KIND_NAMES = {
    "delta": "index and marks",
    "gamma": "scenario tables",
    "theta": "option marks",
    "margin": "decisions",
    "mark_age": "age of the marks that decided",
}


class Sheet(NamedTuple):
    """A titled table. note: what a reader must know. heads: a head and whether its column holds words.

    The column of the head `PROSE` may be broken into lines.
    """

    title: str
    note: str
    heads: tuple[tuple[str, bool], ...]
    rows: Sequence[tuple[str, ...]]


def percent(share: float | None, digits: int = 1, *, signed: bool = False) -> str:
    """Return a share in percent, or a dash.

    >>> percent(0.1234), percent(-0.5, 0, signed=True), percent(None)
    ('12.3', '−50', '–')
    """
    if share is None:
        return NOTHING
    text = f"{100.0 * share:+.{digits}f}" if signed else f"{100.0 * share:.{digits}f}"
    return text.replace("-", "−")


def span(seconds: float | None) -> str:
    """Return a duration, or a dash.

    >>> span(0.016), span(1.5), span(59.0), span(642.0), span(7200.0), span(None)
    ('16 ms', '1.5 s', '59 s', '10 min 42 s', '2 h', '–')
    """
    if seconds is None:
        return NOTHING
    if 0.0 < abs(seconds) < 1.0:
        return f"{1e3 * seconds:.0f} ms".replace("-", "−")
    if abs(seconds) < 60.0:
        return f"{seconds:.1f}".removesuffix(".0").replace("-", "−") + " s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min".removesuffix(" 0 min")


def clock(time: str | None) -> str:
    """Return the time of day of an instant.

    >>> clock("2025-10-10T21:16:03.000Z"), clock(None)
    ('21:16:03', '–')
    """
    return NOTHING if time is None else time[11:19]


def headline(document: Record) -> str:
    """Return one line on what was read and by which method."""
    begin, end = (str(document[key]).replace("T", " ").split(".")[0] for key in ("from", "to"))
    refused = sum(document["refused"].values())
    told = f", {refused:,} refused" if refused else ""
    return (
        f"{begin} to {end} UTC, {len(document['assets'])} assets, {document['events']:,} events{told}, "
        f"method {document['method']}"
    )


def verdict(document: Record) -> str:
    """Return the line on whether an index left its bound, and who never had one."""
    left = document["left_bound"]
    never = [name for name in document["assets"] if name not in document["trusted"]]
    told = (
        f"the index of {', '.join(left)} left its bound"
        if left
        else "no trusted index left its bound"
    )
    return told + (f"; never a quorum: {', '.join(never)}" if never else "")


def sheets(document: Record) -> list[Sheet]:
    """Return every sheet that has a row."""
    every = (
        index_sheet(document), conditions_sheet(document), verdicts_sheet(document), sources_sheet(document),
        alone_sheet(document), derivatives_sheet(document), fall_sheet(document),
        moves_sheet(document), cadence_sheet(document),
    )  # fmt: skip
    return [each for each in every if each.rows]


def index_sheet(document: Record) -> Sheet:
    """Return how each index stood against the median of the independent spot sources."""
    rows = []
    for name, each in document["assets"].items():
        error, age, bound = each["error"], each["mark_age"], each["bound"]
        rows.append(
            (
                name,
                str(len(each["reference"]["operators"])),
                percent(each["trusted_share"]),
                percent(each["reference"]["share"], 0),
                percent(error["median"], 2),
                percent(error["p99"], 2),
                percent(error["worst"], 2, signed=True),
                clock(error["worst_at"]),
                _bound_text(bound),
                span(age["p50_s"]),
                span(age["p99_s"]),
                span(age["longest_s"]),
            )
        )
    return Sheet(
        "Index against the median of the independent spot sources",
        "Error in % per second in which the index is trusted and two operators have a fresh price on their own "
        "clocks. Age: of the index while it is trusted.",
        (
            ("asset", True), ("spot\noperators", False), ("trusted\n%", False),
            ("compared\n% of time", False), ("error\nmedian", False), ("error\np99", False),
            ("error\nworst", False), ("at", True), ("bound", True), ("age\np50", False),
            ("age\np99", False), ("age\nlongest", False),
        ),
        rows,
    )  # fmt: skip


def _bound_text(bound: Record) -> str:
    if bound["seconds_left"]:
        return f"left for {bound['seconds_left']} s"
    return "kept" if bound["seconds_judged"] else NOTHING


def conditions_sheet(document: Record) -> Sheet:
    """Return the share of time in each condition, and the longest protected stretch with its reasons."""
    every = [c for each in document["assets"].values() for c in each["conditions"]]
    names = sorted(
        {each["condition"] for each in every}, key=lambda n: (n != "healthy", _first(every, n))
    )
    rows = []
    for name, each in document["assets"].items():
        shares = {c["condition"]: c["share"] for c in each["conditions"]}
        longest = each["longest_protected"]
        why = ", ".join(
            f"{reason.replace('_', ' ')} {span(round(s))}"
            for reason, s in longest["reasons"].items()
        )
        rows.append(
            (
                name,
                *(percent(shares[key]) if key in shares else NOTHING for key in names),
                span(round(longest["seconds"])) if longest["from"] else NOTHING,
                clock(longest["from"]),
                why or NOTHING,
            )
        )  # fmt: skip
    return Sheet(
        "Conditions of the index, % of the time",
        "All but healthy, second tier and decided protect: nobody is liquidated on the asset.",
        (
            ("asset", True), *((name.replace("_", "\n"), False) for name in names),
            ("longest\nprotected", False), ("from", True), (PROSE, True),
        ),
        rows,
    )  # fmt: skip


def _first(every: Sequence[Record], name: str) -> int:
    return next(i for i, each in enumerate(every) if each["condition"] == name)


def verdicts_sheet(document: Record) -> Sheet:
    """Return each source: for how much of the time it had which verdict, and how often that changed."""
    rows = []
    for name, each in document["assets"].items():
        for source in each["sources"]:
            told = source["verdicts"]
            if not source["is_in_index"]:
                continue
            rest = {
                key: value["share"]
                for key, value in told.items()
                if key not in (USED, DEVIATING, STALE)
            }
            apart = [told[key]["longest_s"] for key in told if key not in (USED, DEVIATING)]
            rows.append(
                (
                    name, source["source"], kind_text(source), f"{source['words']:,}", *(_verdict_share(told, key) for key in (USED, DEVIATING, STALE)),
                    _others(rest), f"{source['verdict_changes']:,}", span(round(max(apart, default=0.0))),
                )
            )  # fmt: skip
    return Sheet(
        "Verdicts of the sources, % of the time",
        "Used and deviating count in the median; all else does not. Changes: of the verdict. Longest: without counting.",
        (
            ("asset", True), ("source", True), ("kind", True), ("words", False), ("used", False),
            ("deviating", False), ("stale", False), ("other", True),
            ("changes", False), ("longest out", False),
        ),
        rows,
    )  # fmt: skip


def sources_sheet(document: Record) -> Sheet:
    """Return each source: how far it stood from the index, and who moved first."""
    rows = []
    for name, each in document["assets"].items():
        for source in each["sources"]:
            apart, lag = source["deviation"], source["lag"]
            together = lag["correlation"]
            rows.append(
                (
                    name, source["source"], kind_text(source),
                    percent(apart["median"], 2), percent(apart["p95"], 2), percent(apart["max"], 2),
                    clock(apart["max_at"]), _signed(lag["by_moves_s"]),
                    NOTHING if together is None else f"{together:.2f}", _signed(lag["by_fall_s"]),
                )
            )  # fmt: skip
    return Sheet(
        "Index against every source: deviation in %, and by how many seconds the index follows",
        "Deviation while the source counts and the index is trusted. Follows: by the moves of every second (and how "
        "well they correlate there), and by the tenths of the fall (median). Beside: a perpetual's price, not in "
        "the index.",
        (
            ("asset", True), ("source", True), ("kind", True), ("median", False), ("p95", False),
            ("max", False), ("at", True), ("by moves\ns", False), ("corre-\nlation", False),
            ("by fall\ns", False),
        ),
        rows,
    )  # fmt: skip


def kind_text(source: Record) -> str:
    """Return what a source is, in a word."""
    if not source.get("is_in_index", True):
        return "beside"
    return "perpetual" if source["kind"] == "derivative" else str(source["kind"])


def _verdict_share(told: Record, key: str) -> str:
    return percent(told[key]["share"]) if key in told else NOTHING


def _others(rest: dict[str, float]) -> str:
    shown = sorted(rest.items(), key=lambda each: -each[1])
    return ", ".join(f"{key} {percent(value)}" for key, value in shown) or NOTHING


def _signed(seconds: float | None) -> str:
    return NOTHING if seconds is None else f"{seconds:+.0f}".replace("-", "−")


def alone_sheet(document: Record) -> Sheet:
    """Return what the index of each single source would have been, below what ours was."""
    rows = []
    for name, each in document["assets"].items():
        if each["alone"]:
            rows.append((name, "our index", *_error_cells(each)))
        rows += [(name, one["source"], *_error_cells(one)) for one in each["alone"]]
    return Sheet(
        "What the index would have been with each single source alone",
        "Ours against the median of the independent spot sources, a single one against the median of the other "
        "operators. Wrong: beyond all that these said within a minute; being late is not wrong.",
        (
            ("asset", True), ("index", True), ("trusted\n%", False), ("error\np99 %", False),
            ("worst\nerror %", False), ("at", True), ("worst wrong\nfall %", False), ("at", True),
            ("worst wrong\nrise %", False),
        ),
        rows,
    )  # fmt: skip


def _error_cells(record: Record) -> tuple[str, ...]:
    error, wrong = record["error"], record["wrong"]
    return (
        percent(record["trusted_share"]),
        percent(error["p99"], 2),
        percent(error["worst"], 2, signed=True),
        clock(error["worst_at"]),
        percent(wrong["fall"], 2),
        clock(wrong["fall_at"]),
        percent(wrong["rise"], 2),
    )


def derivatives_sheet(document: Record) -> Sheet:
    """Return what the index would have been with the perpetuals as sources, below what it was."""
    rows = []
    for name, each in document["assets"].items():
        other = each.get("with_derivatives")
        if other is None:
            continue
        for words, record in (("the sources", each), ("and the perpetual", other)):
            told = ", ".join(
                f"{c['condition'].replace('_', ' ')} {percent(c['share'], 0)}"
                for c in sorted(record["conditions"], key=lambda c: -c["share"])[:3]
            )
            cells = _error_cells(record)[:5]
            rows.append((name, words, *cells, _bound_text(record["bound"]), told))
    return Sheet(
        "What would have happened with the perpetuals as index sources too",
        "Both against the median of the independent spot sources. Of it: the three longest conditions, % of the time.",
        (
            ("asset", True), ("index of", True), ("trusted\n%", False), ("error\np99 %", False),
            ("worst\nerror %", False), ("at", True), ("worst wrong\nfall %", False), ("bound", True),
            (PROSE, True),
        ),
        rows,
    )  # fmt: skip


def fall_sheet(document: Record) -> Sheet:
    """Return the deepest fall of each reference, and how late the index was on it."""
    rows = []
    for name, each in document["assets"].items():
        fall = each["fall"]
        if fall is None:
            continue
        rows.append(
            (
                name, clock(fall["from"]), clock(fall["to"]), price(fall["high"]), price(fall["low"]),
                percent(fall["depth"]), f"{fall['levels_judged']} of {len(fall['levels'])}",
                span(fall["late_median_s"]), span(fall["late_worst_s"]),
                str(fall["levels_not_reached"] or NOTHING),
            )
        )  # fmt: skip
    return Sheet(
        "The deepest fall, and how late the index was on it",
        "Late: from the instant at which the median of the spot sources crosses a tenth of the fall, on the "
        "exchanges' clocks, to the instant at which the trusted index is there. A wait "
        "while the asset is protected counts. Not reached: it was protected from there on.",
        (
            ("asset", True), ("from", True), ("to", True), ("high", False), ("low", False),
            ("fall %", False), ("tenths\nseen", False), ("late\nmedian", False), ("late\nworst", False),
            ("not\nreached", False),
        ),
        rows,
    )  # fmt: skip


def moves_sheet(document: Record) -> Sheet:
    """Return volatility, regime, and the worst moves of each index by window."""
    windows = sorted({m["window_s"] for each in document["assets"].values() for m in each["moves"]})
    rows = []
    for name, each in document["assets"].items():
        moves = {move["window_s"]: move for move in each["moves"]}
        state = each["volatility"]
        if not moves:
            continue
        rows.append(
            (
                name,
                *(
                    f"{percent(moves[w]['fall'], 1, signed=True)} {percent(moves[w]['rise'], 1, signed=True)}"
                    if w in moves
                    else NOTHING
                    for w in windows
                ),
                *(_horizon(state["horizons"], number) for number in range(2)),
                str(state["jumps"]),
                state["regime_at_end"],
            )
        )
    return Sheet(
        "Worst falls and rises of the trusted index in %, volatility at the end in % a year",
        "Volatility: realised, with jumps, of the two shortest horizons.",
        (
            ("asset", True), *((f"in {span(float(w))}", False) for w in windows),
            ("shortest\nhorizon", False), ("second", False), ("jumps", False), ("regime\nat end", True),
        ),
        rows,
    )  # fmt: skip


def _horizon(horizons: Sequence[Record], number: int) -> str:
    if number >= len(horizons):
        return NOTHING
    return percent(horizons[number]["volatility"], 0)


def cadence_sheet(document: Record) -> Sheet:
    """Return how often what was recomputed, in market time."""
    rows = [
        (
            KIND_NAMES[kind], f"{seen['runs']:,}",
            *(span(seen[key] / 1e6) for key in ("p50_us", "p99_us", "longest_us")),
        )
        for kind in KINDS_SHOWN
        if (seen := document["cadence"][kind])["runs"]
    ]  # fmt: skip
    return Sheet(
        "Cadence achieved, all assets",
        "Time between two runs; quantiles to a factor of two, the longest exact.",
        (
            ("what", True), ("runs", False), ("p50", False), ("p99", False), ("longest", False),
        ),
        rows,
    )  # fmt: skip


def price(value: float) -> str:
    """Return a price with six digits or more.

    >>> price(105605.265), price(0.123456789), price(21.5)
    ('105,605', '0.123457', '21.5000')
    """
    whole = len(f"{value:.0f}") if value >= 1.0 else 0
    return f"{value:,.{max(0, 6 - whole)}f}"
