"""Explanations as one HTML page that opens offline: a list of cases, and for each why it needs what it needs.

A waterfall of both requirements by part and leg with the equity across it, the tree to the last digit, the worst
scenarios, what one more contract costs, and the named strategies. Everything is drawn here: without its script
the page shows the case that its address names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from html import escape
from typing import Any

from steelyard.cli.margin_page_style import SCRIPT, STYLE
from steelyard.cli.margin_page_tables import (
    book_panel,
    one_more_panel,
    strategies_panel,
    tree_panel,
)
from steelyard.cli.margin_waterfall import (
    LEVELS,
    Bar,
    Scale,
    bars,
    decimals,
    paired,
    read,
    scale,
    scale_of,
    tick_text,
    width_of,
    words,
)

NONE = "The method states no requirement of the account in this case."
STATES = {
    "covered": "covered",
    "tight": "below initial",
    "short": "below maintenance",
    "unknown": "equity not stated",
    "error": "error",
    "none": "no requirement",
}
Told = Mapping[str, Any]


def page(told: Sequence[Told], source: str) -> str:
    """Return the page of explained cases, in their order; `source` names where they come from."""
    states = [state_of(each) for each in told]
    entries = "".join(
        _entry(i, each, state) for i, (each, state) in enumerate(zip(told, states, strict=True), 1)
    )
    sections = "".join(
        _section(i, each, state)
        for i, (each, state) in enumerate(zip(told, states, strict=True), 1)
    )
    counts = ", ".join(
        f"{states.count(state)} {'in error' if state == 'error' else said}"
        for state, said in STATES.items()
        if state in states
    )
    said = f"{len(told)} case{'' if len(told) == 1 else 's'} of {source}: {counts or 'none'}"
    empty = '<p class="none">The file holds no case.</p>' if not told else ""
    switch = "".join(
        f'<button type="button" data-level="{level}" aria-pressed="false">{level}</button>'
        for level in ("both", *LEVELS)
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>Steelyard · margin explained</title><style>{STYLE}</style></head>\n<body>"
        f'<header class="top"><h1>Margin explained</h1><span class="said">{escape(said)}</span>'
        f'<span class="switch levels" role="group" aria-label="requirement">{switch}</span>'
        '<button type="button" class="plain" id="theme">day or night</button></header>\n'
        '<div class="layout"><nav aria-label="cases"><input type="search" placeholder="find a case or method" '
        f'aria-label="find a case or method">{entries}</nav>\n<main>{empty}{sections}</main></div>\n'
        f"<script>{SCRIPT}</script></body></html>\n"
    )


def state_of(told: Told) -> str:
    """Return a key of STATES: how a case stands."""
    if "error" in told:
        return "error"
    found = told["explanation"]
    if found is None:
        return "none"
    if found["equity"] is None:
        return "unknown"
    equity = Decimal(repr(found["equity"]))
    if equity < Decimal(found["maintenance"]):
        return "short"
    return "tight" if equity < Decimal(found["initial"]) else "covered"


def _entry(number: int, told: Told, state: str) -> str:
    found = told.get("explanation")
    need = ""
    if found is not None:
        need = f"{read(Decimal(found['initial']), decimals(found))} {escape(found['currency'])}"
    return (
        f'<a href="#case-{number}"><b>{escape(_name(told))}</b><span class="need">{need}</span>'
        f"<span>{escape(str(told['method'] or ''))}</span>"
        f'<span class="state {state}">{STATES[state]}</span></a>'
    )


def _name(told: Told) -> str:
    name = told["case"]
    if name is None:
        return f"line {told.get('error', {}).get('where', {}).get('line', '?')}"
    return str(name)


def _section(number: int, told: Told, state: str) -> str:
    name = escape(_name(told))
    head = (
        f'<section class="case" id="case-{number}" data-title="Steelyard · {name}"><h2>{name}</h2>'
    )
    if "error" in told:
        return f"{head}{_by(told)}{_fault(told['error'])}</section>\n"
    found = told["explanation"]
    if found is None:
        return f'{head}{_by(told)}<div class="panel none">{NONE}</div></section>\n'
    found = paired(found)
    return (
        f"{head}{_by(told)}{_tiles(found, state)}{waterfall_panel(found)}{tree_panel(found)}"
        f"{scenario_panel(found)}{one_more_panel(found)}{strategies_panel(found)}"
        f"{book_panel(told.get('book'))}</section>\n"
    )


def _by(told: Told) -> str:
    said = [str(told["method"] or "no method")]
    if "method_version" in told:
        said.append(f"version {told['method_version']}")
    as_of = (told.get("book") or {}).get("as_of")
    if as_of:
        said.append(f"as of {as_of}")
    if "method_hash" in told:
        said.append(f"hash {told['method_hash']}")
    return f'<p class="by">{escape(" · ".join(said))}</p>'


def _fault(error: Told) -> str:
    where = ", ".join(f"{name} {value}" for name, value in error.get("where", {}).items())
    rows = (
        ("what", error["message"]),
        ("where", where),
        ("rule", error["rule"]),
        ("cure", error["cure"]),
    )
    told = "".join(f"<dt>{name}</dt><dd>{escape(str(text))}</dd>" for name, text in rows if text)
    return f'<div class="panel fault"><h3>{escape(error["code"])}</h3><dl>{told}</dl></div>'


def _tiles(found: Told, state: str) -> str:
    places, currency = decimals(found), escape(found["currency"])
    equity = found["equity"]
    shown = "not stated" if equity is None else read(equity, places)
    tiles = [_tile("Equity", shown, currency if equity is not None else "", state, STATES[state])]
    for level in LEVELS:
        need = Decimal(found[level])
        used = ""
        if equity is not None and equity > 0.0 and need > 0:
            used = f"{100.0 * float(need) / equity:,.1f} % of equity"
        tiles.append(
            _tile(f"{level.capitalize()} requirement", read(need, places), currency, "", used)
        )
        if equity is not None:
            left = left_of(found, level)
            said = "to open" if level == "initial" else "to keep"
            word, mood = ("Left", "covered") if left >= 0 else ("Short", "short")
            tiles.append(_tile(f"{word} {said}", read(abs(left), places), currency, mood, ""))
    return f'<div class="tiles" style="--wide:{width_of(found, ())}ch">{"".join(tiles)}</div>'


def _tile(name: str, amount: str, currency: str, mood: str, below: str) -> str:
    return (
        f'<div class="tile"><span>{name}</span><b class="{mood}">{amount}</b> {currency}'
        f"<small>{below}</small></div>"
    )


def left_of(found: Told, level: str) -> Decimal:
    """Return the equity less a requirement; below zero it is what is short."""
    return Decimal(repr(found["equity"])) - Decimal(found[level])


# -- the waterfall -------------------------------------------------------------------------------


def waterfall_panel(found: Told) -> str:
    """Return the waterfall: one line a part, underlying and leg, then the total, and what is left."""
    drawn = bars(found)
    across = scale_of(found, drawn)
    places = decimals(found)
    lines = [_axis(found, across, places)]
    lines += [_line(bar, across, places) for bar in drawn]
    total = Decimal(found["initial"]), Decimal(found["maintenance"])
    nothing = Decimal(0), Decimal(0)
    lines.append(
        _sum_line("requirement", total, nothing, ("total", "total"), across, places, "first")
    )
    if found["equity"] is not None:
        equity = Decimal(repr(found["equity"]))
        both = equity, equity
        lines.append(_sum_line("equity", both, nothing, ("equity", "equity"), across, places))
        left = left_of(found, "initial"), left_of(found, "maintenance")
        kinds = "left" if left[0] >= 0 else "short", "left" if left[1] >= 0 else "short"
        name = (
            "left"
            if kinds == ("left", "left")
            else "short"
            if "left" not in kinds
            else "left or short"
        )
        lines.append(_sum_line(name, left, total, kinds, across, places))
    told = f"In {found['currency']}. Orange adds to a requirement, blue takes from it; the upright line is the equity."
    return (
        f'<div class="panel waterfall" style="--wide:{width_of(found, drawn)}ch;'
        f'--grid:{_grid(across, found["equity"])}"><div class="head">'
        f"<h3>Waterfall</h3><p>{escape(told)}</p></div>{''.join(lines)}</div>"
    )


def _grid(across: Scale, equity: float | None) -> str:
    """Return the upright lines of all lanes as one background."""
    lines = [
        (across.place(tick), "var(--line)" if tick else "var(--mute)", 0.5) for tick in across.ticks
    ]
    if equity is not None and across.low <= equity <= across.high:
        lines.append((across.place(equity), "var(--total)", 0.75))
    return ",".join(
        f"linear-gradient(90deg,transparent calc({at:.3f}% - {half}px),{colour} 0 "
        f"calc({at:.3f}% + {half}px),transparent 0)"
        for at, colour, half in reversed(lines)
    )


def _axis(found: Told, across: Scale, places: int) -> str:
    ticks = "".join(
        f'<i style="left:{across.place(tick):.3f}%">{tick_text(tick)}</i>' for tick in across.ticks
    )
    equity = found["equity"]
    mark = ""
    if equity is not None:
        at = across.place(equity)
        said = f"equity {read(equity, places)}"
        if not across.low <= equity <= across.high:
            mark = (
                f'<em class="far">{said} →</em>'
                if equity > 0
                else f'<em class="near" style="left:0">← {said}</em>'
            )
        else:
            side = "near" if at < 20.0 else "right" if at > 80.0 else ""
            mark = f'<em class="{side}" style="left:{at:.3f}%">{said}</em>'
    cells = "".join(
        f'<div class="lane {level}">{mark}{ticks}</div><div class="amount {level}">{level}</div>'
        for level in LEVELS
    )
    return f'<div class="row axis"><div></div>{cells}</div>'


def _line(bar: Bar, across: Scale, places: int) -> str:
    kind = ("part", "deep", "deep deeper")[bar.depth]
    name = escape(bar.name)
    note = f"<small>{escape(bar.note)}</small>" if bar.note else ""
    cells = ""
    for level, amount, start in zip(LEVELS, bar.amounts, bar.starts, strict=True):
        way = "down" if amount < 0 else "up"
        cells += _cell(
            level, amount, start, way, across, read(amount, places, sign=True) if amount else "–"
        )
    title = f"{bar.name} {bar.note}".strip()
    return f'<div class="row {kind}"><div class="label" title="{escape(title)}">{name}{note}</div>{cells}</div>'


def _sum_line(
    name: str, amounts: tuple[Decimal, Decimal], starts: tuple[Decimal, Decimal], kinds: tuple[str, str],
    across: Scale, places: int, more: str = "",
) -> str:  # fmt: skip
    cells = ""
    for level, amount, start, kind in zip(LEVELS, amounts, starts, kinds, strict=True):
        is_gap = kind in ("left", "short")
        said = read(abs(amount), places) if is_gap else read(amount, places)
        said = (
            f'<span class="{"covered" if kind == "left" else "short"}">{said}</span>'
            if is_gap
            else said
        )
        cells += _cell(level, amount, start, kind, across, said)
    return f'<div class="row sum {more}"><div class="label">{name}</div>{cells}</div>'


def _cell(level: str, amount: Decimal, start: Decimal, kind: str, across: Scale, said: str) -> str:
    ends = sorted((across.place(float(start)), across.place(float(start + amount))))
    bar = ""
    if amount:
        kind += " open" if ends[1] > 100.0 else ""
        size = f"left:{ends[0]:.3f}%;width:{ends[1] - ends[0]:.3f}%"
        bar = f'<div class="bar {kind}" style="{size}" title="{amount:,f}"></div>'
    return f'<div class="lane {level}">{bar}</div><div class="amount {level}">{said}</div>'


# -- the scenarios -------------------------------------------------------------------------------


def scenario_panel(found: Told) -> str:
    """Return the binding scenario of each underlying and the runners-up, as bars of P&L."""
    told = found["scenarios"]
    if not told:
        return ""
    across = scale([line["pnl"] for line in told])
    places = decimals(found)
    groups = list(dict.fromkeys(line["underlying"] for line in told))
    rows = []
    for line in told:
        ends = sorted((across.place(0.0), across.place(line["pnl"])))
        way = "up" if line["pnl"] < 0.0 else "down"
        name = f"{line['underlying']} " if len(groups) > 1 else ""
        tag = '<span class="tag short">binds</span>' if line["is_binding"] else ""
        kind = "scenario binds" if line["is_binding"] else "scenario"
        rows.append(
            f'<div class="{kind}"><div>{escape(name)}{line["number"]}: {escape(line["words"].replace(" -", " −"))}{tag}</div>'
            f'<div class="lane"><div class="bar {way}" style="left:{ends[0]:.3f}%;width:{ends[1] - ends[0]:.3f}%">'
            f'</div></div><div class="amount">{read(line["pnl"], places)}</div></div>'
        )
    said = f"The worst scenario of {escape(words(', '.join(groups)))} and the next, P&L in {escape(found['currency'])}."
    return (
        f'<div class="panel scenarios" style="--wide:{max(len(read(line["pnl"], places)) for line in told)}ch;'
        f'--grid:{_grid(across, None)}"><div class="head"><h3>Scenarios</h3>'
        f"<p>{said}</p></div>{''.join(rows)}</div>"
    )
