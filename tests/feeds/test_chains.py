"""Option chains carried to another day."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.feeds import TransportedChain, load_chain
from steelyard.feeds.chains import transported_strike
from steelyard.quantities import InputError
from steelyard.ticks import check_event
from tests.feeds.roles import EXAMPLE, START_US

CHAIN = EXAMPLE / "chain.csv"
INDEX = {"BTC": 90_000.0}
DAY_US = 86_400_000_000
SNAPSHOT_US = round(datetime(2026, 2, 1, 9, 30, tzinfo=UTC).timestamp()) * 1_000_000


@pytest.fixture
def chain() -> TransportedChain:
    """The example chain of 1 February 2026, carried to the example market's start."""
    return load_chain(CHAIN, START_US, INDEX)


def refusal(
    path: Path, index: dict[str, float] | None = None, snapshot: str | None = None
) -> InputError:
    with pytest.raises(InputError) as caught:
        load_chain(path, START_US, INDEX if index is None else index, snapshot)
    return caught.value


def write_chain(path: Path, rows: list[tuple[str, str, float, float | None, float]]) -> Path:
    names = ("snapshot", "instrument", "underlying_price", "mark_iv", "index_price")
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    pq.write_table(pa.table(columns), path)
    return path


def test_FEED_030_the_time_to_run_is_kept(chain: TransportedChain) -> None:
    # 6 February 2026 08:00 is 4 days 22.5 hours after the snapshot.
    first = chain.instruments[0]
    assert first.expiry_us - START_US == 4 * DAY_US + 22 * 3_600_000_000 + 1_800_000_000
    assert first.name == "BTC-9JAN26-90000-C"
    assert chain.snapshot_us == SNAPSHOT_US


def test_FEED_031_the_moneyness_is_kept(chain: TransportedChain) -> None:
    # 80,000 · 90,000 / 80,000 = 90,000 and 100,000 · 9 / 8 = 112,500.
    assert [each.strike for each in chain.instruments] == ["90000", "90000", "112500"]
    assert all(each.is_inverse and each.settlement == "BTC" for each in chain.instruments)


@given(
    st.integers(min_value=1, max_value=10_000_000),
    st.floats(min_value=0.01, max_value=1e6),
    st.floats(min_value=0.01, max_value=1e6),
)
def test_FEED_031_a_strike_is_within_half_a_cent_of_its_moneyness(
    strike: int, then: float, now: float
) -> None:
    found = Decimal(transported_strike(Decimal(strike), then, now))
    exact = Decimal(strike) * Decimal(repr(now)) / Decimal(repr(then))
    assert abs(found - exact) <= Decimal("0.005")


def test_FEED_032_volatility_is_kept_and_an_expiry_has_one_forward(chain: TransportedChain) -> None:
    (update,) = chain.updates
    assert update.instruments == [each.name for each in chain.instruments]
    assert update.implied_volatilities == [0.5, 0.52, 0.45]
    assert update.forward_ratios == [80_400 / 80_000, 80_400 / 80_000, 80_800 / 80_000]
    assert (update.time_us, update.exchange_time_us) == (START_US, START_US)
    check_event(update)


def test_FEED_032_the_forward_is_the_median_over_the_expiry(tmp_path: Path) -> None:
    row = ("20260201T093000Z", "BTC-6FEB26-80000-C", 80_400.0, 0.5, 80_000.0)
    rows = [(*row[:1], f"BTC-6FEB26-{strike}-C", forward, *row[3:])
            for strike, forward in ((80_000, 80_400.0), (81_000, 80_800.0), (82_000, 120_000.0))]  # fmt: skip
    found = load_chain(write_chain(tmp_path / "c.parquet", rows), START_US, INDEX)
    assert found.updates[0].forward_ratios == [1.01] * 3


def test_FEED_033_rows_left_out_are_counted_by_reason(chain: TransportedChain) -> None:
    assert chain.row_count == 8
    assert chain.dropped == {
        "expired at the snapshot": 1,
        "name is not an option's": 1,
        "no index price of SOL on the new day": 1,
        "no usable mark_iv": 1,
        "no usable underlying_price or index_price": 1,
    }
    assert len(chain.instruments) + sum(chain.dropped.values()) == chain.row_count


@pytest.mark.parametrize("volatility", [None, float("nan"), 0.0, -0.5, 51.0, float("inf")])
def test_FEED_033_a_volatility_out_of_bounds_is_none(
    tmp_path: Path, volatility: float | None
) -> None:
    good = ("20260201T093000Z", "BTC-6FEB26-80000-C", 80_400.0, 0.5, 80_000.0)
    bad = (*good[:1], "BTC-6FEB26-90000-C", 80_400.0, volatility, 80_000.0)
    found = load_chain(write_chain(tmp_path / "c.parquet", [good, bad]), START_US, INDEX)
    assert (len(found.instruments), found.dropped) == (1, {"no usable mark_iv": 1})


def test_FEED_033_a_repeated_row_is_listed_once(tmp_path: Path) -> None:
    good = ("20260201T093000Z", "BTC-6FEB26-80000-C", 80_400.0, 0.5, 80_000.0)
    found = load_chain(write_chain(tmp_path / "c.parquet", [good, good]), START_US, INDEX)
    assert (len(found.instruments), found.dropped) == (1, {"name repeated": 1})


def test_FEED_034_the_first_snapshot_is_taken_unless_one_is_named(chain: TransportedChain) -> None:
    assert chain.snapshot == "20260201T093000Z"
    second = load_chain(CHAIN, START_US, INDEX, "20260202T093000Z")
    assert [each.strike for each in second.instruments] == ["112500"]
    assert second.updates[0].implied_volatilities == [0.47]


def test_FEED_034_a_folder_of_csv_and_parquet_is_one_recording(tmp_path: Path) -> None:
    pq.write_table(pacsv.read_csv(CHAIN), tmp_path / "b.parquet")
    write_chain(tmp_path / "a.parquet", [("20260301T080000Z", "BTC-6MAR26-80000-C", 8e4, 0.5, 8e4)])
    (tmp_path / "other.csv").write_text("a\n1\n")
    assert load_chain(tmp_path, START_US, INDEX) == load_chain(CHAIN, START_US, INDEX)
    assert load_chain(tmp_path, START_US, INDEX, "20260301T080000Z").row_count == 1


def test_FEED_034_what_cannot_be_carried_is_refused(tmp_path: Path) -> None:
    assert refusal(CHAIN, snapshot="20270101T000000Z").code == "FEED-E09"
    assert refusal(CHAIN, index={}).code == "FEED-E09"
    assert refusal(CHAIN, index={"BTC": float("nan")}).code == "FEED-E09"
    assert refusal(tmp_path).code == "FEED-E09"
    assert refusal(tmp_path / "nowhere").code == "FEED-E01"
    bad = write_chain(tmp_path / "c.parquet", [("yesterday", "BTC-6FEB26-80000-C", 8e4, 0.5, 8e4)])
    assert refusal(bad).code == "FEED-E09"
    bad.write_bytes(bad.read_bytes()[:-9])
    assert refusal(bad).code == "FEED-E01"
