"""Option chains as quotes: what a file says is there, what it does not say is missing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from steelyard.feeds.option_chain import RejectedRow, list_snapshots, read_chain
from steelyard.feeds.tables import NO_TIME
from steelyard.quantities import InputError

SNAPSHOT = "20260201T093000Z"
SNAPSHOT_US = round(datetime(2026, 2, 1, 9, 30, tzinfo=UTC).timestamp()) * 1_000_000
EXPIRY_US = round(datetime(2026, 2, 6, 8, tzinfo=UTC).timestamp()) * 1_000_000
NAN = float("nan")

FULL: dict[str, list[Any]] = {
    "snapshot": [SNAPSHOT] * 5,
    "instrument": [
        "ETH-6FEB26-2400-P",
        "BTC-6FEB26-80000-C",
        "BTC-PERPETUAL",
        "BTC-6FEB26-80000-P",
        "BTC-27MAR26-90000-C",
    ],
    "bid": [0.01, 0.02, 0.5, None, 0.03],
    "ask": [0.011, 0.021, 0.6, 0.022, None],
    "mark_iv": [0.7, 0.5, None, 0.52, None],
    "underlying_price": [2_410.0, 80_400.0, None, 80_400.0, 81_000.0],
    "underlying_name": ["ETH-6FEB26", "BTC-6FEB26", "", "BTC-6FEB26", "SYN.BTC-27MAR26"],
    "index_price": [2_400.0, 80_000.0, 80_000.0, 80_000.0, None],
    "quote_time": [datetime(2026, 2, 1, 9, 29, tzinfo=UTC)] * 4 + [None],
}


def write(path: Path, columns: dict[str, list[Any]]) -> Path:
    """Write the columns as Parquet, or as CSV if the name says so."""
    table = pa.table(columns)
    if path.suffix == ".csv":
        names = list(columns)
        lines = [",".join(names)]
        for row in table.to_pylist():
            cells = ["" if row[name] is None else str(row[name]) for name in names]
            lines.append(",".join(cells))
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    else:
        pq.write_table(table, path)
    return path


def without(*names: str) -> dict[str, list[Any]]:
    """The full columns without some."""
    return {name: values for name, values in FULL.items() if name not in names}


def refusal(*arguments: Any, **named: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        read_chain(*arguments, **named)
    return caught.value


@pytest.mark.parametrize("name", ["chain.parquet", "chain.csv"])
def test_FEED_051_a_file_is_read_whole(tmp_path: Path, name: str) -> None:
    read = read_chain(write(tmp_path / name, FULL))
    assert (read.snapshot, read.time_us) == (SNAPSHOT, SNAPSHOT_US)
    assert list(read.chains) == ["BTC", "ETH"]
    btc, eth = read.chains.values()
    assert (btc.row.tolist(), eth.row.tolist()) == ([2, 4, 5], [1])
    assert read.rejected == [
        RejectedRow(3, "instrument", "'BTC-PERPETUAL' is not an option's name")
    ]
    assert btc.expiry_us[:2].tolist() == [EXPIRY_US] * 2
    assert btc.strike.tolist() == [80_000.0, 80_000.0, 90_000.0]
    assert btc.is_call.tolist() == [True, False, True]
    np.testing.assert_array_equal(btc.bid, [0.02, NAN, 0.03])
    np.testing.assert_array_equal(btc.ask, [0.021, 0.022, NAN])
    np.testing.assert_array_equal(btc.mark_volatility, [0.5, 0.52, NAN])
    np.testing.assert_array_equal(btc.index, [80_000.0, 80_000.0, NAN])
    assert btc.quote_time_us.tolist() == [SNAPSHOT_US - 60_000_000] * 2 + [NO_TIME]
    assert (len(btc), btc.time_us, btc.underlying) == (3, SNAPSHOT_US, "BTC")


@pytest.mark.parametrize("name", ["chain.parquet", "chain.csv"])
def test_FEED_052_what_is_not_said_is_missing(tmp_path: Path, name: str) -> None:
    bare = {key: FULL[key] for key in ("snapshot", "instrument", "bid", "ask")}
    btc = read_chain(write(tmp_path / name, bare)).chains["BTC"]
    for column in (btc.mark_volatility, btc.forward, btc.index):
        assert np.isnan(column).all()
    assert not btc.is_synthetic.any()
    assert (btc.quote_time_us == NO_TIME).all()


def test_FEED_053_snapshots_of_files_and_folders(tmp_path: Path) -> None:
    later = {**FULL, "snapshot": ["20260201T100000Z"] * 5}
    write(tmp_path / "b.parquet", FULL)
    write(tmp_path / "a.parquet", later)
    assert list_snapshots(tmp_path) == [SNAPSHOT, "20260201T100000Z"]
    assert read_chain(tmp_path).time_us == SNAPSHOT_US
    assert read_chain(tmp_path, "20260201T100000Z").time_us == SNAPSHOT_US + 1_800_000_000
    error = refusal(tmp_path, "20260201T110000Z")
    assert error.code == "FEED-E09"
    assert SNAPSHOT in error.rule


def test_FEED_053_a_file_of_two_snapshots_gives_one_of_them(tmp_path: Path) -> None:
    both = {name: values * 2 for name, values in FULL.items()}
    both["snapshot"] = [SNAPSHOT] * 5 + ["20260201T100000Z"] * 5
    path = write(tmp_path / "chain.parquet", both)
    first, second = (read_chain(path, name) for name in list_snapshots(path))
    assert first.chains["BTC"].row.tolist() == [2, 4, 5]
    assert second.chains["BTC"].row.tolist() == [7, 9, 10]
    assert [each.row for each in second.rejected] == [8]


def test_FEED_053_a_file_without_snapshots_needs_a_time(tmp_path: Path) -> None:
    path = write(tmp_path / "chain.csv", without("snapshot"))
    assert list_snapshots(path) == [""]
    assert refusal(path).code == "FEED-E09"
    read = read_chain(path, time_us=SNAPSHOT_US)
    assert (read.snapshot, read.time_us, len(read.chains["BTC"])) == ("", SNAPSHOT_US, 3)
    nothing = {**without("snapshot"), "instrument": ["x"] * 5}
    error = refusal(write(tmp_path / "none.csv", nothing), time_us=SNAPSHOT_US)
    assert error.code == "FEED-E09"
    for missing in ("instrument", "bid", "ask"):
        error = refusal(write(tmp_path / "less.csv", without("snapshot", missing)), time_us=1)
        assert (error.code, error.where["field"]) == ("FEED-E02", missing)
    wrong = {**without("snapshot"), "bid": ["much"] * 5}
    error = refusal(write(tmp_path / "wrong.csv", wrong), time_us=1)
    assert (error.code, error.where["row"], error.where["field"]) == ("FEED-E03", 1, "bid")


def test_FEED_054_the_unit_of_prices(tmp_path: Path) -> None:
    columns = {**FULL, "instrument": [*FULL["instrument"]]}
    columns["instrument"][0] = "BTC_USDC-6FEB26-80000-C"
    columns["instrument"][4] = "SOL_USDC-6FEB26-12d5-P"
    path = write(tmp_path / "chain.parquet", columns)
    read = read_chain(path)
    found = {name: chain.is_inverse for name, chain in read.chains.items()}
    assert found == {"BTC": True, "BTC_USDC": False, "SOL_USDC": False}
    assert read.chains["SOL_USDC"].strike.tolist() == [12.5]


@pytest.mark.parametrize("is_inverse", [True, False])
def test_FEED_054_the_unit_can_be_said(tmp_path: Path, is_inverse: bool) -> None:
    read = read_chain(write(tmp_path / "chain.parquet", FULL), is_inverse=is_inverse)
    assert [chain.is_inverse for chain in read.chains.values()] == [is_inverse] * 2


def test_FEED_055_made_up_underlyings(tmp_path: Path) -> None:
    read = read_chain(write(tmp_path / "chain.parquet", FULL))
    assert read.chains["BTC"].is_synthetic.tolist() == [False, False, True]
    assert read.chains["ETH"].is_synthetic.tolist() == [False]


def test_FEED_056_rows_are_chosen_whole(tmp_path: Path) -> None:
    btc = read_chain(write(tmp_path / "chain.parquet", FULL)).chains["BTC"]
    for rows in (np.array([2, 0]), np.array([True, False, True])):
        chosen = btc.select(rows)
        assert (chosen.underlying, chosen.time_us, chosen.is_inverse) == ("BTC", SNAPSHOT_US, True)
        for name in ("row", "expiry_us", "strike", "is_call", "bid", "forward", "quote_time_us"):
            np.testing.assert_array_equal(getattr(chosen, name), getattr(btc, name)[rows])


def test_FEED_057_the_first_recorded_chain(market_data: Path) -> None:
    read = read_chain(market_data / "deribit_chains")
    assert read.snapshot == "20251230T173115Z"
    assert sum(len(chain) for chain in read.chains.values()) == 1_304
    assert read.rejected == []
    index = {name: float(np.nanmedian(chain.index)) for name, chain in read.chains.items()}
    assert index == {"BTC": 88_524.21, "ETH": 2_978.74}
    for chain in read.chains.values():
        assert chain.is_inverse
        assert (chain.strike > 0.0).all()
        assert (chain.expiry_us > chain.time_us).all()
        assert np.nanmax(chain.bid[chain.is_call]) < 1.0
        assert 0.1 < np.nanmin(chain.mark_volatility) < np.nanmax(chain.mark_volatility) < 4.0
