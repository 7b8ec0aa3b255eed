"""The ledger: double entry in integer units, the market as an account.

Every posting set sums to zero per asset. Margin units keep their balances in the columns of the
book; the accounts of the venue itself are here. `external` is the world outside: deposits leave it
negative, so that the whole still sums to zero.
"""

from __future__ import annotations

from collections.abc import Iterable

from steelyard.quantities import UNITS_MAX, InvariantError, LedgerError

MARKET = "market"
INSURANCE_FUND = "insurance_fund"
FEES = "fees"
DUST = "dust"
EXTERNAL = "external"
BAD_DEBT = "bad_debt"

SYSTEM_ACCOUNTS = (BAD_DEBT, DUST, EXTERNAL, FEES, INSURANCE_FUND, MARKET)
"""In the order they are hashed. `bad_debt` is negative by what no resource has covered."""

Posting = tuple[str, int, int]
"""(account, asset slot, signed ledger units)."""


class SystemLedger:
    """Balances of the venue's own accounts, and the market's positions per instrument slot."""

    def __init__(self) -> None:
        self.balances: dict[str, list[int]] = {name: [] for name in SYSTEM_ACCOUNTS}
        self.market_quantity: list[int] = []
        self.market_cost: list[int] = []

    def widen(self, assets: int, instruments: int) -> None:
        """Give every account a zero for assets and instruments listed since."""
        for row in self.balances.values():
            row.extend([0] * (assets - len(row)))
        self.market_quantity.extend([0] * (instruments - len(self.market_quantity)))
        self.market_cost.extend([0] * (instruments - len(self.market_cost)))

    def post(self, account: str, asset: int, amount: int) -> None:
        """Add `amount` to a system account; the caller has balanced the set."""
        self.balances[account][asset] += amount


def check_balanced(postings: Iterable[Posting]) -> None:
    """Stop the engine unless the postings sum to zero per asset.

    >>> check_balanced([("a", 0, 5), ("market", 0, -5)])
    """
    sums: dict[int, int] = {}
    for _, asset, amount in postings:
        sums[asset] = sums.get(asset, 0) + amount
    for asset, total in sums.items():
        if total != 0:
            raise InvariantError(f"postings of asset slot {asset} sum to {total}, not zero")


def check_bounds(account: str, balance: int) -> None:
    """Raise LEDG-E01 if a balance would leave the integer bounds."""
    if abs(balance) > UNITS_MAX:
        raise LedgerError(
            "LEDG-E01",
            f"the balance of {account} would be {balance} units",
            rule="a balance stays within 2^62 units",
            cure="list the asset with a coarser unit",
            account=account,
        )
