"""The integer scales a simulated listing gets, from the price at which it is listed.

Every rule keeps lot × mark at least as fine as the settlement asset and leaves a factor of 64
between the largest position at the listed mark and the bounds of the ledger.
"""

from __future__ import annotations

from datetime import UTC, datetime

from steelyard.quantities import UNITS_MAX
from steelyard.terms import Asset, Instrument
from steelyard.terms.asset import ACCOUNTING_ASSET, ACCOUNTING_EXPONENT, price_exponent_for
from steelyard.terms.instrument import option_name

COIN_EXPONENT = 8
LOT_USD_MAX = 15.0
POSITION_LIMIT_MAX = 2**40
MARK_HEADROOM = 64
INVERSE_MARK_LEAST = 10**8


def coin_asset(name: str, price: float) -> Asset:
    """Return the asset of a coin: eight decimals, a price of about eight digits.

    >>> coin_asset("BTC", 121_000.0)
    Asset(name='BTC', exponent=8, price_exponent=2)
    """
    return Asset(name, COIN_EXPONENT, price_exponent_for(price)).check()


def linear_perpetual(underlying: str, price: float) -> Instrument:
    """Return the USDC-settled perpetual of a coin; a lot is worth about 1 to 15 USD.

    >>> p = linear_perpetual("BTC", 121_000.0)
    >>> p.lot_exponent, p.mark_exponent, p.position_limit
    (4, 2, 1000000000)
    """
    lots = 0
    while price / 10**lots > LOT_USD_MAX and lots < 6:
        lots += 1
    mark = linear_mark_exponent(price)
    lots = max(lots, ACCOUNTING_EXPONENT - mark)
    return Instrument(
        name=f"{underlying}_{ACCOUNTING_ASSET}-PERPETUAL",
        kind="perpetual",
        underlying=underlying,
        settlement=ACCOUNTING_ASSET,
        is_inverse=False,
        lot_exponent=lots,
        mark_exponent=mark,
        position_limit=position_limit_for(price * 10**mark),
    )


def linear_mark_exponent(price: float) -> int:
    """Return 8 less the digits of the price's whole part, within 2 to 8.

    >>> linear_mark_exponent(121_000.0), linear_mark_exponent(0.25)
    (2, 8)
    """
    digits = len(str(int(price))) if price >= 1.0 else 0
    return max(2, min(8, 8 - digits))


def inverse_perpetual(underlying: str, price: float) -> Instrument:
    """Return the coin-settled perpetual: contracts of 100 USD for BTC, of 10 USD for others.

    >>> p = inverse_perpetual("BTC", 121_000.0)
    >>> p.contract_usd, p.mark_exponent, round(10**p.mark_exponent * p.contract_usd / 121_000.0)
    (100, 12, 826446281)
    """
    contract = 100 if underlying == "BTC" else 10
    mark = COIN_EXPONENT
    while mark < 12 and contract * 10**mark / price < INVERSE_MARK_LEAST:
        mark += 1
    return Instrument(
        name=f"{underlying}-PERPETUAL",
        kind="perpetual",
        underlying=underlying,
        settlement=underlying,
        is_inverse=True,
        lot_exponent=0,
        mark_exponent=mark,
        position_limit=position_limit_for(contract * 10**mark / price),
        contract_usd=contract,
    )


def option(
    underlying: str, price: float, strike: int, expiry_us: int, *, is_call: bool, is_inverse: bool
) -> Instrument:
    """Return a European option on one coin, settled in the coin (inverse) or in USDC.

    >>> o = option("BTC", 121_000.0, 120_000, 1_767_772_800_000_000, is_call=False, is_inverse=True)
    >>> o.name, o.lot_exponent, o.mark_exponent
    ('BTC-7JAN26-120000-P', 2, 8)
    """
    day = datetime.fromtimestamp(expiry_us // 1_000_000, tz=UTC)
    prefix = underlying if is_inverse else f"{underlying}_{ACCOUNTING_ASSET}"
    mark = COIN_EXPONENT if is_inverse else max(4, min(6, linear_mark_exponent(price)))
    dearest = max(1.0, strike / price) if is_inverse else max(price, float(strike))
    return Instrument(
        name=option_name(prefix, day.day, day.month, day.year, str(strike), is_call),
        kind="option",
        underlying=underlying,
        settlement=underlying if is_inverse else ACCOUNTING_ASSET,
        is_inverse=is_inverse,
        lot_exponent=2,
        mark_exponent=mark,
        position_limit=position_limit_for(dearest * 10**mark),
        strike=str(strike),
        expiry_us=expiry_us,
        is_call=is_call,
    )


def position_limit_for(mark: float) -> int:
    """Return the largest power of ten of lots that stays 64 times below the bounds at `mark`.

    >>> position_limit_for(12_100_000.0)
    1000000000
    """
    most = (UNITS_MAX - 1) // (MARK_HEADROOM * (int(mark) + 1))
    return int(min(10 ** (len(str(most)) - 1), POSITION_LIMIT_MAX))
