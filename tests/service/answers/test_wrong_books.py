"""Wrong books, wrong markets and wrong questions: an answer that encodes, or an expected failure."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import msgspec
import pytest

from steelyard.quantities.errors import SteelyardError
from steelyard.service.answers import Context
from steelyard.service.answers.catalog import methods
from steelyard.terms.documents import documents
from steelyard.terms.stated import Account, Market, Position
from tests.service.answers.desks import context, market

NAN = float("nan")
GOOD = ("BTC-PERPETUAL", "ETH-PERPETUAL", "BTC-26JUN26-70000-C", "BTC-5JUN26-56000-P")
WRONG = ("nonsense", "", "BTC-31FEB26", "SOL-PERPETUAL", "BTC-26JUN26", "BTC-26JUN26-71000-C")
SIZES = (0.0, -0.0, 1.0, -1.5, 1e-300, 1e300, -1e308, NAN, float("inf"), 3e7)
SLOW = ("private/cure", "private/critical_prices", "private/estimate_liquidation")


class Draws:
    """Random statements and questions, most of them nearly right."""

    def __init__(self, seed: int) -> None:
        self.draw = Random(seed)
        self.names = documents().names()

    def contract(self) -> str:
        return self.draw.choice(GOOD if self.draw.random() < 0.9 else WRONG)

    def position(self) -> Position[float]:
        draw = self.draw
        return Position(
            self.contract(), draw.choice(SIZES[:4] if draw.random() < 0.9 else SIZES),
            entry_price=draw.choice((None, None, 6e4, 0.0, -1.0, NAN)),
            mark_price=draw.choice((None, None, 0.05, NAN)),
            unrealised_pnl=draw.choice((None, None, 5.0)), leverage=draw.choice((None, 10.0)),
            contract=draw.choice((None, None, None, "inverse")), delta=draw.choice((None, 0.3)),
        )  # fmt: skip

    def account(self) -> Account[float]:
        draw = self.draw
        held = tuple(self.position() for _ in range(draw.randint(0, 4)))
        coins = ("USDC", "BTC", "ETH", "USD", "USDT", "SOL")
        balances = {
            draw.choice(coins): draw.choice((0.0, 1.0, 1e5, -3.0, NAN if draw.random() < 0.1 else 2.0))
            for _ in range(draw.randint(0, 3))
        }  # fmt: skip
        mode: Any = draw.choice((None, None, "portfolio", "cross", "isolated"))
        return Account(mode=mode, balances=balances, positions=held)

    def market(self) -> Market[float]:
        changes: dict[str, Any] = self.draw.choice(
            ({}, {}, {}, {"as_of": ""}, {"as_of": "2026-07-01T00:00:00Z"}, {"underlyings": {}})
        )
        return msgspec.structs.replace(market(), **changes)

    def desk(self) -> Context:
        return context(self.draw.choice(self.names), stated=self.market(), amy=self.account())

    def params(self, kind: Any) -> Any:
        draw = self.draw
        sizes = {self.contract(): draw.choice(SIZES) for _ in range(draw.randint(0, 5))}
        values: dict[str, Any] = {
            "currency": draw.choice(("BTC", "ETH", "USDC", "USD", "SOL", "CROSS", "")),
            "account": draw.choice(("amy", "amy", "amy", "bob")),
            "method": draw.choice((*self.names, "unheard-of")),
            "simulated_positions": sizes,
            "add_positions": draw.random() < 0.5,
            "instrument_name": self.contract(),
            "amount": draw.choice(SIZES),
            "price": draw.choice((None, *SIZES, 7e4)),
            "index_name": draw.choice(("btc_usd", "")),
            "order_id": draw.choice(("o-1", "")),
            "names_strategies": True,
            "methods": draw.choice((None, ("paradex-pm", "unheard-of"))),
        }
        given = {
            field.name: values[field.name]
            for field in msgspec.structs.fields(kind)
            if field.name in values and (field.required or draw.random() < 0.5)
        }
        return kind(**given)


@pytest.mark.parametrize("seed", range(3))
def test_ANSW_026_a_wrong_question_is_an_expected_failure(seed: int) -> None:
    draws = Draws(seed)
    asked = [method for method in methods() if method.name not in SLOW]
    told: Counter[str] = Counter()
    for _ in range(250):
        ask = draws.desk()
        for _ in range(5):
            method = draws.draw.choice(asked)
            try:
                assert msgspec.json.encode(method.handler(draws.params(method.params), ask))
                told["answers"] += 1
            except SteelyardError as error:
                told[error.code if error.rule and error.cure else "bare"] += 1
    assert "bare" not in told
    assert told["answers"] > 200
    assert {"ANSW-E03", "ANSW-E04", "METH-E04", "METH-E05", "STAT-E02", "TERM-E16"} <= set(told)
