"""Who is asked about, under which method, in which currency: the head of every answer."""

from __future__ import annotations

from collections.abc import Container, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from steelyard.margin.methods.batch.alone import beyond
from steelyard.margin.methods.registry import core_of
from steelyard.quantities.errors import InputError, SteelyardError
from steelyard.service.answers.desk import Context, Desk
from steelyard.service.answers.failures import no_account, which_account, wrong_currency
from steelyard.terms.account import owner_of
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Account, Case, Market, parse_contract

OF_A_LEDGER = (
    "margin_balance", "order_margin", "spot_margin", "mmp_margin", "open_orders_margin",
    "correlation_contingency",
)  # fmt: skip


class Scope(NamedTuple):
    """An account under a method; account holds what is margined: all of it, or one ledger.

    currency: what amounts are in; cash: the asset that trades are paid in; is_ledger: whether the method
    keeps a ledger for each coin.
    """

    name: str
    document: MethodDocument
    account: Account[Any]
    currency: str
    cash: str
    is_ledger: bool


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What every answer carries: scope, currency, and what exactly it was worked out with.

    as_of_seq: the event after which it was true; as_of_us: its instant; method_hash: SHA-256 of the document.
    """

    account: str
    currency: str
    method: str
    version: str
    method_hash: str
    as_of_seq: int
    as_of_us: int


def head_of(context: Context, scope: Scope) -> dict[str, Any]:
    """Return the fields of `Head`."""
    desk, document = context.desk, scope.document
    return {
        "account": scope.name,
        "currency": scope.currency,
        "method": document.name,
        "version": document.version,
        "method_hash": document.digest(),
        "as_of_seq": desk.as_of_seq(),
        "as_of_us": desk.time_us(),
    }


def scope_of(
    context: Context, account: str | None, currency: str | None, method: str | None = None,
    version: str | None = None, coin: str | None = None,
) -> Scope:  # fmt: skip
    """Return what a question is about; the method is the account's own unless another is named.

    A method that settles in coins keeps a ledger for each: the currency names it, and the account is what
    belongs to it. Any other method takes the account whole, in the currency of the method. coin: the ledger
    where the question names no currency.
    Errors: ANSW-E02, ANSW-E03, ANSW-E04, TERM-E16, METH-E04 for amounts given to several ledgers.
    """
    name = named(context, account)
    stated = context.desk.account(name)
    document = (
        context.desk.method_of(name)
        if method is None
        else context.desk.documents().get(method, version)
    )
    cash = str(document.rules.get("settlement", document.currency))
    if cash == "underlying":
        known = context.desk.market().underlyings
        return _ledger(name, document, stated, coin if currency is None else currency, known)
    kept_in = document.currency
    if kept_in == "underlying":  # a venue's own core that answers in the contract's coin
        return Scope(name, document, stated, currency or "", currency or "", False)
    if currency is not None and currency not in (kept_in, cash, "CROSS"):
        raise wrong_currency(currency, document.name, kept_in)
    return Scope(name, document, stated, kept_in, cash, False)


def named(context: Context, account: str | None) -> str:
    """Return the account asked about: the one named, or the only one of the key. ANSW-E02, ANSW-E03."""
    seen = context.session.accounts
    if account is None:
        names = context.desk.accounts() if seen is None else tuple(seen)
        if len(names) != 1:
            raise which_account()
        return names[0]
    if not may_see(seen, account, context.desk):
        raise no_account(account)
    return account


def may_see(seen: Container[str] | None, account: str, desk: Desk) -> bool:
    """Tell whether a key sees an account, there or not; of an engine also a margin unit of one it sees."""
    if seen is None or account in seen:
        return True
    return getattr(desk, "units", None) is not None and owner_of(account) in seen


def _ledger(
    name: str,
    document: MethodDocument,
    stated: Account[Any],
    currency: str | None,
    known: Container[str],
) -> Scope:
    """Return the ledger of a coin: its contracts and its balance."""
    coins = dict.fromkeys(
        [*(_underlying(each.instrument) for each in stated.positions), *stated.balances]
    )
    if currency is None:
        if len(coins) != 1:
            raise wrong_currency(None, document.name, " and ".join(sorted(coins)) or "its coin")
        currency = next(iter(coins))
    if currency not in coins and currency not in known:
        raise wrong_currency(currency, document.name, " and ".join(sorted(coins)) or "its coin")
    positions = tuple(
        each for each in stated.positions if _underlying(each.instrument) in (currency, "")
    )
    balances = {asset: held for asset, held in stated.balances.items() if asset == currency}
    if len(positions) == len(stated.positions) and len(balances) == len(stated.balances):
        return Scope(name, document, stated, currency, currency, True)
    for field in OF_A_LEDGER:
        if getattr(stated, field) is not None:
            raise InputError(
                "METH-E04", f"account.{field} belongs to one ledger, and the account has {len(coins)}",
                rule=f"{document.name} keeps a ledger for each underlying",
                cure="state the ledgers as accounts of their own", field=f"account.{field}",
            )  # fmt: skip
    ledger = replace(stated, positions=positions, balances=balances)
    return Scope(name, document, ledger, currency, currency, True)


def _underlying(name: str) -> str:
    """Return the underlying of a contract, "" of a name that is none: margining says what is wrong."""
    try:
        return parse_contract(name).underlying
    except SteelyardError:
        return ""


def case_of(context: Context, scope: Scope, account: Account[Any] | None = None) -> Case[Any]:
    """Return the case that the numbers of a question are those of `margin_of` for.

    A ledger without contracts stands in the market of its own coin alone, which says what it is kept in.
    Numbers are of the kind that the core takes: floats, or the shortest decimals that name them.
    """
    stated: Account[Any] = scope.account if account is None else account
    market: Market[Any] = context.desk.market()
    own = market.underlyings.get(scope.currency)
    if scope.is_ledger and not stated.positions and own is not None:
        market = replace(market, underlyings={scope.currency: own})
    number = core_of(scope.document).number
    if number is not float:
        market = context.desk.tables.market_in(context.desk.market(), number)
        stated = account_in(stated, number)
    return Case(scope.name, scope.document.name, market=market, account=stated)


@contextmanager
def within_numbers(scope: Scope) -> Iterator[None]:
    """Turn a result that no number holds into METH-E05 with the account."""
    try:
        yield
    except ArithmeticError:
        raise beyond(scope.name) from None


def ratio_of(equity: float | None, keep: float | None) -> float | None:
    """Return equity / maintenance requirement, None without either: liquidatable below 1."""
    return None if equity is None or keep is None or not keep > 0.0 else equity / keep


def account_in(account: Account[Any], number: type[Any]) -> Account[Any]:
    """Return an account in float or Decimal. Errors: METH-E05.

    >>> from decimal import Decimal
    >>> account_in(Account(balances={"USDC": 0.1}), Decimal).balances
    {'USDC': Decimal('0.1')}
    """
    kind: Any = Account[number]  # type: ignore[valid-type]
    try:
        found: Account[Any] = msgspec.convert(msgspec.to_builtins(account), kind, strict=False)
    except msgspec.ValidationError as error:
        raise InputError(
            "METH-E05", f"the account does not fit: {error}", rule="quantities are finite numbers",
            cure="mend the account", field="account",
        ) from None  # fmt: skip
    return found
