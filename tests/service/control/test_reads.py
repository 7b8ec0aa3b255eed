"""Questions: what is told, as of which event, and whether it has changed."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from steelyard.publish import account_view
from steelyard.service.control.parameters import parameters_of, unit_of
from steelyard.terms import load_method
from steelyard.terms.documents import documents
from steelyard.ticks import TimeTick
from tests.service.control.roles import BTC, ETH, Desk, check_problem

USD = 1_000_000


def _tick(desk: Desk) -> None:
    """Let a microsecond pass: an event that changes nothing that is told."""
    engine = desk.engine
    number = engine.origin_seqs.get("clock", 0) + 1
    engine.submit(TimeTick(engine.market.time_us, "clock", number))


@pytest.mark.parametrize(
    "path",
    ["/accounts", "/accounts/alice", "/accounts/alice/risk", "/assets", "/instruments?limit=3",
     f"/instruments/{BTC}", "/parameters", "/methods", "/methods/paradex-pm", "/halts", "/service",
     "/methods/paradex-pm/versions", "/kill-switch", "/proposals", "/overrides",
     "/accounts/alice/reservations"],
)  # fmt: skip
def test_PLAN_030_a_tag_is_of_what_is_told(fresh: Desk, path: str) -> None:
    first = fresh.ask("admin", path)
    assert first.status_code == 200
    tag = first.headers["ETag"]
    assert first.json()["as_of_seq"] == fresh.engine.seq == int(first.headers["As-Of-Seq"])
    assert first.json()["time_us"] == fresh.engine.market.time_us
    _tick(fresh)
    later = fresh.ask("admin", path)
    assert later.json()["as_of_seq"] == first.json()["as_of_seq"] + 1
    assert later.headers["ETag"] == tag
    for sent in (tag, f'W/"0", {tag}'):
        same = fresh.ask("admin", path, headers={"If-None-Match": sent})
        assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", tag)
    other = fresh.ask("admin", path, headers={"If-None-Match": 'W/"0"'})
    assert other.content == later.content


def test_PLAN_030_another_state_has_another_tag(fresh: Desk) -> None:
    tags = {
        path: fresh.ask("admin", path).headers["ETag"] for path in ("/accounts", "/accounts/carol")
    }
    fresh.do("admin", "/accounts/carol/deposits", {"asset": "USDC", "amount": "0.000001"})
    for path, tag in tags.items():
        answer = fresh.ask("admin", path, headers={"If-None-Match": tag})
        assert answer.status_code == 200
        assert answer.headers["ETag"] != tag


def test_PLAN_033_an_account_is_told_as_it_is_published(desk: Desk) -> None:
    for row in desk.ask("admin", "/accounts").json()["items"]:
        shard, at = desk.engine.places[row["unit"]]
        view = account_view(shard.book, at, shard.results, desk.engine.seq)
        for field in ("unit", "account", "mode", "state", "currency", "positions"):
            assert row[field] == getattr(view, field)
        for field in ("equity", "initial_balance", "initial_requirement", "maintenance_balance",
                      "maintenance_requirement", "buffer"):  # fmt: skip
            assert isinstance(row[field], str)
            assert Decimal(row[field]) == getattr(view, field)
        assert row["margin_ratio"] == (
            None if view.margin_ratio is None else str(view.margin_ratio)
        )


def test_PLAN_033_an_account_has_its_positions(desk: Desk) -> None:
    found = desk.ask("trader", "/accounts/izzy").json()
    assert [each["risk"]["unit"] for each in found["units"]] == ["izzy", f"izzy/{ETH}"]
    assert found["units"][1]["holdings"] == [{"instrument": ETH, "quantity": "1.000"}]
    assert found["mode"] == "isolated"
    check_problem(desk.ask("admin", "/accounts/nobody"), 404, "PLAN-E10")
    check_problem(desk.ask("admin", "/accounts/nobody/risk"), 404, "PLAN-E10")
    check_problem(desk.ask("admin", f"/accounts/alice/risk?instrument={ETH}"), 404, "PLAN-E10")


@pytest.mark.parametrize("path", ["/accounts/alice/risk", f"/accounts/izzy/risk?instrument={ETH}"])
def test_PLAN_033_the_parts_sum(desk: Desk, path: str) -> None:
    found = desk.ask("admin", path).json()

    def total(name: str) -> Decimal:
        whole = Decimal(0)
        for each in found[name]:
            whole += Decimal(each["amount"])
        return whole

    equity = Decimal(found["equity"])
    assert total("equity_parts") == equity
    for level in ("initial", "maintenance"):
        assert equity - total(f"{level}_haircuts") == Decimal(found[f"{level}_balance"])
        assert total(f"{level}_parts") == Decimal(found[f"{level}_requirement"]) > 0
    held = Decimal(found["maintenance_balance"]) - Decimal(found["maintenance_requirement"])
    assert held == Decimal(found["buffer"])
    risk = desk.engine.risk_of(found["unit"])
    assert Decimal(found["certain_buffer"]) * USD == risk.certain_buffer


def _leaves(nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for node in nodes:
        found += _leaves(node["children"]) if node["children"] else [node]
    return found


def test_PLAN_034_every_leaf_may_be_proposed(desk: Desk) -> None:
    found = desk.ask("reader", "/parameters").json()
    method = load_method()
    assert found["digest"] == method.digest().hex()
    leaves = _leaves(found["parameters"])
    assert len(leaves) > 80
    units = {leaf["path"]: leaf["unit"] for leaf in leaves}
    assert units["underlying.default.range_ppm"] == "parts per million"
    assert units["liquidation.interval_us"] == "microseconds"
    for leaf in leaves:
        assert method.with_parameter(leaf["path"], json.dumps(leaf["value"])) == method


def test_PLAN_034_units_are_the_ends_of_names() -> None:
    assert [unit_of(name) for name in ("range_ppm", "rate_ppb", "age_us", "depth_usd", "quorum_sources")] == [
        "parts per million", "parts per billion", "microseconds", "USD", "",
    ]  # fmt: skip
    paths = [each.path for each in parameters_of(load_method())]
    assert paths[0] == "grid"
    assert not {"name", "version", "currency"} & set(paths)


def test_PLAN_035_methods_have_their_hash(desk: Desk) -> None:
    library = documents()
    for name in library.names():
        document = library.get(name)
        found = desk.ask("reader", f"/methods/{name}").json()
        assert (found["digest"], found["version"]) == (document.digest(), document.version)
        assert found["parameters"] == json.loads(json.dumps(document.parameters))
        told = desk.ask("reader", f"/methods/{name}/versions").json()["items"]
        assert [each["version"] for each in told] == [d.version for d in library.versions(name)]
        first = desk.ask("reader", f"/methods/{name}?version={told[0]['version']}").json()
        assert first["digest"] == told[0]["digest"]
    check_problem(desk.ask("reader", "/methods/none"), 404, "TERM-E16")
    check_problem(desk.ask("reader", "/methods/paradex-pm?version=1"), 404, "TERM-E16")


def test_PLAN_036_the_journal_is_told(fresh: Desk) -> None:
    digest = fresh.journaled.snapshot()
    placed = fresh.do("admin", "/accounts", {"account": "dave", "mode": "cross"}).json()
    found = fresh.ask("risk", "/journal").json()
    assert (found["first"]["seq"], found["first"]["position"]) == (1, 1)
    assert found["last"] == {name: placed[name] for name in ("seq", "position", "time_us")}
    assert found["durable_position"] >= placed["position"]
    assert [each["state_hash"] for each in found["checkpoints"]] == [digest.hex()]
    assert found["checkpoints"][0]["seq"] == placed["seq"] - 1


def test_PLAN_030_prices_are_texts(desk: Desk) -> None:
    assets = {each["name"]: each for each in desk.ask("reader", "/assets").json()["items"]}
    assert assets["BTC"]["index_price"] == "121000.00"
    assert assets["BTC"]["is_protected"] is False
    told = desk.ask("reader", f"/instruments/{BTC}").json()
    slot = desk.engine.market.instrument_slots[BTC]
    units = int(desk.engine.market.mark_units[slot])
    assert Decimal(told["mark"]).scaleb(told["mark_exponent"]) == units
    check_problem(desk.ask("reader", "/instruments/none"), 404, "PLAN-E10")
