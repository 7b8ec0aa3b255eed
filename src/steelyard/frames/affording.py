"""`affordable`: the largest trades that the accounts of a frame can still do, by trying many at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import narwhals as nw
import numpy as np

from steelyard.frames.accounts import Book, check_columns, encoded, frame_of, stated_columns
from steelyard.frames.margining import with_cash
from steelyard.frames.markets import library_of, market_of, method_of
from steelyard.frames.read import refuse
from steelyard.frames.tables import FrameKind, table_of, taken
from steelyard.frames.trying import Desk, Tried, accounts_named
from steelyard.margin.methods.batch.columns import STATED_NUMBERS, STATED_TEXTS, Floats, Places
from steelyard.margin.methods.batch.trades import Trades
from steelyard.quantities.errors import InputError, SteelyardError

STEP = 0.01
QUANTITY_MAX = 1e9
GROWTH = 2**0.5  # between two quantities of the scan
POINTS = 8  # of each round between two quantities


def affordable(
    positions: Any,
    market: Any,
    instruments: Any,
    method: Any,
    *,
    step: float = STEP,
    balances: Any = None,
    accounts: Any = None,
    parameters: Mapping[str, Any] | None = None,
    version: str | None = None,
    at: Any = None,
    methods_folder: Any = None,
) -> Any:
    """Return the largest quantity of each instrument that every account can still buy, and sell.

    Affordable is what leaves equity at least the initial requirement, done at the mark. instruments: a
    list of names, or a frame like that of `what_if` without quantities. step: quantities are multiples of
    it. The rest is as `margin`. What is found is the end of the last affordable stretch that a scan of
    quantities meets, each √2 times the one before, from the step to 10⁹: a trade that cures an account is
    found even where a smaller one is not affordable. Not even one step: 0; more than 10⁹: infinite, and
    is_unbounded says so.

    A row each for buying and selling: account, instrument, side, quantity (without sign), is_unbounded,
    equity, initial_requirement after it, error. In a frame of the kind of `positions`.

    >>> market = {"as_of": "2026-06-01T08:00:00Z",
    ...           "underlyings": {"BTC": {"index_price": 70_000, "perpetual": {"mark_price": 70_000}}}}
    >>> held = {"instrument": ["BTC-PERPETUAL"], "quantity": [1.0]}
    >>> found = affordable(held, market, ["BTC-PERPETUAL"], "paradex-pm", balances={"USDC": 14_000})
    >>> found["side"], found["quantity"]
    (['buy', 'sell'], [0.25, 2.25])
    """
    if not (np.isfinite(step) and 0.0 < step < QUANTITY_MAX):
        raise refuse(
            "FRAM-E02", f"step is {step}", "a step is above zero and at most a thousand million",
            "give a step", column="step",
        )  # fmt: skip
    book = Book(positions, balances, accounts)
    document = method_of(method, library_of(methods_folder), version, at)
    desk = Desk(with_cash(book.batch, document), market_of(market), document, parameters)
    if isinstance(instruments, str):
        instruments = [instruments]
    if isinstance(instruments, Sequence):
        instruments = {"instrument": list(instruments)}
    frame, _ = frame_of(instruments, "instruments")
    check_columns(frame, ("instrument",), ("account", *STATED_NUMBERS, *STATED_TEXTS))
    search = _Search(desk, frame, book, step)
    return search.told(book.kind)


class _Search:
    """The largest affordable quantities of K sides, each an account, an instrument and a direction."""

    def __init__(self, desk: Desk, frame: nw.DataFrame[Any], book: Book, step: float) -> None:
        self.desk = desk
        self.step = step
        codes, self.instruments = encoded(frame["instrument"])
        count = len(desk.batch)
        if "account" in frame.columns:
            account = accounts_named(frame, book)
            rows = np.arange(len(codes))
        else:
            account = np.repeat(np.arange(count), len(codes))
            rows = np.tile(np.arange(len(codes)), count)
        stated, texts, _ = stated_columns(frame)
        rows = np.repeat(rows, 2)
        self.account = np.repeat(account, 2)
        self.instrument = codes[rows]
        self.sign = np.tile([1.0, -1.0], len(account))
        self.stated = {name: column[rows] for name, column in stated.items()}
        self.texts = {name: column[rows] for name, column in texts.items()}
        self.quantity = np.zeros(len(rows))
        self.is_unbounded = np.zeros(len(rows), bool)
        self._scan()

    def tried(self, side: Places, steps: Floats) -> Tried:
        """Return what so many steps of sides do."""
        quantity = self.sign[side] * (steps * self.step)
        return self.desk.tried(
            Trades(
                self.instruments, self.account[side], self.instrument[side], quantity,
                np.full(len(side), np.nan), {n: c[side] for n, c in self.stated.items()},
                {n: c[side] for n, c in self.texts.items()},
            )
        )  # fmt: skip

    def _scan(self) -> None:
        most = np.floor(QUANTITY_MAX / self.step)
        ladder = [1.0]
        while ladder[-1] < most:
            ladder.append(min(most, max(ladder[-1] + 1.0, np.floor(ladder[-1] * GROWTH))))
        rungs = np.array(ladder)
        sides, count = len(self.account), len(rungs)
        grid = self.tried(np.repeat(np.arange(sides), count), np.tile(rungs, sides))
        is_good = grid.is_affordable.reshape(sides, count)
        last = np.where(is_good.any(axis=1), count - 1 - np.argmax(is_good[:, ::-1], axis=1), -1)
        self.is_unbounded = last == count - 1
        open_sides = np.flatnonzero((last >= 0) & ~self.is_unbounded)
        low = np.where(last >= 0, rungs[np.maximum(last, 0)], 0.0)
        high = rungs[np.minimum(last + 1, count - 1)]
        self._narrow(open_sides, low, high)
        self.quantity = np.where(self.is_unbounded, np.inf, low * self.step)
        self.steps = low
        self.after = self.tried(np.arange(sides), low)

    def _narrow(self, sides: Places, low: Floats, high: Floats) -> None:
        """Bring the last affordable and the first that is not to one step apart, in place."""
        while len(sides := sides[high[sides] - low[sides] > 1.0]):
            share = np.arange(1, POINTS + 1) / (POINTS + 1)
            gap = (high - low)[sides]
            points = low[sides][:, None] + np.maximum(1.0, np.floor(gap[:, None] * share))
            points = np.minimum(points, high[sides][:, None] - 1.0)
            found = self.tried(np.repeat(sides, POINTS), points.reshape(-1))
            is_good = found.is_affordable.reshape(points.shape)
            # The first point that is not affordable ends the stretch.
            first_bad = np.where(is_good.all(axis=1), POINTS, np.argmin(is_good, axis=1))
            lows = np.concatenate([low[sides][:, None], points], axis=1)
            highs = np.concatenate([points, high[sides][:, None]], axis=1)
            row = np.arange(len(sides))
            low[sides], high[sides] = lows[row, first_bad], highs[row, first_bad]

    def told(self, kind: FrameKind) -> Any:
        errors = [self.after.errors.get(k) for k in range(len(self.account))]
        for k in np.flatnonzero(np.isnan(self.after.after[1])).tolist():
            holder = self.desk.batch.accounts[int(self.account[k])]
            errors[k] = errors[k] or _without_initial(self.desk.document.name, holder)
        is_wrong = np.array([error is not None for error in errors], bool)
        shown = np.where(self.is_unbounded | is_wrong, np.nan, 1.0)
        return table_of(
            kind,
            {
                "account": taken(self.desk.batch.accounts, self.account),
                "instrument": taken(self.instruments, self.instrument),
                "side": taken(["sell", "buy"], (self.sign > 0.0).astype(np.int64)),
                "quantity": np.where(is_wrong, np.nan, self.quantity),
                "is_unbounded": self.is_unbounded & ~is_wrong,
                "equity": self.after.after[0] * shown,
                "initial_requirement": self.after.after[1] * shown,
                "error": [None if error is None else str(error) for error in errors],
            },
        )


def _without_initial(method: str, account: Any) -> SteelyardError:
    return InputError(
        "METH-E02",
        f"{method} states no initial requirement of the account",
        rule="what is affordable is what the initial requirement leaves",
        cure="state what it is worked out from, such as the leverage of every position",
        field="account",
        account=account,
    )
