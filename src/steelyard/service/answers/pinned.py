"""A desk that stays at one event: what a thread works on while the engine goes on.

What a call needs is taken from the desk at once, on the thread that owns it: the market, the time, the library,
and the statements of the accounts that the call may touch. None of these objects is changed afterwards by
anybody; what is worked out from them is kept in tables of the desk's own, so two threads never share any.
"""

from __future__ import annotations

from collections.abc import Iterable

from steelyard.quantities.errors import SteelyardError
from steelyard.service.answers.desk import Desk
from steelyard.service.answers.engine_desk import EngineDesk
from steelyard.service.answers.failures import no_account
from steelyard.service.answers.scope import may_see
from steelyard.service.answers.tables import Tables
from steelyard.service.answers.units import Units
from steelyard.terms.documents import MethodDocument
from steelyard.terms.documents.library import Library
from steelyard.terms.stated import Account, Market


class PinnedDesk:
    """A `Desk` of what another one was, for the accounts named; of the others the names alone.

    names: accounts a call may touch; one that is not there is not there later either. tables: of the one
    thread that will use this desk, new ones where none are given. Of an engine's desk the columns are copied, and
    stated only if that thread asks for a statement.

    >>> from steelyard.service.answers.stated_desk import StatedDesk
    >>> from steelyard.terms.documents import documents
    >>> amy, before = Account(balances={"USDC": 5.0}), Market("2026-06-01T08:00:00Z")
    >>> desk = StatedDesk(before, {"amy": amy, "bob": amy}, documents().get("paradex-pm"), as_of_seq=7)
    >>> pinned = PinnedDesk(desk, ["amy"])
    >>> desk.restate(Market("2026-06-01T08:00:01Z"), 8)
    >>> pinned.as_of_seq(), pinned.market() is before, pinned.account("amy") is amy
    (7, True, True)
    >>> pinned.account("bob")
    Traceback (most recent call last):
    steelyard.quantities.errors.InputError: ANSW-E03: there is no account 'bob' for this key \
(field=account). Rule: a key sees its own accounts. Cure: name one of them.
    """

    def __init__(self, desk: Desk, names: Iterable[str], tables: Tables | None = None) -> None:
        self._seq = desk.as_of_seq()
        self._time_us = desk.time_us()
        self._library = desk.documents()
        self._names = desk.accounts()
        self._tables = tables or Tables()
        self._accounts: dict[str, Account[float]] = {}
        self._methods: dict[str, MethodDocument] = {}
        self.units: Units | None = None
        if isinstance(desk, EngineDesk):
            self._desk: Desk | None = desk.pinned(names)
            self.units = self._desk.units
            return
        self._desk = None
        self._market = desk.market()
        self._instruments = desk.instruments()
        for name in names:
            try:
                self._accounts[name] = desk.account(name)
                self._methods[name] = desk.method_of(name)
            except SteelyardError:  # it is not there: the call is told so when it asks
                continue

    @property
    def tables(self) -> Tables:
        """What is worked out once for each method and market, of this desk's thread."""
        return self._tables

    @tables.setter
    def tables(self, tables: Tables) -> None:
        self._tables = tables

    def as_of_seq(self) -> int:
        """Return the number of the event."""
        return self._seq

    def time_us(self) -> int:
        """Return the instant of that event."""
        return self._time_us

    def market(self) -> Market[float]:
        """Return the market as it was."""
        return self._market if self._desk is None else self._desk.market()

    def account(self, name: str) -> Account[float]:
        """Return an account as it was. Errors: ANSW-E03, also for one that was not named."""
        if self._desk is not None:
            return self._desk.account(name)
        if name not in self._accounts:
            raise no_account(name)
        return self._accounts[name]

    def accounts(self) -> tuple[str, ...]:
        """Return the names of all accounts."""
        return self._names

    def method_of(self, account: str) -> MethodDocument:
        """Return the document of an account. Errors: ANSW-E03."""
        if self._desk is not None:
            return self._desk.method_of(account)
        if account not in self._methods:
            raise no_account(account)
        return self._methods[account]

    def documents(self) -> Library:
        """Return the library."""
        return self._library

    def instruments(self) -> tuple[str, ...]:
        """Return the names of all contracts."""
        return self._instruments if self._desk is None else self._desk.instruments()


def touched(params: object, accounts: frozenset[str] | None, desk: Desk) -> tuple[str, ...]:
    """Return the accounts that a call may touch: those its params name, or the caller's only one.

    accounts: what the caller may see, None for every account; what it may not see is left out.

    >>> from types import SimpleNamespace
    >>> asked = SimpleNamespace(account=None, accounts=["amy", "bob"])
    >>> desk = SimpleNamespace(accounts=lambda: ("amy", "bob", "cleo"))
    >>> touched(asked, frozenset({"bob"}), desk), touched(SimpleNamespace(), None, desk)
    (('bob',), ())
    """
    named: list[str] = []
    for field in ("account", "unit"):
        value = getattr(params, field, None)
        named += [value] if isinstance(value, str) else []
    for field in ("accounts", "units"):
        value = getattr(params, field, None)
        named += value if isinstance(value, list | tuple) else []
    if not named:
        known = desk.accounts() if accounts is None else tuple(accounts)
        named = [*known] if len(known) == 1 else []
    return tuple(
        dict.fromkeys(
            name for name in named if isinstance(name, str) and may_see(accounts, name, desk)
        )
    )
