"""The method: the parameter document that holds every risk number, and its changes.

A method is TOML text decoded into frozen structs. Its hash is taken over the canonical encoding, so
two documents with the same numbers have the same hash. A change of one parameter makes a new method.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any, Literal, cast

import msgspec

from steelyard.quantities import PPM, TermsError
from steelyard.terms.checks import DAY_US, Rules
from steelyard.terms.implied_rules import ImpliedRules, implied_checks
from steelyard.terms.index_rules import IndexRules, index_checks
from steelyard.terms.liquidity_rules import LiquidityRules, liquidity_checks
from steelyard.terms.volatility_rules import VolatilityRules, volatility_checks

TIERS_MAX = 8
USD_MAX = 10**15
TABLES = ("index", "implied", "liquidity", "underlying", "collateral")
"""Parts of a method that have one table an asset, and one called `default`."""

_UNREADABLE = (
    msgspec.ValidationError, msgspec.DecodeError, RecursionError, OverflowError, UnicodeError,
)  # fmt: skip


class Grid(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The scenario grid: price moves in fractions of a range, times, tails, and the volatility rule.

    horizon_days: how much later a scenario may find the book, each with every price and volatility move;
    tails stand at the last one. option_model: what values options in scenarios, `black` with each option's
    volatility or `heston` with the underlying's calibrated parameters. smile_dynamics: what a surface keeps
    between two fits, the volatility of a strike or that of a moneyness.
    """

    price_moves: tuple[float, ...]
    tail_moves: tuple[float, ...]
    tail_weights: tuple[float, ...]
    volatility_range_up: float
    volatility_range_down: float
    short_term_power: float
    long_term_power: float
    term_floor_days: float
    horizon_days: tuple[float, ...]
    option_model: Literal["black", "heston"]
    smile_dynamics: Literal["sticky_strike", "sticky_moneyness"]


class Portfolio(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Factors of the portfolio requirement, in ppm."""

    initial_factor_ppm: int
    maintenance_factor_ppm: int
    short_option_minimum_ppm: int


class Cross(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Short-option rates outside portfolio margin, in ppm of the index."""

    option_initial_ppm: int
    option_initial_floor_ppm: int
    option_maintenance_ppm: int


class Liquidation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Fees, steps and pace of reductions."""

    fee_ppm: int
    taker_fee_ppm: int
    step_ppm: int
    interval_us: int
    target_ratio_ppm: int


class Levels(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Margin ratios at which account states begin, in ppm, and the hysteresis on the way back."""

    warning_ppm: int
    margin_call_ppm: int
    orders_cancelled_ppm: int
    partial_reduction_ppm: int
    full_liquidation_ppm: int
    hysteresis_ppm: int


class Tier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A notional bracket: up to `notional_usd_max` (0: without end), with its two rates."""

    notional_usd_max: int
    maintenance_ppm: int
    initial_ppm: int


class UnderlyingRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Range, depth and tiers of one underlying."""

    range_ppm: int
    depth_usd: int
    half_spread_ppm: int
    recovery_us: int
    option_depth_ppm: int
    slippage_ppm_max: int
    tiers: tuple[Tier, ...]


class CollateralRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Haircuts of one asset, in ppm of its value."""

    haircut_initial_ppm: int
    haircut_maintenance_ppm: int


class Method(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole method. Use `underlying_rules` and `collateral_rules` to read per-name tables."""

    name: str
    version: str
    currency: str
    grid: Grid
    portfolio: Portfolio
    cross: Cross
    liquidation: Liquidation
    levels: Levels
    index: dict[str, IndexRules]
    implied: dict[str, ImpliedRules]
    liquidity: dict[str, LiquidityRules]
    volatility: VolatilityRules
    underlying: dict[str, UnderlyingRules]
    collateral: dict[str, CollateralRules]

    def index_rules(self, name: str) -> IndexRules:
        """Return the index rules of an asset, or those of the document's table `default`."""
        return self.index.get(name) or self.index["default"]

    def implied_rules(self, name: str) -> ImpliedRules:
        """Return the rules of an underlying's volatilities, or those of the document's table `default`."""
        return self.implied.get(name) or self.implied["default"]

    def liquidity_rules(self, name: str) -> LiquidityRules:
        """Return the liquidity rules of an asset, or those of the document's table `default`."""
        return self.liquidity.get(name) or self.liquidity["default"]

    def underlying_rules(self, name: str) -> UnderlyingRules:
        """Return the rules of an underlying, or those of the document's table `default`."""
        return self.underlying.get(name) or self.underlying["default"]

    def collateral_rules(self, name: str) -> CollateralRules:
        """Return the haircuts of an asset, or those of the document's table `default`."""
        return self.collateral.get(name) or self.collateral["default"]

    def digest(self) -> bytes:
        """Return the 32-byte hash of the canonical encoding of every number."""
        encoded = msgspec.msgpack.encode(self, order="deterministic")
        return hashlib.blake2b(encoded, digest_size=32).digest()

    def with_parameter(self, path: str, value_json: str) -> Method:
        """Return the method with one parameter changed.

        path: dotted, e.g. `underlying.BTC.range_ppm`; value_json: the new value as JSON. A table of
        an underlying or asset that does not exist yet starts as a copy of `default`.
        Errors: TERM-E04 unknown path, TERM-E03 a value that breaks a rule of the method.

        >>> m = load_method().with_parameter("underlying.BTC.range_ppm", "200000")
        >>> m.underlying_rules("BTC").range_ppm
        200000
        """
        return self.with_parameters([(path, value_json)])

    def with_parameters(self, changes: Iterable[tuple[str, str]]) -> Method:
        """Return the method with some parameters changed, all or none: checked once, when all are.

        Errors: as of `with_parameter`; a broken rule names the last path.

        >>> m = load_method()
        >>> raised = m.with_parameters([
        ...     ("levels.warning_ppm", "1600000"), ("levels.margin_call_ppm", "1400000")])
        >>> raised.levels.margin_call_ppm
        1400000
        """
        tree = cast(dict[str, Any], msgspec.to_builtins(self))
        path = ""
        try:
            for path, value_json in changes:
                node, key = _place(tree, path)
                node[key] = msgspec.json.decode(value_json)
            return check_method(msgspec.convert(tree, Method))
        except _UNREADABLE as error:
            raise _broken(str(error), path) from None

    def parameter_json(self, path: str) -> str:
        """Return a parameter as JSON, a table without one of its own as `default`. Errors: TERM-E04.

        >>> load_method().parameter_json("liquidation.step_ppm")
        '250000'
        """
        node, key = _place(cast(dict[str, Any], msgspec.to_builtins(self)), path)
        return msgspec.json.encode(node[key], order="deterministic").decode()


def _place(tree: dict[str, Any], path: str) -> tuple[dict[str, Any], str]:
    """Return the table and the key a path leads to; a missing table of an asset begins as `default`."""
    keys = path.split(".")
    node = tree
    for depth, key in enumerate(keys[:-1]):
        if depth == 1 and keys[0] in TABLES and key not in node:
            node[key] = dict(node["default"])
        if not isinstance(node.get(key), dict):
            raise _unknown_path(path)
        node = node[key]
    if keys[-1] not in node or "" in keys:
        raise _unknown_path(path)
    return node, keys[-1]


def load_method(path: Path | None = None) -> Method:
    """Return the method of a TOML file, or the house method `steelyard`.

    Errors: TERM-E03 with the field and the rule it breaks.

    >>> load_method().name
    'steelyard'
    """
    if path is None:
        text = resources.files("steelyard.terms").joinpath("methods/steelyard.toml").read_bytes()
    else:
        text = _read(path)
    try:
        method = check_method(msgspec.toml.decode(text, type=Method))
        _check_complete(msgspec.toml.decode(text))
        return method
    except _UNREADABLE as error:
        raise _broken(str(error), str(path or "steelyard.toml")) from None


def _check_complete(document: dict[str, Any]) -> None:
    """Raise TERM-E03 for a number of the volatility table that the document leaves to its default."""
    for field in VolatilityRules.__struct_fields__:
        if field not in document["volatility"]:
            raise _broken(f"volatility.{field} is missing", f"volatility.{field}")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _broken(f"{path} cannot be read: {error.strerror}", str(path)) from None


def check_method(method: Method) -> Method:
    """Return the method itself if its numbers keep the rules, else raise TERM-E03.

    Rules: the grid holds its centre and at most 31 scenarios, initial is not below maintenance,
    shares and haircuts lie in [0, 1], levels descend, tiers ascend.
    """
    grid, moves = method.grid, method.grid.price_moves + method.grid.tail_moves
    times = grid.horizon_days
    scenarios = 3 * len(grid.price_moves) * len(times) + len(grid.tail_moves)
    widest = max((abs(move) for move in moves), default=0.0)
    portfolio = method.portfolio
    rules: Rules = [
        (0.0 in grid.price_moves, "grid.price_moves", "the grid holds its centre"),
        (all(map(math.isfinite, moves)), "grid.price_moves", "moves are finite"),
        (len(times) > 0, "grid.horizon_days", "at least one, 0 for now"),
        (all(0 <= each <= 30 for each in times), "grid.horizon_days", "0 to 30 days"),
        (list(times) == sorted(set(times)), "grid.horizon_days", "ascending, each one once"),
        (scenarios <= 31, "grid", "at most 31 scenarios, tails included"),
        (len(grid.tail_moves) == len(grid.tail_weights), "grid.tail_weights", "one weight a tail"),
        (all(0 < w <= 1 for w in grid.tail_weights), "grid.tail_weights", "weights in (0, 1]"),
        (
            10 * PPM >= portfolio.initial_factor_ppm >= portfolio.maintenance_factor_ppm >= PPM,
            "portfolio.initial_factor_ppm",
            "10 ≥ initial ≥ maintenance ≥ 1",
        ),
        (
            0 <= portfolio.short_option_minimum_ppm <= PPM,
            "portfolio.short_option_minimum_ppm",
            "a share in [0, 1]",
        ),
        *(
            (("default" in getattr(method, t)), f"{t}.default", "the table is there")
            for t in TABLES
        ),
    ]
    rules += _volatility_rules(grid) + _cross_rules(method.cross)
    for name, of_asset in method.index.items():
        rules += index_checks(of_asset, f"index.{name}")
    for name, of_fit in method.implied.items():
        rules += implied_checks(of_fit, f"implied.{name}")
    for name, of_book in method.liquidity.items():
        rules += liquidity_checks(of_book, f"liquidity.{name}")
    rules += volatility_checks(method.volatility, "volatility")
    rules += _action_rules(method.levels, method.liquidation) + _table_rules(method, widest)
    for holds, field, rule in rules:
        if not holds:
            raise _broken(f"{field} breaks a rule of the method", field, rule)
    return method


def _volatility_rules(grid: Grid) -> Rules:
    """Return the rules of the volatility moves: what they make of any term is finite."""
    powers = grid.short_term_power, grid.long_term_power
    ranges = grid.volatility_range_up, grid.volatility_range_down
    return [
        (0 < grid.term_floor_days <= 365, "grid.term_floor_days", "above zero, at most a year"),
        (all(0 < r <= 10 for r in ranges), "grid.volatility_range_up", "above zero, at most 10"),
        (all(0 <= p <= 2 for p in powers), "grid.short_term_power", "between 0 and 2"),
    ]


def _cross_rules(cross: Cross) -> Rules:
    """Return the rules of short options outside portfolio margin."""
    floor, keep = cross.option_initial_floor_ppm, cross.option_maintenance_ppm
    return [
        (floor >= keep, "cross.option_initial_floor_ppm", "initial is not below maintenance"),
        (keep >= 0 and floor <= PPM, "cross.option_maintenance_ppm", "shares in [0, 1]"),
        (0 <= cross.option_initial_ppm <= PPM, "cross.option_initial_ppm", "a share in [0, 1]"),
    ]


def _action_rules(levels: Levels, liquidation: Liquidation) -> Rules:
    """Return (holds, field, rule) of levels, fees, steps and pace."""
    ladder = (
        levels.warning_ppm,
        levels.margin_call_ppm,
        levels.orders_cancelled_ppm,
        levels.partial_reduction_ppm,
        levels.full_liquidation_ppm,
    )
    return [
        (
            sorted(ladder, reverse=True) == list(ladder),
            "levels",
            "states begin in descending order",
        ),
        (levels.full_liquidation_ppm > 0, "levels.full_liquidation_ppm", "above zero"),
        (levels.warning_ppm <= 2 * PPM, "levels.warning_ppm", "at most 2"),
        (0 <= levels.hysteresis_ppm <= PPM // 5, "levels.hysteresis_ppm", "between 0 and 20 %"),
        (0 < liquidation.step_ppm <= PPM, "liquidation.step_ppm", "a share in (0, 1]"),
        (0 <= liquidation.fee_ppm <= PPM // 10, "liquidation.fee_ppm", "between 0 and 10 %"),
        (
            0 <= liquidation.taker_fee_ppm <= PPM // 10,
            "liquidation.taker_fee_ppm",
            "between 0 and 10 %",
        ),
        (0 <= liquidation.interval_us <= DAY_US, "liquidation.interval_us", "at most a day"),
        (
            levels.partial_reduction_ppm + levels.hysteresis_ppm
            < liquidation.target_ratio_ppm
            <= 10 * PPM,
            "liquidation.target_ratio_ppm",
            "above the ratio at which reductions end, at most 10",
        ),
    ]


def _table_rules(method: Method, widest: float) -> Rules:
    """Return (holds, field, rule) of every per-underlying and per-asset table."""
    rules: Rules = []
    for name, u in method.underlying.items():
        field = f"underlying.{name}"
        reach = widest * u.range_ppm / PPM
        rules += [
            (
                u.range_ppm > 0 and reach < 1.0,
                f"{field}.range_ppm",
                "the widest fall is below 100 %",
            ),
            (0 < u.depth_usd <= USD_MAX, f"{field}.depth_usd", "above zero, at most 10^15"),
            (0 < u.recovery_us <= DAY_US, f"{field}.recovery_us", "above zero, at most a day"),
            (0 < u.option_depth_ppm <= PPM, f"{field}.option_depth_ppm", "a share in (0, 1]"),
            (
                0 <= u.half_spread_ppm < u.slippage_ppm_max < PPM,
                f"{field}.slippage_ppm_max",
                "above the half spread and below 1",
            ),
            (
                len(u.tiers) <= TIERS_MAX and _tiers_ascend(u.tiers),
                f"{field}.tiers",
                f"at most {TIERS_MAX}, notional and rates ascend, initial ≥ maintenance, the last tier without end",
            ),
        ]
    for name, c in method.collateral.items():
        fair = 0 <= c.haircut_maintenance_ppm <= c.haircut_initial_ppm <= PPM
        rules.append((fair, f"collateral.{name}", "0 ≤ maintenance haircut ≤ initial haircut ≤ 1"))
    return rules


def _tiers_ascend(tiers: tuple[Tier, ...]) -> bool:
    if not tiers or tiers[-1].notional_usd_max != 0 or tiers[0].maintenance_ppm <= 0:
        return False
    bounded = [t.notional_usd_max for t in tiers[:-1]]
    rates = [t.maintenance_ppm for t in tiers], [t.initial_ppm for t in tiers]
    return (
        bounded == sorted(set(bounded))
        and all(0 < b <= USD_MAX for b in bounded)
        and all(r == sorted(r) for r in rates)
        and all(t.maintenance_ppm <= t.initial_ppm <= PPM for t in tiers)
    )


def _unknown_path(path: str) -> TermsError:
    return TermsError(
        "TERM-E04",
        f"the method has no parameter {path!r}",
        rule="a change names an existing parameter",
        cure="look the name up in the method document",
        parameter=path,
    )


def _broken(
    message: str, field: str, rule: str = "the document has the published fields"
) -> TermsError:
    return TermsError("TERM-E03", message, rule=rule, cure="correct the document", field=field)
