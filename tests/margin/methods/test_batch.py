"""Batches: every account gets the numbers it would get alone, in any company and in any order."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from steelyard.margin.methods.batch import Batch, account_of, margins_of
from steelyard.margin.methods.batch.margins import market_in
from steelyard.margin.methods.registry import core_of, margin_of
from steelyard.quantities.errors import SteelyardError
from steelyard.terms.documents import documents
from steelyard.terms.stated import Account, Case
from tests.margin.methods.batch_books import PARAMETERS, market, random_batch

SCENARIO = [name for name in documents().names() if documents().get(name).core == "scenario"]
OWN = ["dydx-v4", "drift-v2", "vega", "binance-tiers", "hyperliquid-tiers", "bybit"]
LEVELS = ("equity", "initial_requirement", "maintenance_requirement")


def bits(value: Any) -> bytes:
    """The bits of a number, all NaN alike; no number is NaN."""
    number = float("nan") if value is None else float(value)
    return b"nan" if number != number else struct.pack(">d", number)


def told(error: SteelyardError) -> dict[str, Any]:
    """An error without what locates it in the batch."""
    found = error.as_dict()
    where: Any = found["where"]
    return found | {"where": {k: v for k, v in where.items() if k not in ("account", "underlying")}}


def alone(batch: Batch, place: int, method: str) -> tuple[bytes, ...] | dict[str, Any]:
    """What margin_of says of one account."""
    document = documents().get(method)
    core = core_of(document)
    try:
        account = account_of(batch, place, core.number)
        case = Case(
            "one", method, parameters=PARAMETERS.get(method, {}),
            market=market_in(market(), core.number), account=account,
        )  # fmt: skip
        answer = margin_of(case, document)
    except SteelyardError as error:
        return told(error)
    return tuple(bits(getattr(answer, name)) for name in LEVELS)


def rows(batch: Batch, method: str) -> list[tuple[bytes, ...] | dict[str, Any]]:
    """What the batch says, row by row."""
    found = margins_of(batch, market(), documents().get(method), PARAMETERS.get(method))
    assert found.account.tolist() == list(range(len(batch)))
    return [
        told(found.errors[i])
        if i in found.errors
        else tuple(bits(getattr(found, name)[i]) for name in LEVELS)
        for i in range(len(batch))
    ]


@pytest.mark.parametrize("method", SCENARIO + OWN)
@pytest.mark.parametrize("wrong", [0.0, 0.15])
def test_SYMG_001_an_account_in_a_batch_has_the_bits_it_has_alone(
    method: str, wrong: float
) -> None:
    is_one = documents().get(method).rules.get("underlyings") == "one"
    for seed in range(3):
        under = (("BTC",), ("ETH",))[seed % 2] if is_one else ("BTC", "ETH")
        batch = random_batch(method, seed, 25, under, wrong if not is_one else 0.0)
        for place, row in enumerate(rows(batch, method)):
            assert row == alone(batch, place, method), (method, seed, place)
