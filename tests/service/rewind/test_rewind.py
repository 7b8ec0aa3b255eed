"""The second process: it answers as the engine did, and dies, is asked too much and left alone without harm."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from steelyard.engine import replay_journal
from steelyard.engine.snapshot import state_hash
from steelyard.quantities import JournalError, TermsError
from steelyard.quantities.errors import InputError, SteelyardError
from steelyard.service.access.errors import AccessError
from steelyard.service.access.session import ANONYMOUS, SCOPES, Session
from steelyard.service.answers.engine_desk import EngineDesk
from steelyard.service.channels import snapshot_of
from steelyard.service.host.chronicle import Chronicle
from steelyard.service.host.recall import recall
from steelyard.service.host.scene import Scene
from steelyard.service.rewind.ahead import look_ahead
from steelyard.service.rewind.errors import RewindError
from steelyard.service.rewind.impact import Change, impact
from steelyard.service.rewind.liquidation import liquidation_map
from steelyard.service.rewind.methods import (
    REWIND_METHODS,
    AheadParams,
    MapParams,
    all_methods,
    rewind_methods,
)
from steelyard.service.rewind.options import RewindOptions
from steelyard.service.rewind.rewind import Rewind
from steelyard.service.rpc.dispatch import Dispatcher, Incident
from steelyard.service.rpc.registry import Registry
from tests.service.rewind.journals import Played, begun, tick
from tests.service.rewind.test_timeline import copied, damage

RISK = Session("risk", frozenset(SCOPES), None)
QUIET = RewindOptions(is_following=False, is_filling=False, nice=0, title="A venue")
TOLD_OF_NOW = ("usIn", "usOut", "usDiff")


class Shared:
    """One second process for the tests that do it no harm, on a loop of its own between their steps."""

    def __init__(self, path: Path) -> None:
        self._runner = asyncio.Runner()
        self.rewind = self._runner.run(self._begin(path))

    async def _begin(self, path: Path) -> Rewind:
        rewind = Rewind(path, QUIET)
        await rewind.start()
        return rewind

    def run(self, use: Callable[[Rewind], Awaitable[None]]) -> None:
        """Use it; afterwards nothing waits, and it is the same process."""

        async def within() -> None:
            await asyncio.wait_for(use(self.rewind), 120.0)
            assert not self.rewind.process.waiting

        restarts = self.rewind.process.restarts
        self._runner.run(within())
        assert self.rewind.process.restarts == restarts

    def close(self) -> None:
        """End it."""
        self._runner.run(self.rewind.close())
        self._runner.close()


@pytest.fixture(scope="module")
def shared(played: Played) -> Iterator[Shared]:
    """Return one second process over the journal."""
    found = Shared(played.path)
    yield found
    found.close()


def request(method: str, number: int = 1, **params: Any) -> bytes:
    """Return a request of JSON-RPC."""
    whole = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    return json.dumps(whole).encode()


def with_rewind(
    path: Path,
    use: Callable[[Rewind], Awaitable[None]],
    options: RewindOptions = QUIET,
    **more: Any,
) -> Rewind:
    """Run a second process for as long as it is used."""
    rewind: list[Rewind] = []

    async def run() -> None:
        async with Rewind(path, options, **more) as found:
            rewind.append(found)
            await asyncio.wait_for(use(found), 60.0)
        assert not found.process.waiting
        assert not found.process.pid

    asyncio.run(run())
    return rewind[0]


def told(body: bytes | None) -> dict[str, Any]:
    """Return an answer without what is of now."""
    assert body is not None
    found: dict[str, Any] = json.loads(body)
    assert found["usDiff"] == found["usOut"] - found["usIn"] >= 0
    return {key: value for key, value in found.items() if key not in TOLD_OF_NOW}


def by_unit(note: dict[str, Any]) -> dict[str, Any]:
    """Return a notification of accounts with its columns as rows by unit."""
    data = note["params"]["data"]
    columns = {name: column for name, column in data.items() if isinstance(column, list)}
    columns.pop("states")
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    assert len(rows) > 30
    return {"rows": sorted(rows, key=lambda row: row["units"]), "seq": data["as_of_seq"]}


def test_RWND_029_answers_are_those_of_the_engine_as_of_then(
    played: Played, shared: Shared
) -> None:
    seqs = sorted(played.hashes)[2::6]
    asked = [
        request("private/get_account_summary", account="long-8"),
        request("private/get_positions", account="short-25"),
        request("private/simulate_portfolio", account="long-8",
                simulated_positions={"BTC-PERPETUAL": 0.5}),
        request("private/explain", account="long-60"),
        request("private/get_account_summary", account="nobody"),
        request("public/get_index_price", index_name="btc_usd"),
        request("public/get_instruments", currency="BTC", kind="future"),
        request("private/look_ahead", account="long-60", horizons=["1h"], moves_ppm=[0, -50_000]),
    ]  # fmt: skip
    plain = Dispatcher(Registry(all_methods()), charge=lambda *_: None, on_incident=print)

    async def use(rewind: Rewind) -> None:
        for seq in (seqs[-1], seqs[0], *seqs):
            engine, _ = replay_journal(played.path, to_seq=seq)
            desk = EngineDesk(engine)
            for raw in asked:
                found = told(await rewind.ask(raw, RISK, seq, "127.0.0.1"))
                assert found["as_of_seq"] == seq
                if b"look_ahead" in raw:
                    wanted = look_ahead(engine, "long-60", ["1h"], [0, -50_000])
                    assert found["result"] == msgspec.to_builtins(wanted)
                else:
                    assert found == told(plain.answer(raw, RISK, desk, lambda: 7))

    shared.run(use)


def test_RWND_030_channels_are_those_of_the_engine_as_of_then(
    played: Played, shared: Shared
) -> None:
    names = [
        "account.long-60.raw", "accounts.1000ms", "events.100ms", "overview.1000ms",
        "liquidations.100ms", "surface.BTC.1000ms", "transparency.1000ms",
        "ticker.BTC-PERPETUAL.100ms", "deribit_price_index.btc_usd",
    ]  # fmt: skip

    async def use(rewind: Rewind) -> None:
        for seq in sorted(played.hashes)[-1:3:-9]:
            engine, _ = replay_journal(played.path, to_seq=seq)
            chronicle = Chronicle()
            recall(played.path, chronicle, {i.name: i for i in engine.market.instruments}, seq)
            scene = Scene(engine, "A venue", chronicle)
            for name in names:
                found = json.loads(await rewind.channel(name, RISK, seq) or b"{}")
                wanted = json.loads(snapshot_of(name, scene, RISK))
                if name.startswith("accounts"):  # a restored engine has its units in another order
                    found, wanted = by_unit(found), by_unit(wanted)
                if name.startswith("transparency"):  # the proof is of the journal's checkpoints
                    proof = found["params"]["data"].pop("state_hash_seq")
                    assert proof <= seq
                    del found["params"]["data"]["state_hash"]
                    del found["params"]["data"]["sums_are_zero"]
                    for field in ("state_hash_seq", "state_hash", "sums_are_zero"):
                        del wanted["params"]["data"][field]
                assert found == wanted, name
        with pytest.raises(SteelyardError, match="CHAN-E"):
            await rewind.channel("nothing.raw", RISK, 100)
        with pytest.raises(SteelyardError):
            await rewind.channel("accounts.raw", ANONYMOUS, 100)

    shared.run(use)


def test_RWND_031_functions_are_those_of_the_engine_as_of_then(
    played: Played, shared: Shared
) -> None:
    seq = sorted(played.hashes)[-3]
    engine, _ = replay_journal(played.path, to_seq=seq)
    before = state_hash(engine)

    async def use(rewind: Rewind) -> None:
        for _ in range(2):
            maps = await rewind.liquidation_map(MapParams(("BTC",), levels=7), as_of_seq=seq)
            assert maps == [
                liquidation_map(engine, ["BTC"], [each.move_ppm for each in maps[0].levels])
            ]
            assert len(maps[0].levels) == 7
        both = await rewind.liquidation_map(MapParams(("BTC", "ETH"), together=True, levels=3), seq)
        assert [each.underlyings for each in both] == [["BTC", "ETH"]]
        assert len(await rewind.liquidation_map(MapParams(levels=3), seq)) == 6
        change = Change("liquidation.fee_ppm", "9000")
        told_impact = await rewind.impact([("liquidation.fee_ppm", "9000")], as_of_seq=seq)
        assert told_impact == impact(engine, [change])
        ahead = await rewind.look_ahead(AheadParams("long-60", ("1h",)), seq)
        assert ahead == look_ahead(engine, "long-60", ["1h"])
        # Nothing of it has touched what is answered afterwards.
        raw = request("private/get_account_summary", account="long-60")
        plain = Dispatcher(Registry(all_methods()), charge=lambda *_: None, on_incident=print)
        wanted = told(plain.answer(raw, RISK, EngineDesk(engine), lambda: 7))
        assert told(await rewind.ask(raw, RISK, seq)) == wanted
        with pytest.raises(TermsError, match="TERM-E04"):
            await rewind.impact([("no.such", "1")])
        with pytest.raises(InputError, match="ANSW-E03"):
            await rewind.look_ahead(AheadParams("nobody"))
        with pytest.raises(RewindError, match="RWND-E01"):
            await rewind.liquidation_map(as_of_seq=played.last_seq + 1)
        assert await rewind.seq_at(0) == 0
        span = await rewind.span()
        assert (span.first_seq, span.last_seq) == (1, played.last_seq)
        assert await rewind.seq_at(span.last_us) == played.last_seq

    shared.run(use)
    assert state_hash(engine) == before


def test_RWND_032_killed_process_is_started_again_and_answers(played: Played) -> None:
    raw = request("private/get_account_summary", account="long-8")

    async def use(rewind: Rewind) -> None:
        first = told(await rewind.ask(raw, RISK, 300))
        begun_asking = asyncio.Event()
        slow = asyncio.create_task(
            rewind.ask(raw, RISK, played.last_seq, on_progress=lambda _: begun_asking.set())
        )
        others = [asyncio.create_task(rewind.ask(raw, RISK, 300)) for _ in range(5)]
        await asyncio.sleep(0.02)
        os.kill(rewind.process.pid, signal.SIGKILL)
        found = [told(each) for each in await asyncio.gather(slow, *others)]
        assert found[0]["as_of_seq"] == played.last_seq
        assert found[1:] == [first] * 5
        assert rewind.process.restarts == 1
        os.kill(rewind.process.pid, signal.SIGKILL)
        assert told(await rewind.ask(raw, RISK, 300)) == first

    with_rewind(played.path, use)


def test_RWND_033_question_that_ends_two_processes_is_refused(played: Played) -> None:
    raw = request("private/get_account_summary", account="long-8")

    async def use(rewind: Rewind) -> None:
        await rewind.span()
        asked = asyncio.create_task(rewind.ask(raw, RISK, played.last_seq - 1))
        for _ in range(2):
            await asyncio.sleep(0)
            while not rewind.process.pid or not rewind.process.waiting:
                await asyncio.sleep(0.001)
            pid = rewind.process.pid
            os.kill(pid, signal.SIGKILL)
            while rewind.process.pid == pid:
                await asyncio.sleep(0.001)
        failure = told(await asked)["error"]
        assert (failure["code"], failure["data"]["code"]) == (13503, "RWND-E05")
        assert told(await rewind.ask(raw, RISK, 200))["as_of_seq"] == 200

    with_rewind(played.path, use)


def test_RWND_034_of_one_reader_the_newest_instant_wins(played: Played, shared: Shared) -> None:
    raw = request("private/get_account_summary", account="long-8")

    async def use(rewind: Rewind) -> None:
        await rewind.span()
        seqs = list(range(100, 700, 25))
        tasks = []
        for seq in seqs:
            tasks.append(asyncio.create_task(rewind.ask(raw, RISK, seq, reader="page")))
            tasks.append(
                asyncio.create_task(rewind.channel("overview.1000ms", RISK, seq, reader="page"))
            )
            await asyncio.sleep(0)
        other = asyncio.create_task(rewind.ask(raw, RISK, 150, reader="another page"))
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert told(found[-2])["as_of_seq"] == seqs[-1]
        assert json.loads(found[-1])["params"]["data"]["as_of_seq"] == seqs[-1]
        overtaken = [each for each in found if isinstance(each, RewindError)]
        assert len(overtaken) > len(seqs) // 2
        assert {each.code for each in overtaken} == {"RWND-E03"}
        refused = [told(each) for each in found[:-2:2] if isinstance(each, bytes)]
        codes = {each["error"]["data"]["code"] for each in refused if "error" in each}
        assert codes == {"RWND-E03"}
        assert told(await other)["as_of_seq"] == 150
        assert not rewind._newest

    shared.run(use)


def test_RWND_035_queue_is_bounded_and_a_client_that_leaves_frees_its_place(played: Played) -> None:
    raw = request("private/get_account_summary", account="long-8")

    async def use(rewind: Rewind) -> None:
        await rewind.span()
        tasks = [asyncio.create_task(rewind.ask(raw, RISK, played.last_seq - k)) for k in range(4)]
        await asyncio.sleep(0)
        refused = told(await rewind.ask(raw, RISK, 100))
        assert refused["error"]["data"]["code"] == "RWND-E02"
        assert refused["error"]["message"] == "retry"
        tasks[0].cancel()
        await asyncio.gather(tasks[0], return_exceptions=True)
        assert len(rewind.process.waiting) == 3
        assert told(await rewind.ask(raw, RISK, 100))["as_of_seq"] == 100
        rest = [told(each) for each in await asyncio.gather(*tasks[1:])]
        assert [each["as_of_seq"] for each in rest] == [played.last_seq - k for k in (1, 2, 3)]

    with_rewind(played.path, use, waiting_max=4)


def test_RWND_036_time_limit_refuses_and_what_was_replayed_is_kept(
    played: Played, shared: Shared
) -> None:
    raw = request("private/get_account_summary", account="long-8")

    async def use(rewind: Rewind) -> None:
        await rewind.span()
        rewind._timeout_s = 0.001
        refused = told(await rewind.ask(raw, RISK, played.last_seq - 1))
        assert refused["error"]["data"]["code"] == "RWND-E04"
        rewind._timeout_s = 120.0
        assert (
            told(await rewind.ask(raw, RISK, played.last_seq - 1))["as_of_seq"]
            == played.last_seq - 1
        )

    shared.run(use)


def test_RWND_037_long_replay_tells_how_far_it_is(played: Played, shared: Shared) -> None:
    raw = request("private/get_account_summary", account="long-8")
    fractions: list[float] = []

    async def use(rewind: Rewind) -> None:
        await rewind.ask(raw, RISK, played.last_seq - 1, on_progress=fractions.append)

    shared.run(use)
    assert fractions == sorted(fractions)
    assert all(0.0 <= each <= 1.0 for each in fractions)


def test_RWND_038_refusals_are_made_before_the_process_hears_of_them(played: Played) -> None:
    charged: list[str] = []
    reader = Session("reader", frozenset({"read"}), frozenset({"long-8"}))
    risk_of_one = Session("risk", frozenset({"risk"}), frozenset({"long-8"}))

    def charge(session: Session, method: Any, time_us: int, address: str) -> None:
        charged.append(f"{method.name} {address}")
        if method.name == "public/get_time":
            raise AccessError("ACCS-E40", "too many requests", rule="r", cure="c")

    async def use(rewind: Rewind) -> None:
        sent = rewind._numbers
        before = next(sent)
        for raw, session, code in (
            (b"{", RISK, "RPCJ-E04"),
            (b"[]", RISK, "RPCJ-E06"),
            (b"[" + b",".join([request("public/get_time")] * 51) + b"]", RISK, "RPCJ-E06"),
            (b"[" * 5_000, RISK, "RPCJ-E02"),
            (b"\xff", RISK, "RPCJ-E04"),
            (request("private/nothing"), RISK, "RPCJ-E07"),
            (request("private/liquidation_map"), ANONYMOUS, "RPCJ-E09"),
            (request("private/liquidation_map"), reader, "RPCJ-E10"),
            (request("private/liquidation_map", levels="many"), RISK, "RPCJ-E08"),
            (request("public/get_time"), RISK, "ACCS-E40"),
        ):
            found = json.loads(await rewind.ask(raw, session, 100) or b"{}")
            assert found["error"]["data"]["code"] == code, raw[:60]
        assert next(sent) == before + 1
        charged.clear()
        raw = request("private/get_account_summary", account="long-8")
        assert "result" in told(await rewind.ask(raw, reader, 100, "10.0.0.1"))
        assert charged == ["private/get_account_summary 10.0.0.1"]
        foreign = request("private/get_account_summary", account="short-8")
        assert told(await rewind.ask(foreign, reader, 100))["error"]["data"]["code"] == "ANSW-E03"
        for method in ("private/liquidation_map", "private/parameter_impact"):
            params = {"changes": [{"path": "levels.warning_ppm", "value_json": "1"}]}
            raw = request(method, **(params if "impact" in method else {}))
            assert (
                told(await rewind.ask(raw, risk_of_one, 100))["error"]["data"]["code"] == "ACCS-E51"
            )
        ahead = request("private/look_ahead", account="short-8", horizons=["1h"])
        simulate = Session("one", frozenset({"simulate"}), frozenset({"long-8"}))
        assert told(await rewind.ask(ahead, simulate, 100))["error"]["data"]["code"] == "ANSW-E03"

    with_rewind(played.path, use, charge=charge)


def test_RWND_039_batches_and_notifications_are_answered_in_order(
    played: Played, shared: Shared
) -> None:
    members = [
        request("private/get_account_summary", 1, account="long-8"),
        b'{"jsonrpc": "2.0", "method": "public/get_time"}',
        b"3",
        request("private/get_positions", 2, account="long-8"),
    ]

    async def use(rewind: Rewind) -> None:
        body = await rewind.ask(b"[" + b",".join(members) + b"]", RISK, 200)
        found = json.loads(body or b"")
        assert [each["id"] for each in found] == [1, None, 2]
        assert [each["as_of_seq"] for each in found] == [200, 200, 200]
        assert await rewind.ask(members[1], RISK, 200) is None
        assert await rewind.ask(b"[" + members[1] + b"]", RISK, 200) is None
        beyond = told(await rewind.ask(members[0], RISK, 10**9))
        assert (beyond["id"], beyond["error"]["data"]["code"]) == (1, "RWND-E01")

    shared.run(use)


def test_RWND_040_live_registry_describes_sends_on_and_refuses(
    played: Played, shared: Shared
) -> None:
    assert tuple(method.name for method in rewind_methods()) == REWIND_METHODS
    engine, _ = replay_journal(played.path)
    desk = EngineDesk(engine)
    here = Dispatcher(Registry(rewind_methods()), charge=lambda *_: None, on_incident=print)
    for name in REWIND_METHODS:
        params: dict[str, Any] = {"changes": []} if "impact" in name else {}
        refused = told(here.answer(request(name, **params), RISK, desk, lambda: 7))
        assert refused["error"]["data"]["code"] == "RWND-E08"

    async def use(rewind: Rewind) -> None:
        live = Dispatcher(Registry(rewind.methods()), charge=lambda *_: None, on_incident=print)
        raw = request("private/liquidation_map", underlyings=["BTC"], levels=3)
        answer = await live.respond_later(raw, RISK, desk, lambda: 7)
        found = told(answer.body)["result"]
        assert found == [
            msgspec.to_builtins(liquidation_map(engine, ["BTC"], [-600_000, 0, 600_000]))
        ]
        raw = request("private/look_ahead", account="nobody")
        answer = await live.respond_later(raw, RISK, desk, lambda: 7)
        assert told(answer.body)["error"]["data"]["code"] == "ANSW-E03"

    shared.run(use)


def test_RWND_041_growing_journal_is_answered_to_its_durable_end(tmp_path: Path) -> None:
    session = begun(tmp_path / "growing.journal", population=5)
    session.journaled.snapshot()
    session.journaled.wait()

    async def use(rewind: Rewind) -> None:
        for number in range(1, 40):
            seq = tick(session, number)
            session.journaled.wait()
            found = told(await rewind.ask(request("private/get_positions", account="long-8"), RISK))
            assert found["as_of_seq"] == seq
        tick(session, 40)
        refused = told(await rewind.ask(request("public/get_time"), RISK, session.engine.seq + 5))
        assert refused["error"]["data"]["code"] == "RWND-E01"

    options = msgspec.structs.replace(QUIET, is_following=True, is_filling=True, spacing=16)
    with_rewind(session.journaled.path, use, options)
    session.journaled.close()


def test_RWND_042_damage_and_absence_are_said_and_what_is_sound_is_answered(
    played: Played, tmp_path: Path
) -> None:
    path = copied(played, tmp_path)
    damage(path, 300)
    raw = request("private/get_positions", account="long-8")

    async def use(rewind: Rewind) -> None:
        assert told(await rewind.ask(raw, RISK, 250))["as_of_seq"] == 250
        refused = told(await rewind.ask(raw, RISK, 320))["error"]
        assert (refused["code"], refused["data"]["code"]) == (13503, "JOUR-E06")
        assert told(await rewind.ask(raw, RISK, None))["as_of_seq"] == played.last_seq
        span = await rewind.span()
        assert list(span.damages) == [300]
        assert not rewind.process.restarts

    with_rewind(path, use)

    async def use_none(rewind: Rewind) -> None:
        with pytest.raises(JournalError, match="JOUR-E01"):
            await rewind.span()
        assert told(await rewind.ask(raw, RISK, 1))["error"]["data"]["code"] == "JOUR-E01"

    with_rewind(tmp_path / "none.journal", use_none)


def test_RWND_043_failure_within_a_method_is_an_incident_and_no_more(played: Played) -> None:
    incidents: list[Incident] = []
    raw = request("public/get_time")

    async def use(rewind: Rewind) -> None:
        failure = told(await rewind.ask(raw, RISK, 100))["error"]
        assert (failure["code"], failure["data"]["code"]) == (-32603, "RPCJ-E12")
        assert [each.name for each in incidents] == [failure["data"]["incident"]]
        assert "ZeroDivisionError" in str(incidents[0].error)
        with pytest.raises(RewindError, match="RWND-E09") as failed:
            await rewind.liquidation_map(as_of_seq=100)
        assert failed.value.where["incident"] == incidents[1].name
        assert incidents[1].method == "private/liquidation_map"
        assert told(await rewind.ask(request("private/get_positions", account="long-8"), RISK, 100))
        assert not rewind.process.restarts

    options = msgspec.structs.replace(QUIET, methods="tests.service.rewind.failing:methods")
    with_rewind(played.path, use, options, on_incident=incidents.append)


@pytest.mark.slow
def test_RWND_044_memory_is_bounded_and_beyond_it_the_process_begins_anew(played: Played) -> None:
    raw = request("private/get_positions", account="long-8")
    small = msgspec.structs.replace(
        QUIET, spacing=20, waypoint_bytes_max=300_000, is_following=True, is_filling=True
    )
    resident: list[int] = []

    async def use(rewind: Rewind) -> None:
        for round_ in range(3):
            for seq in range(played.last_seq - 1, 100, -97):
                assert told(await rewind.ask(raw, RISK, seq))["as_of_seq"] == seq
            span = await rewind.span()
            assert 0 < len(span.waypoints) < 30 < played.last_seq // 20
            while rewind.process.resident_bytes == 0:
                await asyncio.sleep(0.05)
            await asyncio.sleep(1.1 if round_ < 2 else 0.0)
            resident.append(rewind.process.resident_bytes)

    with_rewind(played.path, use, small)
    assert resident[-1] < resident[0] + 64 * 2**20

    async def starved(rewind: Rewind) -> None:
        refused = told(await rewind.ask(raw, RISK, 500))
        assert refused["error"]["data"]["code"] == "RWND-E05"
        assert rewind.process.restarts >= 1

    with_rewind(played.path, starved, msgspec.structs.replace(QUIET, memory_bytes_max=24 * 2**20))


def test_RWND_045_closing_refuses_what_waits_and_ends_the_process(played: Played) -> None:
    async def run() -> None:
        rewind = Rewind(played.path, QUIET)
        await rewind.start()
        await rewind.span()
        pid = rewind.process.pid
        raw = request("private/get_positions", account="long-8")
        asked = asyncio.create_task(rewind.ask(raw, RISK, played.last_seq - 1))
        await asyncio.sleep(0)
        await rewind.close()
        assert told(await asked)["error"]["data"]["code"] == "RWND-E05"
        assert told(await rewind.ask(raw, RISK, 1))["error"]["data"]["code"] == "RWND-E05"
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    asyncio.run(run())


def test_RWND_046_silent_process_is_ended_and_started_again(played: Played) -> None:
    async def use(rewind: Rewind) -> None:
        await rewind.span()
        os.kill(rewind.process.pid, signal.SIGSTOP)
        found = await rewind.span()
        assert found.last_seq == played.last_seq
        assert rewind.process.restarts == 1

    with_rewind(played.path, use, silent_s_max=4.0)
