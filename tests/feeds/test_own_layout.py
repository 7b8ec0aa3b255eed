"""The own layout: market.toml and its files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from steelyard.feeds import open_market
from steelyard.quantities import InputError
from steelyard.terms import Asset
from steelyard.ticks import PriceTick, QuoteTick
from tests.feeds.roles import EXAMPLE, MINUTE_US, START_US


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the example market that a test may break."""
    return Path(shutil.copytree(EXAMPLE, tmp_path / "market"))


def refusal(folder: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        open_market(folder, START_US, START_US + MINUTE_US)
    return caught.value


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_FEED_017_the_example_gives_its_prices_and_quotes() -> None:
    market = open_market(EXAMPLE, START_US, START_US + MINUTE_US)
    seen = [
        (event.source, event.price)
        if isinstance(event, PriceTick)
        else (event.instrument, event.bid)
        for event in market.ticks()
        if isinstance(event, (PriceTick, QuoteTick))
    ]
    assert seen == [
        ("beta:BTC-USD-1m", 90_020.0),
        ("alpha:BTC-USD", 90_010.0),
        ("BTC-PERPETUAL", 90_000.0),
        ("alpha:ETH-USD", 3_001.5),
        ("alpha:BTC-USD", 90_005.0),
        ("BTC_USDC-PERPETUAL", 90_020.0),
    ]


def test_FEED_017_stated_scales_are_kept_and_missing_ones_chosen() -> None:
    market = open_market(EXAMPLE, START_US, START_US + MINUTE_US)
    assert market.assets[1:] == [Asset("BTC", 8, 3), Asset("ETH", 8, 4)]
    scales = {each.name: (each.lot_exponent, each.mark_exponent) for each in market.instruments}
    assert scales == {
        "BTC-PERPETUAL": (0, 11),
        "BTC_USDC-PERPETUAL": (4, 3),
        "ETH_USDC-PERPETUAL": (3, 4),
    }


def test_FEED_017_a_silent_source_is_listed_all_the_same(copied: Path) -> None:
    change(copied / "market.toml", '[[sources]]\nname = "beta', '[[sources]]\nname = "gamma:ETH"\nasset = "ETH"\noperator = "gamma"\nweight = 1\nstale_after_s = 60\n\n[[sources]]\nname = "beta')  # fmt: skip
    market = open_market(copied, START_US, START_US + MINUTE_US)
    silent = next(each for each in market.sources if each.name == "gamma:ETH")
    assert silent.tick_count == 0


def test_FEED_017_parquet_and_csv_hold_the_same_market(copied: Path) -> None:
    import pyarrow.csv as pacsv
    import pyarrow.parquet as pq

    before = list(open_market(copied, START_US, START_US + MINUTE_US).ticks())
    for name in ("trades", "beta_minutes", "quotes"):
        pq.write_table(pacsv.read_csv(copied / f"{name}.csv"), copied / f"{name}.parquet")
        (copied / f"{name}.csv").unlink()
        change(copied / "market.toml", f"{name}.csv", f"{name}.parquet")
    assert list(open_market(copied, START_US, START_US + MINUTE_US).ticks()) == before


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('name = "example"', 'nome = "example"', "market.toml"),
        ('name = "example"', 'name = "exam', "market.toml"),
        ("weight = 3", "weight = 0", "market.toml"),
        ('asset = "BTC"', 'asset = "XRP"', "sources"),
        ('name = "beta:BTC-USD-1m"', 'name = "alpha:BTC-USD"', "sources"),
        ("exponent = 8\nprice_exponent = 4", "exponent = 8", "assets"),
        ('name = "ETH"', 'name = "USDC"', "assets"),
        ('underlying = "ETH"', 'underlying = "XRP"', "perpetuals"),
        ("lot_exponent = 3\n", "", "perpetuals"),
        ("is_inverse = true\n", "", "perpetuals"),
        ('path = "trades.csv"', 'path = "../trades.csv"', "files"),
        ('path = "trades.csv"', 'path = "trades.txt"', "files"),
        ("bar_s = 60\n", "", "files"),
    ],
)
def test_FEED_018_a_market_toml_that_breaks_a_rule_is_refused(
    copied: Path, old: str, new: str, field: str
) -> None:
    change(copied / "market.toml", old, new)
    error = refusal(copied)
    assert (error.code, error.where["field"]) == ("FEED-E06", field)


@pytest.mark.parametrize(
    ("file", "old", "new", "field"),
    [
        ("trades.csv", "alpha:BTC-USD,BTC", "omega:BTC-USD,BTC", "source"),
        ("trades.csv", "alpha:BTC-USD,BTC", "alpha:BTC-USD,ETH", "source"),
        ("trades.csv", "alpha:BTC-USD,BTC,", "alpha:BTC-USD,,", "asset"),
        ("trades.csv", "BTC_USDC-PERPETUAL", "XRP_USDC-PERPETUAL", "instrument"),
        ("quotes.csv", "BTC-PERPETUAL", "SOL-PERPETUAL", "instrument"),
        ("market.toml", 'source = "beta:BTC-USD-1m"', 'source = "delta"', "source"),
    ],
)
def test_FEED_018_a_row_that_names_something_unknown_is_refused(
    copied: Path, file: str, old: str, new: str, field: str
) -> None:
    change(copied / file, old, new)
    error = refusal(copied)
    assert (error.code, error.where["field"]) == ("FEED-E07", field)
