"""What the answers ask of an engine: a market, accounts and methods as of one event, read only."""

from __future__ import annotations

from typing import Protocol

import msgspec

from steelyard.service.answers.tables import Tables
from steelyard.terms.documents import MethodDocument
from steelyard.terms.documents.library import Library
from steelyard.terms.stated import Account, Market


class Caller(Protocol):
    """Who asks: accounts is what the key may see, None for every account."""

    @property
    def accounts(self) -> frozenset[str] | None:
        """Names of the accounts that the caller may see."""


class Desk(Protocol):
    """An engine as the answers see it; everything is of one event, `as_of_seq`.

    market() is one object for as long as nothing in it changes: `tables` is kept by it.
    """

    @property
    def tables(self) -> Tables:
        """What is worked out once for each method and market."""

    def as_of_seq(self) -> int:
        """Return the number of the event after which all this was true."""

    def time_us(self) -> int:
        """Return the instant of that event, UTC microseconds since 1970."""

    def market(self) -> Market[float]:
        """Return the market."""

    def account(self, name: str) -> Account[float]:
        """Return an account. Errors: ANSW-E03 for one that does not exist."""

    def accounts(self) -> tuple[str, ...]:
        """Return the names of all accounts."""

    def method_of(self, account: str) -> MethodDocument:
        """Return the document that an account is margined under. Errors: ANSW-E03."""

    def documents(self) -> Library:
        """Return the library of margin methods."""

    def instruments(self) -> tuple[str, ...]:
        """Return the names of all contracts, those that are held among them."""


class Context(msgspec.Struct, frozen=True):
    """What a handler is told beside its parameters: who asks, whom it asks, and when."""

    session: Caller
    desk: Desk
    time_us: int
