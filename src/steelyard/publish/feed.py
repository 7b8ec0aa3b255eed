"""The feed of a venue: what happened to accounts, prices and sources, one line each, in words."""

from __future__ import annotations

from collections.abc import Iterable

from steelyard.actions import (
    BadDebt,
    Closed,
    FundDraw,
    FundingPaid,
    ImpliedChanged,
    IndexChanged,
    OrdersCancelled,
    Outcome,
    ProtectionChanged,
    Settled,
    SignalChanged,
    SourceChanged,
    StateChanged,
)
from steelyard.decisions import State
from steelyard.publish.control_words import control_words
from steelyard.publish.story import StoryLine, story_lines
from steelyard.terms import Instrument


def feed_lines(
    outcomes: Iterable[Outcome], seq: int, time_us: int, instruments: dict[str, Instrument]
) -> list[StoryLine]:
    """Return the lines that the outcomes of one event add to the feed, in their order.

    A state is told from the margin call on, on the way down and back; all else of an account as in its
    story, but for its loading. Prices, sources, volatilities, signals and controls have lines of their own.

    >>> [line.text for line in feed_lines([ProtectionChanged("BTC", True)], 7, 0, {})]
    ['no quorum of fresh sources, or on order: nobody is liquidated on it']
    """
    lines = []
    for outcome in outcomes:
        if isinstance(outcome, StateChanged):
            if max(outcome.previous, outcome.current) >= State.MARGIN_CALL:
                lines += story_lines([outcome], seq, time_us, instruments)
        elif isinstance(outcome, Closed | OrdersCancelled | FundDraw | BadDebt):
            lines += story_lines([outcome], seq, time_us, instruments)
        else:
            told = market_words(outcome) or control_words(outcome)
            if told is not None:
                lines.append(StoryLine(seq, time_us, outcome.subject, *told))
    return lines


def market_words(outcome: Outcome) -> tuple[str, str] | None:
    """Return (kind, words) of an outcome that is about no account, None for any other.

    >>> market_words(SourceChanged("BTC", "north", "stale", 64_000.5))
    ('source', 'north is stale, last price 64000.5')
    """
    match outcome:
        case ProtectionChanged():
            return "protection", protection_words(outcome)
        case SourceChanged():
            return "source", f"{outcome.source} is {outcome.verdict}, last price {outcome.price:g}"
        case IndexChanged():
            agree = f"{outcome.agreeing} of {outcome.used} used sources agree"
            return "index", f"index {outcome.condition}, {agree}"
        case ImpliedChanged():
            return "implied", f"volatilities {outcome.condition}, level {outcome.level:.1%}"
        case SignalChanged():
            return "signal", f"{outcome.previous} → {outcome.current}: {outcome.reason}"
        case Settled():
            return "settled", f"expired, settled for {outcome.units} units"
        case FundingPaid():
            rate = outcome.rate_ppb / 1e7
            return "funding", f"funding of {rate:+.4f} % between {outcome.units} units"
    return None


def protection_words(outcome: ProtectionChanged) -> str:
    """Return what it means that an asset is protected, or no longer.

    >>> protection_words(ProtectionChanged("BTC", False))
    'trusted again'
    """
    if outcome.is_protected:
        return "no quorum of fresh sources, or on order: nobody is liquidated on it"
    return "trusted again"
