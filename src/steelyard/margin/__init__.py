"""Margin, step 5: what each margin unit must hold, with named parts that sum exactly.

One columnar pass serves every unit and every mode; a single account is a batch of one and takes the
same path. Integers decide: each requirement is rounded up once, its parts by largest remainder.
"""

from steelyard.margin.account_risk import AccountRisk, Part, RiskColumns
from steelyard.margin.order_margin import order_requirements
from steelyard.margin.require import explain_unit, require_book

__all__ = [
    "AccountRisk",
    "Part",
    "RiskColumns",
    "explain_unit",
    "order_requirements",
    "require_book",
]
