"""Derive's Dutch auction of an account that is short of margin under its first portfolio margin.

The auction sells a fraction of the whole account at a discount that falls with time. Its size is bounded
by f_max, the fraction after which the buffer margin is zero. Quantities are those of `derive-pmrm`: V the
equity, MM what is left of it after the maintenance requirement. Only the solvent phase (V > 0) is covered.
Source: the contracts of Derive v2, DutchAuction.
"""

from __future__ import annotations

import msgspec

from steelyard.margin.methods.answer import Answer
from steelyard.margin.methods.core.answering import answer as margin_answer
from steelyard.margin.methods.needs import refuse
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Account, Case, instant_us

Number = float


class Question(msgspec.Struct, frozen=True):
    """The table `auction` of a case: when it began; with a bid, its fraction and the reserved cash."""

    started_at: str | None = None
    bid_fraction: float | None = None
    reserved_cash: float = 0.0


class Terms(msgspec.Struct, frozen=True):
    """The auction's parameters: discounts and fractions in [0, 1], times in seconds."""

    start_discount: float
    fast_cutoff_discount: float
    fast_seconds: float
    slow_seconds: float
    fee_rate: float
    buffer: float


class State(msgspec.Struct, frozen=True):
    """An account's V (equity), MM (what is left after the maintenance requirement) and BM."""

    mark_to_market: float
    maintenance_margin: float
    buffer_margin: float


_QUESTION = msgspec.json.Decoder(Question | None)


def answer(case: Case[float], document: MethodDocument) -> Answer:
    """Return the start fee of an auction, or what a bid in it takes, costs and leaves.

    Errors: METH-E02 without the table `auction`, METH-E04 for a bid where V ≤ 0, METH-E05 for numbers
    out of bounds, and those of the margin method.
    """
    question = _question(case)
    terms = msgspec.convert(document.parameters["auction"], Terms)
    margin = msgspec.structs.replace(document, rules=document.rules["margin"])
    state = _state(case, margin, terms)
    if question.bid_fraction is None:
        return Answer(currency=document.currency, native=_told(state) | _start(state, terms))
    _check_solvent(state)
    seconds = _elapsed(case, question)
    discount = discount_at(terms, seconds)
    reserved = question.reserved_cash
    most = largest_fraction(state, discount, reserved)
    taken = min(question.bid_fraction, most)
    cost = (state.mark_to_market - reserved) * discount * taken
    after = _state(_sold(case, taken, reserved, cost), margin, terms)
    left = _told(after) | {"max_fraction": largest_fraction(after, discount, reserved + cost)}
    return Answer(
        currency=document.currency,
        native=_told(state)
        | {
            "discount": discount,
            "max_fraction": most,
            "fraction_taken": taken,
            "bid_cost": cost,
            "after": left,
        },
    )


def discount_at(terms: Terms, seconds: float) -> float:
    """Return the discount after some seconds: a fast fall, a slow one to zero, then zero.

    >>> terms = Terms(0.98, 0.8, 100.0, 14400.0, 0.02, 0.2)
    >>> [round(discount_at(terms, t), 3) for t in (0, 50, 100, 7300, 20000)]
    [0.98, 0.89, 0.8, 0.4, 0.0]
    """
    if seconds < terms.fast_seconds:
        fall = terms.start_discount - terms.fast_cutoff_discount
        return terms.start_discount - fall * seconds / terms.fast_seconds
    later = seconds - terms.fast_seconds
    if later < terms.slow_seconds:
        return terms.fast_cutoff_discount * (1.0 - later / terms.slow_seconds)
    return 0.0


def largest_fraction(state: State, discount: float, reserved: float) -> float:
    """Return f_max = BM / (BM − V·d − R·(1 − d)), 0 where BM ≥ 0: the fraction that leaves BM = 0.

    >>> round(largest_fraction(State(120.0, -100.0, -144.0), 0.98, 0.0), 6)
    0.550459
    """
    if state.buffer_margin >= 0.0:
        return 0.0
    price = state.mark_to_market * discount + reserved * (1.0 - discount)
    return state.buffer_margin / (state.buffer_margin - price)


def _question(case: Case[float]) -> Question:
    try:
        question: Question | None = _QUESTION.decode(case.auction)
    except msgspec.ValidationError as error:
        refuse(
            "METH-E02", f"auction: {error}",
            "it has started_at, and for a bid bid_fraction and reserved_cash",
            "write the table so", "auction",
        )  # fmt: skip
    if question is None:
        refuse(
            "METH-E02", "auction is missing", "the method answers a question about an auction",
            "state auction.started_at, and auction.bid_fraction for a bid", "auction",
        )  # fmt: skip
    if question.bid_fraction is not None and not 0.0 <= question.bid_fraction <= 1.0:
        refuse(
            "METH-E05", f"auction.bid_fraction is {question.bid_fraction}",
            "a fraction lies in [0, 1]", "mend the value", "auction.bid_fraction",
        )  # fmt: skip
    return question


def _check_solvent(state: State) -> None:
    """Raise METH-E04 for a bid in an account that owes more than it holds: that phase is another."""
    if state.mark_to_market <= 0.0 and state.buffer_margin < 0.0:
        refuse(
            "METH-E04", f"the account is worth {state.mark_to_market}",
            "bids are covered while the account is worth more than nothing",
            "ask for the start alone, or mend the balances", "auction.bid_fraction",
        )  # fmt: skip


def _elapsed(case: Case[float], question: Question) -> float:
    if question.started_at is None:
        refuse(
            "METH-E02", "auction.started_at is missing", "a bid comes some time after the start",
            "state auction.started_at", "auction.started_at",
        )  # fmt: skip
    microseconds = instant_us(case.market.as_of) - instant_us(
        question.started_at, "auction.started_at"
    )
    if microseconds < 0:
        refuse(
            "METH-E05", "the auction starts after market.as_of",
            "a bid comes after the start", "mend auction.started_at", "auction.started_at",
        )  # fmt: skip
    return microseconds / 1e6


def _state(case: Case[float], margin: MethodDocument, terms: Terms) -> State:
    found = margin_answer(case, margin)
    # The scenario core answers with both, or with an error.
    value = float(found.equity or 0.0)
    left = value - float(found.maintenance_requirement or 0.0)
    return State(value, left, left + terms.buffer * (left - value))


def _start(state: State, terms: Terms) -> dict[str, float]:
    value = state.mark_to_market
    fee = largest_fraction(state, 1.0, 0.0) * abs(value) * terms.fee_rate if value > 0.0 else 0.0
    return {"start_fee": fee}


def _told(state: State) -> dict[str, float]:
    return {name: getattr(state, name) for name in State.__struct_fields__}


def _sold(case: Case[float], taken: float, reserved: float, cost: float) -> Case[float]:
    """Return the case after the bid: all but the reserved cash shrinks, and the bid's cost is paid in."""
    kept = 1.0 - taken
    account = case.account
    cash = account.balances.get("USDC", 0.0)
    balances = {name: amount * kept for name, amount in account.balances.items()}
    balances["USDC"] = (cash - reserved) * kept + reserved + cost
    positions = tuple(
        msgspec.structs.replace(
            position,
            quantity=position.quantity * kept,
            unrealised_pnl=None
            if position.unrealised_pnl is None
            else position.unrealised_pnl * kept,
        )
        for position in account.positions
    )
    sold: Account[float] = msgspec.structs.replace(account, balances=balances, positions=positions)
    return msgspec.structs.replace(case, account=sold)
