"""The closed tree of expected failures.

    SteelyardError                 every expected failure: a stable code, the rule, the cure, where
    ├── InputError      TICK-…     an event, file or argument that breaks a stated rule
    ├── TermsError      TERM-…     an asset, instrument, account or method that does not fit its definition
    ├── JournalError    JOUR-…     the journal cannot be trusted, opened or written
    ├── LedgerError     LEDG-…     a posting that would not balance or would leave the integer bounds
    └── MarketError     MARK-…     a mark, forward or volatility that is needed and is not there

An *impossible* failure (money that does not sum to zero after an event was applied) is not in
this tree: it raises `InvariantError`, the engine stops and the journal is kept.
"""

from __future__ import annotations


class SteelyardError(Exception):
    """An expected failure with a stable code, the rule it breaks and the cure.

    `where` holds what locates it (file, row, field, account, seq …), in the order given.

    >>> e = InputError("TICK-E03", "price is negative", rule="a price is above zero",
    ...                cure="drop the row or mend the source", row=7, field="price")
    >>> print(e)
    TICK-E03: price is negative (row=7, field=price). Rule: a price is above zero. \
Cure: drop the row or mend the source.
    """

    def __init__(self, code: str, message: str, *, rule: str, cure: str, **where: object) -> None:
        self.code = code
        self.message = message
        self.rule = rule
        self.cure = cure
        self.where = where
        place = ", ".join(f"{key}={value}" for key, value in where.items())
        located = f"{message} ({place})" if place else message
        super().__init__(f"{code}: {located}. Rule: {rule}. Cure: {cure}.")

    def as_dict(self) -> dict[str, object]:
        """Return the failure as a JSON-ready mapping with string values for `where`."""
        return {
            "code": self.code,
            "message": self.message,
            "where": {key: str(value) for key, value in self.where.items()},
            "rule": self.rule,
            "cure": self.cure,
        }


class InputError(SteelyardError):
    """An event, a file or an argument breaks a stated rule."""


class TermsError(SteelyardError):
    """An asset, instrument, account or method does not fit its definition."""


class JournalError(SteelyardError):
    """The journal cannot be opened, trusted or written."""


class LedgerError(SteelyardError):
    """A posting would not balance, or would leave the integer bounds."""


class MarketError(SteelyardError):
    """A mark, forward or volatility that is needed is not there."""


class InvariantError(AssertionError):
    """Something impossible happened: the engine stops and keeps its journal."""
