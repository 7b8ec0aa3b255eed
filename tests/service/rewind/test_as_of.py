"""Back in time over a live host: what its hub published and its methods said at an event is what is said as of it."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from steelyard.service.access.session import Session
from steelyard.service.answers import catalog
from steelyard.service.channels.hub import Hub
from steelyard.service.channels.methods import memory_methods
from steelyard.service.rewind.methods import HISTORY
from steelyard.service.rewind.rewind import Rewind
from steelyard.service.rewind.survey import Mark, Span
from steelyard.service.rewind.whole import SEQ_AT, SPAN, JournalSpan, journal_span, whole_methods
from steelyard.service.rpc.dispatch import Dispatcher
from steelyard.service.rpc.registry import Registry
from tests.service.channels.readers import EVERY, RISK, Known, same
from tests.service.channels.test_hub import read_all, reader_of, settle
from tests.service.host.hosts import Hosted, hosted, run
from tests.service.rewind.journals import Played
from tests.service.rewind.test_rewind import QUIET, Shared, request, told
from tests.support.venue import SECOND_US, over_leveraged_long

TITLED = msgspec.structs.replace(QUIET, title="Test venue")
ASKED = (
    request(HISTORY),
    request("private/get_story", account="long"),
    request("public/get_transparency"),
    request("public/status"),
    request("private/get_account_summary", account="long"),
    request("public/get_index_price", index_name="btc_usd"),
)


@pytest.fixture(name="shared", scope="module")
def make_shared(played: Played) -> Any:
    found = Shared(played.path)
    yield found
    found.close()


def happen(venue: Hosted, draw: Random) -> None:
    """Let a second pass, and a price, a volatility, a transfer or a new account come."""
    venue.tick(draw.randrange(SECOND_US // 2, 3 * SECOND_US))
    what = draw.randrange(4)
    if what == 0:
        venue.volatility(draw.uniform(0.3, 0.9))
    elif what == 1:
        venue.transfer("external", "maker", "USDC", draw.randrange(1, 10**9))
    elif what == 2:
        venue.open(over_leveraged_long(f"late-{draw.randrange(10**9)}", 20_000))
    else:
        venue.price("BTC", 100_000.0 * draw.uniform(0.72, 1.02))


async def lived(venue: Hosted) -> dict[int, tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Let the venue live, and return by event what a reader was told and what was answered."""
    hub, draw = Hub(venue.host), Random(5)
    live = Dispatcher(
        Registry([*catalog.methods(), *memory_methods(venue.host.scene)]),
        charge=lambda *_: None,
        on_incident=print,
    )
    found = {}
    for round_ in range(16):
        happen(venue, draw)
        if round_ == 9:
            venue.host.snapshot()
        if round_ % 3:
            continue
        known, reader = Known(), reader_of(hub)
        reader.subscribe(list(EVERY))
        await settle(hub)
        await read_all(reader, known)
        reader.close()
        answers = [told(live.answer(raw, RISK, venue.host.desk, lambda: 7)) for raw in ASKED]
        found[venue.engine.seq] = known.channels, answers
    assert venue.host.scene.chronicle.tally.liquidated
    await venue.host.durable(venue.host.position)
    return found


def test_RWND_047_channels_and_answers_as_of_then_are_those_that_were_told(tmp_path: Path) -> None:
    path = tmp_path / "lived.journal"

    async def work() -> None:
        async with hosted(path) as venue:
            found = await lived(venue)
            beside = [each for each in memory_methods(venue.host.scene) if each.name == HISTORY]
            async with Rewind(path, TITLED, beside=beside) as rewind:
                for seq in sorted(found, reverse=True):
                    channels, answers = found[seq]
                    assert set(channels) == set(EVERY)
                    then = Known()
                    for name in EVERY:
                        then.take([await rewind.channel(name, RISK, seq) or b""])
                        assert same(then.channels[name], channels[name]), (seq, name)
                    for raw, answer in zip(ASKED, answers, strict=True):
                        assert told(await rewind.ask(raw, RISK, seq)) == answer, raw

    run(work)


def test_RWND_047_history_as_of_then_is_cut_and_refused_to_a_key_of_some(tmp_path: Path) -> None:
    path = tmp_path / "cut.journal"

    async def work() -> None:
        async with hosted(path) as venue:
            await lived(venue)
            memory = {each.name: each for each in memory_methods(venue.host.scene)}
            async with Rewind(path, TITLED, beside=[memory[HISTORY]]) as rewind:
                whole = told(await rewind.ask(request(HISTORY), RISK))["result"]
                seqs = whole["seq"]
                assert len(seqs) > 8
                assert whole["as_of_seq"] == venue.engine.seq
                for seq in (seqs[0], seqs[3], seqs[3] + 1, seqs[-1]):
                    cut = told(await rewind.ask(request(HISTORY), RISK, seq))
                    rows = sum(each <= seq for each in seqs)
                    assert cut["as_of_seq"] == cut["result"]["as_of_seq"] == seq
                    assert cut["result"]["time_us"] == whole["time_us"][:rows]
                    for name in ("index_prices", "units_by_state"):
                        assert cut["result"][name] == {
                            key: column[:rows] for key, column in whole[name].items()
                        }
                some = Session("some", frozenset({"read", "risk"}), frozenset({"long"}))
                refused = told(await rewind.ask(request(HISTORY), some, seqs[3]))
                assert refused["error"]["data"]["code"] == "ACCS-E51"

    run(work)


def test_RWND_048_span_is_told_to_a_scrubber(played: Played, shared: Shared) -> None:
    async def use(rewind: Rewind) -> None:
        live = Dispatcher(Registry(rewind.methods()), charge=lambda *_: None, on_incident=print)
        assert {SPAN, SEQ_AT} == {method.name for method in whole_methods(rewind)}
        own = await rewind.span()
        desk: Any = _Desk()
        while own.marks_to_seq < played.last_seq:
            own = await rewind.span()
        answer = await live.respond_later(request(SPAN), RISK, desk, lambda: 7)
        result = told(answer.body)["result"]
        span = msgspec.convert(result, JournalSpan)
        assert (span.first_seq, span.last_seq) == (1, played.last_seq)
        assert [(m.seq, m.kind, m.count) for m in span.marks] == [
            (m.seq, m.kind, m.count) for m in own.marks
        ]
        kinds = {mark.kind for mark in span.marks}
        assert "liquidation" in kinds
        assert all(mark.text.startswith(f"{mark.count:,} ") for mark in span.marks)
        assert span.starts[0] == 0
        assert 0.0 < span.seconds_per_event < 1.0
        for time_us, seq in (
            (own.first_us - 1, 0),
            (own.last_us, own.last_seq),
            (2**62, own.last_seq),
        ):
            raw = request(SEQ_AT, time_us=time_us)
            answer = await live.respond_later(raw, RISK, desk, lambda: 7)
            assert told(answer.body)["result"] == {"seq": seq}
        some = Session("some", frozenset({"read", "risk"}), frozenset({"long-8"}))
        for raw in (request(SPAN), request(SEQ_AT, time_us=0)):
            answer = await live.respond_later(raw, some, desk, lambda: 7)
            assert told(answer.body)["error"]["data"]["code"] == "ACCS-E51"
        answer = await live.respond_later(request(SEQ_AT, time_us=-1), RISK, desk, lambda: 7)
        assert told(answer.body)["error"]["code"] == -32602

    shared.run(use)


def test_RWND_048_a_span_on_the_wire_is_bounded() -> None:
    marks = [Mark(10**9 + n, 10**15 + n, "liquidation", 10**6) for n in range(1_000)]
    span = Span(
        first_seq=1, first_us=1, last_seq=10**9, last_us=10**15, snapshots=[40, 80],
        waypoints=list(range(0, 180 * 250, 250)), marks=marks, marks_to_seq=10**9, difference="",
        difference_seq=0, damages={7: "gone"}, unusable_snapshots={80: "worn"}, event_s=0.003,
        waypoint_s=0.04, snapshot_s=1.0,
    )  # fmt: skip
    wire = journal_span(span)
    assert len(json.dumps(msgspec.to_builtins(wire))) < 200_000
    assert wire.marks[0].text == "1,000,000 positions closed in full liquidation"
    assert 40 in wire.starts
    assert 80 not in wire.starts
    assert wire.damages[0].text == "gone"


class _Desk:
    """A desk of which only its number is read."""

    def as_of_seq(self) -> int:
        """Return an event."""
        return 1
