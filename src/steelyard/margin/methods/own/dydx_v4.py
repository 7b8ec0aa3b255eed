"""dYdX v4: cross-margined perpetuals, counted in whole millionths of a USDC.

Notionals are cut to zero, requirements rounded up, once for each step that rounds. What it takes to open
grows with the open interest of the market; what it takes to keep does not. Source: dYdX Trading, protocol
of the dYdX chain, perpetuals and subaccounts modules.

The USDC balance is the venue's quote balance: what was paid for the positions has left it, so equity is
this balance and the positions at their index. A balance finer than a millionth is cut to minus infinity.
"""

from __future__ import annotations

from decimal import Decimal

from steelyard.margin.methods.answer import Answer, Part
from steelyard.margin.methods.needs import refuse
from steelyard.margin.methods.own.dydx_liquidation import liquidation_answers
from steelyard.margin.methods.own.dydx_positions import DECIMALS, Held, positions
from steelyard.margin.methods.own.exact import amount, exact, floored, total
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Case

Number = Decimal


def answer(case: Case[Decimal], document: MethodDocument) -> Answer:
    """Return equity, requirements, the initial margin fractions, and what a liquidation question asks.

    n = trunc(quantity·price·10⁶); initial ⌈|n|·imf/10⁶⌉; maintenance ⌈⌈|n|·base/10⁶⌉·fraction/10⁶⌉;
    equity = USDC + Σ n; `liquidatable` if maintenance > 0 and above equity. All exact, 6 decimals.
    Errors: METH-E01 … E05, STAT-E02. Balances of other assets are not covered (METH-E04): the venue
    takes USDC alone.

    A long of 0.7 BTC at 5,555 in a tier of 1 % and a half: 38.885 to open, 19.4425 to keep. See
    DYDX-001.
    """
    held = positions(case, document)
    equity = net_collateral(case, held)
    maintenance = total(each.maintenance for each in held)
    native = {
        "initial_margin_fraction_ppm": {each.instrument: each.fraction_ppm for each in held},
        "liquidatable": maintenance > 0 and maintenance > equity,
    }
    native |= liquidation_answers(case, document, held, equity, maintenance)
    return Answer(
        currency=document.currency,
        equity=amount(equity, DECIMALS),
        initial_requirement=amount(total(each.initial for each in held), DECIMALS),
        maintenance_requirement=amount(maintenance, DECIMALS),
        native=native,
        parts=tuple(map(part_of, held)),
    )


def net_collateral(case: Case[Decimal], held: list[Held]) -> int:
    """Return the equity in millionths: the USDC balance and the signed notionals."""
    balance = 0
    for asset, stated in case.account.balances.items():
        field = f"account.balances.{asset}"
        value = exact(stated, field)
        if asset == "USDC":
            balance = floored(value, DECIMALS)
        elif value:
            refuse(
                "METH-E04", f"{field} is {stated}, and dydx-v4 does not cover {asset}",
                "its accounts hold USDC alone", "drop the balance or choose another method", field,
            )  # fmt: skip
    return balance + total(each.notional for each in held)


def part_of(held: Held) -> Part:
    """Return the part of the requirements that a position causes."""
    kept = held.tier.initial_ppm, held.tier.maintenance_fraction_ppm
    return Part(
        name="position",
        initial=amount(held.initial, DECIMALS),
        maintenance=amount(held.maintenance, DECIMALS),
        instrument=held.instrument,
        underlying=held.underlying,
        note=f"notional {amount(held.notional, DECIMALS):f}; to open {held.fraction_ppm} ppm of it, "
        f"to keep {kept[0]} ppm and of that {kept[1]} ppm",
    )
