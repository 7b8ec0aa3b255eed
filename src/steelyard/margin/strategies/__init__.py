"""Strategies: which named shapes a book of options is made of, and the most it can lose, proven.

Legs in; out come the exact payoff at settlement, its least value with the proof of it, and
verticals, butterflies, condors, boxes, collars and the like by name, each lot used once. A calendar has
no maximum loss, nor has a sold put spread that settles in coins: they are named, and say why.
"""

from steelyard.margin.strategies.expiries import bound_by_expiry
from steelyard.margin.strategies.legs import Leg
from steelyard.margin.strategies.payoff import (
    defined_risk_cap,
    maximum_loss,
    maximum_loss_from_mark,
    payoff_at_expiry,
    payoff_in_coins,
)
from steelyard.margin.strategies.recognise import Recognition, Strategy, recognise

__all__ = [
    "Leg",
    "Recognition",
    "Strategy",
    "bound_by_expiry",
    "defined_risk_cap",
    "maximum_loss",
    "maximum_loss_from_mark",
    "payoff_at_expiry",
    "payoff_in_coins",
    "recognise",
]
