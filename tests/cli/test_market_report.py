"""`steelyard market-report`: figures of made recordings, comparisons, errors, files, and 10 October 2025."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steelyard.cli.app import EXIT_USAGE, main
from steelyard.cli.market_report import EXIT_BREACH, EXIT_OK, EXIT_STALE, market_report_command
from steelyard.cli.market_report_figures import (
    Spell,
    around,
    bound_of,
    correlated_lag,
    exchange_path,
    known_path,
    spells,
    trailing,
)
from steelyard.cli.market_report_run import Change, SourceLog
from steelyard.quantities import SteelyardError
from tests.cli.market_roles import (
    START_US,
    Venue,
    ask,
    falling,
    request,
    source_of,
    steady,
    told,
    write_market,
)
from tests.support.method import WORKED

SECOND_US = 1_000_000


def liar(second: int) -> float:
    return 50.0 if 150 <= second < 200 else 100.0


def mute(second: int) -> float | None:
    return None if 100 <= second < 200 else 100.0


def venues(*prices: Any, **same: Any) -> list[Venue]:
    names = ("alpha", "beta", "gamma", "delta")
    return [Venue(name, price, **same) for name, price in zip(names, prices, strict=False)]


@pytest.fixture
def lied(tmp_path: Path) -> Path:
    return write_market(tmp_path / "lied", venues(steady, steady, liar))


def loud_method(folder: Path) -> Path:
    """Return a method in which one heavy source makes the index."""
    text = WORKED.read_text(encoding="utf-8")
    for old, new in (
        ("quorum_sources = 2", "quorum_sources = 1"),
        ("quorum_operators = 2", "quorum_operators = 1"),
        ("operator_share_ppm_max = 400_000", "operator_share_ppm_max = 1_000_000"),
    ):
        assert old in text
        text = text.replace(old, new)
    path = folder / "loud.toml"
    path.write_text(text, encoding="utf-8")
    return path


# -- figures of the run --------------------------------------------------------------------------


def test_MKTR_001_a_source_that_lies_is_told_by_how_far_and_how_long(
    capsys: pytest.CaptureFixture[str], lied: Path
) -> None:
    code, document = ask(capsys, lied)
    record = document["assets"]["ABC"]
    gamma = source_of(record, "gamma")
    assert code == EXIT_OK
    assert gamma["verdicts"]["deviating"]["longest_s"] == 50.0
    assert gamma["deviation"]["max"] == pytest.approx(0.5)
    assert gamma["deviation"]["median"] == 0.0
    assert gamma["deviation"]["max_at"] == "2026-01-05T00:02:31.000Z"
    error = record["error"]
    assert error["worst"] == 0.0
    assert error["seconds"] > 290
    assert source_of(record, "alpha")["deviation"]["max"] == 0.0


def test_MKTR_002_the_error_is_against_what_was_so_on_the_exchanges(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    late = write_market(tmp_path, venues(falling, falling, falling, delay_us=2_000_000))
    error = ask(capsys, late)[1]["assets"]["ABC"]["error"]
    # The relative error is largest at the bottom of the fall: 70.6 of 70.
    assert error["worst"] == pytest.approx(70.6 / 70.0 - 1.0)
    assert error["worst_at"] == "2026-01-05T00:02:40.000Z"
    assert error["index_then"] == pytest.approx(70.6)
    assert error["reference_then"] == pytest.approx(70.0)
    assert error["median"] == 0.0


def test_MKTR_003_lateness_on_the_fall_is_the_delay_of_what_made_the_index(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    late = write_market(tmp_path, venues(falling, falling, falling, delay_us=5_000_000))
    record = ask(capsys, late)[1]["assets"]["ABC"]
    fall = record["fall"]
    assert (fall["high"], fall["low"]) == (pytest.approx(100.0), pytest.approx(70.0))
    assert fall["depth"] == pytest.approx(0.3)
    assert [each["late_s"] for each in fall["levels"]] == [5.0] * 9
    assert (fall["late_median_s"], fall["late_worst_s"], fall["levels_not_reached"]) == (5, 5, 0)
    assert source_of(record, "beta")["lag"]["by_fall_s"] == 5.0
    assert record["wrong"]["fall"] == 0.0


def test_MKTR_004_shares_of_conditions_sum_to_one_and_the_longest_stretch_has_reasons(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    record = ask(capsys, write_market(tmp_path, venues(steady, mute, mute)))[1]["assets"]["ABC"]
    shares = {each["condition"]: each["share"] for each in record["conditions"]}
    assert sum(shares.values()) == pytest.approx(1.0)
    assert record["trusted_share"] == pytest.approx(shares["healthy"])
    longest = record["longest_protected"]
    assert longest["from"] == "2026-01-05T00:01:59.100Z"
    assert longest["seconds"] == pytest.approx(81.0)
    assert longest["reasons"]["no_quorum"] == pytest.approx(81.0)
    assert record["mark_age"]["longest_s"] == 20.0


def test_MKTR_005_shares_of_verdicts_sum_to_one_and_changes_are_counted(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    record = ask(capsys, write_market(tmp_path, venues(steady, steady, mute)))[1]["assets"]["ABC"]
    for each in record["sources"]:
        assert sum(v["share"] for v in each["verdicts"].values()) == pytest.approx(1.0)
    gamma = source_of(record, "gamma")
    assert gamma["verdict_changes"] == 3
    assert gamma["verdicts"]["stale"]["spells"] == 1
    assert gamma["verdicts"]["stale"]["longest_s"] == pytest.approx(81.0, abs=1.1)
    assert gamma["words"] == 200
    assert record["trusted_share"] > 0.99


def test_MKTR_010_the_bound_is_what_the_reference_was_while_a_source_may_be_old(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = np.array([falling(second) for second in range(1, 301)])
    low, high = bound_of(path, np.full(300, 20 * SECOND_US), 0.02, 3 * SECOND_US, SECOND_US)
    assert low[119] == pytest.approx(82.0 * 0.98)
    assert high[119] == pytest.approx((82.0 + 23 * 0.3) * 1.02)
    late = write_market(tmp_path, venues(falling, falling, falling, delay_us=19_000_000))
    code, document = ask(capsys, late)
    bound = document["assets"]["ABC"]["bound"]
    assert (code, bound["seconds_left"]) == (EXIT_OK, 0)
    assert bound["seconds_judged"] > 250
    assert document["assets"]["ABC"]["error"]["worst"] > 0.07


def test_MKTR_011_the_age_of_the_index_is_that_of_the_words_it_was_read_from(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def every_fifth(second: int) -> float | None:
        return None if second % 5 else 100.0

    document = ask(capsys, write_market(tmp_path, venues(every_fifth, every_fifth, every_fifth)))[1]
    age = document["assets"]["ABC"]["mark_age"]
    assert (age["p50_s"], age["longest_s"]) == (3.0, 5.0)
    assert document["cadence"]["mark_age"]["runs"] > 0
    assert document["refused"] == {}


def test_MKTR_016_operators_that_contradict_each_other_are_no_reference(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def above(_second: int) -> float:
        return 110.0

    two = ask(capsys, write_market(tmp_path / "two", venues(steady, above)))
    assert two[0] == EXIT_STALE
    assert two[1]["assets"]["ABC"]["reference"]["share"] == 0.0
    three = ask(capsys, write_market(tmp_path / "three", venues(steady, steady, above)))[1]
    assert three["assets"]["ABC"]["reference"]["share"] > 0.99
    assert three["assets"]["ABC"]["error"]["reference_then"] == 100.0


# -- comparisons ---------------------------------------------------------------------------------


def test_MKTR_006_alone_a_lying_source_is_wrong_and_a_late_one_is_not(
    capsys: pytest.CaptureFixture[str], lied: Path, tmp_path: Path
) -> None:
    record = ask(capsys, lied)[1]["assets"]["ABC"]
    alone = source_of(record, "gamma", "alone")
    assert alone["error"]["worst"] == pytest.approx(-0.5)
    assert alone["wrong"]["fall"] == pytest.approx(0.5)
    assert alone["others"] == ["alpha", "beta"]
    assert source_of(record, "alpha", "alone")["error"]["worst"] == 0.0
    market = [*venues(falling, falling), Venue("gamma", falling, delay_us=15_000_000)]
    late = ask(capsys, write_market(tmp_path / "late", market))[1]["assets"]["ABC"]
    alone = source_of(late, "gamma", "alone")
    assert alone["error"]["worst"] == pytest.approx((70.0 + 15 * 0.3) / 70.0 - 1.0)
    assert (alone["wrong"]["fall"], alone["wrong"]["rise"]) == (0.0, 0.0)


def test_MKTR_007_perpetuals_are_compared_and_change_nothing_in_the_index_reported(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def broken(second: int) -> float:
        return 50.0 if second >= 150 else 100.0

    market = write_market(tmp_path / "two", venues(steady, steady), broken)
    plain = ask(capsys, market)[1]["assets"]["ABC"]
    code, document = ask(capsys, market, with_derivatives=True)
    record = document["assets"]["ABC"]
    beside = next(each for each in record["sources"] if not each["is_in_index"])
    other = record["with_derivatives"]
    assert code == EXIT_OK
    assert beside["deviation"]["max"] == pytest.approx(0.5)
    assert beside["kind"] == "derivative"
    assert other["error"]["worst"] == 0.0
    assert other["trusted_share"] == pytest.approx(record["trusted_share"])
    assert next(e for e in other["sources"] if e["kind"] == "derivative")["verdicts"]["deviating"][
        "share"
    ] == pytest.approx(0.5, abs=0.01)
    for key in ("index", "conditions", "error", "bound", "mark_age", "fall"):
        assert record[key] == plain[key]
    assert len(record["alone"]) == 3
    one = write_market(tmp_path / "one", venues(steady), broken)
    lone = ask(capsys, one, with_derivatives=True)[1]["assets"]["ABC"]
    assert lone["trusted_share"] == 0.0
    conditions = {e["condition"]: e["share"] for e in lone["with_derivatives"]["conditions"]}
    assert conditions["disagreement"] == pytest.approx(0.5, abs=0.01)


def test_MKTR_013_only_the_sources_asked_for_are_compared_alone(
    capsys: pytest.CaptureFixture[str], lied: Path
) -> None:
    record = ask(capsys, lied, only="gamma:ABC-USD")[1]["assets"]["ABC"]
    assert [each["source"] for each in record["alone"]] == ["gamma:ABC-USD"]
    assert len(record["sources"]) == 3


# -- exit codes and errors -----------------------------------------------------------------------


def test_MKTR_008_an_index_that_leaves_its_bound_is_exit_code_1(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def loud(second: int) -> float:
        return 120.0 if second >= 200 else 100.0

    market = write_market(
        tmp_path / "loud", [*venues(steady, steady), Venue("gamma", loud, weight=10)]
    )
    code, document = ask(capsys, market, method=loud_method(tmp_path))
    bound = document["assets"]["ABC"]["bound"]
    assert (code, document["left_bound"]) == (EXIT_BREACH, ["ABC"])
    # Known at 200.1 s: in the samples of the seconds 201 to 300.
    assert bound["seconds_left"] == 100
    assert bound["worst_beyond"] == pytest.approx(120.0 / 102.0 - 1.0)
    assert "left its bound" in told(capsys, market, method=loud_method(tmp_path))[1]


def test_MKTR_009_no_trusted_index_in_the_whole_window_is_exit_code_3(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, document = ask(capsys, write_market(tmp_path, venues(steady)))
    assert (code, document["trusted"]) == (EXIT_STALE, [])
    assert document["assets"]["ABC"]["error"]["worst"] is None
    assert document["assets"]["ABC"]["conditions"][0]["share"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"asset": "ABC,XYZ"}, "MKTR-E01", "'XYZ'"),
        ({"only": "omega:ABC-USD"}, "MKTR-E02", "omega:ABC-USD"),
        ({"to": "2026-01-05T00:00:01Z"}, "MKTR-E05", "two seconds"),
        ({"from_": "soon"}, "CLIC-E01", "soon"),
        ({"to": "2025-01-05T00:00:00Z"}, "FEED-E04", "window"),
        ({"market": Path("nowhere")}, "FEED-E01", "no such"),
        ({"method": Path("nowhere.toml")}, "TERM-E03", "nowhere.toml"),
    ],
)
def test_MKTR_012_what_is_wrong_is_an_error_with_code_rule_and_cure(
    lied: Path, changes: dict[str, Any], code: str, words: str
) -> None:
    with pytest.raises(SteelyardError) as caught:
        market_report_command(request(changes.pop("market", lied), **changes))
    assert caught.value.code == code
    assert words in caught.value.message
    assert caught.value.rule
    assert caught.value.cure
    assert caught.value.where


def test_MKTR_012_quotes_alone_make_no_index(tmp_path: Path) -> None:
    bars = ["ts,close", *(f"{START_US + minute * 60 * SECOND_US},100" for minute in range(4))]
    path = tmp_path / "made_coinm_ABCUSD_1m.csv"
    path.write_text("\n".join(bars) + "\n", encoding="utf-8")
    with pytest.raises(SteelyardError) as caught:
        market_report_command(request(path))
    assert caught.value.code == "MKTR-E01"
    assert caught.value.message == "the recording has no index source in this window"


def test_MKTR_012_a_folder_that_cannot_be_made_and_a_missing_package_are_errors(
    lied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(SteelyardError, match="MKTR-E04"):
        market_report_command(request(lied, out=tmp_path / "file" / "folder"))
    monkeypatch.delitem(sys.modules, "matplotlib", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    with pytest.raises(SteelyardError, match="MKTR-E03"):
        market_report_command(request(lied, out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


# -- what is shown and written -------------------------------------------------------------------


def test_MKTR_014_with_out_data_a_picture_and_one_page_are_written(
    capsys: pytest.CaptureFixture[str], lied: Path, tmp_path: Path
) -> None:
    before = set(lied.iterdir())
    first, second = tmp_path / "first", tmp_path / "second"
    _, document = ask(capsys, lied, out=first)
    ask(capsys, lied, out=second)
    assert set(lied.iterdir()) == before
    names = ["market.html", "market.json", "ABC.png"]
    assert document["files"] == [str(first / name) for name in names]
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes()
    picture = (first / "ABC.png").read_bytes()
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(picture[16:20], "big") == 1600
    page = (first / "market.html").read_text(encoding="utf-8")
    assert "http" not in page.replace("http-equiv", "")
    assert "src=" in page
    assert page.count("src=") == page.count('src="data:image/png;base64,')
    written = json.loads((first / "market.json").read_text(encoding="utf-8"))
    assert written["assets"] == document["assets"]
    deviating = [e for e in written["changes"]["ABC"] if e.get("verdict") == "deviating"]
    assert [(e["source"], e["price"], e["time"]) for e in deviating] == [
        ("gamma:ABC-USD", 50.0, "2026-01-05T00:02:30.100Z")
    ]


def test_MKTR_015_the_terminal_shows_every_sheet_and_the_verdict(
    capsys: pytest.CaptureFixture[str], lied: Path, tmp_path: Path
) -> None:
    code, text = told(capsys, lied)
    assert code == EXIT_OK
    for words in (
        "Index against the median", "Conditions of the index", "Verdicts of the sources",
        "Index against every source", "each single source alone", "Cadence achieved",
        "no trusted index left its bound",
    ):  # fmt: skip
        assert words in text
    assert "…" not in text

    def garbage(_second: int) -> float | None:
        return 100.0 if _second < 1 else None

    bare = write_market(tmp_path / "bare", venues(garbage, garbage, stale_after_s=1))
    code, text = told(capsys, bare, out=tmp_path / "bare-out")
    assert code in (EXIT_OK, EXIT_STALE)
    assert (tmp_path / "bare-out" / "ABC.png").stat().st_size > 10_000


def test_MKTR_015_the_command_line_answers_in_json_with_its_exit_code(
    lied: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ["steelyard", "market-report", str(lied), "--json", "--from", "2026-01-05T00:00:00Z"]
    line += ["--to", "2026-01-05T00:00:20Z", "--method", str(WORKED), "--asset", "ABC"]
    for asset, code in (("ABC", EXIT_OK), ("XYZ", EXIT_USAGE)):
        monkeypatch.setattr(sys, "argv", [*line[:-1], asset])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == code
        out, err = capsys.readouterr()
        document = json.loads(out)
        if code == EXIT_OK:
            assert (document["assets"]["ABC"]["seconds"], err) == (20.0, "")
        else:
            assert document["error"]["code"] == "MKTR-E01"
            assert "cure" in err


# -- figures by hand -----------------------------------------------------------------------------


def test_MKTR_020_paths_take_words_as_they_are_known_or_as_they_were() -> None:
    source = SourceLog(
        "s", "o", "spot", 1, 1, known_us=[10, 20, 25, 40], exchange_us=[5, 18, 12, 40],
        prices=[1.0, 2.0, 9.0, float("nan")],
    )  # fmt: skip
    grid = np.array([4, 10, 15, 20, 30, 50])
    known, exchange = known_path(source, grid), exchange_path(source, grid)
    # The word of 12 comes after the one of 18: it is never news, but it was so at 12.
    assert known.price[1:].tolist() == [1.0, 1.0, 2.0, 2.0, 2.0]
    assert known.age_us.tolist() == [-1, 5, 10, 2, 12, 32]
    assert exchange.price[1:].tolist() == [1.0, 9.0, 2.0, 2.0, 2.0]
    assert np.isnan(known.price[0])
    assert np.isnan(exchange.price[0])


def test_MKTR_020_extremes_lags_and_spells_are_those_by_hand() -> None:
    values = np.array([3.0, np.nan, 1.0, 5.0, 4.0, 6.0, 2.0])
    assert trailing(values, 3, lowest=True).tolist() == [3.0, 3.0, 1.0, 1.0, 1.0, 4.0, 2.0]
    assert around(values, 1, lowest=False).tolist() == [3.0, 3.0, 5.0, 5.0, 6.0, 6.0, 6.0]
    moves = np.random.default_rng(7).normal(0.0, 1e-3, 600)
    path = 100.0 * np.exp(np.cumsum(moves))
    late = np.concatenate((np.full(3, path[0]), path[:-3]))
    lag = correlated_lag(late, path, 1)
    assert lag is not None
    assert lag == (3, pytest.approx(1.0, abs=0.01))
    assert correlated_lag(late, np.full(600, 100.0), 1) is None
    changes = [Change(0, "a"), Change(0, "b"), Change(5, "b"), Change(7, "c")]
    assert spells(changes, 9) == [Spell("b", 0, 7), Spell("c", 7, 9)]


# -- recorded ------------------------------------------------------------------------------------


def test_MKTR_030_the_fall_of_10_october_2025_with_the_perpetual_beside_it(
    capsys: pytest.CaptureFixture[str], market_data: Path
) -> None:
    window = {"from_": "2025-10-10T21:10:00Z", "to": "2025-10-10T21:25:00Z"}
    code, document = ask(
        capsys, market_data, asset="AAVE", with_derivatives=True, method=None, **window
    )
    record = document["assets"]["AAVE"]
    perpetual = source_of(record, "binance", "alone")
    assert code == EXIT_OK
    assert perpetual["kind"] == "derivative"
    assert perpetual["error"]["worst"] < -0.4
    assert perpetual["wrong"]["fall"] > 0.4
    assert abs(record["error"]["worst"]) < 0.03
    assert record["bound"]["seconds_left"] == 0
    assert record["bound"]["seconds_judged"] > 100
    assert record["fall"]["depth"] > 0.15
    assert record["fall"]["late_median_s"] <= 5.0
    assert 0.0 < record["trusted_share"] < 1.0
