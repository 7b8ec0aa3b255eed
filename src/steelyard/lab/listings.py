"""What the simulated market lists: coins, sources, perpetuals and option chains."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from steelyard.lab.market import Coin
from steelyard.lab.venues import Venue
from steelyard.terms import Instrument
from steelyard.terms.asset import ACCOUNTING_ASSET, USDC
from steelyard.terms.instrument import option_name
from steelyard.terms.listing import asset_for, inverse_perpetual, linear_perpetual, option
from steelyard.ticks import AssetListed, Event, InstrumentsListed, SourceListed

YEAR_S = 365.0 * 86_400.0
LISTING_ORIGIN = "listing"
STRIKE_STEPS = (1, 2, 5)
STRIKES_EACH_SIDE = 5
STRIKE_SPAN_SD = 2.4
LINEAR_EXPIRIES = 2
LINEAR_STRIKES_EACH_SIDE = 2


def listing_events(
    start_us: int, coins: tuple[Coin, ...], venues: tuple[Venue, ...], instruments: list[Instrument]
) -> list[Event]:
    """Return the listings in order: assets, sources of each coin, then all instruments at once."""
    events: list[Event] = [AssetListed(start_us, LISTING_ORIGIN, 1, USDC)]
    for coin in coins:
        asset = asset_for(coin.name, coin.first_price)
        events.append(AssetListed(start_us, LISTING_ORIGIN, len(events) + 1, asset))
    for venue in venues:
        for coin in coins:
            events.append(
                SourceListed(
                    start_us,
                    LISTING_ORIGIN,
                    len(events) + 1,
                    source=venue.name,
                    asset=coin.name,
                    operator=venue.operator,
                    weight=venue.weight,
                    stale_after_us=venue.stale_after_us,
                )
            )
    events.append(InstrumentsListed(start_us, LISTING_ORIGIN, len(events) + 1, instruments))
    return events


def all_instruments(start_us: int, coins: tuple[Coin, ...]) -> list[Instrument]:
    """Return the perpetuals of all coins, then the chains of the coins with an implied level.

    A coin with an implied level also gets an inverse perpetual; the first of them a few
    USDC-settled options beside its coin-settled chain.
    """
    with_options = [coin for coin in coins if coin.implied_level > 0.0]
    listed = [linear_perpetual(coin.name, coin.first_price) for coin in coins]
    listed += [inverse_perpetual(coin.name, coin.first_price) for coin in with_options]
    expiries = option_expiries(start_us)
    for coin in with_options:
        for expiry_us in expiries:
            listed += _options(coin, start_us, expiry_us, STRIKES_EACH_SIDE, is_inverse=True)
    for coin in with_options[:1]:
        for expiry_us in expiries[-LINEAR_EXPIRIES:]:
            listed += _options(
                coin, start_us, expiry_us, LINEAR_STRIKES_EACH_SIDE, is_inverse=False
            )
    return listed


def option_expiries(start_us: int) -> list[int]:
    """Return the expiries, ascending: two days, two Fridays, two month ends, one quarter end.

    All at 08:00 UTC; month and quarter ends are their last Fridays. The nearest is at least twelve
    hours away, so a demonstration does not cross one. Fewer than seven when two coincide.

    >>> [datetime.fromtimestamp(e // 10**6, tz=UTC).strftime("%d%b%y")
    ...  for e in option_expiries(1_760_130_000_000_000)]
    ['11Oct25', '12Oct25', '17Oct25', '24Oct25', '31Oct25', '28Nov25', '26Dec25']
    """
    first = datetime.fromtimestamp(start_us // 1_000_000, tz=UTC) + timedelta(hours=10)
    day = first.replace(hour=8, minute=0, second=0, microsecond=0)
    if day < first:
        day += timedelta(days=1)
    friday = day + timedelta(days=2 + (4 - (day.weekday() + 2)) % 7)
    months = [last for last in _month_ends(day, 10) if last > friday + timedelta(days=7)]
    quarter = next(last for last in months if last.month % 3 == 0 and last not in months[:2])
    days = {day, day + timedelta(days=1), friday, friday + timedelta(days=7), *months[:2], quarter}
    return [int(expiry.timestamp()) * 1_000_000 for expiry in sorted(days)]


def _month_ends(day: datetime, count: int) -> list[datetime]:
    """Return the last Fridays of `count` months from that of `day` on."""
    ends = []
    for ahead in range(count):
        year, month = divmod(day.year * 12 + day.month + ahead, 12)  # the first of the next month
        first = day.replace(year=year, month=month + 1, day=1)
        last = first - timedelta(days=1)
        ends.append(last - timedelta(days=(last.weekday() - 4) % 7))
    return ends


def _options(
    coin: Coin, start_us: int, expiry_us: int, each_side: int, *, is_inverse: bool
) -> list[Instrument]:
    term = (expiry_us - start_us) / 1e6 / YEAR_S
    strikes = strike_ladder(coin.first_price, coin.implied_level * math.sqrt(term), each_side)
    day = datetime.fromtimestamp(expiry_us // 1_000_000, tz=UTC)
    prefix = coin.name if is_inverse else f"{coin.name}_{ACCOUNTING_ASSET}"
    return [
        option(
            coin.name,
            option_name(prefix, day.day, day.month, day.year, str(strike), is_call),
            str(strike),
            coin.first_price,
            expiry_us,
            is_call=is_call,
            is_inverse=is_inverse,
        )
        for strike in strikes
        for is_call in (True, False)
    ]


def strike_ladder(price: float, deviation: float, each_side: int) -> list[int]:
    """Return 2·each_side + 1 strikes on a round step around the price.

    deviation: standard deviation of the log price to expiry. The step is the smallest of 1, 2, 5
    times a power of ten that lets the ladder reach STRIKE_SPAN_SD deviations, and small enough that
    the lowest strike stays above a fifth of the price.

    >>> strike_ladder(121_000.0, 0.05, 3)
    [105000, 110000, 115000, 120000, 125000, 130000, 135000]
    """
    wanted = price * deviation * STRIKE_SPAN_SD / each_side
    widest = 0.8 * price / (each_side + 1)
    steps = [base * 10**power for power in range(7) for base in STRIKE_STEPS]
    step = next(s for s in steps if s >= min(wanted, widest / 2.5))
    middle = step * round(price / step)
    return [middle + step * offset for offset in range(-each_side, each_side + 1)]
