"""The page of explanations: what it holds, for one case and for many, for errors and for nothing."""

from __future__ import annotations

import json
import re
import shutil
from decimal import Decimal
from fractions import Fraction
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from steelyard.cli.app import app
from steelyard.cli.margin_explain import margin_explain_command
from steelyard.cli.margin_page import page, state_of
from steelyard.cli.margin_page_run import CASES_MAX, margin_page_command
from steelyard.cli.margin_payoff import HEIGHT, WIDTH, points_of, sketch
from steelyard.cli.margin_waterfall import bars, paired, scale, scale_of
from steelyard.margin.strategies import payoff_at_expiry, payoff_in_coins, recognise
from steelyard.publish.strategies import describe
from steelyard.quantities.errors import InputError
from tests.margin.strategies.books import FAR, option, perpetual
from tests.support.method_cases import CASES

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
VOID = {"meta", "input", "br"}


class Page(HTMLParser):
    """A page as nested elements: (tag, attributes, text and elements within)."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.root: Any = ("", {}, [])
        self.open = [self.root]
        self.feed(text)
        assert len(self.open) == 1, f"{self.open[-1][0]} is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node: Any = (tag, {name: value or "" for name, value in attrs}, [])
        self.open[-1][2].append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        self.open[-1][2].append(data)


def within(node: Any, tag: str = "", kind: str = "") -> list[Any]:
    """Return the elements below a node, of a tag and of a class if asked."""
    found = []
    for child in node[2]:
        if isinstance(child, str):
            continue
        classes = child[1].get("class", "").split()
        if (not tag or child[0] == tag) and (not kind or kind in classes):
            found.append(child)
        found += within(child, tag, kind)
    return found


def text_of(node: Any) -> str:
    return "".join(child if isinstance(child, str) else text_of(child) for child in node[2])


def number(text: str) -> Fraction:
    return Fraction(text.replace(",", "").replace("−", "-"))


def lines_of(*methods: str) -> list[str]:
    return [
        line
        for method in methods
        for line in (CASES / f"{method}.jsonl").read_text(encoding="utf-8").splitlines()
    ]


def line_of(method: str, name: str) -> str:
    return next(line for line in lines_of(method) if f'"{name}"' in line)


def written(folder: Path, lines: list[str], code: int = 0) -> Page:
    source, out = folder / "cases.jsonl", folder / "page.html"
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert margin_page_command(source, out) == code
    return Page(out.read_text(encoding="utf-8"))


def explained(folder: Path, lines: list[str], capsys: pytest.CaptureFixture[str]) -> list[Any]:
    source = folder / "explained.jsonl"
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    margin_explain_command(source, as_json=True)
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line[0] == "{"]


BAD = json.dumps({
    "case": "<script>alert(1)</script>", "method": "okx-pm",
    "account": {"positions": [{"instrument": "BTC-PERPETUAL", "quantity": 1}]},
})  # fmt: skip


def test_WFAL_001_one_case_fills_a_page_that_asks_for_nothing_else(tmp_path: Path) -> None:
    found = written(tmp_path, [line_of("derive-pmrm", "derive-pmrm-16")])
    [section] = within(found.root, "section", "case")
    text = text_of(section)
    for said in ("332.48", "255.75", "Short to open", "one more of", "price −15 %, volatility up"):
        assert said in text
    assert text_of(within(section, "h2")[0]) == "derive-pmrm-16"
    raw = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|//[a-z]|@import|url\(", raw)
    assert not {"src", "href"} & {
        name for node in within(found.root) if node[0] != "a" for name in node[1]
    }
    assert all(node[1]["href"].startswith("#") for node in within(found.root, "a"))


def test_WFAL_002_the_tree_sums_to_the_last_digit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = lines_of("derive-srm", "derive-pmrm2", "deribit-pm", "tims", "dydx-v4")
    sections = within(written(tmp_path, lines).root, "section", "case")
    stated = explained(tmp_path, lines, capsys)
    assert len(sections) == len(stated) == len(lines)
    told = 0
    for section, answer in zip(sections, stated, strict=True):
        if answer["explanation"] is None:
            assert "states no requirement" in text_of(section)
            continue
        told += 1
        [table] = within(section, "table", "exact")
        for level, column in (("initial", 1), ("maintenance", 3)):
            printed = {
                kind: [
                    number(text_of(within(row, "td")[column])) for row in within(table, "tr", kind)
                ]
                for kind in ("part", "leg", "sum")
            }
            total = Fraction(Decimal(answer["explanation"][level]))
            assert printed["sum"] == [total]
            assert sum(printed["leg"]) == sum(printed["part"]) == total
    assert told > 20


def test_WFAL_003_bars_stand_on_each_other_and_end_at_the_requirement(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for answer in explained(tmp_path, lines_of("derive-srm", "derive-pmrm2", "paradex-pm"), capsys):
        found = paired(answer["explanation"])
        drawn = bars(found)
        across = scale_of(found, drawn)
        for level in (0, 1):
            ends = Decimal(0)
            for bar in (bar for bar in drawn if bar.depth == 0):
                assert bar.starts[level] == ends
                ends += bar.amounts[level]
            assert ends == Decimal(found["initial" if level == 0 else "maintenance"])
            inner = [bar for bar in drawn if bar.depth == 2]
            for before, after in pairwise(inner):
                place = drawn.index(after)
                if drawn[place - 1] is before:
                    assert after.starts[level] == before.starts[level] + before.amounts[level]
            for bar in drawn:
                for end in (bar.starts[level], bar.starts[level] + bar.amounts[level]):
                    assert 0.0 <= across.place(float(end)) <= 100.0
        assert len([bar for bar in drawn if bar.depth == 2]) <= 10 * len(found["parts"])


def test_WFAL_003_parts_of_one_level_meet_in_one_bar(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [answer] = explained(tmp_path, lines_of("derive-srm")[:1], capsys)
    names = [part["name"] for part in answer["explanation"]["parts"]]
    assert names == ["options_initial", "options_maintenance"]
    found = paired(answer["explanation"])
    [part] = found["parts"]
    assert part["name"] == "options"
    assert part["initial"] == answer["explanation"]["parts"][0]["initial"]
    assert part["maintenance"] == answer["explanation"]["parts"][1]["maintenance"]
    assert len(part["leaves"]) == 1


def test_WFAL_004_equity_and_what_is_left_or_short_are_shown(tmp_path: Path) -> None:
    line = json.loads(line_of("derive-pmrm", "derive-pmrm-16"))
    found = {}
    for cash in (1_000.0, 300.0, 100.0, 1e9):
        line["account"]["balances"] = {"USDC": cash}
        [section] = within(written(tmp_path, [json.dumps(line)]).root, "section", "case")
        tiles = [text_of(tile) for tile in within(section, "div", "tile")]
        sums = {text_of(row[2][0]): text_of(row) for row in within(section, "div", "sum")}
        found[cash] = tiles, sums, text_of(within(section, "div", "axis")[0])
    tiles, sums, _ = found[1_000.0]
    assert tiles[0].startswith("Equity1,000.00") and tiles[0].endswith("covered")  # noqa: PT018
    assert tiles[2].startswith("Left to open667.5")
    assert set(sums) == {"requirement", "equity", "left"}
    tiles, sums, _ = found[300.0]
    assert tiles[0].endswith("below initial")
    assert "Short to open32.4" in tiles[2]
    assert "Left to keep44.25" in tiles[4]
    assert set(sums) == {"requirement", "equity", "left or short"}
    tiles, sums, _ = found[100.0]
    assert tiles[0].endswith("below maintenance")
    assert set(sums) == {"requirement", "equity", "short"}
    assert "equity 1,000,000,000.00 →" in found[1e9][2]
    assert "→" not in found[300.0][2]


def test_WFAL_005_binding_scenario_and_runners_up_are_bars(tmp_path: Path) -> None:
    [section] = within(
        written(tmp_path, [line_of("derive-pmrm", "derive-pmrm-16")]).root, "section", "case"
    )
    rows = within(section, "div", "scenario")
    assert [("binds" in text_of(row), text_of(row[2][-1])) for row in rows] == [
        (True, "−225.75"), (False, "−225.75"), (False, "−225.75"), (False, "−150.50"),
    ]  # fmt: skip
    widths = [float(re.findall(r"width:([0-9.]+)%", within(row, "div", "bar")[0][1]["style"])[0]) for row in rows]  # fmt: skip
    assert widths[0] == widths[1] == widths[2] > widths[3] > 0.0
    assert widths[3] / widths[0] == pytest.approx(150.5 / 225.75, abs=1e-3)


def test_WFAL_006_two_hundred_cases_one_of_them_chosen(tmp_path: Path) -> None:
    lines = (lines_of("derive-pmrm", "paradex-pm", "vega", "span") * 8)[:199]
    found = written(tmp_path, [*lines, BAD], 2)
    sections = within(found.root, "section", "case")
    links = within(within(found.root, "nav")[0], "a")
    assert len(sections) == len(links) == 200
    ids = [section[1]["id"] for section in sections]
    assert len(set(ids)) == 200
    assert [link[1]["href"] for link in links] == [f"#{name}" for name in ids]
    assert "199" not in text_of(within(found.root, "header")[0])
    assert "200 cases of cases.jsonl" in text_of(within(found.root, "header")[0])
    assert "1 in error" in text_of(within(found.root, "header")[0])


def test_WFAL_007_an_error_stands_on_the_page_with_its_cure(tmp_path: Path) -> None:
    found = written(tmp_path, [BAD, "no json"], 2)
    first, second = within(found.root, "section", "case")
    for said in ("METH-E01", "market.underlyings.BTC", "line 1", "cure", "state "):
        assert said in text_of(first)
    assert text_of(within(first, "h2")[0]) == "<script>alert(1)</script>"
    assert len(within(found.root, "script")) == 1  # the page's own
    assert "CASE-E01" in text_of(second)
    assert text_of(within(second, "h2")[0]) == "line 2"


def test_WFAL_007_no_case_is_a_page_that_says_so(tmp_path: Path) -> None:
    found = written(tmp_path, [])
    assert "holds no case" in text_of(within(found.root, "main")[0])


def test_WFAL_008_a_page_has_its_limit_and_its_faults_are_told(tmp_path: Path) -> None:
    source, out = tmp_path / "many.jsonl", tmp_path / "page.html"
    source.write_text(f"{BAD}\n" * (CASES_MAX + 1), encoding="utf-8")
    with pytest.raises(InputError, match="CASE-E12"):
        margin_page_command(source, out)
    assert not out.exists()
    source.write_text(f"{BAD}\n", encoding="utf-8")
    with pytest.raises(InputError, match="CASE-E13"):
        margin_page_command(source, tmp_path / "nowhere" / "page.html")


def test_WFAL_009_the_command_writes_the_page_and_says_so(tmp_path: Path) -> None:
    source, out = tmp_path / "cases.jsonl", tmp_path / "page.html"
    source.write_text("\n".join([*lines_of("paradex-pm"), BAD]), encoding="utf-8")
    runner = CliRunner()
    asked = ["margin", "--cases", str(source), "--explain", "--html", str(out)]
    found = runner.invoke(app, asked)
    assert found.exit_code == 2
    once = out.read_bytes()
    assert b"paradex-pm-06" in once
    assert runner.invoke(app, [*asked, "--jobs", "2"]).exit_code == 2
    assert out.read_bytes() == once
    for wrong in (["margin", "--cases", str(source), "--html", str(out)], ["margin", str(source), "--html", str(out)]):  # fmt: skip
        refused = runner.invoke(app, wrong)
        assert refused.exit_code == 2
        assert refused.exception is not None


def test_WFAL_015_strategies_stand_in_text_json_and_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = line_of("derive-pmrm2", "derive-pmrm2-018")
    source = tmp_path / "one.jsonl"
    source.write_text(line + "\n", encoding="utf-8")
    assert margin_explain_command(source) == 0
    sentence = "Short bear call spread on ETH, quantity 1, 200 USD wide"
    assert sentence in capsys.readouterr().out
    [answer] = explained(tmp_path, [line], capsys)
    told = answer["explanation"]["strategies"]
    assert told["currency"] == "USD"
    [strategy] = told["strategies"]
    assert strategy["name"] == "bear call spread"
    assert strategy["is_defined_risk"] is True
    assert len(strategy["legs"]) == 2
    assert told["sentence"] == "The book loses at most 199.8055297 USD from its marks."
    [panel] = within(written(tmp_path, [line]).root, "div", "strategies")
    for said in (
        "short bear call spread",
        "defined risk",
        "loses at most, USD",
        "199.81",
        told["sentence"],
    ):
        assert said in text_of(panel)


def test_WFAL_015_a_capped_document_shows_its_cap(tmp_path: Path) -> None:
    folder = tmp_path / "methods"
    folder.mkdir()
    shutil.copy(EXAMPLES / "harbour-pm-2026.2.toml", folder)
    strikes = {"70000": 0.5, "75000": 0.5}
    expiry = {
        "expiry": "2026-06-02T08:00:00Z",
        "forward_price": 70_000,
        "implied_volatility": strikes,
    }
    market = {
        "as_of": "2026-06-01T08:00:00Z",
        "underlyings": {"BTC": {"index_price": 70_000, "expiries": [expiry]}},
    }
    held = [
        {"instrument": f"BTC-2JUN26-{k}-C", "quantity": q} for k, q in ((70_000, -1), (75_000, 1))
    ]
    asked = {"case": "bear", "method": "harbour-pm", "market": market,
             "account": {"balances": {"USDC": 9_000}, "positions": held}}  # fmt: skip
    source, out = tmp_path / "cases.jsonl", tmp_path / "page.html"
    source.write_text(json.dumps(asked), encoding="utf-8")
    assert margin_page_command(source, out, folder=folder) == 0
    [section] = within(Page(out.read_text(encoding="utf-8")).root, "section", "case")
    text = text_of(section)
    assert "cap initial2 legs−933.33" in text
    assert "initial requirement4,271.64" in text.lower()
    assert "defined risk" in text


def test_WFAL_004_states() -> None:
    for equity, initial, keep, state in (
        (10.0, "10.000000000", "5", "covered"), (9.99, "10", "5", "tight"),
        (4.0, "10", "5", "short"), (None, "10", "5", "unknown"),
    ):  # fmt: skip
        found = {"equity": equity, "initial": initial, "maintenance": keep}
        assert state_of({"explanation": found}) == state
    assert state_of({"error": {}}) == "error"
    assert state_of({"explanation": None}) == "none"
    assert "0 cases" in page([], "nothing")
    assert scale([0.0]).place(0.0) == 0.0


@pytest.mark.parametrize(
    ("cash", "quantity", "said"),
    [
        (-3e12, 123456789.123, ("−3,000,000,000,000", "1,382,716,038,178", "−2tn")),
        (0.0001, 1e-8, ("0.000100", "0.000112", "0.00005")),
    ],
)
def test_WFAL_004_numbers_of_any_size_are_read(
    tmp_path: Path, cash: float, quantity: float, said: tuple[str, ...]
) -> None:
    perpetual = {"index_price": 70_000, "perpetual": {"mark_price": 70_000}}
    asked = {
        "case": "size", "method": "paradex-pm",
        "market": {"as_of": "2026-06-01T08:00:00Z", "underlyings": {"BTC": perpetual}},
        "account": {"balances": {"USDC": cash},
                    "positions": [{"instrument": "BTC-PERPETUAL", "quantity": quantity}]},
    }  # fmt: skip
    found = written(tmp_path, [json.dumps(asked)])
    text = text_of(within(found.root, "div", "waterfall")[0])
    for each in said:
        assert each in text
    [panel] = within(found.root, "div", "waterfall")
    [wide] = re.findall(r"--wide:(\d+)ch", panel[1]["style"])
    amounts = [text_of(cell) for cell in within(panel, "div", "amount")[2:]]
    assert max(len(each) for each in amounts) <= int(wide)


def test_WFAL_016_the_picture_of_a_strategy_is_its_payoff() -> None:
    named = recognise([option(60e3, "C", 1.0, 2_900.0), option(65e3, "C", -1.0, 1_700.0)])
    [told] = describe(named)["strategies"]  # type: ignore[misc]
    points = points_of(told["legs"])
    assert (60e3, -1_200.0) in points
    assert (65e3, 3_800.0) in points
    assert (61_200.0, 0.0) in points
    assert points[0][1] == -1_200.0
    assert points[-1][1] == 3_800.0
    picture = Page(sketch(told)).root
    assert [node[1].get("class") for node in within(picture, "polygon")] == ["gain", "loss"]
    for node in within(picture, "polyline"):
        for pair in node[1]["points"].split():
            x, y = map(float, pair.split(","))
            assert 0.0 <= x <= WIDTH
            assert 0.0 <= y <= HEIGHT


def test_WFAL_016_in_coins_and_of_covers_too() -> None:
    coins = [option(60e3, "P", -1.0, 0.05, coins=True), option(50e3, "P", 1.0, 0.02, coins=True)]
    covered = [perpetual(1.0), option(65e3, "C", -1.0, 900.0)]
    inverse = [perpetual(1.0, coins=True), option(65e3, "C", -1.0, 0.02, coins=True)]
    for legs, payoffs in (
        (coins, payoff_in_coins),
        (covered, payoff_at_expiry),
        (inverse, payoff_in_coins),
    ):
        [told] = describe(recognise(legs))["strategies"]  # type: ignore[misc]
        for price, result in points_of(told["legs"]):
            cost = sum(leg.quantity * leg.mark for leg in legs if leg.is_option)
            cost += 60e3 if legs is covered else 0.0
            if result:
                assert result == pytest.approx(float(payoffs(legs, price)) - cost, rel=1e-9)
    calendar = [option(60e3, "P", -1.0, 1e3), option(60e3, "P", 1.0, 2.5e3, expiry=FAR)]
    [told] = describe(recognise(calendar))["strategies"]  # type: ignore[misc]
    assert sketch(told) == ""
