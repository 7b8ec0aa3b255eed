"""The argument that asks for generated accounts instead of a file: `population:10000`."""

from __future__ import annotations

from steelyard.lab.population import COUNT_MAX
from steelyard.quantities import InputError

PREFIX = "population:"


def parse_accounts_argument(text: str) -> int | None:
    """Return how many accounts to generate, or None if the text names a file.

    Errors: LABS-E04 a population without a whole number of accounts within 1 to 5,000,000.

    >>> parse_accounts_argument("population:10000"), parse_accounts_argument("book.parquet")
    (10000, None)
    """
    if not text.startswith(PREFIX):
        return None
    digits = text[len(PREFIX) :]
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 9):
        raise _refused(text)
    count = int(digits)
    if not 0 < count <= COUNT_MAX:
        raise _refused(text)
    return count


def _refused(text: str) -> InputError:
    return InputError(
        "LABS-E04",
        f"{text!r} is not a population",
        rule=f"{PREFIX} is followed by a whole number of accounts, 1 to {COUNT_MAX}",
        cure="write for example population:10000",
        field="accounts",
    )
