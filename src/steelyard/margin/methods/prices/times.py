"""When theta alone liquidates an account: prices and volatilities stand still, the clock does not.

The instants looked at lie between `as_of` and the last expiry of what the account holds: evenly spread,
and around every expiry, where options are settled and rules of time begin. Between two instants of
different verdicts the flip is found to the second. Two flips closer together than this are not seen.
"""

from __future__ import annotations

from typing import Any

import msgspec

from steelyard.margin.methods.moving_positions import expiry_of
from steelyard.margin.methods.prices.flips import (
    BANKRUPTCY,
    LIQUIDATION,
    Line,
    Verdict,
    crossings,
    first_silence,
    line_of,
    runs_of,
)
from steelyard.margin.methods.prices.standing import Prober, Shift, Standing, accounts_of
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Case, instant_text, instant_us, parse_contract

SECOND_US = 1_000_000
SPREAD = 64
# Seconds before an expiry at which a venue's rules of time begin: averages, floors, terms of powers.
BEFORE = (1, 60, 600, 1_800, 3_600, 21_600, 86_400, 259_200, 604_800, 2_592_000)


class Flip(msgspec.Struct, frozen=True):
    """The first instant, to the second, at which a verdict is another one than before."""

    at: str
    seconds: int
    is_bad: bool


class CriticalTimes(msgspec.Struct, frozen=True):
    """What time alone does to an account until the last expiry that it holds.

    liquidation, bankruptcy: the first flip of each verdict, None where there is none; instrument: the
    isolated position that is an account of its own, else ""; words and reason as in CriticalPrices.
    """

    instrument: str = ""
    until: str | None = None
    is_liquidatable: bool | None = None
    is_bankrupt: bool | None = None
    liquidation: Flip | None = None
    bankruptcy: Flip | None = None
    words: tuple[str, ...] = ()
    reason: str = ""


def liquidation_times(case: Case[Any], document: MethodDocument) -> tuple[CriticalTimes, ...]:
    """Return when time alone liquidates each account of a case: one, or each isolated position.

    Errors: those of `margin_of` for the case as stated.
    """
    return tuple(
        _of_account(Prober(account, document), instrument)
        for instrument, account in accounts_of(case, document)
    )


def _of_account(prober: Prober, instrument: str) -> CriticalTimes:
    now = prober.now()
    if isinstance(now, str):
        return CriticalTimes(instrument, reason=now)
    case = prober.case
    start = instant_us(case.market.as_of, "market.as_of") if case.market.as_of else 0
    ahead = _seconds_ahead(case, start)
    if not ahead:
        return CriticalTimes(
            instrument, None, now.is_liquidatable, now.is_bankrupt,
            reason="the account holds nothing that expires after market.as_of",
        )  # fmt: skip
    points = _points(ahead)
    line = line_of(prober, points, lambda n: Shift(later_us=n * SECOND_US))
    runs = runs_of(line, points)
    until = instant_text(start + ahead[-1] * SECOND_US)
    if len(runs[0]) < 2:
        return CriticalTimes(instrument, until, reason=first_silence(line, points))
    flips = [_first(line, runs, verdict, start) for verdict in (LIQUIDATION, BANKRUPTCY)]
    words = (
        _words("liquidated", flips[0], now.is_liquidatable, until),
        _words("bankrupt", flips[1], now.is_bankrupt, until),
    )
    return CriticalTimes(
        instrument, until, now.is_liquidatable, now.is_bankrupt, flips[0], flips[1], words
    )


def _seconds_ahead(case: Case[Any], start: int) -> list[int]:
    """Return the seconds from `as_of` to each expiry held, rounded up, in rising order."""
    found = set()
    for position in case.account.positions:
        expiry = expiry_of(parse_contract(position.instrument), case.market)
        if expiry is not None and position.quantity != 0:
            left = instant_us(expiry.expiry, "expiry") - start
            if left > 0:
                found.add(-(-left // SECOND_US))
    return sorted(found)


def _points(ahead: list[int]) -> list[int]:
    last = ahead[-1]
    points = [0, 1, *(last * i // SPREAD for i in range(SPREAD + 1))]
    for expiry in ahead:
        points += [expiry, expiry + 1, *(expiry - before for before in BEFORE)]
    return sorted({n for n in points if 0 <= n <= last})


def _first(line: Line, runs: list[list[int]], verdict: Verdict, start: int) -> Flip | None:
    """Return the first flip of a verdict; a method that falls silent on the way has none after that."""
    found = crossings(line, runs[:1], verdict)
    if not found:
        return None
    n = found[0].high
    standing = line.at(n)
    is_bad = isinstance(standing, Standing) and verdict.is_bad(standing)
    return Flip(instant_text(start + n * SECOND_US), n, is_bad)


def _words(verdict: str, flip: Flip | None, is_bad_now: bool, until: str) -> str:
    if flip is not None:
        said = "is" if flip.is_bad else "is no longer"
        return f"prices still, the account {said} {verdict} from {flip.at}"
    said = "stays" if is_bad_now else "is not"
    return f"prices still, the account {said} {verdict} until {until}"
