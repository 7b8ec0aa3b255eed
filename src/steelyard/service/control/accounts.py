"""Accounts: who there is and in which state, what one has and needs, and money that comes and goes."""

from __future__ import annotations

from typing import Annotated, Literal, cast

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import Field

from steelyard.book import EXTERNAL
from steelyard.engine.engine import Engine
from steelyard.margin import Part
from steelyard.publish import account_view
from steelyard.publish.views import money
from steelyard.quantities import from_units, parse_units
from steelyard.service.control.answers import as_of, read, written
from steelyard.service.control.asking import Paged, Question
from steelyard.service.control.errors import not_fit, unknown
from steelyard.service.control.guard import Asking, ControlRoute, asking, stated
from steelyard.service.control.roster import Filter, Roster, Sort
from steelyard.service.control.shapes import (
    Amount,
    Asked,
    AssetName,
    Count,
    Name,
    Page,
    Positive,
    Reading,
    Told,
    amount,
    exampled,
)
from steelyard.service.control.telling import described
from steelyard.terms import AccountRecord, MarginMode
from steelyard.terms.account import owner_of, unit_name
from steelyard.ticks import AccountsLoaded, Transfer

router = APIRouter(route_class=ControlRoute, tags=["accounts"])

State = Literal[
    "healthy", "warning", "margin_call", "orders_cancelled", "partial_reduction",
    "full_liquidation", "bankrupt",
]  # fmt: skip
AccountName = Annotated[
    str, Path(min_length=1, max_length=64, description="The account.", examples=["alice"])
]
Asks = Annotated[Asking, Depends(asking)]


class AccountRow(Told):
    """A margin unit: an account, or one isolated position of it (`instrument`). Amounts in `currency`.

    margin_ratio: maintenance balance / maintenance requirement, rounded down; below 1 is liquidatable; null
    without a requirement. buffer: their difference.
    """

    unit: str
    account: str
    instrument: str | None
    mode: MarginMode
    state: State
    currency: str
    equity: Amount
    initial_balance: Amount
    initial_requirement: Amount
    maintenance_balance: Amount
    maintenance_requirement: Amount
    buffer: Amount
    margin_ratio: Amount | None
    positions: Count


class Held(Told):
    """A balance in units of the asset."""

    asset: str
    amount: Amount


class Holding(Told):
    """A position: signed quantity in units of the instrument."""

    instrument: str
    quantity: Amount


class Unit(Told):
    """A margin unit with what it holds. orders: how many rest, reservations among them."""

    risk: AccountRow
    balances: list[Held]
    holdings: list[Holding]
    orders: Count


class Account(Reading):
    """An account: itself first, then its isolated positions by name."""

    account: str
    mode: MarginMode
    units: list[Unit]


class RiskPart(Told):
    """A named share. scope: the underlying or asset that it comes from, or empty."""

    name: str
    scope: str
    amount: Amount


class Risk(Reading):
    """Why a margin unit needs what it needs; the parts of each list sum to their total exactly.

    balances are equity less their haircuts. worst_scenarios: the binding column of the grid by underlying.
    """

    unit: str
    mode: MarginMode
    currency: str
    equity: Amount
    initial_balance: Amount
    initial_requirement: Amount
    maintenance_balance: Amount
    maintenance_requirement: Amount
    buffer: Amount
    certain_buffer: Amount
    equity_parts: list[RiskPart]
    initial_haircuts: list[RiskPart]
    maintenance_haircuts: list[RiskPart]
    initial_parts: list[RiskPart]
    maintenance_parts: list[RiskPart]
    worst_scenarios: dict[str, int]


class AccountPage(Page[AccountRow]):
    """A page of the list. next: where it goes on, null at its end."""


class AccountsAsked(Paged):
    """Which accounts, in which order."""

    state: Annotated[State | None, Field(description="Only units in this state.")] = None
    mode: Annotated[MarginMode | None, Field(description="Only units of this mode.")] = None
    owner: Annotated[
        Annotated[str, Field(min_length=1, max_length=64)] | None,
        Field(description="Only the units of this account."),
    ] = None
    sort: Annotated[
        Sort, Field(description="Ascending, then by name. By name nothing moves between two pages.")
    ] = "name"


class RiskAsked(Question):
    """Which margin unit of the account."""

    instrument: Annotated[
        Annotated[str, Field(min_length=1, max_length=64)] | None,
        Field(description="Its isolated position in this instrument, else the account itself."),
    ] = None


class AccountOpened(Asked):
    """A new account, empty. Its mode stays."""

    model_config = exampled({"account": "alice", "mode": "portfolio"})

    account: Annotated[Name, Field(examples=["alice"])]
    mode: MarginMode


class Moved(Asked):
    """Money that comes from outside or leaves: units of the asset, above zero."""

    model_config = exampled({"asset": "USDC", "amount": "1250.5"})

    asset: Annotated[AssetName, Field(examples=["USDC"])]
    amount: Positive


class Shifted(Moved):
    """Money between an account and one of its isolated positions, which the first opens."""

    model_config = exampled(
        {
            "asset": "USDC",
            "amount": "100",
            "instrument": "ETH_USDC-PERPETUAL",
            "direction": "to_position",
        }
    )

    instrument: Annotated[
        Annotated[str, Field(min_length=1, max_length=64)], Field(examples=["BTC_USDC-PERPETUAL"])
    ]
    direction: Literal["to_position", "from_position"]


@router.get(
    "/accounts", openapi_extra=stated("read", credits=200),
    **described("listAccounts", "The margin units that the key reaches", AccountPage),
)  # fmt: skip
async def list_accounts(
    request: Request, asked: Annotated[AccountsAsked, Query()], asks: Asks
) -> Response:
    """Return a page of margin units, filtered and sorted."""
    engine = asks.plane.host.engine
    chosen = Filter(asked.state, asked.mode, asked.owner, asks.session.accounts)
    names, key = roster_of(asks).page(chosen, asked.sort, asked.after("accounts"), asked.limit)
    link = asked.link(request, "accounts", key)
    rows = [_row(engine, name) for name in names]
    return read(request, AccountPage(**as_of(engine), items=rows, next=link), link=link)


@router.post(
    "/accounts", status_code=201, openapi_extra=stated("admin", credits=10),
    **described("openAccount", "Open an account, empty"),
)  # fmt: skip
async def open_account(body: AccountOpened, asks: Asks) -> Response:
    """Return where the opening stands in the journal."""
    record = AccountRecord(body.account, body.mode, {}, [])
    return written(
        await asks.plane.command(
            lambda time_us, origin, number: AccountsLoaded(time_us, origin, number, [record])
        )
    )


@router.get(
    "/accounts/{account}", openapi_extra=stated("read", "one", credits=10),
    **described("getAccount", "An account with its balances and positions", Account),
)  # fmt: skip
async def get_account(request: Request, account: AccountName, asks: Asks) -> Response:
    """Return an account. Errors: PLAN-E10."""
    engine = asks.plane.host.engine
    require_account(engine, account)
    names = roster_of(asks).of_owner(account)
    units = [_unit(engine, name) for name in names]
    return read(
        request,
        Account(**as_of(engine), account=account, mode=units[0].risk.mode, units=units),
    )


@router.get(
    "/accounts/{account}/risk", openapi_extra=stated("read", "one", credits=20),
    **described("getAccountRisk", "What a margin unit has and needs, part by part", Risk),
)  # fmt: skip
async def get_account_risk(
    request: Request, account: AccountName, asked: Annotated[RiskAsked, Query()], asks: Asks
) -> Response:
    """Return the risk of one unit. Errors: PLAN-E10."""
    engine = asks.plane.host.engine
    require_account(engine, account)
    unit = account if asked.instrument is None else unit_name(account, asked.instrument)
    if unit not in engine.places:
        raise unknown("isolated position", unit, "see the units of the account")
    found = engine.risk_of(unit)
    return read(
        request,
        Risk(
            **as_of(engine), unit=unit, mode=_mode(found.mode), currency=engine.method.currency,
            equity=_usd(found.equity), initial_balance=_usd(found.initial_balance),
            initial_requirement=_usd(found.initial_requirement),
            maintenance_balance=_usd(found.maintenance_balance),
            maintenance_requirement=_usd(found.maintenance_requirement),
            buffer=_usd(found.buffer), certain_buffer=_usd(found.certain_buffer),
            equity_parts=_parts(found.equity_parts),
            initial_haircuts=_parts(found.haircut_initial_parts),
            maintenance_haircuts=_parts(found.haircut_maintenance_parts),
            initial_parts=_parts(found.initial_parts),
            maintenance_parts=_parts(found.maintenance_parts),
            worst_scenarios=found.worst_scenarios,
        ),
    )  # fmt: skip


@router.post(
    "/accounts/{account}/deposits", status_code=201,
    openapi_extra=stated("admin", "one", credits=10),
    **described("deposit", "Money comes into an account from outside"),
)  # fmt: skip
async def deposit(account: AccountName, body: Moved, asks: Asks) -> Response:
    """Return where the deposit stands in the journal."""
    return await _transfer(asks, account, EXTERNAL, account, body)


@router.post(
    "/accounts/{account}/withdrawals", status_code=201,
    openapi_extra=stated("admin", "one", credits=10),
    **described("withdraw", "Free money leaves an account for outside"),
)  # fmt: skip
async def withdraw(account: AccountName, body: Moved, asks: Asks) -> Response:
    """Return where the withdrawal stands in the journal."""
    return await _transfer(asks, account, account, EXTERNAL, body)


@router.post(
    "/accounts/{account}/isolated-margin", status_code=201,
    openapi_extra=stated("trade", "one", credits=10),
    **described("shiftIsolatedMargin", "Money moves between an account and an isolated position"),
)  # fmt: skip
async def shift(account: AccountName, body: Shifted, asks: Asks) -> Response:
    """Return where the transfer stands in the journal."""
    unit = unit_name(account, body.instrument)
    source, target = (account, unit) if body.direction == "to_position" else (unit, account)
    return await _transfer(asks, account, source, target, body)


async def _transfer(asks: Asking, account: str, source: str, target: str, body: Moved) -> Response:
    """Return where a transfer stands. Errors: PLAN-E04, PLAN-E10, QUAN-E02, QUAN-E03, ADMT-…."""
    engine = asks.plane.host.engine
    require_account(engine, account)
    slot = engine.market.asset_slots.get(body.asset)
    if slot is None:
        raise not_fit("body.asset", f"asset {body.asset} is not listed", "assets are those listed",
                      "see /v1/assets")  # fmt: skip
    units = parse_units(body.amount, engine.market.assets[slot].exponent, field="body.amount")
    if units <= 0:
        raise not_fit("body.amount", "the amount is zero", "an amount is above zero")
    return written(
        await asks.plane.command(
            lambda time_us, origin, number: Transfer(
                time_us, origin, number, source, target, body.asset, units
            )
        )
    )


def roster_of(asks: Asking) -> Roster:
    """Return the margin units of the engine, gathered once for all who ask."""
    stores = asks.plane.stores
    if "roster" not in stores:
        stores["roster"] = Roster(asks.plane.host.engine)
    found: Roster = stores["roster"]
    return found


def require_account(engine: Engine, account: str) -> None:
    """Raise PLAN-E10 unless an account is open; an isolated position is none by itself."""
    if account not in engine.places or owner_of(account) != account:
        raise unknown("account", account, "see /v1/accounts")


def _row(engine: Engine, unit: str) -> AccountRow:
    """Return the published numbers of a unit, as the last pass left them."""
    shard, row = engine.places[unit]
    view = account_view(shard.book, row, shard.results, engine.seq)
    ratio = None if view.margin_ratio is None else amount(view.margin_ratio)
    owner = view.account
    return AccountRow(
        unit=unit, account=owner, instrument=None if owner == unit else unit[len(owner) + 1 :],
        mode=_mode(view.mode), state=cast(State, view.state), currency=view.currency, equity=amount(view.equity),
        initial_balance=amount(view.initial_balance),
        initial_requirement=amount(view.initial_requirement),
        maintenance_balance=amount(view.maintenance_balance),
        maintenance_requirement=amount(view.maintenance_requirement),
        buffer=amount(view.buffer), margin_ratio=ratio, positions=view.positions,
    )  # fmt: skip


def _unit(engine: Engine, unit: str) -> Unit:
    shard, row = engine.places[unit]
    book, market = shard.book, engine.market
    balances = [
        Held(asset=asset.name, amount=amount(from_units(int(book.balances[row, slot]), asset.exponent)))
        for slot, asset in enumerate(market.assets)
        if book.balances[row, slot]
    ]  # fmt: skip
    holdings = []
    for slot, lots, _cost in book.positions(row):
        terms = market.instruments[slot]
        quantity = amount(from_units(lots, terms.lot_exponent))
        holdings.append(Holding(instrument=terms.name, quantity=quantity))
    return Unit(
        risk=_row(engine, unit), balances=balances, holdings=holdings,
        orders=len(book.orders.get(row, ())),
    )  # fmt: skip


def _parts(parts: list[Part]) -> list[RiskPart]:
    return [RiskPart(name=each.name, scope=each.scope, amount=_usd(each.amount)) for each in parts]


def _mode(name: str) -> MarginMode:
    return cast(MarginMode, name)


def _usd(micro: int) -> str:
    return amount(money(micro))
