"""Desks over small engines with units of every mode, for the tests of answers."""

from __future__ import annotations

from typing import Any

from steelyard.service.answers import Context
from steelyard.service.answers.catalog import methods
from steelyard.service.answers.engine_desk import EngineDesk
from steelyard.terms import AccountRecord
from tests.service.answers.desks import Key
from tests.support.venue import (
    BTC_CALL,
    BTC_INVERSE,
    BTC_LINEAR,
    BTC_PUT,
    COIN,
    ETH_LINEAR,
    USD,
    Venue,
    held,
    open_venue,
)

HANDLERS = {method.name: method for method in methods()}
MARK = 10_000_000


def open_desk() -> tuple[Venue, EngineDesk]:
    """Return a venue with a portfolio, a cross and an isolated account, each with orders or several legs."""
    venue = open_venue()
    venue.open(
        AccountRecord("writer", "portfolio", {"USDC": 400_000 * USD, "BTC": 2 * COIN}, [
            held(BTC_LINEAR, 5_000, MARK - 50_000), held(BTC_INVERSE, -300, venue.mark(BTC_INVERSE)),
            held(BTC_CALL, -200, 1), held(BTC_PUT, -100, 1), held(ETH_LINEAR, 4_000, 40_000_000),
        ]),
        AccountRecord("crosser", "cross", {"USDC": 90_000 * USD, "ETH": 3 * COIN}, [
            held(BTC_LINEAR, -20_000, MARK), held(BTC_CALL, 50, 1), held(BTC_PUT, -10, 1),
        ]),
        AccountRecord("loner", "isolated", {"USDC": 50_000 * USD, "BTC": COIN}, [
            held(BTC_LINEAR, 10_000, MARK, 20_000 * USD), held(BTC_INVERSE, 500, venue.mark(BTC_INVERSE), COIN // 2),
        ]),
    )  # fmt: skip
    venue.order("writer", "w1", BTC_LINEAR, 3_000, 99_000.0)
    venue.order("crosser", "c1", BTC_LINEAR, -1_000, 101_000.0)
    return venue, EngineDesk(venue.engine)


def ask(desk: Any, seen: frozenset[str] | None = None) -> Context:
    """Return a context of a key that sees some accounts, or all."""
    return Context(Key(seen), desk, 0)


def answer(name: str, desk: Any, seen: frozenset[str] | None = None, **params: Any) -> Any:
    """Return what a method of the catalogue answers."""
    method = HANDLERS[name]
    return method.handler(method.params(**params), ask(desk, seen))
