"""Assets: what balances are counted in."""

from __future__ import annotations

import msgspec

from steelyard.quantities import TermsError

ACCOUNTING_ASSET = "USDC"
"""Requirements and equity are stated in this asset; its price in itself is one."""

ACCOUNTING_EXPONENT = 6

EXPONENT_MAX = 9
INDEX_UNITS_MAX = 90_000_000_000


class Asset(msgspec.Struct, frozen=True, array_like=True):
    """A currency or coin.

    exponent: a balance of one coin is 10^exponent ledger units.
    price_exponent: its index price in the accounting asset is counted in 10^-price_exponent.

    >>> Asset("BTC", 8, 2).check().name
    'BTC'
    """

    name: str
    exponent: int
    price_exponent: int

    @property
    def index_units_max(self) -> int:
        """Return the largest index: what is less than a coin, times it, must fit 63 bits.

        >>> Asset("BTC", 8, 2).index_units_max, Asset("SOL", 9, 4).index_units_max
        (90000000000, 9223372036)
        """
        return min(INDEX_UNITS_MAX, int((2**63 - 1) // 10**self.exponent))

    def check(self) -> Asset:
        """Return the asset itself if it keeps its rules, else raise TERM-E01."""
        ok = (
            0 < len(self.name) <= 16
            and self.name.isalnum()
            and 0 <= self.exponent <= EXPONENT_MAX
            and 0 <= self.price_exponent <= ACCOUNTING_EXPONENT
        )
        if not ok:
            raise TermsError(
                "TERM-E01",
                f"asset {self.name!r} has exponents {self.exponent} and {self.price_exponent}",
                rule=f"a name of 1 to 16 letters and digits, balance exponent 0 to {EXPONENT_MAX}, "
                "price exponent 0 to 6",
                cure="list the asset with a coarser unit",
                asset=self.name,
            )
        return self


USDC = Asset(ACCOUNTING_ASSET, ACCOUNTING_EXPONENT, 6)


def price_exponent_for(price: float) -> int:
    """Return the price exponent that keeps about eight digits of `price`, at most six decimals.

    >>> price_exponent_for(121000.0), price_exponent_for(4100.0), price_exponent_for(0.065)
    (2, 4, 6)
    """
    digits = len(str(int(price))) if price >= 1.0 else 0
    return max(0, min(ACCOUNTING_EXPONENT, 8 - digits))
