"""Instruments: perpetuals and European options, linear or inverse, with their integer scales.

One scheme serves them all. A position is a signed count of lots; the instrument has one integer
mark at any time, the value of one whole unit of quantity in its settlement asset. The value of a
position is quantity × mark, an integer in *fine units* of 10^-(lot_exponent + mark_exponent), exact
and linear in the quantity: so positions that sum to zero have values that sum to zero, whatever the
mark. Only when a profit or loss is paid is it rounded to ledger units.

    linear perpetual   mark = price
    inverse perpetual  mark = −contract_usd / price   (a long contract gains coins when price rises)
    linear option      mark = premium in the settlement asset
    inverse option     mark = premium in coins
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from steelyard.quantities import UNITS_MAX, TermsError
from steelyard.terms.asset import ACCOUNTING_ASSET, Asset

InstrumentKind = Literal["perpetual", "option"]

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


FINE_EXPONENT_MAX = 18
CONTRACT_USD_MAX = 1_000_000
STRIKE_MIN, STRIKE_MAX = Decimal("1e-12"), Decimal("1e12")
EXPIRY_US_MAX = 4_102_444_800_000_000  # the year 2100


class Instrument(msgspec.Struct, frozen=True, array_like=True):
    """A tradable definition.

    lot_exponent: a quantity of one is 10^lot_exponent lots. mark_exponent: a mark of one settlement
    coin is 10^mark_exponent mark units. contract_usd: dollars of one inverse perpetual contract,
    else 0. strike: decimal text, in USD. expiry_us: UTC microseconds, 0 for a perpetual.
    position_limit: largest number of lots one margin unit may hold.
    """

    name: str
    kind: InstrumentKind
    underlying: str
    settlement: str
    is_inverse: bool
    lot_exponent: int
    mark_exponent: int
    position_limit: int
    contract_usd: int = 0
    strike: str = "0"
    expiry_us: int = 0
    is_call: bool = False

    @property
    def is_option(self) -> bool:
        """Return whether it is an option (its premium is paid in cash when it is traded)."""
        return self.kind == "option"

    @property
    def mark_max(self) -> int:
        """Return the largest mark in mark units at which no position can overflow int64."""
        return UNITS_MAX // self.position_limit

    def fine_per_unit(self, settlement: Asset) -> int:
        """Return how many fine units one ledger unit of the settlement asset is (at least 1)."""
        return int(10 ** (self.lot_exponent + self.mark_exponent - settlement.exponent))

    def check(self, settlement: Asset) -> Instrument:
        """Return the instrument itself if it keeps its rules, else raise TERM-E02 naming the field."""
        if not 0 < len(self.name) <= 64 or "/" in self.name or not self.name.isprintable():
            self._refuse("name", "a name has 1 to 64 printable characters and no '/'")
        if not 0 <= self.lot_exponent <= 8 or not 0 <= self.mark_exponent <= 12:
            self._refuse("lot_exponent", "lot exponent 0 to 8 and mark exponent 0 to 12")
        if self.lot_exponent + self.mark_exponent < settlement.exponent:
            self._refuse("mark_exponent", "lot × mark is at least as fine as the settlement asset")
        if self.lot_exponent + self.mark_exponent > settlement.exponent + FINE_EXPONENT_MAX:
            self._refuse("mark_exponent", "at most 10^18 fine units in a ledger unit")
        if self.underlying == ACCOUNTING_ASSET:
            self._refuse("underlying", "the accounting asset has no derivatives")
        if not 0 < self.position_limit <= 2**40:
            self._refuse("position_limit", "a position limit between 1 and 2^40 lots")
        if self.is_inverse != (self.settlement == self.underlying):
            self._refuse("settlement", "an inverse contract settles in its underlying coin")
        self._check_kind()
        return self

    def _check_kind(self) -> None:
        states_dollars = 0 < self.contract_usd <= CONTRACT_USD_MAX
        if self.is_inverse and not self.is_option:
            if not states_dollars:
                self._refuse("contract_usd", "an inverse perpetual states its dollars per contract")
        elif self.contract_usd != 0:
            self._refuse("contract_usd", "only an inverse perpetual states dollars per contract")
        if not self.is_option:
            if self.expiry_us:
                self._refuse("expiry_us", "a perpetual has no expiry")
        elif not self._has_strike():
            self._refuse("strike", "an option's strike is a plain decimal from 10^-12 to 10^12")
        elif not 0 < self.expiry_us <= EXPIRY_US_MAX:
            self._refuse("expiry_us", "an option expires before the year 2100")

    def _has_strike(self) -> bool:
        digits, _, decimals = self.strike.partition(".")
        plain = self.strike.isascii() and (digits + decimals).isdigit() and len(self.strike) <= 32
        return plain and STRIKE_MIN <= Decimal(self.strike) <= STRIKE_MAX

    def _refuse(self, field: str, rule: str) -> None:
        raise TermsError(
            "TERM-E02",
            f"instrument {self.name!r} has {field} {getattr(self, field)!r}",
            rule=rule,
            cure="correct the listing",
            instrument=self.name,
            field=field,
        )


def option_name(
    underlying: str, day: int, month: int, year: int, strike: str, is_call: bool
) -> str:
    """Return the field's name of an option: day without leading zero, English month, two-digit year.

    >>> option_name("BTC", 7, 1, 2026, "60000", True)
    'BTC-7JAN26-60000-C'
    """
    return (
        f"{underlying}-{day}{MONTHS[month - 1]}{year % 100:02d}-{strike}-{'C' if is_call else 'P'}"
    )
