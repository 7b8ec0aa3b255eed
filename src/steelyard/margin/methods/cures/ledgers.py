"""A statement after a deposit or a trade: what each core reads of it, and so what has to change.

A trade is done at the mark, and what has been gained so far stays what it was. Where that is kept depends
on the core: as a stated unrealised profit, in cash, or in an average entry price.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

from msgspec.structs import replace

from steelyard.margin.methods.cures.quotes import Quote, positive
from steelyard.margin.methods.own import drift_positions, vega_market
from steelyard.margin.methods.own.exact import amount
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Case, Position, parse_contract

Number = float | Decimal


class Ledger:
    """How the statement of one core changes; of this class itself: a core that reads no entry price.

    cash: the asset that trades are paid in. covers: kinds of contracts. coins: assets that count as
    collateral beside cash.
    """

    number: type[Any] = float
    covers = frozenset({"perpetual"})

    def __init__(self, case: Case[Any], document: MethodDocument, cash: str) -> None:
        self.document = document
        self.cash = cash
        self.market = case.market

    def settled(self, case: Case[Any]) -> Case[Any]:
        """Return the statement with what was gained so far stated in a way that trades leave alone."""
        return case

    def coins(self, case: Case[Any]) -> list[str]:
        """Return the assets beside cash that may be deposited."""
        del case
        return []

    def quote(self, case: Case[Any], instrument: str) -> Quote:
        """Return what one unit of a contract is worth and costs."""
        underlying = case.market.underlyings.get(parse_contract(instrument).underlying)
        price = (
            None if underlying is None else underlying.perpetual and underlying.perpetual.mark_price
        )
        return Quote(instrument, notional=positive(price))

    def deposited(self, case: Case[Any], asset: str, units: Decimal) -> Case[Any]:
        """Return the statement with units of an asset more."""
        return with_balance(case, asset, self.number(units))

    def traded(self, case: Case[Any], quote: Quote, quantity: Number, cost: float) -> Case[Any]:
        """Return the statement after a trade at the mark that costs so much."""
        case = self.booked(case, quote, quantity)
        return with_balance(case, self.cash, -self.number(repr(cost))) if cost else case

    def booked(self, case: Case[Any], quote: Quote, quantity: Number) -> Case[Any]:
        """Return the statement after a trade at the mark without its cost."""
        held = position_of(case, quote.instrument) or Position(quote.instrument, self.number(0))
        return with_position(case, replace(held, quantity=added(held.quantity, quantity)))


class ScenarioLedger(Ledger):
    """The scenario core: a profit is a stated amount, an option's premium is cash."""

    def booked(self, case: Case[Any], quote: Quote, quantity: Number) -> Case[Any]:
        """Return the statement after a trade."""
        held = position_of(case, quote.instrument)
        if held is None:
            held = Position(quote.instrument, 0.0, mark_price=quote.mark)
        if held.unrealised_pnl is not None:
            held = replace(held, entry_price=None)
        case = with_position(case, replace(held, quantity=held.quantity + quantity))
        paid = float(quantity) * quote.value
        return with_balance(case, self.cash, -paid) if paid else case


class TiersLedger(Ledger):
    """Leverage tiers: P&L is counted from the entry price alone, so a trade settles it to the wallet."""

    def booked(self, case: Case[Any], quote: Quote, quantity: Number) -> Case[Any]:
        """Return the statement after a trade."""
        held = position_of(case, quote.instrument)
        if held is not None and held.entry_price is not None:
            gain = held.quantity * (quote.notional - held.entry_price)
            case = with_position(case, replace(held, entry_price=None))
            case = with_balance(case, self.cash, gain)
        return super().booked(case, quote, quantity)


class DydxLedger(Ledger):
    """dYdX: the balance is the quote balance, which pays for every position in full."""

    number = Decimal

    def quote(self, case: Case[Any], instrument: str) -> Quote:
        """Return the index price."""
        underlying = case.market.underlyings.get(parse_contract(instrument).underlying)
        price = None if underlying is None else underlying.index_price
        return Quote(instrument, notional=positive(price))

    def booked(self, case: Case[Any], quote: Quote, quantity: Number) -> Case[Any]:
        """Return the statement after a trade."""
        underlying = case.market.underlyings[parse_contract(quote.instrument).underlying]
        paid = Fraction(quantity) * Fraction(underlying.index_price or 0)
        case = with_balance(case, self.cash, -decimal_of(paid))
        return super().booked(case, quote, quantity)


class DriftLedger(DydxLedger):
    """Drift: perpetuals at the index, their profit as a stated amount; every priced asset counts."""

    def settled(self, case: Case[Any]) -> Case[Any]:
        """Return the statement with unrealised profits as amounts."""
        held = drift_positions.positions(case, self.document)
        return replace(
            case,
            account=replace(
                case.account,
                positions=tuple(
                    replace(position, unrealised_pnl=amount(each.pnl, 6), entry_price=None)
                    for position, each in zip(case.account.positions, held, strict=True)
                ),
            ),
        )

    def coins(self, case: Case[Any]) -> list[str]:
        """Return the priced assets of the market."""
        return _priced(case, self.cash)

    def booked(self, case: Case[Any], quote: Quote, quantity: Number) -> Case[Any]:
        """Return the statement after a trade."""
        return Ledger.booked(self, case, quote, quantity)


class VegaLedger(Ledger):
    """Vega: profit since entry as a stated amount, prices in the settlement asset's own unit."""

    number = Decimal
    covers = frozenset({"perpetual", "future"})

    def settled(self, case: Case[Any]) -> Case[Any]:
        """Return the statement with unrealised profits as amounts."""
        markets = {market.instrument: market for market in vega_market.markets_of(case)}
        return replace(
            case,
            account=replace(
                case.account,
                positions=tuple(
                    self._settled(case, position, markets[position.instrument])
                    for position in case.account.positions
                ),
            ),
        )

    def _settled(
        self, case: Case[Any], position: Position[Any], market: vega_market.VegaMarket
    ) -> Position[Any]:
        if position.unrealised_pnl is not None or market.entry_price is None:
            return position
        rise = Fraction(vega_market.mark_price(case, market)) - Fraction(market.entry_price)
        gain = decimal_of(Fraction(market.quantity) * rise)
        return replace(position, unrealised_pnl=gain, entry_price=None)

    def coins(self, case: Case[Any]) -> list[str]:
        """Return the priced assets of the market."""
        return _priced(case, self.cash)

    def quote(self, case: Case[Any], instrument: str) -> Quote:
        """Return the mark of a market."""
        market = vega_market.VegaMarket(instrument, parse_contract(instrument).underlying)
        return Quote(instrument, notional=positive(vega_market.mark_price(case, market)))


def with_balance(case: Case[Any], asset: str, more: Number) -> Case[Any]:
    """Return the statement with more of an asset; the sign is that of the change."""
    held = case.account.balances.get(asset)
    balances = case.account.balances | {asset: more if held is None else added(held, more)}
    return replace(case, account=replace(case.account, balances=balances))


def with_position(case: Case[Any], position: Position[Any]) -> Case[Any]:
    """Return the statement with a position in the place of that of its instrument, or added."""
    positions = list(case.account.positions)
    names = [each.instrument for each in positions]
    if position.instrument in names:
        positions[names.index(position.instrument)] = position
    else:
        positions.append(position)
    return replace(case, account=replace(case.account, positions=tuple(positions)))


def position_of(case: Case[Any], instrument: str) -> Position[Any] | None:
    """Return the position in a contract, None where there is none."""
    for position in case.account.positions:
        if position.instrument == instrument:
            return position
    return None


def added(value: Any, more: Any) -> Any:
    """Return a sum: of decimals exactly, however many digits they have."""
    if isinstance(value, Decimal):
        return decimal_of(Fraction(value) + Fraction(more))
    return value + more


def decimal_of(value: Fraction) -> Decimal:
    """Return a fraction whose denominator has no prime but 2 and 5 as the decimal it is."""
    digits = 0
    while value.denominator != 1:
        value, digits = value * 10, digits + 1
    return Decimal(f"{value.numerator}e-{digits}")


def _priced(case: Case[Any], cash: str) -> list[str]:
    return [
        name
        for name, asset in case.market.assets.items()
        if name != cash and asset.price is not None and asset.price > 0
    ]
