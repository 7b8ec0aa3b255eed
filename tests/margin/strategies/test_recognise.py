"""Strategies by their names, with the worked numbers."""

from __future__ import annotations

import pytest

from steelyard.margin.strategies import Leg, Strategy, recognise
from steelyard.quantities import TermsError
from tests.margin.strategies.books import FAR, coin, future, option, perpetual


def one(*legs: Leg) -> Strategy:
    """Return the one strategy that a book is."""
    found = recognise(legs)
    assert found.rest == ()
    assert found.is_proven_least
    [strategy] = found.strategies
    return strategy


def names(*legs: Leg) -> list[tuple[str, str, float]]:
    """Return name, side and quantity of each strategy."""
    return [(s.name, s.side, s.quantity) for s in recognise(legs).strategies]


@pytest.mark.parametrize(
    ("letter", "low", "name", "side"),
    [
        ("C", 1, "bull call spread", "long"),
        ("C", -1, "bear call spread", "short"),
        ("P", 1, "bull put spread", "short"),
        ("P", -1, "bear put spread", "long"),
    ],
)
def test_STRT_020_verticals(letter: str, low: int, name: str, side: str) -> None:
    marks = (2_900, 1_700) if letter == "C" else (1_700, 2_900)
    found = one(
        option(60_000, letter, low * 2.0, marks[0]), option(65_000, letter, -low * 2.0, marks[1])
    )
    assert (found.name, found.side, found.quantity, found.width) == (name, side, 2.0, 5_000.0)
    assert found.is_defined_risk
    assert found.cost == (2_400 if side == "long" else -2_400)
    losses = (2_400, 7_600) if side == "long" else (7_600, 2_400)
    assert (found.maximum_loss, found.maximum_gain) == losses
    assert found.break_evens == ((61_200,) if letter == "C" else (63_800,))


def test_STRT_020_two_instruments_of_one_strike_offset_each_other() -> None:
    a = option(60_000, "C", 1, 2_900)
    b = Leg("the same elsewhere", "option", "BTC", a.expiry_us, 60_000.0, True, -1.0, mark=2_800.0)
    assert one(a, b).name == "offset calls"
    assert one(a, b).maximum_loss == 100


def test_STRT_021_butterflies() -> None:
    found = one(
        option(60_000, "C", 1, 2_000), option(65_000, "C", -2, 900), option(70_000, "C", 1, 600)
    )
    assert (found.name, found.side, found.quantity, found.width) == (
        "call butterfly", "long", 1.0, 5_000.0,
    )  # fmt: skip
    assert (found.maximum_loss, found.maximum_gain) == (800, 4_200)
    assert found.break_evens == (60_800, 69_200)
    sold = one(option(60_000, "P", -1), option(65_000, "P", 2), option(72_000, "P", -1))
    assert (sold.name, sold.side, sold.width) == ("broken-wing put butterfly", "short", 7_000)
    assert (sold.maximum_loss, sold.maximum_gain) == (7_000, 0)


@pytest.mark.parametrize("letter", ["C", "P"])
def test_STRT_021_condors(letter: str) -> None:
    kind = "call" if letter == "C" else "put"
    signs = zip((55_000, 60_000, 65_000, 70_000), (1, -1, -1, 1), strict=True)
    found = one(*(option(strike, letter, sign) for strike, sign in signs))
    assert (found.name, found.side, found.width) == (f"{kind} condor", "long", 5_000)
    assert (found.maximum_loss, found.maximum_gain) == (0, 5_000)
    signs = zip((55_000, 60_000, 65_000, 80_000), (-1, 1, 1, -1), strict=True)
    broken = one(*(option(strike, letter, sign) for strike, sign in signs))
    assert (broken.name, broken.side) == (f"broken-wing {kind} condor", "short")


def test_STRT_022_irons() -> None:
    condor = [
        option(50_000, "P", 1, 300),
        option(55_000, "P", -1, 800),
        option(65_000, "C", -1, 900),
        option(70_000, "C", 1, 400),
    ]
    found = one(*condor)
    assert (found.name, found.side, found.width) == ("iron condor", "short", 5_000)
    assert (found.maximum_loss, found.maximum_gain) == (4_000, 1_000)
    assert found.break_evens == (54_000, 66_000)
    butterfly = [option(60_000, "P", -1, 800), option(60_000, "C", -1, 900)]
    wings = [option(55_000, "P", 1, 300), option(65_000, "C", 1, 400)]
    assert one(*butterfly, *wings).name == "iron butterfly"
    assert one(*butterfly, wings[0], condor[3]).name == "broken-wing iron butterfly"
    bought = one(
        option(50_000, "P", -1, 300),
        option(55_000, "P", 1, 800),
        option(65_000, "C", 1, 900),
        option(80_000, "C", -1, 400),
    )
    assert (bought.name, bought.side) == ("broken-wing iron condor", "long")
    assert (bought.maximum_loss, bought.maximum_gain) == (1_000, 14_000)


@pytest.mark.parametrize("linear", [coin, perpetual, future])
def test_STRT_023_with_what_is_linear(linear: type) -> None:
    call, put = option(65_000, "C", -1, 900), option(55_000, "P", 1, 900)
    covered = one(linear(1.0), call)
    assert (covered.name, covered.maximum_loss, covered.maximum_gain) == (
        "covered call", 59_100, 5_900,
    )  # fmt: skip
    protected = one(linear(1.0), put)
    assert (protected.name, protected.maximum_loss, protected.maximum_gain) == (
        "protective put", 5_900, None,
    )  # fmt: skip
    collar = one(linear(1.0), call, put)
    assert (collar.name, collar.side, collar.width) == ("collar", "long", 10_000)
    assert (collar.maximum_loss, collar.maximum_gain) == (5_000, 5_000)
    conversion = one(linear(1.0), option(55_000, "C", -1, 5_900), put)
    assert (conversion.name, conversion.maximum_loss, conversion.maximum_gain) == (
        "conversion", 0, 0,
    )  # fmt: skip


def test_STRT_023_mirror_images() -> None:
    bought = option(65_000, "C", 1, 900)
    assert one(perpetual(-1), bought).name == "protective call"
    assert one(perpetual(-1), bought).maximum_loss == 5_900
    covered_put = one(perpetual(-1), option(55_000, "P", -1, 900))
    assert (covered_put.name, covered_put.is_defined_risk) == ("covered put", False)
    collar = one(perpetual(-1), bought, option(55_000, "P", -1, 900))
    assert (collar.name, collar.side, collar.maximum_loss) == ("collar", "short", 5_000)
    reversal = one(perpetual(-1), bought, option(65_000, "P", -1, 5_900))
    assert (reversal.name, reversal.maximum_loss) == ("reversal", 0)


def test_STRT_023_what_is_linear_alone_is_the_rest() -> None:
    found = recognise([coin(2), perpetual(-1), option(65_000, "C", -1, 900)])
    assert [s.name for s in found.strategies] == ["covered call"]
    assert sorted((leg.kind, leg.quantity) for leg in found.rest) in (
        [("coin", 1.0), ("perpetual", -1.0)],
        [("coin", 2.0)],
    )
    assert recognise([coin(2)]).rest == (coin(2),)
    assert recognise([]).strategies == recognise([]).rest == ()


@pytest.mark.parametrize(("high", "loss"), [(4_400, -1_000), (5_500, 100)])
def test_STRT_024_a_box(high: float, loss: float) -> None:
    legs = [
        option(55_000, "C", 1, high),
        option(60_000, "C", -1, 900),
        option(55_000, "P", -1, 300),
        option(60_000, "P", 1, 800),
    ]
    found = one(*legs)
    assert (found.name, found.side, found.width) == ("box", "long", 5_000)
    assert (found.maximum_loss, found.maximum_gain, found.break_evens) == (loss, -loss, ())
    sold = one(*(option(x.strike, x.instrument[-1], -x.quantity, x.mark) for x in legs))
    assert (sold.name, sold.side, sold.maximum_loss) == ("box", "short", -loss)


def test_STRT_025_named_though_unbounded() -> None:
    for legs, name, side in (
        ((option(60_000, "P", -1), option(60_000, "C", -1)), "straddle", "short"),
        ((option(55_000, "P", -1), option(65_000, "C", -1)), "strangle", "short"),
        ((option(65_000, "P", -1), option(55_000, "C", -1)), "guts", "short"),
        ((option(60_000, "C", 1), option(65_000, "C", -2)), "call ratio spread", "short"),
        ((option(60_000, "C", 1), option(65_000, "C", -3)), "call ratio spread", "short"),
        ((option(60_000, "C", -1), option(60_000, "P", 1)), "synthetic forward", "short"),
        ((option(65_000, "C", -1), option(55_000, "P", 1)), "risk reversal", "short"),
        ((option(65_000, "C", -1.5),), "naked short call", "short"),
    ):
        found = one(*legs)
        assert (found.name, found.side) == (name, side)
        assert (found.is_defined_risk, found.maximum_loss, found.bound) == (False, None, None)
        assert "beyond the last strike" in found.reason


def test_STRT_025_named_and_bounded() -> None:
    for legs, name, loss in (
        ((option(60_000, "P", 1, 5), option(60_000, "C", 1, 5)), "straddle", 10),
        ((option(55_000, "P", 1, 5), option(65_000, "C", 1, 5)), "strangle", 10),
        ((option(60_000, "P", -1, 5), option(60_000, "C", 1, 5)), "synthetic forward", 60_000),
        ((option(55_000, "P", -1, 5), option(65_000, "C", 1, 5)), "risk reversal", 55_000),
        ((option(60_000, "P", 1, 5), option(55_000, "P", -2, 5)), "put ratio spread", 49_995),
        ((option(60_000, "P", -1, 5), option(55_000, "P", 2, 5)), "put backspread", 5_005),
        ((option(60_000, "P", -1, 5),), "naked short put", 59_995),
        ((option(60_000, "C", 1, 5),), "long call", 5),
    ):
        found = one(*legs)
        assert (found.name, found.maximum_loss, found.reason) == (name, loss, "")
    back = one(option(60_000, "C", -1, 1_000), option(65_000, "C", 2, 2_000))
    assert (back.name, back.maximum_loss, back.maximum_gain) == ("call backspread", 8_000, None)


def test_STRT_026_calendars_and_diagonals() -> None:
    put = option(60_000, "P", -1, 1_000)
    found = one(put, option(60_000, "P", 1, 2_500, expiry=FAR))
    assert (found.name, found.side, found.width) == ("put calendar", "long", 0)
    assert (found.is_defined_risk, found.maximum_loss, found.bound) == (False, None, 61_500)
    assert (found.maximum_gain, found.break_evens) == (None, ())
    assert "different times" in found.reason
    diagonal = one(put, option(55_000, "P", 1, 2_500, expiry=FAR))
    assert (diagonal.name, diagonal.width) == ("put diagonal", 5_000)
    call = one(option(60_000, "C", 1, 1_000), option(60_000, "C", -1, 2_500, expiry=FAR))
    assert (call.name, call.side, call.bound) == ("call calendar", "short", None)


def test_STRT_026_the_nearest_strikes_pair_first() -> None:
    book = [
        option(60_000, "C", -1, 1_000),
        option(60_000, "P", -1, 1_000),
        option(60_000, "C", 2, 2_500, expiry=FAR),
        option(60_000, "P", 1, 2_500, expiry=FAR),
        option(50_000, "P", 1, 900, expiry=FAR),
    ]
    assert sorted(names(*book)) == [
        ("call calendar", "long", 1.0),
        ("put calendar", "long", 1.0),
        ("strangle", "long", 1.0),
    ]


def test_STRT_027_break_evens() -> None:
    coins = one(option(60_000, "C", -1, 0.05, coins=True), option(65_000, "C", 1, 0.02, coins=True))
    assert coins.currency == "BTC"
    assert coins.break_evens == (6_000_000 / 97, 500_000 / 3)
    straddle = one(option(60_000, "C", 1, 2_000), option(60_000, "P", 1, 1_000))
    assert straddle.break_evens == (57_000, 63_000)
    # Worth its cost over an interval: the ends of it.
    free = one(option(60_000, "C", 1, 700), option(65_000, "C", -1, 700))
    assert free.break_evens == (60_000,)


def test_STRT_012_put_spreads_in_coins_by_name() -> None:
    sold = one(option(60_000, "P", -1, 0.05, coins=True), option(50_000, "P", 1, 0.02, coins=True))
    assert (sold.name, sold.is_defined_risk, sold.maximum_loss) == ("bull put spread", False, None)
    assert "10,000/S BTC" in sold.reason
    bought = one(
        option(60_000, "P", 1, 0.05, coins=True), option(50_000, "P", -1, 0.02, coins=True)
    )
    assert (bought.name, bought.maximum_loss, bought.maximum_gain) == (
        "bear put spread", 0.03, None,
    )  # fmt: skip
    iron = one(
        option(50_000, "P", 1, 0.01, coins=True),
        option(55_000, "P", -1, 0.02, coins=True),
        option(65_000, "C", -1, 0.02, coins=True),
        option(70_000, "C", 1, 0.01, coins=True),
    )
    assert (iron.name, iron.is_defined_risk) == ("iron condor", False)


def test_STRT_034_lots() -> None:
    long, short = option(60_000, "C", 0.1 + 0.2), option(65_000, "C", -0.3)
    assert one(long, short).quantity == 0.3
    with pytest.raises(TermsError, match="TERM-E45"):
        recognise([option(60_000, "C", 0.15)], lot=0.1)
    with pytest.raises(TermsError, match="TERM-E45"):
        recognise([coin(1e-9)])
    with pytest.raises(TermsError, match="TERM-E45"):
        recognise([coin(1e10)])
    for lot in (0.0, -1.0, float("nan")):
        with pytest.raises(TermsError, match="TERM-E45"):
            recognise([coin(1.0)], lot=lot)
    assert recognise([coin(1e10)], lot=1.0).rest == (coin(1e10),)


def test_STRT_035_a_wrong_leg_is_refused() -> None:
    with pytest.raises(TermsError, match="TERM-E44"):
        recognise([option(0.0, "C", 1)])
    with pytest.raises(TermsError, match="TERM-E47"):
        recognise([option(1.0 + k, "C", 1) for k in range(10_001)])


def test_STRT_037_coins_cover_the_expiry_that_sells_calls() -> None:
    book = [
        coin(2),
        option(65_000, "C", -1, 900),
        option(50_000, "P", 1, 100),
        option(65_000, "C", -1, 1_900, expiry=FAR),
    ]
    assert sorted(names(*book)) == [("collar", "long", 1.0), ("covered call", "long", 1.0)]
    only_far = [coin(1), option(50_000, "P", 1, 100), option(65_000, "C", -1, expiry=FAR)]
    assert sorted(names(*only_far)) == [("covered call", "long", 1.0), ("long put", "long", 1.0)]
