"""Instruments and assets: what is listed, and listing more."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import Field, StringConstraints

from steelyard.engine.engine import Engine
from steelyard.quantities import from_units
from steelyard.service.control.answers import as_of, read, written
from steelyard.service.control.asking import Paged, page_by
from steelyard.service.control.errors import unknown
from steelyard.service.control.guard import Asking, ControlRoute, asking, stated
from steelyard.service.control.shapes import (
    Amount,
    Asked,
    AssetName,
    Count,
    Name,
    Page,
    Positive,
    Reading,
    TimeUs,
    Told,
    amount,
    exampled,
)
from steelyard.service.control.telling import described
from steelyard.terms import Instrument
from steelyard.ticks import InstrumentsListed

router = APIRouter(route_class=ControlRoute, tags=["terms"])
Asks = Annotated[Asking, Depends(asking)]
Kind = Literal["perpetual", "option"]


class InstrumentTold(Told):
    """A tradable definition, and its mark: the value of one unit in the settlement asset, null before it has one.

    A lot is 10^-lot_exponent units; position_limit is in units. contract_usd: dollars of one inverse
    perpetual contract, else 0. strike, expiry_us, is_call: of an option alone.
    """

    name: str
    kind: Kind
    underlying: str
    settlement: str
    is_inverse: bool
    lot_exponent: int
    mark_exponent: int
    position_limit: Amount
    contract_usd: Count
    strike: Amount | None
    expiry_us: TimeUs | None
    is_call: bool | None
    mark: Amount | None
    is_settled: bool


class InstrumentRead(InstrumentTold, Reading):
    """One instrument."""


class AssetTold(Told):
    """An asset: a balance of one is 10^exponent ledger units. index_price: USD, null before there is one.

    condition: why the index is trusted or not. is_protected: nothing is decided on its price now.
    """

    name: str
    exponent: int
    price_exponent: int
    index_price: Amount | None
    condition: str
    is_protected: bool


class InstrumentPage(Page[InstrumentTold]):
    """A page of the list. next: where it goes on, null at its end."""


class AssetPage(Page[AssetTold]):
    """A page of the list. next: where it goes on, null at its end."""


class InstrumentsQuestion(Paged):
    """Which instruments, by name."""

    underlying: Annotated[AssetName | None, Field(description="Only those on this asset.")] = None
    kind: Annotated[Kind | None, Field(description="Only those of this kind.")] = None


class InstrumentListed(Asked):
    """A new instrument. position_limit_lots: the most lots that one margin unit may hold.

    strike and expiry_us are an option's alone, contract_usd that of an inverse perpetual.
    """

    model_config = exampled(
        {
            "name": "SOL_USDC-PERPETUAL-2",
            "kind": "perpetual",
            "underlying": "SOL",
            "settlement": "USDC",
            "lot_exponent": 1,
            "mark_exponent": 6,
            "position_limit_lots": 100000000,
        }
    )

    name: Annotated[Name, Field(examples=["SOL_USDC-PERPETUAL"])]
    kind: Kind
    underlying: Annotated[AssetName, Field(examples=["BTC"])]
    settlement: Annotated[AssetName, Field(examples=["USDC"])]
    is_inverse: bool = False
    lot_exponent: Annotated[int, Field(ge=0, le=8, examples=[4])]
    mark_exponent: Annotated[int, Field(ge=0, le=12, examples=[6])]
    position_limit_lots: Annotated[int, Field(ge=1, le=2**40, examples=[100_000_000])]
    contract_usd: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    strike: Annotated[Positive, StringConstraints(max_length=32)] | None = None
    expiry_us: TimeUs | None = None
    is_call: bool | None = None


@router.get(
    "/instruments", openapi_extra=stated("read", credits=50),
    **described("listInstruments", "What is listed, by name", InstrumentPage),
)  # fmt: skip
async def list_instruments(
    request: Request, asked: Annotated[InstrumentsQuestion, Query()], asks: Asks
) -> Response:
    """Return a page of instruments."""
    engine = asks.plane.host.engine
    chosen = sorted(
        (
            each
            for each in engine.market.instruments
            if asked.underlying in (None, each.underlying) and asked.kind in (None, each.kind)
        ),
        key=_name,
    )
    page, key = page_by(chosen, _name, asked, "instruments")
    link = asked.link(request, "instruments", key)
    items = [InstrumentTold(**_told(engine, each)) for each in page]
    found = InstrumentPage(**as_of(engine), items=items, next=link)
    return read(request, found, link=link)


@router.post(
    "/instruments", status_code=201, openapi_extra=stated("admin", credits=10),
    **described("listInstrument", "List an instrument"),
)  # fmt: skip
async def list_instrument(body: InstrumentListed, asks: Asks) -> Response:
    """Return where the listing stands in the journal. Errors: TERM-E02, ADMT-E03, ADMT-E04."""
    terms = Instrument(
        name=body.name, kind=body.kind, underlying=body.underlying, settlement=body.settlement,
        is_inverse=body.is_inverse, lot_exponent=body.lot_exponent,
        mark_exponent=body.mark_exponent, position_limit=body.position_limit_lots,
        contract_usd=body.contract_usd, strike=body.strike or "0", expiry_us=body.expiry_us or 0,
        is_call=bool(body.is_call),
    )  # fmt: skip
    return written(
        await asks.plane.command(
            lambda time_us, origin, number: InstrumentsListed(time_us, origin, number, [terms])
        )
    )


@router.get(
    "/instruments/{instrument}", openapi_extra=stated("read", credits=5),
    **described("getInstrument", "One instrument", InstrumentRead),
)  # fmt: skip
async def get_instrument(
    request: Request,
    instrument: Annotated[str, Path(min_length=1, max_length=64, examples=["BTC_USDC-PERPETUAL"])],
    asks: Asks,
) -> Response:
    """Return an instrument. Errors: PLAN-E10."""
    engine = asks.plane.host.engine
    slot = engine.market.instrument_slots.get(instrument)
    if slot is None:
        raise unknown("instrument", instrument, "see /v1/instruments")
    found = _told(engine, engine.market.instruments[slot])
    return read(request, InstrumentRead(**as_of(engine), **found))


@router.get(
    "/assets", openapi_extra=stated("read", credits=10),
    **described("listAssets", "The assets that balances are counted in, by name", AssetPage),
)  # fmt: skip
async def list_assets(request: Request, asked: Annotated[Paged, Query()], asks: Asks) -> Response:
    """Return a page of assets."""
    engine = asks.plane.host.engine
    names = sorted(engine.market.asset_slots)
    page, key = page_by(names, str, asked, "assets")
    link = asked.link(request, "assets", key)
    found = AssetPage(**as_of(engine), items=[_asset(engine, n) for n in page], next=link)
    return read(request, found, link=link)


def _name(terms: Instrument) -> str:
    return terms.name


def _told(engine: Engine, terms: Instrument) -> dict[str, Any]:
    market = engine.market
    slot = market.instrument_slots[terms.name]
    mark = None
    if market.has_mark[slot]:
        mark = amount(from_units(int(market.mark_units[slot]), terms.mark_exponent))
    return {
        "name": terms.name, "kind": terms.kind, "underlying": terms.underlying,
        "settlement": terms.settlement, "is_inverse": terms.is_inverse,
        "lot_exponent": terms.lot_exponent, "mark_exponent": terms.mark_exponent,
        "position_limit": amount(from_units(terms.position_limit, terms.lot_exponent)),
        "contract_usd": terms.contract_usd, "strike": terms.strike if terms.is_option else None,
        "expiry_us": terms.expiry_us if terms.is_option else None,
        "is_call": terms.is_call if terms.is_option else None, "mark": mark,
        "is_settled": bool(market.is_settled[slot]),
    }  # fmt: skip


def _asset(engine: Engine, name: str) -> AssetTold:
    market = engine.market
    slot = market.asset_slots[name]
    asset = market.assets[slot]
    units = int(market.index_units[slot])
    price = amount(from_units(units, asset.price_exponent)) if units > 0 else None
    return AssetTold(
        name=name, exponent=asset.exponent, price_exponent=asset.price_exponent, index_price=price,
        condition=market.indices[slot].condition, is_protected=bool(market.is_protected[slot]),
    )  # fmt: skip
