"""Whatever bytes a file holds, the readers return a result or raise one of the listed errors."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.feeds import load_chain, open_market, read_accounts, write_accounts
from steelyard.quantities import SteelyardError
from steelyard.terms.listing import inverse_perpetual, linear_perpetual
from steelyard.ticks import check_event
from tests.feeds.roles import EXAMPLE, MINUTE_US, START_US, write_seconds

WINDOW = START_US, START_US + MINUTE_US
MARKET = open_market(EXAMPLE, *WINDOW)
INSTRUMENTS = [
    linear_perpetual("BTC", 9e4),
    inverse_perpetual("BTC", 9e4),
    linear_perpetual("ETH", 3e3),
]
ODD = [
    b"",
    b",",
    b"\n",
    b'"',
    b"\x00",
    b"\xff",
    b"nan",
    b"-",
    b"1e400",
    b"9" * 30,
    b"[",
    b"{",
    b"true",
]


def mutated(whole: bytes, chance: random.Random) -> bytes:
    """Return the bytes with a cut, or with some bytes changed, put in, or taken out."""
    data = bytearray(whole)
    if chance.random() < 0.1:
        return bytes(data[: chance.randrange(len(data))])
    for _ in range(chance.choice([1, 1, 2, 5, 30])):
        at = chance.randrange(len(data))
        if chance.random() < 0.5:
            data[at] = chance.randrange(256)
        else:
            data[at : at + chance.randrange(4)] = chance.choice(ODD)
        if not data:
            break
    return bytes(data)


def endure(path: Path, read: Callable[[], object], seed: int, rounds: int) -> tuple[int, int]:
    """Return how many mutations were read and how many refused; anything else is a failure."""
    chance = random.Random(seed)
    whole = path.read_bytes()
    passed = 0
    codes: list[str] = []
    for _ in range(rounds):
        path.write_bytes(mutated(whole, chance))
        try:
            read()
            passed += 1
        except SteelyardError as error:
            codes.append(error.code)
    path.write_bytes(whole)
    # An event that a reader let through and the checks of `ticks` refuse would show as TICK-….
    assert {code[:4] for code in codes} <= {"FEED", "TERM"}
    return passed, len(codes)


def walk(folder: Path) -> None:
    market = open_market(folder, *WINDOW)
    for event in [*market.listings, *market.warm_up, *market.ticks()]:
        check_event(event)


@pytest.mark.parametrize("name", ["market.toml", "trades.csv", "beta_minutes.csv", "quotes.csv"])
def test_FEED_050_mutated_files_of_the_own_layout(tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(EXAMPLE, tmp_path / "market"))
    passed, refused = endure(folder / name, lambda: walk(folder), seed=7, rounds=300)
    assert passed > 0
    assert refused > 0


def test_FEED_050_mutated_second_bars(tmp_path: Path) -> None:
    rows = [
        (second, venue, symbol, "AAVE", 250.0 + second, 40)
        for second in range(20)
        for venue, symbol in (("coinbase", "AAVE-USD"), ("binance-delivery", "AAVEUSD_PERP"))
    ]
    path = write_seconds(tmp_path / "oct10_2025", rows)
    passed, refused = endure(path, lambda: walk(tmp_path), seed=8, rounds=800)
    assert passed > 0
    assert refused > 0


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_FEED_050_mutated_chains(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"chain.{ending}"
    shutil.copy(EXAMPLE / "chain.csv", path)
    if ending == "parquet":
        pq.write_table(pacsv.read_csv(EXAMPLE / "chain.csv"), path)
    passed, refused = endure(
        path, lambda: load_chain(path, START_US, {"BTC": 9e4}), seed=9, rounds=400
    )
    assert passed > 0
    assert refused > 0


@pytest.mark.parametrize("ending", ["csv", "parquet", "json"])
def test_FEED_050_mutated_account_files(tmp_path: Path, ending: str) -> None:
    sound = read_accounts(EXAMPLE / "accounts.csv", MARKET.assets, MARKET.instruments)
    path = tmp_path / f"accounts.{ending}"
    write_accounts(path, sound, MARKET.assets, MARKET.instruments)
    passed, refused = endure(
        path, lambda: read_accounts(path, MARKET.assets, MARKET.instruments), seed=10, rounds=400
    )
    assert passed > 0
    assert refused > 0


@given(st.binary(max_size=300), st.sampled_from(["csv", "csv.gz", "parquet", "json"]))
def test_FEED_050_any_bytes_as_an_account_file(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, ending: str
) -> None:
    path = tmp_path_factory.mktemp("any") / f"accounts.{ending}"
    path.write_bytes(data)
    with pytest.raises(SteelyardError):
        read_accounts(path, MARKET.assets, MARKET.instruments)


CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.lists(st.integers(), max_size=2),
    st.sampled_from(["cross", "balance", "position", "USDC", "BTC-PERPETUAL", "1", "1e99", "-0"]),
)  # fmt: skip


@given(st.lists(st.dictionaries(
    st.sampled_from(["account", "mode", "kind", "name", "quantity", "entry_price", "isolated_margin",
                     "balances", "positions"]), CELLS), max_size=3))  # fmt: skip
def test_FEED_050_any_json_as_an_account_file(
    tmp_path_factory: pytest.TempPathFactory, entries: list[dict[str, object]]
) -> None:
    import msgspec

    path = tmp_path_factory.mktemp("any") / "accounts.json"
    try:
        path.write_bytes(msgspec.json.encode(entries))
    except UnicodeEncodeError:
        return
    try:
        found = read_accounts(path, MARKET.assets, INSTRUMENTS)
    except SteelyardError:
        return
    assert found
