"""`fit_surface` for frames and columns: quotes in, the surface of each underlying out.

A row is an option by its name (`instrument`, as BTC-27MAR26-70000-C), or by `expiry`, `strike` and `type`.
The fit is that of `models.surface_fit`, number for number; here quotes are read and reports are written
in the kind of frame that was given. See docs/arrays-and-frames.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np

from steelyard.feeds.chains import option_parts
from steelyard.feeds.option_chain import (
    LINEAR_SUFFIXES,
    SYNTHETIC_PREFIX,
    ChainQuotes,
    RejectedRow,
)
from steelyard.feeds.tables import NO_TIME
from steelyard.frames.kinds import ColumnsGiven, FrameGiven, what_is_given
from steelyard.frames.read import EPOCH, Flags, Floats, instants, items_of, numbers, refuse, types
from steelyard.models.quotes import FitTarget, QuoteUse, SurfaceSettings
from steelyard.models.surface import Surface
from steelyard.quantities.errors import InputError

NUMBERS = ("bid", "ask", "mark_iv", "forward", "index_price")
SECOND_NAMES = {"forward": "underlying_price"}


class FrameKind(NamedTuple):
    """What the tables of a surface are: a frame of a library (lazy or not), or a plain dict of lists."""

    library: Any
    is_lazy: bool

    def build(self, columns: Mapping[str, list[Any]]) -> Any:
        """Return the columns as a frame of this kind; NaN becomes null where there are nulls."""
        if self.library is None:
            return dict(columns)
        if not self.library.is_pandas():
            columns = {
                name: [None if item != item else item for item in items]
                for name, items in columns.items()
            }
        frame: Any = nw.from_dict(dict(columns), backend=self.library)
        return frame.lazy().to_native() if self.is_lazy else frame.to_native()


@dataclass(frozen=True, kw_only=True)
class FrameSurface(Surface):
    """A surface with its reports as tables of the kind of frame that its quotes came in.

    kind: of the tables. rejected: the rows of the frame that are no option, counted from 0.
    """

    kind: FrameKind
    rejected: list[RejectedRow]

    def table(self) -> Any:
        """Return how each expiry came out, one row each: the numbers of `models.surface_report`."""
        names = (
            "time_years forward forward_source source quotes used volatility_at_money rmse rmse_mark "
            "inside least_durrleman calendar_distance"
        )
        columns: dict[str, list[Any]] = {"expiry": [_moment(s.expiry_us) for s in self.slices]}
        for name in names.split():
            values = [getattr(each, name) for each in self.slices]
            columns[name] = [str(v) if isinstance(v, str) else v for v in values]
        return self.kind.build(columns)

    def verdicts(self) -> Any:
        """Return every quote of the underlying in the order of the frame, with its verdict in a word.

        row: in the frame, from 0. Volatilities as fractions: of bid and ask, of the target, of the surface.
        """
        quotes, points = self.quotes, self.points
        fitted = self.implied_volatility(quotes.strike, points.time_years, points.forward)
        columns = {
            "row": (quotes.row - 1).tolist(),
            "expiry": [_moment(int(each)) for each in quotes.expiry_us],
            "strike": quotes.strike.tolist(),
            "type": ["call" if each else "put" for each in quotes.is_call],
            "bid_volatility": points.bid_volatility.tolist(),
            "ask_volatility": points.ask_volatility.tolist(),
            "target_volatility": points.target.tolist(),
            "fitted_volatility": fitted.tolist(),
            "verdict": [QuoteUse(use).name.lower() for use in points.use],
        }
        return self.kind.build(columns)


class Surfaces(dict[str, FrameSurface]):
    """The surfaces of a frame by underlying. refused: why an underlying has none."""

    def __init__(
        self, found: Mapping[str, FrameSurface], refused: Mapping[str, InputError]
    ) -> None:
        super().__init__(found)
        self.refused = dict(refused)


def fit_surface(
    quotes: Any = None,
    *,
    as_of: Any = None,
    target: str = "mid",
    is_inverse: bool | None = None,
    settings: SurfaceSettings | None = None,
    instrument: Any = None,
    underlying: Any = None,
    expiry: Any = None,
    strike: Any = None,
    is_call: Any = None,
    bid: Any = None,
    ask: Any = None,
    mark_iv: Any = None,
    forward: Any = None,
    underlying_name: Any = None,
    index_price: Any = None,
    quote_time: Any = None,
) -> FrameSurface | Surfaces:
    """Return the surface of a frame's quotes; of several underlyings, `Surfaces` by their names.

    quotes: a frame whose columns have the names of the arguments, or nothing, if columns are given one by
    one. as_of: the moment of the quotes. An option is `instrument`, or `expiry`, `strike` and `type` (or
    `is_call`), of `underlying`. bid, ask: per unit of the underlying; in coin if `is_inverse`, else in the
    unit of the strike. If `is_inverse` is not said, named instruments are in coin unless their underlying
    ends like BTC_USDC; without names it must be said. Optional: mark_iv (0.45 = 45 %), forward (or
    underlying_price, the future of the expiry; underlying_name SYN.… when the venue made it up),
    index_price, quote_time. target: "mid" of two-sided quotes, or the venue's "mark"; `settings` has all
    choices, and then `target` does not count.

    Errors: FRAM-E01 to FRAM-E04 as of `price`; SURF-E01 no quote can serve; SURF-E02 no mark to fit to.

    >>> found = fit_surface(instrument=[f"BTC-30JAN26-{k}-C" for k in range(80_000, 100_000, 4_000)],
    ...     bid=[.1203, .0876, .0600, .0383, .0228], ask=[.1208, .0880, .0604, .0386, .0231],
    ...     forward=88_800.0, as_of="2025-12-30T08:00:00Z")
    >>> found.underlying, found.table()["used"], found.verdicts()["verdict"][0]
    ('BTC', [5], 'used')
    """
    columns = {
        "instrument": instrument, "underlying": underlying, "expiry": expiry, "strike": strike,
        "is_call": is_call, "bid": bid, "ask": ask, "mark_iv": mark_iv, "forward": forward,
        "underlying_name": underlying_name, "index_price": index_price, "quote_time": quote_time,
        "as_of": as_of,
    }  # fmt: skip
    if settings is None and target not in set(FitTarget):
        raise refuse(
            "FRAM-E02", f"target is {target!r}", "a surface is fitted to the mid or to the mark",
            'give "mid" or "mark"', column="target",
        )  # fmt: skip
    chosen = settings or SurfaceSettings(target=FitTarget(target))
    return _Quotes(quotes, columns).fit(chosen, is_inverse)


class _Quotes:
    """The quotes of one call, as arrays of one length."""

    def __init__(self, first: object, columns: Mapping[str, object]) -> None:
        self.given: FrameGiven | ColumnsGiven = what_is_given(first, columns)
        self.columns = columns
        shape = self.given.shape
        if len(shape) != 1:
            raise refuse(
                "FRAM-E04", f"the columns have the shape {shape}", "a column has one value a row",
                "give a frame, or columns of one length",
            )  # fmt: skip
        self.count = shape[0]
        self.rejected: list[RejectedRow] = []
        self.is_named = self.raw("instrument") is not None
        self.identify()
        self.numbers = {name: self.numbers_of(name) for name in NUMBERS}
        for name in ("bid", "ask"):
            if self.raw(name) is None:
                raise self.given.missing((name,))

    def raw(self, name: str) -> object:
        """Return what was given under a name or its second name, None if nothing was."""
        found = self.given.find(name, self.columns.get(name))
        second = SECOND_NAMES.get(name)
        return self.given.find(second, None) if found is None and second else found

    def spread(self, values: Any, name: str) -> Any:
        """Return the values, one a row."""
        try:
            return np.array(np.broadcast_to(values, (self.count,)))
        except ValueError:
            raise refuse(
                "FRAM-E04", f"{name} has {np.size(values)} values for {self.count} rows",
                "a column has a value for every row, or one for all", "give one for every row",
                column=name,
            ) from None  # fmt: skip

    def numbers_of(self, name: str) -> Floats:
        """Return a column of numbers, NaN where it is not given."""
        raw = self.raw(name)
        found: Floats = self.spread(np.nan if raw is None else numbers(raw, name), name)
        return found

    def texts(self, name: str) -> list[Any]:
        """Return a column of texts."""
        items, shape = items_of(self.raw(name))
        return list(items) if shape else list(items) * self.count

    def identify(self) -> None:
        """Find underlying, expiry, strike and type of every row; what has none is rejected."""
        if self.is_named:
            names = self.texts("instrument")
            parts = [option_parts(each) if isinstance(each, str) else None for each in names]
            is_option = np.array([each is not None for each in parts], np.bool_)
            whole = [each or ("", 0, 0, False) for each in parts]
            self.underlying = [each[0] for each in whole]
            self.expiry_us = np.array([each[1] for each in whole], np.int64)
            self.strike = np.array([float(each[2]) for each in whole])
            self.is_call = np.array([each[3] for each in whole], np.bool_)
            self.reject(~is_option, "instrument", "is not an option's name")
            return
        for name in ("expiry", "strike"):
            if self.raw(name) is None:
                raise self.given.missing(("instrument", name))
        named = self.raw("underlying") is not None
        self.underlying = self.texts("underlying") if named else [""] * self.count
        ends = self.spread(instants(self.raw("expiry"), "expiry"), "expiry")
        self.expiry_us = np.where(np.isnan(ends), 0.0, ends).astype(np.int64)
        self.strike = self.numbers_of("strike")
        raw = self.raw("is_call")
        raw = self.raw("type") if raw is None else raw
        if raw is None:
            raise self.given.missing(("type", "is_call"))
        flags, missing = types(raw, "type")
        self.is_call = self.spread(flags, "type")
        self.reject(self.spread(missing, "type"), "type", "is missing")
        self.reject(np.isnan(ends), "expiry", "is missing")
        lacking = np.array([not isinstance(each, str) for each in self.underlying], np.bool_)
        self.reject(lacking, "underlying", "is missing")

    def reject(self, where: Flags, field: str, reason: str) -> None:
        """Leave rows out, and say why."""
        self.rejected += [RejectedRow(int(i), field, reason) for i in np.flatnonzero(where)]

    def moment(self) -> int:
        """Return the one moment of the quotes, in µs."""
        raw = self.raw("as_of")
        if raw is None:
            raise self.given.missing(("as_of",))
        found = np.unique(np.atleast_1d(instants(raw, "as_of")))
        if len(found) != 1 or np.isnan(found[0]):
            raise refuse(
                "FRAM-E02", f"as_of has {len(found)} different values, or none",
                "the quotes of a surface are of one moment", "choose the rows of one moment",
                column="as_of",
            )  # fmt: skip
        return int(found[0])

    def fit(self, settings: SurfaceSettings, is_inverse: bool | None) -> FrameSurface | Surfaces:
        """Return the surface of each underlying."""
        from steelyard.models.surface_fit import fit_surface as fit_chain

        if not self.is_named and is_inverse is None:
            raise refuse(
                "FRAM-E01", "is_inverse is not given", "prices are in coin or in the unit of the strike",
                "say is_inverse=True if the prices are in coin, else False", column="is_inverse",
            )  # fmt: skip
        chains = self.chains(self.moment(), is_inverse)
        found: dict[str, FrameSurface] = {}
        refused: dict[str, InputError] = {}
        kind = FrameKind(None, False)
        if isinstance(self.given, FrameGiven):
            kind = FrameKind(self.given.frame.implementation, self.given.is_lazy)
        for chain in chains:
            try:
                surface = fit_chain(chain, settings)
            except InputError as error:
                refused[chain.underlying] = error
                continue
            parts = {each.name: getattr(surface, each.name) for each in fields(Surface)}
            found[chain.underlying] = FrameSurface(**parts, kind=kind, rejected=self.rejected)
        if not found:
            raise next(iter(refused.values()))
        return Surfaces(found, refused) if len(chains) > 1 else next(iter(found.values()))

    def chains(self, time_us: int, is_inverse: bool | None) -> list[ChainQuotes]:
        """Return the quotes of each underlying, in order of their names."""
        keep = np.ones(self.count, np.bool_)
        keep[[each.row for each in self.rejected]] = False
        if not keep.any():
            raise refuse(
                "FRAM-E02", f"none of {self.count} rows is an option",
                "an option has a name like BTC-27MAR26-70000-C, or an expiry, a strike and a type",
                "name the right columns", column="instrument" if self.is_named else "expiry",
            )  # fmt: skip
        quote_time = np.full(self.count, NO_TIME)
        raw = self.raw("quote_time")
        if raw is not None:
            times = self.spread(instants(raw, "quote_time"), "quote_time")
            quote_time = np.where(np.isnan(times), NO_TIME, times).astype(np.int64)
        synthetic = np.zeros(self.count, np.bool_)
        if self.raw("underlying_name") is not None:
            labels = self.texts("underlying_name")
            synthetic[:] = [str(each).startswith(SYNTHETIC_PREFIX) for each in labels]
        names = np.array([str(each) for each in self.underlying], dtype=object)
        chains = []
        for name in sorted(set(names[keep].tolist())):
            mine = np.flatnonzero(keep & (names == name))
            in_coin = not name.endswith(LINEAR_SUFFIXES) if is_inverse is None else is_inverse
            value = self.numbers
            whole = ChainQuotes(
                name, time_us, in_coin, np.arange(1, self.count + 1), self.expiry_us, self.strike,
                self.is_call, value["bid"], value["ask"], value["mark_iv"], value["forward"], synthetic,
                value["index_price"], quote_time,
            )  # fmt: skip
            chains.append(whole.select(mine))
        return chains


def _moment(time_us: int) -> datetime:
    return (EPOCH + timedelta(microseconds=time_us)).astimezone(UTC)
