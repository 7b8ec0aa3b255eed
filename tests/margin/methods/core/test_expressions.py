"""The language of formulas: what it refuses, and that columns and dual numbers agree."""

from __future__ import annotations

import numpy as np
import pytest

from steelyard.margin.methods.core.dual import Dual
from steelyard.margin.methods.core.expressions import formula
from steelyard.margin.methods.registry import margin_of
from steelyard.quantities.errors import InputError, TermsError
from steelyard.terms.documents import MethodDocument, documents
from steelyard.terms.stated import Account, Case, Market, Perpetual, Position, Underlying

FOREIGN = (
    "__import__('os')", "a.b", "a[0]", "lambda: 1", "a ** 2", "'text'", "min", "min()", "open(a)",
    "_where(1, 2, 3)", "a if b", "a; b", "(a, b)", "[a]", "{a}", "a := 1", "a < b < c", "f'{a}'",
    "max(a, key=b)", "max(*a)", "not", "", "1j", "a @ b", "a % b", "a // b", "~a", "yield a",
    "a + " * 300 + "a",
)  # fmt: skip
TEXTS = (
    "max(0, x) if x < 2 else y",
    "abs(x - y) * 3 / (1 + y * y)",
    "min(x, y, 0) + max(x, -y)",
    "sqrt(abs(x) + 1) - x / 2",
    "x if x > 0 and not y > 0 or x == y else -x * y",
    "brackets(abs(x), tiers)",
)
TIERS = [[0.5, 1.0], [2.0, 2.0], [None, 3.0]]


@pytest.mark.parametrize("text", FOREIGN)
def test_EXPL_010_a_formula_is_arithmetic_and_nothing_else(text: str) -> None:
    with pytest.raises(TermsError) as caught:
        formula(text, "rules.account.equity")
    assert caught.value.code == "TERM-E20"
    assert caught.value.where["field"] == "rules.account.equity"


@pytest.mark.parametrize("text", TEXTS)
def test_EXPL_011_columns_and_dual_numbers_agree(text: str) -> None:
    draws = np.random.default_rng(7)
    found = formula(text, "x")
    for _ in range(50):
        x, y = draws.normal(0.0, 2.0, (2, 4))
        names = {"x": x, "y": y, "tiers": TIERS}
        grad = np.stack([np.ones(4), np.zeros(4)], axis=1)
        duals = names | {"x": Dual(x, grad), "y": Dual(y, grad[:, ::-1])}
        plain, dual = found.value(names), found.value(duals)
        assert np.asarray(plain).tobytes() == dual.value.tobytes()
        for place, moved in enumerate(("x", "y")):
            step = 1e-7
            up = found.value(names | {moved: names[moved] + step})
            down = found.value(names | {moved: names[moved] - step})
            slope = (np.asarray(up) - np.asarray(down)) / (2.0 * step)
            assert np.allclose(slope, dual.grad[:, place], rtol=1e-5, atol=1e-5)


def book(method: str) -> Case[float]:
    market = Market(
        "2026-06-01T08:00:00Z",
        underlyings={"BTC": Underlying(70_000.0, perpetual=Perpetual(70_000.0))},
    )
    account = Account(positions=(Position("BTC-PERPETUAL", 1.0),))
    return Case("one", method, market=market, account=account)


def test_EXPL_012_a_name_that_is_not_there_is_named() -> None:
    document = documents().get("paradex-pm")
    rules = {**document.rules, "account": {**document.rules["account"], "equity": "cash + riches"}}
    tree = {name: getattr(document, name) for name in document.__struct_fields__}
    broken = MethodDocument(**(tree | {"rules": rules}))
    with pytest.raises(TermsError) as caught:
        margin_of(book("paradex-pm"), broken)
    assert (caught.value.code, caught.value.where["field"]) == ("TERM-E21", "riches")
    with pytest.raises(InputError) as missing:
        margin_of(book("span"), documents().get("span"))
    assert missing.value.code == "METH-E06"
    assert missing.value.where["field"] == "parameters.price_scan_range"


@pytest.mark.parametrize(
    ("scope", "name", "text", "field"),
    [
        ("leg", "leg_delta", "quantity * leg_delta", "rules.initial_requirement"),
        ("market", "term", "term + 1", "rules.market"),
    ],
)
def test_EXPL_013_formulas_that_need_themselves_are_refused(
    scope: str, name: str, text: str, field: str
) -> None:
    document = documents().get("paradex-pm")
    rules = {**document.rules, scope: {**document.rules[scope], name: text}}
    rules["linear"] = {"perpetual": "index * m + 0 * term"}
    tree = {each: getattr(document, each) for each in document.__struct_fields__}
    with pytest.raises(TermsError) as caught:
        margin_of(book("paradex-pm"), MethodDocument(**(tree | {"rules": rules})))
    assert (caught.value.code, caught.value.where["field"]) == ("TERM-E25", field)
