"""`stress` and `look_ahead`: the accounts of a frame in other markets, and at later instants."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
import pyarrow as pa

from steelyard.frames.accounts import Book, check_columns, encoded, frame_of
from steelyard.frames.margining import errors_of, texts_of, with_cash
from steelyard.frames.markets import library_of, market_of, method_of
from steelyard.frames.read import Floats, numbers, refuse
from steelyard.frames.tables import FrameKind, constant, table_of, taken
from steelyard.frames.trying import LEVELS, levels_of
from steelyard.margin.methods.batch import Batch, margins_of
from steelyard.margin.methods.batch.columns import Places, selected
from steelyard.margin.methods.batch.margins import market_in
from steelyard.margin.methods.batch.moved import moved_batch
from steelyard.margin.methods.moving import reference_price
from steelyard.margin.methods.moving_positions import expiry_of
from steelyard.margin.methods.registry import core_of
from steelyard.quantities.errors import SteelyardError
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Case, Market, instant_us

DAY_US = 86_400_000_000
UNITS_US = {"s": 10**6, "m": 60 * 10**6, "h": 3600 * 10**6, "d": DAY_US, "w": 7 * DAY_US}
HORIZON = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([smhdw])\s*")
EXPIRY = "expiry"


def stress(
    positions: Any,
    market: Any,
    scenarios: Any,
    method: Any,
    *,
    balances: Any = None,
    accounts: Any = None,
    parameters: Mapping[str, Any] | None = None,
    version: str | None = None,
    at: Any = None,
    methods_folder: Any = None,
) -> Any:
    """Return what every account is worth, and what is required of it, in moved markets.

    scenarios: a frame or dict with `name`, `underlying` (null: all), `price_move` (a fraction, −0.1 is a
    tenth down; 0 if left out), `volatility_move` (a multiplier; 1) and `days` (0). Rows of one name are one
    scenario, each with its underlying's move. How a market moves: `margin.methods.moving`: forwards and
    marks with the index, volatilities with their strikes, contracts past their expiry are paid out. The
    rest is as `margin`.

    A row each scenario and account (or ledger): scenario, account, underlying, currency, equity, profit
    (equity less that of today), initial_requirement, maintenance_requirement, margin_ratio, error.

    Errors: as `margin`; FRAM-E02, FRAM-E04 for scenarios; METH-E01 for an underlying without a price.

    >>> market = {"as_of": "2026-06-01T08:00:00Z",
    ...           "underlyings": {"BTC": {"index_price": 70_000, "perpetual": {"mark_price": 70_000}}}}
    >>> held = {"instrument": ["BTC-PERPETUAL"], "quantity": [1.0]}
    >>> moves = {"name": ["crash", "rally"], "price_move": [-0.1, 0.1]}
    >>> found = stress(held, market, moves, "paradex-pm", balances={"USDC": 14_000})
    >>> found["profit"], found["initial_requirement"]
    ([-7000.0, 7000.0], [10080.0, 12320.0])
    """
    book = Book(positions, balances, accounts)
    document = method_of(method, library_of(methods_folder), version, at)
    table = _Table(with_cash(book.batch, document), market_of(market), document, parameters)
    for name, shift in _shifts(scenarios, table.market).items():
        moved = table.moved(
            table.batch, prices=shift.prices, volatility=shift.volatility, later_us=shift.later_us
        )
        table.add(name, moved)
    return table.told(book.kind, "scenario")


def look_ahead(
    positions: Any,
    market: Any,
    method: Any,
    horizons: Sequence[Any] = ("1h", "1d", EXPIRY),
    *,
    balances: Any = None,
    accounts: Any = None,
    parameters: Mapping[str, Any] | None = None,
    version: str | None = None,
    at: Any = None,
    methods_folder: Any = None,
) -> Any:
    """Return what every account is worth later, and what is required of it, if prices stay.

    horizons: "30m", "1h", "1d", "2w", a timedelta, or "expiry": the account's own next expiry, when what
    expires is paid out. Prices and volatilities stay where they are; time moves. The rest is as `margin`.
    The columns are those of `stress`, with `horizon` for the scenario. An account with nothing ahead of
    its expiry says so at "expiry".

    >>> market = {"as_of": "2026-06-01T08:00:00Z", "underlyings": {"BTC": {"index_price": 70_000,
    ...     "expiries": [{"expiry": "2026-06-03T08:00:00Z", "forward_price": 70_000,
    ...                   "implied_volatility": {"70000": 0.5}}]}}}
    >>> held = {"instrument": ["BTC-3JUN26-70000-C"], "quantity": [-1.0]}
    >>> found = look_ahead(held, market, "paradex-pm", balances={"USDC": 14_000})
    >>> [round(x, 2) for x in found["profit"]], [round(x, 2) for x in found["equity"]]
    ([10.82, 302.69, 1033.53], [12977.29, 13269.17, 14000.0])
    """
    book = Book(positions, balances, accounts)
    document = method_of(method, library_of(methods_folder), version, at)
    table = _Table(with_cash(book.batch, document), market_of(market), document, parameters)
    for horizon in [horizons] if isinstance(horizons, str | timedelta) else horizons:
        if horizon == EXPIRY:
            table.add(EXPIRY, _at_expiry(table))
            continue
        name, later_us = _later(horizon)
        table.add(name, table.moved(table.batch, later_us=later_us))
    return table.told(book.kind, "horizon")


class _After(NamedTuple):
    """Equity and requirements of the table's rows after a move, and errors by row."""

    levels: list[Floats]
    errors: dict[int, SteelyardError]


class _Table:
    """The rows of accounts as they are, and after each move."""

    def __init__(
        self,
        batch: Batch,
        market: Market[Any],
        document: MethodDocument,
        parameters: Mapping[str, Any] | None,
    ) -> None:
        self.batch = batch
        self.document = document
        self.parameters = parameters
        self.market = market_in(market, core_of(document).number)
        self.before = margins_of(batch, market, document, parameters)
        self.names: list[str] = []
        self.after: list[_After] = []

    def moved(self, batch: Batch, **shift: Any) -> _After:
        """Return accounts in the moved market, row by row of what the table has of them."""
        done = moved_batch(batch, self.market, self.document, self.parameters, **shift)
        found = margins_of(done.batch, done.market, self.document, self.parameters)
        rows = np.arange(len(self.before.account))
        account = self.before.account
        if batch is not self.batch:
            place = {name: i for i, name in enumerate(batch.accounts)}
            at = [place.get(name, -1) for name in self.batch.accounts]
            account = np.array(at, np.int64)[account]
            rows = np.flatnonzero(account >= 0)
            account = account[rows]
        ledger = [self.before.underlying[i] for i in rows.tolist()]
        levels, now = levels_of(found, account, ledger)
        whole = [np.full(len(self.before.account), np.nan) for _ in levels]
        errors: dict[int, SteelyardError] = {}
        for column, level in zip(whole, levels, strict=True):
            column[rows] = level
        if done.errors or found.errors:
            for row, place_, at_ in zip(rows.tolist(), account.tolist(), now.tolist(), strict=True):
                error = done.errors.get(place_) or found.errors.get(at_)
                if error is not None:
                    errors[row] = error
                    for column in whole:
                        column[row] = np.nan
        return _After(whole, errors)

    def add(self, name: str, after: _After) -> None:
        """Keep the rows after one move."""
        self.names.append(name)
        self.after.append(after)

    def told(self, kind: FrameKind, first: str) -> Any:
        """Return the table, move after move."""
        before, count = self.before, len(self.before.account)
        columns: dict[str, list[Any]] = {}
        for name, after in zip(self.names, self.after, strict=True):
            equity, initial, keep = after.levels
            with np.errstate(all="ignore"):
                ratio = np.where(keep > 0.0, equity / keep, np.nan)
            errors = before.errors | after.errors
            money = [None if i in errors else each for i, each in enumerate(before.currency)]
            part = {
                first: constant(name, count),
                "account": taken(self.batch.accounts, before.account),
                "underlying": texts_of(before.underlying),
                "currency": texts_of(money),
                "equity": pa.array(equity, from_pandas=True),
                "profit": pa.array(equity - before.equity, from_pandas=True),
                "initial_requirement": pa.array(initial, from_pandas=True),
                "maintenance_requirement": pa.array(keep, from_pandas=True),
                "margin_ratio": pa.array(ratio, from_pandas=True),
                "error": errors_of(errors, count),
            }
            for title, column in part.items():
                columns.setdefault(title, []).append(column)
        return table_of(kind, {name: pa.chunked_array(each) for name, each in columns.items()})


class _Shift(NamedTuple):
    """A move of the market: new prices, a multiplier of volatilities, microseconds."""

    prices: dict[str, Any]
    volatility: float
    later_us: int


def _shifts(given: object, market: Market[Any]) -> dict[str, _Shift]:
    """Return the moves by name, rows of one name put together."""
    frame, _ = frame_of(given, "scenarios")
    check_columns(frame, (), ("name", "underlying", "price_move", "volatility_move", "days"))
    count = len(frame)
    names = _texts(frame, "name") or [str(i + 1) for i in range(count)]
    under = _texts(frame, "underlying") or [""] * count
    price = _number(frame, "price_move", 0.0)
    volatility = _number(frame, "volatility_move", 1.0)
    days = _number(frame, "days", 0.0)
    found: dict[str, _Shift] = {}
    everywhere: dict[str, float] = {}
    own: dict[str, dict[str, float]] = {}
    for i, name in enumerate(names):
        shift = _Shift({}, float(volatility[i]), round(float(days[i]) * DAY_US))
        if found.setdefault(name, shift)[1:] != shift[1:]:
            raise refuse(
                "FRAM-E04", f"the scenario {name} has two volatility moves, or two times",
                "a scenario moves volatilities and time once", "state the same in all its rows",
                row=i, column="volatility_move",
            )  # fmt: skip
        moves = own.setdefault(name, {})
        if under[i] in moves or (not under[i] and name in everywhere):
            raise refuse(
                "FRAM-E04", f"the scenario {name} moves {under[i] or 'all underlyings'} twice",
                "a scenario moves a price once", "drop one of the rows", row=i, column="underlying",
            )  # fmt: skip
        if under[i]:
            moves[under[i]] = float(price[i])
        else:
            everywhere[name] = float(price[i])
    for name, shift in found.items():
        shift.prices.update(_prices(market, everywhere.get(name, 0.0), own[name]))
    return found


def _prices(market: Market[Any], everywhere: float, own: dict[str, float]) -> dict[str, Any]:
    """Return the new price of every underlying that moves."""
    case: Case[Any] = Case("market", "", market=market)
    prices: dict[str, Any] = {}
    if everywhere:
        for name in market.underlyings:
            try:
                prices[name] = _times(reference_price(case, name), everywhere)
            except SteelyardError:
                continue  # an underlying without any price has none that could move
    for name, move in own.items():
        prices[name] = _times(reference_price(case, name), move)
    return prices


def _times(price: Any, move: float) -> Any:
    if isinstance(price, Decimal):
        return price * (1 + Decimal(repr(move)))
    return price * (1.0 + move)


def _texts(frame: nw.DataFrame[Any], name: str) -> list[str] | None:
    if name not in frame.columns:
        return None
    codes, values = encoded(frame[name])
    return [values[code] for code in codes.tolist()]


def _number(frame: nw.DataFrame[Any], name: str, default: float) -> Floats:
    if name not in frame.columns:
        return np.full(len(frame), default)
    column = numbers(frame[name], name)
    column = np.where(np.isnan(column), default, column)
    bad = ~np.isfinite(column)
    if bad.any():
        raise refuse(
            "FRAM-E02", f"{name} is infinite", "a move is a finite number", "mend the value",
            row=int(np.flatnonzero(bad)[0]), column=name,
        )  # fmt: skip
    return column


def _later(horizon: Any) -> tuple[str, int]:
    """Return the name of a horizon and its microseconds. Errors: FRAM-E02."""
    if isinstance(horizon, timedelta):
        return str(horizon), round(horizon / timedelta(microseconds=1))
    match = HORIZON.fullmatch(horizon) if isinstance(horizon, str) else None
    if match is None:
        raise refuse(
            "FRAM-E02", f"{horizon!r} is no horizon", 'a horizon is like 30m, 1h, 1d, 2w, or "expiry"',
            "name one, or give a timedelta", column="horizons",
        )  # fmt: skip
    return horizon.strip(), round(float(match[1]) * UNITS_US[match[2]])


def _at_expiry(table: _Table) -> _After:
    """Return each account at its own next expiry."""
    batch, market = table.batch, table.market
    as_of = instant_us(market.as_of, "market.as_of") if market.as_of else 0
    never = np.iinfo(np.int64).max
    ends = np.full(len(batch.instruments), never, np.int64)
    for i, contract in enumerate(batch.contracts):
        expiry = None if contract is None else expiry_of(contract, market)
        if expiry is not None:
            end = instant_us(expiry.expiry, "expiry")
            ends[i] = end if end > as_of else never
    next_one = np.full(len(batch), never, np.int64)
    if len(batch.account):
        np.minimum.at(next_one, batch.account, ends[batch.instrument])
    count = len(table.before.account)
    whole = _After([np.full(count, np.nan) for _ in LEVELS], {})
    for end in np.unique(next_one).tolist():
        places: Places = np.flatnonzero(next_one == end)
        rows = np.flatnonzero(np.isin(table.before.account, places))
        if end == never:
            for row in rows.tolist():
                whole.errors[row] = _nothing_ahead()
            continue
        found = table.moved(selected(batch, places), later_us=end - as_of)
        for column, level in zip(whole.levels, found.levels, strict=True):
            column[rows] = level[rows]
        whole.errors.update(found.errors)
    return whole


def _nothing_ahead() -> SteelyardError:
    return refuse(
        "FRAM-E02", "the account holds nothing that expires later",
        "the horizon expiry is the next one of what is held", "ask for a time instead",
        column="horizons",
    )  # fmt: skip
