"""A method prepared for a market: its formulas of instruments and its scenario table, worked out once.

Everything here depends on the market and the parameters alone. Any number of accounts is then margined
against these columns (`evaluation`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.margin.methods.core.columns import Lists
from steelyard.margin.methods.core.expressions import Formula
from steelyard.margin.methods.core.instruments import (
    COIN,
    FUTURE,
    MARKET_NAMES,
    OPTION,
    PERPETUAL,
    Floats,
    Instruments,
)
from steelyard.margin.methods.core.rules import Compiled, circular
from steelyard.margin.methods.core.scenarios import (
    DIRECTIONS,
    Scenarios,
    padded,
    scenario_set,
)
from steelyard.margin.methods.core.tiles import LANES
from steelyard.margin.methods.needs import parameter
from steelyard.quantities.errors import InputError, TermsError
from steelyard.valuation.black76 import black76_price
from steelyard.valuation.greeks import black76_greeks

VOLATILITY_MAX = (
    1e6  # a term of zero may scale a volatility without end; with no time left it is idle
)
LINEAR = {PERPETUAL: "perpetual", FUTURE: "future", COIN: "coin"}


class Names(dict[str, Any]):
    """Names of instruments' formulas: found, worked out when first asked for, else a parameter."""

    def __init__(self, prepared: Prepared) -> None:
        super().__init__()
        self._prepared = prepared

    def __missing__(self, name: str) -> Any:
        value = self._prepared.find(name)
        self[name] = value
        return value


class Prepared:
    """Columns over the instruments I, and the scenario table.

    scenarios: the method's own; table (I, W): an option's value (or P&L if the method has no discounts),
    any other instrument's P&L, for one unit; base (I,): unmoved value where the table holds values;
    discount_long, discount_short (I,); weight (W,), folds (W,); probes: name -> (I,) option values.
    """

    def __init__(self, compiled: Compiled, instruments: Instruments) -> None:
        self.compiled = compiled
        self.instruments = instruments
        self.rules = compiled.rules
        self.parameters = compiled.parameters
        self.names = Names(self)
        self.programs: dict[Any, Any] = {}  # by what books state; kept by `machine`
        self.questions = 0  # how often books were margined against this
        self.asked: set[str] = set()
        self.options = np.flatnonzero(instruments.kind == OPTION)
        with np.errstate(all="ignore"):
            self.scenarios, self.probe_scenarios = scenario_set(self.compiled)
            try:
                self._fill_table()
            except RecursionError:
                raise circular(compiled.document, "market") from None

    # Names of instruments

    def find(self, name: str) -> Any:
        """Return a name of an instrument's formula: of the market, a formula, or a parameter."""
        instruments = self.instruments
        if name in instruments.columns:
            self.asked.add(name)
            return instruments.columns[name]
        if name in self.compiled.market:
            return self.value(self.compiled.market[name])
        if name == "settlement_price":
            return self.settlement_price
        if name == "model_value":
            return self.model_value
        if name == "model_delta":
            return self.model_delta
        return self.parameter(name, instruments.underlying_of, instruments.names)

    def parameter(self, name: str, underlyings: list[str], assets: list[str]) -> Any:
        """Return a parameter; of a keyed table the column over underlyings or assets. TERM-E21."""
        if name in self.parameters:
            return self.parameters[name]
        if name in self.compiled.document.units:
            parameter(self.parameters, name)
        for table, key in self.rules.by.items():
            if name in self.compiled.keyed(table):
                return self._keyed(table, name, underlyings if key == "underlying" else assets)
        raise TermsError(
            "TERM-E21",
            f"a formula asks for {name}, which is nothing this method has",
            rule="a name is a formula, a number of the market or of a position, or a parameter",
            cure="mend the document",
            field=name,
        )

    def _keyed(self, table: str, name: str, keys: list[str]) -> Any:
        by = self.rules.by[table]
        found = []
        for key in keys:
            if (
                by == "asset"
                and key not in self.instruments.market.assets
                and key not in (self.parameters.get(table) or {})
            ):
                found.append(np.nan)
                continue
            entry = self.compiled.document.entry(table, key)
            value = entry.get(name) if isinstance(entry, dict) else None
            found.append(np.nan if value is None else value)
        if any(isinstance(each, list | tuple) for each in found):
            return Lists(found)
        return np.array(found, np.float64)

    def value(self, text: Formula) -> Any:
        """Return a formula over the instruments, as a column."""
        found = text.value(self.names)
        if isinstance(found, np.ndarray) and found.ndim == 1:
            return found
        return np.full(len(self.instruments), found)

    def column(self, text: str, place: str) -> Floats:
        """Return the formula of a text over the instruments."""
        return np.asarray(self.value(self.compiled.formulas.of(text, place)), np.float64)

    @property
    def settlement_price(self) -> float:
        """The price of the settlement asset in USD, 1 unless the market states another."""
        stated = self.instruments.market.assets.get(self.rules.settlement)
        price = 1.0 if stated is None or stated.price is None else float(stated.price)
        if not 0.0 < price < 1e9:
            field = f"market.assets.{self.rules.settlement}.price"
            raise InputError(
                "METH-E05", f"{field} is {price}", rule="a price is above zero",
                cure="mend the value", field=field,
            )  # fmt: skip
        return price

    @property
    def model_delta(self) -> Floats:
        """N(d1) of a call, N(d1) − 1 of a put, on its own forward; 1 for the others, 0 for a coin."""
        delta = np.where(self.instruments.kind == COIN, 0.0, 1.0)
        rows = self.options
        columns = self.instruments.columns
        if len(rows):
            self.asked |= {"tau"} | self._option_names()
            delta[rows] = black76_greeks(
                columns["is_call"][rows], self.forward[rows], columns["strike"][rows],
                columns["volatility"][rows], columns["tau"][rows],
            ).delta  # fmt: skip
        return delta

    # The table

    def _fill_table(self) -> None:
        rules, instruments = self.rules, self.instruments
        size, count = len(instruments), len(self.scenarios)
        width = max(LANES, -(-count // LANES) * LANES)
        has_discounts = bool(rules.options.discount_long or rules.options.discount_short)
        self.has_discounts = has_discounts
        self.forward = np.full(size, np.nan)
        self.model_value = np.zeros(size)
        self.table = np.zeros((size, width))
        self.base = np.zeros(size)
        self.discount_long = np.ones(size)
        self.discount_short = np.ones(size)
        self.weight = (
            padded(self.scenarios.option_weight, width) if has_discounts else np.ones(width)
        )
        self.folds = padded(self.scenarios.folds.astype(np.float64), width) > 0.0
        self.is_discounted = instruments.columns["is_option"] & has_discounts
        self.probes: dict[str, Floats] = {}
        arrays = self.parameters.get(self.rules.given_arrays) or {}
        self.is_given = np.array([name in arrays for name in instruments.names], bool)
        self._fill_linear()
        self._fill_options()
        self._fill_given()

    def _fill_linear(self) -> None:
        for kind, name in LINEAR.items():
            rows = np.flatnonzero((self.instruments.kind == kind) & ~self.is_given)
            text = self.compiled.formulas.of(
                getattr(self.rules.linear, name), f"rules.linear.{name}"
            )
            if not len(rows) or not len(self.scenarios):
                continue
            gains = text.value(_Grid(self, rows, self.scenarios.columns()))
            self.table[rows, : len(self.scenarios)] = gains * self.scenarios.weight

    def _fill_options(self) -> None:
        rows, count = self.options[~self.is_given[self.options]], len(self.scenarios)
        for name in self.rules.probes:
            self.probes[name] = np.zeros(len(self.instruments))
        if not len(rows):
            return
        options = self.rules.options
        self.forward = self.column(options.forward, "rules.options.forward")
        columns = self.instruments.columns
        tau = self.column(options.time, "rules.options.time")
        self.names["forward"] = self.forward
        premium = black76_price(
            columns["is_call"][rows], self.forward[rows], columns["strike"][rows],
            self._capped("volatility")[rows], tau[rows],
        )  # fmt: skip
        self.model_value[rows] = self._valued(rows, premium, self.forward[rows])
        self.asked |= {"tau"} | self._option_names()
        if count:
            values = self._moved(rows, self.scenarios)
            if self.has_discounts:
                self.table[rows, :count] = values
                self.base[rows] = self.model_value[rows]
                if options.discount_long:
                    self.discount_long = self.column(
                        options.discount_long, "rules.options.discount_long"
                    )
                if options.discount_short:
                    self.discount_short = self.column(
                        options.discount_short, "rules.options.discount_short"
                    )
            else:
                gains = values - self.model_value[rows][:, None]
                self.table[rows, :count] = gains * self.scenarios.option_weight
        for name, scenario in self.probe_scenarios.items():
            self.probes[name][rows] = self._moved(rows, scenario)[:, 0]

    def _option_names(self) -> set[str]:
        """Return the market's names that valuing an option asks for."""
        options = self.rules.options
        found = {"volatility"}
        for text in (options.forward, options.time, options.moved_forward, options.moved_time):
            names = [self.compiled.formulas.of(text, "rules.options")]
            while names:
                for name in names.pop().names:
                    if name in MARKET_NAMES:
                        found.add(name)
                    elif name in self.compiled.market:
                        names.append(self.compiled.market[name])
        return found

    def _capped(self, name: str) -> Floats:
        return np.minimum(np.asarray(self.names[name], np.float64), VOLATILITY_MAX)

    def _valued(self, rows: NDArray[np.int64], premium: Floats, forward: Floats) -> Floats:
        text = self.compiled.formulas.of(self.rules.options.value, "rules.options.value")
        grid = _Grid(self, rows, {})
        shape = (len(rows), 1)
        grid |= {"premium": premium.reshape(shape), "forward": forward.reshape(shape)}
        return np.asarray(np.broadcast_to(text.value(grid), shape))[:, 0]

    def shocked_volatility(self, direction: str) -> Floats:
        """Return each instrument's volatility in a direction."""
        if direction == "none":
            return self._capped("volatility")
        text = self.compiled.formulas.of(
            getattr(self.rules.options, direction), f"rules.options.{direction}"
        )
        return np.minimum(np.asarray(self.value(text), np.float64), VOLATILITY_MAX)

    def _moved(self, rows: NDArray[np.int64], scenarios: Scenarios) -> Floats:
        """Return the values of options in scenarios, (rows, S)."""
        options, columns = self.rules.options, self.instruments.columns
        shape = (len(rows), len(scenarios))
        grid = _Grid(self, rows, scenarios.option_columns())
        moved = self.compiled.formulas.of(
            options.moved_forward, "rules.options.moved_forward"
        ).value(grid)
        forward = np.ascontiguousarray(np.broadcast_to(moved, shape))
        time = self.compiled.formulas.of(options.moved_time, "rules.options.moved_time").value(grid)
        volatility = np.empty(shape)
        for direction in DIRECTIONS:
            places = [i for i, each in enumerate(scenarios.direction) if each == direction]
            if places:
                volatility[:, places] = self.shocked_volatility(direction)[rows][:, None]
        premium = black76_price(
            np.broadcast_to(columns["is_call"][rows][:, None], shape), forward,
            np.broadcast_to(columns["strike"][rows][:, None], shape), volatility,
            np.broadcast_to(time, shape),
        )  # fmt: skip
        grid |= {"premium": premium, "forward": forward}
        text = self.compiled.formulas.of(options.value, "rules.options.value")
        return np.asarray(np.broadcast_to(text.value(grid), shape))

    def _fill_given(self) -> None:
        """Put the arrays that the parameters give for single instruments into the table."""
        for row in np.flatnonzero(self.is_given):
            name = self.instruments.names[row]
            array = self.parameters[self.rules.given_arrays][name]
            if len(array) != len(self.scenarios):
                field = f"parameters.{self.rules.given_arrays}.{name}"
                raise InputError(
                    "METH-E05", f"{field} has {len(array)} numbers",
                    rule=f"an array has one number a scenario, {len(self.scenarios)} in all",
                    cure="state them all, or leave the array out", field=field,
                )  # fmt: skip
            self.table[row] = 0.0
            self.table[row, : len(array)] = self.rules.array_sign * np.array(array, np.float64)


class _Grid(dict[str, Any]):
    """Names of a formula over instruments × scenarios: columns of instruments stand upright."""

    def __init__(
        self, prepared: Prepared, rows: NDArray[np.int64], scenario: dict[str, Any]
    ) -> None:
        super().__init__(scenario)
        self._prepared = prepared
        self._rows = rows

    def __missing__(self, name: str) -> Any:
        value = self._prepared.names[name]
        if isinstance(value, np.ndarray) and value.ndim == 1:
            value = value[self._rows][:, None]
        self[name] = value
        return value
