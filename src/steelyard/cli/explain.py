"""`steelyard explain`: why an account stands where it stands, from its journal.

The journal is replayed to the event that is asked about; without one, to the decision that took the
account deepest, and its risk is shown as the engine saw it in that instant, before it acted.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.tree import Tree

from steelyard.actions.outcomes import StateChanged
from steelyard.cli.output import console, print_json
from steelyard.cli.wiring import time_text
from steelyard.decisions import STATE_NAMES
from steelyard.engine.engine import KIND_EVENT, KIND_OUTCOMES, Engine
from steelyard.engine.replay import Replayer, ReplayReport, decode_outcomes, engine_of
from steelyard.engine.snapshot import restore_snapshot
from steelyard.journal import JournalReader
from steelyard.margin import AccountRisk
from steelyard.publish import Explanation, StoryLine, explain_risk, story_lines
from steelyard.publish.story import price_words, quoted_price
from steelyard.publish.views import margin_ratio, money
from steelyard.quantities import InputError, from_units
from steelyard.terms.account import owner_of
from steelyard.ticks import InstrumentsListed, decode_event

EXIT_OK = 0
JOURNAL_FOLDERS = ("steelyard-demo", "steelyard-run", "steelyard-serve", ".")


@dataclass
class Found:
    """What a first look through the journal says about an account."""

    story: list[StoryLine] = field(default_factory=list)
    decisions: dict[str, tuple[int, int]] = field(default_factory=dict)
    last_seq: int = 0


def explain_command(
    account: str | None, journal: Path | None, seq: int | None, as_json: bool
) -> int:
    """Print the explanation of an account, or of the first that went deepest; return the exit code."""
    path = journal or newest_journal()
    account = account or _worst_off(path)
    found = _look_through(path, account)
    unit, wanted = _moment(account, found, seq, path)
    risk, engine = risk_at(path, unit, wanted, as_decided=seq is None and unit in found.decisions)
    trees = explain_risk(risk, engine.method)
    report = _report(path, unit, wanted, risk, engine, trees, found.story)
    if as_json:
        print_json(report)
    else:
        _print(console(), report, trees)
    return EXIT_OK


def newest_journal() -> Path:
    """Return the journal written last under the usual folders. Errors: CLIC-E04 none is there."""
    found = [p for folder in JOURNAL_FOLDERS for p in Path(folder).glob("*.journal")]
    if not found:
        raise InputError(
            "CLIC-E04",
            "there is no journal here",
            rule="an explanation is read from a journal",
            cure="run `steelyard demo` first, or name one with --journal",
        )
    return max(found, key=lambda p: p.stat().st_mtime_ns)


def _worst_off(path: Path) -> str:
    """Return the first account of those that reached the deepest state. Errors: CLIC-E07."""
    deepest, name = 0, ""
    with JournalReader.open_reader(path) as reader:
        for record in reader.read():
            if record.kind != KIND_OUTCOMES:
                continue
            for outcome in decode_outcomes(record.payload):
                if isinstance(outcome, StateChanged) and outcome.current > deepest:
                    deepest, name = outcome.current, owner_of(outcome.subject)
    if not name:
        raise InputError(
            "CLIC-E07",
            "no account of this journal has left the state healthy",
            rule="without a name, the account that went deepest is explained",
            cure="name an account",
            journal=str(path),
        )
    return name


def _look_through(path: Path, account: str) -> Found:
    """Read all outcomes once: the account's story, and where each of its units went deepest."""
    found = Found()
    instruments: dict[str, Any] = {}
    time_us = 0
    with JournalReader.open_reader(path) as reader:
        for record in reader.read():
            if record.kind == KIND_EVENT:
                found.last_seq = record.seq
                event = decode_event(record.payload)
                time_us = event.time_us
                if isinstance(event, InstrumentsListed):
                    instruments |= {i.name: i for i in event.instruments}
            elif record.kind == KIND_OUTCOMES:
                mine = [
                    o
                    for o in decode_outcomes(record.payload)
                    if o.subject == account or owner_of(o.subject) == account
                ]
                found.story += story_lines(mine, record.seq, time_us, instruments)
                for outcome in mine:
                    if isinstance(outcome, StateChanged) and outcome.maintenance_requirement:
                        deepest = found.decisions.get(outcome.subject, (0, 0))
                        if outcome.current > deepest[0]:
                            found.decisions[outcome.subject] = (outcome.current, record.seq)
    return found


def _moment(account: str, found: Found, seq: int | None, path: Path) -> tuple[str, int]:
    """Return which margin unit to explain, and after which event."""
    if not found.story:
        raise InputError(
            "CLIC-E05",
            f"the journal knows no account {account!r}",
            rule="an account is named as it was loaded; an isolated position is ACCOUNT/INSTRUMENT",
            cure="take a name from the view or the report",
            account=account,
            journal=str(path),
        )
    if seq is not None and seq > found.last_seq:
        raise InputError(
            "CLIC-E06",
            f"the journal ends at event {found.last_seq}",
            rule="an explanation is of an event in the journal",
            cure=f"use --seq {found.last_seq} or less",
            seq=seq,
        )
    own = {u: d for u, d in found.decisions.items() if u == account} or found.decisions
    if seq is not None or not own:
        return account, seq or found.last_seq
    unit = min(own, key=lambda u: (-own[u][0], own[u][1], u))
    return unit, own[unit][1]


def risk_at(path: Path, unit: str, seq: int, *, as_decided: bool) -> tuple[AccountRisk, Engine]:
    """Return the risk of a unit and the engine around it.

    as_decided: as the engine saw it within event `seq`, before its actions; else after the event.
    Errors: CLIC-E05 when the unit is not open at that event.
    """
    seen: list[AccountRisk] = []
    with JournalReader.open_reader(path) as reader:
        engine = engine_of(reader, 1)
        first = 1
        for info in reversed(reader.snapshots()):
            if info.seq < seq:
                snapshot = reader.latest_snapshot(info.position)
                assert snapshot is not None
                restore_snapshot(engine, snapshot.blob)
                first = snapshot.position + 1
                break
        replayer = Replayer(engine, ReplayReport(str(path)))
        with Progress(
            console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()
        ) as bar:
            task = bar.add_task(f"replaying to event {seq:,}", total=seq - engine.seq)
            for record in reader.read(first):
                if record.seq > seq:
                    break
                if record.seq == seq and record.kind == KIND_EVENT and as_decided:
                    engine.on_decision = lambda u, r: seen.append(r) if u == unit else None
                replayer.take(record)
                if record.kind == KIND_EVENT:
                    bar.advance(task)
    if seen:
        return seen[0], engine
    if unit not in engine.places:
        raise InputError(
            "CLIC-E05",
            f"account {unit!r} is not open at event {seq}",
            rule="an account is explained after it was opened",
            cure="use a later --seq",
            account=unit,
            seq=seq,
        )
    return engine.risk_of(unit), engine


def _report(
    path: Path,
    unit: str,
    seq: int,
    risk: AccountRisk,
    engine: Engine,
    trees: list[Explanation],
    story: list[StoryLine],
) -> dict[str, Any]:
    """Return the explanation as ordered plain data."""
    market = engine.market
    place = engine.places.get(unit)
    positions = place[0].book.positions(place[1]) if place else []
    return {
        "account": owner_of(unit),
        "unit": unit,
        "mode": risk.mode,
        "as_of_seq": seq,
        "time": time_text(market.time_us),
        "currency": engine.method.currency,
        "method": f"{engine.method.name} {engine.method.version}",
        "method_hash": engine.method.digest().hex(),
        "equity": money(risk.equity),
        "maintenance_balance": money(risk.maintenance_balance),
        "maintenance_requirement": money(risk.maintenance_requirement),
        "buffer": money(risk.buffer),
        "margin_ratio": margin_ratio(risk.maintenance_balance, risk.maintenance_requirement),
        "initial_balance": money(risk.initial_balance),
        "initial_requirement": money(risk.initial_requirement),
        "state_after": STATE_NAMES[int(place[0].book.state[place[1]])] if place else "",
        "trees": trees,
        "positions_after": [
            {
                "instrument": market.instruments[i].name,
                "quantity": from_units(lots, market.instruments[i].lot_exponent),
                "mark": quoted_price(market.instruments[i], int(market.mark_units[i])),
                "is_protected": bool(market.is_protected[market.underlying_of[i]]),
            }
            for i, lots, _ in positions
        ],
        "story": [{"time": time_text(s.time_us), **_fields(s)} for s in story],
        "journal": str(path),
    }


def _fields(line: StoryLine) -> dict[str, Any]:
    return {"seq": line.seq, "unit": line.unit, "kind": line.kind, "text": line.text}


def _print(out: Console, report: dict[str, Any], trees: list[Explanation]) -> None:
    ratio = report["margin_ratio"]
    out.print(
        f"[bold]{report['unit']}[/]  {report['mode']} margin, as of event {report['as_of_seq']:,} "
        f"at {report['time']}"
    )
    verdict = "no requirement" if ratio is None else f"margin ratio {ratio} (below 1: liquidatable)"
    out.print(f"{verdict}, method {report['method']}, amounts in {report['currency']}\n")
    for tree in trees:
        out.print(branch(tree, None))
        out.print()
    for position in report["positions_after"]:
        shield = "  protected" if position["is_protected"] else ""
        out.print(
            f"  holds {position['quantity'].normalize():+,f} {position['instrument']} "
            f"at mark {price_words(position['mark'])}{shield}"
        )
    if report["story"]:
        out.print("\n[bold]story[/]")
    for line in report["story"]:
        out.print(f"  {line['time'][11:23]}  event {line['seq']:>8,}  {line['text']}")
    sys.stdout.flush()


def branch(node: Explanation, parent: Tree | None) -> Tree:
    """Return an explanation as a tree of lines, under `parent` if there is one."""
    note = f"  [dim]{node.note}[/]" if node.note else ""
    text = f"{_amount(node.amount)}  {node.name}{note}"
    own = Tree(text) if parent is None else parent.add(text)
    for child in node.children:
        branch(child, own)
    return own


def _amount(amount: Decimal) -> str:
    return f"{amount:>+20,.6f}"
