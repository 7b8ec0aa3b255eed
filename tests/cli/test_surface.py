"""`steelyard surface`: the table, the document, the verdicts, the errors, every snapshot."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from steelyard.cli.surface import (
    EXIT_BREACH,
    EXIT_OK,
    EXIT_USAGE,
    Fitted,
    arbitrage_line,
    surface_command,
)
from steelyard.cli.surface_json import arbitrage_record
from steelyard.feeds.option_chain import read_chain
from steelyard.models.example import example_chain
from steelyard.models.surface import Surface
from steelyard.models.surface_fit import fit_surface
from steelyard.quantities import InputError, SteelyardError
from tests.cli.surface_roles import ask, request, told, write_chain
from tests.support.example_chain import PATH, Row, chain_rows, chain_text

DAYS = (1, 7, 30, 90, 180, 360)


def level(days: float) -> float:
    """Return the volatility at the money that the example's quotes are made from."""
    return 0.50 + 0.05 * float(np.sqrt(days / 365.0))


@pytest.fixture
def rows() -> list[Row]:
    return chain_rows(example_chain())


def crossed_surface() -> Surface:
    """Return the example's surface with its last two smiles in the wrong order."""
    sound = fit_surface(example_chain())
    order = np.arange(len(sound.smiles))
    order[-2:] = order[-2:][::-1]
    return replace(sound, smiles=np.ascontiguousarray(sound.smiles[order]))


def test_SCMD_001_table_has_a_row_an_expiry_and_says_the_verdicts(
    rows: list[Row], capsys: pytest.CaptureFixture[str]
) -> None:
    assert PATH.read_text(encoding="utf-8") == chain_text(rows), (
        "python -m tests.support.example_chain"
    )
    code, text = told(capsys)
    assert code == EXIT_OK
    lines = text.splitlines()
    assert lines[0].startswith("BTC at 2026-01-01T08:00:00.000Z: index 60,000.00, prices in coin")
    found = [line.split() for line in lines if line.startswith(("2026-", "2027-"))]
    assert [line[0] for line in found] == [
        "2026-01-02", "2026-01-08", "2026-01-31", "2026-04-01", "2026-06-30", "2026-12-27",
    ]  # fmt: skip
    assert [float(line[1]) for line in found] == list(DAYS)
    last = found[-1]
    assert last[2:4] == ["63,033.1", "future"]
    assert abs(float(last[4]) - 100.0 * level(360)) < 0.2
    assert last[5:7] == ["fitted", "27/34"]
    assert "161 of 204 quotes serve the fit; left out: 24 no volatility, 19 wide" in lines
    assert "no butterfly, no calendar arbitrage on the dense grid" in lines
    assert max(len(line) for line in lines) <= 120


def test_SCMD_002_document_has_the_volatilities_the_quotes_were_made_from(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, document = ask(capsys)
    assert code == EXIT_OK
    assert document["snapshot"] == "20260101T080000Z"
    assert document["time"] == "2026-01-01T08:00:00.000Z"
    assert document["settings"]["target"] == "mid"
    assert document["settings"]["stale_after_seconds"] is None
    assert document["rejected_rows"] == document["files"] == []
    (surface,) = document["surfaces"]
    assert surface["underlying"] == "BTC"
    assert surface["prices"] == "coin"
    assert surface["quotes_count"] == sum(surface["verdicts"].values()) == 204
    assert surface["arbitrage"] == {"is_free": True, "butterflies": [], "calendars": []}
    assert "quotes" not in surface
    for each, days in zip(surface["slices"], DAYS, strict=True):
        assert each["days"] == pytest.approx(days, rel=1e-12)
        assert each["forward"] == pytest.approx(60_000 * np.exp(0.05 * days / 365), rel=1e-12)
        if days >= 7:
            assert each["volatility_at_money"] == pytest.approx(level(days), abs=0.002)
        assert each["least_g"] > 0.0
    assert surface["slices"][0]["calendar_distance"] is None
    assert all(each["calendar_distance"] > 0.0 for each in surface["slices"][1:])


def test_SCMD_003_smile_is_rebuilt_from_its_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    interpolate = pytest.importorskip("scipy.interpolate")
    _, document = ask(capsys)
    smiles = document["surfaces"][0]["smiles"]
    surface = fit_surface(read_chain(PATH).chains["BTC"])
    assert len(smiles) == len(surface.times) == 6
    corrected = 0
    for row, smile in enumerate(smiles):
        k = np.linspace(-1.2, 1.2, 997)
        x = k - smile["m"]
        w = smile["a"] + smile["b"] * (smile["rho"] * x + np.hypot(x, smile["sigma"]))
        knots, coefficients = np.array(smile["knots"]), np.array(smile["coefficients"])
        assert len(knots) == (len(coefficients) + 4 if len(coefficients) else 0)
        corrected += len(coefficients) > 0
        for j, c in enumerate(coefficients):
            bump = interpolate.BSpline.basis_element(knots[j : j + 5], extrapolate=False)
            w += c * np.nan_to_num(bump(k))
        assert np.abs(w / surface.smile(row, k).total_variance - 1.0).max() < 1e-12
    assert corrected >= 5


def test_SCMD_004_each_faulty_quote_is_told_by_its_row(
    rows: list[Row], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = [i for i, row in enumerate(rows) if "27DEC26" in row["instrument"]][10:16]
    crossed, one_sided, infinite, far = (rows[i] for i in at[:4])
    crossed["bid"], crossed["ask"] = crossed["ask"], crossed["bid"]
    one_sided["bid"] = ""
    infinite["ask"] = "inf"
    far["bid"], far["ask"] = (repr(100 * float(far[side])) for side in ("bid", "ask"))
    rows.append(dict(rows[at[4]]))
    code, document = ask(capsys, chain=write_chain(tmp_path, rows), quotes=True)
    quotes = {each["row"]: each for each in document["surfaces"][0]["quotes"]}
    verdict = {place: quotes[place + 1]["verdict"] for place in [*at, len(rows) - 1]}
    assert list(verdict.values()) == [
        "crossed", "one_sided", "bad_number", "no_volatility", "used", "used", "duplicate",
    ]  # fmt: skip
    assert code == EXIT_OK
    verdicts = document["surfaces"][0]["verdicts"]
    counted = [each["verdict"] for each in quotes.values()]
    assert {name: counted.count(name) for name in set(counted)} == verdicts
    one = quotes[at[4] + 1]
    assert one["bid_volatility"] <= one["target"] <= one["ask_volatility"]
    assert one["fitted"] == pytest.approx(one["mark_volatility"], abs=0.003)
    assert one["time"] is None


def test_SCMD_005_row_that_is_no_option_is_reported_and_harmless(
    rows: list[Row], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = ask(capsys)[1]["surfaces"]
    for place, name in ((3, "BTC-PERPETUAL"), (9, "[bold]x")):
        rows.insert(place, dict(rows[0]) | {"instrument": name})
    path = write_chain(tmp_path, rows)
    _, document = ask(capsys, chain=path)
    assert [(each["row"], each["field"]) for each in document["rejected_rows"]] == [
        (4, "instrument"),
        (10, "instrument"),
    ]
    assert document["surfaces"] == alone
    text = told(capsys, chain=path)[1]
    assert "2 rows are left out" in text
    assert "'[bold]x' is not an option's name" in text


def test_SCMD_006_exit_code_tells_arbitrage(capsys: pytest.CaptureFixture[str]) -> None:
    snapshot = read_chain(PATH)
    sound, crossed = fit_surface(snapshot.chains["BTC"]), crossed_surface()
    assert Fitted(snapshot, [sound], {}).exit_code == EXIT_OK
    assert Fitted(snapshot, [sound, crossed], {}).exit_code == EXIT_BREACH
    found = arbitrage_record(crossed.slices)
    assert found["is_free"] is False
    (calendar,) = found["calendars"]
    assert (calendar["expiry"], calendar["before"]) == ("2026-12-27", "2026-06-30")
    assert calendar["distance"] == crossed.slices[-1].calendar_distance < 0.0
    assert arbitrage_line(found).startswith(
        "ARBITRAGE: calendar: 2026-12-27 lies below 2026-06-30 by"
    )


def test_SCMD_006_underlying_without_surface_is_told_beside_the_others(
    rows: list[Row], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lonely = dict(rows[0]) | {"instrument": "ETH-2JAN26-3000-C", "underlying_price": "3000"}
    path = write_chain(tmp_path, [*rows, lonely])
    code, document = ask(capsys, chain=path)
    assert code == EXIT_USAGE
    assert [each["underlying"] for each in document["surfaces"]] == ["BTC"]
    assert document["failures"]["ETH"]["code"] == "SURF-E01"
    assert document["surfaces"] == ask(capsys)[1]["surfaces"]
    assert "ETH gave no surface: SURF-E01" in told(capsys, chain=path)[1]
    assert ask(capsys, chain=path, underlying="BTC")[0] == EXIT_OK
    with pytest.raises(SteelyardError, match="SURF-E01"):
        ask(capsys, chain=path, underlying="ETH")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"chain": Path("absent.csv")}, "FEED-E01"),
        ({"snapshot": "20260101T000000Z"}, "FEED-E09"),
        ({"time": "2026-01-01T08:00:00Z"}, "SCMD-E02"),
        ({"time": "yesterday"}, "CLIC-E01"),
        ({"underlying": "SOL"}, "SCMD-E01"),
        ({"underlying": "SOL", "every": True}, "SCMD-E01"),
        ({"target": "last"}, "SCMD-E02"),
        ({"prices": "euro"}, "SCMD-E02"),
        ({"stale_after": -1.0}, "SCMD-E02"),
        ({"stale_after": float("nan")}, "SCMD-E02"),
        ({"every": True, "snapshot": "20260101T080000Z"}, "SCMD-E02"),
        ({"every": True, "out": Path("results")}, "SCMD-E02"),
    ],
)
def test_SCMD_007_what_cannot_be_done_is_refused(
    changes: dict[str, Any], code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match=code) as refused:
        ask(capsys, **changes)
    assert refused.value.rule
    assert refused.value.cure


def test_SCMD_007_file_of_the_wrong_shape_is_refused(
    rows: list[Row], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    without = [{key: value for key, value in row.items() if key != "ask"} for row in rows]
    with pytest.raises(InputError, match="FEED-E02") as refused:
        ask(capsys, chain=write_chain(tmp_path, without))
    assert refused.value.where["field"] == "ask"
    silent = [{key: value for key, value in row.items() if key != "snapshot"} for row in rows]
    path = write_chain(tmp_path, silent)
    with pytest.raises(InputError, match="FEED-E09"):
        ask(capsys, chain=path)
    _, document = ask(capsys, chain=path, time="2026-01-01T08:00:00Z")
    assert document["snapshot"] is None
    assert document["surfaces"] == ask(capsys)[1]["surfaces"]
    unmarked = [row | {"mark_iv": ""} for row in rows]
    with pytest.raises(SteelyardError, match="SURF-E02"):
        ask(capsys, chain=write_chain(tmp_path, unmarked), target="mark")


def test_SCMD_007_process_ends_with_code_and_json() -> None:
    command = [sys.executable, "-m", "steelyard.cli.app", "surface", str(PATH)]
    good = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=240)
    assert good.returncode == EXIT_OK, good.stderr
    assert json.loads(good.stdout)["surfaces"][0]["underlying"] == "BTC"
    bad = subprocess.run(
        [*command, "--json", "--underlying", "SOL"], capture_output=True, text=True, timeout=240
    )
    assert bad.returncode == EXIT_USAGE
    assert json.loads(bad.stdout)["error"]["code"] == "SCMD-E01"
    assert "write one of BTC" in bad.stderr


def test_SCMD_008_coin_and_usd_give_one_surface(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    in_usd = write_chain(tmp_path, chain_rows(example_chain(is_inverse=False)))
    code, linear = ask(capsys, chain=in_usd, prices="usd")
    _, inverse = ask(capsys)
    assert code == EXIT_OK
    assert linear["surfaces"][0]["prices"] == "usd"
    pairs = zip(linear["surfaces"][0]["slices"], inverse["surfaces"][0]["slices"], strict=True)
    for a, b in pairs:
        assert a["volatility_at_money"] == pytest.approx(b["volatility_at_money"], abs=0.003)


def test_SCMD_009_old_quotes_do_not_serve(
    rows: list[Row], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i, row in enumerate(rows):
        row["quote_time"] = "2026-01-01T07:00:00Z" if i % 4 < 2 else "2026-01-01T07:59:30Z"
    path = write_chain(tmp_path, rows)
    _, fresh = ask(capsys, chain=path, stale_after=60.0)
    _, every = ask(capsys, chain=path)
    assert fresh["settings"]["stale_after_seconds"] == 60.0
    stale = fresh["surfaces"][0]["verdicts"]["stale"]
    assert 60 < stale <= 102
    assert "stale" not in every["surfaces"][0]["verdicts"]
    _, lenient = ask(capsys, chain=path, stale_after=3600.0)
    assert lenient["surfaces"] == every["surfaces"]


def test_SCMD_010_every_snapshot_is_told_and_the_errors_summed_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["20260101T080000Z", "20260101T090000Z", "20260101T100000Z"]
    rows = [
        row
        for name, spread in zip(names, (0.02, 0.03, 0.05), strict=True)
        for row in chain_rows(example_chain(spread), name)
    ]
    path = write_chain(tmp_path, rows)
    capsys.readouterr()
    assert surface_command(request(chain=path, every=True)) == EXIT_OK
    *lines, last = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert [line["snapshot"] for line in lines] == names
    _, alone = ask(capsys, chain=path, snapshot=names[1])
    assert lines[1]["surfaces"] == alone["surfaces"]
    summary = last["summary"]
    assert summary["snapshots"] == 3
    long, short = summary["groups"]
    assert (long["count"], short["count"]) == (15, 3)
    slices = [each for line in lines for each in line["surfaces"][0]["slices"] if each["days"] >= 3]
    errors = sorted(each["rmse_mark_points"] for each in slices)
    assert long["rmse_mark_points"]["p50"] == errors[7]
    assert long["rmse_mark_points"]["p90"] == errors[13]
    assert long["rmse_mark_points"]["p100"] == errors[-1]
    assert long["butterflies"] == long["calendars"] == short["butterflies"] == 0
    assert 0.95 < long["inside_share"] <= 1.0
    code, text = told(capsys, chain=path, every=True)
    assert code == EXIT_OK
    assert "3 snapshots: RMSE in volatility points against the venue's mark" in text
    assert "3 days and more" in text


def test_SCMD_012_kinds_of_files_give_the_same_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = ask(capsys)[1]["surfaces"]
    packed = tmp_path / "chain.csv.gz"
    packed.write_bytes(gzip.compress(PATH.read_bytes()))
    assert ask(capsys, chain=packed)[1]["surfaces"] == wanted
    folder = tmp_path / "folder"
    folder.mkdir()
    pq.write_table(pacsv.read_csv(PATH), folder / "chain.parquet")
    assert ask(capsys, chain=folder)[1]["surfaces"] == wanted


def test_SCMD_013_help_is_shown_without_the_models() -> None:
    said = (
        "import sys\nfrom steelyard.cli.app import app\n"
        "try:\n    app(['surface', '--help'])\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('numba', 'numpy', 'steelyard.models', 'plotly') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, timeout=60)
    assert "--stale-after" in done.stdout
    assert done.stdout.rstrip().endswith("[]")


def test_SCMD_030_recorded_chain_is_free_of_arbitrage(
    market_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = market_data / "deribit_chains"
    if not folder.is_dir():
        pytest.skip(f"no recorded chains in {market_data}")
    code, document = ask(capsys, chain=folder, snapshot="20260209T095517Z")
    assert code == EXIT_OK
    assert {each["underlying"]: each["quotes_count"] for each in document["surfaces"]} == {
        "BTC": 760, "ETH": 770,
    }  # fmt: skip
    for surface in document["surfaces"]:
        assert surface["arbitrage"]["is_free"] is True
        long = [each for each in surface["slices"] if each["days"] >= 3.0]
        assert len(long) == 8
        errors = sorted(each["rmse_mark_points"] for each in long)
        assert errors[len(errors) // 2] <= 0.5
        assert errors[-1] <= 1.0
        assert min(each["inside_share"] for each in long) >= 0.95
