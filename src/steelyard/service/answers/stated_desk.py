"""A desk over a market and accounts as somebody states them: no engine, one instant."""

from __future__ import annotations

from collections.abc import Mapping

from steelyard.margin.methods.cures.quotes import known_contracts
from steelyard.service.answers.failures import no_account
from steelyard.service.answers.tables import Tables
from steelyard.terms.documents import MethodDocument, documents
from steelyard.terms.documents.library import Library
from steelyard.terms.stated import Account, Case, Market, instant_us

KINDS = frozenset({"perpetual", "future", "option"})


class StatedDesk:
    """A `Desk` that knows what it was told: a market, accounts by name, and their methods.

    methods: the document of each account; those it leaves out are under `method`.

    >>> from steelyard.terms.stated import Perpetual, Position, Underlying
    >>> market = Market("2026-06-01T08:00:00Z",
    ...                 underlyings={"BTC": Underlying(70_000.0, perpetual=Perpetual(70_000.0))})
    >>> amy = Account(balances={"USDC": 20_000.0}, positions=(Position("BTC-PERPETUAL", 1.0),))
    >>> desk = StatedDesk(market, {"amy": amy}, documents().get("paradex-pm"))
    >>> desk.accounts(), desk.instruments(), desk.method_of("amy").name
    (('amy',), ('BTC-PERPETUAL',), 'paradex-pm')
    """

    def __init__(
        self,
        market: Market[float],
        accounts: Mapping[str, Account[float]],
        method: MethodDocument,
        *,
        methods: Mapping[str, MethodDocument] | None = None,
        library: Library | None = None,
        as_of_seq: int = 0,
    ) -> None:
        self._accounts = dict(accounts)
        self._method = method
        self._methods = dict(methods or {})
        self._library = library or documents()
        self._tables = Tables()
        self.restate(market, as_of_seq)

    def restate(self, market: Market[float], as_of_seq: int) -> None:
        """Take another market, as of another event."""
        self._market = market
        self._seq = as_of_seq
        self._time_us = instant_us(market.as_of, "market.as_of") if market.as_of else 0
        known = known_contracts(Case("desk", "", market=market), KINDS, False)
        held = [each.instrument for one in self._accounts.values() for each in one.positions]
        self._instruments = tuple(dict.fromkeys([*known, *held]))

    @property
    def tables(self) -> Tables:
        """What is worked out once for each method and market."""
        return self._tables

    def as_of_seq(self) -> int:
        """Return the number of the event."""
        return self._seq

    def time_us(self) -> int:
        """Return the market's instant, 0 where it states none."""
        return self._time_us

    def market(self) -> Market[float]:
        """Return the market."""
        return self._market

    def account(self, name: str) -> Account[float]:
        """Return an account. Errors: ANSW-E03."""
        if name not in self._accounts:
            raise no_account(name)
        return self._accounts[name]

    def accounts(self) -> tuple[str, ...]:
        """Return the names of the accounts."""
        return tuple(self._accounts)

    def method_of(self, account: str) -> MethodDocument:
        """Return the document of an account. Errors: ANSW-E03."""
        if account not in self._accounts:
            raise no_account(account)
        return self._methods.get(account, self._method)

    def documents(self) -> Library:
        """Return the library."""
        return self._library

    def instruments(self) -> tuple[str, ...]:
        """Return the contracts that the market knows, then what else is held."""
        return self._instruments
