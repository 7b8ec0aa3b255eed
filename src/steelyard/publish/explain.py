"""Explanations: a tree of named amounts in which every number is the exact sum of its children."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from steelyard.margin import AccountRisk, Part
from steelyard.publish.views import money
from steelyard.quantities import InvariantError
from steelyard.terms import Method
from steelyard.valuation.grid import ScenarioColumns

PART_NOTES = {
    "tier": "notional × tier rate − deduction; options at their short-option rate",
    "short_option_minimum": "share of the notional of each short option",
    "liquidation_cost": "fee, half spread and impact of closing the positions",
    "haircut": "share of the collateral's value that does not count",
    "order_margin": "what the worst fills of resting orders and reservations would add",
    "balance": "balance at index",
    "position_value": "unrealised profit of perpetuals and marks of options",
}


class Explanation(msgspec.Struct, frozen=True):
    """A node: amount is in USDC and equals the sum of the children's amounts (leaves have none)."""

    name: str
    amount: Decimal
    note: str = ""
    children: tuple[Explanation, ...] = ()


def explain_risk(risk: AccountRisk, method: Method) -> list[Explanation]:
    """Return two trees: the maintenance buffer and the initial (free) margin, leaf by leaf.

    buffer = equity − haircuts − requirement, each with its parts; sums are checked, not assumed.
    """
    equity = _node("equity", [_leaf(p) for p in risk.equity_parts], "cash, collateral, positions")
    trees = []
    for level, cuts, parts, required, balance in (
        (
            "maintenance",
            risk.haircut_maintenance_parts,
            risk.maintenance_parts,
            risk.maintenance_requirement,
            risk.maintenance_balance,
        ),
        (
            "initial",
            risk.haircut_initial_parts,
            risk.initial_parts,
            risk.initial_requirement,
            risk.initial_balance,
        ),
    ):
        haircuts = [_leaf(part, sign=-1) for part in cuts]
        held = _node(f"{level} balance", [equity, *haircuts], "equity less haircuts")
        needed = _node(
            f"{level} requirement", _by_underlying(parts, risk, method), "subtracted", negate=True
        )
        _must_equal(held.amount, balance)
        _must_equal(-needed.amount, required)
        title = "buffer" if level == "maintenance" else "free margin"
        note = "below zero: the account is liquidatable" if title == "buffer" else "to open with"
        trees.append(_node(title, [held, needed], note))
    return trees


def _by_underlying(parts: list[Part], risk: AccountRisk, method: Method) -> list[Explanation]:
    """Group the parts of a requirement by the underlying they come from."""
    grid = ScenarioColumns(method)
    groups: dict[str, list[Explanation]] = {}
    for part in parts:
        note = PART_NOTES.get(part.name, "")
        if part.name == "scenario":
            column = risk.worst_scenarios.get(part.scope, -1)
            note = grid.describe(column, method.underlying_rules(part.scope).range_ppm)
        groups.setdefault(part.scope or "orders", []).append(
            Explanation(part.name, money(part.amount), note)
        )
    return [_node(scope, children, "") for scope, children in groups.items()]


def _leaf(part: Part, sign: int = 1) -> Explanation:
    return Explanation(
        f"{part.name} {part.scope}".strip(),
        money(sign * part.amount),
        PART_NOTES.get(part.name, ""),
    )


def _node(
    name: str, children: list[Explanation], note: str, *, negate: bool = False
) -> Explanation:
    if negate:
        children = [_negated(child) for child in children]
    amount = sum((child.amount for child in children), Decimal(0))
    return Explanation(name, amount, note, tuple(children))


def _negated(node: Explanation) -> Explanation:
    children = tuple(_negated(child) for child in node.children)
    return Explanation(node.name, -node.amount, node.note, children)


def _must_equal(shown: Decimal, micro: int) -> None:
    if shown != money(micro):
        raise InvariantError(f"the parts sum to {shown}, the total is {money(micro)}")
