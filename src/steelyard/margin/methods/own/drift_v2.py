"""Drift v2: weights of balances, requirements of perpetuals, amounts of liquidations, in whole numbers.

USD and prices count 10⁻⁶, base and token amounts 10⁻⁹, weights and ratios 10⁻⁴; what is stated with more
digits is cut to minus infinity. Source: Drift Labs, protocol-v2, margin maths. The parts:
`drift_positions`, `drift_weights`, `drift_liquidation`.

The requirements are those of the perpetuals: the method states what a balance weighs, and no rule that
puts weighted balances or borrows into a requirement. So equity counts each balance at its price, the
weights stand under `native`, and each weighed balance is a part of zero that says so.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from steelyard.margin.methods.answer import Answer, Part
from steelyard.margin.methods.own.drift_liquidation import questions_answered
from steelyard.margin.methods.own.drift_positions import (
    LEVELS,
    Held,
    asset_weight,
    balances,
    equity,
    liability_weight,
    positions,
    requirement,
)
from steelyard.margin.methods.own.exact import amount
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Case

Number = Decimal


def answer(case: Case[Decimal], document: MethodDocument) -> Answer:
    """Return equity, the requirements of the perpetuals, weights, and what the case asks beside them.

    requirement = ⌊⌊|q|·price/10⁹⌋·ratio/10⁴⌋ of each position, the ratio with the premium of its size;
    equity = Σ balance·price + Σ unrealised P&L. A case that asks a question and has no account gets the
    answer to the question alone; without any market a position gets its ratios alone; an account that
    borrows and holds no position has no requirement that the method states.
    Errors: METH-E01 … E06, STAT-E02.

    Short 6.147540983 BTC at 22,050, ratio 0.1, imf 0.001: the premium is 0.08 + 0.0024, below the
    ratio, and 135,553.278675 at 0.1 takes 13,555.327867 to open. See DRFT-003.
    """
    owned = balances(case)
    weights = weights_of(case, document, owned)
    held = positions(case, document)
    answers = questions_answered(case, document)
    native = {**weights, **_ratios_of(held), **answers}
    if answers and not held and not owned:
        return Answer(native=native)
    is_silent = not held and any(balance < 0 for balance in owned.values())
    required = [None if is_silent else _stated(requirement(held, level)) for level in (0, 1)]
    return Answer(
        currency=document.currency,
        equity=_stated(equity(case, held)),
        initial_requirement=required[0],
        maintenance_requirement=required[1],
        native=native,
        parts=(*map(_part_of, held), *_parts_of_balances(owned, weights)),
    )


def weights_of(
    case: Case[Decimal], document: MethodDocument, owned: dict[str, int]
) -> dict[str, dict[str, Decimal]]:
    """Return `asset_weight` and `liability_weight` of the balances whose weights are stated."""
    weights: dict[str, dict[str, Decimal]] = {}
    for asset, balance in owned.items():
        if balance < 0:
            weight, table = liability_weight(document, asset, balance), "liability_weight"
        else:
            weight, table = asset_weight(case, document, asset, balance), "asset_weight"
        if weight is not None:
            weights.setdefault(table, {})[asset] = amount(weight, 4)
    return weights


def _ratios_of(held: list[Held]) -> dict[str, dict[str, Any]]:
    """Return `margin_ratio` and `unrealised_pnl_weight` of the positions that have them."""
    ratios = {
        each.instrument: {
            level: amount(ratio, 4)
            for level, ratio in zip(LEVELS, each.ratios, strict=True)
            if ratio is not None
        }
        for each in held
        if each.ratios != (None, None)
    }
    weights = {e.instrument: amount(e.pnl_weight, 4) for e in held if e.pnl_weight is not None}
    tables: dict[str, dict[str, Any]] = {"margin_ratio": ratios, "unrealised_pnl_weight": weights}
    return {name: table for name, table in tables.items() if table}


def _part_of(held: Held) -> Part:
    """Return the part of the requirements that a position causes."""
    initial, maintenance = (amount(each or 0, 6) for each in held.requirements)
    said = " and ".join(
        f"{level} {amount(ratio, 4):f}"
        for level, ratio in zip(LEVELS, held.ratios, strict=True)
        if ratio is not None
    )
    at = "no price stated" if held.notional is None else f"notional {amount(held.notional, 6):f}"
    note = f"{at}; margin ratio {said or 'not stated'}, the premium of its size included"
    return Part("position", initial, maintenance, held.instrument, held.underlying, note)


def _parts_of_balances(owned: dict[str, int], weights: dict[str, dict[str, Decimal]]) -> list[Part]:
    """Return a part of zero for each balance that the requirements leave out, saying so."""
    zero, parts = amount(0, 6), []
    for asset, balance in owned.items():
        kind = "liability" if balance < 0 else "asset"
        weight = weights.get(f"{kind}_weight", {}).get(asset)
        if balance == 0 or (weight is None and asset == "USDC" and balance > 0):
            continue
        said = "no weight is stated" if weight is None else f"its {kind} weight is {weight:f}"
        note = f"{said}; the method states no requirement of balances, equity has it at its price"
        parts.append(Part(f"balance {asset}", zero, zero, underlying=asset, note=note))
    return parts


def _stated(units: int | None) -> Decimal | None:
    return None if units is None else amount(units, 6)
