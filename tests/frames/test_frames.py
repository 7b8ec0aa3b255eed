"""`import steelyard as sy`: the same kind out, the same bits, and a word for every bad row."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import steelyard as sy
from steelyard.quantities.errors import InputError
from steelyard.valuation.black76 import black76_price
from steelyard.valuation.black_scholes import black76_discounted, black_scholes
from steelyard.valuation.greeks import black76_greeks

PAGE = Path(__file__).resolve().parents[2] / "docs" / "arrays-and-frames.md"
TYPES = ["call", "put", "C", "p"]
STRIKE = [60_000.0, 54_000.0, 66_000.0, 72_000.0]
VOLATILITY = [0.65, 0.7, 0.6, 0.62]
CHAIN: dict[str, list[Any]] = {
    "type": TYPES,
    "forward": [60_000.0] * 4,
    "strike": STRIKE,
    "volatility": VOLATILITY,
    "time_years": [30 / 365] * 4,
}
IS_CALL = [True, False, True, False]
EXPECTED = black76_price(IS_CALL, 60_000.0, STRIKE, VOLATILITY, 30 / 365).tolist()
KINDS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "lazy": lambda columns: pl.DataFrame(columns).lazy(),
    "arrow": pa.table,
}


def column(frame: Any, name: str) -> list[Any]:
    """A column of any frame as a list."""
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    found = frame[name]
    return found.to_pylist() if isinstance(frame, pa.Table) else found.to_list()


@pytest.mark.parametrize("kind", KINDS)
def test_FRAM_001_frame_comes_back_as_the_same_kind(kind: str) -> None:
    frame = KINDS[kind](CHAIN)
    priced = sy.price(frame)
    assert type(priced) is type(frame)
    for name, values in CHAIN.items():
        assert column(priced, name) == values
    assert column(priced, "price") == EXPECTED
    assert column(priced, "status") == ["ok"] * 4
    greeks = sy.greeks(frame)
    assert column(greeks, "price") == EXPECTED
    names = ["price", "delta", "gamma", "vega", "theta", "rho", "vanna", "volga", "status"]
    shown = (
        greeks.collect_schema().names()
        if kind == "lazy"
        else greeks.column_names
        if kind == "arrow"
        else list(greeks.columns)
    )
    assert shown == [*CHAIN, *names]


@pytest.mark.parametrize("index", [list("abcd"), [7, 7, 1, 1], [3, 2, 1, 0]])
def test_FRAM_001_pandas_index_is_kept(index: list[Any]) -> None:
    frame = pd.DataFrame(CHAIN, index=index)
    priced = sy.price(frame)
    assert priced.index.tolist() == index
    assert priced["price"].tolist() == EXPECTED
    assert "price" not in frame.columns


def test_FRAM_002_columns_come_back_as_the_same_kind() -> None:
    arguments = (60_000.0, VOLATILITY, 30 / 365)

    def price(strike: Any) -> Any:
        return sy.price(IS_CALL, arguments[0], strike, arguments[1], arguments[2])

    one = sy.price(True, 60_000.0, 60_000.0, 0.65, 30 / 365)
    assert type(one) is float
    assert one == EXPECTED[0]
    for strike in (STRIKE, np.array(STRIKE)):
        assert type(price(strike)) is np.ndarray
        assert price(strike).tolist() == EXPECTED
    series = price(pd.Series(STRIKE, index=list("wxyz")))
    assert type(series) is pd.Series
    assert series.index.tolist() == list("wxyz")
    assert series.tolist() == EXPECTED
    polars = price(pl.Series(STRIKE))
    assert type(polars) is pl.Series
    assert polars.to_list() == EXPECTED
    for arrow in (pa.array(STRIKE), pa.chunked_array([STRIKE[:2], STRIKE[2:]])):
        assert isinstance(price(arrow), pa.Array)
        assert price(arrow).to_pylist() == EXPECTED
    for single in (
        [STRIKE[0]],
        np.array([STRIKE[0]]),
        pd.Series([STRIKE[0]]),
        pl.Series([STRIKE[0]]),
    ):
        assert list(sy.greeks(True, 60_000.0, single, 0.65, 30 / 365).price) == EXPECTED[:1]
    table = sy.price(True, 60_000.0, np.array(STRIKE).reshape(4, 1), 0.65, np.array([0.1, 0.2]))
    assert table.shape == (4, 2)
    found = sy.implied_volatility(IS_CALL, 60_000.0, pl.Series(STRIKE), EXPECTED, 30 / 365)
    assert type(found.volatility) is pl.Series
    assert found.status.to_list() == ["ok"] * 4
    assert (
        sy.price(is_call=True, forward=6e4, strike=6e4, volatility=0.65, time_years=30 / 365) == one
    )


def test_FRAM_003_numbers_are_those_of_the_kernels() -> None:
    inputs = (IS_CALL, [60_000.0] * 4, STRIKE, VOLATILITY, [30 / 365] * 4)
    frame = pd.DataFrame(CHAIN)
    plain = black76_greeks(*inputs)
    found = sy.greeks(frame)
    for name in plain._fields:
        assert found[name].tolist() == getattr(plain, name).tolist(), name
    discounted = black76_discounted(IS_CALL, 60_000.0, STRIKE, 0.05, VOLATILITY, 30 / 365)
    found = sy.greeks(frame, rate=0.05)
    for name in ("price", "delta", "gamma", "vega", "theta", "rho", "vanna", "volga"):
        assert found[name].tolist() == getattr(discounted, name).tolist(), name
    assert sy.price(frame, rate=0.05)["price"].tolist() == discounted.price.tolist()
    spot = black_scholes(IS_CALL, 59_000.0, STRIKE, 0.05, 0.01, VOLATILITY, 30 / 365)
    on_spot = frame.drop(columns="forward").assign(spot=59_000.0, rate=0.05, dividend_yield=0.01)
    found = sy.greeks(on_spot)
    for name in ("price", "delta", "gamma", "vega", "theta", "rho", "vanna", "volga"):
        assert found[name].tolist() == getattr(spot, name).tolist(), name
    with_both = sy.price(frame.assign(spot=1.0))
    assert with_both["price"].tolist() == EXPECTED


@pytest.mark.parametrize(
    "level",
    [{"forward": 100.0}, {"forward": 100.0, "rate": 0.08}, {"spot": 100.0},
     {"spot": 100.0, "rate": 0.08}, {"spot": 100.0, "dividend_yield": 0.03, "rate": -0.01}],
)  # fmt: skip
def test_FRAM_004_volatility_comes_back(level: dict[str, float]) -> None:
    strikes = np.array([80.0, 95.0, 100.0, 105.0, 120.0])
    time = {"time_years": 0.7}
    for kind in ("call", "put"):
        prices = sy.price(kind, strike=strikes, volatility=0.33, **level, **time)
        found = sy.implied_volatility(kind, strike=strikes, price=prices, **level, **time)
        assert found.volatility == pytest.approx(np.full(5, 0.33), rel=1e-10)
        assert found.status.tolist() == ["ok"] * 5


def test_FRAM_005_types_of_every_kind() -> None:
    def priced(types: Any) -> Any:
        return sy.price(types, 60_000.0, STRIKE, VOLATILITY, 30 / 365)

    words = ["call", "PUT", " c ", "P"]
    for types in (
        words, np.array(words), np.array(words, dtype=object), IS_CALL, np.array(IS_CALL),
        pd.Series(words), pd.Series(pd.Categorical(words)), pd.Series(IS_CALL, dtype="boolean"),
        pl.Series(words), pl.Series(words, dtype=pl.Categorical), pl.Series(IS_CALL),
        pa.array(words), pa.array(IS_CALL), pa.array(words).dictionary_encode(),
    ):  # fmt: skip
        assert [float(x) for x in np.asarray(priced(types))] == EXPECTED, type(types)
    frame = pd.DataFrame(CHAIN).rename(columns={"type": "is_call"})
    assert sy.price(frame)["price"].tolist() == EXPECTED
    assert (
        sy.price(frame.rename(columns={"is_call": "side"}), is_call="side")["price"].tolist()
        == EXPECTED
    )
    every = sy.price(pd.DataFrame(CHAIN).drop(columns="type"), is_call="put")
    assert every["price"].tolist()[1] == EXPECTED[1]


def test_FRAM_005_instants_of_every_kind() -> None:
    now, then = datetime(2025, 10, 1, 8), datetime(2025, 10, 31, 8)
    zone = timezone(timedelta(hours=2))
    exact = sy.price(True, 60_000.0, 60_000.0, 0.65, 30 / 365)
    for expiry, as_of in (
        (then, now),
        (then.replace(tzinfo=UTC), "2025-10-01T08:00:00Z"),
        ("2025-10-31T10:00:00+02:00", "2025-10-01 08:00"),
        (then.replace(tzinfo=UTC).astimezone(zone), now),
        (date(2025, 10, 31), date(2025, 10, 1)),
        (np.datetime64("2025-10-31T08:00"), np.datetime64("2025-10-01T08:00:00.000000000")),
    ):
        price = sy.price(True, 60_000.0, 60_000.0, 0.65, expiry=expiry, as_of=as_of)
        assert float(price) == exact, (expiry, as_of)
    base = {"type": ["call", "call"], "forward": 6e4, "strike": 6e4, "volatility": 0.65}
    stamps: list[Any] = [
        pd.Series([then, None]), pd.Series([then, None]).dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo"),
        pd.Series([then, None]).astype("datetime64[s]"), pd.Series([then.isoformat(), None]),
    ]  # fmt: skip
    for stamp in stamps:
        found = sy.price(pd.DataFrame(base).assign(expiry=stamp), as_of=now)
        assert found["price"].tolist()[0] == exact
        assert found["status"].tolist() == ["ok", "expiry: missing"]
    for dtype in (pl.Datetime("ms"), pl.Datetime("ns"), pl.Datetime("us", "Europe/Paris")):
        series = pl.Series([then, None], dtype=pl.Datetime("us"))
        named = getattr(dtype, "time_zone", None)
        series = (
            series.dt.replace_time_zone("UTC").dt.convert_time_zone(named)
            if named
            else series.cast(dtype)
        )
        found = sy.price(pl.DataFrame(base).with_columns(series.alias("expiry")), as_of=now)
        assert found["price"].to_list() == [exact, None]
    table = pa.table(
        {"type": ["call", "call"], "expiry": pa.array([then, None], pa.timestamp("us"))}
    )
    found = sy.price(table, forward=6e4, strike=6e4, volatility=0.65, as_of=now)
    assert found["price"].to_pylist() == [exact, None]


def test_FRAM_006_numbers_of_every_kind() -> None:
    whole = [60_000, 54_000, 66_000, 72_000]
    for strike in (
        whole, np.array(whole, dtype=np.int32), pd.Series(whole, dtype="Int64"),
        pd.Series([Decimal(x) for x in whole]), pd.Series([str(x) for x in whole]),
        pl.Series(whole), pl.Series([Decimal(x) for x in whole]), pl.Series([str(x) for x in whole]),
        pa.array(whole), pa.array([Decimal(x) for x in whole]), [Decimal(x) for x in whole],
    ):  # fmt: skip
        priced = sy.price(IS_CALL, 60_000, strike, VOLATILITY, 30 / 365)
        assert [float(x) for x in np.asarray(priced)] == EXPECTED, type(strike)
    for holed in (pd.Series([6e4, None]), pd.Series([6e4, None], dtype="Float64"), pl.Series([6e4, None]), pa.array([6e4, None]), [6e4, None]):  # fmt: skip
        priced = np.asarray(sy.price(True, 6e4, holed, 0.65, 30 / 365), dtype=float)
        assert priced[0] == EXPECTED[0]
        assert np.isnan(priced[1])


BAD = [
    ("type", None, "type: missing"),
    ("strike", None, "strike: missing"),
    ("strike", float("inf"), "strike: not finite"),
    ("strike", 0.0, "strike: not above zero"),
    ("forward", -1.0, "forward: not above zero"),
    ("volatility", -0.1, "volatility: below zero"),
    ("volatility", float("nan"), "volatility: missing"),
    ("time_years", -0.1, "time_years: expiry is past"),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "value", "status"), BAD)
def test_FRAM_010_bad_row_says_why(kind: str, name: str, value: Any, status: str) -> None:
    columns = {n: list(values) for n, values in CHAIN.items()}
    columns[name][1] = value
    for call in (sy.price, sy.greeks):
        found = call(KINDS[kind](columns))
        assert column(found, "status") == ["ok", status, "ok", "ok"]
        prices = column(found, "price")
        assert [prices[i] for i in (0, 2, 3)] == [EXPECTED[i] for i in (0, 2, 3)]
        assert np.isnan(prices[1]) if kind == "pandas" else prices[1] is None


def test_FRAM_010_prices_without_a_volatility_say_why() -> None:
    prices = [10.0, 9.0, 100.0, 12.0, float("nan"), -1.0, 10.0 + 1e-13]
    found = sy.implied_volatility("call", 100.0, 90.0, prices, 1.0)
    assert found.status.tolist() == [
        "price: at intrinsic value", "price: below intrinsic value", "price: not below its bound", "ok",
        "price: missing", "price: below zero", "price: tells little of the volatility",
    ]  # fmt: skip
    assert np.isnan(found.volatility).tolist() == [False, True, True, False, True, True, False]
    assert found.volatility[0] == 0.0
    late = sy.implied_volatility("call", 100.0, 90.0, 12.0, [0.0, 1.0])
    assert late.status.tolist() == ["time_years: no time is left", "ok"]
    single = sy.implied_volatility("put", 100.0, 90.0, -1.0, 1.0)
    assert (np.isnan(single.volatility), single.status) == (True, "price: below zero")
    assert np.isnan(sy.greeks("put", spot=100.0, strike=-1.0, volatility=0.2, time_years=1.0).delta)
    past = sy.price("call", 6e4, 5e4, 0.5, expiry=["2025-01-01", "2024-12-31"], as_of="2025-01-01")
    assert past[0] == 1e4
    assert np.isnan(past[1])
    absurd = sy.greeks(
        "call", spot=100.0, strike=100.0, volatility=0.5, time_years=1.0, rate=[1e6, 0.0]
    )
    assert np.isnan(absurd.price).tolist() == [True, False]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("missing", "renamed", "says"),
    [
        ("strike", "stike", "there is no column strike; is it 'stike'?"),
        ("type", "typ", "there is no column type or is_call; is it 'typ'?"),
        ("forward", "fwd_px", "there is no column forward or spot"),
        ("volatility", "volatilty", "there is no column volatility; is it 'volatilty'?"),
        ("time_years", "t", "there is no column time_years or expiry"),
    ],
)
def test_FRAM_011_missing_column_is_named(kind: str, missing: str, renamed: str, says: str) -> None:
    columns = {renamed if name == missing else name: values for name, values in CHAIN.items()}
    with pytest.raises(InputError) as raised:
        sy.price(KINDS[kind](columns))
    assert (raised.value.code, raised.value.message) == ("FRAM-E01", says)


def test_FRAM_011_missing_argument_is_named() -> None:
    with pytest.raises(InputError, match="FRAM-E01: strike is not given"):
        sy.price("call", 100.0, volatility=0.2, time_years=1.0)
    with pytest.raises(InputError, match="FRAM-E01: as_of is not given"):
        sy.price("call", 100.0, 100.0, 0.2, expiry="2026-01-01")
    with pytest.raises(InputError, match="FRAM-E01: price is not given"):
        sy.implied_volatility("call", 100.0, 100.0, time_years=1.0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("strike", ["60000", "sixty", "60000", None]),
        ("type", ["call", "cal", "put", "put"]),
        ("volatility", [True, True, False, False]),
    ],
)
def test_FRAM_012_text_that_is_no_number_is_named(kind: str, name: str, values: list[Any]) -> None:
    with pytest.raises(InputError) as raised:
        sy.price(KINDS[kind](CHAIN | {name: values}))
    row = 0 if name == "volatility" else 1
    assert raised.value.code == "FRAM-E02"
    assert raised.value.where == {"row": row, "column": name}


@pytest.mark.parametrize("expiry", ["31OCT25", 1_760_130_000, 45_000.0, ["2025-10-31", "soon"]])
def test_FRAM_012_what_is_no_instant_is_named(expiry: Any) -> None:
    with pytest.raises(InputError, match="FRAM-E02"):
        sy.price("call", 6e4, 6e4, 0.5, expiry=expiry, as_of="2025-10-01")


@pytest.mark.parametrize("kind", KINDS)
def test_FRAM_013_result_never_overwrites(kind: str) -> None:
    frame = KINDS[kind](CHAIN | {"price": [1.0] * 4})
    with pytest.raises(InputError, match="FRAM-E03"):
        sy.price(frame)
    found = sy.price(frame, prefix="model_")
    assert column(found, "price") == [1.0] * 4
    assert column(found, "model_price") == EXPECTED
    assert column(found, "model_status") == ["ok"] * 4


def test_FRAM_014_lengths_and_indexes_that_differ_are_refused() -> None:
    with pytest.raises(InputError, match="FRAM-E04"):
        sy.price("call", [1.0, 2.0], [1.0, 2.0, 3.0], 0.2, 1.0)
    with pytest.raises(InputError, match="FRAM-E04"):
        sy.price(pd.DataFrame(CHAIN), strike=[1.0, 2.0, 3.0])
    left, right = pd.Series([1.0, 2.0], index=[0, 1]), pd.Series([1.0, 2.0], index=[1, 0])
    with pytest.raises(InputError, match="FRAM-E04"):
        sy.price("call", left, right, 0.2, 1.0)
    with pytest.raises(InputError, match="FRAM-E04"):
        sy.price("call", 1.0, 1.0, 0.2, 1.0, is_call=True)


@pytest.mark.parametrize("kind", KINDS)
def test_FRAM_015_frame_without_rows(kind: str) -> None:
    columns = {name: values[:0] for name, values in CHAIN.items()}
    for call in (sy.price, sy.greeks):
        found = call(KINDS[kind](columns))
        assert column(found, "price") == []
        assert column(found, "status") == []
    assert sy.price([], 1.0, [], 0.2, 1.0).tolist() == []


def test_FRAM_020_import_is_light_and_names_are_there() -> None:
    code = (
        "import sys, steelyard as sy; heavy = {'numpy', 'numba', 'narwhals', 'pandas', 'pyarrow'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules);"
        "assert set(sy.__all__) <= set(dir(sy)); [getattr(sy, name) for name in sy.__all__];"
        "assert 'numpy' in sys.modules and 'pandas' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with pytest.raises(AttributeError, match="no attribute 'prise'"):
        _ = sy.prise


def test_FRAM_020_type_checkers_know_the_same_names() -> None:
    stub = (Path(sy.__file__).parent / "__init__.pyi").read_text(encoding="utf-8")
    told = set(re.findall(r"^from .* import (\w+) as \1$|^(__version__): str$", stub, re.MULTILINE))
    assert {first or second for first, second in told} == set(sy.__all__)
    assert (
        "__all__ = [" + "".join(f'\n    "{name}",' for name in sorted(sy.__all__)) + "\n]" in stub
    )


def page_examples(text: str) -> str:
    return "\n".join(re.findall(r"```pycon\n(.*?)```", text, flags=re.DOTALL))


def test_FRAM_021_examples_of_the_page_are_true() -> None:
    source = page_examples(PAGE.read_text(encoding="utf-8"))
    report: list[str] = []
    test = doctest.DocTestParser().get_doctest(source, {}, PAGE.name, str(PAGE), 0)
    ran = doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    assert ran.attempted >= 15
    assert not report, "".join(report)
