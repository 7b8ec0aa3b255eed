"""Vega's margin: whatever a case asks of one account, each answer from the module that knows it.

`vega_cross`, `vega_isolated`, `vega_liquidation`, `vega_resolution` and `vega_risk_factors` hold one
job each. A case may ask
several things at once, and every result whose inputs are there is in the answer:

    account.mode cross, portfolio or none   the four margin levels, equity, parts
    account.mode isolated                   order margins, position margin, the transfer of trades
    account.mode fully_collateralised       the position margin
    parameters.risk_model                   native.risk_factors
    liquidation_price                       native.liquidation_price, in place of the cross levels
    socialise, disposal                     native.payout, native.steps

An account without a mode is cross, as accounts are at the venue until they choose otherwise. Levels
are whole numbers in the settlement asset's smallest unit, worked out exactly.

Source: Vega protocol specifications, see the document `vega`.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any

from steelyard.margin.methods.answer import Answer
from steelyard.margin.methods.needs import refuse
from steelyard.margin.methods.own.vega_cross import cross_margin, parts_of
from steelyard.margin.methods.own.vega_isolated import collateralised_margin, isolated_margin
from steelyard.margin.methods.own.vega_liquidation import (
    LiquidationPriceQuestion,
    is_asked,
    liquidation_price,
    question_of,
)
from steelyard.margin.methods.own.vega_market import VegaMarket, mark_price, markets_of
from steelyard.margin.methods.own.vega_numbers import EXACT, ZERO, exact, needed, total
from steelyard.margin.methods.own.vega_resolution import (
    DisposalQuestion,
    SocialiseQuestion,
    disposal_steps,
    payouts,
)
from steelyard.margin.methods.own.vega_risk_factors import is_stated, stated_risk_factors
from steelyard.terms.stated import Case

if TYPE_CHECKING:
    from steelyard.terms.documents import MethodDocument

Number = Decimal


def answer(case: Case[Decimal], document: MethodDocument) -> Answer:
    """Return what Vega says of a case; the document holds the case's parameters already.

    Errors: METH-E01 a price that is missing, METH-E02 a field, METH-E03 a position or party that
    stands there twice, METH-E04 what Vega does not cover, METH-E05 a number out of bounds, METH-E06 a
    parameter that the market must state.
    """
    with localcontext(EXACT):
        native = _questions(case, document.parameters)
        mode = case.account.mode
        if mode == "isolated":
            return Answer(native=native | isolated_margin(case, document.parameters))
        if case.trades is not None or case.position_before is not None:
            refuse(
                "METH-E04", "trades are stated", "what trades move is a question of isolated margin",
                "state mode isolated, or drop trades and position_before", "account.mode",
            )  # fmt: skip
        if mode == "fully_collateralised":
            return Answer(native=native | {"position_margin": collateralised_margin(case)})
        is_empty = not (case.account.positions or case.account.orders or case.account.balances)
        if mode is None and is_empty and native:
            return Answer(native=native)
        return _cross(case, document, native)


def _questions(case: Case[Decimal], parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the answers to what does not depend on the account's mode."""
    native: dict[str, Any] = {}
    if is_stated(parameters):
        native["risk_factors"] = stated_risk_factors(parameters)._asdict()
    if is_asked(case.liquidation_price):
        asked = question_of(case.liquidation_price, "liquidation_price", LiquidationPriceQuestion)
        native["liquidation_price"] = liquidation_price(case, asked, parameters)
    if is_asked(case.socialise):
        native["payout"] = payouts(question_of(case.socialise, "socialise", SocialiseQuestion))
    if is_asked(case.disposal):
        native["steps"] = disposal_steps(question_of(case.disposal, "disposal", DisposalQuestion))
    return native


def _cross(case: Case[Decimal], document: MethodDocument, native: dict[str, Any]) -> Answer:
    """Return the cross levels of every market, added up, with equity and parts."""
    markets = markets_of(case)
    margins = [cross_margin(case, market, document.parameters) for market in markets]
    maintenance = initial = search = release = 0
    for margin in margins:
        maintenance += margin.maintenance
        initial += margin.initial
        search += margin.search
        release += margin.release
    if "liquidation_price" not in native:
        native |= {"search_level": search, "release_level": release}
    currency = _settlement_asset(case, document)
    return Answer(
        currency=currency,
        equity=_equity(case, markets, currency),
        initial_requirement=initial,
        maintenance_requirement=maintenance,
        native=native,
        parts=tuple(part for margin in margins for part in parts_of(margin)),
    )


def _settlement_asset(case: Case[Decimal], document: MethodDocument) -> str:
    """Return the asset the market settles in: the only one held, if it has no price of its own."""
    stated = case.account.balances
    held = [name for name, units in stated.items() if units] or list(stated)
    if len(held) == 1 and _price_of(case, held[0]) is None:
        return held[0]
    return document.currency


def _equity(case: Case[Decimal], markets: tuple[VegaMarket, ...], currency: str) -> Decimal:
    """Return cash and collateral, and each position's gain since its entry, where one is stated.

    A stated `unrealised_pnl` goes before entry price and mark; `unrealised_funding` is added. A
    position without either was settled at the mark, as the venue settles at every mark.
    """
    amounts = []
    for name, units in case.account.balances.items():
        if name != currency and not units:
            continue  # nothing of an asset is worth nothing, at any price
        price = Decimal(1) if name == currency else _price_of(case, name)
        worth = needed(price, f"market.assets.{name}.price", "METH-E01")
        amounts.append(exact(units, f"account.balances.{name}") * worth)
    held = {market.instrument: market for market in markets}
    for i, position in enumerate(case.account.positions):
        field = f"account.positions[{i}]"
        market = held[position.instrument]
        if position.unrealised_pnl is not None:
            amounts.append(exact(position.unrealised_pnl, f"{field}.unrealised_pnl"))
        elif market.entry_price is not None:
            amounts.append(market.quantity * (mark_price(case, market) - market.entry_price))
        if position.unrealised_funding is not None:
            amounts.append(exact(position.unrealised_funding, f"{field}.unrealised_funding"))
    return total(amounts) if amounts else ZERO


def _price_of(case: Case[Decimal], name: str) -> Decimal | None:
    """Return the price of an asset: the one stated of it, or the index price of that underlying."""
    asset = case.market.assets.get(name)
    if asset is not None and asset.price is not None:
        return asset.price
    underlying = case.market.underlyings.get(name)
    return None if underlying is None else underlying.index_price
