"""How a method counts what a moving market changes: marks, profits, coins, settlement.

The methods state the same book in different ways. What `moving` has to know of a method is read off its
document: nothing here is asked of the case.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from steelyard.quantities.errors import TermsError
from steelyard.terms.documents import MethodDocument, documents
from steelyard.terms.stated import Case

_BY_ENTRY = re.compile(r"\b(pnl|entry_price)\b")
_OF_MARKS = re.compile(r"\b(mark_price|delta|stated_delta)\b")
_SPLIT = "seconds < 1800"


class Counting(msgspec.Struct, frozen=True):
    """What of a statement a method reads.

    settlement: the asset that is cash, "underlying" for the coin of the contracts, "" if not known;
    is_coin_settled: perpetuals and futures are a constant amount of USD, stated in coins, as are marks
    of options; multiplier: units of the underlying in an option; marks: where the mark of a perpetual
    stands, the first that is there; by_entry: kinds of contracts whose profit follows from their entry
    price; fills: what a position entered at the mark is given when the mark moves, "profit" or "entry",
    "" where the method needs neither or refuses a position without entry; splits_forward: the last half
    hour's forward is fixed bit by bit, whether stated or not; reads_marks: of which options the method
    reads a stated mark or delta, "all", "short" or "none".
    """

    settlement: str = ""
    is_coin_settled: bool = False
    multiplier: float = 1.0
    marks: tuple[str, ...] = ("perpetual", "index", "stated")
    by_entry: frozenset[str] = frozenset({"perpetual"})
    fills: str = "profit"
    splits_forward: bool = False
    reads_marks: str = "none"


_DATED = frozenset({"perpetual", "future"})
_OWN = {
    "dydx-v4": Counting("USDC", marks=("index",), fills=""),
    "drift-v2": Counting("USDC", marks=("index", "perpetual")),
    "vega": Counting(marks=("stated", "perpetual", "index"), by_entry=_DATED),
    "tiers": Counting(fills="entry"),
    "bybit": Counting(
        marks=("position", "perpetual", "index"), by_entry=_DATED, fills="", reads_marks="short"
    ),
    "bitmex-adl": Counting(fills=""),
}


def counting_of(document: MethodDocument, parameters: dict[str, Any]) -> Counting:
    """Return how the method of a document counts, the case's parameters laid over its own."""
    rules = document.rules
    core = str(rules.get("core"))
    if core in _OWN:
        own = _OWN[core]
        settlement = own.settlement or ("" if core == "vega" else document.currency)
        return msgspec.structs.replace(own, settlement=settlement)
    rules = rules.get("margin", rules)
    settlement = str(rules.get("settlement", ""))
    texts = [
        text
        for scope in ("leg", "expiry", "underlying", "account")
        for text in rules.get(scope, {}).values()
    ]
    counts_entry = any(_BY_ENTRY.search(str(text)) for text in texts)
    own_market = rules.get("market", {})
    multiplier = parameters.get("multiplier", document.parameters.get("multiplier"))
    return Counting(
        settlement=settlement,
        is_coin_settled=settlement == "underlying",
        multiplier=1.0 if multiplier is None else float(multiplier),
        by_entry=frozenset({"perpetual"}) if counts_entry else frozenset(),
        reads_marks="all" if any(_OF_MARKS.search(str(text)) for text in texts) else "none",
        splits_forward=any(_SPLIT in str(text) for text in own_market.values()),
    )


def counting_for(case: Case[Any]) -> Counting:
    """Return how the method that a case names counts; of one that the library lacks, the usual way."""
    try:
        document = documents().get(case.method)
    except TermsError:
        return Counting()
    # The document keeps what is read off it, as it keeps its checked rules.
    known: Counting | None = document.__dict__.get("counting_known")
    if known is None:
        known = document.__dict__["counting_known"] = counting_of(document, {})
    stated = case.parameters.get("multiplier")
    if stated is None:
        return known
    return msgspec.structs.replace(known, multiplier=float(stated))
