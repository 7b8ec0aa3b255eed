"""`sy.fit_surface`: any kind of frame, named options or not, one underlying or several."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import steelyard as sy
from steelyard.feeds.option_chain import ChainQuotes
from steelyard.frames.surface import FrameSurface, Surfaces
from steelyard.models.example import example_chain
from steelyard.models.quotes import FitTarget, SurfaceSettings
from steelyard.models.surface_fit import fit_surface
from steelyard.quantities.errors import InputError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CHAIN = example_chain()
AS_OF = "2026-01-01T08:00:00Z"
NAN = float("nan")


def named(chain: ChainQuotes, underlying: str = "BTC") -> dict[str, list[Any]]:
    """A chain as columns like a venue's, with names."""
    names = []
    for expiry_us, strike, is_call in zip(
        chain.expiry_us, chain.strike, chain.is_call, strict=True
    ):
        day = EPOCH + timedelta(microseconds=int(expiry_us))
        date = f"{day.day}{day:%b%y}".upper()
        names.append(f"{underlying}-{date}-{strike:.0f}-{'C' if is_call else 'P'}")
    return {
        "instrument": names,
        "bid": chain.bid.tolist(),
        "ask": chain.ask.tolist(),
        "mark_iv": chain.mark_volatility.tolist(),
        "underlying_price": chain.forward.tolist(),
        "index_price": chain.index.tolist(),
    }


def plain(chain: ChainQuotes) -> dict[str, list[Any]]:
    """A chain as columns without names."""
    columns = named(chain)
    del columns["instrument"]
    expiry = [EPOCH + timedelta(microseconds=int(each)) for each in chain.expiry_us]
    types = ["call" if each else "put" for each in chain.is_call]
    return {"expiry": expiry, "strike": chain.strike.tolist(), "type": types, **columns}


NAMED = named(CHAIN)
EXPECTED = fit_surface(CHAIN)
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
    if isinstance(found, list):
        return found
    return found.to_pylist() if isinstance(frame, pa.Table) else found.to_list()


def refusal(*arguments: Any, **named_arguments: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        sy.fit_surface(*arguments, **named_arguments)
    return caught.value


@pytest.mark.parametrize("kind", KINDS)
def test_SURF_060_any_frame_gives_the_same_bits(kind: str) -> None:
    surface = sy.fit_surface(KINDS[kind](NAMED), as_of=AS_OF)
    assert isinstance(surface, FrameSurface)
    assert surface.smiles.tobytes() == EXPECTED.smiles.tobytes()
    assert surface.underlying == "BTC"
    at = surface.implied_volatility([60_000.0, 70_000.0], 0.1)
    assert at.tolist() == EXPECTED.implied_volatility([60_000.0, 70_000.0], 0.1).tolist()


def test_SURF_060_columns_one_by_one() -> None:
    columns: dict[str, Any] = {**NAMED}
    columns["forward"] = columns.pop("underlying_price")
    columns["index_price"] = 60_000.0
    for make in (list, np.array, pd.Series, pl.Series):
        given = {n: make(v) if isinstance(v, list) else v for n, v in columns.items()}
        surface = sy.fit_surface(**given, as_of=datetime(2026, 1, 1, 8, tzinfo=UTC))
        assert surface.smiles.tobytes() == EXPECTED.smiles.tobytes()


def test_SURF_060_target_and_settings() -> None:
    frame = pd.DataFrame(NAMED)
    mark = fit_surface(CHAIN, SurfaceSettings(target=FitTarget.MARK))
    assert mark.smiles.tobytes() != EXPECTED.smiles.tobytes()
    for chosen in ({"target": "mark"}, {"settings": mark.settings}):
        found = sy.fit_surface(frame, as_of=AS_OF, **chosen)
        assert found.smiles.tobytes() == mark.smiles.tobytes()
    assert refusal(frame, as_of=AS_OF, target="middle").code == "FRAM-E02"
    assert refusal(frame.drop(columns="mark_iv"), as_of=AS_OF, target="mark").code == "SURF-E02"


@pytest.mark.parametrize("kind", KINDS)
def test_SURF_061_options_without_names(kind: str) -> None:
    frame = KINDS[kind](plain(CHAIN))
    surface = sy.fit_surface(frame, as_of=AS_OF, is_inverse=True, underlying="BTC")
    assert surface.smiles.tobytes() == EXPECTED.smiles.tobytes()
    assert surface.underlying == "BTC"
    error = refusal(frame, as_of=AS_OF)
    assert (error.code, error.where["column"]) == ("FRAM-E01", "is_inverse")


def test_SURF_061_linear_options_are_known_by_their_name() -> None:
    dollars = example_chain(is_inverse=False)
    expected = fit_surface(dollars)
    found = sy.fit_surface(pd.DataFrame(named(dollars, "BTC_USDC")), as_of=AS_OF)
    assert found.smiles.tobytes() == expected.smiles.tobytes()
    forced = sy.fit_surface(pd.DataFrame(named(dollars)), as_of=AS_OF, is_inverse=False)
    assert forced.smiles.tobytes() == expected.smiles.tobytes()


def test_SURF_061_synthetic_underlyings_and_quote_times_are_read() -> None:
    frame = pd.DataFrame(NAMED)
    frame["underlying_name"] = "SYN.BTC-X"
    frame["quote_time"] = pd.Timestamp("2026-01-01T07:00:00Z")
    settings = SurfaceSettings(stale_after_us=3_599_999_999)
    found = sy.fit_surface(frame, as_of=AS_OF)
    assert set(column(found.table(), "forward_source")) == {"parity"}
    assert "stale" in refusal(frame, as_of=AS_OF, settings=settings).where


def test_SURF_062_several_underlyings() -> None:
    other = {name: list(values) for name, values in NAMED.items()}
    other["instrument"] = [name.replace("BTC", "ETH") for name in other["instrument"]]
    dead = {name: values[:3] for name, values in NAMED.items()}
    dead["instrument"] = [name.replace("BTC", "XRP") for name in dead["instrument"]]
    frame = pd.concat([pd.DataFrame(each) for each in (other, NAMED, dead)])
    found = sy.fit_surface(frame, as_of=AS_OF)
    assert isinstance(found, Surfaces)
    assert list(found) == ["BTC", "ETH"]
    for surface in found.values():
        assert surface.smiles.tobytes() == EXPECTED.smiles.tobytes()
    assert list(found.refused) == ["XRP"]
    assert found.refused["XRP"].code == "SURF-E01"
    assert column(found["BTC"].verdicts(), "row") == list(range(204, 408))


@pytest.mark.parametrize("kind", KINDS)
def test_SURF_063_tables_are_of_the_frames_kind(kind: str) -> None:
    columns = {name: list(values) for name, values in NAMED.items()}
    columns["bid"][5] = columns["ask"][5] * 2
    columns["bid"][9] = None
    columns["instrument"][11] = "BTC-PERPETUAL"
    frame = KINDS[kind](columns)
    surface = sy.fit_surface(frame, as_of=AS_OF)
    table, verdicts = surface.table(), surface.verdicts()
    assert type(table) is type(frame)
    assert type(verdicts) is type(frame)
    assert column(table, "used") == [each.used for each in surface.slices]
    assert column(table, "rmse") == [each.rmse for each in surface.slices]
    assert column(table, "source") == ["fitted"] * 6
    assert column(table, "expiry")[0] == datetime(2026, 1, 2, 8, tzinfo=UTC)
    rows = column(verdicts, "row")
    assert rows == [i for i in range(204) if i != 11]
    words = dict(zip(rows, column(verdicts, "verdict"), strict=True))
    assert (words[5], words[9], words[100]) == ("crossed", "one_sided", "used")
    assert [(each.row, each.field) for each in surface.rejected] == [(11, "instrument")]
    first = column(table, "calendar_distance")[0]
    assert first is None or (kind == "pandas" and np.isnan(first))
    fitted = np.array(column(verdicts, "fitted_volatility"))
    assert np.abs(fitted - np.array(columns["mark_iv"])[rows]).max() < 0.1


def test_SURF_063_columns_one_by_one_give_columns() -> None:
    surface = sy.fit_surface(
        **{k: v for k, v in NAMED.items() if k != "underlying_price"}, as_of=AS_OF
    )
    assert isinstance(surface.table(), dict)
    assert len(surface.verdicts()["verdict"]) == 204


def test_SURF_064_what_is_missing_is_named() -> None:
    frame = pd.DataFrame(NAMED)
    cases: list[tuple[Any, dict[str, Any], str, str]] = [
        (frame.drop(columns="bid"), {"as_of": AS_OF}, "FRAM-E01", "bid"),
        (frame.rename(columns={"ask": "asks"}), {"as_of": AS_OF}, "FRAM-E01", "ask"),
        (frame.drop(columns="instrument"), {"as_of": AS_OF}, "FRAM-E01", "instrument"),
        (frame, {}, "FRAM-E01", "as_of"),
        (frame, {"as_of": 1_767_254_400}, "FRAM-E02", "as_of"),
        (frame, {"as_of": [AS_OF] * 203 + ["2026-01-02T08:00:00Z"]}, "FRAM-E02", "as_of"),
        (frame.assign(instrument="x"), {"as_of": AS_OF}, "FRAM-E02", "instrument"),
        (frame.assign(bid="much"), {"as_of": AS_OF}, "FRAM-E02", "bid"),
        (frame, {"as_of": AS_OF, "bid": [1.0, 2.0]}, "FRAM-E04", "bid"),
        (frame.iloc[:0], {"as_of": AS_OF}, "FRAM-E02", "instrument"),
    ]
    for given, more, code, where in cases:
        error = refusal(given, **more)
        assert (error.code, error.where["column"]) == (code, where)
    assert "is it 'asks'?" in refusal(cases[1][0], as_of=AS_OF).message
    lacking = pd.DataFrame(plain(CHAIN)).drop(columns="type")
    assert refusal(lacking, as_of=AS_OF, is_inverse=True).where["column"] == "type"
    assert refusal(instrument=np.zeros((2, 2)), bid=1.0, ask=1.0, as_of=AS_OF).code == "FRAM-E04"


def test_SURF_064_rows_without_expiry_or_type_are_rejected() -> None:
    frame = pl.DataFrame(plain(CHAIN)).with_row_index("n")
    broken = frame.with_columns(
        expiry=pl.when(pl.col("n") == 3).then(None).otherwise(pl.col("expiry")),
        type=pl.when(pl.col("n") == 7).then(None).otherwise(pl.col("type")),
    )
    surface = sy.fit_surface(broken, as_of=AS_OF, is_inverse=True)
    rejected = sorted((each.row, each.field) for each in surface.rejected)
    assert rejected == [(3, "expiry"), (7, "type")]
    assert len(surface.quotes) == 202
