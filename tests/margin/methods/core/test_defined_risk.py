"""A requirement capped by what a book can lose at most, and strategies named in explanations."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.margin.methods.core.answering import evaluated
from steelyard.margin.methods.core.books import Books
from steelyard.margin.methods.core.evaluation import UNDERLYING, Evaluation
from steelyard.margin.methods.core.rules import Compiled
from steelyard.margin.methods.core.settlement import legs_of
from steelyard.margin.methods.explanation import Explanation
from steelyard.margin.methods.registry import explanation_of, margin_of
from steelyard.margin.strategies import defined_risk_cap
from steelyard.quantities.errors import InputError
from steelyard.terms.documents import documents, load_document, parse_document
from steelyard.terms.stated import (
    Account,
    Case,
    Expiry,
    Market,
    Perpetual,
    Position,
    Underlying,
)

EXAMPLES = Path(__file__).resolve().parents[4] / "docs" / "examples"
CAPPED = load_document(EXAMPLES / "harbour-pm-2026.2.toml")
BEFORE = load_document(EXAMPLES / "harbour-pm.toml")
STRIKES = (60_000, 65_000, 70_000, 75_000, 80_000)
NEAR, FAR = "2JUN26", "26JUN26"
LEVELS = ("initial_requirement", "maintenance_requirement")


def market(volatilities: tuple[float, ...] = (0.6, 0.55, 0.5, 0.5, 0.52)) -> Market[float]:
    smile = {str(k): v for k, v in zip(STRIKES, volatilities, strict=True)}
    near = Expiry("2026-06-02T08:00:00Z", forward_price=70_000.0, implied_volatility=smile)
    far = Expiry("2026-06-26T08:00:00Z", forward_price=70_200.0, implied_volatility=smile)
    btc = Underlying(70_000.0, perpetual=Perpetual(70_015.0), expiries=(near, far))
    return Market("2026-06-01T08:00:00Z", underlyings={"BTC": btc})


def case(positions: dict[str, float], stated: Market[float] | None = None, **given: Any) -> Case[float]:  # fmt: skip
    held = tuple(Position(name, quantity) for name, quantity in positions.items())
    account = Account(balances={"USDC": 20_000.0}, positions=held)
    return Case("book", "harbour-pm", market=stated or market(), account=account, **given)


def option(strike: int, letter: str, day: str = NEAR) -> str:
    return f"BTC-{day}-{strike}-{letter}"


BEAR = {option(70_000, "C"): -1.0, option(75_000, "C"): 1.0}
CONDOR = {option(60_000, "P"): 1.0, option(65_000, "P"): -1.0,
          option(75_000, "C"): -1.0, option(80_000, "C"): 1.0}  # fmt: skip
PUTS = {option(70_000, "P"): -1.0, option(65_000, "P"): 1.2}
COVERED = {"BTC-PERPETUAL": 1.0, option(75_000, "C"): -1.0}
NAKED = {option(70_000, "C"): -1.0}
CALENDAR = {option(70_000, "C"): -1.0, option(70_000, "C", FAR): 1.0}

volatilities = st.tuples(*[st.floats(0.05, 2.5)] * len(STRIKES))
slots = st.tuples(st.sampled_from(STRIKES), st.sampled_from("CP"), st.sampled_from([NEAR] * 5 + [FAR]))  # fmt: skip
quantities = st.integers(-20, 20).map(lambda n: n / 10)
positions = st.dictionaries(slots.map(lambda s: option(*s)), quantities, min_size=1, max_size=7)
perpetuals = st.sampled_from([0.0, 0.0, 0.5, 1.0, -1.0])


def exact_cap(book: Case[float]) -> float | None:
    evaluation = evaluated(book, Compiled(CAPPED))
    return defined_risk_cap(legs_of(evaluation.prepared, evaluation.books))


@given(positions, perpetuals, volatilities)
def test_STRT_060_no_more_is_required_than_a_book_can_lose(
    held: dict[str, float], perpetual: float, smile: tuple[float, ...]
) -> None:
    book = case({**held, "BTC-PERPETUAL": perpetual}, market(smile))
    cap = exact_cap(book)
    with_cap, without = (
        margin_of(msgspec.structs.replace(book, parameters={"defined_risk_cap": on}), CAPPED)
        for on in (True, False)
    )
    for level in LEVELS:
        required, free = getattr(with_cap, level), getattr(without, level)
        if cap is None:
            assert required == free  # not a bit of it moves
        else:
            assert required == pytest.approx(min(free, cap), rel=1e-12, abs=1e-9)
            assert required <= cap * (1.0 + 1e-12) + 1e-9


def test_STRT_060_worked_caps() -> None:
    for held, is_capped in ((BEAR, True), (CONDOR, True), (NAKED, False), (CALENDAR, False)):
        found, before = margin_of(case(held), CAPPED), margin_of(case(held), BEFORE)
        assert (found.initial_requirement != before.initial_requirement) is is_capped
        cap = exact_cap(case(held))
        if is_capped:
            assert found.initial_requirement == pytest.approx(cap, rel=1e-12)
    # Sold for 728.36 and 5,000 wide: 4,271.64 is all there is to lose, and 5,204.97 was asked.
    bear, before = margin_of(case(BEAR), CAPPED), margin_of(case(BEAR), BEFORE)
    assert bear.initial_requirement == pytest.approx(4_271.637121959, abs=1e-9)
    assert before.initial_requirement == pytest.approx(5_204.970445987, abs=1e-9)
    assert bear.maintenance_requirement == before.maintenance_requirement  # 4,137.06 is below it


def test_STRT_061_without_the_cap_the_method_is_what_it_was() -> None:
    for held in (BEAR, CONDOR, COVERED, NAKED, CALENDAR, {}):
        off = margin_of(case(held, parameters={"defined_risk_cap": False}), CAPPED)
        before = margin_of(case(held), BEFORE)
        for name in ("equity", *LEVELS):
            assert getattr(off, name) == getattr(before, name)
        assert off.native["scan_risk"] == before.native["scan_risk"]
        assert off.native["cap_initial"] == off.native["cap_maintenance"] == 0.0


@given(positions, perpetuals, volatilities)
def test_STRT_062_capped_leaves_sum_to_the_last_digit(
    held: dict[str, float], perpetual: float, smile: tuple[float, ...]
) -> None:
    book = case({**held, "BTC-PERPETUAL": perpetual}, market(smile))
    found, answer = told(book), margin_of(book, CAPPED)
    for level in ("initial", "maintenance"):
        leaves = [Fraction(getattr(leaf, level)) for part in found.parts for leaf in part.leaves]
        total = Fraction(getattr(found, level))
        assert sum(leaves) == total
        stated = getattr(answer, f"{level}_requirement")
        assert abs(total - Fraction(stated)) <= Fraction(1, 10**9)


def told(book: Case[float]) -> Explanation:
    found = explanation_of(book, CAPPED, names_strategies=True)
    assert found is not None
    return found


def test_STRT_062_the_cap_is_a_part_of_its_own_whose_shares_are_derivatives() -> None:
    found = told(case(CONDOR))
    parts = {part.name: part for part in found.parts}
    assert set(parts) >= {"net", "near_short_charge", "cap_initial"}
    assert parts["cap_initial"].initial < 0
    assert parts["cap_initial"].maintenance == 0
    dual = evaluated(case(PUTS), Compiled(CAPPED), is_dual=True)
    assert dual.column("cap_initial", UNDERLYING)[0] < -500.0
    slopes = dual.name("initial_requirement").grad[0]
    names = [dual.instruments.names[i] for i in dual.books.instrument]
    for name, slope in zip(names, slopes, strict=True):
        up, down = (
            evaluated(case({**PUTS, name: PUTS[name] + step}), Compiled(CAPPED))
            for step in (1e-4, -1e-4)
        )
        ends = [float(each.column("initial_requirement")[0]) for each in (up, down)]
        assert slope == pytest.approx((ends[0] - ends[1]) / 2e-4, rel=1e-6)


def test_STRT_063_many_accounts_have_the_bits_of_each_alone() -> None:
    books = [BEAR, CONDOR, COVERED, NAKED, CALENDAR]
    every = sorted({name for held in books for name in held})
    one = evaluated(case(dict.fromkeys(every, 1.0)), Compiled(CAPPED))
    place = one.instruments.place
    rows = [(a, place[name], q) for a, held in enumerate(books) for name, q in held.items()]
    account, instrument, quantity = (np.array(column) for column in zip(*rows, strict=True))
    stated = Books(
        len(books), account.astype(np.int64), instrument.astype(np.int32), quantity, np.full(len(books), 20e3)
    ).in_order()  # fmt: skip
    batch = Evaluation(one.prepared, stated)
    for a, held in enumerate(books):
        alone = margin_of(case(held), CAPPED)
        for level in LEVELS:
            assert float(batch.column(level)[a]) == getattr(alone, level)
    assert np.isinf(batch.column("maximum_loss", UNDERLYING)[3:]).all()


def test_STRT_064_a_mark_that_a_cap_needs_is_named() -> None:
    btc = msgspec.structs.replace(market().underlyings["BTC"], perpetual=None)
    bare = Market("2026-06-01T08:00:00Z", underlyings={"BTC": btc})
    margin_of(case(COVERED, bare), BEFORE)
    with pytest.raises(InputError, match="METH-E01") as failure:
        margin_of(case(COVERED, bare), CAPPED)
    assert failure.value.where["field"] == "market.underlyings.BTC.perpetual.mark_price"


def test_STRT_065_the_cap_of_an_expiry_is_of_its_legs_alone() -> None:
    text = (EXAMPLES / "harbour-pm-2026.2.toml").read_text(encoding="utf-8")
    text = text.replace(
        "[rules.underlying]", '[rules.expiry]\napart = "maximum_loss"\n\n[rules.underlying]'
    )
    document = parse_document(text.encode(), "toml")
    held = {**BEAR, option(60_000, "P", FAR): 1.0, option(65_000, "P", FAR): -1.0}
    evaluation = evaluated(case(held), Compiled(document))
    assert np.isinf(evaluation.column("maximum_loss", UNDERLYING)[0])
    near, far = exact_cap(case(BEAR)), exact_cap(case(dict(list(held.items())[2:])))
    assert near is not None
    assert far is not None
    assert evaluation.column("apart", UNDERLYING)[0] == pytest.approx(near + far, rel=1e-12)


@given(positions, volatilities)
def test_STRT_066_derives_own_cap_holds(held: dict[str, float], smile: tuple[float, ...]) -> None:
    """Per expiry: marks less the least payoff (at most 0), unless calls are sold beyond those bought."""
    near = {name: q for name, q in held.items() if f"-{NEAR}-" in name}
    stated = msgspec.structs.replace(case(near, market(smile)), method="derive-srm")
    document = documents().get("derive-srm")
    evaluation = evaluated(stated, Compiled(document))
    legs = legs_of(evaluation.prepared, evaluation.books)
    if sum(Fraction(repr(leg.quantity)) for leg in legs if leg.is_call) < 0:
        return
    prices = [0, *STRIKES]
    payoff = [
        sum(
            leg.quantity * max(0.0, s - leg.strike if leg.is_call else leg.strike - s)
            for leg in legs
        )
        for s in prices
    ]
    worth = sum(leg.quantity * leg.mark for leg in legs)
    bound = worth - min(0.0, *payoff)
    answer = margin_of(stated, document)
    for level in LEVELS:
        assert getattr(answer, level) <= bound + 1e-9 * (1.0 + abs(bound))
