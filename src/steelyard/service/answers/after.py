"""The account that a simulation is about: the stated one after trades at the mark.

A trade at the mark leaves equity as it is: an option's premium is paid from cash, or received, what is
linear is entered at its mark, and a profit made so far stays. What a perpetual has gained since its entry
is kept by averaging the entry when the trade adds to it (by value where the method counts in coins), and
is paid to cash for the part that the trade closes.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, nan
from typing import Any

from msgspec.structs import replace

from steelyard.margin.methods.core.instruments import Instruments
from steelyard.margin.methods.core.prepared import Prepared
from steelyard.margin.methods.core.rules import Compiled
from steelyard.margin.methods.cures.desks import LEDGERS
from steelyard.margin.methods.cures.ledgers import Ledger
from steelyard.margin.methods.cures.quotes import Quote
from steelyard.margin.methods.moving_counting import Counting
from steelyard.margin.methods.moving_positions import expiry_of, mark_of
from steelyard.margin.methods.registry import margin_of
from steelyard.quantities.errors import InputError, SteelyardError
from steelyard.service.answers.failures import cannot
from steelyard.service.answers.tables import counting, reads_marks
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import (
    Account,
    Case,
    Contract,
    Market,
    Position,
    instant_us,
    parse_contract,
)

Sizes = Sequence[tuple[str, float]]


def case_after(case: Case[Any], document: MethodDocument, sizes: Sizes, cash: str) -> Case[Any]:
    """Return a case whose account has traded `sizes` at the mark; without sizes the case itself.

    A quantity that is no number, or a contract that is none, is put in as it stands: margining the case
    says what is wrong. Errors: ANSW-E06 where the method trades nothing, METH-E02 without a mark.
    """
    if not sizes:
        return case
    if document.core == "scenario":
        account = account_after(case.account, case.market, document, sizes, cash)
        return replace(case, account=account)
    ledger_of = LEDGERS.get(document.core)
    if ledger_of is None:
        raise cannot(
            f"{document.name} answers about one event of an account, not about trades",
            "a simulation is under a method that margins accounts", "name another method", "method",
        )  # fmt: skip
    try:
        return _booked(ledger_of(case, document, cash), case, sizes)
    except (ArithmeticError, ValueError):
        margin_of(case, document)  # says which number of the account is none
        raise cannot(
            f"the trades cannot be booked under {document.name}", "amounts are finite numbers",
            "bring the account and the sizes nearer to what a market shows", "simulated_positions",
        ) from None  # fmt: skip


def _booked(ledger: Ledger, case: Case[Any], sizes: Sizes) -> Case[Any]:
    """Return the case after trades at the mark, as the ledger of a venue's own core keeps them."""
    changed = ledger.settled(case)
    seen: set[str] = set()
    for name, size in sizes:
        if name in seen or not (isfinite(size) and _is_listed(name, case.market, ledger.covers)):
            # Margining it says what is wrong.
            more = Position(name, ledger.number(repr(size)) if isfinite(size) else size)
            positions = (*changed.account.positions, more)
            changed = replace(changed, account=replace(changed.account, positions=positions))
            continue
        seen.add(name)
        quote: Quote = ledger.quote(changed, name)
        changed = ledger.booked(changed, quote, ledger.number(repr(size)))
    return changed


def account_after(
    account: Account[float], market: Market[float], document: MethodDocument, sizes: Sizes, cash: str
) -> Account[float]:  # fmt: skip
    """Return a scenario method's account after trades at the mark, new positions in their order.

    An option's mark is that of the position where it states one and the method reads it, else the method's
    own value. What has no mark is paid with nothing: the requirement is no number then.
    """
    values = option_values(market, document, sizes)
    is_read = reads_marks(document)
    held = {each.instrument: i for i, each in enumerate(account.positions)}
    positions = list(account.positions)
    total = 0.0
    seen: set[str] = set()
    for name, size in sizes:
        at = held.get(name) if name not in seen else None
        seen.add(name)
        value = values.get(name)
        if at is None:
            mark = value if value is not None and is_read and isfinite(value) else None
            positions.append(Position(name, 0.0 + size, mark_price=mark))
            paid = 0.0 if value is None else size * value
        else:
            position = positions[at]
            if value is None:
                positions[at], paid = filled(position, size, market, counting(document))
            else:
                if is_read and position.mark_price is not None:
                    value = position.mark_price
                elif is_read and isfinite(value):
                    position = replace(position, mark_price=value)
                positions[at] = replace(position, quantity=position.quantity + size)
                paid = size * value
        total += paid
    if isfinite(total) and total != 0.0:
        balances = account.balances | {cash: account.balances.get(cash, 0.0) - total}
        account = replace(account, balances=balances)
    return replace(account, positions=tuple(positions))


def filled(
    position: Position[float], size: float, market: Market[float], counts: Counting
) -> tuple[Position[float], float]:
    """Return a linear position after a trade at the mark, and what the trade pays, less than 0: receives.

    >>> from steelyard.terms.stated import Perpetual, Underlying
    >>> market = Market(underlyings={"BTC": Underlying(100.0, perpetual=Perpetual(100.0))})
    >>> filled(Position("BTC-PERPETUAL", 2.0, entry_price=90.0), -1.0, market, Counting())
    (Position(instrument='BTC-PERPETUAL', quantity=1.0, entry_price=90.0, mark_price=None, \
unrealised_pnl=None, unrealised_funding=None, isolated_margin=None, leverage=None, contract=None, \
bankruptcy_price=None, account=None, delta=None), -10.0)
    """
    held, entry = position.quantity, position.entry_price
    total = held + size
    plain = replace(position, quantity=total)
    if entry is None or position.unrealised_pnl is not None or held == 0.0 or size == 0.0:
        return plain, 0.0
    found = mark_of(position, parse_contract(position.instrument), market, counts)
    mark = nan if found is None else float(found)
    if not (isfinite(mark) and mark > 0.0 and entry > 0.0 and isfinite(total)):
        return plain, 0.0
    if held * size > 0.0:
        average = (
            total / (held / entry + size / mark)
            if counts.is_coin_settled
            else (held * entry + size * mark) / total
        )
        return replace(plain, entry_price=average), 0.0
    closed = held if held * total <= 0.0 else -size
    gain = closed * (mark / entry - 1.0) if counts.is_coin_settled else closed * (mark - entry)
    return replace(plain, entry_price=mark if held * total < 0.0 else entry), -gain


def option_values(
    market: Market[float], document: MethodDocument, sizes: Sizes
) -> dict[str, float]:
    """Return what the method says each option is worth, NaN where it cannot; options only."""
    options = [name for name, _ in sizes if _is_option(name)]
    if not options:
        return {}
    compiled = Compiled(document)
    try:
        instruments = Instruments(market, options, (), is_single=compiled.is_single)
        value = Prepared(compiled, instruments).model_value
    except (SteelyardError, ArithmeticError):
        return dict.fromkeys(options, nan)  # what stops the table stops margining the account too
    return {name: float(value[instruments.place[name]]) for name in options}


def first_unpriced(
    market: Market[Any], document: MethodDocument, sizes: Sizes
) -> SteelyardError | None:
    """Return METH-E02 for the first option that the method has no value of, so nothing to trade it at."""
    if document.core != "scenario":
        return None
    for name, value in option_values(market, document, sizes).items():
        if not isfinite(value):
            return InputError(
                "METH-E02", f"a trade in {name} has no price, and no mark of it is known",
                rule="a simulated position is traded at the mark",
                cure="state the volatility and the forward of its expiry",
                field=f"simulated_positions.{name}",
            )  # fmt: skip
    return None


def without_next_expiry(account: Account[Any], market: Market[Any]) -> Account[Any]:
    """Return the account without what expires first: where its projected numbers come from."""
    now = instant_us(market.as_of, "market.as_of") if market.as_of else 0
    ends: list[int | None] = []
    for position in account.positions:
        expiry = expiry_of(parse_contract(position.instrument), market)
        end = None if expiry is None else max(now, instant_us(expiry.expiry, "expiry"))
        ends.append(end)
    dated = [end for end in ends if end is not None]
    if not dated:
        return account
    first = min(dated)
    kept = tuple(each for each, end in zip(account.positions, ends, strict=True) if end != first)
    return replace(account, positions=kept)


def _is_listed(name: str, market: Market[Any], covers: frozenset[str]) -> bool:
    """Tell whether a method covers a contract of an underlying that the market has."""
    try:
        contract = parse_contract(name)
    except SteelyardError:
        return False
    return contract.kind in covers and contract.underlying in market.underlyings


def _is_option(name: str) -> bool:
    try:
        contract: Contract = parse_contract(name)
    except SteelyardError:
        return False
    return contract.kind == "option"
