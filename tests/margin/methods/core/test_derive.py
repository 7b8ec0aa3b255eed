"""Derive's margins and auction: open cases, twins written from the descriptions, and properties."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import msgspec
import pytest

from steelyard.margin.methods.answer import Answer
from steelyard.margin.methods.core.answering import evaluated
from steelyard.margin.methods.core.evaluation import UNDERLYING
from steelyard.margin.methods.core.rules import Compiled
from steelyard.margin.methods.registry import margin_of
from steelyard.quantities.errors import InputError, TermsError
from steelyard.terms.documents import documents
from steelyard.terms.stated import Case
from tests.margin.methods.core.derive_books import case_of
from tests.margin.methods.core.twins_derive import TWINS, discount_after, pmrm
from tests.support.method_cases import case_lines, check_case, disagreements, printed

Table = dict[str, Any]
DECODER = msgspec.json.Decoder(Case[float])
MARGINS = ("derive-pmrm", "derive-pmrm2", "derive-srm")
LINES = [line for method in TWINS for line in case_lines(method)]
BLOCKS, BLOCK = 4, 100
CLOSE = 1e-9


def stated(case: Table) -> Case[float]:
    """Return a line as a stated case."""
    return DECODER.decode(json.dumps(case, default=float))


def answered(case: Table) -> Answer:
    """Return what the method of a line says."""
    return margin_of(stated(case), documents().get(case["method"]))


def line(name: str) -> Table:
    """Return an open case, to be changed."""
    (found,) = [each for each in LINES if each["case"] == name]
    return json.loads(json.dumps(found, default=float))  # type: ignore[no-any-return]


def numbers(table: Table, path: str = "") -> dict[str, float]:
    """Return every number of an answer by its path."""
    found: dict[str, float] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            found |= numbers(value, f"{path}{name}.")
        elif isinstance(value, int | float):
            found[f"{path}{name}"] = float(value)
    return found


def book(method: str, *positions: Table, **fields: Any) -> Table:
    """Return a case in ETH at 1,500: `expiry` and `balances` beside the positions, `parameters`."""
    underlying: Table = {"index_price": 1500.0, "perpetual": {"mark_price": 1505.0}}
    expiry: Table = {
        "expiry": "2026-01-07T08:00:00Z",
        "forward_price": 1500.0,
        "implied_volatility": {"1400": 1.1, "1500": 1.0, "1900": 1.2},
    }
    underlying["expiries"] = [expiry | fields.pop("expiry", {})]
    account = {"balances": {"USDC": 0.0} | fields.pop("balances", {}), "positions": positions}
    market = {
        "as_of": "2026-01-01T13:00:00Z",
        "assets": fields.pop("assets", {}),
        "underlyings": {"ETH": underlying | fields.pop("underlying", {})},
    }
    return {"case": "here", "method": method, "market": market, "account": account} | fields


def held(contract: str, quantity: float, **fields: Any) -> Table:
    return {"instrument": f"ETH-{contract}", "quantity": quantity} | fields


def agrees_with_its_twin(case: Table) -> None:
    """Raise AssertionError with the numbers by which engine and twin differ."""
    twin = TWINS[case["method"]](case)
    allowed = CLOSE * (1.0 + twin.pop("scale"))
    found, wanted = numbers(printed(answered(case))), numbers(twin)
    assert wanted.keys() <= found.keys()
    off = {
        path: (found[path], value)
        for path, value in wanted.items()
        if not abs(found[path] - value) <= allowed
    }
    assert not off, f"{case['case']}: {off}"


@pytest.mark.parametrize("case", LINES, ids=[each["case"] for each in LINES])
def test_DRVM_001_open_cases_agree(case: Table) -> None:
    check_case(case, answered(case))


@pytest.mark.parametrize("case", LINES, ids=[each["case"] for each in LINES])
def test_DRVM_002_twins_agree_with_the_open_cases(case: Table) -> None:
    plain = json.loads(json.dumps(case, default=float))
    assert disagreements(case, TWINS[case["method"]](plain)) == []


@pytest.mark.parametrize("block", range(BLOCKS))
@pytest.mark.parametrize("method", TWINS)
def test_DRVM_003_random_books_agree_with_the_twins(method: str, block: int) -> None:
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        agrees_with_its_twin(case_of(method, seed))


def test_DRVM_004_random_books_meet_what_is_described() -> None:
    cases = {method: [case_of(method, seed) for seed in range(BLOCKS * BLOCK)] for method in TWINS}
    sold = [answered(case).native for case in cases["derive-auction"]]
    taken = [each.get("fraction_taken", 0.0) for each in sold]
    assert sum(0.0 < each < 1.0 for each in taken) > BLOCK
    assert sum(each.get("discount") == 0.0 for each in sold) > 10
    assert sum(each.get("start_fee", 0.0) > 0.0 for each in sold) > 20
    slices = json.dumps(cases["derive-pmrm2"])
    assert all(word in slices for word in ('"svi"', '"linear"', '"abs"', "-0.05", "forward_fixed"))
    assert sum(len(case["market"]["underlyings"]) > 1 for case in cases["derive-srm"]) > BLOCK


@pytest.mark.parametrize("method", MARGINS)
def test_DRVM_005_nothing_held_requires_nothing(method: str) -> None:
    zero = [held("PERPETUAL", 0.0), held("7JAN26-1500-C", 0.0), held("7JAN26-1500-P", 0.0)]
    doubtful = {"confidence": 0.0}
    for positions in ([], zero):
        found = answered(
            book(method, *positions, balances={"USDC": 250.0}, expiry=doubtful, underlying=doubtful)
        )
        assert (found.equity, found.initial_requirement, found.maintenance_requirement) == (
            250.0, 0.0, 0.0,
        )  # fmt: skip
        assert found.native == {"initial_margin": 250.0, "maintenance_margin": 250.0}


@pytest.mark.parametrize("method", MARGINS)
def test_DRVM_006_the_order_of_positions_changes_no_bit(method: str) -> None:
    for seed in range(40):
        case = case_of(method, seed)
        first = answered(case)
        Random(seed).shuffle(case["account"]["positions"])
        assert answered(case) == first, case["case"]
        case["account"]["positions"].reverse()
        assert answered(case) == first, case["case"]


@pytest.mark.parametrize("method", MARGINS)
def test_DRVM_007_initial_is_at_least_maintenance(method: str) -> None:
    for seed in range(150):
        case = case_of(method, seed)
        terms = case.pop("parameters", {}).get("collateral", {})
        case["parameters"] = {"collateral": terms} if terms else {}
        found = answered(case)
        assert found.initial_requirement >= found.maintenance_requirement, case["case"]


def test_DRVM_008_a_book_twice_as_large_loses_twice_as_much() -> None:
    compiled = Compiled(documents().get("derive-pmrm"))
    for seed in range(100):
        case = case_of("derive-pmrm", seed)
        case.pop("parameters", None)
        once = evaluated(stated(case), compiled)
        once_requires = answered(case).maintenance_requirement
        for position in case["account"]["positions"]:
            position["quantity"] *= 2.0
        balances = case["account"]["balances"]
        case["account"]["balances"] = {name: 2.0 * amount for name, amount in balances.items()}
        twice = evaluated(stated(case), compiled)
        assert list(twice.column("scan", UNDERLYING)) == [
            2.0 * each for each in once.column("scan", UNDERLYING)
        ]
        assert answered(case).maintenance_requirement == 2.0 * once_requires


@pytest.mark.parametrize("method", MARGINS)
def test_DRVM_009_what_the_market_lists_and_nobody_holds_changes_nothing(method: str) -> None:
    positions = (held("7JAN26-1500-C", -1.0), held("7JAN26-1400-P", 1.0))
    alone = answered(book(method, *positions))
    case = book(method, *positions)
    listed = case["market"]["underlyings"]
    listed["ETH"]["perpetual"]["confidence"] = 0.1
    listed["ETH"]["expiries"].append({"expiry": "2026-02-07T08:00:00Z", "confidence": 0.1})
    other = {"BTC": {"index_price": 90_000.0, "confidence": 0.1}}
    for underlyings in (other | listed, listed | other):
        case["market"]["underlyings"] = underlyings
        assert answered(case) == alone
        agrees_with_its_twin(case)


def test_DRVM_010_a_perpetual_needs_its_worst_move_and_a_share_of_the_index() -> None:
    found = answered(book("derive-pmrm", held("PERPETUAL", 1.0)))
    assert found.maintenance_requirement == pytest.approx(255.75, rel=1e-13)
    assert found.initial_requirement == pytest.approx(332.475, rel=1e-13)


def test_DRVM_011_a_confidence_below_the_threshold_is_charged_and_at_it_is_not() -> None:
    case = line("derive-pmrm-08")
    expiry = case["market"]["underlyings"]["ETH"]["expiries"][0]
    doubtful = answered(case).initial_requirement
    for field in ("confidence", "forward_confidence", "rate_confidence", "volatility_confidence"):
        del expiry["confidence"]
        expiry[field] = 0.4
        assert answered(case).initial_requirement == doubtful
        del expiry[field]
        expiry["confidence"] = 0.6
    sure = answered(case).initial_requirement
    assert sure == pytest.approx(1.3 * 79.14113200139217, rel=1e-12)
    assert doubtful == pytest.approx(sure + 450.0, rel=1e-12)


def test_DRVM_012_a_fallen_dollar_raises_the_initial_factor_alone() -> None:
    case = line("derive-pmrm-12")
    for price, factor in ((0.9, 1.46), (0.98, 1.3), (1.5, 1.3)):
        case["market"]["assets"]["USDC"]["price"] = price
        found = answered(case)
        assert found.maintenance_requirement == pytest.approx(79.14113200139217, rel=1e-12)
        assert found.initial_requirement == pytest.approx(79.14113200139217 * factor, rel=1e-12)


def test_DRVM_013_only_the_open_part_of_the_forward_is_moved() -> None:
    call, certain = held("7JAN26-1400-C", -1.0), {"implied_volatility": {"1400": 1e-4}}
    for fixed, lost in ((0.0, 225.0), (750.0, 112.5), (1500.0, 0.0)):
        found = answered(book("derive-pmrm", call, expiry={"forward_fixed": fixed} | certain))
        assert found.maintenance_requirement == pytest.approx(lost + 15.0, rel=1e-12)
    late = {"expiry": "2026-01-01T12:00:00Z", "forward_fixed": 1500.0}
    past = book("derive-pmrm", held("1JAN26-1400-C", -1.0), expiry=late)
    assert answered(past).equity == pytest.approx(-100.0, rel=1e-12)
    assert answered(past).maintenance_requirement == pytest.approx(15.0, rel=1e-12)


@pytest.mark.parametrize("method", ["derive-pmrm", "derive-pmrm2"])
def test_DRVM_014_a_negative_rate_counts_as_zero(method: str) -> None:
    positions = (held("7JAN26-1400-C", 2.0),)
    zero = answered(book(method, *positions, expiry={"rate": 0.0}))
    assert answered(book(method, *positions, expiry={"rate": -0.2})) == zero
    assert answered(book(method, *positions, expiry={"rate": 0.2})) != zero


def test_DRVM_015_naked_shorts_offset_at_one_strike_and_never_across() -> None:
    def shorts(*legs: tuple[str, float]) -> float:
        case = book("derive-pmrm", *(held(f"7JAN26-{name}", each) for name, each in legs))
        less = case | {"parameters": {"option_pct": 0.0}}
        found = answered(case).maintenance_requirement, answered(less).maintenance_requirement
        return (found[0] - found[1]) / 15.0

    assert shorts(("1500-C", -3.0), ("1500-P", 2.0)) == pytest.approx(1.0, abs=1e-10)
    assert shorts(("1500-C", -3.0), ("1500-P", 5.0)) == pytest.approx(0.0, abs=1e-10)
    assert shorts(("1500-C", -3.0), ("1500-P", -2.0)) == pytest.approx(5.0, abs=1e-10)
    assert shorts(("1500-C", -3.0), ("1400-P", 5.0)) == pytest.approx(3.0, abs=1e-10)


def test_DRVM_020_the_second_version_adds_what_initial_asks_to_maintenance() -> None:
    found = answered(line("derive-pmrm2-029"))
    assert found.equity == 10.0
    assert found.maintenance_requirement == pytest.approx(0.8 * 558.0 + 45.0, rel=1e-12)
    assert found.initial_requirement == pytest.approx(558.0 + 45.0 + 15.0, rel=1e-12)


def test_DRVM_021_doubt_of_index_or_perpetual_is_charged_once() -> None:
    found = answered(line("derive-pmrm2-030"))
    assert found.maintenance_requirement == pytest.approx(0.8 * 450.0 + 45.0, rel=1e-12)
    assert found.initial_requirement == pytest.approx(450.0 + 60.0 + 2700.0, rel=1e-12)


@pytest.mark.parametrize("direction", ["linear", "abs"])
def test_DRVM_022_a_skew_moves_perpetual_and_collateral_and_no_option(direction: str) -> None:
    def requires(*positions: Table, shock: float) -> float:
        scenarios = [{"spot_shock": shock, "volatility": direction}]
        case = book("derive-pmrm2", *positions, parameters={"scenarios": scenarios})
        agrees_with_its_twin(case)
        found = answered(case).maintenance_requirement
        assert isinstance(found, float)
        return found

    options = (held("7JAN26-1400-P", -1.0), held("7JAN26-1900-C", 3.0))
    assert requires(*options, shock=4.0) == requires(*options, shock=1.0)
    short = (held("PERPETUAL", -1.0), *options)
    moved = requires(*short, shock=2.0) - requires(*short, shock=1.5)
    assert moved == pytest.approx(0.8 * 0.5 * 1505.0, rel=1e-9)


def test_DRVM_023_what_an_entry_of_collateral_leaves_out_is_nothing_and_an_entry_is_needed() -> (
    None
):
    def asked(terms: Table | None) -> Answer:
        parameters = {} if terms is None else {"collateral": {"WSTETH": terms}}
        case = book(
            "derive-pmrm2", balances={"WSTETH": 2.0}, assets={"WSTETH": {"price": 1750.0}},
            parameters=parameters,
        )  # fmt: skip
        return answered(case)

    plain = asked({})
    assert (plain.equity, plain.initial_requirement) == (3500.0, 0.0)
    cut = asked({"initial_haircut": 0.1, "maintenance_haircut": 0.2})
    assert cut.maintenance_requirement == pytest.approx(700.0, rel=1e-12)
    assert cut.initial_requirement == pytest.approx(1050.0, rel=1e-12)
    cancels = asked({"maintenance_haircut": 0.2, "risk_cancelling": True})
    assert cancels.maintenance_requirement == pytest.approx(700.0 + 0.8 * 630.0, rel=1e-12)
    with pytest.raises(TermsError, match=r"TERM-E15.*collateral\.WSTETH"):
        asked(None)


def test_DRVM_024_a_dampening_left_out_is_one() -> None:
    call = held("7JAN26-1500-C", -1.0)
    full = {"spot_shock": 1.1, "volatility": "up"}
    once, damped = (
        answered(book("derive-pmrm2", call, parameters={"scenarios": [each]}))
        for each in (full, full | {"dampening": 1.0})
    )
    assert once == damped


def test_DRVM_025_the_last_half_hour_fixes_the_forward_second_by_second() -> None:
    def requires(expiry: str, shock: float) -> float:
        scenarios = [{"spot_shock": shock, "volatility": "none"}]
        case = book(
            "derive-pmrm2", held("1JAN26-1400-C", -1.0), expiry={"expiry": expiry},
            parameters={"scenarios": scenarios, "basis_add": 0.0, "basis_mult": 0.0,
                        "short_static_discount": 1.0, "short_rate_add": 0.0},
        )  # fmt: skip
        found = answered(case).maintenance_requirement
        assert isinstance(found, float)
        return found - 0.003 * 1500.0

    assert requires("2026-01-01T13:30:00Z", 1.2) == pytest.approx(0.8 * 300.0, rel=1e-6)
    assert requires("2026-01-01T13:15:00Z", 1.2) == pytest.approx(0.8 * 150.0, rel=1e-6)
    assert requires("2026-01-01T12:00:00Z", 1.2) == pytest.approx(0.0, abs=1e-9)


def test_DRVM_030_a_short_call_needs_its_value_and_a_share_that_falls_out_of_the_money() -> None:
    for name, initial in (("derive-srm-01", 225.0), ("derive-srm-03", 150.0)):
        found = answered(line(name))
        assert found.initial_requirement == pytest.approx(initial, rel=1e-12)
        assert found.maintenance_requirement == pytest.approx(112.5, rel=1e-12)


def test_DRVM_031_a_bounded_loss_counts_where_it_is_smaller() -> None:
    spread = book("derive-srm", held("7JAN26-1500-C", -1.0), held("7JAN26-1400-C", 1.0))
    spread["account"]["balances"]["USDC"] = 10.0
    found = answered(spread)
    assert found.native == {"initial_margin": 10.0, "maintenance_margin": 10.0}
    turned = book("derive-srm", held("7JAN26-1400-C", -1.0), held("7JAN26-1500-C", 1.0))
    assert answered(turned).native == {"initial_margin": -100.0, "maintenance_margin": -100.0}


def test_DRVM_032_a_perpetual_needs_a_share_of_its_mark_and_counts_its_gain() -> None:
    found = answered(line("derive-srm-17"))
    assert found.native["initial_margin"] == pytest.approx(-97.825 - 20.0, rel=1e-12)
    assert found.native["maintenance_margin"] == pytest.approx(-75.25 - 20.0, rel=1e-12)


def test_DRVM_033_the_credit_of_a_doubtful_coin_is_charged_and_no_credit_is_not() -> None:
    case = line("derive-srm-20")
    assert answered(case).native["initial_margin"] == pytest.approx(150.0 - 510.0, rel=1e-12)
    case["parameters"] = {"base_margin_factor": 0.0}
    assert answered(case).native == {"initial_margin": 0.0, "maintenance_margin": 0.0}


def test_DRVM_034_a_fallen_dollar_charges_shorts_and_perpetuals() -> None:
    found = answered(line("derive-srm-16"))
    assert found.initial_requirement == pytest.approx(225.0 + 0.68 * 1.2 * 1500.0, rel=1e-12)
    assert found.maintenance_requirement == pytest.approx(112.5, rel=1e-12)


def test_DRVM_035_a_long_option_needs_its_value() -> None:
    found = answered(book("derive-srm", held("7JAN26-1500-P", 2.0), underlying={"confidence": 0.1}))
    assert found.equity is not None
    assert found.equity > 50.0
    assert found.initial_requirement == found.maintenance_requirement == found.equity


def test_DRVM_040_the_auction_states_the_first_portfolio_margin_as_it_is() -> None:
    own, margin = documents().get("derive-auction"), documents().get("derive-pmrm")
    parameters = dict(own.parameters)
    parameters.pop("auction")
    assert parameters == dict(margin.parameters)
    assert {name: own.units[name] for name in margin.units} == dict(margin.units)
    assert own.rules["margin"] == margin.rules


def test_DRVM_041_a_bid_of_all_that_may_be_sold_leaves_no_buffer_missing() -> None:
    full = 0
    for seed in range(200):
        case = case_of("derive-auction", seed)
        if "bid_fraction" not in case["auction"]:
            continue
        case["auction"]["bid_fraction"] = 1.0
        case.get("parameters", {}).pop("auction", None)
        scale = 1.0 + pmrm(case)["scale"]
        native = answered(case).native
        if native["max_fraction"] > 0.0:
            full += 1
            assert native["fraction_taken"] == native["max_fraction"] <= 1.0
            assert abs(native["after"]["buffer_margin"]) < 1e-11 * scale
    assert full > 50


def test_DRVM_042_the_discount_falls_fast_then_slowly_then_rests_at_nothing() -> None:
    wanted = {
        "2026-01-01T13:00:00Z": 0.98,
        "2026-01-01T12:59:10Z": 0.89,
        "2026-01-01T12:58:20Z": 0.8,
        "2026-01-01T10:58:20Z": 0.4,
        "2026-01-01T08:58:20Z": 0.0,
        "2025-12-01T00:00:00Z": 0.0,
    }
    for started_at, discount in wanted.items():
        case = line("derive-auction-02")
        case["auction"]["started_at"] = started_at
        assert answered(case).native["discount"] == pytest.approx(discount, abs=1e-14)
    p = documents().get("derive-auction").parameters["auction"]
    assert discount_after(7_300.0, p) == pytest.approx(0.4, abs=1e-14)


def test_DRVM_043_a_start_costs_a_share_of_what_may_be_sold() -> None:
    native = answered(line("derive-auction-01")).native
    sold = native["buffer_margin"] / (native["buffer_margin"] - native["mark_to_market"])
    assert native["start_fee"] == pytest.approx(0.02 * sold * native["mark_to_market"], rel=1e-12)
    assert native["start_fee"] == pytest.approx(1.322084630165343, rel=1e-9)
    case = line("derive-auction-01")
    case["account"]["balances"]["USDC"] = 5_000.0
    assert answered(case).native["start_fee"] == 0.0


def test_DRVM_044_an_account_worth_nothing_starts_free_and_takes_no_bid() -> None:
    case = line("derive-auction-01")
    case["account"]["balances"]["USDC"] = 20.0
    assert answered(case).native["start_fee"] == 0.0
    case["auction"]["bid_fraction"] = 0.5
    with pytest.raises(InputError, match="METH-E04"):
        answered(case)
