"""The lab: a market that is simulated and accounts that are generated.

An edge around the core: it draws random numbers from explicit seeds, and what it draws enters an
engine as events and records like any other input. It needs no data and no network.
"""

from steelyard.lab.argument import parse_accounts_argument
from steelyard.lab.draws import PopulationShape
from steelyard.lab.market import LAWS, LawName, simulate_minutes
from steelyard.lab.population import generate_population
from steelyard.lab.report import PopulationReport, population_report
from steelyard.lab.simulator import SimulatedMarket

__all__ = [
    "LAWS",
    "LawName",
    "PopulationReport",
    "PopulationShape",
    "SimulatedMarket",
    "generate_population",
    "parse_accounts_argument",
    "population_report",
    "simulate_minutes",
]
