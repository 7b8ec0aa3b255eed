"""The parameters of the method in force: a tree of tables, each number with its unit."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from steelyard.service.control.answers import as_of, read
from steelyard.service.control.guard import Asking, ControlRoute, asking, stated
from steelyard.service.control.shapes import Reading, Told
from steelyard.service.control.telling import described
from steelyard.terms import Method

router = APIRouter(route_class=ControlRoute, tags=["parameters"])

UNITS: tuple[tuple[str, str], ...] = (
    ("_ppm", "parts per million"),
    ("_ppb", "parts per billion"),
    ("_us", "microseconds"),
    ("_usd", "USD"),
    ("_days", "days"),
    ("_ppm_max", "parts per million"),
    ("_usd_max", "USD"),
    ("_us_max", "microseconds"),
    ("_factor", "multiple"),
    ("_moves", "fractions of the range"),
    ("_weights", "shares of the loss"),
    ("_power", "exponent"),
)
"""The unit of a number is the end of its name."""

HEADER = ("name", "version", "currency")


class Parameter(Told):
    """A number of the method, or a table of them (`children`). path: what a proposal names.

    unit: empty where the number has none, and of a table. value: null of a table.
    """

    name: str
    path: str
    unit: str
    value: Annotated[Any, Field(description="A number, a text, a list or null.")] = None
    children: list[Parameter] = Field(default_factory=list)


class Parameters(Reading):
    """The method in force. digest: BLAKE2b-256 of every number of it, as hexadecimal digits."""

    method: str
    version: str
    currency: str
    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    parameters: list[Parameter]


@router.get(
    "/parameters", openapi_extra=stated("read", credits=100),
    **described("getParameters", "The parameters of the method in force", Parameters),
)  # fmt: skip
async def get_parameters(request: Request, asks: Annotated[Asking, Depends(asking)]) -> Response:
    """Return the tree of all parameters."""
    engine = asks.plane.host.engine
    method = engine.method
    return read(
        request,
        Parameters(
            **as_of(engine), method=method.name, version=method.version, currency=method.currency,
            digest=method.digest().hex(), parameters=parameters_of(method),
        ),
    )  # fmt: skip


def parameters_of(method: Method) -> list[Parameter]:
    """Return the tree of a method's parameters, in the order of the document."""
    tree: dict[str, Any] = msgspec.to_builtins(method)
    return [_node(name, name, value) for name, value in tree.items() if name not in HEADER]


def unit_of(name: str) -> str:
    """Return the unit of a number by the end of its name, the longest that fits; "" where it has none.

    >>> unit_of("range_ppm"), unit_of("slippage_ppm_max"), unit_of("quorum_sources")
    ('parts per million', 'parts per million', '')
    """
    found = [(len(end), unit) for end, unit in UNITS if name.endswith(end)]
    return max(found)[1] if found else ""


def _node(name: str, path: str, value: Any) -> Parameter:
    if isinstance(value, dict):
        children = [_node(key, f"{path}.{key}", inner) for key, inner in value.items()]
        return Parameter(name=name, path=path, unit="", children=children)
    return Parameter(name=name, path=path, unit=unit_of(name), value=value)
