"""10 October 2025: USDe as collateral, at 0.65 on one venue and at 1.00 on the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from steelyard.actions import Outcome
from steelyard.quantities import InputError
from steelyard.ticks import Event, TimeTick, Transfer
from tests.replays import stablecoin
from tests.replays.figures import compare, protected_shares
from tests.replays.speakers import clock
from tests.replays.stablecoin import ACCOUNTS, USDE
from tests.replays.stage import Performance

AGREEMENT = 0.02
LOW_US = clock(21, 54, 30)


class Watched:
    """What the engine showed of USDe after every second, and what it said to a withdrawal at the low."""

    def __init__(self) -> None:
        self.shown: list[tuple[int, float, bool, int]] = []
        self.refusal = ""
        self.charged: list[int] = []

    def look(self, run: Performance, event: Event, _: list[Outcome]) -> None:
        """Note index, protection and age after a clock's tick."""
        if not isinstance(event, TimeTick):
            return
        market = run.engine.market
        slot = market.asset_slots[USDE]
        age_ppm, is_protected = int(market.age_ppm[slot]), bool(market.is_protected[slot])
        self.shown.append((event.time_us, market.index_price(slot), is_protected, age_ppm))
        engine = run.engine
        if event.time_us >= LOW_US and not self.refusal:
            leaning = next(name for name in engine.places if engine.leans_on_protected(name))
            parts = engine.risk_of(leaning).initial_parts
            self.charged = [p.amount for p in parts if (p.name, p.scope) == ("oracle_age", USDE)]
            out = Transfer(event.time_us, "asker", 1, leaning, "external", USDE, 10**8)
            with pytest.raises(InputError) as caught:
                run.engine.submit(out)
            self.refusal = caught.value.code


@pytest.fixture(scope="module")
def both(market_data: Path) -> tuple[Performance, Watched]:
    """Return what became of the accounts with both venues, and what was seen."""
    if not (market_data / "oct10_2025").is_dir():
        pytest.skip("no recording of 10 October 2025")
    watched = Watched()
    speakers = stablecoin.binance(market_data), stablecoin.uniswap(market_data)
    return stablecoin.stand(market_data, *speakers, after=watched.look), watched


def test_OCTB_010_two_venues_that_disagree_are_no_majority_and_the_last_good_value_stays(
    both: tuple[Performance, Watched],
) -> None:
    run, watched = both
    assert run.moved_in[USDE] <= {"healthy", "unseen"}
    assert min(price for _, price in run.indices[USDE]) > 1.0 - AGREEMENT
    assert max(price for _, price in run.indices[USDE]) < 1.01
    conditions = {change.condition for _, change in run.conditions[USDE]}
    assert conditions == {"healthy", "disagreement", "resuming"}
    shares = protected_shares(run, USDE)
    assert shares["disagreement"] > 0.7
    assert all(is_protected for at, _, is_protected, _ in watched.shown if at == LOW_US)
    lows = [change for at, change in run.verdicts[USDE] if change.source == "binance:USDEUSDT"]
    assert {change.verdict for change in lows} == {"used", "deviating"}


def test_OCTB_011_nobody_is_liquidated_because_of_it_and_one_venue_alone_would_have(
    both: tuple[Performance, Watched], market_data: Path
) -> None:
    pool = stablecoin.stand(market_data, stablecoin.uniswap(market_data), quorum=1)
    lone = stablecoin.stand(market_data, stablecoin.binance(market_data), quorum=1)
    ours, theirs = compare(pool, both[0]), compare(pool, lone)
    assert (ours.wrongful, ours.missed) == ([], [])
    assert 0 < ours.due < ACCOUNTS
    assert len(theirs.wrongful) >= 10
    assert min(price for _, price in lone.indices[USDE]) == 0.65


def test_OCTB_012_its_age_raises_what_opening_needs_and_nothing_leaves_who_leans_on_it(
    both: tuple[Performance, Watched],
) -> None:
    _, watched = both
    ages = [age for at, _, is_protected, age in watched.shown if is_protected and at > LOW_US]
    assert min(ages) > 0
    trusted = [age for _, _, is_protected, age in watched.shown if not is_protected]
    assert max(ages) > max(trusted)
    assert len(watched.charged) == 1
    assert watched.charged[0] > 0
    assert watched.refusal == "ADMT-E07"
