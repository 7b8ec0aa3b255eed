"""A batch in a moved market gets what each of its accounts gets as a case."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest

from steelyard.margin.methods.batch import account_of, margins_of
from steelyard.margin.methods.batch.columns import batch_of, selected
from steelyard.margin.methods.batch.margins import market_in
from steelyard.margin.methods.batch.moved import moved_batch
from steelyard.margin.methods.moving import moved
from steelyard.margin.methods.registry import core_of
from steelyard.quantities.errors import SteelyardError
from steelyard.terms.documents import documents
from steelyard.terms.stated import Case
from tests.margin.methods.batch_books import PARAMETERS, market, random_batch

DAY_US = 86_400_000_000
METHODS = [
    "paradex-pm", "derive-pmrm", "derive-pmrm2", "derive-srm", "deribit-pm", "deribit-sm",
    "okx-pm", "tims", "dydx-v4", "drift-v2", "binance-tiers", "bybit",
]  # fmt: skip
SHIFTS: list[dict[str, Any]] = [
    {"prices": {"BTC": 63_000.0}},
    {"volatility": 1.3},
    {"later_us": DAY_US},
    {"prices": {"BTC": 77_000.0, "ETH": 3_900.0}, "volatility": 0.8, "later_us": 3 * DAY_US},
    {"later_us": 30 * DAY_US},
]


def bits(value: float) -> bytes:
    return struct.pack(">d", float(value) + 0.0)


@pytest.mark.parametrize("method", METHODS)
def test_SYMG_020_a_batch_moves_as_its_cases_do(method: str) -> None:
    document = documents().get(method)
    batch = random_batch(method, 21, 14, ("BTC",))
    parameters = PARAMETERS.get(method)
    number = core_of(document).number
    stated = market_in(market(), number)
    compared = 0
    for shift in SHIFTS:
        done = moved_batch(batch, market(), document, parameters, **shift)
        found = margins_of(done.batch, done.market, document, parameters)
        for place in range(len(batch)):
            account = account_of(batch, place, number)
            case: Case[Any] = Case("one", method, parameters or {}, stated, account)
            if place in done.errors:
                with pytest.raises(SteelyardError, match=done.errors[place].code):
                    moved(case, **shift)
                continue
            after = moved(case, **shift)
            expected = margins_of(
                batch_of(["one"], [after.account]), after.market, document, parameters
            )
            row = int(np.searchsorted(found.account, place))
            if 0 in expected.errors:
                assert found.errors[row].code == expected.errors[0].code
                continue
            for name in ("equity", "initial_requirement", "maintenance_requirement"):
                got, want = getattr(found, name)[row], getattr(expected, name)[0]
                assert bits(got) == bits(want) or (got != got and want != want), (shift, place)
            compared += 1
    assert compared > 30


def test_SYMG_021_settled_options_are_paid_and_gone() -> None:
    batch = batch_of(
        ["a"], [account_of(random_batch("paradex-pm", 2, 1), 0)]
    )  # fmt: skip
    done = moved_batch(batch, market(), documents().get("paradex-pm"), later_us=3000 * DAY_US)
    assert all(not name.endswith(("-C", "-P")) for name in _held(done.batch))
    assert selected(done.batch, np.array([0])).accounts == ["a"]


def _held(batch: Any) -> list[str]:
    return [p.instrument for p in account_of(batch, 0).positions]
