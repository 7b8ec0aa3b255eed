"""Admission: what an event must keep against the state of the engine before it is journaled.

After admission an event can be applied; nothing below refuses it half-way. Errors, all InputError:
    ADMT-E01 time goes backwards        ADMT-E05 price is absurd or from the future
    ADMT-E02 duplicate of its origin    ADMT-E06 not enough margin or free balance
    ADMT-E03 unknown name               ADMT-E07 protected: no new risk
    ADMT-E04 listed already             ADMT-E08 beyond a limit
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from steelyard.actions.load import units_of
from steelyard.book import EXTERNAL, MARKET
from steelyard.engine.prices import price_to_mark
from steelyard.quantities import UNITS_MAX, InputError
from steelyard.terms import AccountRecord, Instrument
from steelyard.terms.account import UNIT_SEPARATOR, unit_name
from steelyard.ticks import (
    AccountsLoaded,
    AssetListed,
    Event,
    Fill,
    Funding,
    InstrumentsListed,
    OrderCancelled,
    OrderPlaced,
    ParameterChange,
    PriceTick,
    QuoteTick,
    SourceListed,
    Transfer,
    VolatilityUpdate,
    check_event,
)

if TYPE_CHECKING:
    from steelyard.engine.engine import Engine

FUTURE_US_MAX = 5_000_000
INDEX_UNITS_MAX = 90_000_000_000
ORDERS_PER_UNIT_MAX = 1_000


def admit(engine: Engine, event: Event) -> None:
    """Raise the first rule an event breaks; return nothing if it may be applied."""
    check_event(event)
    if event.time_us < engine.market.time_us:
        _refuse("ADMT-E01", event, "time_us", "time never goes backwards", "send events in order")
    last = engine.origin_seqs.get(event.origin, -1)
    if event.origin_seq <= last:
        _refuse(
            "ADMT-E02", event, "origin_seq", f"a sender's numbers rise; the last was {last}",
            "drop the repeat",
        )  # fmt: skip
    rule = _RULES.get(type(event))
    if rule is not None:
        rule(engine, event)


def _asset_listed(engine: Engine, event: AssetListed) -> None:
    event.asset.check()
    if event.asset.name in engine.market.asset_slots:
        _refuse("ADMT-E04", event, "asset", "an asset is listed once", "drop the event")


def _source_listed(engine: Engine, event: SourceListed) -> None:
    _asset(engine, event, "asset", event.asset)
    if event.asset == "USDC":
        _refuse(
            "ADMT-E03", event, "asset", "the accounting asset needs no source", "drop the event"
        )


def _instruments_listed(engine: Engine, event: InstrumentsListed) -> None:
    seen: dict[str, Instrument] = {}
    for instrument in event.instruments:
        _asset(engine, event, "underlying", instrument.underlying)
        settlement = _asset(engine, event, "settlement", instrument.settlement)
        instrument.check(engine.market.assets[settlement])
        if instrument.name in engine.market.instrument_slots or instrument.name in seen:
            _refuse(
                "ADMT-E04", event, "instruments", f"{instrument.name} is listed once",
                "drop the repeat",
            )  # fmt: skip
        seen[instrument.name] = instrument


def _accounts_loaded(engine: Engine, event: AccountsLoaded) -> None:
    seen: dict[str, None] = {}
    for record in event.accounts:
        for unit in units_of(record):
            if unit in seen or engine.locate(unit) is not None:
                _refuse(
                    "ADMT-E04", event, "accounts", f"account {unit} is opened once, a position "
                    "listed once", "drop the repeat",
                )  # fmt: skip
            seen[unit] = None
        _account_record(engine, event, record)


def _account_record(engine: Engine, event: AccountsLoaded, record: AccountRecord) -> None:
    name = record.account
    reserved = name in engine.ledger.balances or UNIT_SEPARATOR in name
    if reserved or not 0 < len(name) <= 64 or not name.isprintable():
        _refuse(
            "ADMT-E08", event, "accounts", f"account {name!r}: 1 to 64 printable characters, no "
            "'/', not a name of the venue", "rename it",
        )  # fmt: skip
    market = engine.market
    for asset, amount in record.balances.items():
        slot = _asset(engine, event, f"accounts[{name}].balances", asset)
        if not -UNITS_MAX < amount < UNITS_MAX:
            _refuse(
                "ADMT-E08", event, f"accounts[{name}].balances[{asset}]",
                "a balance stays within 2^62 units", "list the asset with a coarser unit",
            )  # fmt: skip
        if amount and market.index_units[slot] <= 0:
            _refuse(
                "ADMT-E03", event, f"accounts[{name}].balances[{asset}]",
                "collateral has an index price", "send prices of the asset first",
            )  # fmt: skip
    seen: dict[str, None] = {}
    for position in record.positions:
        slot = _instrument(engine, event, f"accounts[{name}].positions", position.instrument)
        terms = market.instruments[slot]
        if position.instrument in seen:
            _refuse(
                "ADMT-E04", event, f"accounts[{name}].positions", f"one position in "
                f"{position.instrument} an account", "net them",
            )  # fmt: skip
        seen[position.instrument] = None
        if not market.has_mark[slot] or market.is_settled[slot]:
            _refuse(
                "ADMT-E03", event, f"accounts[{name}].positions", f"{position.instrument} has a mark",
                "send its price or volatility first",
            )  # fmt: skip
        in_bounds = 0 < abs(position.quantity) <= terms.position_limit
        if not in_bounds or abs(position.entry_mark) > terms.mark_max:
            _refuse(
                "ADMT-E08", event, f"accounts[{name}].positions[{position.instrument}]",
                f"1 to {terms.position_limit} lots at a mark within {terms.mark_max}",
                "split the position",
            )  # fmt: skip
        if not 0 <= position.isolated_margin <= UNITS_MAX:
            _refuse(
                "ADMT-E08", event, f"accounts[{name}].positions[{position.instrument}]",
                "an isolated margin is not negative", "correct the file",
            )  # fmt: skip


def _price_tick(engine: Engine, event: PriceTick) -> None:
    slot = _asset(engine, event, "asset", event.asset)
    market = engine.market
    if event.source not in market.readings[slot]:
        _refuse(
            "ADMT-E03", event, "source", f"{event.source} is listed as a source of {event.asset}",
            "list the source first",
        )  # fmt: skip
    _not_future(event, event.exchange_time_us)
    if event.price * 10 ** market.assets[slot].price_exponent > INDEX_UNITS_MAX:
        _refuse(
            "ADMT-E05", event, "price", "a price fits the asset's scale",
            "list the asset with a smaller price exponent",
        )  # fmt: skip
    if not market.is_protected[slot]:
        factor = engine.method.index.price_jump_factor
        ratio = event.price / market.index_price(slot)
        if not 1.0 / factor <= ratio <= factor:
            _refuse(
                "ADMT-E05", event, "price", f"a price within {factor:g}× of a healthy index",
                "mend the source; a true move of this size first protects the asset",
            )  # fmt: skip


def _quote_tick(engine: Engine, event: QuoteTick) -> None:
    slot = _instrument(engine, event, "instrument", event.instrument)
    if engine.market.instruments[slot].is_option:
        _refuse(
            "ADMT-E03", event, "instrument", "quotes are of perpetuals; options are marked from "
            "their implied volatility", "send a VolatilityUpdate",
        )  # fmt: skip
    _not_future(event, event.exchange_time_us)


def _volatility_update(engine: Engine, event: VolatilityUpdate) -> None:
    slot = _asset(engine, event, "underlying", event.underlying)
    for name in event.instruments:
        i = _instrument(engine, event, "instruments", name)
        if not engine.market.instruments[i].is_option or engine.market.underlying_of[i] != slot:
            _refuse(
                "ADMT-E03", event, "instruments", f"{name} is an option on {event.underlying}",
                "drop the row",
            )  # fmt: skip
    _not_future(event, event.exchange_time_us)


def _order_placed(engine: Engine, event: OrderPlaced) -> None:
    slot = _instrument(engine, event, "instrument", event.instrument)
    unit = _trading_unit(engine, event, "account", event.account, event.instrument)
    place = engine.locate(unit)
    assert place is not None
    book, row = place
    held = book.position(row, slot)[0]
    reduces = held != 0 and (held > 0) != (event.quantity > 0) and abs(event.quantity) <= abs(held)
    if abs(held + event.quantity) > engine.market.instruments[slot].position_limit:
        _refuse(
            "ADMT-E08", event, "quantity", "a position stays in its limit", "place a smaller one"
        )
    if len(book.orders.get(row, {})) >= ORDERS_PER_UNIT_MAX:
        _refuse("ADMT-E08", event, "order", f"at most {ORDERS_PER_UNIT_MAX} orders", "cancel some")
    if reduces and not book.orders.get(row):
        return
    if engine.market.is_protected[engine.market.underlying_of[slot]]:
        _refuse(
            "ADMT-E07", event, "instrument", "a protected asset takes no new risk",
            "wait for its quorum, or reduce",
        )  # fmt: skip
    price_mark = price_to_mark(engine.market.instruments[slot], event.price)
    short = engine.margin_missing_with_order(unit, event.order, slot, event.quantity, price_mark)
    if short > 0:
        _refuse(
            "ADMT-E06", event, "quantity", f"the initial requirement is covered; {short} micro-USDC "
            "are missing", "deposit, reduce, or place a smaller order",
        )  # fmt: skip


def _order_cancelled(engine: Engine, event: OrderCancelled) -> None:
    place = engine.locate_order(event.account, event.order)
    if place is None:
        _refuse("ADMT-E03", event, "order", "the order rests", "drop the event")


def _fill(engine: Engine, event: Fill) -> None:
    slot = _instrument(engine, event, "instrument", event.instrument)
    terms = engine.market.instruments[slot]
    if not engine.market.has_mark[slot] or engine.market.is_settled[slot]:
        _refuse("ADMT-E03", event, "instrument", "the instrument trades", "drop the event")
    for field, account, lots in (
        ("buyer", event.buyer, event.quantity),
        ("seller", event.seller, -event.quantity),
    ):
        if account == MARKET:
            continue
        unit = _trading_unit(engine, event, field, account, event.instrument)
        place = engine.locate(unit)
        assert place is not None
        if abs(place[0].position(place[1], slot)[0] + lots) > terms.position_limit:
            _refuse(
                "ADMT-E08", event, "quantity", "a position stays in its limit", "bust the trade"
            )
    if not 0 < abs(price_to_mark(terms, event.price)) <= terms.mark_max:
        _refuse("ADMT-E05", event, "price", "a price fits the instrument's scale", "bust the trade")


def _transfer(engine: Engine, event: Transfer) -> None:
    asset = _asset(engine, event, "asset", event.asset)
    for field, account in (("source_account", event.source_account),
                           ("target_account", event.target_account)):  # fmt: skip
        known = account == EXTERNAL or account == "insurance_fund" or engine.locate(account)
        if not known and not (field == "target_account" and engine.may_open_unit(account)):
            _refuse("ADMT-E03", event, field, f"account {account} is open", "open it first")
    if engine.market.index_units[asset] <= 0:
        _refuse("ADMT-E03", event, "asset", "collateral has an index price", "send prices first")
    target = event.target_account
    if target != EXTERNAL and engine.balance(target, asset) + event.amount >= UNITS_MAX:
        _refuse("ADMT-E08", event, "amount", "a balance stays within 2^62 units", "send less")
    if event.source_account == EXTERNAL:
        return
    free = engine.withdrawable(event.source_account, asset)
    if event.amount > free:
        _refuse(
            "ADMT-E06", event, "amount", f"at most what is free leaves; that is {free} units now",
            "send less, or reduce first",
        )  # fmt: skip


def _funding(engine: Engine, event: Funding) -> None:
    slot = _instrument(engine, event, "instrument", event.instrument)
    if engine.market.instruments[slot].is_option:
        _refuse("ADMT-E03", event, "instrument", "funding is of perpetuals", "drop the event")
    if engine.market.is_protected[engine.market.underlying_of[slot]]:
        _refuse("ADMT-E07", event, "instrument", "funding waits for a quorum", "send it later")


def _parameter_change(engine: Engine, event: ParameterChange) -> None:
    engine.method.with_parameter(event.path, event.value_json)


_RULES: dict[type[Event], Callable[[Engine, Any], None]] = {
    AssetListed: _asset_listed,
    SourceListed: _source_listed,
    InstrumentsListed: _instruments_listed,
    AccountsLoaded: _accounts_loaded,
    PriceTick: _price_tick,
    QuoteTick: _quote_tick,
    VolatilityUpdate: _volatility_update,
    OrderPlaced: _order_placed,
    OrderCancelled: _order_cancelled,
    Fill: _fill,
    Transfer: _transfer,
    Funding: _funding,
    ParameterChange: _parameter_change,
}


def _asset(engine: Engine, event: Event, field: str, name: str) -> int:
    slot = engine.market.asset_slots.get(name)
    if slot is None:
        _refuse("ADMT-E03", event, field, f"asset {name} is listed", "list it first")
    return slot


def _instrument(engine: Engine, event: Event, field: str, name: str) -> int:
    slot = engine.market.instrument_slots.get(name)
    if slot is None:
        _refuse("ADMT-E03", event, field, f"instrument {name} is listed", "list it first")
    return slot


def _trading_unit(engine: Engine, event: Event, field: str, account: str, instrument: str) -> str:
    """Return the margin unit that trades for an account: itself, or its isolated position."""
    unit = engine.trading_unit(account, instrument)
    if unit is None:
        isolated = engine.locate(account) is not None
        wanted = unit_name(account, instrument) if isolated else account
        cure = "transfer its isolated margin first" if isolated else "open it first"
        _refuse("ADMT-E03", event, field, f"margin unit {wanted} is open", cure)
    return unit


def _not_future(event: Event, exchange_time_us: int) -> None:
    if exchange_time_us > event.time_us + FUTURE_US_MAX:
        _refuse(
            "ADMT-E05", event, "exchange_time_us", "exchange time is at most 5 s after receipt",
            "set the sender's clock",
        )  # fmt: skip


def _refuse(code: str, event: Event, field: str, rule: str, cure: str) -> NoReturn:
    raise InputError(
        code,
        f"{type(event).__name__} of {event.origin} refused",
        rule=rule,
        cure=cure,
        origin=event.origin,
        origin_seq=event.origin_seq,
        field=field,
    )
