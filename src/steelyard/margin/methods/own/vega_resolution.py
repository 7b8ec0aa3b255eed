"""After a liquidation by Vega: who pays for what a loser cannot, and how a position is sold off.

Loss socialisation: what losers can pay, and the insurance pool, but never more than was won, is shared
out in proportion to gains, each share rounded down; what is left goes to the winner "network", or else
to the last one.

Disposal: a position taken over is sold in steps of ⌈fraction · position⌉, all of it once it is small
enough, never more at a time than a share of one side of the order book.

Source: Vega protocol specifications of settlement and of liquidation strategies.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from steelyard.margin.methods.needs import refuse
from steelyard.margin.methods.own.vega_numbers import (
    ZERO,
    ceiled,
    floored,
    not_below_zero,
    plain,
)

STEPS_MAX = 100_000
NETWORK = "network"


class Loser(msgspec.Struct, frozen=True):
    """A party that lost, and what it has."""

    party: str
    balance: Decimal
    loss: Decimal


class Winner(msgspec.Struct, frozen=True):
    """A party that won."""

    party: str
    gain: Decimal


class SocialiseQuestion(msgspec.Struct, frozen=True):
    """A settlement in which losers may fall short."""

    losers: tuple[Loser, ...]
    winners: tuple[Winner, ...]
    insurance_pool: Decimal = ZERO


class DisposalQuestion(msgspec.Struct, frozen=True):
    """A position taken over and the strategy it is sold by; fractions of 1, the rest in units."""

    position: Decimal
    disposal_fraction: Decimal
    full_disposal_size: Decimal
    book_side_volume: Decimal
    max_fraction: Decimal


def payouts(question: SocialiseQuestion) -> dict[str, int]:
    """Return what each winner receives, in the order stated. Errors: METH-E03 a party that won twice,
    METH-E05 an amount below zero or not whole.

    >>> payouts(SocialiseQuestion((Loser("A", Decimal(10), Decimal(50)),),
    ...                           (Winner("network", Decimal(7)), Winner("B", Decimal(43)))))
    {'network': 2, 'B': 8}
    """
    at = "socialise"
    pot = _whole(question.insurance_pool, f"{at}.insurance_pool")
    for i, loser in enumerate(question.losers):
        balance = _whole(loser.balance, f"{at}.losers[{i}].balance")
        pot += min(balance, _whole(loser.loss, f"{at}.losers[{i}].loss"))
    gains: dict[str, int] = {}
    all_gains = 0
    for i, winner in enumerate(question.winners):
        if winner.party in gains:
            field = f"{at}.winners[{i}].party"
            refuse(
                "METH-E03", f"{winner.party} stands there twice", "a party wins once",
                "add its gains up", field,
            )  # fmt: skip
        gains[winner.party] = _whole(winner.gain, f"{at}.winners[{i}].gain")
        all_gains += gains[winner.party]
    pot = min(pot, all_gains)
    shares = {party: gain * pot // all_gains if pot else 0 for party, gain in gains.items()}
    rest = pot
    for share in shares.values():
        rest -= share
    if rest:
        shares[NETWORK if NETWORK in shares else list(shares)[-1]] += rest
    return shares


def disposal_steps(question: DisposalQuestion) -> list[int | float]:
    """Return the sizes in which a position is sold, the last of which closes it.

    No step is larger than what is left, which rounding up would make the last part of a unit.
    Errors: METH-E05 for sizes below zero, fractions outside 0 to 1, a strategy that would never end
    (no size is allowed, or none is wanted), and more than 100,000 steps.

    >>> disposal_steps(DisposalQuestion(*map(Decimal, ("500", "0.4", "30", "2000", "0.05"))))
    [100, 100, 100, 80, 48, 29, 18, 25]
    """
    left = not_below_zero(question.position, "disposal.position")
    fraction = _share(question.disposal_fraction, "disposal.disposal_fraction")
    small = not_below_zero(question.full_disposal_size, "disposal.full_disposal_size")
    volume = not_below_zero(question.book_side_volume, "disposal.book_side_volume")
    largest = floored(_share(question.max_fraction, "disposal.max_fraction") * volume)
    steps: list[int | float] = []
    while left > 0:
        wanted = left if left <= small else Decimal(ceiled(fraction * left))
        size = min(wanted, Decimal(largest), left)
        if size <= 0:
            _refuse_endless(largest)
        if len(steps) == STEPS_MAX:
            refuse(
                "METH-E05", f"the disposal takes more than {STEPS_MAX} steps",
                f"it is followed for at most {STEPS_MAX}", "raise the sizes allowed",
                "disposal.position",
            )  # fmt: skip
        steps.append(plain(size))
        left -= size
    return steps


def _refuse_endless(largest: int) -> None:
    field = "disposal.disposal_fraction" if largest else "disposal.book_side_volume"
    said = (
        "a disposal_fraction of 0 sells nothing of a position above full_disposal_size"
        if largest
        else "⌊max_fraction · book_side_volume⌋ is 0, so nothing may be sold"
    )
    refuse("METH-E05", said, "a disposal ends", f"raise {field}", field)


def _whole(value: Decimal, field: str) -> int:
    number = not_below_zero(value, field)
    if number != number.to_integral_value():
        refuse(
            "METH-E05", f"{field} is {number}", "amounts are whole, in the asset's smallest unit",
            "mend the value", field,
        )  # fmt: skip
    return int(number)


def _share(value: Decimal, field: str) -> Decimal:
    number = not_below_zero(value, field)
    if number > 1:
        refuse("METH-E05", f"{field} is {number}", "it lies between 0 and 1", "mend it", field)
    return number
