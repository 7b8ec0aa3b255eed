"""Strategies as others read them: a mapping ready for JSON, with one sentence for each strategy."""

from __future__ import annotations

from decimal import Decimal

from steelyard.margin.strategies import Leg, Recognition, Strategy
from steelyard.margin.strategies.payoff import currency_of

PLACES = 10
"""Significant digits of an amount in a sentence; the fields beside it hold every digit."""

NOTHING = 1e-12
"""Share of what a strategy costs or is wide, below which an amount is rounding."""


def describe(recognition: Recognition) -> dict[str, object]:
    """Return a recognition as a mapping of texts, booleans, lists and None, ready for JSON.

    Decimals are strings that give the same float back; an amount stands beside its currency. What does
    not exist is None: the maximum loss of a naked short call, the break-even of a box, the currency of a
    book that settles in several.

    >>> from steelyard.margin.strategies import recognise
    >>> buy = Leg("C60", "option", "BTC", 1, 60000.0, True, 1.0, mark=2900.0)
    >>> sell = Leg("C65", "option", "BTC", 1, 65000.0, True, -1.0, mark=1700.0)
    >>> print(describe(recognise([buy, sell]))["strategies"][0]["sentence"])
    Long bull call spread on BTC, quantity 1, 5,000 USD wide, costs 1,200 USD: loses at most \
1,200 USD; gains at most 3,800 USD; even at 61,200.
    """
    return {
        "strategies": [_strategy(strategy) for strategy in recognition.strategies],
        "rest": [_leg(leg) for leg in recognition.rest],
        "is_proven_least": recognition.is_proven_least,
        "currency": currency_of(_legs(recognition)),
        "maximum_loss": _text(recognition.maximum_loss),
        "sentence": book_sentence(recognition),
    }


def book_sentence(recognition: Recognition) -> str:
    """Return what the whole book can lose, as one sentence."""
    loss = recognition.maximum_loss
    if loss is None:
        return "The book has no maximum loss."
    currency = currency_of(_legs(recognition))
    if loss < 0.0:
        return f"The book gains at least {_short(-loss)} {currency} from its marks."
    return f"The book loses at most {_short(loss)} {currency} from its marks."


def _legs(recognition: Recognition) -> list[Leg]:
    return [*(leg for each in recognition.strategies for leg in each.legs), *recognition.rest]


def sentence(strategy: Strategy) -> str:
    """Return what a strategy is, costs, and can lose and gain, as one sentence."""
    currency = strategy.currency
    name = strategy.name
    if strategy.side in ("long", "short") and strategy.side not in name.split():
        name = f"{strategy.side} {name}"
    words = [f"{name[0].upper()}{name[1:]} on {strategy.underlying}"]
    words.append(f"quantity {_short(strategy.quantity)}")
    if strategy.width:
        words.append(f"{_short(strategy.width)} USD wide")
    if strategy.cost:
        verb = "costs" if strategy.cost > 0.0 else "brought in"
        words.append(f"{verb} {_short(abs(strategy.cost))} {currency}")
    return f"{', '.join(words)}: {_outcome(strategy)}."


def _outcome(strategy: Strategy) -> str:
    """Return what it can lose and gain, and where it is even."""
    currency = strategy.currency
    loss, gain = (
        _settled(strategy.maximum_loss, strategy),
        _settled(strategy.maximum_gain, strategy),
    )
    if loss is None:
        words = [f"no maximum loss, for {strategy.reason}"]
        if strategy.bound is not None:
            amount = _short(strategy.bound)
            words.append(f"each expiry held alone, it loses at most {amount} {currency}")
    elif loss < 0.0:
        words = [f"gains at least {_short(-loss)} {currency}"]
    else:
        words = [f"loses at most {_short(loss)} {currency}"]
    if len({leg.expiry_us for leg in strategy.legs if leg.expiry_us}) > 1:
        return "; ".join(words)
    if gain is None:
        words.append("gains without bound")
    elif gain < 0.0:
        words.append(f"loses at least {_short(-gain)} {currency}")
    else:
        words.append(f"gains at most {_short(gain)} {currency}")
    if strategy.break_evens:
        words.append(f"even at {' and '.join(_short(price) for price in strategy.break_evens)}")
    return "; ".join(words)


def _settled(amount: float | None, strategy: Strategy) -> float | None:
    """Return an amount for a sentence: what the rounding of the marks leaves of nothing is nothing."""
    scale = max(abs(strategy.cost), strategy.quantity * strategy.width)
    return 0.0 if amount is not None and abs(amount) < NOTHING * scale else amount


def _strategy(strategy: Strategy) -> dict[str, object]:
    return {
        "name": strategy.name,
        "side": strategy.side,
        "underlying": strategy.underlying,
        "currency": strategy.currency,
        "quantity": _text(strategy.quantity),
        "width": _text(strategy.width),
        "cost": _text(strategy.cost),
        "is_defined_risk": strategy.is_defined_risk,
        "maximum_loss": _text(strategy.maximum_loss),
        "maximum_gain": _text(strategy.maximum_gain),
        "break_evens": [_text(price) for price in strategy.break_evens],
        "bound_by_expiry": _text(strategy.bound),
        "reason": strategy.reason,
        "legs": [_leg(leg) for leg in strategy.legs],
        "sentence": sentence(strategy),
    }


def _leg(leg: Leg) -> dict[str, object]:
    """Return a leg; what an option alone has is left out of others."""
    result: dict[str, object] = {
        "instrument": leg.instrument,
        "kind": leg.kind,
        "underlying": leg.underlying,
        "quantity": _text(leg.quantity),
        "mark": _text(leg.mark),
        "is_coin_settled": leg.is_coin_settled,
    }
    if leg.expiry_us:
        result["expiry_us"] = leg.expiry_us
    if leg.is_option:
        result |= {"strike": _text(leg.strike), "is_call": leg.is_call}
    return result


def _text(value: float | None) -> str | None:
    """Return the shortest plain decimal of a float."""
    if value is None:
        return None
    text = format(Decimal(repr(float(value))), "f")
    return text.removesuffix(".0")


def _short(value: float) -> str:
    """Return at most ten significant digits, with thousands apart."""
    rounded = Decimal(f"{value:.{PLACES}g}")
    text = f"{rounded:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
