"""The metrics of the service, and the dashboard that shows them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import cast

import pytest

from steelyard.service.access.session import ANONYMOUS
from steelyard.service.answers.desk import Context, Desk
from steelyard.service.rpc.dispatch import Dispatcher
from steelyard.service.rpc.registry import Method, NoParams, Registry
from steelyard.service.telemetry import METRICS, Metrics, Reading
from tools import grafana

LABELS = {"kind", "code", "method", "outcome", "state", "asset"}
SUFFIXES = ("_bucket", "_count", "_sum", "")


def reading(seq: int = 41, flushes_s: Iterable[float] = ()) -> Reading:
    return Reading(
        seq=seq, durable_seq=40, market_time_s=1.5, is_stale=False,
        units_by_state={"normal": 9, "margin_call": 1}, insurance_fund_usdc=5e6, bad_debt_usdc=0.5,
        liquidated_accounts=3, index_prices_usd={"BTC": 60_000.0, "ETH": 2_000.0},
        index_ages_s={"BTC": 0.25, "ETH": 0.5}, protected=frozenset({"ETH"}),
        sources_used={"BTC": 4, "ETH": 1}, connections=2, subscriptions=7, changes_encoded=11,
        readers_restarted=1, rewind_restarts=0, flushes_s=flushes_s,
    )  # fmt: skip


def lines(metrics: Metrics) -> dict[str, float]:
    told = metrics.text().decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in told if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def test_SERV_020_metrics_have_kind_words_units_and_no_account() -> None:
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    for metric in METRICS:
        assert re.fullmatch(r"steelyard_[a-z_]+", metric.name)
        assert metric.says
        assert (metric.kind == "counter") == metric.name.endswith("_total")
        assert metric.kind != "histogram" or metric.name.endswith("_seconds")
        assert set(metric.labels) <= LABELS
    told = lines(Metrics(reading))
    unlabelled = {m.name for m in METRICS if not m.labels and m.kind != "histogram"}
    assert unlabelled <= set(told)
    assert told['steelyard_index_is_protected{asset="ETH"}'] == 1.0
    assert told['steelyard_margin_units{state="margin_call"}'] == 1.0


def test_SERV_021_a_strangers_names_add_one_line() -> None:
    metrics = Metrics(methods=["public/test"])
    for number in range(1_000):
        metrics.answered(f"public/made_up_{number}", "RPCJ-E07", 1_000)
    metrics.answered("public/test", "ok", 1_000)
    counted = {k: v for k, v in lines(metrics).items() if k.startswith("steelyard_requests_total")}
    assert counted == {
        'steelyard_requests_total{method="unknown",outcome="RPCJ-E07"}': 1_000.0,
        'steelyard_requests_total{method="public/test",outcome="ok"}': 1.0,
    }


def test_SERV_022_commits_are_counted_once_and_state_is_of_the_moment() -> None:
    waiting = [0.001, 0.002, 0.003]
    seq = [41]

    def read() -> Reading:
        told, waiting[:] = list(waiting), []
        return reading(seq[0], told)

    metrics = Metrics(read)
    first = lines(metrics)
    seq[0] = 42
    second = lines(metrics)
    assert first["steelyard_journal_flush_seconds_count"] == 3.0
    assert second["steelyard_journal_flush_seconds_count"] == 3.0
    assert (first["steelyard_seq"], second["steelyard_seq"]) == (41.0, 42.0)


def test_SERV_022_events_and_refusals_are_counted_as_they_happen() -> None:
    metrics = Metrics()
    metrics.event("PriceTick", 0.004)
    metrics.event("PriceTick", 0.004)
    metrics.refused("ADMT-E02")
    told = lines(metrics)
    assert told['steelyard_events_total{kind="PriceTick"}'] == 2.0
    assert told['steelyard_decision_seconds_bucket{le="0.005"}'] == 2.0
    assert told['steelyard_decision_seconds_bucket{le="0.0025"}'] == 0.0
    assert told['steelyard_events_refused_total{code="ADMT-E02"}'] == 1.0


def test_SERV_024_answers_are_counted_by_method_and_outcome() -> None:
    told: list[tuple[str, str, int]] = []

    def get_time(params: NoParams, context: Context) -> int:
        return 1

    method = Method(
        name="public/get_time", handler=get_time, params=NoParams, result=int, scope="public",
        credits=0, is_private=False, summary="The time",
    )  # fmt: skip
    dispatcher = Dispatcher(
        Registry([method]), charge=lambda *_: None, on_incident=print,
        on_answer=lambda *answer: told.append(answer),
    )  # fmt: skip
    clock = iter(range(0, 10**6, 7))

    class Now:
        def as_of_seq(self) -> int:
            return 1

    def ask(text: bytes) -> None:
        dispatcher.answer(text, ANONYMOUS, cast(Desk, Now()), lambda: next(clock))

    sound = b'{"jsonrpc":"2.0","id":1,"method":"public/get_time"}'
    ask(sound)
    ask(b'{"jsonrpc":"2.0","id":1,"method":"public/nothing"}')
    ask(b"no json")
    ask(b"[" + sound + b"," + sound + b"]")
    assert [(name, outcome) for name, outcome, _ in told] == [
        ("public/get_time", "ok"), ("public/nothing", "RPCJ-E07"), ("", told[2][1]),
        ("public/get_time", "ok"), ("public/get_time", "ok"),
    ]  # fmt: skip
    assert told[2][1].startswith("RPCJ-E0")
    assert told[0][2] == 7


def test_SERV_023_the_dashboard_asks_for_metrics_that_there_are() -> None:
    known = {metric.name for metric in METRICS} | {"process_resident_memory_bytes"}
    allowed = {name + suffix for name in known for suffix in SUFFIXES}
    shown = set()
    for panel in grafana.dashboard()["panels"]:
        for target in panel["targets"]:
            names = set(re.findall(r"(?:steelyard|process)_[a-z_]+", target["expr"]))
            assert names
            assert names <= allowed
            shown |= {re.sub(r"_bucket$", "", name) for name in names}
    assert {m.name for m in METRICS} - shown == {"steelyard_market_time_seconds"}


def test_SERV_023_the_dashboards_file_is_the_one_that_is_made(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert grafana.main(["--check"]) == 0
    assert json.loads(grafana.TARGET.read_text(encoding="utf-8")) == grafana.dashboard()
    monkeypatch.setattr(grafana, "PANELS", grafana.PANELS[1:])
    assert grafana.main(["--check"]) == 1
    assert "stale" in capsys.readouterr().err
