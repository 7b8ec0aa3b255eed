"""Drift v2 accounts: what balances weigh, what perpetuals require, what both are worth.

USD and prices count 10⁻⁶, base and token amounts 10⁻⁹, weights and ratios 10⁻⁴, imf factors 10⁻⁶; what
is stated with more digits is cut to minus infinity. Source: Drift Labs, protocol-v2, margin maths.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from steelyard.margin.methods.needs import contracts_of, given, index_price, refuse
from steelyard.margin.methods.own.drift_weights import scaled_weight, size_discount, size_premium
from steelyard.margin.methods.own.exact import exact, floored, not_negative, total
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Case, Position

COVERS = frozenset({"perpetual"})
LEVELS = ("initial", "maintenance")
Levels = tuple[int | None, int | None]


class Held(NamedTuple):
    """A perpetual position: units of 10⁻⁶ USD, ratios of 10⁻⁴; None is what nobody asks for.

    notional: at the index. ratios, requirements: initial and maintenance. pnl: unrealised.
    """

    instrument: str
    underlying: str
    notional: int | None
    ratios: Levels
    requirements: Levels
    pnl: int
    pnl_weight: int | None


def positions(case: Case[Decimal], document: MethodDocument) -> list[Held]:
    """Return the positions with their ratios and requirements, in their order.

    A level whose ratio is nowhere stated has none. Errors: METH-E01 … E06, STAT-E02.
    """
    contracts = contracts_of(case.account, document.name, COVERS)
    return [_held(case, document, each.underlying, i) for i, each in enumerate(contracts)]


def _held(case: Case[Decimal], document: MethodDocument, underlying: str, i: int) -> Held:
    position, field = case.account.positions[i], f"account.positions[{i}]"
    entry = document.entry("perpetual_markets", underlying)
    path = f"parameters.perpetual_markets.{underlying}"
    base = [_parameter(entry, f"{level}_margin_ratio", 4, path) for level in LEVELS]
    pnl_weight = _parameter(entry, "unrealised_pnl_initial_asset_weight", 4, path)
    if base == [None, None] and pnl_weight is None:
        refuse(
            "METH-E06", f"{path} has no margin ratio", "a market has no default for its ratios",
            f"state {path}.initial_margin_ratio and maintenance_margin_ratio", path,
        )  # fmt: skip
    size = abs(floored(exact(position.quantity, f"{field}.quantity"), 9))
    imf_factor = _parameter(entry, "imf_factor", 6, path) or 0
    ratios = [None if ratio is None else size_premium(size, imf_factor, ratio) for ratio in base]
    # Without any market the account is asked for its weights and ratios alone.
    price = _index(case, underlying) if case.market.underlyings else None
    notional = None if price is None else size * price // 10**9
    required = [_requirement(notional, ratio) for ratio in ratios]
    pnl = _unrealised_pnl(position, price, field)
    if pnl_weight is not None:
        discount = _parameter(entry, "unrealised_pnl_imf_factor", 6, path) or 0
        pnl_weight = size_discount(pnl * 1000, discount, pnl_weight) if pnl > 0 else None
    return Held(
        position.instrument, underlying, notional,
        (ratios[0], ratios[1]), (required[0], required[1]), pnl, pnl_weight,
    )  # fmt: skip


def _requirement(notional: int | None, ratio: int | None) -> int | None:
    return None if notional is None or ratio is None else notional * ratio // 10**4


def _index(case: Case[Decimal], underlying: str) -> int:
    field = f"market.underlyings.{underlying}.index_price"
    return floored(exact(index_price(case, underlying), field), 6)


def _unrealised_pnl(position: Position[Decimal], price: int | None, field: str) -> int:
    """Return the unrealised P&L as stated, else from the entry price, else 0: entered at the index."""
    if position.unrealised_pnl is not None:
        return floored(exact(position.unrealised_pnl, f"{field}.unrealised_pnl"), 6)
    if position.entry_price is None or price is None:
        return 0
    entry = floored(not_negative(position.entry_price, f"{field}.entry_price"), 6)
    size = floored(exact(position.quantity, f"{field}.quantity"), 9)
    return size * (price - entry) // 10**9


def _parameter(entry: dict[str, Any], name: str, decimals: int, path: str) -> int | None:
    """Return a parameter of an entry in units of 10^−decimals, None where it is not stated."""
    value = entry.get(name)
    return None if value is None else floored(not_negative(value, f"{path}.{name}"), decimals)


def requirement(held: list[Held], level: int) -> int | None:
    """Return the requirement of all positions at a level, None if nothing of it is stated.

    level: 0 initial, 1 maintenance. Errors: METH-E06 if some positions have a ratio and one has none.
    """
    lacking = [each for each in held if each.ratios[level] is None]
    if held and len(lacking) == len(held):
        return None
    if lacking:
        field = f"parameters.perpetual_markets.{lacking[0].underlying}.{LEVELS[level]}_margin_ratio"
        refuse(
            "METH-E06", f"the parameter {field} has no value",
            "the requirement is the sum over all positions", f"state {field}", field,
        )  # fmt: skip
    required = [each.requirements[level] for each in held]
    stated = [each for each in required if each is not None]
    return total(stated) if len(stated) == len(required) else None


def balances(case: Case[Decimal]) -> dict[str, int]:
    """Return the balances in units of 10⁻⁹, cut to minus infinity. Errors: METH-E05."""
    return {
        asset: floored(exact(stated, f"account.balances.{asset}"), 9)
        for asset, stated in case.account.balances.items()
    }


def asset_weight(
    case: Case[Decimal], document: MethodDocument, asset: str, balance: int
) -> int | None:
    """Return what a balance of at least 0 weighs, None where no weight is stated.

    The initial weight, scaled down once all deposits are worth more than the start, then with the
    discount of the balance. Errors: METH-E01 where the scaling needs price or deposits, METH-E05.
    """
    entry, path = document.entry("collateral", asset), f"parameters.collateral.{asset}"
    weight = _parameter(entry, "initial_asset_weight", 4, path)
    if weight is None:
        return None
    start = _parameter(entry, "scale_initial_asset_weight_start", 6, path)
    if start is not None:
        weight = scaled_weight(weight, _deposits_value(case, asset), start)
    return size_discount(balance, _parameter(entry, "imf_factor", 6, path) or 0, weight)


def liability_weight(document: MethodDocument, asset: str, balance: int) -> int | None:
    """Return what a balance below 0 weighs, None where no weight is stated. Errors: METH-E05."""
    entry, path = document.entry("collateral", asset), f"parameters.collateral.{asset}"
    weight = _parameter(entry, "initial_liability_weight", 4, path)
    if weight is None:
        return None
    return size_premium(-balance, _parameter(entry, "imf_factor", 6, path) or 0, weight)


def _deposits_value(case: Case[Decimal], asset: str) -> int:
    """Return what all deposits of an asset are worth, in 10⁻⁶ USD."""
    field = f"market.assets.{asset}"
    found, why = case.market.assets.get(asset), "the weight falls with the value of all deposits"
    deposits = given(
        None if found is None else found.total_deposits, f"{field}.total_deposits", why
    )
    units = floored(not_negative(deposits, f"{field}.total_deposits"), 9)
    return units * _asset_price(case, asset, why) // 10**9


def _asset_price(case: Case[Decimal], asset: str, why: str) -> int:
    """Return the price of an asset in 10⁻⁶ USD; that of USDC is 1 if none is stated. METH-E01."""
    found, field = case.market.assets.get(asset), f"market.assets.{asset}.price"
    price = None if found is None else found.price
    if price is None and asset == "USDC":
        return 10**6
    return floored(not_negative(given(price, field, why), field), 6)


def equity(case: Case[Decimal], held: list[Held]) -> int | None:
    """Return balances at their prices and unrealised P&L, in 10⁻⁶ USD.

    None for an account without positions in a market that lacks a price of its balances: it is asked
    for weights. Errors: METH-E01 where an account with positions lacks one, METH-E05.
    """
    worth = 0
    for asset, units in balances(case).items():
        found = case.market.assets.get(asset)
        is_priced = asset == "USDC" or (found is not None and found.price is not None)
        if units == 0:
            continue
        if not is_priced and not (held and case.market.underlyings):
            return None
        price = _asset_price(case, asset, "equity counts every balance at its price")
        worth += units * price // 10**9
    return worth + total(each.pnl for each in held)
