"""Pages of lists: cursors that hold while the list changes, and those that are none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from steelyard.quantities.errors import InputError
from steelyard.service.control.cursors import open_cursor, seal_cursor
from steelyard.terms import AccountRecord
from steelyard.ticks import AccountsLoaded
from tests.service.control.roles import BTC, ETH, START_US, Desk, check_problem


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Return a venue of sixty more accounts, some of them in danger."""
    with Desk(tmp_path_factory.mktemp("crowd") / "venue.journal") as found:
        records = []
        for i in range(60):
            usd = (1 + i * 7 % 50) * 100_000_000
            held = [found.held((BTC, ETH)[i % 2], (0.01 + 0.002 * (i % 9)) * (-1) ** i)]
            mode = ("cross", "portfolio")[i % 2]
            records.append(
                AccountRecord(f"crowd-{i:02d}", mode, {"USDC": usd}, held if i % 3 else [])
            )  # type: ignore[arg-type]
        found.engine.submit(AccountsLoaded(START_US, "file", 2, records))
        yield found


def _all(desk: Desk, path: str, who: str = "risk") -> list[dict[str, Any]]:
    """Return the items of all pages."""
    items: list[dict[str, Any]] = []
    link: str | None = path
    while link is not None:
        answer = desk.ask(who, link.removeprefix("/v1"))
        page = answer.json()
        assert answer.status_code == 200, page
        items += page["items"]
        link = page["next"]
        if link is not None:
            assert answer.headers["Link"] == f'<{link}>; rel="next"'
            assert page["items"]
    return items


@pytest.mark.parametrize("limit", [1, 2, 7, 64, 500])
@pytest.mark.parametrize("sort", ["name", "margin_ratio", "buffer", "equity"])
def test_PLAN_031_pages_joined_are_the_sorted_list(crowd: Desk, sort: str, limit: int) -> None:
    whole = _all(crowd, "/accounts?limit=500")
    assert len(whole) == 64

    def key(row: dict[str, Any]) -> tuple[float, str]:
        shard, at = crowd.engine.places[row["unit"]]
        equity, _, balance, _, requirement, _ = (int(shard.results[k, at]) for k in range(6))
        number = {
            "name": 0, "equity": equity, "buffer": balance - requirement,
            "margin_ratio": balance / requirement if requirement else float("inf"),
        }[sort]  # fmt: skip
        return number, row["unit"]

    found = _all(crowd, f"/accounts?limit={limit}&sort={sort}")
    assert found == sorted(whole, key=key)


@pytest.mark.parametrize("query", ["state=healthy", "mode=cross", "owner=izzy", "owner=nobody",
                                   "mode=portfolio&state=healthy"])  # fmt: skip
def test_PLAN_031_filters(crowd: Desk, query: str) -> None:
    wanted = dict(each.split("=") for each in query.split("&"))
    names = {"owner": "account"}
    expected = [
        row
        for row in _all(crowd, "/accounts")
        if all(row[names.get(name, name)] == value for name, value in wanted.items())
    ]
    found = _all(crowd, f"/accounts?limit=5&{query}")
    assert found == expected
    if query == "owner=izzy":
        assert [row["instrument"] for row in found] == [None, ETH]


def test_PLAN_031_a_key_sees_its_own(crowd: Desk) -> None:
    found = _all(crowd, "/accounts?limit=1", "trader")
    assert {row["account"] for row in found} == {"alice", "izzy"}
    assert _all(crowd, "/accounts?owner=carol", "trader") == []


def test_PLAN_031_what_comes_between_shifts_nobody(tmp_path: Path) -> None:
    with Desk(tmp_path / "venue.journal") as desk:
        for name in ("bob", "dora", "emil", "fay"):
            desk.do("admin", "/accounts", {"account": name, "mode": "cross"})
        first = desk.ask("risk", "/accounts?limit=3").json()
        assert [row["unit"] for row in first["items"]] == ["alice", "bob", "carol"]
        for name in ("aaron", "carola", "carl", "zoe"):
            desk.do("admin", "/accounts", {"account": name, "mode": "cross"})
        rest = _all(desk, first["next"])
        assert [row["unit"] for row in rest] == [
            "carola", "dora", "emil", "fay", "izzy", f"izzy/{ETH}", "zoe",
        ]  # fmt: skip


@pytest.mark.parametrize("path", ["/instruments", "/assets", "/methods"])
@pytest.mark.parametrize("limit", [3, 100])
def test_PLAN_031_lists_by_name(desk: Desk, path: str, limit: int) -> None:
    names = [each["name"] for each in _all(desk, f"{path}?limit={limit}")]
    assert names == sorted(set(names))
    assert len(names) >= 7
    if path == "/instruments":
        assert len(names) == len(desk.engine.market.instruments)
        options = _all(desk, "/instruments?kind=option&underlying=ETH&limit=50")
        assert {(each["kind"], each["underlying"]) for each in options} == {("option", "ETH")}


def test_PLAN_032_a_cursor_is_of_one_list(crowd: Desk) -> None:
    cursor = crowd.ask("risk", "/accounts?limit=2").json()["next"].partition("cursor=")[2]
    assert crowd.ask("risk", f"/accounts?limit=9&cursor={cursor}").status_code == 200
    for path in (
        f"/accounts?sort=equity&cursor={cursor}",
        f"/accounts?mode=cross&cursor={cursor}",
        f"/assets?cursor={cursor}",
        f"/accounts?cursor={cursor[:-1]}",
        f"/accounts?cursor={cursor}AA",
        f"/accounts?cursor=x{cursor[1:]}",
        "/accounts?cursor=%00%ff",
        "/accounts?cursor=é",
        f"/accounts?cursor={'A' * 512}",
    ):
        check_problem(crowd.ask("risk", path), 422, "PLAN-E09")
    check_problem(crowd.ask("risk", f"/accounts?cursor={'A' * 513}"), 422, "PLAN-E04")


def test_PLAN_032_every_changed_character_is_seen() -> None:
    of = ("accounts", "sort=name")
    cursor = seal_cursor(of, ("alice",))
    assert open_cursor(of, cursor) == ("alice",)
    refused = 0
    for at in range(len(cursor)):
        for other in "Aa0-_":
            changed = cursor[:at] + other + cursor[at + 1 :]
            if changed != cursor:
                with pytest.raises(InputError, match="PLAN-E09"):
                    open_cursor(of, changed)
                refused += 1
    assert refused > 4 * len(cursor)


def test_PLAN_032_a_sealed_key_of_another_form_is_none(desk: Desk) -> None:
    for of, key, path in (
        (("accounts", "sort=name"), (5,), "/accounts"),
        (("accounts", "sort=equity"), ("alice",), "/accounts?sort=equity"),
        (("accounts", "sort=equity"), (1, 2, "alice"), "/accounts?sort=equity"),
        (("accounts", "sort=equity"), ("x", "alice"), "/accounts?sort=equity"),
        (("assets",), (), "/assets"),
        (("assets",), (5,), "/assets"),
    ):
        cursor = seal_cursor(of, key)
        glue = "&" if "?" in path else "?"
        check_problem(desk.ask("risk", f"{path}{glue}cursor={cursor}"), 422, "PLAN-E09")
