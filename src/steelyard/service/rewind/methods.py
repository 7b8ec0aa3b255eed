"""The methods that only the second process answers, and the list of all that it does.

    private/liquidation_map    risk, every account    what would be liquidatable at moved prices
    private/parameter_impact   risk, every account    what a change of parameters would do
    private/look_ahead         simulate, one account  what an account will need later

In the process of the live engine they are there to be described, charged and sent on: their handlers
refuse (RWND-E08) where no engine may be copied.

What asks the service's memory (`channels.methods`) is answered from that of the replayed engine, all but
`private/get_history`: its rows carry their events, so those of the live service are cut at one, in its own
process (`Rewind`, beside). What is about all of the journal stands in `whole`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import msgspec

from steelyard.service.access.errors import AccessError
from steelyard.service.access.matrix import Touches
from steelyard.service.answers import catalog
from steelyard.service.answers.desk import Context
from steelyard.service.answers.scope import named
from steelyard.service.channels.methods import memory_methods
from steelyard.service.host.scene import Scene
from steelyard.service.rewind.ahead import HORIZONS, MOVES_PPM, LookAhead, look_ahead
from steelyard.service.rewind.desk import RewindDesk, rewind_desk
from steelyard.service.rewind.errors import out_of_bounds
from steelyard.service.rewind.impact import ROWS, Change, ImpactReport, impact
from steelyard.service.rewind.liquidation import (
    LEVELS,
    REACH_PPM,
    LiquidationMap,
    liquidation_map,
    moves_of,
)
from steelyard.service.rewind.moved import underlyings_of
from steelyard.service.rpc.registry import Method
from steelyard.terms.account import owner_of

MAPS_MAX = 16
HISTORY = "private/get_history"


class MapParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of private/liquidation_map.

    underlyings: all that have a price if left out; a map for each, or one in which all move together.
    levels: odd; reach_ppm: how far they go on both sides, in millionths of the index.
    """

    underlyings: tuple[str, ...] | None = None
    together: bool = False
    levels: int = LEVELS
    reach_ppm: int = REACH_PPM


class ImpactParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of private/parameter_impact. rows: how many units each list has at most."""

    changes: tuple[Change, ...]
    rows: int = ROWS


class AheadParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of private/look_ahead. account: the key's only one if left out; or a margin unit of it."""

    account: str | None = None
    horizons: tuple[str, ...] = HORIZONS
    moves_ppm: tuple[int, ...] = MOVES_PPM
    underlyings: tuple[str, ...] | None = None


def answer_map(params: MapParams, context: Context) -> list[LiquidationMap]:
    """Return a map for each underlying, or one of all together. Errors: ACCS-E51, RWND-E07."""
    desk = rewind_desk(context, "private/liquidation_map")
    _require_every(context, "private/liquidation_map")
    moves = moves_of(params.levels, params.reach_ppm)
    names = params.underlyings or tuple(underlyings_of(desk.engine))
    groups = [names] if params.together else [(name,) for name in dict.fromkeys(names)]
    if len(groups) > MAPS_MAX:
        raise out_of_bounds(
            "underlyings", f"there are {len(groups)} maps to make", f"at most {MAPS_MAX} at once"
        )
    return [
        desk.kept(("map", group, *moves), partial(liquidation_map, desk.engine, group, moves))
        for group in groups
        if group
    ]


def answer_impact(params: ImpactParams, context: Context) -> ImpactReport:
    """Return what changes would do. Errors: ACCS-E51, TERM-E03, TERM-E04, RWND-E07."""
    desk = rewind_desk(context, "private/parameter_impact")
    _require_every(context, "private/parameter_impact")
    found: ImpactReport = desk.kept(
        params, lambda: impact(desk.engine, params.changes, params.rows)
    )
    return found


def answer_ahead(params: AheadParams, context: Context) -> LookAhead:
    """Return what an account will need later. Errors: ANSW-E02, ANSW-E03, RWND-E07."""
    desk = rewind_desk(context, "private/look_ahead")
    asked = params.account
    owner = named(context, None if asked is None else owner_of(asked))
    found: LookAhead = desk.kept(
        (params, owner),
        lambda: look_ahead(
            desk.engine, asked or owner, params.horizons, params.moves_ppm, params.underlyings or ()
        ),
    )
    return found


def _require_every(context: Context, endpoint: str) -> None:
    """Raise ACCS-E51 for a key of some accounts: totals would tell of those of others."""
    if context.session.accounts is not None:
        raise AccessError(
            "ACCS-E51", "this touches every account",
            rule="a key reaches the accounts that it lists, or all",
            cure="use a key of every account", endpoint=endpoint,
        )  # fmt: skip


_Row = tuple[str, Callable[[Any, Context], Any], Any, Any, str, Touches, int, str]
_ROWS: tuple[_Row, ...] = (
    ("private/liquidation_map", answer_map, MapParams, list[LiquidationMap], "risk", "every",
     50_000, "What would be liquidatable at moved prices"),
    ("private/parameter_impact", answer_impact, ImpactParams, ImpactReport, "risk", "every",
     20_000, "What a change of parameters would do to the accounts"),
    ("private/look_ahead", answer_ahead, AheadParams, LookAhead, "simulate", "one",
     40_000, "What an account will need at later instants and moved prices"),
)  # fmt: skip

REWIND_METHODS: tuple[str, ...] = tuple(row[0] for row in _ROWS)
"""The methods that are sent to the second process whatever instant they are asked as of."""


def rewind_methods() -> tuple[Method, ...]:
    """Return the methods of this room, for a registry."""
    return tuple(
        Method(
            name=name, handler=handler, params=params, result=result, scope=scope, credits=credits,
            is_private=True, summary=summary, touches=touches,
        )
        for name, handler, params, result, scope, touches, credits, summary in _ROWS
    )  # fmt: skip


def all_methods() -> tuple[Method, ...]:
    """Return every method that can be asked as of another event."""
    nowhere = cast(Scene, None)
    memory = [method for method in memory_methods(nowhere) if method.name != HISTORY]
    return (*catalog.methods(), *rewind_methods(), *(_of_then(method) for method in memory))


def _of_then(method: Method) -> Method:
    """Return a method of a scene, bound to the scene of the desk that it is asked at."""

    def handler(params: Any, context: Context) -> Any:
        scene = rewind_desk(context, method.name).scene()
        bound = next(each for each in memory_methods(scene) if each.name == method.name)
        return bound.handler(params, context)

    return msgspec.structs.replace(method, handler=handler)


__all__ = [
    "REWIND_METHODS",
    "AheadParams",
    "ImpactParams",
    "MapParams",
    "RewindDesk",
    "all_methods",
    "rewind_methods",
]
