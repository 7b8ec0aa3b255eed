"""Tables of the page of explanations: the tree to the last digit, one more contract, strategies, the book."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from html import escape
from typing import Any

from steelyard.cli.margin_payoff import sketch
from steelyard.cli.margin_waterfall import LEVELS, decimals, read, total_of, words

Told = Mapping[str, Any]
ROWS_OPEN = 60
"""Longer tables begin folded."""


def tree_panel(found: Told) -> str:
    """Return the tree of parts, underlyings and legs; printed leaves sum to the total to the last digit."""
    places = decimals(found)
    rows = []
    for part in found["parts"]:
        leaves = part["leaves"]
        rows.append(_tree_row("part", words(part["name"]), part, found, places))
        underlyings = list(dict.fromkeys(leaf["underlying"] for leaf in leaves))
        for underlying in underlyings:
            own = [leaf for leaf in leaves if leaf["underlying"] == underlying]
            if len(underlyings) > 1 and underlying:
                sums = dict(zip(LEVELS, total_of(own), strict=True))
                rows.append(_tree_row("group", underlying, sums, found, places))
            rows += [_tree_row("leg", leaf["name"], leaf, found, places) for leaf in own]
    rows.append(_tree_row("sum", "requirement", found, found, places))
    heads = '<th class="word">part, leg</th><th>initial</th><th>of all</th><th>maintenance</th><th>of all</th>'
    table = _table(heads, rows, "exact")
    said = "A leg's share is its quantity times the derivative; every digit is printed, and the legs sum to the last."
    return f'<div class="panel tree"><div class="head"><h3>To the last digit</h3><p>{said}</p></div>{table}</div>'


def _tree_row(kind: str, name: str, node: Told, found: Told, places: int) -> str:
    cells = ""
    for level in LEVELS:
        amount, total = Decimal(node[level]), Decimal(found[level])
        share = f"{read(100 * amount / total, 1)} %" if total else ""
        cells += f"<td>{exact(node[level], places)}</td><td>{share}</td>"
    return f'<tr class="{kind}"><td class="word">{escape(name)}</td>{cells}</tr>'


def exact(amount: Decimal | str, places: int) -> str:
    """Return every digit of a decimal, those beyond what is read set back.

    >>> exact("-1234.500000001", 2)
    '−1,234.50<span class="rest">0000001</span>'
    """
    text = f"{Decimal(amount):,f}".replace("-", "−")
    whole, point, fraction = text.partition(".")
    if not point:
        return text
    rest = f'<span class="rest">{fraction[places:]}</span>' if fraction[places:] else ""
    return f"{whole}.{fraction[:places]}{rest}"


def one_more_panel(found: Told) -> str:
    """Return what one unit more of each contract, bought or sold at its mark, adds to the requirements."""
    if not found["one_more"]:
        return ""
    places = decimals(found)
    names = ("bought_initial", "bought_maintenance", "sold_initial", "sold_maintenance")
    rows = [
        f'<tr><td class="word">{escape(more["instrument"])}</td>'
        + "".join(_change(more[name], places) for name in names)
        + "</tr>"
        for more in found["one_more"]
    ]
    heads = (
        '<th class="word">one more of</th><th>bought, initial</th><th>bought, maintenance</th>'
        "<th>sold, initial</th><th>sold, maintenance</th>"
    )
    said = f"What a unit traded at its mark adds to the requirements, or frees, in {escape(found['currency'])}."
    return f'<div class="panel more"><div class="head"><h3>One more</h3><p>{said}</p></div>{_table(heads, rows, "")}</div>'


def _change(amount: float, places: int) -> str:
    said = read(amount, places, sign=True)
    mood = "" if not said.strip("+−0.,") else "adds" if amount > 0.0 else "frees"
    return f'<td class="{mood}">{said}</td>'


def strategies_panel(found: Told) -> str:
    """Return the named strategies with the most that each can lose, and that of the whole book."""
    told = found.get("strategies")
    if told is None:
        missing = found.get("strategies_missing", "")
        if not missing:
            return ""
        body = f'<p class="none">Not named: {escape(missing)}.</p>'
    else:
        shared = told["currency"] or ""
        rows = [_strategy(each, names_currency=not shared) for each in told["strategies"]]
        unit = f", {escape(shared)}" if shared else ""
        heads = (
            '<th class="word">strategy</th><th>quantity</th><th class="word">legs</th>'
            f'<th class="word">at settlement</th><th>cost{unit}</th><th>loses at most{unit}</th>'
            f'<th>gains at most{unit}</th><th class="word">even at, USD</th>'
        )
        rest = "".join(_leg(leg) for leg in told["rest"])
        body = _table(heads, rows, "") if rows else ""
        body += f"<p>Beside them: {rest}</p>" if rest else ""
        body += f"<p><b>{escape(told['sentence'])}</b></p>"
    said = "What legs make together, proven at settlement and counted from the marks. It is no requirement of the method."
    return f'<div class="panel strategies"><div class="head"><h3>Strategies</h3><p>{said}</p></div>{body}</div>'


def _strategy(told: Told, *, names_currency: bool) -> str:
    name = told["name"]
    if told["side"] != "flat" and told["side"] not in name.split():
        name = f"{told['side']} {name}"
    mood, said = (
        ("covered", "defined risk") if told["is_defined_risk"] else ("short", "not defined risk")
    )
    unit = f" {escape(told['currency'])}" if names_currency else ""
    # What settles at several times has no largest loss or gain, and none without end either.
    is_dated = len({leg.get("expiry_us") for leg in told["legs"] if leg.get("expiry_us")}) < 2
    none = "without end" if is_dated else "–"
    amounts = "".join(
        f"<td>{none if told[key] is None else f'{_short(told[key])}{unit}'}</td>"
        for key in ("cost", "maximum_loss", "maximum_gain")
    )
    even = "<br>".join(_short(price) for price in told["break_evens"])
    legs = "".join(_leg(leg) for leg in told["legs"])
    row = (
        f'<tr title="{escape(told["sentence"])}"><td class="word">{escape(name)}<br>'
        f'<span class="tag {mood}">{said}</span></td><td>{_quantity(told["quantity"])}</td>'
        f'<td class="word legs">{legs}</td><td class="word">{sketch(told)}</td>{amounts}'
        f'<td class="word">{even}</td></tr>'
    )
    if told["is_defined_risk"]:
        return row
    why = told["reason"]
    if told["bound_by_expiry"] is not None:
        why += f"; each expiry held alone, it loses at most {_short(told['bound_by_expiry'])} {told['currency']}"
    return f'{row}<tr class="why"><td class="word wrap" colspan="8">{escape(why)}.</td></tr>'


def _short(text: str) -> str:
    """Return an amount as read: two decimals of a large one, more of a small one."""
    amount = Decimal(text)
    size = abs(amount)
    places = 2 if size >= 100 else 4 if size >= 1 else 6
    return read(amount, 0 if amount == amount.to_integral_value() else places)


def _quantity(text: str) -> str:
    return f"{Decimal(text):,f}".replace("-", "−")


def _leg(leg: Told) -> str:
    said = f"{Decimal(leg['quantity']):+,f}".replace("-", "−")
    return f'<span class="chip"><b>{said}</b> {escape(leg["instrument"])}</span>'


def book_panel(book: Told | None) -> str:
    """Return what the account holds, as stated."""
    if not book or not (book["positions"] or book["balances"]):
        return ""
    rows = [
        f'<tr><td class="word">{escape(str(name))}</td><td>{escape(str(quantity)).replace("-", "−")}</td></tr>'
        for name, quantity in [*book["balances"], *book["positions"]]
    ]
    table = _table('<th class="word">balance or position</th><th>quantity</th>', rows, "")
    return f'<div class="panel book"><div class="head"><h3>The book</h3><p>As stated.</p></div>{table}</div>'


def _table(heads: str, rows: Sequence[str], kind: str) -> str:
    table = f'<table class="{kind}"><thead><tr>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    if len(rows) <= ROWS_OPEN:
        return table
    return f"<details><summary>{len(rows)} rows</summary>{table}</details>"
