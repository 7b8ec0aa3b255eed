"""Admission of accounts and of money that moves between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.actions.load import units_of
from steelyard.book import EXTERNAL, INSURANCE_FUND
from steelyard.engine.admit_controls import check_may_leave, check_may_load
from steelyard.engine.refusals import (
    check_bounded,
    check_value,
    listed_asset,
    listed_instrument,
    refuse,
)
from steelyard.quantities import UNITS_MAX
from steelyard.terms import FULL_MODES, AccountRecord, PositionRecord
from steelyard.terms.account import UNIT_SEPARATOR
from steelyard.ticks import AccountsLoaded, Transfer

if TYPE_CHECKING:
    from steelyard.engine.engine import Engine


def check_accounts_loaded(engine: Engine, event: AccountsLoaded) -> None:
    """Raise unless every account is new, keeps its rules and fits the integers."""
    if engine.controls.restrictions:
        check_may_load(engine, event)
    seen: dict[str, None] = {}
    for record in event.accounts:
        for unit in units_of(record):
            if unit in seen or engine.locate(unit) is not None:
                refuse(
                    "ADMT-E04", event, "accounts", f"account {unit} is opened once, a position "
                    "listed once", "drop the repeat",
                )  # fmt: skip
            seen[unit] = None
        _account_record(engine, event, record)
    for name, asset in engine.market.asset_slots.items():
        coming = sum(abs(r.balances.get(name, 0)) for r in event.accounts)  # tidy-ok: integers
        outside = abs(engine.balance(EXTERNAL, asset)) + coming
        check_bounded(event, f"accounts[].balances[{name}]", outside)


def _account_record(engine: Engine, event: AccountsLoaded, record: AccountRecord) -> None:
    name = record.account
    reserved = name in engine.ledger.balances or UNIT_SEPARATOR in name
    if reserved or not 0 < len(name) <= 64 or not name.isprintable():
        refuse(
            "ADMT-E08", event, "accounts", f"account {name!r}: 1 to 64 printable characters, no "
            "'/', not a name of the venue", "rename it",
        )  # fmt: skip
    if record.mode not in FULL_MODES:
        refuse(
            "ADMT-E08", event, f"accounts[{name}].mode", f"a mode is one of {', '.join(FULL_MODES)}",
            "correct the file",
        )  # fmt: skip
    for asset, amount in record.balances.items():
        field = f"accounts[{name}].balances[{asset}]"
        slot = listed_asset(engine, event, f"accounts[{name}].balances", asset)
        check_bounded(event, field, amount)
        if amount and engine.market.index_units[slot] <= 0:
            refuse(
                "ADMT-E03", event, field, "collateral has an index price",
                "send prices of the asset first",
            )  # fmt: skip
        if amount:
            check_value(engine, event, field, slot, amount)
    seen: dict[str, None] = {}
    for position in record.positions:
        if position.instrument in seen:
            refuse(
                "ADMT-E04", event, f"accounts[{name}].positions", f"one position in "
                f"{position.instrument} an account", "net them",
            )  # fmt: skip
        seen[position.instrument] = None
        _position_record(engine, event, name, position)
    if record.mode == "isolated":
        _isolated_margins(engine, event, record)


def _position_record(
    engine: Engine, event: AccountsLoaded, name: str, position: PositionRecord
) -> None:
    market = engine.market
    field = f"accounts[{name}].positions"
    slot = listed_instrument(engine, event, field, position.instrument)
    terms = market.instruments[slot]
    if not market.has_mark[slot] or market.is_settled[slot]:
        refuse(
            "ADMT-E03", event, field, f"{position.instrument} has a mark",
            "send its price or volatility first",
        )  # fmt: skip
    field = f"{field}[{position.instrument}]"
    in_bounds = 0 < abs(position.quantity) <= terms.position_limit
    if not in_bounds or abs(position.entry_mark) > terms.mark_max:
        refuse(
            "ADMT-E08", event, field,
            f"1 to {terms.position_limit} lots at a mark within {terms.mark_max}",
            "split the position",
        )  # fmt: skip
    sign = -1 if terms.contract_usd else 1
    if position.entry_mark * sign < (0 if terms.is_option else 1):
        refuse(
            "ADMT-E05", event, field, "an entry mark is a price: above zero, and below zero for an "
            "inverse perpetual", "correct the entry price",
        )  # fmt: skip
    if not 0 <= position.isolated_margin <= UNITS_MAX:
        refuse("ADMT-E08", event, field, "an isolated margin is not negative", "correct the file")


def _isolated_margins(engine: Engine, event: AccountsLoaded, record: AccountRecord) -> None:
    """Raise unless the balances cover what is set aside for the isolated positions."""
    aside: dict[str, int] = {}
    for position in record.positions:
        slot = engine.market.instrument_slots[position.instrument]
        asset = engine.market.instruments[slot].settlement
        aside[asset] = aside.get(asset, 0) + position.isolated_margin
    for asset, units in aside.items():
        if units > max(0, record.balances.get(asset, 0)):
            refuse(
                "ADMT-E06", event, f"accounts[{record.account}].balances[{asset}]",
                f"a balance covers the isolated margins of its positions, {units} units",
                "set less aside, or load more",
            )  # fmt: skip


def check_transfer(engine: Engine, event: Transfer) -> None:
    """Raise unless both accounts are open and what leaves is free."""
    asset = listed_asset(engine, event, "asset", event.asset)
    for field, account in (
        ("source_account", event.source_account),
        ("target_account", event.target_account),
    ):
        known = account in (EXTERNAL, INSURANCE_FUND) or engine.locate(account) is not None
        if not known and not (field == "target_account" and engine.may_open_unit(account)):
            refuse("ADMT-E03", event, field, f"account {account} is open", "open it first")
    if engine.controls.restrictions or engine.controls.overrides:
        check_may_leave(engine, event)
    if engine.market.index_units[asset] <= 0:
        refuse("ADMT-E03", event, "asset", "collateral has an index price", "send prices first")
    source, target = event.source_account, event.target_account
    if target != EXTERNAL:
        after = engine.balance(target, asset) + event.amount
        check_value(engine, event, "amount", asset, after)
    if source == EXTERNAL:
        check_bounded(event, "amount", abs(engine.balance(EXTERNAL, asset)) + event.amount)
        return
    if engine.leans_on_protected(source):
        refuse(
            "ADMT-E07", event, "source_account", "nothing leaves an account whose margin rests on "
            "a protected asset", "wait for its quorum",
        )  # fmt: skip
    if engine.missing_after_withdrawal(source, asset, event.amount) > 0:
        free = engine.withdrawable(source, asset)
        refuse(
            "ADMT-E06", event, "amount", f"at most what is free leaves; that is {free} units now",
            "send less, or reduce first",
        )  # fmt: skip
