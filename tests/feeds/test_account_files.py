"""Account files: three formats, exact numbers, and every rule that a row can break."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.feeds import read_accounts, write_accounts
from steelyard.feeds.account_rows import entry_mark, entry_price
from steelyard.quantities import UNITS_MAX, InputError
from steelyard.terms import AccountRecord, PositionRecord
from steelyard.terms.asset import USDC
from steelyard.terms.listing import asset_for, inverse_perpetual, linear_perpetual, option
from tests.feeds.roles import EXAMPLE

ASSETS = [USDC, asset_for("BTC", 90_000.0), asset_for("ETH", 3_000.0)]
LINEAR = linear_perpetual("BTC", 90_000.0)
INVERSE = inverse_perpetual("BTC", 90_000.0)
ETHER = linear_perpetual("ETH", 3_000.0)
OPTION = option("BTC", "BTC-9JAN26-90000-C", "90000", 9e4, 1_767_945_600_000_000, is_call=True)
INSTRUMENTS = [LINEAR, INVERSE, ETHER, OPTION]
HEADER = "account,mode,kind,name,quantity,entry_price,isolated_margin\n"
SOUND = "maker,cross,balance,USDC,1000,,\n"


def read(path: Path) -> list[AccountRecord]:
    return read_accounts(path, ASSETS, INSTRUMENTS)


def refusal(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        read(path)
    return caught.value


def csv_of(folder: Path, rows: str) -> Path:
    path = folder / "accounts.csv"
    path.write_text(HEADER + rows)
    return path


def test_FEED_040_the_example_file_reads_as_three_accounts() -> None:
    maker, follower, beginner = read(EXAMPLE / "accounts.csv")
    assert maker == AccountRecord(
        "market_maker",
        "portfolio",
        {"USDC": 10**12, "BTC": 250_000_000},
        [PositionRecord("BTC-PERPETUAL", -150, -111_111_111)],
    )
    assert follower.positions == [PositionRecord(LINEAR.name, 2_500, 90_010_500)]
    assert beginner.positions == [PositionRecord(ETHER.name, -750, 30_000_000, 120_000_000)]


def test_FEED_040_csv_parquet_and_both_json_forms_read_alike(tmp_path: Path) -> None:
    expected = read(EXAMPLE / "accounts.csv")
    lines = (EXAMPLE / "accounts.csv").read_text().split()
    names = lines[0].split(",")
    rows = [dict(zip(names, line.split(","), strict=True)) for line in lines[1:]]
    columns = {name: [row[name] for row in rows] for name in names}
    pq.write_table(pa.table(columns), tmp_path / "text.parquet")
    for name in ("quantity", "entry_price", "isolated_margin"):
        columns[name] = [float(value) if value else None for value in columns[name]]
    pq.write_table(pa.table(columns), tmp_path / "numbers.parquet")
    (tmp_path / "long.json").write_text(json.dumps(rows))
    nested = [
        {
            "account": "market_maker",
            "mode": "portfolio",
            "balances": {"USDC": 1e6, "BTC": 2.5},
            "positions": [{"instrument": INVERSE.name, "quantity": -150, "entry_price": 90000}],
        },
        {
            "account": "trend_follower",
            "mode": "cross",
            "balances": {"USDC": "2500.5"},
            "positions": [{"instrument": LINEAR.name, "quantity": 0.25, "entry_price": "90010.5"}],
        },
        {
            "account": "beginner",
            "mode": "isolated",
            "balances": {"USDC": 500},
            "positions": [
                {"instrument": ETHER.name, "quantity": "-0.75", "entry_price": 3000, "isolated_margin": 120}
            ],
        },
    ]  # fmt: skip
    (tmp_path / "nested.json").write_text(json.dumps(nested))
    for path in sorted(tmp_path.iterdir()):
        assert read(path) == expected, path.name


def test_FEED_041_numbers_are_taken_exactly(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(
        '[{"account": "a", "mode": "cross", "balances": {"USDC": 123456789012.345678, "BTC": 0.1}}]'
    )
    assert read(path)[0].balances == {"USDC": 123_456_789_012_345_678, "BTC": 10_000_000}


@given(st.decimals(min_value="0.01", max_value="1000000", places=8))
def test_FEED_042_an_entry_mark_is_the_nearest_even_mark(price: Decimal) -> None:
    exact = {
        LINEAR: Fraction(price) * 10**LINEAR.mark_exponent,
        INVERSE: -Fraction(100 * 10**INVERSE.mark_exponent) / Fraction(price),
        OPTION: Fraction(price) * 10**OPTION.mark_exponent,
    }
    for instrument, mark in exact.items():
        found = entry_mark(instrument, price)
        assert abs(found - mark) <= Fraction(1, 2)
        assert abs(found - mark) < Fraction(1, 2) or found % 2 == 0


@given(st.integers(min_value=1, max_value=10**13))
def test_FEED_042_an_entry_price_makes_the_same_mark_again(units: int) -> None:
    for instrument, sign in ((LINEAR, 1), (INVERSE, -1), (OPTION, 1)):
        mark = sign * min(units, instrument.mark_max)
        assert entry_mark(instrument, Decimal(entry_price(instrument, mark))) == mark


@pytest.mark.parametrize(
    ("row", "code", "field"),
    [
        (",cross,balance,USDC,1,,", "FEED-E10", "account"),
        ("a/b,cross,balance,USDC,1,,", "FEED-E10", "account"),
        ("insurance_fund,cross,balance,USDC,1,,", "FEED-E10", "account"),
        (f"{'x' * 65},cross,balance,USDC,1,,", "FEED-E10", "account"),
        ("a,Cross,balance,USDC,1,,", "FEED-E11", "mode"),
        ("a,cross,debt,USDC,1,,", "FEED-E11", "kind"),
        ("a,cross,balance,XRP,1,,", "FEED-E12", "name"),
        ("a,cross,position,XRP-PERPETUAL,1,1,", "FEED-E12", "name"),
        ("a,cross,position,USDC,1,1,", "FEED-E12", "name"),
        ("a,cross,balance,USDC,,,", "FEED-E13", "quantity"),
        ("a,cross,balance,USDC,NaN,,", "FEED-E13", "quantity"),
        ("a,cross,balance,USDC,inf,,", "FEED-E13", "quantity"),
        ("a,cross,balance,USDC,1e999999999,,", "FEED-E13", "quantity"),
        ("a,cross,balance,USDC,1_000,,", "FEED-E13", "quantity"),
        ("a,cross,balance,USDC,0.0000001,,", "FEED-E13", "quantity"),
        ("a,cross,balance,USDC,5e12,,", "FEED-E14", "quantity"),
        ("a,cross,balance,USDC,1,5,", "FEED-E15", "entry_price"),
        ("a,cross,position,BTC-PERPETUAL,0.5,90000,", "FEED-E13", "quantity"),
        ("a,cross,position,BTC-PERPETUAL,0,90000,", "FEED-E14", "quantity"),
        ("a,cross,position,BTC-PERPETUAL,99999999999,90000,", "FEED-E14", "quantity"),
        ("a,cross,position,BTC-PERPETUAL,1,,", "FEED-E13", "entry_price"),
        ("a,cross,position,BTC-PERPETUAL,1,0,", "FEED-E14", "entry_price"),
        ("a,cross,position,BTC-PERPETUAL,1,-9,", "FEED-E14", "entry_price"),
        ("a,cross,position,BTC-PERPETUAL,1,1e30,", "FEED-E14", "entry_price"),
        ("a,cross,position,BTC-PERPETUAL,1,1e-12,", "FEED-E14", "entry_price"),
        ("a,cross,position,BTC-9JAN26-90000-C,1,-0.1,", "FEED-E14", "entry_price"),
        ("a,cross,position,BTC-PERPETUAL,1,90000,5", "FEED-E15", "isolated_margin"),
        ("a,isolated,position,BTC-PERPETUAL,1,90000,-5", "FEED-E14", "isolated_margin"),
        ("maker,portfolio,balance,BTC,1,,", "FEED-E15", "mode"),
        ("maker,cross,balance,USDC,1,,", "FEED-E15", "name"),
    ],
)
def test_FEED_043_a_broken_row_is_named(tmp_path: Path, row: str, code: str, field: str) -> None:
    error = refusal(csv_of(tmp_path, SOUND + row + "\n"))
    assert (error.code, error.where) == (code, {"file": "accounts.csv", "row": 2, "field": field})
    assert error.rule
    assert error.cure


def test_FEED_043_a_second_position_in_an_instrument_is_refused(tmp_path: Path) -> None:
    row = "maker,cross,position,BTC-PERPETUAL,1,90000,\n"
    error = refusal(csv_of(tmp_path, SOUND + row + row))
    assert (error.code, error.where["row"], error.where["field"]) == ("FEED-E15", 3, "name")


def test_FEED_043_the_file_itself_can_be_broken(tmp_path: Path) -> None:
    short = tmp_path / "short.csv"
    short.write_text(HEADER.replace("quantity,", "") + "a,cross,balance,USDC,,\n")
    assert (refusal(short).code, refusal(short).where["field"]) == ("FEED-E02", "quantity")
    typed = tmp_path / "typed.parquet"
    columns = dict.fromkeys(HEADER.strip().split(","), pa.array([[1]]))
    pq.write_table(pa.table(columns), typed)
    assert refusal(typed).code == "FEED-E03"
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(typed.read_bytes()[:-20])
    for name, text in {
        "empty.csv": HEADER, "ragged.csv": HEADER + "a,b\n", "a.txt": HEADER, "none.json": "[]",
        "bad.json": '[{"account": NaN}]', "object.json": "{}", "deep.json": "[" * 100_000,
        "list.json": "[1]",
    }.items():  # fmt: skip
        (tmp_path / name).write_text(text)
        assert refusal(tmp_path / name).code == "FEED-E01", name
    assert refusal(cut).code == "FEED-E01"
    assert refusal(tmp_path / "nowhere.csv").code == "FEED-E01"
    assert refusal(tmp_path).code == "FEED-E01"


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ({"account": "a", "mode": "cross", "balances": []}, "FEED-E03"),
        ({"account": "a", "mode": "cross", "positions": {}}, "FEED-E03"),
        ({"account": "a", "mode": "cross", "positions": [5]}, "FEED-E03"),
        ({"account": "a", "mode": "cross", "balances": {}, "leverage": 5}, "FEED-E03"),
        (
            {"account": "a", "mode": "cross", "positions": [{"instrument": "X", "lots": 1}]},
            "FEED-E03",
        ),
        ({"account": 7, "mode": "cross", "balances": {"USDC": 1}}, "FEED-E10"),
        ({"account": "a", "mode": ["cross"], "balances": {"USDC": 1}}, "FEED-E11"),
        ({"account": "a", "mode": "cross", "balances": {"USDC": True}}, "FEED-E13"),
        ({"account": "a", "mode": "cross", "balances": {"USDC": None}}, "FEED-E13"),
        ({"account": "a", "mode": "cross", "positions": [{"quantity": 1}]}, "FEED-E12"),
        ({"account": "a", "mode": "cross"}, "FEED-E02"),
    ],
)
def test_FEED_043_a_broken_nested_entry_is_named(tmp_path: Path, entry: object, code: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([entry]))
    assert refusal(path).code == code


def test_FEED_044_the_first_error_is_raised_with_the_number_of_others(tmp_path: Path) -> None:
    rows = (
        "a,cross,balance,XRP,1,,\n" + SOUND + "b,cross,balance,USDC,x,,\nc,odd,balance,USDC,1,,\n"
    )
    error = refusal(csv_of(tmp_path, rows))
    assert error.code == "FEED-E12"
    assert error.where == {"file": "accounts.csv", "row": 1, "field": "name", "others": 2}


def test_FEED_044_counting_stops_at_a_thousand_others(tmp_path: Path) -> None:
    error = refusal(csv_of(tmp_path, "a,cross,balance,XRP,1,,\n" * 3_000))
    assert error.where["others"] == "1000 or more"


def test_FEED_045_balances_together_stay_in_the_bounds(tmp_path: Path) -> None:
    half = Decimal(UNITS_MAX // 2).scaleb(-6)
    rows = f"a,cross,balance,USDC,{half},,\nb,cross,balance,USDC,-{half},,\n"
    error = refusal(csv_of(tmp_path, rows))
    assert (error.code, error.where["account"]) == ("FEED-E14", "b")
    less = half - Decimal("0.000001")
    assert len(read(csv_of(tmp_path, rows.replace(f"-{half}", f"-{less}")))) == 2


def test_FEED_045_isolated_margins_come_out_of_the_balance(tmp_path: Path) -> None:
    row = (
        "a,isolated,position,BTC_USDC-PERPETUAL,0.1,90000,{margin}\na,isolated,balance,USDC,100,,\n"
    )
    error = refusal(csv_of(tmp_path, row.format(margin="100.000001")))
    assert (error.code, error.where["field"]) == ("FEED-E14", "isolated_margin")
    assert read(csv_of(tmp_path, row.format(margin="100")))[0].positions[0].isolated_margin == 10**8


POSITIONS = st.lists(
    st.tuples(
        st.sampled_from([(LINEAR, 1), (INVERSE, -1), (OPTION, 1), (ETHER, 1)]),
        st.integers(min_value=1, max_value=10**6),
        st.booleans(),
        st.integers(min_value=1, max_value=10**9),
        st.integers(min_value=0, max_value=10**6),
    ),
    unique_by=lambda each: each[0][0].name,
    max_size=4,
)


@given(st.sampled_from(["isolated", "cross", "portfolio"]), POSITIONS, st.integers(10**8, 10**12))
def test_FEED_046_what_is_written_reads_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, mode: str, positions: list, balance: int
) -> None:
    held = [
        PositionRecord(
            instrument.name,
            lots if is_long else -lots,
            sign * mark,
            margin if mode == "isolated" else 0,
        )
        for (instrument, sign), lots, is_long, mark, margin in positions
    ]
    records = [
        AccountRecord("liquidator", mode, {"USDC": balance, "BTC": balance}, held),
        AccountRecord("attacker", mode, {"USDC": -balance}, []),
    ]
    folder = tmp_path_factory.mktemp("accounts")
    for ending in ("csv", "parquet", "json"):
        path = folder / f"accounts.{ending}"
        write_accounts(path, records, ASSETS, INSTRUMENTS)
        assert read(path) == records
    assert sorted(each.name for each in folder.iterdir()) == [
        "accounts.csv",
        "accounts.json",
        "accounts.parquet",
    ]


def test_FEED_046_what_is_not_listed_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    for record, code in (
        (AccountRecord("a", "cross", {"XRP": 1}, []), "FEED-E12"),
        (AccountRecord("a", "cross", {}, [PositionRecord("XRP-PERPETUAL", 1, 1)]), "FEED-E12"),
        (AccountRecord("a", "cross", {}, [PositionRecord(INVERSE.name, 1, 1)]), "FEED-E14"),
    ):
        with pytest.raises(InputError) as caught:
            write_accounts(path, [record], ASSETS, INSTRUMENTS)
        assert caught.value.code == code
    with pytest.raises(InputError, match="FEED-E01"):
        write_accounts(tmp_path / "no" / "a.csv", [], ASSETS, INSTRUMENTS)
    with pytest.raises(InputError, match="FEED-E01"):
        write_accounts(tmp_path / "a.txt", [], ASSETS, INSTRUMENTS)
    assert list(tmp_path.iterdir()) == []
