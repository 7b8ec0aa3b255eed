"""Listing: the integer scales of an asset or an instrument, chosen from one reference price.

    asset               exponent 8, price exponent of about eight digits
    linear perpetual    mark exponent 8 − digits of the price (2 to 8); the finest lot of at most 15 USD,
                        so about 1.5 to 15 USD a lot
    inverse perpetual   one lot is one contract; a mark of nine digits, and never coarser than the coin
    inverse option      a lot is 0.01 coin, so that small accounts can hold some (the exchange whose
                        chains are recorded trades no less than 0.1 BTC or 1 ETH); premium in 10^-8 coin

The position limit leaves room for a mark 64 times the reference: limit · mark · 64 < 2^62, and at most
2^40 lots. `Instrument.mark_max` says the mark at which that room ends.
"""

from __future__ import annotations

import math

from steelyard.quantities import UNITS_MAX, TermsError
from steelyard.terms.asset import (
    ACCOUNTING_ASSET,
    ACCOUNTING_EXPONENT,
    Asset,
    price_exponent_for,
)
from steelyard.terms.instrument import Instrument

ASSET_EXPONENT = 8
LOT_USD_MAX = 15.0
INVERSE_MARK_DIGITS = 9
OPTION_LOT_EXPONENT = 2
OPTION_MARK_EXPONENT = 8
HEADROOM = 64
POSITION_LIMIT_MAX = 2**40
CONTRACT_USD_BTC = 100
CONTRACT_USD_OTHER = 10


def asset_for(name: str, price: float) -> Asset:
    """Return the asset with its scales at a reference price in USD. Errors: TERM-E05, TERM-E01.

    >>> asset_for("BTC", 117_000.0)
    Asset(name='BTC', exponent=8, price_exponent=2)
    """
    return Asset(name, ASSET_EXPONENT, price_exponent_for(_usable(name, price))).check()


def linear_perpetual(asset: str, price: float) -> Instrument:
    """Return the USDC-settled perpetual of a coin, scaled at a reference price. Errors: TERM-E05.

    >>> p = linear_perpetual("AAVE", 259.75)
    >>> p.name, p.lot_exponent, p.mark_exponent      # a lot of 2.60 USD, a mark of 0.00001
    ('AAVE_USDC-PERPETUAL', 2, 5)
    """
    _usable(asset, price)
    mark_exponent = _linear_mark_exponent(price)
    lot_exponent = 0
    while lot_exponent < 6 and price > LOT_USD_MAX * 10**lot_exponent:
        lot_exponent += 1
    assert lot_exponent + mark_exponent >= ACCOUNTING_EXPONENT, "digits and lots cover each other"
    return Instrument(
        name=f"{asset}_{ACCOUNTING_ASSET}-PERPETUAL",
        kind="perpetual",
        underlying=asset,
        settlement=ACCOUNTING_ASSET,
        is_inverse=False,
        lot_exponent=lot_exponent,
        mark_exponent=mark_exponent,
        position_limit=_limit(price * 10**mark_exponent),
    )


def inverse_perpetual(asset: str, price: float, contract_usd: int | None = None) -> Instrument:
    """Return the coin-settled perpetual of a coin; 100 USD a contract for BTC, 10 for the others.

    Errors: TERM-E05.

    >>> p = inverse_perpetual("BTC", 117_000.0)
    >>> p.name, p.contract_usd, p.mark_exponent      # 100 / 117,000 = 854,700,855 · 10^-12 BTC
    ('BTC-PERPETUAL', 100, 12)
    """
    _usable(asset, price)
    if contract_usd is None:
        contract_usd = CONTRACT_USD_BTC if asset == "BTC" else CONTRACT_USD_OTHER
    mark = contract_usd / price
    mark_exponent = INVERSE_MARK_DIGITS - 1 - math.floor(math.log10(mark))
    mark_exponent = max(ASSET_EXPONENT, min(12, mark_exponent))
    return Instrument(
        name=f"{asset}-PERPETUAL",
        kind="perpetual",
        underlying=asset,
        settlement=asset,
        is_inverse=True,
        lot_exponent=0,
        mark_exponent=mark_exponent,
        position_limit=_limit(mark * 10**mark_exponent),
        contract_usd=contract_usd,
    )


def option(
    asset: str,
    name: str,
    strike: str,
    index: float,
    expiry_us: int,
    *,
    is_call: bool,
    is_inverse: bool = True,
) -> Instrument:
    """Return a European option settled in its coin (inverse) or in USDC, scaled at an index price.

    The reference mark is the most it is worth without a move of the index: one coin or strike/index
    coins, index or strike in USDC. Errors: TERM-E05.

    >>> o = option("BTC", "BTC-7JAN26-60000-C", "60000", 88_530.0, 1_767_772_800_000_000, is_call=True)
    >>> o.lot_exponent, o.mark_exponent, o.position_limit
    (2, 8, 720575940)
    """
    _usable(asset, index)
    if is_inverse:
        mark_exponent, reference = OPTION_MARK_EXPONENT, max(1.0, float(strike) / index)
    else:
        mark_exponent = max(4, min(6, _linear_mark_exponent(index)))
        reference = max(index, float(strike))
    return Instrument(
        name=name,
        kind="option",
        underlying=asset,
        settlement=asset if is_inverse else ACCOUNTING_ASSET,
        is_inverse=is_inverse,
        lot_exponent=OPTION_LOT_EXPONENT,
        mark_exponent=mark_exponent,
        position_limit=_limit(reference * 10**mark_exponent),
        strike=strike,
        expiry_us=expiry_us,
        is_call=is_call,
    )


def _linear_mark_exponent(price: float) -> int:
    digits = len(str(int(price))) if price >= 1.0 else 0
    return max(2, min(8, 8 - digits))


def _limit(reference_mark: float) -> int:
    """Return the largest limit with limit · mark · 64 < 2^62, at least 1 and at most 2^40."""
    room = (UNITS_MAX - 1) // (HEADROOM * max(1, math.ceil(reference_mark)))
    return max(1, min(POSITION_LIMIT_MAX, room))


def _usable(asset: str, price: float) -> float:
    # The bounds keep every scale above inside what an instrument may state.
    if not 1e-6 <= price <= 1e9:
        raise TermsError(
            "TERM-E05",
            f"no scale fits {asset} at the reference price {price!r}",
            rule="a reference price is between 0.000001 and 1,000,000,000 USD",
            cure="list the asset with its scales in a market.toml",
            asset=asset,
        )
    return price
