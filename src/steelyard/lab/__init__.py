"""The lab: a market that is simulated and accounts that are generated.

An edge around the core: it draws random numbers from explicit seeds, and what it draws enters an
engine as events and records like any other input. It needs no data and no network.
"""

from steelyard.lab.market import LAWS, LawName, simulate_minutes
from steelyard.lab.simulator import SimulatedMarket

__all__ = ["LAWS", "LawName", "SimulatedMarket", "simulate_minutes"]
